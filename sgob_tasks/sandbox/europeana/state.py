"""What the stand-in remembers across restarts: one SQLite file in its state folder."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS item_state (
    record_id TEXT PRIMARY KEY, deleted INTEGER NOT NULL DEFAULT 0, updated TEXT, redirect TEXT
);
CREATE TABLE IF NOT EXISTS annotations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document TEXT NOT NULL, owner TEXT NOT NULL, generated TEXT NOT NULL, modified TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0, visible_from REAL
);
CREATE TABLE IF NOT EXISTS annotation_keys (annotation_id INTEGER NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ix_annotation_keys ON annotation_keys (kind, value);
CREATE TABLE IF NOT EXISTS reports (
    annotation_id INTEGER NOT NULL, user TEXT NOT NULL, PRIMARY KEY (annotation_id, user)
);
"""


@dataclass(frozen=True)
class ItemState:
    """How a record differs from what the collection says.

    Attributes:
        deleted: the record is gone.
        updated: a later ``timestamp_update``, when the record was touched.
        redirect: id of the record this one was merged into.
    """

    deleted: bool = False
    updated: datetime | None = None
    redirect: str | None = None


class State:
    """The SQLite file. All access goes through one connection and one lock: the stand-in has one process."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(directory / "europeana.sqlite3", check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)
        with self.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('token_secret', ?)", (secrets.token_hex(32),))
        self.items: dict[str, ItemState] = {}
        self.version = 0
        self._load_items()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection, commit at the end, roll back on an error."""
        with self._lock, self._connection:
            yield self._connection

    @property
    def token_secret(self) -> bytes:
        """Key that signs access tokens; the same after a restart."""
        with self.transaction() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = 'token_secret'").fetchone()
        return bytes.fromhex(row["value"])

    def _load_items(self) -> None:
        with self.transaction() as connection:
            rows = connection.execute("SELECT * FROM item_state").fetchall()
        self.items = {
            row["record_id"]: ItemState(
                bool(row["deleted"]),
                datetime.fromisoformat(row["updated"]) if row["updated"] else None,
                row["redirect"],
            )
            for row in rows
        }
        self.version += 1

    def set_item(self, record_id: str, state: ItemState) -> None:
        """Remember a record's deletion, touch or redirect."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO item_state VALUES (?, ?, ?, ?)",
                (
                    record_id,
                    int(state.deleted),
                    state.updated.isoformat() if state.updated else None,
                    state.redirect,
                ),
            )
        self._load_items()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
