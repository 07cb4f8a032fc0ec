"""Cuts the text of a museum date into tokens for ``context.dates``.

Text is folded first (case, accents and kinds of dash removed), so the vocabulary is plain ASCII: ``halfte`` is Hälfte,
``siecle`` is siècle.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sgob_tasks.context import date_words as words
from sgob_tasks.context.date_fold import fold
from sgob_tasks.context.date_grammar import NAMES, SCANNER


class Kind(Enum):
    """What a token means in a date."""

    SPAN = "years that stand for themselves: a year, a decade, an ISO date"
    NUMBER = "one to three digits: the end of a range, a day, a year with an era, the number of a century"
    ORDINAL = "the number of a century: 15th, XV, fifteenth"
    CENTURY = "the word century, or millennium"
    PART = "a part of a period: first half, early"
    CIRCA = "about"
    UNCERTAIN = "perhaps"
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


DOUBT = frozenset({Kind.CIRCA, Kind.UNCERTAIN})


@dataclass(frozen=True)
class Token:
    """One token.

    Attributes:
        kind: what it means.
        text: the folded text.
        first: first year of a SPAN, the number of an ORDINAL or NUMBER, the years of a CENTURY, or which part (from 1)
            a PART is.
        last: last year of a SPAN, or of how many parts a PART is one.
    """

    kind: Kind
    text: str
    first: int = 0
    last: int = 0


LAST_CENTURY = 21
DECADES = 10
FIRST_YEAR_OF_SEASONS = 2000
"""From here on "2001-21" is the spring of 2001; before, museums mean a range of years: "1801-21"."""
_ROMAN_DIGITS = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}


def roman(numeral: str) -> int:
    """Return the value of a Roman numeral in lower case; smaller digits before larger ones count as negative."""
    values = [_ROMAN_DIGITS[digit] for digit in numeral]
    return sum(
        -value if any(later > value for later in values[place + 1 : place + 2]) else value
        for place, value in enumerate(values)
    )


def century(number: int, years: int = 100) -> tuple[int, int]:
    """Return the years of a century after Christ: the 15th is 1401-1500, as Europeana's own timespans have it.

    With ``years`` = 1000 those of a millennium.
    """
    return years * (number - 1) + 1, years * number


def slice_of(first: int, last: int, part: int, parts: int) -> tuple[int, int]:
    """Return the ``part``-th (from 1) of ``parts`` equal parts of the years ``first`` to ``last``.

    Tenths of a century are its decades as they are called: the ninth of the 15th is 1480-1489.
    """
    years = last - first + 1
    if parts == DECADES and years == 100 and first > 0:
        return max(first - 1 + 10 * (part - 1), 1), first + 8 + 10 * (part - 1)
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
        parts = {"half": 2, "third": 3, "quarter": 4}[match["semium_unit"]]
        first, last = slice_of(first, last, min(max(int(match["semium_part"]), 1), parts), parts)
    return Token(Kind.SPAN, text, first, last)


def _part(text: str, match: re.Match[str]) -> Token:
    parts = words.row_of("unit", words.UNITS, match)
    return Token(Kind.PART, text, min(words.row_of("position", words.POSITIONS, match) or parts, parts), parts)


def _tenth(text: str, match: re.Match[str]) -> Token:
    digit = match["tenth_after"] or match["tenth_before"]
    return Token(Kind.PART, text, int(digit) + 1 if digit else int(match["tenth_place"]), DECADES)


def _fraction(text: str, match: re.Match[str]) -> Token:
    part, parts = int(match["fraction_part"]), int(match["fraction_parts"])
    return Token(Kind.PART, text, part, parts) if part <= parts else Token(Kind.NOISE, text)


def _season(text: str, match: re.Match[str]) -> Token:
    """Return the year of a season (21 to 24) of the Extended Date/Time Format, or the range "1801-24" of a museum."""
    year, end = int(match["season_year"]), int(text[-2:])
    forward = end > year % 100
    return Token(Kind.SPAN, text, year, year // 100 * 100 + end if forward and year < FIRST_YEAR_OF_SEASONS else year)


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
    "month": lambda text, match: _span(text, match["month_year"] or match["last_month_year"]),
    "season": _season,
    "part": _part,
    "fraction": _fraction,
    "tenth": _tenth,
    "century": lambda text, _: Token(Kind.CENTURY, text, 100, 100),
    "millennium": lambda text, _: Token(Kind.CENTURY, text, 1000, 1000),
    "half": lambda text, match: Token(Kind.PART, text, words.row_of("half", words.HALVES, match), 2),
    "stage": lambda text, match: Token(Kind.PART, text, words.row_of("stage", words.STAGES, match), 3),
    "hundreds": lambda text, match: Token(Kind.SPAN, text, *century(11 + int(match["hundreds_digit"]))),
    "ordinal_word": lambda text, _: Token(Kind.ORDINAL, text, words.ORDINALS[text]),
    "century_ordinal": lambda text, match: Token(
        Kind.ORDINAL, text, words.CENTURY_ORDINALS[match["century_ordinal_word"]]
    ),
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
    for match in SCANNER.finditer(folded):
        word = match[0]
        name = next(name for name in NAMES if match[name] is not None)
        if name == "filler":
            continue
        if name in _MAKERS:
            found.append(_MAKERS[name](word, match))
        else:
            found.append(Token(Kind[name.upper()], word))
    return found
