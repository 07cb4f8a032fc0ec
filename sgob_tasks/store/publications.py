"""Queries on annotations and on the ledger of what was published where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on, insert

from sgob_tasks.errors import TransientError
from sgob_tasks.store.tables import annotations as annotation_table
from sgob_tasks.store.tables import captions, detections, media, publications, records

EUROPEANA = "europeana"
REFUSED = "Europeana: "
"""How the reason of an annotation begins that Europeana itself refused."""
_ROWS_PER_STATEMENT = 1000  # PostgreSQL takes 65,535 parameters
_LOCK = 7021958  # of the publishing step; one publisher at a time


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


@dataclass(frozen=True)
class AnnotationRow:
    """An annotation to publish.

    Attributes:
        key: content key.
        record_id: ``/dataset/local``.
        motivation: ``tagging`` or ``describing``.
        state: of the annotation.
        document: the Web Annotation.
    """

    key: str
    record_id: str
    motivation: str
    state: str
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Unsettled:
    """A publication of which it is not known whether it took effect.

    Attributes:
        annotation: what was to be published.
        intended_at: when it was last tried.
    """

    annotation: AnnotationRow
    intended_at: datetime


@dataclass(frozen=True)
class Unchecked:
    """A publication that was not read back yet."""

    annotation: AnnotationRow
    external_id: str


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
        model_id: the model; None takes the one whose detections of the picture were loaded last.
    """
    d, m = detections.c, media.c
    newest = (
        sa.select(d.record_id, d.sha256, d.model_id)
        .ext(distinct_on(d.record_id, d.sha256))
        .where(d.record_id.in_(record_ids), d.model_id == model_id if model_id is not None else sa.true())
        .order_by(d.record_id, d.sha256, d.id.desc())
        .subquery("newest")
    )
    score = sa.func.coalesce(d.label_score, d.score)
    query = (
        sa.select(d.id, d.record_id, d.label, score, d.x, d.y, d.width, d.height, m.url, m.width, m.height)
        .ext(distinct_on(d.id))
        .join_from(
            detections,
            newest,
            sa.and_(newest.c.record_id == d.record_id, newest.c.sha256 == d.sha256, newest.c.model_id == d.model_id),
        )
        .join(media, sa.and_(m.record_id == d.record_id, m.sha256 == d.sha256, m.state == "fetched"))
        .where(d.label.is_not(None), score >= min_score)
        .order_by(d.id, m.id)
    )
    return [DetectionRow(*row) for row in connection.execute(query)]


