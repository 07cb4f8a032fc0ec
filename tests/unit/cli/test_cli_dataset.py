"""``sgob dataset``: prepare, card and show, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from sgob_tasks.cli import main
from sgob_tasks.cli_dataset import read_classes
from sgob_tasks.errors import InputError
from tests.unit.detection.dataset_files import voc_document, voc_object, write_coco, write_voc


def test_a_data_set_is_prepared_shown_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = write_voc(tmp_path / "voc"), tmp_path / "out"
    broken = voc_document("1.png", voc_object(box=(1, 1, 99, 9)) + voc_object(" "))
    (source / "annotations" / "1.xml").write_text(broken)
    assert main(["dataset", "prepare", str(source), "--out", str(out), "--val", "0.3", "--max-side", "64"]) == 0
    text = capsys.readouterr().out
    assert "left out: box 1, label 1" in text
    assert "box annotations/1.xml: object[1]/bndbox" in text
    assert "name = (empty): is missing or empty" in text
    assert main(["dataset", "show", str(out), "--verify"]) == 0
    text = capsys.readouterr().out
    assert "train-00000.tar" in text
    assert "Q726" in text
    assert "verified: 0 faults" in text
    assert main(["dataset", "card", str(out), "--out", str(tmp_path / "card.png")]) == 0
    assert "15th 9" in capsys.readouterr().out
    assert Image.open(tmp_path / "card.png").format == "PNG"


def test_all_of_it_is_there_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = write_coco(tmp_path / "coco"), tmp_path / "out"
    assert main(["dataset", "prepare", str(source), "--out", str(out), "--json"]) == 0
    prepared = json.loads(capsys.readouterr().out)
    assert prepared["splits"]["train"] == {"pictures": 6, "instances": 12, "instances_with_mask": 6}
    assert main(["dataset", "show", str(out), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["sha256"] == prepared["sha256"]
    assert main(["dataset", "card", str(source), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["masks"]["share"] == 0.5


def test_damage_is_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = write_coco(tmp_path / "coco"), tmp_path / "out"
    main(["dataset", "prepare", str(source), "--out", str(out)])
    with (out / "val-00000.tar").open("r+b") as file:
        file.seek(600)
        file.write(b"damage")
    assert main(["dataset", "show", str(out), "--verify"]) == 1
    assert "val-00000.tar: sha256" in capsys.readouterr().out
    assert main(["dataset", "show", str(source), "--verify"]) == 1
    assert "only a sharded data set can be verified" in capsys.readouterr().err


def test_a_fault_stops_it_where_it_is_strict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_voc(tmp_path / "voc")
    (source / "images" / "3.png").unlink()
    assert main(["dataset", "prepare", str(source), "--out", str(tmp_path / "out"), "--strict"]) == 1
    assert "3.xml: filename = '3.png': is no picture in the images folder" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--val", "1.5"], ["--test", "x"], ["--max-side", "8"], ["--max-side", "-40"]])
def test_a_wrong_option_is_wrong_use(tmp_path: Path, option: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dataset", "prepare", str(tmp_path), "--out", str(tmp_path / "out"), *option])
    assert caught.value.code == 2


def test_classes_come_from_a_file_or_by_name(tmp_path: Path) -> None:
    assert read_classes(None) is None
    deart = read_classes("deart")
    assert deart is not None
    assert (len(deart), deart[:3]) == (69, ("crucifixion", "angel", "person"))
    (tmp_path / "names.txt").write_text("# chosen\nhorse\n\n crown  of thorns \n")
    assert read_classes(str(tmp_path / "names.txt")) == ("horse", "crown of thorns")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(InputError, match="holds no name"):
        read_classes(str(tmp_path / "empty.txt"))
    with pytest.raises(InputError, match="is neither `deart` nor a file of names"):
        read_classes("nowhere")
