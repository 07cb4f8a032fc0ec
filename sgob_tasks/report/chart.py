"""The chart of hours per week, as lengths that a template draws: pure, no I/O.

Two bars for each week, GPU-hours filled and node-hours outlined, both to one scale, with their figures beside them: it
can be read without colours, and on a narrow screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sgob_tasks.report.present import hours
from sgob_tasks.store.job_history import WeekUsage

WIDTH, ROW, BAR, LABEL = 440, 32, 272, 74
"""Of the chart, of the space for a week, of the longest bar and of the space for the week's name, in SVG units."""


@dataclass(frozen=True)
class WeekBars:
    """One week: lengths in SVG units, figures as they are written."""

    name: str
    y: int
    jobs: int
    gpu: float
    gpu_hours: str
    node: float
    node_hours: str


@dataclass(frozen=True)
class Chart:
    """What the template draws. ``empty`` where nothing has been used in any week."""

    weeks: tuple[WeekBars, ...]
    height: int
    title: str
    description: str
    empty: bool


def day(moment: date) -> str:
    """Return a day of this year's weeks, such as ``7 Sep``."""
    return f"{moment:%-d %b}"


def length(value: float, longest: float) -> float:
    """Return the length of a bar: what is more than nothing is seen, what is no number is not drawn."""
    if not math.isfinite(value) or value <= 0 or longest <= 0:
        return 0.0
    return max(round(BAR * min(value / longest, 1.0), 1), 1.0)


def week_chart(usage: Sequence[WeekUsage]) -> Chart:
    """Prepare the chart.

    Args:
        usage: hours by week.
    """
    ordered = sorted(usage, key=lambda week: week.week_start)
    values = [value for week in ordered for value in (week.gpu_hours, week.node_hours)]
    longest = max((value for value in values if math.isfinite(value)), default=0.0)
    weeks = tuple(
        WeekBars(
            name=f"{day(week.week_start)}{week.week_start: %Y}" if _names_year(ordered, n) else day(week.week_start),
            y=n * ROW,
            jobs=week.jobs,
            gpu=length(week.gpu_hours, longest),
            gpu_hours=hours(week.gpu_hours),
            node=length(week.node_hours, longest),
            node_hours=hours(week.node_hours),
        )
        for n, week in enumerate(ordered)
    )
    return Chart(weeks, max(len(weeks), 1) * ROW, _title(ordered), _description(weeks), longest <= 0)


def _names_year(weeks: Sequence[WeekUsage], n: int) -> bool:
    """Tell whether a week says its year: the first one, and the first one of each year."""
    return n == 0 or weeks[n].week_start.year != weeks[n - 1].week_start.year


def _title(weeks: Sequence[WeekUsage]) -> str:
    if not weeks:
        return "GPU-hours and node-hours per week: no week is known"
    first, last = weeks[0].week_start, weeks[-1].week_start
    if len(weeks) == 1:
        return f"GPU-hours and node-hours of the week from {first:%-d %B %Y}"
    return f"GPU-hours and node-hours per week, {len(weeks)} weeks from {first:%-d %B %Y} to that of {last:%-d %B %Y}"


def _description(weeks: Sequence[WeekBars]) -> str:
    """Say the chart in words, week by week."""
    if not weeks:
        return "Nothing to show."
    return "; ".join(
        f"week of {week.name}: {week.gpu_hours} GPU-hours, {week.node_hours} node-hours, {week.jobs} jobs"
        for week in weeks
    )
