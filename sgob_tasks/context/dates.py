"""Dates of artworks as European museums write them, read as ranges of years.

Rules, and where they come from:

- A century is 1401-1500 for the 15th: Europeana's timespan entities and the ``edm:begin``/``edm:end`` of its records.
- "Early", "mid" and "late" are thirds of a period; halves, thirds and quarters are what they say.
- "1520s" are ten years; "1500s" are a hundred, because English uses it for the century.
- Years before Christ are negative and there is no year zero: 500 BC is -500, as in the open data of museums
  (Metropolitan Museum of Art, ``Object Begin Date``).
- "Before 1600" and "after 1550" are open on one side (``None``); both named years are within the range (terminus ante
  and post quem).
- "ca.", "um", "vers", "?" set ``circa`` and leave the years as they are written: how much doubt that means is for the
  reader of the range to say.
- "1480-85" and "1480/90" are ranges; "1888-05" is a month, because 1805 is before 1888.
- Extended Date/Time Format (Library of Congress, levels 0 and 1, and ``u`` of its 2012 draft): "1500/1510", "152X",
  "15uu", "1984~", "../1600".
- Of several dates, a broader one that holds a more exact one is dropped ("16th century; 1545"), so is one that says it
  is of something else (digitised, acquired, born) or that is of our time next to an old one; the rest is one range.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from dataclasses import dataclass

from sgob_tasks.context.date_range import DateRange, combine
from sgob_tasks.context.date_tokens import LAST_CENTURY, Kind, Token, century, slice_of, tokens

__all__ = ["DateRange", "parse_date", "parse_title_date"]

EARLIEST_YEAR = -9999
MAX_CHARACTERS = 500
"""A date field with more than this is prose; only its beginning is read."""


@dataclass
class _Point:
    """One date while it is being read; ``other`` marks a date of something else than the making."""

    first: int
    last: int
    circa: bool = False
    before: bool = False
    after: bool = False
    era: Kind | None = None
    other: bool = False
    latest_start: int = -10_000

    def range(self) -> DateRange:
        if self.before and not self.after:
            return DateRange(None, self.last, self.circa)
        if self.after and not self.before:
            return DateRange(self.first, None, self.circa)
        return DateRange(self.first, self.last, self.circa)


def _resolve_centuries(found: list[Token]) -> list[Token]:
    """Turn the numbers of centuries into years: every number that is chained to a word for century."""
    linked = {Kind.JOIN, Kind.PART, Kind.CIRCA, Kind.BC, Kind.AD}
    numbers = {Kind.ORDINAL, Kind.NUMBER}
    words = set()
    for place, token in enumerate(found):
        after_ordinal = place > 0 and found[place - 1].kind is Kind.ORDINAL
        if token.kind is Kind.CENTURY or (token.text in {"c", "c."} and after_ordinal):
            words.add(place)
    centuries: set[int] = set()
    for word in words:
        for step in (-1, 1):
            place = word + step
            if not (0 <= place < len(found) and found[place].kind in numbers):
                continue
            while 0 <= place < len(found) and (found[place].kind in linked | numbers):
                if found[place].kind in numbers and 1 <= found[place].first <= LAST_CENTURY:
                    centuries.add(place)
                place += step
    if not words and all(token.kind in linked | {Kind.ORDINAL} for token in found):
        # "XVI", "XV-XVI", "18th", "18e (fin)": a date field of nothing else.
        centuries = {
            place
            for place, token in enumerate(found)
            if token.kind is Kind.ORDINAL and token.first > 10 and not token.text.endswith(".")
        }
    resolved = []
    for place, token in enumerate(found):
        if place in centuries:
            resolved.append(Token(Kind.SPAN, token.text, *century(token.first)))
        elif place not in words:
            resolved.append(token)
    return resolved


class _Reader:
    """Reads the dates of one text, left to right."""

    def __init__(self, found: list[Token]) -> None:
        self.found = found
        self.place = 0
        self.bare = all(token.kind is not Kind.NOISE for token in found)

    def kind(self, ahead: int = 0) -> Kind | None:
        place = self.place + ahead
        return self.found[place].kind if 0 <= place < len(self.found) else None

    def dates(self) -> list[_Point]:
        """Return all dates of the text in their order, ranges as one."""
        points: list[_Point] = []
        other = False
        while self.place < len(self.found):
            kind = self.kind()
            if kind is Kind.OTHER:
                if points and not other and not self._date_follows():
                    points[-1].other = True
                other = True
            elif kind in {Kind.BREAK, Kind.MADE}:
                other = False
            point = self.date()
            if point is None:
                self.place += 1
            else:
                point.other = point.other or other
                points.append(point)
        return points

    def _date_follows(self) -> bool:
        for token in self.found[self.place + 1 :]:
            if token.kind is Kind.BREAK:
                return False
            if token.kind in {Kind.SPAN, Kind.NUMBER}:
                return True
        return False

    def date(self) -> _Point | None:
        """Read a point or a range from here; None, and nothing read, where there is none."""
        start = self.place
        open_start = self.kind() is Kind.OPEN or (start == 0 and self.kind() is Kind.JOIN and self.found[0].text == "/")
        if open_start:
            self.place += 2 if self.kind() is Kind.OPEN and self.kind(1) is Kind.JOIN else 1
        point = self.point()
        if point is None:
            self.place = start
            return None
        if open_start:
            point.before = True
            return point
        return self.range_from(point)

    def range_from(self, point: _Point) -> _Point:
        """Go on from the first point to the end of its range, where it has one."""
        start = self.place
        kind = self.kind()
        joins = kind is Kind.JOIN or (kind is Kind.ORDINAL and self.found[start].text == "i")
        if kind is Kind.OPEN or kind is Kind.BEFORE:
            joins = True
        if not joins:
            return point
        self.place += 1
        if self.kind() in {None, Kind.BREAK, Kind.OPEN} and self.found[start].text in {"-", "/", ".."}:
            if self.kind() is Kind.OPEN:
                self.place += 1
            point.after = True
            return point
        end = self.end_of(point)
        if end is None:
            self.place = start
            return point
        if end.era is Kind.BC and point.era is None and point.first > 0:
            point.first, point.last = -point.last, -point.first
        return dataclasses.replace(
            point,
            first=min(point.first, end.first),
            last=max(point.last, end.last),
            latest_start=max(point.first, end.first),
            circa=point.circa or end.circa,
            before=False,
            after=False,
        )

    def end_of(self, point: _Point) -> _Point | None:
        """Read the end of a range, which may be short for a year: the 85 of 1480-85."""
        if self.kind() is Kind.NUMBER and self.kind(1) not in {Kind.BC, Kind.AD}:
            digits = re.sub(r"\D", "", self.found[self.place].text)
            modulus = 10 ** len(digits)
            year = point.last // modulus * modulus + int(digits)
            if point.last >= 1000 or self.bare:
                self.place += 1
                end = _Point(year, year) if year >= point.first else _Point(point.last, point.last)
                self.trail(end)
                return end
            return None
        return self.point()

    def point(self) -> _Point | None:
        """Read one date with the words before and after it; None, and nothing read, where there is none."""
        start = self.place
        circa = before = after = False
        era: Kind | None = None
        parts: list[Token] = []
        while (kind := self.kind()) in {
            Kind.CIRCA,
            Kind.BEFORE,
            Kind.AFTER,
            Kind.PART,
            Kind.JOIN,
            Kind.AD,
            Kind.EARLIER,
            Kind.LATER,
        }:
            circa |= kind is Kind.CIRCA
            before |= kind in {Kind.BEFORE, Kind.EARLIER}
            after |= kind in {Kind.AFTER, Kind.LATER}
            if kind is Kind.AD:
                era = Kind.AD
            if kind is Kind.PART:
                parts.append(self.found[self.place])
            if kind is Kind.JOIN and self.place == start:
                return None
            self.place += 1
        point = self.years(era, circa or before or after)
        if point is None:
            self.place = start
            return None
        point.circa, point.before, point.after = circa, before, after
        _take_parts(point, parts)
        self.trail(point)
        return point

    def years(self, era: Kind | None, qualified: bool) -> _Point | None:
        """Read the years themselves: a span, or a number that its era or its place shows to be a year."""
        if self.kind() not in {Kind.SPAN, Kind.NUMBER}:
            return None
        token = self.found[self.place]
        follows = self.kind(1)
        if token.kind is Kind.NUMBER:
            in_range = follows is Kind.JOIN and self.kind(2) is Kind.NUMBER and self.kind(3) in {Kind.BC, Kind.AD}
            has_era = era is not None or follows in {Kind.BC, Kind.AD} or in_range
            if token.first == 0 or not (has_era or (len(token.text) == 3 and (self.bare or qualified))):
                return None
            token = Token(Kind.SPAN, token.text, token.first, token.first)
        self.place += 1
        return _Point(token.first, token.last, era=era)

    def trail(self, point: _Point) -> None:
        """Read what may follow a date: its era, its doubt, its part, "or later"."""
        while (kind := self.kind()) in {Kind.BC, Kind.AD, Kind.CIRCA, Kind.PART, Kind.LATER, Kind.EARLIER}:
            if kind in {Kind.CIRCA, Kind.PART} and self._belongs_to_next():
                return
            if kind is Kind.BC and point.era is None and point.first > 0:
                point.first, point.last, point.era = -point.last, -point.first, Kind.BC
            elif kind is Kind.AD:
                point.era = Kind.AD
            elif kind is Kind.PART:
                _take_parts(point, [self.found[self.place]])
            point.circa |= kind is Kind.CIRCA
            point.after |= kind is Kind.LATER
            point.before |= kind is Kind.EARLIER
            self.place += 1

    def _belongs_to_next(self) -> bool:
        """Tell whether the qualifier here stands before another date: only "?" and "~" always follow theirs."""
        if self.found[self.place].text in {"?", "~", "%"}:
            return False
        ahead = 1
        while self.kind(ahead) in {Kind.CIRCA, Kind.PART}:
            ahead += 1
        return self.kind(ahead) in {Kind.SPAN, Kind.NUMBER}


def _take_parts(point: _Point, parts: list[Token]) -> None:
    """Narrow a date to the named parts of it: "early to mid" is both."""
    if not parts or point.first == point.last:
        return
    slices = [slice_of(point.first, point.last, part.first, part.last) for part in parts]
    point.first, point.last = min(first for first, _ in slices), max(last for _, last in slices)


def _plausible(point: _Point, current_year: int) -> bool:
    starts = max(point.first, point.latest_start)
    return (
        EARLIEST_YEAR <= point.first <= point.last and starts <= current_year + 1 and 0 not in {point.first, point.last}
    )


def parse_date(text: str | None, current_year: int | None = None) -> DateRange | None:
    """Read the years of an artwork out of a date field.

    Args:
        text: the date as the metadata have it, in any of eight languages; several dates may be joined by ``;`` or line
            breaks.
        current_year: the year in which we are; by default the clock's. Later dates are refused.

    Returns:
        The range of years, or None where the text holds no date that can be believed. Never raises for any text.
    """
    if not text:
        return None
    current_year = current_year or datetime.datetime.now(tz=datetime.timezone.utc).year
    points = _Reader(_resolve_centuries(tokens(text[:MAX_CHARACTERS]))).dates()
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
