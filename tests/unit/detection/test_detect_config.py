"""The configuration of a detection run: what is read, and how each bad value is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgob_tasks.detection.detect_config import DetectConfig, read_detect_config
from sgob_tasks.detection.vocabularies import COCO_CATEGORIES, coco_classes, deart_classes, vocabulary_of
from sgob_tasks.errors import InputError


def config(folder: Path, text: str) -> Path:
    path = folder / "detect.toml"
    path.write_text(text, "utf-8")
    return path


def test_all_fields_are_read(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        'backbone = "resnet50"\nimage_size = 512\nclasses = ["horse", " dragon "]\n'
        "min_confidence = 1\nnms = 0.25\nmax_detections = 7\n",
    )
    read = read_detect_config(path)
    assert read == DetectConfig(str(path), "resnet50", 512, ("horse", "dragon"), 1.0, 0.25, 7)
    assert read.network_changes() == {
        "image_size": 512, "detection_min_score": 1.0, "detection_nms_iou": 0.25, "max_detections": 7,
    }  # fmt: skip
    assert read_detect_config(config(tmp_path, "")).network_changes() == {}


def test_classes_may_be_a_vocabulary_or_a_text_file(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("horse\n\n  dragon\n", "utf-8")
    for value, classes in {"coco": coco_classes(), "deart": deart_classes(), "names.txt": ("horse", "dragon")}.items():
        assert read_detect_config(config(tmp_path, f'classes = "{value}"')).classes == classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_sise = 512", r"detect\.toml: image_sise = 512: is no field; known are backbone, image_size"),
        ('backbone = "resnet34"', r"detect\.toml: backbone = 'resnet34': must be resnet50 or resnet101"),
        ("backbone = 50", "backbone = 50: must be"),
        ("image_size = 500", "image_size = 500: must be a multiple of 64 from 64 to 4096"),
        ("image_size = 8192", "image_size = 8192: must be"),
        ("image_size = 0", "image_size = 0: must be"),
        ("image_size = 512.0", "image_size = 512.0: must be"),
        ("image_size = true", "image_size = True: must be"),
        ("classes = 3", "classes = 3: must be a list of names, coco, deart, or a text file"),
        ('classes = ["a", 1]', "classes = .*: must be a list of names"),
        ("classes = []", r"classes = \[\]: must name every class"),
        ('classes = ["a", ""]', "classes = .*: must name every class"),
        ('classes = ["a", "a"]', "classes = 'a': is named twice"),
        ('classes = ["background", "a"]', "classes = 'background': is the network's own"),
        ('classes = "none.txt"', r"classes = '.*none\.txt': is neither coco, deart nor a text file"),
        ("min_confidence = 1.5", "min_confidence = 1.5: must be a number from 0 to 1"),
        ('min_confidence = "0.5"', "min_confidence = '0.5': must be a number from 0 to 1"),
        ("nms = -0.1", "nms = -0.1: must be a number from 0 to 1"),
        ("nms = nan", "nms = nan: must be a number from 0 to 1"),
        ("nms = true", "nms = True: must be a number"),
        ("max_detections = 0", "max_detections = 0: must be a whole number from 1 to 10000"),
        ("max_detections = 1.0", "max_detections = 1.0: must be"),
        ("nms 0.3", r"detect\.toml: file = 'detect\.toml': is not TOML"),
        ("\xff", "must be|is not TOML"),
    ],
)
def test_bad_values_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_detect_config(config(tmp_path, text))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: file = 'none\.toml'"):
        read_detect_config(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"nms = \xff")
    with pytest.raises(InputError, match=r"bytes\.toml: .*is not TOML"):
        read_detect_config(tmp_path / "bytes.toml")


def test_the_vocabularies_are_whole_and_in_order() -> None:
    assert len(coco_classes()) == len(set(coco_classes())) == 80
    assert (coco_classes()[0], coco_classes()[-1]) == ("person", "toothbrush")
    numbers = [number for number, _ in COCO_CATEGORIES]
    assert numbers == sorted(set(numbers))
    # The ids of COCO's first list that were never annotated.
    assert set(range(1, 91)) - set(numbers) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert "mouse" not in coco_classes()
    assert len(deart_classes()) == 69
    assert (deart_classes()[0], deart_classes()[-1]) == ("crucifixion", "unicorn")
    assert [vocabulary_of(names) for names in (coco_classes(), deart_classes(), ("horse",))] == ["coco", "deart", ""]
