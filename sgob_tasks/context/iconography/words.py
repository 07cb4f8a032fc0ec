"""Words as titles are compared by: without case, accents and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tomllib

LONGEST_TEXT = 20_000
"""Characters of a text that are read; a title is far shorter, and what a text is about stands at its beginning."""

_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<[^<>]{0,200}>")
_OTHER_LETTERS = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "æ": "ae", "œ": "oe"})


@dataclass(frozen=True)
class Word:
    """A run of letters or digits.

    Attributes:
        norm: what it is compared by.
        text: as it is written.
        gap: what stands between the word before and this one.
    """

    norm: str
    text: str
    gap: str

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital letter."""
        return self.text[:1].isupper()


def norm(text: str) -> str:
    """Return a word without case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part)).translate(_OTHER_LETTERS)


def split_words(text: str | None) -> list[Word]:
    """Return the words of a text, HTML tags left out; of a very long text, the first ``LONGEST_TEXT`` characters'."""
    plain = _TAG.sub(" ", (text or "")[:LONGEST_TEXT])
    found: list[Word] = []
    end = 0
    for match in _WORD.finditer(plain):
        found.append(Word(norm(match.group()), match.group(), plain[end : match.start()]))
        end = match.end()
    return found


def _word_lists(path: Path) -> Mapping[str, frozenset[str]]:
    with path.open("rb") as file:
        return {name: frozenset(map(norm, words.split())) for name, words in tomllib.load(file).items()}


WORDS_OF = _word_lists(Path(__file__).parent / "title_words.toml")
"""Lists of words that come with the package, by what they tell."""
