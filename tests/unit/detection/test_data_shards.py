"""Shards: whatever is prepared is read back as it was; what is damaged is named."""

from __future__ import annotations

import io
import itertools
import json
import pickle
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.detection.config import preset_config
from sgob_tasks.detection.data.batches import load_example
from sgob_tasks.detection.data.coco import Dataset, Instance, Picture, to_coco
from sgob_tasks.detection.data.encode import encode, scaled
from sgob_tasks.detection.data.prepare import prepare_dataset
from sgob_tasks.detection.data.shards import data_hash, dataset_files, open_split, read_index, split_names, verify
from sgob_tasks.detection.data.sources import read_source
from sgob_tasks.detection.masks import decode_mask, encode_mask
from sgob_tasks.detection.pictures import load_picture
from sgob_tasks.errors import InputError
from sgob_tasks.registry.provenance import data_sha256
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


def plain(dataset: Dataset) -> Any:
    """Return what a data set says, without where it is."""
    return to_coco(dataset), dataset.classes, dataset.category_ids


def test_a_coco_data_set_is_read_back_as_it_was(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "coco")
    result = prepare_dataset(source, tmp_path / "out")
    assert (result.format, result.counts, result.classes) == ("coco", {}, ("dragon", "horse"))
    assert {split: (c.pictures, c.instances, c.instances_with_mask) for split, c in result.splits.items()} == {
        "train": (6, 12, 6),
        "val": (3, 6, 3),
    }
    for split in ("train", "val"):
        sharded, plain_form = open_split(tmp_path / "out", split), open_split(source, split)
        assert plain(sharded) == plain(plain_form)
        for one, other in zip(sharded.pictures, plain_form.pictures, strict=True):
            assert one.read_bytes() == other.read_bytes() == (source / "images" / one.file_name).read_bytes()
            np.testing.assert_array_equal(load_picture(one), load_picture(other.path))
            config = preset_config("tiny", sharded.classes, image_size=64)
            first, second = load_example(one, config), load_example(other, config)
            np.testing.assert_array_equal(first.pixels, second.pixels)
            np.testing.assert_array_equal(first.masks, second.masks)
    assert sharded.source == tmp_path / "out" / "val.json"
    assert open_split(tmp_path / "out", "val", ("horse",)).instance_count == 3
    assert split_names(tmp_path / "out") == split_names(source) == ("train", "val")


def test_the_class_map_knows_the_vocabularies(tmp_path: Path) -> None:
    prepare_dataset(write_coco(tmp_path / "coco"), tmp_path / "out")
    dragon, horse = read_index(tmp_path / "out")["classes"]
    assert (horse["index"], horse["id"], horse["name"], horse["wikidata_qid"]) == (2, 7, "horse", "Q726")
    assert dragon["supercategory"] == "preternatural/animal-like"
    assert set(dragon) >= {"iconclass", "first_appearance_year"}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write_voc(tmp_path / "voc")
    options: dict[str, Any] = {"val_fraction": 0.3, "test_fraction": 0.2, "shard_bytes": 40_000}
    first = prepare_dataset(source, tmp_path / "a", threads=1, **options)
    shutil.copytree(source, tmp_path / "elsewhere")
    second = prepare_dataset(tmp_path / "elsewhere", tmp_path / "b", threads=4, **options)
    assert first.sha256 == second.sha256 == data_hash(tmp_path / "a")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "b").iterdir())
    assert len(files) > 6, "small shards: several per split"
    for name in files:
        if name != "preparation.json":  # names the source
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    other = prepare_dataset(source, tmp_path / "c", salt="other", **options)
    assert other.sha256 != first.sha256


def test_a_shard_is_a_web_dataset(tmp_path: Path) -> None:
    prepare_dataset(write_coco(tmp_path / "coco"), tmp_path / "out")
    with tarfile.open(tmp_path / "out" / "train-00000.tar") as tar:
        members = tar.getmembers()
        assert [member.name for member in members[:2]] == ["00000000.png", "00000000.json"]
        assert all((m.mtime, m.uid, m.gid, m.mode) == (0, 0, 0, 0o644) for m in members)
        picture, beside = (tar.extractfile(member) for member in members[:2])
        assert picture is not None
        assert beside is not None
        assert Image.open(io.BytesIO(picture.read())).size == (80, 60)
        sample = json.loads(beside.read())
    assert (sample["file_name"], sample["title"]) == ("0.png", "Picture 1")
    assert [entry["category"] for entry in sample["annotations"]] == ["horse", "dragon"]
    for row in read_index(tmp_path / "out")["samples"]["train"]:
        assert row[2] % 512 == 0


