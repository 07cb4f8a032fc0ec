"""What the generator is told of pictures: labelled boxes, title, date, and what must not be named. Control plane only.

Where several records show a picture, title and date are those of the first, and what the date of any of them rules out
is never named.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sgob_tasks.context.date_range import of_years
from sgob_tasks.context.dates import DateRange, parse_date
from sgob_tasks.context.time_context import weight
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.store.batches import Picture
from sgob_tasks.store.deciding import deciding_model
from sgob_tasks.store.detections import among
from sgob_tasks.store.media import shown
from sgob_tasks.store.tables import detections, media, records

PICTURES_AT_ONCE = 200


def ruled_out(table: ClassTable, date: DateRange | None) -> frozenset[str]:
    """Return the classes that a picture of a date cannot show (hard bounds)."""
    return frozenset(name for name in table if weight(name, date, table) == 0.0)


def picture_lines(
    engine: sa.Engine, pictures: Sequence[Picture], table: ClassTable, files: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield what the generator sees of pictures (see ``generator.regions``), ``PICTURES_AT_ONCE`` of them in memory.

    Args:
        engine: the store.
        pictures: those to describe.
        table: of classes; its bounds rule classes out.
        files: where each picture is in the job folder, by SHA-256, for a generator that wants features.
    """
    for first in range(0, len(pictures), PICTURES_AT_ONCE):
        with engine.connect() as connection:
            lines = lines_of(connection, pictures[first : first + PICTURES_AT_ONCE], table)
        for line in lines:
            yield line | ({"file": files[line["sha256"]]} if files else {})


def lines_of(connection: sa.Connection, page: Sequence[Picture], table: ClassTable) -> list[dict[str, Any]]:
    """Return what the generator sees of a few pictures, in their order."""
    works, found, lines = _records(connection, page), _detections(connection, page), []
    for picture in page:
        mine = works.get(picture.sha256, [])
        title = next((row.title for row in mine if row.title), "")
        years = next(((row.year_from, row.year_to) for row in mine if row.year_from or row.year_to), (None, None))
        forbidden = sorted(frozenset().union(*(ruled_out(table, _date(row)) for row in mine)))
        line = {"sha256": picture.sha256, "width": picture.width, "height": picture.height, "title": title}
        line |= {"year_from": years[0], "year_to": years[1], "forbidden": forbidden}
        lines.append(line | {"detections": found.get(picture.sha256, [])})
    return lines


def _date(row: Any) -> DateRange | None:
    return parse_date(row.date_text) or of_years(row.year_from, row.year_to)


def _records(connection: sa.Connection, page: Sequence[Picture]) -> dict[str, list[Any]]:
    r = records.c
    query = (
        sa.select(media.c.sha256, r.id, r.title, r.date_text, r.year_from, r.year_to)
        .distinct()
        .join(records, shown())
        .where(among(media.c.sha256, [picture.sha256 for picture in page]))
        .order_by(media.c.sha256, r.id)
    )
    found: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.sha256, []).append(row)
    return found


def _detections(connection: sa.Connection, page: Sequence[Picture]) -> dict[str, list[dict[str, Any]]]:
    """Return the labelled detections that annotations are made from, too, for the first record that has any."""
    d = detections.c
    works = (
        sa.select(records.c.id, media.c.sha256, deciding_model(records.c.id, media.c.sha256).label("model_id"))
        .distinct()
        .join_from(media, records, shown())
        .where(among(media.c.sha256, [picture.sha256 for picture in page]))
        .subquery("works")
    )
    w = works.c
    same = sa.and_(d.record_id == w.id, d.sha256 == w.sha256, d.model_id == w.model_id)
    query = (
        sa.select(d.sha256, d.record_id, d.label, d.label_score, d.x, d.y, d.width, d.height)
        .join_from(works, detections, same)
        .where(d.label.is_not(None))
        .order_by(d.sha256, d.record_id, d.ordinal)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for (sha256, _), rows in itertools.groupby(connection.execute(query), lambda row: (row.sha256, row.record_id)):
        boxes = [
            {"class_name": row.label, "score": row.label_score or 0.0, "bbox": [row.x, row.y, row.width, row.height]}
            for row in rows
        ]
        found.setdefault(sha256, boxes)
    return found
