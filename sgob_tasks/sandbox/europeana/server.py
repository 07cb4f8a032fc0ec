"""Runs the stand-in in a thread of this process, on a real socket: for tests and benchmarks."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from sgob_tasks.sandbox.europeana.app import create_app
from sgob_tasks.sandbox.europeana.config import StandInConfig
from sgob_tasks.sandbox.europeana.items import Source

_START_TIMEOUT_S = 20.0


@contextmanager
def serving(config: StandInConfig, source: Source | None = None) -> Iterator[str]:
    """Serve while the context is open; yield the base URL.

    Args:
        config: how it is run; its ``base_url`` is replaced by the address that is really used.
        source: the records; by default what ``config`` names.

    Raises:
        TimeoutError: the server did not come up.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(dataclasses.replace(config, base_url=base_url), source)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not server.started:
            if time.monotonic() > deadline:
                raise TimeoutError("the stand-in did not start")
            time.sleep(0.01)
        try:
            yield base_url
        finally:
            server.should_exit = True
            thread.join(_START_TIMEOUT_S)
