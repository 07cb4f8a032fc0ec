"""Training the caption classifier: what it learns from the package alone, and from an operator's file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from sgob_tasks.captions.classifier import (
    CaptionClassifier,
    CaptionModelInfo,
    TrainingPlan,
    ensure_model,
    model_info,
    score,
    train_classifier,
)
from sgob_tasks.captions.classifier import training as training_module
from sgob_tasks.captions.training_data import SEED_CSV, read_labelled
from sgob_tasks.errors import InputError
from tests.reference import reference_files

MUSEUMS = Path(__file__).parents[1] / "museum_sentences.csv"
"""Sentences in the manner of other museums, written for this test: never trained on."""

TINY = TrainingPlan(epochs=3, folds=2, batch=16)


def _measure(model: Path, rows: list[tuple[str, str]]) -> float:
    classifier = CaptionClassifier(model)
    found = classifier.probabilities([text for text, _ in rows])
    return score([(label, classifier.label(p)) for (_, label), p in zip(rows, found, strict=True)]).macro_f1


def test_held_out_groups_are_told_apart(trained: tuple[Path, CaptionModelInfo]) -> None:
    _, info = trained
    assert info.scores.sentences == info.rows > 2000
    assert info.scores.macro_f1 > 0.88
    assert info.scores_by_source == {SEED_CSV.name: info.scores}
    assert info.calibration_error < 0.05
    assert info.languages == ("ca", "de", "en", "es", "fr", "it", "nl", "pt")


@pytest.mark.parametrize(("source", "floor"), [("museums", 0.9), ("languages", 0.85)])
def test_museums_that_it_has_not_seen(trained: tuple[Path, CaptionModelInfo], source: str, floor: float) -> None:
    rows = [(row.text, row.label) for row in read_labelled(MUSEUMS) if row.source == source]
    assert len(rows) >= {"museums": 150, "languages": 60}[source]
    assert _measure(trained[0], rows) > floor


def test_no_sentence_of_the_test_is_trained_on() -> None:
    known = {row.text.casefold() for row in read_labelled(SEED_CSV)}
    assert not known.intersection(row.text.casefold() for row in read_labelled(MUSEUMS))


@pytest.mark.parametrize("path", reference_files("data/captions/captions_museum_dev.csv"), ids=lambda path: path.name)
def test_another_museum(trained: tuple[Path, CaptionModelInfo], path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["sentence"], row["label"]) for row in csv.DictReader(file)]
    assert _measure(trained[0], rows) > 0.9  # TF-IDF with logistic regression on 6,000 other rows: 0.81


@pytest.mark.parametrize(
    ("sentence", "is_caption"),
    [
        ("A warrior on a rearing stallion drives his spear into the monster's throat.", True),
        ("Two boys in the foreground feed pigeons.", True),
        ("An old fisherman mends his net beside an upturned boat.", True),
        ("Landscape with a mill and two horsemen.", True),
        ("The panel was acquired from the heirs of the collector in 1931.", False),
        ("He was apprenticed to a sculptor in Nuremberg and died young.", False),
        ("Oil on oak, enlarged at the top by a later restorer.", False),
        ("The attribution to the workshop has been doubted by several scholars.", False),
    ],
)
def test_prose_it_has_not_seen(trained: tuple[Path, CaptionModelInfo], sentence: str, is_caption: bool) -> None:
    classifier = CaptionClassifier(trained[0])
    (probability,) = classifier.probabilities([sentence])
    assert classifier.is_caption(probability) is is_caption


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "...",
        "1503",
        "<b></b>",
        "🐉",
        "圣乔治杀死了龙。",
        "<p>A man &amp; a dog</p>",
        "horse " * 8000,
        "x" * 50_000,
    ],
)
def test_texts_of_all_kinds_have_a_score(trained: tuple[Path, CaptionModelInfo], text: str) -> None:
    classifier = CaptionClassifier(trained[0])
    first, between, last = classifier.probabilities(["A dog barks.", text, "A dog barks."])
    assert 0 <= between <= 1
    assert first == last
    if not any(letter.isalnum() for letter in text.replace("<b></b>", "")):
        assert between == 0.0


def test_no_sentences_no_scores(trained: tuple[Path, CaptionModelInfo]) -> None:
    assert CaptionClassifier(trained[0]).probabilities([]) == []


def _csv(folder: Path, *lines: str) -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join(("text,label", *lines)) + "\n", "utf-8")
    return path


def _rows(count: int = 25) -> list[str]:
    return [f"A man number {n} sits there,caption" for n in range(count)] + [
        f"Bought in the year {n},other" for n in range(count)
    ]


def test_the_same_training_gives_the_same_model(tmp_path: Path) -> None:
    mine = _csv(tmp_path, *_rows())
    one, two = (train_classifier(mine, tmp_path / name, with_seed=False, plan=TINY) for name in "ab")
    assert one == two == model_info(tmp_path / "a")
    sentences = ["A dragon lies dead.", "Gift of the family."]
    first, second = (CaptionClassifier(tmp_path / name).probabilities(sentences) for name in "ab")
    assert first == second
    assert one.name != train_classifier(mine, tmp_path / "a", with_seed=False, plan=TINY, random_seed=8).name


def test_an_operators_file_is_added_and_a_model_is_replaced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "seed.csv"
    small.write_text("\n".join(SEED_CSV.read_text("utf-8").splitlines()[:1] + _seed_lines()) + "\n", "utf-8")
    monkeypatch.setattr(training_module, "SEED_CSV", small)
    out = tmp_path / "models" / "one"
    first = train_classifier(_csv(tmp_path, *_rows()), out, with_seed=False, plan=TINY)
    second = train_classifier(_csv(tmp_path, *_rows()), out, plan=TINY)
    assert set(first.scores_by_source) == {"mine.csv"}
    assert set(second.scores_by_source) == {"mine.csv", "seed.csv"}
    assert second.rows == first.rows + 60
    assert first.name != second.name
    assert model_info(out) == second
    assert [entry.name for entry in out.parent.iterdir()] == ["one"]


def _seed_lines() -> list[str]:
    return [f"A dog {n} sleeps,caption,en,g{n % 4}" for n in range(30)] + [
        f"Sold in {n},other,en,g{n % 4}" for n in range(30)
    ]


def test_a_model_of_another_recipe_is_trained_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []
    monkeypatch.setattr(training_module, "train_classifier", lambda _, folder: calls.append(folder))
    folder = tmp_path / "captions"
    ensure_model(None, folder)
    assert calls == [folder]
    folder.mkdir()
    (folder / "caption_model.json").write_text(json.dumps({"recipe": 1, "language": "en"}), "utf-8")
    ensure_model(None, folder)
    assert calls == [folder, folder]
    (folder / "caption_model.json").write_text(json.dumps({"recipe": training_module.RECIPE}), "utf-8")
    ensure_model(None, folder)
    assert calls == [folder, folder]
    (folder / "caption_model.json").write_text("{}", "utf-8")
    with pytest.raises(InputError, match="is no caption model"):
        ensure_model(None, folder)


def test_missing_and_outdated_models_are_refused(trained: tuple[Path, CaptionModelInfo], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train one first"):
        CaptionClassifier(tmp_path)
    values = json.loads((trained[0] / "caption_model.json").read_text("utf-8"))
    path = tmp_path / "caption_model.json"
    path.write_text(json.dumps(values | {"recipe": 1}), "utf-8")
    with pytest.raises(InputError, match=r"recipe = 1: .*train the model again"):
        CaptionClassifier(tmp_path)
    path.write_text(json.dumps(values | {"calibration": {"slope": 1, "warp": 2}}), "utf-8")
    with pytest.raises(InputError, match="train one first"):
        CaptionClassifier(tmp_path)
    path.write_text(json.dumps(values), "utf-8")
    with pytest.raises(InputError, match="cannot be loaded by spaCy"):
        CaptionClassifier(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["A man sits,caption", "A man stands,Caption"],
            r"mine\.csv: line 3, label = 'Caption': must be caption or other",
        ),
        (["A man sits,"], "line 2, label = '': must be"),
        (["A man sits"], "line 2, label = None: must be"),
        (["  ,other"], "line 2, text = '  ': is empty"),
        (["A man sits,caption", "a man sits,other"], "line 3, label = 'other': the same text is caption above"),
        (_rows(5), "label = 'caption': needs 20 sentences at least, has 5"),
        (['"A man,caption'], "cannot be read as CSV"),
    ],
)
def test_bad_files_are_refused_by_line_and_column(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_classifier(_csv(tmp_path, *lines), tmp_path / "model")
    assert not (tmp_path / "model").exists()
