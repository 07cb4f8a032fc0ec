"""From what the network says to a probability and a decision. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sgob_tasks.captions.classifier.measures import precision_recall

_EDGE = 1e-6
_STEPS, _TOLERANCE = 100, 1e-9


@dataclass(frozen=True)
class Calibration:
    """Platt's scaling of the network's log-odds, and the threshold for the label ``caption``.

    Attributes:
        slope, offset: the probability is ``sigmoid(slope * log-odds + offset)``.
        threshold: probabilities from here on are captions.
    """

    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5

    def probability(self, raw: float) -> float:
        """Return the calibrated probability for what the network says, both between 0 and 1."""
        return 1 / (1 + math.exp(-(self.slope * _log_odds(raw) + self.offset)))


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))


def fit_calibration(raw: Sequence[float], captions: Sequence[bool]) -> Calibration:
    """Fit slope, offset and threshold to sentences that the network was not trained on.

    Slope and offset maximise the likelihood, with Platt's softened targets ("Probabilistic Outputs for Support Vector
    Machines", 1999), by Newton's method. The threshold is the one of best macro F1: of the thresholds that are within a
    hair of the best, the middle one, as the very best is an accident of the sentences.

    Args:
        raw: what the network says, between 0 and 1.
        captions: whether the sentences are captions; both kinds are needed.
    """
    odds = np.array([_log_odds(value) for value in raw])
    truth = np.array(captions, bool)
    positive, negative = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (positive + 1) / (positive + 2), 1 / (negative + 2))
    design = np.stack((odds, np.ones(len(odds))), axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ weights, -35, 35)))
        gradient = design.T @ (probability - target)
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step * min(1.0, 5.0 / max(float(np.abs(step).max()), _TOLERANCE))
        if float(np.abs(step).max()) < _TOLERANCE:
            break
    fitted = Calibration(max(float(weights[0]), _EDGE), float(weights[1]))
    return Calibration(fitted.slope, fitted.offset, best_threshold([fitted.probability(one) for one in raw], captions))


def best_threshold(scores: Sequence[float], captions: Sequence[bool], slack: float = 0.002) -> float:
    """Return a threshold of nearly the best macro F1.

    Args:
        scores: probabilities of ``caption``.
        captions: the truth.
        slack: macro F1 below the best that is as good as the best.
    """
    points = precision_recall(scores, captions)
    best = max(point.macro_f1 for point in points)
    good = sorted(point.threshold for point in points if point.macro_f1 >= best - slack)
    return good[len(good) // 2]
