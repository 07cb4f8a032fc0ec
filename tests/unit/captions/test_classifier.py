"""The caption classifier: training data, training, scores, and what it does with prose that it has not seen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.captions.classifier import (
    CaptionClassifier,
    CaptionModelInfo,
    model_info,
    normalise,
    score,
    train_classifier,
)
from sgob_tasks.captions.training_data import SEED_CSV, Labelled, fingerprint, read_labelled, split
from sgob_tasks.errors import InputError
from tests.reference import reference_files


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CaptionModelInfo]:
    """A classifier trained from the package alone."""
    folder = tmp_path_factory.mktemp("models") / "captions"
    return folder, train_classifier(None, folder)


def test_the_package_has_sentences_of_both_kinds() -> None:
    rows = read_labelled(SEED_CSV)
    assert len(rows) > 500
    assert 0.4 < sum(row.label == "caption" for row in rows) / len(rows) < 0.6


def test_held_out_sentences_are_told_apart(trained: tuple[Path, CaptionModelInfo]) -> None:
    _, info = trained
    assert info.scores.sentences > 80
    assert info.scores.macro_f1 > 0.85
    assert info.scores_by_source[SEED_CSV.name] == info.scores


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
    (probability,) = CaptionClassifier(trained[0]).probabilities([sentence])
    assert (probability >= 0.5) is is_caption


@pytest.mark.parametrize("path", reference_files("data/captions/captions_museum_dev.csv"), ids=lambda path: path.name)
def test_another_museum(trained: tuple[Path, CaptionModelInfo], path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = CaptionClassifier(trained[0]).probabilities([row["sentence"] for row in rows])
    pairs = [(row["label"], "caption" if p >= 0.5 else "other") for row, p in zip(rows, found, strict=True)]
    assert score(pairs).macro_f1 > 0.85  # TF-IDF with logistic regression on 6,000 other rows: 0.81


def test_the_same_training_gives_the_same_model(trained: tuple[Path, CaptionModelInfo], tmp_path: Path) -> None:
    again = train_classifier(None, tmp_path / "again")
    assert again == trained[1]
    sentences = ["A dragon lies dead.", "Gift of the family."]
    first, second = (CaptionClassifier(folder).probabilities(sentences) for folder in (trained[0], tmp_path / "again"))
    assert first == second


def _csv(folder: Path, *lines: str) -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join(("text,label", *lines)) + "\n", "utf-8")
    return path


def _rows(count: int = 25) -> list[str]:
    return [f"A man number {n} sits there,caption" for n in range(count)] + [
        f"Bought in the year {n},other" for n in range(count)
    ]


def test_an_operators_file_is_added_and_a_model_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "model"
    first = train_classifier(_csv(tmp_path, *_rows()), out, with_seed=False)
    second = train_classifier(_csv(tmp_path, *_rows()), out)
    assert set(first.scores_by_source) == {"mine.csv"}
    assert set(second.scores_by_source) == {"mine.csv", SEED_CSV.name}
    assert first.name != second.name
    assert model_info(out) == second
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine.csv", "model"]


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


def test_other_bad_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as CSV in UTF-8"):
        read_labelled(tmp_path / "missing.csv")
    (tmp_path / "latin.csv").write_bytes("text,label\nMädchen,caption\n".encode("latin-1"))
    with pytest.raises(InputError, match="cannot be read as CSV in UTF-8"):
        read_labelled(tmp_path / "latin.csv")
    (tmp_path / "columns.csv").write_text("text,kind\na b,caption\n", "utf-8")
    with pytest.raises(InputError, match=r"header = .*has no column label"):
        read_labelled(tmp_path / "columns.csv")


def test_missing_and_outdated_models_are_refused(trained: tuple[Path, CaptionModelInfo], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train one first"):
        CaptionClassifier(tmp_path)
    values = json.loads((trained[0] / "caption_model.json").read_text("utf-8"))
    (tmp_path / "caption_model.json").write_text(json.dumps(values | {"recipe": 0}), "utf-8")
    with pytest.raises(InputError, match=r"recipe = 0: .*train the model again"):
        CaptionClassifier(tmp_path)
    (tmp_path / "caption_model.json").write_text(json.dumps(values), "utf-8")
    with pytest.raises(InputError, match="cannot be loaded by spaCy"):
        CaptionClassifier(tmp_path)


def test_shortcuts_are_taken_out() -> None:
    assert normalise("In 1888, <i>Saint</i> George (ca. 15th c.) KILLED it!") == "in 0 saint george ca 0 c killed it"
    assert normalise("A dog.") == normalise("a dog")


@given(st.text(max_size=200))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.lists(st.text(min_size=1, max_size=20), unique_by=str.casefold, max_size=60), st.floats(0, 1))
def test_a_split_loses_nothing_and_does_not_depend_on_order(texts: list[str], share: float) -> None:
    rows = [Labelled(text, "caption" if place % 2 else "other") for place, text in enumerate(texts)]
    training, validation = split(rows, share)
    assert sorted([*training, *validation], key=repr) == sorted(rows, key=repr)
    assert split(rows[::-1], share) == (training, validation)
    assert fingerprint(rows) == fingerprint(rows[::-1])


def test_scores_by_hand() -> None:
    pairs = [("caption", "caption")] * 3 + [("caption", "other")] + [("other", "other")] * 5 + [("other", "caption")]
    found = score(pairs)
    assert (found.sentences, found.precision, found.recall) == (10, 0.75, 0.75)
    assert found.f1_caption == pytest.approx(0.75)
    assert found.f1_other == pytest.approx(10 / 12)
    assert score([]).macro_f1 == 0.0
