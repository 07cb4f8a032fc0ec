"""What a data set is made of, read from one snapshot of the store, row by row.

Everything comes sorted by record and picture in plain byte order, so that the same content gives the same files on any
server, and so that pictures and detections can be merged without holding either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from sgob_tasks.store import tables as t
from sgob_tasks.store.captions import by_champion

BATCH = 1000
"""Rows that the server sends at a time."""

SHARED_STATES = ("proposed", "approved", "published")
"""States of annotations that are shared: not those a person or a check has refused, nor those that were replaced."""


@dataclass(frozen=True)
class Picture:
    """One picture of one record; sizes in pixels, texts as the metadata has them."""

    record_id: str
    sha256: str
    width: int
    height: int
    url: str
    title: str | None
    creator: str | None
    date_text: str | None
    year_from: int | None
    year_to: int | None
    data_provider: str | None
    landing_url: str | None
    rights: str | None
    model_id: str


@dataclass(frozen=True)
class Detection:
    """A box after context; ``box`` is COCO x, y, width, height in pixels of the picture."""

    record_id: str
    sha256: str
    model_id: str
    class_name: str
    score: float
    box: tuple[float, float, float, float]
    mask: Mapping[str, Any] | None
    label: str
    label_score: float
    label_reason: str | None
    annotation_key: str | None
    annotation_state: str | None
    annotation_id: str | None


@dataclass(frozen=True)
class Annotation:
    """A Web Annotation with what Europeana does not take: the region, the scores, the model."""

    key: str
    record_id: str
    state: str
    score: float
    document: Mapping[str, Any]
    external_id: str | None
    box: tuple[float, float, float, float] | None
    class_name: str | None
    class_score: float | None
    label_reason: str | None
    model_id: str | None


@dataclass(frozen=True)
class Caption:
    """A sentence that says what is depicted: of the metadata, or a generator's about one picture (``sha256``)."""

    record_id: str
    text: str
    language: str | None
    source: str
    score: float
    classifier: str
    sha256: str | None


