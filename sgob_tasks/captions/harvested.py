"""Training data of the generator from the store: the sentences that the classifier took for captions.

That is what the classifier is for: descriptions mix what is seen with provenance and biography, and a generator that
learns from all of it invents provenance.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sgob_tasks.captions.generator.prepare import PICTURES_A_SHARD, write_lines
from sgob_tasks.captions.seen import picture_lines
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.files import write_json
from sgob_tasks.errors import InputError
from sgob_tasks.store.batches import Picture
from sgob_tasks.store.captions import SOURCE
from sgob_tasks.store.tables import batch_items, captions, media, records

HELD_OUT = 0.1
LEAST_SCORE = 0.5
LANGUAGE = "en"


@dataclass(frozen=True)
class Harvested:
    """What was written: pictures of the two splits, and all their captions."""

    train: int
    val: int
    captions: int


def write_harvested(
    engine: sa.Engine,
    folder: Path,
    table: ClassTable,
    *,
    held_out: float = HELD_OUT,
    least_score: float = LEAST_SCORE,
    language: str = LANGUAGE,
) -> Harvested:
    """Write ``train`` and ``val`` of the pictures that the detector has looked at and that have captions.

    A picture's split is decided by its hash, so it never changes sides, however many pictures come.

    Args:
        engine: the store.
        folder: to write into.
        table: of classes; its bounds rule classes out.
        held_out: share of the pictures that go to ``val``.
        least_score: of a sentence, by the classifier.
        language: of the sentences; a generator speaks one.

    Raises:
        InputError: one of the splits would be empty.
    """
    counts = {"train": 0, "val": 0}
    told: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {"train": ([], []), "val": ([], [])}
    pages = {"train": itertools.count(), "val": itertools.count()}
    for page in _pages(engine, least_score, language):
        for split in counts:
            mine = [(picture, texts) for picture, texts in page if _split(picture.sha256, held_out) == split]
            if not mine:
                continue
            path = folder / split / "regions" / f"{next(pages[split]):04d}.jsonl"
            write_lines(path, picture_lines(engine, [picture for picture, _ in mine], table))
            images, annotations = told[split]
            for picture, texts in mine:
                images.append({"id": len(images) + 1, "sha256": picture.sha256})
                for text in texts:
                    annotations.append({"id": len(annotations) + 1, "image_id": len(images), "caption": text})
            counts[split] += len(mine)
    for split, count in counts.items():
        if not count:
            reason = f"no picture with a caption in {language!r} would be in it"
            raise InputError("store", split, 0, reason)
    for split, (images, annotations) in told.items():
        write_json(folder / split / "captions.json", {"images": images, "annotations": annotations})
    return Harvested(counts["train"], counts["val"], sum(len(annotations) for _, annotations in told.values()))


def _split(sha256: str, held_out: float) -> str:
    return "val" if int(sha256[:8], 16) < held_out * 16**8 else "train"


def _pages(engine: sa.Engine, least_score: float, language: str) -> Iterator[list[tuple[Picture, list[str]]]]:
    """Yield pictures with their captions, ``PICTURES_A_SHARD`` at a time, in the order of their hashes."""
    c, last = captions.c, ""
    looked_at = sa.exists().where(batch_items.c.sha256 == media.c.sha256, batch_items.c.state == "loaded")
    while True:
        query = (
            sa.select(
                media.c.sha256,
                sa.func.min(media.c.width),
                sa.func.min(media.c.height),
                sa.func.array_agg(sa.distinct(c.text)),
            )
            .join(records, sa.and_(records.c.id == media.c.record_id, records.c.state == "active"))
            .join(captions, c.record_id == records.c.id)
            .where(media.c.state == "fetched", media.c.sha256 > last, looked_at)
            .where(c.source == SOURCE, c.is_caption, c.score >= least_score, c.language == language)
            .group_by(media.c.sha256)
            .order_by(media.c.sha256)
            .limit(PICTURES_A_SHARD)
        )
        with engine.connect() as connection:
            page = [(Picture(*row[:3]), list(row[3])) for row in connection.execute(query)]
        if not page:
            return
        yield page
        last = page[-1][0].sha256
