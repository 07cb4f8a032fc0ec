"""Where the classifier errs, and what drove it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgob_tasks.captions.classifier import CaptionClassifier, CaptionModelInfo, evaluate_classifier
from sgob_tasks.captions.classifier.explain import drivers
from sgob_tasks.errors import InputError

Trained = tuple[Path, CaptionModelInfo]


def test_labelled_sentences_are_judged_and_compared(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text(
        "text,label,language,source\n"
        "A knight on a white horse fights a dragon.,caption,en,a\n"
        "The museum bought it in 1931.,other,en,a\n"
        "Ein Hund schläft unter dem Tisch.,other,de,b\n",  # wrong on purpose
        "utf-8",
    )
    found = evaluate_classifier(trained[0], path)
    assert found.scores.sentences == 3
    assert found.confusion["other", "caption"] == 1
    assert set(found.by_source) == {"a", "b", "language de", "language en"}
    assert found.by_source["a"].macro_f1 == 1.0
    (wrong,) = found.misjudged
    assert (wrong.row.language, wrong.found) == ("de", "caption")
    assert wrong.drivers
    assert sum(part.sentences for part in found.reliability) == 3


def test_one_kind_alone_is_refused(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("text,label\nA dog sleeps,caption\n", "utf-8")
    with pytest.raises(InputError, match="label = 'other': needs 1 sentences at least, has 0"):
        evaluate_classifier(trained[0], path)


def test_words_that_speak_for_a_label_are_named(trained: Trained) -> None:
    classifier = CaptionClassifier(trained[0])
    found = drivers(classifier, "The dealer bought the panel in Paris", count=3)
    assert len(found) == 3
    assert [abs(one.weight) for one in found] == sorted((abs(one.weight) for one in found), reverse=True)
    assert any("bought" in one.words and one.weight < 0 for one in found)


@pytest.mark.parametrize("text", ["", "dragon", "..."])
def test_too_short_to_leave_words_out(trained: Trained, text: str) -> None:
    assert drivers(CaptionClassifier(trained[0]), text) == []


def test_a_very_long_text_is_explained_by_its_begin(trained: Trained) -> None:
    assert len(drivers(CaptionClassifier(trained[0]), "a horse and a dog " * 2000)) <= 6
