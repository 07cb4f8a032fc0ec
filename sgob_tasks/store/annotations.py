"""Queries on annotations: what they are made from, and their way from proposed to approved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert

from sgob_tasks.store.captions import by_champion
from sgob_tasks.store.deciding import deciding_model
from sgob_tasks.store.tables import annotations as annotation_table
from sgob_tasks.store.tables import captions, detections, media, records

REFUSED = "Europeana: "
"""How the reason of an annotation begins that Europeana itself refused."""
_ROWS_PER_STATEMENT = 1000  # PostgreSQL takes 65,535 parameters


@dataclass(frozen=True)
class DetectionRow:
    """A detection with the picture it refers to; box in pixels of that picture."""

    id: int
    record_id: str
    label: str
    score: float
    x: float
    y: float
    width: float
    height: float
    image_url: str
    image_width: int | None
    image_height: int | None


@dataclass(frozen=True)
class CaptionRow:
    """A caption with the first picture of its record; ``language`` falls back to the record's."""

    id: int
    record_id: str
    text: str
    language: str | None
    score: float
    image_url: str | None


def record_chunks(engine: sa.Engine, record_ids: Sequence[str] | None, size: int) -> Iterator[list[str]]:
    """Yield ids of active records that have detections or captions, in order, ``size`` at a time."""
    last = ""
    while True:
        has_content = sa.or_(
            sa.exists().where(detections.c.record_id == records.c.id),
            sa.exists().where(captions.c.record_id == records.c.id),
            sa.exists().where(annotation_table.c.record_id == records.c.id),
        )
        query = sa.select(records.c.id).where(records.c.state == "active", records.c.id > last, has_content)
        if record_ids is not None:
            query = query.where(records.c.id.in_(record_ids))
        with engine.connect() as connection:
            chunk = list(connection.scalars(query.order_by(records.c.id).limit(size)))
        if not chunk:
            return
        yield chunk
        last = chunk[-1]


def count_records(engine: sa.Engine, record_ids: Sequence[str] | None) -> int:
    """Return how many active records there are to compose annotations for, at most."""
    query = sa.select(sa.func.count()).where(records.c.state == "active")
    if record_ids is not None:
        query = query.where(records.c.id.in_(record_ids))
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def labelled_detections(
    connection: sa.Connection, record_ids: Sequence[str], min_score: float, model_id: str | None
) -> list[DetectionRow]:
    """Return detections with a label and enough score, of one model for each picture.

    Args:
        connection: to the store.
        record_ids: whose.
        min_score: least score of the label.
        model_id: the model; None takes the one that ``deciding_model`` says.
    """
    d, m, shown = detections.c, media.c, media.alias("shown").c
    pictures = (
        sa.select(
            shown.record_id, shown.sha256, deciding_model(shown.record_id, shown.sha256, model_id).label("model_id")
        )
        .distinct()
        .where(shown.record_id.in_(record_ids), shown.state == "fetched")
        .subquery("pictures")
    )
    p = pictures.c
    score = sa.func.coalesce(d.label_score, d.score)
    query = (
        sa.select(d.id, d.record_id, d.label, score, d.x, d.y, d.width, d.height, m.url, m.width, m.height)
        .ext(distinct_on(d.id))
        .join_from(
            detections,
            pictures,
            sa.and_(p.record_id == d.record_id, p.sha256 == d.sha256, p.model_id == d.model_id),
        )
        .join(media, sa.and_(m.record_id == d.record_id, m.sha256 == d.sha256, m.state == "fetched"))
        .where(d.label.is_not(None), score >= min_score)
        .order_by(d.id, m.id)
    )
    return [DetectionRow(*row) for row in connection.execute(query)]


def caption_sentences(connection: sa.Connection, record_ids: Sequence[str], min_score: float) -> list[CaptionRow]:
    """Return the sentences of records that were found to be captions, and of each picture one that was generated.

    That is the champion's, else the newest (see ``store.captions.by_champion``).
    """
    c, m, other = captions.c, media.c, captions.alias().c
    picture = (
        sa.select(m.url)
        .where(m.record_id == c.record_id, m.state == "fetched", sa.func.coalesce(c.sha256, m.sha256) == m.sha256)
        .order_by(m.id)
        .limit(1)
        .scalar_subquery()
    )
    language = sa.func.coalesce(c.language, records.c.language)
    query = (
        sa.select(c.id, c.record_id, c.text, language, c.score, picture)
        .join(records, records.c.id == c.record_id)
        .where(
            c.record_id.in_(record_ids),
            c.is_caption,
            c.score >= min_score,
            ~sa.exists().where(
                other.record_id == c.record_id,
                other.sha256 == c.sha256,
                sa.tuple_(by_champion(other.classifier), other.id) > sa.tuple_(by_champion(c.classifier), c.id),
            ),
        )
        .order_by(c.id)
    )
    return [CaptionRow(*row) for row in connection.execute(query)]


