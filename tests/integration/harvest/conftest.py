"""A running stand-in Europeana for the tests of the harvest."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.harvest.client import EuropeanaClient
from sgob_tasks.sandbox.europeana.config import StandInConfig
from sgob_tasks.sandbox.europeana.items import Item, ListSource, Source, SyntheticSource
from sgob_tasks.sandbox.europeana.server import serving

KEY = "key-of-the-test"
PDM = "http://creativecommons.org/publicdomain/mark/1.0/"


@dataclass(frozen=True)
class StandIn:
    """A stand-in at ``url``."""

    url: str

    def control(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """Call the control interface."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_control/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text else None

    def settings(self, **changes: Any) -> EuropeanaSettings:
        """Return settings that lead here."""
        values = {"api_url": self.url, "api_key": SecretStr(KEY), "filters": ["TYPE:IMAGE"], "min_interval_s": 0.0}
        return EuropeanaSettings(**(values | changes))

    def client(self, **changes: Any) -> EuropeanaClient:
        """Return a client that leads here and does not really wait."""
        return EuropeanaClient(self.settings(**changes), sleep=lambda _: None)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Source], StandIn]]:
    """Start a stand-in that serves the records of a source."""
    with ExitStack() as stack:

        def start(source: Source) -> StandIn:
            state = tmp_path / "state"
            state.mkdir()
            return StandIn(stack.enter_context(serving(StandInConfig(state, "", KEY), source)))

        yield start


@pytest.fixture
def synthetic(serve: Callable[[Source], StandIn]) -> Callable[[int], StandIn]:
    """Start a stand-in with so many synthetic records, updated one a second from the first instant of 2026."""
    return lambda records: serve(SyntheticSource(records))


@pytest.fixture
def collection(tmp_path: Path, serve: Callable[[Source], StandIn]) -> Callable[..., StandIn]:
    """Start a stand-in with a record for each dictionary of changes: /7/p00, /7/p01, ..., each with a picture."""

    def start(*changes: dict[str, Any]) -> StandIn:
        items = []
        for number, change in enumerate(changes):
            path = tmp_path / f"picture_{number:02d}.jpg"
            noise = random.Random(number).randbytes(120 * 90 * 3)
            Image.frombytes("RGB", (120, 90), noise).save(path, "JPEG", quality=90)
            values = {
                "record_id": f"/7/p{number:02d}",
                "title": f"Picture {number}",
                "creator": "A painter",
                "date_text": "1500",
                "description": "A knight on a horse.",
                "language": "en",
                "rights": PDM,
                "updated": datetime(2026, 1, 1, 12, tzinfo=timezone.utc),
                "path": path,
            }
            items.append(Item(**(values | change)))
        return serve(ListSource(items))

    return start
