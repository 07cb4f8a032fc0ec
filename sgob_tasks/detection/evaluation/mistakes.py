"""What kinds of mistakes a detector makes, and what each kind costs.

The kinds are those of TIDE (Bolya, Foley, Hays and Hoffman, TIDE: A General Toolbox for Identifying Object Detection
Errors, ECCV 2020), in the order in which its program (github.com/dbolya/tide, ``tidecv/quantify.py``) tries them. With
t_f = 0.5 and t_b = 0.1, a detection that found nothing at IoU 0.5 is

- ``localisation``: the right class, t_b <= IoU <= t_f;
- ``classification``: IoU >= t_f with an instance of another class;
- ``duplicate``: the right class, IoU >= t_f, but a better detection has that instance;
- ``background``: IoU <= t_b with everything;
- ``both``: the rest, a wrong class in a wrong place;

and an instance that nothing found is ``missed``, unless a classification or localisation mistake, mended, finds it.

The cost of a kind is what AP50 would gain if that kind alone were mended: the best detection of each unfound instance
gets its class or its place, all others of the kind are dropped; missed instances are taken out of the count. The costs
do not add up to 1 - AP50, as TIDE explains.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sgob_tasks.detection.evaluation.matching import Matching
from sgob_tasks.detection.evaluation.overlaps import IOU, Overlaps, overlaps
from sgob_tasks.detection.evaluation.truth import Id
from sgob_tasks.detection.evaluation.weighted import RECALLS

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")
BACKGROUND_IOU = 0.1


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes:
        kind: one of :data:`KINDS`.
        image: the picture's id.
        detection: place in ``Matching.results``; None for ``missed``.
        instance: id of the annotation that was expected; None for ``background``, and for ``both`` the nearest one.
        iou: overlap of the two; 0 where one is None.
        weight: by which the worst come first: the score, or for ``missed`` the instance's share of the picture's area.
    """

    kind: str
    image: Id
    detection: int | None
    instance: int | None
    iou: float
    weight: float


@dataclass(frozen=True)
class Mistakes:
    """All mistakes of an evaluation.

    Attributes:
        ap50: as it is; None where there is no instance.
        found: every mistake, by kind, the worst first.
        costs: what AP50 would gain without a kind; None where there is no instance.
    """

    ap50: float | None
    found: dict[str, tuple[Mistake, ...]]
    costs: dict[str, float | None]


@dataclass
class _Point:
    """A detection in the precision-recall curve of a class: its score, and whether it counts as right."""

    category: int
    score: float
    right: bool


def find_mistakes(matching: Matching) -> Mistakes:
    """Name and weigh all mistakes at IoU 0.5."""
    points: dict[int, _Point] = {}
    positives: dict[int, int] = defaultdict(int)
    every: list[Mistake] = []
    for picture in overlaps(matching):
        for place, category, score, instance in zip(
            picture.detections, picture.classes, picture.scores, picture.matched, strict=True
        ):
            points[int(place)] = _Point(int(category), float(score), bool(instance))
        for category in picture.instance_classes:
            positives[int(category)] += 1
        every += _wrong(picture)
    every += _missed(matching, every)
    base = _ap50(points.values(), positives)
    best = _best_for_instance(every, matching)
    ranked = sorted(every, key=lambda one: -one.weight)
    found = {kind: tuple(one for one in ranked if one.kind == kind) for kind in KINDS}
    costs: dict[str, float | None] = dict.fromkeys(KINDS)
    for kind in KINDS:
        after = _mended(found[kind], best, matching, points, positives)
        if base is not None and after is not None:
            costs[kind] = max(after - base, 0.0)
    return Mistakes(base, found, costs)


def _wrong(picture: Overlaps) -> Iterator[Mistake]:
    """Name what is wrong with each detection that found nothing."""
    for place in np.flatnonzero(picture.matched == 0):
        kind, instance = _kind(picture, int(place))
        yield Mistake(
            kind,
            picture.image,
            int(picture.detections[place]),
            None if instance is None else int(picture.instances[instance]),
            0.0 if instance is None else float(picture.ious[place, instance]),
            float(picture.scores[place]),
        )


