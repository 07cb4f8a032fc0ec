from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.errors import InputError, PermanentError, TransientError
from sgob_tasks.harvest.client import (
    ATTEMPTS,
    BadCursorError,
    EuropeanaClient,
    Gone,
    KeyRefusedError,
    rate_limit_wait,
)
from sgob_tasks.harvest.query import check_query
from sgob_tasks.harvest.windows import Window
from tests.unit.harvest.servers import documents, send, serving

KEY = "s3cr3t-key-of-ours"
WINDOW = Window(datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 2, tzinfo=timezone.utc))
GOOD = {
    "apikey": KEY,
    "success": True,
    "itemsCount": 1,
    "totalResults": 7,
    "items": [{"id": "/1/a"}],
    "nextCursor": "b",
}


class Script:
    """Gives the answers it was told, one after the other (the last one for ever), and keeps what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        self.asked.append((parts.path, parse_qs(parts.query), dict(handler.headers.items())))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer(handler)
        elif isinstance(answer, dict):
            send(handler, json.dumps(answer).encode())
        else:
            status, body, headers = answer
            send(handler, body if isinstance(body, bytes) else json.dumps(body).encode(), status=status, **headers)


@contextmanager
def client(script: Script, **changes: Any) -> Iterator[tuple[EuropeanaClient, list[float]]]:
    """Yield a client of a scripted server and the list of its pauses (it does not really sleep)."""
    pauses: list[float] = []
    with serving(script) as url:
        settings = EuropeanaSettings(
            **({"api_url": url, "api_key": KEY, "min_interval_s": 0, "timeout_s": 5} | changes)
        )
        with EuropeanaClient(settings, sleep=pauses.append) as asking:
            yield asking, pauses


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Announce more than is sent."""
    send(handler, b'{"success": tr', length=4000)


def test_the_request_is_the_one_agreed_and_the_key_is_only_in_its_header() -> None:
    script = Script(GOOD)
    with client(script) as (asking, _):
        page = asking.search_page(WINDOW, "a+b/c=")
    path, query, headers = script.asked[0]
    assert path == "/record/v2/search.json"
    assert query["cursor"] == ["a+b/c="]
    assert query["qf"] == [
        "TYPE:IMAGE",
        "contentTier:(3 OR 4)",
        "timestamp_update:[2026-01-01T00:00:00Z TO 2026-01-02T00:00:00Z]",
    ]
    assert (query["rows"], query["profile"], query["reusability"]) == (["100"], ["rich"], ["open"])
    assert query["sort"] == ["europeana_id asc"]
    assert headers["X-Api-Key"] == KEY
    assert KEY not in json.dumps([path, query])
    assert "SaintGeorge" in headers["User-Agent"]
    assert (page.items, page.next_cursor, page.total) == (({"id": "/1/a"},), "b", 7)


def test_counting_asks_for_no_rows() -> None:
    script = Script(GOOD | {"items": [], "itemsCount": 0})
    with client(script) as (asking, _):
        assert asking.count(WINDOW) == 7
    assert script.asked[0][1]["rows"] == ["0"]


@pytest.mark.parametrize(
    "changes",
    [
        {"nextCursor": None},
        {"nextCursor": "sent"},
        {"items": [], "itemsCount": 0},
        {"nextCursor": 7},
        {"nextCursor": ""},
    ],
)
def test_the_ends_of_a_walk(changes: dict[str, Any]) -> None:
    with client(Script(GOOD | changes)) as (asking, _):
        assert asking.search_page(WINDOW, "sent").next_cursor is None


@pytest.mark.parametrize(
    "fault",
    [
        (502, b"<html>Bad gateway</html>", {}),
        (503, {"success": False, "code": "503-SA", "error": "Solr"}, {}),
        (504, b"", {}),
        (200, b"<html>maintenance</html>", {}),
        (200, b'{"items": [', {}),
        (200, b"[" * 100_000, {}),
        (200, b"[]", {}),
        (200, {"success": False, "error": "odd"}, {}),
        (200, GOOD | {"itemsCount": 2}, {}),
        (200, GOOD | {"totalResults": None}, {}),
        (200, GOOD | {"items": {"0": "a"}}, {}),
        (200, GOOD | {"items": [{}] * 101, "itemsCount": 101}, {}),
        hang_up,
        cut,
    ],
)
def test_faults_that_pass_are_retried_with_growing_pauses(fault: Any) -> None:
    script = Script(fault, fault, GOOD)
    with client(script) as (asking, pauses):
        assert asking.search_page(WINDOW).total == 7
    assert len(script.asked) == 3
    assert len(pauses) == 2
    assert 0.7 < pauses[0] < 1.3 < pauses[1] < 2.6


