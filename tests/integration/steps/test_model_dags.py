"""The ways through ``train_detector`` and ``reenrich_pictures`` as Airflow takes them, with steps that are faked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).parents[3]
RUN = """\
import json, sys
import sgob_airflow.common as common
import sgob_airflow.slurm_operator as slurm

answers, calls = {}, []

def run_step(name, **arguments):
    calls.append([name, {key: value for key, value in arguments.items() if key != "run_id"}])
    return answers.get(name, {})

common.run_step = run_step
slurm.SlurmJobOperator.execute = lambda self, context: {"state": "succeeded"}

from airflow.dag_processing.dagbag import DagBag

dags = DagBag("dags").dags
for case, (dag_id, answers) in json.loads(sys.argv[1]).items():
    calls.clear()
    run = dags[dag_id].test()
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    print("RESULT", json.dumps([case, {"run": str(run.state), "states": states, "calls": calls}]))
"""
PLANNED = {"key": "sgob-train-1", "kind": "train", "tasks": 1, "plan": {"text": "the plan"}}


def registered(action: str) -> dict[str, Any]:
    return {"model": "detector-2", "decision": {"action": action}, "text": "the table"}


def training(action: str) -> list[Any]:
    answers = {"train.prepare": PLANNED, "train.approval_needed": False, "train.register": registered(action)}
    return ["train_detector", answers]


def enrichment(dag_id: str, pictures: int, described: int = 0) -> list[Any]:
    job = {"key": "sgob-infer-1", "kind": "infer", "tasks": 1, "pictures": pictures}
    written: dict[str, Any] = {"pictures": 0, "reason": "there is no caption generator yet"}
    if described:
        written = {"key": "sgob-generate_captions-1", "kind": "generate_captions", "tasks": 1, "pictures": described}
    return [dag_id, {"reenrich.plan_batch": job, "enrich.plan_batch": job, "captions.plan_generation": written}]


CASES = {
    "promote": training("promote"),
    "keep": training("keep"),
    "backfill, nothing left": enrichment("reenrich_pictures", 0),
    "backfill": enrichment("reenrich_pictures", 3),
    "night, nothing new": enrichment("enrich_pictures", 0),
    "night, a generator": enrichment("enrich_pictures", 0, described=2),
    "generator": ["train_captions", {"captions.prepare_training": PLANNED, "captions.register_training": {}}],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Run every case in an Airflow of its own; return state of the run, states of its tasks, and calls of steps."""
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "dags").mkdir()
    for name in ("train_detector.py", "reenrich_pictures.py", "enrich_pictures.py", "train_captions.py"):
        shutil.copy(REPOSITORY / "dags" / name, folder / "dags")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SGOB"))}
    environment = kept | {
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")]),
        "SGOB_HOME": str(folder / "sgob"),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    run("-m", "airflow", "db", "migrate")
    output = run("-c", RUN, json.dumps(CASES))
    return dict(json.loads(line.removeprefix("RESULT ")) for line in output.splitlines() if line.startswith("RESULT "))


@pytest.mark.parametrize("case", CASES)
def test_every_way_ends_well(runs: dict[str, dict[str, Any]], case: str) -> None:
    assert runs[case]["run"] == "success"


@pytest.mark.parametrize(("action", "outcome"), [("promote", "success"), ("keep", "skipped")])
def test_a_decision_is_carried_out(runs: dict[str, dict[str, Any]], action: str, outcome: str) -> None:
    states = runs[action]["states"]
    assert (states["approve"], states["train"], states["register"]) == ("skipped", "success", "success")
    assert (states["approve_promotion"], states["promote"]) == ("skipped", outcome)
    promoted = [arguments for name, arguments in runs[action]["calls"] if name == "models.promote_decided"]
    assert promoted == ([{"registered": registered(action), "approval": None}] if action == "promote" else [])


@pytest.mark.parametrize(
    ("case", "cluster", "rest"),
    [
        ("backfill, nothing left", "skipped", {"skipped"}),
        ("backfill", "success", {"success"}),
        ("night, nothing new", "skipped", {"success"}),
    ],
)
def test_only_the_night_goes_on_without_pictures(
    runs: dict[str, dict[str, Any]], case: str, cluster: str, rest: set[str]
) -> None:
    states = runs[case]["states"]
    assert states["infer"] == states["load"] == cluster
    always = ("context", "describe_scenes", "plan_captions", "classify_captions", "annotate", "report")
    assert {states[task] for task in always} == rest
    assert states["describe"] == states["load_captions"] == "skipped", "there is no generator"


def test_a_generator_describes_what_waits_for_it(runs: dict[str, dict[str, Any]]) -> None:
    states = runs["night, a generator"]["states"]
    assert (states["infer"], states["describe"], states["load_captions"]) == ("skipped", "success", "success")
    names = [name for name, _ in runs["night, a generator"]["calls"]]
    order = ["enrich.context", "enrich.describe_scenes", "captions.plan_generation", "captions.load_generation"]
    assert [name for name in names if name in order] == order


def test_a_generator_is_registered_after_its_training(runs: dict[str, dict[str, Any]]) -> None:
    assert set(runs["generator"]["states"].values()) == {"success"}
    name, arguments = runs["generator"]["calls"][-1]
    assert (name, arguments) == ("captions.register_training", {"job": PLANNED, "promote": "auto"})


def test_the_backfill_is_bounded_by_its_parameters(runs: dict[str, dict[str, Any]]) -> None:
    assert runs["backfill"]["calls"][0] == [
        "reenrich.plan_batch",
        {
            "limit": None, "dataset": None, "year_from": None, "year_to": None, "only": "all", "order": "affected",
            "shard_size": None,
        },
    ]  # fmt: skip
