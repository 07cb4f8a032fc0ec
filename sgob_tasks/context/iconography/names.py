"""What the classes are called in fifteen European languages: ``names.csv``, translated for this project."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from sgob_tasks.errors import InputError

NAMES_CSV = Path(__file__).parent / "names.csv"
LANGUAGES = ("en", "de", "fr", "it", "es", "ca", "pt", "nl", "pl", "cs", "hu", "sv", "fi", "el", "ro")
"""ISO 639-1 codes, in the order of the table's columns."""


def names(class_name: str) -> dict[str, str]:
    """Return a class's names by language code; empty for a class that has none in the table."""
    return dict(load_names().get(class_name, {}))


@functools.lru_cache(maxsize=2)
def load_names(path: Path = NAMES_CSV) -> Mapping[str, Mapping[str, str]]:
    """Read a table of names: class -> language -> name.

    Raises:
        InputError: the file cannot be read, a name is missing or a class is there twice; names file, line and column.
    """
    header = ["class", *LANGUAGES]
    table: dict[str, Mapping[str, str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if list(reader.fieldnames or ()) != header:
                raise InputError(path, "header", reader.fieldnames, f"must be {','.join(header)}")
            for row in reader:
                for column in header:
                    if not (row[column] or "").strip():
                        raise InputError(path, f"line {reader.line_num}, {column}", row[column], "is missing")
                if row["class"] in table:
                    raise InputError(path, f"line {reader.line_num}, class", row["class"], "is there twice")
                table[row["class"]] = MappingProxyType({language: row[language] for language in LANGUAGES})
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", str(error), "cannot be read as CSV in UTF-8") from error
    return MappingProxyType(table)
