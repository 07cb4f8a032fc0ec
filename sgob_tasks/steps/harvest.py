"""Harvest records, fetch their pictures, find out which records have gone."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from sgob_tasks.config import Settings
from sgob_tasks.errors import InputError
from sgob_tasks.harvest.client import EuropeanaClient
from sgob_tasks.harvest.fetch import fetch_media
from sgob_tasks.harvest.ingest import harvest as harvest_window
from sgob_tasks.harvest.ingest import next_window
from sgob_tasks.harvest.recheck import recheck
from sgob_tasks.store.engine import open_store


def _time(field: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError("parameters", field, text, f"is not an ISO 8601 time: {error}") from error
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def harvest(settings: Settings, window_from: str | None = None, window_to: str | None = None) -> dict[str, Any]:
    """Harvest what Europeana changed in a window; by default since the last harvest.

    Args:
        settings: the installation's.
        window_from: ISO 8601 time (UTC where it has no zone); a window that is given is read even if it was before.
        window_to: likewise; now by default.

    Raises:
        PermanentError: the API key or the query is refused, or a time cannot be read.
    """
    engine = open_store(settings)
    window = next_window(engine, settings.europeana, _time("window_to", window_to))
    start = _time("window_from", window_from)
    with EuropeanaClient(settings.europeana) as client:
        counts = harvest_window(
            engine, client, start or window.start, window.end, settings.europeana, again=start is not None
        )
    return asdict(counts)


def fetch_pictures(settings: Settings, limit: int | None = None) -> dict[str, Any]:
    """Fetch the pictures that are due: new ones, and failed ones whose time has come again."""
    counts = fetch_media(
        open_store(settings), settings.media, settings.media_dir, limit, user_agent=settings.europeana.user_agent
    )
    return asdict(counts)


def recheck_records(settings: Settings, limit: int = 500) -> dict[str, Any]:
    """Ask again for the records that were checked longest ago: Europeana does not announce deletions."""
    if limit <= 0:
        return {}
    with EuropeanaClient(settings.europeana) as client:
        return asdict(recheck(open_store(settings), client, limit))
