"""How much likelier a class is in works of one time than in works of any: priors learned from dated works.

For period t (a quarter of a century) and class c, with n(t) works of which n(c, t) show c, and p(c) the share of all
works that show it::

    ratio(c, t) = (n(c, t) + a p(c)) / (n(t) + a) / p(c)

``a`` = ``PSEUDO_WORKS`` works that look like all the others (Dirichlet smoothing; Zhai and Lafferty, ACM TOIS 22(2),
2004): a period of which little is known says little. A work of a wide date counts in each period by its share. For a
picture the ratio is the mean over its own range, held within 1/``BOUND`` to ``BOUND`` and raised to the date's
certainty. Bounded like this it can never rule a class out: at most it changes the odds of two classes by ``BOUND``
squared, so that a class keeps its label against every other that has less than a quarter of its score.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sgob_tasks.context.date_range import DateRange
from sgob_tasks.context.documents import field_of, read_document
from sgob_tasks.errors import InputError

PERIOD_YEARS = 25
PSEUDO_WORKS = 50.0
LEAST_WORKS = 5
"""Classes that fewer works show have no prior."""
BOUND = 2.0
WIDEST_YEARS = 200
"""Works whose range is wider teach nothing about time."""

FORMAT = "sgob-time-priors/1"


@dataclass(frozen=True)
class DatedLabels:
    """What one dated work shows: a range of years and the names of classes."""

    year_from: int
    year_to: int
    labels: Collection[str]


@dataclass(frozen=True)
class TimePriors:
    """Ratios by class and period.

    Attributes:
        ratios: ``P(c | period) / P(c)`` by class, then by the number of the period (see :func:`period`).
        works: works that they were learned from.
        version: short name of this set, kept with what it decides.
        source: where the works are from.
    """

    ratios: Mapping[str, Mapping[int, float]]
    works: int
    version: str
    source: str = ""
    settings: Mapping[str, float] = field(
        default_factory=lambda: {"period_years": PERIOD_YEARS, "pseudo_works": PSEUDO_WORKS}
    )

    def log_factor(self, name: str, date: DateRange | None) -> float:
        """Return the logarithm of the bounded factor of a class in a picture of that date; 0 where nothing is known."""
        by_period = self.ratios.get(name)
        if by_period is None or date is None or date.year_from is None or date.year_to is None:
            return 0.0
        if date.year_to - date.year_from >= WIDEST_YEARS:
            return 0.0
        shares = _shares(date.year_from, date.year_to)
        ratio = sum(share * by_period.get(number, 1.0) for number, share in shares.items())
        bound = math.log(BOUND)
        return date.certainty * max(-bound, min(bound, math.log(ratio)))

    def save(self, path: Path) -> None:
        """Write the priors as JSON."""
        document = {"format": FORMAT, **asdict(self)}
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> TimePriors:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file cannot be read, or a field does not fit.
        """
        document = read_document(path, FORMAT)
        settings = field_of(path, document, "settings", dict)
        if (years := settings.get("period_years")) != PERIOD_YEARS:
            raise InputError(path, "settings.period_years", years, f"must be {PERIOD_YEARS}")
        return cls(
            ratios={
                str(name): _by_period(path, name, row) for name, row in field_of(path, document, "ratios", dict).items()
            },
            works=field_of(path, document, "works", int),
            version=field_of(path, document, "version", str),
            source=str(document.get("source", "")),
            settings=settings,
        )


def _by_period(path: Path, name: str, row: Any) -> dict[int, float]:
    try:
        ratios = {int(number): float(ratio) for number, ratio in row.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(path, f"ratios.{name}", row, "must give a ratio for each period") from error
    if not all(0.0 < ratio < math.inf for ratio in ratios.values()):
        raise InputError(path, f"ratios.{name}", row, "must be above 0 and finite")
    return ratios


def period(year: int) -> int:
    """Return the number of the quarter of a century that a year is in: 1801 to 1825 are one."""
    return (year - 1) // PERIOD_YEARS


def _shares(first: int, last: int) -> dict[int, float]:
    """Return the share of the years ``first`` to ``last`` that each period has."""
    years = last - first + 1
    return {
        number: (min(last, (number + 1) * PERIOD_YEARS) - max(first, number * PERIOD_YEARS + 1) + 1) / years
        for number in range(period(first), period(last) + 1)
    }


def learn_time_priors(records: Iterable[DatedLabels], *, version: str, source: str = "") -> TimePriors:
    """Learn priors from dated works with labels.

    Args:
        records: the works; those of a range of ``WIDEST_YEARS`` or more are left out.
        version: name of this set.
        source: where the works are from.

    Raises:
        InputError: there is no dated work, or a work's range runs backwards.
    """
    works, shown = 0, defaultdict[str, float](float)
    in_period = defaultdict[int, float](float)
    shown_in_period: defaultdict[str, defaultdict[int, float]] = defaultdict(lambda: defaultdict(float))
    for record in records:
        if record.year_from > record.year_to:
            years = (record.year_from, record.year_to)
            raise InputError(source or "records", "year_from, year_to", years, "runs backwards")
        if record.year_to - record.year_from >= WIDEST_YEARS:
            continue
        works += 1
        labels = set(record.labels)
        for name in labels:
            shown[name] += 1
        for number, share in _shares(record.year_from, record.year_to).items():
            in_period[number] += share
            for name in labels:
                shown_in_period[name][number] += share
    if not works:
        raise InputError(source or "records", "records", 0, "hold no dated work")
    ratios = {
        name: {
            number: round((shown_in_period[name][number] + PSEUDO_WORKS * count / works) / (of_all + PSEUDO_WORKS)
                          * works / count, 4)
            for number, of_all in sorted(in_period.items())
        }
        for name, count in sorted(shown.items())
        if count >= LEAST_WORKS
    }  # fmt: skip
    return TimePriors(ratios, works, version, source)
