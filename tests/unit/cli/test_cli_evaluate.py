"""``sgob evaluate``: from files to figures, charts, page and comparison; every fault is said in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sgob_tasks.cli import main
from sgob_tasks.detection.evaluation.average_precision import evaluate
from sgob_tasks.detection.evaluation.bootstrap import compare
from tests.unit.detection.evaluation_data import SIDE, make_results, make_truth


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a data set, results of two models, their pictures and a table of works."""
    data = make_truth(1, images=6, masks=True)
    write(tmp_path / "truth.json", data)
    write(tmp_path / "a.json", make_results(data, 1, masks=True))
    write(tmp_path / "b.json", make_results(data, 2, masks=True, shift=2.0))
    write(tmp_path / "boxes.json", make_results(data, 1))
    (tmp_path / "works.csv").write_text("file,year,style\n1.jpg,1500,Gothic\n2.jpg,1501,Gothic\n")
    for image in data["images"]:
        path = tmp_path / "images" / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (SIDE, SIDE), (90, 80, 70)).save(path)
    return tmp_path


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def run(files: Path, *arguments: str, results: str = "a.json") -> int:
    return main(["evaluate", "--truth", str(files / "truth.json"), "--results", str(files / results), *arguments])


def as_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    def refuse(value: str) -> None:
        raise AssertionError(f"{value} is no JSON")

    found: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=refuse)
    return found


