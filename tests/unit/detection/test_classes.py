"""The table of classes: that ours is whole, and that a bad one is refused by line and column."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sgob_tasks.detection.classes import CLASSES_CSV, COLUMNS, ClassTable
from sgob_tasks.errors import InputError
from tests.reference import reference_files

TABLE = ClassTable.load()
ROW = "horse,both,horse,animal,Q726,46C13141,,,"


def test_the_table_holds_both_vocabularies() -> None:
    assert sum(entry.vocabulary in {"deart", "both"} for entry in TABLE.values()) == 69
    assert sum(bool(entry.coco_name) for entry in TABLE.values()) == 80
    assert len({entry.coco_name for entry in TABLE.values() if entry.coco_name}) == 80


def test_the_bicycle() -> None:
    bicycle = TABLE["bicycle"]
    assert (bicycle.first_appearance_year, bicycle.filter, bicycle.look_alikes[0]) == (1817, "hard", "horse")


def test_look_alikes_are_classes_of_paintings() -> None:
    for entry in TABLE.values():
        assert all(TABLE[other].vocabulary != "coco" for other in entry.look_alikes), entry.name


def test_every_hard_bound_is_modern() -> None:
    assert all((entry.first_appearance_year or 0) >= 1596 for entry in TABLE.values() if entry.filter == "hard")


def test_the_two_mice_are_kept_apart() -> None:
    assert TABLE["mouse"].filter == ""
    assert TABLE["computer mouse"].first_appearance_year == 1964
    assert TABLE.from_coco("mouse") == "computer mouse"
    assert TABLE.from_coco("horse") == "horse"
    assert TABLE.from_coco("dragon") is None


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("horse", "http://www.wikidata.org/entity/Q726"),
        ("head", "https://iconclass.org/31E236219"),
        ("saturno", None),
        ("no such class", None),
    ],
)
def test_concept_uris(name: str, uri: str | None) -> None:
    assert TABLE.concept_uri(name) == uri


def test_iconclass_notations_are_percent_encoded(tmp_path: Path) -> None:
    path = _table(tmp_path, "palm,deart,,plant,,25G3(PALM-TREE),,,")
    assert ClassTable.load(path).concept_uri("palm") == "https://iconclass.org/25G3%28PALM-TREE%29"


@pytest.mark.parametrize("path", reference_files("reference/deart_classes.csv"), ids=lambda path: path.name)
def test_facts_agree_with_the_reference(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entry = TABLE[row["class_name"]]
            assert (entry.wikidata_qid, entry.iconclass) == (row["wikidata_qid"], row["iconclass"])


@pytest.mark.parametrize("path", reference_files("reference/coco_time_bound.csv"), ids=lambda path: path.name)
def test_bounds_agree_with_the_reference(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entry = TABLE[TABLE.from_coco(row["coco_name"]) or ""]
            assert str(entry.first_appearance_year or "") == row["first_appearance_year"], entry.name
            assert entry.filter == row["filter"], entry.name


def _table(folder: Path, *rows: str) -> Path:
    path = folder / "classes.csv"
    path.write_text("\n".join((",".join(COLUMNS), *rows)) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["Horse,both,horse,animal,,,,,"], r"classes\.csv: line 2, name = 'Horse': must be in lower case"),
        ([ROW, ROW], r"line 3, name = 'horse': is there twice"),
        (["horse,mine,,animal,,,,,"], "line 2, vocabulary = 'mine'"),
        (["horse,deart,horse,animal,,,,,"], "line 2, coco_name = 'horse': does not fit"),
        (["horse,deart,,animal,726,,,,"], "line 2, wikidata_qid = '726': must look like Q726"),
        (["horse,deart,,animal,,,early,hard,"], "line 2, first_appearance_year = 'early': must be a year"),
        (["horse,deart,,animal,,,1500,sharp,"], "line 2, filter = 'sharp'"),
        (["horse,deart,,animal,,,1500,,"], "line 2, filter = '': needs a year"),
        (["horse,deart,,animal,,,,,pony"], "horse, look_alikes = 'pony': is no other class"),
        (["horse,deart,,animal"], r"line 2, wikidata_qid = None: is missing"),
        ([ROW + ",more"], r"line 2 = .'more'.: has more values"),
    ],
)
def test_bad_tables_are_refused_by_line_and_column(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ClassTable.load(_table(tmp_path, *rows))


def test_unreadable_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as CSV"):
        ClassTable.load(tmp_path / "missing.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(InputError, match=r"header = .*must be name,"):
        ClassTable.load(tmp_path / "other.csv")


def test_ours_comes_with_the_package() -> None:
    assert CLASSES_CSV.name == "classes.csv"
    assert len(TABLE) == 134
