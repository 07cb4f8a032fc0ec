from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from sgob_tasks.config import MediaSettings
from sgob_tasks.errors import PermanentError
from sgob_tasks.harvest import transfer
from sgob_tasks.harvest.breaker import HostBreaker
from sgob_tasks.harvest.fetch import pause_after
from sgob_tasks.harvest.media import INCOMING, Incoming, media_path, remove_stale
from sgob_tasks.harvest.transfer import Failed, Moved, Outcome, Refused, Stored, fetch_once
from tests.unit.harvest.servers import Answer, send, serving
from tests.unit.harvest.test_harvest_picture import bomb, picture_bytes

LIMITS = {"allow_private_addresses": True, "timeout_s": 5.0, "max_bytes": 200_000, "max_pixels": 10**6}
JPEG = picture_bytes()


def fetch(tmp_path: Path, answer: Answer, path: str = "/full.jpg", **limits: Any) -> Outcome:
    with serving(answer) as url:
        outcome = fetch_once(url + path, MediaSettings(**(LIMITS | limits)), tmp_path, "test/1.0 (us@example.org)")
    assert list((tmp_path / INCOMING).glob("*")) == []  # nothing half-written is left
    return outcome


def answering(body: bytes, **how: Any) -> Answer:
    return lambda handler: send(handler, body, **how)


def test_a_picture_is_stored_under_its_hash(tmp_path: Path) -> None:
    asked: list[BaseHTTPRequestHandler] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler)
        send(handler, JPEG, Content_Type="application/octet-stream")

    outcome = fetch(tmp_path, answer, "/a b.jpg?x=ü")
    sha256 = hashlib.sha256(JPEG).hexdigest()
    assert outcome == Stored(sha256, "image/jpeg", len(JPEG), 80, 60)
    path = media_path(tmp_path, sha256)
    assert path == tmp_path / sha256[:2] / sha256
    assert path.read_bytes() == JPEG
    assert asked[0].path == "/a%20b.jpg?x=%C3%BC"
    assert asked[0].headers["User-Agent"] == "test/1.0 (us@example.org)"
    before = path.stat().st_size
    assert fetch(tmp_path, answer) == outcome  # again: the same
    assert path.stat().st_size == before


@pytest.mark.parametrize("length", [-1, None])
def test_the_length_need_not_be_announced(tmp_path: Path, length: int | None) -> None:
    assert isinstance(fetch(tmp_path, answering(JPEG, length=length)), Stored)


def chunked(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(JPEG), 1000):
        part = JPEG[start : start + 1000]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
    handler.wfile.write(b"0\r\n\r\n")


