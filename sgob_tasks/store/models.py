"""The model registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sgob_tasks.store.tables import models


@dataclass(frozen=True)
class Registered:
    """A model version after registration: id, version, state, and whether it was there before."""

    id: str
    version: int
    state: str
    known: bool


def registered(engine: sa.Engine, name: str, sha256: str) -> Registered | None:
    """Return the version that has these weights, where there is one."""
    query = sa.select(models.c.id, models.c.version, models.c.state).where(
        models.c.name == name, models.c.sha256 == sha256
    )
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return Registered(*row, known=True) if row else None


def next_version(engine: sa.Engine, name: str) -> int:
    """Return the number of the next version."""
    query = sa.select(sa.func.coalesce(sa.func.max(models.c.version), 0) + 1).where(models.c.name == name)
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def register(engine: sa.Engine, values: Mapping[str, Any]) -> None:
    """Write a new version, as a candidate."""
    with engine.begin() as connection:
        connection.execute(sa.insert(models).values(dict(values) | {"state": "candidate"}))


def promote(engine: sa.Engine, model_id: str) -> None:
    """Make a version the champion and retire the one that was."""
    with engine.begin() as connection:
        name = sa.select(models.c.name).where(models.c.id == model_id).scalar_subquery()
        connection.execute(
            sa.update(models).where(models.c.name == name, models.c.state == "champion").values(state="retired")
        )
        connection.execute(sa.update(models).where(models.c.id == model_id).values(state="champion"))
