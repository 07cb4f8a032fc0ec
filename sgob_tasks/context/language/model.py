"""The language model: ranks candidate labels of a picture, and says what each kind of evidence adds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sgob_tasks.context.language.bags import Floats
from sgob_tasks.context.language.blend import Blend, Doubles, log_softmax
from sgob_tasks.context.language.components import Components
from sgob_tasks.context.language.encoder import DATE, EVIDENCE, LABELS, PRIOR, Context, Encoded, Pairs
from sgob_tasks.context.language.text import label_key

if TYPE_CHECKING:
    from sgob_tasks.context.scene_graph.relation_model import RelationModel

CONTEXTS_AT_ONCE = 256
PAIRS_AT_ONCE = 20_000
"""Bounds of what is computed at once: about 100 MB."""

REFERENCE_LABELS = 1000
"""Labels, the most frequent ones, against which evidence is measured in ``evidence``."""


@dataclass(frozen=True)
class Evidence:
    """What a picture's texts, other labels and date say of one label.

    Attributes:
        label: as it was asked for.
        known: it occurs in the training records; where not, all evidence is 0.
        log_ratio: by what factor the context makes it more probable, as a natural logarithm: 0 says nothing.
        by_kind: the summands of ``log_ratio`` by kind of evidence (``encoder.EVIDENCE``).
    """

    label: str
    known: bool
    log_ratio: float
    by_kind: Mapping[str, float]


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a trained model.

    Attributes:
        version: hash of everything in it; the same records, settings and seed give the same version.
        data: name, hash and size of the training data, and how it was divided.
        settings: how it was trained.
        scores: on validation records, from parts that had not seen them.
        recipe: version of the method; a model of another recipe is not read.
    """

    version: str
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    scores: Mapping[str, Any]
    recipe: int


