from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.report import present
from sgob_tasks.store.views import DetectionView, RecordView


def detection(number: int = 1, **values: object) -> DetectionView:
    base = {
        "id": number, "box": (10.0, 20.0, 100.0, 50.0), "class_name": "person", "score": 0.9, "label": "person",
        "label_score": 0.9, "label_reason": None,
    }  # fmt: skip
    return DetectionView(**(base | values))


def record(**values: object) -> RecordView:
    base = dict.fromkeys(
        ("title", "creator", "date_text", "year_from", "year_to", "rights", "data_provider", "image_url", "landing_url")
    )
    return RecordView(**({"id": "/1/a"} | base | values))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)",
        "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//example.org", "http://", "https:///x", "", None, "http://[::1",
        'http://example.org/"onclick=', "http://example.org/\u202e", "http://a\\b", "/relative", "ftp://example.org",
    ],
)  # fmt: skip
def test_addresses_that_are_no_web_addresses_are_dropped(url: str | None) -> None:
    assert present.safe_url(url) is None


@pytest.mark.parametrize(
    "url", ["http://data.europeana.eu/item/1/a", "https://example.org:8443/ä?q=1&x=2#y", "HTTPS://x.eu"]
)
def test_web_addresses_are_kept(url: str) -> None:
    assert present.safe_url(url) == url


@given(st.text(max_size=40))
def test_what_is_kept_is_always_http(text: str) -> None:
    for candidate in (text, f"http:{text}", f"javascript:{text}"):
        kept = present.safe_url(candidate)
        if kept is not None:
            assert urlsplit(kept).scheme.lower() in {"http", "https"}
            assert not set(kept) & set('\t\r\n "<>')


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"date_text": "ca. 1434", "year_from": 1430, "year_to": 1440}, "ca. 1434 (1430–1440)"),
        ({"date_text": "1434", "year_from": 1434, "year_to": 1434}, "1434"),
        ({"year_from": 1434, "year_to": 1434}, "1434"),
        ({"date_text": "15th century"}, "15th century"),
        ({"year_from": -49, "year_to": 14}, "50 BC–14"),
        ({"year_from": 1900}, "from 1900"),
        ({"date_text": "  ", "year_to": 1900}, "until 1900"),
        ({}, ""),
    ],
)
def test_dates(values: dict[str, object], line: str) -> None:
    assert present.date_line(record(**values)) == line


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("http://creativecommons.org/publicdomain/mark/1.0/", "Public Domain"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0"),
        ("http://creativecommons.org/licenses/by-sa/4.0/", "CC BY-SA 4.0"),
        ("http://rightsstatements.org/vocab/InC-EDU/1.0/", "InC-EDU"),
        ("something", "Other rights"),
        (None, None),
    ],
)
def test_rights(uri: str | None, name: str | None) -> None:
    assert present.rights_name(uri) == name


boxes = st.tuples(*[st.floats(-500, 1500, allow_nan=False) for _ in range(2)], *[st.floats(0, 3000) for _ in range(2)])


@given(boxes, st.integers(1, 1000), st.integers(1, 1000))
def test_boxes_stay_in_the_picture(box: tuple[float, float, float, float], width: int, height: int) -> None:
    found = detection(box=box)
    drawn = present.draw(found, present.group([found], {})[0], (width, height))
    assert 0 <= drawn.x <= width
    assert 0 <= drawn.y <= height
    assert drawn.width >= 0
    assert drawn.x + drawn.width <= width + 0.2
    assert drawn.height >= 0
    assert drawn.y + drawn.height <= height + 0.2


def test_corrections_are_listed_first_and_alike_detections_once() -> None:
    found = [
        detection(1),
        detection(2, score=0.7, label_score=0.7),
        detection(3, class_name="bicycle", label="horse", label_reason="not before 1817"),
        detection(4, class_name="train", label=None, label_score=None, label_reason="not before 1804"),
        detection(5, label_score=0.95, label_reason="the title names it"),
        detection(6, class_name="dog", label="dog"),
    ]
    lines = present.group(found, present.palette(found))
    assert [[one.id for one in line.detections] for line in lines] == [[3], [4], [5], [1, 2], [6]]
    assert [one.change for one in found] == ["", "", "relabelled", "removed", "rescored", ""]
    assert len({line.colour for line in lines if line.first.final == "person"}) == 1


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"body": "http://www.wikidata.org/entity/Q726"}, ("http://www.wikidata.org/entity/Q726",) * 2),
        ({"bodyValue": "horse"}, ("horse", None)),
        ({"body": {"type": "TextualBody", "value": "cavall", "language": "ca"}}, ("cavall", None)),
        ({"body": {"type": "SpecificResource", "source": "http://x.eu/a"}}, ("http://x.eu/a", "http://x.eu/a")),
        ({"body": {"id": "javascript:alert(1)"}}, ("javascript:alert(1)", None)),
        ({"body": [{"value": "a"}]}, ("a", None)),
        ({"body": []}, ("", None)),
        ({}, ("", None)),
    ],
)
def test_bodies(document: dict[str, object], expected: tuple[str, str | None]) -> None:
    said = present.tag(document)
    assert (said.text, said.url) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0.4, "0 s"), (59.6, "1 min 00 s"), (821, "13 min 41 s"), (3_900, "1 h 05 min")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert present.duration(seconds) == text
