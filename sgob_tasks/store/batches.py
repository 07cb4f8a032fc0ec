"""Batches of pictures on their way through the detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def champion(engine: sa.Engine, name: str = "detector") -> dict[str, object] | None:
    """Return the row of the model version that the nightly run uses; None where there is none."""
    query = sa.select(models).where(models.c.name == name, models.c.state == "champion")
    with engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row else None


def unseen_pictures(engine: sa.Engine, model_id: str, limit: int | None = None) -> list[Picture]:
    """Return pictures of active records that a model has not looked at yet, each once, in a stable order.

    A picture that the model could not read is not asked for again: the same bytes would fail again.
    """
    seen = (
        sa.select(sa.literal(1))
        .select_from(batch_items.join(batches, batches.c.id == batch_items.c.batch_id))
        .where(
            batches.c.model_id == model_id,
            batch_items.c.sha256 == media.c.sha256,
            batch_items.c.state.in_(("loaded", "failed")),
        )
    )
    query = (
        sa.select(media.c.sha256, sa.func.min(media.c.width), sa.func.min(media.c.height))
        .join(records, current())
        .where(media.c.state == "fetched", ~seen.exists())
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
