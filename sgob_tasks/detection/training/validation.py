"""The held-out pictures of a training: the ranks share them, rank 0 gets all detections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sgob_tasks.detection.data.coco import Dataset
from sgob_tasks.detection.inference.detector import Detector
from sgob_tasks.detection.pictures import load_picture
from sgob_tasks.detection.training import distributed


def detect_dataset(
    detector: Detector, dataset: Dataset, ranks: distributed.Ranks, before_batch: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """Return the detections of a data set as COCO results, on every rank.

    A result has ``image_id``, ``category_id``, ``score``, ``bbox``, ``segmentation`` where the model has masks, and
    ``candidates`` (see ``selection.Detection``).

    Args:
        detector: the trained network.
        dataset: its pictures; rank r takes every ``size``-th.
        ranks: this process among all.
        before_batch: called before every batch; may raise to stop.
    """
    category_of = dict(zip(dataset.classes, dataset.category_ids, strict=True))
    mine = dataset.pictures[ranks.rank :: ranks.size]
    results: list[dict[str, Any]] = []
    for first in range(0, len(mine), detector.batch_size):
        before_batch()
        pictures = mine[first : first + detector.batch_size]
        found = detector.detect([load_picture(picture) for picture in pictures])
        for picture, detections in zip(pictures, found, strict=True):
            for detection in detections:
                entry: dict[str, Any] = {
                    "image_id": picture.picture_id,
                    "category_id": category_of[detection.class_name],
                    "score": detection.score,
                    "bbox": list(detection.box),
                    "candidates": detection.candidates,
                }
                if detection.mask is not None:
                    entry["segmentation"] = detection.mask
                results.append(entry)
    everyone = distributed.gather(results)
    return sorted((e for part in everyone for e in part), key=lambda e: (e["image_id"], -e["score"]))
