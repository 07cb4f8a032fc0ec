"""Pictures that another version of the model has looked at, and the champion has not: what a promotion leaves to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sgob_tasks.errors import InputError
from sgob_tasks.store.batches import Picture, looked_at
from sgob_tasks.store.media import current
from sgob_tasks.store.tables import annotations as annotation_table
from sgob_tasks.store.tables import detections, media, records

ONLY = ("all", "annotated", "published")
ORDERS = ("affected", "oldest")


@dataclass(frozen=True)
class Bounds:
    """Which pictures a backfill may take, and in which order.

    Attributes:
        dataset: beginning of the records' Europeana ids, with or without the slash before it; empty for all.
        year_from, year_to: only records whose dates overlap these years (both included); None is open. With either,
            records without a date are left out.
        only: ``all``; ``annotated``: pictures with a tag that is proposed, approved or published; ``published``: with
            a published one.
        order: ``affected``: the most such tags first; ``oldest``: what was looked at longest ago first.
    """

    dataset: str = ""
    year_from: int | None = None
    year_to: int | None = None
    only: str = "all"
    order: str = "affected"

    def __post_init__(self) -> None:
        for field, value, words in (("only", self.only, ONLY), ("order", self.order, ORDERS)):
            if value not in words:
                raise InputError("backfill", field, value, f"has to be one of {', '.join(words)}")
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise InputError("backfill", "year_from", self.year_from, f"is after year_to = {self.year_to}")

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions on records."""
        found: list[sa.ColumnElement[bool]] = []
        if self.dataset.strip("/"):
            found.append(records.c.id.startswith("/" + self.dataset.lstrip("/"), autoescape=True))
        first = sa.func.coalesce(records.c.year_from, records.c.year_to)
        last = sa.func.coalesce(records.c.year_to, records.c.year_from)
        if self.year_from is not None:
            found.append(last >= self.year_from)
        if self.year_to is not None:
            found.append(first <= self.year_to)
        return found


def _tags() -> sa.Subquery:
    """Select how many tags rest on the boxes of each picture, and how many of them are published."""
    a, d, count = annotation_table.c, detections.c, sa.func.count()
    return (
        sa.select(
            d.sha256, count.label("live"), count.filter(a.state == "published").label("published")
        )
        .join_from(annotation_table, detections, a.detection_id == d.id)
        .where(a.state.in_(("proposed", "approved", "published")))
        .group_by(d.sha256)
        .subquery("tags")
    )  # fmt: skip


def _outdated(name: str, model_id: str, bounds: Bounds) -> sa.Select[Any]:
    """Select the pictures, each once, with ``width``, ``height``, ``at`` and ``live`` tags."""
    before, tags = looked_at(name, but=model_id).subquery("before"), _tags()
    now = looked_at(name, by=model_id).subquery("now")
    live, published = sa.func.coalesce(tags.c.live, 0), sa.func.coalesce(tags.c.published, 0)
    only = {"all": sa.true(), "annotated": live > 0, "published": published > 0}[bounds.only]
    return (
        sa.select(
            media.c.sha256,
            sa.func.min(media.c.width).label("width"),
            sa.func.min(media.c.height).label("height"),
            sa.func.max(before.c.at).label("at"),
            sa.func.max(live).label("live"),
        )
        .join_from(media, records, current())
        .join(before, before.c.sha256 == media.c.sha256)
        .outerjoin(now, now.c.sha256 == media.c.sha256)
        .outerjoin(tags, tags.c.sha256 == media.c.sha256)
        .where(media.c.state == "fetched", now.c.sha256.is_(None), only, *bounds.conditions())
        .group_by(media.c.sha256)
    )


def outdated_pictures(
    engine: sa.Engine, model_id: str, bounds: Bounds, limit: int, name: str = "detector"
) -> list[Picture]:
    """Return pictures of active records that other versions have looked at and this one has not.

    Args:
        engine: the store.
        model_id: the champion.
        bounds: which of them, and in which order.
        limit: at most this many; what is left comes with the next call, once these have been looked at.
        name: of the model.
    """
    found = _outdated(name, model_id, bounds).subquery("found")
    orders = {
        "affected": (found.c.live.desc(), found.c.at, found.c.sha256),
        "oldest": (found.c.at, found.c.live.desc(), found.c.sha256),
    }
    query = sa.select(found.c.sha256, found.c.width, found.c.height).order_by(*orders[bounds.order]).limit(limit)
    with engine.connect() as connection:
        return [Picture(*row) for row in connection.execute(query)]


def count_outdated(engine: sa.Engine, model_id: str, bounds: Bounds | None = None, name: str = "detector") -> int:
    """Return how many pictures are left to bring up to date."""
    found = _outdated(name, model_id, bounds or Bounds()).subquery("found")
    with engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(found)).scalar_one())
