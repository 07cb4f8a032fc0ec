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
    "share_datasets",
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

    made = {outlet.name: dag_id for dag_id, dag in dags.items() for task in dag.tasks for outlet in task.outlets}
    assert made[next(iter(waits_for("enrich_pictures")))] == "harvest_europeana"
    assert made[next(iter(waits_for("publish_annotations")))] == "enrich_pictures"
    assert made[next(iter(waits_for("share_datasets")))] == "publish_annotations"


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


def test_generated_page_is_up_to_date(dags: dict[str, Any]) -> None:
    assert PAGE.read_text() == render(dags), "run `make docs`"
