"""The plan of a training: from the ledger's jobs to the job directory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.cli import main
from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.ledger import JobRecord
from sgob_tasks.config import ClusterSettings, Settings
from sgob_tasks.detection.parameters import TrainingParameters, read_parameters
from sgob_tasks.errors import InputError
from sgob_tasks.steps import plan, train
from sgob_tasks.store.jobs import StoreLedger
from sgob_tasks.store.trainings import finished_trainings

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC)


@pytest.fixture
def settings(store: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SGOB_HOME", str(tmp_path))
    monkeypatch.setenv("SGOB_DATABASE_URL", store.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SGOB_CLUSTER__SITE", "minotauro")
    return Settings()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A COCO data set whose descriptions are there; nobody opens its pictures here."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    for name, count in (("train", 2400), ("val", 10)):
        images = [{"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 64} for n in range(count)]
        (folder / f"{name}.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    return folder


def finished(store: sa.Engine, key: str, hours: float, images: int = 4000, **changes: Any) -> None:
    """Enter a training on 5 nodes, which the published figures expect to take 27.9 h."""
    kind, parameters = changes.pop("kind", "train"), changes.pop("parameters", {})
    job = Job(key, kind, {"epochs": 50.0} | parameters, resources={"nodes": 5}, images=images)
    values: dict[str, Any] = {
        "cluster": "minotauro",
        "owner": "",
        "state": "succeeded",
        "run_dir": "/x/y",
        "job_id": "7",
        "submitted_at": NOW - timedelta(hours=hours),
        "ended_at": NOW,
    }
    StoreLedger(store).save(JobRecord(key, **(values | changes), details={"job": job.to_dict()}))


def ask(settings: Settings, **options: Any) -> dict[str, Any]:
    return plan.plan(settings, 4000, 4000, nodes=5, **options)


def test_finished_trainings_recalibrate_the_plan(store: sa.Engine, settings: Settings) -> None:
    assert ask(settings)["calibration"] == "published"
    for n in range(4):
        finished(store, f"slow-{n}", 56.0)
    found = ask(settings)
    assert found["calibration"] == "own jobs (4)"
    # Without a marker each counts half: 2 / (2 + 3) of the way to twice the hours.
    assert found["factor"] == pytest.approx(2**0.4, rel=0.01)
    assert found["hours_low"] == pytest.approx(26 * found["factor"], rel=0.01)


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster": "sandbox"},
        {"state": "failed"},
        {"kind": "infer"},
        {"generation": 2},
        {"images": 0},
        {"parameters": {"budget_s": 3600.0}},
        {"parameters": {"steps": 10}},
        {"parameters": {"preset": "tiny"}},
        {"submitted_at": None},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_says_nothing_about_the_hours_is_left_out(
    store: sa.Engine, settings: Settings, changes: dict[str, Any]
) -> None:
    finished(store, "odd", 56.0, **changes)
    assert ask(settings)["calibration"] == "published"


def test_a_network_learns_from_its_own_jobs(store: sa.Engine, settings: Settings) -> None:
    finished(store, "tiny", 56.0, parameters={"preset": "tiny"})
    assert ask(settings, preset="tiny")["calibration"] == "own jobs (1)"


def test_the_jobs_own_clock_counts_rather_than_the_time_in_the_queue(store: sa.Engine, settings: Settings) -> None:
    finished(store, "queued", 500.0)
    marker = {"index": 0, "exit_code": 0, "slurm_job_id": "7", "started_at": "2026-11-01T00:00:00Z"}
    done = settings.jobs_dir / "queued" / "done"
    done.mkdir(parents=True)
    (done / "0.json").write_text(json.dumps(marker | {"ended_at": "2026-11-02T03:56:00Z"}, indent=1))
    assert ask(settings)["factor"] == pytest.approx(1.0, abs=0.01)
    (done / "0.json").write_text(json.dumps(marker | {"slurm_job_id": "6", "ended_at": "2026-11-02T03:56:00Z"}))
    assert ask(settings)["factor"] > 1.3


def test_the_last_ones_come_first(store: sa.Engine) -> None:
    for n in range(3):
        finished(store, f"k-{n}", 30.0, ended_at=NOW - timedelta(days=n))
    assert [found.key for found in finished_trainings(store, "minotauro", limit=2)] == ["k-0", "k-1"]


def test_a_store_without_tables_has_no_jobs(store: sa.Engine) -> None:
    with store.begin() as connection:
        connection.execute(sa.text("DROP TABLE slurm_jobs CASCADE"))
    assert finished_trainings(store, "minotauro") == []


def test_a_prepared_training_has_nodes_and_images(settings: Settings, dataset: Path) -> None:
    job = train.prepare(settings, "run-1", dataset=str(dataset))
    assert job["images"] == 2400
    assert job["resources"] == {"nodes": job["plan"]["nodes"]}
    assert (job["plan"]["nodes"], job["plan"]["links"], job["plan"]["chosen_by"]) == (2, 1, "plan")
    assert "**2 nodes** of minotauro, 8 GPUs, chosen by the resource plan" in job["plan"]["text"]
    read_parameters(Path(job["job_dir"]), TrainingParameters)
    described = Job.from_dict(job)
    assert (described.images, described.asks(plan.configured_site(settings)).nodes) == (2400, 2)
    assert Job.from_dict(described.to_dict()) == described


def test_a_finished_training_is_what_the_next_plan_learns_from(
    store: sa.Engine, settings: Settings, dataset: Path
) -> None:
    job = Job.from_dict(train.prepare(settings, "run-1", dataset=str(dataset), epochs=10))
    record = JobRecord(job.key, "minotauro", "", "succeeded", "/x/y", job_id="7", details={"job": job.to_dict()})
    times = {"submitted_at": NOW - timedelta(hours=1), "ended_at": NOW}
    StoreLedger(store).save(JobRecord(**(vars(record) | times)))
    again = train.prepare(settings, "run-2", dataset=str(dataset), epochs=10)["plan"]
    assert again["calibration"] == "own jobs (1)"
    assert again["factor"] < 1


@pytest.mark.parametrize(
    ("options", "resources", "by"), [({"nodes": 3}, {"nodes": 3}, "person"), ({}, {"nodes": 2}, "plan")]
)
def test_a_person_names_the_nodes(
    settings: Settings, dataset: Path, options: dict[str, Any], resources: dict[str, int], by: str
) -> None:
    job = train.prepare(settings, "run-1", dataset=str(dataset), **options)
    assert (job["resources"], job["plan"]["chosen_by"]) == (resources, by)
    with pytest.raises(InputError, match="nodes = 40: site minotauro has 39"):
        train.prepare(settings, "run-1", dataset=str(dataset), nodes=40)


def test_a_site_keeps_its_own_nodes(settings: Settings, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "sandbox.toml").write_text('root = "/a/b"\npython = "/p"\n')
    sandbox = settings.model_copy(update={"cluster": ClusterSettings(site="sandbox")})
    job = train.prepare(sandbox, "run-1", dataset=str(dataset), budget_s=60)
    assert (job["resources"], job["plan"]["nodes"], job["plan"]["chosen_by"]) == ({}, 2, "site")
    assert job["plan"]["hours_high"] == pytest.approx(60 / 3600)
    assert Job.from_dict(job).asks(plan.configured_site(sandbox)).nodes == 2
    named = train.prepare(sandbox, "run-2", dataset=str(dataset), nodes=1)
    assert named["resources"] == {"nodes": 1}
    assert "plan = false" in plan.plan(settings, 1000, 1000, site="sandbox")["warnings"][-1]


def test_far_outside_of_what_was_measured_the_site_keeps_its_own_nodes(settings: Settings) -> None:
    resources, made = plan.for_training(settings, 50)
    assert (resources, made["nodes"], made["chosen_by"]) == ({}, 2, "site")
    assert "far outside" in made["text"]


def test_a_training_starts_from_weights_and_takes_any_parameter(
    settings: Settings, dataset: Path, tmp_path: Path
) -> None:
    (tmp_path / "coco").mkdir()
    for name in ("weights.h5", "model.json"):
        (tmp_path / "coco" / name).write_text(name)
    how = {"global_batch_size": 4000, "stages": [{"trainable": "heads", "share": 1}, {"trainable": "all", "share": 3}]}
    changes: dict[str, Any] = {"initial_weights": tmp_path / "coco", "parameters": how}
    training = settings.training.model_copy(update=changes)
    job = train.prepare(settings.model_copy(update={"training": training}), "run", str(dataset))
    folder = Path(job["job_dir"])
    read = read_parameters(folder, TrainingParameters)
    assert (read.global_batch_size, read.initial_weights) == (4000, "input/initial/weights.h5")
    assert read.parts == (("heads", 0.25), ("all", 1.0))
    assert (folder / "input" / "initial" / "weights.h5").read_text() == "weights.h5"
    assert (folder / "input" / "initial" / "model.json").exists()  # it names the classes

    alone = training.model_copy(update={"initial_weights": tmp_path / "coco" / "weights.h5"})
    assert train.prepare(settings.model_copy(update={"training": alone}), "two", str(dataset))["job_dir"]
    for wrong, message in (
        ({"initial_weights": tmp_path / "none.h5"}, r"training\.initial_weights = .*none\.h5'"),
        ({"parameters": {"epoch": 3}}, r"settings: training\.parameters: parameters\.epoch = 3: is unknown"),
    ):
        broken = settings.model_copy(update={"training": training.model_copy(update=wrong)})
        with pytest.raises(InputError, match=message):
            train.prepare(broken, "three", str(dataset))


@pytest.mark.parametrize("text", ["{", "[]", '{"images": []}'])
def test_training_data_without_pictures_is_refused(settings: Settings, dataset: Path, text: str) -> None:
    (dataset / "train.json").write_text(text)
    with pytest.raises(InputError, match=r"train\.json"):
        train.prepare(settings, "run-1", dataset=str(dataset))


def test_the_command(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--images", "9000", "--batch-size", "8000", "--nodes", "8", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {name: printed[name] for name in ("nodes", "gpus", "hours_low", "hours_high", "links")} == {
        "nodes": 8,
        "gpus": 16,
        "hours_low": 38.0,
        "hours_high": 45.0,
        "links": 1,
    }
    assert main(["plan", "--images", "0", "--batch-size", "8000"]) == 1
    assert "images = 0" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["plan", "--images", "1000"])


def test_approval_is_asked_for_where_configured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train.approval_needed(settings) is False
    monkeypatch.setenv("SGOB_TRAINING__REQUIRE_APPROVAL", "true")
    assert train.approval_needed(Settings()) is True
