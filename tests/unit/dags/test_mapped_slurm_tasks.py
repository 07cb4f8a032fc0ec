"""The operator as a mapped task: one job for each entry of a list, each with an owner of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from sgob_airflow.reconcile import ended_owners
from sgob_airflow.slurm_operator import SlurmJobOperator

JOBS = [{"key": f"sgob-infer-{number}", "kind": "infer", "tasks": 2} for number in range(3)]


def test_a_list_of_jobs_is_a_mapped_task() -> None:
    with DAG("d", schedule=None) as dag:
        SlurmJobOperator.partial(task_id="infer", ssh_conn_id="c", pool="cluster_jobs").expand(job=JOBS)
    mapped = dag.get_task("infer")
    assert mapped.is_mapped
    operator = mapped.unmap({"job": JOBS[1]})
    assert isinstance(operator, SlurmJobOperator)
    assert (operator.job, operator.ssh_conn_id) == (JOBS[1], "c")


@pytest.mark.parametrize(("index", "suffix"), [(None, ""), (-1, ""), (0, "/0"), (7, "/7")])
def test_each_map_index_is_an_owner_of_its_own(index: int | None, suffix: str) -> None:
    ti: Any = SimpleNamespace(dag_id="d", run_id="r", task_id="infer", map_index=index)
    job = SlurmJobOperator(task_id="infer", job=JOBS[0])._job({"ti": ti})
    assert job.owner == f"d/r/infer{suffix}"
    states = {"infer_0": "running", "infer_7": "success", "infer": "deferred"}
    ti.get_task_states = lambda dag_id, run_ids: {"r": states}
    assert ended_owners(ti, [job.owner]) == ([job.owner] if suffix == "/7" else [])
