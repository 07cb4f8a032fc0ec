"""The detector's classes in the words of the training records: evidence for a class is that for its labels.

A class is known by its own name, by its kinds as museums write them ("dog - non-specific", "boat, sailing"), and by the
names of ``class_labels.csv``. The evidence for a class is that for any of its labels: the mean of their probability
ratios, weighted by how often each occurs. A class with no label in the training records gets none (0).
"""

from __future__ import annotations

import csv
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sgob_tasks.context.language.encoder import EVIDENCE, Context
from sgob_tasks.context.language.model import LanguageModel
from sgob_tasks.errors import InputError

CLASS_LABELS_CSV = Path(__file__).parent / "class_labels.csv"
NEUTRAL: Mapping[str, float] = dict.fromkeys(EVIDENCE, 0.0)


@dataclass(frozen=True)
class ClassEvidence:
    """What a picture's texts, other labels and date say of one class of the detector.

    Attributes:
        name: the class.
        label: the label of the training records that says most of it; None where there is none.
        log_ratio: by what factor the context makes the class more probable, as a natural logarithm; 0 says nothing.
        by_kind: the summands of ``log_ratio`` by kind of evidence.
        words: for the kinds of text and for ``labels``, what speaks most for it.
    """

    name: str
    label: str | None
    log_ratio: float
    by_kind: Mapping[str, float] = field(default_factory=lambda: dict(NEUTRAL))
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)


@functools.lru_cache(maxsize=4)
def class_labels(path: Path = CLASS_LABELS_CSV) -> Mapping[str, tuple[str, ...]]:
    """Read the table of other names of classes.

    Raises:
        InputError: it cannot be read, or a line does not fit.
    """
    found: dict[str, tuple[str, ...]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, delimiter=";", strict=True)
            if next(reader, None) != ["class", "labels"]:
                raise InputError(path, "header", None, "must be class;labels")
            for row in reader:
                if len(row) != 2 or not all(row) or row[0] in found:
                    raise InputError(path, f"line {reader.line_num}", row, "must be a new class and its labels")
                found[row[0]] = tuple(row[1].split("|"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "file", path.name, f"cannot be read as CSV in UTF-8: {error}") from error
    return found


class ClassScorer:
    """A language model that speaks of the detector's classes."""

    def __init__(self, model: LanguageModel, names: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Prepare a model.

        Args:
            model: a trained model.
            names: other names of classes; by default those of the package.
        """
        self.model = model
        self._names = class_labels() if names is None else names
        self._found: dict[str, tuple[str, ...]] = {}

    def labels_of(self, name: str) -> tuple[str, ...]:
        """Return the labels of the training records that mean a class, or a kind of it."""
        if name not in self._found:
            vocabulary = self.model.components.encoder.labels
            own = [name, f"{name} - non-specific", *self._names.get(name, ())]
            kinds = [label for label in vocabulary.names if label.startswith(f"{name}, ")]
            self._found[name] = tuple(label for label in dict.fromkeys([*own, *kinds]) if label in vocabulary)
        return self._found[name]

    def _usual_label(self, name: str) -> str | None:
        """Return the label by which records most often say that a work shows a class, before its kinds."""
        known = self.labels_of(name)
        plain = [label for label in known if label in {name, f"{name} - non-specific"}]
        return max(plain or known, key=self._count, default=None)

    def _count(self, label: str) -> int:
        return int(self.model.components.counts[self.model.components.encoder.labels.number(label)])

    def score_labels(
        self,
        candidates: Sequence[str],
        *,
        title: str = "",
        description: str = "",
        subjects: Sequence[str] = (),
        year: int | None = None,
        labels: Sequence[str] = (),
    ) -> list[ClassEvidence]:
        """Return what a record says of each class, in their order, whatever the other candidates are.

        Args:
            candidates: classes of the detector (or any names).
            title: of the record.
            description: of the record.
            subjects: its subject terms.
            year: middle of its years; None where they are not known.
            labels: classes of the other boxes of the picture.
        """
        others = tuple(usual for label in labels if (usual := self._usual_label(label)) is not None)
        context = Context(title, description, tuple(subjects), others, year)
        meant = [self.labels_of(name) for name in candidates]
        flat = list(dict.fromkeys(label for row in meant for label in row))
        found = {one.label: one for one in self.model.evidence(context, flat)} if flat else {}
        return [
            self._joined(name, context, [(found[label].by_kind, label) for label in row])
            for name, row in zip(candidates, meant, strict=True)
        ]

    def _joined(self, name: str, context: Context, rows: Sequence[tuple[Mapping[str, float], str]]) -> ClassEvidence:
        if not rows:
            return ClassEvidence(name, None, 0.0)
        counts = [float(self._count(label)) for _, label in rows]
        by_kind = {
            kind: math.log(
                sum(count * math.exp(row[kind]) for (row, _), count in zip(rows, counts, strict=True)) / sum(counts)
            )
            for kind in EVIDENCE
        }
        best = max(
            range(len(rows)), key=lambda place: (math.log(counts[place]) + math.fsum(rows[place][0].values()), -place)
        )
        label = rows[best][1]
        words = {kind: self.model.words_for(context, label, kind) for kind in EVIDENCE if by_kind[kind] > 0}
        words = {kind: found for kind, found in words.items() if found}
        return ClassEvidence(name, label, math.fsum(by_kind.values()), by_kind, words)
