"""Put the code on the cluster and run jobs there, from the command line; DAGs use ``SlurmJobOperator``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from sgob_tasks.cluster.connect import open_cluster
from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.jobs import Progress
from sgob_tasks.config import Settings
from sgob_tasks.errors import PermanentError
from sgob_tasks.store.engine import open_store

log = logging.getLogger(__name__)


def deploy(settings: Settings) -> dict[str, str]:
    """Put this version of the code on the cluster, unless it is there; return its folder."""
    cluster = open_cluster(settings, open_store(settings))
    try:
        return {"code": cluster.deploy()}
    finally:
        cluster.close()


def run_job(settings: Settings, job: dict[str, Any]) -> dict[str, Any]:
    """Run a job directory on the cluster and wait for its end; a job that runs already is waited for.

    Args:
        settings: the installation's.
        job: what a planning step returned.

    Returns:
        The job, with its ``state`` (succeeded, or partial for an array of which some tasks failed) and with ``failed``:
        the reason by index.

    Raises:
        PermanentError: the job, or every task of it, failed.
    """
    cluster = open_cluster(settings, open_store(settings))
    described, folder = Job.from_dict(job), Path(str(job["job_dir"]))

    def tell(progress: Progress) -> None:
        log.info("%s: %s: %s", described.key, progress.record.state, progress.reason)

    try:
        cluster.stage(described, folder)
        progress = cluster.wait(described, tell)
        failed = progress.verdict.failures()
        if progress.record.state != "succeeded" and not (described.array and progress.verdict.succeeded()):
            cluster.fetch(described, folder, ("logs", "done"))
            raise PermanentError(
                f"Slurm job {progress.record.job_id} ({described.key}) {progress.record.state}: {progress.reason}"
            )
        cluster.fetch(described, folder)
    finally:
        cluster.close()
    state = "succeeded" if progress.record.state == "succeeded" else "partial"
    return job | {"state": state, "failed": {str(index): reason for index, reason in failed.items()}}
