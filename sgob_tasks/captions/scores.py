"""How close generated captions are to those of people: BLEU, ROUGE-L and CIDEr-D.

Computed as COCO's evaluation code (``pycocoevalcap``) does it, to rounding:

- BLEU-1..4: Papineni et al. 2002, over the whole set, with the reference of closest length for the brevity penalty.
- ROUGE-L: Lin 2004, F-measure of the longest common subsequence with beta 1.2, best precision and recall over the
  references, mean over pictures.
- CIDEr-D: Vedantam et al. 2015 (arXiv 1411.5726), TF-IDF weighted n-grams (1 to 4) clipped to the reference, with a
  Gaussian penalty on the difference of lengths (sigma 6), times 10. Inverse document frequencies are those of the
  references at hand, so figures of different sets do not compare.

METEOR and SPICE are left out: they need Java and, on first use, the internet. Plain Python and NumPy.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.captions.tokens import tokenise
from sgob_tasks.errors import InputError

LONGEST = 4
"""Words of the longest n-gram."""

SIGMA, BETA = 6.0, 1.2
CONFIDENCE = 0.95
RESAMPLINGS = 1000
_SMALL, _TINY = 1e-9, 1e-15
"""As in ``bleu_scorer.py``: a set without any n-gram of a length has BLEU 0 there, not none."""

Ngrams = Counter[tuple[str, ...]]
Floats = npt.NDArray[np.float64]


def ngrams(words: Sequence[str]) -> Ngrams:
    """Return how often each n-gram of 1 to 4 words occurs."""
    return Counter(
        tuple(words[start : start + length])
        for length in range(1, LONGEST + 1)
        for start in range(len(words) - length + 1)
    )


@dataclass(frozen=True)
class BleuParts:
    """What BLEU needs of each of P pictures; sums over any choice of them give that choice's BLEU.

    Attributes:
        lengths: ``[P, 2]``: words of the caption, and of the reference of closest length.
        guessed: ``[P, 4]``: n-grams of the caption, by length.
        correct: ``[P, 4]``: those of them that a reference has, as often as it has them at most.
    """

    lengths: Floats
    guessed: Floats
    correct: Floats

    def score(self, counts: npt.NDArray[Any] | None = None) -> Floats:
        """Return BLEU-1 to BLEU-4.

        Args:
            counts: ``[..., P]`` how often each picture counts; None for once. Leading dimensions are kept.
        """
        counts = np.ones(len(self.lengths)) if counts is None else counts
        lengths, guessed, correct = counts @ self.lengths, counts @ self.guessed, counts @ self.correct
        precisions = np.cumsum(np.log((correct + _TINY) / (guessed + _SMALL)), axis=-1) / np.arange(1, LONGEST + 1)
        ratio = (lengths[..., :1] + _TINY) / (lengths[..., 1:] + _SMALL)
        # (A set without a single word has a ratio of almost zero: its penalty is zero, but not 1 / 0.)
        result: Floats = np.exp(precisions) * np.exp(np.minimum(0.0, 1.0 - 1.0 / np.maximum(ratio, _TINY)))
        return result


def bleu_parts(captions: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> BleuParts:
    """Count what BLEU is made of.

    Args:
        captions: words of a caption for each picture.
        references: words of one or more references for each picture.
    """
    lengths, guessed, correct = [], [], []
    for words, others in zip(captions, references, strict=True):
        lengths.append((len(words), min((abs(len(other) - len(words)), len(other)) for other in others)[1]))
        guessed.append([max(0, len(words) - length) for length in range(LONGEST)])
        most: Ngrams = Counter()
        for other in others:
            most |= ngrams(other)
        found = [0] * LONGEST
        for ngram, count in ngrams(words).items():
            found[len(ngram) - 1] += min(count, most[ngram])
        correct.append(found)
    return BleuParts(np.asarray(lengths, np.float64), np.asarray(guessed, np.float64), np.asarray(correct, np.float64))


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, by Hyyrö's bit-parallel recurrence (2004).

    Python's integers are the bit vectors: ten thousand words against ten thousand take a fraction of a second.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    everything = (1 << len(first)) - 1
    row = everything
    for word in second:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & everything
    return len(first) - row.bit_count()


def rouge_l(captions: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> Floats:
    """Return ROUGE-L of each picture, ``[P]``; arguments as of :func:`bleu_parts`."""
    scores = []
    for words, others in zip(captions, references, strict=True):
        common = [longest_common_subsequence(words, other) for other in others]
        precision = max(common) / len(words) if words else 0.0
        recall = max((length / len(other) for length, other in zip(common, others, strict=True) if other), default=0.0)
        both = recall + BETA**2 * precision
        scores.append((1 + BETA**2) * precision * recall / both if precision and recall else 0.0)
    return np.asarray(scores, np.float64)


@dataclass(frozen=True)
class Weighted:
    """TF-IDF weights of a text's n-grams by their length, the vectors' norms, and the number of two-word n-grams."""

    weights: tuple[dict[tuple[str, ...], float], ...]
    norms: tuple[float, ...]
    length: int


class CiderD:
    """CIDEr-D against the references of a set of pictures; their document frequencies are counted once.

    Args:
        references: words of one or more references for each picture.

    Attributes:
        references: their weights, picture by picture.
    """

    def __init__(self, references: Sequence[Sequence[Sequence[str]]]) -> None:
        counted = [[ngrams(other) for other in others] for others in references]
        self._frequency = Counter(ngram for others in counted for ngram in set().union(*others))
        self._log_pictures = math.log(float(max(1, len(references))))
        self.references = [[self.weigh(other) for other in others] for others in counted]

    def weigh(self, counts: Ngrams) -> Weighted:
        """Return the TF-IDF weights of a text's n-grams."""
        weights: tuple[dict[tuple[str, ...], float], ...] = tuple({} for _ in range(LONGEST))
        length = 0
        for ngram, count in counts.items():
            seen = math.log(max(1.0, self._frequency[ngram]))
            weights[len(ngram) - 1][ngram] = count * (self._log_pictures - seen)
            length += count if len(ngram) == 2 else 0  # COCO's code measures a text by its pairs of words
        norms = tuple(math.sqrt(sum(weight**2 for weight in part.values())) for part in weights)
        return Weighted(weights, norms, length)

    def score(self, place: int, words: Sequence[str]) -> float:
        """Return CIDEr-D of a caption for the picture at ``place``."""
        return self._against(place, self.weigh(ngrams(words)))

    def _against(self, place: int, caption: Weighted) -> float:
        others = self.references[place]
        return 10.0 * sum(_similarity(caption, other) for other in others) / len(others)

    def everywhere(self, words: Sequence[str]) -> Floats:
        """Return CIDEr-D of one and the same caption for every picture, ``[P]``."""
        caption = self.weigh(ngrams(words))
        return np.asarray([self._against(place, caption) for place in range(len(self.references))], np.float64)

    def scores(self, captions: Sequence[Sequence[str]]) -> Floats:
        """Return CIDEr-D of each picture's caption, ``[P]``."""
        return np.asarray([self.score(place, words) for place, words in enumerate(captions)], np.float64)


