"""Captions that the generator made: its answers in the store. Control plane only.

A caption is of a picture; every active record that shows the picture gets it. A caption that is written anew takes the
place of the generator's earlier one; annotations follow as they follow a label: what is published or rejected stays,
with the text it was made from, what is not is superseded, and the new text is proposed.
"""

from __future__ import annotations

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
from sgob_tasks.errors import InputError
from sgob_tasks.store.detections import among
from sgob_tasks.store.media import shown
from sgob_tasks.store.tables import captions, media, records

SOURCE = "generator"
"""``captions.source`` of what the generator made."""

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
        source = job_dir / "input" / "regions" / path.name
        asked = {one.sha256: one for one in read_pictures(source)}
        inputs = _fingerprints(source)
        lines = list(_lines(path, refused))
        told = [line for line in lines if line["sha256"] in asked]
        with engine.begin() as connection:
            rows = list(_rows(connection, told, asked, inputs, generator))
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


def _fingerprints(path: Path) -> dict[str, str | None]:
    """Return what each picture's caption is written from (``inputs``), as it was planned; None in an older job."""
    lines = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    return {line["sha256"]: line.get("inputs") for line in lines}


def _rows(
    connection: sa.Connection,
    told: Sequence[Mapping[str, Any]],
    asked: Mapping[str, Described],
    inputs: Mapping[str, str | None],
    generator: str,
) -> Iterator[dict[str, Any]]:
    query = (
        sa.select(media.c.sha256, records.c.id)
        .distinct()
        .join(records, shown())
        .where(among(media.c.sha256, [line["sha256"] for line in told]))
        .order_by(media.c.sha256, records.c.id)
    )
    works: dict[str, list[str]] = {}
    for sha256, record_id in connection.execute(query):
        works.setdefault(sha256, []).append(record_id)
    for line in told:
        text = line["caption"]
        for record_id in works.get(line["sha256"], ()):
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
                "inputs": inputs[line["sha256"]],
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
    names = ("text", "text_hash", "language", "is_caption", "score", "attention", "inputs")
    changing = {name: new.excluded[name] for name in names}
    statement = new.on_conflict_do_update(
        index_elements=["record_id", "sha256", "classifier"],
        index_where=captions.c.sha256.is_not(None),
        set_=changing,
        where=sa.or_(
            *(captions.c[name].is_distinct_from(new.excluded[name]) for name in ("text", "attention", "inputs"))
        ),
    )
    return len(connection.execute(statement.returning(captions.c.id)).all())
