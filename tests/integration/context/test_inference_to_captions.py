"""Results of inference into the store, through the time context, and the sentences' way: on a real PostgreSQL."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.captions.classifier import CaptionCounts, TrainingPlan, classify_records, train_classifier
from sgob_tasks.context.refine import apply_time_context
from sgob_tasks.errors import InputError
from sgob_tasks.store.detections import load_results, share_detections
from sgob_tasks.store.tables import batch_items, batches, captions, detections, media, models, records

pytestmark = pytest.mark.integration

HORSE = {"class_name": "horse", "score": 0.8, "bbox": [12, 10, 100, 80], "mask": None, "candidates": {"horse": 0.8}}
BICYCLE = {
    "class_name": "bicycle",
    "score": 0.6,
    "bbox": [200, 10, 90, 80],
    "mask": {"size": [300, 400], "counts": "abc"},
    "candidates": {"bicycle": 0.6, "horse": 0.3},
}


def sha(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def add_record(store: sa.Engine, key: str, picture: str | None = None, **values: Any) -> None:
    url = f"https://example.org/{key}.jpg"
    with store.begin() as connection:
        connection.execute(
            sa.insert(records).values(
                {"id": key, "title": "A title", "image_url": url, "content_hash": key, "raw": {}, **values}
            )
        )
        if picture:
            connection.execute(
                sa.insert(media).values(
                    record_id=key, url=url, state="fetched", sha256=sha(picture), width=400, height=300
                )
            )


def add_batch(store: sa.Engine, batch: str, run: str, *pictures: str, classes: list[str] | None = None) -> None:
    with store.begin() as connection:
        if connection.execute(sa.select(sa.func.count()).select_from(models)).scalar_one() == 0:
            connection.execute(
                sa.insert(models).values(
                    id="detector-1", name="detector", version=1, state="champion", path="detector-1", sha256="0",
                    config={"classes": classes or ["horse", "bicycle", "person"]}, scores={}, training={},
                )
            )  # fmt: skip
        connection.execute(
            sa.insert(batches).values(id=batch, run_id=run, model_id="detector-1", shards=1, pictures=len(pictures))
        )
        connection.execute(
            sa.insert(batch_items), [{"batch_id": batch, "sha256": sha(name), "shard": 0} for name in pictures]
        )


def line(picture: str, *found: dict[str, Any], **changes: Any) -> str:
    value = {"sha256": sha(picture), "width": 400, "height": 300, "detections": list(found)} | changes
    return json.dumps(value) + "\n"


def rows(store: sa.Engine, table: sa.Table) -> list[dict[str, Any]]:
    with store.connect() as connection:
        query = sa.select(table).order_by(*table.primary_key.columns)
        return [dict(row) for row in connection.execute(query).mappings()]


def states(store: sa.Engine) -> dict[str, tuple[str, str | None]]:
    return {row["sha256"]: (row["state"], row["reason"]) for row in rows(store, batch_items)}


def test_results_are_loaded_exactly_once(store: sa.Engine, tmp_path: Path) -> None:
    add_record(store, "/1/a", "a")
    add_record(store, "/1/twin", "a")
    add_record(store, "/1/b", "b")
    add_record(store, "/1/gone", "b", state="gone")
    add_record(store, "/1/empty", "empty")
    add_batch(store, "batch", "run", "a", "b", "empty", "torn", "error", "late")
    text = line("a", BICYCLE, HORSE) + line("b", HORSE) + line("empty") + line("torn", HORSE)[:-30] + "\n"
    text += json.dumps({"sha256": sha("error"), "error": "cannot decode"}) + "\nnonsense\n" + line("stranger", HORSE)
    (tmp_path / "0000.jsonl").write_text(text, "utf-8")

    counts = load_results(store, "batch", tmp_path)
    assert (counts.loaded, counts.loaded_before, counts.failed, counts.missing) == (3, 0, 2, 1)
    assert (counts.detections, counts.malformed) == (5, 3)
    assert any("0000.jsonl, line 6" in example for example in counts.examples)
    assert any("is no picture of batch batch" in example for example in counts.examples)
    found = states(store)
    assert found[sha("a")] == found[sha("b")] == found[sha("empty")] == ("loaded", None)
    assert found[sha("late")] == ("planned", None)
    assert found[sha("error")] == ("failed", "cannot decode")
    assert found[sha("torn")][0] == "failed"
    assert "0000.jsonl, line 4: line = " in (found[sha("torn")][1] or "")

    written = rows(store, detections)
    assert {row["record_id"] for row in written} == {"/1/a", "/1/twin", "/1/b"}
    first = next(row for row in written if row["record_id"] == "/1/a" and row["ordinal"] == 0)
    assert (first["class_name"], first["score"], first["mask"], first["label"]) == ("horse", 0.8, None, None)
    assert (first["x"], first["y"], first["width"], first["height"]) == (12.0, 10.0, 100.0, 80.0)

    again = load_results(store, "batch", tmp_path)
    assert (again.loaded, again.loaded_before, again.failed, again.detections) == (0, 3, 0, 0)
    assert rows(store, detections) == written

    (tmp_path / "0001.jsonl").write_text(line("late", HORSE) + line("error", HORSE), "utf-8")
    later = load_results(store, "batch", tmp_path)
    assert (later.loaded, later.missing) == (2, 0)
    assert states(store)[sha("error")] == ("loaded", None)


def test_two_loaders_at_once_write_once(store: sa.Engine, tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(40)]
    for name in names:
        add_record(store, f"/1/{name}", name)
    add_batch(store, "batch", "run", *names)
    (tmp_path / "0000.jsonl").write_text("".join(line(name, HORSE, BICYCLE) for name in names), "utf-8")
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: load_results(store, "batch", tmp_path), range(2)))
    assert sum(counts.detections for counts in both) == len(rows(store, detections)) == 80
    assert sum(counts.loaded for counts in both) == 40


def test_a_shard_is_loaded_whole_or_not_at_all(store: sa.Engine, tmp_path: Path) -> None:
    add_record(store, "/1/a", "a")
    add_record(store, "/1/b", "b")
    add_batch(store, "batch", "run", "a", "b")
    (tmp_path / "0000.jsonl").write_text(line("a", HORSE) + line("b", HORSE), "utf-8")
    with store.begin() as connection:
        connection.execute(sa.text("ALTER TABLE batch_items ADD CONSTRAINT never CHECK (state <> 'loaded')"))
    with pytest.raises(sa.exc.IntegrityError):
        load_results(store, "batch", tmp_path)
    assert rows(store, detections) == []
    assert {state for state, _ in states(store).values()} == {"planned"}


def test_unknown_batches_and_folders_are_refused(store: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="id = 'none': is no batch"):
        load_results(store, "none", tmp_path)
    add_batch(store, "batch", "run", "a")
    with pytest.raises(InputError, match="is no folder"):
        load_results(store, "batch", tmp_path / "missing")


def test_a_later_record_gets_what_is_known_of_its_picture(store: sa.Engine, tmp_path: Path) -> None:
    add_record(store, "/1/a", "a", date_text="1480")
    add_batch(store, "batch", "run", "a")
    (tmp_path / "0000.jsonl").write_text(line("a", HORSE, BICYCLE), "utf-8")
    load_results(store, "batch", tmp_path)
    apply_time_context(store)
    add_record(store, "/1/later", "a", date_text="1980")
    assert share_detections(store, "detector-1") == 2
    assert share_detections(store, "detector-1") == 0
    copied = [row for row in rows(store, detections) if row["record_id"] == "/1/later"]
    assert [(row["class_name"], row["label"], row["label_reason"]) for row in copied] == [
        ("horse", None, None),
        ("bicycle", None, None),
    ]
    apply_time_context(store)
    labels = {(row["record_id"], row["class_name"]): row["label"] for row in rows(store, detections)}
    assert labels["/1/a", "bicycle"] == "horse"
    assert labels["/1/later", "bicycle"] == "bicycle"


@pytest.fixture
def dated(store: sa.Engine, tmp_path: Path) -> sa.Engine:
    """Records of one run with a bicycle each, differing in what is known of their date."""
    dates = {
        "old": {"date_text": "ca. 1480-85"},
        "modern": {"date_text": "1905"},
        "garbage": {"date_text": "some time ago"},
        "title": {"title": "Saint George, 1492", "date_text": None},
        "none": {"date_text": None},
        "stored": {"date_text": None, "year_from": 1500, "year_to": 1510},
        "before": {"date_text": "before 1600"},
    }
    for name, values in dates.items():
        add_record(store, f"/1/{name}", name, **values)
    add_batch(store, "batch", "run", *dates)
    (tmp_path / "0000.jsonl").write_text("".join(line(name, BICYCLE) for name in dates), "utf-8")
    load_results(store, "batch", tmp_path)
    return store


def test_time_context_fills_years_and_labels(dated: sa.Engine) -> None:
    counts = apply_time_context(dated)
    assert (counts.records, counts.dated, counts.dated_by_title, counts.undated, counts.unparsable) == (7, 4, 1, 3, 1)
    assert counts.examples == ("some time ago",)
    assert (counts.detections, counts.relabelled, counts.rescored, counts.removed) == (7, 4, 0, 0)
    years = {row["id"]: (row["year_from"], row["year_to"]) for row in rows(dated, records)}
    assert years == {
        "/1/old": (1480, 1485),
        "/1/modern": (1905, 1905),
        "/1/garbage": (None, None),
        "/1/title": (1492, 1492),
        "/1/none": (None, None),
        "/1/stored": (1500, 1510),
        "/1/before": (None, 1600),
    }
    found = {row["record_id"]: row for row in rows(dated, detections)}
    for name in ("old", "title", "stored", "before"):
        assert found[f"/1/{name}"]["label"] == "horse"
        assert found[f"/1/{name}"]["label_score"] == pytest.approx(0.9)
    for name in ("modern", "garbage", "none"):
        row = found[f"/1/{name}"]
        assert (row["label"], row["label_score"], row["label_reason"]) == ("bicycle", 0.6, None)
    assert found["/1/old"]["label_reason"] == (
        "bicycle appeared in 1817; the picture is dated about 1480-1485; relabelled horse, which it resembles"
    )


def test_time_context_twice_writes_nothing_more(dated: sa.Engine) -> None:
    assert apply_time_context(dated).changed > 0
    before = rows(dated, detections)
    assert apply_time_context(dated).records == 0
    again = apply_time_context(dated, [row["id"] for row in rows(dated, records)])
    assert (again.records, again.changed, again.relabelled) == (7, 0, 4)
    assert rows(dated, detections) == before


def test_a_new_date_undoes_an_old_correction(dated: sa.Engine) -> None:
    apply_time_context(dated)
    with dated.begin() as connection:
        connection.execute(
            sa.update(records).where(records.c.id == "/1/old").values(date_text="1950", year_from=None, year_to=None)
        )
    assert apply_time_context(dated).records == 1
    row = next(row for row in rows(dated, detections) if row["record_id"] == "/1/old")
    assert (row["label"], row["label_score"], row["label_reason"]) == ("bicycle", 0.6, None)


def test_time_context_looks_at_the_records_it_is_given(dated: sa.Engine) -> None:
    counts = apply_time_context(dated, ["/1/old", "/1/none"])
    assert (counts.records, counts.changed) == (2, 3)
    labels = {row["record_id"]: row["label"] for row in rows(dated, detections)}
    assert labels["/1/old"] == "horse"
    assert labels["/1/modern"] is None


def test_a_box_that_turns_out_double_keeps_its_row(store: sa.Engine, tmp_path: Path) -> None:
    add_record(store, "/1/a", "a", date_text="15th century")
    add_batch(store, "batch", "run", "a")
    double = BICYCLE | {"bbox": [13, 10, 100, 80], "candidates": {}}
    (tmp_path / "0000.jsonl").write_text(line("a", HORSE, double), "utf-8")
    load_results(store, "batch", tmp_path)
    assert apply_time_context(store).removed == 1
    kept, removed = rows(store, detections)
    assert (kept["label"], kept["label_score"]) == ("horse", 0.8)
    assert (removed["class_name"], removed["label"], removed["label_score"]) == ("bicycle", None, 0.0)
    assert "a better box shows the same horse" in removed["label_reason"]


def test_labels_stay_within_the_models_classes(store: sa.Engine, tmp_path: Path) -> None:
    add_record(store, "/1/a", "a", date_text="1480")
    add_batch(store, "batch", "run", "a", classes=["bicycle", "person"])
    (tmp_path / "0000.jsonl").write_text(line("a", BICYCLE | {"candidates": {"bicycle": 0.6}}), "utf-8")
    load_results(store, "batch", tmp_path)
    assert apply_time_context(store).removed == 1


def test_more_records_than_fit_on_a_page(store: sa.Engine) -> None:
    with store.begin() as connection:
        connection.execute(
            sa.insert(records),
            [
                {
                    "id": f"/1/{number:04d}",
                    "title": "t",
                    "content_hash": "h",
                    "raw": {},
                    "date_text": str(1000 + number),
                }
                for number in range(1001)
            ],
        )
    counts = apply_time_context(store)
    assert (counts.records, counts.dated, counts.changed) == (1001, 1001, 1001)
    assert all(row["year_from"] == 1000 + int(row["id"][3:]) for row in rows(store, records))


QUICK = TrainingPlan(epochs=6, folds=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A caption classifier trained from the package's own sentences."""
    folder = tmp_path_factory.mktemp("models") / "captions"
    train_classifier(None, folder, plan=QUICK)
    return folder


