"""The figures against pycocotools run by itself, and weighted samples against data sets with pictures repeated."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sgob_tasks.detection.evaluation.average_precision import evaluate
from sgob_tasks.detection.evaluation.matching import COCO_NAMES, Matching, match
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import read_truth
from sgob_tasks.detection.evaluation.weighted import class_precision, mean_precision
from sgob_tasks.errors import InputError
from tests.unit.detection.evaluation_data import make_results, make_truth


def by_pycocotools(truth: dict[str, Any], results: list[dict[str, Any]], iou_type: str) -> COCOeval:
    """Run pycocotools as its own demo does, with nothing of ours in between."""
    truth, results = copy.deepcopy(truth), copy.deepcopy(results)
    for number, annotation in enumerate(truth["annotations"], 1):
        annotation["id"] = number
    with contextlib.redirect_stdout(io.StringIO()):
        index = COCO()
        index.dataset = truth
        index.createIndex()
        evaluator = COCOeval(index, index.loadRes(results), iou_type)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def matched(truth: dict[str, Any], results: list[dict[str, Any]], iou_type: str = "bbox", **options: Any) -> Matching:
    known = read_truth(truth)
    return match(known, check_results(results, known), iou_type, **options)


@pytest.mark.parametrize("seed", range(6))
def test_box_figures_are_pycocotools_own(seed: int) -> None:
    truth = make_truth(seed, images=20, classes=1 + seed)
    results = make_results(truth, seed)
    expected = by_pycocotools(truth, results, "bbox")
    matching = matched(truth, results)
    assert list(matching.summary()) == list(COCO_NAMES)
    assert list(matching.summary().values()) == [v if v > -1 else None for v in expected.stats.tolist()]
    np.testing.assert_array_equal(matching.precision, expected.eval["precision"][:, :, :, 0, -1])


def test_mask_figures_are_pycocotools_own_for_results_with_masks_only() -> None:
    truth = make_truth(3, images=8, masks=True)
    results = make_results(truth, 3, masks=True)
    bare = [{key: value for key, value in entry.items() if key != "bbox"} for entry in results]
    expected = by_pycocotools(truth, bare, "segm")
    for given_results in (results, bare):
        matching = matched(truth, given_results, "segm")
        assert list(matching.summary().values()) == [v if v > -1 else None for v in expected.stats.tolist()]


def test_more_than_a_hundred_detections_of_a_picture_are_cut_off_as_in_coco() -> None:
    truth = make_truth(5, images=3, classes=1)
    results = make_results(truth, 5, extra=150.0, digits=6)
    expected = by_pycocotools(truth, results, "bbox")
    matching = matched(truth, results)
    assert list(matching.summary().values()) == [v if v > -1 else None for v in expected.stats.tolist()]
    one = np.ones((1, 3), np.int64)
    assert mean_precision(matching, one)[1][0] == pytest.approx(expected.stats[0], abs=1e-12)


@given(seed=st.integers(0, 10**6), classes=st.integers(1, 5), digits=st.sampled_from([1, 2, 6]))
@settings(max_examples=30, deadline=None)
def test_weights_of_one_give_cocos_precision(seed: int, classes: int, digits: int) -> None:
    truth = make_truth(seed, images=7, classes=classes)
    matching = matched(truth, make_results(truth, seed, digits=digits), sizes=False)
    one = np.ones((1, 7), np.int64)
    for place, of_class in enumerate(matching.classes):
        expected = matching.precision[:, :, place].mean(axis=1)
        got = class_precision(of_class, one)[:, 0]
        np.testing.assert_allclose(got, np.where(expected < 0, np.nan, expected), rtol=0, atol=1e-12)
    ap50, ap = mean_precision(matching, one)
    expected = [matching.precision[0], matching.precision]
    for got, precision in zip((ap50[0], ap[0]), expected, strict=True):
        valid = precision[precision > -1]
        assert (np.isnan(got) and not valid.size) or got == pytest.approx(valid.mean(), abs=1e-9)


@given(seed=st.integers(0, 10**6), weights=st.lists(st.integers(0, 3), min_size=6, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_weight_is_as_many_pictures_that_are_alike(seed: int, weights: list[int]) -> None:
    truth = make_truth(seed, images=6, classes=3)
    results = make_results(truth, seed, digits=12)  # equal scores of a picture's copies stand together in both ways
    repeated: dict[str, Any] = {"images": [], "categories": truth["categories"], "annotations": []}
    repeated_results = []
    for image, weight in zip(truth["images"], weights, strict=True):
        for copy_number in range(weight):
            number = image["id"] * 10 + copy_number
            repeated["images"].append(image | {"id": number})
            repeated["annotations"] += [
                a | {"image_id": number} for a in truth["annotations"] if a["image_id"] == image["id"]
            ]
            repeated_results += [r | {"image_id": number} for r in results if r["image_id"] == image["id"]]
    ap50, ap = mean_precision(matched(truth, results, sizes=False), np.array([weights]))
    if not repeated["images"]:
        assert np.isnan(ap50[0])
        return
    expected = evaluate(repeated, repeated_results)
    assert (None if np.isnan(ap50[0]) else ap50[0]) == pytest.approx(expected.ap50, abs=1e-9)
    assert (None if np.isnan(ap[0]) else ap[0]) == pytest.approx(expected.ap, abs=1e-9)


def test_a_subset_by_weights_is_the_subset() -> None:
    truth = make_truth(11, images=15)
    results = make_results(truth, 11)
    chosen = [image["id"] for image in truth["images"]][::2]
    weights = np.array([[image["id"] in chosen for image in truth["images"]]]).astype(np.int64)
    expected = evaluate(truth, results, image_ids=chosen)
    ap50, ap = mean_precision(matched(truth, results), weights)
    assert ap50[0] == pytest.approx(expected.ap50, abs=1e-12)
    assert ap[0] == pytest.approx(expected.ap, abs=1e-12)


def test_nothing_found_is_zero_and_nothing_to_find_is_unknown() -> None:
    truth = make_truth(2, masks=True)
    empty = matched(truth, [], "segm").summary()
    assert empty["AP"] == empty["AR100"] == 0
    nothing = truth | {"annotations": []}
    assert set(matched(nothing, make_results(truth)).summary().values()) == {None}
    assert set(matched(nothing, []).summary().values()) == {None}
    assert set(matched(nothing | {"categories": []}, []).summary().values()) == {None}
    assert matched(nothing, []).instances == 0


def test_wrong_use_is_refused() -> None:
    truth = make_truth()
    with pytest.raises(InputError, match="iou_type = 'keypoints': must be bbox or segm"):
        matched(truth, [], "keypoints")
    with pytest.raises(InputError, match=r"annotations\[0\]\.segmentation = None: is missing"):
        matched(truth, [], "segm")
    with pytest.raises(InputError, match=r"\[0\]\.segmentation = None: is missing"):
        matched(make_truth(masks=True), make_results(truth), "segm")
    with pytest.raises(ValueError, match="without sizes"):
        matched(truth, [], sizes=False).summary()