def _kind(picture: Overlaps, place: int) -> tuple[str, int | None]:
    """Return the kind of a detection's mistake, and which of the picture's instances was expected."""
    if not picture.instances.size:
        return "background", None
    ious, same = picture.ious[place], picture.instance_classes == picture.classes[place]
    of_class, of_others = np.where(same, ious, 0.0), np.where(same, 0.0, ious)
    best, other, nearest = int(of_class.argmax()), int(of_others.argmax()), int(ious.argmax())
    if BACKGROUND_IOU <= of_class[best] <= IOU:
        return "localisation", best
    if of_others[other] >= IOU:
        return "classification", other
    if of_class[best] >= IOU:
        return "duplicate", best
    if ious[nearest] <= BACKGROUND_IOU:
        return "background", None
    return "both", nearest


def _missed(matching: Matching, wrong: Sequence[Mistake]) -> list[Mistake]:
    """Return the instances that nothing found and that no mended detection would find."""
    found = {int(number) for of_class in matching.classes for number in of_class.matched[0]}
    found |= {one.instance or 0 for one in wrong if one.kind in {"classification", "localisation"}}
    shown = set(matching.images)
    missed = []
    for entry in matching.truth.annotations:
        if entry["iscrowd"] or entry["id"] in found or entry["image_id"] not in shown:
            continue
        image = matching.truth.images[entry["image_id"]]
        whole = (image.get("width") or 0) * (image.get("height") or 0)
        share = entry["bbox"][2] * entry["bbox"][3] / whole if whole else 0.0
        missed.append(Mistake("missed", entry["image_id"], None, entry["id"], 0.0, share))
    return missed


def _mended(
    mistakes: Sequence[Mistake],
    best: Mapping[int, int],
    matching: Matching,
    points: Mapping[int, _Point],
    positives: Mapping[int, int],
) -> float | None:
    """Return AP50 with these mistakes mended."""
    mended, left = dict(points), dict(positives)
    for one in mistakes:
        point = None if one.detection is None else mended.pop(one.detection)
        if one.instance is None:
            continue
        category = matching.truth.annotations[one.instance - 1]["category_id"]
        if point is None or one.detection is None:
            left[category] -= 1
        elif best.get(one.instance) == one.detection:
            mended[one.detection] = _Point(category, point.score, right=True)
    return _ap50(mended.values(), left)


def _best_for_instance(every: Sequence[Mistake], matching: Matching) -> dict[int, int]:
    """Return the best detection that, mended, would find each instance that nothing has found."""
    found = {int(number) for of_class in matching.classes for number in of_class.matched[0]}
    best: dict[int, Mistake] = {}
    for one in every:
        if one.kind not in {"classification", "localisation"} or one.instance is None or one.instance in found:
            continue
        if one.instance not in best or one.weight > best[one.instance].weight:
            best[one.instance] = one
    return {instance: one.detection for instance, one in best.items() if one.detection is not None}


def _ap50(points: Iterable[_Point], positives: Mapping[int, int]) -> float | None:
    """Return COCO's AP at one IoU from judged detections and the number of instances of each class.

    A class that had instances and has none left, all being taken out as missed, is perfect unless it has false alarms.
    """
    by_class: dict[int, list[_Point]] = defaultdict(list)
    for point in points:
        by_class[point.category].append(point)
    values = []
    for category, instances in positives.items():
        ranked = sorted(by_class[category], key=lambda point: -point.score)
        if not instances or not ranked:
            values.append(0.0 if instances or ranked else 1.0)
            continue
        right = np.cumsum([point.right for point in ranked])
        precision = right / np.arange(1, len(ranked) + 1)
        best = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
        values.append(float(best[np.searchsorted(right / instances, RECALLS, side="left")].mean()))
    return float(np.mean(values)) if values else None