def test_a_fault_that_stays_is_given_up() -> None:
    script = Script((503, {"success": False, "error": "busy"}, {}))
    with client(script) as (asking, _), pytest.raises(TransientError, match=r"gave up after 5 attempts.*503"):
        asking.search_page(WINDOW)
    assert len(script.asked) == ATTEMPTS


def test_a_server_that_is_not_there_is_transient() -> None:
    with serving(hang_up) as url:
        pass
    settings = EuropeanaSettings(api_url=url, api_key=KEY, min_interval_s=0)
    with (
        EuropeanaClient(settings, sleep=lambda _: None) as asking,
        pytest.raises(TransientError, match="ConnectionError"),
    ):
        asking.count(WINDOW)


def test_the_rate_limit_is_waited_for_as_its_header_says() -> None:
    limit = (429, {"code": "429_limit_personal"}, {"RateLimit": '"personal";r=0;t=17'})
    script = Script(limit, GOOD)
    with client(script) as (asking, pauses):
        asking.search_page(WINDOW)
    assert pauses == [18.0]


def test_a_rate_limit_that_lasts_too_long_says_how_long() -> None:
    limit = (429, {"code": "429_limit_personal"}, {"RateLimit": '"personal";r=0;t=99999'})
    with client(Script(limit)) as (asking, pauses):
        with pytest.raises(TransientError, match="429_limit_personal") as caught:
            asking.search_page(WINDOW)
        assert caught.value.retry_after_s == 100_000.0
    assert pauses == []


def test_the_last_request_of_a_rate_window_lets_the_next_one_wait() -> None:
    script = Script((200, GOOD, {"RateLimit": '"project";r=0;t=30'}))
    with client(script) as (asking, pauses):
        asking.search_page(WINDOW)
        asking.search_page(WINDOW)
    assert len(pauses) == 1
    assert 29 < pauses[0] <= 30


@given(st.datetimes(timezones=st.just(timezone.utc), max_value=datetime(9000, 1, 1)), st.text(max_size=20))  # noqa: DTZ001 - st adds the zone
def test_without_a_readable_header_the_wait_is_until_the_full_hour(now: datetime, text: str) -> None:
    headers = {} if "t=" in text else {"RateLimit": text}
    wait = rate_limit_wait(headers, now)
    after = now + timedelta(seconds=wait)
    assert 1.0 <= wait <= 3601.0
    assert after.minute == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_at_once(status: int) -> None:
    script = Script((status, {"success": False, "code": "401_key_invalid", "error": f"API key {KEY} is invalid"}, {}))
    with client(script) as (asking, _), pytest.raises(KeyRefusedError, match="401_key_invalid") as caught:
        asking.search_page(WINDOW)
    assert KEY not in str(caught.value)
    assert len(script.asked) == 1


def test_a_wrong_request_names_the_code_and_is_not_repeated() -> None:
    script = Script((400, {"success": False, "code": "400-SL", "error": "Too deep"}, {}))
    with client(script) as (asking, _), pytest.raises(PermanentError, match="400-SL: Too deep"):
        asking.search_page(WINDOW)
    assert len(script.asked) == 1


def test_a_bad_cursor_is_told_apart() -> None:
    script = Script((400, {"success": False, "code": "400-SC", "error": "Invalid cursor"}, {}))
    with client(script) as (asking, _), pytest.raises(BadCursorError, match="400-SC"):
        asking.search_page(WINDOW)


def test_redirects_do_not_carry_the_key_away() -> None:
    elsewhere = Script(GOOD)
    with serving(elsewhere) as other:
        script = Script((302, b"", {"Location": f"{other}/record/v2/search.json"}))
        with client(script) as (asking, _), pytest.raises(PermanentError, match="redirect"):
            asking.search_page(WINDOW)
    assert elsewhere.asked == []


