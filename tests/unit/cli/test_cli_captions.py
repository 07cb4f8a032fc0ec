"""``sgob captions``: train, classify and examine, as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sgob_tasks.captions.classifier import training
from sgob_tasks.captions.classifier.training import TrainingPlan
from sgob_tasks.cli import main


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sentences for a training of a second."""
    monkeypatch.setattr(training, "TrainingPlan", lambda: TrainingPlan(epochs=8, folds=2, batch=8, rate=0.05))
    path = tmp_path / "data.csv"
    things = ("swords", "books", "lilies", "keys", "cups", "birds", "scrolls", "masks", "flutes", "lamps")
    lines = [f"A man holds {one} in his hand,caption\nThe {one} were sold to a dealer,other" for one in things]
    lines += [
        f"Two women carry {one} home,caption\nBequest of the {one} club,other" for one in (*things, "jars", "bowls")
    ]
    path.write_text("\n".join(("text,label", *lines)) + "\n", "utf-8")
    return path


def test_train_classify_and_examine(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out, page = tmp_path / "model", tmp_path / "out.csv", tmp_path / "page"
    train = ["captions", "train-classifier", "--data", str(data), "--out", str(model), "--no-seed"]
    assert main([*train, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["languages"] == ["en"]
    assert result["scores"]["macro_f1"] > 0.8
    assert main(train) == 0
    assert "sentences in en" in capsys.readouterr().out
    assert main(["captions", "classify", "--model", str(model), "--in", str(data), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "44 rows" in shown
    assert "the input's column label is kept as label_given" in shown
    assert out.read_text("utf-8").splitlines()[0] == "text,label_given,label,score"
    assert main(["captions", "errors", "--model", str(model), "--data", str(data), "--out", str(page)]) == 0
    assert f"page: {page / 'index.html'}" in capsys.readouterr().out
    assert (page / "errors.csv").exists()


def test_wrong_use_and_bad_input(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["captions", "train-classifier", "--out", str(tmp_path / "m"), "--no-seed"])
    assert end.value.code == 2
    assert "--no-seed needs --data" in capsys.readouterr().err
    assert main(["captions", "classify", "--model", str(tmp_path), "--in", str(data), "--out", "x.csv"]) == 1
    assert "is no caption model; train one first" in capsys.readouterr().err


def test_without_an_action_it_is_the_nightly_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sgob_tasks.steps import enrich

    monkeypatch.setattr(enrich, "classify_captions", lambda settings: {"records": 7})
    assert main(["captions", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"records": 7}
