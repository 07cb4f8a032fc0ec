"""Correct the resource plan by what own training jobs have taken. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HALF_LIFE_DAYS = 180.0
PRIOR = 3.0  # how many own jobs the published figures are worth
QUEUED_WEIGHT = 0.5


@dataclass(frozen=True)
class Run:
    """One finished training.

    Attributes:
        measured_h: hours that it took.
        predicted_h: middle of what the published figures say for it.
        age_days: since it ended.
        outside: how far it is from what was measured (``plan.outside``).
        queued: whether ``measured_h`` may hold time in the queue, because the job's own clock is not known.
    """

    measured_h: float
    predicted_h: float
    age_days: float = 0.0
    outside: float = 0.0
    queued: bool = False

    @property
    def weight(self) -> float:
        """1 for a job of today within the measured range, less for old and for unusual ones."""
        recency = math.pow(0.5, max(0.0, self.age_days) / HALF_LIFE_DAYS)
        return recency / (1.0 + self.outside**2) * (QUEUED_WEIGHT if self.queued else 1.0)


@dataclass(frozen=True)
class Calibration:
    """What own jobs have taught.

    Attributes:
        factor: by which they took longer than the published figures say.
        jobs: how many there were.
    """

    factor: float = 1.0
    jobs: int = 0

    @property
    def source(self) -> str:
        """Where the figures come from, in words."""
        return f"own jobs ({self.jobs})" if self.jobs else "published"


PUBLISHED_ONLY = Calibration()


def calibrate(runs: Sequence[Run]) -> Calibration:
    """Return the weighted median of measured over predicted, shrunk towards 1.

    The median keeps one odd job from mattering; the shrinkage, ``W / (W + 3)`` in the logarithm with ``W`` the sum of
    the weights, keeps few jobs from mattering much: one job of today counts for a quarter, three for a half.
    Runs without a positive finite time are left out.
    """
    usable = [run for run in runs if _positive(run.measured_h) and _positive(run.predicted_h)]
    total = sum(run.weight for run in usable)
    if not usable or total <= 0:
        return PUBLISHED_ONLY
    ratios = [(math.log(run.measured_h / run.predicted_h), run.weight) for run in usable]
    return Calibration(math.exp(_median(ratios) * total / (total + PRIOR)), len(usable))


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _median(weighted: Sequence[tuple[float, float]]) -> float:
    """Return the weighted median; the middle of two values where the weights split evenly between them."""
    ordered = sorted(weighted)
    half = sum(weight for _, weight in ordered) / 2
    passed = 0.0
    for index, (value, weight) in enumerate(ordered):
        passed += weight
        if math.isclose(passed, half, rel_tol=1e-9) and index + 1 < len(ordered):
            return (value + ordered[index + 1][0]) / 2
        if passed > half:
            return value
    return ordered[-1][0]
