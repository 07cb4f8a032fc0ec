"""The model registry: versions, their states, and who changed them.

A version is a candidate first. One version of a name is the champion, which the nightly run uses; the database itself
sees to it that there is only one. A champion that is replaced is retired, and may become the champion again::

    candidate -> champion <-> retired        candidate -> retired

Every change of a state is kept with who made it, why and on which figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.store.tables import model_changes, models

TRANSITIONS = frozenset(
    {("candidate", "champion"), ("candidate", "retired"), ("champion", "retired"), ("retired", "champion")}
)
"""The changes of state there are; the table ``model_changes`` takes no other."""

ANY = "*"
"""Whoever is the champion now, nobody, included."""

DETECTOR = "detector"
"""Name of the detector in the registry; its versions are ``detector-1``, ``detector-2``, ..."""
_m = models.c


@dataclass(frozen=True)
class Registered:
    """A model version after registration: id, version, state, and whether it was there before."""

    id: str
    version: int
    state: str
    known: bool


@dataclass(frozen=True)
class Changed:
    """What a promotion or retirement did.

    Attributes:
        model: the version.
        state: it is in now.
        replaced: the champion that was retired for it; None where there was none.
        changed: False where it was in that state before.
    """

    model: str
    state: str
    replaced: str | None
    changed: bool


def registered(engine: sa.Engine, name: str, sha256: str) -> Registered | None:
    """Return the version that has these weights, where there is one."""
    with engine.connect() as connection:
        return _registered(connection, name, sha256)


def _registered(connection: sa.Connection, name: str, sha256: str) -> Registered | None:
    query = sa.select(_m.id, _m.version, _m.state).where(_m.name == name, _m.sha256 == sha256)
    row = connection.execute(query).one_or_none()
    return Registered(*row, known=True) if row else None


def register(engine: sa.Engine, values: Mapping[str, Any], install: Callable[[str], None]) -> Registered:
    """Write a new version, as a candidate, under the next number; weights that are known change nothing.

    Args:
        engine: the store.
        values: columns of ``models`` without ``id``, ``version``, ``path`` and ``state``; ``name`` and ``sha256`` are
            what it is known by.
        install: puts the files into the folder of that name below the models folder. Called with the id before the row
            is there for others to see, so no model is without its files; may be called again for an id after a crash.
    """
    name = str(values["name"])
    with engine.begin() as connection:
        _lock(connection, name)
        known = _registered(connection, name, str(values["sha256"]))
        if known is not None:
            return known
        last = sa.select(sa.func.coalesce(sa.func.max(_m.version), 0)).where(_m.name == name)
        version = int(connection.execute(last).scalar_one()) + 1
        model_id = f"{name}-{version}"
        install(model_id)
        row = dict(values) | {"id": model_id, "version": version, "path": model_id, "state": "candidate"}
        connection.execute(sa.insert(models).values(row))
    return Registered(model_id, version, "candidate", known=False)


def _lock(connection: sa.Connection, name: str) -> None:
    """Let one registration or change of state of a name happen at a time."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"models/{name}", 0))))


def champion(engine: sa.Engine, name: str = DETECTOR) -> dict[str, Any] | None:
    """Return the row of the model version that the nightly run uses; None where there is none."""
    query = sa.select(models).where(_m.name == name, _m.state == "champion")
    with engine.connect() as connection:
        row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row else None


def find(engine: sa.Engine, model_id: str) -> dict[str, Any]:
    """Return the row of a version.

    Raises:
        InputError: there is no such model.
    """
    with engine.connect() as connection:
        row = connection.execute(sa.select(models).where(_m.id == model_id)).mappings().one_or_none()
    if row is None:
        raise InputError("models", "id", model_id, "is no registered model (`sgob models list`)")
    return dict(row)


def versions(engine: sa.Engine) -> list[dict[str, Any]]:
    """Return all rows: by name, the newest version first."""
    with engine.connect() as connection:
        return [
            dict(row) for row in connection.execute(sa.select(models).order_by(_m.name, _m.version.desc())).mappings()
        ]


