"""Fingerprints (``store.step_inputs``) of all that context, scenes and captions read of a record or a picture."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sgob_tasks.store.batches import Picture
from sgob_tasks.store.deciding import deciding_model
from sgob_tasks.store.media import shown
from sgob_tasks.store.step_inputs import CAPTIONS, all_texts, as_text, fingerprint, is_due
from sgob_tasks.store.tables import batch_items, captions, detections, media, records

_WORK = (records.c.title, records.c.description, records.c.year_from, records.c.year_to)


@dataclass(frozen=True)
class DuePicture:
    """A picture with the fingerprint of all that says whether it needs a caption."""

    picture: Picture
    fingerprint: uuid.UUID


def context_fingerprint(version: str) -> sa.ColumnElement[uuid.UUID]:
    """Return what the context reads of a record: title, description, date, and what any detector said of its pictures.

    The years are among it, though the context writes them where it can read the date: elsewhere they are the date. The
    id of a model stands for its classes, which never change.

    Args:
        version: of what corrects detections.
    """
    d = detections.c
    said = (
        sa.select(
            all_texts(
                as_text(d.id, d.model_id, d.sha256, d.class_name, d.score, d.x, d.y, d.width, d.height, d.candidates),
                d.id,
            )
        )
        .where(d.record_id == records.c.id)
        .correlate(records)
        .scalar_subquery()
    )
    return fingerprint(version, *_WORK, records.c.date_text, said)


def scenes_fingerprint(version: str, min_score: float) -> sa.ColumnElement[uuid.UUID]:
    """Return what relations and subjects are found from: title, description, years, pictures, labels that count.

    Args:
        version: of the rules and tables.
        min_score: least score of a label that counts.
    """
    d, m = detections.alias("box").c, media.alias("picture").c
    pictures = (
        sa.select(m.sha256, deciding_model(records.c.id, m.sha256).label("model_id"))
        .distinct()
        .where(m.record_id == records.c.id, m.state == "fetched", m.sha256.is_not(None))
        .correlate(records)
        .subquery("pictures")
    )
    score = sa.func.coalesce(d.label_score, d.score)
    boxes = (
        sa.select(all_texts(as_text(d.id, d.label, score, d.x, d.y, d.width, d.height, d.mask), d.id))
        .where(
            d.record_id == records.c.id,
            d.sha256 == pictures.c.sha256,
            d.model_id == pictures.c.model_id,
            d.label.is_not(None),
            score >= min_score,
        )
        .correlate(records, pictures)
        .scalar_subquery()
    )
    seen = sa.select(all_texts(as_text(pictures.c.sha256, boxes), pictures.c.sha256)).correlate(records)
    return fingerprint(version, *_WORK, seen.scalar_subquery())


def caption_fingerprint(generator: str, version: str) -> sa.ColumnElement[uuid.UUID]:
    """Return what says whether ``media.sha256`` needs a caption: all that captions may depend on, and those there are.

    The former are title and date of the records that show it, labels, scores and boxes; the latter are known by what
    they were written from.

    Args:
        generator: version of the generator.
        version: of all that decides what it is told.
    """
    d, m, r, c = detections.alias("box").c, media.alias("shown"), records.alias("work"), captions.c
    works = (
        sa.select(
            r.c.id, r.c.title, r.c.date_text, r.c.year_from, r.c.year_to,
            deciding_model(r.c.id, m.c.sha256).label("model_id"),
        )
        .distinct()
        .join_from(m, r, shown(m, r))
        .where(m.c.sha256 == media.c.sha256)
        .correlate(media)
        .subquery("works")
    )  # fmt: skip
    boxes: sa.ScalarSelect[Any] = (
        sa.select(all_texts(as_text(d.label, d.label_score, d.x, d.y, d.width, d.height), d.id))
        .where(
            d.record_id == works.c.id,
            d.sha256 == media.c.sha256,
            d.model_id == works.c.model_id,
            d.label.is_not(None),
        )
        .correlate(media, works)
        .scalar_subquery()
    )
    w = works.c
    written = (
        sa.select(c.inputs)
        .where(c.record_id == w.id, c.sha256 == media.c.sha256, c.classifier == generator)
        .correlate(media, works)
        .scalar_subquery()
    )
    told = as_text(w.id, w.title, w.date_text, w.year_from, w.year_to, boxes, written)
    return fingerprint(version, sa.select(all_texts(told, w.id)).correlate(media).scalar_subquery())


def pictures_due(engine: sa.Engine, generator: str, version: str, after: str, limit: int) -> list[DuePicture]:
    """Return pictures that the detector has looked at and whose captions are missing or may be out of date.

    Args:
        engine: the store.
        generator: version of the generator.
        version: of all that decides what it is told.
        after: SHA-256 of the last one seen; empty to begin.
        limit: at most this many, in the order of their SHA-256.
    """
    m, present = media.c, caption_fingerprint(generator, version)
    looked_at = sa.exists().where(batch_items.c.sha256 == m.sha256, batch_items.c.state == "loaded")
    query = (
        sa.select(m.sha256, sa.func.min(m.width), sa.func.min(m.height), present)
        .join_from(media, records, shown())
        .where(m.sha256 > after, looked_at, is_due(CAPTIONS, m.sha256, present))
        .group_by(m.sha256)
        .order_by(m.sha256)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [DuePicture(Picture(*row[:3]), row[3]) for row in connection.execute(query)]
