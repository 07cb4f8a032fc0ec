from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.sandbox.europeana.annotation_refusal import RefusedError
from sgob_tasks.sandbox.europeana.annotation_rules import KEPT, MOTIVATIONS, accept
from sgob_tasks.sandbox.europeana.config import StandInConfig
from sgob_tasks.sandbox.europeana.items import ListSource
from sgob_tasks.sandbox.europeana.server import serving
from tests.unit.sandbox_europeana.standin_client import Api

ITEM = "http://data.europeana.eu/item/2021/"


def tag(record: str, **changes: Any) -> dict[str, Any]:
    body = {"type": "SpecificResource", "source": "http://www.wikidata.org/entity/Q726"}
    target = {"scope": ITEM + record, "source": "http://museum.example/a.jpg#xywh=1,2,3,4"}
    return {"motivation": "tagging", "body": body, "target": target} | changes


def describe(record: str, **body: Any) -> dict[str, Any]:
    text = {"type": "TextualBody", "value": "A knight.", "language": "en"} | body
    return {"motivation": "describing", "body": text, "target": ITEM + record}


def test_tokens(api: Api) -> None:
    answer = api.token().json()
    assert {"access_token", "expires_in", "refresh_token", "refresh_expires_in", "token_type", "scope"} <= answer.keys()
    refreshed = api.token(grant_type="refresh_token", refresh_token=answer["refresh_token"])
    assert refreshed.status_code == 200
    assert api.token(password="wrong").status_code == 401
    assert api.token(client_secret="wrong").json()["error"] == "unauthorized_client"
    assert api.token(grant_type="implicit").status_code == 400
    assert api.create(tag("t0"), token=answer["refresh_token"]).json()["code"] == "401_token_invalid"
    nobody = api.token(grant_type="client_credentials").json()["access_token"]
    refused = api.create(tag("t0"), token=nobody)
    assert (refused.status_code, refused.json()["code"]) == (403, "403_user_missing")


def test_tokens_expire(tmp_path: Path) -> None:
    config = StandInConfig(state=tmp_path, base_url="", api_key="k", token_expires_s=0)
    with serving(config, ListSource([])) as url, requests.Session() as session:
        answer = Api(url, config, session).create(tag("a"))
        assert (answer.status_code, answer.json()["code"]) == (401, "401_token_expired")


def test_writing_needs_a_token_and_reading_a_key(api: Api) -> None:
    assert api.session.post(f"{api.base_url}/annotation/", json=tag("t"), timeout=10).status_code == 401
    number = api.create(describe("needs")).json()["id"].rsplit("/", 1)[1]
    assert api.get(f"/annotation/{number}", key=False).status_code == 401
    assert api.get(f"/annotation/{number}").status_code == 200


def test_the_stored_annotation_comes_back_and_unknown_things_are_gone(api: Api) -> None:
    given = tag("drop", confidence=0.9, rights="CC0", creator="http://me.example/", generator="http://me.example/sw")
    given["target"]["selector"] = {"type": "FragmentSelector", "value": "xywh=1,2,3,4"}
    given["body"]["confidence"] = 0.9
    answer = api.create(given)
    assert answer.status_code == 201
    stored = answer.json()
    assert answer.headers["Location"] == stored["id"]
    assert answer.headers["ETag"]
    assert stored["target"] == {"scope": ITEM + "drop", "source": "http://museum.example/a.jpg#xywh=1,2,3,4"}
    assert stored["body"] == {"type": "SpecificResource", "source": "http://www.wikidata.org/entity/Q726"}
    assert not {"confidence", "rights"} & stored.keys()
    assert stored["creator"]["id"].startswith("http://data.europeana.eu/user/")
    assert stored["generator"] == {"id": "https://api.europeana.eu/apikey/sgob", "type": "Software"}
    assert api.get(f"/annotation/{stored['id'].rsplit('/', 1)[1]}.jsonld").json() == stored


def test_duplicates_name_the_ids_and_ignore_source_region_and_language_of_the_rest(api: Api) -> None:
    first = api.create(tag("dup")).json()["id"].rsplit("/", 1)[1]
    other_region = {"scope": ITEM + "dup", "source": "http://museum.example/b.jpg#xywh=9,9,9,9"}
    answer = api.create(tag("dup", target=other_region))
    assert answer.status_code == 400
    assert answer.json()["error"] == f"Found duplicate annotations with the ids: {first}"
    assert api.create(describe("dup")).status_code == api.create(describe("dup")).status_code == 201


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (tag("w", bodyValue="x" * 65), "Invalid tag size. Must be shorter then 64 characters! tag.size: 65"),
        (tag("w", bodyValue="http://a.example/"), "Invalid tag format. A tag can't contain URLs!"),
        (tag("w", body={"type": "SpecificResource", "source": "Q726"}), "must be an URL"),
        (tag("w", body="horse"), "Cannot parse body"),
        (tag("w", target="http://example.org/a"), "Invalid annotation target base url"),
        (tag("w", target={"scope": ITEM + "w", "source": "no url"}), "Invalid annotation target source"),
        (tag("w", motivation="classifying"), "Cannot parse body"),
        (tag("w", motivation="oa:tagging"), "Cannot parse body"),
        (tag("w", id="http://data.europeana.eu/annotation/1"), "identifier must not be provided"),
        (describe("w", language=None), "Missing mandatory field! tag.body.language"),
        (describe("w", value=" "), "Missing mandatory field! tag.body.value"),
        (describe("w") | {"target": {"scope": ITEM + "w"}}, "Invalid annotation target source"),
        ([], "Cannot parse body"),
    ],
)
def test_refusals_have_their_texts(api: Api, document: object, text: str) -> None:
    answer = api.create(document)
    assert answer.status_code == 400
    body = answer.json()
    assert text in body["error"]
    assert (body["action"], body["success"]) == ("/annotation/", False)


