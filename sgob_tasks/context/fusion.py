"""Combines what detector, time and language say of one box: a log-linear pool of their opinions.

For the classes c that the bounds leave possible, and the background b::

    score(c) = t(c) exp(wp p(c) + wl l(c)) / z        score(b) = t(b) / z

t are the class scores after the bounds (``time_context.possible_scores``), p the logarithm of the learned prior's
bounded factor (``time_priors``), l the language model's log-probability ratio: with title, description and other labels
against without. z makes the sum what it was. wp and wl are the fitted weights of prior and language divided by that of
the detector (a logarithmic opinion pool: Genest and Zidek, Statistical Science 1(1), 1986). Dividing keeps the label
that the fitted model chooses, and leaves a box of which nothing else is known exactly its detector score: whichever
part is missing is neutral.

Classes that the bounds rule out have no t and so no part in this: no title brings the bicycle back.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sgob_tasks.context.documents import field_of, read_document
from sgob_tasks.errors import InputError

FORMAT = "sgob-fusion/1"

LANGUAGE_BOUND = math.log(20.0)
"""A language model's ratio is held within 1/20 to 20: one word must not overrule a detector that is sure."""


@dataclass(frozen=True)
class FusionWeights:
    """Weights of the three opinions.

    Attributes:
        detector: of the log class scores; above 0.
        prior: of the log time prior; 0 or more.
        language: of the log ratio of the language model; 0 or more.
        version: name of this set, kept with what it decides.
        fitted: on what the weights were fitted (files, boxes, log-loss before and after); empty for the default, which
            is a cautious guess: half of what the two others say.
    """

    detector: float = 1.0
    prior: float = 0.5
    language: float = 0.5
    version: str = "default"
    fitted: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse weights with which more evidence would count against what it speaks for."""
        for name in ("detector", "prior", "language"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0.0 or (name == "detector" and value == 0.0):
                raise InputError("fusion weights", name, value, "must be 0 or more, the detector's above 0")

    @property
    def relative_prior(self) -> float:
        """The prior's weight for one of the detector."""
        return self.prior / self.detector

    @property
    def relative_language(self) -> float:
        """The language model's weight for one of the detector."""
        return self.language / self.detector

    def save(self, path: Path) -> None:
        """Write the weights as JSON."""
        path.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> FusionWeights:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file cannot be read, or a field does not fit.
        """
        document = read_document(path, FORMAT)
        values: dict[str, float] = {}
        for name in ("detector", "prior", "language"):
            value = document.get(name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise InputError(path, name, value, "must be a number")
            values[name] = float(value)
        return cls(
            **values,
            version=str(document.get("version", "")),
            fitted=field_of(path, {"fitted": {}} | document, "fitted", dict),
        )


DEFAULT_WEIGHTS = FusionWeights()


def bounded_language(ratios: Mapping[str, float]) -> dict[str, float]:
    """Return log ratios held within ``LANGUAGE_BOUND``; what is no number says nothing."""
    return {
        name: max(-LANGUAGE_BOUND, min(LANGUAGE_BOUND, value)) if not math.isnan(value) else 0.0
        for name, value in ratios.items()
    }


def pool(
    scores: Mapping[str, float],
    background: float,
    priors: Mapping[str, float],
    language: Mapping[str, float],
    weights: FusionWeights,
) -> dict[str, float]:
    """Return the class scores of a box after all evidence.

    Args:
        scores: class scores after the bounds, without impossible classes; 0 or more.
        background: score of there being nothing, 0 or more.
        priors: log factors of the time priors; a class that is missing has 0.
        language: log ratios of the language model; a class that is missing has 0.
        weights: of the kinds of evidence.

    Returns:
        A score between 0 and 1 for each class of ``scores``; the same scores where priors and language say nothing.
    """
    language = bounded_language(language)
    gains = {
        name: weights.relative_prior * priors.get(name, 0.0) + weights.relative_language * language.get(name, 0.0)
        for name in scores
    }
    if not any(gains.values()):
        return {name: min(value, 1.0) for name, value in scores.items()}
    raised = {name: value * math.exp(gains[name]) for name, value in scores.items()}
    before, after = sum(scores.values()) + background, sum(raised.values()) + background
    scale = before / after if after > 0.0 else 1.0
    return {name: min(value * scale, 1.0) for name, value in raised.items()}
