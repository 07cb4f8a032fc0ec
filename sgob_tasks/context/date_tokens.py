"""Cuts the text of a museum date into tokens for ``context.dates``.

Text is folded first (case, accents and kinds of dash removed), so the vocabulary is plain ASCII: ``halfte`` is Hälfte,
``siecle`` is siècle.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sgob_tasks.context import date_words as words


class Kind(Enum):
    """What a token means in a date."""

    SPAN = "years that stand for themselves: a year, a decade, an ISO date"
    NUMBER = "one to three digits: the end of a range, a day, a year with an era, the number of a century"
    ORDINAL = "the number of a century: 15th, XV, fifteenth"
    CENTURY = "the word century"
    PART = "a part of a period: first half, early"
    CIRCA = "about"
    BEFORE = "before, until"
    AFTER = "after, since"
    LATER = "or later"
    EARLIER = "or earlier"
    JOIN = "between the two ends of a range"
    OPEN = "an open end in the Extended Date/Time Format"
    BC = "before Christ"
    AD = "after Christ"
    BREAK = "between two independent dates"
    OTHER = "says that the date next to it is not that of the making: scanned, born, acquired"
    MADE = "says that the date next to it is that of the making"
    NOISE = "any other word"


@dataclass(frozen=True)
class Token:
    """One token.

    Attributes:
        kind: what it means.
        text: the folded text.
        first: first year of a SPAN, the number of an ORDINAL or NUMBER, or which part (from 1) a PART is.
        last: last year of a SPAN, or of how many parts a PART is one.
    """

    kind: Kind
    text: str
    first: int = 0
    last: int = 0


_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−⁃﹘﹣－"), "-")
_LETTERS = {ord("ª"): "a", ord("º"): "o", ord("°"): "o", ord("’"): "'"}
_TIME_OF_DAY = re.compile(r"(?<=\d)[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:z|[+-]\d\d:?\d\d)?\b(?: [a-z]{3,4}\b)?")
_TAG = re.compile(r"<[^<>]{0,200}>")
_GLUED = re.compile(r"(?<!\w)(ca|c|cca|um|vers|s|sec|sig)(?=\d{3}|[xvi]{2,5}(?!\w))")
_SPACE = re.compile(r"[^\S\n]+")


def fold(text: str) -> str:
    """Return ``text`` in lower case without accents, tags and times of day, with one kind of dash and single spaces."""
    plain = _TAG.sub(" ", html.unescape(text)).translate(_DASHES | _LETTERS)
    decomposed = unicodedata.normalize("NFKD", plain.casefold())
    letters = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _GLUED.sub(r"\1 ", _TIME_OF_DAY.sub(" ", _SPACE.sub(" ", letters).strip()))


LAST_CENTURY = 21
_ROMAN_DIGITS = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_ROMAN = "(?=[mdclxvi])m{0,3}(?:cm|cd|d?c{0,4})(?:xc|xl|l?x{0,4})(?:ix|iv|v?i{0,4})"
_ENGLISH_CENTURY_AHEAD = "(?=(?:[ -]+(?:to|and|or|early|mid|late|[a-z]+th))*[ -]+centur)"
_LONGEST_FIRST = sorted(words.ORDINALS, key=len, reverse=True)

# In order: the first that matches at a place wins. Every pattern starts at the start of a word or number.
_GRAMMAR: tuple[tuple[str, str], ...] = (
    ("europeana", r"(?:https?://)?data\.europeana\.eu/timespan/(?P<europeana_number>\d{1,4})\b"),
    (
        "semium",
        r"(?:https?://)?semium\.org/time/(?P<semium_year>\d\d(?:\d\d|xx))"
        r"(?:_(?P<semium_part>\d)_(?P<semium_unit>half|third|quarter))?\b",
    ),
    ("bc", words.pattern(words.BC)),
    ("ad", words.pattern(words.AD)),
    ("iso", r"(?P<iso_year>\d{4})-(?:\d\d?|[xu]{2})-(?:\d\d?|[xu]{2})(?![\w-])"),
    ("compact", r"(?P<compact_year>1\d{3}|20\d\d)(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\w)"),
    ("dmy", r"\d{1,2}(?P<dmy_mark>[./-]) ?\d{1,2}(?P=dmy_mark) ?(?P<dmy_year>\d{4})(?!\w)"),
    ("my", r"(?:0?[1-9]|1[0-2])[/.](?P<my_year>1\d{3}|20\d\d)(?![\w/])"),
    ("masked", r"(?P<masked_year>[012](?:\d(?:[xu?-]{2}|\.\.)|\d\d[xu?-]|[xu]{3}))(?![\w.-])"),
    ("decade", r"(?P<decade_year>\d{3}0)(?:'?s|-?ern?|-?tall?(?:et)?)\b"),
    ("named_decade", rf"(?:{words.pattern(words.DECADE)}) (?P<named_decade_year>\d{{3}}0)(?!\w|[-/ ]\d)"),
    ("negative", r"(?:(?<![^\n])|(?<=/))-(?P<negative_year>\d{3,5})(?!\w)"),
    ("year", r"(?P<year_digits>\d{4})(?!\w|[.,]\d)"),
    ("ordinal_word", f"(?:{'|'.join(_LONGEST_FIRST)}){_ENGLISH_CENTURY_AHEAD}"),
    (
        "part",
        f"(?P<part_position>{words.alternatives(words.POSITIONS)})[.]?[ -]?"
        rf"(?P<part_unit>{words.alternatives(words.UNITS)})(?![a-z])\.?",
    ),
    ("stage", f"(?:{words.alternatives(words.STAGES)})(?![a-z'])"),
    ("century", words.pattern(words.CENTURY)),
    ("roman_ordinal", r"(?P<roman_ordinal_digits>[ivx]+) ?-?(?:eme|e|o)(?!\w)"),
    ("ordinal", r"(?P<ordinal_digits>1\d|2[01]|[1-9])(?:-?(?:st|nd|rd|th|eme|e|de|ste|o)|\.)(?=[ .,/-]|[a-z]|$)"),
    ("roman", rf"(?P<roman_digits>{_ROMAN})(?!\w)\.?"),
    ("named", rf"(?:{'|'.join(words.NAMED_CENTURIES)})\b"),
    ("later", words.pattern(words.LATER)),
    ("earlier", words.pattern(words.EARLIER)),
    ("before", f"{words.pattern(words.BEFORE)}|<"),
    ("after", f"{words.pattern(words.AFTER)}|>"),
    ("circa", rf"{words.pattern(words.CIRCA)}|[~?%]"),
    ("other", f"{words.pattern(words.OTHER)}|©"),
    ("made", words.pattern(words.MADE)),
    ("open", r"\.\.(?!\.)"),
    ("join", f"{words.pattern(words.JOIN)}|[-/&]"),
    ("filler", words.pattern(words.FILLER)),
    ("number", r"(?P<number_digits>\d{1,3})(?!\w|[.,]\d)"),
    ("break", r"[;|\n+]"),
    ("noise", r"[^\W\d_]+|[\d_][\w.,]*"),
)
_NAMES = tuple(name for name, _ in _GRAMMAR)
_SCANNER = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _GRAMMAR))


def roman(numeral: str) -> int:
    """Return the value of a Roman numeral in lower case; smaller digits before larger ones count as negative."""
    values = [_ROMAN_DIGITS[digit] for digit in numeral]
    return sum(
        -value if any(later > value for later in values[place + 1 : place + 2]) else value
        for place, value in enumerate(values)
    )


def century(number: int) -> tuple[int, int]:
    """Return the years of a century after Christ: the 15th is 1401-1500, as Europeana's own timespans have it."""
    return 100 * (number - 1) + 1, 100 * number


