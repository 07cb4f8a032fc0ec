"""The ledger of what was published where: the intent is written before a call, the outcome after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.errors import TransientError
from sgob_tasks.store.tables import annotations as annotation_table
from sgob_tasks.store.tables import publications

EUROPEANA = "europeana"
_LOCK = 7021958  # of the publishing step; one publisher at a time


@dataclass(frozen=True)
class AnnotationRow:
    """An annotation to publish.

    Attributes:
        key: content key.
        record_id: ``/dataset/local``.
        motivation: ``tagging`` or ``describing``.
        state: of the annotation.
        document: the Web Annotation.
    """

    key: str
    record_id: str
    motivation: str
    state: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Unsettled:
    """A publication of which it is not known whether it took effect.

    Attributes:
        annotation: what was to be published.
        intended_at: when it was last tried.
    """

    annotation: AnnotationRow
    intended_at: datetime


@dataclass(frozen=True)
class Unchecked:
    """A publication that was not read back yet."""

    annotation: AnnotationRow
    external_id: str


_ANNOTATION = (
    annotation_table.c.key,
    annotation_table.c.record_id,
    annotation_table.c.motivation,
    annotation_table.c.state,
    annotation_table.c.document,
)


@contextmanager
def only_publisher(engine: sa.Engine) -> Iterator[None]:
    """Keep every other publisher out while the context is open; a dead process's lock falls with its connection.

    Raises:
        TransientError: another one is at work.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK))):
            raise TransientError("another publication is under way", retry_after_s=60)
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))


def approved_batch(engine: sa.Engine, destination: str, after: tuple[str, str], size: int) -> list[AnnotationRow]:
    """Return approved annotations that were not sent, or whose sending surely failed, by record and key.

    Args:
        engine: of the store.
        destination: such as ``europeana``.
        after: record id and key of the last one of the batch before; two empty texts at first.
        size: at most this many.
    """
    p, a = publications.c, annotation_table.c
    join = sa.and_(p.subject == a.key, p.destination == destination)
    query = (
        sa.select(*_ANNOTATION)
        .outerjoin(publications, join)
        .where(
            a.state == "approved",
            sa.or_(p.id.is_(None), p.state == "failed"),
            sa.tuple_(a.record_id, a.key) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])),
        )
        .order_by(a.record_id, a.key)
        .limit(size)
    )
    with engine.connect() as connection:
        return [AnnotationRow(*row) for row in connection.execute(query)]


def count_approved(engine: sa.Engine, destination: str) -> int:
    """Return how many annotations wait to be sent, those of unknown outcome included."""
    p, a = publications.c, annotation_table.c
    query = (
        sa.select(sa.func.count())
        .select_from(annotation_table)
        .outerjoin(publications, sa.and_(p.subject == a.key, p.destination == destination))
        .where(a.state == "approved", sa.or_(p.id.is_(None), p.state != "published"))
    )
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def unsettled(engine: sa.Engine, destination: str) -> list[Unsettled]:
    """Return publications that were begun and whose outcome is not known."""
    p = publications.c
    query = (
        sa.select(*_ANNOTATION, p.intended_at)
        .join(publications, p.subject == annotation_table.c.key)
        .where(p.destination == destination, p.state.in_(["intended", "ambiguous"]))
        .order_by(annotation_table.c.record_id, annotation_table.c.key)
    )
    with engine.connect() as connection:
        return [Unsettled(AnnotationRow(*row[:-1]), row[-1]) for row in connection.execute(query)]


def unchecked(engine: sa.Engine, destination: str) -> list[Unchecked]:
    """Return publications that were made and not read back (``response`` is empty until then)."""
    p = publications.c
    query = (
        sa.select(*_ANNOTATION, p.external_id)
        .join(publications, p.subject == annotation_table.c.key)
        .where(p.destination == destination, p.state == "published", p.response.is_(None))
        .order_by(annotation_table.c.record_id, annotation_table.c.key)
    )
    with engine.connect() as connection:
        return [Unchecked(AnnotationRow(*row[:-1]), row[-1]) for row in connection.execute(query)]


def intend(engine: sa.Engine, destination: str, subject: str, run_id: str | None) -> None:
    """Write down that something is about to be published, before the call is made; each try counts.

    What is published stays so: where a part of it has to be put back, no new entry is made.
    """
    statement = insert(publications).values(
        destination=destination, subject=subject, state="intended", attempts=1, run_id=run_id
    )
    statement = statement.on_conflict_do_update(
        index_elements=[publications.c.destination, publications.c.subject],
        set_={
            "state": "intended",
            "attempts": publications.c.attempts + 1,
            "run_id": run_id,
            "error": None,
            "intended_at": sa.func.now(),
            "ended_at": None,
        },
        where=publications.c.state != "published",
    )
    with engine.begin() as connection:
        connection.execute(statement)


def settle(engine: sa.Engine, destination: str, subject: str, state: str, **columns: Any) -> None:
    """Write down the outcome of a publication.

    Args:
        engine: of the store.
        destination: such as ``europeana``.
        subject: annotation key.
        state: ``published``, ``failed`` or ``ambiguous``; with ``published`` the annotation becomes that as well.
        columns: further columns of ``publications``.
    """
    with engine.begin() as connection:
        connection.execute(
            sa.update(publications)
            .where(publications.c.destination == destination, publications.c.subject == subject)
            .values(state=state, ended_at=sa.func.now(), **columns)
        )
        if state == "published":
            connection.execute(
                sa.update(annotation_table)
                .where(annotation_table.c.key == subject)
                .values(state="published", reason=None)
            )


def set_checked(
    engine: sa.Engine, destination: str, subject: str, *, verified: bool, response: Mapping[str, Any]
) -> None:
    """Write down what reading a published annotation back has shown."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(publications)
            .where(publications.c.destination == destination, publications.c.subject == subject)
            .values(verified=verified, response=dict(response))
        )