DESCRIPTION = (
    "A shepherd with a long staff sits under a tree beside three goats. "
    "The painting was bought from a dealer in 1912.\n"
    "Der Hirte sitzt mit den Schafen unter dem Baum und spielt die Flöte.\n"
    "A shepherd with a long staff sits under a tree beside three goats."
)


def test_sentences_are_judged_once_and_follow_their_record(store: sa.Engine, model: Path) -> None:
    add_record(store, "/1/a", description=DESCRIPTION, language="en")
    add_record(store, "/1/none", description=None)
    add_record(store, "/1/refused", description=DESCRIPTION, state="refused")
    polish = "Pasterz siedzi pod drzewem. Obraz kupiono w Paryżu."  # a language that the classifier does not know
    add_record(store, "/1/polish", description=polish, language="pl")
    assert classify_records(store, model) == CaptionCounts(3, 5, 2, 2, 3, 0)
    first = rows(store, captions)
    assert [(row["ordinal"], row["is_caption"], row["source"]) for row in first] == [
        (0, True, "description"), (1, False, "description"), (2, True, "description"),
    ]  # fmt: skip
    assert classify_records(store, model) == CaptionCounts(3, 5, 2, 2, 0, 0)
    assert rows(store, captions) == first

    with store.begin() as connection:
        changed = "Two dogs run along the bank of a river. The painting was bought from a dealer in 1912."
        connection.execute(sa.update(records).where(records.c.id == "/1/a").values(description=changed))
    assert classify_records(store, model, ["/1/a"]) == CaptionCounts(1, 2, 1, 0, 1, 2)
    assert {row["text"] for row in rows(store, captions)} == {
        "Two dogs run along the bank of a river.", "The painting was bought from a dealer in 1912.",
    }  # fmt: skip


def test_a_new_classifier_judges_in_the_same_rows(store: sa.Engine, model: Path, tmp_path: Path) -> None:
    add_record(store, "/1/a", description=DESCRIPTION, language="en")
    classify_records(store, model)
    first = rows(store, captions)
    other = train_classifier(None, tmp_path / "other", random_seed=8, plan=QUICK)
    assert classify_records(store, tmp_path / "other").judged == 3
    second = rows(store, captions)
    assert [row["id"] for row in second] == [row["id"] for row in first]
    assert {row["classifier"] for row in second} == {other.name}


def test_without_a_model_nothing_is_judged(store: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train one first"):
        classify_records(store, tmp_path)
