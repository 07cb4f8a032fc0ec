"""Time context: the TimeMatrix of Marinescu, Reshetnikov and More López (ICDM Workshops 2020), made of explicit bounds.

The score of class c for a box in a picture of a given date becomes ``score(c) * W(c, date)``:

- timeless classes, and dates that are not known or have no end: W = 1, nothing changes;
- hard bounds: W = 0 if the class first appeared after the last possible year of the picture, else 1. The last possible
  year is the end of the date's range and its margin (``DateRange.margin_years``: 0 for years that are stated, 10 for
  "about", 20 for "perhaps", a quarter of a long range), so an uncertain date filters less;
- soft bounds, whose year is uncertain: W falls from 1 to ``SOFT_FLOOR`` over the century before the class appeared.

W is not the share of the range in which the class existed: a bicycle in a picture of "the 19th century" is no reason to
believe the detector less, it is one to believe that the picture is of the later part. Within a period only the learned
priors (``time_priors``) weigh, and they are bounded.

What a hard bound takes away is not lost: the box shows something. Its score goes to the look-alikes of the impossible
class that were possible, in proportion to the box's own candidate scores; where the detector scored none of them, to
the first possible look-alike of the table (bicycle: horse). The paper's own weights were not published; the bounds here
are in ``detection/classes.csv``.

A box whose own class was possible stays as it is, whatever happens to its other candidates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgob_tasks.context.dates import DateRange
from sgob_tasks.detection.classes import HARD, SOFT, ClassTable

SOFT_FLOOR = 0.3
SOFT_RAMP_YEARS = 100

DUPLICATE_IOU = 0.6
"""Two boxes with one label that overlap more than this show one thing."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Correction:
    """What the context makes of a detection.

    Attributes:
        label: class after context; None where nothing is left of the detection (see ``reason``).
        label_score: score after context; 0 where the label is None.
        reason: a sentence that says why label or score differ from the detector's; None where they do not.
        evidence: what each kind of evidence said of the box, as JSON values (see ``picture_context``); None where only
            the bounds were asked.
    """

    label: str | None
    label_score: float
    reason: str | None = None
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Seen:
    """One detection of a picture: class, score and class scores as the detector gave them, COCO box in pixels."""

    class_name: str
    score: float
    candidates: Mapping[str, float]
    box: Box


def weight(name: str, date: DateRange | None, table: ClassTable) -> float:
    """Return W, between 0 and 1: how possible a class is in a picture of that date; unknown classes are timeless."""
    entry = table.get(name)
    if entry is None or entry.first_appearance_year is None or date is None or date.year_to is None:
        return 1.0
    too_early_by = entry.first_appearance_year - (date.year_to + date.margin_years)
    if too_early_by <= 0:
        return 1.0
    if entry.filter == HARD:
        return 0.0
    if entry.filter == SOFT:
        return 1.0 - (1.0 - SOFT_FLOOR) * min(too_early_by / SOFT_RAMP_YEARS, 1.0)
    return 1.0


def possible_scores(
    class_name: str,
    score: float,
    candidates: Mapping[str, float],
    date: DateRange | None,
    table: ClassTable,
    known: Collection[str] | None = None,
) -> dict[str, float]:
    """Return the class scores of a box as the bounds leave them, without the classes that are impossible.

    Where the box's own class was possible, the others' scores are only weighed: nothing is added to any class, so that
    its label and score stay. The arguments are those of :func:`correct`.
    """
    scores = {name: value for name, value in candidates.items() if known is None or name in known}
    scores[class_name] = score
    weights = {name: weight(name, date, table) for name in scores}
    possible = {name: value * weights[name] for name, value in scores.items() if weights[name] > 0.0}
    if weights[class_name] == 1.0 or date is None:
        return possible
    for name in [name for name in scores if weights[name] == 0.0]:
        for heir, share in _heirs(name, scores, date, table, known).items():
            possible[heir] = possible.get(heir, 0.0) + scores[name] * share
    return possible


