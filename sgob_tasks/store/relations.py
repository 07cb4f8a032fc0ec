"""Queries on relations: the edges of scene graphs, between two detections of a picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sgob_tasks.store.replacing import replace_rows
from sgob_tasks.store.tables import detections, relations

_KEY = ("subject_id", "predicate", "object_id")
_VALUES = ("reason", "version")


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
    there = relations_of(connection, record_ids)
    return replace_rows(connection, relations, _KEY, _VALUES, there, rows)
