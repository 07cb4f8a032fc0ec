"""Dates as museums write them, and what they mean."""

from __future__ import annotations

import random
from dataclasses import dataclass

ROMAN = {13: "XIII", 14: "XIV", 15: "XV", 16: "XVI", 17: "XVII", 18: "XVIII", 19: "XIX", 20: "XX", 21: "XXI"}


@dataclass(frozen=True)
class Dating:
    """A date text and the years it states, both inclusive; words such as "ca." do not widen them."""

    text: str
    year_from: int
    year_to: int


def _ordinal(number: int) -> str:
    return f"{number}{'st' if number == 21 else 'th'}"


def _century(rng: random.Random, century: int) -> Dating:
    first, last = (century - 1) * 100 + 1, century * 100
    text = rng.choice(
        (f"s. {ROMAN[century]}", f"{_ordinal(century)} century", f"{century}. Jahrhundert", f"siglo {ROMAN[century]}")
    )
    return Dating(text, first, last)


def _half_century(rng: random.Random, century: int, *, late: bool) -> Dating:
    first = (century - 1) * 100 + (51 if late else 1)
    half = "second half" if late else "first half"
    text = rng.choice(
        (f"{half} of the {_ordinal(century)} century", f"{'2nd' if late else '1st'} half {_ordinal(century)} century")
    )
    return Dating(text, first, first + 49)


def _short(first: int, last: int) -> str:
    return f"{last % 100:02d}" if first // 100 == last // 100 else str(last)


def date_in(rng: random.Random, first: int, last: int) -> Dating:
    """Return a dating whose years lie within ``first`` .. ``last``.

    Vague styles are used only where all that they say fits, so that a picture of a late thing never has a date that
    would also allow an early one.
    """
    year = rng.randint(first, last)
    century = (year - 1) // 100 + 1
    span_end = min(last, year + rng.choice((2, 3, 5, 5, 8, 10)))
    choices = [
        (6, Dating(str(year), year, year)),
        (2, Dating(f"ca. {year}", year, year)),
        (1, Dating(f"c. {year}", year, year)),
        (1, Dating(f"um {year}", year, year)),
        (1, Dating(f"[{year}?]", year, year)),
        (1, Dating(f"circa {year}", year, year)),
        (1, Dating(f"{year} (signed and dated)", year, year)),
    ]
    if span_end > year:
        choices += [
            (2, Dating(f"{year}-{span_end}", year, span_end)),
            (2, Dating(f"ca. {year}-{_short(year, span_end)}", year, span_end)),
            (1, Dating(f"{year}/{_short(year, span_end)}", year, span_end)),
            (1, Dating(f"between {year} and {span_end}", year, span_end)),
        ]
    for weight, vague in ((4, _century(rng, century)), (2, _half_century(rng, century, late=(year - 1) % 100 >= 50))):
        if first <= vague.year_from and vague.year_to <= last:
            choices.append((weight, vague))
    return rng.choices([d for _, d in choices], [w for w, _ in choices])[0]
