"""From the figures of the caption classifier to what a template draws: pure, no I/O.

Sentences come from strangers. They are left as they are; the template escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sgob_tasks.captions.classifier.evaluation import ClassifierEvaluation, Misjudged
from sgob_tasks.captions.classifier.measures import Bin, Point
from sgob_tasks.captions.training_data import CAPTION

SIDE, MARGIN = 300, 44
"""Of a chart's square, and of the space for its axes, in SVG units."""
SMALLEST_DOT, LARGEST_DOT = 3.0, 11.0
CURVE_POINTS = 400
ERRORS_SHOWN = 60


@dataclass(frozen=True)
class Dot:
    """A bin of the reliability diagram, or a point of a curve: place and radius in SVG units, and what it says."""

    x: float
    y: float
    radius: float
    text: str


@dataclass(frozen=True)
class Chip:
    """Words that drove a judgement: towards ``caption`` or ``other``, and how much (log-odds)."""

    words: str
    towards: str
    weight: str


@dataclass(frozen=True)
class ErrorCard:
    """A sentence with the wrong label, as it is shown; ``kind`` is ``false`` (no caption) or ``missed``."""

    kind: str
    text: str
    language: str
    source: str
    score: str
    chips: tuple[Chip, ...]


def place(x: float, y: float) -> tuple[float, float]:
    """Return where a point of the unit square lies in a chart."""
    return round(MARGIN + SIDE * x, 1), round(SIDE * (1 - y) + MARGIN / 4, 1)


def reliability_dots(bins: Sequence[Bin]) -> list[Dot]:
    """Return the dots of the reliability diagram; the area of a dot grows with its sentences."""
    most = max((part.sentences for part in bins), default=1)
    return [
        Dot(
            *place(part.mean_score, part.captions),
            round(SMALLEST_DOT + (LARGEST_DOT - SMALLEST_DOT) * (part.sentences / most) ** 0.5, 1),
            f"scores {part.low:.1f} to {part.high:.1f}: {part.sentences} sentences, mean score {part.mean_score:.2f}, "
            f"{part.captions:.0%} are captions",
        )
        for part in bins
    ]


def curve_line(curve: Sequence[Point]) -> str:
    """Return the precision-recall curve as the points of an SVG line, thinned out where there are very many."""
    step = max(1, len(curve) // CURVE_POINTS)
    kept = [*curve[::step], *curve[-1:]]
    return " ".join(f"{x:g},{y:g}" for x, y in (place(point.recall, point.precision) for point in kept))


def operating_dot(curve: Sequence[Point], threshold: float) -> Dot | None:
    """Return the point of the curve at the threshold; None where no score reaches it."""
    reached = [point for point in curve if point.threshold >= threshold]
    if not reached:
        return None
    point = reached[-1]
    return Dot(
        *place(point.recall, point.precision),
        6,
        f"threshold {threshold:.3f}: precision {point.precision:.3f}, recall {point.recall:.3f}",
    )


def error_cards(misjudged: Sequence[Misjudged]) -> list[ErrorCard]:
    """Return the most confident errors, ready to be shown."""
    return [
        ErrorCard(
            kind="false" if one.found == CAPTION else "missed",
            text=one.row.text,
            language=one.row.language,
            source=one.row.source,
            score=f"{one.score:.3f}",
            chips=tuple(
                Chip(driver.words, "caption" if driver.weight > 0 else "other", f"{driver.weight:+.1f}")
                for driver in one.drivers
            ),
        )
        for one in misjudged[:ERRORS_SHOWN]
    ]


def description(evaluation: ClassifierEvaluation) -> str:
    """Say the figures in a sentence, for those who do not see the charts."""
    scores = evaluation.scores
    return (
        f"Macro F1 {scores.macro_f1:.3f} on {scores.sentences} sentences: captions are found with precision "
        f"{scores.precision:.3f} and recall {scores.recall:.3f}; the calibration error is "
        f"{evaluation.calibration_error:.3f}."
    )
