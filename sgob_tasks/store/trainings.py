"""Finished training jobs in the ledger: what the resource plan learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sgob_tasks.store.tables import slurm_jobs


@dataclass(frozen=True)
class FinishedTraining:
    """One training job that succeeded.

    Attributes:
        key: of the job.
        job_id: Slurm's id of its last submission.
        generation: number of the last submission; above 1 for a chain of links or a repetition.
        job: what was asked for: ``parameters``, ``resources``, ``images`` (see ``cluster.jobdir.Job``).
        submitted_at: when the last submission was made.
        ended_at: when it was judged.
    """

    key: str
    job_id: str | None
    generation: int
    job: Mapping[str, Any]
    submitted_at: datetime
    ended_at: datetime


def finished_trainings(engine: sa.Engine, cluster: str, limit: int = 100) -> list[FinishedTraining]:
    """Return a cluster's training jobs that succeeded, the last ones first.

    Args:
        engine: the store; one whose tables have not been made yet has none.
        cluster: name of the site.
        limit: at most this many.
    """
    job = slurm_jobs.c.details["job"]
    statement = (
        sa.select(
            slurm_jobs.c.key,
            slurm_jobs.c.job_id,
            slurm_jobs.c.generation,
            job.label("job"),
            slurm_jobs.c.submitted_at,
            slurm_jobs.c.ended_at,
        )
        .where(
            slurm_jobs.c.cluster == cluster,
            slurm_jobs.c.state == "succeeded",
            job["kind"].astext == "train",
            slurm_jobs.c.submitted_at.is_not(None),
            slurm_jobs.c.ended_at.is_not(None),
        )
        .order_by(slurm_jobs.c.ended_at.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table(slurm_jobs.name):
            return []
        return [FinishedTraining(**row) for row in connection.execute(statement).mappings()]
