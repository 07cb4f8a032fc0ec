"""Captions from a trained network: beam search over batches of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from sgob_tasks.captions.generator.beam import Hypothesis, beam_search
from sgob_tasks.captions.generator.class_words import forbidden_phrases
from sgob_tasks.captions.generator.encoding import Encoder, Seen, chosen_regions, geometry_size
from sgob_tasks.captions.generator.network import CaptionNetwork, Memory, State
from sgob_tasks.captions.generator.regions import Picture
from sgob_tasks.captions.tokens import to_sentence


@dataclass(frozen=True)
class Word:
    """A word of a caption and where the generator looked for it.

    Attributes:
        text: in lower case.
        regions: places in the picture's regions, and the weight of each; the largest first.
        elsewhere: weight of everything else: title, date, nothing in particular, regions with little weight.
    """

    text: str
    regions: tuple[tuple[int, float], ...]
    elsewhere: float


@dataclass(frozen=True)
class Caption:
    """What the generator says of a picture.

    Attributes:
        text: a sentence.
        log_prob: natural logarithm of its probability, its end included.
        words: with their attention.
        others: the other captions of the beam with their log probabilities, best first.
        forbidden: classes that it was not to name.
    """

    text: str
    log_prob: float
    words: tuple[Word, ...]
    others: tuple[tuple[str, float], ...]
    forbidden: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the caption as the job's results hold it."""
        return {
            "caption": self.text,
            "log_prob": round(self.log_prob, 5),
            "tokens": [
                {"word": word.text, "regions": [list(pair) for pair in word.regions], "elsewhere": word.elsewhere}
                for word in self.words
            ],
            "beam": [{"caption": text, "log_prob": round(value, 5)} for text, value in self.others],
            "forbidden": list(self.forbidden),
        }


class Generator:
    """A trained network, ready for pictures.

    Args:
        network: the network.
        batch_size: pictures at a time; the last batch is padded, so that the graphs are traced once.
        beam_width: captions of a picture that are followed at a time.
        length_alpha: see ``beam.length_penalty``.
        attention_places: regions that are kept for each word.
    """

    def __init__(
        self,
        network: CaptionNetwork,
        *,
        batch_size: int = 32,
        beam_width: int = 3,
        length_alpha: float = 0.7,
        attention_places: int = 5,
    ) -> None:
        self.network, self.batch_size, self.beam_width = network, batch_size, beam_width
        self._alpha, self._most = length_alpha, attention_places
        config, rows = network.config, batch_size * beam_width
        self._encoder = Encoder(config)
        spec, places = tf.TensorSpec, config.memory_places
        seen = Seen(
            spec([batch_size, config.max_regions], tf.int32),
            spec([batch_size, config.max_regions, geometry_size(config)]),
            spec([batch_size, config.max_regions, config.feature_size]),
            spec([batch_size, config.max_regions]),
            spec([batch_size, max(1, config.max_title_words)], tf.int32),
            spec([batch_size], tf.int32),
        )
        memory = Memory(
            spec([rows, places, config.units]),
            spec([rows, places, config.attention_size]),
            spec([rows, places]),
            spec([rows, places]),
            spec([rows, 4 * config.units]),
        )
        state = State(*(spec([rows, config.units]) for _ in State._fields))
        self._remember = tf.function(self._repeated_memory, input_signature=seen, autograph=False)
        self._step = tf.function(
            self._advance, input_signature=[memory, spec([rows], tf.int32), state], autograph=False
        )

    def _repeated_memory(self, *seen: Any) -> Memory:
        memory = self.network.memory(Seen(*seen))
        return Memory(*(tf.repeat(value, self.beam_width, axis=0) for value in memory))

    def _advance(self, memory: Memory, words: Any, state: State) -> Any:
        state, weights = self.network.advance(memory, self.network.gates(words), state)
        return tf.nn.log_softmax(self.network.say(state.second)), weights, state

    def describe_all(self, pictures: Iterable[Picture]) -> Iterator[Caption]:
        """Yield a caption for each picture, in their order, a batch at a time."""
        rest = iter(pictures)
        while batch := list(islice(rest, self.batch_size)):
            yield from self.describe(batch)

    def describe(self, pictures: Sequence[Picture]) -> list[Caption]:
        """Return a caption for each of at most ``batch_size`` pictures.

        Raises:
            ValueError: more pictures than ``batch_size``.
            InputError: the features of a picture are missing or of another size.
        """
        if len(pictures) > self.batch_size:
            raise ValueError(f"{len(pictures)} pictures do not fit into a batch of {self.batch_size}")
        empty = [Picture("", 1, 1)] * (self.batch_size - len(pictures))
        if self.network.config.feature_size:
            none = np.zeros((0, self.network.config.feature_size), np.float16)
            empty = [Picture("", 1, 1, features=none)] * len(empty)
        memory = self._remember(*map(tf.constant, self._encoder.pictures([*pictures, *empty])))

        def advance(words: npt.NDArray[np.int32], state: State) -> Any:
            log_probs, weights, after = self._step(memory, tf.constant(words), state)
            return log_probs.numpy(), weights.numpy(), after

        def pick(state: State, parents: npt.NDArray[np.intp]) -> State:
            return State(*(tf.gather(value, parents) for value in state))

        phrases = [self._phrases(picture) for picture in pictures]
        found = beam_search(
            advance,
            pick,
            self.network.begin(self.batch_size * self.beam_width),
            pictures=self.batch_size,
            width=self.beam_width,
            most_words=self.network.config.max_words,
            alpha=self._alpha,
            forbidden=[*phrases, *([()] * len(empty))],
        )
        return [self._caption(picture, best) for picture, best in zip(pictures, found[: len(pictures)], strict=True)]

    def _phrases(self, picture: Picture) -> list[tuple[int, ...]]:
        shown = {region.label for region in picture.regions} - set(picture.forbidden)
        numbers = (self._encoder.phrase(words) for words in forbidden_phrases(picture.forbidden, shown))
        return [phrase for phrase in numbers if phrase]

    def _text(self, hypothesis: Hypothesis) -> list[str]:
        return [self.network.config.words[number] for number in hypothesis.words]

    def _caption(self, picture: Picture, found: Sequence[Hypothesis]) -> Caption:
        best, words = found[0], self._text(found[0])
        chosen = chosen_regions(picture, self.network.config)
        told = tuple(self._word(word, weights, chosen) for word, weights in zip(words, best.attention, strict=True))
        others = tuple((to_sentence(self._text(one)), one.log_prob) for one in found[1:])
        return Caption(to_sentence(words), best.log_prob, told, others, tuple(picture.forbidden))

    def _word(self, word: str, weights: npt.NDArray[np.float32], chosen: Sequence[int]) -> Word:
        of_regions = weights[1 : 1 + len(chosen)]
        order = np.argsort(-of_regions, kind="stable")[: self._most]
        kept = tuple(
            (chosen[place], round(float(of_regions[place]), 4)) for place in order if of_regions[place] >= 5e-4
        )
        return Word(word, kept, round(max(0.0, 1.0 - sum(weight for _, weight in kept)), 4))
