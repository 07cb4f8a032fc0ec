"""The page of the caption classifier's errors."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from sgob_tasks.captions.classifier import ClassifierEvaluation
from sgob_tasks.captions.classifier.calibration import Calibration
from sgob_tasks.captions.classifier.evaluation import Misjudged
from sgob_tasks.captions.classifier.explain import Driver
from sgob_tasks.captions.classifier.measures import calibration_error, precision_recall, reliability, score
from sgob_tasks.captions.classifier.model import CaptionModelInfo
from sgob_tasks.captions.training_data import Labelled
from sgob_tasks.errors import PermanentError
from sgob_tasks.report.classifier_page import MARGIN, SIDE, curve_line, operating_dot, place, reliability_dots
from sgob_tasks.report.render_classifier import render_classifier, write_classifier_page

NASTY = '<script>alert(1)</script> "A" & كلب dog 🐕'


@pytest.fixture
def evaluation() -> ClassifierEvaluation:
    judged = [(0.95, True), (0.9, False), (0.6, True), (0.2, True), (0.1, False), (0.05, False)]
    scores, truth = [one for one, _ in judged], [one for _, one in judged]
    pairs = [("caption" if t else "other", "caption" if s >= 0.5 else "other") for s, t in judged]
    model = CaptionModelInfo("textcat-1", 1234, ("de", "en"), score(pairs), {}, Calibration(threshold=0.5), 0.1)
    wrong = [
        Misjudged(Labelled(NASTY, "other", source="museum"), 0.9, "caption", (Driver("dog", 2.5), Driver("a", -0.5))),
        Misjudged(Labelled("A far hill.", "caption"), 0.2, "other"),
    ]
    return ClassifierEvaluation(
        model=model,
        data="test.csv",
        scores=score(pairs),
        confusion={(t, f): pairs.count((t, f)) for t in ("caption", "other") for f in ("caption", "other")},
        by_source={"museum": score(pairs)},
        calibration_error=calibration_error(scores, truth),
        reliability=reliability(scores, truth),
        curve=precision_recall(scores, truth),
        misjudged=wrong,
    )


def test_the_page_says_it_all_and_escapes_it(evaluation: ClassifierEvaluation) -> None:
    page = render_classifier(evaluation)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for text in ("test.csv", "1,234 sentences in 2 languages", "called a caption", "missed", "dog <i>+2.5</i>"):
        assert text in page
    assert 'Called a caption <span class="count">1</span>' in page
    assert 'Missed <span class="count">1</span>' in page
    assert page.count('class="dot"') == len(evaluation.reliability)
    assert "threshold 0.500: precision 0.667, recall 0.667" in page


def test_a_page_without_errors_or_captions_found(evaluation: ClassifierEvaluation) -> None:
    sure = replace(evaluation.model, calibration=Calibration(threshold=0.99))
    page = render_classifier(replace(evaluation, misjudged=[], model=sure))
    assert "There are none." in page
    assert "No score reaches the threshold of 0.990." in page


def test_files_are_written_and_replaced(evaluation: ClassifierEvaluation, tmp_path: Path) -> None:
    out = tmp_path / "new" / "page"
    for _ in range(2):
        assert write_classifier_page(evaluation, out) == out / "index.html"
    assert sorted(entry.name for entry in out.iterdir()) == ["errors.csv", "index.html", "metrics.json"]
    with (out / "errors.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [NASTY, "A far hill."]
    assert rows[0]["drivers"] == "dog +2.50; a -0.50"
    figures = json.loads((out / "metrics.json").read_text("utf-8"))
    assert figures["confusion"] == {"caption": {"caption": 2, "other": 1}, "other": {"caption": 1, "other": 2}}
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(PermanentError, match="cannot be written"):
        write_classifier_page(evaluation, tmp_path / "file")


def test_charts_by_hand(evaluation: ClassifierEvaluation) -> None:
    assert place(0, 1) == (MARGIN, MARGIN / 4)
    assert place(1, 0) == (MARGIN + SIDE, SIDE + MARGIN / 4)
    dots = reliability_dots(evaluation.reliability)
    assert dots[-1].text == "scores 0.9 to 1.0: 2 sentences, mean score 0.93, 50% are captions"
    assert max(dot.radius for dot in dots) == dots[-1].radius
    assert len(curve_line(evaluation.curve).split()) == len(evaluation.curve) + 1
    assert len(curve_line(list(evaluation.curve) * 500).split()) < 1000
    assert operating_dot(evaluation.curve, 0.99) is None
    assert curve_line([]) == ""