def changes(engine: sa.Engine, model_id: str) -> list[dict[str, Any]]:
    """Return how the state of a version changed, the first change first."""
    query = sa.select(model_changes).where(model_changes.c.model_id == model_id).order_by(model_changes.c.number)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def note_decision(engine: sa.Engine, model_id: str, decision: Mapping[str, Any]) -> None:
    """Keep what the comparison with the champion says of a version; the same again writes nothing."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(models)
            .where(_m.id == model_id, _m.decision.is_distinct_from(dict(decision)))
            .values(decision=dict(decision))
        )


def promote(
    engine: sa.Engine,
    model_id: str,
    *,
    actor: str,
    reason: str,
    instead_of: str | None = ANY,
    decision: Mapping[str, Any] | None = None,
    run_id: str | None = None,
) -> Changed:
    """Make a version the champion and retire the one that was, in one transaction.

    Args:
        engine: the store.
        model_id: which.
        actor: who decided.
        reason: why.
        instead_of: the champion that it was compared with, None for nobody; ``ANY`` replaces whichever there is.
        decision: the figures it rests on.
        run_id: where it was decided.

    Raises:
        InputError: there is no such model.
        PermanentError: another champion than the expected one is there by now.
    """
    name = str(find(engine, model_id)["name"])
    with engine.begin() as connection:
        _lock(connection, name)
        present = connection.execute(
            sa.select(_m.id).where(_m.name == name, _m.state == "champion")
        ).scalar_one_or_none()
        if present == model_id:
            return Changed(model_id, "champion", None, changed=False)
        if instead_of not in {ANY, present}:
            raise PermanentError(
                f"{model_id} was compared with {instead_of or 'no champion'}, but the champion is "
                f"{present or 'none'} by now: compare them (`sgob models compare {present or 'A'} {model_id}`), then "
                f"`sgob models promote {model_id}`"
            )
        entry: dict[str, Any] = {"actor": actor, "run_id": run_id}
        if decision is not None:
            entry["decision"] = dict(decision)
        if present is not None:
            _change(connection, present, "retired", {**entry, "reason": f"replaced by {model_id}"})
        _change(connection, model_id, "champion", {**entry, "reason": reason})
    return Changed(model_id, "champion", present, changed=True)


def retire(engine: sa.Engine, model_id: str, *, actor: str, reason: str, run_id: str | None = None) -> Changed:
    """Take a version out of use. Without a champion the nightly enrichment stops until one is promoted.

    Raises:
        InputError: there is no such model.
    """
    model = find(engine, model_id)
    with engine.begin() as connection:
        _lock(connection, str(model["name"]))
        state = connection.execute(sa.select(_m.state).where(_m.id == model_id)).scalar_one()
        if state == "retired":
            return Changed(model_id, "retired", None, changed=False)
        _change(connection, model_id, "retired", {"actor": actor, "reason": reason, "run_id": run_id})
    return Changed(model_id, "retired", None, changed=True)


def _change(connection: sa.Connection, model_id: str, state: str, entry: Mapping[str, Any]) -> None:
    """Change a state and keep how; the caller holds the lock.

    Raises:
        InputError: there is no such change of state.
    """
    before = str(connection.execute(sa.select(_m.state).where(_m.id == model_id)).scalar_one())
    if (before, state) not in TRANSITIONS:
        raise InputError("models", "state", before, f"{model_id} cannot become {state}")
    number = sa.select(sa.func.coalesce(sa.func.max(model_changes.c.number), 0) + 1).where(
        model_changes.c.model_id == model_id
    )
    connection.execute(sa.update(models).where(_m.id == model_id).values(state=state))
    connection.execute(
        sa.insert(model_changes).values(
            model_id=model_id, number=number.scalar_subquery(), state_before=before, state_after=state, **entry
        )
    )
