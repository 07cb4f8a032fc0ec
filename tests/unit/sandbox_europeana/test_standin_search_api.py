from __future__ import annotations

import re

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.sandbox.europeana.catalogue import CursorError, decode_cursor, encode_cursor, parse_sort
from sgob_tasks.sandbox.europeana.query import QueryError, compile_query
from tests.unit.sandbox_europeana.standin_client import Api


def ids(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"].split("/")[2] for item in answer.json()["items"]]


def test_key_may_come_in_three_ways_and_is_echoed(api: Api) -> None:
    for arguments in (
        {"headers": {"X-Api-Key": "the-key"}},
        {"headers": {"Authorization": "APIKEY the-key"}},
        {"params": {"wskey": "the-key"}},
    ):
        params = {"query": "*:*", "rows": 1, **arguments.get("params", {})}
        answer = api.get("/record/v2/search.json", key=False, params=params, headers=arguments.get("headers", {}))
        assert answer.status_code == 200
        assert answer.json()["apikey"] == "the-key"
        assert "wskey=the-key" in answer.json()["items"][0]["link"]
        assert "utm_campaign=the-key" in answer.json()["items"][0]["guid"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"query": ""}, "400-SE"),
        ({"query": "*:*", "start": 950, "rows": 100}, "400-SL"),
        ({"query": "*:*", "start": 2, "cursor": "*"}, "400-SD"),
        ({"query": "*:*", "cursor": "AoE with space"}, "400-SC"),
        ({"query": "*:*", "cursor": "QUJD"}, "400-SC"),
        ({"query": "*:*", "theme": "cooking"}, "400-ST"),
        ({"query": "*:*", "theme": ["art", "map"]}, "400-SU"),
        ({"query": "TYPE:("}, "400-SA"),
        ({}, None),
    ],
)
def test_wrong_calls_get_their_code(api: Api, parameters: dict[str, object], code: str | None) -> None:
    answer = api.search(**parameters)
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert answer.json().get("code") == code


def test_rows_default_to_12_and_are_cut_to_100_in_silence(api: Api) -> None:
    assert api.search(query="*:*").json()["itemsCount"] == 12
    answer = api.search(query="*:*", rows=5000, cursor="*").json()
    assert answer["itemsCount"] == answer["totalResults"] == 23
    assert api.search(query="*:*", rows=101, profile="params").json()["params"]["rows"] == 100


def test_count_only(api: Api) -> None:
    answer = api.search(query="*:*", rows=0).json()
    assert (answer["itemsCount"], answer["totalResults"], answer["items"]) == (0, 23, [])


def test_a_walk_meets_every_record_once_and_ends_on_an_empty_page(api: Api) -> None:
    cursor, met = "*", []
    while True:
        answer = api.search(query="*:*", rows=4, cursor=cursor).json()
        if answer["itemsCount"] == 0:
            break
        met += [item["id"] for item in answer["items"]]
        assert "+" in answer["nextCursor"]
        assert "/" in answer["nextCursor"]
        cursor = answer["nextCursor"]
    assert "nextCursor" not in answer
    assert len(met) == 23
    assert met == sorted(met)


def test_a_cursor_that_is_not_percent_encoded_is_refused(api: Api) -> None:
    cursor = api.search(query="*:*", rows=4, cursor="*").json()["nextCursor"]
    answer = api.get(f"/record/v2/search.json?query=*:*&cursor={cursor}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "400-SC"


def test_a_record_that_goes_during_a_walk_moves_no_other(api: Api) -> None:
    first = api.search(query="*:*", rows=3, cursor="*").json()
    requests.delete(f"{api.base_url}/_control/items/2021/item_00", timeout=10).raise_for_status()
    try:
        rest = api.search(query="*:*", rows=3, cursor=first["nextCursor"]).json()
        assert [item["id"] for item in rest["items"]] == ["/2021/item_03", "/2021/item_04", "/2021/item_05"]
        assert api.get("/record/v2/2021/item_00.json").status_code == 404
    finally:
        requests.post(f"{api.base_url}/_control/items/2021/item_00/restore", timeout=10).raise_for_status()


def test_update_windows_hold_both_ends(api: Api) -> None:
    def window(low: str, high: str) -> list[str]:
        return ids(api.search(query="*:*", rows=100, qf=f"timestamp_update:[{low} TO {high}]"))

    assert window("2026-01-01T01:00:00Z", "2026-01-01T03:00:00Z") == ["item_01", "item_02", "item_03"]
    assert window("2026-01-01T01:00:00.001Z", "2026-01-01T03:00:00Z") == ["item_02", "item_03"]
    assert window("*", "2026-01-01T01:00:00Z") == ["item_00", "item_01"]
    assert "item_08" in window("2026-01-01T07:00:00Z", "*")


def test_touched_records_show_in_a_later_window(api: Api) -> None:
    url = f"{api.base_url}/_control/items/2021/item_04/touch"
    requests.post(url, json={"updated": "2027-05-05T00:00:00Z"}, timeout=10).raise_for_status()
    found = api.search(query="*:*", qf="timestamp_update:[2027-01-01T00:00:00Z TO *]").json()["items"]
    assert [(item["id"], item["timestamp_update"]) for item in found] == [("/2021/item_04", "2027-05-05T00:00:00.000Z")]
    requests.post(url, json={"updated": "2026-01-01T04:00:00Z"}, timeout=10).raise_for_status()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"qf": ["TYPE:IMAGE", "contentTier:(3 OR 4)"]}, "00 01 02 03 04 05 06"),
        ({"qf": ["TYPE:IMAGE", "contentTier:(3 OR 4)"], "reusability": "open"}, "00 01 02 03 04"),
        ({"qf": "contentTier:(3 OR 4)", "reusability": "restricted,permission"}, "05 06"),
        ({"qf": "contentTier:(3 OR 4)", "reusability": "gratis"}, "00 01 02 03 04 05 06 08"),  # unknown: ignored
        ({"query": "horse"}, "06"),
        ({"query": 'title:"saint george" AND NOT TYPE:IMAGE'}, "08"),
        ({"qf": "COUNTRY:Spain"}, "07"),
        ({"qf": "IMAGE_SIZE:gigantic"}, ""),  # a wrong value is no error
        ({"qf": "no_such_field:1"}, ""),
        ({"qf": 'RIGHTS:"https://rightsstatements.org/vocab/InC/1.0/"'}, "05"),
        ({"qf": "IMAGE_SIZE:small", "query": "horse"}, "06"),
    ],
)
def test_filters(api: Api, parameters: dict[str, object], expected: str) -> None:
    found = [local for local in ids(api.search(**({"query": "*:*", "rows": 100} | parameters))) if local[0] == "i"]
    assert found == [f"item_{number}" for number in expected.split()]


