"""JSON and other files: read with a clear error, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sgob_tasks.errors import InputError


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(path, "file", path.name, error.strerror or str(error)) from error
    except ValueError as error:
        raise InputError(path, "file", path.name, f"is not JSON: {error}") from error


def write_durably(path: Path, write: Any) -> None:
    """Call ``write(file)`` on a temporary file next to ``path``, bring it to the disk, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_durably(path, lambda file: file.write(text.encode("utf-8")))
