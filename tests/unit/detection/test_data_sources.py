"""Recognising and reading data sets: what is broken is named and left out alone, the rest is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.detection.data.coco import Dataset, Instance, Picture, read_coco, to_coco
from sgob_tasks.detection.data.dataset import fit_box
from sgob_tasks.detection.data.labels import same_classes, select_classes
from sgob_tasks.detection.data.prepare import prepare_dataset
from sgob_tasks.detection.data.problems import MOST_LISTED, Problems
from sgob_tasks.detection.data.shards import open_split
from sgob_tasks.detection.data.sources import read_metadata, read_source, recognise, split_of_file, with_metadata
from sgob_tasks.detection.data.split import divide, group_of
from sgob_tasks.detection.data.voc import image_sets, parse_voc
from sgob_tasks.errors import InputError
from tests.reference import reference_files
from tests.unit.detection.dataset_files import (
    coco_document,
    via_entry,
    via_region,
    voc_document,
    voc_object,
    write_coco,
    write_picture,
    write_via,
    write_voc,
)


def test_formats_are_recognised(tmp_path: Path) -> None:
    coco, voc = write_coco(tmp_path / "coco"), write_voc(tmp_path / "voc")
    write_picture(tmp_path / "via" / "images" / "a.png")
    via = write_via(tmp_path / "via", [via_entry("a.png", [via_region()])])
    prepare_dataset(coco, tmp_path / "shards")
    assert recognise(coco) == recognise(coco / "train.json") == "coco"
    assert recognise(voc) == recognise(voc / "annotations") == recognise(voc / "annotations" / "1.xml") == "voc"
    assert recognise(via) == recognise(via.parent) == "via"
    assert recognise(tmp_path / "shards") == "shards"
    for path in (voc, voc / "annotations"):
        assert len(read_source(path).splits[""].pictures) == 12
    (voc / "train.json").write_text(json.dumps(coco_document([])))
    assert recognise(voc) == "coco", "COCO has the masks"


def test_what_is_no_data_set_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[1]")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(InputError, match=r"x\.json: format = 'x\.json': is no COCO, VIA or Pascal VOC"):
        recognise(tmp_path / "x.json")
    with pytest.raises(InputError, match="is no COCO, VIA or Pascal VOC"):
        recognise(tmp_path / "x.txt")
    with pytest.raises(InputError, match="holds no COCO, VIA or Pascal VOC"):
        recognise(tmp_path)
    with pytest.raises(InputError, match="is no file and no folder"):
        recognise(tmp_path / "none")
    with pytest.raises(InputError, match="is no folder"):
        read_source(write_coco(tmp_path / "coco"), images=tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.json", "train"),
        ("instances_val2017.json", "val"),
        ("person_keypoints_test.json", "test"),
        ("training.json", ""),
        ("interval.json", ""),
        ("annotations.json", ""),
    ],
)
def test_a_file_s_name_says_its_split(name: str, split: str) -> None:
    assert split_of_file(Path(name)) == split


def test_the_layout_of_coco_s_own_release_is_read(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    for split in ("train", "val"):
        write_picture(tmp_path / f"{split}2017" / "1.png")
        (tmp_path / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(coco_document(["1.png"])))
    source = read_source(tmp_path)
    assert sorted(source.splits) == ["train", "val"]
    assert all(dataset.pictures[0].path.is_file() for dataset in source.splits.values())
    (tmp_path / "annotations" / "person_train.json").write_text(json.dumps(coco_document(["1.png"])))
    with pytest.raises(InputError, match="is of the same split: name one"):
        read_source(tmp_path)


def test_extras_are_kept(tmp_path: Path) -> None:
    coco = read_source(write_coco(tmp_path / "coco")).splits["train"]
    assert coco.pictures[0].extras == {"title": "Picture 1", "year_from": 1501}
    assert coco.pictures[0].instances[0].extras == {"pose": "left"}
    assert coco.supercategories == ("", "animal")
    voc = read_source(write_voc(tmp_path / "voc")).splits[""]
    assert voc.pictures[0].extras == {"style": "Gothic", "year": 1400, "series": "0"}
    assert voc.pictures[0].instances[0].extras == {"pose": "Left", "truncated": True, "difficult": False}


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))

    def apply(data: dict[str, Any]) -> None:
        target: Any = data
        for step in steps:
            target = target[step]
        target[last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "kind", "pictures", "boxes"),
    [
        ("annotations.0.bbox", [70, 10, 20, 20], "box", 2, 3),
        ("annotations.0.bbox", [float("nan"), 10, 20, 20], "box", 2, 3),
        ("annotations.0.bbox", [10, 10, 0, 20], "box", 2, 3),
        ("annotations.0.bbox", [10, 10, True, 20], "box", 2, 3),
        ("annotations.0.bbox", [10**400, 10, 20, 20], "box", 2, 3),
        ("annotations.0.image_id", 99, "box", 2, 3),
        ("annotations.0.category_id", 5, "label", 2, 3),
        ("annotations.0.category_id", None, "label", 2, 3),
        ("images.0.width", 0, "picture", 1, 2),
        ("images.0.file_name", "../x.png", "picture", 1, 2),
        ("images.0.file_name", "a\0.png", "picture", 1, 2),
        ("images.1.id", 1, "picture", 1, 2),
    ],
)
def test_a_broken_part_of_a_coco_file_is_left_out_alone(
    tmp_path: Path, path: str, value: Any, kind: str, pictures: int, boxes: int
) -> None:
    data = coco_document(["a.png", "b.png"])
    change(path, value)(data)
    (tmp_path / "x.json").write_text(json.dumps(data))
    problems = Problems(base=tmp_path)
    dataset = read_coco(tmp_path / "x.json", tmp_path, problems=problems)
    assert (len(dataset.pictures), dataset.instance_count) == (pictures, boxes)
    assert problems.counts[kind] >= 1
    assert problems.entries[0].file == "x.json"
    assert problems.entries[0].field.startswith(path.split(".")[0])
    with pytest.raises(InputError):
        read_coco(tmp_path / "x.json", tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "kind", "pictures", "boxes"),
    [
        ("1.xml", voc_document("1.png", voc_object(box=(1, 1, 99, 9)) + voc_object()), "box", 4, 5),
        ("1.xml", voc_document("1.png", voc_object(box=("nan", 1, 9, 9)) + voc_object()), "box", 4, 5),
        ("1.xml", voc_document("1.png", voc_object(box=(9, 1, 5, 9)) + voc_object()), "box", 4, 5),
        ("1.xml", voc_document("1.png", voc_object(label=" ") + voc_object()), "label", 4, 5),
        ("1.xml", voc_document("1.png", "<object><name>x</name></object>" + voc_object()), "box", 4, 5),
        ("1.xml", voc_document("1.png", voc_object(), width=70), "picture", 3, 4),
        ("1.xml", voc_document("0.png", voc_object()), "picture", 3, 4),
        ("1.xml", voc_document("1.png", voc_object(), width=0), "document", 3, 4),
        ("1.xml", "<annotation>", "document", 3, 4),
    ],
)
def test_a_broken_part_of_a_voc_folder_is_left_out_alone(
    tmp_path: Path, name: str, content: str, kind: str, pictures: int, boxes: int
) -> None:
    folder = write_voc(tmp_path, 4)
    (folder / "annotations" / name).write_text(content)
    problems = Problems(base=folder)
    dataset = read_source(folder, problems=problems).splits[""]
    assert (len(dataset.pictures), dataset.instance_count) == (pictures, boxes)
    assert dict(problems.counts) == {kind: 1}
    assert problems.entries[0].file == f"annotations/{name}"
    with pytest.raises(InputError):
        read_source(folder)


def test_a_turned_picture_has_the_size_that_is_seen(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.new("RGB", (60, 80)).save(tmp_path / "images" / "a.jpg", exif=exif)
    (tmp_path / "a.xml").write_text(voc_document("a.jpg", voc_object()))
    assert read_source(tmp_path).splits[""].pictures[0].width == 80


def test_pictures_are_found_in_parts_and_by_the_annotation_s_name(tmp_path: Path) -> None:
    folder = write_voc(tmp_path, 2)
    (folder / "images" / "part_01").mkdir()
    (folder / "images" / "0.png").rename(folder / "images" / "part_01" / "0.png")
    (folder / "annotations" / "1.xml").write_text(voc_document("renamed.jpeg", voc_object()))
    names = [picture.file_name for picture in read_source(folder).splits[""].pictures]
    assert names == ["part_01/0.png", "1.png"]


def test_image_sets_are_respected(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", 4)
    sets = folder / "ImageSets" / "Main"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("0\n1 -1\n\n")
    (sets / "val.txt").write_text("2")
    problems = Problems()
    splits = read_source(folder, problems=problems).splits
    assert {split: [p.path.stem for p in data.pictures] for split, data in splits.items()} == {
        "train": ["0", "1"],
        "val": ["2"],
    }
    assert [(one.kind, one.value) for one in problems.entries] == [("split", "3")]
    (sets / "train.txt").unlink()
    (sets / "val.txt").unlink()
    (sets / "trainval.txt").write_text("0\n1\n2")
    (sets / "test.txt").write_text("3")
    divided = divide(read_source(folder).splits, 0.5, 0.4)
    assert sorted(divided) == ["test", "train", "val"]
    assert [picture.path.stem for picture in divided["test"].pictures] == ["3"]
    (sets / "test.txt").write_text("2")
    with pytest.raises(InputError, match=r"trainval\.txt: line 3 = '2': is in the list test too"):
        image_sets(sets)


def test_splits_of_a_source_are_kept_and_a_lone_train_is_divided(tmp_path: Path) -> None:
    splits = read_source(write_coco(tmp_path / "a", 6, 3)).splits
    assert divide(splits, 0.5, 0.2) == splits
    alone = {"train": splits["train"]}
    divided = divide(alone, 0.4, 0.0)
    assert sorted(divided) == ["train", "val"]
    assert sum(len(data.pictures) for data in divided.values()) == 6
    with pytest.raises(InputError, match="the name says no split"):
        divide({"": splits["val"], **alone}, 0.1, 0.1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.floats(0, 0.5), st.floats(0, 0.49), st.text(max_size=3))
@settings(deadline=None)
def test_a_group_is_in_one_split(series: list[int], val: float, test: float, salt: str) -> None:
    pictures = tuple(Picture(i, Path(f"{i}.png"), 9, 9, (), f"{i}.png", {"series": s}) for i, s in enumerate(series))
    divided = divide({"": Dataset(Path("x"), ("a",), (1,), pictures)}, val, test, salt, "series")
    homes = [(picture.extras["series"], split) for split, data in divided.items() for picture in data.pictures]
    assert len(homes) == len(series)
    assert len(set(homes)) == len(set(series))


def test_a_picture_without_the_group_s_field_goes_by_its_name() -> None:
    picture = Picture(1, Path("a.png"), 9, 9, (), "a.png", {"series": ""})
    assert group_of(picture, "series") == group_of(picture, None) == "a.png"
    with pytest.raises(InputError, match="group = 'artist': is a field of no picture"):
        divide({"": Dataset(Path("x"), ("a",), (1,), (picture,))}, 0.1, 0.1, group="artist")


def test_metadata_is_joined_by_file_name(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("\ufefffile,title,year,style\n0.png,Saint George,1470,\n1.png,,ca. 1500,Gothic\n")
    facts = read_metadata(tmp_path / "m.csv")
    assert facts == {
        "0.png": {"title": "Saint George", "year": 1470},
        "1.png": {"year": "ca. 1500", "style": "Gothic"},
    }
    dataset = with_metadata(read_source(write_voc(tmp_path / "voc", 2)).splits[""], facts)
    assert dataset.pictures[0].extras == {"style": "Gothic", "year": 1400, "series": "0", "title": "Saint George"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "needs one of file, file_name, filename"),
        ("file\nx\nx\n", "line 3, file = 'x': is there twice"),
        ('file\n"x\n', "cannot be read as CSV"),
    ],
)
def test_bad_metadata_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_metadata(tmp_path / "m.csv")


def test_classes_are_selected_in_their_order(tmp_path: Path) -> None:
    dataset = read_source(write_coco(tmp_path)).splits["train"]
    problems = Problems()
    chosen = select_classes(dataset, ["Unicorn", "Horse"], problems)
    assert chosen.classes == ("Unicorn", "Horse")
    assert chosen.category_ids == (1, 2)
    assert chosen.supercategories == ("", "animal")
    assert {i.class_index for picture in chosen.pictures for i in picture.instances} == {2}
    assert problems.counts == {"label": 6}
    assert "'dragon'" in repr(problems.entries[0])
    with pytest.raises(InputError, match="is none of the 1 chosen classes"):
        select_classes(dataset, ["horse"], Problems(strict=True))
    with pytest.raises(InputError, match="must be names that occur once"):
        select_classes(dataset, ["horse", "Horse"], problems)


def test_splits_with_different_categories_get_one_list() -> None:
    def data(classes: tuple[str, ...], ids: tuple[int, ...]) -> Dataset:
        instances = tuple(Instance(i, (0, 0, 1, 1), False, None) for i in range(1, len(classes) + 1))
        return Dataset(Path("x"), classes, ids, (Picture(1, Path("p"), 9, 9, instances),))

    joined = same_classes({"train": data(("cat", "dog"), (1, 5)), "val": data(("bird", "dog"), (3, 5))})
    for dataset in joined.values():
        assert (dataset.classes, dataset.category_ids) == (("cat", "bird", "dog"), (1, 3, 5))
    assert [i.class_index for i in joined["val"].pictures[0].instances] == [2, 3]
    clash = same_classes({"train": data(("cat",), (1,)), "val": data(("dog",), (1,))})
    assert clash["val"].classes == ("cat", "dog")
    assert clash["val"].category_ids == (1, 2)
    assert clash["val"].pictures[0].instances[0].class_index == 2


@given(
    st.tuples(*[st.floats(-3, 90) for _ in range(2)], *[st.floats(-1, 90) for _ in range(2)]),
    st.integers(1, 80),
    st.integers(1, 60),
)
def test_a_fitted_box_is_inside(box: tuple[float, float, float, float], width: int, height: int) -> None:
    try:
        x, y, w, h = fit_box(box, width, height)
    except ValueError:
        return
    assert min(x, y) >= 0
    assert min(w, h) > 0
    assert x + w <= width + 1e-9
    assert y + h <= height + 1e-9


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_lenient_or_not_any_bytes_are_refused_by_name(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^a\.xml: document"):
        parse_voc(b"<annotation>" + content.replace(b"</annotation", b""), Path("a.xml"), Problems())


def test_very_many_faults_are_counted_but_not_all_listed() -> None:
    problems = Problems()
    for number in range(MOST_LISTED + 5):
        problems.report("box", InputError("f", "x", number, "is wrong"))
    assert (problems.counts["box"], len(problems.entries)) == (MOST_LISTED + 5, MOST_LISTED)


def test_a_data_set_survives_the_coco_form(tmp_path: Path) -> None:
    for folder in (write_coco(tmp_path / "c"), write_voc(tmp_path / "v")):
        for dataset in read_source(folder).splits.values():
            (tmp_path / "x.json").write_text(json.dumps(to_coco(dataset)))
            again = read_coco(tmp_path / "x.json", folder / "images")
            assert to_coco(again) == to_coco(dataset)
            assert again.classes == dataset.classes
            assert [replace(p, instances=()) for p in again.pictures] == [
                replace(p, instances=()) for p in dataset.pictures
            ]


def test_extras_never_hide_a_field_of_the_format() -> None:
    instance = Instance(1, (1.0, 1.0, 2.0, 2.0), False, None, None, {"bbox": [0, 0, 9, 9], "note": 1})
    picture = Picture(4, Path("a.png"), 9, 9, (instance,), "a.png", {"width": 1, "title": "x"})
    document = to_coco(Dataset(Path("x"), ("a",), (1,), (picture,)))
    assert document["images"] == [{"width": 9, "title": "x", "id": 4, "file_name": "a.png", "height": 9}]
    assert document["annotations"][0]["bbox"] == [1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("annotations", [path.parent for path in reference_files("data/paintings/paintings.csv")])
def test_the_reference_paintings_are_read_and_prepared(tmp_path: Path, annotations: Path) -> None:
    source = read_source(annotations)
    dataset = source.splits[""]
    assert (source.format, len(dataset.pictures), dataset.classes) == ("voc", 217, ("person",))
    assert dataset.instance_count == 758
    assert {instance.extras["pose"] for picture in dataset.pictures for instance in picture.instances} >= {"Right"}
    result = prepare_dataset(
        annotations, tmp_path / "out", metadata=annotations / "paintings.csv", group="creator", strict=True
    )
    assert sum(counts.pictures for counts in result.splits.values()) == 217
    creators = [
        {picture.extras.get("creator") for picture in open_split(tmp_path / "out", split).pictures} - {None}
        for split in result.splits
    ]
    assert not creators[0] & creators[1]
    assert any("year" in p.extras and "style" in p.extras for p in open_split(tmp_path / "out", "train").pictures)