def test_an_endless_body_is_given_up() -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"{", length=10**6)
        for _ in range(200):
            handler.wfile.write(b" " * 8)

    with client(Script(drip), timeout_s=0.2) as (asking, _), pytest.raises(TransientError, match="gave up"):
        asking.search_page(WINDOW)


def test_nothing_that_comes_back_or_is_logged_holds_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    item = {"id": "/1/a", "link": f"https://x/1.json?wskey={KEY}", "guid": f"https://x/?utm_campaign={KEY}", "t": [KEY]}
    faulty = (503, {"error": f"wskey={KEY}", "message": KEY}, {})
    with client(Script(faulty, GOOD | {"items": [item]})) as (asking, _):
        page = asking.search_page(WINDOW)
    assert KEY not in repr(page)
    assert KEY not in repr(vars(asking)["_settings"])
    assert KEY not in caplog.text
    assert "server busy" in caplog.text


def test_records_are_found_gone_and_merged() -> None:
    script = Script(
        {"success": True, "object": {"about": "/1/new"}},
        (404, {"error": "Invalid record identifier"}, {}),
        (410, {}, {}),
    )
    with client(script) as (asking, _):
        assert asking.record("/1/old") == {"about": "/1/new"}
        assert asking.record("/1/b") == Gone("/1/b", 404)
        assert asking.record("/1/c") == Gone("/1/c", 410)
    assert script.asked[0][0] == "/record/v2/1/old.json"


OWN_401 = {"success": False, "error": "Unauthorized", "code": "invalid_apikey"}


@pytest.mark.parametrize(("name", "text"), documents("errors/*.json", **{"401_own.json": OWN_401}))
def test_bodies_of_errors(name: str, text: str) -> None:
    status = 404 if name.startswith("record") else int(name[:3])
    expected: dict[int, type[Exception]] = {401: KeyRefusedError, 429: TransientError}
    with client(Script((status, text.encode(), {"RateLimit": '"personal";r=0;t=99999'}))) as (asking, _):
        if status == 404:
            assert isinstance(asking.record("/99999/does_not_exist"), Gone)
        else:
            with pytest.raises(expected[status], match=str(status if status != 429 else "429_limit_personal")):
                asking.record("/1/a")


OWN_PAGE = GOOD | {"items": [{"id": f"/1/{n}"} for n in range(27)], "itemsCount": 27, "totalResults": 27}


@pytest.mark.parametrize(
    ("name", "text"), documents("search/openverse_page*.json", own=OWN_PAGE | {"nextCursor": "test_next_cursor"})
)
def test_a_whole_page(name: str, text: str) -> None:
    with client(Script((200, text.encode(), {}))) as (asking, _):
        page = asking.search_page(WINDOW)
    assert (len(page.items), page.total, page.next_cursor) == (27, 27, "test_next_cursor")


def test_requests_keep_their_distance() -> None:
    now = [100.0]
    with serving(Script(GOOD | {"items": [], "itemsCount": 0})) as url:
        settings = EuropeanaSettings(api_url=url, api_key=KEY, min_interval_s=0.5)
        pauses: list[float] = []
        with EuropeanaClient(settings, sleep=pauses.append, clock=lambda: now[0]) as asking:
            asking.count(WINDOW)
            now[0] += 0.2
            asking.count(WINDOW)
    assert pauses == [pytest.approx(0.3)]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reusability": "opne"}, "reusability = 'opne'"),
        ({"filters": ["IMAGE_SIZE:enormous"]}, "IMAGE_SIZE is one of"),
        ({"filters": ["TYPE:(IMAGE OR PAINTING)"]}, "TYPE is one of"),
        ({"filters": ["IMAGE"]}, "not of the form"),
    ],
)
def test_values_that_europeana_would_ignore_are_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        check_query(EuropeanaSettings(**changes))


def test_good_filters_pass() -> None:
    filters = ["TYPE:IMAGE", "IMAGE_SIZE:(large OR extra_large)", "contentTier:(3 OR 4)", 'COUNTRY:"Spain"']
    check_query(EuropeanaSettings(filters=filters, reusability="open,restricted"))


def test_there_is_no_client_without_a_key() -> None:
    with pytest.raises(KeyRefusedError, match="no Europeana API key"):
        EuropeanaClient(EuropeanaSettings())
