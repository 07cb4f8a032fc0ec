"""Priors learned from dated works: what they say, and that they cannot rule anything out."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.dates import DateRange
from sgob_tasks.context.time_priors import BOUND, DatedLabels, TimePriors, learn_time_priors, period
from sgob_tasks.errors import InputError


def _works() -> list[DatedLabels]:
    old = [DatedLabels(1800, 1800, {"horse", "person"} if number % 2 else {"person"}) for number in range(400)]
    new = [DatedLabels(1950, 1950, {"car", "person"} if number % 4 == 0 else {"person"}) for number in range(400)]
    return old + new


def test_what_a_time_shows_more_often_gets_likelier() -> None:
    priors = learn_time_priors(_works(), version="v", source="s")
    old, new = DateRange(1790, 1790), DateRange(1940, 1940)
    assert priors.works == 800
    assert priors.log_factor("horse", old) == pytest.approx(math.log(1.89), abs=0.02)
    assert priors.log_factor("horse", new) == -math.log(BOUND)
    assert priors.log_factor("person", old) == pytest.approx(0.0, abs=1e-3)
    assert priors.log_factor("car", new) > 0 > priors.log_factor("car", old)


def test_a_doubtful_or_wide_date_says_less() -> None:
    priors = learn_time_priors(_works(), version="v")
    exact = priors.log_factor("horse", DateRange(1790, 1790))
    assert priors.log_factor("horse", DateRange(1790, 1790, circa=True)) == pytest.approx(0.8 * exact)
    assert priors.log_factor("horse", DateRange(1790, 1790, circa=True, uncertain=True)) == pytest.approx(0.6 * exact)
    assert 0 < priors.log_factor("horse", DateRange(1701, 1800)) < exact
    for date in (None, DateRange(None, 1800), DateRange(1790, None), DateRange(1500, 1900)):
        assert priors.log_factor("horse", date) == 0.0


def test_where_nothing_is_known_nothing_is_said() -> None:
    priors = learn_time_priors([*_works(), DatedLabels(1790, 1790, {"unicorn"})], version="v")
    assert priors.log_factor("gryphon", DateRange(1790, 1790)) == 0.0
    assert priors.log_factor("unicorn", DateRange(1790, 1790)) == 0.0  # one work is too few
    assert priors.log_factor("horse", DateRange(1450, 1450)) == pytest.approx(0.0, abs=1e-9)  # no work of that time


@given(
    st.lists(
        st.builds(
            lambda first, length, labels: DatedLabels(first, first + length, labels),
            st.integers(-500, 2000), st.integers(0, 150), st.sets(st.sampled_from("abc")),
        ),
        min_size=1, max_size=60,
    ),
    st.sampled_from("abcd"), st.integers(-600, 2100), st.integers(0, 300), st.booleans(),
)  # fmt: skip
def test_the_factor_is_bounded(works: list[DatedLabels], name: str, first: int, length: int, circa: bool) -> None:
    priors = learn_time_priors(works, version="v")
    assert abs(priors.log_factor(name, DateRange(first, first + length, circa))) <= math.log(BOUND) + 1e-12


def test_periods_are_those_of_centuries() -> None:
    assert [period(year) for year in (1801, 1825, 1826, 1900, 1901)] == [72, 72, 73, 75, 76]
    assert period(0) < period(1)


def test_saved_and_read(tmp_path: Path) -> None:
    priors = learn_time_priors(_works(), version="v", source="s")
    priors.save(tmp_path / "priors.json")
    assert TimePriors.load(tmp_path / "priors.json") == priors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "format = 'other': must be sgob-time-priors/1"),
        ({"settings": {"period_years": 50}}, "period_years = 50: must be 25"),
        ({"ratios": {"horse": {"71": 0}}}, "ratios.horse = .*: must be above 0"),
        ({"ratios": {"horse": [1]}}, "ratios.horse = .*: must give a ratio"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "priors.json"
    learn_time_priors(_works(), version="v").save(path)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(InputError, match=message):
        TimePriors.load(path)


def test_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hold no dated work"):
        learn_time_priors([DatedLabels(1000, 1900, {"horse"})], version="v")
    with pytest.raises(InputError, match="runs backwards"):
        learn_time_priors([DatedLabels(1900, 1800, {"horse"})], version="v")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        TimePriors.load(tmp_path / "missing.json")
    (tmp_path / "list.json").write_text("[]", "utf-8")
    with pytest.raises(InputError, match="format = 'list'"):
        TimePriors.load(tmp_path / "list.json")


@pytest.mark.parametrize("name", ["settings", "ratios", "works", "version"])
def test_a_file_without_a_field_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "priors.json"
    TimePriors({"horse": {6: 1.5}}, works=3, version="1", source="test").save(path)
    document = json.loads(path.read_text())
    del document[name]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=name):
        TimePriors.load(path)
