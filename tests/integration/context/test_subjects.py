"""Relations and subjects of stored pictures, on a real PostgreSQL."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.context.iconography.describe import describe_subjects
from sgob_tasks.context.iconography.stored_graph import graph_of_record
from sgob_tasks.context.scene_graph.jsonld import graph_document
from sgob_tasks.context.scene_graph.relation_model import RelationModel
from sgob_tasks.errors import InputError
from sgob_tasks.store.tables import detections, media, models, records, relations, subjects

pytestmark = pytest.mark.integration

BOXES = {
    "person": (330.0, 120.0, 150.0, 240.0),
    "horse": (220.0, 220.0, 360.0, 300.0),
    "lance": (380.0, 180.0, 240.0, 260.0),
    "dragon": (560.0, 400.0, 200.0, 150.0),
}


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def add_model(store: sa.Engine, key: str = "detector-1", state: str = "champion") -> None:
    with store.begin() as connection:
        connection.execute(
            sa.insert(models).values(
                id=key, name="detector", version=int(key[-1]), state=state, path=key, sha256=key, config={}, scores={},
                training={},
            )
        )  # fmt: skip


def add_picture(store: sa.Engine, key: str, title: str | None, labels: dict[str, Any], **values: Any) -> None:
    url = f"https://example.org/{sha(key)[:8]}.jpg"
    record = {"id": key, "title": title, "content_hash": key, "raw": {}, "year_from": 1450, "year_to": 1480, **values}
    with store.begin() as connection:
        connection.execute(sa.insert(records).values(record))
        connection.execute(
            sa.insert(media).values(record_id=key, url=url, state="fetched", sha256=sha(key), width=800, height=600)
        )
        for ordinal, (label, box) in enumerate(labels.items()):
            x, y, width, height = box
            connection.execute(
                sa.insert(detections).values(
                    record_id=key, sha256=sha(key), model_id="detector-1", ordinal=ordinal, class_name="bicycle",
                    score=0.9, x=x, y=y, width=width, height=height, label=label, label_score=0.9, candidates={},
                )
            )  # fmt: skip


def rows(store: sa.Engine, table: sa.Table) -> list[Any]:
    with store.connect() as connection:
        return list(connection.execute(sa.select(table).order_by(table.c.id)).all())


def test_a_stored_horseman_becomes_saint_george(store: sa.Engine) -> None:
    add_model(store)
    add_picture(store, "/1/george", "Sant Jordi", BOXES)
    add_picture(store, "/1/field", "A field", {"tree": (0.0, 0.0, 50.0, 90.0)}, year_from=None, year_to=None)
    add_picture(store, "/1/named", "Saints Peter and Paul", {})
    counts = describe_subjects(store)
    assert (counts.records, counts.pictures, counts.with_subject, counts.bad_masks) == (3, 3, 2, 0)
    found = rows(store, subjects)
    george = next(row for row in found if row.record_id == "/1/george")
    assert (george.rank, george.notation) == (1, "11H(GEORGE)41")
    assert george.evidence["named"] is True
    assert "the title names it" in george.reason
    assert {row.notation for row in found if row.record_id == "/1/named"} == {"11H(PETER)", "11H(PAUL)"}
    edges = {row.predicate: row for row in rows(store, relations)}
    assert {"rides", "holds"} <= set(edges)
    assert edges["rides"].reason
    assert edges["rides"].version

    (graph,) = graph_of_record(store, "/1/george")
    assert {thing.label for thing in graph.things} == set(BOXES)
    assert [relation.predicate for relation in graph.relations].count("rides") == 1
    assert graph.subjects[0].notation == "11H(GEORGE)41"
    assert graph_document(graph)["id"] == "http://data.europeana.eu/item/1/george#graph"


def test_twice_is_once_and_what_no_longer_holds_goes(store: sa.Engine) -> None:
    add_model(store)
    add_picture(store, "/1/george", "Horseman", BOXES)
    assert describe_subjects(store).changed > 0
    before = rows(store, relations), rows(store, subjects)
    assert describe_subjects(store, ["/1/george"]).changed == 0
    assert (rows(store, relations), rows(store, subjects)) == before
    with store.begin() as connection:
        connection.execute(sa.update(detections).where(detections.c.label != "person").values(label=None))
    assert describe_subjects(store).changed > 0
    assert rows(store, relations) == rows(store, subjects) == []


def test_what_texts_tell_decides_who_rides(store: sa.Engine) -> None:
    """A horse between two, both over its back: boxes alone say one, the language model's texts the other."""
    two = {
        "person": (300.0, 120.0, 150.0, 240.0),
        "monkey": (305.0, 125.0, 148.0, 236.0),
        "horse": (220.0, 220.0, 360.0, 300.0),
    }
    texts = RelationModel({("monkey", "rides", "horse"): 40, ("person", "next_to", "horse"): 90})
    other = RelationModel({("person", "rides", "horse"): 40, ("monkey", "next_to", "horse"): 90})
    add_model(store)
    add_picture(store, "/1/two", None, two)

    def riders() -> list[tuple[str, str]]:
        names = {row.id: row.label for row in rows(store, detections)}
        found = [row for row in rows(store, relations) if row.predicate == "rides"]
        return [(names[row.subject_id], row.reason.partition("; ")[2]) for row in found]

    describe_subjects(store)
    assert [reason for _, reason in riders()] == [""]
    assert describe_subjects(store, texts=texts).records == 1, "texts are new: all is due"
    assert describe_subjects(store, texts=texts).records == 0
    assert riders() == [("monkey", "texts: monkey rides horse 40 times, horse rides monkey never")]
    assert {row.version for row in rows(store, relations)} == {f"scene-graph-1; texts {texts.version}"}
    assert describe_subjects(store, texts=other).records == 1, "another model: due again"
    assert riders() == [("person", "texts: person rides horse 40 times, horse rides person never")]
    assert describe_subjects(store).records == 1, "without a model, boxes and classes decide alone"
    assert [reason for _, reason in riders()] == [""]


def test_a_broken_mask_is_counted_and_the_boxes_still_count(store: sa.Engine) -> None:
    add_model(store)
    add_picture(store, "/1/george", None, BOXES)
    with store.begin() as connection:
        connection.execute(sa.update(detections).values(mask={"size": [1, 1], "counts": [5]}))
    counts = describe_subjects(store)
    assert counts.bad_masks == 1
    assert "/1/george" in counts.examples[0]
    assert counts.relations > 0


def test_only_the_records_asked_for_are_touched(store: sa.Engine) -> None:
    add_model(store)
    for key in ("/1/a", "/1/b"):
        add_picture(store, key, "Saint Agatha", BOXES)
    describe_subjects(store)
    with store.begin() as connection:
        connection.execute(sa.update(records).values(title=None))
    describe_subjects(store, ["/1/a"])
    named = {row.record_id for row in rows(store, subjects) if row.notation == "11HH(AGATHA)"}
    assert named == {"/1/b"}


def test_a_record_that_is_not_there_is_refused(store: sa.Engine) -> None:
    with pytest.raises(InputError, match="no record"):
        graph_of_record(store, "/1/none")
