"""Makes the rows of some records those that a step has computed, and writes nothing where nothing is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

ROWS_AT_ONCE = 500
SCORE_STEP = 1e-6
"""Scores that differ by less are the same."""


def replace_rows(
    connection: sa.Connection,
    table: sa.Table,
    key: Sequence[str],
    values: Sequence[str],
    there: Sequence[sa.Row[Any]],
    rows: Sequence[Mapping[str, Any]],
) -> tuple[int, int]:
    """Write new and changed rows, remove those that are not wanted any more, and leave the same ones alone.

    Args:
        connection: inside a transaction.
        table: with the columns ``id`` and ``score``.
        key: columns of its natural key.
        values: its other columns, but for ``id`` and ``score``.
        there: the rows that are there, of the same records.
        rows: the rows that shall be there.

    Returns:
        The number of rows written, and of rows removed.
    """
    known = {tuple(getattr(row, name) for name in key): row for row in there}
    wanted = {tuple(row[name] for name in key): row for row in rows}
    gone = [row.id for place, row in known.items() if place not in wanted]
    if gone:
        connection.execute(sa.delete(table).where(table.c.id == sa.any_(sa.literal(gone, sa.ARRAY(sa.BigInteger)))))

    def differs(old: sa.Row[Any], new: Mapping[str, Any]) -> bool:
        if abs(old.score - float(new["score"])) > SCORE_STEP:
            return True
        return any(getattr(old, name) != new[name] for name in values)

    changed = [row for place, row in wanted.items() if place not in known or differs(known[place], row)]
    for first in range(0, len(changed), ROWS_AT_ONCE):
        statement = insert(table).values([dict(row) for row in changed[first : first + ROWS_AT_ONCE]])
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(key), set_={name: statement.excluded[name] for name in ("score", *values)}
            )
        )
    return len(changed), len(gone)
