"""What each kind of evidence says of a label, in several ways: the columns that ``blend`` weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sgob_tasks.context.language import text
from sgob_tasks.context.language.bags import Bags, Floats, Ints
from sgob_tasks.context.language.bayes import Counts
from sgob_tasks.context.language.embedding import Embedding, LabelFeatures
from sgob_tasks.context.language.encoder import (
    DATE,
    DESCRIPTION,
    LABELS,
    PRIOR,
    SUBJECTS,
    TEXTS,
    TITLE,
    Encoded,
    Encoder,
    Pairs,
)

TEXT_COLUMNS = ("word vectors", "vectors of pieces", "naive Bayes", "first word", "share of words", "beginning of word")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    TITLE: TEXT_COLUMNS,
    DESCRIPTION: TEXT_COLUMNS,
    SUBJECTS: TEXT_COLUMNS,
    LABELS: ("vectors", "naive Bayes"),
    DATE: ("vectors", "naive Bayes"),
    PRIOR: ("bias", "frequency"),
}

_BEGINNING = 5
_EMPTY_WORDS = frozenset({"non", "specific", "other", "general", "of", "the", "and", "with"})


@dataclass(frozen=True)
class Components:
    """The trained parts.

    Attributes:
        encoder: the features.
        label_features: what vectors of labels are made of.
        embeddings: several, trained from different first values; the mean of their scores is taken.
        bayes: counts by ``words``, ``labels`` and ``quarters``.
    """

    encoder: Encoder
    label_features: LabelFeatures
    embeddings: Sequence[Embedding]
    bayes: Mapping[str, Counts]

    @property
    def counts(self) -> Ints:
        """In how many training records each label occurs, ``[labels]``."""
        return self.bayes["labels"].labels

    @cached_property
    def _vectors(self) -> list[Floats]:
        return [one.label_vectors(self.label_features.bags) for one in self.embeddings]

    def pairs(self, candidates: Sequence[Sequence[str]]) -> Pairs:
        """Return the pairs of each context with its candidates, which may be any texts."""
        rows = np.repeat(np.arange(len(candidates)), [len(row) for row in candidates])
        names = [text.label_key(name) for row in candidates for name in row]
        return Pairs(rows, np.array([self.encoder.labels.number(name) for name in names], np.int64), names)

    def columns(self, encoded: Encoded, pairs: Pairs) -> dict[str, Floats]:
        """Return by kind of evidence ``[pairs, columns]``; 0 says nothing for or against a label."""
        targets = self._targets(pairs)
        found = {
            kind: np.stack(
                [
                    self._by_vectors("words", encoded.words[kind], pairs.rows, targets),
                    self._by_vectors("pieces", encoded.pieces[kind], pairs.rows, targets),
                    self.bayes["words"].score(encoded.words[kind], pairs.rows, pairs.labels),
                    *_matches(encoded.stems[kind], pairs).T,
                ],
                axis=1,
            )
            for kind in TEXTS
            if any(encoded.stems[kind])
        }
        found[LABELS] = np.stack(
            [
                self._by_vectors("labels", encoded.labels, pairs.rows, targets),
                self.bayes["labels"].score(encoded.labels, pairs.rows, pairs.labels),
            ],
            axis=1,
        ) - self._of_themselves(encoded, pairs, targets)
        found[DATE] = np.stack(
            [
                self._by_vectors("dates", encoded.dates, pairs.rows, targets),
                self.bayes["quarters"].score(encoded.quarters, pairs.rows, pairs.labels),
            ],
            axis=1,
        )
        found[PRIOR] = self.prior(pairs)
        for kind, names in COLUMNS.items():
            found.setdefault(kind, np.zeros((len(pairs.rows), len(names)), np.float32))
        return found

    def _of_themselves(self, encoded: Encoded, pairs: Pairs, targets: Sequence[Floats]) -> Floats:
        """Return what labels that the picture is known to show say of themselves: to be taken away.

        Training never saw a label beside itself; a second horse is neither more nor less probable for the first.
        """
        found = np.zeros((len(pairs.rows), len(COLUMNS[LABELS])), np.float32)
        shown, count = encoded.labels, len(self.encoder.labels)
        own = np.flatnonzero(np.isin(pairs.rows * count + pairs.labels, shown.rows * count + shown.indices))
        own = own[pairs.labels[own] >= 0]
        if len(own):
            labels = pairs.labels[own]
            vectors = [
                np.einsum("pd,pd->p", one.tables["labels"][labels], target[own])
                for one, target in zip(self.embeddings, targets, strict=True)
            ]
            found[own, 0] = np.mean(vectors, axis=0) / np.sqrt(shown.lengths[pairs.rows[own]])
            found[own, 1] = self.bayes["labels"].log_ratios(labels, labels)
        return found

    def rarity(self, pairs: Pairs) -> Floats:
        """Return the logarithm of how often each pair's label was seen, at least once, ``[pairs]``."""
        return np.asarray(np.log(np.maximum(self._seen(pairs), 1)), np.float32)

    def _seen(self, pairs: Pairs) -> Ints:
        return np.asarray(np.where(pairs.labels >= 0, self.counts[pairs.labels], 0))

    def prior(self, pairs: Pairs) -> Floats:
        """Return what is known of the pairs' labels before any evidence, ``[pairs, columns]``."""
        bias = np.mean([one.bias[pairs.labels] for one in self.embeddings], axis=0)
        frequency = np.log((self._seen(pairs) + 0.5) / self.bayes["labels"].records)
        return np.asarray(np.stack([np.where(pairs.labels >= 0, bias, 0.0), frequency], axis=1), np.float32)

    def _targets(self, pairs: Pairs) -> list[Floats]:
        """Return the vectors of the pairs' labels, by embedding, ``[pairs, d]``."""
        unknown = np.flatnonzero(pairs.labels < 0)
        found = []
        for one, vectors in zip(self.embeddings, self._vectors, strict=True):
            targets = vectors[pairs.labels]
            if len(unknown):
                bags = self.label_features.rows([-1] * len(unknown), [pairs.names[place] for place in unknown])
                targets[unknown] = one.label_vectors(bags)
            found.append(targets)
        return found

    def _by_vectors(self, table: str, bags: Bags, rows: Ints, targets: Sequence[Floats]) -> Floats:
        if not len(bags.indices):
            return np.zeros(len(rows), np.float32)
        scores = [
            np.einsum("pd,pd->p", one.hidden(table, bags)[rows], target)
            for one, target in zip(self.embeddings, targets, strict=True)
        ]
        return np.asarray(np.mean(scores, axis=0))


def _matches(stems: Sequence[frozenset[str]], pairs: Pairs) -> Floats:
    """Return how far labels stand in texts: their first word, the share of their words, how their first word begins."""
    found = np.zeros((len(pairs.rows), 3), np.float32)
    beginnings = [frozenset(word[:_BEGINNING] for word in row if len(word) >= _BEGINNING) for row in stems]
    words: dict[str, list[str]] = {}
    for place, (row, name) in enumerate(zip(pairs.rows.tolist(), pairs.names, strict=True)):
        shown = stems[row]
        if not shown:
            continue
        if name not in words:
            words[name] = [word for word in text.words(name) if word not in _EMPTY_WORDS]
        own = words[name]
        if own:
            hits = sum(word in shown for word in own)
            found[place] = own[0] in shown, hits / len(own), own[0][:_BEGINNING] in beginnings[row]
    return found
