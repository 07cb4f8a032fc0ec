"""Reading data sets: COCO files, Pascal VOC folders, splits, batches."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.detection.config import preset_config
from sgob_tasks.detection.data.batches import Batches, prefetch
from sgob_tasks.detection.data.coco import read_coco
from sgob_tasks.detection.data.split import split_of
from sgob_tasks.detection.data.voc import parse_voc
from sgob_tasks.errors import InputError

COCO: dict[str, Any] = {
    "images": [
        {"id": 3, "file_name": "a.png", "width": 80, "height": 60},
        {"id": 1, "file_name": "b.png", "width": 50, "height": 70},
    ],
    "categories": [{"id": 9, "name": "horse"}, {"id": 4, "name": "dragon"}],
    "annotations": [
        {"id": 1, "image_id": 3, "category_id": 9, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0},
        {
            "id": 2,
            "image_id": 3,
            "category_id": 4,
            "bbox": [40, 20, 30, 30],
            "area": 900,
            "iscrowd": 0,
            "segmentation": [[40, 20, 70, 20, 70, 50, 40, 50]],
        },
        {"id": 3, "image_id": 1, "category_id": 9, "bbox": [0, 0, 50, 70], "area": 3500, "iscrowd": 1},
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for image in COCO["images"]:
        Image.new("RGB", (image["width"], image["height"]), (90, 120, 30)).save(
            tmp_path / "images" / image["file_name"]
        )
    (tmp_path / "train.json").write_text(json.dumps(COCO))
    return tmp_path


def test_a_data_set_is_read(folder: Path) -> None:
    dataset = read_coco(folder / "train.json", folder / "images")
    assert dataset.classes == ("dragon", "horse")
    assert dataset.category_ids == (4, 9)
    assert [picture.picture_id for picture in dataset.pictures] == [1, 3]
    horse, dragon = dataset.pictures[1].instances
    assert (horse.class_index, horse.box, horse.segmentation) == (2, (10.0, 10.0, 20.0, 20.0), None)
    assert dragon.class_index == 1
    assert dataset.pictures[0].instances[0].crowd
    assert (dataset.instance_count, dataset.instances_with_mask) == (3, 1)


def test_classes_can_be_chosen(folder: Path) -> None:
    dataset = read_coco(folder / "train.json", folder / "images", ("horse",))
    assert [i.class_index for picture in dataset.pictures for i in picture.instances] == [1, 1]
    with pytest.raises(InputError, match="lacks the class 'unicorn'"):
        read_coco(folder / "train.json", folder / "images", ("unicorn",))


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))

    def apply(data: dict[str, Any]) -> None:
        target: Any = data
        for step in steps:
            target = target[step]
        target[last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("annotations.0.bbox", [70, 10, 20, 20], r"annotations\[0\]\.bbox = \[70, 10, 20, 20\]: lies outside"),
        ("annotations.1.bbox", [40, 20, 0, 30], r"annotations\[1\]\.bbox = .*positive width"),
        ("annotations.1.bbox", [40, 20, 30], r"annotations\[1\]\.bbox = .*must be \[x, y, width, height\]"),
        ("annotations.0.image_id", 99, r"annotations\[0\]\.image_id = 99: is the id of no picture"),
        ("annotations.2.category_id", 5, r"annotations\[2\]\.category_id = 5: is the id of no category"),
        ("images.1.id", 3, r"images\[1\]\.id = 3: occurs twice"),
        ("images.0.width", 0, r"images\[0\]\.width = 0: must be a whole number, 1 or more"),
        ("images.0.file_name", "../x.png", r"images\[0\]\.file_name = '\.\./x\.png': must be a path below"),
        ("categories.1.name", "horse", r"name = 'horse': must be a name that occurs once"),
        ("images", {}, "images = 'dict': must be a list of objects"),
    ],
)
def test_a_fault_is_named_by_its_place(folder: Path, path: str, value: Any, message: str) -> None:
    data = copy.deepcopy(COCO)
    change(path, value)(data)
    (folder / "train.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=message):
        read_coco(folder / "train.json", folder / "images")


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match=r"x\.json: file = 'x\.json': is not JSON"):
        read_coco(tmp_path / "x.json", tmp_path)
    with pytest.raises(InputError, match="No such file"):
        read_coco(tmp_path / "y.json", tmp_path)


def test_a_picture_of_another_size_is_refused(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "images" / "a.png")
    dataset = read_coco(folder / "train.json", folder / "images")
    batches = Batches(dataset, preset_config("tiny", dataset.classes), batch_size=2, seed=0)
    with pytest.raises(InputError, match=r"a\.png: size = '8 x 8': the data set says 80 x 60"):
        batches.part(0, 0)


def test_prefetching_keeps_order_and_hands_errors_over() -> None:
    assert list(prefetch(range(20), 2)) == list(range(20))

    def failing() -> Any:
        yield 1
        raise InputError("file", "field", 2, "is wrong")

    received = []
    with pytest.raises(InputError, match="is wrong"):
        received.extend(prefetch(failing()))
    endless = prefetch(iter(int, 1))
    assert next(endless) == 0
    endless.close()  # returns: the thread ends although nobody takes what it made


@given(st.text(min_size=1), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1))
@settings(deadline=None)
def test_growing_a_fraction_moves_no_picture_out_of_its_split(name: str, val: float, test: float, share: float) -> None:
    before, after = split_of(name, val * share, test), split_of(name, val, test)
    assert before == after or (before, after) == ("train", "val")


def test_the_split_has_the_wanted_shares_and_does_not_change() -> None:
    splits = [split_of(f"{n}.jpg", 0.2, 0.1) for n in range(4000)]
    assert splits.count("val") / 4000 == pytest.approx(0.2, abs=0.02)
    assert splits.count("test") / 4000 == pytest.approx(0.1, abs=0.02)
    assert [split_of(name, 0.5) for name in ("george.jpg", "dragon.jpg", "horse.jpg")] == ["val", "train", "val"]
    with pytest.raises(ValueError, match="do not fit into 1"):
        split_of("x", 0.7, 0.4)


VOC = """<annotation><folder>images</folder><filename>{name}</filename>
<size><width>80</width><height>60</height><depth>3</depth></size>
<object><name>{label}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>1</difficult>
<bndbox><xmin>{xmin}</xmin><ymin>1</ymin><xmax>{xmax}</xmax><ymax>60</ymax></bndbox></object></annotation>"""


def voc(name: str = "a.jpg", label: str = "horse", xmin: object = 1, xmax: object = 80) -> bytes:
    return VOC.format(name=name, label=label, xmin=xmin, xmax=xmax).encode()


def test_a_voc_box_counts_from_one_ends_included() -> None:
    picture = parse_voc(voc(), Path("a.xml"))
    assert picture.objects[0].box == (0.0, 0.0, 80.0, 60.0)
    assert picture.objects[0].extras == {"pose": "Unspecified", "truncated": False, "difficult": True}
    assert parse_voc(voc(xmin=0, xmax=81), Path("a.xml")).objects[0].box == (0.0, 0.0, 80.0, 60.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            voc(xmax=200),
            r"a\.xml: object\[1\]/bndbox = \[1\.0, 1\.0, 200\.0, 60\.0\]: lies outside its picture of 80",
        ),
        (voc(xmin=50, xmax=20), r"object\[1\]/bndbox = .*: .*it has no area"),
        (voc(xmin="ten"), r"object\[1\]/bndbox/xmin = 'ten': is no number"),
        (voc(xmin="nan"), r"object\[1\]/bndbox/xmin = 'nan': is no pixel position"),
        (voc(label=" "), r"object\[1\]/name = ' ': is missing or empty"),
        (voc(name="../a.jpg"), r"filename = '\.\./a\.jpg': must be a plain file name"),
        (b"<annotation>", "is no XML"),
        (b"<a/>", "document = 'a': must be <annotation>"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a/>', "document type = .* is not allowed"),
    ],
)
def test_a_fault_in_an_annotation_is_named(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_voc(content, Path("a.xml"))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_refused_by_name(content: bytes) -> None:
    # No well-formed document lacks its end tag, so all of these must be refused, and in our own words.
    with pytest.raises(InputError, match=r"^a\.xml: document"):
        parse_voc(b"<annotation>" + content.replace(b"</annotation", b""), Path("a.xml"))
