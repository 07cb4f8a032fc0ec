"""Queries on media: which pictures to fetch, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.store.tables import media, records


@dataclass(frozen=True)
class DuePicture:
    """A picture to fetch: ``attempts`` is how often that has failed before."""

    id: int
    url: str
    attempts: int


def current() -> sa.ColumnElement[bool]:
    """Return the condition for media that are the present picture of an active record.

    Use it on a join of ``media`` and ``records``: a record whose image address has changed keeps its old media row.
    """
    return sa.and_(media.c.record_id == records.c.id, records.c.state == "active", media.c.url == records.c.image_url)


def shown(pictures: sa.FromClause = media, works: sa.FromClause = records) -> sa.ColumnElement[bool]:
    """Return the condition that joins active records with the fetched pictures that they show, old ones included.

    Args:
        pictures: ``media``, or an alias of it.
        works: ``records``, or an alias of it.
    """
    return sa.and_(pictures.c.record_id == works.c.id, works.c.state == "active", pictures.c.state == "fetched")


def add_pictures(connection: sa.Connection, pictures: Sequence[tuple[str, str]]) -> None:
    """Enter pictures to fetch; those known already stay as they are.

    Args:
        connection: inside a transaction.
        pictures: record id and address of each.
    """
    if pictures:
        connection.execute(
            insert(media)
            .values([{"record_id": record_id, "url": url} for record_id, url in pictures])
            .on_conflict_do_nothing(index_elements=["record_id", "url"])
        )


def _due(now: datetime, max_attempts: int) -> sa.ColumnElement[bool]:
    m = media.c
    return sa.or_(
        m.state == "pending",
        sa.and_(m.state == "failed", m.next_attempt_at <= now, m.attempts < max_attempts),
    )


def count_due(engine: sa.Engine, now: datetime, max_attempts: int) -> int:
    """Return how many pictures are to be fetched at the time ``now``."""
    query = sa.select(sa.func.count()).select_from(media.join(records, current())).where(_due(now, max_attempts))
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def due(engine: sa.Engine, now: datetime, max_attempts: int, *, after: int, limit: int) -> list[DuePicture]:
    """Return pictures of active records to fetch at the time ``now``, in the order of their ids.

    Args:
        engine: the store.
        now: failed ones whose next attempt is later are left out.
        max_attempts: failed ones that have been tried this often are left out.
        after: id of the last one seen; 0 to begin.
        limit: how many at most.
    """
    m = media.c
    query = (
        sa.select(m.id, m.url, m.attempts)
        .select_from(media.join(records, current()))
        .where(_due(now, max_attempts), m.id > after)
        .order_by(m.id)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [DuePicture(*row) for row in connection.execute(query)]


def mark_fetched(
    engine: sa.Engine, media_id: int, *, sha256: str, mime_type: str, size: int, width: int, height: int
) -> None:
    """Write that a picture is in the media folder; width and height in pixels, upright."""
    _mark(
        engine,
        media_id,
        state="fetched",
        reason=None,
        next_attempt_at=None,
        sha256=sha256,
        mime_type=mime_type,
        bytes=size,
        width=width,
        height=height,
        fetched_at=sa.func.now(),
    )


def mark_failed(engine: sa.Engine, media_id: int, reason: str, next_attempt_at: datetime | None) -> None:
    """Write that a picture did not come, and when to try again (None: never)."""
    _mark(engine, media_id, state="failed", reason=reason, next_attempt_at=next_attempt_at)


def mark_refused(engine: sa.Engine, media_id: int, reason: str) -> None:
    """Write that a picture is not to be had, whatever the night."""
    _mark(engine, media_id, state="refused", reason=reason, next_attempt_at=None)


def _mark(engine: sa.Engine, media_id: int, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.update(media).where(media.c.id == media_id).values(attempts=media.c.attempts + 1, **values)
        )
