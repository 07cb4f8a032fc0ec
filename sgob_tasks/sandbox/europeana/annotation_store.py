"""Annotations that the stand-in was sent; they survive a restart."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from sgob_tasks.sandbox.europeana.annotation_rules import Accepted
from sgob_tasks.sandbox.europeana.state import State

API_VERSION = "1.0.0-standin"
_RECORDS = "SELECT annotation_id, value FROM annotation_keys WHERE kind = 'record'"


def timestamp() -> str:
    """Return the present time in UTC with microseconds, as it is kept (answers show whole seconds)."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")


@dataclass(frozen=True)
class Stored:
    """One annotation as it is kept.

    Attributes:
        number: the server's number of it.
        document: the annotation without its id.
        owner: user who made it.
        generated, modified: times with microseconds.
        deleted: it was deleted; only that is remembered to the outside.
    """

    number: int
    document: dict[str, Any]
    owner: str
    generated: str
    modified: str
    deleted: bool

    @property
    def uri(self) -> str:
        """Id of the annotation."""
        return f"http://data.europeana.eu/annotation/{self.number}"

    @property
    def etag(self) -> str:
        """Hex of generated time and hashes of format and version (BaseJsonldRest): changes with ``generated`` only."""
        moment = datetime.fromisoformat(self.generated).replace(tzinfo=timezone.utc)
        return f'"{int(moment.timestamp() * 1e6):x}{sum(map(ord, "jsonld" + API_VERSION)):x}"'

    def view(self) -> dict[str, Any]:
        """Return the JSON-LD of the annotation."""
        head = {"@context": self.document["@context"], "id": self.uri, "type": "Annotation"}
        return {**head, **{k: v for k, v in self.document.items() if k not in head}}


class AnnotationStore:
    """Annotations in the state file."""

    def __init__(self, state: State, index_delay_s: float = 0.0) -> None:
        self._state = state
        self._index_delay_s = index_delay_s

    def add(self, accepted: Accepted, owner: str, *, index: bool = True) -> Stored:
        """Store a new annotation; without ``index`` neither search nor the check for duplicates ever sees it."""
        now = timestamp()
        visible_from = time.time() + self._index_delay_s if index else None
        with self._state.transaction() as connection:
            number = connection.execute(
                "INSERT INTO annotations (document, owner, generated, modified, visible_from) VALUES (?, ?, ?, ?, ?)",
                (json.dumps(accepted.document), owner, now, now, visible_from),
            ).lastrowid
            if number is None:
                raise RuntimeError("SQLite gave no row id")
            self._write_keys(connection, number, accepted)
        return Stored(number, accepted.document, owner, now, now, deleted=False)

    def replace(self, stored: Stored, accepted: Accepted) -> Stored:
        """Overwrite an annotation."""
        now = timestamp()
        with self._state.transaction() as connection:
            connection.execute(
                "UPDATE annotations SET document = ?, generated = ?, modified = ? WHERE id = ?",
                (json.dumps(accepted.document), now, now, stored.number),
            )
            connection.execute("DELETE FROM annotation_keys WHERE annotation_id = ?", (stored.number,))
            self._write_keys(connection, stored.number, accepted)
        return Stored(stored.number, accepted.document, stored.owner, now, now, deleted=False)

    @staticmethod
    def _write_keys(connection: sqlite3.Connection, number: int, accepted: Accepted) -> None:
        rows = [(number, "duplicate", key) for key in accepted.duplicate_keys]
        rows += [(number, "record", record) for record in accepted.records]
        connection.executemany("INSERT INTO annotation_keys VALUES (?, ?, ?)", rows)

    def get(self, number: int) -> Stored | None:
        """Return an annotation, deleted ones too."""
        with self._state.transaction() as connection:
            row = connection.execute("SELECT * FROM annotations WHERE id = ?", (number,)).fetchone()
        return _stored(row) if row else None

    def set_deleted(self, number: int, *, deleted: bool) -> None:
        """Delete an annotation softly, or bring it back."""
        with self._state.transaction() as connection:
            connection.execute(
                "UPDATE annotations SET deleted = ?, modified = ? WHERE id = ?", (int(deleted), timestamp(), number)
            )

    def duplicates(self, keys: Sequence[str], other_than: int | None = None) -> list[int]:
        """Return the numbers of indexed annotations that share a duplicate key."""
        marks = ", ".join("?" * len(keys))
        with self._state.transaction() as connection:
            rows = connection.execute(
                "SELECT DISTINCT a.id FROM annotations a JOIN annotation_keys k ON k.annotation_id = a.id"  # noqa: S608 - marks only
                f" WHERE k.kind = 'duplicate' AND k.value IN ({marks}) AND a.deleted = 0 AND a.visible_from <= ?"
                " ORDER BY a.id",
                (*keys, time.time()),
            ).fetchall()
        return [row["id"] for row in rows if row["id"] != other_than]

    def indexed(self, record_id: str | None = None) -> Iterable[tuple[Stored, list[str]]]:
        """Return the annotations that search knows (of one record, if given) with their records, by number."""
        sql = "SELECT * FROM annotations WHERE deleted = 0 AND visible_from <= ?"
        values: list[object] = [time.time()]
        if record_id is not None:
            sql += " AND id IN (SELECT annotation_id FROM annotation_keys WHERE kind = 'record' AND value = ?)"
            values.append(record_id)
        with self._state.transaction() as connection:
            rows = connection.execute(sql + " ORDER BY id", values).fetchall()
            records: dict[int, list[str]] = {}
            for row in rows if record_id is not None else ():
                found = connection.execute(_RECORDS + " AND annotation_id = ?", (row["id"],))
                records[row["id"]] = [key["value"] for key in found]
            for key in connection.execute(_RECORDS) if record_id is None else ():
                records.setdefault(key["annotation_id"], []).append(key["value"])
        return [(_stored(row), records.get(row["id"], [])) for row in rows]

    def deleted_since(self, begin: str, end: str) -> list[Stored]:
        """Return deleted annotations by the time of their deletion."""
        with self._state.transaction() as connection:
            rows = connection.execute(
                "SELECT * FROM annotations WHERE deleted = 1 AND modified >= ? AND modified <= ? ORDER BY id",
                (begin, end),
            ).fetchall()
        return [_stored(row) for row in rows]

    def report(self, number: int, user: str) -> bool:
        """Note that a user reported an annotation; False when the user did so before."""
        with self._state.transaction() as connection:
            done = connection.execute("INSERT OR IGNORE INTO reports VALUES (?, ?)", (number, user))
        return done.rowcount == 1

    def clear(self) -> None:
        """Forget everything."""
        with self._state.transaction() as connection:
            for table in ("annotations", "annotation_keys", "reports"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names above

    def counts(self) -> dict[str, int]:
        """Return how many annotations there are and how many were deleted."""
        with self._state.transaction() as connection:
            row = connection.execute(
                "SELECT count(*) AS total, coalesce(sum(deleted), 0) AS deleted FROM annotations"
            ).fetchone()
        return {"stored": row["total"] - row["deleted"], "deleted": row["deleted"]}


def _stored(row: sqlite3.Row) -> Stored:
    return Stored(
        row["id"], json.loads(row["document"]), row["owner"], row["generated"], row["modified"], bool(row["deleted"])
    )
