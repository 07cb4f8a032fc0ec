"""Every submission leaves a row with what it used, on a real Slurm with a real slurmdbd."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from sgob_tasks.sandbox.processes import Service
from sgob_tasks.sandbox.slurm import up
from sgob_tasks.store import job_history
from tests.integration.cluster.conftest import PORTS, ROOT, USER, Lab

pytestmark = pytest.mark.integration


def test_an_array_is_accounted_over_all_its_tasks(lab: Lab, store: sa.Engine) -> None:
    job = lab.job(tasks=3, seconds=2)
    record = lab.cluster.wait(job, timeout_s=60).record
    (link,) = job_history.links(store, job.key)
    assert link.usage_source == "sacct", link.usage_note
    assert (link.generation, link.job_id, link.state, link.slurm_state) == (1, record.job_id, "succeeded", "COMPLETED")
    assert link.indices == 3
    assert link.node_hours is not None
    assert 3 * 2 <= link.node_hours * 3600 <= 3 * 10
    assert link.gpu_hours == link.node_hours, "one GPU and one node for each task"
    assert link.submitted_at is not None
    assert link.started_at is not None
    assert link.ended_at is not None
    assert link.submitted_at <= link.started_at < link.ended_at
    assert link.elapsed_s == (link.ended_at - link.started_at).total_seconds()
    assert link.queue_wait_s == (link.started_at - link.submitted_at).total_seconds()
    assert link.efficiency is not None
    assert 0 <= link.efficiency < 1
    (row,) = job_history.jobs(store)
    assert (row.key, row.kind, row.node_hours, row.links) == (job.key, "infer", link.node_hours, 1)


def test_training_is_accounted_with_all_its_nodes(lab: Lab, store: sa.Engine) -> None:
    job = lab.job("train", seconds=2)
    lab.cluster.wait(job, timeout_s=60)
    (link,) = job_history.links(store, job.key)
    assert link.usage_source == "sacct", link.usage_note
    assert link.node_hours is not None
    assert link.elapsed_s is not None
    assert link.node_hours * 3600 == pytest.approx(2 * link.elapsed_s)
    assert link.gpu_hours == pytest.approx(link.node_hours)


def test_each_link_of_a_chain_is_kept_with_the_reason_for_the_next(lab: Lab, store: sa.Engine) -> None:
    job = lab.job(tasks=4, die=[2])
    record = lab.cluster.wait(job, timeout_s=60).record
    first, second = job_history.links(store, job.key)
    assert (first.state, first.indices, first.usage_source) == ("continued", 4, "sacct"), first.usage_note
    assert "exit code 137" in str(first.reason)
    assert first.ended_at is not None
    assert (second.state, second.indices, second.job_id) == ("succeeded", 1, record.job_id)
    assert first.job_id != second.job_id
    (row,) = job_history.jobs(store)
    assert row.links == 2
    assert row.node_hours == pytest.approx((first.node_hours or 0) + (second.node_hours or 0))


def test_a_cancelled_job_is_accounted(lab: Lab, store: sa.Engine) -> None:
    job = lab.job(tasks=6, seconds=60)
    lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    lab.cluster.cancel(job.key)
    (link,) = job_history.links(store, job.key)
    assert (link.state, link.indices) == ("cancelled", 6)
    assert link.ended_at is not None
    assert link.usage_source in {"sacct", "none"}, "slurmdbd may be behind; the reconciler asks again"


def test_without_slurmdbd_the_markers_tell_the_times(lab: Lab, store: sa.Engine, daemons: dict[str, Service]) -> None:
    job = lab.job(tasks=2, seconds=2)
    lab.cluster.submit_or_adopt(job)
    assert daemons["slurmdbd"].stop()
    try:
        assert lab.cluster.wait(job, timeout_s=60).record.state == "succeeded"
    finally:
        up(ROOT, ports=PORTS, user=USER)
    (link,) = job_history.links(store, job.key)
    assert link.usage_source == "markers"
    assert "sacct: exit 1" in str(link.usage_note)
    assert "2 tasks" in str(link.usage_note)
    assert link.node_hours is not None
    assert 2 * 2 <= link.node_hours * 3600 <= 2 * 10
    assert link.efficiency is None
