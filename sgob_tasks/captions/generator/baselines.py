"""What captions have to be better than: the one sentence that fits all pictures best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sgob_tasks.captions.scores import LONGEST, CiderD, ngrams
from sgob_tasks.captions.tokens import tokenise

TRIED = 50
"""Captions that are scored in full, after a quick look at all."""


def best_constant_caption(
    training: Iterable[str], references: Sequence[Sequence[str]], tried: int = TRIED
) -> tuple[str, float]:
    """Return the training caption with the highest mean CIDEr-D on pictures, and that mean.

    All are ordered by their mean cosine with the references, n-gram by n-gram, which is CIDEr-D but for the clipping
    and the penalty on the length; the best ``tried`` are scored in full.

    Args:
        training: captions to choose from; at least one.
        references: of the pictures to be judged by: one or more texts for each.
        tried: how many are scored in full.
    """
    judge = CiderD([[tokenise(text) for text in texts] for texts in references])
    mean: Counter[tuple[str, ...]] = Counter()
    for others in judge.references:
        for other in others:
            for weights, norm in zip(other.weights, other.norms, strict=True):
                for ngram, weight in weights.items():
                    mean[ngram] += weight / norm / len(others) if norm else 0.0  # type: ignore[assignment]  # sums

    def quick(text: str) -> float:
        own = judge.weigh(ngrams(tokenise(text)))
        parts = zip(own.weights, own.norms, strict=True)
        return sum(sum(w * mean[n] for n, w in weights.items()) / norm for weights, norm in parts if norm) / LONGEST

    chosen = sorted(sorted(set(training)), key=quick, reverse=True)[:tried]
    means = [float(judge.everywhere(tokenise(text)).mean()) for text in chosen]
    best = max(range(len(chosen)), key=lambda place: means[place])
    return chosen[best], means[best]
