"""What a caption generator looks like: its words, its classes, its sizes, and its JSON form."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from sgob_tasks.errors import InputError

PADDING, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
"""The first entries of every vocabulary."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of the network, and what its numbers mean.

    Attributes:
        words: words of captions, ``SPECIAL`` first.
        title_words: words of titles, ``SPECIAL`` first; empty for a generator that does not read titles.
        classes: labels of regions, the empty label first; a label that is not among them counts as unknown (empty).
        years: also read the date.
        fine_places: also tell where regions are in finer grain, and their order (see ``encoding.fine_places``).
        feature_size: numbers in a region's pooled features; 0 for a generator that does without.
        max_regions: regions of a picture that are looked at, those with the highest scores.
        max_title_words: words of a title that are read.
        max_words: words of a caption, at most.
        units: of each of the two LSTMs, and of a place in the memory.
        embedding_size: numbers of a word and of a class.
        attention_size: of the layer that compares state and memory.
        dropout: share of word vectors and of the last layer's inputs that is dropped while training.
        region_dropout: share of regions that is hidden while training: detectors miss things.
        attention: False looks at the mean of all regions for every word: the baseline without attention.
    """

    words: tuple[str, ...]
    title_words: tuple[str, ...]
    classes: tuple[str, ...]
    years: bool = True
    fine_places: bool = False
    feature_size: int = 0
    max_regions: int = 20
    max_title_words: int = 8
    max_words: int = 40
    units: int = 192
    embedding_size: int = 96
    attention_size: int = 96
    dropout: float = 0.2
    region_dropout: float = 0.05
    attention: bool = True

    def __post_init__(self) -> None:
        for name in ("words", "title_words"):
            words = getattr(self, name)
            if (words or name == "words") and tuple(words[: len(SPECIAL)]) != SPECIAL:
                raise InputError("generator", name, words[:5], f"must begin with {', '.join(SPECIAL)}")
        if not self.classes or self.classes[0] != "":
            raise InputError("generator", "classes", self.classes[:5], "must begin with the empty label")
        for name in ("max_regions", "max_words", "units", "embedding_size", "attention_size"):
            if getattr(self, name) < 1:
                raise InputError("generator", name, getattr(self, name), "must be 1 or more")
        for name in ("dropout", "region_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError("generator", name, getattr(self, name), "must be from 0 to below 1")

    @property
    def memory_places(self) -> int:
        """Places that the decoder can look at: the picture as a whole, regions, title words, date."""
        return 1 + self.max_regions + (self.max_title_words if self.title_words else 0) + int(self.years)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dataclasses.asdict(self)


def config_from_json(values: Any, source: object) -> GeneratorConfig:
    """Read a configuration back from ``GeneratorConfig.to_json``.

    Raises:
        InputError: a field is unknown or missing, or a value does not fit.
    """
    if not isinstance(values, dict):
        raise InputError(source, "config", values, "must be an object")
    known = {entry.name: entry for entry in dataclasses.fields(GeneratorConfig)}
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(source, unknown[0], values[unknown[0]], "is no field of the generator's configuration")
    missing = [name for name in ("words", "title_words", "classes") if not isinstance(values.get(name), (list, tuple))]
    if missing:
        raise InputError(source, missing[0], values.get(missing[0]), "must be a list")
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return GeneratorConfig(**given)
