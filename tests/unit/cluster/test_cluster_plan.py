from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sgob_tasks.cluster import plan
from sgob_tasks.cluster.calibration import Calibration
from sgob_tasks.cluster.plan import PUBLISHED, Measurement, Plan, forecast, law, links_for, make_plan
from sgob_tasks.cluster.sites.site import Resources, load_site
from sgob_tasks.errors import InputError

SITE = load_site("minotauro")
LIMIT_H = 48.0

# As published, not from the module: batch size, nodes, GPUs, hours, images.
TABLE = [
    (1000, 1, 2, (13, 16), (1000, 4000)),
    (2000, 1, 2, (48, 48), (1000, 4000)),
    (2000, 5, 10, (12, 12), (1000, 4000)),
    (4000, 5, 10, (26, 30), (4000, 8000)),
    (6000, 5, 10, (38, 45), (8000, 10000)),
    (8000, 8, 16, (38, 45), (8000, 10000)),
]
BATCHES = st.floats(10, 1e6)
NODES = st.floats(1, 100)


@pytest.mark.parametrize(("batch", "nodes", "gpus", "hours", "images"), TABLE)
@pytest.mark.parametrize("end", [0, 1])
def test_every_published_row_is_reproduced(
    batch: int, nodes: int, gpus: int, hours: tuple[int, int], images: tuple[int, int], end: int
) -> None:
    low, high = hours if hours[0] < hours[1] else (0.9 * hours[0], 1.1 * hours[1])
    made = make_plan(images[end], batch, SITE, nodes=nodes)
    assert low <= made.hours_low < made.hours_high <= high
    assert (made.nodes, made.gpus, made.calibration, made.reliable) == (nodes, gpus, "published", True)
    assert not [warning for warning in made.warnings if "measured" in warning]
    assert made.links == (2 if made.hours_high > LIMIT_H else 1)


def test_the_law_is_the_least_squares_fit_and_as_good_as_the_docstring_says() -> None:
    cached = [row for row in PUBLISHED if row.batch_size / row.nodes <= plan._CACHED_IMAGES]
    (other,) = [row for row in PUBLISHED if row not in cached]

    def powers(rows: list[Measurement]) -> Any:
        return np.array([[1, math.log(row.batch_size / 1000), -math.log(row.nodes)] for row in rows])

    fitted = np.linalg.lstsq(powers(cached), np.array([row.middle for row in cached]), rcond=None)[0]
    missed = 1 - plan._CACHED_IMAGES * other.nodes / other.batch_size
    penalty = (math.exp(other.middle - float((powers([other]) @ fitted)[0])) - 1) / missed
    assert np.allclose([math.exp(fitted[0]), fitted[1], fitted[2], penalty], [14.6, 1.11, 0.59, 1.31], rtol=2e-3)
    errors = {(row.batch_size, row.nodes): law(row.batch_size, row.nodes) / math.exp(row.middle) - 1 for row in cached}
    assert max(errors, key=lambda at: abs(errors[at])) == (4000, 5)
    assert abs(errors[4000, 5]) < 0.06


@given(BATCHES, st.floats(1, 100), NODES)
def test_more_images_take_longer(batch: float, times: float, nodes: float) -> None:
    small, large = forecast(batch, nodes), forecast(batch * times, nodes)
    assert small[0] <= large[0] * (1 + 1e-9)
    assert small[1] <= large[1] * (1 + 1e-9)


@given(BATCHES, NODES, st.floats(1, 100))
def test_more_nodes_are_quicker(batch: float, nodes: float, times: float) -> None:
    few, many = forecast(batch, nodes), forecast(batch, nodes * times)
    assert many[0] <= few[0] * (1 + 1e-9)
    assert many[1] <= few[1] * (1 + 1e-9)


@given(BATCHES, NODES)
def test_the_correction_stays_small_and_the_range_widens_outside(batch: float, nodes: float) -> None:
    low, high = forecast(batch, nodes)
    assert abs(math.log(math.sqrt(low * high) / law(batch, nodes))) <= 0.062
    half = math.log(high / low) / 2
    assert 0.071 <= half - plan._WIDENING * plan.outside(batch, nodes) <= 0.105


@given(st.floats(10, 1e5), st.integers(2, 100))
def test_nodes_never_help_more_than_ideally_but_for_the_penalty(batch: float, nodes: int) -> None:
    speed_up = law(batch, 1) / law(batch, nodes)
    assert 1 < speed_up <= (1 + plan._PENALTY) * nodes


@given(BATCHES, NODES, st.floats(0.1, 1000), st.floats(0.1, 10))
def test_hours_are_proportional_to_epochs_and_factor(batch: float, nodes: float, epochs: float, factor: float) -> None:
    one, scaled = forecast(batch, nodes), forecast(batch, nodes, epochs, factor)
    assert scaled == pytest.approx([hours * epochs / 50 * factor for hours in one])