extras = st.dictionaries(st.sampled_from(["title", "style", "year_from", "note"]), st.text(max_size=5) | st.integers())


@st.composite
def instances(draw: st.DrawFn, width: int, height: int, classes: int) -> Instance:
    x, y = draw(st.floats(0, width - 2)), draw(st.floats(0, height - 2))
    box = (x, y, draw(st.floats(1, width - x)), draw(st.floats(1, height - y)))
    mask = np.zeros((height, width), np.uint8)
    mask[int(y) : int(y) + 2, int(x) : int(x) + 2] = 1
    counts = {"size": [height, width], "counts": [width * height - 1, 1]}
    polygon = [x, y, min(x + 9, width), y, min(x + 9, width), min(y + 9, height), x, min(y + 9, height)]
    segmentation = draw(st.sampled_from([None, encode_mask(mask), counts, [polygon]]))
    return Instance(draw(st.integers(1, classes)), box, draw(st.booleans()), segmentation, None, draw(extras))


@st.composite
def data_sets(draw: st.DrawFn) -> dict[str, Dataset]:
    names = draw(
        st.lists(st.text(min_size=1, max_size=6).map(str.strip).filter(bool), min_size=1, max_size=3, unique=True)
    )
    ids = tuple(sorted(draw(st.sets(st.integers(0, 99), min_size=len(names), max_size=len(names)))))
    splits: dict[str, Dataset] = {}
    for split in ("train", "val"):
        pictures = []
        for number in sorted(draw(st.sets(st.integers(0, 999), min_size=1, max_size=3))):
            width, height = draw(st.integers(12, 30)), draw(st.integers(12, 30))
            items = draw(st.lists(instances(width, height, len(names)), min_size=1, max_size=3))
            name = f"{split}{number}.png"
            pictures.append(Picture(number, Path(name), width, height, tuple(items), name, draw(extras)))
        splits[split] = Dataset(Path("x"), tuple(names), ids, tuple(pictures))
    return splits


def write_any(folder: Path, splits: dict[str, Dataset]) -> None:
    """Write data sets as COCO files, with a picture for each that no other has."""
    seeds = itertools.count()
    for split, dataset in splits.items():
        for picture in dataset.pictures:
            write_picture(folder / "images" / picture.file_name, picture.width, picture.height, next(seeds))
        (folder / f"{split}.json").write_text(json.dumps(to_coco(dataset)))


@given(data_sets())
@settings(deadline=None, max_examples=12)
def test_any_data_set_survives_the_shards(tmp_path_factory: Any, splits: dict[str, Dataset]) -> None:
    folder = tmp_path_factory.mktemp("any")
    write_any(folder / "coco", splits)
    first = prepare_dataset(folder / "coco", folder / "a", strict=True, shard_bytes=2000)
    again = prepare_dataset(folder / "a", folder / "b", strict=True, shard_bytes=2000)
    assert first.sha256 == again.sha256, "what was prepared is prepared to itself"
    assert list(verify(folder / "b")) == []
    for split, dataset in splits.items():
        read = open_split(folder / "b", split)
        assert plain(read) == plain(dataset)
        for picture in read.pictures:
            assert picture.read_bytes() == (folder / "coco" / "images" / picture.file_name).read_bytes()
    shutil.rmtree(folder)


@given(data_sets(), st.integers(8, 24))
@settings(deadline=None, max_examples=25)
def test_scaled_pictures_keep_their_objects_in_place(splits: dict[str, Dataset], side: int) -> None:
    for picture in splits["train"].pictures:
        scale = side / max(picture.width, picture.height)
        width, height = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        small = scaled(picture, width, height)
        assert small.extras["original_size"] == [picture.width, picture.height]
        for before, after in zip(picture.instances, small.instances, strict=True):
            ratio = np.array([width / picture.width, height / picture.height] * 2)
            np.testing.assert_allclose(after.box, np.array(before.box) * ratio, atol=1e-3)
            if before.segmentation is not None:
                mask = decode_mask(after.segmentation, width, height, "x")
                assert mask.shape == (height, width)
                assert isinstance(after.segmentation, list) or mask.any()