def slice_of(first: int, last: int, part: int, parts: int) -> tuple[int, int]:
    """Return the ``part``-th (from 1) of ``parts`` equal parts of the years ``first`` to ``last``."""
    years = last - first + 1
    return first + years * (part - 1) // parts, first + max(years * part // parts, years * (part - 1) // parts + 1) - 1


def _masked(text: str) -> tuple[int, int]:
    unknown = re.compile("[^0-9]")
    return int(unknown.sub("0", text)), int(unknown.sub("9", text))


def _decade(year: int) -> tuple[int, int]:
    # "1500s" is a century in English; wide is cautious where it is meant as a decade.
    return year, year + (99 if year % 100 == 0 else 9)


def _roman_token(text: str, digits: str) -> Token:
    value = roman(digits)
    if len(digits) >= 3 and digits[:2] in {"mc", "md", "mm"} and value >= 1000:
        return Token(Kind.SPAN, text, value, value)
    if value <= LAST_CENTURY and set(digits) <= set("ivx"):
        return Token(Kind.ORDINAL, text, value)
    return Token(Kind.CIRCA, text) if text in {"c", "c."} else Token(Kind.NOISE, text)


def _europeana(text: str, number: int) -> Token:
    first, last = century(number) if number <= LAST_CENTURY else (number, number)
    return Token(Kind.SPAN, text, first, last) if number > 0 else Token(Kind.NOISE, text)


