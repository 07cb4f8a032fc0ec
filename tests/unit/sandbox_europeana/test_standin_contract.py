"""Every request body of the real server's own tests, posted to the stand-in, gets the status that is on record.

Where the reference data is absent, cases of our own in the same spirit remain.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.reference import reference_files
from tests.unit.sandbox_europeana.standin_client import Api

INPUTS = reference_files("contracts/europeana/annotation/input/**/*.json")
# (status of the first post, status of the second); 201 then 400 is the duplicate rule.
STATUS = {
    "caption/caption-copyright.json": (400, 400),
    "caption/minimal.json": (201, 400),
    "describing/cho.json": (201, 201),
    "describing/web_resource.json": (201, 201),
    "highlighting/highlighting.json": (201, 201),
    "highlighting/highlighting_without_predicate.json": (400, 400),
    "link/edmIsSimilarTo_minimal.json": (201, 201),
    "link/minimal.json": (201, 201),
    "link/simple-annotation.json": (201, 201),
    "link/standard.json": (201, 201),
    "linkforcontributing/link_for_contributing_body_object.json": (201, 400),
    "linkforcontributing/link_for_contributing_target_specific.json": (400, 400),
    "semantictag/dereferenced_semantictag_mozart_entity.json": (201, 400),
    "semantictag/dereferenced_semantictag_viaf_test_entity.json": (201, 400),
    "semantictag/semantictag_agent_entity.json": (201, 201),
    "semantictag/semantictag_entity.json": (201, 201),
    "semantictag/simple_minimal.json": (201, 400),
    "semantictag/simple_standard.json": (201, 400),
    "semantictag/specific_minimal.json": (201, 400),
    "semantictag/vcard_address.json": (201, 201),
    "semantictag/wrong/simple_standard_jsonld.json": (400, 400),
    "semantictag/wrong/specific_minimal_jsonld.json": (201, 400),  # the unknown @type vanishes, the source is a URL
    "subtitle/minimal.json": (201, 400),
    "subtitle/subtitle_srt.json": (201, 400),
    "tag/annotation.json": (201, 400),
    "tag/bodyText.json": (201, 400),
    "tag/canonical.json": (201, 400),
    "tag/full_agent.json": (201, 400),
    "tag/geotag.json": (201, 201),
    "tag/minimal.json": (201, 400),
    "tag/standard.json": (201, 400),
    "tag/standard_testset.json": (201, 400),
    "tag/tag_indexing.json": (201, 400),
    "tag/via_array.json": (201, 400),
    "tag/wrong/agent_wrong_id_not_url.json": (400, 400),
    "tag/wrong/body_address_no_street_address.json": (400, 400),
    "tag/wrong/geotag_wrong_lat.json": (400, 400),
    "tag/wrong/minimal_wrong.json": (400, 400),
    "transcription/minimal-duplicate-update.json": (201, 400),
    "transcription/minimal.json": (201, 400),
    "transcription/transcription-with-alto-body-wrong.json": (400, 400),
    "transcription/transcription-with-alto-body.json": (201, 400),
    "transcription/transcription-with-page-xml-body-tp.json": (201, 400),
    "transcription/transcription-without-language.json": (400, 400),
    "transcription/transcription-without-rights.json": (400, 400),
    "translation/minimal.json": (201, 400),
}
ELSEWHERE = {  # no body of a single POST: configuration of the server, or pages for the batch call
    "config/default_whitelist.json",
    "tag/batch/annotation_page.json",
    "tag/wrong/batch/annotation_page_nonexisting_ids.json",
    "whitelist/entry.json",
}


RECORD = "http://data.europeana.eu/item/1/a"
FILM = {"scope": RECORD, "source": "http://films.example/1.mp4"}
BY_SA = "http://creativecommons.org/licenses/by-sa/4.0/"
OWN: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "text tag": ({"motivation": "tagging", "bodyValue": "horse", "target": RECORD}, (201, 400)),
    "concept": ({"motivation": "tagging", "body": "http://a.example/horse", "target": RECORD}, (201, 400)),
    "place": (
        {"motivation": "tagging", "body": {"type": "Place", "lat": "1.5", "long": "2"}, "target": RECORD},
        (201, 201),
    ),
    "wrong place": (
        {"motivation": "tagging", "body": {"type": "Place", "lat": "1,5", "long": "2"}, "target": RECORD},
        (400, 400),
    ),
    "old motivation": ({"motivation": "oa:tagging", "bodyValue": "horse", "target": RECORD}, (400, 400)),
    "links": ({"motivation": "linking", "target": [RECORD, RECORD + "b"]}, (201, 201)),
    "campaign": ({"motivation": "linkForContributing", "body": "http://a.example/1", "target": RECORD}, (201, 400)),
    "campaign for a file": (
        {"motivation": "linkForContributing", "body": "http://a.example/1", "target": FILM},
        (400, 400),
    ),
}


def full_text(motivation: str, **changes: Any) -> dict[str, Any]:
    value = "WEBVTT\n\n00:01.000 --> 00:02.000\nHello." if motivation in {"captioning", "subtitling"} else "Hello."
    media_type = "text/vtt" if value.startswith("WEBVTT") else "text/plain"
    body = {"type": "FullTextResource", "language": "it", "value": value, "format": media_type, "edmRights": BY_SA}
    body = {name: text for name, text in (body | changes).items() if text is not None}
    return {"motivation": motivation, "body": body, "target": FILM}


OWN |= {
    "caption": (full_text("captioning"), (201, 400)),
    "subtitle": (full_text("subtitling"), (201, 400)),
    "transcription": (full_text("transcribing"), (201, 400)),
    "translation": (full_text("translating"), (201, 400)),
    "no language": (full_text("transcribing", language=None), (400, 400)),
    "no rights": (full_text("transcribing", edmRights=None), (400, 400)),
    "own licence": (full_text("captioning", edmRights="http://licence.example/mine"), (400, 400)),
    "odd format": (full_text("captioning", format="application/pdf"), (415, 415)),
    "no subtitles": (full_text("subtitling", value="Hello."), (400, 400)),
    "broken XML": (full_text("transcribing", format="application/alto+xml", value="<alto>"), (400, 400)),
    "entities": (
        full_text("transcribing", format="application/alto+xml", value='<!DOCTYPE a [<!ENTITY b "c">]><a/>'),
        (400, 400),
    ),
}


def name_of(path: Path) -> str:
    return path.as_posix().split("annotation/input/")[1]


CASES = OWN | {
    name_of(path): (json.loads(path.read_text()), STATUS[name_of(path)]) for path in INPUTS if name_of(path) in STATUS
}


@pytest.fixture
def fresh(api: Api) -> Api:
    requests.delete(f"{api.base_url}/_control/annotations", timeout=10).raise_for_status()
    return api


def test_every_reference_input_has_an_expected_status() -> None:
    assert {name_of(path) for path in INPUTS} <= STATUS.keys() | ELSEWHERE


@pytest.mark.parametrize("name", CASES)
def test_each_input_gets_its_status(fresh: Api, name: str) -> None:
    body, expected = CASES[name]
    assert tuple(fresh.create(body).status_code for _ in range(2)) == expected


def test_captions_and_subtitles_of_a_film_exclude_each_other_by_language(fresh: Api) -> None:
    assert fresh.create(full_text("captioning")).status_code == 201
    assert fresh.create(full_text("captioning", language="de")).status_code == 400
    assert fresh.create(full_text("subtitling")).status_code == 400
    assert fresh.create(full_text("subtitling", language="de")).status_code == 201


def batch_page(*ids: str | None) -> str:
    items: list[dict[str, str]] = []
    for number, given in enumerate(ids):
        item = {"motivation": "tagging", "bodyValue": f"tag {number}", "target": RECORD}
        items.append(item if given is None else {"id": given} | item)
    return json.dumps({"@context": "http://www.w3.org/ns/anno.jsonld", "type": "AnnotationPage", "items": items})


PAGES = {"own": batch_page(None, None, "%httpurl1%", None, "%httpurl2%")} | {
    name_of(path): path.read_text() for path in INPUTS if name_of(path) == "tag/batch/annotation_page.json"
}
LOST_PAGES = {"own": batch_page(None, "-1", None, "%httpurl1%", None, "-2", "%httpurl2%", "-3")} | {
    name_of(path): path.read_text() for path in INPUTS if name_of(path).endswith("nonexisting_ids.json")
}


def post_batch(api: Api, text: str) -> tuple[requests.Response, list[str]]:
    numbers = []
    for value in ("stored one", "stored two"):
        body = {"motivation": "tagging", "bodyValue": value, "target": RECORD}
        numbers.append(api.create(body).json()["id"].rsplit("/", 1)[1])
    text = text.replace("%httpurl1%", numbers[0]).replace("%httpurl2%", numbers[1])
    return api.write("POST", "/annotations/", json.loads(text)), numbers


@pytest.mark.parametrize("name", PAGES)
def test_a_batch_creates_and_updates_in_order(fresh: Api, name: str) -> None:
    answer, numbers = post_batch(fresh, PAGES[name])
    assert answer.status_code == 201
    assert answer.json()["total"] == 5
    assert answer.json()["items"][2]["id"].endswith("/" + numbers[0])
    assert fresh.stats()["annotations"]["stored"] == 5


@pytest.mark.parametrize("name", LOST_PAGES)
def test_a_batch_with_unknown_ids_writes_nothing(fresh: Api, name: str) -> None:
    answer, _ = post_batch(fresh, LOST_PAGES[name])
    assert answer.status_code == 404
    report = answer.json()["operationReport"]
    assert (report["successCount"], report["failureCount"]) == (5, 3)
    assert {key: text.split(":")[0] for key, text in report["errors"].items()} == dict.fromkeys(
        ("-1", "-2", "-3"), "Annotation does not exist"
    )
    assert fresh.stats()["annotations"]["stored"] == 2


RECORDED = {
    "401_no_key.json": {
        "success": False,
        "error": "Unauthorized",
        "message": "Invalid API key provided!",
        "code": "invalid_apikey",
    },
    "401_key_invalid.json": {
        "apikey": "REDACTED",
        "success": False,
        "error": "API key is invalid",
        "message": "Please register for an API key",
        "code": "401_key_invalid",
    },
    "record_not_found.json": {
        "apikey": "REDACTED",
        "success": False,
        "error": "Invalid record identifier: /99999/does_not_exist",
        "requestNumber": 999,
    },
}


@pytest.mark.parametrize(
    ("name", "key", "status"),
    [("401_no_key.json", None, 401), ("401_key_invalid.json", "wrong", 401), ("record_not_found.json", "the-key", 404)],
)
def test_error_bodies_equal_the_recorded_ones(api: Api, name: str, key: str | None, status: int) -> None:
    headers = {} if key is None else {"X-Api-Key": key}
    answer = api.get("/record/v2/99999/does_not_exist.json", key=False, headers=headers)
    assert answer.status_code == status
    given = answer.json()
    assert given.get("apikey") == key
    given |= {"apikey": "REDACTED"} if key else {}
    assert given == RECORDED[name]
    for path in reference_files(f"contracts/europeana/errors/{name}"):
        assert given == json.loads(path.read_text())


def test_search_items_have_the_types_of_recorded_ones(api: Api) -> None:
    kinds: dict[str, type] = {
        **dict.fromkeys(("id", "type", "guid", "link", "timestamp_update"), str),
        **dict.fromkeys(("title", "rights", "edmIsShownBy", "edmPreview", "country", "dataProvider", "year"), list),
        "previewNoDistribute": bool,
        "dcTitleLangAware": dict,
    }
    for path in reference_files("contracts/europeana/search/openverse_page_rich_cursor.json"):
        recorded = json.loads(path.read_text())["items"]
        kinds |= {n: type(v) for item in recorded for n, v in item.items() if type(v) in {list, dict, str, bool}}
    items = api.search(query="*:*", profile="rich", cursor="*", rows=100).json()["items"]
    assert len(items) == 23
    assert {n for item in items for n, v in item.items() if type(v) is not kinds.get(n, type(v))} == set()
