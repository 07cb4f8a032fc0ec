"""Average precision before and after time context, on a ground truth small enough to check by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sgob_tasks.context.evaluate import evaluate_with_context
from sgob_tasks.errors import InputError

HORSE, BICYCLE, PERSON = 1, 2, 3


def _truth() -> dict[str, Any]:
    return {
        "categories": [
            {"id": HORSE, "name": "horse"}, {"id": BICYCLE, "name": "bicycle"}, {"id": PERSON, "name": "person"},
        ],
        "images": [
            {"id": 1, "width": 200, "height": 200, "year_from": 1480, "year_to": 1485, "anachronistic": True},
            {"id": 2, "width": 200, "height": 200, "year_from": 1900, "year_to": 1900, "anachronistic": False},
            {"id": 3, "width": 200, "height": 200, "year_from": None, "year_to": None},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": HORSE, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": PERSON, "bbox": [100, 100, 20, 60], "area": 1200, "iscrowd": 0},
            {"id": 3, "image_id": 2, "category_id": BICYCLE, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0},
            {"id": 4, "image_id": 3, "category_id": BICYCLE, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0},
        ],
    }  # fmt: skip


def _results() -> list[dict[str, Any]]:
    bicycle = {"category_id": BICYCLE, "bbox": [10, 10, 50, 50], "candidates": {"bicycle": 0.6, "horse": 0.3}}
    return [
        {"image_id": 1, "score": 0.6, **bicycle},
        {"image_id": 1, "category_id": PERSON, "score": 0.9, "bbox": [100, 100, 20, 60], "candidates": {}},
        {"image_id": 2, "score": 0.55, **bicycle},
        {"image_id": 3, "score": 0.5, **bicycle},
    ]


def test_only_the_impossible_bicycle_is_corrected() -> None:
    found = evaluate_with_context(_truth(), _results())
    everything, tricky = found["all"], found["anachronistic"]
    assert (everything.relabelled, everything.rescored, everything.removed) == (1, 0, 0)
    assert (everything.images, tricky.images) == (3, 1)
    assert everything.before.per_class == pytest.approx(
        {"horse": 0.0, "bicycle": 0.6666666666666666, "person": 1.0}, abs=0.01
    )
    assert everything.after.per_class == pytest.approx({"horse": 1.0, "bicycle": 1.0, "person": 1.0})
    assert tricky.before.ap50 == pytest.approx(0.5)
    assert tricky.after.ap50 == pytest.approx(1.0)


def test_files_are_read_and_the_result_fits_the_registry(tmp_path: Path) -> None:
    (tmp_path / "val.json").write_text(json.dumps(_truth()), "utf-8")
    (tmp_path / "results.json").write_text(json.dumps(_results()), "utf-8")
    found = evaluate_with_context(tmp_path / "val.json", tmp_path / "results.json")
    plain = {name: json.loads(json.dumps(asdict(comparison))) for name, comparison in found.items()}
    assert plain["anachronistic"]["images"] == 1
    assert plain["all"]["after"]["ap50"] == pytest.approx(1.0)


def test_without_tricky_pictures_their_precision_is_unknown() -> None:
    truth = _truth()
    truth["images"][0]["anachronistic"] = False
    found = evaluate_with_context(truth, _results())
    assert (found["anachronistic"].images, found["anachronistic"].before.ap50) == (0, None)


def test_a_doubtful_date_gets_its_margin_from_the_text() -> None:
    truth = _truth()
    truth["images"][0] |= {"year_from": 1810, "year_to": 1810, "date_text": "ca. 1810"}
    assert evaluate_with_context(truth, _results())["all"].relabelled == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category_id": 9}, r"results: \[0\].category_id = 9: is the id of no category"),
        ({"image_id": 9}, r"results: \[0\].image_id = 9: is the id of no picture"),
        ({"bbox": [1, 2]}, r"results: \[0\].bbox = \[1, 2\]: must be"),
    ],
)
def test_bad_results_are_refused_by_place(change: dict[str, Any], message: str) -> None:
    results = _results()
    results[0] |= change
    with pytest.raises(InputError, match=message):
        evaluate_with_context(_truth(), results)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as JSON"):
        evaluate_with_context(tmp_path / "missing.json", _results())
    (tmp_path / "list.json").write_text("[]", "utf-8")
    with pytest.raises(InputError, match="must be a dict"):
        evaluate_with_context(tmp_path / "list.json", _results())
    truth = _truth()
    truth["images"][0] |= {"year_from": 1500, "year_to": 1400}
    with pytest.raises(InputError, match=r"images\[id=1\], year_from, year_to = \(1500, 1400\)"):
        evaluate_with_context(truth, _results())
