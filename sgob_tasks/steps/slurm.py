"""Look after Slurm jobs: list and show them, read their logs, cancel them, compare the ledger with the queue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from sgob_tasks.cluster.connect import configured_site, open_cluster
from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.cluster.reconcile import reconcile as compare
from sgob_tasks.config import Settings
from sgob_tasks.errors import InputError
from sgob_tasks.store import job_history
from sgob_tasks.store.engine import open_store
from sgob_tasks.store.jobs import StoreLedger


def list_jobs(settings: Settings, states: Collection[str] | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Return the last jobs of the ledger; the cluster is not asked.

    Args:
        settings: the installation's.
        states: only jobs in these states.
        limit: at most this many.
    """
    return [asdict(row) for row in job_history.jobs(open_store(settings), states=states, limit=limit)]


def show_job(settings: Settings, key: str) -> dict[str, Any]:
    """Return all that the ledger has on one job: record, submissions, verdict, resources, usage, where its files are.

    Raises:
        InputError: the ledger does not know the job.
    """
    engine = open_store(settings)
    record, row = StoreLedger(engine).get(key), job_history.job(engine, key)
    if record is None or row is None:
        raise _unknown(key)
    site = configured_site(settings)
    asked = asdict(_job(record).asks(site)) if "job" in record.details and record.cluster == site.name else None
    return {
        "job": asdict(row),
        "counts": dict(record.details.get("counts", {})),
        "indices": list(record.indices),
        "resources": asked,
        "links": [asdict(link) for link in job_history.links(engine, key)],
        "files": {
            "cluster": record.run_dir,
            "script": f"{record.run_dir}/submitted/{record.generation}.sbatch",
            "logs": f"{record.run_dir}/logs",
            "here": str(settings.jobs_dir / key),
            "code": record.details.get("code"),
        },
    }


def job_log(settings: Settings, key: str, index: int | None = None, lines: int = 40) -> dict[str, Any]:
    """Return the end of the log of one task of a job's last submission.

    Args:
        settings: the installation's.
        key: of the job.
        index: of the task; by default the first one of the last submission.
        lines: how many.

    Raises:
        InputError: the ledger does not know the job, it is another cluster's, or has no such task.
    """
    with _cluster(settings) as cluster:
        record = _record(cluster, key)
        if index is not None and index not in range(record.tasks):
            raise InputError(f"job {key}", "index", index, f"it has {record.tasks} tasks, from 0")
        job = _job(record)
        chosen = index if index is not None else record.indices[0]
        generation = _generation_of(job_history.submitted_indices(open_store(settings), key), chosen)
        text = cluster.log_tail(job, chosen, generation, lines)
        path = cluster.log_path(job, generation or record.generation, chosen)
    return {"key": key, "index": chosen, "path": path, "text": text}


def _generation_of(submitted: dict[int, tuple[int, ...]], index: int) -> int | None:
    """Return the last submission that had a task; a later one may have repeated others only."""
    return max((generation for generation, indices in submitted.items() if index in indices), default=None)


def cancel_job(settings: Settings, key: str) -> dict[str, Any]:
    """Cancel a job, and enter it in the ledger.

    Raises:
        InputError: the ledger does not know the job, or it is another cluster's.
        TransientError: it is still alive after half a minute, or Slurm does not answer.
    """
    with _cluster(settings) as cluster:
        before = _record(cluster, key)
        record = cluster.cancel(key) or before
    return {"key": key, "job_id": record.job_id, "state": record.state, "was": before.state, "reason": record.reason}


def renew_job(settings: Settings, key: str) -> dict[str, Any]:
    """Let a job do everything again when it is next asked for; what lives of it is cancelled.

    Raises:
        InputError: the ledger does not know the job, or it is another cluster's.
        TransientError: it is still alive after half a minute, Slurm does not answer, or its owner went on with it.
    """
    with _cluster(settings) as cluster:
        before = _record(cluster, key)
        record = cluster.renew(key) or before
    return {"key": key, "job_id": record.job_id, "state": record.state, "was": before.state, "owner": record.owner}


def open_owners(settings: Settings) -> list[str]:
    """Return the owners of all open jobs of the configured cluster."""
    records = StoreLedger(open_store(settings)).open_records(configured_site(settings).name)
    return sorted({record.owner for record in records})


def reconcile(
    settings: Settings,
    cancel: bool = False,
    ended_owners: Collection[str] = (),
    connect: Callable[[Settings], Cluster] | None = None,
) -> dict[str, Any]:
    """Compare the ledger with the queue, and put right what no owner will; nothing is submitted.

    Args:
        settings: the installation's.
        cancel: cancel orphans, and jobs whose owner has ended.
        ended_owners: owners (DAG/run/task) that are known to have ended; the others are taken to live.
        connect: makes the cluster; by default from the settings.

    Raises:
        TransientError: the cluster cannot be asked now.
    """
    with _cluster(settings, connect) as cluster:
        found = compare(
            cluster,
            cancel=cancel,
            ended_owners=ended_owners,
            staged_here=lambda key: (settings.jobs_dir / key / "job.json").is_file(),
        )
    return {**asdict(found), "findings": [asdict(finding) for finding in found.findings]}


@contextmanager
def _cluster(settings: Settings, connect: Callable[[Settings], Cluster] | None = None) -> Iterator[Cluster]:
    cluster = connect(settings) if connect else open_cluster(settings, open_store(settings))
    try:
        yield cluster
    finally:
        cluster.close()


def _record(cluster: Cluster, key: str) -> JobRecord:
    record = cluster.ledger.get(key)
    if record is None:
        raise _unknown(key)
    if record.cluster != cluster.site.name:
        raise InputError(f"job {key}", "cluster", record.cluster, f"the configured one is {cluster.site.name}")
    return record


def _job(record: JobRecord) -> Job:
    described = record.details.get("job")
    if not isinstance(described, dict):
        raise InputError(f"job {record.key}", "details.job", described, "the ledger does not say what it was")
    return Job.from_dict(described)


def _unknown(key: str) -> InputError:
    return InputError("jobs", "key", key, "the ledger does not know it; see `sgob jobs list`")
