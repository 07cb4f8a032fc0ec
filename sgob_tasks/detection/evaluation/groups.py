"""Pictures in groups: by the century and the style of the work, and those that show what cannot be of their time.

What is known of a work stands in the extra fields of the data set's images, or in a table (CSV) with a column ``file``.
"""

from __future__ import annotations

import csv
import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sgob_tasks.detection.evaluation.truth import Id, Truth
from sgob_tasks.errors import InputError

UNKNOWN = "unknown"
STYLE_FIELDS = ("style", "movement", "genre")
DATE_FIELDS = ("date", "date_text")

Range = tuple[int | None, int | None]

ReadDate = Callable[[str], Range | None]
"""Reads a date as a museum writes it: first and last year, None for an open end, or None for no date at all."""

Groups = dict[str, dict[str, tuple[Id, ...]]]


def no_dates(_: str) -> None:
    """Read no date: the default where nothing is at hand that can."""
    return


def read_works(path: Path) -> dict[str, dict[str, str]]:
    """Read a table of works.

    Args:
        path: a CSV file in UTF-8 with a column ``file`` and any of ``year``, ``year_from``, ``year_to``, ``date``,
            ``century``, ``style``, ``movement`` and ``genre``.

    Returns:
        The cells that are not empty, by the name of the file.

    Raises:
        InputError: the file cannot be read, lacks the column, or names a file twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if "file" not in (reader.fieldnames or ()):
                raise InputError(path, "columns", reader.fieldnames, "must have one that is called file")
            works: dict[str, dict[str, str]] = {}
            for row in reader:
                name = (row.get("file") or "").strip()
                if not name or name in works:
                    reason = "occurs twice" if name else "is missing"
                    raise InputError(path, f"line {reader.line_num}: file", name, reason)
                works[name] = {key: value.strip() for key, value in row.items() if key and value and value.strip()}
    except OSError as error:
        raise InputError(path, "file", path.name, error.strerror or str(error)) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", path.name, f"is not CSV in UTF-8: {error}") from error
    return works


def with_works(truth: Truth, works: Mapping[str, Mapping[str, Any]], source: object) -> Truth:
    """Return the ground truth with what a table says of its pictures; where both say something, the table counts.

    A picture is found by its ``file_name``, with or without folder and suffix.

    Raises:
        InputError: the table has none of the pictures.
    """
    by_stem = {PurePosixPath(name).stem: row for name, row in works.items()}
    images, hits = {}, 0
    for number, image in truth.images.items():
        name = PurePosixPath(str(image.get("file_name", "")))
        row = works.get(str(name)) or works.get(name.name) or by_stem.get(name.stem)
        hits += row is not None
        images[number] = image | {key: value for key, value in (row or {}).items() if key != "file"}
    if not hits:
        first = str(next(iter(truth.images.values())).get("file_name"))
        raise InputError(source, "file", next(iter(works), None), f"none of the pictures is there, such as {first!r}")
    return dataclasses.replace(truth, images=images)


def group(truth: Truth, read_date: ReadDate = no_dates) -> Groups:
    """Return the pictures by ``century``, ``style`` and ``anachronistic``.

    A grouping of which nothing is known is empty. Centuries are in order of time, styles in that of the alphabet,
    unknown ones last. A work of several years is of the century of the middle one. 1401 to 1500 is the 15th century.

    Raises:
        InputError: a field has a kind of value that it cannot have.
    """
    centuries: dict[int | str, list[Id]] = defaultdict(list)
    styles: dict[str, list[Id]] = defaultdict(list)
    for number, image in truth.images.items():
        centuries[_century(image, f"images[id={number}]", truth.source, read_date)].append(number)
        styles[_style(image)].append(number)
    by_century = {
        century if isinstance(century, str) else century_name(century): tuple(centuries[century])
        for century in sorted(centuries, key=lambda one: (isinstance(one, str), one == UNKNOWN, one))
    }
    by_style = {style: tuple(styles[style]) for style in sorted(styles, key=lambda one: (one == UNKNOWN, one))}
    flagged = tuple(number for number, image in truth.images.items() if image.get("anachronistic"))
    carried = any("anachronistic" in image for image in truth.images.values())
    return {
        "century": by_century if set(by_century) != {UNKNOWN} else {},
        "style": by_style if set(by_style) != {UNKNOWN} else {},
        "anachronistic": {"anachronistic": flagged} if carried else {},
    }


def century_name(century: int) -> str:
    """Return a century's name: 15 is the ``15th century``, -1 the ``1st century BC``."""
    size = abs(century)
    ending = "th" if 10 <= size % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(size % 10, "th")
    return f"{size}{ending} century{' BC' if century < 0 else ''}"


def _of_year(year: int) -> int:
    """Return the century of a year; years before Christ are negative, and there is no year 0."""
    return (year - 1) // 100 + 1 if year > 0 else -((-year - 1) // 100 + 1) if year < 0 else -1


def _century(image: Mapping[str, Any], where: str, source: str, read_date: ReadDate) -> int | str:
    """Return the number of a picture's century, or its name where that is all that is known."""
    stated = image.get("century")
    if _is_set(stated):
        number = _whole(stated)
        if number is not None:
            return number if number else UNKNOWN
        if not isinstance(stated, str):
            raise InputError(source, f"{where}.century", stated, "must be a number, such as 15, or a text")
        read = read_date(stated)
        return stated.strip() if read is None else _middle(*read)
    years = _years(image, where, source, read_date)
    return UNKNOWN if years is None else _middle(*years)


def _years(image: Mapping[str, Any], where: str, source: str, read_date: ReadDate) -> Range | None:
    """Return a picture's first and last year from the first field that says any: year, year_from and year_to, date."""
    for name in ("year", None, *DATE_FIELDS):
        if name is None:
            first = _year_or_range(image.get("year_from"), f"{where}.year_from", source, read_date)
            last = _year_or_range(image.get("year_to"), f"{where}.year_to", source, read_date)
            years = (first and first[0], last and last[1]) if first or last else None
        else:
            years = _year_or_range(image.get(name), f"{where}.{name}", source, read_date)
        if years is not None:
            return years
    return None


def _year_or_range(value: Any, where: str, source: str, read_date: ReadDate) -> Range | None:
    if not _is_set(value):
        return None
    number = _whole(value)
    if number is not None:
        return number, number
    if not isinstance(value, str):
        raise InputError(source, where, value, "must be a year or a date in words")
    return read_date(value)


def _middle(first: int | None, last: int | None) -> int | str:
    """Return the century of the middle year; an open range is of the century of its one end."""
    ends = [year for year in (first, last) if year is not None]
    return _of_year(sum(ends) // len(ends)) if ends else UNKNOWN


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.lstrip("-").isdecimal() and len(text) <= 5 and text.count("-") <= 1 else None
    return value if isinstance(value, int) else None


def _is_set(value: Any) -> bool:
    return value is not None and value != ""


def _style(image: Mapping[str, Any]) -> str:
    for name in STYLE_FIELDS:
        value = image.get(name)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str) and value.strip():
            return value.strip()
    return UNKNOWN
