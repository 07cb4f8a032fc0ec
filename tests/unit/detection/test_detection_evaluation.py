"""Average precision, and the choice of detections it is measured on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgob_tasks.detection.config import preset_config
from sgob_tasks.detection.evaluation.average_precision import evaluate
from sgob_tasks.detection.inference.selection import background, candidates, select
from sgob_tasks.errors import InputError


def truth() -> dict[str, Any]:
    boxes = {1: [[10, 10, 40, 40], [60, 60, 20, 20]], 2: [[0, 0, 50, 30]], 3: [[5, 5, 30, 30]]}
    annotations = [
        {"image_id": image, "category_id": 1 + place, "bbox": box, "iscrowd": 0}
        for image, found in boxes.items()
        for place, box in enumerate(found)
    ]
    return {
        "images": [{"id": image, "file_name": f"{image}.png", "width": 100, "height": 100} for image in boxes],
        "categories": [{"id": n, "name": name} for n, name in enumerate(("horse", "lance", "dragon"), 1)],
        "annotations": annotations,
    }


def found(data: dict[str, Any], score: float = 0.9) -> list[dict[str, Any]]:
    keys = ("image_id", "category_id", "bbox")
    return [{key: a[key] for key in keys} | {"score": score, "candidates": {}} for a in data["annotations"]]


def test_perfect_detections_have_a_precision_of_one() -> None:
    result = evaluate(truth(), found(truth()))
    assert (result.ap, result.ap50, result.ap75) == pytest.approx((1, 1, 1))
    assert result.ap_per_class == {"horse": pytest.approx(1), "lance": pytest.approx(1), "dragon": None}
    assert (result.pictures, result.instances, result.detections) == (3, 4, 4)


def test_nothing_found_is_zero_and_not_unknown() -> None:
    result = evaluate(truth(), [])
    assert result.ap50 == 0
    assert result.ap50_per_class == {"horse": 0, "lance": 0, "dragon": None}


def test_false_alarms_and_loose_boxes_cost_precision() -> None:
    detections = found(truth())
    detections[0]["bbox"] = [10, 10, 40, 28]  # IoU 0.7: good at 0.50, not at 0.75
    detections.append({"image_id": 2, "category_id": 1, "bbox": [70, 70, 20, 20], "score": 0.95})
    result = evaluate(truth(), detections)
    assert result.ap50 is not None
    assert result.ap75 is not None
    assert result.ap75 < result.ap50 < 1
    assert result.ap50_per_class["lance"] == pytest.approx(1)
    # The false alarm comes first and there are three horses: precision is 1/2, 2/3, 3/4 at recalls of a third each,
    # and interpolated precision is the best one at or beyond a recall, so 3/4 throughout.
    assert result.ap50_per_class["horse"] == pytest.approx(0.75)


def test_only_the_chosen_pictures_count() -> None:
    detections = [entry for entry in found(truth()) if entry["image_id"] != 2]
    assert evaluate(truth(), detections, image_ids=[1, 3]).ap == pytest.approx(1)
    whole = evaluate(truth(), detections)
    assert whole.ap50_per_class["horse"] == pytest.approx(67 / 101)  # two of three: recalls 0 to 0.66
    with pytest.raises(InputError, match="image_ids = 8: is the id of no picture"):
        evaluate(truth(), detections, image_ids=[8])


def test_a_file_and_masks_can_be_evaluated(tmp_path: Path) -> None:
    data = truth()
    for entry in data["annotations"]:
        x, y, w, h = entry["bbox"]
        entry["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    (tmp_path / "val.json").write_text(json.dumps(data))
    detections = found(data)
    from sgob_tasks.detection.masks import decode_mask, encode_mask

    for entry, answer in zip(detections, data["annotations"], strict=True):
        entry["segmentation"] = encode_mask(decode_mask(answer["segmentation"], 100, 100, "test"))
    before = json.dumps(detections)
    assert evaluate(tmp_path / "val.json", detections, iou_type="segm").ap == pytest.approx(1)
    assert json.dumps(detections) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 77}, r"\[0\]\.image_id = 77: is the id of no picture"),
        ({"category_id": 77}, r"\[0\]\.category_id = 77: is the id of no category"),
    ],
)
def test_a_detection_of_nothing_known_is_refused(change: dict[str, Any], message: str) -> None:
    detections = found(truth())
    detections[0] |= change
    with pytest.raises(InputError, match=message):
        evaluate(truth(), detections)
    with pytest.raises(InputError, match=r"\[0\]\.score = None: is missing"):
        evaluate(truth(), [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}])


def test_selection_suppresses_by_class_and_then_across_classes() -> None:
    config = preset_config("tiny", ("horse", "bicycle", "dog"), cross_class_iou=0.8, detection_nms_iou=0.5)
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.52], [0, 0, 0.5, 0.51], [0.6, 0.6, 0.9, 0.9], [0, 0, 1, 1]])
    scores = np.array(
        [
            [0.1, 0.7, 0.2, 0.0],  # horse
            [0.1, 0.6, 0.3, 0.0],  # the same horse
            [0.1, 0.4, 0.5, 0.0],  # the same place as a bicycle
            [0.2, 0.0, 0.1, 0.7],  # a dog
            [0.0, 0.9, 0.1, 0.0],  # padding
        ]
    )
    proposed = np.array([True, True, True, True, False])
    chosen = select(boxes[:, None], scores, proposed, config, 0.3)
    assert chosen.classes.tolist() == [1, 3]
    np.testing.assert_allclose(chosen.boxes, boxes[[0, 3]])
    both = preset_config("tiny", ("horse", "bicycle", "dog"), cross_class_iou=1.0, detection_nms_iou=0.5)
    assert select(boxes[:, None], scores, proposed, both, 0.3).classes.tolist() == [1, 3, 2]
    assert select(boxes[:, None], scores, proposed, config, 0.71).classes.tolist() == []


def test_selection_takes_the_box_of_the_class() -> None:
    config = preset_config("resnet50", ("horse", "dog"))
    boxes = np.array([[[0, 0, 0.1, 0.1], [0, 0, 0.2, 0.2], [0, 0, 0.3, 0.3]]])
    chosen = select(boxes, np.array([[0.1, 0.1, 0.8]]), np.array([True]), config, 0.5)
    np.testing.assert_allclose(chosen.boxes, [[0, 0, 0.3, 0.3]])


def test_candidates_are_all_classes_without_the_background() -> None:
    names = tuple("abcdefg")
    scores = np.array([0.3, 0.05, 0.2, 0.0500009, 0.15, 0.0999991, 9e-7, 0.15])
    assert candidates(scores, names) == {"b": 0.2, "d": 0.15, "g": 0.15, "e": 0.099999, "c": 0.050001, "a": 0.05}
    assert list(candidates(scores, names)) == ["b", "d", "g", "e", "c", "a"]
    assert background(scores) == 0.3


def test_selection_cuts_boxes_to_the_picture_before_it_compares_them() -> None:
    config = preset_config("resnet50", ("horse",))
    # Beside the picture (its window ends at 0.5), both boxes reach into the padding, one far and one not.
    boxes = np.array([[[0, 0, 0.4, 0.5]], [[0, 0, 0.4, 0.99]], [[0, 0.5, 0.4, 0.9]]])
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.0, 1.0]])
    proposed = np.array([True, True, True])
    chosen = select(boxes, scores, proposed, config, 0.7, (0.0, 0.0, 1.0, 0.5))
    np.testing.assert_allclose(chosen.boxes, [[0, 0, 0.4, 0.5]])
    assert (
        len(
            select(
                boxes[:2], scores[:2], proposed[:2], preset_config("resnet50", ("horse",), detection_nms_iou=0.6), 0.7
            ).boxes
        )
        == 2
    )
