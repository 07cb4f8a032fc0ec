"""Training records: both forms, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sgob_tasks.context.language.records import (
    TEST,
    TRAINING,
    VALIDATION,
    Record,
    depicted,
    fingerprint,
    read_records,
    split_of,
)
from sgob_tasks.errors import InputError
from tests.unit.context.language.language_records import make_records, write_table

HEADER = "id,title,artist,year_from,year_to,classification,subjects\n"


def lines(count: int = 60, **first: object) -> str:
    rows = [
        {"title": f"Horse {n}", "labels": ["horse", "Man "], "year_from": 1700, "year_to": None} for n in range(count)
    ]
    rows[0] |= first
    return "\n".join(json.dumps(row) for row in rows) + "\n\n"


def test_a_table_with_a_tree_of_subjects(tmp_path: Path) -> None:
    made = make_records(80)
    path = write_table(tmp_path / "a.csv", made)
    assert read_records(path) == made
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert fingerprint(read_records(packed)) == fingerprint(made[::-1])


def test_what_is_depicted() -> None:
    subjects = [
        "objects/furnishings/Chair",
        "nature/animals: mammals/horse",
        "nature/weather/rain",
        "people/nudes/male",
    ]
    assert depicted(subjects) == ["Chair", "horse"]


def test_captions_are_read_where_there_are_any(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines(captions=["A man rides.", "A horse."]))
    first, second, *_ = read_records(path)
    assert (first.captions, second.captions) == (("A man rides.", "A horse."), ())
    path.write_text(lines(captions="A man rides."))
    with pytest.raises(InputError, match="line 1, captions"):
        read_records(path)
    table = tmp_path / "a.csv"
    table.write_text("title,labels,captions\n" + "Horse,horse,A man rides.|| A horse.\n" * 60)
    assert read_records(table)[0].captions == ("A man rides.", " A horse.")


def test_json_lines_and_plain_table(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines(description="A man on a horse", year_to=1710, id=7))
    found = read_records(path)
    assert found[0] == Record("7", "Horse 0", "A man on a horse", 1705, ("horse", "man"))
    assert found[1].year == 1700
    assert len({record.id for record in found}) == 60, "works without an id get one from their texts"
    plain = tmp_path / "b.csv"
    plain.write_text("title,labels,year_from\n" + "Rider,horse|Man |,no date\n" * 60)
    assert read_records(plain)[3].labels == ("horse", "man")
    assert read_records(plain)[3].year is None


def test_years_as_museums_write_them(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for value, year in (
        ("1480", 1480),
        ("15th century", 1450),
        ("no date", None),
        ("", None),
        (None, None),
        (-20, -20),
    ):
        path.write_text(lines(year_from=value))
        assert read_records(path)[0].year == year


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"title": 5}, "line 1, title = 5"),
        ({"labels": "horse"}, "line 1, labels = 'horse'"),
        ({"labels": ["a", None]}, r"line 1, labels\[1\] = None"),
        ({"year_from": "18 oranges"}, "line 1, year_from = '18 oranges'"),
        ({"year_to": 1e12}, "line 1, year_to"),
        ({"year_to": True}, "line 1, year_to = True"),
        ({"id": []}, "line 1, id"),
        ({"description": {}}, "line 1, description"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, row: dict[str, object], field: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines(**row))
    with pytest.raises(InputError, match=f"a.jsonl: {field}"):
        read_records(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", HEADER + "A,t,n,1,1,x\n", "line 2 = .*fewer values"),
        ("a.csv", HEADER + "A,t,n,1,1,x,objects/a/b,more\n", "line 2 = .*more values"),
        ("a.csv", HEADER + "A,t,n,year 0,1,x,objects/a/b\n", "line 2, year_from = 'year 0'"),
        ("a.csv", "id,subjects\n", "has no column title"),
        ("a.csv", "", "has no column title"),
        ("a.csv", "title\nx\n", "has no column labels"),
        ("a.csv", HEADER, "are in too few records"),
        ("a.csv", 'title,labels\n"x', "cannot be read"),
        ("a.jsonl", "[1]\n", "line 1 = .*must be a JSON object"),
        ("a.jsonl", "\n{\n", "line 2 = '{': is not JSON"),
        ("a.jsonl", '{"title": "x"}\n', "line 1, labels = None: is missing"),
        ("a.csv.gz", "no gzip", "cannot be read"),
        ("missing.csv", None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_records(tmp_path / name)
    assert name in str(error.value)


def test_splits_depend_on_the_id_alone() -> None:
    splits = [split_of(f"id {number}") for number in range(5000)]
    assert splits == [split_of(f"id {number}") for number in range(5000)]
    assert splits.count(TEST) == pytest.approx(1000, abs=120)
    assert splits.count(VALIDATION) == pytest.approx(800, abs=120)
    assert set(splits) == {TEST, VALIDATION, TRAINING}