def test_pictures_are_scaled_down_and_small_ones_left_alone(tmp_path: Path) -> None:
    folder = write_coco(tmp_path / "coco", 2, 1)
    document = coco_document(["0.png", "1.png"])
    write_picture(folder / "images" / "1.png", 40, 30, seed=9)
    document["images"][1] |= {"width": 40, "height": 30}
    document["annotations"] = document["annotations"][:2]
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 10:50] = 1
    document["annotations"][1] |= {"segmentation": encode_mask(mask), "bbox": [10, 20, 40, 20], "area": 800}
    (folder / "train.json").write_text(json.dumps(document))
    prepare_dataset(folder, tmp_path / "out", max_side=40)
    big, small = open_split(tmp_path / "out", "train").pictures
    assert (big.width, big.height, big.extras["original_size"]) == (40, 30, [80, 60])
    assert load_picture(big).shape == (30, 40, 3)
    horse, dragon = big.instances
    assert horse.box == (5, 5, 10, 15)
    assert horse.segmentation == [[5, 5, 15, 5, 15, 20, 5, 20]]
    assert (dragon.box, dragon.area) == ((5, 10, 20, 10), 200)
    rows, columns = np.nonzero(decode_mask(dragon.segmentation, 40, 30, "x"))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 19, 5, 24)
    assert small.read_bytes() == (folder / "images" / "1.png").read_bytes()
    assert "original_size" not in small.extras


