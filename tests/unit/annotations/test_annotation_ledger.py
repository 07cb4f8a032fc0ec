from __future__ import annotations

import copy
from typing import Any

import pytest

from sgob_tasks.annotations.ledger import differences, find_published, is_ours, says_the_same
from sgob_tasks.annotations.model import description, object_tag
from sgob_tasks.store.publications import AnnotationRow

HORSE = "http://www.wikidata.org/entity/Q726"
TAG = object_tag("/1/a", HORSE, "https://museum.example/a.jpg", (1, 2, 3, 4))
ME = "http://data.europeana.eu/user/me"


def kept(**changes: Any) -> dict[str, Any]:
    stored = copy.deepcopy(TAG) | {"id": "http://data.europeana.eu/annotation/7", "creator": {"id": ME}}
    return stored | changes


def test_what_the_server_adds_or_rewrites_is_no_difference() -> None:
    assert differences(TAG, kept(generated="2026-01-01T00:00:00", body=HORSE)) == []
    text = description("/1/a", "A knight.", "en")
    assert differences(text, text | {"target": [text["target"]]}) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": {"scope": TAG["target"]["scope"], "source": "https://museum.example/a.jpg"}}, "target.source"),
        ({"target": TAG["target"]["scope"]}, "target.source"),
        ({"target": TAG["target"] | {"scope": "http://data.europeana.eu/item/1/b"}}, "target.scope"),
        ({"body": "http://www.wikidata.org/entity/Q1"}, "body"),
        ({"motivation": "linking"}, "motivation"),
        ({"body": None}, "body"),
    ],
)
def test_what_was_lost_or_changed_is_named(changes: dict[str, Any], words: str) -> None:
    assert any(text.startswith(words) for text in differences(TAG, kept(**changes)))


def test_ours_is_found_among_others() -> None:
    row = AnnotationRow("key", "/1/a", "tagging", "approved", TAG)
    stranger = kept(creator={"id": "http://data.europeana.eu/user/other"}, id="http://data.europeana.eu/annotation/1")
    other_body = kept(body="http://www.wikidata.org/entity/Q1")
    no_id = {name: value for name, value in kept().items() if name != "id"}
    ours = kept(target=TAG["target"]["scope"])  # another region is the same tag
    assert find_published(row, [stranger, other_body, no_id, ours], ME) == ours
    assert find_published(row, [other_body, no_id], ME) is None
    assert find_published(row, [stranger], None) == stranger


def test_an_equal_annotation_of_an_unknown_creator_stands_for_ours() -> None:
    row = AnnotationRow("key", "/1/a", "tagging", "approved", TAG)
    equal = kept(creator={"id": "http://data.europeana.eu/user/other"})
    elsewhere = equal | {"target": TAG["target"]["scope"]}
    assert find_published(row, [elsewhere, equal], ME) == equal
    assert find_published(row, [elsewhere], ME) is None


def test_forms_of_agents_and_texts() -> None:
    assert is_ours({"creator": ME}, ME)
    assert not is_ours({}, ME)
    shorthand = {"motivation": "tagging", "bodyValue": " horse "}
    assert says_the_same({"motivation": "tagging", "body": {"value": "horse"}}, shorthand)
