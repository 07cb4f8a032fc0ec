"""Which words drove a judgement: each word, and each pair of neighbours, is left out in turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sgob_tasks.captions.classifier.features import normalise
from sgob_tasks.captions.classifier.model import CaptionClassifier

MAX_WORDS = 60
_EDGE = 1e-9


@dataclass(frozen=True)
class Driver:
    """Words of a sentence and what they add to the log-odds of ``caption``: more than 0 speaks for it."""

    words: str
    weight: float


def drivers(classifier: CaptionClassifier, sentence: str, count: int = 6) -> list[Driver]:
    """Return the words that moved a judgement most, by leaving them out (occlusion: Zeiler and Fergus, ECCV 2014).

    Of a pair and its words, the pair is returned only where it says more than both words do alone.

    Args:
        classifier: a loaded model.
        sentence: the judged text; the first 60 words are looked at.
        count: at most so many.
    """
    words = normalise(sentence).split()[:MAX_WORDS]
    spans = [(place, size) for size in (1, 2) for place in range(len(words) - size + 1)]
    if not spans or len(words) < 2:
        return []
    texts = [" ".join(words), *(" ".join(words[:place] + words[place + size :]) for place, size in spans)]
    whole, *others = (_log_odds(one) for one in classifier.probabilities(texts))
    weights = {span: whole - other for span, other in zip(spans, others, strict=True)}
    return _strongest(words, weights, count)


def _strongest(words: Sequence[str], weights: dict[tuple[int, int], float], count: int) -> list[Driver]:
    taken: set[int] = set()
    found: list[Driver] = []
    for (place, size), weight in sorted(weights.items(), key=lambda entry: -abs(entry[1])):
        parts = range(place, place + size)
        if taken.intersection(parts):
            continue
        if size == 2 and abs(weight) <= sum(abs(weights[part, 1]) for part in parts):
            continue
        taken.update(parts)
        found.append(Driver(" ".join(words[place : place + size]), weight))
        if len(found) == count:
            break
    return found


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))
