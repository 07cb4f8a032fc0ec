"""Captions that the generator made: which pictures wait for one, what it sees of them, and its answers in the store.

Control plane only. A caption is of a picture; every active record that shows the picture gets it. Where several do, the
title and date are those of the first, and what the date of any of them rules out is never named.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.captions.generator.regions import Picture as Described
from sgob_tasks.captions.generator.regions import read_pictures
from sgob_tasks.captions.generator.show import Looked
from sgob_tasks.captions.sentences import language_of, text_hash
from sgob_tasks.context.dates import DateRange, parse_date
from sgob_tasks.context.time_context import weight
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError
from sgob_tasks.store.batches import Picture
from sgob_tasks.store.detections import among
from sgob_tasks.store.tables import batch_items, captions, detections, media, records

SOURCE = "generator"
"""``captions.source`` of what the generator made."""

PICTURES_AT_ONCE = 200
EXAMPLES_KEPT = 10


@dataclass(frozen=True)
class GeneratedCounts:
    """What loading captions did.

    Attributes:
        pictures: with a caption.
        captions: rows written or changed; one for each record that shows the picture.
        unknown: captions of pictures that no active record shows any more, or that were not asked for.
        malformed: lines that could not be used.
        examples: the first of these, with file, line and what is wrong.
    """

    pictures: int
    captions: int
    unknown: int
    malformed: int
    examples: tuple[str, ...] = ()


def _shown() -> sa.ColumnElement[bool]:
    return sa.and_(media.c.record_id == records.c.id, records.c.state == "active", media.c.state == "fetched")


def waiting_pictures(engine: sa.Engine, generator: str, limit: int | None = None) -> list[Picture]:
    """Return the pictures that the detector has looked at and that have no caption of a generator yet.

    Those on which nothing was found are among them: the generator has something to say of every picture.

    Args:
        engine: the store.
        generator: version of the generator, as in ``captions.classifier``.
        limit: at most this many, in a stable order.
    """
    told = sa.exists().where(
        captions.c.record_id == media.c.record_id,
        captions.c.sha256 == media.c.sha256,
        captions.c.classifier == generator,
    )
    looked_at = sa.exists().where(batch_items.c.sha256 == media.c.sha256, batch_items.c.state == "loaded")
    query = (
        sa.select(media.c.sha256, sa.func.min(media.c.width), sa.func.min(media.c.height))
        .join(records, _shown())
        .where(looked_at, ~told)
        .group_by(media.c.sha256)
        .order_by(media.c.sha256)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [Picture(*row) for row in connection.execute(query)]


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
        page = pictures[first : first + PICTURES_AT_ONCE]
        with engine.connect() as connection:
            shown, found = _records(connection, page), _detections(connection, page)
        for picture in page:
            mine = shown.get(picture.sha256, [])
            title = next((row.title for row in mine if row.title), "")
            years = next(((row.year_from, row.year_to) for row in mine if row.year_from or row.year_to), (None, None))
            forbidden = sorted(frozenset().union(*(ruled_out(table, _date(row)) for row in mine)))
            line = {"sha256": picture.sha256, "width": picture.width, "height": picture.height, "title": title}
            line |= {"year_from": years[0], "year_to": years[1], "forbidden": forbidden}
            line["detections"] = found.get(picture.sha256, [])
            yield line | ({"file": files[picture.sha256]} if files else {})


def _date(row: Any) -> DateRange | None:
    parsed = parse_date(row.date_text)
    if parsed is not None:
        return parsed
    known = sorted(year for year in (row.year_from, row.year_to) if year is not None)
    if len(known) == 2:
        return DateRange(*known)
    return DateRange(row.year_from, row.year_to) if known else None


def _records(connection: sa.Connection, page: Sequence[Picture]) -> dict[str, list[Any]]:
    r = records.c
    query = (
        sa.select(media.c.sha256, r.id, r.title, r.date_text, r.year_from, r.year_to)
        .distinct()
        .join(records, _shown())
        .where(among(media.c.sha256, [picture.sha256 for picture in page]))
        .order_by(media.c.sha256, r.id)
    )
    found: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.sha256, []).append(row)
    return found


def _detections(connection: sa.Connection, page: Sequence[Picture]) -> dict[str, list[dict[str, Any]]]:
    """Return the labelled detections of pictures by the model that looked last, for the first record with any."""
    d = detections.c
    query = (
        sa.select(d.sha256, d.record_id, d.model_id, d.ordinal, d.label, d.label_score, d.x, d.y, d.width, d.height)
        .where(among(d.sha256, [picture.sha256 for picture in page]), d.label.is_not(None))
        .order_by(d.sha256, d.id)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for sha256, group in itertools.groupby(connection.execute(query), lambda row: str(row.sha256)):
        rows = list(group)
        model = rows[-1].model_id
        record = min(row.record_id for row in rows if row.model_id == model)
        found[sha256] = [
            {
                "class_name": row.label,
                "score": row.label_score or 0.0,
                "bbox": [row.x, row.y, row.width, row.height],
            }
            for row in sorted(rows, key=lambda row: row.ordinal)
            if (row.model_id, row.record_id) == (model, record)
        ]
    return found


def load_generated(engine: sa.Engine, job_dir: Path, generator: str) -> GeneratedCounts:
    """Load the captions of a job into the store; loading them again changes nothing.

    Each results file is one transaction. A line that cannot be used is counted with its reason.

    Args:
        engine: the store.
        job_dir: the job's folder: ``input/regions/*.jsonl`` as it was sent, ``results/*.jsonl`` as it came back.
        generator: version of the generator; kept in ``captions.classifier``.

    Raises:
        InputError: there are no results, or the job's own input is damaged.
    """
    results = sorted((job_dir / "results").glob("*.jsonl"))
    if not results:
        raise InputError(job_dir / "results", "files", 0, "the job left no captions")
    pictures = written = unknown = 0
    refused: list[str] = []
    for path in results:
        asked = {one.sha256: one for one in read_pictures(job_dir / "input" / "regions" / path.name)}
        lines = list(_lines(path, refused))
        told = [line for line in lines if line["sha256"] in asked]
        with engine.begin() as connection:
            rows = list(_rows(connection, told, asked, generator))
            written += _save(connection, rows)
        known = {row["sha256"] for row in rows}
        pictures += len(known)
        unknown += len(lines) - len(known)
    return GeneratedCounts(pictures, written, unknown, len(refused), tuple(refused[:EXAMPLES_KEPT]))


def _lines(path: Path, refused: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the usable lines of a results file, the last one of each picture; note the others."""
    found: dict[str, dict[str, Any]] = {}
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            value = json.loads(text)
            _check(f"{path.name}, line {number}", value)
        except (ValueError, InputError) as error:
            refused.append(str(error) if isinstance(error, InputError) else f"{path.name}, line {number}: is no JSON")
            continue
        found[value["sha256"]] = value
    yield from found.values()


