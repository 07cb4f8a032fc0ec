"""Words, pairs and parts of words, hashed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.captions.classifier.features import normalise, sentence_features


def _keys(sentence: str) -> set[int]:
    return {int(key) for key in sentence_features([sentence])[0]}


def test_shortcuts_are_taken_out() -> None:
    assert normalise("In 1888, <i>Saint</i> George (ca. 15th c.) KILLED it!") == "in 0 saint george ca 0 c killed it"
    assert normalise("A dog.") == normalise("a dog")
    assert _keys("A dog, 1503!") == _keys("a DOG 2020")


@given(st.text(max_size=200))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_words_pairs_and_parts_are_counted_by_hand() -> None:
    _, _, (count,) = sentence_features(["ab cde"])
    # words ab, cde; pairs ^ab, ab cde, cde$; parts " ab", "ab ", " ab ", " cd", "cde", "de ", " cde", "cde ", " cde "
    assert count == 2 + 3 + 9


def test_what_sentences_share() -> None:
    assert _keys("kneels") & _keys("kneeling")
    assert not _keys("kneels") & _keys("oat")
    assert _keys("a dog") != _keys("dog a")  # pairs
    assert _keys("ab") & _keys("xab")
    assert not _keys("ab") & _keys("b a")


@given(st.lists(st.text(max_size=60), min_size=1, max_size=8))
def test_a_batch_is_the_sentences_one_by_one(sentences: list[str]) -> None:
    keys, values, lengths = sentence_features(sentences)
    assert (keys.dtype, values.dtype, lengths.dtype) == (np.uint64, np.float32, np.int32)
    assert len(lengths) == len(sentences)
    assert lengths.sum() == len(keys) == len(values)
    ends = np.cumsum(lengths)
    for sentence, start, end in zip(sentences, ends - lengths, ends, strict=True):
        alone = sentence_features([sentence])
        assert keys[start:end].tolist() == alone[0].tolist()
        assert values[start:end].tolist() == alone[1].tolist()
        assert end == start or np.isclose((values[start:end] ** 2).sum(), 1, atol=1e-4)


def test_nothing_and_very_much() -> None:
    assert [len(part) for part in sentence_features([])] == [0, 0, 0]
    assert sentence_features(["", "...", "<br>"])[2].tolist() == [0, 0, 0]
    assert sentence_features(["horse " * 10_000])[2][0] > 100_000
