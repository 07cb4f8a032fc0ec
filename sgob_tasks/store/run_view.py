"""Reads what the page of one run shows, from one snapshot of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from sgob_tasks.store import tables as t
from sgob_tasks.store.captions import by_champion
from sgob_tasks.store.models import DETECTOR
from sgob_tasks.store.summary import Run, last_runs, models, relabelled
from sgob_tasks.store.views import (
    AnnotationView,
    CaptionView,
    DetectionView,
    Failure,
    JobView,
    PictureView,
    RecordView,
    RelationView,
    RunCounts,
    RunView,
    SubjectView,
)

MAX_PICTURES = 240
REASONS_SHOWN = 20


def find_run(connection: sa.Connection, run_id: str | None) -> Run | None:
    """Return the run called ``run_id``.

    Without an id it is the newest enrichment that had pictures, as a night without news has nothing to show; or else
    the newest enrichment, or the newest run of any kind.
    """
    r = t.runs.c
    query = sa.select(r.id, r.kind, r.started_at, r.ended_at, r.summary)
    if run_id is None:
        pictures = sa.exists().where(t.batches.c.run_id == r.id, t.batches.c.pictures > 0)
        query = query.order_by(pictures.desc(), (r.kind == "enrich").desc(), r.started_at.desc(), r.id).limit(1)
    else:
        query = query.where(r.id == run_id)
    row = connection.execute(query).one_or_none()
    return Run(*row) if row else None


def _items(run_id: str) -> sa.CTE:
    """Select the run's pictures, each once: the newest batch that has it decides about state and model."""
    b, i = t.batches.c, t.batch_items.c
    return (
        sa.select(i.sha256, b.model_id, i.state, i.reason)
        .ext(distinct_on(i.sha256))
        .join_from(t.batch_items, t.batches, i.batch_id == b.id)
        .where(b.run_id == run_id)
        .order_by(i.sha256, b.created_at.desc(), b.id)
        .cte("items")
    )


def _pictures_query(items: sa.CTE) -> sa.CTE:
    """Select one row for every picture of every record, with how much was found and changed in it."""
    d, m = t.detections.c, t.media.c
    count = sa.func.count(d.id)
    return (
        sa.select(
            m.record_id,
            m.sha256,
            sa.func.min(m.width).label("width"),
            sa.func.min(m.height).label("height"),
            items.c.model_id,
            items.c.state,
            items.c.reason,
            count.label("found"),
            count.filter(relabelled()).label("changed"),
        )
        .join_from(items, t.media, sa.and_(m.sha256 == items.c.sha256, m.state == "fetched"))
        .outerjoin(
            t.detections,
            sa.and_(d.record_id == m.record_id, d.sha256 == m.sha256, d.model_id == items.c.model_id),
        )
        .group_by(m.record_id, m.sha256, items.c.model_id, items.c.state, items.c.reason)
        .cte("pictures")
    )


def _pictures(connection: sa.Connection, pictures: sa.CTE, limit: int) -> tuple[PictureView, ...]:
    p, r = pictures.c, t.records.c
    rows = connection.execute(
        sa.select(
            r.id, r.title, r.creator, r.date_text, r.year_from, r.year_to, r.rights, r.data_provider, r.image_url,
            r.landing_url, p.sha256, p.width, p.height, p.state, p.reason, p.model_id,
        )
        .join_from(pictures, t.records, r.id == p.record_id)
        .order_by((p.changed > 0).desc(), (p.state == "failed").desc(), p.found.desc(), r.id, p.sha256)
        .limit(limit)
    ).all()  # fmt: skip
    ids = sorted({row.id for row in rows})
    found = _detections(connection, [(row.id, row.sha256, row.model_id) for row in rows])
    captions, annotations = _captions(connection, ids), _annotations(connection, ids)
    subjects = _subjects(connection, ids)
    relations = _relations(connection, [one.id for detections in found.values() for one in detections])
    views = []
    for row in rows:
        picture = PictureView(
            RecordView(*tuple(row)[:10]), row.sha256, row.width or 0, row.height or 0, row.state, row.reason
        )
        mine = tuple(found.get((row.id, row.sha256), ()))
        boxes = {detection.id for detection in mine}
        views.append(
            replace(
                picture,
                detections=mine,
                captions=(*captions.get((row.id, row.sha256), ()), *captions.get((row.id, None), ())),
                annotations=tuple(
                    one for one in annotations.get(row.id, ()) if one.detection_id is None or one.detection_id in boxes
                ),
                relations=tuple(edge for detection in mine for edge in relations.get(detection.id, ())),
                subjects=tuple(subjects.get((row.id, row.sha256), ())),
            )
        )
    return tuple(views)


