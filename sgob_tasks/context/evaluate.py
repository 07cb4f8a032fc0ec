"""What context is worth: average precision before and after it, on pictures with known boxes and dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.context.coco_pictures import Picture, pictures_of, read_json
from sgob_tasks.context.picture_context import ContextModels, correct_with_context
from sgob_tasks.context.time_context import Correction
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.evaluation.average_precision import evaluate


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
class Corrected:
    """A COCO result, what the context makes of it (None: nothing is left), how it changed, and why."""

    before: dict[str, Any]
    after: dict[str, Any] | None
    change: str
    correction: Correction


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
    truth = read_json(ground_truth, "ground truth", dict)
    corrected = corrections(ground_truth, results, ContextModels(classes or ClassTable.load()))
    images = [image["id"] for image in truth.get("images", ())]
    tricky = [image["id"] for image in truth.get("images", ()) if image.get("anachronistic")]
    return {"all": _compare(truth, corrected, images), "anachronistic": _compare(truth, corrected, tricky)}


def corrected_results(
    ground_truth: Path | Mapping[str, Any],
    results: Path | Sequence[dict[str, Any]],
    classes: ClassTable | None = None,
    *,
    known: Collection[str] | None = None,
    models: ContextModels | None = None,
) -> list[dict[str, Any]]:
    """Return COCO results as the context makes them: as they are published.

    Args:
        ground_truth: as for ``evaluate_with_context``.
        results: the detector's.
        classes: bounds and look-alikes; by default the package's.
        known: names of the classes that the detector knows; None for all categories of the data set.
        models: what corrects them instead of ``classes`` alone.

    Raises:
        InputError: a file or a field does not fit.
    """
    corrected = corrections(ground_truth, results, models or ContextModels(classes or ClassTable.load()), known)
    return [one.after for one in corrected if one.after is not None]


def corrections(
    ground_truth: Path | Mapping[str, Any],
    results: Path | Sequence[dict[str, Any]],
    models: ContextModels,
    known: Collection[str] | None = None,
) -> list[Corrected]:
    """Correct COCO results picture by picture.

    Args:
        ground_truth: as for :func:`evaluate_with_context`; ``title`` and ``description`` of its images are read too.
        results: the detector's.
        models: what corrects them.
        known: names of the classes that the detector knows; None for all categories of the data set.

    Raises:
        InputError: a file or a field does not fit.
    """
    return [one for picture in pictures_of(ground_truth, results, known) for one in _correct(picture, models)]


def _correct(picture: Picture, models: ContextModels) -> Iterator[Corrected]:
    found = correct_with_context(picture.seen, picture.work, models, picture.known)
    for entry, correction in zip(picture.entries, found, strict=True):
        if correction.label is None:
            yield Corrected(entry, None, "removed", correction)
            continue
        number = picture.numbers[correction.label]
        kept = "rescored" if correction.reason else ""
        change = kept if number == entry["category_id"] else "relabelled"
        yield Corrected(entry, {**entry, "category_id": number, "score": correction.label_score}, change, correction)


def _compare(truth: dict[str, Any], corrected: Sequence[Corrected], images: Collection[Any]) -> Comparison:
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
