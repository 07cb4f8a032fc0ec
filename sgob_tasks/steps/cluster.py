"""Put the code on the cluster and run jobs there, from the command line; DAGs use ``SlurmJobOperator``."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from sgob_tasks.cluster.connect import open_cluster
from sgob_tasks.cluster.environments.environment import environments, roll_back
from sgob_tasks.cluster.environments.rollout import Rollout
from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.progress import Progress
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


def deploy_environment(
    settings: Settings, *, site: str | None = None, rollback: bool = False, show: bool = False
) -> dict[str, Any]:
    """Put a whole Python environment and this version of the code on the cluster, try it and switch to it.

    Args:
        settings: the installation's.
        site: which one the caller means; nothing but the configured one has a login in the settings.
        rollback: only go back to the environment that was current before.
        show: only list the environments.

    Raises:
        InputError: requirements or the site's values are wrong, or another site is meant.
        PermanentError: installation or self-test failed, or there is nothing to go back to.
        TransientError: the cluster or the package index does not answer; the next call goes on.
    """
    cluster = open_cluster(settings, open_store(settings), site)
    try:
        if rollback:
            changed = roll_back(cluster.site, cluster.transport)
            return {"site": cluster.site.name, "environment": changed.after, "before": changed.before}
        if show:
            found = environments(cluster.site, cluster.transport)
            listed = {
                name: {
                    "state": one.state,
                    "created_at": one.manifest.get("created_at"),
                    "installed_at": one.installed.get("installed_at"),
                    "tested_at": one.tested.get("tested_at"),
                    "python": one.installed.get("python"),
                    "requirements": one.manifest.get("requirements"),
                    "project": one.manifest.get("project"),
                }
                for name, one in sorted(found.items(), key=lambda item: str(item[1].manifest.get("created_at", "")))
            }
            return {"site": cluster.site.name, "jobs_use": cluster.site.python, "environments": listed}
        return Rollout(cluster, settings.home / "wheelhouse", settings.jobs_dir, _say).run()
    finally:
        cluster.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress for a person


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
