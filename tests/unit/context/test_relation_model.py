"""Opinions on relations from counts: smoothed, backed off, bounded, and in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.scene_graph.relation_model import MOST_LOG_ODDS, NO_OPINION, RelationModel, canonical
from sgob_tasks.context.scene_graph.things import INVERSE, PREDICATES, SPATIAL
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError

COUNTS = {
    ("person", "rides", "horse"): 41,
    ("dog", "next_to", "person"): 60,
    ("horse", "next_to", "person"): 20,
    ("angel", "above", "tree"): 12,
    ("person", "holds", "book"): 1,
}
MODEL = RelationModel(COUNTS, 200)
CLASSES = st.sampled_from([*ClassTable.load(), "no such class", ""])


def value(*triple: str, model: RelationModel = MODEL) -> float:
    return model.opinion(*triple).value


def test_what_is_told_often_is_likely_and_the_same_turned_round_is_not() -> None:
    assert value("horse", "rides", "person") < 0.45 < 0.6 < value("person", "rides", "horse")
    assert (
        MODEL.opinion("person", "rides", "horse").reason
        == "texts: person rides horse 41 times, horse rides person never"
    )
    assert (
        MODEL.opinion("horse", "rides", "person").reason
        == "texts: horse rides person never, person rides horse 41 times"
    )
    assert value("person", "holds", "horse") < 0.5, "often told of, never so"


def test_one_mention_moves_little() -> None:
    assert 0.5 < value("person", "holds", "book") < 0.6
    assert MODEL.opinion("person", "holds", "book").reason == "texts: person holds book once, book holds person never"


@pytest.mark.parametrize(
    "triple",
    [
        ("boat", "next_to", "train"),
        ("skull", "above", "kite"),
        ("no such class", "rides", "horse"),
        ("person", "rides", ""),
        ("", "next_to", "horse"),
    ],
)
def test_a_pair_of_which_nothing_is_told_has_no_opinion(triple: tuple[str, str, str]) -> None:
    assert MODEL.opinion(*triple) == NO_OPINION
    assert RelationModel({}).opinion(*triple) == NO_OPINION


def test_a_pair_backs_off_to_its_kinds_and_trusts_them_less() -> None:
    assert 0.5 < value("knight", "rides", "donkey") < value("person", "rides", "horse")
    said = MODEL.opinion("knight", "rides", "donkey").reason
    assert said == "texts, of things of these kinds: person rides animal/quadruped 41 times"


@given(CLASSES, st.sampled_from(PREDICATES), CLASSES)
def test_opinions_are_bounded_and_places_agree_with_their_inverse(a: str, predicate: str, b: str) -> None:
    low = value(a, predicate, b)
    assert 0.25 - 1e-2 < low < 0.75 + 1e-2
    if predicate in SPATIAL:
        assert value(b, INVERSE[predicate], a) == low
    assert canonical(*canonical(a, predicate, b)) == canonical(a, predicate, b)


def test_however_often_it_is_told_it_stays_within_the_bound() -> None:
    many = RelationModel({("person", "rides", "horse"): 10**6, ("dog", "next_to", "cat"): 10**9})
    assert value("person", "rides", "horse", model=many) == pytest.approx(1 / (1 + 2.718281828**-MOST_LOG_ODDS))


def test_things_side_by_side_are_counted_both_ways() -> None:
    both = RelationModel({("dog", "next_to", "person"): 3, ("person", "next_to", "dog"): 4})
    assert both.count("person", "next_to", "dog") == both.count("dog", "next_to", "person") == 7
    assert both.version == RelationModel({("dog", "next_to", "person"): 7}).version
    assert both.opinion("dog", "next_to", "person").reason == "texts: dog is next to person 7 times"


def test_a_pair_of_one_class_has_one_direction() -> None:
    same = RelationModel({("person", "carries", "person"): 9, ("dog", "next_to", "cat"): 9})
    assert same.opinion("person", "carries", "person").reason == "texts: person carries person 9 times"
    assert value("person", "carries", "person", model=same) > 0.5


def test_there_is_no_such_predicate() -> None:
    with pytest.raises(ValueError, match="no predicate flies"):
        MODEL.opinion("person", "flies", "horse")


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "relations.json")
    again = RelationModel.load(tmp_path / "relations.json")
    assert (again.version, again.texts, again.told) == (MODEL.version, 200, 134)
    assert again.opinion("person", "rides", "horse") == MODEL.opinion("person", "rides", "horse")
    assert RelationModel(COUNTS | {("person", "holds", "book"): 2}).version != MODEL.version


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": "another"}, "format"),
        ({"told": {}}, "told"),
        ({"told": [["a", "rides", "b"]]}, r"told\[0\]"),
        ({"told": [["a", "flies", "b", 1]]}, r"told\[0\]"),
        ({"told": [["a", "rides", "b", True]]}, r"told\[0\]"),
        ({"told": [["a", "rides", "b", -1]]}, r"told\[0\]"),
        ({"told": [["a", "rides", 3, 1]]}, r"told\[0\]"),
        ({"told": []}, "version"),
        ({"texts": None}, "texts"),
        ({"version": "x"}, "version"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    path = tmp_path / "relations.json"
    MODEL.save(path)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")
    with pytest.raises(InputError, match=field):
        RelationModel.load(path)
