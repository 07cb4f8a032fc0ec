"""Weighs the columns of evidence: a conditional logit, fitted on records that the parts were not trained on.

The weight of a column may change with the logarithm of how often the label was seen, because a count says more of a
frequent label. Maximum likelihood makes the result calibrated: no temperature is left to fit afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sgob_tasks.context.language.bags import Floats, Ints
from sgob_tasks.context.language.components import COLUMNS
from sgob_tasks.context.language.encoder import DATE, DESCRIPTION, LABELS, PRIOR, SUBJECTS, TITLE

FITTED = (TITLE, LABELS, DATE, PRIOR)
TEXT_SHARE = {DESCRIPTION: 0.5, SUBJECTS: 1.0}
"""How much a description and subject terms count beside the title, whose weights they take: a description also names
what is not to be seen. Training records have too few of them to fit weights of their own."""

RIDGE = 4.0
"""Penalty on the squared weights of columns of unit spread, against the log-likelihood of all cases together."""

_MAX_STEPS, _PRECISION = 50, 1e-8

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Blend:
    """Fitted weights.

    Attributes:
        weights: by kind ``[2, columns]``: what a column counts, and by how much more for each unit of rarity.
        centre: mean rarity in the fit.
        low: least rarity in the fit; beyond it weights do not change further.
        high: greatest rarity in the fit.
    """

    weights: Mapping[str, Floats]
    centre: float
    low: float
    high: float

    def contributions(self, columns: Mapping[str, Floats], rarity: Floats) -> dict[str, Floats]:
        """Return what each kind of evidence adds to the log-probability of each pair, ``[pairs]`` each."""
        above = np.clip(rarity, self.low, self.high) - self.centre
        found = {}
        for kind, values in columns.items():
            fitted = self.weights[TITLE if kind in TEXT_SHARE else kind]
            found[kind] = TEXT_SHARE.get(kind, 1.0) * (values @ fitted[0] + above * (values @ fitted[1]))
        return found


def fit_blend(columns: Mapping[str, Floats], rarity: Floats, rows: Ints, truth: Ints) -> Blend:
    """Fit weights.

    Args:
        columns: of the pairs, by kind, ``[pairs, columns]``.
        rarity: of the pairs' labels.
        rows: case of each pair, ascending; every case has the same number of candidates.
        truth: place of the true candidate of each case, ``[cases]``.
    """
    centre = float(rarity.mean())
    # Description and subject terms take the title's weights: their columns are added to the title's.
    joint = {kind: columns[kind].astype(np.float64) for kind in FITTED}
    for kind, share in TEXT_SHARE.items():
        joint[TITLE] = joint[TITLE] + share * columns[kind]
    plain = np.concatenate([joint[kind] for kind in FITTED], axis=1)
    design = np.concatenate([plain, plain * (rarity - centre)[:, None]], axis=1)
    scale = np.maximum(design.std(axis=0), 1e-9)
    cases = len(truth)
    weights = conditional_logit((design / scale).reshape(cases, len(rows) // cases, -1), truth) / scale
    both = weights.reshape(2, -1)
    ends = np.cumsum([len(COLUMNS[kind]) for kind in FITTED])[:-1]
    parts = np.split(both, ends, axis=1)
    fitted = {kind: part.astype(np.float32) for kind, part in zip(FITTED, parts, strict=True)}
    return Blend(fitted, centre, float(rarity.min()), float(rarity.max()))


def conditional_logit(design: Doubles, truth: Ints, ridge: float = RIDGE) -> Doubles:
    """Return the weights that make the true candidates most probable (McFadden, 1974), by Newton's method.

    Args:
        design: ``[cases, candidates, columns]``, columns of about unit spread.
        truth: place of the true candidate, ``[cases]``.
        ridge: penalty on the squared weights; see ``RIDGE``.
    """
    cases, _, count = design.shape
    ridge /= cases
    weights = np.zeros(count)
    chosen = design[np.arange(cases), truth]
    loss = np.inf
    for _ in range(_MAX_STEPS):
        probable = softmax(design @ weights)
        mean = np.einsum("nc,ncd->nd", probable, design)
        gradient = (mean - chosen).mean(0) + 2 * ridge * weights
        second = np.einsum("nc,ncd,nce->de", probable, design, design, optimize=True) - mean.T @ mean
        step = np.linalg.solve(second / cases + 2 * ridge * np.eye(count), gradient)
        # The loss is convex: halving the step until it falls makes Newton's method converge from anywhere.
        for size in (1.0, 0.5, 0.25, 0.125, 0.0625):
            trial = weights - size * step
            found = -np.log(softmax(design @ trial)[np.arange(cases), truth]).mean() + ridge * trial @ trial
            if found <= loss:
                break
        if loss - found < _PRECISION:
            break
        weights, loss = trial, found
    return weights


def softmax(scores: Doubles) -> Doubles:
    """Return probabilities over the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def log_softmax(scores: Sequence[float] | Floats | Doubles) -> Doubles:
    """Return normalised log-probabilities of one list of scores."""
    values = np.asarray(scores, np.float64)
    shifted = values - values.max(initial=-np.inf) if len(values) else values
    return np.asarray(shifted - np.log(np.exp(shifted).sum())) if len(values) else values
