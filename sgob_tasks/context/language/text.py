"""What the model reads in a text: words with their plural taken off, pairs of words, pieces of words.

Pieces (character 4- and 5-grams) make inflected and compounded words of many languages, and misspelt ones, look alike;
a text in a script that no training title has simply has no known features.
"""

from __future__ import annotations

import html
import itertools
import re
import unicodedata
from collections.abc import Iterable

MAX_CHARACTERS = 4000
"""Of a text, only its beginning is read: what is depicted stands there."""
MAX_WORDS = 60
MAX_PIECES = 150
MAX_WORD_CHARACTERS = 30

_TAG = re.compile(r"<[^<>]{0,200}>")
_WORD = re.compile(r"[^\W\d_]+")


def fold(text: str) -> str:
    """Return a text without markup, case and accents."""
    plain = _TAG.sub(" ", html.unescape(text[:MAX_CHARACTERS]))
    decomposed = unicodedata.normalize("NFKD", plain.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def stem(word: str) -> str:
    """Take the English plural off (after the S-stemmer of Harman, 1991); other words stay as they are."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def words(text: str) -> list[str]:
    """Return the stems of a text's words, in their order."""
    return [stem(word[:MAX_WORD_CHARACTERS]) for word in _WORD.findall(fold(text))[:MAX_WORDS]]


def word_features(stems: Iterable[str]) -> list[str]:
    """Return words and pairs of neighbouring words, each once."""
    found = list(stems)
    return list(dict.fromkeys([*found, *(f"{first} {second}" for first, second in itertools.pairwise(found))]))


def pieces(stems: Iterable[str]) -> list[str]:
    """Return the character 4- and 5-grams of words, with their ends marked, each once."""
    found: dict[str, None] = {}
    for word in stems:
        marked = f"<{word}>"
        for size in (4, 5):
            for start in range(len(marked) - size + 1):
                found.setdefault(marked[start : start + size])
        if len(found) >= MAX_PIECES:
            break
    return list(found)[:MAX_PIECES]


def label_key(label: str) -> str:
    """Return a label as the model knows it: lower case, single spaces."""
    return " ".join(label.split()).casefold()[:MAX_CHARACTERS]
