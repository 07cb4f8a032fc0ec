"""The trained language model as the fusion asks it (``evidence.LabelJudge``)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from sgob_tasks.context.evidence import LanguageEvidence, Work
from sgob_tasks.context.language.classes import ClassEvidence, ClassScorer
from sgob_tasks.context.language.model_files import load_model

KEPT = 512
"""Answers that are kept: boxes of one picture that are alike are asked about in the same context."""
WORDS_SHOWN = 3
TEXTS = ("title", "description")


class LanguageJudge:
    """A language model that judges classes by texts, date and the labels of the other boxes."""

    def __init__(self, scorer: ClassScorer) -> None:
        """Take a model that speaks of the detector's classes."""
        self._scorer = scorer
        self._score = functools.lru_cache(KEPT)(self._ask)

    @classmethod
    def load(cls, folder: Path) -> LanguageJudge:
        """Read a model that ``sgob context train-lm`` wrote.

        Raises:
            InputError: the folder holds none.
        """
        return cls(ClassScorer(load_model(folder)))

    @property
    def version(self) -> str:
        """The model's version, short."""
        return self._scorer.model.info.version[:12]

    def judge(self, work: Work, labels: Sequence[str], candidates: Sequence[str]) -> LanguageEvidence:
        """Judge which of the candidates the work shows; classes that the model does not know are left out."""
        years = [year for year in (work.date.year_from, work.date.year_to) if year is not None] if work.date else []
        year = sum(years) // len(years) if years else None
        found = self._score(work.title, work.description, year, tuple(labels), tuple(sorted(candidates)))
        known = [one for one in found if one.label is not None]
        kinds = sorted({kind for one in known for kind, value in one.by_kind.items() if value})
        return LanguageEvidence(
            {one.name: one.log_ratio for one in known},
            {kind: {one.name: one.by_kind[kind] for one in known} for kind in kinds},
            {one.name: words for one in known if (words := _words(one))},
        )

    def _ask(
        self, title: str, description: str, year: int | None, labels: tuple[str, ...], candidates: tuple[str, ...]
    ) -> list[ClassEvidence]:
        return self._scorer.score_labels(candidates, title=title, description=description, year=year, labels=labels)


def _words(one: ClassEvidence) -> list[str]:
    """Return the words of the text that speaks most for a class; none where something else speaks more."""
    kind = max(TEXTS, key=lambda text: one.by_kind.get(text, 0.0))
    if one.by_kind.get(kind, 0.0) <= 0.0 or one.by_kind[kind] < max(one.by_kind.values()):
        return []
    return list(one.words.get(kind, ()))[:WORDS_SHOWN]
