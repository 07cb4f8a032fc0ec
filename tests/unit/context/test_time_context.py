"""The time context, with the cases that gave the project its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.dates import DateRange
from sgob_tasks.context.time_context import Correction, Seen, correct, correct_picture, iou, weight
from sgob_tasks.detection.classes import ClassTable

TABLE = ClassTable.load()
OLD = DateRange(1480, 1485)
NAMES = st.sampled_from(sorted(TABLE))
DATES = st.one_of(
    st.none(),
    st.builds(
        lambda first, length, circa: DateRange(first, first + length, circa),
        st.integers(1000, 2000), st.integers(0, 300), st.booleans(),
    ),
)  # fmt: skip


def test_the_bicycle_of_saint_george_is_a_horse() -> None:
    found = correct("bicycle", 0.62, {"bicycle": 0.62, "horse": 0.25, "dog": 0.05}, OLD, TABLE)
    assert found.label == "horse"
    assert found.label_score == pytest.approx(0.87)
    assert found.reason == (
        "bicycle appeared in 1817; the picture is dated 1480-1485; relabelled horse, which it resembles"
    )


def test_without_candidates_the_first_look_alike_inherits() -> None:
    assert correct("bicycle", 0.62, {}, OLD, TABLE).label == "horse"
    assert correct("airplane", 0.7, {"airplane": 0.7}, OLD, TABLE).label == "angel"


def test_candidates_decide_between_look_alikes() -> None:
    found = correct("airplane", 0.6, {"airplane": 0.6, "bird": 0.3, "angel": 0.1}, OLD, TABLE)
    assert found.label == "bird"
    assert found.label_score == pytest.approx(0.3 + 0.6 * 0.75)


def test_all_impossible_candidates_give_their_score_away() -> None:
    found = correct("bicycle", 0.5, {"bicycle": 0.5, "motorcycle": 0.3, "horse": 0.1}, OLD, TABLE)
    assert found.label == "horse"
    assert found.label_score == pytest.approx(0.9)


def test_only_classes_of_the_model_are_used() -> None:
    found = correct("airplane", 0.6, {"airplane": 0.6}, OLD, TABLE, known={"airplane", "bird", "person"})
    assert found.label == "bird"
    found = correct(
        "bicycle", 0.6, {"bicycle": 0.6, "horse": 0.3, "person": 0.1}, OLD, TABLE, known={"bicycle", "person"}
    )
    assert found == Correction(
        "person",
        0.1,
        "bicycle appeared in 1817; the picture is dated 1480-1485; relabelled person, the next best class",
    )


def test_where_nothing_is_possible_the_detection_is_removed_with_a_reason() -> None:
    found = correct("bicycle", 0.6, {"bicycle": 0.6, "car": 0.3}, OLD, TABLE, known={"bicycle", "car"})
    assert (found.label, found.label_score) == (None, 0.0)
    assert found.reason is not None
    assert "it resembles no class that was possible then" in found.reason


@pytest.mark.parametrize(
    "date",
    [
        None,
        DateRange(1817, 1817),
        DateRange(1400, 1900),
        DateRange(1700, None),
        DateRange(1810, 1810, circa=True),
        DateRange(1900, 1910),
    ],
)
def test_nothing_changes_where_it_was_possible(date: DateRange | None) -> None:
    assert correct("bicycle", 0.6, {"bicycle": 0.6, "horse": 0.3}, date, TABLE) == Correction("bicycle", 0.6)


@pytest.mark.parametrize(
    "date", [DateRange(1816, 1816), DateRange(None, 1600), DateRange(1800, 1806, circa=True), DateRange(-500, -401)]
)
def test_later_bound_and_margin_count(date: DateRange) -> None:
    assert correct("bicycle", 0.6, {"horse": 0.3}, date, TABLE).label == "horse"


def test_soft_bounds_lower_the_score() -> None:
    found = correct("tie", 0.8, {"tie": 0.8, "stole": 0.1}, DateRange(1600, 1600), TABLE)
    assert found.label == "tie"
    assert 0.24 < found.label_score < 0.8
    assert found.reason == "tie probably appeared in 1635; the picture is dated 1600; score lowered"
    assert correct("tie", 0.8, {"tie": 0.8, "stole": 0.3}, DateRange(1400, 1400), TABLE).label == "stole"


def test_soft_bounds_fall_with_distance() -> None:
    weights = [weight("tie", DateRange(year, year), TABLE) for year in (1640, 1635, 1600, 1560, 1535, 1200)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == weights[1] == 1.0
    assert weights[-1] == weights[-2] == pytest.approx(0.3)


def test_unknown_classes_are_timeless() -> None:
    assert correct("gryphon", 0.6, {}, OLD, TABLE) == Correction("gryphon", 0.6)


def test_boxes_that_come_to_say_the_same_become_one() -> None:
    bicycle = Seen("bicycle", 0.5, {"bicycle": 0.5, "horse": 0.1}, (10.0, 10.0, 100.0, 80.0))
    horse = Seen("horse", 0.7, {"horse": 0.7}, (12.0, 10.0, 100.0, 80.0))
    first, second = correct_picture([horse, bicycle], OLD, TABLE)
    assert first == Correction("horse", 0.7)
    assert (second.label, second.label_score) == (None, 0.0)
    assert second.reason is not None
    assert second.reason.endswith("removed, because a better box shows the same horse (IoU 0.96)")
    assert second.reason.startswith("bicycle appeared in 1817")


def test_the_better_box_stays_even_if_it_was_the_relabelled_one() -> None:
    bicycle = Seen("bicycle", 0.9, {}, (10.0, 10.0, 100.0, 80.0))
    horse = Seen("horse", 0.3, {"horse": 0.3}, (12.0, 10.0, 100.0, 80.0))
    first, second = correct_picture([bicycle, horse], OLD, TABLE)
    assert first.label == "horse"
    assert second == Correction(None, 0.0, "removed, because a better box shows the same horse (IoU 0.96)")


def test_boxes_apart_and_boxes_of_the_detector_itself_stay() -> None:
    bicycle = Seen("bicycle", 0.9, {}, (300.0, 10.0, 100.0, 80.0))
    horses = [Seen("horse", score, {}, (10.0, 10.0, 100.0, 80.0)) for score in (0.8, 0.7)]
    assert [found.label for found in correct_picture([bicycle, *horses], OLD, TABLE)] == ["horse"] * 3


@given(
    NAMES,
    st.dictionaries(NAMES, st.floats(0, 1), max_size=5),
    DATES,
)
def test_scores_stay_scores_and_labels_are_possible(name: str, raw: dict[str, float], date: DateRange | None) -> None:
    raw.setdefault(name, 0.5)
    total = sum(raw.values()) or 1.0
    candidates = {key: value / total for key, value in raw.items()}
    found = correct(name, candidates[name], candidates, date, TABLE)
    assert 0.0 <= found.label_score <= 1.0
    if found.label is None:
        assert found.reason is not None
    else:
        assert weight(found.label, date, TABLE) > 0.0
    assert (found.reason is None) == (found == Correction(name, candidates[name]))


@given(NAMES, st.floats(0.01, 1), DATES)
def test_a_wider_range_filters_less(name: str, score: float, date: DateRange | None) -> None:
    if date is not None and date.year_to is not None:
        wider = DateRange(date.year_from, date.year_to + 100, date.circa)
        assert weight(name, wider, TABLE) >= weight(name, date, TABLE)
    assert weight(name, None, TABLE) == 1.0


_SIDES = st.tuples(st.floats(0, 100), st.floats(0, 100), st.floats(0.1, 100), st.floats(0.1, 100))


@given(_SIDES, _SIDES)
def test_iou_is_symmetric_and_a_share(
    first: tuple[float, float, float, float], second: tuple[float, float, float, float]
) -> None:
    assert iou(first, second) == pytest.approx(iou(second, first))
    assert 0.0 <= iou(first, second) <= 1.0 + 1e-9
    assert iou(first, first) == pytest.approx(1.0)


def test_iou_of_boxes_without_area() -> None:
    assert iou((0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)) == 0.0


def test_the_whole_distribution_changes_no_correction_that_the_best_classes_decide() -> None:
    """Results hold every class of the model; whoever is far behind decides nothing."""
    few = {"bicycle": 0.6, "horse": 0.25, "donkey": 0.05}
    rest = 1 - sum(few.values()) - 0.06  # the background has the last part and is not among them
    others = [name for name in TABLE if name not in few]
    whole = few | {name: rest / len(others) for name in others}
    for year in (1450, 1900):
        date = DateRange(year, year)
        best = correct("bicycle", 0.6, few, date, TABLE)
        found = correct("bicycle", 0.6, whole, date, TABLE)
        assert (found.label, found.reason) == (best.label, best.reason)
        assert found.label == ("horse" if year == 1450 else "bicycle")
