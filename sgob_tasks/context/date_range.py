"""Ranges of years, and how several dates of one artwork become one range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DIGITAL_AGE = 1990
OLD_BEFORE_DIGITAL_YEARS = 100


@dataclass(frozen=True)
class DateRange:
    """The years in which an artwork was made.

    Attributes:
        year_from: first possible year; None where only a latest year is known ("before 1600"). Negative before Christ.
        year_to: last possible year; None where only an earliest year is known ("after 1550").
        circa: the source itself doubts the years ("ca.", "?", "probably").
    """

    year_from: int | None
    year_to: int | None
    circa: bool = False

    def __post_init__(self) -> None:
        """Refuse a range without an end, or with its ends the wrong way round."""
        if self.year_from is None and self.year_to is None:
            raise ValueError("a date range needs at least one year")
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise ValueError(f"year_from {self.year_from} is after year_to {self.year_to}")

    def __str__(self) -> str:
        """Return the range in words that follow "dated": ``about 1480-1485``, ``before 1600``."""
        if self.year_from is None:
            words = f"before {_year(self.year_to)}"
        elif self.year_to is None:
            words = f"after {_year(self.year_from)}"
        elif self.year_from == self.year_to:
            words = _year(self.year_from)
        else:
            words = f"{_year(self.year_from)}-{_year(self.year_to)}"
        return f"about {words}" if self.circa else words


def _year(year: int | None) -> str:
    return f"{-year} BC" if year is not None and year < 0 else str(year)


def combine(ranges: Sequence[DateRange]) -> DateRange:
    """Make one range of several, at least one; the rules are in the description of ``context.dates``."""
    both = [r for r in ranges if r.year_from is None] and [r for r in ranges if r.year_to is None]
    if both and len(ranges) == 2:
        (upper,) = (r for r in ranges if r.year_from is None)
        (lower,) = (r for r in ranges if r.year_to is None)
        if _known(lower.year_from) <= _known(upper.year_to):
            return DateRange(lower.year_from, upper.year_to, lower.circa or upper.circa)
    ranges = [r for r in ranges if not any(_is_broader(r, than) for than in ranges)]
    oldest = min(_known(r.year_to if r.year_to is not None else r.year_from) for r in ranges)
    if oldest < DIGITAL_AGE - OLD_BEFORE_DIGITAL_YEARS:
        ranges = [r for r in ranges if r.year_from is None or r.year_from < DIGITAL_AGE]
    starts, ends = [r.year_from for r in ranges], [r.year_to for r in ranges]
    year_from = None if None in starts else min(_known(year) for year in starts)
    year_to = None if None in ends else max(_known(year) for year in ends)
    if year_from is None and year_to is None:
        year_from = min(_known(year) for year in starts if year is not None)
    return DateRange(year_from, year_to, any(r.circa for r in ranges))


def _known(year: int | None) -> int:
    if year is None:
        raise ValueError("an open end has no year")
    return year


def _is_broader(broad: DateRange, exact: DateRange) -> bool:
    """Tell whether one range holds another, different one."""
    first, last = _bounds(broad)
    inner_first, inner_last = _bounds(exact)
    return (first, last) != (inner_first, inner_last) and first <= inner_first and inner_last <= last


def _bounds(range_: DateRange) -> tuple[float, float]:
    return (
        float("-inf") if range_.year_from is None else range_.year_from,
        float("inf") if range_.year_to is None else range_.year_to,
    )
