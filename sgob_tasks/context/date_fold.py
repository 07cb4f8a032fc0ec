"""Folds the text of a museum date: no case, accents, markup, one kind of dash: a small vocabulary fits."""

from __future__ import annotations

import html
import re
import unicodedata

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−⁃﹘﹣－"), "-")
_LETTERS = str.maketrans(
    {"ª": "a", "º": "o", "°": "o", "ł": "l", "Ł": "l", "đ": "d", "Đ": "d", "æ": "ae", "Æ": "ae", "ø": "oe", "Ø": "oe"}
    | {"¹": " 1st half ", "²": " 2nd half "}  # palaeographers' s. XV²
)
_APOSTROPHES = dict.fromkeys(map(ord, "’‘ʼ´`′΄ʹ"), "'")
_CYRILLIC_NUMERAL = re.compile(r"(?<!\w)[ivxхі]+(?!\w)")
_AS_LATIN = str.maketrans("хі", "xi")
_TIME_OF_DAY = re.compile(r"(?<=\d)[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:?\d\d)?\b(?: [a-z]{3,4}\b)?")
_TAG = re.compile(r"<[^<>]{0,200}>")
_GLUED = re.compile(r"(?<!\w)(ca|c|cca|um|vers|s|sec|sig)(?=\d{3}|[xvi]{2,5}(?!\w))")
_SPACE = re.compile(r"[^\S\n]+")


def fold(text: str) -> str:
    """Return ``text`` in lower case without accents, tags and times of day, with one kind of dash and single spaces."""
    plain = _TAG.sub(" ", html.unescape(text)).translate(_DASHES | _LETTERS | _APOSTROPHES)
    decomposed = unicodedata.normalize("NFKD", plain.casefold())
    letters = "".join(char for char in decomposed if not unicodedata.combining(char)).translate(_APOSTROPHES)
    letters = _CYRILLIC_NUMERAL.sub(lambda numeral: numeral[0].translate(_AS_LATIN), letters)
    return _GLUED.sub(r"\1 ", _TIME_OF_DAY.sub(" ", _SPACE.sub(" ", letters).strip()))
