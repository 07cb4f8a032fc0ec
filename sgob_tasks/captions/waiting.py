"""Which pictures wait for a caption: those that have none, and those whose caption was written from something else.

A generated caption keeps a fingerprint of what it was written from. To compare it with what would be told now, for
every picture in every night, would read the whole store; so the database first picks the pictures of which anything
has changed at all since the last comparison (``store.due``), and only these are compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sgob_tasks.captions.seen import PICTURES_AT_ONCE, lines_of
from sgob_tasks.context.picture_context import RULES as DATE_RULES
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.store import step_inputs
from sgob_tasks.store.batches import Picture
from sgob_tasks.store.captions import written_from
from sgob_tasks.store.due import pictures_due

FORM = 1
"""Number of the way in which ``Reader.fingerprint`` is made, and of what the generator is told otherwise. Raise it with
any change to either: all captions are then compared, and those that were written from something else written anew."""


@dataclass(frozen=True)
class Reader:
    """What a generator takes in of what it is told of a picture: the rest may change without a new caption.

    Attributes:
        generator: its version in the registry.
        table: of classes; its bounds rule classes out.
        most_regions: that it looks at, those with the highest scores.
        titles: it reads the title.
        years: it reads the date.
    """

    generator: str
    table: ClassTable
    most_regions: int = 20
    titles: bool = False
    years: bool = True

    @classmethod
    def of(cls, model: Mapping[str, Any], table: ClassTable) -> Reader:
        """Return the reader of a generator's row in the registry."""
        config = model["config"]
        return cls(
            str(model["id"]),
            table,
            int(config.get("max_regions", cls.most_regions)),
            bool(config.get("title_words")) and config.get("max_title_words") != 0,
            bool(config.get("years", cls.years)),
        )

    @property
    def version(self) -> str:
        """What decides, beside the picture and its records, what a caption is written from."""
        digest = hashlib.sha256(repr(list(self.table.values())).encode()).hexdigest()[:8]
        told = f"{self.most_regions} {self.titles} {self.years}"
        return f"{self.generator}; {told}; classes {digest}; form {FORM}; dates {DATE_RULES}"

    def fingerprint(self, line: Mapping[str, Any]) -> str:
        """Return the SHA-256 of what a caption is written from.

        Labels and boxes of the regions that are looked at, the classes that must not be named and, where the generator
        reads them, title and date. The labels' scores are left out: every new fit of the context's weights moves all of
        them a little, and what there is to say stays the same. So are the features of regions, which belong to the
        boxes: another detector finds other boxes.

        Args:
            line: what ``seen.lines_of`` returns.
        """
        regions = sorted(line["detections"], key=lambda one: -one["score"])[: self.most_regions]
        told = {
            "form": FORM,
            "regions": sorted([one["class_name"], *one["bbox"]] for one in regions),
            "forbidden": line["forbidden"],
            "title": line["title"] if self.titles else None,
            "years": [line["year_from"], line["year_to"]] if self.years else None,
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def waiting_pictures(engine: sa.Engine, reader: Reader, limit: int | None = None) -> list[Picture]:
    """Return the pictures that the detector has looked at and that have no caption of the generator from what is known.

    Those on which nothing was found are among them: the generator has something to say of every picture. Pictures that
    need no new caption are not compared again until something of them changes.

    Args:
        engine: the store.
        reader: the generator.
        limit: at most this many, in a stable order.
    """
    found: list[Picture] = []
    last = ""
    while limit is None or len(found) < limit:
        due = pictures_due(engine, reader.generator, reader.version, last, PICTURES_AT_ONCE)
        if not due:
            break
        last = due[-1].picture.sha256
        with engine.begin() as connection:
            waiting = _without_caption(connection, reader, [one.picture for one in due])
            told = {one.picture.sha256: one.fingerprint for one in due if one.picture.sha256 not in waiting}
            step_inputs.keep(connection, step_inputs.CAPTIONS, told)
        found += [one.picture for one in due if one.picture.sha256 in waiting]
    return found[:limit]


def _without_caption(connection: sa.Connection, reader: Reader, page: Sequence[Picture]) -> set[str]:
    """Return the pictures with a record that has no caption of them, or one that was written from something else."""
    lines = {line["sha256"]: line for line in lines_of(connection, page, reader.table)}
    there = written_from(connection, reader.generator, list(lines))
    present = {sha256: reader.fingerprint(line) for sha256, line in lines.items()}
    return {sha256 for (sha256, _), inputs in there.items() if inputs != present[sha256]}
