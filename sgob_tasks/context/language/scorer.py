"""The place where another language model is plugged in, such as a masked transformer whose files an operator has.

A plug-in is named by ``module:factory``. The factory is called with the operator's folder and returns an object with
the method of ``LabelScorer``; everything it needs (PyTorch, weights) is its own affair and is imported only then.
A masked model would fill "A picture of [MASK]." after the title and return the log-probability of each label.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from sgob_tasks.context.language.blend import Doubles, log_softmax
from sgob_tasks.context.language.encoder import Context
from sgob_tasks.context.language.model import LanguageModel
from sgob_tasks.errors import InputError


class LabelScorer(Protocol):
    """Anything that can say how well labels fit a picture's context."""

    def score(self, context: Context, candidates: Sequence[str]) -> Sequence[float]:
        """Return a natural log-probability for each candidate, up to a constant; higher fits better."""


def load_scorer(entry: str, folder: Path | None = None) -> LabelScorer:
    """Import and make a plug-in.

    Args:
        entry: ``module:factory``.
        folder: local files that the factory is called with.

    Raises:
        InputError: the entry is malformed, cannot be imported (a package is missing), its files are missing, or what
            it makes has no method ``score``.
    """
    module, colon, factory = entry.partition(":")
    if not (module and colon and factory.isidentifier()):
        raise InputError("scorer", "entry", entry, "must look like package.module:factory")
    if folder is not None and not folder.exists():
        raise InputError("scorer", "folder", str(folder), "does not exist; the files are not downloaded")
    try:
        make = getattr(importlib.import_module(module), factory)
    except (ImportError, AttributeError) as error:
        raise InputError("scorer", "entry", entry, f"cannot be imported: {error}") from error
    try:
        scorer = make(folder)
    except (ImportError, OSError, ValueError) as error:
        raise InputError("scorer", "entry", entry, f"cannot be made from {folder}: {error}") from error
    if not callable(getattr(scorer, "score", None)):
        raise InputError("scorer", "entry", entry, f"made a {type(scorer).__name__}, which has no method score")
    return scorer  # type: ignore[no-any-return]


class Combined:
    """The trained model and a plug-in together: ``log p + weight * plug-in's score``, normalised.

    The plug-in's scores are normalised over the candidates first, so that a weight of 0 leaves the model as it is and 1
    takes both as independent.
    """

    def __init__(self, model: LanguageModel, scorer: LabelScorer, weight: float) -> None:
        """Join a model and a plug-in.

        Raises:
            InputError: the weight is negative or no number.
        """
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError("scorer", "weight", weight, "must be a number, 0 or more")
        self._model, self._scorer, self._weight = model, scorer, weight

    def log_probs(self, contexts: Sequence[Context], candidates: Sequence[Sequence[str]]) -> list[Doubles]:
        """Return normalised log-probabilities; see ``LanguageModel.log_probs``.

        Raises:
            InputError: the plug-in gave another number of scores than there are candidates, or one that is no number.
        """
        own = self._model.log_probs(contexts, candidates)
        return [
            log_softmax(row + self._weight * self._scores(context, names)) if len(names) else row
            for row, context, names in zip(own, contexts, candidates, strict=True)
        ]

    def _scores(self, context: Context, names: Sequence[str]) -> Doubles:
        values = np.asarray(self._scorer.score(context, names), np.float64)
        if values.shape != (len(names),) or not np.isfinite(values).all():
            raise InputError("scorer", "scores", values.tolist(), f"must be {len(names)} finite numbers")
        return log_softmax(values)
