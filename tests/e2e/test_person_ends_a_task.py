"""What becomes of a Slurm job when a person ends its task while it waits: in a real Airflow, with a real training."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.sandbox.airflow import AirflowClient
from sgob_tasks.sandbox.night import TRAIN
from sgob_tasks.sandbox.platform import Platform
from sgob_tasks.store.jobs import recent_jobs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PATIENT_S = 90.0


def until(what: str, condition: Callable[[], Any]) -> Any:
    """Wait until something is there; return it."""
    deadline = time.monotonic() + PATIENT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.5)
    return found


def of_run(engine: sa.Engine, run_id: str) -> JobRecord | None:
    return next((record for record in recent_jobs(engine) if f"/{run_id}/" in record.owner), None)


def waiting(client: AirflowClient, engine: sa.Engine, run_id: str, generation: int = 1) -> JobRecord:
    """Wait until the training runs on the cluster, its task has given its worker back and its trigger waits.

    A task that is ended before the triggerer has begun with its trigger leaves its job to the reconciler.
    """

    def look() -> JobRecord | None:
        record = of_run(engine, run_id)
        if record is None or record.generation != generation or record.state not in {"submitted", "running"}:
            return None
        train = next(task for task in client.task_instances(TRAIN, run_id) if task["task_id"] == "train")
        begun = train["state"] == "deferred" and (train["trigger"] or {}).get("triggerer_id") is not None
        return record if begun else None

    found: JobRecord = until("the training waits", look)
    time.sleep(5)  # assigned to a triggerer, which begins with it in its next round
    return found


def test_the_job_goes_with_its_task(
    first_night: dict[str, str], platform: Platform, engine: sa.Engine, slurm_queue: Callable[[], set[str]]
) -> None:
    client = platform.airflow(platform.state()).client()
    run_id = client.trigger(TRAIN, {"budget_s": 901, "epochs": 1000})
    first = waiting(client, engine, run_id)
    assert f"{first.key}.1" in slurm_queue()

    # Cleared: the job ends, and the next try makes another one.
    body = {"dry_run": False, "task_ids": ["train"], "dag_run_id": run_id, "only_failed": False}
    client.call("POST", f"dags/{TRAIN}/clearTaskInstances", json=body)
    second = waiting(client, engine, run_id, generation=2)
    assert second.key == first.key
    until("the first job is gone", lambda: f"{first.key}.1" not in slurm_queue())
    assert f"{first.key}.2" in slurm_queue()

    # Marked as failed: the job ends, and the ledger says why.
    path = f"dags/{TRAIN}/dagRuns/{run_id}"
    client.call("PATCH", f"{path}/taskInstances/train", json={"new_state": "failed"})
    until("the second job is gone", lambda: f"{first.key}.2" not in slurm_queue())
    record = of_run(engine, run_id)
    assert record is not None
    assert (record.state, record.reason) == ("cancelled", "its task was ended by a person")

    # Its run marked as failed, which Airflow asks for before it deletes a run.
    until("the run has ended", lambda: client.run(TRAIN, run_id)["state"] == "failed")
    run_id = client.trigger(TRAIN, {"budget_s": 902, "epochs": 1000})
    third = waiting(client, engine, run_id)
    assert third.key != first.key
    client.call("PATCH", f"dags/{TRAIN}/dagRuns/{run_id}", json={"state": "failed"})
    client.call("DELETE", f"dags/{TRAIN}/dagRuns/{run_id}")
    until("the third job is gone", lambda: f"{third.key}.1" not in slurm_queue())
    record = of_run(engine, run_id)
    assert record is not None
    assert record.state == "cancelled"