def _similarity(caption: Weighted, reference: Weighted) -> float:
    total = 0.0
    parts = zip(caption.weights, reference.weights, caption.norms, reference.norms, strict=True)
    for own, theirs, own_norm, their_norm in parts:
        value = sum(min(weight, theirs[ngram]) * theirs[ngram] for ngram, weight in own.items() if ngram in theirs)
        total += value / (own_norm * their_norm) if own_norm and their_norm else 0.0
    return total / LONGEST * math.exp(-((caption.length - reference.length) ** 2) / (2 * SIGMA**2))


Interval = tuple[float, float]


@dataclass(frozen=True)
class CaptionScores:
    """Scores of a set of captions.

    Attributes:
        pictures: how many were scored.
        values: ``BLEU-1`` to ``BLEU-4``, ``ROUGE-L`` and ``CIDEr-D``, by name.
        intervals: 95 % bootstrap intervals over pictures, by the same names. The document frequencies of CIDEr-D stay
            those of the whole set.
        per_picture: ``CIDEr-D`` and ``ROUGE-L`` of each picture, in the order they were given.
    """

    pictures: int
    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    per_picture: Mapping[str, Floats]

    def to_json(self) -> dict[str, Any]:
        """Return scores and intervals as JSON values."""
        return {
            "pictures": self.pictures,
            "scores": {name: round(value, 6) for name, value in self.values.items()},
            "intervals": {name: [round(bound, 6) for bound in bounds] for name, bounds in self.intervals.items()},
        }


def score_captions(
    references: Mapping[Any, Sequence[str]],
    captions: Mapping[Any, str],
    *,
    resamplings: int = RESAMPLINGS,
    seed: int = 0,
) -> CaptionScores:
    """Score captions against references.

    A picture with references but without a caption counts as one with an empty caption: leaving pictures out does not
    pay.

    Args:
        references: one or more texts for each picture.
        captions: one text for each picture.
        resamplings: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        InputError: there are no references, a picture has none, or a caption is of a picture that is not there.
    """
    keys: list[Hashable] = list(references)
    if not keys:
        raise InputError("captions", "references", 0, "there is nothing to score against")
    for key, texts in references.items():
        if not texts:
            raise InputError("captions", "references", key, "has no reference")
    unknown = next((key for key in captions if key not in references), None)
    if unknown is not None:
        raise InputError("captions", "picture", unknown, "has a caption but no reference")
    said = [tokenise(captions.get(key, "")) for key in keys]
    wanted = [[tokenise(text) for text in references[key]] for key in keys]
    bleu, rouge, cider = bleu_parts(said, wanted), rouge_l(said, wanted), CiderD(wanted).scores(said)
    drawn = np.random.default_rng(seed).multinomial(len(keys), np.full(len(keys), 1 / len(keys)), size=resamplings)
    means = {"ROUGE-L": rouge, "CIDEr-D": cider}
    samples = {f"BLEU-{place + 1}": column for place, column in enumerate(bleu.score(drawn).T)}
    samples |= {name: drawn @ values / len(keys) for name, values in means.items()}
    values = {f"BLEU-{place + 1}": float(value) for place, value in enumerate(bleu.score())}
    values |= {name: float(per_picture.mean()) for name, per_picture in means.items()}
    tail = (1 - CONFIDENCE) / 2
    intervals = {name: _bounds(values, tail) for name, values in samples.items()}
    return CaptionScores(len(keys), values, intervals, means)


def _bounds(values: Floats, tail: float) -> Interval:
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
