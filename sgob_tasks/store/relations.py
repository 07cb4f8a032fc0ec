"""Queries on relations: the edges of scene graphs, between two detections of a picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.store.tables import detections, relations

ROWS_AT_ONCE = 1000
SCORE_STEP = 1e-6
"""Scores that differ by less are the same."""


def relations_of(connection: sa.Connection, record_ids: Collection[str]) -> Sequence[sa.Row[Any]]:
    """Return all relations between detections of records, with ``record_id``, by the id of the subject."""
    query = (
        sa.select(relations, detections.c.record_id)
        .join(detections, detections.c.id == relations.c.subject_id)
        .where(detections.c.record_id == sa.any_(sa.literal(list(record_ids), sa.ARRAY(sa.Text))))
        .order_by(relations.c.subject_id, relations.c.id)
    )
    return connection.execute(query).all()


def save_relations(
    connection: sa.Connection, record_ids: Collection[str], rows: Sequence[Mapping[str, Any]]
) -> tuple[int, int]:
    """Make these the relations of records: new and changed ones are written, the others removed, the same left alone.

    Args:
        connection: inside a transaction.
        record_ids: whose relations the rows are; a record without rows has none afterwards.
        rows: ``subject_id, predicate, object_id, score, reason, version``.

    Returns:
        The number of rows written, and of rows removed.
    """
    known = {(row.subject_id, row.predicate, row.object_id): row for row in relations_of(connection, record_ids)}
    wanted = {(row["subject_id"], row["predicate"], row["object_id"]): row for row in rows}
    gone = [row.id for key, row in known.items() if key not in wanted]
    if gone:
        connection.execute(
            sa.delete(relations).where(relations.c.id == sa.any_(sa.literal(gone, sa.ARRAY(sa.BigInteger))))
        )
    changed = [row for key, row in wanted.items() if key not in known or _differs(known[key], row)]
    for first in range(0, len(changed), ROWS_AT_ONCE):
        statement = insert(relations).values([dict(row) for row in changed[first : first + ROWS_AT_ONCE]])
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["subject_id", "predicate", "object_id"],
                set_={name: statement.excluded[name] for name in ("score", "reason", "version")},
            )
        )
    return len(changed), len(gone)


def _differs(old: sa.Row[Any], new: Mapping[str, Any]) -> bool:
    if abs(old.score - float(new["score"])) > SCORE_STEP:
        return True
    return (old.reason, old.version) != (new["reason"], new["version"])
