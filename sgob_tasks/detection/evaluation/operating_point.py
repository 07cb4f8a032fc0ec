"""A detector used at one score threshold, that of the best F1: what it confuses, and how good it is by picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.evaluation.matching import Matching
from sgob_tasks.detection.evaluation.overlaps import IOU, Overlaps, overlaps
from sgob_tasks.detection.evaluation.truth import Id

BACKGROUND = "background"


@dataclass(frozen=True)
class Threshold:
    """A score threshold, and precision, recall and their harmonic mean at IoU 0.5 over all classes together."""

    score: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class PictureScore:
    """One picture at the threshold.

    Attributes:
        image: its id.
        found: pairs of a right detection (place in ``Matching.results``) and its instance (id of the annotation).
        confused: pairs of a detection of the wrong class and the instance that it lies on.
        wrong: detections that lie on nothing, or on what is found already.
        missed: instances without a detection.
        f1: 1 where nothing is there and nothing was found.
    """

    image: Id
    found: tuple[tuple[int, int], ...]
    confused: tuple[tuple[int, int], ...]
    wrong: tuple[int, ...]
    missed: tuple[int, ...]
    f1: float


@dataclass(frozen=True)
class OperatingPoint:
    """A detector at one threshold.

    Attributes:
        threshold: that of the best F1; None where nothing was found or nothing is there.
        names: of the rows and columns of ``confusion``: the classes, then the background.
        confusion: ``[classes + 1, classes + 1]`` counts, truth in rows and predictions in columns. The background's
            row holds detections that lie on nothing, its column holds instances that were missed.
        pictures: each picture.
    """

    threshold: Threshold | None
    names: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    pictures: tuple[PictureScore, ...]

    def to_json(self) -> dict[str, Any]:
        """Return threshold and confusion as JSON values."""
        threshold = None if self.threshold is None else dict(vars(self.threshold))
        return {"threshold": threshold, "names": list(self.names), "confusion": self.confusion.tolist()}


def best_threshold(matching: Matching) -> Threshold | None:
    """Return the threshold at which F1 at IoU 0.5, over the detections of all classes together, is best.

    None where no detection is right.
    """
    scores = np.concatenate([one.scores[~one.ignored[0]] for one in matching.classes] or [np.zeros(0)])
    right = np.concatenate([one.matched[0, ~one.ignored[0]] > 0 for one in matching.classes] or [np.zeros(0, bool)])
    if not right.any():
        return None
    order = np.argsort(-scores, kind="stable")
    scores, found = scores[order], np.cumsum(right[order])
    last = np.append(scores[1:] != scores[:-1], True)  # equal scores are above a threshold together
    number = np.arange(1, len(scores) + 1)
    f1 = np.where(last, 2 * found / (number + matching.instances), -1.0)
    best = int(f1.argmax())
    return Threshold(
        float(scores[best]),
        float(found[best] / number[best]),
        float(found[best] / matching.instances),
        float(f1[best]),
    )


def operating_point(matching: Matching) -> OperatingPoint:
    """Judge all detections at the threshold of the best F1.

    A detection first takes an instance of its own class, as COCO matches them. What is left over is paired across the
    classes, largest overlap first, from IoU 0.5: these are the confusions.
    """
    threshold = best_threshold(matching)
    categories = {category: place for place, category in enumerate(matching.truth.categories)}
    nothing = len(categories)
    confusion = np.zeros((nothing + 1, nothing + 1), np.int64)
    pictures = []
    for picture in overlaps(matching):
        above = picture.scores >= threshold.score if threshold else np.zeros(len(picture.scores), bool)
        found, confused, wrong, missed = _judge(picture, above)
        columns = [categories[int(category)] for category in picture.classes]
        rows = [categories[int(category)] for category in picture.instance_classes]
        for detection, instance in found + confused:
            confusion[rows[instance], columns[detection]] += 1
        for detection in wrong:
            confusion[nothing, columns[detection]] += 1
        for instance in missed:
            confusion[rows[instance], nothing] += 1
        answers = 2 * (len(found) + len(confused)) + len(wrong) + len(missed)
        places, numbers = picture.detections.tolist(), picture.instances.tolist()
        pictures.append(
            PictureScore(
                picture.image,
                tuple((places[detection], numbers[instance]) for detection, instance in found),
                tuple((places[detection], numbers[instance]) for detection, instance in confused),
                tuple(places[detection] for detection in wrong),
                tuple(numbers[instance] for instance in missed),
                2 * len(found) / answers if answers else 1.0,
            )
        )
    return OperatingPoint(threshold, (*matching.truth.categories.values(), BACKGROUND), confusion, tuple(pictures))


def _judge(
    picture: Overlaps, above: npt.NDArray[np.bool_]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]], list[int], list[int]]:
    """Return found and confused pairs, wrong detections and missed instances, as places in the picture's arrays."""
    by_number = {int(number): place for place, number in enumerate(picture.instances)}
    found = [(int(d), by_number[int(picture.matched[d])]) for d in np.flatnonzero(above & (picture.matched > 0))]
    free = {int(d) for d in np.flatnonzero(above & (picture.matched == 0))}
    open_ = set(by_number.values()) - {instance for _, instance in found}
    pairs = [(picture.ious[d, g], d, g) for d in free for g in open_ if picture.ious[d, g] >= IOU]
    confused = []
    for _, detection, instance in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        # Of one class they can overlap only where COCO gave the detection's instance to a better one: no confusion.
        same = picture.classes[detection] == picture.instance_classes[instance]
        if detection in free and instance in open_ and not same:
            confused.append((detection, instance))
            free.remove(detection)
            open_.remove(instance)
    return found, confused, sorted(free), sorted(open_)