def test_profiles_and_missing_fields(api: Api) -> None:
    def item(profile: str) -> dict[str, object]:
        found: dict[str, object] = api.search(
            query="europeana_id:\\/2021\\/item_08 OR europeana_id:*item_08", profile=profile
        ).json()["items"][0]
        return found

    minimal, standard, rich = item("minimal"), item("standard"), item("rich")
    assert "timestamp_update" not in minimal
    assert "timestamp_update" in standard
    assert "edmIsShownBy" in standard
    assert "edmTimespanLabelLangAware" not in standard
    assert "edmTimespanLabelLangAware" in rich
    assert "dcDescription" not in rich  # it is empty in this record
    assert isinstance(standard["rights"], list)
    assert isinstance(standard["type"], str)


def test_sort(api: Api) -> None:
    newest = ids(api.search(query="TYPE:IMAGE", qf="contentTier:4", rows=2, sort="timestamp_update desc"))
    assert newest == ["item_06", "item_05"]
    assert ids(api.search(query="*:*", rows=1, sort="europeana_id+desc"))[0].startswith("x_")


def test_facets(api: Api) -> None:
    answer = api.search(query="*:*", rows=0, profile="facets", facet="TYPE,REUSABILITY").json()
    assert answer["facets"][0] == {
        "name": "TYPE",
        "fields": [{"label": "IMAGE", "count": 22}, {"label": "TEXT", "count": 1}],
    }
    limited = api.search(**{"query": "*:*", "rows": 0, "profile": "facets", "facet": "TYPE", "f.TYPE.facet.limit": 1})
    assert len(limited.json()["facets"][0]["fields"]) == 1
    unnamed = api.search(**{"query": "*:*", "rows": 0, "profile": "facets", "f.TYPE.facet.limit": 1}).json()
    assert len(next(f for f in unnamed["facets"] if f["name"] == "TYPE")["fields"]) == 2  # not named: limit ignored


def test_post_with_a_json_body(api: Api) -> None:
    answer = api.session.post(
        f"{api.base_url}/record/v2/search.json",
        json={"query": "*:*", "qf": ["TYPE:TEXT"], "rows": 5},
        headers={"X-Api-Key": "the-key"},
        timeout=10,
    )
    assert ids(answer) == ["item_08"]


@given(st.integers(0, 10**9), st.text(max_size=40))
def test_cursors_come_back_as_they_went(position: int, record_id: str) -> None:
    cursor = encode_cursor(position, record_id)
    assert {"+", "/"} <= set(cursor)
    assert decode_cursor(cursor) == (position, record_id)
    with pytest.raises(CursorError):
        decode_cursor(cursor.replace("+", " "))


@given(st.text(max_size=30))
def test_any_query_compiles_or_is_refused(text: str) -> None:
    try:
        predicate = compile_query(text)
    except QueryError:
        return
    assert predicate(lambda name: ["value"]) in {True, False}


@given(
    st.from_regex(re.compile(r"[a-z]{1,8}"), fullmatch=True),
    st.text(st.characters(exclude_characters='"\\'), min_size=1),
)
def test_a_quoted_value_matches_exactly_itself(field: str, value: str) -> None:
    predicate = compile_query(f'x{field}:"{value}"')
    assert predicate(lambda name: [value.replace("https://", "http://")] if name == f"x{field}" else [])
    assert not predicate(lambda name: [value + "x"])


def test_sort_keys_are_read_with_plus_or_space() -> None:
    assert parse_sort("timestamp_update+asc,europeana_id desc") == parse_sort("timestamp_update asc, europeana_id")
    assert parse_sort("nonsense asc") == []
