"""Ranges of years, how certain they are, and how several dates of one artwork become one range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

DIGITAL_AGE = 1990
OLD_BEFORE_DIGITAL_YEARS = 100


CIRCA_MARGIN_YEARS = 10
UNCERTAIN_MARGIN_YEARS = 20
"""Years by which a work may be older or younger than a date says that is "about", and one that is "perhaps"."""

_CIRCA, _UNCERTAIN = 0.8, 0.6
_PRECISION = ((5, 1.0), (25, 0.9), (60, 0.75), (110, 0.6))
_VAGUE = 0.4


@dataclass(frozen=True)
class DateRange:
    """The years in which an artwork was made.

    Attributes:
        year_from: first possible year; None where only a latest year is known ("before 1600"). Negative before Christ.
        year_to: last possible year; None where only an earliest year is known ("after 1550").
        circa: the source itself doubts the years ("ca.", "?", "probably").
        uncertain: it says "perhaps" ("?", "[1890?]", "probably", EDTF's ``?`` and ``%``) and not only "about"; implies
            ``circa``. Not compared: two dates that allow the same years are the same.
    """

    year_from: int | None
    year_to: int | None
    circa: bool = False
    uncertain: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a range without an end, or with its ends the wrong way round."""
        if self.year_from is None and self.year_to is None:
            raise ValueError("a date range needs at least one year")
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise ValueError(f"year_from {self.year_from} is after year_to {self.year_to}")

    @property
    def certainty(self) -> float:
        """How much the date says, in (0, 1]: precision times doubt.

        Precision is 1 for up to five years, 0.9 for up to 25 (a decade, "156X", a quarter of a century), 0.75 for up to
        60 (half a century), 0.6 for a century and 0.4 for more or an open end. Doubt is 1 for years that are stated,
        0.8 for "about" and 0.6 for "perhaps". An ordered scale, not a measured probability: it says how far the learned
        priors of the time context are to be followed.
        """
        doubt = _UNCERTAIN if self.uncertain else _CIRCA if self.circa else 1.0
        if self.year_from is None or self.year_to is None:
            return _VAGUE * doubt
        years = self.year_to - self.year_from + 1
        return doubt * next((value for most, value in _PRECISION if years <= most), _VAGUE)

    @property
    def margin_years(self) -> int:
        """Years by which the work may be younger or older than the range: 0 where the source has no doubt.

        10 for "about", 20 for "perhaps", and no less than a quarter of the range: "about the 15th century" is vaguer
        than "about 1480".
        """
        if not self.circa:
            return 0
        width = 0 if self.year_from is None or self.year_to is None else self.year_to - self.year_from + 1
        return max(UNCERTAIN_MARGIN_YEARS if self.uncertain else CIRCA_MARGIN_YEARS, width // 4)

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


def of_years(year_from: int | None, year_to: int | None) -> DateRange | None:
    """Return the range of the years that a record has, in either order; None where it has none."""
    known = sorted(year for year in (year_from, year_to) if year is not None)
    if len(known) == 2:
        return DateRange(known[0], known[1])
    return DateRange(year_from, year_to) if known else None


def combine(ranges: Sequence[DateRange]) -> DateRange:
    """Make one range of several, at least one; the rules are in the description of ``context.dates``."""
    both = [r for r in ranges if r.year_from is None] and [r for r in ranges if r.year_to is None]
    if both and len(ranges) == 2:
        (upper,) = (r for r in ranges if r.year_from is None)
        (lower,) = (r for r in ranges if r.year_to is None)
        if _known(lower.year_from) <= _known(upper.year_to):
            return DateRange(
                lower.year_from, upper.year_to, lower.circa or upper.circa, lower.uncertain or upper.uncertain
            )
    ranges = [r for r in ranges if not any(_is_broader(r, than) for than in ranges)]
    oldest = min(_known(r.year_to if r.year_to is not None else r.year_from) for r in ranges)
    if oldest < DIGITAL_AGE - OLD_BEFORE_DIGITAL_YEARS:
        ranges = [r for r in ranges if r.year_from is None or r.year_from < DIGITAL_AGE]
    starts, ends = [r.year_from for r in ranges], [r.year_to for r in ranges]
    year_from = None if None in starts else min(_known(year) for year in starts)
    year_to = None if None in ends else max(_known(year) for year in ends)
    if year_from is None and year_to is None:
        year_from = min(_known(year) for year in starts if year is not None)
    return DateRange(year_from, year_to, any(r.circa for r in ranges), any(r.uncertain for r in ranges))


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
