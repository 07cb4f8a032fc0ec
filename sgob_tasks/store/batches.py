"""Batches of pictures on their way through the detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.store.media import current
from sgob_tasks.store.tables import batch_items, batches, media, models, records


@dataclass(frozen=True)
class Picture:
    """A picture of the media folder: SHA-256, width and height in pixels."""

    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Batch:
    """A planned batch: its id, number of shards and of pictures."""

    id: str
    shards: int
    pictures: int


def looked_at(name: str, *, by: str | None = None, but: str | None = None) -> sa.Select[tuple[str, datetime]]:
    """Select the pictures that versions of a model have looked at: ``sha256``, and ``at``, when that was planned last.

    A picture that a version could not read counts as looked at: the same bytes would fail again.

    Args:
        name: of the model.
        by: only this version.
        but: every version but this one.
    """
    chosen = [models.c.name == name, batch_items.c.state.in_(("loaded", "failed"))]
    if by is not None:
        chosen.append(models.c.id == by)
    if but is not None:
        chosen.append(models.c.id != but)
    return (
        sa.select(batch_items.c.sha256, sa.func.max(batches.c.created_at).label("at"))
        .join_from(batch_items, batches, batches.c.id == batch_items.c.batch_id)
        .join(models, models.c.id == batches.c.model_id)
        .where(*chosen)
        .group_by(batch_items.c.sha256)
    )


def unseen_pictures(engine: sa.Engine, name: str = "detector", limit: int | None = None) -> list[Picture]:
    """Return pictures of active records that no version of a model has looked at yet, each once, in a stable order.

    What an earlier champion has looked at is not new: ``store.backfill`` brings it up to date, within bounds.
    """
    seen = looked_at(name).subquery("seen")
    query = (
        sa.select(media.c.sha256, sa.func.min(media.c.width), sa.func.min(media.c.height))
        .join(records, current())
        .outerjoin(seen, seen.c.sha256 == media.c.sha256)
        .where(media.c.state == "fetched", seen.c.sha256.is_(None))
        .group_by(media.c.sha256)
        .order_by(media.c.sha256)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [Picture(*row) for row in connection.execute(query)]


def find_batch(engine: sa.Engine, batch_id: str) -> Batch | None:
    """Return a batch that was planned before."""
    query = sa.select(batches.c.id, batches.c.shards, batches.c.pictures).where(batches.c.id == batch_id)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return Batch(*row) if row else None


def batch_pictures(engine: sa.Engine, batch_id: str) -> list[list[Picture]]:
    """Return a batch's pictures, shard by shard."""
    query = (
        sa.select(batch_items.c.shard, media.c.sha256, sa.func.min(media.c.width), sa.func.min(media.c.height))
        .join(media, media.c.sha256 == batch_items.c.sha256)
        .where(batch_items.c.batch_id == batch_id, media.c.state == "fetched")
        .group_by(batch_items.c.shard, media.c.sha256)
        .order_by(batch_items.c.shard, media.c.sha256)
    )
    shards: dict[int, list[Picture]] = {}
    with engine.connect() as connection:
        for shard, *picture in connection.execute(query):
            shards.setdefault(shard, []).append(Picture(*picture))
    return [shards[number] for number in sorted(shards)]


def add_batch(
    engine: sa.Engine, batch_id: str, run_id: str, model_id: str, shards: Sequence[Sequence[Picture]]
) -> Batch:
    """Write a planned batch with its pictures, in one transaction."""
    pictures = sum(len(shard) for shard in shards)
    values = {"id": batch_id, "run_id": run_id, "model_id": model_id, "shards": len(shards), "pictures": pictures}
    items = [
        {"batch_id": batch_id, "sha256": picture.sha256, "shard": number}
        for number, shard in enumerate(shards)
        for picture in shard
    ]
    with engine.begin() as connection:
        connection.execute(insert(batches).values(values).on_conflict_do_nothing())
        if items:
            connection.execute(insert(batch_items).on_conflict_do_nothing(), items)
    return Batch(batch_id, len(shards), pictures)


def end_batch(engine: sa.Engine, batch_id: str, lost: Mapping[int, str]) -> None:
    """Enter that nothing more will come of a batch.

    Args:
        engine: the store.
        batch_id: which.
        lost: why a shard brought no results, by its number; pictures without a result keep that reason.
    """
    waiting = sa.and_(batch_items.c.batch_id == batch_id, batch_items.c.state == "planned")
    with engine.begin() as connection:
        for shard, reason in lost.items():
            connection.execute(
                sa.update(batch_items).where(waiting, batch_items.c.shard == shard).values(reason=reason)
            )
        missing = connection.scalar(sa.select(sa.func.count()).select_from(batch_items).where(waiting))
        connection.execute(
            sa.update(batches)
            .where(batches.c.id == batch_id)
            .values(state="failed" if missing else "loaded", ended_at=sa.func.now())
        )
