"""Queries on subjects: the saints and scenes that pictures may show, ranked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sgob_tasks.store.replacing import replace_rows
from sgob_tasks.store.tables import subjects

_KEY = ("record_id", "sha256", "notation")
_VALUES = ("rank", "wikidata", "label", "reason", "evidence", "version")


def subjects_of(connection: sa.Connection, record_ids: Collection[str]) -> Sequence[sa.Row[Any]]:
    """Return the subjects of records, by record, picture and rank."""
    s = subjects.c
    query = (
        sa.select(subjects)
        .where(s.record_id == sa.any_(sa.literal(list(record_ids), sa.ARRAY(sa.Text))))
        .order_by(s.record_id, s.sha256, s.rank)
    )
    return connection.execute(query).all()


def save_subjects(
    connection: sa.Connection, record_ids: Collection[str], rows: Sequence[Mapping[str, Any]]
) -> tuple[int, int]:
    """Make these the subjects of records: new and changed ones are written, the others removed, the same left alone.

    Args:
        connection: inside a transaction.
        record_ids: whose subjects the rows are; a record without rows has none afterwards.
        rows: values of ``subjects`` without id.

    Returns:
        The number of rows written, and of rows removed.
    """
    there = subjects_of(connection, record_ids)
    return replace_rows(connection, subjects, _KEY, _VALUES, there, rows)