def test_a_photograph_stays_a_jpeg_and_is_turned_when_scaled(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.jpg"
    Image.new("RGB", (60, 80), (200, 10, 10)).save(path, exif=exif)
    picture = Picture(1, path, 80, 60, (), "a.jpg")
    kept, small = encode(picture, None), encode(picture, 40)
    assert (kept.content, kept.extension) == (path.read_bytes(), "jpg")
    assert Image.open(io.BytesIO(small.content)).size == (40, 30)
    assert small.extension == "jpg"


def broken_source(tmp_path: Path) -> Path:
    """Return a Pascal VOC folder in which one of everything is wrong."""
    folder = write_voc(tmp_path / "voc", 20)
    write = {
        "3": voc_document("3.png", voc_object(box=(1, 1, 99, 9)) + voc_object()),
        "4": voc_document("4.png", voc_object(label="") + voc_object()),
        "5": voc_document("5.png", voc_object(), width=5),
        "6": "<annotation",
    }
    for name, text in write.items():
        (folder / "annotations" / f"{name}.xml").write_text(text)
    (folder / "images" / "7.png").unlink()
    content = (folder / "images" / "8.png").read_bytes()
    (folder / "images" / "8.png").write_bytes(content[: len(content) // 2])
    (folder / "images" / "9.png").write_bytes(b"")
    return folder


def test_what_is_broken_is_listed_and_the_rest_is_used(tmp_path: Path) -> None:
    source = broken_source(tmp_path)
    result = prepare_dataset(source, tmp_path / "out", classes=["horse"])
    # The stated width of 5 makes a box wrong as well; all but one of the labels are dragons, which were not asked for.
    assert result.counts == {"document": 1, "picture": 4, "box": 2, "label": 7}
    assert sum(counts.pictures for counts in result.splits.values()) == 15
    assert sum(counts.instances for counts in result.splits.values()) == 15
    listed = json.loads((tmp_path / "out" / "preparation.json").read_text())["left_out"]
    assert listed == result.to_json()["left_out"]
    assert {one["file"] for one in listed["list"] if one["kind"] == "picture"} == {
        "annotations/5.xml",
        "annotations/7.xml",
        "images/8.png",
        "images/9.png",
    }
    with pytest.raises(InputError):
        prepare_dataset(source, tmp_path / "strict", strict=True)
    assert not list(tmp_path.glob(".strict*")), "nothing half-written stays"
    assert not (tmp_path / "strict").exists()


@pytest.mark.parametrize(
    ("segmentation", "field"),
    [
        ({"size": [60, 81], "counts": "x"}, "segmentation.size"),
        ({"size": [60, 80], "counts": [1, 2]}, "segmentation.counts"),
        ({"size": [60, 80], "counts": [4800]}, "segmentation"),
        ([[1, 2, 3]], "segmentation"),
        ("text", "segmentation"),
    ],
)
def test_a_broken_mask_is_left_out_and_its_box_kept(tmp_path: Path, segmentation: Any, field: str) -> None:
    folder = write_coco(tmp_path / "coco", 2, 1)
    document = coco_document(["0.png", "1.png"])
    document["annotations"][0]["segmentation"] = segmentation
    (folder / "train.json").write_text(json.dumps(document))
    result = prepare_dataset(folder, tmp_path / "out")
    assert result.counts == {"mask": 1}
    assert result.problems.entries[0].field == f"box 1/{field}"
    assert result.splits["train"].instances == 4
    assert result.splits["train"].instances_with_mask == 1


def test_a_picture_in_two_splits_is_left_out_of_training(tmp_path: Path) -> None:
    folder = write_coco(tmp_path / "coco", 3, 2)
    shutil.copyfile(folder / "images" / "3.png", folder / "images" / "0.png")
    result = prepare_dataset(folder, tmp_path / "out")
    assert result.counts == {"duplicate": 1}
    assert (result.splits["train"].pictures, result.splits["val"].pictures) == (2, 2)
    assert "the same picture is in val as 3.png" in result.problems.entries[0].reason


def test_via_boxes_become_a_data_set(tmp_path: Path) -> None:
    entries = [via_entry(f"{n}.png", [via_region()]) for n in range(8)]
    for number in range(8):
        write_picture(tmp_path / "images" / f"{number}.png", seed=number)
    result = prepare_dataset(write_via(tmp_path, entries), tmp_path / "out", test_fraction=0.0, val_fraction=0.5)
    assert (result.format, sorted(result.splits)) == ("via", ["train", "val"])


def test_an_empty_split_is_there_all_the_same(tmp_path: Path) -> None:
    result = prepare_dataset(write_voc(tmp_path / "voc", 2), tmp_path / "out", val_fraction=0.001, test_fraction=0.0)
    assert result.splits["val"].pictures == 0
    assert open_split(tmp_path / "out", "val").pictures == ()


def test_an_earlier_data_set_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    source = write_voc(tmp_path / "voc")
    first = prepare_dataset(source, tmp_path / "out")
    second = prepare_dataset(source, tmp_path / "out", max_side=40)
    assert first.sha256 != second.sha256 == data_hash(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "voc"]
    third = prepare_dataset(tmp_path / "out", tmp_path / "out", max_side=40)
    assert third.sha256 == second.sha256
    with pytest.raises(InputError, match="holds something else than a sharded data set"):
        prepare_dataset(source, source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_fraction": 0.6, "test_fraction": 0.4}, "must be shares whose sum is below 1"),
        ({"val_fraction": float("nan")}, "must be shares"),
        ({"max_side": 5}, "max_side = 5: must be 32 pixels or more"),
        ({"shard_bytes": 0}, "shard_bytes = 0"),
        ({"classes": ["unicorn"]}, r"boxes = 0: no box can be used; left out: \{'label': 18\}"),
        ({"group": "artist"}, "group = 'artist': is a field of no picture"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare_dataset(write_voc(tmp_path / "voc"), tmp_path / "out", **options)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    prepare_dataset(write_coco(tmp_path / "coco"), tmp_path / "out")
    return tmp_path / "out"


def test_a_truncated_shard_is_named_when_it_is_opened_and_when_it_is_read(prepared: Path) -> None:
    dataset = open_split(prepared, "train")
    shard = prepared / "train-00000.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"train-00000\.tar: bytes = \d+: the shard is cut short"):
        open_split(prepared, "train")
    with pytest.raises(InputError, match=r"train-00000\.tar: length = .*cut short"):
        dataset.pictures[-1].read_bytes()
    with pytest.raises(InputError, match=r"train-00000\.tar"):
        load_picture(dataset.pictures[-1])
    assert [error.field for error in verify(prepared)] == ["sha256"]


def test_a_damaged_shard_is_named_with_the_place(prepared: Path) -> None:
    row = read_index(prepared)["samples"]["train"][2]
    shard = prepared / row[1]
    content = bytearray(shard.read_bytes())
    content[row[2] + 100] ^= 1
    shard.write_bytes(content)
    dataset = open_split(prepared, "train")
    with pytest.raises(
        InputError, match=rf"train-00000\.tar: crc32 = .*damaged at bytes {row[2]} to {row[2] + row[3]}"
    ):
        dataset.pictures[2].read_bytes()
    assert dataset.pictures[1].read_bytes()
    assert [Path(error.source).name for error in verify(prepared)] == ["train-00000.tar"]


def test_a_missing_shard_and_changed_annotations_are_named(prepared: Path) -> None:
    (prepared / "val.json").write_text((prepared / "val.json").read_text().replace("40", "41"))
    (prepared / "train-00000.tar").unlink()
    assert [Path(error.source).name for error in verify(prepared)] == ["train-00000.tar", "val.json"]
    with pytest.raises(InputError, match=r"train-00000\.tar: shard = .*No such file"):
        open_split(prepared, "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "x"}, "format = 'x': must be sgob-detection-shards"),
        ({"version": 9}, "version = 9: must be 1: prepare the data set again"),
        ({"max_side": 9}, "sha256 = .*the file was changed"),
    ],
)
def test_a_changed_index_is_refused(prepared: Path, change: dict[str, Any], message: str) -> None:
    index = json.loads((prepared / "index.json").read_text())
    (prepared / "index.json").write_text(json.dumps(index | change))
    with pytest.raises(InputError, match=message):
        open_split(prepared, "train")
    (prepared / "index.json").write_text("[]")
    with pytest.raises(InputError, match="format"):
        read_index(prepared)


def test_an_index_of_another_data_set_is_noticed(prepared: Path) -> None:
    document = json.loads((prepared / "train.json").read_text())
    document["images"][0]["id"] = 77
    document["annotations"] = []
    (prepared / "train.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="images = 77: is in no shard"):
        open_split(prepared, "train")


def test_a_split_that_is_not_there_is_named(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="split = 'test': there are train, val"):
        open_split(prepared, "test")
    with pytest.raises(InputError, match="split = 'test': there are train, val"):
        open_split(tmp_path / "coco", "test")
    with pytest.raises(InputError, match="holds neither a sharded data set nor"):
        open_split(tmp_path, "train")


def test_any_thread_and_any_process_may_read(prepared: Path) -> None:
    dataset = open_split(prepared, "train")
    expected = [picture.read_bytes() for picture in dataset.pictures]
    copy = pickle.loads(pickle.dumps(dataset))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Picture.read_bytes, copy.pictures * 20)) == expected * 20


def test_the_hash_of_the_form_without_shards_is_that_of_its_files(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "coco")
    before = data_hash(source)
    assert before == data_hash(shutil.copytree(source, tmp_path / "copy"))
    assert before == data_sha256(source)
    (source / "images" / "0.png").write_bytes(b"other")
    assert data_hash(source) != before


def test_the_files_of_a_data_set_are_all_that_is_needed(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "coco")
    prepare_dataset(source, tmp_path / "out")
    for folder in (source, tmp_path / "out"):
        copy = tmp_path / f"copy of {folder.name}"
        for path in dataset_files(folder):
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, copy / path)
        assert data_hash(copy) == data_hash(folder)
        assert open_split(copy, "train").pictures[0].read_bytes()


def test_a_picture_of_another_size_is_left_out_of_any_format(tmp_path: Path) -> None:
    source = write_coco(tmp_path / "coco")
    write_picture(source / "images" / "0.png", 30, 30)
    result = prepare_dataset(source, tmp_path / "out")
    assert [(one.kind, one.field, one.value) for one in result.problems.entries] == [("picture", "size", "30 x 30")]
    picture = read_source(source).splits["train"].pictures[0]
    with pytest.raises(InputError, match="the data set says 80 x 60"):
        encode(picture, None)
    with pytest.raises(InputError, match="No such file"):
        encode(replace(picture, path=tmp_path / "none.png"), None)
