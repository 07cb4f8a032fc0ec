"""The words by which texts name the classes, and those that say what one thing does with another.

Classes go by the words of captions (``captions.generator.class_words``), the museums' terms that mean them
(``class_labels.csv``), their names in other languages (``iconography/names.csv``) and what ``told_words.csv``
adds; a word that could mean two classes means neither, unless it is the name of one. ``cues.csv`` has the cues, each
with its language, and a cue reads only words of its own: Dutch *beer* is a bear, but not in "a beer with a man".
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.captions.generator.class_words import phrases, plural
from sgob_tasks.context.documents import read_rows
from sgob_tasks.context.iconography.names import load_names
from sgob_tasks.context.iconography.words import split_words
from sgob_tasks.context.language.classes import class_labels
from sgob_tasks.context.scene_graph.things import PREDICATES
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError

CUES_CSV = Path(__file__).parent / "cues.csv"
WORDS_CSV = Path(__file__).parent / "told_words.csv"
SAYS, MAY, AND, BY, NONE, ATTRIBUTE = "says", "may", "and", "by", "none", "attribute"
READINGS = (SAYS, MAY, AND, BY, NONE, ATTRIBUTE)
ENGLISH = "en"

Phrase = tuple[str, ...]
"""Words as ``iconography.words.norm`` writes them."""


@dataclass(frozen=True)
class Cue:
    """What a word between two mentions says.

    Attributes:
        reading: ``says`` the predicate; ``may`` say one of them, as far as the roles of the two classes allow; ``and``
            goes on with what was said before, else it is a place; ``by`` has the object first; ``none`` says nothing of
            these two; ``attribute`` stands before its subject, or is it, and tells the object itself ("crowned").
        predicates: the first that the roles allow counts.
        object: class that an attribute tells; else empty.
    """

    reading: str
    predicates: tuple[str, ...]
    object: str = ""


@dataclass(frozen=True)
class Lexicon:
    """Mentions and cues, each by its words and then by language.

    Attributes:
        mentions: classes; empty for words that only look like one.
        cues: of all readings but attributes.
        attributes: single words.
    """

    mentions: Mapping[Phrase, Mapping[str, str]]
    cues: Mapping[Phrase, Mapping[str, Cue]]
    attributes: Mapping[Phrase, Mapping[str, Cue]]

    @functools.cached_property
    def beginnings(self) -> Mapping[str, tuple[Phrase, ...]]:
        """The mentions by their first word, the longest first."""
        found: dict[str, list[Phrase]] = {}
        for phrase in self.mentions:
            found.setdefault(phrase[0], []).append(phrase)
        return {word: tuple(sorted(known, key=len, reverse=True)) for word, known in found.items()}

    @functools.cached_property
    def longest_cue(self) -> int:
        """Words of the longest cue."""
        return max(map(len, self.cues), default=0)


def load_lexicon(table: ClassTable, cues: Path = CUES_CSV, words: Path = WORDS_CSV) -> Lexicon:
    """Return the words for the classes of a table.

    Raises:
        InputError: a table of words cannot be read, or a line does not fit; names file and line.
    """
    said = list(_cues(cues))
    return Lexicon(
        _mentions(table, words),
        _by_language((phrase, language, cue) for phrase, language, cue in said if cue.reading != ATTRIBUTE),
        _by_language((phrase, language, cue) for phrase, language, cue in said if cue.reading == ATTRIBUTE),
    )


def _by_language(entries: Iterable[tuple[Phrase, str, Cue]]) -> dict[Phrase, dict[str, Cue]]:
    found: dict[Phrase, dict[str, Cue]] = {}
    for phrase, language, cue in entries:
        found.setdefault(phrase, {})[language] = cue
    return found


def _mentions(table: ClassTable, words: Path) -> dict[Phrase, dict[str, str]]:
    """Return the words for classes: of the table of words, else of one class's own name, else of one class alone."""
    known: tuple[dict[tuple[Phrase, str], set[str]], ...] = ({}, {}, {})

    for row in read_rows(words, ("class", "language", "words"), ";"):
        if row["class"] in table or not row["class"]:  # classes of another table are not asked about
            for word in row["words"].split("|"):
                known[0].setdefault((as_phrase(word), row["language"]), set()).add(row["class"])
    for name in table:
        for own, language, text in _words_of(name):
            if phrase := as_phrase(text):
                known[1 if own else 2].setdefault((phrase, language), set()).add(name)
    found: dict[Phrase, dict[str, str]] = {}
    for rank in reversed(known):
        for (phrase, language), names in rank.items():
            found.setdefault(phrase, {})[language] = next(iter(names)) if len(names) == 1 else ""
    return found


def _words_of(name: str) -> Iterator[tuple[bool, str, str]]:
    """Yield the words for a class, whether they are its own name, and their language."""
    for phrase in phrases(name):
        text = " ".join(phrase)
        yield text in {name, plural(name)}, ENGLISH, text
    for language, text in load_names().get(name, {}).items():
        if language != ENGLISH:
            yield True, language, text
    for label in class_labels().get(name, ()):
        yield False, ENGLISH, label


def as_phrase(text: str) -> Phrase:
    """Return the words of a text as they are compared."""
    return tuple(word.norm for word in split_words(text))


def _cues(path: Path) -> Iterator[tuple[Phrase, str, Cue]]:
    for row in read_rows(path, ("reading", "predicates", "object", "language", "cues"), ";"):
        predicates = tuple(row["predicates"].split("|")) if row["predicates"] else ()
        if row["reading"] not in READINGS:
            raise InputError(path, "reading", row["reading"], f"must be one of {', '.join(READINGS)}")
        if not set(predicates) <= set(PREDICATES) or bool(predicates) == (row["reading"] == NONE):
            raise InputError(path, "predicates", row["predicates"], "must be predicates; none where nothing is said")
        if bool(row["object"]) != (row["reading"] == ATTRIBUTE):
            raise InputError(path, "object", row["object"], "must be a class of an attribute, and only of one")
        for text in row["cues"].split("|"):
            if not (phrase := as_phrase(text)):
                raise InputError(path, "cues", row["cues"], "must be words")
            yield phrase, row["language"], Cue(row["reading"], predicates, row["object"])
