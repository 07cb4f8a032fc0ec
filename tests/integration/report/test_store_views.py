from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from sgob_tasks.store import tables as t
from sgob_tasks.store.run_view import picture_size, run_view
from sgob_tasks.store.summary import StateCount, status
from sgob_tasks.store.views import RunCounts
from tests.integration.report.seed import BROKEN, EVIL, GENERATED, RUN, SAINT, START, seed

pytestmark = pytest.mark.integration


def test_status_counts_everything(store: sa.Engine, tmp_path: Path) -> None:
    seed(store, tmp_path)
    found = status(store)
    assert (found.records.total, found.records.by_state) == (3, {"active": 3})
    assert found.media.by_state == {"failed": 1, "fetched": 3}
    assert found.media.reasons == (StateCount("failed", "HTTP 404", 1),)
    assert (found.detections.total, found.detections.corrected, found.detections.rescored) == (3, 1, 1)
    assert found.detections.by_label == {"dragon": 1, "horse": 1, "person": 1}
    assert (found.captions.total, found.captions.captions, found.captions.written) == (2, 1, 1)
    assert found.annotations.by_state == {"invalid": 1, "published": 1, "rejected": 1}
    assert found.jobs.by_state == {"succeeded": 1}
    assert found.publications["europeana"].by_state == {"published": 1}
    assert [model.id for model in found.models] == ["captions-1", "detector-1"]
    assert found.runs[0].seconds == 840
    printed = json.loads(json.dumps(found.as_dict()))
    assert printed["runs"][0]["started_at"] == START.isoformat()
    assert printed["detections"]["by_label"]["horse"] == 1


def test_status_of_an_empty_store(store: sa.Engine) -> None:
    printed = status(store).as_dict()
    assert printed["records"] == {"total": 0, "by_state": {}, "reasons": []}
    assert printed["publications"] == {}
    assert printed["runs"] == []


def test_reasons_do_not_grow_with_the_store(store: sa.Engine) -> None:
    with store.begin() as connection:
        connection.execute(
            sa.insert(t.records),
            [
                {"id": f"/1/{n}", "state": "refused", "reason": f"odd {n // 2}", "content_hash": "", "raw": {}}
                for n in range(100)
            ],
        )
    assert len(status(store).records.reasons) == 20


def test_run_shows_its_pictures_corrected_ones_first(store: sa.Engine, tmp_path: Path) -> None:
    hashes = seed(store, tmp_path)
    view = run_view(store, None)
    assert view.run is not None
    assert view.run.id == RUN
    assert view.model is not None
    assert view.model.id == "detector-1", "not the caption generator, which is newer"
    assert [picture.record.id for picture in view.pictures] == [SAINT, BROKEN, EVIL]
    saint, broken, evil = view.pictures
    assert (saint.sha256, saint.width, saint.height, saint.corrected) == (hashes[SAINT], 900, 700, True)
    assert [(found.class_name, found.label, found.change) for found in saint.detections] == [
        ("bicycle", "horse", "relabelled"),
        ("person", "person", ""),
    ]
    assert saint.detections[0].box == (300, 200, 340, 320)
    assert [caption.text for caption in saint.captions] == [
        GENERATED,
        "Saint George on a white horse kills a dragon with his lance.",
    ]
    assert saint.captions[0].attention is not None
    assert [entry["word"] for entry in saint.captions[0].attention["words"]] == ["a", "person", "<i>beside"]
    assert [caption.text for caption in evil.captions] == []
    person, horse = saint.detections[1].id, saint.detections[0].id
    assert [(edge.subject_id, edge.predicate, edge.object_id) for edge in saint.relations] == [
        (person, "next_to", horse)
    ]
    assert [(subject.notation, subject.score) for subject in saint.subjects] == [("11H(GEORGE)41", 0.93)]
    assert [note.state for note in saint.annotations] == ["rejected", "published"]
    assert saint.annotations[1].external_id == "http://data.europeana.eu/annotation/12345"
    assert saint.record.item_uri == "http://data.europeana.eu/item/90402/SAINT_GEORGE_1"
    assert (broken.state, broken.reason, broken.detections) == ("failed", "cannot identify image file", ())
    assert evil.detections[0].change == "rescored"
    assert view.counts == RunCounts(
        pictures=3, failed=1, detections=3, corrected=1, corrected_pictures=1, captions=1, generated=1, annotations=3,
        published=1,
    )  # fmt: skip
    assert [job.key for job in view.jobs] == ["sgob-infer-1"]
    assert [(failure.step, failure.reason, failure.of_run) for failure in view.failures] == [
        ("Detecting", "cannot identify image file", True),
        ("Annotating", "body is no web address", True),
        ("Fetching pictures", "HTTP 404", False),
    ]


def test_pictures_left_out_are_still_counted(store: sa.Engine, tmp_path: Path) -> None:
    seed(store, tmp_path)
    view = run_view(store, RUN, limit=1)
    assert [picture.record.id for picture in view.pictures] == [SAINT]
    assert view.counts == run_view(store, RUN).counts


def test_last_run_is_the_newest_enrichment_that_had_pictures(store: sa.Engine, tmp_path: Path) -> None:
    with store.begin() as connection:
        for name, kind in (("train", "train"), ("later", "enrich")):
            connection.execute(sa.insert(t.runs).values(id=name, kind=kind, started_at=START + timedelta(days=1)))
    view = run_view(store)
    assert view.run is not None
    assert (view.run.id, view.run.seconds, view.pictures, view.counts) == ("later", None, (), RunCounts())
    seed(store, tmp_path)
    view = run_view(store)
    assert view.run is not None
    assert view.run.id == RUN, "a night without news has nothing to show"
    assert [run.id for run in view.runs] == ["later", "train", RUN]
    assert run_view(store, "unknown").run is None


def test_picture_in_two_batches_is_shown_once_as_the_newer_has_it(store: sa.Engine, tmp_path: Path) -> None:
    hashes = seed(store, tmp_path)
    with store.begin() as connection:
        connection.execute(
            sa.insert(t.batches).values(
                id="b0", run_id=RUN, model_id="detector-1", state="failed", shards=1, pictures=1,
                created_at=START - timedelta(hours=1),
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.batch_items).values(batch_id="b0", sha256=hashes[SAINT], shard=0, state="failed", reason="old")
        )
    view = run_view(store)
    assert (view.pictures[0].record.id, view.pictures[0].state) == (SAINT, "loaded")
    assert (view.counts.pictures, view.counts.failed) == (3, 1)


def test_other_models_and_foreign_annotations_are_not_mixed_in(store: sa.Engine, tmp_path: Path) -> None:
    hashes = seed(store, tmp_path)
    with store.begin() as connection:
        connection.execute(
            sa.insert(t.models).values(
                id="other", name="detector", version=2, path="x", sha256="1" * 64, config={}, scores={}, training={}
            )
        )
        connection.execute(
            sa.insert(t.detections).values(
                record_id=SAINT, sha256=hashes[SAINT], model_id="other", ordinal=0, class_name="boat", score=0.9, x=0,
                y=0, width=1, height=1,
            )
        )  # fmt: skip
    saint = run_view(store).pictures[0]
    assert [found.class_name for found in saint.detections] == ["bicycle", "person"]


def test_only_fetched_pictures_have_a_size(store: sa.Engine, tmp_path: Path) -> None:
    hashes = seed(store, tmp_path)
    assert picture_size(store, hashes[EVIL]) == (500, 900)
    assert picture_size(store, "f" * 64) is None
