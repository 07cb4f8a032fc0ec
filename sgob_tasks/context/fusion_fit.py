"""Fits the weights of the fusion on boxes whose class is known: a convex problem in three numbers.

Each box that is matched to an instance (or to none) is an observation: the fused distribution over its classes and the
background is a softmax of ``wd log t + wp p + wl l`` (a conditional logit: McFadden 1974), and the log-loss of the true
class is convex in the weights. It is minimised by Newton steps with the weights held at 0 or more, and a small pull
towards the default weights, so that few boxes move them little.

The detector is too sure of the pictures that it was trained on: weights have to be fitted on others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sgob_tasks.context.fusion import DEFAULT_WEIGHTS, FusionWeights, bounded_language
from sgob_tasks.context.picture_context import BoxEvidence
from sgob_tasks.errors import InputError

Array = npt.NDArray[np.float64]

LEAST_BOXES = 20
PULL = 1.0
"""Strength of the pull towards the default weights, in boxes."""
FLOOR = 1e-6
STEPS = 100
_LEAST_DETECTOR = 0.05


@dataclass(frozen=True)
class Observation:
    """One box: its evidence, and the class of the instance that it shows.

    ``truth`` is None where it shows none, or one whose class the bounds exclude.
    """

    evidence: BoxEvidence
    truth: str | None


def fit_weights(observations: Sequence[Observation], *, version: str, source: str) -> FusionWeights:
    """Fit the weights of detector, time prior and language model.

    Args:
        observations: boxes of pictures that neither detector nor language model was trained on.
        version: name of the weights.
        source: what they were fitted on, for the file.

    Raises:
        InputError: there are too few boxes with a class.
    """
    used = [one for one in observations if len(one.evidence.scores) > 1]
    matched = sum(one.truth is not None for one in used)
    if matched < LEAST_BOXES:
        raise InputError(source, "boxes matched to an instance", matched, f"must be {LEAST_BOXES} or more")
    features, present, truths = _features(used)
    start = np.array([DEFAULT_WEIGHTS.detector, DEFAULT_WEIGHTS.prior, DEFAULT_WEIGHTS.language])
    free = np.array([True, *(bool(np.abs(features[:, :, kind]).any()) for kind in (1, 2))])
    weights = _minimise(features, present, truths, start, free)
    alone = np.array([1.0, 0.0, 0.0])
    fitted = {
        "source": source,
        "boxes": len(used),
        "matched": matched,
        "log_loss_detector": round(_loss(features, present, truths, alone), 5),
        "log_loss": round(_loss(features, present, truths, weights), 5),
    }
    detector, prior, language = (round(float(value), 4) for value in weights)
    return FusionWeights(detector, prior, language, version, fitted)


def _features(observations: Sequence[Observation]) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Return ``[boxes, classes + 1, 3]`` features, which of them are there, and the place of the truth.

    Place 0 is the background.
    """
    most = max(len(one.evidence.scores) for one in observations)
    features = np.zeros((len(observations), most + 1, 3))
    present = np.zeros((len(observations), most + 1), np.bool_)
    truths = np.zeros(len(observations), np.intp)
    for row, one in enumerate(observations):
        box = one.evidence
        language = bounded_language(box.language.log_ratios)
        features[row, 0, 0] = math.log(max(box.background, FLOOR))
        present[row, : len(box.scores) + 1] = True
        for place, (name, score) in enumerate(box.scores.items(), 1):
            features[row, place] = (math.log(max(score, FLOOR)), box.priors.get(name, 0.0), language.get(name, 0.0))
            if name == one.truth:
                truths[row] = place
    return features, present, truths


def _probabilities(features: Array, present: npt.NDArray[np.bool_], weights: Array) -> Array:
    logits = np.where(present, features @ weights, -np.inf)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)


def _loss(features: Array, present: npt.NDArray[np.bool_], truths: npt.NDArray[np.intp], weights: Array) -> float:
    """Return the mean log-loss of the true classes, in nats."""
    shares = _probabilities(features, present, weights)[np.arange(len(truths)), truths]
    return float(-np.log(np.maximum(shares, 1e-300)).mean())


def _minimise(
    features: Array,
    present: npt.NDArray[np.bool_],
    truths: npt.NDArray[np.intp],
    start: Array,
    free: npt.NDArray[np.bool_],
) -> Array:
    """Newton's method with the free weights projected to 0 or more; steps are halved until the loss falls."""
    rows, count = np.arange(len(truths)), len(truths)
    least = np.array([_LEAST_DETECTOR, 0.0, 0.0])

    def objective(weights: Array) -> float:
        pull = PULL * float(((weights - start) ** 2).sum()) / (2 * count)
        return _loss(features, present, truths, weights) + pull

    weights = start.copy()
    for _ in range(STEPS):
        shares = _probabilities(features, present, weights)
        means = np.einsum("nc,nck->nk", shares, features)
        gradient = (means - features[rows, truths]).mean(axis=0) + PULL * (weights - start) / count
        centred = features - means[:, None, :]
        hessian = np.einsum("nc,nck,ncj->kj", shares, centred, centred) / count + PULL * np.eye(3) / count
        # A weight at its bound that wants to go lower stays there.
        moving = free & ~((weights <= least) & (gradient > 0))
        if not moving.any() or float(np.abs(gradient[moving]).max()) < 1e-8:
            break
        step = np.zeros(3)
        step[moving] = np.linalg.solve(hessian[np.ix_(moving, moving)], gradient[moving])
        now, length = objective(weights), 1.0
        while length > 1e-6:
            tried = np.maximum(weights - length * step, least)
            if objective(tried) < now:
                break
            length /= 2
        else:
            break
        weights = tried
    return weights