@contextmanager
def snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection whose queries all see the store as it is now, and that reads row by row."""
    with engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True, stream_results=True, yield_per=BATCH
    ) as connection:
        yield connection


def _binary(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    return sa.collate(column, "C")


def _chosen() -> sa.Subquery:
    """Select the model whose boxes are shared for each picture: the champion, or the newest that has seen it.

    Where the champion has looked and found nothing, nothing is shared: an earlier model's boxes do not come back.
    """
    d, m, b, i = t.detections.c, t.models.c, t.batches.c, t.batch_items.c
    seen = (
        sa.select(d.record_id, d.sha256, d.model_id)
        .where(d.label.is_not(None))
        .group_by(d.record_id, d.sha256, d.model_id)
        .subquery()
    )
    champion_table = t.models.alias("champion")
    champion = champion_table.c
    by_champion = (
        sa.select(sa.literal(1))
        .select_from(t.batch_items)
        .join(t.batches, b.id == i.batch_id)
        .join(champion_table, champion.id == b.model_id)
        .where(i.sha256 == seen.c.sha256, i.state == "loaded", champion.state == "champion")
    )
    return (
        sa.select(seen.c.record_id, seen.c.sha256, seen.c.model_id)
        .ext(distinct_on(seen.c.record_id, seen.c.sha256))
        .join_from(seen, t.models, m.id == seen.c.model_id)
        .where(sa.or_(m.state == "champion", ~by_champion.exists()))
        .order_by(seen.c.record_id, seen.c.sha256, (m.state == "champion").desc(), m.version.desc(), m.id)
        .subquery()
    )


def _external() -> sa.Subquery:
    p = t.publications.c
    return (
        sa.select(p.subject, p.external_id)
        .where(p.destination == "europeana", p.state == "published", p.external_id.is_not(None))
        .subquery()
    )


def read_pictures(connection: sa.Connection) -> Iterator[Picture]:
    """Yield every picture that has detections after context, sorted by record and hash."""
    chosen, m, r = _chosen(), t.media.c, t.records.c
    files = (
        sa.select(m.record_id, m.sha256, m.width, m.height, m.url, m.rights)
        .ext(distinct_on(m.record_id, m.sha256))
        .where(m.state == "fetched", m.width > 0, m.height > 0)
        .order_by(m.record_id, m.sha256, _binary(m.url))
        .subquery()
    )
    rows = connection.execute(
        sa.select(
            chosen.c.record_id, chosen.c.sha256, files.c.width, files.c.height, files.c.url, r.title, r.creator,
            r.date_text, r.year_from, r.year_to, r.data_provider, r.landing_url,
            sa.func.coalesce(files.c.rights, r.rights), chosen.c.model_id,
        )
        .join_from(
            chosen,
            files,
            sa.and_(files.c.record_id == chosen.c.record_id, files.c.sha256 == chosen.c.sha256),
        )
        .join(t.records, sa.and_(r.id == chosen.c.record_id, r.state == "active"))
        .order_by(_binary(chosen.c.record_id), chosen.c.sha256)
    )  # fmt: skip
    for row in rows:
        yield Picture(*tuple(row))


def read_detections(connection: sa.Connection) -> Iterator[Detection]:
    """Yield the detections after context of each picture's model, sorted by record, hash and rank.

    Each comes with its own annotation, if it has one. Classes that context took away are left out.
    """
    chosen, external, d, a = _chosen(), _external(), t.detections.c, t.annotations.c
    tags = (
        sa.select(a.detection_id, a.key, a.state)
        .ext(distinct_on(a.detection_id))
        .where(a.detection_id.is_not(None), a.state != "superseded")
        .order_by(a.detection_id, a.key)
        .subquery()
    )
    rows = connection.execute(
        sa.select(
            d.record_id, d.sha256, d.model_id, d.class_name, d.score, d.x, d.y, d.width, d.height, d.mask, d.label,
            sa.func.coalesce(d.label_score, d.score), d.label_reason, tags.c.key, tags.c.state, external.c.external_id,
        )
        .join_from(
            t.detections,
            chosen,
            sa.and_(
                d.record_id == chosen.c.record_id, d.sha256 == chosen.c.sha256, d.model_id == chosen.c.model_id
            ),
        )
        .outerjoin(tags, tags.c.detection_id == d.id)
        .outerjoin(external, external.c.subject == tags.c.key)
        .where(d.label.is_not(None))
        .order_by(_binary(d.record_id), d.sha256, d.ordinal)
    )  # fmt: skip
    for row in rows:
        record, sha256, model, name, score, x, y, width, height, *rest = row
        yield Detection(record, sha256, model, name, score, (x, y, width, height), *rest)


def read_labels(connection: sa.Connection) -> tuple[str, ...]:
    """Return the classes that occur after context, in byte order."""
    column = t.detections.c.label
    query = sa.select(column).distinct().where(column.is_not(None))
    return tuple(sorted(connection.execute(query).scalars()))


def read_rights(connection: sa.Connection) -> tuple[str, ...]:
    """Return the rights statements that occur among fetched pictures, in byte order."""
    query = (
        sa.select(sa.func.coalesce(t.media.c.rights, t.records.c.rights))
        .distinct()
        .join_from(t.media, t.records, t.records.c.id == t.media.c.record_id)
        .where(t.media.c.state == "fetched")
    )
    return tuple(sorted(uri for uri in connection.execute(query).scalars() if uri))


def read_annotations(connection: sa.Connection) -> Iterator[Annotation]:
    """Yield the annotations that are shared, sorted by record and key."""
    external, a, d = _external(), t.annotations.c, t.detections.c
    rows = connection.execute(
        sa.select(
            a.key, a.record_id, a.state, a.score, a.document, external.c.external_id, d.x, d.y, d.width, d.height,
            d.class_name, d.score, d.label_reason, d.model_id,
        )
        .join_from(t.annotations, t.records, sa.and_(t.records.c.id == a.record_id, t.records.c.state == "active"))
        .outerjoin(t.detections, d.id == a.detection_id)
        .outerjoin(external, external.c.subject == a.key)
        .where(a.state.in_(SHARED_STATES))
        .order_by(_binary(a.record_id), a.key)
    )  # fmt: skip
    for row in rows:
        key, record, state, score, document, outside, x, y, width, height, *rest = row
        box = None if x is None else (x, y, width, height)
        yield Annotation(key, record, state, score, document, outside, box, *rest)


def count_annotations(connection: sa.Connection) -> int:
    """Return how many annotations ``read_annotations`` yields."""
    a, r = t.annotations.c, t.records.c
    query = (
        sa.select(sa.func.count())
        .join_from(t.annotations, t.records, sa.and_(r.id == a.record_id, r.state == "active"))
        .where(a.state.in_(SHARED_STATES))
    )
    return int(connection.scalar(query) or 0)


def read_captions(connection: sa.Connection) -> Iterator[Caption]:
    """Yield the sentences that are captions, sorted by record, text and picture."""
    c, r = t.captions.c, t.records.c
    one = (c.record_id, sa.func.coalesce(c.sha256, c.text_hash))  # a generator has one caption of a picture
    newest = (
        sa.select(c.record_id, c.text, c.language, c.source, c.score, c.classifier, c.sha256, c.text_hash)
        .ext(distinct_on(*one))
        .where(c.is_caption)
        .order_by(*one, by_champion(c.classifier).desc(), c.id.desc())
        .subquery()
    )
    n = newest.c
    rows = connection.execute(
        sa.select(n.record_id, n.text, n.language, n.source, n.score, n.classifier, n.sha256)
        .join_from(newest, t.records, sa.and_(r.id == n.record_id, r.state == "active"))
        .order_by(_binary(n.record_id), n.text_hash, n.sha256)
    )
    for row in rows:
        yield Caption(*tuple(row))


def read_model_scores(connection: sa.Connection) -> dict[str, Mapping[str, Any]]:
    """Return the scores of the models whose boxes occur."""
    used = sa.select(t.detections.c.model_id).where(t.detections.c.label.is_not(None))
    query = sa.select(t.models.c.id, t.models.c.scores).where(t.models.c.id.in_(used)).order_by(_binary(t.models.c.id))
    return dict(list(connection.execute(query)))
