"""What evaluation reads: data sets, results lists, the platform's result lines; every fault is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.detection.evaluation.results import check_results, read_results
from sgob_tasks.detection.evaluation.truth import read_truth
from sgob_tasks.detection.masks import encode_mask
from sgob_tasks.errors import InputError
from tests.unit.detection.evaluation_data import SIDE, box_mask, make_results, make_truth

NAN = float("nan")
TOO_LONG = encode_mask(np.ones((SIDE + 1, SIDE), np.uint8))["counts"]


def with_change(path: str, value: Any) -> dict[str, Any]:
    """Return a data set with one field changed; ``path`` is such as ``images.0.id``; ``...`` takes it away."""
    data = make_truth(masks=True)
    *way, last = path.split(".")
    place: Any = data
    for step in way:
        place = place[int(step)] if step.isdigit() else place[step]
    if value is ...:
        del place[last]
    else:
        place[int(last) if last.isdigit() else last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("images", ..., "images = None: is missing: not a COCO data set"),
        ("images", [], r"images = \[\]: is empty"),
        ("images", {}, "images = 'dict': must be a list"),
        ("images.0", 7, "images = 'list': must be a list of objects"),
        ("images.0.id", ..., r"images\[0\]\.id = None: must be a whole number or a text"),
        ("images.0.id", 6, r"images\[1\]\.id = 6: occurs twice"),
        ("images.1.id", "x", r"images\[1\]\.id = 'x': must be of the same kind"),
        ("categories", ..., "categories = None: is missing"),
        ("categories.0.id", "2", r"categories\[0\]\.id = '2': must be a whole number"),
        ("categories.0.name", "class 2", r"categories\[1\]\.name = 'class 2': must be a name that occurs once"),
        ("annotations", ..., "annotations = None: is missing"),
        ("annotations.1.image_id", 77, r"annotations\[1\]\.image_id = 77: is the id of no picture"),
        ("annotations.1.image_id", [3], r"annotations\[1\]\.image_id = \[3\]: is the id of no picture"),
        ("annotations.1.category_id", ..., r"annotations\[1\]\.category_id = None: is the id of no category"),
        ("annotations.1.bbox", ..., r"annotations\[1\]\.bbox = None: is missing"),
        ("annotations.1.bbox", [1, 2, 3], r"annotations\[1\]\.bbox = \[1, 2, 3\]: must be \[x, y, width, height\]"),
        ("annotations.1.bbox.2", NAN, r"annotations\[1\]\.bbox = .*nan.*: must be"),
        ("annotations.1.bbox.2", -3, r"annotations\[1\]\.bbox = .*: must not have a negative width"),
        ("annotations.1.area", "big", r"annotations\[1\]\.area = 'big': must be a number"),
    ],
)
def test_a_fault_of_the_truth_is_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^ground truth: {message}"):
        read_truth(with_change(path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("annotations.1.segmentation", ..., r"annotations\[1\]\.segmentation = None: is missing"),
        ("annotations.1.segmentation", [[1, 2]], r"annotations\[1\]: segmentation = .*: must be polygons"),
        ("images.0.width", 30, r"annotations\[\d\]: segmentation\.size"),
        ("images.0.height", None, r"images\[id=3\]\.height = None: must be a whole number"),
    ],
)
def test_a_fault_of_a_mask_is_named(path: str, value: Any, message: str) -> None:
    truth = read_truth(with_change(path, value))
    with pytest.raises(InputError, match=message):
        truth.check_masks()


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    with pytest.raises(InputError, match=r"truth\.json: file = 'truth.json': No such file"):
        read_truth(path)
    path.write_text("[]")
    with pytest.raises(InputError, match=r"truth\.json: document = 'list': must be a COCO data set"):
        read_truth(path)
    truth = read_truth(make_truth())
    results = tmp_path / "results.json"
    with pytest.raises(InputError, match=r"results\.json: file = .*: No such file"):
        read_results(results, truth)
    for content, message in (
        (b" \n", r"is empty; the results of a detector that found nothing are \[\]"),
        (b"{", "is not JSON: Expecting property name"),
        (b"\xff\xfe", "is not JSON: no UTF-8 text"),
        (b"{}", "document = 'dict': must be a list of results"),
        (b"[4]", r"\[0\] = 4: must be an object"),
        (b'[{"image_id": 3, "category_id": 2, "bbox": [0, 0, 1, 1], "score": NaN}]', r"\[0\]\.score = nan: must be a"),
    ):
        results.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_results(results, truth)
    results.write_text("[]")
    assert read_results(results, truth) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": ...}, r"image_id = None: is missing"),
        ({"image_id": 4}, r"image_id = 4: is the id of no picture"),
        ({"image_id": [4]}, r"image_id = \[4\]: is the id of no picture"),
        ({"category_id": ...}, r"category_id = None: is missing"),
        ({"category_id": 3}, r"category_id = 3: is the id of no category"),
        ({"score": ...}, r"score = None: is missing"),
        ({"score": "0.5"}, r"score = '0.5': must be a number"),
        ({"score": float("inf")}, r"score = inf: must be a number that is finite"),
        ({"bbox": ...}, r"bbox = None: is missing"),
        ({"bbox": [0, 0, NAN, 1]}, r"bbox = .*: must be \[x, y, width, height\]"),
        ({"bbox": [0, 0, -1, 1]}, r"bbox = .*: must not have a negative"),
        ({"segmentation": {"size": [9, 9], "counts": "x"}}, r": segmentation\.size = \[9, 9\]: must be \[200, 200\]"),
        (
            {"segmentation": {"size": [SIDE, SIDE], "counts": TOO_LONG}},
            r": segmentation\.counts = .*: is no run-length code",
        ),
        ({"class_name": "class 2"}, r"class_name = 'class 2': but category_id 2 is 'class 1'"),
        ({"file_name": "other.jpg"}, r"file_name = 'other.jpg': but image_id 3 is 'folder/1.jpg'"),
    ],
)
def test_a_fault_of_a_result_is_named(change: dict[str, Any], message: str) -> None:
    good = {"image_id": 3, "category_id": 2, "bbox": [0, 0, 5, 5], "score": 0.5}
    bad = {key: value for key, value in (good | change).items() if value is not ...}
    with pytest.raises(InputError, match=rf"^detections: \[1\][.:]? ?{message}" if ":" not in message[:2] else message):
        check_results([good, bad], read_truth(make_truth()))


def test_other_keys_are_left_out_and_nothing_is_changed() -> None:
    data = make_truth(masks=True)
    results = [entry | {"candidates": {"class 1": 0.4}} for entry in make_results(data, masks=True)]
    before = copy.deepcopy((data, results))
    checked = check_results(results, read_truth(data))
    assert (data, results) == before
    assert {tuple(entry) for entry in checked} == {("image_id", "category_id", "score", "bbox", "segmentation")}


def test_a_mask_may_have_any_of_cocos_forms_and_stand_without_a_box() -> None:
    truth = read_truth(make_truth())
    polygon = [[10, 20, 40, 20, 40, 60, 10, 60]]
    runs = {"size": [SIDE, SIDE], "counts": [5, 10, SIDE * SIDE - 15]}
    for mask in (polygon, runs, box_mask([10.0, 20.0, 30.0, 40.0])):
        entry = {"image_id": 3, "category_id": 2, "score": 0.5, "segmentation": mask}
        (checked,) = check_results([entry], truth)
        assert isinstance(checked["segmentation"]["counts"], str)
        if mask is not runs:
            assert checked["bbox"] == pytest.approx([10, 20, 30, 40], abs=1)


def test_ids_of_another_numbering_are_resolved_by_name() -> None:
    data = make_truth()
    truth = read_truth(data)
    results = make_results(data)
    files = {image["id"]: image["file_name"] for image in data["images"]}
    names = {category["id"]: category["name"] for category in data["categories"]}
    named = [
        entry
        | {"image_id": entry["image_id"] + 1, "category_id": 8 if entry["category_id"] == 2 else 2}
        | {"file_name": files[entry["image_id"]], "class_name": names[entry["category_id"]]}
        for entry in results
    ]
    expected = check_results(results, truth)
    assert check_results(named, truth) == expected
    without = [{key: value for key, value in entry.items() if not key.endswith("_id")} for entry in named]
    assert check_results(without, truth) == expected
    elsewhere = [entry | {"file_name": "/data/other/" + Path(entry["file_name"]).name} for entry in without]
    assert check_results(elsewhere, truth) == expected
    for field, what in (("file_name", "picture"), ("class_name", "category")):
        wrong = [*without[:-1], without[-1] | {field: "nowhere"}]
        with pytest.raises(InputError, match=rf"\[{len(wrong) - 1}\]\.{field} = 'nowhere': is the name of no {what}"):
            check_results(wrong, truth)


def test_a_name_of_two_pictures_stands_for_neither() -> None:
    data = make_truth()
    data["images"][1]["file_name"] = "elsewhere/1.jpg"
    truth = read_truth(data)
    entry = {"category_id": 2, "bbox": [0, 0, 5, 5], "score": 0.5}
    (found,) = check_results([entry | {"file_name": "elsewhere/1.jpg"}], truth)
    assert found["image_id"] == 6
    with pytest.raises(InputError, match=r"file_name = '1.jpg': is the name of no picture"):
        check_results([entry | {"file_name": "1.jpg"}], truth)


def test_image_ids_may_be_texts_and_zero() -> None:
    data = make_truth()
    for image in data["images"]:
        image["id"] = str(image["id"])
    for annotation in data["annotations"]:
        annotation["image_id"] = str(annotation["image_id"])
    results = [entry | {"image_id": str(entry["image_id"])} for entry in make_results(make_truth())]
    assert [e["image_id"] for e in check_results(results, read_truth(data))] == [e["image_id"] for e in results]
    zero = {"images": [{"id": 0, "file_name": "a.jpg"}], "categories": [{"id": 0, "name": "horse"}], "annotations": []}
    entry = {"file_name": "a.jpg", "class_name": "horse", "bbox": [0, 0, 1, 1], "score": 1}
    (found,) = check_results([entry], read_truth(zero))
    assert (found["image_id"], found["category_id"]) == (0, 0)


def lines(data: dict[str, Any], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = {category["id"]: category["name"] for category in data["categories"]}
    return [
        {
            "sha256": image["sha256"],
            "width": SIDE,
            "height": SIDE,
            "detections": [
                {
                    "class_name": names[entry["category_id"]],
                    "score": entry["score"],
                    "bbox": entry["bbox"],
                    "mask": entry.get("segmentation"),
                    "candidates": {},
                }
                for entry in results
                if entry["image_id"] == image["id"]
            ],
        }
        for image in data["images"]
    ]


@pytest.mark.parametrize("masks", [False, True])
def test_the_platforms_result_lines_are_read(tmp_path: Path, masks: bool) -> None:
    data = make_truth(masks=masks)
    for place, image in enumerate(data["images"]):
        image["sha256"] = f"{place:064x}"
    results = make_results(data, masks=masks)
    path = tmp_path / "0000.jsonl"
    written = lines(data, results)
    failed = written[2]["sha256"]
    written[2] = {"sha256": failed, "error": "is no picture"}
    path.write_text("".join(json.dumps(line) + "\n" for line in written))
    truth = read_truth(data)
    expected = [e for e in results if truth.images[e["image_id"]]["sha256"] != failed]
    found = read_results(path, truth)
    assert sorted(map(str, found)) == sorted(map(str, check_results(expected, truth)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "f" * 64}, "line 1: sha256 = 'f.*: is the sha256 or file name of no picture"),
        ({"sha256": 4}, "line 1 = .*: is no result: it has no sha256"),
        ({"width": 7}, r"line 1: width, height = \(7, 200\): the ground truth says \(200, 200\)"),
        ({"detections": None}, "line 1: detections = None: must be a list"),
        ({"detections": [{"class_name": "x"}]}, r"line 1: detections\[0\]\.class_name = 'x': is the name of no cat"),
        ({"detections": [{"class_name": ["x"]}]}, r"line 1: detections\[0\]\.class_name = \['x'\]: is the name"),
        ({"detections": [{"class_name": "class 1", "bbox": [0, 0, 1, 1]}]}, r"\[0\]\.score = None: is missing"),
    ],
)
def test_a_fault_of_a_line_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "0000.jsonl"
    path.write_text(json.dumps({"sha256": "1", "width": SIDE, "height": SIDE, "detections": []} | change))
    with pytest.raises(InputError, match=message):
        read_results(path, read_truth(make_truth()))
    path.write_text('{"sha256": "1"')
    with pytest.raises(InputError, match=r"line 1 = .*: is not JSON"):
        read_results(path, read_truth(make_truth()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["size", "counts", "x"]), inner),
    max_leaves=6,
)
TRUTH = read_truth(make_truth())
FIELDS = ("image_id", "category_id", "score", "bbox", "segmentation", "file_name", "class_name")


@given(entries=st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON), max_size=3))
@settings(max_examples=100, deadline=None)
def test_any_json_is_results_or_an_input_error(entries: list[dict[str, Any]]) -> None:
    try:
        found = check_results(entries, TRUTH)
    except InputError:
        return
    assert len(found) == len(entries)


def test_masks_are_looked_at_only_where_they_count() -> None:
    truth = read_truth(make_truth())
    entry = {"image_id": 3, "category_id": 2, "bbox": [0, 0, 5, 5], "score": 0.5, "segmentation": "broken"}
    (found,) = check_results([entry], truth, masks=False)
    assert "segmentation" not in found
    for masks in (True, None):
        with pytest.raises(InputError, match="segmentation = 'broken'"):
            check_results([entry], truth, masks=masks)
