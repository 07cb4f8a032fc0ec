"""Pictures and captions as the arrays that the network takes. NumPy only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sgob_tasks.captions.generator.config import END, PADDING, SPECIAL, START, UNKNOWN, GeneratorConfig
from sgob_tasks.captions.generator.regions import Picture, Region
from sgob_tasks.captions.tokens import tokenise
from sgob_tasks.errors import InputError

GEOMETRY = 9
"""Numbers that say where a region is: x1, y1, x2, y2, middle (x, y), width, height (shares of the picture), score."""

ACROSS, DOWN, ORDERS = 16, 8, 10
"""Steps in which the middle of a region is told in finer grain, and places of an order; the last is for all others."""

FIRST_YEAR, YEARS_A_BUCKET, BUCKETS = 1000, 25, 44
"""Dates are told apart by quarters of a century, from 1000 to 2100; bucket 0 is for pictures without a date."""

LONGEST_TITLE = 2000
"""Characters of a title that are read: some museums put the whole description there."""

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]


class Seen(NamedTuple):
    """What the network sees of B pictures; R regions, W title words, F features.

    Attributes:
        labels: ``[B, R]``, 0 for unknown and for padding.
        geometry: ``[B, R, geometry_size(config)]``.
        features: ``[B, R, F]``.
        present: ``[B, R]``, 1 for a region, 0 for padding.
        title: ``[B, W]``, 0 for padding.
        years: ``[B]``, 0 where the date is not known.
    """

    labels: Integers
    geometry: Floats
    features: Floats
    present: Floats
    title: Integers
    years: Integers

    def at(self, places: npt.NDArray[np.intp]) -> Seen:
        """Return some of the pictures."""
        return Seen(*(values[places] for values in self))  # type: ignore[arg-type]  # each keeps its type


def vocabulary(texts: Iterable[Sequence[str]], least: int, most: int) -> tuple[str, ...]:
    """Return the words that occur at least ``least`` times, the most frequent ``most`` of them, ``SPECIAL`` first."""
    counts = Counter(word for words in texts for word in words if word not in SPECIAL)
    frequent = sorted((word for word in counts if counts[word] >= least), key=lambda word: (-counts[word], word))
    return (*SPECIAL, *frequent[:most])


def chosen_regions(picture: Picture, config: GeneratorConfig) -> list[int]:
    """Return the places, in the picture, of the regions that the network looks at: the best scores, best first."""
    order = sorted(range(len(picture.regions)), key=lambda place: (-picture.regions[place].score, place))
    return order[: config.max_regions]


class Encoder:
    """Turns pictures and captions into arrays for one configuration."""

    def __init__(self, config: GeneratorConfig) -> None:
        self.config = config
        self._words = {word: number for number, word in enumerate(config.words)}
        self._title_words = {word: number for number, word in enumerate(config.title_words)}
        self._classes = {name: number for number, name in enumerate(config.classes)}

    def pictures(self, pictures: Sequence[Picture]) -> Seen:
        """Return the arrays of pictures.

        Raises:
            InputError: the features of a picture are missing or have another size.
        """
        config, count = self.config, len(pictures)
        places, wide = config.max_regions, max(1, config.max_title_words)
        seen = Seen(
            np.zeros((count, places), np.int32),
            np.zeros((count, places, geometry_size(config)), np.float32),
            np.zeros((count, places, config.feature_size), np.float32),
            np.zeros((count, places), np.float32),
            np.zeros((count, wide), np.int32),
            np.zeros(count, np.int32),
        )
        for row, picture in enumerate(pictures):
            chosen = chosen_regions(picture, config)
            if config.feature_size:
                seen.features[row, : len(chosen)] = self._features(picture)[chosen]
            for place, index in enumerate(chosen):
                region = picture.regions[index]
                seen.labels[row, place] = self._classes.get(region.label, 0)
                seen.geometry[row, place, :GEOMETRY] = _geometry(region, picture)
                seen.present[row, place] = 1.0
            if config.fine_places:
                seen.geometry[row, : len(chosen), GEOMETRY:] = fine_places(seen.geometry[row, : len(chosen), :GEOMETRY])
            title = [self._title_words.get(word, UNKNOWN) for word in tokenise(picture.title[:LONGEST_TITLE])]
            title = title[: config.max_title_words] if config.title_words else []
            seen.title[row, : len(title)] = title
            seen.years[row] = _bucket(picture) if config.years else 0
        return seen

    def _features(self, picture: Picture) -> npt.NDArray[np.float16]:
        found, size = picture.features, self.config.feature_size
        if found is None or found.shape != (len(picture.regions), size):
            shape = None if found is None else found.shape
            raise InputError(picture.sha256, "features", shape, f"must be [{len(picture.regions)}, {size}]")
        return found

    def captions(self, captions: Sequence[Sequence[str]]) -> Integers:
        """Return ``[N, max_words + 2]``: start, words, end, padding; what is too long is cut off before its end."""
        most = self.config.max_words
        rows = np.full((len(captions), most + 2), PADDING, np.int32)
        for row, words in enumerate(captions):
            numbers = [self._words.get(word, UNKNOWN) for word in words[:most]]
            rows[row, : len(numbers) + 2] = [START, *numbers, END]
        return rows

    def phrase(self, words: Sequence[str]) -> tuple[int, ...] | None:
        """Return the numbers of a phrase's words; None where the generator cannot say it anyway."""
        numbers = tuple(self._words.get(word, -1) for word in words)
        return None if -1 in numbers else numbers


def geometry_size(config: GeneratorConfig) -> int:
    """Return how many numbers say where a region is."""
    return GEOMETRY + (ACROSS + DOWN + 3 * ORDERS if config.fine_places else 0)


def fine_places(geometry: Floats) -> Floats:
    """Return where regions are in finer grain, and which of them comes first.

    A network that reads coordinates as they are has to learn steep functions of them before it can tell neighbours
    apart. So the middle is also told as bumps (radial basis functions) across and down the picture, and three orders as
    places: from left to right, from near (low) to far, from large to small.

    Args:
        geometry: ``[R, GEOMETRY]`` of a picture's regions.

    Returns:
        ``[R, ACROSS + DOWN + 3 * ORDERS]``.
    """
    bumps = [
        np.exp(-0.5 * np.square(geometry[:, axis, None] * steps - (np.arange(steps) + 0.5)))
        for axis, steps in ((4, ACROSS), (5, DOWN))
    ]
    orders = []
    for values in (geometry[:, 4], -geometry[:, 3], -geometry[:, 6] * geometry[:, 7]):
        ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        orders.append(np.eye(ORDERS)[np.minimum(ranks, ORDERS - 1)])
    told: Floats = np.concatenate([*bumps, *orders], 1).astype(np.float32)
    return told


def _geometry(region: Region, picture: Picture) -> tuple[float, ...]:
    x, y, width, height = region.box
    x, width, y, height = x / picture.width, width / picture.width, y / picture.height, height / picture.height
    return (x, y, x + width, y + height, x + width / 2, y + height / 2, width, height, region.score)


def _bucket(picture: Picture) -> int:
    years = [year for year in (picture.year_from, picture.year_to) if year is not None]
    if not years:
        return 0
    middle = sum(years) / len(years)
    return 1 + int(min(max((middle - FIRST_YEAR) // YEARS_A_BUCKET, 0), BUCKETS - 1))
