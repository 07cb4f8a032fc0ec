"""Queries on subjects: the saints and scenes that pictures may show, ranked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.store.tables import subjects

ROWS_AT_ONCE = 500
SCORE_STEP = 1e-6
"""Scores that differ by less are the same."""
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
    known = {(row.record_id, row.sha256, row.notation): row for row in subjects_of(connection, record_ids)}
    wanted = {(row["record_id"], row["sha256"], row["notation"]): row for row in rows}
    gone = [row.id for key, row in known.items() if key not in wanted]
    if gone:
        connection.execute(
            sa.delete(subjects).where(subjects.c.id == sa.any_(sa.literal(gone, sa.ARRAY(sa.BigInteger))))
        )
    changed = [row for key, row in wanted.items() if key not in known or _differs(known[key], row)]
    for first in range(0, len(changed), ROWS_AT_ONCE):
        statement = insert(subjects).values([dict(row) for row in changed[first : first + ROWS_AT_ONCE]])
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["record_id", "sha256", "notation"],
                set_={name: statement.excluded[name] for name in ("score", *_VALUES)},
            )
        )
    return len(changed), len(gone)


def _differs(old: sa.Row[Any], new: Mapping[str, Any]) -> bool:
    if abs(old.score - float(new["score"])) > SCORE_STEP:
        return True
    return any(getattr(old, name) != new[name] for name in _VALUES)
