"""The held-out pictures of a training: the ranks share them, rank 0 gets all detections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sgob_tasks.detection.data.coco import Dataset
from sgob_tasks.detection.inference.detector import Detector
from sgob_tasks.detection.inference.selection import Detection
from sgob_tasks.detection.pictures import load_picture
from sgob_tasks.detection.training import distributed


def detect_dataset(
    detector: Detector, dataset: Dataset, ranks: distributed.Ranks, interrupted: Callable[[], bool] = lambda: False
) -> list[dict[str, Any]] | None:
    """Return the detections of a data set as COCO results, on every rank; None where a rank was interrupted.

    A result has ``image_id``, ``category_id``, ``score``, ``bbox``, ``segmentation`` where the model has masks,
    ``candidates`` and ``background`` (see ``selection.Detection``). Detections of classes that the data set does not
    have are left out.

    Args:
        detector: the trained network.
        dataset: its pictures; rank r takes every ``size``-th.
        ranks: this process among all.
        interrupted: asked before every batch.
    """
    category_of = dict(zip(dataset.classes, dataset.category_ids, strict=True))
    mine = dataset.pictures[ranks.rank :: ranks.size]
    results: list[dict[str, Any]] = []
    complete = True
    for first in range(0, len(mine), detector.batch_size):
        if interrupted():
            complete = False
            break
        pictures = mine[first : first + detector.batch_size]
        found = detector.detect([load_picture(picture) for picture in pictures])
        for picture, detections in zip(pictures, found, strict=True):
            results += [
                _result(picture.picture_id, category_of[detection.class_name], detection)
                for detection in detections
                if detection.class_name in category_of
            ]
    everyone: list[list[dict[str, Any]] | None] = distributed.gather(results if complete else None)
    if any(part is None for part in everyone):
        return None
    return sorted((e for part in everyone for e in part or ()), key=lambda e: (e["image_id"], -e["score"]))


def _result(image_id: int, category_id: int, detection: Detection) -> dict[str, Any]:
    entry = {"image_id": image_id, "category_id": category_id, "score": detection.score, "bbox": list(detection.box)}
    masks = {} if detection.mask is None else {"segmentation": detection.mask}
    return entry | {"candidates": detection.candidates, "background": detection.background} | masks
