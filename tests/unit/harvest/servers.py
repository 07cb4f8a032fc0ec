"""Small web servers that misbehave in one chosen way, and the documents that they and the parsers are given."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.reference import reference_files

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Answer each GET with ``answer``; yield the server's address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # the client hung up, as many of these tests want it to

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    *,
    status: int = 200,
    length: int | None = -1,
    **headers: str,
) -> None:
    """Send an answer; ``length`` is announced instead of the true one, None announces nothing."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    if length is not None:
        handler.send_header("Content-Length", str(len(body) if length == -1 else length))
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body)


def documents(pattern: str, **own: Any) -> list[Any]:
    """Return parameters (name, text): our own documents by name, then the reference files, where there are some."""
    texts = {name: json.dumps(document) for name, document in own.items()}
    texts |= {path.name: path.read_text() for path in reference_files(f"contracts/europeana/{pattern}")}
    return [pytest.param(name, text, id=name) for name, text in texts.items()]