def _detections(
    connection: sa.Connection, pictures: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str], list[DetectionView]]:
    d = t.detections.c
    found: dict[tuple[str, str], list[DetectionView]] = {}
    rows = connection.execute(
        sa.select(
            d.record_id, d.sha256, d.id, d.x, d.y, d.width, d.height, d.class_name, d.score, d.label, d.label_score,
            d.label_reason, d.label_evidence,
        )
        .where(sa.tuple_(d.record_id, d.sha256, d.model_id).in_(pictures))
        .order_by(d.record_id, d.sha256, d.ordinal)
    )  # fmt: skip
    for row in rows:
        box = (row.x, row.y, row.width, row.height)
        found.setdefault((row.record_id, row.sha256), []).append(DetectionView(row.id, box, *tuple(row)[7:]))
    return found


def _captions(connection: sa.Connection, records: Sequence[str]) -> dict[tuple[str, str | None], list[CaptionView]]:
    """Select captions by record and picture; those that were found in the metadata are of no picture (None)."""
    c = t.captions.c
    captions: dict[tuple[str, str | None], list[CaptionView]] = {}
    newest = (c.record_id, sa.func.coalesce(c.sha256, c.text_hash))
    rows = connection.execute(
        sa.select(c.record_id, c.sha256, c.text, c.language, c.source, c.score, c.classifier, c.attention)
        .ext(distinct_on(*newest))
        .where(c.record_id.in_(records), c.is_caption)
        .order_by(*newest, by_champion(c.classifier).desc(), c.id.desc())
    )
    for row in rows:
        captions.setdefault((row.record_id, row.sha256), []).append(CaptionView(*tuple(row)[2:]))
    return {place: sorted(views, key=lambda one: -one.score) for place, views in captions.items()}


def _relations(connection: sa.Connection, detections: Sequence[int]) -> dict[int, list[RelationView]]:
    """Select relations by the detection that is their subject, the likeliest first."""
    r = t.relations.c
    relations: dict[int, list[RelationView]] = {}
    rows = connection.execute(
        sa.select(r.subject_id, r.predicate, r.object_id, r.score, r.reason)
        .where(r.subject_id == sa.any_(sa.literal(list(detections), sa.ARRAY(sa.BigInteger))))
        .order_by(r.score.desc(), r.id)
    )
    for row in rows:
        relations.setdefault(row.subject_id, []).append(RelationView(*tuple(row)))
    return relations


def _subjects(connection: sa.Connection, records: Sequence[str]) -> dict[tuple[str, str], list[SubjectView]]:
    """Select subjects by record and picture, the likeliest first."""
    s = t.subjects.c
    subjects: dict[tuple[str, str], list[SubjectView]] = {}
    rows = connection.execute(
        sa.select(s.record_id, s.sha256, s.notation, s.wikidata, s.label, s.score, s.reason)
        .where(s.record_id.in_(records))
        .order_by(s.rank, s.id)
    )
    for row in rows:
        subjects.setdefault((row.record_id, row.sha256), []).append(SubjectView(*tuple(row)[2:]))
    return subjects


def _annotations(connection: sa.Connection, records: Sequence[str]) -> dict[str, list[AnnotationView]]:
    a, p = t.annotations.c, t.publications.c
    annotations: dict[str, list[AnnotationView]] = {}
    rows = connection.execute(
        sa.select(
            a.record_id, a.key, a.motivation, a.state, a.reason, a.score, a.document, a.detection_id, p.external_id
        )
        .join_from(
            t.annotations,
            t.publications,
            sa.and_(p.subject == a.key, p.destination == "europeana"),
            isouter=True,
        )
        .where(a.record_id.in_(records), a.state != "superseded")
        .order_by(a.record_id, a.motivation, a.score.desc(), a.key)
    )
    for row in rows:
        annotations.setdefault(row.record_id, []).append(AnnotationView(*tuple(row)[1:]))
    return annotations


