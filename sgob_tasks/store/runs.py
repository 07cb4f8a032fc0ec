"""What the platform ran: one row per run, with what each of its steps did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from sgob_tasks.store.tables import runs


def begin(engine: sa.Engine, run_id: str, kind: str) -> None:
    """Enter a run; one that is there already goes on, as when a task of it is cleared."""
    new = insert(runs).values(id=run_id, kind=kind)
    statement = new.on_conflict_do_update(index_elements=["id"], set_={"ended_at": None})
    with engine.begin() as connection:
        connection.execute(statement)


def note(engine: sa.Engine, run_id: str | None, step: str, counts: Mapping[str, Any]) -> None:
    """Keep what a step of a run did; a step that is repeated overwrites it. Without a run nothing is kept."""
    if run_id is None:
        return
    entry = sa.cast({step: dict(counts)}, JSONB)
    with engine.begin() as connection:
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(summary=runs.c.summary.op("||")(entry)))


def end(engine: sa.Engine, run_id: str) -> None:
    """Enter the time when a run ended."""
    with engine.begin() as connection:
        connection.execute(sa.update(runs).where(runs.c.id == run_id).values(ended_at=sa.func.now()))
