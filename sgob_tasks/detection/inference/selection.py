"""From the box head's answer to detections: thresholds, non-maximum suppression, class distribution. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.boxes import Array, area, non_maximum_suppression
from sgob_tasks.detection.config import DetectorConfig

LEAST_SHARE = 1e-6
"""Probabilities below it are left out of a distribution: results are written with six decimals."""


@dataclass(frozen=True)
class Detection:
    """One found object.

    Attributes:
        class_name: the class with the highest score.
        score: its softmax probability, 0 to 1.
        box: ``(x, y, width, height)`` in pixels of the picture.
        mask: COCO run-length code of the picture's size, or None where the model has no masks.
        candidates: the probability of every class, best first, without those below ``LEAST_SHARE``. With
            ``background`` they are the softmax over all the network's outputs, and sum to 1 but for rounding.
        background: the probability that the box shows none of the classes. It is no candidate: whoever looks for
            another label for the box (time context) must not find it there.
    """

    class_name: str
    score: float
    box: tuple[float, float, float, float]
    mask: dict[str, Any] | None
    candidates: dict[str, float]
    background: float

    def to_json(self) -> dict[str, Any]:
        """Return the detection as the job's results hold it."""
        return {
            "class_name": self.class_name,
            "score": self.score,
            "bbox": list(self.box),
            "mask": self.mask,
            "candidates": self.candidates,
            "background": self.background,
        }


@dataclass(frozen=True)
class Selected:
    """Chosen boxes of one picture, best first.

    Attributes:
        boxes: ``[D, (y1, x1, y2, x2)]`` in network coordinates.
        classes: ``[D]``, 1 and up.
        scores: ``[D]``.
        probabilities: ``[D, classes]``, background first.
    """

    boxes: Array
    classes: npt.NDArray[np.int32]
    scores: Array
    probabilities: Array


def select(
    boxes: npt.NDArray[np.floating[Any]],
    probabilities: npt.NDArray[np.floating[Any]],
    proposed: npt.NDArray[np.bool_],
    config: DetectorConfig,
    min_score: float,
    window: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0),
) -> Selected:
    """Choose the detections of one picture.

    Every proposal stands for its best class, where Matterport drops it if the background is better: the same from a
    minimum score of one half on, and below it the only way to the low end of a precision-recall curve. Boxes of one
    class that overlap are reduced to the best; then boxes of different classes that overlap almost wholly.

    Args:
        boxes: ``[N, k, 4]`` corrected boxes in network coordinates; k is 1 or the number of classes.
        probabilities: ``[N, classes]``, background first.
        proposed: ``[N]``, False for padding.
        config: thresholds.
        min_score: detections below it are dropped.
        window: ``(y1, x1, y2, x2)`` of the picture in the square, without the padding, in network coordinates: boxes
            are cut to it before they are compared.
    """
    classes = 1 + np.argmax(probabilities[:, 1:], axis=1)
    scores = np.take_along_axis(probabilities, classes[:, None], axis=1)[:, 0]
    chosen = boxes[:, 0] if boxes.shape[1] == 1 else np.take_along_axis(boxes, classes[:, None, None], axis=1)[:, 0]
    chosen = np.clip(chosen, np.array(window[:2] * 2, chosen.dtype), np.array(window[2:] * 2, chosen.dtype))
    alive = np.flatnonzero(proposed & (scores >= min_score) & (area(chosen) > 0))
    kept: list[int] = []
    for index in np.unique(classes[alive]):
        of_class = alive[classes[alive] == index]
        best = non_maximum_suppression(
            chosen[of_class], scores[of_class], config.detection_nms_iou, config.max_detections
        )
        kept.extend(int(place) for place in of_class[best])
    order = np.asarray(sorted(kept, key=lambda place: -scores[place]), np.intp)
    best = non_maximum_suppression(chosen[order], scores[order], config.cross_class_iou, config.max_detections)
    order = order[best]
    return Selected(
        np.asarray(chosen[order], np.float64),
        classes[order].astype(np.int32),
        np.asarray(scores[order], np.float64),
        np.asarray(probabilities[order], np.float64),
    )


def candidates(probabilities: npt.NDArray[np.floating[Any]], classes: tuple[str, ...]) -> dict[str, float]:
    """Return all classes of a box with their probabilities, best first; those below ``LEAST_SHARE`` are left out.

    Args:
        probabilities: ``[classes + 1]``, background first.
        classes: names without the background.
    """
    order = np.argsort(-probabilities[1:], kind="stable")
    return {
        classes[index]: round(float(probabilities[index + 1]), 6)
        for index in order
        if probabilities[index + 1] >= LEAST_SHARE
    }


def background(probabilities: npt.NDArray[np.floating[Any]]) -> float:
    """Return the probability of the background, rounded as in results, from ``[classes + 1]``."""
    return round(float(probabilities[0]), 6)