def chunked_cut(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%s" % (len(JPEG), JPEG[:1500]))


def test_chunks_are_put_together(tmp_path: Path) -> None:
    assert isinstance(fetch(tmp_path, chunked), Stored)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (answering(b"gone", status=404), Failed("http 404")),
        (answering(b"no robots", status=403), Failed("http 403", host_fault=True)),
        (answering(b"", status=503, Retry_After="120"), Failed("http 503", host_fault=True, retry_after_s=120.0)),
        (answering(b"", status=429, Retry_After="soon"), Failed("http 429", host_fault=True)),
        (answering(b"", status=206), Failed("http 206")),
        (answering(b"<!doctype html><p>Please accept cookies"), Failed("web page instead of a picture")),
        (answering(b"<html>" + b" " * 5000, length=10**9), Refused("too many bytes")),
        (answering(b"just text " * 500, Content_Type="image/jpeg"), Refused("not an image")),
        (answering(b""), Failed("empty")),
        (answering(JPEG, length=len(JPEG) + 10), Failed("cut short")),
        (answering(JPEG[: len(JPEG) // 2]), Failed("cut short")),
        (answering(JPEG[: len(JPEG) // 2], length=None), Failed("cut short")),
        (chunked_cut, Failed("cut short")),
        (answering(JPEG + b"\x00" * 200_000, length=None), Refused("too many bytes")),
        (answering(bomb()), Refused("too many pixels")),
        (answering(picture_bytes(size=(8, 8))), Refused("too small")),
        (answering(gzip.compress(JPEG), Content_Encoding="gzip"), Failed("compressed although not asked for")),
        (answering(b"", status=302), Failed("redirect to nowhere")),
        (hang_up, Failed("connection broken", host_fault=True)),
        (
            lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9\r\n") and None,
            Failed("connection broken", host_fault=True),
        ),
    ],
)
def test_what_can_go_wrong_has_a_name(tmp_path: Path, answer: Answer, outcome: Outcome) -> None:
    assert fetch(tmp_path, answer) == outcome


def test_a_web_page_is_not_read_to_its_end(tmp_path: Path) -> None:
    sent = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        send(handler, b"<html>" + b" " * 2000, length=199_000)
        try:
            for _ in range(100):
                time.sleep(0.02)
                handler.wfile.write(b" " * 1000)
                sent.append(1)
        except OSError:
            pass

    assert fetch(tmp_path, answer) == Failed("web page instead of a picture")
    assert len(sent) < 50


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/moved.jpg", "{url}/moved.jpg"),
        ("moved.jpg", "{url}/a/moved.jpg"),
        ("//other.example/x", "http://other.example/x"),
        ("https://other.example/x", "https://other.example/x"),
        ("file:///etc/passwd", "file:///etc/passwd"),
    ],
)
def test_redirects_are_handed_back(tmp_path: Path, location: str, leads_to: str) -> None:
    with serving(answering(b"", status=301, Location=location)) as url:
        outcome = fetch_once(f"{url}/a/b.jpg", MediaSettings(**LIMITS), tmp_path, "test")
    assert outcome == Moved(leads_to.format(url=url))


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    send(handler, JPEG[:1], length=len(JPEG))
    for position in range(1, 500):
        handler.wfile.write(JPEG[position : position + 1])
        time.sleep(0.02)


def drip_body_without_length(handler: BaseHTTPRequestHandler) -> None:
    send(handler, JPEG[:1], length=None)
    for position in range(1, 500):
        handler.wfile.write(JPEG[position : position + 1])
        time.sleep(0.02)


def drip_head(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(500):
        handler.wfile.write(b"x")
        time.sleep(0.02)


def say_nothing(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


@pytest.mark.parametrize("answer", [drip_body, drip_body_without_length, drip_head, say_nothing])
def test_the_whole_transfer_has_a_limit(tmp_path: Path, answer: Answer) -> None:
    began = time.monotonic()
    assert fetch(tmp_path, answer, timeout_s=0.3) == Failed("timeout", host_fault=True)
    assert time.monotonic() - began < 1.5


def test_private_addresses_are_not_asked(tmp_path: Path) -> None:
    asked: list[int] = []
    outcome = fetch(tmp_path, lambda _: asked.append(1), allow_private_addresses=False)
    assert outcome == Refused("private address")
    assert asked == []


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("ftp://m.example/1.jpg", Refused("not a web address")),
        ("http://169.254.169.254/latest/meta-data/", Refused("private address")),
        ("http://does-not-exist.invalid/", Failed("host not found", host_fault=True)),
        ("http://127.0.0.1:1/", Failed("no connection", host_fault=True)),
    ],
)
def test_addresses_that_lead_nowhere(tmp_path: Path, url: str, outcome: Outcome) -> None:
    assert fetch_once(url, MediaSettings(**LIMITS), tmp_path, "test") == outcome


def test_the_name_is_looked_up_once_and_the_connection_goes_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    hosts: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        hosts.append(handler.headers["Host"])
        send(handler, JPEG)

    real = socket.getaddrinfo

    def rebinding(host: str, *arguments: Any, **named: Any) -> Any:
        if host != "museum.example":
            return real(host, *arguments, **named)
        looked_up.append(host)
        inside = "127.0.0.1" if len(looked_up) == 1 else "10.255.255.1"
        return real(inside, *arguments, **named)

    with serving(answer) as url:
        port = url.rsplit(":", 1)[1]
        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        outcome = fetch_once(f"http://museum.example:{port}/1.jpg", MediaSettings(**LIMITS), tmp_path, "test")
    assert isinstance(outcome, Stored)
    assert looked_up == ["museum.example"]
    assert hosts == [f"museum.example:{port}"]


@contextmanager
def tls_server(folder: Path) -> Iterator[tuple[int, Path]]:
    """Serve one picture per connection over TLS as ``museum.example``; yield port and certificate."""
    openssl = shutil.which("openssl")
    assert openssl
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=museum.example", "-addext", "subjectAltName=DNS:museum.example", "-days", "2"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        secure.recv(10_000)
                        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(JPEG) + JPEG)
                except OSError:
                    pass

        threading.Thread(target=run, daemon=True).start()
        yield listening.getsockname()[1], certificate
        listening.shutdown(socket.SHUT_RDWR)


def test_over_tls_the_certificate_must_be_the_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **n: real("127.0.0.1", *a, **n))
    with tls_server(tmp_path) as (port, certificate):
        limits = MediaSettings(**LIMITS)
        unknown = fetch_once(f"https://museum.example:{port}/1", limits, tmp_path, "test")
        monkeypatch.setattr(transfer, "_tls", lambda: ssl.create_default_context(cafile=str(certificate)))
        good = fetch_once(f"https://museum.example:{port}/1", limits, tmp_path, "test")
        other_name = fetch_once(f"https://other.example:{port}/1", limits, tmp_path, "test")
    assert unknown == other_name == Failed("certificate or TLS", host_fault=True)
    assert isinstance(good, Stored)


def test_a_folder_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    blocked = tmp_path / "media"
    blocked.write_text("a file, not a folder")
    with serving(answering(JPEG)) as url, pytest.raises(PermanentError, match="cannot be written"):
        fetch_once(url, MediaSettings(**LIMITS), blocked, "test")


def test_what_killed_runs_have_left_is_removed(tmp_path: Path) -> None:
    with Incoming(tmp_path) as now:
        old = tmp_path / INCOMING / "old"
        old.write_bytes(b"half")
        two_days_ago = time.time() - 2 * 86400
        os.utime(old, (two_days_ago, two_days_ago))
        assert remove_stale(tmp_path) == 1
        assert now.path.exists()
        assert not old.exists()
    assert remove_stale(tmp_path / "not there yet") == 0


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try_again() -> None:
    now = [0.0]
    breaker = HostBreaker(threshold=3, pause_s=60, clock=lambda: now[0])
    steps: list[Callable[[str], None]] = [
        breaker.failure,
        breaker.failure,
        breaker.success,
        breaker.failure,
        breaker.failure,
    ]
    for step in steps:
        step("a")
        assert breaker.allows("a")
    breaker.failure("a")
    assert not breaker.allows("a")
    assert breaker.allows("b")
    now[0] = 60.0
    assert breaker.allows("a")
    breaker.failure("a")
    assert not breaker.allows("a")
    now[0] = 120.0
    breaker.success("a")
    breaker.failure("a")
    assert breaker.allows("a")


def test_pauses_grow_from_the_next_night_on() -> None:
    hours = [pause_after(attempts).total_seconds() / 3600 for attempts in (1, 2, 3, 4)]
    assert hours == [20, 44, 92, 188]
    assert pause_after(1, retry_after_s=100 * 3600).total_seconds() == 100 * 3600
    assert pause_after(1, retry_after_s=1e12).days == 30