def _check(source: str, value: Any) -> None:
    if not isinstance(value, dict) or not isinstance(value.get("sha256"), str):
        raise InputError(source, "sha256", value, "is missing")
    if not isinstance(value.get("caption"), str) or not isinstance(value.get("log_prob"), (int, float)):
        raise InputError(source, "caption", value.get("caption"), "must be a text with a log_prob")
    tokens = value.get("tokens")
    if not isinstance(tokens, list) or not all(
        isinstance(one, dict) and isinstance(one.get("word"), str) for one in tokens
    ):
        raise InputError(source, "tokens", tokens, "must be a list of words")
    if not all(isinstance(pair, list) and len(pair) == 2 for one in tokens for pair in one.get("regions", [])):
        raise InputError(source, "tokens", tokens, "must have pairs of region and weight")


def _rows(
    connection: sa.Connection, told: Sequence[Mapping[str, Any]], asked: Mapping[str, Described], generator: str
) -> Iterator[dict[str, Any]]:
    query = (
        sa.select(media.c.sha256, records.c.id)
        .distinct()
        .join(records, _shown())
        .where(among(media.c.sha256, [line["sha256"] for line in told]))
        .order_by(media.c.sha256, records.c.id)
    )
    shown: dict[str, list[str]] = {}
    for sha256, record_id in connection.execute(query):
        shown.setdefault(sha256, []).append(record_id)
    for line in told:
        text = line["caption"]
        for record_id in shown.get(line["sha256"], ()):
            yield {
                "record_id": record_id,
                "source": SOURCE,
                "ordinal": 0,
                "text": text,
                "text_hash": text_hash(text),
                "language": language_of(text),
                "is_caption": bool(text),
                "score": _score(line),
                "classifier": generator,
                "sha256": line["sha256"],
                "attention": attention_json(line, asked[line["sha256"]]),
            }


def _score(line: Mapping[str, Any]) -> float:
    """Return the geometric mean of the words' probabilities, the end's included."""
    return min(1.0, math.exp(float(line["log_prob"]) / (len(line["tokens"]) + 1)))


def attention_json(line: Mapping[str, Any], picture: Described) -> dict[str, Any]:
    """Return what ``captions.attention`` keeps: for each word the boxes that it came from, and how it was chosen.

    ``{"words": [{"word", "boxes": [{"label", "box": [x, y, width, height], "weight"}]}], "width", "height", "log_prob",
    "beam", "forbidden", "model_sha256"}``.
    """
    words = []
    for token in line["tokens"]:
        known = [(picture.regions[i], share) for i, share in token.get("regions", ()) if i < len(picture.regions)]
        boxes = [{"label": region.label, "box": list(region.box), "weight": share} for region, share in known]
        words.append({"word": token["word"], "boxes": boxes})
    kept = {name: line.get(name) for name in ("log_prob", "beam", "forbidden", "model_sha256")}
    return {"words": words, "width": picture.width, "height": picture.height, **kept}


def looked_at(attention: Mapping[str, Any]) -> list[tuple[str, list[Looked]]]:
    """Return ``captions.attention`` as ``generator.show.attention_page`` takes it."""
    return [
        (entry["word"], [Looked(one["label"], tuple(one["box"]), one["weight"]) for one in entry["boxes"]])
        for entry in attention["words"]
    ]


def _save(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Write captions; those that are there already change only where they differ. Return how many were written."""
    if not rows:
        return 0
    new = insert(captions).values(list(rows))
    changing = {
        name: new.excluded[name] for name in ("text", "text_hash", "language", "is_caption", "score", "attention")
    }
    statement = new.on_conflict_do_update(
        index_elements=["record_id", "sha256", "classifier"],
        index_where=captions.c.sha256.is_not(None),
        set_=changing,
        where=sa.or_(captions.c.text != new.excluded.text, captions.c.attention != new.excluded.attention),
    )
    return len(connection.execute(statement.returning(captions.c.id)).all())
