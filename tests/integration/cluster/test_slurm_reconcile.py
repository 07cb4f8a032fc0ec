"""Ledger and queue are brought together on a real Slurm, with nobody else's jobs touched and nothing submitted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.reconcile import Finding, Reconciliation, reconcile
from sgob_tasks.errors import TransientError
from sgob_tasks.sandbox.processes import Service
from sgob_tasks.sandbox.slurm import up
from sgob_tasks.store import job_history
from tests.integration.cluster.conftest import PORTS, ROOT, USER, Lab

pytestmark = pytest.mark.integration
OWNER = "enrich_pictures/manual__2026-11-23T00:00:00+00:00/infer"


@pytest.fixture(autouse=True)
def clean_queue(lab: Lab) -> Iterator[None]:
    """Begin with nothing in the queue, and leave nothing there."""
    lab.run("scancel --me")
    while lab.run("squeue -h --me"):
        time.sleep(0.2)
    yield
    lab.run("scancel --me")


def make(lab: Lab, **options: Any) -> Job:
    return lab.job(prefix="sgob-infer", owner=OWNER, **options)


def look(lab: Lab, job: Job, grace_s: float = 0.0, **options: Any) -> tuple[list[Finding], Reconciliation]:
    """Reconcile; return what was found about one job, and all."""
    result = reconcile(lab.cluster, grace_s=grace_s, **options)
    return [finding for finding in result.findings if finding.key == job.key], result


def until_ended(lab: Lab, job: Job, generation: int = 1) -> None:
    deadline = time.monotonic() + 30
    while lab.run(f"squeue -h --me -n {job.name(generation)}"):
        assert time.monotonic() < deadline
        time.sleep(0.3)


def record_of(lab: Lab, job: Job) -> JobRecord:
    record = lab.cluster.ledger.get(job.key)
    assert record is not None
    return record


def test_ledger_and_queue_agree_about_a_running_job(lab: Lab, store: sa.Engine) -> None:
    job = make(lab, tasks=2, seconds=30)
    lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    found, result = look(lab, job, cancel=True)
    assert found == []
    assert (result.open, result.queued) == (1, 1)
    assert record_of(lab, job).state == "running"
    assert job_history.links(store, job.key)[0].started_at is not None


def test_an_orphan_is_found_and_cancelled(lab: Lab, store: sa.Engine) -> None:
    job = make(lab, tasks=3, seconds=60)
    record = lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    with store.begin() as connection:
        connection.execute(sa.text("DELETE FROM slurm_jobs"))
    assert look(lab, job, grace_s=5.0 + 60, cancel=True)[0] == [], "it may be a submission under way"
    (foreign,), _ = look(lab, job, cancel=True)
    assert (foreign.kind, foreign.job_id, foreign.cancelled) == ("foreign", record.job_id, False)
    (reported,), _ = look(lab, job, staged_here=lambda key: key == job.key)
    assert (reported.kind, reported.cancelled) == ("orphan", False)
    (cancelled,), _ = look(lab, job, cancel=True, staged_here=lambda key: key == job.key)
    assert (cancelled.kind, cancelled.cancelled) == ("orphan", True)
    assert "the ledger has lost it" in cancelled.text
    until_ended(lab, job)
    assert look(lab, job, cancel=True)[0] == []


def test_an_earlier_submission_and_a_twin_are_orphans_and_the_owned_job_stays(lab: Lab) -> None:
    job = make(lab, seconds=60)
    first = lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    lab.cluster.ledger.save(replace(first, state="failed"))
    second = lab.cluster.submit_or_adopt(job)
    assert second.generation == 2
    assert not lab.run(f"squeue -h --me -j {first.job_id} -t pd,r -o %T").strip(), "no two submissions run side by side"
    folder = f"{first.run_dir}/submitted"
    earlier, twin = (lab.run(f"cd {folder} && sbatch --parsable --hold {n}.sbatch").strip() for n in (1, 2))
    found, _ = look(lab, job, cancel=True)
    assert {(one.kind, one.job_id, one.cancelled) for one in found} == {
        ("orphan", earlier, True),
        ("orphan", twin, True),
    }
    assert lab.run(f"squeue -h --me -j {second.job_id} -o %T").strip() in {"PENDING", "RUNNING"}
    assert record_of(lab, job).open


def test_a_job_that_ended_unwatched_gets_its_true_state_and_its_figures(lab: Lab, store: sa.Engine) -> None:
    job = make(lab, tasks=2, seconds=1)
    lab.cluster.submit_or_adopt(job)
    until_ended(lab, job)
    time.sleep(4)  # slurmdbd is some seconds behind
    (left,), _ = look(lab, job, grace_s=60)
    assert left.kind == "ended", "its owner has a minute to see it"
    assert record_of(lab, job).open
    (settled,), _ = look(lab, job)
    assert settled.kind == "settled"
    assert record_of(lab, job).state == "succeeded"
    (link,) = job_history.links(store, job.key)
    assert (link.state, link.usage_source) == ("succeeded", "sacct")
    assert look(lab, job)[0] == []


def test_nothing_is_submitted_and_an_owner_who_comes_back_goes_on(lab: Lab) -> None:
    job = make(lab, tasks=3, die=[1])
    lab.cluster.submit_or_adopt(job)
    until_ended(lab, job)
    time.sleep(4)
    (settled,), _ = look(lab, job)
    assert settled.kind == "settled"
    record = record_of(lab, job)
    assert (record.state, record.generation) == ("failed", 1)
    assert not lab.run("squeue -h --me")
    progress = lab.cluster.advance(job, 10.0)
    assert (progress.resubmitted, progress.record.generation) == ((1,), 2)
    assert lab.cluster.wait(job, timeout_s=60).record.state == "succeeded"


def test_an_intent_is_adopted_when_slurm_has_the_job(lab: Lab) -> None:
    job = make(lab, seconds=30)
    record = lab.cluster.submit_or_adopt(job)
    lab.cluster.ledger.save(replace(record, state="intended", job_id=None, submitted_at=None))
    assert look(lab, job, grace_s=60)[0] == []
    found, _ = look(lab, job, cancel=True)
    assert [(one.kind, one.job_id) for one in found] == [("adopted", record.job_id)]
    adopted = record_of(lab, job)
    assert (adopted.job_id, adopted.generation) == (record.job_id, 1)
    assert adopted.state in {"submitted", "running"}
    lost = make(lab)
    intent = replace(record, key=lost.key, run_dir=lab.cluster.site.job_dir(lost.key), state="intended", job_id=None)
    lab.cluster.ledger.save(intent)
    (unsent,), _ = look(lab, lost, cancel=True)
    assert unsent.kind == "unsent"
    assert record_of(lab, lost).state == "intended"


def test_a_job_whose_owner_has_ended_is_cancelled_at_the_second_look(lab: Lab) -> None:
    job = make(lab, seconds=60)
    lab.cluster.submit_or_adopt(job)
    (first,), _ = look(lab, job, cancel=True, ended_owners={OWNER})
    assert (first.kind, first.cancelled) == ("ownerless", False)
    assert look(lab, job, cancel=True)[0] == [], "the task was cleared and has taken it up"
    (again,), _ = look(lab, job, cancel=True, ended_owners={OWNER})
    assert not again.cancelled, "counted anew"
    (second,), _ = look(lab, job, cancel=True, ended_owners={OWNER})
    assert second.cancelled
    record = record_of(lab, job)
    assert record.state == "cancelled"
    assert OWNER in str(record.reason)


def test_without_slurmdbd_markers_settle_a_job_and_figures_come_later(
    lab: Lab, store: sa.Engine, daemons: dict[str, Service]
) -> None:
    done, bare = make(lab, seconds=1), make(lab, seconds=1)
    for job in (done, bare):
        lab.cluster.submit_or_adopt(job)
        until_ended(lab, job)
    lab.run(f"rm {lab.cluster.site.job_dir(bare.key)}/done/0.json")
    deadline = time.monotonic() + 90
    while lab.cluster.queue([done.name(1), bare.name(1)]):  # until slurmctld has purged them
        assert time.monotonic() < deadline
        time.sleep(1)
    assert daemons["slurmdbd"].stop()
    try:
        assert [one.kind for one in look(lab, done)[0]] == ["settled"]
        (unsure,), _ = look(lab, bare)
        assert unsure.kind == "ended", "nobody mentions it, and sacct is silent: that is no verdict"
        assert record_of(lab, bare).open
    finally:
        up(ROOT, ports=PORTS, user=USER)
    (link,) = job_history.links(store, done.key)
    assert (link.state, link.usage_source) == ("succeeded", "markers")
    (settled,), result = look(lab, bare)
    assert settled.kind == "settled"
    assert record_of(lab, bare).state == "lost", "COMPLETED without a marker"
    assert result.accounted == 1
    (link,) = job_history.links(store, done.key)
    assert (link.state, link.usage_source, link.usage_note) == ("succeeded", "sacct", None)


def test_an_owner_who_is_quicker_wins(lab: Lab) -> None:
    job = make(lab, seconds=1)
    record = lab.cluster.submit_or_adopt(job)
    lab.cluster.ledger.save(replace(record, state="succeeded"))
    with pytest.raises(TransientError, match="meanwhile"):
        lab.cluster.ledger.save(replace(record, state="failed"), replaces=record)
