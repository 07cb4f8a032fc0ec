"""Queries on captions: sentences of metadata, judged by the caption classifier, and what others were written from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from sgob_tasks.store.media import shown
from sgob_tasks.store.tables import captions, media, models, records

ROWS_AT_ONCE = 1000
SOURCE = "description"
"""Metadata field whose sentences are judged."""


def judged(connection: sa.Connection, record_ids: Collection[str]) -> dict[tuple[str, str], tuple[int, str, bool]]:
    """Return id, classifier and verdict of the judged sentences of records, by record id and text hash.

    Where several classifiers have judged a sentence, the newest row counts.
    """
    c = captions.c
    query = (
        sa.select(c.record_id, c.text_hash, c.id, c.classifier, c.is_caption)
        .where(c.record_id == sa.any_(sa.literal(list(record_ids), sa.ARRAY(sa.Text))), c.source == SOURCE)
        .order_by(c.id)
    )
    return {
        (row.record_id, row.text_hash): (row.id, row.classifier, row.is_caption) for row in connection.execute(query)
    }


def save(connection: sa.Connection, rows: Sequence[Mapping[str, Any]], known: Mapping[tuple[str, str], int]) -> None:
    """Write judged sentences: new ones as new rows, known ones in their row, so that what refers to it stays.

    Args:
        connection: inside a transaction.
        rows: values of ``captions`` without id.
        known: id of the row, by record id and text hash.
    """
    old = [row for row in rows if (row["record_id"], row["text_hash"]) in known]
    new = [row for row in rows if (row["record_id"], row["text_hash"]) not in known]
    for first in range(0, len(new), ROWS_AT_ONCE):
        connection.execute(
            insert(captions)
            .values(list(new[first : first + ROWS_AT_ONCE]))
            .on_conflict_do_nothing(
                index_elements=["record_id", "text_hash", "classifier"], index_where=captions.c.sha256.is_(None)
            )
        )
    if old:
        changing = ("ordinal", "text", "language", "is_caption", "score", "classifier")
        connection.execute(
            sa.update(captions)
            .where(captions.c.id == sa.bindparam("key"))
            .values({name: sa.bindparam(f"new_{name}") for name in changing}),
            [
                {"key": known[row["record_id"], row["text_hash"]]} | {f"new_{name}": row[name] for name in changing}
                for row in old
            ],
        )


def by_champion(classifier: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Return the condition that a caption is the champion's among the generators.

    Of several captions of a picture that one counts, else the newest: going back to an earlier generator brings its
    captions back.
    """
    champion = sa.exists().where(models.c.id == classifier, models.c.state == "champion")
    return champion.correlate_except(models)


def written_from(
    connection: sa.Connection, generator: str, pictures: Collection[str]
) -> dict[tuple[str, str], str | None]:
    """Return what the generated captions of pictures were written from, as fingerprints.

    Args:
        connection: to the store.
        generator: its version.
        pictures: SHA-256 of each.

    Returns:
        By SHA-256 and id of each active record that shows it; None where the record has no caption of the picture by
        this generator, or one from before fingerprints were kept.
    """
    c, m = captions.c, media.c
    mine = sa.and_(c.record_id == m.record_id, c.sha256 == m.sha256, c.classifier == generator)
    query = (
        sa.select(m.sha256, m.record_id, c.inputs)
        .distinct()
        .join_from(media, records, shown())
        .outerjoin(captions, mine)
        .where(m.sha256 == sa.any_(sa.literal(list(pictures), sa.ARRAY(sa.Text))))
    )
    return {(row.sha256, row.record_id): row.inputs for row in connection.execute(query)}


def remove(connection: sa.Connection, ids: Collection[int]) -> int:
    """Remove rows; annotations made from them lose the link, not their text. Return how many were removed."""
    if not ids:
        return 0
    return connection.execute(sa.delete(captions).where(captions.c.id.in_(list(ids)))).rowcount
