from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.harvest.clean import scrub
from sgob_tasks.harvest.parse import (
    VOLATILE,
    Record,
    Unusable,
    content_hash,
    parse_item,
    parse_time,
    picture_resource,
    refusal,
)
from tests.unit.harvest.servers import documents

ITEM: dict[str, Any] = {
    "id": "/123/abc_1",
    "title": ["De draak"],
    "dcTitleLangAware": {"nl": ["De draak"], "en": ["The dragon"]},
    "dcCreator": ["http://agents.example/2"],
    "dcCreatorLangAware": {"def": ["http://agents.example/2"]},
    "edmAgent": ["http://agents.example/1", "http://agents.example/2"],
    "edmAgentLabelLangAware": {"en": ["A sitter", "Paolo Uccello"]},
    "dcDescription": ["Een&nbsp;ridder\n   te paard"],
    "dcDescriptionLangAware": {"nl": ["Een&nbsp;ridder\n   te paard"], "def": ["Oil."], "en": ["A knight."]},
    "year": ["1470"],
    "rights": ["http://creativecommons.org/publicdomain/mark/1.0/"],
    "edmIsShownBy": ["https://m.example/1.jpg"],
    "edmIsShownAt": ["https://m.example/1"],
    "dataProvider": ["A museum"],
    "language": ["nl"],
    "timestamp_update": "2018-01-16T10:52:45.548Z",
}
OTHERS = ("dcDate", "dcDateLangAware", "edmTimespanLabel", "edmTimespanLabelLangAware", "edmAgentLabel")
FIELDS = sorted({*ITEM, *VOLATILE, *OTHERS})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


def record(**changes: Any) -> Record:
    parsed = parse_item({name: value for name, value in (ITEM | changes).items() if value is not None})
    assert isinstance(parsed, Record)
    return parsed


def test_a_whole_item() -> None:
    found = record()
    assert found.title == "The dragon"
    assert found.creator == "Paolo Uccello"
    assert found.description == "A knight.\nOil.\nEen ridder te paard"
    assert (found.date_text, found.language, found.data_provider) == ("1470", "nl", "A museum")
    assert (found.image_url, found.landing_url) == ("https://m.example/1.jpg", "https://m.example/1")
    assert found.timestamp_update == datetime(2018, 1, 16, 10, 52, 45, 548_000, timezone.utc)
    assert found.notes == ()
    assert refusal(found) is None


@pytest.mark.parametrize(
    ("changes", "creator"),
    [
        ({"dcCreatorLangAware": {"def": ["http://agents.example/2"], "en": ["Uccello"]}}, "Uccello"),
        ({"dcCreator": ["Uccello"], "dcCreatorLangAware": None}, "Uccello"),
        ({"edmAgentLabelLangAware": {"en": ["One label too few"]}}, None),
        ({"edmAgentLabelLangAware": None, "edmAgentLabel": [{"def": "Sitter"}, {"def": "Uccello"}]}, "Uccello"),
        (
            {"edmAgent": ["http://agents.example/2"], "edmAgentLabelLangAware": {"it": ["Uccello", "Paolo"]}},
            "Uccello",
        ),
        ({"dcCreator": None, "dcCreatorLangAware": None}, None),
    ],
)
def test_creators_are_named_and_never_guessed(changes: dict[str, Any], creator: str | None) -> None:
    assert record(**changes).creator == creator


@pytest.mark.parametrize(
    ("changes", "date_text"),
    [
        ({"dcDateLangAware": {"def": ["ca. 1470", "http://semium.org/time/14xx"]}}, "ca. 1470"),
        ({"year": ["1823", "1850", "1823"]}, "1823; 1850"),
        ({"year": None, "edmTimespanLabelLangAware": {"en": ["19th century"], "def": ["1840s", "184?"]}}, "1840s"),
        ({"year": None, "edmTimespanLabelLangAware": {"en": ["19th century"]}}, "19th century"),
        ({"year": None}, None),
    ],
)
def test_the_date_is_the_most_direct_one_there_is(changes: dict[str, Any], date_text: str | None) -> None:
    assert record(**changes).date_text == date_text


def test_missing_fields_are_none_and_counted() -> None:
    found = parse_item({"id": "/1/a"})
    assert isinstance(found, Record)
    values = (found.title, found.creator, found.description, found.date_text, found.rights, found.image_url)
    assert values == (None,) * 6
    assert found.notes == ("no title", "no date", "no update time")
    assert refusal(found) == "no image"


def test_malformed_fields_are_none_and_counted() -> None:
    found = record(title=7, dcTitleLangAware=["x"], edmIsShownBy={"url": "x"}, timestamp_update="yesterday")
    assert (found.title, found.image_url, found.timestamp_update) == (None, None, None)
    assert {"malformed: title", "malformed: dcTitleLangAware", "malformed: edmIsShownBy"} <= set(found.notes)


