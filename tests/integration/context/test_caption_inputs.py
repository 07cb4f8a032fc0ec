"""A generated caption follows what it was written from, and nothing else; annotations follow the caption."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.annotations.compose import compose_annotations
from sgob_tasks.captions.generated import load_generated
from sgob_tasks.captions.seen import picture_lines
from sgob_tasks.captions.waiting import Reader, waiting_pictures
from sgob_tasks.config import Settings
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.sharing.rows import read_captions
from sgob_tasks.steps import captions as steps
from sgob_tasks.store import runs, step_inputs
from sgob_tasks.store.annotations import caption_sentences
from sgob_tasks.store.tables import annotations, batch_items, batches, captions, detections, judgments, models, records
from tests.integration.context.test_due import change, statements
from tests.integration.context.test_generated_captions import (  # noqa: F401  # fixtures
    add_record,
    looked,
    rows,
    settings,
    sha,
    told,
    trained,
)

pytestmark = pytest.mark.integration

TABLE = ClassTable.load()
READER = Reader("generator-1", TABLE, titles=True)
HORSE = sa.and_(detections.c.record_id == "/1/a", detections.c.ordinal == 0)


def write(store: sa.Engine, folder: Path, texts: dict[str, str], reader: Reader = READER) -> list[str]:
    """Plan, play the cluster for the pictures with a text, load; return the pictures that were planned."""
    for name in ("input/regions", "results"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    waiting = waiting_pictures(store, reader)
    lines = [line | {"inputs": reader.fingerprint(line)} for line in picture_lines(store, waiting, TABLE)]
    (folder / "input" / "regions" / "0000.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    names = {sha(name): name for name in texts}
    answers = [told(names[one.sha256], texts[names[one.sha256]]) for one in waiting if one.sha256 in names]
    (folder / "results" / "0000.jsonl").write_text("".join(answers))
    load_generated(store, folder, reader.generator)
    return sorted(names.get(one.sha256, "?") for one in waiting)


TEXTS = {"a": "A rider on a horse.", "b": "A painted scene."}


@pytest.fixture
def told_once(looked: sa.Engine, tmp_path: Path) -> sa.Engine:  # noqa: F811
    """Pictures a (of two records) and b (without boxes), both described."""
    assert write(looked, tmp_path, TEXTS) == ["a", "b"]
    assert waiting_pictures(looked, READER) == []
    return looked


def waiting(store: sa.Engine, reader: Reader = READER) -> list[str]:
    names = {sha(name): name for name in "ab"}
    return sorted(names.get(one.sha256, "?") for one in waiting_pictures(store, reader))


def test_where_nothing_has_changed_nothing_is_read_but_whether_it_has(told_once: sa.Engine) -> None:
    with statements(told_once) as seen:
        assert waiting_pictures(told_once, READER) == []
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("table", "where", "values", "expected"),
    [
        (detections, HORSE, {"label": "donkey"}, ["a"]),
        (detections, HORSE, {"label": None}, ["a"]),
        (detections, HORSE, {"x": 9.0}, ["a"]),
        (detections, HORSE, {"label_score": 0.3}, []),
        (detections, HORSE, {"label_reason": "why"}, []),
        (records, records.c.id == "/1/a", {"title": "Saint Martin"}, ["a"]),
        (records, records.c.id == "/1/twin", {"title": "Never read"}, []),
        (records, records.c.id == "/1/a", {"year_from": 1400}, ["a"]),
        (records, records.c.id == "/1/twin", {"date_text": "1995"}, []),
        (records, records.c.id == "/1/twin", {"date_text": "1500"}, []),  # it rules out what the first one does already
        (records, records.c.id == "/1/a", {"date_text": "1990"}, ["a"]),  # now nothing rules anything out
        (records, records.c.id == "/1/b", {"date_text": "1400"}, ["b"]),
        (records, records.c.id == "/1/a", {"state": "gone"}, ["a"]),
        (records, records.c.id == "/1/a", {"description": "Not read"}, []),
    ],
)
def test_only_what_a_caption_was_written_from_calls_for_another(
    told_once: sa.Engine, table: sa.Table, where: sa.ColumnElement[bool], values: dict[str, Any], expected: list[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    change(told_once, table, where, **values)
    assert waiting(told_once) == expected
    assert waiting(told_once) == expected, "it waits until the caption is there"
    before = {row["id"]: row["text"] for row in rows(told_once)}
    assert write(told_once, tmp_path, {"a": "A donkey.", "b": "A donkey."}) == expected
    changed = {row["sha256"] for row in rows(told_once) if row["text"] != before[row["id"]]}
    assert changed == {sha(name) for name in expected}
    with statements(told_once) as seen:
        assert waiting(told_once) == []
        assert waiting(told_once) == []
    assert len([one for one in seen if one.startswith("SELECT media.sha256, min")]) <= 3


def test_a_generator_that_does_not_read_title_and_date_needs_no_new_caption(
    looked: sa.Engine,  # noqa: F811
    tmp_path: Path,
) -> None:
    model = {"id": "generator-1", "config": {"title_words": [], "years": False, "max_regions": 1}}
    reader = Reader.of(model, TABLE)
    assert (reader.titles, reader.years, reader.most_regions) == (False, False, 1)
    write(looked, tmp_path, TEXTS, reader)
    change(looked, records, records.c.id == "/1/a", title="Saint Martin", year_from=1499)
    change(looked, detections, detections.c.ordinal == 1, label="angel")  # the second best
    assert waiting(looked, reader) == []
    change(looked, detections, detections.c.ordinal == 1, label_score=0.95)  # now it is the best
    assert waiting(looked, reader) == ["a"]


def test_a_new_champion_calls_for_captions_where_it_has_looked(told_once: sa.Engine, tmp_path: Path) -> None:
    with told_once.begin() as connection:
        connection.execute(sa.update(models).values(state="retired"))
        row = {"id": "detector-2", "name": "detector", "version": 2, "path": "p", "sha256": "2", "state": "champion"}
        connection.execute(sa.insert(models).values(row | {"config": {}, "scores": {}, "training": {}}))
        batch = {"id": "new", "run_id": "run", "model_id": "detector-2", "shards": 1, "pictures": 1}
        connection.execute(sa.insert(batches).values(batch))
    assert waiting(told_once) == []
    with told_once.begin() as connection:
        connection.execute(sa.insert(batch_items).values(batch_id="new", sha256=sha("a"), shard=0, state="loaded"))
    assert waiting(told_once) == ["a"], "it has found nothing there"
    (line,) = picture_lines(told_once, waiting_pictures(told_once, READER), TABLE)
    assert line["detections"] == []
    assert write(told_once, tmp_path, {"a": "A painted scene."}) == ["a"]
    change(told_once, models, models.c.id == "detector-2", state="retired")
    change(told_once, models, models.c.id == "detector-1", state="champion")
    assert waiting(told_once) == ["a"], "going back brings the horse back"


def test_a_record_that_comes_later_gets_the_caption(told_once: sa.Engine, tmp_path: Path) -> None:
    add_record(told_once, "/2/copy", "a")
    assert write(told_once, tmp_path, TEXTS) == ["a"]
    assert [row["text"] for row in rows(told_once) if row["record_id"] == "/2/copy"] == [TEXTS["a"]]
    assert waiting(told_once) == []


def test_a_caption_that_the_cluster_lost_still_waits(told_once: sa.Engine, tmp_path: Path) -> None:
    change(told_once, detections, HORSE, label="donkey")
    change(told_once, records, records.c.id == "/1/b", title="A field")
    assert write(told_once, tmp_path, {"b": "A field."}) == ["?", "b"]
    assert waiting(told_once) == ["a"]


def test_a_planning_that_dies_forgets_nothing(told_once: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    change(told_once, detections, HORSE, label="donkey")
    change(told_once, records, records.c.id == "/1/b", description="Nothing that is read")
    other = dataclasses.replace(READER, table=ClassTable({n: e for n, e in TABLE.items() if n != "kite"}))
    monkeypatch.setattr("sgob_tasks.captions.waiting.PICTURES_AT_ONCE", 1)
    keep = step_inputs.keep

    def dies(connection: sa.Connection, step: str, fingerprints: Any) -> None:
        keep(connection, step, fingerprints)
        connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(step_inputs, "keep", dies)
        with pytest.raises(sa.exc.DBAPIError):
            waiting_pictures(told_once, other)
    assert waiting(told_once, other) == ["a"]


def test_captions_from_before_fingerprints_are_written_anew_once(told_once: sa.Engine, tmp_path: Path) -> None:
    change(told_once, captions, sa.true(), inputs=None)
    with told_once.begin() as connection:
        connection.execute(sa.text("DELETE FROM step_inputs"))
    assert write(told_once, tmp_path, TEXTS) == ["a", "b"]
    assert waiting(told_once) == []


def test_a_night_plans_what_the_context_has_relabelled(
    looked: sa.Engine,  # noqa: F811
    settings: Settings,  # noqa: F811
) -> None:
    runs.begin(looked, "night", "enrich")
    steps.register_training(settings, "night", trained(settings, "one", 1.0))

    def night(run: str, *names: str) -> int:
        planned = steps.plan_generation(settings, run)
        if planned["pictures"]:
            folder = Path(planned["job_dir"])
            assert all(json.loads(line)["inputs"] for line in (folder / "input/regions/0000.jsonl").open())
            (folder / "results").mkdir()
            (folder / "results" / "0000.jsonl").write_text("".join(told(name) for name in names))
            steps.load_generation(settings, planned, run)
        return int(planned["pictures"])

    assert night("night", "a", "b") == 2
    assert night("night 2") == 0
    change(looked, detections, HORSE, label="donkey", label_reason="the text says donkey")
    assert night("night 3", "a") == 1
    assert night("night 4") == 0


def test_annotations_follow_a_caption_as_they_follow_a_label(told_once: sa.Engine, tmp_path: Path) -> None:
    """What is published or judged stays with the text it is about; what is not is superseded; the new is proposed."""

    def compose() -> dict[tuple[str, str], tuple[str, str]]:
        compose_annotations(told_once, {})
        with told_once.connect() as connection:
            found = connection.execute(sa.select(annotations)).all()
        return {(row.record_id, row.document["body"]["value"]): (row.state, row.key) for row in found}

    change(told_once, records, sa.true(), language="en")
    first = compose()
    assert {place: state for place, (state, _) in first.items()} == {
        ("/1/a", TEXTS["a"]): "proposed",
        ("/1/twin", TEXTS["a"]): "proposed",
        ("/1/b", TEXTS["b"]): "proposed",
    }
    add_record(told_once, "/2/copy", "a", language="en")
    write(told_once, tmp_path, TEXTS)
    compose()
    change(told_once, annotations, annotations.c.record_id == "/1/a", state="published")
    change(told_once, annotations, annotations.c.record_id == "/2/copy", state="rejected")
    change(told_once, annotations, annotations.c.record_id == "/1/b", state="approved")
    judged = first["/1/a", TEXTS["a"]][1]
    with told_once.begin() as connection:
        values = {"annotation_key": judged, "campaign": "c", "judge": "j", "verdict": "agree"}
        connection.execute(sa.insert(judgments).values(values))

    change(told_once, detections, detections.c.ordinal == 0, label="donkey")
    assert write(told_once, tmp_path, {"a": "A rider on a donkey."}) == ["a"]
    second = {place: state for place, (state, _) in compose().items()}
    assert second == {
        ("/1/a", TEXTS["a"]): "published",
        ("/1/a", "A rider on a donkey."): "proposed",
        ("/1/twin", TEXTS["a"]): "superseded",
        ("/1/twin", "A rider on a donkey."): "proposed",
        ("/2/copy", TEXTS["a"]): "rejected",
        ("/2/copy", "A rider on a donkey."): "proposed",
        ("/1/b", TEXTS["b"]): "approved",
    }
    with told_once.connect() as connection:
        assert connection.execute(sa.select(judgments.c.annotation_key)).scalars().all() == [judged]

    change(told_once, detections, detections.c.ordinal == 0, label="horse")
    assert write(told_once, tmp_path, TEXTS) == ["a"]
    third = {place: state for place, (state, _) in compose().items()}
    assert third["/1/a", TEXTS["a"]] == "published"
    assert third["/1/a", "A rider on a donkey."] == "superseded"
    assert third["/2/copy", TEXTS["a"]] == "rejected", "a verdict outlives the detour"


def test_going_back_to_a_generator_brings_its_captions_back(told_once: sa.Engine, tmp_path: Path) -> None:
    change(told_once, records, sa.true(), language="en")
    with told_once.begin() as connection:
        for version in (1, 2):
            row = {"id": f"generator-{version}", "name": "generator", "version": version, "path": "p", "config": {}}
            connection.execute(sa.insert(models).values(row | {"sha256": str(version), "scores": {}, "training": {}}))
    second = dataclasses.replace(READER, generator="generator-2")
    assert write(told_once, tmp_path, {"a": "A horse and its rider."}, second) == ["?", "a"]

    def told_of_a() -> set[str]:
        """Return what is annotated, which is what is shared."""
        with told_once.connect() as connection:
            shared = {row.text for row in read_captions(connection) if row.record_id == "/1/a"}
            assert {row.text for row in caption_sentences(connection, ["/1/a"], 0.0)} == shared
            return shared

    assert told_of_a() == {"A horse and its rider."}, "without a champion the newest"
    change(told_once, models, models.c.id == "generator-1", state="champion")
    assert told_of_a() == {TEXTS["a"]}
    change(told_once, models, models.c.id == "generator-1", state="retired")
    change(told_once, models, models.c.id == "generator-2", state="champion")
    assert told_of_a() == {"A horse and its rider."}