def caption_sentences(connection: sa.Connection, record_ids: Sequence[str], min_score: float) -> list[CaptionRow]:
    """Return the sentences of records that were found to be captions."""
    c, m = captions.c, media.c
    picture = (
        sa.select(m.url)
        .where(m.record_id == c.record_id, m.state == "fetched")
        .order_by(m.id)
        .limit(1)
        .scalar_subquery()
    )
    language = sa.func.coalesce(c.language, records.c.language)
    query = (
        sa.select(c.id, c.record_id, c.text, language, c.score, picture)
        .join(records, records.c.id == c.record_id)
        .where(c.record_id.in_(record_ids), c.is_caption, c.score >= min_score)
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


# -- the ledger -----------------------------------------------------------------------------------------------

_ANNOTATION = (
    annotation_table.c.key,
    annotation_table.c.record_id,
    annotation_table.c.motivation,
    annotation_table.c.state,
    annotation_table.c.document,
)


@contextmanager
def only_publisher(engine: sa.Engine) -> Iterator[None]:
    """Keep every other publisher out while the context is open; a dead process's lock falls with its connection.

    Raises:
        TransientError: another one is at work.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_LOCK))):
            raise TransientError("another publication is under way", retry_after_s=60)
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_LOCK)))


def approved_batch(engine: sa.Engine, destination: str, after: tuple[str, str], size: int) -> list[AnnotationRow]:
    """Return approved annotations that were not sent, or whose sending surely failed, by record and key.

    Args:
        engine: of the store.
        destination: such as ``europeana``.
        after: record id and key of the last one of the batch before; two empty texts at first.
        size: at most this many.
    """
    p, a = publications.c, annotation_table.c
    join = sa.and_(p.subject == a.key, p.destination == destination)
    query = (
        sa.select(*_ANNOTATION)
        .outerjoin(publications, join)
        .where(
            a.state == "approved",
            sa.or_(p.id.is_(None), p.state == "failed"),
            sa.tuple_(a.record_id, a.key) > sa.tuple_(sa.literal(after[0]), sa.literal(after[1])),
        )
        .order_by(a.record_id, a.key)
        .limit(size)
    )
    with engine.connect() as connection:
        return [AnnotationRow(*row) for row in connection.execute(query)]


def count_approved(engine: sa.Engine, destination: str) -> int:
    """Return how many annotations wait to be sent, those of unknown outcome included."""
    p, a = publications.c, annotation_table.c
    query = (
        sa.select(sa.func.count())
        .select_from(annotation_table)
        .outerjoin(publications, sa.and_(p.subject == a.key, p.destination == destination))
        .where(a.state == "approved", sa.or_(p.id.is_(None), p.state != "published"))
    )
    with engine.connect() as connection:
        return connection.scalar(query) or 0


def unsettled(engine: sa.Engine, destination: str) -> list[Unsettled]:
    """Return publications that were begun and whose outcome is not known."""
    p = publications.c
    query = (
        sa.select(*_ANNOTATION, p.intended_at)
        .join(publications, p.subject == annotation_table.c.key)
        .where(p.destination == destination, p.state.in_(["intended", "ambiguous"]))
        .order_by(annotation_table.c.record_id, annotation_table.c.key)
    )
    with engine.connect() as connection:
        return [Unsettled(AnnotationRow(*row[:-1]), row[-1]) for row in connection.execute(query)]


def unchecked(engine: sa.Engine, destination: str) -> list[Unchecked]:
    """Return publications that were made and not read back (``response`` is empty until then)."""
    p = publications.c
    query = (
        sa.select(*_ANNOTATION, p.external_id)
        .join(publications, p.subject == annotation_table.c.key)
        .where(p.destination == destination, p.state == "published", p.response.is_(None))
        .order_by(annotation_table.c.record_id, annotation_table.c.key)
    )
    with engine.connect() as connection:
        return [Unchecked(AnnotationRow(*row[:-1]), row[-1]) for row in connection.execute(query)]


def intend(engine: sa.Engine, destination: str, subject: str, run_id: str | None) -> None:
    """Write down that something is about to be published, before the call is made."""
    statement = insert(publications).values(
        destination=destination, subject=subject, state="intended", attempts=1, run_id=run_id
    )
    statement = statement.on_conflict_do_update(
        index_elements=[publications.c.destination, publications.c.subject],
        set_={
            "state": "intended",
            "attempts": publications.c.attempts + 1,
            "run_id": run_id,
            "error": None,
            "intended_at": sa.func.now(),
            "ended_at": None,
        },
    )
    with engine.begin() as connection:
        connection.execute(statement)


def settle(engine: sa.Engine, destination: str, subject: str, state: str, **columns: Any) -> None:
    """Write down the outcome of a publication.

    Args:
        engine: of the store.
        destination: such as ``europeana``.
        subject: annotation key.
        state: ``published``, ``failed`` or ``ambiguous``; with ``published`` the annotation becomes that as well.
        columns: further columns of ``publications``.
    """
    with engine.begin() as connection:
        connection.execute(
            sa.update(publications)
            .where(publications.c.destination == destination, publications.c.subject == subject)
            .values(state=state, ended_at=sa.func.now(), **columns)
        )
        if state == "published":
            connection.execute(
                sa.update(annotation_table)
                .where(annotation_table.c.key == subject)
                .values(state="published", reason=None)
            )


def set_checked(
    engine: sa.Engine, destination: str, subject: str, *, verified: bool, response: Mapping[str, Any]
) -> None:
    """Write down what reading a published annotation back has shown."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(publications)
            .where(publications.c.destination == destination, publications.c.subject == subject)
            .values(verified=verified, response=dict(response))
        )


def invalidate(engine: sa.Engine, key: str, reason: str) -> None:
    """Mark an annotation as one that the other side does not take; it is not sent again as it is."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(annotation_table)
            .where(annotation_table.c.key == key, annotation_table.c.state != "published")
            .values(state="invalid", reason=reason)
        )
