"""Which detections and instances of a picture overlap, whatever their classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as geometry

from sgob_tasks.detection.evaluation.matching import Matching
from sgob_tasks.detection.evaluation.truth import Id

IOU = 0.5
"""An instance is found by a detection that overlaps it at least this much: the first of COCO's ten IoUs."""


@dataclass(frozen=True)
class Overlaps:
    """One picture: what was found, what is there, and how they overlap. Crowd regions and what lies in them are not in.

    Attributes:
        image: its id.
        detections: ``[D]`` places in ``Matching.results``, best first.
        classes: ``[D]`` their categories.
        scores: ``[D]``.
        matched: ``[D]`` the id of the instance that a detection found at IoU 0.5, as COCO matches; 0 for none.
        instances: ``[G]`` ids of the annotations.
        instance_classes: ``[G]`` their categories.
        ious: ``[D, G]`` intersection over union of boxes or masks.
    """

    image: Id
    detections: npt.NDArray[np.intp]
    classes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    matched: npt.NDArray[np.int64]
    instances: npt.NDArray[np.int64]
    instance_classes: npt.NDArray[np.int64]
    ious: npt.NDArray[np.float64]


def overlaps(matching: Matching) -> Iterator[Overlaps]:
    """Yield every picture of a matching, in order."""
    found: dict[int, list[tuple[float, int, int, int]]] = defaultdict(list)
    for of_class in matching.classes:
        for place in np.flatnonzero(~of_class.ignored[0]):
            found[int(of_class.images[place])].append(
                (
                    -float(of_class.scores[place]),
                    int(of_class.detections[place]),
                    of_class.category_id,
                    int(of_class.matched[0, place]),
                )
            )
    there: dict[Id, list[dict[str, Any]]] = defaultdict(list)
    for annotation in matching.truth.annotations:
        if not annotation["iscrowd"]:
            there[annotation["image_id"]].append(annotation)
    for number, image in enumerate(matching.images):
        rows = sorted(found[number])
        instances = there[image]
        yield Overlaps(
            image,
            np.array([row[1] for row in rows], np.intp),
            np.array([row[2] for row in rows], np.int64),
            np.array([-row[0] for row in rows], np.float64),
            np.array([row[3] for row in rows], np.int64),
            np.array([entry["id"] for entry in instances], np.int64),
            np.array([entry["category_id"] for entry in instances], np.int64),
            _ious(matching, [row[1] for row in rows], [entry["id"] for entry in instances]),
        )


def _ious(matching: Matching, detections: Sequence[int], instances: Sequence[int]) -> npt.NDArray[np.float64]:
    if not detections or not instances:
        return np.zeros((len(detections), len(instances)))
    # With masks, pycocotools has replaced the segmentations in its own copies by run-length codes.
    field = "bbox" if matching.iou_type == "bbox" else "segmentation"
    found = [matching.evaluator.cocoDt.anns[place + 1][field] for place in detections]
    there = [matching.evaluator.cocoGt.anns[number][field] for number in instances]
    return np.asarray(geometry.iou(found, there, [0] * len(there)), np.float64)
