"""Pictures of a COCO data set with a detector's results, as the context reads them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.context.dates import DateRange, parse_date
from sgob_tasks.context.evidence import Work
from sgob_tasks.context.time_context import Box, Seen
from sgob_tasks.errors import InputError


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        work: what its entry says of the artwork.
        entries: its results, as they are in the file.
        seen: the same as detections, in the same order.
        instances: the boxes and class names of what it truly shows.
        numbers: category ids by name.
        known: names of the classes that labels may be.
    """

    work: Work
    entries: Sequence[dict[str, Any]]
    seen: Sequence[Seen]
    instances: Sequence[tuple[Box, str]]
    numbers: Mapping[str, Any]
    known: frozenset[str]


def pictures_of(
    ground_truth: Path | Mapping[str, Any],
    results: Path | Sequence[dict[str, Any]],
    known: Collection[str] | None = None,
) -> list[Picture]:
    """Return the pictures that have results, in the order of the results.

    Args:
        ground_truth: COCO data set whose images may carry ``title``, ``description``, ``year_from``, ``year_to`` and
            ``date_text``.
        results: COCO results, with ``candidates`` where the class scores of a box are known.
        known: names of the classes that the detector knows; None for all categories of the data set.

    Raises:
        InputError: a file or a field does not fit.
    """
    truth_name = str(ground_truth) if isinstance(ground_truth, Path) else "ground truth"
    truth = read_json(ground_truth, "ground truth", dict)
    found = read_json(results, "results", list)
    names = {category["id"]: str(category["name"]) for category in truth.get("categories", ())}
    works = {image["id"]: work_of(image, truth_name) for image in truth.get("images", ())}
    by_image: dict[Any, list[dict[str, Any]]] = {}
    for place, entry in enumerate(found):
        _check(entry, f"[{place}]", str(results) if isinstance(results, Path) else "results", names, works)
        by_image.setdefault(entry["image_id"], []).append(entry)
    instances: dict[Any, list[tuple[Box, str]]] = {}
    for one in truth.get("annotations", ()):
        if not one.get("iscrowd"):
            left, top, width, height = one["bbox"]
            instances.setdefault(one["image_id"], []).append(((left, top, width, height), names[one["category_id"]]))
    numbers = {name: number for number, name in names.items()}
    allowed = frozenset(numbers) if known is None else frozenset(numbers) & frozenset(known)
    return [
        Picture(works[image], entries, [_seen(entry, names) for entry in entries], instances.get(image, []), numbers,
                allowed)
        for image, entries in by_image.items()
    ]  # fmt: skip


def _seen(entry: Mapping[str, Any], names: Mapping[Any, str]) -> Seen:
    left, top, width, height = entry["bbox"]
    candidates = entry.get("candidates") or {}
    return Seen(names[entry["category_id"]], float(entry["score"]), candidates, (left, top, width, height))


def read_json(value: Any, name: str, kind: type) -> Any:
    """Return a document of one kind (``dict`` or ``list``), read where it is a path.

    Raises:
        InputError: it cannot be read, or is of another kind.
    """
    if isinstance(value, Path):
        try:
            value, name = json.loads(value.read_text("utf-8")), str(value)
        except (OSError, ValueError) as error:
            raise InputError(value, "file", str(error), "cannot be read as JSON") from error
    if not isinstance(value, Mapping if kind is dict else kind) and not (kind is list and isinstance(value, Sequence)):
        raise InputError(name, "document", type(value).__name__, f"must be a {kind.__name__}")
    return value


def work_of(image: Mapping[str, Any], source: str) -> Work:
    """Return what an image's entry says of its work: ``title``, ``description``, years and ``date_text``.

    Raises:
        InputError: the years do not fit.
    """
    texts = (image.get(field) for field in ("title", "description"))
    title, description = (text if isinstance(text, str) else "" for text in texts)
    return Work(title, description, _date(image, source))


def _date(image: Mapping[str, Any], source: str) -> DateRange | None:
    first, last = image.get("year_from"), image.get("year_to")
    if first is None and last is None:
        return None
    stated = parse_date(image.get("date_text"))
    try:
        doubts = (stated.circa, stated.uncertain) if stated is not None else (False, False)
        return DateRange(first, last, *doubts)
    except (ValueError, TypeError) as error:
        raise InputError(source, f"images[id={image['id']}], year_from, year_to", (first, last), str(error)) from error


def _check(entry: Mapping[str, Any], place: str, source: str, names: Mapping[Any, str], works: Collection[Any]) -> None:
    for field in ("image_id", "category_id", "score", "bbox"):
        if field not in entry:
            raise InputError(source, f"{place}.{field}", None, "is missing")
    if entry["category_id"] not in names:
        raise InputError(source, f"{place}.category_id", entry["category_id"], "is the id of no category")
    if entry["image_id"] not in works:
        raise InputError(source, f"{place}.image_id", entry["image_id"], "is the id of no picture")
    if not isinstance(entry["bbox"], list | tuple) or len(entry["bbox"]) != 4:
        raise InputError(source, f"{place}.bbox", entry["bbox"], "must be [x, y, width, height]")
