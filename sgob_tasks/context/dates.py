"""Dates of artworks as European museums write them, read as ranges of years.

Rules, and where they come from:

- A century is 1401-1500 for the 15th: Europeana's timespan entities and the ``edm:begin``/``edm:end`` of its records.
- "Early", "mid" and "late" are thirds of a period; halves, thirds and quarters are what they say. Before Christ
  they run with time as well: the early 4th century BC is -400 to -368.
- A decade named by its place in a century ("lata 80. XV w.", "9th decade of the 15th century") is 1480-1489.
- "1520s" are ten years; "1500s" are a hundred, because English uses it for the century.
- Years before Christ are negative and there is no year zero: 500 BC is -500, as in the open data of museums
  (Metropolitan Museum of Art, ``Object Begin Date``).
- "Before 1600" and "after 1550" are open on one side (``None``); both named years are within the range (terminus ante
  and post quem).
- "ca.", "um", "vers", "~" set ``circa`` and leave the years as they are written; "?", "probably", "[1890?]" set
  ``uncertain`` as well. ``DateRange.certainty`` and ``margin_years`` say what that is taken to mean.
- "1480-85" and "1480/90" are ranges; "1888-05" is a month, because 1805 is before 1888.
- Extended Date/Time Format (Library of Congress, https://www.loc.gov/standards/datetime/, levels 0 and 1, and ``u`` of
  the 2012 draft): "1500/1510", "152X", "15uu", "1984~", "../1600". Two readings are those of museums instead:
  "1801-24" is a range and a season only from 2000 on (2001-21, spring), and -0044 is 44 BC, not 45. An unknown end
  ("1984/") is open, as "..". Years of more than four digits ("Y170000002") are no dates of artworks: None.
- Of several dates, a broader one that holds a more exact one is dropped ("16th century; 1545"), so is one that says it
  is of something else (digitised, acquired, born) or that is of our time next to an old one; the rest is one range.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re

from sgob_tasks.context.date_centuries import resolve_centuries
from sgob_tasks.context.date_range import DateRange, combine
from sgob_tasks.context.date_reader import Point, Reader
from sgob_tasks.context.date_tokens import tokens

__all__ = ["DateRange", "parse_date", "parse_title_date"]

EARLIEST_YEAR = -9999
MAX_CHARACTERS = 500
"""A date field with more than this is prose; only its beginning is read."""


def _plausible(point: Point, current_year: int) -> bool:
    starts = max(point.first, point.latest_start)
    return (
        EARLIEST_YEAR <= point.first <= point.last and starts <= current_year + 1 and 0 not in {point.first, point.last}
    )


def parse_date(text: str | None, current_year: int | None = None) -> DateRange | None:
    """Read the years of an artwork out of a date field.

    Args:
        text: the date as the metadata have it, in the languages of ``date_words``; several dates may be joined by ``;``
            or line breaks.
        current_year: the year in which we are; by default the clock's. Later dates are refused.

    Returns:
        The range of years, or None where the text holds no date that can be believed. Never raises for any text.
    """
    if not text:
        return None
    return _parse(text[:MAX_CHARACTERS], current_year or datetime.datetime.now(tz=datetime.timezone.utc).year)


@functools.lru_cache(maxsize=1 << 15)  # a collection has few different dates, and the night reads all of them
def _parse(text: str, current_year: int) -> DateRange | None:
    points = Reader(resolve_centuries(tokens(text))).dates()
    points = [point for point in points if not point.other]
    if not points or not all(_plausible(point, current_year) for point in points):
        return None
    for point in points:
        point.last = max(point.first, point.latest_start, min(point.last, current_year))  # "21st century" ends now
    return combine([point.range() for point in points])


_TITLE_DATE = re.compile(
    r"""(?: [,(\[]\s* | \b(?:dated|painted\ in|um|circa|ca\.?|c\.|vers|hacia)\s+ )
        (?P<date> (?:(?:circa|ca\.?|c\.|um|vers|hacia)\s*)? (?:1\d{3}|20\d\d) (?:\s?[-–/]\s?(?:\d{4}|\d\d))? \??)
        \s*[)\]]?\s*\.?$""",
    re.VERBOSE | re.IGNORECASE,
)


def parse_title_date(title: str | None, current_year: int | None = None) -> DateRange | None:
    """Read a date at the end of a title: the last resort where a record has no date.

    Only a year set off by a comma, a bracket or a word for "about" counts ("View of Delft, 1661", "Head (c. 1480)"):
    a bare number may be a street or a catalogue number. The result is always ``circa``: the year may be the one that
    the title tells of, not that of the making.
    """
    match = _TITLE_DATE.search(title.strip()) if title else None
    found = parse_date(match["date"], current_year) if match else None
    return dataclasses.replace(found, circa=True) if found else None
