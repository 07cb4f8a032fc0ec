"""A detection run's pictures, ids and files: what is found, how it is numbered, how a stopped run goes on."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.detection.inference.drawing import LONGEST_SIDE, colour_of, draw_detections, save_drawing
from sgob_tasks.detection.inference.numbering import (
    Picture,
    find_pictures,
    number_categories,
    number_pictures,
    read_truth,
)
from sgob_tasks.detection.inference.results_file import PartFile, write_results
from sgob_tasks.detection.inference.selection import Detection
from sgob_tasks.detection.masks import encode_mask
from sgob_tasks.detection.vocabularies import COCO_CATEGORIES, coco_classes
from sgob_tasks.errors import InputError


def picture_bytes(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    return file.getvalue()


def test_pictures_are_found_by_ending_or_by_their_first_bytes(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.tiff", "sub/deep/c.webp", "broken.png", "notes.txt", ".hidden.jpg", ".git/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"whatever")
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        (tmp_path / f"sha256-{kind}").write_bytes(picture_bytes(kind))
    (tmp_path / "README").write_bytes(b"text")
    bare = [f"sha256-{kind}" for kind in ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")]
    assert find_pictures(tmp_path) == ["a.tiff", "b.JPG", "broken.png", *bare, "sub/deep/c.webp"]


def test_folders_without_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: images = '.*none': is no folder"):
        find_pictures(tmp_path / "none")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match=r"images = .*: has no picture"):
        find_pictures(tmp_path)


def truth(folder: Path, images: Any, categories: Any) -> Path:
    path = folder / "truth.json"
    path.write_text(json.dumps({"images": images, "categories": categories}))
    return path


def test_ids_count_from_one_or_are_those_of_the_truth(tmp_path: Path) -> None:
    names = ["a.jpg", "sub/b.jpg", "sub/c.jpg"]
    found, unknown = number_pictures(tmp_path, names, None)
    assert found[1] == Picture(2, "sub/b.jpg", tmp_path / "sub/b.jpg")
    assert ([p.image_id for p in found], unknown) == ([1, 2, 3], [])
    known = read_truth(
        truth(
            tmp_path,
            [{"id": 70, "file_name": "a.jpg"}, {"id": 50, "file_name": "other/b.jpg"}, {"id": 9, "file_name": "z.jpg"}],
            [{"id": 4, "name": "horse"}, {"id": 7, "name": "dragon"}],
        )
    )
    found, unknown = number_pictures(tmp_path, names, known)
    assert ([p.image_id for p in found], unknown) == ([70, 50], ["sub/c.jpg"])
    assert number_categories(("lance", "dragon", "horse", "crown"), known) == {
        "lance": 8, "dragon": 7, "horse": 4, "crown": 9,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"truth\.json: images = 3: none of them is in"):
        number_pictures(tmp_path, ["x.jpg"], known)
    with pytest.raises(InputError, match=r"images = 'sub/a\.jpg': is the picture 70 of .*, as is a\.jpg"):
        number_pictures(tmp_path, ["a.jpg", "sub/a.jpg"], known)


def test_cocos_classes_have_cocos_ids(tmp_path: Path) -> None:
    by_name = number_categories(coco_classes(), None)
    assert (by_name["person"], by_name["computer mouse"], by_name["toothbrush"]) == (1, 74, 90)
    assert number_categories(("horse", "dragon"), None) == {"horse": 1, "dragon": 2}
    official = [{"id": number, "name": name} for number, name in COCO_CATEGORIES]
    images = [{"id": 1, "file_name": "a.jpg"}]
    assert number_categories(coco_classes(), read_truth(truth(tmp_path, images, official))) == by_name
    # In paintings a mouse is the animal, and a detector's computer mouse is not it.
    deart = read_truth(truth(tmp_path, images, [{"id": 3, "name": "mouse"}]))
    assert number_categories(coco_classes(), deart)["computer mouse"] != 3


@pytest.mark.parametrize(
    ("images", "categories", "message"),
    [
        (3, [], r"truth\.json: images = 3: must be a list"),
        ([3], [], r"images\[0\]\.id = None: must be a whole number"),
        ([{"id": True, "file_name": "a"}], [], r"images\[0\]\.id = True: must be a whole number"),
        ([{"id": 1}], [], r"images\[0\]\.file_name = None: must be a text"),
        ([{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}], [], r"images\[1\]\.file_name = 'a': .* no other"),
        ([], None, "categories = None: must be a list"),
        ([], [{"id": 1, "name": 4}], r"categories\[0\]\.name = 4: must be a text"),
    ],
)
def test_bad_truths_are_named(tmp_path: Path, images: Any, categories: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_truth(truth(tmp_path, images, categories))
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(InputError, match=r"list\.json: file = .*must be a JSON object"):
        read_truth(tmp_path / "list.json")


RUN = {"weights_sha256": "ab", "config": {"classes": ("horse",)}}


def line(name: str, count: int = 1) -> dict[str, Any]:
    found = {
        "class_name": "horse", "score": 0.5, "bbox": [1.0, 2.0, 3.0, 4.0], "mask": None,
        "candidates": {"horse": 0.5}, "background": 0.5,
    }  # fmt: skip
    return {"file_name": name, "width": 9, "height": 9, "detections": [found] * count}


def test_a_run_goes_on_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "out" / "results.json.part"
    names = ["ä.jpg", "b.jpg", "c.jpg"]
    entries = [line("ä.jpg"), {"file_name": "b.jpg", "error": "broken"}, line("c.jpg", 2)]
    part = PartFile(path, RUN)
    part.append(entries[:1])
    part.append(entries[1:])
    whole = path.read_bytes()
    pictures = [Picture(number, name, tmp_path) for number, name in enumerate(names, 1)]
    assert write_results(tmp_path / "whole.json", part, pictures, {"horse": 7}) == 3
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        again = PartFile(path, RUN)
        lines = max(0, whole[:cut].count(b"\n") - 1)
        assert again.done == set(names[:lines])
        again.append([entry for entry in entries if entry["file_name"] not in again.done])
        assert path.read_bytes() == whole
        if cut % 50 == 0:
            write_results(tmp_path / "again.json", again, pictures, {"horse": 7})
            assert (tmp_path / "again.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    results = json.loads((tmp_path / "whole.json").read_text("utf-8"))
    assert [(entry["image_id"], entry["file_name"]) for entry in results] == [(1, "ä.jpg"), (3, "c.jpg"), (3, "c.jpg")]
    assert results[0] == {
        "image_id": 1, "category_id": 7, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5, "file_name": "ä.jpg",
        "class_name": "horse", "candidates": {"horse": 0.5}, "background": 0.5,
    }  # fmt: skip
    again.remove()
    assert not path.exists()


def test_what_another_run_left_is_refused_or_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "results.json.part"
    PartFile(path, RUN).append([line("a.jpg")])
    with pytest.raises(InputError, match=r"weights_sha256 = 'ab': the interrupted run had another .*--fresh"):
        PartFile(path, RUN | {"weights_sha256": "cd"})
    with pytest.raises(InputError, match=r"had another threshold"):
        PartFile(path, RUN | {"threshold": 1})
    assert PartFile(path, RUN | {"weights_sha256": "cd"}, fresh=True).done == set()
    content = path.read_bytes()
    for bad in (b"{}\n", b"[]\n", b"no JSON\n"):
        path.write_bytes(content + bad)
        with pytest.raises(InputError, match=r"line 2 = .*is damaged: --fresh starts anew"):
            PartFile(path, RUN | {"weights_sha256": "cd"})
    path.write_bytes(b"[]\n")
    with pytest.raises(InputError, match="line 1 = "):
        PartFile(path, RUN)


def test_no_results_are_an_empty_list(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "part", RUN)
    part.append([{"file_name": "a.jpg", "error": "broken"}])
    assert write_results(tmp_path / "results.json", part, [Picture(1, "a.jpg", tmp_path)], {}) == 0
    assert json.loads((tmp_path / "results.json").read_text()) == []


def found(name: str, score: float, box: tuple[float, float, float, float], mask: Any = None) -> Detection:
    return Detection(name, score, box, mask, {name: score}, 1 - score)


def test_boxes_masks_and_labels_are_drawn_where_they_are(tmp_path: Path) -> None:
    pixels = np.full((120, 200, 3), 255, np.uint8)
    mask = np.zeros((120, 200), np.uint8)
    mask[60:80, 40:90] = 1
    image = draw_detections(pixels, [found("horse", 0.9, (30.0, 50.0, 70.0, 40.0), encode_mask(mask))])
    drawn = np.asarray(image)
    colour = np.array(colour_of("horse"))
    np.testing.assert_array_equal(drawn[70, 30], colour)  # the box's left side
    assert np.abs(drawn[70, 60] - (255 + 0.4 * (colour - 255.0))).max() <= 1  # the mask inside
    np.testing.assert_array_equal(drawn[100, 150], [255, 255, 255])
    assert (drawn[30:49, 30:100] != 255).any()  # the label above
    np.testing.assert_array_equal(pixels, 255)
    assert colour_of("horse") != colour_of("dragon")
    path = save_drawing(image, tmp_path, "sub/a.png")
    assert path == tmp_path / "sub" / "a.png.jpg"
    assert Image.open(path).format == "JPEG"
    assert save_drawing(image, tmp_path, "b.JPG").name == "b.JPG"


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.lists(st.tuples(*[st.floats(0, 60, allow_nan=False)] * 4), max_size=4),
)
@settings(deadline=None, max_examples=40)
def test_any_box_can_be_drawn(width: int, height: int, boxes: list[tuple[float, float, float, float]]) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    assert draw_detections(pixels, [found("god the father", 0.5, box) for box in boxes]).size == (width, height)


def test_large_pictures_are_drawn_smaller() -> None:
    image = draw_detections(np.zeros((100, 4000, 3), np.uint8), [found("horse", 1.0, (3900.0, 50.0, 100.0, 50.0))])
    assert image.size == (LONGEST_SIDE, 40)
