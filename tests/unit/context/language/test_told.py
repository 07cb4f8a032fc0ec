"""What texts tell of relations, with the words that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.language.lexicon import CUES_CSV, WORDS_CSV, load_lexicon
from sgob_tasks.context.language.relation_training import learn_relations
from sgob_tasks.context.language.told import Reader
from sgob_tasks.context.scene_graph.things import PREDICATES
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError

TABLE = ClassTable.load()
READER = Reader(load_lexicon(TABLE), TABLE)


def told(text: str | None) -> list[str]:
    return [f"{one.subject} {one.predicate} {one.object}" for one in READER.read(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A boy riding a horse", ["person rides horse"]),
        ("Two Men on Horseback", ["person rides horse"]),
        ("Woman on a couch", ["person sits_on couch"]),
        ("A bowl on a dining table", ["bowl stands_on dining table"]),
        ("A horse ridden by a boy", ["person rides horse"]),
        ("A girl holding a book", ["person holds book"]),
        ("Saint George and the Dragon", ["dragon next_to person"]),
        ("A king with a sword", ["person holds sword"]),
        ("A bishop with a mitre", ["person wears mitre"]),
        ("Lady with a dog", ["dog next_to person"]),
        ("Fishermen in boats", ["person inside boat"]),
        ("A Barge and Rowing Boats", ["boat next_to boat"]),
        ("Angel above a tree", ["angel above tree"]),
        ("Tree beneath an angel", ["angel above tree"]),
        ("A crowned woman", ["person wears crown"]),
        ("The Horseman", ["person rides horse"]),
        ("A rider attacks a dragon", []),
        ("Head of a man", []),
        ("A man in a park, far from the lake, one morning of a day in May, with his dog", []),
        # what was said goes on, and what the nearer thing cannot do, the other does
        ("A king holding a sword and a book", ["person holds sword", "person holds book"]),
        ("A man seated on a chair, holding a book", ["person sits_on chair", "person holds book"]),
        ("A king with a horse and a dog", ["horse next_to person", "dog next_to horse"]),
        # other languages, and words of one that mean something else in another
        ("Homme à cheval tenant une épée", ["person rides horse", "person holds sword"]),
        ("Mujer con un libro", ["person holds book"]),
        ("Ein Engel über dem Drachen; Ritter auf dem Pferd", ["knight rides horse"]),
        ("Cavaliere a cavallo", ["knight rides horse"]),
        ("Een vrouw met een boek", ["person holds book"]),
        ("Dona amb un llibre", ["person holds book"]),
        ("A beer with a man", []),
        # where a sentence ends, nothing is shared
        ("A woman. With a dog.", []),
        ("<p>Woman</p><p>with dog</p>", []),
        ("A <b>woman</b> with a&nbsp;<i>dog</i>", ["dog next_to person"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    found = [_canonical(one) for one in told(text)]
    assert found == expected


def _canonical(text: str) -> str:
    from sgob_tasks.context.scene_graph.relation_model import canonical

    return " ".join(canonical(*_split(text)))


def _split(text: str) -> tuple[str, str, str]:
    predicate = next(word for word in text.split() if word in PREDICATES)
    subject, object_ = text.split(f" {predicate} ")
    return subject, predicate, object_


def test_words_that_say_so_are_sure_and_roles_are_not() -> None:
    assert [one.sure for one in READER.read("A boy riding a horse. A boy on a horse.")] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        " ",
        "馬に乗る人",
        "Рыцарь на коне",
        "🐎 on 🐉",
        "&&;<<>>",
        "on with and",
        "horse" * 12_500,
        "a " * 25_000,
    ],
)
def test_texts_that_tell_nothing(text: str | None) -> None:
    assert told(text) == []


def test_a_long_text_is_read_to_its_bound() -> None:
    found = told("A boy riding a horse. " * 2300)
    assert set(found) == {"person rides horse"}
    assert 0 < len(found) < 2300


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    for one in READER.read(text + " man on horse "):
        assert {one.subject, one.object} <= TABLE.keys()
        assert one.predicate in PREDICATES


def test_each_work_counts_once() -> None:
    model = learn_relations(
        [("Man on horseback", "A man rides a horse. Lady with dog.", None), ("Dog and lady", ""), ()]
    )
    assert (model.count("person", "rides", "horse"), model.count("person", "next_to", "dog")) == (1, 2)
    assert (model.told, model.texts) == (3, 3)


def test_classes_of_another_table_alone_are_read() -> None:
    fewer = ClassTable({name: entry for name, entry in TABLE.items() if name != "horse"})
    assert learn_relations([("Man on horseback",), ("The Horseman",)], fewer).told == 0


def test_nothing_to_read_is_a_model_that_knows_nothing() -> None:
    assert learn_relations([]).opinion("person", "rides", "horse").value == 0.5


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("maybe;rides;;en;riding", "reading"),
        ("says;flies;;en;riding", "predicates"),
        ("says;;;en;riding", "predicates"),
        ("none;rides;;en;riding", "predicates"),
        ("says;rides;horse;en;riding", "object"),
        ("attribute;rides;;en;mounted", "object"),
        ("says;rides;;en;riding|?", "cues"),
        ("says;rides;en;riding", "line 2"),
    ],
)
def test_a_cue_that_does_not_fit_is_named(tmp_path: Path, line: str, field: str) -> None:
    path = tmp_path / "cues.csv"
    path.write_text(CUES_CSV.read_text("utf-8").splitlines()[0] + f"\n{line}\n", "utf-8")
    with pytest.raises(InputError, match=field):
        load_lexicon(TABLE, path)


def test_tables_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_lexicon(TABLE, tmp_path / "none.csv")
    with pytest.raises(InputError, match="header"):
        load_lexicon(TABLE, WORDS_CSV)


def test_the_words_for_classes_are_of_the_table() -> None:
    rows = [line.split(";") for line in WORDS_CSV.read_text("utf-8").splitlines()[1:]]
    assert {name for name, _, _ in rows} - {""} <= TABLE.keys()
