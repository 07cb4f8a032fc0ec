"""The words that name a class in a sentence: singular, plural, and what else people call it.

``class_words.csv`` has them for every class that time context can rule out, and for those whose plural is irregular or
which people call by other names. All other classes have their name and its regular plural.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sgob_tasks.captions.tokens import tokenise

CLASS_WORDS_CSV = Path(__file__).parent / "class_words.csv"

Phrase = tuple[str, ...]


@functools.cache
def _table() -> dict[str, tuple[Phrase, ...]]:
    with CLASS_WORDS_CSV.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    return {row["class_name"]: tuple(tuple(tokenise(words)) for words in row["words"].split("|")) for row in rows}


def plural(noun: str) -> str:
    """Return the regular plural of an English noun; of several words, that of the last."""
    if re.search(r"(?:s|x|z|ch|sh)$", noun):
        return f"{noun}es"
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def phrases(class_name: str) -> tuple[Phrase, ...]:
    """Return the phrases, each one or more lower-case words, that name a class; those of the table or the regular ones.

    A name without letters or digits has none.
    """
    known = _table().get(class_name.lower())
    if known is not None:
        return known
    words = tokenise(class_name)
    return (tuple(words), (*words[:-1], plural(words[-1]))) if words else ()


def names(tokens: Sequence[str], class_name: str) -> bool:
    """Tell whether a caption, given as its words, names a class."""
    return any(_contains(tokens, phrase) for phrase in phrases(class_name))


def _contains(tokens: Sequence[str], phrase: Phrase) -> bool:
    return any(tuple(tokens[start : start + len(phrase)]) == phrase for start in range(len(tokens) - len(phrase) + 1))


def forbidden_phrases(ruled_out: Iterable[str], shown: Iterable[str] = ()) -> tuple[Phrase, ...]:
    """Return the phrases that a caption must not contain, each once, sorted.

    Args:
        ruled_out: classes that the picture cannot show.
        shown: classes that it does show; a word that names one of them as well stays allowed.
    """
    allowed = {phrase for name in shown for phrase in phrases(name)}
    return tuple(sorted({phrase for name in ruled_out for phrase in phrases(name)} - allowed))
