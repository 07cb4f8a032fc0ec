"""The table of what each kind of evidence is worth, on a set that is small enough to check by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sgob_tasks.cli import main
from sgob_tasks.cli_context_text import render_evaluation
from sgob_tasks.context.ablation import ALONE, BOTH, LANGUAGE, TIME, ablate
from sgob_tasks.context.ablation_figure import draw_ablation
from sgob_tasks.context.evidence import LanguageEvidence, Work
from sgob_tasks.context.fusion_data import observations
from sgob_tasks.context.picture_context import ContextModels
from sgob_tasks.detection.classes import ClassTable

TABLE = ClassTable.load()
HORSE, BICYCLE, DOG, DRAGON = 1, 2, 3, 4


class TitleJudge:
    """A language model that knows one word."""

    version = "words"

    def judge(self, work: Work, labels: Sequence[str], candidates: Sequence[str]) -> LanguageEvidence:
        found = {"dragon": 3.0} if "George" in work.title and "dragon" in candidates else {}
        return LanguageEvidence(found, {"title": found}, {"dragon": ["george"]})


def _truth() -> dict[str, Any]:
    images = [
        {"id": number, "width": 99, "height": 99, "title": title, "year_from": year, "year_to": year,
         "anachronistic": tricky}
        for number, title, year, tricky in (
            (1, "Saint George", 1480, True), (2, "A Ride", 1480, True), (3, "A Ride", 1950, False),
            (4, "A Dog", 1700, False),
        )
    ]  # fmt: skip
    shown = ((1, DRAGON), (2, HORSE), (3, BICYCLE), (4, DOG))
    return {
        "images": images,
        "categories": [
            {"id": number, "name": name} for number, name in enumerate(("horse", "bicycle", "dog", "dragon"), 1)
        ],
        "annotations": [
            {
                "id": place,
                "image_id": image,
                "category_id": name,
                "bbox": [9, 9, 50, 50],
                "area": 2500,
                "iscrowd": 0,
            }
            for place, (image, name) in enumerate(shown, 1)
        ],
    }


def _results() -> list[dict[str, Any]]:
    said = (
        (1, DOG, {"dog": 0.5, "dragon": 0.3}), (2, BICYCLE, {"bicycle": 0.6, "horse": 0.2}),
        (3, BICYCLE, {"bicycle": 0.6, "horse": 0.2}), (4, DOG, {"dog": 0.5, "dragon": 0.3}),
    )  # fmt: skip
    return [
        {"image_id": image, "category_id": category, "bbox": [9, 9, 50, 50], "score": max(scores.values()),
         "candidates": scores}
        for image, category, scores in said
    ]  # fmt: skip


def test_every_kind_of_evidence_mends_what_is_its_own() -> None:
    everything, tricky = ablate(_truth(), _results(), ContextModels(TABLE, language=TitleJudge()), resamples=50)
    assert (everything.subset, everything.images, everything.instances) == ("all", 4, 4)
    assert (tricky.subset, tricky.images) == ("anachronistic", 2)
    values = {row.system: row.ap50 for row in everything.rows}
    assert list(values) == [ALONE, TIME, LANGUAGE, BOTH]
    alone, time, words, both = (values[name] or 0.0 for name in (ALONE, TIME, LANGUAGE, BOTH))
    assert alone < time < both
    assert alone < words < both
    assert both == pytest.approx(1.0)
    assert {row.system: row.ap50 for row in tricky.rows}[ALONE] == pytest.approx(0.0)
    for row in everything.rows[1:]:
        assert row.gain == pytest.approx((row.ap50 or 0.0) - alone)
        assert row.ap50_low is not None
        assert row.ap50_low <= (row.ap50 or 0.0) <= (row.ap50_high or 0.0)
    assert everything.rows[0].gain is None
    assert [row.relabelled for row in everything.rows] == [0, 1, 1, 2]


def test_the_same_seed_gives_the_same_table() -> None:
    models = ContextModels(TABLE)
    assert ablate(_truth(), _results(), models, resamples=20) == ablate(_truth(), _results(), models, resamples=20)


def test_boxes_are_matched_to_what_they_cover() -> None:
    found = observations(_truth(), _results(), ContextModels(TABLE, language=TitleJudge()))
    assert [one.truth for one in found] == ["dragon", "horse", "bicycle", "dog"]
    assert found[0].evidence.language.log_ratios == {"dragon": 3.0}
    missed = [entry | {"bbox": [60, 60, 30, 30]} for entry in _results()]
    assert [one.truth for one in observations(_truth(), missed, ContextModels(TABLE))] == [None] * 4


def test_the_command_prints_and_draws_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results = tmp_path / "truth.json", tmp_path / "results.json"
    truth.write_text(json.dumps(_truth()), "utf-8")
    results.write_text(json.dumps(_results()), "utf-8")
    arguments = ["context", "evaluate", "--truth", str(truth), "--results", str(results), "--resamples", "20"]
    assert main([*arguments, "--out", str(tmp_path / "table.png")]) == 0
    printed = capsys.readouterr().out
    assert "all: 4 pictures, 4 instances" in printed
    assert "+ time" in printed
    assert (tmp_path / "table.png").stat().st_size > 1000
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"][1]["subset"] == "anachronistic"


def test_figures_with_a_language_model(tmp_path: Path) -> None:
    tables = ablate(_truth(), _results(), ContextModels(TABLE, language=TitleJudge()), resamples=20)
    assert draw_ablation(tables, tmp_path / "table.png").exists()
    text = render_evaluation({"pictures": [json.loads(json.dumps(asdict(table))) for table in tables]})
    assert "+ language model" in text


@pytest.mark.parametrize(
    "arguments",
    [["context", "evaluate"], ["context", "evaluate", "--truth", "a"], ["context", "evaluate", "--resamples", "0"]],
)
def test_wrong_use(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as found:
        main(arguments)
    assert found.value.code == 2
