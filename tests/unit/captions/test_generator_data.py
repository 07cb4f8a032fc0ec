"""What the generator reads, and what it must not say: without TensorFlow."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.captions.generator.baselines import best_constant_caption
from sgob_tasks.captions.generator.beam import beam_search, length_penalty
from sgob_tasks.captions.generator.class_words import forbidden_phrases, names, phrases, plural
from sgob_tasks.captions.generator.config import END, SPECIAL, GeneratorConfig, config_from_json
from sgob_tasks.captions.generator.dataset import Captions, config_of, data_hash, read_split, some
from sgob_tasks.captions.generator.encoding import (
    ACROSS,
    BUCKETS,
    DOWN,
    GEOMETRY,
    ORDERS,
    Encoder,
    chosen_regions,
    fine_places,
    geometry_size,
    vocabulary,
)
from sgob_tasks.captions.generator.parameters import Generation, GeneratorTraining
from sgob_tasks.captions.generator.prepare import write_split
from sgob_tasks.captions.generator.regions import (
    Picture,
    Region,
    parse_picture,
    read_features,
    read_pictures,
    write_features,
)
from sgob_tasks.captions.tokens import tokenise
from sgob_tasks.detection.classes import HARD, ClassTable
from sgob_tasks.errors import InputError

CONFIG = GeneratorConfig((*SPECIAL, "a", "horse"), (*SPECIAL, "saint"), ("", "horse"), max_regions=3, max_words=4)
LINE: dict[str, Any] = {
    "sha256": "ab",
    "width": 100,
    "height": 50,
    "title": "Saint George",
    "year_from": 1500,
    "year_to": 1510,
    "forbidden": ["bicycle"],
    "detections": [{"class_name": "horse", "score": 0.9, "bbox": [10, 5, 50, 40], "candidates": {"horse": 0.9}}],
}


def write(path: Path, lines: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), "utf-8")
    return path


def test_a_line_of_the_detectors_results_is_a_picture() -> None:
    picture = parse_picture("x", LINE)
    assert picture is not None
    assert picture.regions == (Region("horse", 0.9, (10, 5, 50, 40)),)
    assert (picture.title, picture.year_from, picture.forbidden) == ("Saint George", 1500, ("bicycle",))
    assert parse_picture("x", {"sha256": "ab", "error": "cut short"}) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sha256": 3}, "sha256"),
        ({"width": 0}, "width"),
        ({"width": "100"}, "width"),
        ({"title": 3}, "title"),
        ({"file": "/etc/passwd"}, "file"),
        ({"file": "../x"}, "file"),
        ({"year_to": "1500"}, "year_to"),
        ({"forbidden": "bicycle"}, "forbidden"),
        ({"detections": None}, "detections"),
        ({"detections": [3]}, "detections[0]"),
        ({"detections": [{"class_name": 3, "score": 1, "bbox": [0, 0, 1, 1]}]}, "detections[0].class_name"),
        ({"detections": [{"class_name": "a", "score": "1", "bbox": [0, 0, 1, 1]}]}, "detections[0].score"),
        ({"detections": [{"class_name": "a", "score": 1, "bbox": [0, 0, 1]}]}, "detections[0].bbox"),
        ({"detections": [{"class_name": "a", "score": 1, "bbox": [0, 0, -1, 1]}]}, "detections[0].bbox"),
        ({"detections": [{"class_name": "a", "score": float("nan"), "bbox": [0, 0, 1, 1]}]}, "detections[0].score"),
    ],
)
def test_names_what_is_wrong_with_a_line(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_picture("x.jsonl, line 1", LINE | change)
    assert caught.value.field == field


def test_says_which_line_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2"):
        list(read_pictures(write(tmp_path / "a.jsonl", [LINE, "{"])))
    with pytest.raises(InputError):
        list(read_pictures(tmp_path / "missing.jsonl"))


def test_features_come_back_with_their_pictures(tmp_path: Path) -> None:
    shard = write(tmp_path / "0000.jsonl", [LINE, LINE | {"sha256": "cd", "detections": []}])
    values = np.arange(4.0).reshape(1, 4)
    write_features(shard.with_suffix(".npz"), [("ab", values), ("cd", np.zeros((0, 4)))], {"detector": "x"})
    first, second = read_pictures(shard, features=True)
    assert first.features is not None
    assert first.features.tolist() == values.tolist()
    assert second.features is not None
    assert second.features.shape == (0, 4)


def test_features_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    shard, other = write(tmp_path / "0000.jsonl", [LINE]), tmp_path / "0000.npz"
    with pytest.raises(InputError, match="holds no features"):
        list(read_pictures(shard, features=True))
    write_features(other, [("ab", np.zeros((2, 4)))], {})
    with pytest.raises(InputError, match="must be of 1 regions"):
        list(read_pictures(shard, features=True))
    write_features(other, [("other", np.zeros((1, 4)))], {})
    with pytest.raises(InputError, match="features"):
        list(read_pictures(shard, features=True))
    with np.load(other) as file:
        parts = dict(file)
    np.savez(other, **(parts | {"features": parts["features"] + 1}))
    with pytest.raises(InputError, match="is not that of the features"):
        read_features(other)


def test_the_best_regions_are_looked_at_and_the_rest_is_padding() -> None:
    regions = tuple(Region(f"c{n}", n / 10, (0, 0, 10, 10)) for n in range(5))
    picture = Picture("ab", 100, 100, regions)
    assert chosen_regions(picture, CONFIG) == [4, 3, 2]
    seen = Encoder(CONFIG).pictures([picture, Picture("cd", 10, 10)])
    assert seen.present.tolist() == [[1, 1, 1], [0, 0, 0]]
    assert seen.labels.sum() == 0  # none of these classes is known
    assert seen.years.tolist() == [0, 0]


def test_places_are_told_in_finer_grain_and_in_order() -> None:
    config = replace(CONFIG, fine_places=True)
    boxes = [(60, 0, 20, 20), (0, 65, 20, 10), (30, 30, 10, 60)]
    regions = tuple(Region("horse", 0.9 - n / 10, box) for n, box in enumerate(boxes))
    seen = Encoder(config).pictures([Picture("ab", 100, 100, regions), Picture("cd", 10, 10)])
    assert seen.geometry.shape == (2, 3, geometry_size(config))
    plain = Encoder(CONFIG).pictures([Picture("ab", 100, 100, regions)])
    assert np.array_equal(seen.geometry[0, :, :GEOMETRY], plain.geometry[0])
    across, down, *orders = np.split(seen.geometry[0, :, GEOMETRY:], np.cumsum([ACROSS, DOWN, ORDERS, ORDERS]), axis=1)
    assert across.argmax(1).tolist() == [11, 1, 5]
    assert down.argmax(1).tolist() == [0, 5, 4]
    assert [order.argmax(1).tolist() for order in orders] == [[2, 0, 1], [2, 1, 0], [1, 2, 0]]
    assert all(order.sum() == 3 for order in orders)
    assert not seen.geometry[1].any()


def test_more_regions_than_places_share_the_last() -> None:
    geometry = np.zeros((ORDERS + 4, GEOMETRY), np.float32)
    geometry[:, 4] = np.linspace(0, 1, len(geometry))
    order = fine_places(geometry)[:, ACROSS + DOWN :][:, :ORDERS]
    assert order.argmax(1).tolist() == [*range(ORDERS), *[ORDERS - 1] * 4]
    assert fine_places(geometry[:0]).shape == (0, geometry_size(replace(CONFIG, fine_places=True)) - GEOMETRY)


@pytest.mark.parametrize(
    "title", ["", "x" * 50_000, "Sant Jordi 聖ゲオルギオス 🐉 <b>saint</b> & co", "saint " * 10_000, "\x00\n"]
)
def test_any_title_goes_through(title: str) -> None:
    seen = Encoder(CONFIG).pictures([replace(Picture("ab", 10, 10), title=title)])
    assert seen.title.shape == (1, CONFIG.max_title_words)
    assert 0 <= seen.title.min() <= seen.title.max() < len(CONFIG.title_words)


@given(st.none() | st.integers(-5000, 5000), st.none() | st.integers(-5000, 5000))
def test_any_years_fall_into_a_bucket(first: int | None, last: int | None) -> None:
    bucket = int(Encoder(CONFIG).pictures([Picture("ab", 9, 9, year_from=first, year_to=last)]).years[0])
    assert (bucket == 0) == (first is None and last is None)
    assert 0 <= bucket <= BUCKETS


def test_captions_begin_and_end_and_are_cut_off() -> None:
    rows = Encoder(CONFIG).captions([["a", "horse"], ["a"] * 9, ["dragon"], []])
    assert rows.tolist() == [[1, 4, 5, 2, 0, 0], [1, 4, 4, 4, 4, 2], [1, 3, 2, 0, 0, 0], [1, 2, 0, 0, 0, 0]]


def test_a_vocabulary_has_the_frequent_words_in_a_fixed_order() -> None:
    texts = [["b", "a"], ["a", "c", "b"], ["<end>", "a"]]
    assert vocabulary(texts, 2, 10) == (*SPECIAL, "a", "b")
    assert vocabulary(texts, 1, 2) == (*SPECIAL, "a", "b")


def test_a_configuration_comes_back_and_bad_ones_are_refused() -> None:
    assert config_from_json(json.loads(json.dumps(CONFIG.to_json())), "x") == CONFIG
    for change in (
        {"colour": 1},
        {"words": ["a"]},
        {"words": None},
        {"units": 0},
        {"dropout": 1.0},
        {"classes": ["a"]},
    ):
        with pytest.raises(InputError):
            config_from_json(CONFIG.to_json() | change, "x")
    with pytest.raises(InputError):
        config_from_json([], "x")


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"coverage": -1}, {"divergence_factor": 1}, {"budget_s": 5}, {"config": {"words": []}}]
)
def test_bad_parameters_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        GeneratorTraining(**change)
    for bad in ({"beam_width": 0}, {"length_alpha": -1}):
        with pytest.raises(InputError):
            Generation(**bad)  # type: ignore[arg-type]


def split(folder: Path, count: int = 7) -> Path:
    images = [{"id": n, "sha256": f"{n:064x}", "width": 100, "height": 80, "title": "Saint"} for n in range(count)]
    found = {n: [{"class_name": "horse", "score": 0.9, "bbox": [n, 0, 10, 10]}] for n in range(count)}
    told = [{"image_id": n, "id": 2 * n + k, "caption": f"a horse number {k}"} for n in range(count) for k in (0, 1)]
    return write_split(folder, {"images": images, "annotations": told}, found)


def test_a_split_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = read_split(split(tmp_path))
    assert len(data.pictures) == 7
    assert data.references[3] == ("a horse number 0", "a horse number 1")
    config = config_of(data, GeneratorTraining(least_word_count=1, least_title_word_count=1, config={"units": 8}))
    assert config.classes == ("", "horse")
    assert (config.units, config.feature_size, "saint" in config.title_words) == (8, 0, True)
    assert len(some(data, 2).pictures) == 2
    assert data_hash([tmp_path]) == data_hash([tmp_path])
    with pytest.raises(InputError, match="colour"):
        config_of(data, GeneratorTraining(config={"colour": 1}))


def test_a_split_without_pictures_that_have_captions_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "regions" / "0000.jsonl", [LINE])
    (tmp_path / "captions.json").write_text(json.dumps({"images": [], "annotations": []}))
    with pytest.raises(InputError, match="no picture has both"):
        read_split(tmp_path)
    (tmp_path / "captions.json").write_text(json.dumps({"images": [{"id": 1}], "annotations": []}))
    with pytest.raises(InputError, match="must have an id and a sha256"):
        read_split(tmp_path)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_ranks_see_every_caption_once_an_epoch(tmp_path: Path, size: int) -> None:
    data = read_split(split(tmp_path))
    config = config_of(data, GeneratorTraining(least_word_count=1))
    ranks = [Captions(data, config, batch_size=2, global_batch_size=6, rank=r, size=size) for r in range(size)]
    assert ranks[0].steps_per_epoch == 3
    seen = 0.0
    for step in range(3):
        assert len({rank.parts(step) for rank in ranks}) == 1
        for rank in ranks:
            seen += sum(float(rank.part(step, number).weights.sum()) for number in range(rank.parts(step)))
    assert seen == 14
    again = Captions(data, config, batch_size=2, global_batch_size=6, rank=0, size=size).part(1, 0)
    assert all(np.array_equal(a, b) for a, b in zip(again.seen, ranks[0].part(1, 0).seen, strict=True))
    assert ranks[0].share(2) == pytest.approx(2 / 6)


def test_classes_have_their_words() -> None:
    assert [plural(noun) for noun in ("horse", "cherry", "key", "box", "cross")] == [
        "horses", "cherries", "keys", "boxes", "crosses",
    ]  # fmt: skip
    assert ("cell", "phone") in phrases("cell phone")
    assert ("telephones",) in phrases("cell phone")
    assert phrases("crown of thorns")[0] == ("crown", "of", "thorns")
    assert phrases("?") == ()
    assert names(tokenise("Two cyclists ride."), "bicycle")
    assert not names(tokenise("A cell of a monk; a phone-like thing"), "cell phone")


def test_every_class_that_time_can_rule_out_has_words_of_its_own() -> None:
    from sgob_tasks.captions.generator.class_words import _table

    table = ClassTable.load()
    assert {name for name in table if table[name].filter == HARD} <= set(_table())


def test_a_word_that_names_what_is_there_stays_allowed() -> None:
    assert ("racket",) in forbidden_phrases(["tennis racket"])
    assert forbidden_phrases(["horse"], ["horse"]) == ()
    assert forbidden_phrases([]) == ()


VOCABULARY = 9


def search(table: np.ndarray, forbidden: list[tuple[int, ...]], width: int, most: int, alpha: float) -> list[Any]:
    """Beam search in a language where the next word depends on the last one only."""

    def advance(words: np.ndarray, state: Any) -> Any:
        return table[words], np.zeros((len(words), 1), np.float32), state

    found = beam_search(
        advance, lambda state, _: state, None, pictures=1, width=width, most_words=most, alpha=alpha,
        forbidden=[forbidden],
    )  # fmt: skip
    return found[0]


tables = st.integers(0, 2**32 - 1).map(
    lambda seed: np.log(np.random.default_rng(seed).dirichlet(np.full(VOCABULARY, 0.3), VOCABULARY) + 1e-12)
)
phrase_lists = st.lists(
    st.lists(st.integers(4, VOCABULARY - 1), min_size=1, max_size=3).map(tuple), max_size=12, unique=True
)


@given(tables, phrase_lists, st.integers(1, 4), st.integers(1, 7))
def test_a_forbidden_phrase_is_never_said(
    table: np.ndarray, banned: list[tuple[int, ...]], width: int, most: int
) -> None:
    found = search(table, banned, width, most, 0.7)
    assert found
    for hypothesis in found:
        said = hypothesis.words
        assert len(said) <= most
        assert len(hypothesis.attention) == len(said)
        assert not set(said) & {0, 1, 2, 3}
        for phrase in banned:
            assert all(said[k : k + len(phrase)] != phrase for k in range(len(said)))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@given(tables, st.integers(1, 3))
def test_a_wide_beam_finds_the_likeliest_caption(table: np.ndarray, most: int) -> None:
    best, stack = -np.inf, [((), 0.0)]
    while stack:
        words, value = stack.pop()
        last = words[-1] if words else 1
        best = max(best, value + table[last, END])
        if len(words) < most:
            stack += [((*words, w), value + table[last, w]) for w in range(4, VOCABULARY)]
    assert search(table, [], VOCABULARY**most, most, 0.0)[0].log_prob == pytest.approx(best)


def test_the_log_probability_is_that_of_the_words_and_the_end() -> None:
    table = np.log(np.random.default_rng(1).dirichlet(np.ones(VOCABULARY), VOCABULARY))
    best = search(table, [], 3, 6, 0.7)[0]
    chain = [1, *best.words, END]
    assert best.log_prob == pytest.approx(sum(table[a, b] for a, b in itertools.pairwise(chain)))
    assert best.score == pytest.approx(best.log_prob / length_penalty(len(best.words), 0.7))


def test_the_constant_caption_is_the_best_of_all_that_are_tried() -> None:
    references = [["a horse on the left", "a horse"], ["a horse on the right"], ["a dragon"], ["a ship at sea"]]
    training = ["a ship at sea", "a horse on the left", "nothing like it"]
    best, mean = best_constant_caption(training, references)
    every = [best_constant_caption([text], references)[1] for text in training]
    assert mean == max(every)
    assert best == training[int(np.argmax(every))]