def test_figures_of_boxes_and_masks(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--json") == 0
    found = as_json(capsys)
    truth, results = (json.loads((files / name).read_text()) for name in ("truth.json", "a.json"))
    for kind in ("bbox", "segm"):
        expected = evaluate(truth, results, iou_type=kind)
        assert found[kind]["AP"] == expected.ap
        assert found[kind]["AP50"] == expected.ap50
        assert set(found[kind]["mistakes"]) == {
            "classification", "localisation", "both", "duplicate", "background", "missed",
        }  # fmt: skip
    assert (found["images"], found["detections"]) == (6, len(results))
    assert {"comparison", "interval", "page"}.isdisjoint(found)
    assert run(files) == 0
    text = capsys.readouterr().out
    assert "boxes    masks" in text
    assert f"{'AP50':<24}{found['bbox']['AP50']:>9.3f}{found['segm']['AP50']:>9.3f}" in text


def test_masks_are_left_out_where_they_are_not_and_the_reason_is_said(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(files, "--json", results="boxes.json") == 0
    found = as_json(capsys)
    assert "segm" not in found
    assert "note" not in found, "nobody expected masks"
    some = json.loads((files / "a.json").read_text())
    del some[0]["segmentation"]
    write(files / "some.json", some)
    assert run(files, results="some.json") == 0
    assert f"Masks were not evaluated: 1 of {len(some)} results of" in capsys.readouterr().out
    assert run(files, "--iou-type", "segm", results="some.json") == 1
    assert "some.json: [0].segmentation = None: is missing" in capsys.readouterr().err
    assert run(files, "--iou-type", "bbox", "--json", results="some.json") == 0
    assert "segm" not in as_json(capsys)
    data = json.loads((files / "truth.json").read_text())
    del data["annotations"][2]["segmentation"]
    write(files / "truth.json", data)
    assert run(files) == 0
    assert (
        f"Masks were not evaluated: 1 of {len(data['annotations'])} instances of the truth" in capsys.readouterr().out
    )
    assert run(files, "--iou-type", "segm") == 1
    assert "annotations[2].segmentation = None: is missing" in capsys.readouterr().err


def test_charts_page_and_figures_as_files(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = files / "out"
    options = ("--out", str(out), "--images", str(files / "images"), "--works", str(files / "works.csv"))
    assert run(files, *options, "--json") == 0
    found = as_json(capsys)
    assert found["bbox"]["by_century"]["15th century"]["images"] == 1
    assert found["bbox"]["by_style"]["Gothic"]["images"] == 2
    names = {path.name for path in out.iterdir()}
    charts = {"precision-recall-bbox.png", "precision-recall-segm.png", "classes.png", "centuries.png", "confusion.png"}
    assert names == charts | {"metrics.json", "index.html", "pictures"}
    assert {Path(path).name for path in found["charts"]} == charts
    assert found["pictures_not_shown"] == 0
    kept = json.loads((out / "metrics.json").read_text())
    assert kept["bbox"] == found["bbox"]
    assert kept["confusion"]["names"][-1] == "background"
    page = (out / "index.html").read_text()
    for picture in (out / "pictures").iterdir():
        assert f'src="pictures/{picture.name}"' in page
    assert str(files) not in page


def test_a_missing_picture_is_counted_and_does_not_stop_the_page(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "images" / "folder" / "2.jpg").write_bytes(b"no picture")
    (files / "images" / "folder" / "3.jpg").unlink()
    assert run(files, "--out", str(files / "out"), "--images", str(files / "images")) == 0
    assert "index.html (2 pictures could not be shown)" in capsys.readouterr().out


def test_two_models_are_compared(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    against = ("--against", str(files / "b.json"), "--resamples", "40", "--seed", "3")
    assert run(files, *against, "--json") == 0
    found = as_json(capsys)["comparison"]
    truth, first, second = (json.loads((files / name).read_text()) for name in ("truth.json", "a.json", "b.json"))
    for kind in ("bbox", "segm"):
        expected = compare(truth, first, second, iou_type=kind, resamples=40, seed=3)
        assert found[kind] == expected.to_json()
    assert run(files, *against) == 0
    text = capsys.readouterr().out
    assert f"95 % intervals, 40 resamples {files / 'b.json'} minus {files / 'a.json'}" in text
    assert f"boxes AP50  {found['bbox']['ap50_difference']:+.3f}" in text


def test_one_model_can_have_an_interval(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--resamples", "20", "--json") == 0
    found = as_json(capsys)
    assert found["interval"]["bbox"]["ap50"] == pytest.approx(found["bbox"]["AP50"])
    assert run(files, "--resamples", "20") == 0
    assert "95 % intervals, 20 resamples\n" in capsys.readouterr().out


def test_nothing_found_and_nothing_there_are_results_too(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(files / "none.json", [])
    out = ("--out", str(files / "out"), "--resamples", "5")
    assert run(files, "--json", *out, results="none.json") == 0
    found = as_json(capsys)
    assert (found["bbox"]["AP"], found["threshold"]) == (0.0, None)
    assert found["bbox"]["mistakes"]["missed"]["AP50_lost"] == 1.0
    data = json.loads((files / "truth.json").read_text()) | {"annotations": []}
    write(files / "truth.json", data)
    assert run(files, "--json", *out) == 0
    found = as_json(capsys)
    assert (found["bbox"]["AP"], found["instances"], found["interval"]["bbox"]["ap_low"]) == (None, 0, None)
    assert found["bbox"]["mistakes"]["background"]["AP50_lost"] is None
    assert run(files, *out) == 0
    assert f"{'AP50':<24}{'-':>9}" in capsys.readouterr().out
    assert not (files / "out" / "classes.png").exists(), "of the earlier evaluation"


def test_the_platforms_result_lines_can_be_evaluated(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads((files / "truth.json").read_text())
    lines = [{"sha256": "1", "width": SIDE, "height": SIDE, "detections": []}]
    (files / "0000.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert run(files, "--json", results="0000.jsonl") == 0
    assert as_json(capsys)["instances"] == sum(not a["iscrowd"] for a in data["annotations"])


def good_results() -> list[dict[str, Any]]:
    return [{"image_id": 3, "category_id": 2, "bbox": [0, 0, 5, 5], "score": 0.5}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", None, "a.json: file = 'a.json': No such file"),
        ("a.json", "", "is empty; the results of a detector that found nothing are []"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "{}", "must be a list of results"),
        ("a.json", '[{"image_id": 3, "category_id": 2, "score": 0.5}]', "[0].bbox = None: is missing"),
        ("a.json", json.dumps([good_results()[0] | {"score": float("nan")}]), "[0].score = nan"),
        ("a.json", json.dumps([good_results()[0] | {"image_id": 1}]), "image_id = 1: is the id of no picture"),
        ("a.json", json.dumps([good_results()[0] | {"category_id": 1}]), "category_id = 1: is the id of no category"),
        ("b.json", "[1]", "b.json: [0] = 1: must be an object"),
        ("truth.json", None, "truth.json: file = 'truth.json': No such file"),
        ("truth.json", "{", "truth.json: file = 'truth.json': is not JSON"),
        ("truth.json", "[]", "must be a COCO data set"),
        ("truth.json", '{"images": [], "categories": [], "annotations": []}', "images = []: is empty"),
        ("works.csv", "name\nx\n", "works.csv: columns = ['name']: must have one that is called file"),
        ("works.csv", "file\nx.jpg\n", "works.csv: file = 'x.jpg': none of the pictures is there"),
    ],
)
def test_every_fault_is_said_in_one_line(
    files: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None, message: str
) -> None:
    if content is None:
        (files / name).unlink()
    else:
        (files / name).write_text(content)
    assert run(files, "--against", str(files / "b.json"), "--works", str(files / "works.csv"), "--resamples", "2") == 1
    error = capsys.readouterr().err
    assert error.startswith("sgob evaluate: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_that_is_none_is_said(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "--out", str(files / "out"), "--images", str(files / "nowhere")) == 1
    assert "is no folder" in capsys.readouterr().err
    (files / "file").write_text("")
    assert run(files, "--out", str(files / "file")) == 1
    assert "/file': File exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--iou-type", "keypoints"],
        ["--resamples", "0"],
        ["--resamples", "x"],
        ["--seed", "-1"],
        ["--images", "."],
    ],
)
def test_wrong_use_ends_with_two(files: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(files, *arguments)
    assert ended.value.code == 2
    assert "usage: sgob evaluate" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--truth", "x.json"])
    assert ended.value.code == 2
