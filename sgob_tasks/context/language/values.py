"""Values of records and cases as files have them: read, or refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sgob_tasks.context.dates import parse_date
from sgob_tasks.errors import InputError

Source = Path | str
_YEAR = re.compile(r"\s*-?\d{1,4}\s*")
_LATEST_YEAR = 9999


def field_text(source: Source, field: str, value: object) -> str:
    """Return a text; null is an empty one.

    Raises:
        InputError: the value is no text.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(source, field, value, "must be a text")
    return value


def labels_of(source: Source, field: str, value: object) -> list[str]:
    """Return a list of texts; null is an empty one.

    Raises:
        InputError: the value is no list, or an entry no text.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise InputError(source, field, value, "must be a list of texts")
    for place, entry in enumerate(value):
        if not isinstance(entry, str):
            raise InputError(source, f"{field}[{place}]", entry, "must be a text")
    return value


def year_of(source: Source, field: str, value: Any, *, strict: bool = False) -> tuple[int, int] | None:
    """Return first and last year that a value says; None where it says none.

    Args:
        source: file that it stands in.
        field: where it stands there.
        value: null, a whole number, or a text: a year, a date as museums write it, or words such as "no date".
        strict: refuse a text with digits in which no date can be read.

    Raises:
        InputError: it is of another type, or no year.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(source, field, value, "must be a year, a text or null")
    if isinstance(value, str):
        if _YEAR.fullmatch(value):
            return int(value), int(value)
        date = parse_date(value)
        if date is None:
            if strict and re.search(r"\d", value):
                raise InputError(source, field, value, "is no year and no date")
            return None
        years = [year for year in (date.year_from, date.year_to) if year is not None]
        return years[0], years[-1]
    if value != value or abs(value) > _LATEST_YEAR or value != int(value):
        raise InputError(source, field, value, "is no year")
    return int(value), int(value)


def middle_year(source: Source, field: str, first: Any, last: Any, *, strict: bool = False) -> int | None:
    """Return the middle of a work's years, the one that is known, or None.

    Raises:
        InputError: see ``year_of``; ``field`` ends in ``year_from`` and is named, or the same with ``year_to``.
    """
    start = year_of(source, field, first, strict=strict)
    end = year_of(source, field.replace("year_from", "year_to"), last, strict=strict)
    years = [*(start[:1] if start else end[:1] if end else ()), *(end[1:] if end else start[1:] if start else ())]
    return (years[0] + years[1]) // 2 if years else None
