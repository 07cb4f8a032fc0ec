"""What time context is worth: average precision before and after it, on pictures with known boxes and dates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.context.dates import DateRange, parse_date
from sgob_tasks.context.time_context import Seen, correct_picture
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.evaluation.average_precision import evaluate
from sgob_tasks.errors import InputError


@dataclass(frozen=True)
class Precision:
    """Box average precision between 0 and 1; None where there is nothing to measure it on.

    Attributes:
        ap: mean over IoU 0.50 to 0.95 and all classes.
        ap50: at IoU 0.50.
        per_class: ``ap50`` by class name.
    """

    ap: float | None
    ap50: float | None
    per_class: Mapping[str, float | None]


@dataclass(frozen=True)
class Comparison:
    """Precision on one set of pictures, by the detector alone and after time context.

    Attributes:
        images: pictures in the set.
        instances: things to find in them.
        before, after: precision.
        relabelled: detections whose class the context changed.
        rescored: detections that kept their class at another score.
        removed: detections of which nothing was left.
    """

    images: int
    instances: int
    before: Precision
    after: Precision
    relabelled: int
    rescored: int
    removed: int


@dataclass(frozen=True)
class _Corrected:
    """A COCO result, what the context makes of it (None: nothing is left), and how it changed."""

    before: dict[str, Any]
    after: dict[str, Any] | None
    change: str


def evaluate_with_context(
    ground_truth: Path | dict[str, Any],
    results: Path | Sequence[dict[str, Any]],
    classes: ClassTable | None = None,
) -> dict[str, Comparison]:
    """Measure the detector's results before and after time context.

    Args:
        ground_truth: COCO data set whose images carry ``year_from``, ``year_to`` (absent or null: not known) and
            optionally ``date_text`` (read for its "ca." only) and ``anachronistic``.
        results: COCO results with ``candidates`` (class scores of the same box) for each detection.
        classes: bounds and look-alikes; by default the package's.

    Returns:
        ``all``: on every picture; ``anachronistic``: on those whose entry says so, because they show a look-alike of a
        thing of a later time.

    Raises:
        InputError: a file or a field does not fit.
    """
    truth = _read(ground_truth, "ground truth", dict)
    corrected = _corrected(ground_truth, results, classes or ClassTable.load(), None)
    images = [image["id"] for image in truth.get("images", ())]
    tricky = [image["id"] for image in truth.get("images", ()) if image.get("anachronistic")]
    return {"all": _compare(truth, corrected, images), "anachronistic": _compare(truth, corrected, tricky)}


def corrected_results(
    ground_truth: Path | Mapping[str, Any],
    results: Path | Sequence[dict[str, Any]],
    classes: ClassTable | None = None,
    *,
    known: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Return COCO results as time context makes them: as they are published.

    Args:
        ground_truth: as for ``evaluate_with_context``.
        results: the detector's.
        classes: bounds and look-alikes; by default the package's.
        known: names of the classes that the detector knows; None for all categories of the data set.

    Raises:
        InputError: a file or a field does not fit.
    """
    corrected = _corrected(ground_truth, results, classes or ClassTable.load(), known)
    return [one.after for one in corrected if one.after is not None]


def _corrected(
    ground_truth: Path | Mapping[str, Any],
    results: Path | Sequence[dict[str, Any]],
    classes: ClassTable,
    known: Collection[str] | None,
) -> list[_Corrected]:
    truth_name = str(ground_truth) if isinstance(ground_truth, Path) else "ground truth"
    truth = _read(ground_truth, "ground truth", dict)
    found = _read(results, "results", list)
    names = {category["id"]: str(category["name"]) for category in truth.get("categories", ())}
    dates = {image["id"]: _date(image, truth_name) for image in truth.get("images", ())}
    by_image: dict[Any, list[dict[str, Any]]] = {}
    for place, entry in enumerate(found):
        _check(entry, f"[{place}]", str(results) if isinstance(results, Path) else "results", names, dates)
        by_image.setdefault(entry["image_id"], []).append(entry)
    return [
        one for image, entries in by_image.items() for one in _correct(entries, dates[image], names, classes, known)
    ]


def _correct(
    entries: Sequence[dict[str, Any]],
    date: DateRange | None,
    names: Mapping[Any, str],
    classes: ClassTable,
    known: Collection[str] | None,
) -> Iterator[_Corrected]:
    numbers = {name: number for number, name in names.items()}
    allowed = frozenset(numbers) if known is None else frozenset(numbers) & frozenset(known)
    seen = [
        Seen(names[e["category_id"]], float(e["score"]), e.get("candidates") or {}, tuple(e["bbox"])) for e in entries
    ]
    corrections = correct_picture(seen, date, classes, allowed)
    for entry, correction in zip(entries, corrections, strict=True):
        if correction.label is None:
            yield _Corrected(entry, None, "removed")
            continue
        number = numbers[correction.label]
        kept = "rescored" if correction.reason else ""
        change = kept if number == entry["category_id"] else "relabelled"
        yield _Corrected(entry, {**entry, "category_id": number, "score": correction.label_score}, change)


def _read(value: Any, name: str, kind: type) -> Any:
    if isinstance(value, Path):
        try:
            value, name = json.loads(value.read_text("utf-8")), str(value)
        except (OSError, ValueError) as error:
            raise InputError(value, "file", str(error), "cannot be read as JSON") from error
    if not isinstance(value, kind) and not (kind is list and isinstance(value, Sequence)):
        raise InputError(name, "document", type(value).__name__, f"must be a {kind.__name__}")
    return value


def _date(image: Mapping[str, Any], source: str) -> DateRange | None:
    first, last = image.get("year_from"), image.get("year_to")
    if first is None and last is None:
        return None
    stated = parse_date(image.get("date_text"))
    try:
        return DateRange(first, last, stated is not None and stated.circa)
    except (ValueError, TypeError) as error:
        raise InputError(source, f"images[id={image['id']}], year_from, year_to", (first, last), str(error)) from error


def _check(entry: Mapping[str, Any], place: str, source: str, names: Mapping[Any, str], dates: Collection[Any]) -> None:
    for field in ("image_id", "category_id", "score", "bbox"):
        if field not in entry:
            raise InputError(source, f"{place}.{field}", None, "is missing")
    if entry["category_id"] not in names:
        raise InputError(source, f"{place}.category_id", entry["category_id"], "is the id of no category")
    if entry["image_id"] not in dates:
        raise InputError(source, f"{place}.image_id", entry["image_id"], "is the id of no picture")
    if not isinstance(entry["bbox"], list | tuple) or len(entry["bbox"]) != 4:
        raise InputError(source, f"{place}.bbox", entry["bbox"], "must be [x, y, width, height]")


def _compare(truth: dict[str, Any], corrected: Sequence[_Corrected], images: Collection[Any]) -> Comparison:
    shown = set(images)
    chosen = [one for one in corrected if one.before["image_id"] in shown]
    first = evaluate(truth, [one.before for one in chosen], image_ids=images)
    second = evaluate(truth, [one.after for one in chosen if one.after is not None], image_ids=images)
    changes = Counter(one.change for one in chosen)
    return Comparison(
        images=first.pictures,
        instances=first.instances,
        before=Precision(first.ap, first.ap50, first.ap50_per_class),
        after=Precision(second.ap, second.ap50, second.ap50_per_class),
        relabelled=changes["relabelled"],
        rescored=changes["rescored"],
        removed=changes["removed"],
    )
