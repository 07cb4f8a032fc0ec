"""Writers for the files of a data set: one row at a time, the same bytes for the same rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

SCORE_DIGITS, PIXEL_DIGITS = 4, 2

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")


def score(value: float | None) -> float | None:
    """Round a score as it is shared."""
    return None if value is None else round(value, SCORE_DIGITS)


def pixels(box: Sequence[float]) -> list[float]:
    """Round a box as it is shared."""
    return [round(side, PIXEL_DIGITS) for side in box]


def dumps(value: Any) -> str:
    """Return compact JSON with keys in their order; refuses what JSON does not have (NaN, infinity)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def safe_cell(value: object) -> object:
    """Return a table cell that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe.

    Numbers stay numbers. See OWASP, "CSV Injection".
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class JsonArray:
    """Writes the items of a JSON array into an open file, one line each."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.count = 0

    def add(self, item: Any) -> int:
        """Write one item and return its number, from 1."""
        self.file.write(",\n" if self.count else "\n")
        self.file.write(dumps(item))
        self.count += 1
        return self.count


class CsvTable:
    """A CSV file after RFC 4180 (CRLF, quotes where needed, a header) in UTF-8, safe for spreadsheets."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.file = path.open("w", encoding="utf-8", newline="")
        self.rows = 0
        self.width = len(header)
        self._writer = csv.writer(self.file, lineterminator="\r\n")
        self._writer.writerow(header)

    def add(self, *cells: object) -> None:
        """Write one row; None is an empty cell."""
        if len(cells) != self.width:
            raise ValueError(f"{len(cells)} cells for {self.width} columns")
        self._writer.writerow([safe_cell(cell) for cell in cells])
        self.rows += 1

    def __enter__(self) -> CsvTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
