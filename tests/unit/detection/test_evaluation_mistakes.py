"""Each kind of mistake on pictures made for it, the threshold, the confusions, and pictures one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.detection.evaluation.matching import Matching, match
from sgob_tasks.detection.evaluation.mistakes import KINDS, Mistakes, find_mistakes
from sgob_tasks.detection.evaluation.operating_point import best_threshold, operating_point
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import read_truth
from sgob_tasks.detection.evaluation.weighted import mean_precision
from tests.unit.detection.evaluation_data import make_results, make_truth

Box = list[float]
A, B = 1, 2


def setting(there: list[tuple[int, Box]], found: list[tuple[int, Box, float]], crowd: Box | None = None) -> Matching:
    """One picture of 100 x 100 pixels with instances and detections."""
    annotations: list[dict[str, Any]] = [
        {"image_id": 1, "category_id": category, "bbox": box, "iscrowd": 0} for category, box in there
    ]
    if crowd:
        annotations.append({"image_id": 1, "category_id": A, "bbox": crowd, "iscrowd": 1})
    truth = read_truth(
        {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 100, "height": 100}],
            "categories": [{"id": A, "name": "horse"}, {"id": B, "name": "bicycle"}],
            "annotations": annotations,
        }
    )
    results = [{"image_id": 1, "category_id": category, "bbox": box, "score": score} for category, box, score in found]
    return match(truth, check_results(results, truth))


def counts(mistakes: Mistakes) -> dict[str, int]:
    return {kind: len(found) for kind, found in mistakes.found.items() if found}


PLACE: Box = [10, 10, 40, 40]
LOOSE: Box = [30, 10, 40, 40]  # IoU 1/3 with PLACE
NEAR: Box = [12, 10, 40, 40]  # IoU 0.90 with PLACE
FAR: Box = [60, 60, 30, 30]


@pytest.mark.parametrize(
    ("there", "found", "kind", "instance", "lost"),
    [
        # The only instance is taken for another class: mended, AP50 goes from 0 to 1.
        ([(A, PLACE)], [(B, NEAR, 0.9)], "classification", 1, 1.0),
        ([(A, PLACE)], [(A, LOOSE, 0.9)], "localisation", 1, 1.0),
        # A wrong class in a loose place is dropped, which finds nothing: the instance is missed as well.
        ([(A, PLACE)], [(B, LOOSE, 0.9)], "both", 1, 0.0),
        ([(A, PLACE)], [(A, PLACE, 0.9), (A, NEAR, 0.8)], "duplicate", 1, 0.0),
        ([(A, PLACE)], [(A, PLACE, 0.8), (A, FAR, 0.9)], "background", None, 0.5),
        ([], [(A, PLACE, 0.8)], "background", None, None),
        # Without any detection, taking the missed instance out leaves nothing that is wrong.
        ([(A, PLACE)], [], "missed", 1, 1.0),
        # Half of the instances missed: recall 0.5 at precision 1 is 51 of 101 recalls.
        ([(A, PLACE), (A, FAR)], [(A, PLACE, 0.9)], "missed", 2, 50 / 101),
    ],
)
def test_each_kind_is_named_and_weighed(
    there: list[tuple[int, Box]],
    found: list[tuple[int, Box, float]],
    kind: str,
    instance: int | None,
    lost: float | None,
) -> None:
    mistakes = find_mistakes(setting(there, found))
    expected = {kind: 1} | ({"missed": 1} if kind == "both" else {})
    assert counts(mistakes) == expected
    (one,) = mistakes.found[kind]
    assert one.instance == instance
    assert (one.detection is None) == (kind == "missed")
    assert mistakes.costs[kind] == (None if lost is None else pytest.approx(lost))
    others = [cost for name, cost in mistakes.costs.items() if name not in expected]
    assert set(others) <= {0.0, None}


def test_the_order_is_that_of_tide() -> None:
    # Loose with its own class and right on another one: localisation is tried first.
    both = find_mistakes(setting([(A, PLACE), (B, LOOSE)], [(A, LOOSE, 0.9)]))
    assert counts(both) == {"localisation": 1, "missed": 1}
    # A double that also lies on another class is a classification mistake.
    double = find_mistakes(setting([(A, PLACE), (B, NEAR)], [(A, PLACE, 0.9), (A, NEAR, 0.8)]))
    assert counts(double) == {"classification": 1}
    assert double.found["classification"][0].instance == 2


def test_a_mended_instance_is_found_only_once() -> None:
    """Two detections of the wrong class on one instance: one becomes right, the other is dropped."""
    mistakes = find_mistakes(setting([(A, PLACE)], [(B, NEAR, 0.9), (B, PLACE, 0.8)]))
    assert counts(mistakes) == {"classification": 2}
    assert [one.weight for one in mistakes.found["classification"]] == [0.9, 0.8]
    assert mistakes.costs["classification"] == 1.0
    # Of a loose one and one of the wrong class, only the better is mended; alone, the other kind gains nothing.
    shared = find_mistakes(setting([(A, PLACE)], [(A, LOOSE, 0.9), (B, PLACE, 0.8)]))
    assert shared.costs["localisation"] == 1.0
    assert shared.costs["classification"] == 0.0


def test_what_lies_in_a_crowd_is_no_mistake() -> None:
    mistakes = find_mistakes(setting([(A, PLACE)], [(A, PLACE, 0.9), (A, [70, 70, 10, 10], 0.8)], crowd=FAR))
    assert counts(mistakes) == {}
    assert mistakes.ap50 == 1.0


def test_missed_instances_are_ranked_by_their_share_of_the_picture() -> None:
    mistakes = find_mistakes(setting([(A, FAR), (B, PLACE)], []))
    assert [one.weight for one in mistakes.found["missed"]] == pytest.approx([0.16, 0.09])


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_every_wrong_detection_has_one_kind_and_the_base_is_cocos(seed: int) -> None:
    truth = read_truth(make_truth(seed, images=6, classes=3))
    matching = match(truth, check_results(make_results(make_truth(seed, images=6, classes=3), seed), truth))
    mistakes = find_mistakes(matching)
    named = [one.detection for kind in KINDS for one in mistakes.found[kind] if one.detection is not None]
    wrong = [
        int(place)
        for one in matching.classes
        for place in one.detections[(one.matched[0] == 0) & ~one.ignored[0]]
    ]  # fmt: skip
    assert sorted(named) == sorted(wrong)
    ap50 = mean_precision(matching, np.ones((1, 6), np.int64))[0][0]
    assert (mistakes.ap50 is None and np.isnan(ap50)) or mistakes.ap50 == pytest.approx(ap50, abs=1e-9)
    assert all(cost is None or 0 <= cost <= 1 for cost in mistakes.costs.values())
    point = operating_point(matching)
    crowds = sum(entry["iscrowd"] for entry in truth.annotations)
    assert point.confusion[:-1].sum() == len(truth.annotations) - crowds, "every instance is in one cell"
    if point.threshold:
        right = np.trace(point.confusion[:-1, :-1])
        answers = point.confusion[:, :-1].sum()
        assert point.threshold.precision == pytest.approx(right / answers)
        assert point.threshold.recall == pytest.approx(right / matching.instances)


def test_kinds_of_masks_follow_the_masks() -> None:
    data = make_truth(2, images=5, masks=True)
    truth = read_truth(data)
    results = check_results(make_results(data, 2, masks=True, shift=3.0), truth)
    mistakes = find_mistakes(match(truth, results, "segm"))
    ap50 = mean_precision(match(truth, results, "segm"), np.ones((1, 5), np.int64))[0][0]
    assert mistakes.ap50 == pytest.approx(ap50, abs=1e-9)


def test_the_threshold_is_that_of_the_best_f1() -> None:
    matching = setting([(A, PLACE), (A, FAR)], [(A, PLACE, 0.9), (A, FAR, 0.6), (A, LOOSE, 0.6), (B, FAR, 0.3)])
    best = best_threshold(matching)
    assert best is not None
    assert (best.score, best.precision, best.recall) == (0.6, pytest.approx(2 / 3), 1.0)
    assert best.f1 == pytest.approx(0.8)
    assert best_threshold(setting([(A, PLACE)], [])) is None
    assert best_threshold(setting([(A, PLACE)], [(A, FAR, 0.5)])) is None


def test_confusions_and_pictures() -> None:
    there = [(A, PLACE), (B, FAR), (B, [80, 0, 20, 20])]
    found = [(A, PLACE, 0.9), (A, FAR, 0.9), (A, [0, 80, 20, 20], 0.9), (B, PLACE, 0.2)]
    point = operating_point(setting(there, found))
    assert point.names == ("horse", "bicycle", "background")
    assert point.threshold is not None
    assert point.threshold.score == 0.9
    # In rows what is there: a horse is found, a bicycle is taken for a horse, one is missed, a horse is made up.
    assert point.confusion.tolist() == [[1, 0, 0], [1, 0, 1], [1, 0, 0]]
    (picture,) = point.pictures
    assert (picture.found, picture.confused, picture.wrong, picture.missed) == (((0, 1),), ((1, 2),), (2,), (3,))
    assert picture.f1 == pytest.approx(2 / 6)
    assert point.to_json()["threshold"]["score"] == 0.9
    nothing = operating_point(setting([], []))
    assert nothing.pictures[0].f1 == 1
    assert nothing.to_json() == {"threshold": None, "names": list(nothing.names), "confusion": [[0] * 3] * 3}


def test_its_own_class_comes_first_even_where_another_overlaps_more() -> None:
    point = operating_point(setting([(A, PLACE), (B, NEAR)], [(A, NEAR, 0.9), (B, PLACE, 0.8)]))
    assert point.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
