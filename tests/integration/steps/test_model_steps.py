"""From a finished training job to a champion: registered, compared on the same pictures, promoted, brought back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.cli import main
from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.config import Settings, TrainingSettings
from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.steps import models, train
from sgob_tasks.store import models as registry
from sgob_tasks.store.jobs import StoreLedger
from sgob_tasks.store.tables import runs, slurm_submissions

pytestmark = pytest.mark.integration
BOX = [10, 10, 30, 30]
PICTURES = 16


@pytest.fixture
def settings(store: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    monkeypatch.setenv("SGOB_DATABASE_URL", store.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SGOB_CLUSTER__SITE", "minotauro")
    return Settings()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A COCO data set with a horse in every picture."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    document = {
        "categories": [{"id": 1, "name": "horse"}, {"id": 2, "name": "bicycle"}],
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 64} for n in range(1, PICTURES + 1)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": BOX, "area": 900, "iscrowd": 0}
            for n in range(1, PICTURES + 1)
        ],
    }
    for name in ("train", "val"):
        (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / "images" / "1.jpg").write_bytes(b"picture")
    return folder


def found(pictures: int) -> list[dict[str, Any]]:
    """What a detector finds that sees the horse in the first pictures only."""
    return [{"image_id": n, "category_id": 1, "score": 0.9, "bbox": BOX} for n in range(1, pictures + 1)]


def trained(
    settings: Settings, dataset: Path, run_id: str, good: int, champion_good: int | None = None,
    classes: tuple[str, ...] = ("horse", "bicycle"),
) -> dict[str, Any]:  # fmt: skip
    """Prepare a job, and leave what the cluster leaves: a model, what it finds, and what the champion finds."""
    job = train.prepare(settings, run_id, dataset=str(dataset))
    results = Path(job["job_dir"]) / "results"
    (results / "model").mkdir(parents=True)
    (results / "model" / "weights.h5").write_bytes(run_id.encode())
    (results / "model" / "model.json").write_text(json.dumps({"preset": "tiny", "classes": classes}))
    (results / "summary.json").write_text(json.dumps({"images": PICTURES}))
    (results / "val_detections.json").write_text(json.dumps(found(good)))
    if champion_good is not None:
        (results / "champion_val_detections.json").write_text(json.dumps(found(champion_good)))
    return job


def used(store: sa.Engine, job: dict[str, Any], gpu_hours: float) -> None:
    """Enter a chain of two submissions in the ledger."""
    described = Job.from_dict(job)
    times = {"submitted_at": datetime.now(UTC), "ended_at": datetime.now(UTC)}
    record = JobRecord(described.key, "minotauro", "d/r/train", "succeeded", "/x/y", job_id="7", **times)
    StoreLedger(store).save(record)
    with store.begin() as connection:
        connection.execute(sa.delete(slurm_submissions))
        for generation in (1, 2):
            connection.execute(
                sa.insert(slurm_submissions).values(
                    key=described.key, generation=generation, state="succeeded", gpu_seconds=gpu_hours * 1800,
                    node_seconds=gpu_hours * 450,
                )
            )  # fmt: skip


def first_champion(settings: Settings, dataset: Path, good: int = 8) -> None:
    registered = train.register(settings, "run-1", trained(settings, dataset, "run-1", good))
    assert registered["decision"]["action"] == "promote"
    assert models.promote_decided(settings, "run-1", registered)["changed"]


def test_the_first_one_is_promoted_without_a_person(store: sa.Engine, settings: Settings, dataset: Path) -> None:
    job = trained(settings, dataset, "run-1", 12)
    used(store, job, 6.0)
    assert not (Path(job["job_dir"]) / "input" / "champion").exists()
    registered = train.register(settings, "run-1", job)
    assert (registered["model"], registered["decision"]["action"]) == ("detector-1", "promote")
    assert registered["decision"]["reason"] == "there is no champion yet"
    assert models.promote_decided(settings, "run-1", registered) == {
        "model": "detector-1", "state": "champion", "replaced": None, "changed": True, "actor": "rule of promotion",
        "outdated": 0,
    }  # fmt: skip
    shown = models.show_model(settings, "detector-1")
    assert len(shown["data_sha256"]) == len(shown["held_out_sha256"]) == 64
    assert len(shown["revision"].split("-")[0]) == 40 or shown["revision"].startswith("unknown: ")
    assert (shown["usage"]["gpu_hours"], shown["usage"]["node_hours"], shown["usage"]["links"]) == (6.0, 1.5, 2)
    assert shown["plan"]["nodes"] == job["plan"]["nodes"]
    assert "text" not in shown["plan"]
    low, high = shown["after"]["ap50"]["interval"]
    assert 0 < low < shown["after"]["ap50"]["value"] < high <= 1
    assert [change["actor"] for change in shown["changes"]] == ["rule of promotion"]
    assert (settings.models_dir / "detector-1" / "weights.h5").read_bytes() == b"run-1"
    with store.connect() as connection:
        summary = connection.execute(sa.select(runs.c.summary).where(runs.c.id == "run-1")).scalar_one()
    assert summary["promote"]["model"] == "detector-1"


def test_registering_twice_changes_nothing(store: sa.Engine, settings: Settings, dataset: Path) -> None:
    first_champion(settings, dataset)
    job = trained(settings, dataset, "run-2", 9, 8)
    first = train.register(settings, "run-2", job)
    before = registry.versions(store)
    assert train.register(settings, "run-2", job) == first
    assert registry.versions(store) == before
    registry.promote(store, "detector-2", actor="a", reason="r")
    again = train.register(settings, "run-2", job)["decision"]
    assert (again["action"], again["reason"]) == ("keep", "it is the champion already")
    assert registry.versions(store)[0]["decision"] == first["decision"]


def test_a_clearly_better_one_replaces_the_champion(store: sa.Engine, settings: Settings, dataset: Path) -> None:
    first_champion(settings, dataset, good=4)
    job = trained(settings, dataset, "run-2", 16, 4)
    champion = Path(job["job_dir"]) / "input" / "champion"
    assert sorted(path.name for path in champion.iterdir()) == ["model.json", "weights.h5"]
    assert (champion / "weights.h5").read_bytes() == b"run-1"
    registered = train.register(settings, "run-2", job)
    decision = registered["decision"]
    assert (decision["action"], decision["champion"]) == ("promote", "detector-1")
    assert decision["comparison"]["after"]["ap50_candidate"] == pytest.approx(1.0)
    assert "| AP50, with time context |" in registered["text"]
    assert models.promote_decided(settings, "run-2", registered)["replaced"] == "detector-1"
    change = registry.changes(store, "detector-2")[0]
    assert change["decision"]["comparison"] == decision["comparison"]
    assert registry.find(store, "detector-1")["state"] == "retired"


def test_a_person_decides_what_may_be_chance(store: sa.Engine, settings: Settings, dataset: Path) -> None:
    first_champion(settings, dataset)
    registered = train.register(settings, "run-2", trained(settings, dataset, "run-2", 9, 8))
    assert registered["decision"]["action"] == "ask"
    assert "may be chance" in registered["decision"]["reason"]
    with pytest.raises(InputError, match="is to be approved by a person first"):
        models.promote_decided(settings, "run-2", registered)
    answer = {"chosen_options": ["Approve"], "responded_by_user": {"id": "1", "name": "Ana"}}
    assert models.promote_decided(settings, "run-2", registered, approval=answer)["actor"] == "Ana"
    assert registry.changes(store, "detector-2")[0]["reason"].startswith("approved: AP50 ")


@pytest.mark.parametrize("chosen", [["Reject"], [], ["Approve", "Reject"]])
def test_nothing_but_an_approval_promotes(
    store: sa.Engine, settings: Settings, dataset: Path, chosen: list[str]
) -> None:
    first_champion(settings, dataset)
    registered = train.register(settings, "run-2", trained(settings, dataset, "run-2", 9, 8))
    answer = {"chosen_options": chosen, "responded_by_user": {"id": "1", "name": "Ana"}}
    with pytest.raises(InputError, match="detector-2 was not approved"):
        models.promote_decided(settings, "run-2", registered, approval=answer)
    assert {row["id"]: row["state"] for row in registry.versions(store)} == {
        "detector-1": "champion", "detector-2": "candidate",
    }  # fmt: skip
    assert registry.changes(store, "detector-2") == []


def test_an_approval_that_comes_too_late_is_refused(settings: Settings, dataset: Path) -> None:
    first_champion(settings, dataset)
    second = train.register(settings, "run-2", trained(settings, dataset, "run-2", 9, 8))
    third = train.register(settings, "run-3", trained(settings, dataset, "run-3", 10, 8))
    answer = {"chosen_options": ["Approve"], "responded_by_user": None}
    models.promote_decided(settings, "run-3", third, approval=answer)
    with pytest.raises(PermanentError, match="the champion is detector-3 by now"):
        models.promote_decided(settings, "run-2", second, approval=answer)


def test_without_a_person_it_stays_a_candidate(settings: Settings, dataset: Path) -> None:
    first_champion(settings, dataset)
    quiet = settings.model_copy(update={"training": TrainingSettings(require_promotion_approval=False)})
    job = trained(settings, dataset, "run-2", 9, 8)
    assert train.register(quiet, "run-2", job)["decision"]["action"] == "keep"
    assert train.register(quiet, "run-2", job, promote="ask")["decision"]["action"] == "ask"
    assert train.register(quiet, "run-2", job, promote="always")["decision"]["action"] == "promote"
    assert models.show_model(settings, "detector-2")["state"] == "candidate"


def test_what_could_not_be_compared_is_for_a_person(
    store: sa.Engine, settings: Settings, dataset: Path, tmp_path: Path
) -> None:
    first_champion(settings, dataset, good=2)
    # The same held-out pictures: the champion's own job has its results.
    same = train.register(settings, "run-2", trained(settings, dataset, "run-2", 16))
    assert same["decision"]["comparison"] is not None
    other = json.loads((dataset / "val.json").read_text())
    other["images"][0]["year_from"] = other["images"][0]["year_to"] = 1500
    (dataset / "val.json").write_text(json.dumps(other))
    job = trained(settings, dataset, "run-3", 16)
    decision = train.register(settings, "run-3", job)["decision"]
    assert decision["action"] == "ask"
    assert "the job left no results of it (results/champion_val_detections.json)" in decision["reason"]
    registry.promote(store, "detector-2", actor="a", reason="r")
    decision = train.register(settings, "run-3", job)["decision"]
    assert "the champion was detector-1 when its training was prepared" in decision["reason"]
    assert models.compare(settings, "detector-2", "detector-3")["comparison"] is None


def test_a_lost_class_is_for_a_person(settings: Settings, dataset: Path) -> None:
    job = trained(settings, dataset, "run-1", 2, classes=("horse", "bicycle", "dragon"))
    models.promote_decided(settings, "run-1", train.register(settings, "run-1", job))
    decision = train.register(settings, "run-2", trained(settings, dataset, "run-2", 16, 2))["decision"]
    assert decision["action"] == "ask"
    assert "does not know dragon, which detector-1 finds" in decision["reason"]


def test_the_same_run_keeps_its_champion(store: sa.Engine, settings: Settings, dataset: Path) -> None:
    first_champion(settings, dataset)
    job = trained(settings, dataset, "run-2", 9, 8)
    registry.retire(store, "detector-1", actor="a", reason="r")
    assert train.prepare(settings, "run-2", dataset=str(dataset))["key"] == job["key"]
    provenance = json.loads((Path(job["job_dir"]) / "input" / "provenance.json").read_text())
    assert provenance["champion"]["id"] == "detector-1"
    decision = train.register(settings, "run-2", job)["decision"]
    assert (decision["action"], decision["champion"]) == ("promote", None)


def test_a_champion_without_files_is_named(settings: Settings, dataset: Path) -> None:
    first_champion(settings, dataset)
    (settings.models_dir / "detector-1" / "weights.h5").unlink()
    with pytest.raises(InputError, match=r"weights\.h5: champion = 'detector-1': its file is not there"):
        train.prepare(settings, "run-2", dataset=str(dataset))


def test_a_training_without_a_model_is_refused(settings: Settings, dataset: Path) -> None:
    job = trained(settings, dataset, "run-1", 1)
    with pytest.raises(InputError, match="promote = 'maybe'"):
        train.register(settings, "run-1", job, promote="maybe")
    assert models.list_models(settings) == []
    (Path(job["job_dir"]) / "results" / "model" / "weights.h5").unlink()
    with pytest.raises(PermanentError, match="left no model"):
        train.register(settings, "run-1", job)


def test_the_command_line(
    store: sa.Engine, settings: Settings, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> str:
        assert main(words) == 0
        return capsys.readouterr().out

    assert "no models" in run("models", "list")
    first_champion(settings, dataset)
    job = trained(settings, dataset, "run-2", 9, 8)
    used(store, job, 6.0)
    train.register(settings, "run-2", job)
    assert json.loads(run("status", "--json"))["model_states"] == {"detector-1": "champion", "detector-2": "candidate"}
    listed = run("models", "list")
    assert "detector-2  candidate  tiny" in listed
    shown = run("models", "show", "detector-2")
    for words in ("6.0 GPU-hours, 1.5 node-hours in 2 submissions on minotauro", "ask: AP50 +", "with time context"):
        assert words in shown
    assert "16 held-out pictures of detector-2, 2 classes" in run("models", "compare", "detector-1", "detector-2")
    assert json.loads(run("models", "compare", "detector-1", "detector-2", "--json"))["comparison"]["images"] == 16
    assert "detector-2 is the champion instead of detector-1" in run("models", "promote", "detector-2")
    assert "is the champion already" in run("models", "promote", "detector-2")
    assert "detector-1 is the champion instead of detector-2" in run(
        "models", "promote", "detector-1", "--reason", "the new one is worse"
    )
    assert "the new one is worse" in run("models", "show", "detector-1")
    assert "detector-2 is retired already" in run("models", "retire", "detector-2")
    assert "there is no champion: nights stop" in run("models", "retire", "detector-1")
    assert main(["models", "show", "detector-9"]) == 1
    assert "is no registered model" in capsys.readouterr().err
