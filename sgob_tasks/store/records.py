"""Queries on records and on the ledger of harvests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.errors import TransientError
from sgob_tasks.store.tables import harvests, media, records

NEVER = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""``checked_at`` of a record that the Record API has not been asked about yet."""

_FROM_METADATA = (
    "title", "creator", "description", "language", "date_text", "rights", "data_provider", "image_url", "landing_url",
    "timestamp_update", "content_hash", "raw",
)  # fmt: skip


@dataclass(frozen=True)
class HarvestWindow:
    """A row of the harvest ledger.

    Attributes:
        cursor: where the next page is; None before the first page.
        counts: what the pages committed so far have brought.
    """

    id: int
    window_from: datetime
    window_to: datetime
    cursor: str | None
    pages: int
    counts: Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """What the store has of a record that is about to be written again.

    Attributes:
        picture_rights: rights of the picture's web resource, where they differ from the record's.
    """

    state: str
    reason: str | None
    image_url: str | None
    content_hash: str
    timestamp_update: datetime | None
    picture_rights: str | None


@contextmanager
def exclusive(engine: sa.Engine, name: str) -> Iterator[None]:
    """Hold a named lock in the database, so that two runs of the same step do not work against each other.

    The lock belongs to the connection: it is gone when the process is.

    Raises:
        TransientError: somebody else holds it.
    """
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar():
            raise TransientError(f"another {name} is running")
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


def high_water(engine: sa.Engine, query_hash: str) -> datetime | None:
    """Return up to when updates are harvested, or at least entered in the ledger as windows still to be harvested.

    A window that reaches beyond the moment of its harvest counts up to that moment only.
    """
    h = harvests.c
    query = sa.select(sa.func.max(sa.func.least(h.window_to, h.started_at))).where(h.query_hash == query_hash)
    with engine.connect() as connection:
        found: datetime | None = connection.execute(query).scalar()
    return found


def open_windows(engine: sa.Engine, query_hash: str) -> list[HarvestWindow]:
    """Return the windows that are not finished, oldest first; those that Europeana refused outright come last."""
    h = harvests.c
    query = (
        sa.select(h.id, h.window_from, h.window_to, h.cursor, h.pages, h.counts)
        .where(h.query_hash == query_hash, h.state.in_(["open", "failed"]))
        .order_by(h.state == "failed", h.window_from, h.window_to)
    )
    with engine.connect() as connection:
        return [HarvestWindow(*row) for row in connection.execute(query)]


def add_windows(
    connection: sa.Connection, query_hash: str, spans: Sequence[tuple[datetime, datetime]], *, again: bool = False
) -> None:
    """Enter windows in the ledger; those it has already stay as they are.

    Args:
        connection: inside a transaction.
        query_hash: which query the windows are of.
        spans: first and last instant of each window.
        again: open finished and failed windows once more.
    """
    for window_from, window_to in spans:
        statement = insert(harvests).values(query_hash=query_hash, window_from=window_from, window_to=window_to)
        key = ["query_hash", "window_from", "window_to"]
        reopened: dict[str, Any] = {
            "state": "open",
            "cursor": None,
            "pages": 0,
            "counts": {},
            "error": None,
            "updated_at": sa.func.now(),
        }
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=key,
                set_=reopened | {"started_at": sa.func.now()},
                where=harvests.c.state.in_(["done", "split", "failed"]),
            )
            if again
            else statement.on_conflict_do_nothing(index_elements=key)
        )


def split_window(
    engine: sa.Engine,
    query_hash: str,
    window_id: int,
    total: int,
    parts: Sequence[tuple[datetime, datetime]],
    *,
    again: bool = False,
) -> None:
    """Replace a crowded window by its parts, in one transaction."""
    with engine.begin() as connection:
        add_windows(connection, query_hash, parts, again=again)
        _update_window(connection, window_id, state="split", total=total, cursor=None, error=None)


def mark_window(engine: sa.Engine, window_id: int, **values: Any) -> None:
    """Set columns of a ledger row, such as ``state`` and ``error``."""
    with engine.begin() as connection:
        _update_window(connection, window_id, **values)


