"""What a caption was written from: which changes call for another, and which do not."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.captions.generator.config import SPECIAL, GeneratorConfig
from sgob_tasks.captions.waiting import Reader
from sgob_tasks.detection.classes import ClassTable

TABLE = ClassTable.load()


def box(name: str, score: float, x: float = 0.0) -> dict[str, Any]:
    return {"class_name": name, "score": score, "bbox": [x, 5.0, 50.0, 60.0]}


LINE: dict[str, Any] = {
    "sha256": "ab",
    "width": 400,
    "height": 300,
    "title": "Saint George",
    "year_from": 1500,
    "year_to": 1510,
    "forbidden": ["bicycle"],
    "detections": [box("horse", 0.9), box("person", 0.8, 10.0), box("dog", 0.2, 30.0)],
}
ALL = Reader("generator-1", TABLE, most_regions=2, titles=True)
BARE = Reader("generator-1", TABLE, most_regions=2, titles=False, years=False)


def changed(**values: Any) -> dict[str, Any]:
    return copy.deepcopy(LINE) | values


@pytest.mark.parametrize(
    ("line", "reader", "same"),
    [
        (changed(title="Saint Martin"), ALL, False),
        (changed(title="Saint Martin"), BARE, True),
        (changed(year_to=1600), ALL, False),
        (changed(year_to=1600), BARE, True),
        (changed(forbidden=["bicycle", "bus"]), BARE, False),
        (changed(forbidden=[]), BARE, False),
        (changed(file="input/pictures/ab", width=401), ALL, True),
        (changed(detections=[box("donkey", 0.9), box("person", 0.8, 10.0)]), BARE, False),
        (changed(detections=[box("horse", 0.9, 1.0), box("person", 0.8, 10.0)]), BARE, False),
        (changed(detections=[box("horse", 0.6), box("person", 0.7, 10.0)]), BARE, True),  # only how sure
        (changed(detections=[*LINE["detections"][:2], box("cat", 0.1)]), BARE, True),  # not looked at
        (changed(detections=[*LINE["detections"][:2], box("cat", 0.85)]), BARE, False),  # before the person now
        (changed(detections=LINE["detections"][:1]), BARE, False),
        (changed(detections=[]), BARE, False),
    ],
)
def test_what_the_generator_takes_in_counts(line: dict[str, Any], reader: Reader, same: bool) -> None:
    assert (reader.fingerprint(line) == reader.fingerprint(LINE)) is same


@given(st.permutations(LINE["detections"]), st.text(), st.none() | st.integers(-500, 2100))
def test_a_fingerprint_is_one_of_the_facts_and_not_of_their_order(
    found: list[dict[str, Any]], title: str, year: int | None
) -> None:
    line = changed(title=title, year_from=year)
    assert ALL.fingerprint(line | {"detections": found}) == ALL.fingerprint(line)
    assert (ALL.fingerprint(line) == ALL.fingerprint(LINE)) is ((title, year) == ("Saint George", 1500))


def test_a_reader_is_what_the_registry_says() -> None:
    config = GeneratorConfig((*SPECIAL, "a"), (*SPECIAL, "saint"), ("", "horse"), years=False, max_regions=7)
    assert Reader.of({"id": "generator-2", "config": config.to_json()}, TABLE) == Reader(
        "generator-2", TABLE, most_regions=7, titles=True, years=False
    )
    assert not Reader.of({"id": "g", "config": config.to_json() | {"title_words": []}}, TABLE).titles
    assert not Reader.of({"id": "g", "config": config.to_json() | {"max_title_words": 0}}, TABLE).titles
    assert Reader.of({"id": "g", "config": {}}, TABLE) == Reader("g", TABLE)


def test_another_generator_or_table_compares_all_captions_again() -> None:
    fewer = ClassTable({name: entry for name, entry in TABLE.items() if name != "kite"})
    readers = [ALL, BARE, Reader("generator-2", TABLE, 2, True), Reader("generator-1", fewer, 2, True)]
    assert len({reader.version for reader in readers}) == len(readers)