def _counts(connection: sa.Connection, items: sa.CTE, pictures: sa.CTE) -> RunCounts:
    count, p = sa.func.count(), pictures.c
    total, failed, waiting = connection.execute(
        sa.select(
            count,
            count.filter(items.c.state == "failed"),
            count.filter(items.c.state == "planned"),
        ).select_from(items)
    ).one()
    found, changed, changed_pictures = connection.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(p.found), 0),
            sa.func.coalesce(sa.func.sum(p.changed), 0),
            count.filter(p.changed > 0),
        )
    ).one()
    mine = sa.select(p.record_id)
    c = t.captions.c
    captions, generated = connection.execute(
        sa.select(
            sa.func.count(sa.distinct(sa.tuple_(c.record_id, c.text_hash))).filter(c.sha256.is_(None)),
            sa.func.count(sa.distinct(sa.tuple_(c.record_id, c.sha256))).filter(c.sha256.is_not(None)),
        ).where(c.is_caption, c.record_id.in_(mine))
    ).one()
    annotations, published = connection.execute(
        sa.select(count, count.filter(t.annotations.c.state == "published")).where(
            t.annotations.c.record_id.in_(mine), t.annotations.c.state != "superseded"
        )
    ).one()
    return RunCounts(
        pictures=total,
        failed=failed,
        waiting=waiting,
        detections=int(found),
        corrected=int(changed),
        corrected_pictures=changed_pictures,
        captions=captions,
        generated=generated,
        annotations=annotations,
        published=published,
    )


def _jobs(connection: sa.Connection, run: Run) -> tuple[JobView, ...]:
    """Select the jobs whose owner names the run, and those that began while it went on."""
    j = t.slurm_jobs.c
    named = sa.func.strpos(j.owner, run.id) > 0
    during = j.intended_at.between(run.started_at, sa.func.coalesce(run.ended_at, sa.func.now()))
    rows = connection.execute(
        sa.select(
            j.key, j.cluster, j.job_id, j.state, j.slurm_state, j.tasks, j.reason, j.intended_at, j.submitted_at,
            j.ended_at,
        )
        .where(sa.or_(named, during))
        .order_by(j.intended_at, j.key)
    )  # fmt: skip
    return tuple(JobView(*tuple(row)) for row in rows)


def _failures(connection: sa.Connection, items: sa.CTE, run: Run) -> Iterable[Failure]:
    count = sa.func.count()

    def grouped(
        step: str,
        of_run: bool,
        state: sa.ColumnElement[str],
        reason: sa.ColumnElement[str],
        where: Sequence[sa.ColumnElement[bool]],
    ) -> Iterable[Failure]:
        why = sa.func.coalesce(reason, "no reason recorded")
        rows = connection.execute(
            sa.select(state, why, count)
            .where(*where)
            .group_by(state, why)
            .order_by(count.desc(), why)
            .limit(REASONS_SHOWN)
        )
        return (Failure(step, word, text, number, of_run) for word, text, number in rows)

    a, h, m, p, r = t.annotations.c, t.harvests.c, t.media.c, t.publications.c, t.records.c
    failed = items.c.state == "failed"
    yield from grouped("Detecting", True, items.c.state, items.c.reason, [failed])
    lost = [items.c.state == "planned", items.c.reason.is_not(None)]
    yield from grouped("On the cluster, left for the next run", True, items.c.state, items.c.reason, lost)
    yield from grouped("Annotating", True, a.state, a.reason, [a.run_id == run.id, a.state == "invalid"])
    broken = p.state.in_(["failed", "ambiguous"])
    yield from grouped("Publishing", True, p.state, p.error, [p.run_id == run.id, broken])
    yield from grouped("Harvesting", False, h.state, h.error, [h.state == "failed"])
    yield from grouped("Harvesting", False, r.state, r.reason, [r.state.in_(["gone", "refused"])])
    yield from grouped("Fetching pictures", False, m.state, m.reason, [m.state.in_(["failed", "refused"])])


def run_view(engine: sa.Engine, run_id: str | None = None, *, limit: int = MAX_PICTURES) -> RunView:
    """Read what the page of a run shows, from one snapshot.

    Args:
        engine: the store.
        run_id: which run; None for the newest enrichment.
        limit: pictures to show: corrected ones first, then failed ones, then those with most detections.
    """
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        run = find_run(connection, run_id)
        registered = models(connection)
        model = next((one for one in registered if one.name == DETECTOR), None)
        runs = last_runs(connection)
        if run is None:
            return RunView(None, RunCounts(), (), (), (), model, runs)
        items = _items(run.id)
        pictures = _pictures_query(items)
        return RunView(
            run=run,
            counts=_counts(connection, items, pictures),
            pictures=_pictures(connection, pictures, limit),
            jobs=_jobs(connection, run),
            failures=tuple(_failures(connection, items, run)),
            model=model,
            runs=runs,
        )


def picture_size(engine: sa.Engine, sha256: str) -> tuple[int, int] | None:
    """Return width and height in pixels of a fetched picture, or None where the store does not know it.

    Args:
        engine: the store.
        sha256: address of the picture.
    """
    m = t.media.c
    query = sa.select(m.width, m.height).where(m.sha256 == sha256, m.state == "fetched").limit(1)
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else (row.width or 0, row.height or 0)