def _update_window(connection: sa.Connection, window_id: int, **values: Any) -> None:
    connection.execute(sa.update(harvests).where(harvests.c.id == window_id).values(**values, updated_at=sa.func.now()))


def commit_page(connection: sa.Connection, window: HarvestWindow, total: int, *, finished: bool) -> None:
    """Write how far a window is, in the transaction that writes the page's records."""
    _update_window(
        connection,
        window.id,
        cursor=window.cursor,
        pages=window.pages,
        counts=dict(window.counts),
        total=total,
        error=None,
        state="done" if finished else "open",
    )


def known(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Known]:
    """Return what the store has of these records, and lock their rows until the transaction ends."""
    r, m = records.c, media.c
    query = (
        sa.select(r.id, r.state, r.reason, r.image_url, r.content_hash, r.timestamp_update, m.rights)
        .select_from(records.outerjoin(media, sa.and_(m.record_id == r.id, m.url == r.image_url)))
        .where(r.id.in_(ids))
        .order_by(r.id)  # the same order everywhere: no deadlock
        .with_for_update(of=records)
    )
    return {row[0]: Known(*row[1:]) for row in connection.execute(query)}


def upsert(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write records, each whole; years are emptied where the date they came from has changed.

    Args:
        connection: inside a transaction.
        rows: values of ``records`` with unique ids: id, state, reason and the fields taken from the metadata.
    """
    if not rows:
        return
    statement = insert(records).values([{**row, "checked_at": NEVER} for row in rows])
    new = statement.excluded
    same_date = records.c.date_text.is_not_distinct_from(new.date_text)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: new[name] for name in ("state", "reason", *_FROM_METADATA)}
            | {
                "harvested_at": sa.func.now(),
                "checked_at": NEVER,  # a changed record may have a changed picture: ask about its rights
                "year_from": sa.case((same_date, records.c.year_from)),
                "year_to": sa.case((same_date, records.c.year_to)),
            },
        )
    )


def touch(connection: sa.Connection, updates: Mapping[str, datetime | None]) -> None:
    """Set the update time of records whose content has stayed the same."""
    if updates:
        connection.execute(
            sa.update(records).where(records.c.id == sa.bindparam("key")).values(timestamp_update=sa.bindparam("time")),
            [{"key": key, "time": time} for key, time in updates.items()],
        )


def to_check(engine: sa.Engine, limit: int) -> list[tuple[str, str | None]]:
    """Return id and rights of active records to ask the Record API about.

    A quarter of the slice is kept for records checked longest ago, so that a flood of new ones (never checked, hence
    first) cannot keep old ones from ever being looked at again.
    """
    r = records.c
    active = sa.select(r.id, r.rights).where(r.state == "active")
    by_age = (r.checked_at, r.id)
    with engine.connect() as connection:
        checked = connection.execute(active.where(r.checked_at > NEVER).order_by(*by_age).limit(limit)).all()
        kept = min(len(checked), -(-limit // 4))
        new = connection.execute(active.where(r.checked_at == NEVER).order_by(*by_age).limit(limit - kept)).all()
    rows = [*new, *checked[: limit - len(new)]]
    return [(row[0], row[1]) for row in rows]


def mark_checked(
    engine: sa.Engine,
    record_id: str,
    *,
    state: str = "active",
    reason: str | None = None,
    picture_rights: str | None = None,
) -> None:
    """Write what the Record API says about a record.

    Args:
        engine: the store.
        record_id: Europeana id.
        state: active, refused or gone.
        reason: why it is not active, or a note.
        picture_rights: rights of the picture's web resource, where they differ from the record's.
    """
    with engine.begin() as connection:
        row = connection.execute(
            sa.update(records)
            .where(records.c.id == record_id)
            .values(state=state, reason=reason, checked_at=sa.func.now())
            .returning(records.c.image_url)
        ).one()
        if state != "gone":
            connection.execute(
                sa.update(media)
                .where(
                    media.c.record_id == record_id,
                    media.c.url == row.image_url,
                    media.c.rights.is_distinct_from(picture_rights),
                )
                .values(rights=picture_rights)
            )
