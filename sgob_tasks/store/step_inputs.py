"""What a step made its output of a record or a picture from, so that it does again only what has changed.

The database takes a fingerprint of all that a step reads of a subject and of the version of what reads it, and the step
stores it in the transaction that writes the output. Where the stored fingerprint is not the present one, or there is
none, the subject is due: it is new, something of it has changed, it is read by something else now, or the step died
before it came to it. No writer has to announce a change, so none can be forgotten.

A fingerprint has to be taken before what it stands for is read: what changes in between is due the next time.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert

from sgob_tasks.store.tables import step_inputs

CONTEXT, SCENES, CAPTIONS = "context", "scenes", "captions"
"""The steps that keep fingerprints; the subjects of the last one are pictures, those of the others records."""

ROWS_AT_ONCE = 1000


def as_text(*values: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """Return values as one text that differs where any of them does, null and empty being different."""
    return sa.cast(sa.func.row(*values), sa.Text)


def all_texts(text: sa.ColumnElement[str], *order: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """Return the texts of a group (see ``as_text``) as one, in an order."""
    ordered: sa.ColumnElement[str] = sa.func.string_agg(text, aggregate_order_by(sa.literal(""), *order))
    return ordered


def fingerprint(version: str, *values: sa.ColumnElement[Any]) -> sa.ColumnElement[uuid.UUID]:
    """Return the fingerprint of values that are read by a version of something."""
    return sa.cast(sa.func.md5(as_text(sa.literal(version), *values)), sa.Uuid)


def is_due(step: str, subject: sa.ColumnElement[str], present: sa.ColumnElement[uuid.UUID]) -> sa.ColumnElement[bool]:
    """Return the condition that a step has something to do.

    Args:
        step: name of the step.
        subject: column with the id of the record, or the SHA-256 of the picture.
        present: its fingerprint.
    """
    s = step_inputs.c
    kept = sa.select(s.fingerprint).where(s.step == step, s.subject == subject)
    around = subject.table
    return kept.correlate(around).scalar_subquery().is_distinct_from(present)


def keep(connection: sa.Connection, step: str, fingerprints: Mapping[str, uuid.UUID]) -> None:
    """Write that a step is done with subjects.

    Args:
        connection: inside the transaction that writes what the step has made of them.
        step: name of the step.
        fingerprints: by subject, taken before the subject was read.
    """
    rows = [{"step": step, "subject": subject, "fingerprint": value} for subject, value in sorted(fingerprints.items())]
    for first in range(0, len(rows), ROWS_AT_ONCE):
        new = insert(step_inputs).values(rows[first : first + ROWS_AT_ONCE])
        connection.execute(
            new.on_conflict_do_update(
                index_elements=["step", "subject"],
                set_={"fingerprint": new.excluded.fingerprint},
                where=step_inputs.c.fingerprint != new.excluded.fingerprint,
            )
        )
