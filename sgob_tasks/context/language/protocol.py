"""The ranking test: hide one depicted thing of a work and find it among ten.

Works with at least two depicted things; hidden is one that occurs at least ten times in training; beside it stand nine
that the work does not show, drawn without repetition with a probability proportional to their frequency in training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sgob_tasks.context.language.encoder import Context
from sgob_tasks.context.language.records import Record

MIN_LABELS, MIN_COUNT, DISTRACTORS = 2, 10, 9


@dataclass(frozen=True)
class Trial:
    """One question with its answer.

    Attributes:
        id: of the record.
        context: what is known of it, without the hidden label.
        candidates: ten labels.
        truth: place of the hidden one among them.
    """

    id: str
    context: Context
    candidates: tuple[str, ...]
    truth: int


def make_trials(records: Iterable[Record], counts: Mapping[str, int], seed: int, draws: int = 1) -> list[Trial]:
    """Make trials of records; the same seed gives the same trials.

    Args:
        records: works that the model was not trained on.
        counts: in how many training records each label occurs.
        seed: of hidden labels, distractors and their order.
        draws: trials of each work.
    """
    names = sorted(name for name, count in counts.items() if count > 0)
    if len(names) <= DISTRACTORS:
        return []
    weights = np.array([counts[name] for name in names], np.float64)
    limits = np.cumsum(weights / weights.sum())
    random = np.random.default_rng(seed)
    trials = []
    for record in records:
        common = [label for label in record.labels if counts.get(label, 0) >= MIN_COUNT]
        if len(record.labels) < MIN_LABELS or not common or len(set(names) - set(record.labels)) < DISTRACTORS:
            continue
        for _ in range(draws):
            hidden = common[random.integers(len(common))]
            others = _distractors(names, limits, frozenset(record.labels), random)
            truth = int(random.integers(DISTRACTORS + 1))
            candidates = (*others[:truth], hidden, *others[truth:])
            trials.append(Trial(record.id, Context.of(record, hidden), candidates, truth))
    return trials


def _distractors(
    names: list[str], limits: npt.NDArray[np.float64], shown: frozenset[str], random: np.random.Generator
) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < DISTRACTORS:
        name = names[min(int(np.searchsorted(limits, random.random())), len(names) - 1)]
        if name not in shown:
            found.setdefault(name)
    return list(found)
