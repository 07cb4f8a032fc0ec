"""The context by hand: files in, files out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sgob_tasks.cli import main
from sgob_tasks.context.apply import apply_to_file
from sgob_tasks.context.picture_context import ContextModels
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError

MODELS = ContextModels(ClassTable.load())
BICYCLE: dict[str, Any] = {
    "image_id": "a.jpg", "class_name": "bicycle", "score": 0.6, "bbox": [1, 2, 3, 4],
    "candidates": {"bicycle": 0.6, "horse": 0.3},
}  # fmt: skip


def _write(path: Path, value: Any) -> Path:
    lines = path.suffix == ".jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in value) if lines else json.dumps(value), "utf-8")
    return path


WORKS = """id,title,date,year
a.jpg,Saint George,ca. 1480-85,
b.jpg,The Cyclist,,1905
c.jpg,"Saint George, 1492",,
d.jpg,Untitled,some time ago,
e.jpg,,XVe siècle,
"""


def test_a_table_of_works_corrects_results(tmp_path: Path) -> None:
    (tmp_path / "works.csv").write_text(WORKS, "utf-8")
    entries = [BICYCLE | {"image_id": name} for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")]
    entries.append({"image_id": "a.jpg", "class_name": "cell phone", "score": 0.5, "bbox": [50, 50, 3, 4]})
    results = _write(tmp_path / "results.json", entries)
    counts = apply_to_file(results, tmp_path / "works.csv", tmp_path / "out.json", MODELS)
    assert (counts.pictures, counts.dated, counts.detections) == (5, 4, 6)
    assert (counts.relabelled, counts.rescored, counts.removed) == (4, 0, 0)
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [one["label"] for one in found] == ["horse", "bicycle", "horse", "bicycle", "horse", "book"]
    assert found[0]["label_before"] == "bicycle"
    assert (found[0]["score"], found[0]["score_before"]) == (pytest.approx(0.9), 0.6)
    assert found[0]["reason"].startswith("bicycle appeared in 1817; the picture is dated about 1480-1485; relabelled")
    assert found[1]["reason"] is None
    assert found[0]["evidence"]["detector"] == {"bicycle": 0.6, "horse": 0.3}


def test_a_coco_data_set_gives_dates_and_ids(tmp_path: Path) -> None:
    truth = {
        "images": [{"id": 7, "file_name": "x/a.jpg", "year_from": 1503, "year_to": 1504}],
        "categories": [{"id": 1, "name": "horse"}, {"id": 2, "name": "bicycle"}, {"id": 3, "name": "car"}],
    }
    entry = {"image_id": 7, "category_id": 2, "score": 0.6, "bbox": [1, 2, 3, 4], "candidates": {}}
    results = _write(tmp_path / "results.jsonl", [entry])
    apply_to_file(results, _write(tmp_path / "truth.json", truth), tmp_path / "out.jsonl", MODELS)
    (found,) = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert (found["label"], found["category_id"]) == ("horse", 1)


def test_the_command_does_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = _write(tmp_path / "results.json", [BICYCLE])
    works = _write(tmp_path / "works.jsonl", [{"id": "a.jpg", "year_from": 1480, "year_to": 1485}])
    arguments = ["context", "apply", "--in", str(results), "--works", str(works), "--out", str(tmp_path / "out.json")]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["relabelled"] == 1
    assert main(["context", "apply", "--in", str(tmp_path / "no.json"), *arguments[4:]]) == 1
    assert "no.json: file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": "z.jpg"}, r"\[0\].image_id = 'z.jpg': is the picture of no work"),
        ({"score": 2}, r"\[0\].score = 2: must be a number from 0 to 1"),
        ({"score": None}, r"\[0\].score = None"),
        ({"candidates": {"horse": "much"}}, r"\[0\].candidates = .*: must give a score"),
        ({"candidates": [1]}, r"\[0\].candidates"),
        ({"bbox": [1, 2]}, r"\[0\].bbox = \[1, 2\]: must be"),
        ({"class_name": None}, r"\[0\].category_id = None: is the id of no class"),
    ],
)
def test_detections_that_do_not_fit(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    (tmp_path / "works.csv").write_text(WORKS, "utf-8")
    results = _write(tmp_path / "results.json", [BICYCLE | change])
    with pytest.raises(InputError, match=message):
        apply_to_file(results, tmp_path / "works.csv", tmp_path / "out.json", MODELS)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("works.csv", "title,date\nx,1500\n", "columns = .*must have one of id"),
        ("works.csv", "id,year_from,year_to\na.jpg,1500,1400\n", "a.jpg: year_from, year_to = .*is after"),
        ("works.json", '{"images": 1}', "images = 1: must be a list"),
        ("works.json", "[]", "must be a dict"),
        ("works.jsonl", "[1]\n", "must be a list of objects"),
    ],
)
def test_works_that_do_not_fit(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    results = _write(tmp_path / "results.json", [BICYCLE])
    with pytest.raises(InputError, match=message):
        apply_to_file(results, tmp_path / name, tmp_path / "out.json", MODELS)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "works.csv").write_text(WORKS, "utf-8")
    results = _write(tmp_path / "results.json", [BICYCLE])
    with pytest.raises(InputError, match="apply: out"):
        apply_to_file(results, tmp_path / "works.csv", tmp_path / "missing" / "out.json", MODELS)
