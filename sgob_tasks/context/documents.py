"""Reads the JSON documents that hold what context has learned: each names its format."""

from __future__ import annotations

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
