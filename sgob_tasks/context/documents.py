"""Reads what context knows: the tables that come with it, and the documents of what it has learned."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from sgob_tasks.errors import InputError


def read_document(path: Path, form: str) -> dict[str, Any]:
    """Return a document.

    Args:
        path: of the file.
        form: what its field ``format`` has to say.

    Raises:
        InputError: the file cannot be read, or is of another format.
    """
    try:
        document: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, "file", str(error), "cannot be read as JSON") from error
    if not isinstance(document, dict) or document.get("format") != form:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise InputError(path, "format", found, f"must be {form}")
    return document


def field_of(path: Path, document: dict[str, Any], name: str, kind: type) -> Any:
    """Return a field of a document.

    Raises:
        InputError: it is missing, or of another kind.
    """
    value = document.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InputError(path, name, value, f"must be a JSON {kind.__name__}")
    return value


def read_rows(path: Path, columns: tuple[str, ...], delimiter: str = ",") -> list[dict[str, str]]:
    """Read a CSV with exactly these columns.

    Raises:
        InputError: the file cannot be read, or a line has too many or too few values.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            if tuple(reader.fieldnames or ()) != columns:
                raise InputError(path, "header", reader.fieldnames, f"must be {delimiter.join(columns)}")
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(path, f"line {reader.line_num}", row, f"must have {len(columns)} values")
                rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", str(error), "cannot be read as CSV in UTF-8") from error
    return rows
