"""A cluster's life for tests: open jobs, ended ones, a chain of three submissions, twelve weeks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa

from sgob_tasks.store import tables as t

EVIL_REASON = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>'
RUNNING, TRAINING, WAITING = "sgob-infer-6b1f20c4", "sgob-train-91ad37e0", "sgob-infer-e07d5512"
CHAIN = "sgob-train-5c0e8a2b"
_HOUR = timedelta(hours=1)
_WORDS = {"succeeded": "COMPLETED", "failed": "FAILED", "cancelled": "CANCELLED", "lost": None}


def _dag_run(night: datetime) -> str:
    return f"scheduled__{night:%Y-%m-%dT02:00:00+00:00}"


def _job(key: str, state: str, intended: datetime, dag: str, **values: Any) -> dict[str, Any]:
    kind = key.split("-")[1]
    parameters = {"epochs": 50.0, "preset": "resnet101"} if kind == "train" else {"min_score": 0.5}
    task = "detect" if kind == "infer" else "train"
    return {
        "key": key, "cluster": "cte-power", "owner": f"{dag}/{_dag_run(intended)}/{task}", "state": state,
        "generation": 1, "job_id": None, "run_dir": f"/gpfs/projects/sgob/jobs/{key}", "tasks": 1,
        "slurm_state": _WORDS.get(state), "reason": None,
        "details": {"job": {"key": key, "kind": kind, "parameters": parameters}},
        "intended_at": intended, "submitted_at": intended + timedelta(seconds=4), "ended_at": None,
    } | values  # fmt: skip


def _link(job: dict[str, Any], start: datetime | None, took: timedelta | None, **values: Any) -> dict[str, Any]:
    """Return a submission: every task has one node of four GPUs, whose processors are busy three quarters."""
    seconds = took.total_seconds() * job["tasks"] if took else None
    end = start + took if start and took else None
    known = seconds is not None
    return {
        "key": job["key"], "generation": job["generation"], "job_id": job["job_id"], "state": job["state"],
        "slurm_state": job["slurm_state"], "reason": job["reason"], "owner": job["owner"], "tasks": job["tasks"],
        "intended_at": job["intended_at"], "submitted_at": job["submitted_at"], "started_at": start, "ended_at": end,
        "nodes": 1, "cpus": 40, "gpus": 4, "elapsed_s": took.total_seconds() if took else None,
        "queue_wait_s": (start - job["submitted_at"]).total_seconds() if start else None,
        "node_seconds": seconds, "gpu_seconds": seconds * 4 if known else None,
        "cpu_seconds": seconds * 40 if known else None, "cpu_used_seconds": seconds * 30 if known else None,
        "usage_source": "sacct" if known else None,
    } | values  # fmt: skip


def _ended(number: int, now: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return one of the ended jobs: they lie four days apart, and every fifth has not succeeded."""
    state = ("succeeded", "failed", "cancelled", "lost")[1 + number // 5 % 3] if number % 5 == 4 else "succeeded"
    reason = {"failed": EVIL_REASON, "cancelled": "cancelled by us", "lost": "missing in queue and accounting"}
    intended = now - timedelta(days=4 * number + 1)
    job = _job(
        f"sgob-infer-{(number + 7) * 2654435761 % 2**32:08x}", state, intended, "enrich_pictures",
        job_id=str(88_000 - 173 * number), tasks=number % 4 + 1, reason=reason.get(state),
    )  # fmt: skip
    start = job["submitted_at"] + timedelta(minutes=3 + 7 * (number % 6))
    took = None if state == "lost" else timedelta(minutes=25 + 31 * (number % 7))
    job["ended_at"] = start + (took or 2 * _HOUR)
    return job, _link(job, start if took else None, took)


def _chain(now: datetime) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    intended = now - timedelta(days=9)
    job = _job(
        CHAIN, "succeeded", intended, "train_detector", generation=3, job_id="87702", submitted_at=intended + 50 * _HOUR
    )
    job["ended_at"] = intended + 61 * _HOUR
    links = []
    for n, (after, hours, word) in enumerate([(1, 24, "TIMEOUT"), (25.5, 24, "TIMEOUT"), (50.5, 10, "COMPLETED")], 1):
        start = intended + after * _HOUR
        reason = "reached its time limit; goes on from checkpoint-00048.npz" if n < 3 else None
        link = _link(
            job, start, hours * _HOUR, generation=n, job_id=str(87_500 + 101 * (n - 1)), slurm_state=word,
            state="succeeded" if n == 3 else "failed", reason=reason, submitted_at=start - timedelta(minutes=29),
            queue_wait_s=29 * 60.0,
        )  # fmt: skip
        links.append(link)
    return job, links


def seed_cluster(engine: sa.Engine, *, still_open: bool = True) -> None:
    """Add jobs to a store that ``seed`` has filled.

    Args:
        engine: the store.
        still_open: whether three of them have not ended.
    """
    now = datetime.now(timezone.utc).replace(microsecond=0)
    jobs, links = zip(*(_ended(number, now) for number in range(20)), strict=True)
    chain, chained = _chain(now)
    rows, submissions = [*jobs, chain], [*links, *chained]
    if still_open:
        open_rows = [
            _job(RUNNING, "running", now - 2 * _HOUR, "enrich_pictures", job_id="88412", tasks=8,
                 slurm_state="RUNNING"),
            _job(TRAINING, "running", now - 7 * _HOUR, "train_detector", job_id="88390", slurm_state="RUNNING"),
            _job(WAITING, "submitted", now - _HOUR / 4, "enrich_pictures", job_id="88420", tasks=3,
                 slurm_state="PENDING", reason="Resources", owner="sgob enrich"),
        ]  # fmt: skip
        rows += open_rows
        submissions += [_link(row, None, None) for row in open_rows]
    with engine.begin() as connection:
        connection.execute(sa.insert(t.slurm_jobs), rows)
        connection.execute(sa.insert(t.slurm_submissions), submissions)
        used = [row["key"] for row in rows if "-infer-" in row["key"]]
        model = connection.execute(sa.select(t.models.c.id)).scalars().first()
        if model is not None:
            batch = {"run_id": "earlier", "model_id": model, "state": "loaded", "shards": 1, "pictures": 100}
            connection.execute(sa.insert(t.batches), [{"id": key, **batch} for key in used])
