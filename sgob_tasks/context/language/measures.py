"""Top-1 and mean reciprocal rank with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.context.language.encoder import EVIDENCE, PRIOR
from sgob_tasks.context.language.model import LanguageModel
from sgob_tasks.context.language.protocol import Trial

Doubles = npt.NDArray[np.float64]
RESAMPLES = 1000


@dataclass(frozen=True)
class Measured:
    """How well true labels were found; ``low`` and ``high`` are ends of 95 % intervals.

    Attributes:
        trials: number of questions.
        top1: share of them where the true label comes first; of labels with one score, each counts its share.
        mrr: mean of one over the true label's rank; of labels with one score, the rank in their middle counts.
    """

    trials: int
    top1: float
    top1_low: float
    top1_high: float
    mrr: float
    mrr_low: float
    mrr_high: float


def measured(scores: Sequence[npt.ArrayLike], truths: Sequence[int], seed: int = 0) -> Measured:
    """Measure scores of candidates, higher is better; percentile bootstrap over questions.

    Args:
        scores: of each question's candidates.
        truths: place of the true one.
        seed: of the resamples.
    """
    tops, reciprocals = np.zeros(len(truths)), np.zeros(len(truths))
    for place, (row, truth) in enumerate(zip(scores, truths, strict=True)):
        values = np.asarray(row, np.float64)
        above = int((values > values[truth]).sum())
        same = int((values == values[truth]).sum())
        tops[place] = 0.0 if above else 1.0 / same
        reciprocals[place] = 1.0 / (1.0 + above + (same - 1) / 2)
    random = np.random.default_rng(seed)
    draws = [random.integers(len(truths), size=len(truths)) for _ in range(RESAMPLES)]
    ends = []
    for values in (tops, reciprocals):
        low, high = np.quantile([values[draw].mean() for draw in draws], [0.025, 0.975])
        ends += [float(values.mean()), float(low), float(high)]
    return Measured(len(truths), *ends)


def measure(
    model: LanguageModel, trials: Sequence[Trial], kinds: Collection[str] = (*EVIDENCE, PRIOR)
) -> dict[str, Any]:
    """Measure a model on trials.

    Returns:
        The fields of ``Measured``, and ``log_loss``: mean negative log-probability of the true label, in nats.
    """
    found = model.log_probs([trial.context for trial in trials], [trial.candidates for trial in trials], kinds)
    truths = [trial.truth for trial in trials]
    loss = -float(np.mean([row[truth] for row, truth in zip(found, truths, strict=True)]))
    return {**asdict(measured(found, truths)), "log_loss": loss}
