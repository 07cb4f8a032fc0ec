"""Context and scenes do again only what has changed: on a real PostgreSQL, with faults injected."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.context import picture_context, refine
from sgob_tasks.context.fusion import FusionWeights
from sgob_tasks.context.iconography import describe, version
from sgob_tasks.context.iconography.describe import describe_subjects
from sgob_tasks.context.picture_context import ContextModels
from sgob_tasks.context.refine import apply_context
from sgob_tasks.context.time_priors import TimePriors
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.store import detections as queries
from sgob_tasks.store.detections import load_results
from sgob_tasks.store.tables import batch_items, batches, detections, media, models, records, relations, subjects
from tests.integration.context.test_inference_to_captions import BICYCLE, add_batch, add_record, line, rows, sha
from tests.integration.context.test_subjects import BOXES

pytestmark = pytest.mark.integration

NAMES = ("a", "b", "c", "d", "e")
TABLE = ClassTable.load()
BOUNDS = ContextModels(TABLE)


@pytest.fixture
def nightly(store: sa.Engine, tmp_path: Path) -> sa.Engine:
    """Five dated pictures with Saint George in each, gone through context and scenes."""
    for name in NAMES:
        add_record(store, f"/1/{name}", name, title="A horseman", date_text="1480")
    add_batch(store, "batch", "run", *NAMES)
    found = [
        {
            "class_name": label,
            "score": 0.9,
            "bbox": [box / 2 for box in boxes],
            "mask": None,
            "candidates": {label: 0.9},
        }
        for label, boxes in BOXES.items()
    ]
    (tmp_path / "0000.jsonl").write_text("".join(line(name, *found) for name in NAMES), "utf-8")
    load_results(store, "batch", tmp_path)
    apply_context(store, BOUNDS)
    assert describe_subjects(store).with_subject == 5
    return store


def change(store: sa.Engine, table: sa.Table, where: sa.ColumnElement[bool], **values: Any) -> None:
    with store.begin() as connection:
        assert connection.execute(sa.update(table).where(where).values(values)).rowcount


def redone(store: sa.Engine, models: ContextModels = BOUNDS) -> tuple[int, int]:
    """Return how many records context and scenes look at."""
    return apply_context(store, models).records, describe_subjects(store).records


@contextmanager
def statements(engine: sa.Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


def test_where_nothing_has_changed_nothing_is_read_but_whether_it_has(nightly: sa.Engine) -> None:
    before = [rows(nightly, table) for table in (detections, records)]
    with statements(nightly) as seen:
        assert redone(nightly) == (0, 0)
    assert len(seen) == 3, "the models' classes, and one question for each step"
    assert [rows(nightly, table) for table in (detections, records)] == before


RECORD = records.c.id == "/1/c"
BOX = sa.and_(detections.c.record_id == "/1/c", detections.c.ordinal == 1)


@pytest.mark.parametrize(
    ("table", "where", "values", "expected"),
    [
        (records, RECORD, {"title": "Sant Jordi"}, (1, 1)),
        (records, RECORD, {"title": None}, (1, 1)),
        (records, RECORD, {"description": "A dragon."}, (1, 1)),
        (records, RECORD, {"date_text": "1950"}, (1, 1)),
        (records, RECORD, {"date_text": "anno 1480"}, (1, 0)),  # the same years: nothing new for the scenes
        (records, RECORD, {"year_from": None, "year_to": None}, (1, 0)),  # as the harvest does; they are filled again
        (records, RECORD, {"creator": "Somebody", "rights": "other"}, (0, 0)),
        (detections, BOX, {"candidates": {"bicycle": 0.6}}, (1, 0)),
        (detections, BOX, {"class_name": "bicycle"}, (1, 1)),
        (detections, BOX, {"x": 7.0}, (1, 1)),
        (detections, BOX, {"label": "donkey"}, (0, 1)),
        (detections, BOX, {"label_score": 0.5}, (0, 1)),
        (detections, BOX, {"mask": {"size": [2, 2], "counts": "04"}}, (0, 1)),
        (detections, BOX, {"label_reason": "another"}, (0, 0)),
        (media, media.c.record_id == "/1/c", {"state": "failed"}, (0, 1)),
    ],
)
def test_a_record_of_which_something_is_read_that_has_changed_is_done_again_alone(
    nightly: sa.Engine,
    table: sa.Table,
    where: sa.ColumnElement[bool],
    values: dict[str, Any],
    expected: tuple[int, int],
) -> None:
    change(nightly, table, where, **values)
    assert redone(nightly) == expected
    assert redone(nightly) == (0, 0)


def test_new_detections_and_new_pictures_are_done(nightly: sa.Engine, tmp_path: Path) -> None:
    add_record(nightly, "/1/new", "new", title=None, date_text="1480")
    assert redone(nightly) == (1, 1)
    add_batch(nightly, "more", "run", "new")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "0000.jsonl").write_text(line("new", BICYCLE), "utf-8")
    load_results(nightly, "more", tmp_path / "more")
    assert redone(nightly) == (1, 1)
    assert {row["label"] for row in rows(nightly, detections) if row["record_id"] == "/1/new"} == {"horse"}
    add_record(nightly, "/1/copy", None, title=None, date_text="1950")
    assert redone(nightly) == (1, 1)
    with nightly.begin() as connection:
        values = {"record_id": "/1/copy", "url": "u", "state": "fetched", "sha256": sha("new")}
        connection.execute(sa.insert(media).values(values | {"width": 400, "height": 300}))
    queries.share_detections(nightly)
    assert redone(nightly) == (1, 1)


def test_a_picture_whose_detections_are_gone_loses_relations_and_subjects(nightly: sa.Engine) -> None:
    with nightly.begin() as connection:
        connection.execute(sa.delete(detections).where(detections.c.record_id == "/1/c"))
    assert redone(nightly) == (1, 1)
    left = {row["id"]: row["record_id"] for row in rows(nightly, detections)}
    assert {left[row["subject_id"]] for row in rows(nightly, relations)} == {f"/1/{name}" for name in "abde"}
    assert {row["record_id"] for row in rows(nightly, subjects)} == {f"/1/{name}" for name in "abde"}


def test_a_champion_that_finds_nothing_changes_the_scenes_of_what_it_has_looked_at(nightly: sa.Engine) -> None:
    with nightly.begin() as connection:
        first = dict(connection.execute(sa.select(models)).mappings().one())
        connection.execute(sa.update(models).values(state="retired"))
        new = first | {"id": "other-9", "version": 9, "sha256": "9", "state": "champion"}
        connection.execute(sa.insert(models).values(new))
        planned = {"id": "later", "run_id": "run", "model_id": "other-9", "shards": 1, "pictures": 1}
        connection.execute(sa.insert(batches).values(planned))
        connection.execute(sa.insert(batch_items).values(batch_id="later", sha256=sha("b"), shard=0))
    assert redone(nightly) == (0, 0), "a promotion alone changes nothing"
    change(nightly, batch_items, batch_items.c.batch_id == "later", state="loaded")
    assert redone(nightly) == (0, 1)
    assert "/1/b" not in {row["record_id"] for row in rows(nightly, subjects)}
    with nightly.begin() as connection:
        connection.execute(sa.update(models).where(models.c.id == "other-9").values(state="retired"))
        connection.execute(sa.update(models).where(models.c.id == first["id"]).values(state="champion"))
    assert redone(nightly) == (0, 1), "going back brings them back"
    assert "/1/b" in {row["record_id"] for row in rows(nightly, subjects)}


@pytest.mark.parametrize(
    "recipe",
    [
        ContextModels(TABLE, TimePriors({}, 1, "one", "")),
        ContextModels(TABLE, TimePriors({}, 1, "one", ""), weights=FusionWeights(prior=0.7)),
        ContextModels(TABLE, TimePriors({}, 1, "one", ""), weights=FusionWeights(version="fitted")),
        ContextModels(
            ClassTable(
                dict(TABLE) | {"horse": dataclasses.replace(TABLE["horse"], first_appearance_year=9, filter="hard")}
            )
        ),
    ],
    ids=["priors", "weights", "name of weights", "bounds"],
)
def test_another_recipe_does_all_records_anew_once(nightly: sa.Engine, recipe: ContextModels) -> None:
    if recipe.priors is not None and recipe.weights != BOUNDS.weights:
        apply_context(nightly, dataclasses.replace(recipe, weights=BOUNDS.weights))
    assert apply_context(nightly, recipe).records == 5
    assert apply_context(nightly, recipe).records == 0
    assert {row["context_version"] for row in rows(nightly, detections)} == {recipe.version}
    assert describe_subjects(nightly).records == 0, "the labels are the same"


def test_other_rules_do_all_records_anew_once(nightly: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_context, "RULES", 99)
    assert redone(nightly) == (5, 0)
    monkeypatch.setattr(version, "RANK_VERSION", "iconography-99")
    assert redone(nightly) == (0, 5)
    monkeypatch.setattr(version, "RELATE_VERSION", "scene-graph-99")
    assert redone(nightly) == (0, 5)
    fewer = ClassTable({name: entry for name, entry in TABLE.items() if name != "kite"})
    assert describe_subjects(nightly, classes=fewer).records == 5


def cut(connection: sa.Connection) -> None:
    """Break the connection, as where the process or the server dies."""
    connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))


def dies_at_second_call(function: Callable[..., Any]) -> Callable[..., Any]:
    calls = []

    def dying(connection: sa.Connection, *arguments: Any) -> Any:
        calls.append(1)
        result = function(connection, *arguments)
        if len(calls) == 2:
            cut(connection)
        return result

    return dying


def test_a_context_that_dies_half_way_goes_on(nightly: sa.Engine) -> None:
    change(nightly, records, sa.true(), date_text="1950")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(queries, "RECORDS_AT_ONCE", 2)
        patched.setattr(queries, "save_corrections", dies_at_second_call(queries.save_corrections))
        with pytest.raises(sa.exc.DBAPIError):
            apply_context(nightly, BOUNDS)
    dates = {row["id"]: row["year_from"] for row in rows(nightly, records)}
    assert dates == {"/1/a": 1950, "/1/b": 1950, "/1/c": 1480, "/1/d": 1480, "/1/e": 1480}
    assert redone(nightly) == (3, 5)
    assert {row["year_from"] for row in rows(nightly, records)} == {1950}
    assert redone(nightly) == (0, 0)


def test_scenes_that_die_half_way_go_on(nightly: sa.Engine) -> None:
    change(nightly, records, sa.true(), title="Saint Agatha")
    apply_context(nightly, BOUNDS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(queries, "RECORDS_AT_ONCE", 2)
        patched.setattr(describe, "save_subjects", dies_at_second_call(describe.save_subjects))
        with pytest.raises(sa.exc.DBAPIError):
            describe_subjects(nightly)

    def named() -> set[str]:
        return {row["record_id"] for row in rows(nightly, subjects) if row["notation"] == "11HH(AGATHA)"}

    assert named() == {"/1/a", "/1/b"}
    assert redone(nightly) == (0, 3)
    assert named() == {f"/1/{name}" for name in NAMES}


def test_what_changes_while_a_step_reads_is_due_the_next_time(nightly: sa.Engine) -> None:
    """A fingerprint must never be newer than what was read."""
    change(nightly, records, sa.true(), title="Saint Agatha")

    read, read_boxes = queries.detections_of, describe.boxes_of

    def late_box(connection: sa.Connection, ids: list[str]) -> Any:
        change(nightly, detections, BOX, candidates={"horse": 0.8})
        return read(connection, ids)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(refine.queries, "detections_of", late_box)
        assert apply_context(nightly, BOUNDS).records == 5
    assert apply_context(nightly, BOUNDS).records == 1

    def late_title(connection: sa.Connection, ids: list[str]) -> Any:
        change(nightly, records, RECORD, title="Saint Peter")
        return read_boxes(connection, ids)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(describe, "boxes_of", late_title)
        assert describe_subjects(nightly).records == 5
    assert "11H(PETER)" not in {row["notation"] for row in rows(nightly, subjects)}
    assert redone(nightly) == (1, 1)
    assert "11H(PETER)" in {row["notation"] for row in rows(nightly, subjects)}


def test_a_record_is_not_changed_while_the_context_reads_it(
    nightly: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(nightly, records, RECORD, title="Saint Agatha")
    original = queries.save_years

    def try_to_change(connection: sa.Connection, years: Any) -> None:
        with nightly.connect() as other:
            other.execute(sa.text("SET LOCAL lock_timeout = '50ms'"))
            with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
                other.execute(sa.update(records).where(RECORD).values(title="Another"))
        original(connection, years)

    monkeypatch.setattr(refine.queries, "save_years", try_to_change)
    assert apply_context(nightly, BOUNDS).records == 1
