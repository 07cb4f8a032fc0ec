"""The trigger on the real login node, through Airflow's own asynchronous SSH hook."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sgob_airflow.slurm_hook import ClusterPoller
from sgob_airflow.slurm_trigger import FIRST_EVENT_S, TASK_ENDED, SlurmJobTrigger

from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.sandbox.slurm import SlurmSandbox
from tests.integration.cluster.conftest import Lab

pytestmark = pytest.mark.integration

OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIB/2mUFoHGcPhgwFo1j10GrK/CoGMJPIPs7JEvn7am3"


@pytest.fixture(autouse=True)
def connection(slurm: SlurmSandbox, store: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def document(host_key: str) -> str:
        extra = {"key_file": str(slurm.key_file), "host_key": host_key}
        return json.dumps(
            {"conn_type": "ssh", "host": slurm.host, "port": slurm.port, "login": slurm.user, "extra": extra}
        )

    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", document(slurm.host_key))
    monkeypatch.setenv("AIRFLOW_CONN_OTHER_CLUSTER", document(OTHER_KEY))
    monkeypatch.setenv("SGOB_DATABASE_URL", store.url.render_as_string(hide_password=False))


def make(lab: Lab, job: Job, record: JobRecord, conn_id: str = "test_cluster") -> SlurmJobTrigger:
    site = lab.cluster.site
    assert record.job_id is not None
    assert record.intended_at is not None
    arguments: dict[str, Any] = {
        "ssh_conn_id": conn_id,
        "job": job.to_dict(),
        "generation": record.generation,
        "job_id": record.job_id,
        "run_dir": record.run_dir,
        "intended_at": record.intended_at.isoformat(),
        "poll_min_s": site.poll_min_s,
        "poll_max_s": site.poll_max_s,
        "marker_wait_s": site.marker_wait_s,
        "lost_after_s": site.lost_after_s,
        "command_timeout_s": site.command_timeout_s,
        "log_path": "",
    }
    trigger = SlurmJobTrigger(**arguments)
    path, kept = trigger.serialize()
    assert path == "sgob_airflow.slurm_trigger.SlurmJobTrigger"
    assert json.loads(json.dumps(kept)) == arguments
    return trigger


async def first_event(trigger: SlurmJobTrigger) -> dict[str, Any]:
    async for event in trigger.run():
        return dict(event.payload)
    raise AssertionError("the trigger ended without an event")


def test_one_event_when_the_job_has_ended(lab: Lab) -> None:
    job = lab.job(tasks=2, seconds=1)
    record = lab.cluster.submit_or_adopt(job)
    started = time.monotonic()
    event = asyncio.run(first_event(make(lab, job, record)))
    assert event["status"] == "ended", event
    assert time.monotonic() - started >= FIRST_EVENT_S
    progress = lab.cluster.advance(job, event["quiet_s"])
    assert progress.record.state == "succeeded"


def test_a_dead_task_ends_the_wait_and_the_operators_step_submits_it_again(lab: Lab) -> None:
    job = lab.job(tasks=3, die=[1])
    record = lab.cluster.submit_or_adopt(job)
    event = asyncio.run(first_event(make(lab, job, record)))
    progress = lab.cluster.advance(job, event["quiet_s"])
    assert progress.resubmitted == (1,)
    event = asyncio.run(first_event(make(lab, job, progress.record)))
    assert lab.cluster.advance(job, event["quiet_s"]).record.state == "succeeded"


def test_many_triggers_share_one_connection_and_one_question(lab: Lab) -> None:
    jobs = [lab.job(seconds=4) for _ in range(6)]
    records = [lab.cluster.submit_or_adopt(job) for job in jobs]
    connections: set[int] = set()

    async def watch() -> tuple[int, list[dict[str, Any]]]:
        poller = ClusterPoller.shared("test_cluster")
        tasks = [
            asyncio.create_task(first_event(make(lab, job, record))) for job, record in zip(jobs, records, strict=True)
        ]
        while not all(task.done() for task in tasks):
            if poller._connection is not None:
                connections.add(id(poller._connection))
            await asyncio.sleep(0.05)
        return poller.questions, [task.result() for task in tasks]

    started = time.monotonic()
    questions, events = asyncio.run(watch())
    rounds = (time.monotonic() - started) / lab.cluster.site.poll_min_s
    assert [event["status"] for event in events] == ["ended"] * 6
    assert len(connections) == 1
    assert questions <= rounds * 1.2 + 2, "as many as one trigger alone would ask"


def test_a_strange_host_key_ends_the_wait(lab: Lab) -> None:
    job = lab.job(seconds=2)
    event = asyncio.run(first_event(make(lab, job, lab.cluster.submit_or_adopt(job), "other_cluster")))
    assert event["status"] == "error"
    assert "not the one we know" in event["reason"]
    lab.cluster.cancel(job.key)


def test_a_task_that_a_person_ends_takes_its_job_with_it(lab: Lab) -> None:
    job = lab.job(tasks=2, seconds=60)
    record = lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")

    async def as_airflow_does() -> None:
        task = asyncio.create_task(make(lab, job, record).on_kill())
        while not task.done():
            await asyncio.sleep(0.02)
            task.cancel()
        await task

    asyncio.run(as_airflow_does())
    lab.until(job, "CANCELLED")
    kept = lab.cluster.ledger.get(job.key)
    assert kept is not None
    assert (kept.state, kept.reason) == ("cancelled", TASK_ENDED)
    assert lab.cluster.submit_or_adopt(job).generation == 2, "the next try does not wait for the dying job"
    lab.cluster.cancel(job.key)


def test_the_next_try_does_not_run_beside_a_job_that_was_not_told(lab: Lab) -> None:
    """The ledger says cancelled, and the login node was away when Slurm should have been told."""
    job = lab.job(seconds=60)
    record = lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    lab.cluster.ledger.save(replace(record, state="cancelled", reason=TASK_ENDED))
    assert lab.cluster.submit_or_adopt(job).generation == 2
    assert {row.state for row in lab.cluster.queue([job.name(1)])} <= {"CANCELLED", "COMPLETING"}
    lab.cluster.cancel(job.key)
