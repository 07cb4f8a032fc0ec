"""Bring the store's tables up to date."""

from __future__ import annotations

from sgob_tasks.config import Settings
from sgob_tasks.store.engine import migrate as migrate_tables
from sgob_tasks.store.engine import open_store


def migrate(settings: Settings) -> dict[str, str]:
    """Run the migrations that are missing."""
    migrate_tables(open_store(settings, new=True))
    return {"store": "up to date"}
