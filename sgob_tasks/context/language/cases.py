"""Cases to rank, as JSON Lines: ``{"id", "title", "year_from", "year_to", "labels": [...], "candidates": [...]}``.

``id`` and ``candidates`` have to be there; everything else may be missing or null. ``description`` and ``subjects`` (a
list of terms) are read where they are given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.context.language.encoder import Context
from sgob_tasks.context.language.values import Source, field_text, labels_of, middle_year
from sgob_tasks.errors import InputError


@dataclass(frozen=True)
class Case:
    """A picture with labels to rank.

    Attributes:
        id: as in the file, a text or a number.
        context: what is known of the picture.
        candidates: labels to rank, as in the file.
    """

    id: str | int
    context: Context
    candidates: tuple[str, ...]


def parse_case(line: str, source: Source, number: int) -> Case:
    """Read one line.

    Args:
        line: a JSON object.
        source: file it stands in, for messages.
        number: of the line, from 1.

    Raises:
        InputError: names file, line, field and value of what does not fit; no other error, whatever the line.
    """
    where = f"line {number}"
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(source, where, line.strip(), f"is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError(source, where, row, "must be a JSON object")
    for name in ("id", "candidates"):
        if row.get(name) is None:
            raise InputError(source, f"{where}, {name}", row.get(name), "is missing")
    if isinstance(row["id"], bool) or not isinstance(row["id"], str | int):
        raise InputError(source, f"{where}, id", row["id"], "must be a text or a whole number")
    texts = {name: field_text(source, f"{where}, {name}", row.get(name)) for name in ("title", "description")}
    lists = {
        name: tuple(labels_of(source, f"{where}, {name}", row.get(name)))
        for name in ("subjects", "labels", "candidates")
    }
    year = middle_year(source, f"{where}, year_from", row.get("year_from"), row.get("year_to"))
    context = Context(texts["title"], texts["description"], lists["subjects"], lists["labels"], year)
    return Case(row["id"], context, lists["candidates"])


def read_cases(path: Path) -> Iterator[Case]:
    """Read cases one by one; empty lines are passed over.

    Raises:
        InputError: the file cannot be read, or a line does not fit.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield parse_case(line, path, number)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "file", path.name, f"cannot be read as UTF-8: {error}") from error