def upsert_annotations(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Write annotations by their key; published and rejected ones stay as they are.

    A changed document has to be approved again; an unchanged one keeps its approval, and its refusal by the other side.

    Args:
        connection: to the store.
        rows: columns of ``annotations``; ``state`` is ``proposed`` or ``invalid``.

    Returns:
        Number of annotations ``new``, ``changed`` and ``same``.
    """
    counts = {"new": 0, "changed": 0, "same": 0}
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        part = rows[start : start + _ROWS_PER_STATEMENT]
        inserted = list(connection.scalars(_upsert(part)))
        counts["new"] += sum(inserted)
        counts["changed"] += len(inserted) - sum(inserted)
        counts["same"] += len(part) - len(inserted)
    return counts


def _upsert(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return the statement that writes these rows and gives, for each one written, whether it is new."""
    statement = insert(annotation_table).values(list(rows))
    new, old = statement.excluded, annotation_table.c
    unchanged = old.document == new.document
    refused = sa.and_(old.state == "invalid", sa.func.coalesce(old.reason, "").startswith(REFUSED))
    kept = sa.and_(unchanged, sa.or_(old.state == "approved", refused), new.state == "proposed")
    statement = statement.on_conflict_do_update(
        index_elements=[old.key],
        set_={
            "state": sa.case((kept, old.state), else_=new.state),
            "reason": sa.case((kept, old.reason), else_=new.reason),
            "document": new.document,
            "score": new.score,
            "detection_id": new.detection_id,
            "caption_id": new.caption_id,
            "run_id": new.run_id,
        },
        where=sa.and_(
            old.state.not_in(["published", "rejected"]),
            sa.not_(sa.and_(refused, unchanged)),
            sa.or_(
                sa.not_(unchanged),
                old.score.is_distinct_from(new.score),
                old.detection_id.is_distinct_from(new.detection_id),
                old.caption_id.is_distinct_from(new.caption_id),
                old.state == "superseded",
                (old.state == "invalid") != (new.state == "invalid"),
            ),
        ),
    )
    inserted: sa.ColumnElement[bool] = sa.literal_column("(xmax = 0)", sa.Boolean)  # no earlier version of the row
    return statement.returning(inserted)


def supersede(
    connection: sa.Connection, record_ids: Sequence[str], keys: Sequence[str], motivations: Sequence[str]
) -> int:
    """Take back unpublished annotations of these records that are no longer wanted; return their number."""
    statement = (
        sa.update(annotation_table)
        .where(
            annotation_table.c.record_id.in_(record_ids),
            annotation_table.c.motivation.in_(motivations),
            annotation_table.c.key != sa.all_(sa.literal(list(keys), ARRAY(sa.Text))),
            annotation_table.c.state.in_(["proposed", "approved", "invalid"]),
        )
        .values(
            state="superseded", reason="the detection or sentence it was made from is gone, changed or too uncertain"
        )
    )
    return connection.execute(statement).rowcount


def supersede_inactive(engine: sa.Engine) -> int:
    """Take back unpublished annotations of records that are gone or refused; return their number."""
    inactive = sa.select(records.c.id).where(records.c.state != "active")
    statement = (
        sa.update(annotation_table)
        .where(
            annotation_table.c.record_id.in_(inactive),
            annotation_table.c.state.in_(["proposed", "approved", "invalid"]),
        )
        .values(state="superseded", reason="the record is gone or refused")
    )
    with engine.begin() as connection:
        return connection.execute(statement).rowcount


def approve_proposed(engine: sa.Engine, run_id: str | None, before: datetime | None = None) -> int:
    """Approve proposed annotations, all or those of one run or those from before a time; return their number."""
    statement = sa.update(annotation_table).where(annotation_table.c.state == "proposed").values(state="approved")
    if run_id is not None:
        statement = statement.where(annotation_table.c.run_id == run_id)
    if before is not None:
        statement = statement.where(annotation_table.c.created_at < before)
    with engine.begin() as connection:
        return connection.execute(statement).rowcount


def reopen_refused(engine: sa.Engine) -> int:
    """Propose again what Europeana refused; return the number of annotations."""
    refused = sa.and_(annotation_table.c.state == "invalid", annotation_table.c.reason.startswith(REFUSED))
    with engine.begin() as connection:
        statement = sa.update(annotation_table).where(refused).values(state="proposed", reason=None)
        return connection.execute(statement).rowcount


def count_in_state(engine: sa.Engine, state: str) -> int:
    """Return how many annotations are in a state."""
    query = sa.select(sa.func.count()).where(annotation_table.c.state == state)
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def invalidate(engine: sa.Engine, key: str, reason: str) -> None:
    """Mark an annotation as one that the other side does not take; it is not sent again as it is."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(annotation_table)
            .where(annotation_table.c.key == key, annotation_table.c.state != "published")
            .values(state="invalid", reason=reason)
        )