@pytest.mark.parametrize("identifier", [None, 7, "", "abc", "/only", "/a/b/c", "/a/b?c", "/a/ b"])
def test_items_without_a_proper_id_are_unusable(identifier: object) -> None:
    assert isinstance(parse_item(ITEM | {"id": identifier}), Unusable)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"edmIsShownBy": None}, "no image"),
        ({"edmIsShownBy": ["ftp://m.example/1.jpg"]}, "image is not a web address"),
        ({"edmIsShownBy": ["http://[::1/1.jpg"]}, "image is not a web address"),
        ({"edmIsShownBy": ["happy_url"]}, "image is not a web address"),
        ({"rights": None}, "rights: no statement"),
        ({"rights": ["http://creativecommons.org/licenses/by-nd/4.0/"]}, "rights: no derivatives"),
        (
            {"rights": [ITEM["rights"][0], "http://rightsstatements.org/vocab/InC/1.0/"]},
            "rights: in copyright",
        ),
        ({"title": None, "dcTitleLangAware": None, "year": None}, None),
    ],
)
def test_what_is_refused(changes: dict[str, Any], reason: str | None) -> None:
    assert refusal(record(**changes)) == reason


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_no_item_is_a_crash(changes: dict[str, Any]) -> None:
    parsed = parse_item(scrub(ITEM | changes, "key-of-ours"))
    if isinstance(parsed, Record):
        refusal(parsed)
        texts = (parsed.title, parsed.creator, parsed.description, parsed.date_text, parsed.image_url)
        assert all(text is None or (isinstance(text, str) and text.strip()) for text in texts)


@given(json_values)
def test_no_json_is_a_crash(value: Any) -> None:
    assert isinstance(parse_item(value), Record | Unusable)
    picture_resource(value)
    picture_resource({"aggregations": value})
    picture_resource({"aggregations": [{"edmIsShownBy": "u", "webResources": value}]})


@given(st.dictionaries(st.sampled_from(sorted(VOLATILE)), json_values))
def test_a_reindex_does_not_change_the_hash(changes: dict[str, Any]) -> None:
    assert content_hash(dict(reversed((ITEM | changes).items()))) == content_hash(ITEM)


@given(st.sampled_from(sorted(set(ITEM) - VOLATILE)), st.text())
def test_a_new_value_changes_the_hash(name: str, value: str) -> None:
    assert content_hash(ITEM | {name: [value, "more"]}) != content_hash(ITEM)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
def test_no_time_is_a_crash(value: object) -> None:
    parsed = parse_time(value)
    assert parsed is None or parsed.tzinfo is not None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(timezone.utc)))  # noqa: DTZ001 - st adds the zone
def test_times_are_read_in_both_forms(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    milliseconds = round(moment.timestamp() * 1000)
    assert parse_time(f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z") == moment
    assert parse_time(milliseconds) == moment


def test_the_picture_is_the_resource_that_the_record_shows() -> None:
    url = "https://m.example/1.jpg"
    closed = "http://creativecommons.org/licenses/by-nc-nd/4.0/"
    resources = [
        {"about": "https://m.example/1", "ebucoreHasMimeType": "text/html", "ebucoreFileByteSize": 0},
        {"about": url, "ebucoreHasMimeType": "image/jpeg", "webResourceEdmRights": {"def": [closed]}},
    ]
    found = picture_resource({"aggregations": [{"edmIsShownBy": url, "webResources": resources}]})
    assert found is not None
    assert (found.url, found.rights, found.mime_type) == (url, closed, "image/jpeg")


@pytest.mark.parametrize(("name", "text"), documents("search/*page_*.json", own={"items": [ITEM]}))
def test_whole_pages(name: str, text: str) -> None:
    items = json.loads(text)["items"]
    parsed = [parse_item(scrub(item)) for item in items]
    records = [found for found in parsed if isinstance(found, Record)]
    assert len(records) == len(items) > 0
    for found in records:
        assert found.title
        assert found.image_url
        assert found.rights
        assert found.timestamp_update
        assert "REDACTED" not in json.dumps(found.raw)
        assert not [note for note in found.notes if note.startswith("malformed")]


OWN_MANY_FIELDS = ITEM | {
    "dcCreatorLangAware": {"def": ["http://a.example/1", "http://a.example/2"]},
    "edmAgent": ["http://a.example/1", "http://a.example/2", "http://a.example/3"],
    "edmAgentLabelLangAware": {"es": ["Villemin, Charles, fl. 1835-1849", "Carderera", "Monasterio de San Salvador"]},
    "year": None,
    "edmTimespanLabelLangAware": {"def": ["1840s", "184?"], "en": ["19th century"]},
}


@pytest.mark.parametrize(("name", "text"), documents("search/openverse_item*.json", own=OWN_MANY_FIELDS))
def test_creators_that_are_references_get_their_names(name: str, text: str) -> None:
    found = parse_item(json.loads(text))
    assert isinstance(found, Record)
    assert found.creator is not None
    assert found.creator.split("; ")[0] == "Villemin, Charles, fl. 1835-1849"
    assert "Monasterio" not in found.creator  # an agent of the record, but not a maker
    assert found.date_text == "1840s"


OWN_RECORD = {"object": {"aggregations": [{"edmIsShownBy": "http://m.example/1.jpg"}]}}


@pytest.mark.parametrize(
    ("name", "text"), documents("record/*.json", own=OWN_RECORD, jsonld_own={"@graph": [{"@id": "http://m.example"}]})
)
def test_whole_records(name: str, text: str) -> None:
    answer = json.loads(text)
    found = picture_resource(answer.get("object", answer))
    if name.startswith("jsonld"):
        assert found is None  # another format
    else:
        assert found is not None
        assert found.url.startswith("http")
