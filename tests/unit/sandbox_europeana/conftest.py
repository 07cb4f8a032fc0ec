from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
import requests
from PIL import Image

from sgob_tasks.sandbox.europeana.config import StandInConfig
from sgob_tasks.sandbox.europeana.items import Item, ListSource
from sgob_tasks.sandbox.europeana.server import serving
from tests.unit.sandbox_europeana.standin_client import Api

FAULTS = (
    *("missing", "forbidden", "html", "not_image", "truncated", "cut", "huge", "huge_undeclared", "bomb"),
    *("redirect", "redirect_loop", "redirect_private", "octet_stream", "flaky"),
)


def make_items(folder: Path) -> list[Item]:
    Image.new("RGB", (640, 480), (200, 30, 30)).save(folder / "a.jpg")
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def item(number: int, local: str, **changes: object) -> Item:
        given: dict[str, object] = {
            "record_id": f"/2021/{local}",
            "title": f"Saint George {number}",
            "creator": "Paolo Uccello",
            "date_text": "1470",
            "description": "The saint kills the dragon.",
            "language": "en",
            "rights": "http://creativecommons.org/publicdomain/mark/1.0/",
            "updated": start.replace(hour=number),
            "path": folder / "a.jpg",
        }
        return Item(**(given | changes))  # type: ignore[arg-type]  # keyword arguments of a test

    items = [item(n, f"item_{n:02d}") for n in range(5)]
    items.append(item(5, "item_05", rights="http://rightsstatements.org/vocab/InC/1.0/"))
    items.append(item(6, "item_06", rights="http://creativecommons.org/licenses/by-nc/4.0/", title="A horse"))
    items.append(item(7, "item_07", extra={"contentTier": "1", "country": "Spain"}))
    items.append(item(8, "item_08", description="", extra={"type": "TEXT"}))
    items += [item(10, f"x_{fault}", fault=fault, extra={"contentTier": "0"}) for fault in FAULTS]
    return items


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> StandInConfig:
    return StandInConfig(state=tmp_path_factory.mktemp("state"), base_url="", api_key="the-key")


@pytest.fixture(scope="module")
def base_url(config: StandInConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(config, ListSource(make_items(tmp_path_factory.mktemp("pictures")))) as url:
        yield url


@pytest.fixture
def api(base_url: str, config: StandInConfig) -> Iterator[Api]:
    with requests.Session() as session:
        requests.post(f"{base_url}/_control/reset", timeout=10).raise_for_status()
        yield Api(base_url, config, session)