def _semium(text: str, match: re.Match[str]) -> Token:
    year = match["semium_year"]
    first, last = (int(year), int(year)) if year.isdigit() else century(int(year[:2]) + 1)
    if match["semium_part"]:
        parts = words.number_of(match["semium_unit"], words.UNITS)
        first, last = slice_of(first, last, min(max(int(match["semium_part"]), 1), parts), parts)
    return Token(Kind.SPAN, text, first, last)


def _part(text: str, position: str, unit: str) -> Token:
    parts = words.number_of(unit, words.UNITS)
    return Token(Kind.PART, text, min(words.number_of(position, words.POSITIONS) or parts, parts), parts)


def _span(text: str, digits: str) -> Token:
    return Token(Kind.SPAN, text, int(digits), int(digits))


_MAKERS: dict[str, Callable[[str, re.Match[str]], Token]] = {
    "europeana": lambda text, match: _europeana(text, int(match["europeana_number"])),
    "semium": _semium,
    "iso": lambda text, match: _span(text, match["iso_year"]),
    "compact": lambda text, match: _span(text, match["compact_year"]),
    "dmy": lambda text, match: _span(text, match["dmy_year"]),
    "my": lambda text, match: _span(text, match["my_year"]),
    "masked": lambda text, match: Token(Kind.SPAN, text, *_masked(match["masked_year"])),
    "decade": lambda text, match: Token(Kind.SPAN, text, *_decade(int(match["decade_year"]))),
    "named_decade": lambda text, match: Token(Kind.SPAN, text, *_decade(int(match["named_decade_year"]))),
    "negative": lambda text, match: _span(text, "-" + match["negative_year"]),
    "year": lambda text, match: _span(text, match["year_digits"]),
    "part": lambda text, match: _part(text, match["part_position"], match["part_unit"]),
    "stage": lambda text, _: Token(Kind.PART, text, words.number_of(text, words.STAGES), 3),
    "ordinal_word": lambda text, _: Token(Kind.ORDINAL, text, words.ORDINALS[text]),
    "ordinal": lambda text, match: Token(Kind.ORDINAL, text, int(match["ordinal_digits"])),
    "roman_ordinal": lambda text, match: _roman_token(text, match["roman_ordinal_digits"]),
    "roman": lambda text, match: _roman_token(text, match["roman_digits"]),
    "named": lambda text, _: Token(Kind.SPAN, text, *century(words.NAMED_CENTURIES[text])),
    "number": lambda text, match: Token(Kind.NUMBER, text, int(match["number_digits"])),
}


def tokens(text: str) -> list[Token]:
    """Cut a text into tokens; brackets, punctuation and words without meaning for a date ("the year") are left out."""
    folded = fold(text)
    found: list[Token] = []
    for match in _SCANNER.finditer(folded):
        word = match[0]
        name = next(name for name in _NAMES if match[name] is not None)
        if name == "filler":
            continue
        if name in _MAKERS:
            found.append(_MAKERS[name](word, match))
        else:
            found.append(Token(Kind[name.upper()], word))
    return found
