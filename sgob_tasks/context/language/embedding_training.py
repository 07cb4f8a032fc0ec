"""Trains ``embedding.Embedding``: Adagrad on the softmax over all labels, one example for each label of each record.

The other labels of the record are no rivals of the one that is asked for: they are left out of its softmax. Features,
and now and then the whole title, are dropped at random, so that each kind of evidence learns to stand alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sgob_tasks.context.language.bags import Bags, Floats, Ints, root_weights, segment_sum
from sgob_tasks.context.language.embedding import TABLES, Embedding, LabelFeatures, pooled, sizes
from sgob_tasks.context.language.encoder import DESCRIPTION, TITLE, Encoded, Encoder


@dataclass(frozen=True)
class Recipe:
    """How an embedding is trained.

    Attributes:
        dimensions: numbers of a vector.
        epochs: passes over all labels of all records.
        batch: examples of one step.
        rate: of the first step; it falls linearly to a twentieth.
        dropout: share of features left out of each example.
        text_dropout: share of examples without any text.
        spread: standard deviation of the first values.
    """

    dimensions: int = 128
    epochs: int = 4
    batch: int = 256
    rate: float = 0.1
    dropout: float = 0.3
    text_dropout: float = 0.15
    spread: float = 0.1


class Trainer:
    """Trains one embedding; the same seed and records give the same vectors."""

    def __init__(self, encoder: Encoder, encoded: Encoded, labels: LabelFeatures, recipe: Recipe, seed: int) -> None:
        """Prepare tables.

        Args:
            encoder: the features.
            encoded: training records with all of their labels.
            labels: what labels are made of.
            recipe: how to train.
            seed: of first values, order and dropout.
        """
        self._recipe, self._labels = recipe, labels
        self._random = np.random.default_rng(seed)
        self._shown = encoded.labels
        # Two texts are two rows of one table's features: the description follows the title.
        self._bags = {
            "words": (encoded.words[TITLE], encoded.words[DESCRIPTION]),
            "pieces": (encoded.pieces[TITLE], encoded.pieces[DESCRIPTION]),
            "labels": (encoded.labels,),
            "dates": (encoded.dates,),
        }
        self._tables = {name: self._first(size) for name, size in sizes(encoder).items()}
        self._out = self._first(labels.count)
        self._bias = np.zeros(len(encoder.labels), np.float32)
        counts = np.bincount(encoded.labels.indices, minlength=len(encoder.labels))
        self._log_q = np.log(np.maximum(counts, 0.5) / max(counts.sum(), 1)).astype(np.float32)
        self._squares = {name: np.full(len(table), 1e-3, np.float32) for name, table in self._tables.items()}
        self._out_squares = np.full(labels.count, 1e-3, np.float32)
        self._bias_squares = np.full(len(self._bias), 1e-3, np.float32)
        order = np.argsort(labels.bags.indices, kind="stable")
        self._out_order = labels.bags.indices[order], labels.bags.rows[order], root_weights(labels.bags)[order]

    def _first(self, rows: int) -> Floats:
        return self._random.normal(0.0, self._recipe.spread, (rows, self._recipe.dimensions)).astype(np.float32)

    @property
    def steps(self) -> int:
        """Number of steps of the whole training."""
        return self._recipe.epochs * -(-len(self._shown.indices) // self._recipe.batch)

    def train(self) -> Iterator[int]:
        """Train; yields the number of each step that is done."""
        recipe, records, targets = self._recipe, self._shown.rows, self._shown.indices
        done = 0
        for epoch in range(recipe.epochs):
            rate = recipe.rate * (1 - epoch / recipe.epochs + 0.05)
            order = self._random.permutation(len(targets))
            for start in range(0, len(order), recipe.batch):
                chosen = order[start : start + recipe.batch]
                self._step(records[chosen], targets[chosen], rate)
                done += 1
                yield done

    def result(self) -> Embedding:
        """Return the vectors as they are after the steps done."""
        return Embedding(self._tables, self._out, self._bias)

    def _step(self, records: Ints, targets: Ints, rate: float) -> None:
        with_text = self._random.random(len(records)) >= self._recipe.text_dropout
        bags = [
            (name, self._thin(bag.take(records), name, targets, with_text))
            for name in TABLES
            for bag in self._bags[name]
            if len(bag.indices)
        ]
        hidden = np.sum([pooled(self._tables[name], bag) for name, bag in bags], axis=0)
        vectors = pooled(self._out, self._labels.bags)
        gradient = self._softmax_gradient(hidden @ vectors.T, records, targets)
        to_hidden, to_vectors = gradient @ vectors, gradient.T @ hidden
        for name, bag in bags:
            self._update(name, bag, to_hidden, rate)
        self._update_labels(to_vectors, gradient.sum(0), rate)

    def _thin(self, bag: Bags, name: str, targets: Ints, with_text: npt.NDArray[np.bool_]) -> Bags:
        mask = self._random.random(len(bag.indices)) >= self._recipe.dropout
        if name == "labels":
            mask &= bag.indices != targets[bag.rows]
        elif name in {"words", "pieces"}:
            mask &= with_text[bag.rows]
        return bag.keep(mask)

    def _softmax_gradient(self, scores: Floats, records: Ints, targets: Ints) -> Floats:
        """Return the gradient of the summed cross-entropy by the scores, ``[batch, labels]``."""
        scores += self._bias + self._log_q
        own = self._shown.take(records)
        others = own.indices != targets[own.rows]
        scores[own.rows[others], own.indices[others]] = -np.inf
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        scores[np.arange(len(targets)), targets] -= 1.0
        return scores

    def _update(self, name: str, bag: Bags, to_hidden: Floats, rate: float) -> None:
        """Adagrad with one step size for each feature's vector (its mean squared gradient), for features in use."""
        order = np.argsort(bag.indices, kind="stable")
        used, place = np.unique(bag.indices[order], return_inverse=True)
        values = to_hidden[bag.rows[order]] * root_weights(bag)[order][:, None]
        gradient = segment_sum(values, place, len(used))
        self._squares[name][used] += np.square(gradient).mean(1)
        self._tables[name][used] -= rate * gradient / np.sqrt(self._squares[name][used])[:, None]

    def _update_labels(self, to_vectors: Floats, to_bias: Floats, rate: float) -> None:
        features, rows, weights = self._out_order
        gradient = segment_sum(to_vectors[rows] * weights[:, None], features, len(self._out))
        self._out_squares += np.square(gradient).mean(1)
        self._out -= rate * gradient / np.sqrt(self._out_squares)[:, None]
        self._bias_squares += np.square(to_bias)
        self._bias -= 0.3 * rate * to_bias / np.sqrt(self._bias_squares)
