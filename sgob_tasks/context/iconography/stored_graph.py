"""Builds a record's scene graphs from what the store has."""

from __future__ import annotations

import sqlalchemy as sa

from sgob_tasks.context.iconography.describe import COLUMNS, boxes_of, date_of, thing_of
from sgob_tasks.context.iconography.rank import Subject
from sgob_tasks.context.scene_graph.graph import Graph
from sgob_tasks.context.scene_graph.things import Relation
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError
from sgob_tasks.store.relations import relations_of
from sgob_tasks.store.subjects import subjects_of
from sgob_tasks.store.tables import media, records


def graph_of_record(engine: sa.Engine, record_id: str) -> list[Graph]:
    """Return the scene graphs of a record, one for each of its pictures, as they are stored.

    Raises:
        InputError: the store has no such record.
    """
    table = ClassTable.load()
    with engine.connect() as connection:
        row = connection.execute(sa.select(*COLUMNS).where(records.c.id == record_id)).one_or_none()
        if row is None:
            raise InputError("records", "id", record_id, "is no record of this store")
        boxes, edges = boxes_of(connection, [record_id]), relations_of(connection, [record_id])
        ranked = subjects_of(connection, [record_id])
        m = media.c
        pictures = connection.execute(
            sa.select(m.sha256, m.url, m.width, m.height)
            .where(m.record_id == record_id, m.state == "fetched", m.sha256.is_not(None))
            .order_by(m.id)
        ).all()
    date, graphs = date_of(row), []
    for picture in {one.sha256: one for one in reversed(pictures)}.values():
        things = tuple(thing_of(box, date, table) for box in boxes.get((record_id, picture.sha256), ()))
        ids = {thing.id for thing in things}
        relations = tuple(
            Relation(e.subject_id, e.predicate, e.object_id, e.score, e.reason or "")
            for e in edges
            if e.subject_id in ids and e.object_id in ids
        )
        subjects = tuple(
            Subject(s.notation, s.wikidata, s.label, s.score, s.reason, s.evidence)
            for s in ranked
            if s.sha256 == picture.sha256
        )
        size = (picture.width, picture.height) if picture.width and picture.height else None
        item = f"http://data.europeana.eu/item{record_id}"
        graphs.append(Graph(item, picture.url, things, relations, subjects, row.title, size))
    return graphs[::-1]