def correct(
    class_name: str,
    score: float,
    candidates: Mapping[str, float],
    date: DateRange | None,
    table: ClassTable,
    known: Collection[str] | None = None,
) -> Correction:
    """Apply the time context to one detection.

    Args:
        class_name: what the detector said.
        score: its score.
        candidates: class scores of the same box; may be empty, need not hold ``class_name``.
        date: years of the picture; None where they are not known.
        table: bounds and look-alikes.
        known: the model's classes; other classes are not used as labels. None: every class of the table may be.
    """
    if weight(class_name, date, table) == 1.0 or date is None:
        return Correction(class_name, score)
    possible = possible_scores(class_name, score, candidates, date, table, known)
    why = why_not(class_name, date, table)
    if not possible:
        return Correction(None, 0.0, f"{why}; it resembles no class that was possible then; removed")
    label = min(possible, key=lambda name: (-possible[name], name))
    label_score = min(possible[label], 1.0)
    if label == class_name:
        return Correction(label, label_score, f"{why}; score lowered")
    return Correction(label, label_score, f"{why}; relabelled {label}, {in_words(label, class_name, table)}")


def in_words(label: str, class_name: str, table: ClassTable) -> str:
    """Return how a new label stands to the detector's class."""
    resembles = class_name in table and label in table[class_name].look_alikes
    return "which it resembles" if resembles else "the next best class"


def _heirs(
    name: str, scores: Mapping[str, float], date: DateRange, table: ClassTable, known: Collection[str] | None
) -> dict[str, float]:
    """Return who gets the score of an impossible class, with shares that sum to 1; empty where nobody can."""
    look_alikes = [
        other
        for other in table[name].look_alikes
        if weight(other, date, table) > 0.0 and (known is None or other in known)
    ]
    scored = {other: scores[other] for other in look_alikes if scores.get(other, 0.0) > 0.0}
    if scored:
        total = sum(scored.values())
        return {other: value / total for other, value in scored.items()}
    return {look_alikes[0]: 1.0} if look_alikes else {}


def why_not(name: str, date: DateRange, table: ClassTable) -> str:
    """Return in words why a class does not fit a date."""
    year = table[name].first_appearance_year
    verb = "appeared" if table[name].filter == HARD else "probably appeared"
    return f"{name} {verb} in {year}; the picture is dated {date}"


def iou(first: Box, second: Box) -> float:
    """Return intersection over union of two COCO boxes ``(x, y, width, height)``; 0 for boxes without area."""
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right = min(first[0] + first[2], second[0] + second[2])
    bottom = min(first[1] + first[3], second[1] + second[3])
    both = max(0.0, right - left) * max(0.0, bottom - top)
    union = first[2] * first[3] + second[2] * second[3] - both
    return both / union if union > 0.0 else 0.0


def correct_picture(
    detections: Sequence[Seen], date: DateRange | None, table: ClassTable, known: Collection[str] | None = None
) -> list[Correction]:
    """Apply the time context to all detections of one picture, in their order.

    Where relabelling makes two boxes say the same of the same place (IoU above ``DUPLICATE_IOU``), the one with the
    higher score stays and the other gets no label (None, score 0) and the reason. Boxes that the detector itself left
    side by side with one class are not touched: that is its non-maximum suppression's business.

    Args:
        detections: of one picture by one model.
        date: years of the picture; None where they are not known.
        table: bounds and look-alikes.
        known: the model's classes, None for every class of the table.
    """
    corrections = [correct(seen.class_name, seen.score, seen.candidates, date, table, known) for seen in detections]
    return without_doubles(detections, corrections)


def without_doubles(detections: Sequence[Seen], corrections: Sequence[Correction]) -> list[Correction]:
    """Take the label from the lower of two boxes that have come to say the same of the same place."""
    corrections = list(corrections)
    by_score = sorted(range(len(detections)), key=lambda place: (-corrections[place].label_score, place))
    kept: list[int] = []
    for place in by_score:
        correction = corrections[place]
        if correction.label is None:
            continue
        twin = next((other for other in kept if _same_thing(place, other, detections, corrections)), None)
        if twin is None:
            kept.append(place)
            continue
        overlap = iou(detections[place].box, detections[twin].box)
        before = f"{correction.reason}; " if correction.reason else ""
        corrections[place] = dataclasses.replace(
            correction,
            label=None,
            label_score=0.0,
            reason=f"{before}removed, because a better box shows the same {correction.label} (IoU {overlap:.2f})",
        )
    return corrections


def _same_thing(first: int, second: int, detections: Sequence[Seen], corrections: Sequence[Correction]) -> bool:
    relabelled = any(corrections[place].label != detections[place].class_name for place in (first, second))
    same = corrections[first].label == corrections[second].label
    return relabelled and same and iou(detections[first].box, detections[second].box) > DUPLICATE_IOU
