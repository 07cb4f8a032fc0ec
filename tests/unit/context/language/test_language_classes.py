"""The detector's classes in the words of the records."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgob_tasks.context.language.classes import ClassScorer, class_labels
from sgob_tasks.context.language.model import LanguageModel
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError


def test_the_table_names_classes_of_the_detector() -> None:
    assert set(class_labels()) <= set(ClassTable.load())
    assert "shroud" in class_labels()["holy shroud"]
    for name, labels in class_labels().items():
        assert all(label == label.strip().lower() and label for label in labels), name
        assert len(set(labels)) == len(labels), name


@pytest.mark.parametrize("text", ["", "a;b\n", "class;labels\na\n", "class;labels\na;b\na;c\n", "class;labels\na;\n"])
def test_a_wrong_table_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"labels\.csv"):
        class_labels(path)


def test_names_kinds_and_other_names(language_model: LanguageModel) -> None:
    scorer = ClassScorer(language_model, {"crozier": ("lily", "not there"), "spear": ()})
    assert scorer.labels_of("boat") == ("boat, sailing",)
    assert scorer.labels_of("crozier") == ("lily",)
    assert scorer.labels_of("horse") == ("horse",)
    assert scorer.labels_of("unicorn") == ()


def test_every_class_gets_evidence_or_none(language_model: LanguageModel) -> None:
    scorer = ClassScorer(language_model)
    names = [*ClassTable.load(), "no class at all", ""]
    found = scorer.score_labels(names, title="The Stag Hunt", labels=["dog", "zucchetto"], year=1620)
    assert [one.name for one in found] == names
    by_name = {one.name: one for one in found}
    assert by_name["horse"].log_ratio > 1 > 0 > by_name["apple"].log_ratio
    assert by_name["lance"].label == "spear"
    assert by_name["horse"].words["labels"] == ["dog"]
    assert "hunt" in " ".join(by_name["horse"].words["title"])
    for name in ("no class at all", "zucchetto", ""):
        assert (by_name[name].label, by_name[name].log_ratio) == (None, 0.0)
        assert set(by_name[name].by_kind.values()) == {0.0}


def test_a_class_of_several_labels_lies_between_them(language_model: LanguageModel) -> None:
    scorer = ClassScorer(language_model, {"either": ("horse", "apple")})
    either, horse, apple = scorer.score_labels(["either", "horse", "apple"], title="The Stag Hunt")
    assert apple.log_ratio < either.log_ratio < horse.log_ratio
    assert either.label == "horse"


def test_nothing_known_is_neutral(language_model: LanguageModel) -> None:
    scorer = ClassScorer(language_model)
    assert [one.log_ratio for one in scorer.score_labels(["horse", "boat"])] == [0.0, 0.0]
    assert scorer.score_labels([]) == []
