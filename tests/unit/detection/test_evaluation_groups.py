"""Centuries and styles from what is known of the pictures, and the figures of each group."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.detection.evaluation.average_precision import evaluate
from sgob_tasks.detection.evaluation.groups import century_name, group, read_works, with_works
from sgob_tasks.detection.evaluation.matching import match
from sgob_tasks.detection.evaluation.metrics import metrics
from sgob_tasks.detection.evaluation.results import check_results
from sgob_tasks.detection.evaluation.truth import Truth, read_truth
from sgob_tasks.errors import InputError
from tests.reference import reference_files
from tests.unit.detection.evaluation_data import make_results, make_truth


def known(*images: dict[str, Any]) -> Truth:
    entries = [{"id": number, "file_name": f"{number}.jpg"} | image for number, image in enumerate(images)]
    return read_truth({"images": entries, "categories": [], "annotations": []})


def read_date(text: str) -> tuple[int | None, int | None] | None:
    return {"ca. 1480": (1480, 1480), "1480-1530": (1480, 1530), "before 1390": (None, 1390)}.get(text)


@pytest.mark.parametrize(
    ("image", "century"),
    [
        ({"year": 1400}, "14th century"),
        ({"year": 1401}, "15th century"),
        ({"year": "1866"}, "19th century"),
        ({"year": 1500.0}, "15th century"),
        ({"year": -1}, "1st century BC"),
        ({"year": -101}, "2nd century BC"),
        ({"year": None, "year_from": 1480, "year_to": 1530}, "16th century"),
        ({"year_from": 1480, "year_to": None}, "15th century"),
        ({"year_to": "1390"}, "14th century"),
        ({"date": "ca. 1480"}, "15th century"),
        ({"date_text": "before 1390"}, "14th century"),
        ({"year": "1480-1530"}, "16th century"),
        ({"date": "undated", "date_text": "ca. 1480"}, "15th century"),
        ({"century": 15, "year": 1900}, "15th century"),
        ({"century": "15"}, "15th century"),
        ({"century": "Trecento"}, "Trecento"),
        ({"century": "ca. 1480"}, "15th century"),
        ({"century": 0}, "unknown"),
        ({"year": ""}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_century_is_read_from_what_there_is(image: dict[str, Any], century: str) -> None:
    found = group(known(image, {"year": 1}), read_date)["century"]
    assert 0 in found[century]


def test_groups_are_in_order_and_the_unknown_last() -> None:
    truth = known(
        {"year": 1901, "style": "Rococo"}, {}, {"year": -50, "movement": "Baroque"}, {"year": 1401, "genre": ["Icon"]}
    )
    found = group(truth)
    assert list(found["century"]) == ["1st century BC", "15th century", "20th century", "unknown"]
    assert found["style"] == {"Baroque": (2,), "Icon": (3,), "Rococo": (0,), "unknown": (1,)}
    assert found["anachronistic"] == {}
    assert group(known({}, {})) == {"century": {}, "style": {}, "anachronistic": {}}
    assert group(known({"anachronistic": True}, {}))["anachronistic"] == {"anachronistic": (0,)}
    assert group(known({"anachronistic": False}))["anachronistic"] == {"anachronistic": ()}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({"year": [1]}, r"images\[id=0\]\.year = \[1\]: must be a year or a date in words"),
        ({"year_to": True}, r"images\[id=0\]\.year_to = True"),
        ({"date": {}}, r"images\[id=0\]\.date = \{\}"),
        ({"century": [3]}, r"images\[id=0\]\.century = \[3\]: must be a number"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(image: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        group(known(image))


@pytest.mark.parametrize(
    ("number", "name"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st")],
)
def test_names_of_centuries(number: int, name: str) -> None:
    assert century_name(number) == f"{name} century"
    assert century_name(-number) == f"{name} century BC"


@given(year=st.integers(-3000, 3000))
def test_every_year_has_its_century(year: int) -> None:
    (name,) = group(known({"year": year}))["century"]
    century = int("".join(filter(str.isdigit, name)))
    if year > 0:
        assert (century - 1) * 100 < year <= century * 100
    elif year < 0:
        assert (century - 1) * 100 < -year <= century * 100
        assert name.endswith("BC")


def test_a_table_says_what_the_data_set_does_not(tmp_path: Path) -> None:
    table = tmp_path / "works.csv"
    table.write_text("\ufefffile,year,style\n0.png,1504, Gothic \nsub/1.jpg,,Rococo\nother.jpg,1,x\n", "utf-8")
    works = read_works(table)
    assert works["sub/1.jpg"] == {"file": "sub/1.jpg", "style": "Rococo"}
    truth = with_works(known({"style": "old"}, {"file_name": "a/1.jpg", "year": 1700}, {}), works, table)
    found = group(truth)
    assert found["style"] == {"Gothic": (0,), "Rococo": (1,), "unknown": (2,)}
    assert found["century"] == {"16th century": (0,), "17th century": (1,), "unknown": (2,)}
    with pytest.raises(InputError, match=r"works\.csv: file = '0\.png': none of the pictures is there, such as 'z\.j"):
        with_works(known({"file_name": "z.jpg"}), works, table)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,year\n", "columns = .*: must have one that is called file"),
        (b"", "columns = None: must have"),
        (b"file\na\na\n", "line 3: file = 'a': occurs twice"),
        (b"file,year\n,1504\n", "line 2: file = '': is missing"),
        (b"file\n\xff\n", "is not CSV in UTF-8"),
        (b'file\n"a\n', "is not CSV in UTF-8"),
    ],
)
def test_a_faulty_table_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    table = tmp_path / "works.csv"
    with pytest.raises(InputError, match=r"works\.csv: file = .*: No such file"):
        read_works(table)
    table.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_works(table)


@pytest.mark.parametrize("path", reference_files("data/paintings/paintings.csv"), ids=lambda path: path.name)
def test_the_reference_table_can_be_read(path: Path) -> None:
    works = read_works(path)
    truth = with_works(known(*({"file_name": name} for name in works)), works, path)
    found = group(truth)
    assert sum(map(len, found["century"].values())) == sum(map(len, found["style"].values())) == len(works)
    assert "19th century" in found["century"]
    assert "unknown" not in found["style"]


def test_the_figures_of_a_group_are_those_of_its_pictures() -> None:
    data = make_truth(3, images=14)
    for place, image in enumerate(data["images"]):
        image |= {"year": 1350 + 60 * (place % 3), "style": "Icon" if place % 2 else None, "anachronistic": place < 4}
    results = make_results(data, 3)
    truth = read_truth(data)
    figures = metrics(match(truth, check_results(results, truth)), group(truth))
    for field, grouping in (("by_century", group(truth)["century"]), ("by_style", group(truth)["style"])):
        assert list(figures[field]) == list(grouping)
        for name, members in grouping.items():
            expected = evaluate(data, results, image_ids=members)
            found = figures[field][name]
            assert found["AP"] == pytest.approx(expected.ap, abs=1e-12)
            assert found["AP50"] == pytest.approx(expected.ap50, abs=1e-12)
            assert (found["images"], found["instances"]) == (len(members), expected.instances)
    expected = evaluate(data, results)
    assert {name: one["AP"] for name, one in figures["by_class"].items()} == expected.ap_per_class
    assert {name: one["AP50"] for name, one in figures["by_class"].items()} == expected.ap50_per_class
    assert sum(one["instances"] for one in figures["by_class"].values()) == expected.instances
    assert figures["anachronistic"]["images"] == 4


def test_a_group_without_instances_has_null_and_not_nan() -> None:
    data = make_truth(3) | {"annotations": []}
    data["images"][0] |= {"year": 1500, "anachronistic": False}
    truth = read_truth(data)
    figures = metrics(match(truth, []), group(truth))
    assert figures["by_century"]["15th century"] == {"AP": None, "AP50": None, "images": 1, "instances": 0}
    assert figures["anachronistic"] == {"AP": None, "AP50": None, "images": 0, "instances": 0}
    json.dumps(figures, allow_nan=False)
