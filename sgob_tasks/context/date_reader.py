"""Puts the tokens of a museum date together to points and ranges of years, left to right."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from sgob_tasks.context.date_range import DateRange
from sgob_tasks.context.date_tokens import DOUBT, Kind, Token, slice_of

_TRAILING = DOUBT | {Kind.BC, Kind.AD, Kind.PART, Kind.LATER, Kind.EARLIER}


@dataclass
class Point:
    """One date while it is being read; ``other`` marks a date of something else than the making."""

    first: int
    last: int
    circa: bool = False
    uncertain: bool = False
    before: bool = False
    after: bool = False
    era: Kind | None = None
    other: bool = False
    latest_start: int = -10_000
    parts: list[Token] = dataclasses.field(default_factory=list)

    def take_parts(self) -> None:
        """Narrow the date to the named parts of it: "early to mid" is both."""
        if self.parts and self.first != self.last:
            slices = [slice_of(self.first, self.last, part.first, part.last) for part in self.parts]
            self.first, self.last = min(first for first, _ in slices), max(last for _, last in slices)
        self.parts = []

    def before_christ(self) -> None:
        """Count the years before Christ; the parts of a period come after that, as it runs the other way."""
        if self.first > 0:
            self.first, self.last = -self.last, -self.first

    def range(self) -> DateRange:
        """Return the date as a range of years, open where it says before or after."""
        if self.before and not self.after:
            return DateRange(None, self.last, self.circa, self.uncertain)
        if self.after and not self.before:
            return DateRange(self.first, None, self.circa, self.uncertain)
        return DateRange(self.first, self.last, self.circa, self.uncertain)


class Reader:
    """Reads the dates of one text, left to right."""

    def __init__(self, found: list[Token]) -> None:
        self.found = found
        self.place = 0
        self.bare = all(token.kind is not Kind.NOISE for token in found)

    def kind(self, ahead: int = 0) -> Kind | None:
        """Return the kind of the token there; None beyond either end."""
        place = self.place + ahead
        return self.found[place].kind if 0 <= place < len(self.found) else None

    def dates(self) -> list[Point]:
        """Return all dates of the text in their order, ranges as one."""
        points: list[Point] = []
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

    def date(self) -> Point | None:
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
            point.take_parts()
            point.before = True
            return point
        return self.range_from(point)

    def range_from(self, point: Point) -> Point:
        """Go on from the first point to the end of its range, where it has one."""
        start = self.place
        kind = self.kind()
        joins = kind is Kind.JOIN or (kind is Kind.ORDINAL and self.found[start].text == "i")
        if kind is Kind.OPEN or kind is Kind.BEFORE:
            joins = True
        if not joins:
            point.take_parts()
            return point
        self.place += 1
        if self.kind() in {None, Kind.BREAK, Kind.OPEN} and self.found[start].text in {"-", "/", ".."}:
            if self.kind() is Kind.OPEN:
                self.place += 1
            point.take_parts()
            point.after = True
            return point
        end = self.end_of(point)
        if end is None:
            self.place = start
            point.take_parts()
            return point
        end.take_parts()
        if end.era is Kind.BC and point.era is None:
            point.before_christ()
        point.take_parts()
        return dataclasses.replace(
            point,
            first=min(point.first, end.first),
            last=max(point.last, end.last),
            latest_start=max(point.first, end.first),
            circa=point.circa or end.circa,
            uncertain=point.uncertain or end.uncertain,
            before=False,
            after=False,
        )

    def end_of(self, point: Point) -> Point | None:
        """Read the end of a range, which may be short for a year: the 85 of 1480-85."""
        if self.kind() is Kind.NUMBER and self.kind(1) not in {Kind.BC, Kind.AD}:
            digits = re.sub(r"\D", "", self.found[self.place].text)
            modulus = 10 ** len(digits)
            year = point.last // modulus * modulus + int(digits)
            if point.last >= 1000 or self.bare:
                self.place += 1
                end = Point(year, year) if year >= point.first else Point(point.last, point.last)
                self.trail(end)
                return end
            return None
        return self.point()

    def point(self) -> Point | None:
        """Read one date with the words before and after it; None, and nothing read, where there is none."""
        start = self.place
        circa = uncertain = before = after = False
        era: Kind | None = None
        parts: list[Token] = []
        while (kind := self.kind()) in {
            Kind.CIRCA,
            Kind.UNCERTAIN,
            Kind.BEFORE,
            Kind.AFTER,
            Kind.PART,
            Kind.JOIN,
            Kind.AD,
            Kind.BC,
            Kind.EARLIER,
            Kind.LATER,
        }:
            circa |= kind in DOUBT
            uncertain |= kind is Kind.UNCERTAIN
            before |= kind in {Kind.BEFORE, Kind.EARLIER}
            after |= kind in {Kind.AFTER, Kind.LATER}
            if kind in {Kind.AD, Kind.BC}:
                era = kind
            if kind is Kind.PART:
                parts.append(self.found[self.place])
            if kind is Kind.JOIN and self.place == start:
                return None
            self.place += 1
        point = self.years(era, circa or before or after)
        if point is None:
            self.place = start
            return None
        if era is Kind.BC:
            point.before_christ()
        point.circa, point.uncertain, point.before, point.after = circa, uncertain, before, after
        point.parts = parts
        self.trail(point)
        return point

    def years(self, era: Kind | None, qualified: bool) -> Point | None:
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
        return Point(token.first, token.last, era=era)

    def trail(self, point: Point) -> None:
        """Read what may follow a date: its era, its doubt, its part, "or later"."""
        while (kind := self.kind()) in _TRAILING:
            if kind in DOUBT | {Kind.PART} and self._belongs_to_next():
                return
            if kind is Kind.BC and point.era is None:
                point.before_christ()
                point.era = Kind.BC
            elif kind is Kind.AD:
                point.era = Kind.AD
            elif kind is Kind.PART:
                point.parts.append(self.found[self.place])
            point.circa |= kind in DOUBT
            point.uncertain |= kind is Kind.UNCERTAIN
            point.after |= kind is Kind.LATER
            point.before |= kind is Kind.EARLIER
            self.place += 1

    def _belongs_to_next(self) -> bool:
        """Tell whether the qualifier here stands before another date: only "?" and "~" always follow theirs."""
        if self.found[self.place].text in {"?", "~", "%"}:
            return False
        ahead = 1
        while self.kind(ahead) in DOUBT | {Kind.PART}:
            ahead += 1
        return self.kind(ahead) in {Kind.SPAN, Kind.NUMBER}
