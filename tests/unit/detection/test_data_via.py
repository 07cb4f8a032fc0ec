"""Reading VGG VIA files: every shape, label and file name that people make with it."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.detection.data.find import PictureFinder, local_names
from sgob_tasks.detection.data.problems import Problems
from sgob_tasks.detection.data.via import label_attribute, read_via
from sgob_tasks.detection.masks import decode_mask
from sgob_tasks.errors import InputError
from tests.reference import reference_files
from tests.unit.detection.dataset_files import RECT, via_entry, via_region, write_picture, write_via


def one(tmp_path: Path, region: Any, problems: Problems | None = None) -> Any:
    write_picture(tmp_path / "images" / "a.png")
    source = write_via(tmp_path, [via_entry("a.png", [region])])
    return read_via(source, tmp_path / "images", problems)


def test_a_project_and_bare_annotations_give_the_same(tmp_path: Path) -> None:
    entries = [
        via_entry(
            "a.png", [via_region(label="angel\n"), via_region(label=" horse ", pose="left")], title="Annunciation"
        ),
        via_entry("b.png", {"0": via_region(label="horse"), "1": via_region(label="crown  of\nthorns")}),
        via_entry("c.png", []),
    ]
    for name in "abc":
        write_picture(tmp_path / "images" / f"{name}.png")
    first = read_via(write_via(tmp_path, entries), tmp_path / "images")
    second = read_via(write_via(tmp_path, entries, project=False), tmp_path / "images")
    assert first == second
    assert first.classes == ("angel", "crown of thorns", "horse")
    assert [len(picture.instances) for picture in first.pictures] == [2, 2, 0]
    assert first.pictures[0].extras == {"title": "Annunciation"}
    assert first.pictures[0].instances[1].extras == {"pose": "left"}
    assert (first.pictures[0].width, first.pictures[0].height) == (80, 60)


@pytest.mark.parametrize(
    ("shape", "box", "area"),
    [
        (RECT, (10, 10, 20, 30), None),
        ({"name": "circle", "cx": 40, "cy": 30, "r": 10}, (30, 20, 20, 20), math.pi * 100),
        ({"name": "ellipse", "cx": 40, "cy": 30, "rx": 20, "ry": 10}, (20, 20, 40, 20), math.pi * 200),
        (
            {"name": "ellipse", "cx": 40, "cy": 30, "rx": 20, "ry": 10, "theta": math.pi / 2},
            (30, 10, 20, 40),
            math.pi * 200,
        ),
        ({"name": "circle", "cx": 0, "cy": 30, "r": 20}, (0, 10, 20, 40), math.pi * 200),
        ({"name": "polygon", "all_points_x": [10, 30, 10], "all_points_y": [10, 10, 50]}, (10, 10, 20, 40), 400),
        ({"name": "polyline", "all_points_x": [10, 30], "all_points_y": [10, 50]}, (10, 10, 20, 40), None),
    ],
)
def test_every_shape_becomes_a_box_and_perhaps_a_mask(
    tmp_path: Path, shape: dict[str, Any], box: tuple[float, ...], area: float | None
) -> None:
    instance = one(tmp_path, via_region(shape)).pictures[0].instances[0]
    assert instance.box == pytest.approx(box)
    if area is None:
        assert instance.segmentation is None
    else:
        mask = decode_mask(instance.segmentation, 80, 60, "a.png")
        assert mask.sum() == pytest.approx(area, rel=0.1)
        rows, columns = np.nonzero(mask)
        assert columns.min() >= box[0] - 1
        assert rows.max() <= box[1] + box[3] + 1


BROKEN = [
    ({"name": "rect", "x": 70, "y": 10, "width": 20, "height": 30}, r"region\[1\]/shape_attributes = .*outside"),
    ({"name": "rect", "x": 7, "y": 10, "width": 0, "height": 30}, "no area"),
    ({"name": "rect", "x": 7, "y": 10, "width": -5, "height": 30}, "no area"),
    ({"name": "rect", "x": float("nan"), "y": 10, "width": 5, "height": 30}, r"rect/x = nan: is no pixel position"),
    ({"name": "rect", "x": 1, "y": 10, "height": 30}, r"rect/width = None"),
    ({"name": "point", "cx": 4, "cy": 5}, r"point = \[4, 5\]: has no area"),
    ({"name": "circle", "cx": 900, "cy": 5, "r": 3}, "no area"),
    ({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}, r"all_points = \[2, 2\]: must be as many"),
    ({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": None}, "all_points_y = None: must be a list"),
    ({"name": "spiral"}, "is no shape of VIA"),
    ({"name": ["rect"]}, "is no shape of VIA"),
]


@pytest.mark.parametrize(("shape", "message"), BROKEN)
def test_a_broken_region_is_named_or_left_out_alone(tmp_path: Path, shape: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        one(tmp_path, via_region(shape))
    problems = Problems()
    source = write_via(tmp_path, [via_entry("a.png", [via_region(shape), via_region()])])
    dataset = read_via(source, tmp_path / "images", problems)
    assert dataset.instance_count == 1
    assert problems.counts == {"box": 1}


@pytest.mark.parametrize("label", ["", " \n", None, 7, {}, {"a": True, "b": True}])
def test_what_is_no_label_is_left_out(tmp_path: Path, label: Any) -> None:
    problems = Problems()
    source = write_via(tmp_path, [via_entry("a.png", [via_region(label=label), via_region()])])
    write_picture(tmp_path / "images" / "a.png")
    assert read_via(source, tmp_path / "images", problems).instance_count == 1
    assert problems.counts == {"label": 1}
    with pytest.raises(InputError, match=r"region\[1\]/class = .*: is no label"):
        read_via(source, tmp_path / "images")


def test_a_ticked_box_is_a_label(tmp_path: Path) -> None:
    assert one(tmp_path, via_region(label={"dragon": True, "horse": False})).classes == ("dragon",)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([{"class": "x", "name": "y"}], "class"),
        ([{"species": "x"}], "species"),
        ([{"name": "x", "pose": "y"}], "name"),
        ([{"b": 1}, {"b": 1}, {"a": 1}], "b"),
        ([], "class"),
    ],
)
def test_the_label_s_attribute_is_found(attributes: list[dict[str, Any]], expected: str) -> None:
    regions = [{"region_attributes": entry} for entry in attributes]
    assert label_attribute({"a": {"regions": regions}}) == expected


URL = "https://api.europeana.eu/thumbnail/v2/url.json?uri=http%3A%2F%2Fexample.org%2Fa%2FSt%2520George.jpg&type=IMAGE"


@pytest.mark.parametrize(
    "name", [hashlib.sha256(URL.encode()).hexdigest() + ".jpg", "url.json.png", "St George.jpg", "sub/St George.jpg"]
)
def test_a_url_finds_its_local_file(tmp_path: Path, name: str) -> None:
    write_picture(tmp_path / "images" / name)
    source = write_via(tmp_path, [via_entry(URL, [via_region()])])
    dataset = read_via(source, tmp_path / "images")
    assert dataset.pictures[0].file_name == name
    assert dataset.pictures[0].extras["url"] == URL


def test_the_names_of_a_url_are_as_documented() -> None:
    names = local_names(URL)
    assert names == [hashlib.sha256(URL.encode()).hexdigest(), "url.json", "St George.jpg"]
    assert local_names("http://[broken") == [hashlib.sha256(b"http://[broken").hexdigest()]


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for part in "ab":
        write_picture(tmp_path / part / "x.png")
    with pytest.raises(InputError, match=r"x\.png.*2 pictures have this name"):
        PictureFinder(tmp_path).find("x.png")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.png", "no file of this name"),
        ("../a.png", "must be a path below"),
        ("", "must be a file name"),
        ("b.png", "cannot be decoded"),
        ("http://x.org/none.png", "no file of this name"),
    ],
)
def test_a_picture_that_cannot_be_used_is_left_out(tmp_path: Path, name: str, message: str) -> None:
    write_picture(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "b.png").write_bytes(b"no picture")
    source = write_via(tmp_path, [via_entry(name, [via_region()]), via_entry("a.png", [via_region()])])
    with pytest.raises(InputError, match=message):
        read_via(source, tmp_path / "images")
    problems = Problems()
    assert len(read_via(source, tmp_path / "images", problems).pictures) == 1
    assert problems.counts == {"picture": 1}


def test_two_entries_of_one_picture_are_not_mixed(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "a.png")
    second = via_entry("a.png", [via_region()]) | {"size": 5}
    problems = Problems()
    source = write_via(tmp_path, [via_entry("a.png", [via_region()]), second])
    assert len(read_via(source, tmp_path / "images", problems).pictures) == 1
    assert "another entry means" in problems.entries[0].reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON, st.sampled_from(["rect", "circle", "ellipse", "polygon", "polyline", "point"]), JSON)
@settings(deadline=None, max_examples=150)
def test_any_region_is_read_or_reported(tmp_path_factory: Any, regions: Any, value: Any, kind: str, label: Any) -> None:
    folder = tmp_path_factory.getbasetemp() / "via-any"
    if not folder.exists():
        write_picture(folder / "images" / "a.png")
    names = ("x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "theta", "all_points_x", "all_points_y")
    shape = {"name": kind} | dict.fromkeys(names, value)
    entries = [via_entry("a.png", [via_region(shape, label), regions, via_region()]), via_entry("b.png", regions)]
    problems = Problems()
    dataset = read_via(write_via(folder, entries), folder / "images", problems)
    assert len(dataset.pictures) == 1
    for instance in dataset.pictures[0].instances:
        x, y, width, height = instance.box
        assert min(x, y) >= 0
        assert min(width, height) > 0
        assert x + width <= 80 + 1e-9
        assert y + height <= 60 + 1e-9


def test_what_is_no_via_file_is_refused(tmp_path: Path) -> None:
    for number, document in enumerate(([], {}, {"a": 1}, {"a": {"filename": "x"}})):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(document))
        with pytest.raises(InputError, match="is no VIA project"):
            read_via(path, tmp_path)


@pytest.mark.parametrize("sample", reference_files("contracts/europeana/sgoab/via_boxes_part1.json"))
def test_the_project_s_first_boxes_are_read(tmp_path: Path, sample: Path) -> None:
    """The whole file has 359 images, 805 boxes, 23 labels, 3 boxes without one; this is two images in three."""
    entries = json.loads(sample.read_text())["_via_img_metadata"].values()
    for entry in entries:  # the pictures are Europeana's thumbnails: stand-ins in which the boxes fit
        shapes = [region["shape_attributes"] for region in entry["regions"]]
        size = [
            max([shape[x] + shape[side] for shape in shapes] + [8]) for x, side in (("x", "width"), ("y", "height"))
        ]
        name = hashlib.sha256(entry["filename"].encode()).hexdigest()
        Image.new("1", (size[0], size[1])).save(tmp_path / f"{name}.png")
    problems = Problems()
    dataset = read_via(sample, tmp_path, problems)
    assert len(dataset.pictures) == 240
    assert (dataset.instance_count, dict(problems.counts)) == (533, {"label": 2})
    labels = Counter(dataset.classes[i.class_index - 1] for picture in dataset.pictures for i in picture.instances)
    assert len(labels) == 23
    assert (labels["person"], labels["tree"], labels["book"], labels["angel"]) == (179, 62, 51, 12)
