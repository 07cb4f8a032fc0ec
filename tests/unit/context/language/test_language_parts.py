"""Sparse sums, texts, counts and weights, each against a plain computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.context.language import text
from sgob_tasks.context.language.bags import Bags, Vocabulary, root_weights, segment_sum
from sgob_tasks.context.language.bayes import SMOOTHING, Counts
from sgob_tasks.context.language.blend import conditional_logit, log_softmax, softmax
from sgob_tasks.context.language.measures import measured
from sgob_tasks.context.language.model import CONTEXTS_AT_ONCE, PAIRS_AT_ONCE, chunks
from sgob_tasks.context.language.protocol import make_trials
from sgob_tasks.context.language.records import Record

ROWS = st.lists(st.lists(st.integers(0, 20), max_size=6), min_size=1, max_size=12)


@given(ROWS, st.data())
def test_bags_are_lists_of_lists(rows: list[list[int]], data: st.DataObject) -> None:
    bags = Bags.of(rows)
    taken = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    found = bags.take(np.array(taken, np.int64))
    assert [found.indices[a:b].tolist() for a, b in zip(found.indptr, found.indptr[1:], strict=False)] == [
        rows[place] for place in taken
    ]
    kept = bags.keep(bags.indices % 2 == 0)
    assert kept.lengths.tolist() == [sum(n % 2 == 0 for n in row) for row in rows]
    table = np.arange(63, dtype=np.float32).reshape(21, 3)
    total = segment_sum(table[bags.indices], bags.rows, len(bags))
    np.testing.assert_allclose(total, [table[row].sum(0) if row else np.zeros(3) for row in rows])
    np.testing.assert_allclose(segment_sum(table[bags.indices, 0], bags.rows, len(bags)), total[:, 0])
    assert len(root_weights(bags)) == len(bags.indices)


def test_names_and_numbers() -> None:
    names = Vocabulary(["b", "a", "b"])
    assert (len(names), names.number("a"), names.number("c"), names.numbers("abc")) == (2, 1, -1, [1, 0])


def test_words_of_a_title() -> None:
    assert text.words("St George &amp; the <b>Dragons</b>, 1503, Églises") == [
        "st",
        "george",
        "the",
        "dragon",
        "eglise",
    ]
    plurals = "horses churches glasses ladies boxes Venus Paris trees us"
    assert text.words(plurals) == ["horse", "church", "glass", "lady", "box", "venus", "paris", "tree", "us"]
    assert text.word_features(["a", "b", "a"]) == ["a", "b", "a b", "b a"]
    assert text.pieces(["ox"]) == ["<ox>"]
    assert text.label_key("  Boat,\tSailing ") == "boat, sailing"


@given(
    st.text(max_size=200)
    | st.sampled_from(["<" * 50_000, "ß" * 50_000, "👩‍🎨" * 9_000, "聖ゲオルギウス" * 7_000, "&#x110000;"])
)
@settings(max_examples=50)
def test_any_text_has_bounded_features(value: str) -> None:
    found = text.words(value)
    assert len(found) <= text.MAX_WORDS
    assert all(len(word) <= text.MAX_WORD_CHARACTERS for word in found)
    assert len(text.pieces(found)) <= text.MAX_PIECES


def test_counts_are_log_ratios() -> None:
    labels, features = Bags.of([[0], [0, 1], [1], []]), Bags.of([[0, 1], [0], [2], [0]])
    counts = Counts.of(labels, features, 2, 3)
    found = counts.score(Bags.of([[0], [0, 2], []]), np.array([0, 1, 1, 2, 0]), np.array([0, 0, 1, 0, -1]))

    def ratio(together: int, shown: int, background: float) -> float:
        return float(np.log((together + SMOOTHING * background) / (shown + SMOOTHING) / background))

    one, two = ratio(2, 2, 2 / 3), ratio(0, 2, 1 / 3)
    np.testing.assert_allclose(found, [one, one + two, ratio(1, 2, 2 / 3) + ratio(1, 2, 1 / 3), 0, 0], rtol=1e-6)


def test_a_label_says_nothing_of_itself() -> None:
    labels = Bags.of([[0, 1], [0, 1], [0]])
    counts = Counts.of(labels, labels, 2, 2, same=True)
    assert dict(zip(counts.keys.tolist(), counts.together.tolist(), strict=True)) == {1: 2, 2: 2}


def test_conditional_logit_finds_the_weights_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    design = rng.normal(size=(6000, 5, 3))
    weights = np.array([1.5, -0.7, 0.0])
    truth = np.array([rng.choice(5, p=row) for row in softmax(design @ weights)])
    np.testing.assert_allclose(conditional_logit(design, truth, ridge=0.0), weights, atol=0.08)


def test_conditional_logit_of_separable_data_stays_finite() -> None:
    design = np.zeros((10, 2, 2))
    design[:, 0, 0] = 1.0
    assert np.isfinite(conditional_logit(design, np.zeros(10, np.int64))).all()


@given(st.lists(st.floats(-1e4, 1e4), max_size=20))
def test_log_probabilities_sum_to_one(scores: list[float]) -> None:
    assert not scores or np.exp(log_softmax(scores)).sum() == pytest.approx(1.0)
    assert len(log_softmax(scores)) == len(scores)


def test_ties_count_their_share() -> None:
    found = measured([[1.0, 1.0], [2.0, 1.0], [0.0, 1.0]], [0, 0, 0])
    assert found.top1 == pytest.approx((0.5 + 1 + 0) / 3)
    assert found.mrr == pytest.approx((1 / 1.5 + 1 + 0.5) / 3)
    assert found.top1_low <= found.top1 <= found.top1_high


def test_trials_follow_the_protocol() -> None:
    counts = {f"label {n}": n for n in range(1, 40)}
    records = [Record(f"{n}", "t", "", None, ("label 39", "label 20", "label 3")) for n in range(50)]
    records += [Record("one", "t", "", None, ("label 39",)), Record("rare", "t", "", None, ("label 3", "label 4"))]
    trials = make_trials(records, counts, seed=1, draws=2)
    assert trials == make_trials(records, counts, seed=1, draws=2)
    assert len(trials) == 100
    for trial in trials:
        hidden = trial.candidates[trial.truth]
        assert len(set(trial.candidates)) == 10
        assert hidden in {"label 39", "label 20"}
        assert hidden not in trial.context.labels
        assert not set(trial.candidates) & set(trial.context.labels)
    drawn = [label for trial in trials for place, label in enumerate(trial.candidates) if place != trial.truth]
    assert drawn.count("label 38") > 3 * drawn.count("label 5")
    assert make_trials(records, {"a": 20, "b": 20}, seed=1) == []


@given(st.lists(st.integers(0, 30_000), max_size=600))
def test_chunks_hold_everything_once_within_bounds(sizes: list[int]) -> None:
    found = list(chunks(sizes))
    assert [place for one in found for place in range(one.start, one.stop)] == list(range(len(sizes)))
    for one in found:
        assert one.stop - one.start <= CONTEXTS_AT_ONCE
        assert one.stop - one.start == 1 or sum(sizes[one]) <= PAIRS_AT_ONCE
