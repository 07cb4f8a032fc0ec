from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.annotations.model import description, object_tag
from sgob_tasks.annotations.validation import problems
from sgob_tasks.detection.classes import ClassTable

TAG = object_tag("/1/a", "http://www.wikidata.org/entity/Q726", "https://museum.example/a.jpg", (1, 2, 3, 4))
TEXT = description("/1/a", "A knight.", "en", "https://museum.example/a.jpg")
NAME = {"type": "TextualBody", "value": "horse", "language": "en"}


def changed(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    result = copy.deepcopy(document)
    place = result
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return result


@pytest.mark.parametrize(
    "document",
    [
        TAG,
        TEXT,
        changed(TEXT, "target", "http://data.europeana.eu/item/1/a"),
        changed(TAG, "target.source", "https://museum.example/a.jpg"),
        changed(TAG, "body.source", "https://iconclass.org/25F23%28LION%29"),
        changed(TAG, "body", NAME | {"value": "x" * 64}),
        changed(TEXT, "body.language", "pt-BR"),
    ],
)
def test_good_annotations(document: dict[str, Any]) -> None:
    assert problems(document) == []


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (changed(TAG, "id", "http://data.europeana.eu/annotation/1"), "id"),
        (changed(TAG, "confidence", 0.9), "confidence"),
        (changed(TAG, "target.selector", {"type": "FragmentSelector"}), "target"),
        (changed(TAG, "motivation", "captioning"), "captioning"),
        (changed(TAG, "motivation", "oa:tagging"), "oa:tagging"),
        (changed(TAG, "body", None), "body"),
        (changed(TAG, "body.source", "http://www.wikidata.org/entity/horse"), "Wikidata"),
        (changed(TAG, "body.source", "https://www.wikidata.org/wiki/Q726"), "Wikidata"),
        (changed(TAG, "body.source", "https://iconclass.org/25F23(LION CUB)"), "Iconclass"),
        (changed(TAG, "body.source", "https://iconclass.org/"), "Iconclass"),
        (changed(TAG, "body", NAME | {"value": "x" * 65}), "64"),
        (changed(TAG, "body", NAME | {"value": "http://a.example/"}), "URL"),
        (changed(TAG, "target.scope", "https://data.europeana.eu/item/1/a"), "target"),
        (changed(TAG, "target.scope", "http://data.europeana.eu/item/1"), "target"),
        (changed(TAG, "target.source", None), "target"),
        (changed(TAG, "target.source", "ftp://museum.example/a.jpg"), "http"),
        (changed(TAG, "target.source", "https://museum.example/a b.jpg#xywh=1,2,3,4"), "http"),
        (changed(TAG, "target.source", "https://museum.example/a.jpg#xywh=pixel:1,2,3,4"), "xywh"),
        (changed(TAG, "target.source", "https://museum.example/a.jpg#xywh=1.5,2,3,4"), "xywh"),
        (changed(TAG, "target.source", "https://museum.example/a.jpg#xywh=-1,2,3,4"), "xywh"),
        (changed(TAG, "target.source", "https://museum.example/a.jpg#xywh=1,2,0,4"), "empty"),
        (changed(TEXT, "body.language", None), "language"),
        (changed(TEXT, "body.language", "English"), "English"),
        (changed(TEXT, "body.value", "  "), "empty"),
        (changed(TEXT, "body.type", "Text"), "Text"),
        ([], "object"),
    ],
)
def test_bad_annotations_are_explained(document: object, words: str) -> None:
    found = problems(document)
    assert found
    assert words in "; ".join(found)


def test_every_concept_of_the_class_table_can_be_published() -> None:
    table = ClassTable.load()
    uris = {name: uri for name in table if (uri := table.concept_uri(name))}
    assert len(uris) > 60
    assert {name: found for name, uri in uris.items() if (found := problems(changed(TAG, "body.source", uri)))} == {}


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda c: st.dictionaries(st.text(max_size=8), c)))
def test_anything_is_judged_without_an_exception(document: object) -> None:
    assert problems(document)
