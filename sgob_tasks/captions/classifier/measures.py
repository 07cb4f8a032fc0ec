"""How good a caption classifier is: F1, the precision-recall curve, and whether its scores are probabilities. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sgob_tasks.captions.training_data import CAPTION, LABELS

BINS = 10


@dataclass(frozen=True)
class Scores:
    """How well labels were found: precision, recall and F1 of ``caption``, F1 of ``other``, and the mean of both F1."""

    sentences: int
    precision: float
    recall: float
    f1_caption: float
    f1_other: float
    macro_f1: float


@dataclass(frozen=True)
class Bin:
    """Sentences of similar score: how many, their mean score, and the share of them that are captions."""

    low: float
    high: float
    sentences: int
    mean_score: float
    captions: float


@dataclass(frozen=True)
class Point:
    """A point of the precision-recall curve of ``caption``: what is found with scores of ``threshold`` and above."""

    threshold: float
    precision: float
    recall: float
    macro_f1: float


def score(pairs: Sequence[tuple[str, str]]) -> Scores:
    """Measure pairs of true and predicted label; a figure without anything to measure it on is 0."""
    counts = Counter(pairs)
    hits = counts[CAPTION, CAPTION]
    found = sum(count for (_, label), count in counts.items() if label == CAPTION)
    true = sum(count for (label, _), count in counts.items() if label == CAPTION)
    f1_caption, f1_other = (_f1(counts, label) for label in LABELS)
    return Scores(
        len(pairs), _share(hits, found), _share(hits, true), f1_caption, f1_other, (f1_caption + f1_other) / 2
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _f1(counts: Counter[tuple[str, str]], label: str) -> float:
    hits = counts[label, label]
    misses = sum(count for (true, found), count in counts.items() if (true == label) != (found == label))
    return _share(2 * hits, 2 * hits + misses)


def reliability(scores: Sequence[float], captions: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """Return the reliability diagram: bins of equal width; empty ones are left out."""
    members: dict[int, list[int]] = {}
    for place, value in enumerate(scores):
        members.setdefault(min(int(value * bins), bins - 1), []).append(place)
    return [
        Bin(
            number / bins,
            (number + 1) / bins,
            len(places),
            sum(scores[place] for place in places) / len(places),
            sum(captions[place] for place in places) / len(places),
        )
        for number, places in sorted(members.items())
    ]


def calibration_error(scores: Sequence[float], captions: Sequence[bool], bins: int = BINS) -> float:
    """Return the expected calibration error: the mean distance of score and share of captions, over sentences.

    As in Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, of the probability of ``caption``; 0 where
    there are no sentences.
    """
    parts = reliability(scores, captions, bins)
    return _share(sum(part.sentences * abs(part.mean_score - part.captions) for part in parts), len(scores))


def precision_recall(scores: Sequence[float], captions: Sequence[bool]) -> list[Point]:
    """Return the precision-recall curve from the highest threshold to the lowest: a point for each score there is."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    total, count = sum(captions), len(scores)
    points: list[Point] = []
    hits = 0
    for found, place in enumerate(order, 1):
        hits += captions[place]
        if found < count and scores[order[found]] == scores[place]:
            continue
        f1_caption = _share(2 * hits, found + total)
        right_others = count - total - (found - hits)
        f1_other = _share(2 * right_others, (count - found) + (count - total))
        points.append(Point(scores[place], hits / found, _share(hits, total), (f1_caption + f1_other) / 2))
    return points
