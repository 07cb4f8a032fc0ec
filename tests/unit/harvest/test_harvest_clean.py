from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.harvest.clean import is_uri, plain_text, scrub, scrub_text, unwrap_redirect

KEY = "s3cr3t-key"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=20,
)


def test_the_key_is_gone_from_every_place_where_answers_echo_it() -> None:
    answer = {
        "apikey": KEY,
        "items": [
            {
                "guid": f"https://www.europeana.eu/item/1/a?utm_source=api&utm_campaign={KEY}&x=1",
                "link": f"https://api.europeana.eu/record/v2/1/a.json?wskey={KEY}",
                "edmIsShownAt": [f"https://api.europeana.eu/api/{KEY}/redirect?shownAt=http%3A%2F%2Fm.org%2F1"],
            }
        ],
    }
    clean = scrub(answer, KEY)
    assert KEY not in json.dumps(clean)
    assert "apikey" not in clean
    assert clean["items"][0]["guid"].endswith("&x=1")


def test_another_key_than_ours_is_removed_where_keys_stand() -> None:
    assert "api2demo" not in scrub_text("https://api.europeana.eu/api/api2demo/redirect?shownAt=http%3A%2F%2Fm.org")
    assert "other" not in scrub_text("http://x/?WSKEY=other&a=1")
    assert scrub_text("http://api.europeana.eu/api/v2/redirect") == "http://api.europeana.eu/api/v2/redirect"


@given(json_values, st.text(min_size=6, max_size=12))
def test_what_is_left_holds_no_key_and_can_be_stored(value: Any, key: str) -> None:
    clean = scrub({"a": value, "b": [key, f"x{key}y"]}, key)
    text = json.dumps(clean, allow_nan=False)  # jsonb knows no infinity
    assert "\\u0000" not in text
    json.dumps(clean, ensure_ascii=False).encode()  # jsonb knows no lone surrogate
    assert all(key not in word or key in "REMOVED" for word in clean["b"])


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("Saint&nbsp;George &amp;amp; the dragon", "Saint George & the dragon"),
        ("one\n          two\r\n\tthree", "one two three"),
        ("<p>First.</p><p>Second<br/>line</p>", "First. Second line"),
        ("painted <1850, 5 < 6 > 4", "painted <1850, 5 < 6 > 4"),
        ("  \n ", ""),
    ],
)
def test_text_without_markup(raw: str, clean: str) -> None:
    assert plain_text(raw) == clean


@given(st.text())
def test_clean_text_is_one_storable_line(text: str) -> None:
    clean = plain_text(text)
    assert clean == clean.strip()
    assert not any(character in clean for character in "\n\r\t\x00")
    clean.encode()


def test_references_are_told_from_text() -> None:
    assert is_uri("http://data.europeana.eu/agent/1")
    assert is_uri("#agent_1")
    assert not is_uri("http://example.org is where it hangs")
    assert not is_uri("Rubens")


def test_the_old_redirect_wrapper_is_taken_off() -> None:
    wrapped = "https://api.europeana.eu/api/REMOVED/redirect?shownAt=http%3A%2F%2Fm.org%2Fa%3Fid%3D1&provider=x"
    assert unwrap_redirect(wrapped) == "http://m.org/a?id=1"
    for other in ("http://m.org/redirect?shownAt=http%3A%2F%2Fx", "http://m.org/1", "http://[bad/redirect"):
        assert unwrap_redirect(other) == other
