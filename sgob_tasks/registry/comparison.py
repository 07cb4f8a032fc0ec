"""Compare a new model with the champion on the same held-out pictures, before and after the time context."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sgob_tasks.context.evaluate import corrected_results
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.detection.evaluation.average_precision import evaluate
from sgob_tasks.detection.evaluation.bootstrap import compare, interval

Result = dict[str, Any]

RESAMPLES = 1000


@dataclass(frozen=True)
class Figures:
    """Box AP50 and AP (0 to 1) of two models on the same pictures, with the 95 % interval of the difference.

    Attributes:
        ap50_champion, ap50_candidate: at IoU 0.50.
        ap50_difference: candidate minus champion.
        ap50_low, ap50_high: ends of its interval, by a paired bootstrap over the pictures.
        ap_champion, ap_candidate, ap_difference, ap_low, ap_high: the same over IoU 0.50 to 0.95.

    All are None where there is no instance to measure them on.
    """

    ap50_champion: float | None
    ap50_candidate: float | None
    ap50_difference: float | None
    ap50_low: float | None
    ap50_high: float | None
    ap_champion: float | None
    ap_candidate: float | None
    ap_difference: float | None
    ap_low: float | None
    ap_high: float | None


@dataclass(frozen=True)
class ModelComparison:
    """Two models on the same held-out pictures, on the classes that both know.

    Attributes:
        images: held-out pictures.
        after: with the time context, as the platform publishes; what the rule of promotion goes by.
        before: the detectors alone.
        classes: number of classes that both know.
        lost_classes: those that only the champion knows.
        new_classes: those that only the candidate knows, left out of the figures.
        per_class: AP50 after the time context by shared class: ``(champion, candidate)``; classes without a held-out
            instance are left out.
    """

    images: int
    after: Figures
    before: Figures
    classes: int
    lost_classes: tuple[str, ...] = ()
    new_classes: tuple[str, ...] = ()
    per_class: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self) | {
            "lost_classes": list(self.lost_classes),
            "new_classes": list(self.new_classes),
            "per_class": {name: list(pair) for name, pair in self.per_class.items()},
        }


def compare_models(
    truth: Mapping[str, Any],
    champion: Sequence[Result],
    candidate: Sequence[Result],
    champion_classes: Collection[str],
    table: ClassTable | None = None,
    *,
    resamples: int = RESAMPLES,
) -> ModelComparison:
    """Compare two models by their COCO results.

    Args:
        truth: COCO data set of the held-out pictures with the candidate's categories; years as
            ``context.evaluate.evaluate_with_context`` reads them.
        champion: its results, in the data set's image and category ids.
        candidate: its results.
        champion_classes: names of all classes that the champion knows.
        table: bounds and look-alikes of the time context; by default the package's.
        resamples: of the bootstrap.

    Raises:
        InputError: a field does not fit.
    """
    table = table or ClassTable.load()
    names = [str(category["name"]) for category in truth["categories"]]
    shared = [name for name in names if name in set(champion_classes)]
    part = _only(truth, shared)
    # Relabelling goes to classes that the model itself knows, as it does when the platform publishes.
    first = corrected_results(truth, champion, table, known=shared)
    second = corrected_results(truth, candidate, table)
    before = _figures(part, champion, candidate, resamples)
    after = _figures(part, first, second, resamples)
    return ModelComparison(
        images=len(truth["images"]),
        after=after,
        before=before,
        classes=len(shared),
        lost_classes=tuple(sorted(set(champion_classes) - set(names))),
        new_classes=tuple(sorted(set(names) - set(shared))),
        per_class=_per_class(part, first, second),
    )


def _only(truth: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return the data set with some of its categories, and all of its pictures."""
    categories = [category for category in truth["categories"] if category["name"] in names]
    ids = {category["id"] for category in categories}
    kept = [entry for entry in truth["annotations"] if entry["category_id"] in ids]
    return {**truth, "categories": categories, "annotations": kept}


def _within(truth: Mapping[str, Any], results: Sequence[Result]) -> list[Result]:
    ids = {category["id"] for category in truth["categories"]}
    return [entry for entry in results if entry["category_id"] in ids]


def _figures(truth: dict[str, Any], first: Sequence[Result], second: Sequence[Result], resamples: int) -> Figures:
    if not _instances(truth):
        return Figures(*([None] * 10))
    found = compare(truth, _within(truth, first), _within(truth, second), resamples=resamples)
    return Figures(
        ap50_champion=found.ap50_first,
        ap50_candidate=found.ap50_second,
        ap50_difference=found.ap50_difference,
        ap50_low=found.ap50_low,
        ap50_high=found.ap50_high,
        ap_champion=found.ap_first,
        ap_candidate=found.ap_second,
        ap_difference=found.ap_difference,
        ap_low=found.ap_low,
        ap_high=found.ap_high,
    )


def _per_class(
    truth: dict[str, Any], first: Sequence[Result], second: Sequence[Result]
) -> dict[str, tuple[float, float]]:
    if not truth["annotations"]:
        return {}
    one, other = (evaluate(truth, _within(truth, results)).ap50_per_class for results in (first, second))
    pairs = {name: (one.get(name), other.get(name)) for name in other}
    return {name: (a, b) for name, (a, b) in pairs.items() if a is not None and b is not None}


def intervals(truth: dict[str, Any], results: Sequence[Result], resamples: int = RESAMPLES) -> dict[str, list[float]]:
    """Return the 95 % intervals of a model's own AP50 and AP, by a bootstrap over the pictures.

    Returns:
        ``ap50`` and ``ap``, each ``[low, high]``; empty where there is no instance to measure them on.
    """
    if not _instances(truth):
        return {}
    found = interval(truth, results, resamples=resamples)
    pairs = {"ap50": (found.ap50_low, found.ap50_high), "ap": (found.ap_low, found.ap_high)}
    return {name: [low, high] for name, (low, high) in pairs.items() if low is not None and high is not None}


def _instances(truth: Mapping[str, Any]) -> bool:
    return any(not entry.get("iscrowd") for entry in truth["annotations"])
