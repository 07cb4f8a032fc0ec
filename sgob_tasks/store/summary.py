"""What the store holds, in numbers: read-only counts behind ``sgob status`` and the head of the pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sgob_tasks.store import tables as t

REASONS_SHOWN = 20
"""Reasons listed for one table, most frequent first: free text must not make the answer grow with the store."""

LAST_RUNS = 10


@dataclass(frozen=True)
class StateCount:
    """How many rows are in one state for one reason."""

    state: str
    reason: str | None
    count: int


@dataclass(frozen=True)
class StateCounts:
    """Rows of one table by state, and the most frequent reasons.

    Attributes:
        total: rows in the table.
        by_state: rows in each state that occurs.
        reasons: the ``REASONS_SHOWN`` most frequent pairs of state and reason; rows without a reason are left out.
    """

    total: int
    by_state: Mapping[str, int]
    reasons: tuple[StateCount, ...] = ()


@dataclass(frozen=True)
class DetectionCounts:
    """Detections of all models.

    Attributes:
        total: rows.
        corrected: rows whose class the context changed or took away.
        rescored: rows whose class stayed and whose score the context changed, with a reason.
        waiting: rows that context has not seen yet.
        by_label: rows by final class, most frequent first.
    """

    total: int
    corrected: int
    rescored: int
    waiting: int
    by_label: Mapping[str, int]


@dataclass(frozen=True)
class CaptionCounts:
    """Sentences of the metadata that were classified, how many of them say what is depicted; and captions written."""

    total: int
    captions: int
    written: int


@dataclass(frozen=True)
class ModelView:
    """One version in the model registry; ``scores`` and ``training`` are as the training wrote them."""

    id: str
    name: str
    version: int
    state: str
    scores: Mapping[str, Any]
    training: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Run:
    """One run of the platform; ``ended_at`` is None while it is going on (or was killed)."""

    id: str
    kind: str
    started_at: datetime
    ended_at: datetime | None
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """Duration in seconds, once the run has ended."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None


@dataclass(frozen=True)
class Status:
    """Everything ``sgob status`` prints; ``model_states`` has the state of each model by its id, for a first look."""

    records: StateCounts
    media: StateCounts
    detections: DetectionCounts
    captions: CaptionCounts
    annotations: StateCounts
    jobs: StateCounts
    publications: Mapping[str, StateCounts]
    model_states: Mapping[str, str]
    models: tuple[ModelView, ...]
    runs: tuple[Run, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, numbers and strings, ready for ``json.dumps``."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        for shown, run in zip(plain["runs"], self.runs, strict=True):
            shown["seconds"] = run.seconds
        return plain


def _plain(value: Any) -> Any:
    """Turn times into ISO 8601 text and tuples into lists, at any depth."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def relabelled() -> sa.ColumnElement[bool]:
    """Return the condition for detections whose class the context changed or took away."""
    d = t.detections.c
    return sa.and_(d.label_reason.is_not(None), d.label.is_distinct_from(d.class_name))


def _state_counts(connection: sa.Connection, table: sa.Table, reason: sa.ColumnElement[Any]) -> StateCounts:
    count = sa.func.count()
    by_state = {
        str(state): int(number)
        for state, number in connection.execute(
            sa.select(table.c.state, count).group_by(table.c.state).order_by(table.c.state)
        )
    }
    reasons = connection.execute(
        sa.select(table.c.state, reason, count)
        .where(reason.is_not(None))
        .group_by(table.c.state, reason)
        .order_by(count.desc(), table.c.state, reason)
        .limit(REASONS_SHOWN)
    )
    return StateCounts(
        total=sum(by_state.values()),
        by_state=by_state,
        reasons=tuple(StateCount(state, why, number) for state, why, number in reasons),
    )


def _publications(connection: sa.Connection) -> dict[str, StateCounts]:
    """Count publications by destination; errors are free text and stay in the ledger."""
    p, count = t.publications.c, sa.func.count()
    rows = connection.execute(
        sa.select(p.destination, p.state, count).group_by(p.destination, p.state).order_by(p.destination, p.state)
    )
    states: dict[str, dict[str, int]] = {}
    for destination, state, number in rows:
        states.setdefault(destination, {})[state] = number
    return {name: StateCounts(sum(counts.values()), counts) for name, counts in states.items()}


def _detections(connection: sa.Connection) -> DetectionCounts:
    d, count = t.detections.c, sa.func.count()
    total, corrected, rescored, waiting = connection.execute(
        sa.select(
            count,
            count.filter(relabelled()),
            count.filter(sa.and_(d.label_reason.is_not(None), d.label == d.class_name)),
            count.filter(sa.and_(d.label.is_(None), d.label_reason.is_(None))),
        )
    ).one()
    labels = connection.execute(
        sa.select(d.label, count).where(d.label.is_not(None)).group_by(d.label).order_by(count.desc(), d.label)
    )
    return DetectionCounts(total, corrected, rescored, waiting, dict(labels.all()))


def _captions(connection: sa.Connection) -> CaptionCounts:
    count, found = sa.func.count(), t.captions.c.sha256.is_(None)
    counts = (count.filter(found), count.filter(found, t.captions.c.is_caption), count.filter(~found))
    return CaptionCounts(*connection.execute(sa.select(*counts).select_from(t.captions)).one())


def models(connection: sa.Connection) -> tuple[ModelView, ...]:
    """Return the registered models: champions first, then newest first."""
    m = t.models.c
    rows = connection.execute(
        sa.select(m.id, m.name, m.version, m.state, m.scores, m.training, m.created_at).order_by(
            (m.state == "champion").desc(), m.created_at.desc(), m.id
        )
    )
    return tuple(ModelView(*row) for row in rows)


def last_runs(connection: sa.Connection, limit: int = LAST_RUNS) -> tuple[Run, ...]:
    """Return the newest runs of any kind, newest first."""
    r = t.runs.c
    rows = connection.execute(
        sa.select(r.id, r.kind, r.started_at, r.ended_at, r.summary).order_by(r.started_at.desc(), r.id).limit(limit)
    )
    return tuple(Run(*row) for row in rows)


def status(engine: sa.Engine) -> Status:
    """Count what is in the store, from one snapshot.

    Args:
        engine: the store.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        registered = models(connection)
        return Status(
            records=_state_counts(connection, t.records, t.records.c.reason),
            media=_state_counts(connection, t.media, t.media.c.reason),
            detections=_detections(connection),
            captions=_captions(connection),
            annotations=_state_counts(connection, t.annotations, t.annotations.c.reason),
            jobs=_state_counts(connection, t.slurm_jobs, t.slurm_jobs.c.reason),
            publications=_publications(connection),
            model_states={model.id: model.state for model in registered},
            models=registered,
            runs=last_runs(connection),
        )