def test_a_tag_of_64_characters_passes(api: Api) -> None:
    assert api.create(tag("long", bodyValue=" " + "x" * 64 + " ")).json()["bodyValue"] == "x" * 64


def test_update_delete_and_bring_back(api: Api) -> None:
    created = api.create(describe("life"))
    path = "/annotation/" + created.json()["id"].rsplit("/", 1)[1]
    changed = describe("life", value="A dragon.")
    assert api.write("PUT", path, changed, headers={"If-Match": '"stale"'}).status_code == 412
    updated = api.write("PUT", path, changed, headers={"If-Match": created.headers["ETag"]})
    assert (updated.status_code, updated.json()["body"]["value"]) == (200, "A dragon.")
    assert updated.headers["ETag"] != created.headers["ETag"]
    assert api.write("DELETE", path).status_code == 204
    assert api.get(path).status_code == api.write("DELETE", path).status_code == 410
    assert created.json()["id"] in api.get("/annotations/deleted").json()
    assert (
        api.get(
            "/annotations/deleted", params={"from": "2027-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
        ).status_code
        == 400
    )
    assert api.write("POST", path).status_code == 200
    assert api.get(path).status_code == 200
    assert api.get("/annotation/999999").status_code == 404


def test_motivation_from_the_path(api: Api) -> None:
    document = {"bodyValue": "dragon", "target": ITEM + "path"}
    assert api.write("POST", "/annotation/tag", document).json()["motivation"] == "tagging"
    assert api.write("POST", "/annotation/song", document).status_code == 400


def test_report_once(api: Api) -> None:
    path = "/annotation/" + api.create(describe("report")).json()["id"].rsplit("/", 1)[1]
    assert api.write("POST", path + "/report").status_code == 201
    assert api.write("POST", path + "/report").status_code == 405
    assert api.get(path + "/moderationsummary").status_code == 200


def test_search_by_record_and_generator(api: Api) -> None:
    for value in ("one", "two", "three"):
        assert api.create(describe("find", value=value)).status_code == 201
    parameters = {
        "query": 'target_record_id:"/2021/find"',
        "qf": 'generator_uri:"https://api.europeana.eu/apikey/sgob"',
    }
    page = api.get("/annotation/search", params=parameters | {"pageSize": "2"}).json()
    assert (page["total"], page["partOf"]["total"], len(page["items"])) == (2, 3, 2)
    assert "next" in page
    assert "prev" not in page
    rest = api.get("/annotation/search", params=parameters | {"pageSize": "2", "page": "1"}).json()
    assert [item["body"]["value"] for item in page["items"] + rest["items"]] == ["one", "two", "three"]
    minimal = api.get("/annotation/search", params=parameters | {"profile": "minimal"}).json()
    assert all(isinstance(item, str) for item in minimal["items"])
    found = api.get("/annotation/search", params={"query": "*:*", "qf": "body_value.en:two"}).json()
    assert found["partOf"]["total"] == 1
    assert api.get("/annotation/search", params={"query": "*:*", "pageSize": "101"}).status_code == 400
    assert api.get("/annotation/search").status_code == 400


def test_batch_is_neither_indexed_nor_checked_for_duplicates(api: Api) -> None:
    page = {"items": [tag("batch"), tag("batch")]}
    answer = api.write("POST", "/annotations/", page)
    assert (answer.status_code, answer.json()["total"]) == (201, 2)
    assert api.get("/annotation/search", params={"query": 'target_record_id:"/2021/batch"'}).json()["total"] == 0
    refused = api.write("POST", "/annotations/", {"items": [tag("batch"), tag("batch", body="no url")]})
    assert refused.status_code == 400
    assert refused.json()["operationReport"]["errors"].keys() == {"1"}


def test_not_indexed_on_create_is_not_found(api: Api) -> None:
    assert api.write("POST", "/annotation/?indexOnCreate=false", tag("noindex")).status_code == 201
    assert api.create(tag("noindex")).status_code == 201


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from([ITEM + "a", "http://[x", "Place"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "source", "scope", "id", "value", "@graph", "selector", "lat"]), inner
        )
    ),
    max_leaves=6,
)


@given(
    st.sampled_from(sorted(MOTIVATIONS)),
    st.dictionaries(st.sampled_from(["body", "bodyValue", "target", "id", "created", "creator", "via"]), _VALUES),
)
def test_any_document_is_accepted_or_refused(motivation: str, document: dict[str, Any]) -> None:
    try:
        accepted = accept({"motivation": motivation} | document)
    except RefusedError:
        return
    assert accepted.document["motivation"] == motivation
    assert accepted.document.keys() <= set(KEPT)


def test_annotations_and_tokens_survive_a_restart(tmp_path: Path) -> None:
    config = StandInConfig(state=tmp_path, base_url="", api_key="k")
    with requests.Session() as session:
        with serving(config, ListSource([])) as url:
            before = Api(url, config, session)
            token = before.token().json()["access_token"]
            number = before.create(tag("a")).json()["id"].rsplit("/", 1)[1]
        with serving(config, ListSource([])) as url:
            after = Api(url, config, session)
            assert after.get(f"/annotation/{number}").status_code == 200
            assert after.create(tag("a"), token=token).status_code == 400
            assert after.create(tag("b"), token=token).status_code == 201
