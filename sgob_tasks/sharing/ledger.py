"""The ledger's rows of data sets: what is meant to be published is written before it happens, the outcome after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.store.tables import publications

DESTINATION = "s3"


def intend(engine: sa.Engine, subject: str, run_id: str | None) -> None:
    """Write down that a data set is about to be published; each try counts.

    A version that is published stays so: what is missing of it is put back without a new entry.
    """
    row = insert(publications).values(
        destination=DESTINATION, subject=subject, state="intended", attempts=1, run_id=run_id
    )
    query = row.on_conflict_do_update(
        index_elements=["destination", "subject"],
        set_={
            "state": "intended",
            "attempts": publications.c.attempts + 1,
            "error": None,
            "intended_at": sa.func.now(),
            "ended_at": None,
            "run_id": row.excluded.run_id,
        },
        where=publications.c.state != "published",
    )
    with engine.begin() as connection:
        connection.execute(query)


def published(engine: sa.Engine, subject: str, address: str, response: Mapping[str, Any], run_id: str | None) -> None:
    """Write down that all of a data set is there and was found equal; nothing changes where the ledger says so."""
    row = insert(publications).values(
        destination=DESTINATION, subject=subject, state="published", attempts=1, run_id=run_id,
        external_id=address, verified=True, response=response, ended_at=sa.func.now(),
    )  # fmt: skip
    query = row.on_conflict_do_update(
        index_elements=["destination", "subject"],
        set_={
            "state": "published",
            "external_id": row.excluded.external_id,
            "verified": True,
            "response": row.excluded.response,
            "error": None,
            "ended_at": sa.func.now(),
        },
        where=sa.or_(
            publications.c.state != "published", publications.c.external_id.is_distinct_from(row.excluded.external_id)
        ),
    )
    with engine.begin() as connection:
        connection.execute(query)


def failed(engine: sa.Engine, subject: str, error: Exception, *, ambiguous: bool) -> None:
    """Write down that a try failed, or that it is not known how it ended."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(publications)
            .where(
                publications.c.destination == DESTINATION,
                publications.c.subject == subject,
                publications.c.state != "published",
            )
            .values(state="ambiguous" if ambiguous else "failed", error=str(error)[:2000], ended_at=sa.func.now())
        )
