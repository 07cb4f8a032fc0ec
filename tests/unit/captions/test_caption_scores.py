"""The scores agree with COCO's own code, and hold what they promise on odd input."""

from __future__ import annotations

import contextlib
import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.captions.coco_captions import read_references, read_results, score_files
from sgob_tasks.captions.scores import CiderD, longest_common_subsequence, score_captions
from sgob_tasks.captions.tokens import to_sentence, tokenise
from sgob_tasks.errors import InputError

WORDS = ["a", "a", "a", "the", "knight", "dragon", "horse", "on", "left", "right", "with", "lance", "and", "saint's"]


def texts(seed: int, pictures: int) -> tuple[dict[int, list[str]], dict[int, str]]:
    rng = random.Random(seed)

    def text(least: int = 1) -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(least, 14)))

    references = {number: [text() for _ in range(rng.randint(1, 5))] for number in range(pictures)}
    return references, {number: text() for number in references}


def coco(references: dict[int, list[str]], captions: dict[int, str]) -> tuple[dict[str, float], list[float]]:
    """What pycocoevalcap says, given the same words."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    truth = {key: [" ".join(tokenise(text)) for text in of] for key, of in references.items()}
    said = {key: [" ".join(tokenise(text))] for key, text in captions.items()}
    with contextlib.redirect_stdout(io.StringIO()):
        bleu = Bleu(4).compute_score(truth, said)[0]
        rouge, (cider, each) = Rouge().compute_score(truth, said)[0], Cider().compute_score(truth, said)
    values = {f"BLEU-{n + 1}": value for n, value in enumerate(bleu)} | {"ROUGE-L": rouge, "CIDEr-D": cider}
    return values, list(each)


@pytest.mark.parametrize(("seed", "pictures"), [(1, 1), (2, 2), (3, 40), (4, 7)])
def test_agrees_with_cocos_code_to_a_millionth(seed: int, pictures: int) -> None:
    references, captions = texts(seed, pictures)
    expected, each = coco(references, captions)
    scores = score_captions(references, captions, resamplings=10)
    for name, value in expected.items():
        assert scores.values[name] == pytest.approx(value, abs=1e-6), name
    assert scores.per_picture["CIDEr-D"] == pytest.approx(each, abs=1e-6)


def test_agrees_with_cocos_code_on_very_short_and_very_long_captions() -> None:
    references = {1: ["a horse"], 2: ["a dragon and a knight on the left"], 3: ["saint " * 80], 4: ["a", "a a"]}
    captions = {1: "horse", 2: "a " * 60, 3: "a saint", 4: "knight"}
    expected, _ = coco(references, captions)
    scores = score_captions(references, captions, resamplings=10)
    for name, value in expected.items():
        assert scores.values[name] == pytest.approx(value, abs=1e-6), name


def test_an_interval_holds_its_value_and_shrinks_with_more_pictures() -> None:
    few, many = (score_captions(*texts(5, pictures)) for pictures in (20, 400))
    for scores in (few, many):
        for name, (low, high) in scores.intervals.items():
            assert low <= scores.values[name] <= high
    widths = [scores.intervals["ROUGE-L"][1] - scores.intervals["ROUGE-L"][0] for scores in (few, many)]
    assert widths[1] < widths[0]
    assert few.to_json()["pictures"] == 20


def test_a_picture_without_a_caption_counts_as_an_empty_one() -> None:
    references = {number: [f"word{number} and more words here"] for number in range(4)}
    whole = {number: of[0] for number, of in references.items()}
    part = {0: whole[0], 1: whole[1]}
    assert score_captions(references, part, resamplings=10).values["ROUGE-L"] == pytest.approx(0.5)
    nothing = score_captions(references, {}, resamplings=10)
    assert set(nothing.values.values()) == {0.0} or max(nothing.values.values()) < 1e-6
    assert np.isfinite(list(nothing.values.values())).all()


@pytest.mark.parametrize(
    ("references", "captions", "field"),
    [({}, {}, "references"), ({1: []}, {}, "references"), ({1: ["a"]}, {2: "a"}, "picture")],
)
def test_refuses_what_cannot_be_scored(references: dict[int, list[str]], captions: dict[int, str], field: str) -> None:
    with pytest.raises(InputError) as caught:
        score_captions(references, captions)
    assert caught.value.field == field


def test_goes_through_texts_of_fifty_thousand_characters() -> None:
    long = "Ein Ritter зі списом 龙 <b>on</b> a horse 🐉. " * 1200
    scores = score_captions({1: [long], 2: ["a dragon"]}, {1: long, 2: ""}, resamplings=10)
    assert scores.per_picture["ROUGE-L"] == pytest.approx([1.0, 0.0])


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_longest_common_subsequence_is_that_of_the_textbook(first: list[str], second: list[str]) -> None:
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert longest_common_subsequence(first, second) == table[-1][-1]


@given(st.lists(st.lists(st.text(max_size=30), min_size=1, max_size=3), min_size=2, max_size=4), st.text(max_size=30))
@settings(max_examples=50)
def test_scores_are_numbers_between_0_and_10_on_any_text(references: list[list[str]], caption: str) -> None:
    truth = dict(enumerate(references))
    scores = score_captions(truth, dict.fromkeys(truth, caption), resamplings=5)
    assert all(0 <= value <= 10 + 1e-9 for value in scores.values.values())
    judge = CiderD([[tokenise(text) for text in of] for of in references])
    assert judge.score(0, []) == 0.0


def test_words_are_those_of_stanfords_tokeniser() -> None:
    """Recorded from ``pycocoevalcap.tokenizer.PTBTokenizer`` (CoreNLP 3.4.1); brackets and abbreviations differ."""
    for entry in json.loads((Path(__file__).parent / "ptb_tokens.json").read_text("utf-8")):
        expected = [token.rstrip(".") for token in entry["tokens"] if token not in {"-lrb-", "-rrb-"}]
        assert tokenise(entry["text"]) == expected


@given(st.text())
def test_tokenising_never_fails_and_a_second_time_changes_nothing(text: str) -> None:
    words = tokenise(text)
    assert all(words)
    assert tokenise(" ".join(words)) == words


def test_a_sentence_is_written_as_people_write_it() -> None:
    assert to_sentence(["the", "knight", "'s", "horse", "does", "n't", "run"]) == "The knight's horse doesn't run."
    assert to_sentence([]) == ""


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), "utf-8")
    return path


def test_reads_cocos_files_and_finds_pictures_by_their_hash(tmp_path: Path) -> None:
    truth = write(
        tmp_path / "truth.json",
        {
            "images": [{"id": 1, "sha256": "ab"}, {"id": 2, "sha256": "cd"}],
            "annotations": [{"image_id": 1, "caption": "a horse"}, {"image_id": 2, "caption": "a dragon on the left"}],
        },
    )
    by_id = write(tmp_path / "ids.json", [{"image_id": 1, "caption": "a horse"}])
    by_hash = write(tmp_path / "hashes.json", [{"image_id": "ab", "caption": "a horse"}])
    assert score_files(truth, by_id).values == score_files(truth, by_hash).values
    assert read_references(truth) == {1: ["a horse"], 2: ["a dragon on the left"]}


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({}, "results"),
        ([3], "[0]"),
        ([{"image_id": None, "caption": "a"}], "[0].image_id"),
        ([{"image_id": 1, "caption": 5}], "[0].caption"),
        ([{"image_id": 1, "caption": "a"}, {"image_id": 1, "caption": "b"}], "[1].image_id"),
    ],
)
def test_names_what_is_wrong_in_a_results_file(tmp_path: Path, value: object, field: str) -> None:
    with pytest.raises(InputError) as caught:
        read_results(write(tmp_path / "results.json", value))
    assert caught.value.field == field


def test_names_what_is_wrong_in_a_file_of_references(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="annotations"):
        read_references(write(tmp_path / "truth.json", []))
    truth = write(tmp_path / "truth.json", {"annotations": [{"image_id": 1, "caption": "a"}]})
    with pytest.raises(InputError, match=r"has no reference in truth\.json"):
        score_files(truth, write(tmp_path / "r.json", [{"image_id": 7, "caption": "a"}]))
