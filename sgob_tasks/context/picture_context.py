"""All context of one picture: bounds, time priors and language model, put together for each box, with the reason."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgob_tasks.context.evidence import NO_LANGUAGE, LabelJudge, LanguageEvidence, Work
from sgob_tasks.context.fusion import DEFAULT_WEIGHTS, FusionWeights, bounded_language, pool
from sgob_tasks.context.reasons import reason_of
from sgob_tasks.context.time_context import (
    DUPLICATE_IOU,
    Correction,
    Seen,
    correct,
    iou,
    possible_scores,
    weight,
    without_doubles,
)
from sgob_tasks.context.time_priors import TimePriors
from sgob_tasks.detection.classes import ClassTable

LEAST_CANDIDATE, MOST_CANDIDATES = 0.002, 20
"""The language model is asked about classes of this score and more, the best ones."""

LEAST_LABEL = 0.5
"""Other boxes' labels count as known from this score on."""

SHOWN = 5

RULES = 1
"""Number of the rules by which dates are read and detections corrected. Raise it with any change to code or to the
package's tables by which the same record would come out otherwise: the nightly run then corrects all records anew.
Bounds, priors, language model and weights have versions of their own.
"""


@dataclass(frozen=True)
class ContextModels:
    """All that corrects detections.

    Attributes:
        table: bounds and look-alikes.
        priors: learned from dated works; None for none.
        language: judges labels by the words; None for none.
        weights: of the kinds of evidence.
        use_bounds: False leaves the bounds out, for the comparison of what each kind of evidence is worth.
    """

    table: ClassTable
    priors: TimePriors | None = None
    language: LabelJudge | None = None
    weights: FusionWeights = DEFAULT_WEIGHTS
    use_bounds: bool = True

    @property
    def version(self) -> str:
        """What a label was decided with: versions of rules, bounds, priors, language model and weights."""
        facts = [
            (entry.name, entry.first_appearance_year, entry.filter, entry.look_alikes) for entry in self.table.values()
        ]
        parts = [f"rules {RULES}", f"bounds {hashlib.sha256(repr(facts).encode()).hexdigest()[:8]}"]
        parts += [f"priors {self.priors.version}"] if self.priors else []
        parts += [f"language {self.language.version}"] if self.language else []
        if self.priors or self.language:  # a name may be given again after another fit: the values say which one
            by = f"{self.weights.relative_prior:.6g} {self.weights.relative_language:.6g}"
            parts.append(f"weights {self.weights.version} {by}")
        return "; ".join(parts)


@dataclass(frozen=True)
class BoxEvidence:
    """What is known of one box before the opinions are pooled; the fusion's weights are fitted on these.

    Attributes:
        scores: class scores after the bounds.
        background: score of there being nothing.
        priors: log factors of the time priors, those that are not 0.
        language: what the language model says.
    """

    scores: Mapping[str, float]
    background: float
    priors: Mapping[str, float]
    language: LanguageEvidence


def correct_with_context(
    detections: Sequence[Seen], work: Work, models: ContextModels, known: Collection[str] | None = None
) -> list[Correction]:
    """Correct all detections of one picture by all context that there is, in their order.

    Args:
        detections: of one picture by one model.
        work: the artwork.
        models: what corrects them.
        known: the model's classes, None for every class of the table.

    Returns:
        A correction for each, with ``evidence``. A class that a hard bound rules out is never a label.
    """
    date = work.date if models.use_bounds else None
    first = [correct(seen.class_name, seen.score, seen.candidates, date, models.table, known) for seen in detections]
    evidence = gather(detections, first, work, models, known)
    corrections = [
        _decide(seen, bounds, box, work, models)
        for seen, bounds, box in zip(detections, first, evidence, strict=True)
    ]  # fmt: skip
    return without_doubles(detections, corrections)


