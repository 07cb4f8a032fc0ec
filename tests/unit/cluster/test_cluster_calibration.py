from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.calibration import PUBLISHED_ONLY, Run, calibrate

RUNS = st.lists(
    st.builds(
        Run,
        measured_h=st.floats(0.01, 1000),
        predicted_h=st.floats(0.01, 1000),
        age_days=st.floats(-1, 2000),
        outside=st.floats(0, 10),
        queued=st.booleans(),
    ),
    max_size=12,
)


def twice(count: int, **values: float) -> list[Run]:
    return [Run(20.0, 10.0, **values)] * count


def test_without_jobs_the_published_figures_stand() -> None:
    assert calibrate([]) == PUBLISHED_ONLY
    assert PUBLISHED_ONLY.source == "published"


@pytest.mark.parametrize(("count", "factor"), [(1, 2**0.25), (3, 2**0.5), (9, 2**0.75)])
def test_few_jobs_are_shrunk_towards_one(count: int, factor: float) -> None:
    found = calibrate(twice(count))
    assert found.factor == pytest.approx(factor)
    assert (found.jobs, found.source) == (count, f"own jobs ({count})")


def test_one_odd_job_hardly_matters() -> None:
    assert calibrate([*twice(9), Run(5000.0, 10.0)]).factor == pytest.approx(2 ** (10 / 13))


def test_recent_jobs_count_more() -> None:
    quicker_now = [*twice(3, age_days=900.0), *[Run(5.0, 10.0)] * 2]
    assert calibrate(quicker_now).factor < 1


def test_unusual_and_queued_jobs_count_less() -> None:
    usual, unusual = calibrate(twice(1)).factor, calibrate(twice(1, outside=5.0)).factor
    assert 1 < unusual < calibrate(twice(1, queued=True)).factor < usual


@pytest.mark.parametrize("hours", [0.0, -1.0, math.nan, math.inf])
def test_impossible_times_are_left_out(hours: float) -> None:
    assert calibrate([Run(hours, 10.0)]) == PUBLISHED_ONLY


@given(RUNS)
def test_the_factor_lies_between_one_and_the_jobs_ratios(runs: list[Run]) -> None:
    ratios = [1.0, *(run.measured_h / run.predicted_h for run in runs)]
    factor = calibrate(runs).factor
    assert min(ratios) * (1 - 1e-9) <= factor <= max(ratios) * (1 + 1e-9)
