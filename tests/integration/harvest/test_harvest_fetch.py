"""Fetching pictures from a stand-in's provider, with everything that goes wrong there."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.config import MediaSettings
from sgob_tasks.errors import PermanentError, TransientError
from sgob_tasks.harvest.fetch import HOST_PAUSED, MediaCounts, fetch_media
from sgob_tasks.harvest.ingest import harvest, store_items
from sgob_tasks.harvest.media import INCOMING, media_path
from sgob_tasks.harvest.windows import FIRST_UPDATE
from sgob_tasks.store.records import exclusive
from sgob_tasks.store.tables import media, records
from tests.integration.harvest.conftest import PDM, StandIn
from tests.unit.harvest.servers import send, serving
from tests.unit.harvest.test_harvest_picture import picture_bytes

pytestmark = pytest.mark.integration

NOW = datetime.now(timezone.utc)
LIMITS = MediaSettings(allow_private_addresses=True, timeout_s=5.0, max_bytes=1_000_000, max_pixels=10**6)


def limits(**changes: Any) -> MediaSettings:
    return LIMITS.model_copy(update=changes)


def harvested(engine: sa.Engine, stand_in: StandIn) -> None:
    with stand_in.client() as client:
        harvest(engine, client, FIRST_UPDATE, NOW, stand_in.settings())


def pictures_at(engine: sa.Engine, *urls: str) -> None:
    """Store a record for each address."""
    items = [{"id": f"/1/r{number:03d}", "rights": [PDM], "edmIsShownBy": [url]} for number, url in enumerate(urls)]
    with engine.begin() as connection:
        assert store_items(connection, tuple(items)).new == len(urls)


def rows(engine: sa.Engine) -> dict[str, dict[str, Any]]:
    with engine.connect() as connection:
        found = connection.execute(sa.select(media).order_by(media.c.record_id)).mappings()
        return {row["record_id"]: dict(row) for row in found}


def files(media_dir: Path) -> list[Path]:
    return sorted(path for path in media_dir.rglob("*") if path.is_file())


FAULTS: dict[str | None, tuple[str, str | None]] = {
    None: ("fetched", None),
    "octet_stream": ("fetched", None),
    "redirect": ("fetched", None),
    "missing": ("failed", "http 404"),
    "forbidden": ("failed", "http 403"),
    "flaky": ("failed", "http 503"),
    "html": ("failed", "web page instead of a picture"),
    "truncated": ("failed", "cut short"),
    "cut": ("failed", "cut short"),
    "slow": ("failed", "timeout"),
    "redirect_loop": ("failed", "too many redirects"),
    "not_image": ("refused", "not an image"),
    "huge": ("refused", "too many bytes"),
    "huge_undeclared": ("refused", "too many bytes"),
    "bomb": ("refused", "too many pixels"),
    "redirect_private": ("refused", "private address"),
}


def test_every_fault_of_a_provider_has_its_outcome(
    store: sa.Engine, collection: Callable[..., StandIn], tmp_path: Path
) -> None:
    stand_in = collection(*({"fault": fault} for fault in FAULTS))
    harvested(store, stand_in)
    counts = fetch_media(store, limits(timeout_s=2.0), tmp_path / "media", now=NOW)
    outcomes = {fault: (row["state"], row["reason"]) for fault, row in zip(FAULTS, rows(store).values(), strict=True)}
    assert outcomes == FAULTS
    expected = Counter(FAULTS.values())
    assert counts.fetched == 3
    assert counts.failed == {reason: n for (state, reason), n in expected.items() if state == "failed"}
    assert counts.refused == {reason: n for (state, reason), n in expected.items() if state == "refused"}
    good = rows(store)["/7/p00"]
    original = (tmp_path / "picture_00.jpg").read_bytes()
    assert good["sha256"] == hashlib.sha256(original).hexdigest()
    assert (good["width"], good["height"], good["mime_type"], good["bytes"]) == (120, 90, "image/jpeg", len(original))
    assert media_path(tmp_path / "media", good["sha256"]).read_bytes() == original
    assert len(files(tmp_path / "media")) == 3
    # at once again: everything is either there, refused, or not due
    before = rows(store)
    assert fetch_media(store, LIMITS, tmp_path / "media", now=NOW) == MediaCounts()
    assert rows(store) == before


def test_failures_come_again_on_later_nights_and_end_one_day(
    store: sa.Engine, collection: Callable[..., StandIn], tmp_path: Path
) -> None:
    harvested(store, collection({"fault": "flaky"}, {"fault": "missing"}))
    night = NOW
    outcomes = []
    for _ in range(8):
        fetch_media(store, limits(max_attempts=4), tmp_path, now=night)
        outcomes.append([(row["state"], row["attempts"]) for row in rows(store).values()])
        night += timedelta(days=1)
    assert outcomes[0] == [("failed", 1), ("failed", 1)]
    assert outcomes[1] == [("failed", 2), ("failed", 2)]
    assert outcomes[2] == outcomes[1]  # 44 hours after the second failure
    assert outcomes[3] == [("fetched", 3), ("failed", 3)]
    assert outcomes[7] == [("fetched", 3), ("failed", 4)]
    assert rows(store)["/7/p01"]["next_attempt_at"] is None
    assert fetch_media(store, limits(max_attempts=4), tmp_path, now=NOW + timedelta(days=999)) == MediaCounts()


def test_only_the_present_picture_of_an_active_record_is_fetched(
    store: sa.Engine, collection: Callable[..., StandIn], tmp_path: Path
) -> None:
    harvested(store, collection({}, {}, {}))
    with store.begin() as connection:
        connection.execute(sa.update(records).where(records.c.id == "/7/p00").values(state="gone"))
        connection.execute(sa.update(records).where(records.c.id == "/7/p01").values(image_url="http://elsewhere/"))
    assert fetch_media(store, LIMITS, tmp_path, now=NOW).fetched == 1
    assert [row["state"] for row in rows(store).values()] == ["pending", "pending", "fetched"]


def test_a_limit_is_kept(store: sa.Engine, collection: Callable[..., StandIn], tmp_path: Path) -> None:
    harvested(store, collection({}, {}, {}))
    assert fetch_media(store, LIMITS, tmp_path, limit=2, now=NOW).fetched == 2
    assert fetch_media(store, LIMITS, tmp_path, limit=2, now=NOW).fetched == 1
    assert fetch_media(store, LIMITS, tmp_path, limit=0, now=NOW) == MediaCounts()


def test_private_addresses_are_refused_by_default(
    store: sa.Engine, collection: Callable[..., StandIn], tmp_path: Path
) -> None:
    harvested(store, collection({}))
    counts = fetch_media(store, limits(allow_private_addresses=False), tmp_path, now=NOW)
    assert counts.refused == {"private address": 1}


def test_no_host_is_asked_more_at_once_than_agreed(store: sa.Engine, tmp_path: Path) -> None:
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    lock = threading.Lock()
    picture = picture_bytes()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        host = handler.headers["Host"]
        if handler.path.startswith("/moved"):
            send(handler, b"", status=302, Location=f"http://localhost:{host.rsplit(':', 1)[1]}/there")
            return
        with lock:
            now[host] += 1
            most[host] = max(most[host], now[host])
        time.sleep(0.05)
        with lock:
            now[host] -= 1
        send(handler, picture)

    with serving(answer) as url, serving(answer) as other:
        local = url.replace("127.0.0.1", "localhost")
        addresses = [f"{local}/{n}" for n in range(8)] + [f"{url}/moved/{n}" for n in range(8)]
        pictures_at(store, *addresses, *(f"{other}/{n}" for n in range(4)))
        counts = fetch_media(store, limits(per_host=2, workers=6), tmp_path, now=NOW)
    assert counts.fetched == 20
    assert max(most.values()) == 2  # the eight that moved to localhost wait in its queue, too
    assert sum(most.values()) > 2
    assert len(files(tmp_path)) == 1  # the same bytes, stored once


def test_a_host_in_trouble_is_left_alone_and_the_others_go_on(store: sa.Engine, tmp_path: Path) -> None:
    asked: Counter[str] = Counter()
    picture = picture_bytes()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        host = handler.headers["Host"].split(":")[0]
        asked[host] += 1
        send(handler, picture, status=200 if host == "localhost" else 503)

    with serving(answer) as url:
        bad = [f"{url}/{n}" for n in range(40)]
        good = [f"{url.replace('127.0.0.1', 'localhost')}/{n}" for n in range(10)]
        pictures_at(store, *bad, *good)
        counts = fetch_media(store, limits(per_host=2, workers=4), tmp_path, now=NOW)
    assert counts.fetched == 10
    assert asked["127.0.0.1"] == counts.failed["http 503"]
    assert 5 <= asked["127.0.0.1"] <= 6
    assert counts.skipped == {HOST_PAUSED: 40 - asked["127.0.0.1"]}
    states = Counter(row["state"] for row in rows(store).values())
    assert states == {"fetched": 10, "failed": asked["127.0.0.1"], "pending": counts.skipped[HOST_PAUSED]}


def test_two_fetches_at_once_are_one_too_many(store: sa.Engine, tmp_path: Path) -> None:
    with exclusive(store, "fetch of pictures"), pytest.raises(TransientError, match="another fetch of pictures"):
        fetch_media(store, LIMITS, tmp_path)


def test_a_full_disk_is_not_the_pictures_fault(
    store: sa.Engine, collection: Callable[..., StandIn], tmp_path: Path
) -> None:
    harvested(store, collection({}, {}))
    blocked = tmp_path / "media"
    blocked.mkdir()
    (blocked / INCOMING).write_text("in the way")
    with pytest.raises(PermanentError, match="cannot be written"):
        fetch_media(store, LIMITS, blocked, now=NOW)
    assert [row["state"] for row in rows(store).values()] == ["pending", "pending"]
    (blocked / INCOMING).unlink()
    assert fetch_media(store, LIMITS, blocked, now=NOW).fetched == 2
