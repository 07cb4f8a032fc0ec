"""Intervals: they repeat, they cover what they should, and nothing differs from itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgob_tasks.detection.evaluation.average_precision import evaluate
from sgob_tasks.detection.evaluation.bootstrap import compare, compare_matchings, interval
from sgob_tasks.detection.evaluation.matching import match
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import read_truth
from sgob_tasks.errors import InputError
from tests.unit.detection.evaluation_data import make_results, make_truth


def test_the_figures_are_cocos_and_the_interval_lies_around_them(tmp_path: Path) -> None:
    truth = make_truth(1, images=30)
    worse, better = make_results(truth, 1, shift=9.0), make_results(truth, 2, shift=2.0, drop=0.05)
    path = tmp_path / "val.json"
    path.write_text(json.dumps(truth))
    found = compare(path, worse, better, resamples=200)
    first, second = evaluate(truth, worse), evaluate(truth, better)
    assert found.ap50_first == pytest.approx(first.ap50, abs=1e-9)
    assert found.ap_second == pytest.approx(second.ap, abs=1e-9)
    assert found.ap50_difference == found.ap50_second - found.ap50_first
    assert found.ap_difference == found.ap_second - found.ap_first
    assert 0 < found.ap_low < found.ap_difference < found.ap_high
    assert (found.images, found.resamples, found.confidence) == (30, 200, 0.95)
    assert json.loads(json.dumps(found.to_json()))["ap50_low"] == found.ap50_low
    assert compare(truth, worse, better, resamples=200) == found
    assert compare(truth, worse, better, resamples=200, seed=1) != found
    turned = compare(truth, better, worse, resamples=200)
    assert (turned.ap_low, turned.ap_high) == pytest.approx((-found.ap_high, -found.ap_low))
    narrow = compare(truth, worse, better, resamples=200, confidence=0.5)
    assert found.ap_low < narrow.ap_low < narrow.ap_high < found.ap_high


def test_a_model_does_not_differ_from_itself() -> None:
    truth = make_truth(3)
    results = make_results(truth)
    found = compare(truth, results, list(reversed(results)), resamples=50)
    same = compare(truth, results, results, resamples=50)
    for one in (found, same):
        assert (one.ap50_difference, one.ap_difference) == pytest.approx((0, 0), abs=0.05)
    assert (same.ap50_difference, same.ap50_low, same.ap50_high, same.ap_low, same.ap_high) == (0, 0, 0, 0, 0)


def test_masks_can_be_compared() -> None:
    truth = make_truth(4, images=6, masks=True)
    bad, good = (make_results(truth, 4, shift=shift, masks=True) for shift in (8.0, 1.0))
    found = compare(truth, bad, good, iou_type="segm", resamples=20)
    assert found.iou_type == "segm"
    assert found.ap_second == pytest.approx(evaluate(truth, good, iou_type="segm").ap, abs=1e-9)
    assert found.ap_difference > 0


def test_the_interval_covers_the_difference_on_all_pictures_of_the_kind() -> None:
    """Of 40 draws of 40 pictures from 1500, about 38 must cover the difference on the 1500.

    With a coverage of 0.95, fewer than 33 of 40 have a probability below 0.001; the seeds are fixed.
    """
    population = make_truth(9, images=1500, classes=1, most=5)
    first = make_results(population, 1, relabel=0.0, shift=7.0, digits=9)
    second = make_results(population, 2, relabel=0.0, shift=6.0, digits=9)
    whole = compare(population, first, second, resamples=1)
    known = read_truth(population)
    checked = [check_results(results, known) for results in (first, second)]
    draw = np.random.default_rng(5)
    by_image = [{image: [] for image in known.images} for _ in checked]
    for table, results in zip(by_image, checked, strict=True):
        for entry in results:
            table[entry["image_id"]].append(entry)
    covered50 = covered = 0
    for _ in range(40):
        chosen = draw.choice(list(known.images), 40, replace=False).tolist()
        part = read_truth(
            population
            | {
                "images": [known.images[image] for image in chosen],
                "annotations": [a for a in population["annotations"] if a["image_id"] in set(chosen)],
            }
        )
        matchings = [
            match(part, [entry for image in chosen for entry in table[image]], sizes=False) for table in by_image
        ]
        found = compare_matchings(*matchings, resamples=150)
        covered50 += found.ap50_low <= whole.ap50_difference <= found.ap50_high
        covered += found.ap_low <= whole.ap_difference <= found.ap_high
    assert covered50 >= 33
    assert covered >= 33


def test_one_model_has_an_interval_too() -> None:
    truth = make_truth(6, images=25)
    results = make_results(truth, 6)
    found = interval(truth, results, resamples=200)
    assert found.ap50 == pytest.approx(evaluate(truth, results).ap50, abs=1e-9)
    assert found.ap50_low < found.ap50 < found.ap50_high
    assert found.ap_low < found.ap < found.ap_high
    assert json.loads(json.dumps(found.to_json()))["images"] == 25


def test_without_instances_there_is_no_figure() -> None:
    truth = make_truth(6) | {"annotations": []}
    found = compare(truth, [], make_results(truth), resamples=5)
    values = found.to_json()
    assert {values[name] for name in values if name.startswith("ap")} == {None}
    assert "NaN" not in json.dumps(interval(truth, [], resamples=5).to_json())


def test_progress_is_shown_block_by_block() -> None:
    seen: list[Any] = []

    def show(items: Sequence[int], label: str) -> Iterator[int]:
        for item in items:
            seen.append((item, label))
            yield item

    truth = make_truth(6)
    found = compare(truth, [], make_results(truth), resamples=120, progress=show)
    assert [item for item, _ in seen] == [0, 50, 100]
    assert seen[0][1] == "Drawing 120 samples of the pictures"
    assert compare(truth, [], make_results(truth), resamples=120) == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resamples": 0}, "resamples = 0: must be 1 or more"),
        ({"confidence": 1.0}, r"confidence = 1\.0: must lie between 0 and 1"),
        ({"iou_type": "keypoints"}, "iou_type = 'keypoints'"),
        ({"iou_type": "segm"}, r"first: \[0\]\.segmentation = None: is missing"),
    ],
)
def test_wrong_use_is_refused(options: dict[str, Any], message: str) -> None:
    truth = make_truth()
    with pytest.raises(InputError, match=message):
        compare(truth, make_results(truth), [], **options)


def test_only_the_same_pictures_can_be_compared() -> None:
    truth = read_truth(make_truth())
    one, other = match(truth, [], sizes=False), match(truth, [], images=[3], sizes=False)
    with pytest.raises(InputError, match="images = 1: both models must be matched on the same pictures"):
        compare_matchings(one, other)
