from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.iconography.titles import read_mentions
from sgob_tasks.context.iconography.words import LONGEST_TEXT, norm, split_words
from tests.benchmarks.iconography_bench import who


def named(text: str | None) -> set[str]:
    return {one.notation for one in read_mentions(text) if one.weight >= 0.25}


@pytest.mark.parametrize(
    "title",
    [
        "Saint George", "St. George", "Sankt Georg", "Der heilige Georg", "Hl. Georg", "Saint Georges", "San Giorgio",
        "San Jorge", "Sant Jordi", "Sint Joris", "São Jorge", "Święty Jerzy", "św. Jerzy", "S. Georgius",
        "SANCTUS GEORGIUS", "<i>Saint</i> <b>George</b>",
    ],
)  # fmt: skip
def test_saint_george_is_read_in_ten_languages(title: str) -> None:
    assert named(title) == {"11H(GEORGE)"}


@pytest.mark.parametrize(
    ("title", "notations"),
    [
        ("San Giorgio e il drago", {"11H(GEORGE)41"}),
        ("Sint Joris en de draak", {"11H(GEORGE)41"}),
        ("Saints Peter and Paul", {"11H(PETER)", "11H(PAUL)"}),
        ("Die Heiligen Petrus und Paulus", {"11H(PETER)", "11H(PAUL)"}),
        ("Virgin and Child with Saints Jerome, Francis and Clare",
         {"11F4", "11H(JEROME)", "11H(FRANCIS)", "11HH(CLARE)"}),
        ("Polyptych of St Peter, St Benedict", {"11H(PETER)", "11H(BENEDICT)"}),
        ("Der heilige Hieronymus im Gehäuse", {"11H(JEROME)12"}),
        ("Sant'Antonio Abate", {"11H(ANTONY ABBOT)"}),
        ("Saint Jean-Baptiste", {"11H(JOHN THE BAPTIST)"}),
        ("John the Baptist Preaching", {"11H(JOHN THE BAPTIST)"}),
        ("Święta Katarzyna Aleksandryjska", {"11HH(CATHERINE)"}),
        ("Le martyre de saint Laurent", {"11H(LAURENCE)"}),
        ("Saint Elizabeth of Hungary’s Great Act of Renunciation", {"11HH(ELISABETH OF HUNGARY)"}),
        ("The Vision of Saint Jerome", {"11H(JEROME)"}),
        ("Anunciación", {"73A52"}),
        ("Ukrzyżowanie", {"73D6"}),
        ("Judith beheading Holofernes", {"71U4"}),
        ("San Francisco en oración", {"11H(FRANCIS)"}),
        ("San Francesco in estasi", {"11H(FRANCIS)"}),
        ("St. Hieronymus in der Wüste", {"11H(JEROME)36"}),
    ],
)  # fmt: skip
def test_saints_and_scenes_are_read(title: str, notations: set[str]) -> None:
    assert named(title) == notations


@pytest.mark.parametrize(
    "title",
    [
        "St. George's Chapel, Windsor", "St Paul’s Cathedral", "St Petersburg at night", "View of San Francisco",
        "Henry St John", "Mrs St George", "Georg Sankt", "Venice: San Giorgio Maggiore", "Church of St. Mary Magdalene",
        "Chiesa di San Francesco", "Die Kirche St. Peter", "L'église Saint-Pierre à Caen", "Saint-Jean-de-Luz",
        "Magdalen Bridge, Oxford", "Judith Leyster", "Santa Barbara, California", "Mont St Michel",
        "SS Peter and Paul and St James’s Churches from the North", "San Lorenzo fuori le mura", "Trinity College",
        "The Resurrection of Lazarus", "Annunciation to the Shepherds", "St Martin's Lane", "Near St-Martin",
        "Cape St Vincent", "The Battle of St. Vincent", "Portrait of a Man", "Dame mit Hund", "S",
    ],
)  # fmt: skip
def test_what_is_called_after_saints_is_none(title: str) -> None:
    assert named(title) == set()


def test_a_name_of_several_saints_is_shared_among_them() -> None:
    weights = {one.notation: one.weight for one in read_mentions("Saint Anthony")}
    assert set(weights) == {"11H(ANTONY ABBOT)", "11H(ANTONY OF PADUA)"}
    assert sum(weights.values()) == pytest.approx(1.0)


def test_the_words_that_name_are_kept_as_they_are_written() -> None:
    assert [one.text for one in read_mentions("Tríptic de Sant Jordi, s. XV")] == ["Sant Jordi"]


@pytest.mark.parametrize("text", [None, "", "   ", "聖ゲオルギウスと竜", "🐎🐉", "<p></p>", "&#x27;", "\x00"])
def test_other_texts_name_nothing(text: str | None) -> None:
    assert read_mentions(text) == []


def test_of_a_very_long_text_the_beginning_is_read() -> None:
    assert named("Saint George " + "and so on " * 5_000) == {"11H(GEORGE)"}
    assert named("x " * LONGEST_TEXT + " Saint George") == set()


@given(st.text(max_size=200))
def test_no_text_stops_the_reader(text: str) -> None:
    for one in read_mentions(text):
        assert 0.0 < one.weight <= 1.0
        assert one.text


@given(st.sampled_from(["Saint", "St.", "St", "Sankt", "San", "SAINT"]), st.sampled_from([" ", "  ", "\n", " \t"]))
def test_case_and_spaces_do_not_matter(saint: str, space: str) -> None:
    assert named(f"{saint}{space}SEBASTIAN".replace("San", "Sankt") if saint == "San" else f"{saint}{space}Sebastian")


def test_words_are_compared_without_case_and_accents() -> None:
    assert norm("Świętą") == "swieta"
    assert norm("ŁUKASZ") == "lukasz"
    assert [word.norm for word in split_words("Sant'Àgata d'Aragó")] == ["sant", "agata", "d", "arago"]


def test_labelled_titles_are_of_known_subjects() -> None:
    file = Path(__file__).parents[2] / "benchmarks/saint_titles.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["set"] for row in rows} == {"seen", "held_out"}
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(who(notation) for row in rows for notation in row["subjects"].split("|") if notation)
