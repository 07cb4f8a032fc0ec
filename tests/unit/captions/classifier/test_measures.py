"""F1, curves, calibration and threshold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.captions.classifier.calibration import Calibration, best_threshold, fit_calibration
from sgob_tasks.captions.classifier.measures import calibration_error, precision_recall, reliability, score

JUDGED = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=1, max_size=80)


def test_scores_by_hand() -> None:
    pairs = [("caption", "caption")] * 3 + [("caption", "other")] + [("other", "other")] * 5 + [("other", "caption")]
    found = score(pairs)
    assert (found.sentences, found.precision, found.recall) == (10, 0.75, 0.75)
    assert found.f1_caption == pytest.approx(0.75)
    assert found.f1_other == pytest.approx(10 / 12)
    assert score([]).macro_f1 == 0.0


def test_calibration_error_by_hand() -> None:
    # 0.9 and right in half the cases; 0.2 and right in none: (2 * 0.4 + 2 * 0.2) / 4
    assert calibration_error([0.9, 0.9, 0.2, 0.2], [True, False, False, False]) == pytest.approx(0.3)
    assert calibration_error([], []) == 0.0
    assert [part.sentences for part in reliability([1.0, 0.95, 0.0], [True, True, False])] == [1, 2]


@given(JUDGED)
def test_a_point_of_the_curve_is_what_counting_gives(judged: list[tuple[float, bool]]) -> None:
    scores, truth = [one for one, _ in judged], [one for _, one in judged]
    points = precision_recall(scores, truth)
    assert [point.threshold for point in points] == sorted(set(scores), reverse=True)
    for point in points:
        pairs = [("caption" if t else "other", "caption" if s >= point.threshold else "other") for s, t in judged]
        counted = score(pairs)
        assert (point.precision, point.recall) == pytest.approx((counted.precision, counted.recall))
        assert point.macro_f1 == pytest.approx(counted.macro_f1)


@given(JUDGED)
def test_the_threshold_is_nearly_the_best(judged: list[tuple[float, bool]]) -> None:
    scores, truth = [one for one, _ in judged], [one for _, one in judged]
    points = {point.threshold: point.macro_f1 for point in precision_recall(scores, truth)}
    assert points[best_threshold(scores, truth)] >= max(points.values()) - 0.002


def test_scores_that_are_too_sure_are_softened() -> None:
    raw = [0.999] * 90 + [0.001] * 90 + [0.999] * 10 + [0.001] * 10
    truth = [True] * 90 + [False] * 90 + [False] * 10 + [True] * 10
    found = fit_calibration(raw, truth)
    assert 0 < found.slope < 1
    assert found.probability(0.999) == pytest.approx(0.9, abs=0.02)
    assert found.probability(0.001) == pytest.approx(0.1, abs=0.02)
    after = [found.probability(one) for one in raw]
    assert calibration_error(after, truth) < 0.02 < calibration_error(raw, truth)


def test_a_shift_is_found() -> None:
    raw = [1 / (1 + math.exp(-(n / 10))) for n in range(-40, 41)]
    found = fit_calibration(raw, [n > 10 for n in range(-40, 41)])
    assert found.probability(1 / (1 + math.exp(-1.05))) == pytest.approx(0.5, abs=0.1)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=60))
def test_calibration_keeps_the_order_and_stays_a_probability(judged: list[tuple[float, bool]]) -> None:
    raw, truth = [one for one, _ in judged], [one for _, one in judged]
    found = fit_calibration(raw, truth)
    after = [found.probability(one) for one in sorted(raw)]
    assert all(0 <= one <= 1 for one in after)
    assert after == sorted(after)
    assert 0 <= found.threshold <= 1


def test_without_calibration_nothing_changes() -> None:
    assert Calibration().probability(0.3) == pytest.approx(0.3)
