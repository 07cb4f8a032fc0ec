"""Why a label or a score changed, in a sentence that a curator can check."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sgob_tasks.context.evidence import LanguageEvidence, Work
from sgob_tasks.context.fusion import FusionWeights, bounded_language
from sgob_tasks.context.time_context import Correction, Seen, in_words, why_not
from sgob_tasks.detection.classes import ClassTable

WORTH_SAYING = 0.005
"""Smaller changes of a score have no reason."""
LEAST_RATIO = 1.1
"""Evidence that changes the odds by less is not named."""


def reason_of(
    seen: Seen,
    bounds: Correction,
    label: str,
    score: float,
    priors: Mapping[str, float],
    language: LanguageEvidence,
    work: Work,
    weights: FusionWeights,
    table: ClassTable,
) -> str | None:
    """Return the reason of a correction; None where label and score are the detector's.

    Args:
        seen: what the detector said.
        bounds: what the bounds made of it, with a label.
        label: what all evidence makes of it.
        score: of that label.
        priors: log factors of the time priors.
        language: what the language model says.
        work: the artwork.
        weights: of the kinds of evidence.
        table: bounds and look-alikes.
    """
    ratios = bounded_language(language.log_ratios)
    if label != bounds.label:
        before = bounds.label or seen.class_name
        causes = _causes(label, before, priors, ratios, language, weights)
        if bounds.reason and work.date is not None:
            causes = [why_not(seen.class_name, work.date, table), *causes]
        how = f"relabelled {label}, {in_words(label, seen.class_name, table)}"
        return "; ".join([*causes, "detector's own class kept" if label == seen.class_name else how])
    if abs(score - bounds.label_score) <= WORTH_SAYING:
        return bounds.reason
    causes = _causes(label, None, priors, ratios, language, weights)
    moved = f"score {'raised' if score > bounds.label_score else 'lowered'}"
    if not causes:
        causes = ["the other classes of the box became likelier" if score < bounds.label_score else
                  "the other classes of the box became unlikelier"]  # fmt: skip
    return "; ".join([*([bounds.reason] if bounds.reason else []), *causes, moved])


def _causes(
    label: str,
    other: str | None,
    priors: Mapping[str, float],
    ratios: Mapping[str, float],
    language: LanguageEvidence,
    weights: FusionWeights,
) -> list[str]:
    """Say which evidence speaks for a label, against another one or (None) at all; the strongest first."""
    said: list[tuple[float, str]] = []
    beside = f" than {other}" if other is not None else ""
    prior = priors.get(label, 0.0) - (priors.get(other, 0.0) if other is not None else 0.0)
    if abs(prior) >= math.log(LEAST_RATIO):
        word = "commoner" if prior > 0 else "rarer"
        than = beside or " than in those of other times"
        text = f"{label} is {word} in works of that time{than} (x{math.exp(abs(prior)):.1f})"
        said.append((weights.relative_prior * prior, text))
    ratio = ratios.get(label, 0.0) - (ratios.get(other, 0.0) if other is not None else 0.0)
    if abs(ratio) >= math.log(LEAST_RATIO):
        words = [f"'{word}'" for word in list(language.words.get(label, ()))[:2]] if ratio > 0 else []
        who = f"the text says {' and '.join(words)}, which makes" if words else f"{_kinds(label, language)} make"
        text = f"{who} {label} {'likelier' if ratio > 0 else 'less likely'}{beside} (x{math.exp(abs(ratio)):.1f})"
        said.append((weights.relative_language * ratio, text))
    if other is not None:
        said = [one for one in said if one[0] > 0.0]
    return [text for size, text in sorted(said, key=lambda one: -abs(one[0])) if size != 0.0]


def _kinds(label: str, language: LanguageEvidence) -> str:
    """Return the kinds of evidence that say most of a label, in words."""
    sizes = {kind: abs(row.get(label, 0.0)) for kind, row in language.kinds.items()}
    most = max(sizes.values(), default=0.0)
    named = [kind for kind, size in sorted(sizes.items(), key=lambda one: -one[1]) if size > 0.3 * most][:2]
    return " and ".join(_NAMES.get(kind, kind) for kind in named) if named else "title and other labels"


_NAMES = {
    "title": "title words",
    "description": "description words",
    "labels": "the other labels",
    "date": "dates",
}
