"""Finds relations and subjects for the pictures in the store."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from sgob_tasks.context.date_range import DateRange, of_years
from sgob_tasks.context.iconography.rank import VERSION as RANK_VERSION
from sgob_tasks.context.iconography.rank import Subject, rank_subjects
from sgob_tasks.context.iconography.version import describing_version, relating_version
from sgob_tasks.context.scene_graph.relate import relate
from sgob_tasks.context.scene_graph.relation_model import RelationModel
from sgob_tasks.context.scene_graph.things import Relation, Thing
from sgob_tasks.context.time_context import weight
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError
from sgob_tasks.progress import track
from sgob_tasks.store import detections as queries
from sgob_tasks.store import step_inputs
from sgob_tasks.store.annotations import labelled_detections
from sgob_tasks.store.due import scenes_fingerprint
from sgob_tasks.store.relations import save_relations
from sgob_tasks.store.subjects import save_subjects
from sgob_tasks.store.tables import media, records

MIN_LABEL_SCORE = 0.3
"""Boxes whose label is less sure are no evidence."""
MOST_THINGS = 60
"""Boxes of a picture that are looked at, the surest first: relations are sought between any two."""
EXAMPLES_KEPT = 10
COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    records.c.id,
    records.c.title,
    records.c.description,
    records.c.year_from,
    records.c.year_to,
)


@dataclass(frozen=True)
class SubjectCounts:
    """What ``describe_subjects`` did.

    Attributes:
        records: records looked at: those that were due, or asked for.
        pictures: pictures of theirs with labelled boxes or a title that names a subject.
        with_subject: those for which a subject was found.
        relations: relations found.
        subjects: subjects found.
        changed: rows written or removed; 0 when nothing is new since the last time.
        bad_masks: pictures with a mask that cannot be read; their relations come from the boxes alone.
        examples: the first of these, with the reason.
    """

    records: int
    pictures: int
    with_subject: int
    relations: int
    subjects: int
    changed: int
    bad_masks: int
    examples: tuple[str, ...]


@dataclass
class _Tally:
    records: int = 0
    pictures: int = 0
    with_subject: int = 0
    relations: int = 0
    subjects: int = 0
    changed: int = 0
    bad_masks: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Means:
    """What pictures are described with."""

    table: ClassTable
    texts: RelationModel | None

    def relate(self, things: list[Thing]) -> list[Relation]:
        return relate(things, self.table, None if self.texts is None else self.texts.opinion)


def describe_subjects(
    engine: sa.Engine,
    record_ids: Collection[str] | None = None,
    classes: ClassTable | None = None,
    texts: RelationModel | None = None,
) -> SubjectCounts:
    """Find the relations between the boxes of pictures and the saints and scenes that they may show, and store both.

    Looks at the labels after context of the model that annotations are made from (the champion's, else the model's that
    looked last). Records go page by page, each page in one transaction, and what no longer holds is removed.

    Args:
        engine: the store.
        record_ids: the records with these ids, whether they are due or not; None: all that are due, which are those of
            which anything has changed since these rules and tables have last seen them (see ``store.step_inputs``).
        classes: the class table; by default the package's.
        texts: what a language model's texts tell of relations; None lets boxes and classes decide alone.
    """
    means, tally = _Means(classes or ClassTable.load(), texts), _Tally()
    present = scenes_fingerprint(describing_version(means.table, texts), MIN_LABEL_SCORE)
    if record_ids is None:
        chosen = step_inputs.is_due(step_inputs.SCENES, records.c.id, present)
    else:
        chosen = queries.among(records.c.id, record_ids)
    pages = queries.record_pages(engine, [*COLUMNS, present.label("fingerprint")], chosen)
    for page in track(pages, "Relations and subjects, pages"):
        with engine.begin() as connection:
            _describe_page(connection, page, means, tally)
            step_inputs.keep(connection, step_inputs.SCENES, {row.id: row.fingerprint for row in page})
    return SubjectCounts(**{**vars(tally), "examples": tuple(tally.examples)})


def _describe_page(connection: sa.Connection, page: Sequence[sa.Row[Any]], means: _Means, tally: _Tally) -> None:
    ids = [row.id for row in page]
    boxes = boxes_of(connection, ids)
    pictures = _pictures(connection, ids)
    version, edges = relating_version(means.texts), list[dict[str, Any]]()
    found: list[dict[str, Any]] = []
    for row in page:
        tally.records += 1
        date = date_of(row)
        for sha256 in sorted(pictures.get(row.id, set()) | {key for record, key in boxes if record == row.id}):
            things = [thing_of(box, date, means.table) for box in boxes.get((row.id, sha256), ())]
            relations = _relate(row.id, things, means, tally)
            subjects = rank_subjects(things, relations, row.title, row.description, date)
            edges += [_edge(one, version) for one in relations]
            found += [_subject_row(row.id, sha256, rank, one) for rank, one in enumerate(subjects, 1)]
            tally.pictures += bool(things or subjects)
            tally.with_subject += bool(subjects)
    tally.relations += len(edges)
    tally.subjects += len(found)
    tally.changed += sum(save_relations(connection, ids, edges)) + sum(save_subjects(connection, ids, found))


def boxes_of(connection: sa.Connection, ids: Sequence[str]) -> dict[tuple[str, str], list[sa.Row[Any]]]:
    """Return the labelled boxes that count, by record and picture, the surest first."""
    counting = {row.id for row in labelled_detections(connection, ids, MIN_LABEL_SCORE, None)}
    rows = [row for row in queries.detections_of(connection, ids) if row.id in counting]
    grouped = itertools.groupby(rows, lambda row: (row.record_id, row.sha256))
    return {key: sorted(group, key=lambda row: (-_score(row), row.id))[:MOST_THINGS] for key, group in grouped}


def _pictures(connection: sa.Connection, ids: Sequence[str]) -> dict[str, set[str]]:
    """Return the hashes of the pictures of records."""
    query = sa.select(media.c.record_id, media.c.sha256).where(
        queries.among(media.c.record_id, ids), media.c.state == "fetched", media.c.sha256.is_not(None)
    )
    found: dict[str, set[str]] = {}
    for record_id, sha256 in connection.execute(query):
        found.setdefault(record_id, set()).add(sha256)
    return found


def _score(row: sa.Row[Any]) -> float:
    return float(row.score if row.label_score is None else row.label_score)


def thing_of(row: sa.Row[Any], date: DateRange | None, table: ClassTable) -> Thing:
    """Return a detection as a node of the graph."""
    box = (row.x, row.y, row.width, row.height)
    return Thing(row.id, row.label, _score(row), box, row.mask, weight(row.label, date, table))


def date_of(row: sa.Row[Any]) -> DateRange | None:
    """Return a record's years, which the time context has written; None where there are none."""
    return of_years(row.year_from, row.year_to)


def _relate(record_id: str, things: list[Thing], means: _Means, tally: _Tally) -> list[Relation]:
    try:
        return means.relate(things)
    except InputError as error:
        tally.bad_masks += 1
        if len(tally.examples) < EXAMPLES_KEPT:
            tally.examples.append(f"{record_id}: {error}")
        return means.relate([dataclasses.replace(thing, mask=None) for thing in things])


def _edge(relation: Relation, version: str) -> dict[str, Any]:
    return {
        "subject_id": relation.subject,
        "predicate": relation.predicate,
        "object_id": relation.object,
        "score": relation.score,
        "reason": relation.reason,
        "version": version,
    }


def _subject_row(record_id: str, sha256: str, rank: int, subject: Subject) -> dict[str, Any]:
    return {
        "record_id": record_id,
        "sha256": sha256,
        "rank": rank,
        "notation": subject.notation,
        "wikidata": subject.wikidata,
        "label": subject.label,
        "score": subject.score,
        "reason": subject.reason,
        "evidence": dict(subject.evidence),
        "version": RANK_VERSION,
    }
