"""A log-linear model of low rank: vectors of context features and vectors of labels, trained to tell labels apart.

``log P(label | context)`` is, up to a constant, ``log q(label) + b(label) + v(label) . h(context)``, where q is the
frequency in training and h the sum over kinds of evidence of their features' vectors, each kind divided by the root of
how many it has. That is StarSpace's bag of features (Wu et al., arXiv 1709.03856) with a softmax over all labels. The
score without q is what tells labels from others of the same frequency, and it falls into a summand for each kind.

A label's vector is the sum of its own and of its words': "boat, sailing" lies near "boat, rowing", and a label that was
never seen is judged by its words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sgob_tasks.context.language import text
from sgob_tasks.context.language.bags import Bags, Floats, Vocabulary, root_weights, segment_sum
from sgob_tasks.context.language.encoder import Encoder

TABLES = ("words", "pieces", "labels", "dates")
"""Tables of context features, in the order in which training draws their first values."""


@dataclass(frozen=True)
class LabelFeatures:
    """What the vectors of labels are made of: the label itself (by number), and its words."""

    words: Vocabulary
    bags: Bags

    @classmethod
    def fit(cls, labels: Vocabulary) -> LabelFeatures:
        """Collect the words of all labels."""
        words = Vocabulary(word for name in labels.names for word in text.words(name))
        return cls(words, Bags.of([cls._row(number, words, name) for number, name in enumerate(labels.names)]))

    @staticmethod
    def _row(number: int, words: Vocabulary, name: str) -> list[int]:
        # Words first: their numbers do not depend on how many labels there are.
        own = [] if number < 0 else [len(words) + number]
        return [*words.numbers(dict.fromkeys(text.words(name))), *own]

    def rows(self, numbers: Sequence[int], names: Sequence[str]) -> Bags:
        """Return the features of any labels, also of unknown ones (number -1)."""
        return Bags.of([self._row(number, self.words, name) for number, name in zip(numbers, names, strict=True)])

    @property
    def count(self) -> int:
        """Number of label features."""
        return len(self.words) + len(self.bags)


@dataclass(frozen=True)
class Embedding:
    """Trained vectors of ``d`` numbers.

    Attributes:
        tables: vectors of context features by kind, ``[features, d]`` each.
        label_features: vectors of what labels are made of, ``[label features, d]``.
        bias: of the labels, ``[labels]``.
    """

    tables: Mapping[str, Floats]
    label_features: Floats
    bias: Floats

    def hidden(self, table: str, bags: Bags) -> Floats:
        """Return the vectors of contexts as far as one table goes, ``[contexts, d]``."""
        return pooled(self.tables[table], bags)

    def label_vectors(self, bags: Bags) -> Floats:
        """Return the vectors of labels, ``[labels, d]``, from their features."""
        return pooled(self.label_features, bags)


def pooled(table: Floats, bags: Bags) -> Floats:
    """Return the sum of each row's vectors divided by the root of their number, ``[rows, d]``."""
    return segment_sum(table[bags.indices] * root_weights(bags)[:, None], bags.rows, len(bags))


def sizes(encoder: Encoder) -> dict[str, int]:
    """Return how many context features each table has."""
    return {name: len(getattr(encoder, name)) for name in TABLES}