def gather(
    detections: Sequence[Seen],
    bounds: Sequence[Correction],
    work: Work,
    models: ContextModels,
    known: Collection[str] | None,
) -> list[BoxEvidence]:
    """Collect the evidence of every box; ``bounds`` are the corrections by the bounds alone."""
    date = work.date if models.use_bounds else None
    found = []
    for place, seen in enumerate(detections):
        if bounds[place].label is None:
            found.append(BoxEvidence({}, 1.0, {}, NO_LANGUAGE))
            continue
        scores = possible_scores(seen.class_name, seen.score, seen.candidates, date, models.table, known)
        total = sum(value for name, value in seen.candidates.items() if name != seen.class_name) + seen.score
        lost = max(total - sum(scores.values()), 0.0)
        background = max(1.0 - total, 0.0) + lost
        priors: dict[str, float] = {}
        if models.priors is not None and models.use_bounds:
            priors = {name: factor for name in scores if (factor := models.priors.log_factor(name, date))}
        language = NO_LANGUAGE
        if models.language is not None:
            candidates = [name for name in scores if scores[name] >= LEAST_CANDIDATE]
            candidates = sorted(candidates, key=lambda name: (-scores[name], name))[:MOST_CANDIDATES]
            if len(candidates) > 1:
                language = models.language.judge(work, _others(place, detections, bounds), candidates)
        found.append(BoxEvidence(scores, background, priors, language))
    return found


def _others(place: int, detections: Sequence[Seen], bounds: Sequence[Correction]) -> list[str]:
    """Return the labels of the other boxes that are known well enough and are not of the same place."""
    return sorted(
        {
            other.label
            for number, other in enumerate(bounds)
            if other.label is not None
            and number != place
            and other.label_score >= LEAST_LABEL
            and iou(detections[number].box, detections[place].box) <= DUPLICATE_IOU
        }
    )


def _decide(seen: Seen, bounds: Correction, box: BoxEvidence, work: Work, models: ContextModels) -> Correction:
    if bounds.label is None:
        return Correction(None, 0.0, bounds.reason, _as_json(seen, {}, box, work, models))
    after = pool(box.scores, box.background, box.priors, box.language.log_ratios, models.weights)
    label, score = bounds.label, bounds.label_score
    if any(not math.isclose(after[name], min(box.scores[name], 1.0)) for name in after):
        label = min(after, key=lambda name: (-after[name], name))
        score = after[label]
    reason = reason_of(seen, bounds, label, score, box.priors, box.language, work, models.weights, models.table)
    return Correction(label, score, reason, _as_json(seen, after, box, work, models))


def _as_json(
    seen: Seen, after: Mapping[str, float], box: BoxEvidence, work: Work, models: ContextModels
) -> dict[str, Any]:
    """Return what each kind of evidence said of the best classes before and after, as JSON values."""
    scores = {**seen.candidates, seen.class_name: seen.score}
    shown = sorted(scores, key=lambda name: (-scores[name], name))[:SHOWN]
    shown += [name for name in sorted(after, key=lambda name: (-after[name], name))[:SHOWN] if name not in shown]
    date = work.date if models.use_bounds else None
    ratios = bounded_language(box.language.log_ratios)
    found: dict[str, Any] = {
        "detector": {name: round(scores[name], 4) for name in shown if name in scores},
        "time": {
            "weights": {name: round(w, 4) for name in shown if (w := weight(name, date, models.table)) != 1.0},
            "priors": {name: round(math.exp(box.priors[name]), 4) for name in shown if name in box.priors},
        },
        "language": {"ratios": {name: round(math.exp(ratios[name]), 4) for name in shown if name in ratios}},
        "after": {name: round(after[name], 4) for name in shown if name in after},
        "weights": {"detector": 1.0, "prior": round(models.weights.relative_prior, 4),
                    "language": round(models.weights.relative_language, 4)},
    }  # fmt: skip
    if box.language.kinds:
        found["language"]["kinds"] = {
            kind: {name: round(value, 4) for name, value in row.items() if name in shown}
            for kind, row in box.language.kinds.items()
        }
    words = {name: list(box.language.words[name]) for name in shown if box.language.words.get(name)}
    return found | ({"language": found["language"] | {"words": words}} if words else {})
