"""Beam search: the likeliest captions of several pictures at once, without the words that must not occur. NumPy only.

Deterministic: equal scores keep their order. Scores are compared by log probability a word to the power of ``alpha``
(Wu et al. 2016, arXiv 1609.08144, equation 14), so that long captions are not at a disadvantage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sgob_tasks.captions.generator.config import END, PADDING, START, UNKNOWN

Floats = npt.NDArray[np.float32]
NEVER = -np.inf
NEVER_SAID = (PADDING, START, UNKNOWN)

Advance = Callable[[npt.NDArray[np.int32], Any], tuple[Floats, Floats, Any]]
"""Takes the last words ``[N]`` and the state, gives log probabilities ``[N, V]``, attention ``[N, M]``, the state."""

Pick = Callable[[Any, npt.NDArray[np.intp]], Any]
"""Takes a state and the hypotheses to go on with, gives theirs."""


@dataclass(frozen=True)
class Hypothesis:
    """A caption under way, or finished.

    Attributes:
        words: without start and end.
        log_prob: of its words and, where it is finished, of its end.
        attention: ``[M]`` for each word.
        score: what hypotheses are compared by.
    """

    words: tuple[int, ...]
    log_prob: float
    attention: tuple[Floats, ...]
    score: float = NEVER


def length_penalty(words: int, alpha: float) -> float:
    """Return what the log probability of a caption of so many words is divided by."""
    return float(((5.0 + words) / 6.0) ** alpha)


def ban(log_probs: npt.NDArray[np.floating[Any]], words: Sequence[int], phrases: Sequence[tuple[int, ...]]) -> None:
    """Set the log probability ``[V]`` of every word that would complete a forbidden phrase to minus infinity."""
    for phrase in phrases:
        *before, last = phrase
        if not before or tuple(words[-len(before) :]) == tuple(before):
            log_probs[last] = NEVER


def beam_search(
    advance: Advance,
    pick: Pick,
    state: Any,
    *,
    pictures: int,
    width: int,
    most_words: int,
    alpha: float = 0.7,
    forbidden: Sequence[Sequence[tuple[int, ...]]] = (),
) -> list[list[Hypothesis]]:
    """Return up to ``width`` finished captions for each picture, the best first.

    Args:
        advance: the network's step, for ``pictures * width`` hypotheses, those of a picture together.
        pick: reorders its state.
        state: before the first word.
        pictures: their number.
        width: hypotheses of a picture at a time.
        most_words: a caption of so many words ends there.
        alpha: weight of the length penalty; 0 compares log probabilities.
        forbidden: phrases that the caption of each picture must not contain; none for no picture if it is empty.
    """
    banned = forbidden or [()] * pictures
    alive = [[Hypothesis((), 0.0, ())] for _ in range(pictures)]
    finished: list[list[Hypothesis]] = [[] for _ in range(pictures)]
    last = np.full(pictures * width, START, np.int32)
    for length in range(most_words + 1):
        if not any(alive):
            break
        log_probs, attention, state = advance(last, state)
        parents = np.arange(pictures * width)
        for picture in range(pictures):
            first, living = picture * width, alive[picture]
            rows = np.array(log_probs[first : first + len(living)], np.float64)
            alive[picture] = []
            for rank, (log_prob, place, word) in enumerate(
                _candidates(living, rows, banned[picture], 2 * width, only_end=length == most_words)
            ):
                parent = living[place]
                if word == END and rank < width:
                    score = log_prob / length_penalty(len(parent.words), alpha)
                    finished[picture].append(Hypothesis(parent.words, log_prob, parent.attention, score))
                elif word != END and len(alive[picture]) < width:
                    row = first + len(alive[picture])
                    parents[row], last[row] = first + place, word
                    looked = (*parent.attention, attention[first + place])
                    alive[picture].append(Hypothesis((*parent.words, word), log_prob, looked))
            finished[picture] = sorted(finished[picture], key=lambda one: -one.score)[:width]
            if _done(alive[picture], finished[picture], width, length_penalty(most_words, alpha)):
                alive[picture] = []
        state = pick(state, parents)
    return finished


def _candidates(
    living: Sequence[Hypothesis],
    log_probs: npt.NDArray[np.float64],
    phrases: Sequence[tuple[int, ...]],
    most: int,
    *,
    only_end: bool,
) -> list[tuple[float, int, int]]:
    """Return the best continuations: log probability, place of the hypothesis, word; equal ones keep their order."""
    log_probs[:, NEVER_SAID] = NEVER
    for hypothesis, row in zip(living, log_probs, strict=True):
        ban(row, hypothesis.words, phrases)
        if only_end:
            row[np.arange(len(row)) != END] = NEVER
        row += hypothesis.log_prob
    flat = log_probs.ravel()
    best = np.argsort(-flat, kind="stable")[:most]
    places = ((float(flat[index]), *divmod(int(index), log_probs.shape[1])) for index in best)
    return [(value, place, word) for value, place, word in places if value > NEVER]


def _done(alive: Sequence[Hypothesis], finished: Sequence[Hypothesis], width: int, largest_penalty: float) -> bool:
    """Tell whether nothing that is alive can become better than what is finished."""
    if len(finished) < width or not alive:
        return not alive
    # Log probabilities only fall, and the longest caption has the largest penalty.
    return max(one.log_prob for one in alive) / largest_penalty <= finished[-1].score
