"""The client against the stand-in on a real socket, and against answers that the stand-in does not give."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from sgob_tasks.annotations.client import (
    AccessError,
    AnnotationClient,
    DuplicateError,
    NotFoundError,
    RefusedError,
    retry_after_s,
)
from sgob_tasks.annotations.model import description, object_tag
from sgob_tasks.annotations.token import Credentials, TokenSource
from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.errors import AmbiguousError, PermanentError, TransientError
from sgob_tasks.sandbox.europeana.config import StandInConfig
from sgob_tasks.sandbox.europeana.items import ListSource
from sgob_tasks.sandbox.europeana.server import serving

CONFIG = StandInConfig(
    state=Path(),
    base_url="",
    api_key="key-SECRET1",
    client_secret="client-SECRET2",
    password="password-SECRET3",
)
TOKEN_PATH = "/auth/realms/europeana/protocol/openid-connect/token"


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(replace(CONFIG, state=tmp_path_factory.mktemp("state")), ListSource([])) as url:
        yield url


@pytest.fixture
def client(base_url: str) -> AnnotationClient:
    requests.post(f"{base_url}/_control/reset", timeout=10).raise_for_status()
    requests.delete(f"{base_url}/_control/annotations", timeout=10).raise_for_status()
    return make_client(base_url)


def settings(base_url: str, **changes: Any) -> EuropeanaSettings:
    given = {
        "api_url": base_url,
        "api_key": CONFIG.api_key,
        "token_url": base_url + TOKEN_PATH,
        "client_id": CONFIG.client_id,
        "client_secret": CONFIG.client_secret,
        "username": CONFIG.username,
        "password": CONFIG.password,
        "min_interval_s": 0,
        "timeout_s": 5,
    }
    return EuropeanaSettings(**(given | changes))


def make_client(base_url: str, **changes: Any) -> AnnotationClient:
    return AnnotationClient.from_settings(settings(base_url, **changes))


def tag(record: str = "/1/a", concept: str = "Q726") -> dict[str, Any]:
    return object_tag(record, f"http://www.wikidata.org/entity/{concept}", "https://museum.example/a.jpg", (1, 2, 3, 4))


def order(base_url: str, **fault: Any) -> None:
    requests.post(f"{base_url}/_control/faults", json=fault, timeout=10).raise_for_status()


def stored_count(base_url: str) -> int:
    return int(requests.get(f"{base_url}/_control/stats", timeout=10).json()["annotations"]["stored"])


def test_create_get_search_delete(client: AnnotationClient) -> None:
    stored = client.create(tag())
    assert stored.etag
    assert client.get(stored.uri).document == stored.document == client.get(stored.number).document
    assert stored.document["creator"]["id"] == client.own_creator()
    assert stored.document["target"]["source"] == "https://museum.example/a.jpg#xywh=1,2,3,4"
    assert [found["id"] for found in client.search("/1/a")] == [stored.uri]
    assert client.search("/1/b") == []
    client.delete(stored.uri)
    with pytest.raises(NotFoundError, match="410"):
        client.get(stored.uri)
    with pytest.raises(NotFoundError, match="404"):
        client.get("987654")


def test_search_reads_all_pages(client: AnnotationClient) -> None:
    for number in range(103):
        client.create(description("/1/many", f"Sentence {number}.", "en"))
    assert len({found["id"] for found in client.search("/1/many")}) == 103


def test_duplicates_name_what_is_there(client: AnnotationClient) -> None:
    first = client.create(tag())
    with pytest.raises(DuplicateError) as caught:
        client.create(tag())
    assert caught.value.ids == (first.number,)


def test_refusals_have_the_reason(client: AnnotationClient) -> None:
    with pytest.raises(RefusedError, match=r"HTTP 400: Missing mandatory field! tag.body.language") as caught:
        client.create(description("/1/a", "A knight.", ""))
    assert not isinstance(caught.value, DuplicateError)


@pytest.mark.parametrize(
    ("fault", "error", "stored"),
    [
        ({"kind": "status", "status": 429, "retry_after_s": 9}, TransientError, 0),
        ({"kind": "status", "status": 423}, TransientError, 0),
        ({"kind": "status", "status": 503}, TransientError, 0),
        ({"kind": "status", "status": 500}, AmbiguousError, 0),
        ({"kind": "status", "status": 502}, AmbiguousError, 0),
        ({"kind": "status_after", "status": 504}, AmbiguousError, 1),
        ({"kind": "cut"}, AmbiguousError, 0),
        ({"kind": "cut_after"}, AmbiguousError, 1),
        ({"kind": "cut_body"}, AmbiguousError, 1),
        ({"kind": "delay_after", "delay_s": 1.0}, AmbiguousError, 1),
        ({"kind": "status", "status": 403}, AccessError, 0),
        ({"kind": "status", "status": 415}, RefusedError, 0),
    ],
)
def test_failures_of_a_write(
    client: AnnotationClient, base_url: str, fault: dict[str, Any], error: type[Exception], stored: int
) -> None:
    hasty = make_client(base_url, timeout_s=0.5)
    hasty.own_creator()  # a token is there before the fault
    order(base_url, path="/annotation/", method="POST", **fault)
    with pytest.raises(error) as caught:
        hasty.create(tag())
    assert stored_count(base_url) == stored
    if isinstance(caught.value, TransientError) and fault["status"] == 429:
        assert caught.value.retry_after_s == 9


@pytest.mark.parametrize("kind", ["cut", "cut_body"])
def test_a_read_that_is_cut_off_may_be_repeated(client: AnnotationClient, base_url: str, kind: str) -> None:
    stored = client.create(tag())
    order(base_url, path="/annotation/", method="GET", kind=kind)
    with pytest.raises(TransientError):
        client.get(stored.uri)


def test_no_connection_means_nothing_was_sent(base_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    client = make_client(base_url, api_url=f"http://127.0.0.1:{port}")
    with pytest.raises(TransientError, match="ConnectionError"):
        client.create(tag())


def test_a_connection_that_is_accepted_and_dropped_is_ambiguous(base_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept_and_drop() -> None:
            connection, _ = listener.accept()
            connection.recv(10)
            connection.close()

        thread = threading.Thread(target=accept_and_drop)
        thread.start()
        client = make_client(base_url, api_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(AmbiguousError, match="after the call was sent"):
            client.create(tag())
        thread.join()


def test_an_expired_token_is_renewed_once(client: AnnotationClient, base_url: str) -> None:
    client.create(tag("/1/a"))
    order(base_url, path="/annotation/", method="POST", kind="status", status=401)
    client.create(tag("/1/b"))
    order(base_url, path="/annotation/", method="POST", kind="status", status=401, count=2)
    with pytest.raises(AccessError, match="401"):
        client.create(tag("/1/c"))
    assert stored_count(base_url) == 2


def test_the_token_is_refreshed_at_four_fifths_of_its_life(base_url: str) -> None:
    requests.post(f"{base_url}/_control/reset", timeout=10).raise_for_status()
    now = [0.0]
    credentials = Credentials(CONFIG.client_id, CONFIG.client_secret, CONFIG.username, CONFIG.password)
    source = TokenSource(base_url + TOKEN_PATH, credentials, clock=lambda: now[0])

    def calls() -> int:
        counted = requests.get(f"{base_url}/_control/stats", timeout=10).json()["calls"]
        return int(counted.get("POST /auth", 0))

    first = source.token()
    now[0] = 239.0
    assert source.token() == first
    assert calls() == 1
    now[0] = 241.0
    assert source.token() != first
    now[0] = 10_000.0  # the refresh token is too old as well: back to the password
    assert source.token()
    assert calls() == 3


def test_wrong_credentials_and_a_busy_token_endpoint(base_url: str) -> None:
    with pytest.raises(AccessError, match="invalid_grant"):
        make_client(base_url, password="wrong-SECRET4").create(tag())
    order(base_url, path="/auth/", kind="status", status=503)
    with pytest.raises(TransientError, match="503"):
        make_client(base_url).create(tag())
    with pytest.raises(AccessError, match="401"):
        make_client(base_url, api_key="wrong").search("/1/a")


def test_no_secret_in_errors_logs_or_representations(base_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts = []
    for changes in ({"password": "wrong-SECRET4"}, {"client_secret": "wrong-SECRET5"}, {"api_key": "wrong-SECRET6"}):
        client = make_client(base_url, **changes)
        for call in (lambda c=client: c.create(tag("/1/s")), lambda c=client: c.search("/1/s")):
            try:
                call()
            except (PermanentError, TransientError) as error:
                texts += [str(error), repr(error)]
    credentials = Credentials("id", "a-SECRET7", "user", "b-SECRET8")
    assert len(texts) >= 4
    assert "SECRET" not in " ".join([*texts, caplog.text, repr(credentials)])


def test_calls_are_a_pause_apart(base_url: str) -> None:
    now, pauses = [0.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    credentials = Credentials(CONFIG.client_id, CONFIG.client_secret, CONFIG.username, CONFIG.password)
    tokens = TokenSource(base_url + TOKEN_PATH, credentials)
    client = AnnotationClient(base_url, CONFIG.api_key, tokens, min_interval_s=0.5, sleep=sleep, clock=lambda: now[0])
    for _ in range(3):
        client.search("/1/a")
    assert pauses == [0.5, 0.5]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("<html>", 201, AmbiguousError),
        ('{"success": false, "error": "odd"}', 200, AmbiguousError),
        ("{}", 201, AmbiguousError),
        ("[]", 201, AmbiguousError),
        ("", 301, RefusedError),
        ('{"error": "Found duplicate annotations with the ids: 12,34"}', 400, DuplicateError),
        ('{"error": "duplicate"}', 400, RefusedError),
    ],
)
@responses.activate
def test_odd_answers_to_a_write(body: str, status: int, error: type[Exception]) -> None:
    responses.post("http://anno.example/token", json={"access_token": "opaque", "expires_in": 60})
    responses.post("http://anno.example/annotation/", body=body, status=status)
    client = make_client("http://anno.example", token_url="http://anno.example/token")
    with pytest.raises(error) as caught:
        client.create(tag())
    if isinstance(caught.value, DuplicateError):
        assert caught.value.ids == ("12", "34")
    assert client.own_creator() is None  # an opaque token does not say who we are


@responses.activate
def test_search_takes_both_names_of_the_collection() -> None:
    items = [{"id": f"http://data.europeana.eu/annotation/{n}"} for n in range(3)]
    for name in ("partOf", "isPartOf"):
        responses.get("http://anno.example/annotation/search", json={name: {"total": 3}, "items": items})
        assert len(make_client("http://anno.example").search("/1/a")) == 3
        responses.reset()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"RateLimit": '"personal";r=0;t=1234'}, 1234),
        ({"RateLimit": '"t";r=5; t=7'}, 7),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers) == expected
