from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgob_tasks.errors import InputError
from sgob_tasks.sharing.card import licence_name, licence_text, readme
from sgob_tasks.sharing.categories import Category, known_categories, number
from sgob_tasks.sharing.files import CsvTable, JsonArray, dumps, safe_cell
from sgob_tasks.sharing.masks import mask_area, run_lengths

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "|calc", "=cmd|' /C calc'!A0"])
def test_formulas_are_taken_for_texts(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("cell", [-1.5, 0, None, True, "Saint George", "", "1434", "a=b", "'quoted"])
def test_other_cells_stay(cell: object) -> None:
    assert safe_cell(cell) == cell


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, st.integers(), texts), max_size=5))
def test_tables_read_back(tmp_path: Path, rows: list[tuple[str, int, str]]) -> None:
    path = tmp_path / "table.csv"
    with CsvTable(path, ("a", "b", "c")) as table:
        for row in rows:
            table.add(*row)
    content = path.read_bytes().decode("utf-8")
    assert content.startswith("a,b,c\r\n")
    back = list(csv.reader(io.StringIO(content, newline="")))[1:]
    assert back == [[str(safe_cell(a)), str(b), str(safe_cell(c))] for a, b, c in rows]


def test_rows_of_another_width_are_refused(tmp_path: Path) -> None:
    with CsvTable(tmp_path / "t.csv", ("a", "b")) as table, pytest.raises(ValueError, match="3 cells for 2 columns"):
        table.add(1, 2, 3)


@given(st.lists(st.dictionaries(texts, st.integers() | texts, max_size=3), max_size=4))
def test_arrays_are_json(items: list[dict[str, object]]) -> None:
    file = io.StringIO("[")
    file.seek(1)
    array = JsonArray(file)
    assert [array.add(item) for item in items] == list(range(1, len(items) + 1))
    file.write("]")
    assert json.loads(file.getvalue()) == items


def test_numbers_that_json_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        dumps(float("nan"))


def compress(runs: list[int]) -> str:
    """Encode as COCO does (cocoapi, rleToString)."""
    text = ""
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        more = True
        while more:
            digit = value & 0x1F
            value >>= 5
            more = value != (-1 if digit & 0x10 else 0)
            text += chr((digit | 0x20 if more else digit) + 48)
    return text


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=30))
def test_masks_give_their_area(runs: list[int]) -> None:
    assert run_lengths(compress(runs)) == runs
    area, total = sum(runs[1::2]), sum(runs)
    assert mask_area({"size": [1, total], "counts": compress(runs)}) == area
    assert mask_area({"size": [total, 1], "counts": runs}) == area


@pytest.mark.parametrize("counts", ["0p", "0 ", "0\x7f0", "é", "PPP", [1, 2], [-1, 10], ""])
def test_broken_masks_are_named(counts: object) -> None:
    with pytest.raises(InputError, match=r"^/1/a: mask\.counts = "):
        mask_area({"size": [3, 3], "counts": counts}, "/1/a")


def test_classes_keep_their_numbers_when_labels_are_added() -> None:
    known = [Category("horse", "animal", "Q726", "46C13141"), Category("angel")]
    assert {name: index for name, (index, _) in number(known, ["zebra", "horse"]).items()} == {
        "horse": 1,
        "angel": 2,
        "zebra": 3,
    }
    assert {name: index for name, (index, _) in number(known, ["aardvark", "angel"]).items()}["horse"] == 1


def test_class_table_gives_links() -> None:
    known = {category.name: category for category in known_categories()}
    assert known["horse"].wikidata_uri == "http://www.wikidata.org/entity/Q726"
    assert known["angel"].iconclass_uri == "https://iconclass.org/11G"
    assert known["crown of thorns"].iconclass_uri == "https://iconclass.org/73D82%28CROWN%20OF%20THORNS%29"
    assert Category("x").wikidata_uri is None
    assert Category("x").iconclass_uri is None


def test_licences() -> None:
    assert licence_name(CC0) == ("cc0-1.0", "CC0 1.0 Universal")
    assert "Creative Commons Legal Code" in licence_text(CC0)
    assert "creativecommons.org/licenses/by/4.0/legalcode" in licence_text(
        "https://creativecommons.org/licenses/by/4.0/"
    )
    with pytest.raises(InputError, match=r"all rights reserved.*use CC0"):
        licence_text("all rights reserved")


@pytest.mark.parametrize(("pictures", "size"), [(0, "n<1K"), (1_000, "1K<n<10K"), (50_000_000, "n>10M")])
def test_card_has_front_matter_and_figures(pictures: int, size: str) -> None:
    counts = dict.fromkeys(("detections", "corrected", "categories", "annotations", "captions"), 7) | {
        "pictures": pictures
    }
    text = readme("name", "1", CC0, counts, {"detector-1": {"AP50": {"before": 0.25, "after": 0.5}}})
    front = text.split("---\n")[1]
    assert "license: cc0-1.0" in front
    assert f"- {size}" in front
    assert "| detector-1 | AP50 | 0.250 | 0.500 |" in text
    assert "No scores" in readme("name", "1", CC0, counts, {})
