"""What every DAG has to have, so that an operator can rely on it."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import Template

from docs.generate import PAGE, ROOT, awaited_by, load_dags, render

DAG_IDS = [
    "enrich_pictures",
    "harvest_europeana",
    "publish_annotations",
    "reconcile_jobs",
    "reenrich_pictures",
    "share_datasets",
    "train_captions",
    "train_detector",
]


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    return load_dags()


def test_all_dags_are_there_and_import(dags: dict[str, Any]) -> None:
    assert sorted(dags) == DAG_IDS


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_dag_follows_the_rules(dags: dict[str, Any], dag_id: str) -> None:
    dag = dags[dag_id]
    assert "**Healthy if**" in dag.doc_md
    assert dag.max_active_runs == 1, "two nights at once would fetch and publish the same"
    assert not dag.catchup
    assert "saint-george" in dag.tags
    for task in dag.tasks:
        assert task.owner == "sgob"
        assert task.retries >= 1, f"{task.task_id}: a resumed task needs a retry"
        # Slurm limits the time of its jobs; Airflow's limit would go on counting while the task waits for one.
        assert (task.execution_timeout is None) == (type(task).__name__ == "SlurmJobOperator")


def test_pools_of_tasks_exist(dags: dict[str, Any]) -> None:
    pools = json.loads((ROOT / "dags" / "pools.json").read_text())
    used = {task.pool for dag in dags.values() for task in dag.tasks} - {"default_pool"}
    assert used == set(pools)


def test_assets_join_the_dags(dags: dict[str, Any]) -> None:
    def waits_for(dag_id: str) -> set[str]:
        return set(awaited_by(dags[dag_id]))

    made: dict[str, set[str]] = {}
    for dag_id, dag in dags.items():
        for outlet in [outlet for task in dag.tasks for outlet in task.outlets]:
            made.setdefault(outlet.name, set()).add(dag_id)
    assert made[next(iter(waits_for("enrich_pictures")))] == {"harvest_europeana"}
    assert made[next(iter(waits_for("publish_annotations")))] == {"enrich_pictures", "reenrich_pictures"}
    assert made[next(iter(waits_for("share_datasets")))] == {"publish_annotations"}
    assert made[next(iter(waits_for("reenrich_pictures")))] == {"train_detector"}


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_parameters_have_schema_and_title(dags: dict[str, Any], dag_id: str) -> None:
    for name in dags[dag_id].params:
        schema = dags[dag_id].params.get_param(name).schema
        assert "type" in schema, name
        assert "title" in schema, name


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("*.py")), ids=lambda path: path.name)
def test_dag_file_imports_no_domain_code_at_top_level(path: Path) -> None:
    tree = ast.parse(path.read_text())
    modules = [
        name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    ]
    assert not [module for module in modules if module.startswith("sgob_tasks")]


def test_a_person_sees_the_plan_before_the_training(dags: dict[str, Any]) -> None:
    dag = dags["train_detector"]
    assert dag.get_task("approval_needed").downstream_task_ids == {"approve", "train"}
    assert dag.get_task("train").upstream_task_ids == {"prepare", "approval_needed", "approve"}
    # Runs when the approval was skipped, and not when it was refused or has failed.
    assert dag.get_task("train").trigger_rule == "none_failed_min_one_success"
    assert dag.get_task("register").trigger_rule == "all_success"
    pulled = SimpleNamespace(xcom_pull=lambda task_ids: {"plan": {"text": f"the plan of {task_ids}"}})
    assert Template(dag.get_task("approve").body).render(ti=pulled) == "the plan of prepare"
    assert "body" in dag.get_task("approve").template_fields


def test_a_person_sees_the_comparison_before_the_promotion(dags: dict[str, Any]) -> None:
    dag = dags["train_detector"]
    assert dag.get_task("decide").upstream_task_ids == {"register"}
    assert dag.get_task("decide").downstream_task_ids == {"approve_promotion", "promote"}
    # Runs when nobody had to be asked, and not when a person refused: that skips it.
    assert dag.get_task("promote").trigger_rule == "none_failed_min_one_success"
    asks = dag.get_task("approve_promotion")
    assert (asks.defaults, asks.fail_on_reject) == (["Reject"], False), "silence is no, and no failure"
    pulled = SimpleNamespace(xcom_pull=lambda task_ids: {"model": "detector-7", "text": f"the table of {task_ids}"})
    assert Template(asks.subject).render(ti=pulled) == "Make detector-7 the champion?"
    assert Template(asks.body).render(ti=pulled) == "the table of register"
    assert [outlet.name for outlet in dag.get_task("promote").outlets] == ["champion"]


@pytest.mark.parametrize(("action", "task"), [("promote", "promote"), ("ask", "approve_promotion"), ("keep", None)])
def test_the_decision_chooses_the_way(dags: dict[str, Any], action: str, task: str | None) -> None:
    decide = dags["train_detector"].get_task("decide")
    assert decide.python_callable({"decision": {"action": action}}) == task


def test_the_backfill_does_what_the_night_does(dags: dict[str, Any]) -> None:
    night, backfill = dags["enrich_pictures"], dags["reenrich_pictures"]
    assert set(night.task_ids) == set(backfill.task_ids)
    for task in night.tasks:
        other = backfill.get_task(task.task_id)
        assert (task.downstream_task_ids, task.trigger_rule, task.pool) == (
            other.downstream_task_ids, other.trigger_rule, other.pool,
        )  # fmt: skip
    # Without pictures the night still looks at changed records; the backfill has nothing else to do.
    assert not night.get_task("anything_new").ignore_downstream_trigger_rules
    assert backfill.get_task("anything_new").ignore_downstream_trigger_rules
    for task_id in ("load", "context", "classify_captions", "annotate"):
        assert night.get_task(task_id).pool == "enrichment"


def test_the_backfill_goes_on_day_by_day(dags: dict[str, Any]) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    dag = DagSerialization.from_dict(DagSerialization.to_dict(dags["reenrich_pictures"]))
    assert awaited_by(dag) == ["champion"]
    assert dag.timetable.periodic
    assert dag.timetable.timetable.summary == "0 6 * * *"


def test_generated_page_is_up_to_date(dags: dict[str, Any]) -> None:
    assert PAGE.read_text() == render(dags), "run `make docs`"
