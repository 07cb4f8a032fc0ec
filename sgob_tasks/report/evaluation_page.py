"""From the mistakes of a detector to what a template can show: pure, no I/O.

File names and class names come from strangers. They are left as they are; the template escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sgob_tasks.detection.evaluation.matching import Matching
from sgob_tasks.detection.evaluation.mistakes import KINDS, Mistake, Mistakes
from sgob_tasks.detection.evaluation.operating_point import OperatingPoint, PictureScore
from sgob_tasks.detection.evaluation.truth import Id
from sgob_tasks.report.pictures import Region

MISTAKES_PER_KIND = 12
PICTURES = 6

KIND_TEXTS = {
    "classification": "right place, wrong class",
    "localisation": "right class, loose place (IoU 0.1 to 0.5)",
    "both": "wrong class in a loose place",
    "duplicate": "found once more",
    "background": "found where nothing is",
    "missed": "not found",
}

COCO_TEXTS = {
    "AP": "mean over IoU 0.50 to 0.95",
    "AP50": "at IoU 0.50",
    "AP75": "at IoU 0.75",
    "APs": "small: below 32 × 32 pixels",
    "APm": "medium",
    "APl": "large: from 96 × 96 pixels",
    "AR1": "recall with 1 detection a picture",
    "AR10": "recall with 10",
    "AR100": "recall with 100",
    "ARs": "recall, small",
    "ARm": "recall, medium",
    "ARl": "recall, large",
}

_CARD_PX, _LABEL_PX = 340, 14
_LABEL_CHAR = 0.62
"""Width of a letter, in parts of the font size."""


@dataclass(frozen=True)
class Box:
    """A box on a picture, in pixels of the picture; ``role`` is expected, found, wrong or missed."""

    role: str
    label: str
    x: float
    y: float
    width: float
    height: float
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True)
class Card:
    """A picture or a part of it with boxes.

    Attributes:
        number: of the card; it names the copy of the picture.
        kind: of the mistake, or ``best`` or ``worst``.
        image: id of the picture.
        title: the picture's file name.
        text: what there is to see, in a sentence.
        region: part that is shown: left, top, right and bottom in pixels.
        size: width and height of the whole picture in pixels.
        boxes: the largest first, so that small ones lie on top.
        font_size: of labels, in pixels of the picture.
    """

    number: int
    kind: str
    image: Id
    title: str
    text: str
    region: Region
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    font_size: float


def mistake_cards(mistakes: Mistakes, matching: Matching) -> tuple[Card, ...]:
    """Prepare the worst mistakes of each kind, the costliest kind first."""
    kinds = sorted(KINDS, key=lambda kind: -(mistakes.costs[kind] or 0.0))
    chosen = [one for kind in kinds for one in mistakes.found[kind][:MISTAKES_PER_KIND]]
    return tuple(_mistake_card(number, one, matching) for number, one in enumerate(chosen, 1))


def picture_cards(point: OperatingPoint, matching: Matching, first: int) -> tuple[tuple[Card, ...], tuple[Card, ...]]:
    """Prepare the best and the worst pictures among those that show something; no picture is both.

    Args:
        point: the detector at its best threshold.
        matching: what it was made of.
        first: number of the first card.
    """
    shown = [one for one in point.pictures if one.found or one.confused or one.wrong or one.missed]
    ranked = sorted(shown, key=lambda one: (-one.f1, -len(one.found), len(one.wrong) + len(one.missed)))
    best = [one for one in ranked if one.found][:PICTURES]
    worst = [one for one in reversed(ranked) if one.f1 < 1 and one not in best][:PICTURES]
    cards = [
        _picture_card(number, kind, one, matching)
        for number, (kind, one) in enumerate([("best", o) for o in best] + [("worst", o) for o in worst], first)
    ]
    return tuple(cards[: len(best)]), tuple(cards[len(best) :])


def _mistake_card(number: int, mistake: Mistake, matching: Matching) -> Card:
    boxes: list[tuple[str, str, Sequence[float]]] = []
    found = expected = ""
    score = 0.0
    if mistake.instance is not None:
        annotation = matching.truth.annotations[mistake.instance - 1]
        expected = matching.truth.categories[annotation["category_id"]]
        boxes.append(("missed" if mistake.kind == "missed" else "expected", expected, annotation["bbox"]))
    if mistake.detection is not None:
        result = matching.results[mistake.detection]
        found, score = matching.truth.categories[result["category_id"]], float(result["score"])
        boxes.append(("wrong", f"{found} {score:.2f}", result["bbox"]))
    size = _size(matching, mistake.image, boxes)
    return _card(number, mistake.kind, mistake.image, _sentence(mistake, found, score, expected), boxes, size, matching)


def _sentence(mistake: Mistake, found: str, score: float, expected: str) -> str:
    """Say a mistake in words."""
    said = f"“{found}” at score {score:.2f}"
    return {
        "classification": f"{said}; expected “{expected}” (IoU {mistake.iou:.2f}).",
        "localisation": f"{said} overlaps the expected “{expected}” only by IoU {mistake.iou:.2f}.",
        "both": f"{said}; the nearest is “{expected}” (IoU {mistake.iou:.2f}).",
        "duplicate": f"{said} is one more box of a “{expected}” that is found already (IoU {mistake.iou:.2f}).",
        "background": f"{said}; nothing is expected there.",
        "missed": f"Expected “{expected}”; nothing was found. It takes {100 * mistake.weight:.0f} % of the picture.",
    }[mistake.kind]


def _picture_card(number: int, kind: str, score: PictureScore, matching: Matching) -> Card:
    boxes: list[tuple[str, str, Sequence[float]]] = []
    for role, places in (
        ("found", [detection for detection, _ in score.found]),
        ("wrong", [*(detection for detection, _ in score.confused), *score.wrong]),
    ):
        for place in places:
            result = matching.results[place]
            label = f"{matching.truth.categories[result['category_id']]} {result['score']:.2f}"
            boxes.append((role, label, result["bbox"]))
    for instance in (*(instance for _, instance in score.confused), *score.missed):
        annotation = matching.truth.annotations[instance - 1]
        boxes.append(("missed", matching.truth.categories[annotation["category_id"]], annotation["bbox"]))
    counts = (len(score.found), len(score.confused), len(score.wrong), len(score.missed))
    words = zip(counts, ("right", "of the wrong class", "false", "missed"), strict=True)
    text = f"F1 {score.f1:.2f}: " + ", ".join(f"{count} {word}" for count, word in words if count) + "."
    return _card(number, kind, score.image, text, boxes, _size(matching, score.image, boxes), matching, whole=True)


def _size(matching: Matching, image: Id, boxes: Sequence[tuple[str, str, Sequence[float]]]) -> tuple[int, int]:
    """Return a picture's size; where the ground truth does not say it, the least that holds the boxes."""
    entry = matching.truth.images[image]
    sides: list[int] = []
    for place, name in enumerate(("width", "height")):
        stated: Any = entry.get(name)
        least = max((box[place] + box[place + 2] for _, _, box in boxes), default=1.0)
        sides.append(stated if isinstance(stated, int) and stated > 0 else max(1, round(least)))
    return sides[0], sides[1]


