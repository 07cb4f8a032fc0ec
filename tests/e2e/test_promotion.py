"""A new detector that a person makes the champion, and what becomes of what the old one annotated: in a real Airflow.

They leave another champion behind: ``conftest`` lets what asks for ``asked`` come after everything else.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from sgob_tasks.annotations.model import TAGGING, content_key
from sgob_tasks.config import PublishSettings
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.sandbox.airflow import USER, AirflowClient
from sgob_tasks.sandbox.night import TRAIN, NightDriver
from sgob_tasks.sandbox.platform import Platform
from sgob_tasks.store import models as registry
from sgob_tasks.store import tables as t
from sgob_tasks.store.backfill import Bounds, outdated_pictures

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

OLD, NEW = "detector-1", "detector-2"
REENRICH, ASKS = "reenrich_pictures", "approve_promotion"
BACKFILL = 4
# A few small steps from where the champion is: it finds much the same, however busy the machine.
TRAINING = {"promote": "ask", "nodes": 1}
FINE_TUNING = "{ steps = 2, learning_rate = 1e-4, evaluations = 0 }"
PATIENT_S = 600.0
LIVE = {"proposed", "approved", "published"}
UNCHANGED = {
    t.runs: "id", t.batches: "id", t.detections: "id", t.relations: "id", t.captions: "id", t.annotations: "key",
    t.publications: "subject", t.slurm_jobs: "key", t.models: "id",
}  # fmt: skip
"""Tables that a backfill without pictures leaves as they are, and what their rows are known by."""
Rows = dict[str, dict[str, Any]]


def answer(platform: Platform, client: AirflowClient, run_id: str, option: str) -> None:
    """Answer as the button of *Browse → Required actions* does, once the scheduler knows that the task waits.

    A person is slower than that. Before, Airflow 3.3 takes the end of the process that asked for the end of the task,
    loses the answer, and asks again.
    """
    task = next(task for task in client.task_instances(TRAIN, run_id) if task["task_id"] == ASKS)
    noted = f"task_id='{ASKS}', run_id='{run_id}', try_number={task['try_number']}"
    log, deadline = platform.home / "airflow" / "run" / "airflow-scheduler.log", time.monotonic() + 60
    while not any("Received executor event" in line and noted in line for line in log.open(errors="replace")):
        assert time.monotonic() < deadline, f"the scheduler knows that the task waits: {noted}"
        time.sleep(0.5)
    path = f"dags/{TRAIN}/dagRuns/{run_id}/taskInstances/{ASKS}/-1/hitlDetails"
    client.call("PATCH", path, json={"chosen_options": [option], "params_input": {}})


def states(client: AirflowClient, dag_id: str, run_id: str) -> dict[str, str]:
    return {task["task_id"]: task["state"] for task in client.task_instances(dag_id, run_id)}


def returned(client: AirflowClient, dag_id: str, run_id: str, task_id: str) -> Any:
    path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
    return client.call("GET", path, params={"deserialize": True})["value"]


def versions(engine: sa.Engine) -> dict[str, str]:
    return {row["id"]: row["state"] for row in registry.versions(engine) if row["name"] == registry.DETECTOR}


def by_key(engine: sa.Engine, table: sa.Table, key: str) -> Rows:
    with engine.connect() as connection:
        return {row[key]: dict(row) for row in connection.execute(sa.select(table)).mappings()}


def sent(platform: Platform) -> dict[str, int]:
    """Return how many annotations the stand-in for Europeana holds."""
    url = f"http://127.0.0.1:{platform.state()['ports']['europeana']}/_control/stats"
    counts: dict[str, int] = requests.get(url, timeout=10).json()["annotations"]
    return counts


@pytest.fixture(scope="module")
def client(platform: Platform) -> AirflowClient:
    return platform.airflow(platform.state()).client()


@pytest.fixture(scope="module")
def installation(first_night: dict[str, str], platform: Platform) -> Iterator[None]:
    """Configure that trainings start from the champion, and that a backfill takes a few pictures at a time."""
    path = platform.home / "sgob.toml"
    before = path.read_text()
    weights = json.dumps(str(platform.home / "models" / OLD))
    training = f"[training]\ninitial_weights = {weights}\nparameters = {FINE_TUNING}\n"
    assert before.count("[training]\n") == 1
    path.write_text(before.replace("[training]\n", training) + f"\n[enrich]\nbackfill_limit = {BACKFILL}\n")
    yield
    path.write_text(before)


@pytest.fixture(scope="module")
def asked(installation: None, driver: NightDriver, client: AirflowClient) -> str:
    """Train a second detector until a person is asked about it; return the run."""
    run_id = client.trigger(TRAIN, TRAINING)
    driver.follow(TRAIN, run_id, PATIENT_S, until_asked=True)
    return run_id


@pytest.fixture(scope="module")
def refused(asked: str, platform: Platform, driver: NightDriver, client: AirflowClient) -> str:
    """Say no; return the run."""
    answer(platform, client, asked, "Reject")
    driver.follow(TRAIN, asked, PATIENT_S)
    return asked


@pytest.fixture(scope="module")
def before(refused: str, engine: sa.Engine, platform: Platform) -> dict[str, Any]:
    """Return what there is before the promotion."""
    return {
        "annotations": by_key(engine, t.annotations, "key"),
        "publications": by_key(engine, t.publications, "subject"),
        "sent": sent(platform),
    }


@pytest.fixture(scope="module")
def approved(
    before: dict[str, Any], refused: str, platform: Platform, driver: NightDriver, client: AirflowClient
) -> datetime:
    """Think again: clear the task, which asks once more, and say yes; return the time before that."""
    body = {"dry_run": False, "task_ids": [ASKS], "dag_run_id": refused, "include_downstream": True}
    client.call("POST", f"dags/{TRAIN}/clearTaskInstances", json=body | {"only_failed": False})
    driver.follow(TRAIN, refused, PATIENT_S, until_asked=True)
    began = datetime.now(timezone.utc) - timedelta(seconds=1)
    answer(platform, client, refused, "Approve")
    driver.follow(TRAIN, refused, PATIENT_S)
    return began


@pytest.fixture(scope="module")
def backfilled(approved: datetime, driver: NightDriver) -> str:
    """Wait until what follows from the promotion has ended; return the run of the backfill."""
    runs = {}
    for dag_id in (REENRICH, "publish_annotations", "share_datasets"):
        runs[dag_id] = driver.run_by_assets(dag_id, approved)
        driver.follow(dag_id, runs[dag_id], PATIENT_S)
    return runs[REENRICH]


def test_a_person_is_asked_and_may_say_no(refused: str, client: AirflowClient, engine: sa.Engine) -> None:
    found = client.call("GET", f"dags/{TRAIN}/dagRuns/{refused}/hitlDetails")["hitl_details"]
    assert [(one["subject"], one["options"]) for one in found] == [(f"Make {NEW} the champion?", ["Approve", "Reject"])]
    assert "AP50, with time context" in found[0]["body"]
    assert found[0]["responded_by_user"]["name"] == USER
    after = states(client, TRAIN, refused)
    assert (after["register"], after[ASKS], after["promote"]) == ("success", "success", "skipped")
    assert versions(engine) == {OLD: "champion", NEW: "candidate"}
    assert registry.changes(engine, NEW) == []
    assert registry.find(engine, NEW)["decision"]["comparison"]["images"] > 0
    assert "asset_triggered" not in {run["run_type"] for run in client.runs(REENRICH)}


def test_who_says_yes_makes_it_the_champion(
    approved: datetime, refused: str, client: AirflowClient, engine: sa.Engine
) -> None:
    after = states(client, TRAIN, refused)
    assert (after["train"], after[ASKS], after["promote"]) == ("success", "success", "success")
    assert versions(engine) == {OLD: "retired", NEW: "champion"}
    change, replaced = registry.changes(engine, NEW)[-1], registry.changes(engine, OLD)[-1]
    assert (change["actor"], change["run_id"]) == (USER, refused)
    assert change["reason"].startswith("approved: AP50 ")
    assert change["decision"]["comparison"]["images"] > 0
    assert change["changed_at"] > approved
    assert (replaced["state_after"], replaced["actor"]) == ("retired", USER)
    assert replaced["reason"] == f"replaced by {NEW}"


def test_the_promotion_starts_a_backfill_within_its_bounds(
    backfilled: str, refused: str, client: AirflowClient, engine: sa.Engine
) -> None:
    outdated = returned(client, TRAIN, refused, "promote")["outdated"]
    planned = returned(client, REENRICH, backfilled, "plan_batch")
    assert (planned["model"], planned["pictures"], planned["left"]) == (NEW, BACKFILL, outdated - BACKFILL)
    items = [row for row in by_key(engine, t.batches, "id").values() if row["model_id"] == NEW]
    assert [(row["run_id"], row["state"], row["pictures"]) for row in items] == [(backfilled, "loaded", BACKFILL)]
    assert len(outdated_pictures(engine, NEW, Bounds(), 1000)) == outdated - BACKFILL


def test_the_backfill_takes_what_has_the_most_tags(backfilled: str, before: dict[str, Any], engine: sa.Engine) -> None:
    boxes = by_key(engine, t.detections, "id")
    tags = [row for row in before["annotations"].values() if row["state"] == "published" and row["detection_id"]]
    live = Counter(boxes[row["detection_id"]]["sha256"] for row in tags)
    chosen = pictures_of(engine, backfilled)
    left = {picture.sha256 for picture in outdated_pictures(engine, NEW, Bounds(), 1000)}
    assert min(live[sha256] for sha256 in chosen) >= max(live[sha256] for sha256 in left)


def test_what_the_backfill_took_is_the_new_champions(
    backfilled: str, before: dict[str, Any], engine: sa.Engine
) -> None:
    chosen, boxes = pictures_of(engine, backfilled), by_key(engine, t.detections, "id")
    found = [box for box in boxes.values() if box["model_id"] == NEW]
    assert found, "the new champion found something"
    assert {box["sha256"] for box in found} <= chosen
    assert all(box["context_version"] for box in found)
    with engine.connect() as connection:
        related = {
            row
            for edge in connection.execute(sa.select(t.relations.c.subject_id, t.relations.c.object_id))
            for row in edge
        }
    assert {boxes[number]["model_id"] for number in related if boxes[number]["sha256"] in chosen} <= {NEW}

    # Of these records' tags, those stay that were published; all others are of the new champion.
    concepts, least = ClassTable.load(), PublishSettings().min_score
    wanted = {
        content_key(box["record_id"], TAGGING, {"source": uri})
        for box in found
        if box["label"] and box["label_score"] >= least and (uri := concepts.concept_uri(box["label"]))
    }
    records = {box["record_id"] for box in boxes.values() if box["sha256"] in chosen}
    after = {key: row for key, row in by_key(engine, t.annotations, "key").items() if row["motivation"] == TAGGING}
    kept = {key for key, row in before["annotations"].items() if row["state"] == "published" and key in after}
    mine = {key for key, row in after.items() if row["record_id"] in records and row["state"] in LIVE}
    assert mine == {key for key in kept if after[key]["record_id"] in records} | wanted
    assert all(boxes[after[key]["detection_id"]]["model_id"] == NEW for key in mine - kept)
    assert all(after[key] == before["annotations"][key] for key in kept)
    others = {key for key, row in after.items() if row["record_id"] not in records}
    assert all(after[key] == before["annotations"][key] for key in others)


def test_nothing_is_published_twice(
    backfilled: str, before: dict[str, Any], engine: sa.Engine, platform: Platform
) -> None:
    after = by_key(engine, t.publications, "subject")
    assert all(after[subject] == row for subject, row in before["publications"].items())
    new = [row for row in after.values() if row["subject"] not in before["publications"]]
    annotations = [row for row in new if row["destination"] == "europeana"]
    assert all(row["state"] == "published" and row["verified"] and row["attempts"] == 1 for row in annotations)
    assert sent(platform) == before["sent"] | {"stored": before["sent"]["stored"] + len(annotations)}
    assert {row["state"] for row in after.values()} == {"published"}


def test_the_same_once_more_does_nothing(
    backfilled: str, client: AirflowClient, driver: NightDriver, engine: sa.Engine
) -> None:
    """Bounded by the parameters of a run to what was done: the number of pictures would allow for more."""
    (record_id, *_) = sorted(
        row["record_id"]
        for row in by_key(engine, t.media, "id").values()
        if row["sha256"] in pictures_of(engine, backfilled)
    )
    before = {table.name: by_key(engine, table, key) for table, key in UNCHANGED.items()}
    run_id = client.trigger(REENRICH, {"dataset": record_id, "max_pictures": 100})
    driver.follow(REENRICH, run_id, PATIENT_S)
    planned = returned(client, REENRICH, run_id, "plan_batch")
    assert planned == {"model": NEW, "pictures": 0, "left": 0, "reason": f"{NEW} has looked at all of them"}
    after = states(client, REENRICH, run_id)
    assert {task: state for task, state in after.items() if state == "success"} == {
        "plan_batch": "success", "anything_new": "success",
    }  # fmt: skip
    assert {table.name: by_key(engine, table, key) for table, key in UNCHANGED.items()} == before


def pictures_of(engine: sa.Engine, run_id: str) -> set[str]:
    query = sa.select(t.batch_items.c.sha256).join(t.batches).where(t.batches.c.run_id == run_id)
    with engine.connect() as connection:
        return set(connection.scalars(query))
