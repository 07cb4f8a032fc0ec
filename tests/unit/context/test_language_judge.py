"""The language model as the fusion asks it, and time priors learned from a file of records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sgob_tasks.cli import main
from sgob_tasks.context.dates import DateRange
from sgob_tasks.context.evidence import Work
from sgob_tasks.context.language.classes import ClassEvidence, ClassScorer
from sgob_tasks.context.language_judge import LanguageJudge
from sgob_tasks.context.load_models import load_models
from sgob_tasks.context.terms import classes_of_terms
from sgob_tasks.context.time_priors import TimePriors
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError


class Scorer:
    """Answers as a trained model does, and keeps what it was asked."""

    model = SimpleNamespace(info=SimpleNamespace(version="0123456789abcdef"))

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def score_labels(self, candidates: Sequence[str], **context: Any) -> list[ClassEvidence]:
        self.asked.append({"candidates": tuple(candidates), **context})
        known = {
            "horse": ClassEvidence(
                "horse", "horse", 2.0, {"title": 1.5, "labels": 0.5, "date": 0.0}, {"title": ["rider", "ride"]}
            ),
            "dog": ClassEvidence(
                "dog", "dog - non-specific", 0.3, {"title": 0.1, "labels": 0.2, "date": 0.0}, {"title": ["rider"]}
            ),
        }
        return [known.get(name) or ClassEvidence(name, None, 0.0) for name in candidates]


def test_evidence_comes_with_its_kinds_and_words() -> None:
    scorer = Scorer()
    judge = LanguageJudge(cast(ClassScorer, scorer))
    found = judge.judge(Work("The Rider", "", DateRange(1500, 1511)), ["person"], ["dog", "horse", "gryphon"])
    assert found.log_ratios == {"dog": 0.3, "horse": 2.0}
    assert found.kinds == {"title": {"dog": 0.1, "horse": 1.5}, "labels": {"dog": 0.2, "horse": 0.5}}
    assert found.words == {"horse": ["rider", "ride"]}  # of the dog the other labels say more than the title
    assert scorer.asked[0]["year"] == 1505
    assert scorer.asked[0]["labels"] == ("person",)
    assert judge.version == "0123456789ab"


def test_boxes_that_are_alike_are_asked_about_once() -> None:
    scorer = Scorer()
    judge = LanguageJudge(cast(ClassScorer, scorer))
    for candidates in (["dog", "horse"], ["horse", "dog"]):
        judge.judge(Work("The Rider", "", DateRange(None, 1500)), [], candidates)
    assert len(scorer.asked) == 1
    judge.judge(Work("The Rider"), [], ["dog", "horse"])
    assert [one["year"] for one in scorer.asked] == [1500, None]


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_models(tmp_path)


def test_terms_name_classes() -> None:
    terms = ["Dog - non-specific", "boat, sailing", "fruit, apple", "snake", "man", "happiness", "horse"]
    assert classes_of_terms(terms, ClassTable.load()) == {"dog", "boat", "apple", "serpent", "person", "horse"}


def test_priors_are_learned_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = [
        {"title": f"work {number}", "labels": ["horse", "man"] if number % 2 else ["car", "man"],
         "year_from": 1800 if number % 2 else 1950, "year_to": 1800 if number % 2 else 1950}
        for number in range(80)
    ]  # fmt: skip
    data, out = tmp_path / "records.jsonl", tmp_path / "priors.json"
    data.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    assert main(["context", "learn-time", "--data", str(data), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == 3
    priors = TimePriors.load(out)
    assert load_models(priors=out).priors == priors
    assert priors.log_factor("horse", DateRange(1790, 1790)) > 0 > priors.log_factor("car", DateRange(1790, 1790))
    assert main(["context", "learn-time", "--data", str(data), "--out", str(tmp_path / "no" / "priors.json")]) == 1
    assert "learn-time: out" in capsys.readouterr().err
