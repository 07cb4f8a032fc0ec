"""Windows of update time: what to ask for, and how to make a crowded window smaller. Pure.

Europeana's range filter includes both ends, so neighbouring windows share their border instant; a record at the
border is read twice and stored once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from sgob_tasks.errors import InputError

OVERLAP = timedelta(hours=1)
"""How far a window reaches back over the one before it: an index shows an update some time after its time stamp."""

SMALLEST = timedelta(minutes=1)
FIRST_UPDATE = datetime(2008, 11, 1, tzinfo=timezone.utc)
"""Europeana opened in November 2008: no record is older."""


@dataclass(frozen=True, order=True)
class Window:
    """A span of update time, both ends included, in UTC.

    Raises:
        InputError: an end has no time zone, or the window ends before it begins.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            value: datetime = getattr(self, name)
            if value.tzinfo is None:
                raise InputError("harvest window", name, value.isoformat(), "has no time zone")
            object.__setattr__(self, name, value.astimezone(timezone.utc))
        if self.end < self.start:
            raise InputError("harvest window", "end", self.end.isoformat(), "is before the start")

    def __str__(self) -> str:
        return f"{_stamp(self.start)} TO {_stamp(self.end)}"

    @property
    def filter(self) -> str:
        """Value of ``qf`` that selects this window."""
        return f"timestamp_update:[{self}]"

    def halves(self) -> tuple[Window, Window] | None:
        """Return the two halves, or None for a window that is not longer than ``SMALLEST``."""
        if self.end - self.start <= SMALLEST:
            return None
        middle = self.start + (self.end - self.start) / 2
        middle = middle.replace(microsecond=0)
        if not self.start < middle < self.end:
            return None
        return Window(self.start, middle), Window(middle, self.end)


def _stamp(time: datetime) -> str:
    """Write a time as Solr reads it; a fraction is written only where there is one."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{time.microsecond // 1000:03d}Z" if time.microsecond else f"{text}Z"


def following(high_water: datetime | None, now: datetime) -> Window:
    """Return the window to harvest next.

    Args:
        high_water: end of the newest window known; None before the first harvest.
        now: the present; no window ends later.
    """
    start = high_water - OVERLAP if high_water else FIRST_UPDATE
    end = now.replace(microsecond=0)
    return Window(min(start, end), end)
