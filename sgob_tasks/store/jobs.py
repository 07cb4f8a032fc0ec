"""Slurm jobs in the store: the ledger of ``sgob_tasks.cluster``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.cluster.ledger import OPEN_STATES, JobRecord
from sgob_tasks.errors import TransientError
from sgob_tasks.store.tables import slurm_jobs

_FIELDS = (
    "key",
    "cluster",
    "owner",
    "state",
    "run_dir",
    "tasks",
    "generation",
    "job_id",
    "slurm_state",
    "reason",
    "details",
    "intended_at",
    "submitted_at",
    "ended_at",
)


class StoreLedger:
    """``JobLedger`` on the table ``slurm_jobs``."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, key: str) -> JobRecord | None:
        """Return a job's record, None where there is none."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(slurm_jobs).where(slurm_jobs.c.key == key)).one_or_none()
        return _record(row) if row is not None else None

    def save(self, record: JobRecord) -> None:
        """Write a record over the one with the same key.

        Raises:
            TransientError: the store has the job in a later generation already.
        """
        values = {name: getattr(record, name) for name in _FIELDS}
        values["details"] = dict(record.details)
        if record.intended_at is None:
            del values["intended_at"]
        statement = insert(slurm_jobs).values(values)
        statement = statement.on_conflict_do_update(
            index_elements=[slurm_jobs.c.key],
            set_={name: statement.excluded[name] for name in values if name != "key"},
            where=slurm_jobs.c.generation <= statement.excluded.generation,
        )
        with self._engine.begin() as connection:
            written = connection.execute(statement.returning(slurm_jobs.c.key)).one_or_none()
        if written is None:
            raise TransientError(f"job {record.key}: somebody else has submitted it again meanwhile")


def open_jobs(engine: sa.Engine, cluster: str | None = None) -> Sequence[JobRecord]:
    """Return the jobs that have not been judged, oldest first.

    Args:
        engine: the store.
        cluster: of this cluster only.
    """
    return _select(engine, slurm_jobs.c.state.in_(sorted(OPEN_STATES)), cluster)


def all_jobs(engine: sa.Engine, cluster: str) -> Sequence[JobRecord]:
    """Return every job of a cluster, oldest first."""
    return _select(engine, sa.true(), cluster)


def recent_jobs(engine: sa.Engine, cluster: str | None = None, limit: int = 50) -> Sequence[JobRecord]:
    """Return the jobs last intended, newest first."""
    return list(reversed(_select(engine, sa.true(), cluster, limit)))


def _select(
    engine: sa.Engine, condition: sa.ColumnElement[bool], cluster: str | None, limit: int | None = None
) -> list[JobRecord]:
    statement = sa.select(slurm_jobs).where(condition).order_by(slurm_jobs.c.intended_at.desc()).limit(limit)
    if cluster is not None:
        statement = statement.where(slurm_jobs.c.cluster == cluster)
    with engine.connect() as connection:
        return [_record(row) for row in reversed(connection.execute(statement).all())]


def _record(row: sa.Row[Any]) -> JobRecord:
    return JobRecord(**{name: getattr(row, name) for name in _FIELDS})