def _card(
    number: int,
    kind: str,
    image: Id,
    text: str,
    boxes: Sequence[tuple[str, str, Sequence[float]]],
    size: tuple[int, int],
    matching: Matching,
    *,
    whole: bool = False,
) -> Card:
    region = (0, 0, *size) if whole else _around([box for _, _, box in boxes], size)
    letter = _LABEL_PX * max((region[2] - region[0]) / _CARD_PX, (region[3] - region[1]) / 480)
    title = str(matching.truth.images[image].get("file_name") or image)
    drawn = sorted(boxes, key=lambda box: -box[2][2] * box[2][3])
    taken: list[tuple[float, float]] = []
    made = tuple(_box(role, label, box, region, letter, taken) for role, label, box in drawn)
    return Card(number, kind, image, title, text, region, size, made, round(letter, 2))


def _around(boxes: Sequence[Sequence[float]], size: tuple[int, int]) -> Region:
    """Return the part of a picture that holds the boxes, with a third of their size or 40 pixels around them."""
    left, top = (min(box[side] for box in boxes) for side in (0, 1))
    right, bottom = (max(box[side] + box[side + 2] for box in boxes) for side in (0, 1))
    margin = max(40.0, 0.35 * max(right - left, bottom - top))
    x1, y1 = (min(max(round(value - margin), 0), side - 1) for value, side in zip((left, top), size, strict=True))
    x2, y2 = (min(max(round(value + margin), 1), side) for value, side in zip((right, bottom), size, strict=True))
    return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)


def _box(
    role: str, label: str, box: Sequence[float], region: Region, letter: float, taken: list[tuple[float, float]]
) -> Box:
    """Place a box and its label within a region; the label goes below the box where another label is above it."""
    left, top, right, bottom = map(float, region)
    x, y = min(max(box[0], left), right), min(max(box[1], top), bottom)
    x2, y2 = min(max(box[0] + box[2], x), right), min(max(box[1] + box[3], y), bottom)
    at_end = x + letter * (0.3 + len(label) * _LABEL_CHAR) > right
    label_x = x2 - letter * 0.3 if at_end else x + letter * 0.3
    places = [y - letter * 0.35, y2 + letter * 1.05, y + letter * 1.1, y2 - letter * 0.4]
    free = [
        place
        for place in places
        if top + letter <= place <= bottom - letter * 0.2
        and all(abs(place - other) > letter * 1.1 or abs(label_x - at) > letter * 7 for at, other in taken)
    ]
    label_y = free[0] if free else y + letter * 1.1
    taken.append((label_x, label_y))
    return Box(
        role, label, round(x, 1), round(y, 1), round(x2 - x, 1), round(y2 - y, 1), round(label_x, 1), round(label_y, 1),
        "end" if at_end else "start",
    )  # fmt: skip