@given(st.integers(1, 200_000), st.integers(0, 60), st.sampled_from([1.0, 10.0, 50.0, 200.0]))
def test_the_fewest_nodes_that_finish_with_a_tenth_to_spare(batch: int, total: int, epochs: float) -> None:
    site = replace(SITE, nodes_total=total)
    made = make_plan(batch, batch, site, epochs=epochs)
    most = min(total or 8, 32)
    assert 1 <= made.nodes <= most
    fewer = [make_plan(batch, batch, site, nodes, epochs) for nodes in range(1, made.nodes)]
    spare = 0.9 * LIMIT_H
    if made.hours_high <= spare:
        assert made.links == 1
        assert all(other.hours_high > spare for other in fewer)
    else:
        assert make_plan(batch, batch, site, most, epochs).links == made.links
        assert all(other.links > made.links for other in fewer)


def test_a_chain_where_no_number_of_nodes_finishes_in_time() -> None:
    made = make_plan(8000, 8000, replace(SITE, nodes_total=5))
    assert (made.nodes, made.links) == (5, 2)
    assert made.hours_high > LIMIT_H


@pytest.mark.parametrize(
    ("hours", "links"), [(1, 1), (43.2, 1), (45, 1), (48, 1), (48.1, 2), (86.4, 2), (86.5, 3), (432, 10)]
)
def test_links(hours: float, links: int) -> None:
    assert links_for(hours, LIMIT_H * 3600) == links


def test_little_to_spare_is_said() -> None:
    assert "45 h leave less than a tenth" in " ".join(make_plan(8000, 6000, SITE, 5).warnings)


@pytest.mark.parametrize(
    ("images", "batch", "nodes", "said", "reliable"),
    [
        (12_000, 6000, 5, "images = 12000 is outside", True),
        (4000, 500, 1, "batch_size = 500 is outside", True),
        (4000, 4000, 1, "batch_size / nodes = 4000 is outside", True),
        (9000, 1000, 1, "images / batch_size = 9 is outside", True),
        (6000, 6000, 10, "nodes = 10 is outside", True),
        (100, 100, 1, "batch_size = 100 is far outside", False),
        (100_000, 100_000, 32, "batch_size = 100000 is far outside", False),
    ],
)
def test_outside_of_what_was_measured_is_said(images: int, batch: int, nodes: int, said: str, reliable: bool) -> None:
    made = make_plan(images, batch, SITE, nodes)
    assert any(warning.startswith(said) for warning in made.warnings), made.warnings
    assert made.reliable is reliable


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("images", {"images": 0}),
        ("images", {"images": True}),
        ("images", {"images": 10**400}),
        ("batch_size", {"batch_size": -1}),
        ("batch_size", {"batch_size": 1.5}),
        ("nodes", {"nodes": 0}),
        ("nodes", {"nodes": 40}),
        ("epochs", {"epochs": 0}),
        ("epochs", {"epochs": math.nan}),
        ("epochs", {"epochs": math.inf}),
    ],
)
def test_nonsense_is_refused_by_name(field: str, values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=field) as caught:
        make_plan(**({"images": 1000, "batch_size": 1000, "site": SITE} | values))
    assert caught.value.field == field


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.none() | st.integers(1, 39), st.floats(1e-3, 1e6))
def test_any_possible_question_has_a_finite_answer(images: int, batch: int, nodes: int | None, epochs: float) -> None:
    made = make_plan(images, batch, SITE, nodes, epochs)
    assume(made.hours_high > 0)
    assert 0 < made.hours_low < made.hours_high < math.inf
    assert Plan(**json.loads(json.dumps(made.to_dict()))).to_dict() == made.to_dict()


def test_gpus_are_those_of_the_figures_and_those_that_are_asked_for() -> None:
    one_gpu = replace(SITE, train=Resources(gpus_per_node=1, time_limit_s=172_800))
    assert [(made.gpus, made.gpus_asked) for made in (make_plan(1000, 1000, s, 5) for s in (SITE, one_gpu))] == [
        (10, 20),
        (5, 5),
    ]


def test_own_jobs_move_hours_and_nodes() -> None:
    slow = make_plan(4000, 4000, SITE, calibration=Calibration(2.0, 7))
    usual = make_plan(4000, 4000, SITE)
    assert slow.calibration == "own jobs (7)"
    assert slow.factor == 2.0
    assert slow.nodes > usual.nodes
    assert make_plan(4000, 4000, SITE, 5, calibration=Calibration(2.0, 7)).hours_low == 52.0
