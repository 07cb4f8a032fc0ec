"""The generator's network: two LSTMs, and attention over a memory of regions, title words and date.

Bottom-up and top-down attention (Anderson et al. 2018, arXiv 1707.07998): the first LSTM reads the word before, the
gist of the picture and what the second one has in mind, and asks; additive attention (Bahdanau et al., arXiv
1409.0473) answers with a weighted mean of the memory; the second LSTM says the next word. Regions are those of our
detector, each known by its class, its place, its score and, where there are any, its pooled features; they enter by a
linear layer. Beside them the memory holds the words of the title, the date, and a place for "nothing in particular"
(the sentinel of Lu et al. 2017, arXiv 1612.01887), so that a picture without a region is no special case.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from sgob_tasks.captions.generator.config import PADDING, GeneratorConfig
from sgob_tasks.captions.generator.encoding import BUCKETS, Seen, geometry_size

layers = tf.keras.layers
HIDDEN = -1e9
"""What is added to the attention of a place that is not there."""


class Memory(NamedTuple):
    """What the decoder can look at; M places of U numbers.

    Attributes:
        values: ``[B, M, U]``.
        keys: ``[B, M, A]``, ready to be compared.
        present: ``[B, M]``, 1 or 0.
        evenly: ``[B, M]``, weights of the mean over all regions; of the first place where there is no region.
        gist: ``[B, 4 * U]``, what the whole picture adds to the first LSTM's gates.
    """

    values: Any
    keys: Any
    present: Any
    evenly: Any
    gist: Any


class State(NamedTuple):
    """Outputs and cells of the two LSTMs, ``[B, U]`` each."""

    first: Any
    first_cell: Any
    second: Any
    second_cell: Any


class CaptionNetwork:
    """The network, as Keras layers with their weights made.

    Args:
        config: its shape.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        self.config = config
        units, size = config.units, config.embedding_size
        self.word = layers.Embedding(len(config.words), size, name="word")
        self.label = layers.Embedding(len(config.classes), size, name="label")
        self.region = layers.Dense(units, name="region")
        self.nothing = layers.Embedding(1, units, name="nothing")
        self.title = layers.Embedding(len(config.title_words), units, name="title") if config.title_words else None
        self.year = layers.Embedding(BUCKETS + 1, units, name="year") if config.years else None
        self.key = layers.Dense(config.attention_size, use_bias=False, name="key")
        self.query = layers.Dense(config.attention_size, name="query")
        self.judge = layers.Dense(1, use_bias=False, name="judge")
        self.gist = layers.Dense(4 * units, use_bias=False, name="gist")
        self.first_word = layers.Dense(4 * units, name="first_word")
        self.first_state = layers.Dense(4 * units, use_bias=False, name="first_state")
        self.second_input = layers.Dense(4 * units, name="second_input")
        self.say = layers.Dense(len(config.words), name="say")
        sources = 1 + (self.title is not None) + (self.year is not None)
        shapes = (
            (self.word, [None]),
            (self.label, [None]),
            (self.region, [None, size + geometry_size(config) + config.feature_size]),
            (self.nothing, [None]),
            (self.title, [None]),
            (self.year, [None]),
            (self.key, [None, units]),
            (self.query, [None, units]),
            (self.judge, [None, config.attention_size]),
            (self.gist, [None, sources * units]),
            (self.first_word, [None, size]),
            (self.first_state, [None, 2 * units]),
            (self.second_input, [None, 3 * units]),
            (self.say, [None, units]),
        )
        self._layers = [layer for layer, _ in shapes if layer is not None]
        for layer, shape in shapes:
            if layer is not None:
                layer.build(shape)

    @property
    def weights(self) -> list[Any]:
        """All variables in a fixed order."""
        return [weight for layer in self._layers for weight in layer.weights]

    @property
    def trainable_weights(self) -> list[Any]:
        """All but, without attention, those of the attention."""
        unused = [] if self.config.attention else [self.key, self.query, self.judge]
        idle = {id(weight) for layer in unused for weight in layer.weights}
        return [weight for weight in self.weights if id(weight) not in idle]

    @property
    def averaged_weights(self) -> list[Any]:
        """None: there is no batch norm."""
        return []

    def named_weights(self) -> dict[str, Any]:
        """Return the variables by layer and name, such as ``region/kernel``."""
        return {f"{layer.name}/{w.name.rsplit('/')[-1].split(':')[0]}": w for layer in self._layers for w in layer.weights}  # fmt: skip # noqa: E501

    def memory(self, seen: Seen, seed: Any = None) -> Memory:
        """Return what the decoder can look at.

        Args:
            seen: tensors of B pictures.
            seed: int32 ``[2]`` while training: with it, some regions are hidden; None hides none.
        """
        config, present = self.config, seen.present
        if seed is not None and config.region_dropout:
            kept = tf.random.stateless_uniform(tf.shape(present), seed) >= config.region_dropout
            present = present * tf.cast(kept, tf.float32)
        regions = self.region(tf.concat([self.label(seen.labels), seen.geometry, seen.features], -1))
        regions *= present[..., None]
        number = tf.reduce_sum(present, 1, keepdims=True)
        none = tf.cast(tf.equal(number, 0.0), tf.float32)
        first = self.nothing(tf.zeros([tf.shape(present)[0], 1], tf.int32))
        values, there = [first, regions], [tf.ones_like(none), present]
        means = [tf.reduce_sum(regions, 1) / tf.maximum(number, 1.0)]
        if self.title is not None:
            known = tf.cast(tf.not_equal(seen.title, PADDING), tf.float32)
            words = self.title(seen.title) * known[..., None]
            values.append(words)
            there.append(known)
            means.append(tf.reduce_sum(words, 1) / tf.maximum(tf.reduce_sum(known, 1, keepdims=True), 1.0))
        if self.year is not None:
            dates = self.year(seen.years)
            values.append(dates[:, None])
            there.append(tf.ones_like(none))
            means.append(dates)
        whole = tf.concat(values, 1)
        places = tf.concat(there, 1)
        evenly = tf.concat([none, present / tf.maximum(number, 1.0)], 1)
        evenly = tf.pad(evenly, [[0, 0], [0, config.memory_places - 1 - config.max_regions]])
        return Memory(whole, self.key(whole), places, evenly, self.gist(tf.concat(means, 1)))

    def attend(self, memory: Memory, asked: Any) -> Any:
        """Return the weights ``[B, M]`` of the memory's places, which sum to 1, for states ``[B, U]``."""
        if not self.config.attention:
            return memory.evenly
        scores = self.judge(tf.tanh(memory.keys + self.query(asked)[:, None]))[..., 0]
        return tf.nn.softmax(scores + (1.0 - memory.present) * HIDDEN)

    def advance(self, memory: Memory, word_gates: Any, state: State) -> tuple[State, Any]:
        """Return the next state, and the weights ``[B, M]`` with which the memory was looked at.

        Args:
            memory: of B pictures.
            word_gates: ``[B, 4 * U]`` from :meth:`gates` of the word before.
            state: after that word.
        """
        recurrent = self.first_state(tf.concat([state.first, state.second], 1))
        first, first_cell = _lstm(word_gates + memory.gist + recurrent, state.first_cell)
        weights = self.attend(memory, first)
        seen = tf.linalg.matvec(memory.values, weights, transpose_a=True)
        inputs = self.second_input(tf.concat([seen, first, state.second], 1))
        second, second_cell = _lstm(inputs, state.second_cell)
        return State(first, first_cell, second, second_cell), weights

    def gates(self, words: Any, seed: Any = None) -> Any:
        """Return what words ``[...]`` add to the first LSTM's gates, ``[..., 4 * U]``; dropout with a seed only."""
        return self.first_word(self._dropped(self.word(words), seed))

    def begin(self, count: Any) -> State:
        """Return the state before the first word of ``count`` captions."""
        return State(*(tf.zeros([count, self.config.units]) for _ in State._fields))

    def _dropped(self, values: Any, seed: Any) -> Any:
        if seed is None or not self.config.dropout:
            return values
        kept = tf.random.stateless_uniform(tf.shape(values), seed) >= self.config.dropout
        return values * tf.cast(kept, tf.float32) / (1.0 - self.config.dropout)

    def unroll(self, memory: Memory, words: Any, seed: Any = None) -> tuple[Any, Any]:
        """Return logits ``[B, T, V]`` of the next words and weights ``[B, T, M]``, given the ``[B, T]`` before."""
        gates = tf.transpose(self.gates(words, seed), [1, 0, 2])
        length, count = tf.shape(gates)[0], tf.shape(gates)[1]
        places, units = self.config.memory_places, self.config.units
        outputs = tf.TensorArray(tf.float32, length, element_shape=[None, units])
        looked = tf.TensorArray(tf.float32, length, element_shape=[None, places])

        def body(time: Any, state: State, outputs: Any, looked: Any) -> Any:
            state, weights = self.advance(memory, gates[time], state)
            return time + 1, state, outputs.write(time, state.second), looked.write(time, weights)

        _, _, outputs, looked = tf.while_loop(
            lambda time, *_: time < length, body, (0, self.begin(count), outputs, looked), parallel_iterations=1
        )
        said = self._dropped(tf.transpose(outputs.stack(), [1, 0, 2]), None if seed is None else seed + 1)
        return self.say(said), tf.transpose(looked.stack(), [1, 0, 2])

    def losses(self, seen: Seen, captions: Any, seed: Any) -> dict[str, Any]:
        """Return the losses of each caption, ``[B]``, by name.

        ``words``: mean cross entropy of its words. ``coverage``: how far the attention that each region gets over the
        whole caption is from 1, squared, mean over the regions (Xu et al. 2015, arXiv 1502.03044, equation 14).

        Args:
            seen: tensors of B pictures.
            captions: ``[B, T]`` int32 as ``Encoder.captions`` makes them.
            seed: int32 ``[2]`` of what is dropped.
        """
        longest = tf.reduce_max(tf.math.count_nonzero(captions, 1, dtype=tf.int32))
        captions = captions[:, :longest]
        memory = self.memory(seen, seed + 2)
        logits, weights = self.unroll(memory, captions[:, :-1], seed)
        counted = tf.cast(tf.not_equal(captions[:, 1:], PADDING), tf.float32)
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(captions[:, 1:], logits) * counted
        last = 1 + self.config.max_regions
        looked = tf.reduce_sum(weights * counted[..., None], 1)[:, 1:last]
        present = memory.present[:, 1:last]
        missed = tf.reduce_sum(tf.square(1.0 - looked) * present, 1) / tf.maximum(tf.reduce_sum(present, 1), 1.0)
        return {"words": tf.reduce_sum(entropy, 1) / tf.reduce_sum(counted, 1), "coverage": missed}


def _lstm(gates: Any, cell: Any) -> tuple[Any, Any]:
    """Return output and cell of an LSTM from its summed gates: input, forget (with a bias of 1), new, output."""
    enter, forget, new, leave = tf.split(gates, 4, 1)
    cell = tf.sigmoid(forget + 1.0) * cell + tf.sigmoid(enter) * tf.tanh(new)
    return tf.sigmoid(leave) * tf.tanh(cell), cell
