"""Training records: titles with what the works depict, from a table or from JSON Lines.

Two forms are read, each also compressed (``.gz``), always UTF-8:

- a museum's table with a tree of subjects (CSV): ``id,title,artist,year_from,year_to,classification,subjects``, where
  ``subjects`` holds paths separated by ``|``. A depicted thing is the last part of a path below ``DEPICTED``;
- a plain form (CSV or ``.jsonl``): ``title`` and ``labels``; ``id``, ``description``, ``year_from``, ``year_to`` and
  ``captions`` (sentences that say what the work shows) where they are known. In a CSV, ``|`` separates labels and
  captions.

Artist and classification are not read: a picture that is to be enriched seldom has them.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.context.language.text import label_key
from sgob_tasks.context.language.values import field_text, labels_of, middle_year
from sgob_tasks.errors import InputError

DEPICTED = (
    "objects/", "nature/animals", "nature/plants", "architecture/features", "architecture/religious",
    "society/transport", "religion and belief", "symbols & personifications", "people/adults", "people/children",
    "people/body", "people/ethnicity",
)  # fmt: skip
"""Where a path of Tate's subject tree has to begin so that its last part is a thing that can be seen and boxed."""

MIN_LABELLED = 50
"""Records with a depicted thing that a training needs at least."""

_CSV_FIELD_LIMIT = 2**24


@dataclass(frozen=True)
class Record:
    """One work.

    Attributes:
        id: as in the file; where it has none, made from the record's texts.
        title: as in the file.
        description: as in the file; may be empty.
        year: middle of the years of the work; None where they are not known.
        labels: depicted things, as ``text.label_key`` writes them, each once.
        captions: sentences that say what it shows; only relations are read in them.
    """

    id: str
    title: str
    description: str
    year: int | None
    labels: tuple[str, ...]
    captions: tuple[str, ...] = ()


def read_records(path: Path) -> list[Record]:
    """Read training records.

    Raises:
        InputError: names file, line, column and value of what does not fit; or there are too few records with labels.
    """
    try:
        opener: Any = gzip.open if path.name.endswith(".gz") else open
        with opener(path, "rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", newline="") as text:
            name = path.name.removesuffix(".gz")
            lines = _json_lines(path, text) if name.endswith((".jsonl", ".ndjson")) else _table(path, text)
            found = list(lines)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", path.name, f"cannot be read as UTF-8 CSV or JSON Lines: {error}") from error
    labelled = sum(bool(record.labels) for record in found)
    if labelled < MIN_LABELLED:
        raise InputError(path, "labels", labelled, f"are in too few records; {MIN_LABELLED} are needed at least")
    return found


def _table(path: Path, text: Iterable[str]) -> Iterator[Record]:
    csv.field_size_limit(_CSV_FIELD_LIMIT)
    reader = csv.DictReader(text, strict=True)
    columns = reader.fieldnames or ()
    things = next((column for column in ("subjects", "labels") if column in columns), None)
    for column, there in (("title", "title" in columns), ("labels (or subjects)", things is not None)):
        if not there:
            raise InputError(path, "line 1, header", list(columns), f"has no column {column}")
    for row in reader:
        if None in row:
            raise InputError(path, f"line {reader.line_num}", row[None], "has more values than columns")
        if any(value is None for value in row.values()):
            raise InputError(path, f"line {reader.line_num}", list(row.values()), "has fewer values than columns")
        split = [part for part in row[things or ""].split("|") if part.strip()]
        labels = depicted(split) if things == "subjects" else split
        captions = [part for part in row.get("captions", "").split("|") if part.strip()]
        yield _record(path, reader.line_num, row, labels, captions)


def _json_lines(path: Path, text: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(path, f"line {number}", line.strip(), f"is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(path, f"line {number}", row, "must be a JSON object")
        for name in ("title", "labels"):
            if name not in row:
                raise InputError(path, f"line {number}, {name}", None, "is missing")
        labels, captions = (labels_of(path, f"line {number}, {name}", row.get(name)) for name in ("labels", "captions"))
        yield _record(path, number, row, labels, captions)


def _record(path: Path, line: int, row: Mapping[str, Any], labels: Iterable[str], captions: Iterable[str]) -> Record:
    title, description = (field_text(path, f"line {line}, {name}", row.get(name)) for name in ("title", "description"))
    keys = tuple(dict.fromkeys(key for label in labels if (key := label_key(label))))
    given = row.get("id")
    name = given if isinstance(given, str) and given.strip() else None
    if name is None and given not in (None, "") and not isinstance(given, int):
        raise InputError(path, f"line {line}, id", given, "must be a text or a number")
    made = hashlib.sha256(json.dumps([title, description, keys]).encode()).hexdigest()[:16]
    year = middle_year(path, f"line {line}, year_from", row.get("year_from"), row.get("year_to"), strict=True)
    name = name or (str(given) if isinstance(given, int) else made)
    return Record(name, title, description, year, keys, tuple(captions))


def depicted(subjects: Iterable[str]) -> list[str]:
    """Return the depicted things among the paths of a work's subjects: the last part of those below ``DEPICTED``."""
    return [subject.rsplit("/", 1)[-1] for subject in subjects if subject.startswith(DEPICTED)]


TEST, VALIDATION, TRAINING = "test", "validation", "training"
TEST_SHARE = 0.2
VALIDATION_SHARE = 0.2
"""Of the records that are not held out for a test."""


def split_of(record_id: str) -> str:
    """Return the split of a record by the hash of its id: the same in every file and on every machine."""
    if _fraction("test", record_id) < TEST_SHARE:
        return TEST
    return VALIDATION if is_validation(record_id) else TRAINING


def is_validation(record_id: str) -> bool:
    """Tell whether a record is one of those on which weights are fitted, whatever else is held out."""
    return _fraction("validation", record_id) < VALIDATION_SHARE


def _fraction(salt: str, record_id: str) -> float:
    digest = hashlib.sha256(f"{salt}\0{record_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def fingerprint(records: Iterable[Record]) -> str:
    """Return a hash of the records, whatever their order."""
    lines = sorted(
        json.dumps([record.id, record.title, record.description, record.year, sorted(record.labels), *record.captions])
        for record in records
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
