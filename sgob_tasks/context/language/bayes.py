"""Naive Bayes: what each word, label or quarter-century says of a label, counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sgob_tasks.context.language.bags import Bags, Floats, Ints, ranges, segment_sum

SMOOTHING = 2.0
"""Records that are added to each label as the background has them: a label seen twice says little."""


@dataclass(frozen=True)
class Counts:
    """How often labels and features of one kind occur, and occur together.

    Attributes:
        labels: records that show each label, ``[labels]``.
        features: records that have each feature, ``[features]``.
        records: records with a label.
        keys: ``label * features + feature`` of the pairs that occur together, ascending.
        together: how often each does.
    """

    labels: Ints
    features: Ints
    records: int
    keys: Ints
    together: Ints

    @classmethod
    def of(cls, labels: Bags, features: Bags, label_count: int, feature_count: int, *, same: bool = False) -> Counts:
        """Count over records.

        Args:
            labels: a row for each record.
            features: a row for each record.
            label_count: how many labels there are.
            feature_count: how many features there are.
            same: the features are the labels themselves: a label says nothing of itself.
        """
        shown = labels.lengths > 0
        repeat = np.repeat(np.arange(len(labels)), labels.lengths)
        lengths = features.lengths[repeat]
        found = features.indices[ranges(features.indptr[repeat], lengths)]
        owners = np.repeat(labels.indices, lengths)
        if same:
            owners, found = owners[owners != found], found[owners != found]
        keys, together = np.unique(owners * feature_count + found, return_counts=True)
        return cls(
            np.bincount(labels.indices, minlength=label_count),
            np.bincount(features.take(np.flatnonzero(shown)).indices, minlength=feature_count),
            int(shown.sum()),
            keys,
            together,
        )

    def score(self, features: Bags, rows: Ints, labels: Ints) -> Floats:
        """Return for pairs of a context and a label the sum of ``log P(feature | label) / P(feature)``.

        Features that were seen with no label, and unknown labels, say nothing (0).

        Args:
            features: a row for each context.
            rows: the context of each pair, ``[pairs]``.
            labels: the label of each pair, -1 where it is not known, ``[pairs]``.
        """
        lengths = features.lengths[rows]
        found = features.indices[ranges(features.indptr[rows], lengths)]
        pair = np.repeat(np.arange(len(rows)), lengths)
        return segment_sum(self.log_ratios(np.repeat(labels, lengths), found), pair, len(rows))

    def log_ratios(self, labels: Ints, features: Ints) -> Floats:
        """Return ``log P(feature | label) / P(feature)`` of single pairs, ``[n]`` each."""
        if not len(self.keys):
            return np.zeros(len(labels), np.float32)
        wanted = labels * len(self.features) + features
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        together = np.where(self.keys[place] == wanted, self.together[place], 0)
        background = self.features[features] / self.records
        shown = self.labels[labels]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log((together + SMOOTHING * background) / ((shown + SMOOTHING) * background))
        known = (labels >= 0) & (background > 0)
        return np.where(known, ratio, 0.0).astype(np.float32)

    def arrays(self) -> dict[str, Ints]:
        """Return what ``from_arrays`` reads."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Ints]) -> Counts:
        """Make counts of what ``arrays`` returned."""
        values = {
            name: np.asarray(arrays[name]).astype(np.int64) for name in ("labels", "features", "keys", "together")
        }
        return cls(records=int(arrays["records"]), **values)
