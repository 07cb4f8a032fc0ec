"""Boxes of COCO results with what their pictures truly show: what the fusion's weights are fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sgob_tasks.context.coco_pictures import pictures_of
from sgob_tasks.context.fusion_fit import Observation
from sgob_tasks.context.picture_context import ContextModels, gather
from sgob_tasks.context.time_context import correct, iou
from sgob_tasks.progress import track

MATCH_IOU = 0.5


def observations(
    ground_truth: Path | Mapping[str, Any], results: Path | Sequence[dict[str, Any]], models: ContextModels
) -> list[Observation]:
    """Gather the evidence of every box and match it to the instance that it covers best, whatever its class.

    Args:
        ground_truth: COCO data set as for ``context.evaluate.evaluate_with_context``.
        results: COCO results with ``candidates``.
        models: whose evidence.

    Raises:
        InputError: a file or a field does not fit.
    """
    found = []
    for picture in track(pictures_of(ground_truth, results), "Gathering evidence"):
        date = picture.work.date
        bounds = [
            correct(seen.class_name, seen.score, seen.candidates, date, models.table, picture.known)
            for seen in picture.seen
        ]
        evidence = gather(picture.seen, bounds, picture.work, models, picture.known)
        for seen, box in zip(picture.seen, evidence, strict=True):
            overlaps = [(iou(seen.box, instance), name) for instance, name in picture.instances]
            best, name = max(overlaps, default=(0.0, ""))
            found.append(Observation(box, name if best >= MATCH_IOU and name in box.scores else None))
    return found
