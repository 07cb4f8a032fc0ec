"""The ledger's rows of data sets, whose parts are looked up and put back at every try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.store.tables import publications

DESTINATION = "s3"


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
