"""Turns what is known of a picture into numbers of features, kind by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sgob_tasks.context.language import text
from sgob_tasks.context.language.bags import Bags, Ints, Vocabulary
from sgob_tasks.context.language.records import Record

TITLE, DESCRIPTION, SUBJECTS, LABELS, DATE, PRIOR = "title", "description", "subjects", "labels", "date", "prior"
TEXTS = (TITLE, DESCRIPTION, SUBJECTS)
EVIDENCE = (*TEXTS, LABELS, DATE)
"""Kinds of evidence; ``prior`` is what is known of a label before any of it."""

MIN_WORD_RECORDS = 2
MIN_PIECE_RECORDS = 3


@dataclass(frozen=True)
class Context:
    """What is known of a picture besides the label that is asked about.

    Attributes:
        title, description: texts in any language; may be empty.
        subjects: subject terms of its record.
        labels: other things that it shows.
        year: middle of its years; None where they are not known.
    """

    title: str = ""
    description: str = ""
    subjects: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    year: int | None = None

    @classmethod
    def of(cls, record: Record, without: str | None = None) -> Context:
        """Return what a training record says besides one of its labels."""
        labels = tuple(label for label in record.labels if label != without)
        return cls(record.title, record.description, (), labels, record.year)

    def field(self, kind: str) -> str:
        """Return one of the texts."""
        return {TITLE: self.title, DESCRIPTION: self.description, SUBJECTS: " | ".join(self.subjects)}[kind]


@dataclass(frozen=True)
class Encoded:
    """Contexts in numbers; every bag has a row per context.

    Attributes:
        words: words and pairs of words, by kind of text.
        pieces: pieces of words, by kind of text.
        stems: the words themselves, by kind of text: for comparison with a label's words.
        labels: numbers of the labels that are known.
        dates: spans of years that the picture lies in, ``DATE_FEATURES`` of them or none.
        quarters: the quarter-century alone.
    """

    words: Mapping[str, Bags]
    pieces: Mapping[str, Bags]
    stems: Mapping[str, Sequence[frozenset[str]]]
    labels: Bags
    dates: Bags
    quarters: Bags

    def __len__(self) -> int:
        """Return the number of contexts."""
        return len(self.labels)


def date_features(year: int | None) -> list[str]:
    """Return the spans of years that a year lies in: two quarter-centuries that overlap, a decade, the year itself."""
    if year is None:
        return ["undated"]
    return [f"quarter {year // 25}", f"shifted {(year + 12) // 25}", f"decade {year // 10}", f"year {year}"]


def quarter_features(year: int | None) -> list[str]:
    """Return the quarter-century."""
    return [] if year is None else [f"quarter {year // 25}"]


@dataclass(frozen=True)
class Encoder:
    """The features that were seen in training, and the labels."""

    words: Vocabulary
    pieces: Vocabulary
    labels: Vocabulary
    dates: Vocabulary

    @classmethod
    def fit(cls, records: Iterable[Record]) -> Encoder:
        """Collect the features of records, those that occur too seldom to learn from left out."""
        words: Counter[str] = Counter()
        pieces: Counter[str] = Counter()
        labels: dict[str, None] = {}
        dates: dict[str, None] = {}
        for record in records:
            both = [text.words(field) for field in (record.title, record.description)]
            words.update(set().union(*(text.word_features(stems) for stems in both)))
            pieces.update(set().union(*(text.pieces(stems) for stems in both)))
            labels.update(dict.fromkeys(record.labels))
            dates.update(dict.fromkeys(date_features(record.year)))
        return cls(
            # Sorted: sets have another order in every process.
            Vocabulary(sorted(word for word, count in words.items() if count >= MIN_WORD_RECORDS)),
            Vocabulary(sorted(piece for piece, count in pieces.items() if count >= MIN_PIECE_RECORDS)),
            Vocabulary(sorted(labels)),
            Vocabulary(sorted(dates)),
        )

    def encode(self, contexts: Sequence[Context]) -> Encoded:
        """Return contexts in numbers; what was not seen in training is left out."""
        stems = {kind: [text.words(context.field(kind)) for context in contexts] for kind in TEXTS}
        return Encoded(
            words={
                kind: Bags.of([self.words.numbers(text.word_features(found)) for found in rows])
                for kind, rows in stems.items()
            },
            pieces={
                kind: Bags.of([self.pieces.numbers(text.pieces(found)) for found in rows])
                for kind, rows in stems.items()
            },
            stems={kind: [frozenset(found) for found in rows] for kind, rows in stems.items()},
            labels=Bags.of([self._known_labels(context.labels) for context in contexts]),
            dates=Bags.of([self.dates.numbers(date_features(context.year)) for context in contexts]),
            quarters=Bags.of([self.dates.numbers(quarter_features(context.year)) for context in contexts]),
        )

    def _known_labels(self, labels: Iterable[str]) -> list[int]:
        return self.labels.numbers(dict.fromkeys(text.label_key(label) for label in labels))


@dataclass(frozen=True)
class Pairs:
    """Contexts with the labels that are asked about.

    Attributes:
        rows: number of the context of each pair, ascending, ``[pairs]``.
        labels: number of the label of each pair, -1 where it is not known, ``[pairs]``.
        names: key of the label of each pair.
    """

    rows: Ints
    labels: Ints
    names: Sequence[str]
