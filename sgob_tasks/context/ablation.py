"""What each kind of evidence is worth: the detector alone, with time, with the language model, and with both.

On pictures with known boxes, dates and titles: average precision at IoU 0.50 over all of them, and over those whose
entry says ``anachronistic`` because they show a look-alike of a thing of a later time. Every row is measured on the
same bootstrap draws of the pictures, so the gain over the detector alone has a paired interval
(``detection.evaluation.bootstrap``).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.context.coco_pictures import read_json
from sgob_tasks.context.evaluate import corrections
from sgob_tasks.context.picture_context import ContextModels
from sgob_tasks.detection.evaluation.bootstrap import compare_matchings, matching_interval
from sgob_tasks.detection.evaluation.matching import Matching, match
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import Truth, read_truth
from sgob_tasks.progress import track

ALONE, TIME, LANGUAGE, BOTH = "detector alone", "+ time", "+ language model", "+ both"
RESAMPLES = 1000


@dataclass(frozen=True)
class Row:
    """One line of the table; every value is None where there is no instance to measure it on.

    Attributes:
        system: what was used.
        ap50, ap50_low, ap50_high: average precision at IoU 0.50 with its 95 % interval.
        gain, gain_low, gain_high: over the detector alone, with the interval of the paired difference; None for it.
        relabelled, rescored, removed: detections that changed.
    """

    system: str
    ap50: float | None
    ap50_low: float | None
    ap50_high: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    relabelled: int
    rescored: int
    removed: int


@dataclass(frozen=True)
class Ablation:
    """The table on one set of pictures.

    Attributes:
        subset: ``all`` or ``anachronistic``.
        images, instances: in the set.
        rows: one for each system.
        resamples, seed: of the intervals.
    """

    subset: str
    images: int
    instances: int
    rows: tuple[Row, ...]
    resamples: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def systems(models: ContextModels) -> dict[str, ContextModels | None]:
    """Return the systems of the table by name; those with a language model only where there is one."""
    found: dict[str, ContextModels | None] = {ALONE: None, TIME: dataclasses.replace(models, language=None)}
    if models.language is not None:
        found[LANGUAGE] = dataclasses.replace(models, use_bounds=False)
        found[BOTH] = models
    return found


def ablate(
    ground_truth: Path | Mapping[str, Any],
    results: Path | Sequence[dict[str, Any]],
    models: ContextModels,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Ablation]:
    """Measure every system on the same pictures.

    Args:
        ground_truth: COCO data set; its images as ``context.evaluate.evaluate_with_context`` reads them, and ``title``.
        results: COCO results with ``candidates`` for each detection.
        models: all evidence that there is; parts of it make the rows.
        resamples: of the intervals.
        seed: of the draws.

    Returns:
        The table of all pictures, and that of the anachronistic ones where there are any.

    Raises:
        InputError: a file or a field does not fit.
    """
    truth = read_json(ground_truth, "ground truth", dict)
    known = read_truth(truth)
    plain = list(read_json(results, "results", list))
    corrected: dict[str, list[tuple[dict[str, Any] | None, str, Any]]] = {}
    for name, system in systems(models).items():
        if system is None:
            corrected[name] = [(entry, "", entry["image_id"]) for entry in plain]
        else:
            corrected[name] = [
                (one.after, one.change, one.before["image_id"]) for one in corrections(truth, plain, system)
            ]
    tricky = [image["id"] for image in truth.get("images", ()) if image.get("anachronistic")]
    subsets = {"all": list(known.images), **({"anachronistic": tricky} if tricky else {})}
    return [_table(name, images, known, corrected, resamples, seed) for name, images in subsets.items()]


def _table(
    subset: str,
    images: Sequence[Any],
    truth: Truth,
    corrected: Mapping[str, Sequence[tuple[dict[str, Any] | None, str, Any]]],
    resamples: int,
    seed: int,
) -> Ablation:
    shown = set(images)
    rows: list[Row] = []
    alone: Matching | None = None
    for name, found in track(list(corrected.items()), f"Measuring ({subset})"):
        chosen = [one for one in found if one[2] in shown]
        kept = check_results([entry for entry, _, _ in chosen if entry is not None], truth, name, masks=False)
        matching = match(truth, kept, images=images, sizes=False)
        own = matching_interval(matching, resamples=resamples, seed=seed)
        gains: tuple[float | None, float | None, float | None] = (None, None, None)
        if alone is None:
            alone = matching
        else:
            paired = compare_matchings(alone, matching, resamples=resamples, seed=seed)
            gains = (paired.ap50_difference, paired.ap50_low, paired.ap50_high)
        changes = Counter(change for _, change, _ in chosen)
        rows.append(
            Row(
                name,
                own.ap50,
                own.ap50_low,
                own.ap50_high,
                *gains,
                relabelled=changes["relabelled"],
                rescored=changes["rescored"],
                removed=changes["removed"],
            )
        )
    if alone is None:
        raise ValueError("no system to measure")
    return Ablation(subset, len(alone.images), alone.instances, tuple(rows), resamples, seed)
