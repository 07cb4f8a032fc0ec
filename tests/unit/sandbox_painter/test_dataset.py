from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from pycocotools.coco import COCO

from sgob_tasks.context.language.relation_training import learn_relations
from sgob_tasks.errors import InputError
from sgob_tasks.sandbox.collection import FAULTS, Collection
from sgob_tasks.sandbox.painter import CLASSES, paint_collection, paint_training_set
from sgob_tasks.sandbox.painter.__main__ import main
from sgob_tasks.sandbox.painter.captioned import write_painted_records
from sgob_tasks.sandbox.painter.dataset import orders, scene_seed
from sgob_tasks.sandbox.painter.twofold import WITH_LOOK_ALIKE


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_training_set(tmp_path_factory.mktemp("training"), 28, 20, 4, processes=1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_collection(tmp_path_factory.mktemp("served"), 60, 4)


def test_splits_share_no_seed() -> None:
    seeds = [scene_seed(s, split, i) for s in range(3) for split in ("train", "held_out", "served") for i in range(50)]
    assert len(set(seeds)) == len(seeds)
    assert scene_seed(0, "train", (1 << 24) - 1) < scene_seed(0, "held_out", 0)


def test_training_has_six_modern_look_alikes_for_every_old_one() -> None:
    plan = orders(600, 1, "train")
    for subject in WITH_LOOK_ALIKE:
        truths = Counter(order.ambiguous for order in plan if order.subject == subject)
        assert 5.5 <= truths[False] / truths[True] <= 6.5
        assert truths[False] >= 80


def test_held_out_has_the_anachronistic_subset() -> None:
    plan = orders(150, 1, "held_out")
    assert sum(order.ambiguous for order in plan) == 45
    assert {order.subject for order in plan if order.ambiguous} == set(WITH_LOOK_ALIKE)


@pytest.mark.parametrize(("count", "seed", "field"), [(-1, 1, "count"), (1 << 24, 1, "count"), (5, -1, "seed")])
def test_numbers_out_of_range_are_named(count: int, seed: int, field: str) -> None:
    with pytest.raises(InputError, match=f"painter: {field} = "):
        orders(count, seed, "train")


def test_records_of_the_language_model_tell_of_relations(training_set: Path, tmp_path: Path) -> None:
    write_painted_records(tmp_path / "records.jsonl", training_set / "train.json")
    rows = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 28
    assert all(row["captions"] and all(row["captions"]) for row in rows)
    relations = learn_relations((row["title"], *row["captions"]) for row in rows)
    assert relations.count("person", "rides", "horse") > relations.count("horse", "rides", "person") == 0


@pytest.mark.parametrize(("name", "count"), [("train.json", 28), ("val.json", 20)])
def test_coco_reads_the_annotations(training_set: Path, name: str, count: int) -> None:
    coco = COCO(str(training_set / name))
    assert len(coco.imgs) == count
    assert [category["name"] for category in coco.cats.values()] == list(CLASSES)
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        x, y, width, height = annotation["bbox"]
        assert mask[y : y + height, x : x + width].sum() == mask.sum() == annotation["area"]
    for image in coco.imgs.values():
        with Image.open(training_set / "images" / image["file_name"]) as picture:
            assert picture.format == "JPEG"
            assert picture.size == (image["width"], image["height"])
        flags = [annotation["ambiguous"] for annotation in coco.imgToAnns[image["id"]]]
        assert image["anachronistic"] == any(flags)
        assert image["year_from"] <= image["year_to"]


def test_voc_says_the_same(training_set: Path) -> None:
    document = json.loads((training_set / "val.json").read_text())
    names = {category["id"]: category["name"] for category in document["categories"]}
    for image in document["images"]:
        root = ET.parse((training_set / "annotations" / image["file_name"]).with_suffix(".xml")).getroot()
        told = []
        for node in root.iter("object"):
            x1, y1, x2, y2 = (int(node.findtext(f"bndbox/{tag}", "")) for tag in ("xmin", "ymin", "xmax", "ymax"))
            assert 1 <= x1 <= x2 <= image["width"]
            assert 1 <= y1 <= y2 <= image["height"]
            told.append((node.findtext("name"), [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1]))
        known = [(names[a["category_id"]], a["bbox"]) for a in document["annotations"] if a["image_id"] == image["id"]]
        assert told == known


def test_two_processes_paint_what_one_paints(training_set: Path, tmp_path: Path) -> None:
    again = paint_training_set(tmp_path, 28, 20, 4, processes=2)
    assert (again / "train.json").read_bytes() == (training_set / "train.json").read_bytes()
    pictures = sorted(path.name for path in (training_set / "images").iterdir())
    assert pictures == sorted(path.name for path in (again / "images").iterdir())
    for name in pictures:
        assert (again / "images" / name).read_bytes() == (training_set / "images" / name).read_bytes()


def test_the_collection_is_served_with_a_handful_of_faults(served: Path) -> None:
    collection = Collection.read(served)
    assert len(collection) == 60
    assert Counter(item.fault for item in collection if item.fault) == dict.fromkeys(FAULTS, 1)
    assert collection.problems == ()
    with (served / "collection.csv").open(encoding="utf-8", newline="") as stream:
        header = next(csv.reader(stream))
    assert header[:7] == ["file", "title", "creator", "year", "description", "language", "rights"]


def test_the_truth_knows_every_picture_and_its_sentences(served: Path) -> None:
    truth = json.loads((served / "truth.json").read_text())
    items = {item.file: item for item in Collection.read(served)}
    assert {image["file_name"] for image in truth["images"]} == set(items)
    assert sum(image["anachronistic"] for image in truth["images"]) == 12
    for image in truth["images"]:
        item = items[image["file_name"]]
        assert item.description == " ".join(sentence["text"] for sentence in image["sentences"])
        assert image["fault"] == item.fault
        if item.fault:
            assert image["subject"] not in WITH_LOOK_ALIKE
        if item.fault != "no_date":
            assert item.date_text == image["date_text"]


def test_two_paintings_do_not_share_a_folder(tmp_path: Path) -> None:
    paint_training_set(tmp_path, 2, 1, 1, processes=1)
    paint_training_set(tmp_path, 2, 1, 1, processes=1)
    with pytest.raises(InputError, match="3 files of another painting: use an empty folder"):
        paint_training_set(tmp_path, 2, 1, 2, processes=1)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "a"), "--count", "4", "--seed", "2", "--no-faults", "--processes", "1"]) == 0
    assert "4 pictures" in capsys.readouterr().err
    assert len(Collection.read(tmp_path / "a")) == 4
    assert main(["--out", str(tmp_path / "b"), "--training", "3", "2", "--size", "128", "96"]) == 0
    assert len(list((tmp_path / "b" / "images").iterdir())) == 5
    assert main(["--out", str(tmp_path / "s.png"), "--sheet", "5", "--size", "128", "96", "--boxes"]) == 0
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size == (4 * 134 + 6, 2 * 116 + 6)
    assert main(["--out", str(tmp_path / "c"), "--count", "-2"]) == 1
    assert "painter: count = -2" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path / "d")])