class LanguageModel:
    """A trained model; see ``training.train_language_model`` and ``model_files.load_model``."""

    def __init__(
        self, components: Components, blend: Blend, info: ModelInfo, relations: RelationModel | None = None
    ) -> None:
        """Put the trained parts together.

        Args:
            components: what it was trained to.
            blend: weights of the evidence.
            info: what is known of it.
            relations: what the same texts tell of relations; None in a model from before they were read.
        """
        self.components, self.blend, self.info, self.relations = components, blend, info, relations

    def knows(self, label: str) -> bool:
        """Tell whether a label occurs in the training records."""
        return label_key(label) in self.components.encoder.labels

    def log_probs(
        self,
        contexts: Sequence[Context],
        candidates: Sequence[Sequence[str]],
        kinds: Collection[str] = (*EVIDENCE, PRIOR),
    ) -> list[Doubles]:
        """Return normalised natural log-probabilities of each context's candidates, in their order.

        Args:
            contexts: pictures.
            candidates: labels to choose among, for each context; any texts, any number, also none.
            kinds: kinds of evidence to use; all by default. For measuring what each adds.
        """
        return [
            log_softmax(scores)
            for chunk in chunks([len(row) for row in candidates])
            for scores in self._totals(contexts[chunk], candidates[chunk], kinds)
        ]

    def _totals(
        self, contexts: Sequence[Context], candidates: Sequence[Sequence[str]], kinds: Collection[str]
    ) -> list[Floats]:
        pairs = self.components.pairs(candidates)
        parts = self._parts(self.components.encoder.encode(contexts), pairs)
        total = np.sum([parts[kind] for kind in sorted(kinds)], axis=0) if kinds else np.zeros(len(pairs.rows))
        return np.split(total, np.cumsum([len(row) for row in candidates])[:-1])

    def _parts(self, encoded: Encoded, pairs: Pairs) -> dict[str, Floats]:
        parts = self.blend.contributions(self.components.columns(encoded, pairs), self.components.rarity(pairs))
        # Nothing was fitted on labels that no record shows: they are given the prior of the least probable one.
        parts[PRIOR] = np.where(pairs.labels < 0, self._least_prior, parts[PRIOR]).astype(np.float32)
        return parts

    @cached_property
    def _least_prior(self) -> float:
        pairs = self.components.pairs([self.components.encoder.labels.names])
        columns = {PRIOR: self.components.prior(pairs)}
        return float(self.blend.contributions(columns, self.components.rarity(pairs))[PRIOR].min())

    def evidence(self, context: Context, labels: Sequence[str]) -> list[Evidence]:
        """Return what the context says of each label, in their order, whatever the others are.

        Each kind of evidence is measured against the labels of the training records, weighted by their frequency: the
        logarithm of P(label | evidence) / P(label), as if the kinds were independent. A kind that the context has
        nothing of says 0 of every label, and so does every kind of an unknown label.
        """
        reference, weights = self._reference
        pairs = self.components.pairs([[*labels, *reference]])
        encoded = self.components.encoder.encode([context])
        parts = self._parts(encoded, pairs)
        there = self._there(encoded)
        asked = len(labels)
        ratios = {
            kind: parts[kind][:asked] - _log_mean(parts[kind][asked:], weights) if kind in there else np.zeros(asked)
            for kind in EVIDENCE
        }
        found = []
        for place, label in enumerate(labels):
            known = bool(pairs.labels[place] >= 0)
            by_kind = {kind: float(ratios[kind][place]) if known else 0.0 for kind in EVIDENCE}
            found.append(Evidence(label, known, math.fsum(by_kind.values()), by_kind))
        return found

    @cached_property
    def _reference(self) -> tuple[list[str], Floats]:
        counts = self.components.counts
        chosen = np.argsort(-counts, kind="stable")[:REFERENCE_LABELS]
        return [self.components.encoder.labels.names[number] for number in chosen], counts[chosen] / counts[
            chosen
        ].sum()

    @staticmethod
    def _there(encoded: Encoded) -> set[str]:
        """Return the kinds of evidence that a context has anything of that the model can read."""
        bags = {**encoded.words, LABELS: encoded.labels, DATE: encoded.quarters}
        found = {kind for kind, bag in bags.items() if len(bag.indices)}
        return found | {kind for kind, bag in encoded.pieces.items() if len(bag.indices)}

    def words_for(self, context: Context, label: str, kind: str, most: int = 3) -> list[str]:
        """Return the words (or labels) of one kind of evidence that speak most for a label, the strongest first."""
        encoder, bayes = self.components.encoder, self.components.bayes
        encoded = encoder.encode([context])
        number = encoder.labels.number(label_key(label))
        if kind == LABELS:
            bag, counts, names = encoded.labels, bayes["labels"], encoder.labels.names
        elif kind in encoded.words:
            bag, counts, names = (
                encoded.words[kind],
                self.components.bayes["words"],
                self.components.encoder.words.names,
            )
        else:
            return []
        if number < 0 or not len(bag.indices):
            return []
        ratios = counts.log_ratios(np.full(len(bag.indices), number), bag.indices)
        order = [place for place in np.argsort(-ratios, kind="stable") if ratios[place] > 0]
        return [names[bag.indices[place]] for place in order[:most]]


def _log_mean(values: Floats, weights: Floats) -> float:
    """Return the logarithm of the weighted mean of the powers of ``values``."""
    top = float(values.max())
    return top + math.log(float(weights @ np.exp(values - top)))


def chunks(sizes: Sequence[int]) -> Iterator[slice]:
    """Divide contexts, by how many candidates they have, into slices that stay within the bounds."""
    start, pairs = 0, 0
    for place, size in enumerate(sizes):
        if place > start and (pairs + size > PAIRS_AT_ONCE or place - start >= CONTEXTS_AT_ONCE):
            yield slice(start, place)
            start, pairs = place, 0
        pairs += size
    if start < len(sizes):
        yield slice(start, len(sizes))
