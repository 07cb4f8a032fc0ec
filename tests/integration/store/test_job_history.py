"""What jobs cost, added up by the database."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.errors import InputError
from sgob_tasks.store import job_history
from sgob_tasks.store import tables as t

pytestmark = pytest.mark.integration

NOW = datetime.now(timezone.utc)
TRAIN, INFER, HAND = "sgob-train-aaaa", "sgob-infer-bbbb", "sgob-infer-cccc"
RUN = "manual__2026-11-23T00:00:00+00:00"


def _submission(key: str, generation: int, **values: Any) -> dict[str, Any]:
    base = {
        "key": key, "generation": generation, "job_id": None, "state": "succeeded", "tasks": 1,
        "owner": f"train_detector/{RUN}/train", "submitted_at": NOW, "started_at": None, "ended_at": NOW,
        "elapsed_s": None, "queue_wait_s": None, "node_seconds": None, "gpu_seconds": None, "cpu_seconds": None,
        "cpu_used_seconds": None, "usage_source": "sacct", "reason": None,
    }  # fmt: skip
    return base | values


@pytest.fixture
def history(store: sa.Engine) -> sa.Engine:
    """A training of three links, of which one has no figures; a batch of its model; a job by hand that still runs."""
    jobs = [
        {
            "key": TRAIN, "cluster": "test", "owner": f"train_detector/{RUN}/train", "state": "succeeded",
            "generation": 3, "job_id": "13", "run_dir": "/r", "details": {"job": {"kind": "train"}}, "tasks": 1,
            "ended_at": NOW, "intended_at": NOW - timedelta(hours=3),
        },
        {
            "key": INFER, "cluster": "test", "owner": "enrich_pictures/night/infer/3", "state": "failed",
            "generation": 1, "job_id": "14", "run_dir": "/r", "details": {}, "tasks": 5, "ended_at": NOW,
            "intended_at": NOW - timedelta(hours=2),
        },
        {
            "key": HAND, "cluster": "test", "owner": "sgob/by-hand-1/enrich", "state": "running", "generation": 1,
            "job_id": "15", "run_dir": "/r", "details": {}, "tasks": 2, "ended_at": None,
            "intended_at": NOW - timedelta(hours=1),
        },
    ]  # fmt: skip
    links = [
        _submission(TRAIN, 1, state="failed", reason="TIMEOUT", ended_at=NOW - timedelta(days=14), elapsed_s=3600.0,
                    queue_wait_s=60.0, node_seconds=7200.0, gpu_seconds=28800.0, cpu_seconds=10000.0,
                    cpu_used_seconds=5000.0),
        _submission(TRAIN, 2, elapsed_s=None, usage_source="none"),
        _submission(TRAIN, 3, elapsed_s=1800.0, queue_wait_s=120.0, node_seconds=3600.0, gpu_seconds=14400.0,
                    cpu_seconds=10000.0, cpu_used_seconds=None, usage_source="markers"),
        _submission(INFER, 1, state="failed", tasks=5, owner="enrich_pictures/night/infer/3", elapsed_s=100.0,
                    queue_wait_s=10.0, node_seconds=360.0, gpu_seconds=360.0, cpu_seconds=400.0,
                    cpu_used_seconds=100.0),
        _submission(HAND, 1, state="running", tasks=2, owner="sgob/by-hand-1/enrich", ended_at=None, usage_source=None),
    ]  # fmt: skip
    models = [
        {"id": f"detector-{n}", "name": "detector", "version": n, "state": "candidate", "path": "p", "sha256": str(n),
         "config": {}, "scores": {}, "training": {}, "run_id": RUN if n == 1 else None,
         "created_at": NOW + timedelta(seconds=n)}
        for n in (1, 2)
    ]  # fmt: skip
    with store.begin() as connection:
        connection.execute(sa.insert(t.slurm_jobs), jobs)
        connection.execute(sa.insert(t.slurm_submissions), links)
        connection.execute(sa.insert(t.models), models)
        connection.execute(
            sa.insert(t.batches),
            {"id": INFER, "run_id": "night", "model_id": "detector-1", "shards": 5, "pictures": 9},
        )
    return store


def test_jobs_come_newest_first_with_their_sums(history: sa.Engine) -> None:
    hand, infer, train = job_history.jobs(history)
    assert (hand.key, infer.key, train.key) == (HAND, INFER, TRAIN)
    assert (train.kind, infer.kind, hand.kind) == ("train", "infer", "infer")
    assert (train.links, train.generation, train.elapsed_s, train.node_hours, train.gpu_hours) == (3, 3, 5400, 3, 12)
    assert train.queue_wait_s == pytest.approx(90)
    assert train.efficiency == pytest.approx(0.5), "of the link whose CPU time is known"
    assert (infer.dag_id, infer.run_id, infer.task_id) == ("enrich_pictures", "night", "infer")
    assert (hand.dag_id, hand.run_id, hand.task_id) == (None, "by-hand-1", None)
    assert (hand.elapsed_s, hand.node_hours, hand.queue_wait_s, hand.efficiency) == (None, None, None, None)


def test_jobs_by_state_and_limit(history: sa.Engine) -> None:
    assert [row.key for row in job_history.jobs(history, states={"running", "failed"})] == [HAND, INFER]
    assert [row.key for row in job_history.jobs(history, limit=1)] == [HAND]
    assert job_history.jobs(history, states=()) == []
    found = job_history.job(history, TRAIN)
    assert found == job_history.jobs(history)[2]
    assert job_history.job(history, "nobody") is None


def test_an_owner_of_another_form_is_no_task(store: sa.Engine) -> None:
    with store.begin() as connection:
        connection.execute(sa.insert(t.slurm_jobs).values(key="k", cluster="c", owner="me", run_dir="/r", generation=1))
    (row,) = job_history.jobs(store)
    assert (row.dag_id, row.run_id, row.task_id, row.kind, row.links) == (None, None, None, "", 0)


def test_links_of_a_chain(history: sa.Engine) -> None:
    first, second, third = job_history.links(history, TRAIN)
    assert (first.generation, first.reason, first.node_hours, first.gpu_hours, first.efficiency) == (
        1, "TIMEOUT", 2, 8, 0.5,
    )  # fmt: skip
    assert (second.node_hours, second.usage_source) == (None, "none")
    assert third.efficiency is None
    assert [link.indices for link in job_history.links(history, INFER)] == [5]
    assert job_history.links(history, "nobody") == []


def test_weeks_without_jobs_are_there(history: sa.Engine) -> None:
    weeks = job_history.usage_by_week(history, 4)
    monday = NOW.date() - timedelta(days=NOW.weekday())
    assert [week.week_start for week in weeks] == [monday - timedelta(weeks=n) for n in (3, 2, 1, 0)]
    assert [week.jobs for week in weeks] == [0, 1, 0, 2]
    assert [week.gpu_hours for week in weeks] == pytest.approx([0, 8, 0, 4.1])
    assert len(job_history.usage_by_week(history)) == 12
    with pytest.raises(InputError, match="weeks"):
        job_history.usage_by_week(history, 0)


def test_usage_of_runs(history: sa.Engine) -> None:
    training = job_history.usage_by_run(history, RUN)
    assert (training.name, training.jobs, training.node_hours, training.gpu_hours) == (RUN, 1, 3, 12)
    night = job_history.usage_by_run(history, "night")
    assert (night.jobs, night.efficiency) == (1, pytest.approx(0.25))
    assert job_history.usage_by_run(history, "by-hand-1").jobs == 1
    nothing = job_history.usage_by_run(history, "nobody")
    assert (nothing.jobs, nothing.node_hours, nothing.queue_wait_s, nothing.efficiency) == (0, 0.0, None, None)


def test_usage_of_models_is_training_and_inference(history: sa.Engine) -> None:
    second, first = job_history.usage_by_model(history)
    assert (second.name, second.jobs, second.gpu_hours, second.efficiency) == ("detector-2", 0, 0.0, None)
    assert (first.name, first.jobs, first.gpu_hours) == ("detector-1", 2, pytest.approx(12.1))
    assert first.queue_wait_s == pytest.approx(60), "the median of 10, 60 and 120"
    assert first.efficiency == pytest.approx(5100 / 10400)
