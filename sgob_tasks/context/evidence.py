"""What the words say of a box: the interface between the fusion and a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sgob_tasks.context.date_range import DateRange


@dataclass(frozen=True)
class Work:
    """What is known of the artwork that a picture shows.

    Attributes:
        title, description: of the metadata, in any language; empty where there is none.
        date: its years; None where they are not known.
    """

    title: str = ""
    description: str = ""
    date: DateRange | None = None


@dataclass(frozen=True)
class LanguageEvidence:
    """What a language model says of the candidates of one box.

    Attributes:
        log_ratios: by class, the logarithm of its probability given words and labels over that given nothing; a class
            that the model does not know is missing.
        kinds: the share of each kind of evidence (title, description, labels, ...) in it, by kind and class.
        words: by class, the words of the texts that speak for it most, best first.
    """

    log_ratios: Mapping[str, float]
    kinds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)


NO_LANGUAGE = LanguageEvidence({})


class LabelJudge(Protocol):
    """A language model, as the fusion asks it."""

    @property
    def version(self) -> str:
        """Name of the model, kept with what it decides."""

    def judge(self, work: Work, labels: Sequence[str], candidates: Sequence[str]) -> LanguageEvidence:
        """Judge which of the candidates the work shows, given the labels of the other boxes."""
