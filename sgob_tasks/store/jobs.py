"""Slurm jobs in the store: the ledger of ``sgob_tasks.cluster``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.cluster.accounting import SubmissionUsage
from sgob_tasks.cluster.ledger import OPEN_STATES, JobRecord
from sgob_tasks.cluster.slurm import format_indices
from sgob_tasks.errors import TransientError
from sgob_tasks.store.tables import slurm_jobs, slurm_submissions

_TIMES = ("intended_at", "submitted_at", "started_at", "ended_at")
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
    """``JobLedger`` on the table ``slurm_jobs``, with every submission in ``slurm_submissions``."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, key: str) -> JobRecord | None:
        """Return a job's record, None where there is none."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(slurm_jobs).where(slurm_jobs.c.key == key)).one_or_none()
        return _record(row) if row is not None else None

    def save(self, record: JobRecord, replaces: JobRecord | None = None) -> None:
        """Write a record over the one with the same key.

        Raises:
            TransientError: the store has the job in a later generation already, or not as ``replaces`` has it.
        """
        values = {name: getattr(record, name) for name in _FIELDS}
        values["details"] = dict(record.details)
        if record.intended_at is None:
            del values["intended_at"]
        statement = insert(slurm_jobs).values(values)
        expected = slurm_jobs.c.generation <= statement.excluded.generation
        if replaces is not None:
            same = (slurm_jobs.c.state == replaces.state, slurm_jobs.c.generation == replaces.generation)
            expected = sa.and_(expected, *same)
        statement = statement.on_conflict_do_update(
            index_elements=[slurm_jobs.c.key],
            set_={name: statement.excluded[name] for name in values if name != "key"},
            where=expected,
        )
        with self._engine.begin() as connection:
            written = connection.execute(statement.returning(slurm_jobs.c.key)).one_or_none()
            if written is None:
                done = "submitted it again" if replaces is None else "changed it"
                raise TransientError(f"job {record.key}: somebody else has {done} meanwhile")
            _keep_submission(connection, record)

    def open_records(self, cluster: str) -> Sequence[JobRecord]:
        """Return the records of a cluster that are open, oldest first."""
        return open_jobs(self._engine, cluster)

    def unaccounted(self, cluster: str, since: datetime) -> Sequence[JobRecord]:
        """Return submissions that ended since then and whose figures are not from sacct."""
        link = slurm_submissions.c
        of_link = {
            "owner",
            "state",
            "generation",
            "job_id",
            "slurm_state",
            "reason",
            "intended_at",
            "submitted_at",
            "ended_at",
        }
        query = (
            sa.select(*(link[name] if name in of_link else slurm_jobs.c[name] for name in _FIELDS))
            .join_from(slurm_submissions, slurm_jobs, link.key == slurm_jobs.c.key)
            .where(
                slurm_jobs.c.cluster == cluster,
                link.job_id.is_not(None),
                link.state.not_in(sorted(OPEN_STATES)),
                link.ended_at >= since,
                link.usage_source.is_distinct_from("sacct"),
            )
            .order_by(link.ended_at)
        )
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def end_submission(self, record: JobRecord, usage: SubmissionUsage, checkpoint: str | None = None) -> None:
        """Enter how a submission ended and what it used; the job's own record stays as it is."""
        link = slurm_submissions.c
        figures = {item.name: getattr(usage, item.name) for item in fields(usage)}
        times = {name: figures.pop(name) for name in ("submitted_at", "started_at", "ended_at")}
        values = {
            "state": record.state,
            "slurm_state": record.slurm_state,
            "reason": record.reason,
            "usage_source": figures.pop("source"),
            "usage_note": figures.pop("note"),
            **figures,
            # Slurm's clock knows better than ours when something happened; what it does not know stays.
            **{name: time for name, time in times.items() if time is not None},
        }
        if times["ended_at"] is None:
            values["ended_at"] = sa.func.coalesce(link.ended_at, record.ended_at, sa.func.now())
        if checkpoint is not None:
            values["checkpoint"] = checkpoint
        statement = sa.update(slurm_submissions).where(link.key == record.key, link.generation == record.generation)
        with self._engine.begin() as connection:
            connection.execute(statement.values(values))


def _keep_submission(connection: sa.Connection, record: JobRecord) -> None:
    """Write the row of a record's submission; earlier ones that nobody judged are over with it."""
    link = slurm_submissions.c
    shared = ("key", "generation", "job_id", "state", "slurm_state", "reason", "owner", "submitted_at", "ended_at")
    values = {name: getattr(record, name) for name in shared}
    values |= {"tasks": len(record.indices), "indices": format_indices(record.indices)}
    if record.intended_at is not None:
        values["intended_at"] = record.intended_at
    if record.state == "running":
        values["started_at"] = sa.func.now()
    statement = insert(slurm_submissions).values(values)
    new = statement.excluded
    # Times stay as they were first seen, or as accounting has corrected them.
    kept = {name: sa.func.coalesce(link[name], new[name]) for name in _TIMES if name in values}
    changed = {name: new[name] for name in values if name not in {"key", "generation", *_TIMES}}
    connection.execute(
        statement.on_conflict_do_update(index_elements=[link.key, link.generation], set_={**changed, **kept})
    )
    connection.execute(
        sa.update(slurm_submissions)
        .where(link.key == record.key, link.generation < record.generation, link.state.in_(sorted(OPEN_STATES)))
        .values(
            state="lost",
            reason=f"followed by submission {record.generation} before anybody had judged it",
            ended_at=sa.func.now(),
        )
    )


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
