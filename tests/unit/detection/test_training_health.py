"""When a training is ended because it makes no sense any more."""

from __future__ import annotations

import math

import pytest

from sgob_tasks.detection.training.health import PATIENCE_STEPS, WARM_UP_STEPS, Health
from sgob_tasks.errors import PermanentError


def run(health: Health, losses: list[float], start: int = 1) -> None:
    for step, loss in enumerate(losses, start):
        health.check(step, {"class": loss / 2, "box": loss / 2}, 1.0, 0.02)


def test_a_loss_that_is_no_number_ends_it_at_once() -> None:
    with pytest.raises(PermanentError, match=r"step 2: a loss is no number \(class nan, box nan\).* rate was 0\.02"):
        run(Health(10), [1.0, math.nan])
    with pytest.raises(PermanentError, match="step 1: a loss is no number"):
        run(Health(0), [math.inf])
    with pytest.raises(PermanentError, match="a gradient is no number"):
        Health(10).check(1, {"class": 1.0}, math.inf, 0.02)


def test_a_loss_that_stays_high_ends_it() -> None:
    health = Health(10)
    run(health, [2.0] * (WARM_UP_STEPS + 10))
    with pytest.raises(PermanentError, match=r"the training diverges: its loss is .* times the lowest, for 50 steps"):
        run(health, [100.0] * 200, start=WARM_UP_STEPS + 11)


def test_a_peak_a_wild_start_and_a_disabled_watch_do_not_end_it() -> None:
    run(Health(10), [1.0] * 200 + [300.0] * (PATIENCE_STEPS // 2) + [1.0] * 200)
    run(Health(10), [0.1] + [50.0] * (WARM_UP_STEPS - 1) + [1.0] * 100)
    run(Health(0), [1.0] * 200 + [1e6] * 200)
