from __future__ import annotations

import math
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.report.chart import BAR, LABEL, ROW, WIDTH, length, week_chart
from sgob_tasks.report.cluster_page import ClusterView, Live
from sgob_tasks.report.present import hours
from sgob_tasks.report.render_cluster import render_cluster
from sgob_tasks.store.job_history import WeekUsage
from tests.unit.report.test_render import Page

MONDAY = date(2026, 11, 23)
NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, -1.0, 5e-324, 1e308, math.inf, math.nan]))


def weeks(*values: tuple[float, float]) -> list[WeekUsage]:
    first = MONDAY - timedelta(weeks=len(values) - 1)
    return [WeekUsage(first + timedelta(weeks=n), n, node, gpu) for n, (node, gpu) in enumerate(values)]


def test_bars_are_to_one_scale() -> None:
    chart = week_chart(weeks((10.0, 40.0), (2.5, 10.0)))
    assert [(week.gpu, week.node) for week in chart.weeks] == [(BAR, BAR / 4), (BAR / 4, BAR / 16)]
    assert [(week.gpu_hours, week.node_hours) for week in chart.weeks] == [("40.0", "10.0"), ("10.0", "2.50")]
    assert [week.name for week in chart.weeks] == ["16 Nov 2026", "23 Nov"]
    assert chart.title.endswith("2 weeks from 16 November 2026 to that of 23 November 2026")
    assert "week of 23 Nov: 10.0 GPU-hours, 2.50 node-hours, 1 jobs" in chart.description


def test_no_week_one_week_and_nothing_used() -> None:
    assert week_chart([]).empty
    assert week_chart([]).height == ROW
    one = week_chart(weeks((0.0, 0.0)))
    assert one.empty
    assert one.title == "GPU-hours and node-hours of the week from 23 November 2026"
    assert (one.weeks[0].gpu, one.weeks[0].gpu_hours) == (0.0, "0.00")


def test_year_is_named_where_it_begins() -> None:
    ends = [WeekUsage(date(2026, 12, 28), 0, 0, 0), WeekUsage(date(2027, 1, 4), 0, 0, 0)]
    assert [week.name for week in week_chart(ends).weeks] == ["28 Dec 2026", "4 Jan 2027"]


def test_weeks_are_drawn_in_their_order() -> None:
    given_weeks = weeks((1.0, 1.0), (2.0, 2.0), (3.0, 3.0))
    assert week_chart(given_weeks[::-1]) == week_chart(given_weeks)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=60))
def test_any_hours_are_drawn_within_the_chart(values: list[tuple[float, float]]) -> None:
    chart = week_chart(weeks(*values))
    for week in chart.weeks:
        for bar in (week.gpu, week.node):
            assert math.isfinite(bar)
            assert 0 <= bar <= BAR < WIDTH - LABEL
        assert 0 <= week.y <= chart.height - ROW
        assert len(week.gpu_hours) <= 12


def test_odd_hours_are_drawn_on_the_page() -> None:
    odd = weeks((0.0, 1e308), (math.nan, math.inf), (-1.0, 5e-324))
    page = Page(render_cluster(ClusterView((), (), weeks=odd), Live(), root="../"))
    bars = [attributes for tag, attributes in page.elements if tag == "rect" and attributes.get("x") == str(LABEL)]
    assert [bar["width"] for bar in bars] == [str(float(BAR)), "0.0", "0.0", "0.0", "1.0", "0.0"]


@given(NUMBERS, NUMBERS)
def test_what_is_more_than_nothing_is_seen(value: float, longest: float) -> None:
    bar = length(value, longest)
    drawn = math.isfinite(value) and value > 0 and longest > 0
    assert (bar >= 1) == drawn


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0.005, max_value=1e308))
def test_hours_are_readable_and_near_the_truth(value: float) -> None:
    text = hours(value)
    assert len(text) <= 9
    assert math.isclose(float(text.replace(",", "")), value, rel_tol=0.01, abs_tol=0.0051)


def test_hours_that_are_none() -> None:
    assert [hours(value) for value in (None, math.nan, math.inf, 0.0, 0.001)] == ["–", "–", "–", "0.00", "< 0.01"]
