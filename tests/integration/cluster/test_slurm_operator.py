"""The operator's own decisions on a real Slurm: when it defers, what it returns, what it raises, what a retry does.

The task process is played by this test: Airflow's scheduler and triggerer have their own end-to-end test.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred
from sgob_airflow.slurm_hook import SlurmHook
from sgob_airflow.slurm_link import SlurmJobLink
from sgob_airflow.slurm_operator import SlurmJobOperator
from sgob_airflow.slurm_trigger import TASK_ENDED, SlurmJobTrigger

from sgob_tasks.sandbox.slurm import SlurmSandbox
from sgob_tasks.store.jobs import StoreLedger
from tests.integration.cluster.conftest import PYTHON, Lab

pytestmark = pytest.mark.integration
ENDED = {"status": "ended", "reason": "", "quiet_s": 9.0}


@dataclass
class TaskInstance:
    """What the operator uses of Airflow's."""

    try_number: int = 1
    max_tries: int = 0
    dag_id: str = "enrich_pictures"
    run_id: str = "manual__2026-11-23T00:00:00+00:00"
    task_id: str = "infer"
    map_index: int = -1
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        json.dumps(value)
        self.xcoms[key] = value


@dataclass
class Task:
    """One task, run try by try."""

    lab: Lab
    job: dict[str, Any]
    ti: TaskInstance = field(default_factory=TaskInstance)
    resubmit: bool | str = False

    def step(self, method: str, *arguments: Any) -> Any:
        """Run a method as a fresh task process would; return the trigger where it defers."""
        operator = SlurmJobOperator.from_job(
            task_id="infer", job=self.job, ssh_conn_id="test_cluster", resubmit=self.resubmit
        )
        function: Callable[..., Any] = getattr(SlurmJobOperator, method)
        function = getattr(function, "__wrapped__", function)
        try:
            return function(operator, {"ti": self.ti}, *arguments)
        except TaskDeferred as deferral:
            return deferral.trigger if deferral.method_name == "resume" else pytest.fail(deferral.method_name)

    def run(self) -> Any:
        """Run a whole try; what the trigger would wait for is waited for here."""
        result = self.step("execute")
        while isinstance(result, SlurmJobTrigger):
            name = f"{self.job['key']}.{result.generation}"
            while any(row.state in {"PENDING", "RUNNING"} for row in self.lab.cluster.queue([name])):
                pass
            result = self.step("resume", ENDED)
        return result


@pytest.fixture
def task(
    lab: Lab, slurm: SlurmSandbox, store: sa.Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Task]:
    extra = {"key_file": str(slurm.key_file), "host_key": slurm.host_key}
    connection = {"conn_type": "ssh", "host": slurm.host, "port": slurm.port, "login": slurm.user, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", json.dumps(connection))
    monkeypatch.setenv("SGOB_DATABASE_URL", store.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SGOB_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "sites").mkdir(parents=True)
    (tmp_path / "home" / "sites" / "sandbox.toml").write_text(f'python = "{PYTHON}"\n' + slurm.site_overlay())

    def make(**options: Any) -> Task:
        job = lab.job(**options)
        planned = {**job.to_dict(), "job_dir": str(lab.folder / job.key), "batch": "b-1"}
        return Task(lab, planned)

    original = SlurmHook.cluster

    def with_small_program(self: SlurmHook, settings: Any = None) -> Any:
        cluster = original(self, settings)
        cluster.package_root = lab.cluster.package_root
        cluster.site = lab.cluster.site
        return cluster

    monkeypatch.setattr(SlurmHook, "cluster", with_small_program)
    return make


def test_a_job_passes_through_and_is_not_done_again_when_cleared(task: Callable[..., Task]) -> None:
    infer = task(tasks=3, die=[1])
    trigger = infer.step("execute")
    assert isinstance(trigger, SlurmJobTrigger)
    assert "#SBATCH --array=0-2" in infer.ti.xcoms["batch_script"]
    assert infer.ti.xcoms["slurm_job_id"] == trigger.job_id
    address = infer.ti.xcoms[SlurmJobLink.COPY]
    assert address == infer.ti.xcoms[SlurmJobLink().xcom_key]
    assert infer.job["key"] in address
    result = infer.run()
    assert (result["state"], result["generation"], result["batch"]) == ("succeeded", 2, "b-1")
    assert "#SBATCH --array=1" in infer.ti.xcoms["batch_script"], "only the task that died"
    folder = Path(infer.job["job_dir"])
    assert sorted(path.name for path in (folder / "results").glob("*.jsonl")) == [
        "0000.jsonl",
        "0001.jsonl",
        "0002.jsonl",
    ]
    infer.ti.try_number = 2
    again = infer.step("execute")
    assert (again["state"], again["fetched"]) == ("succeeded", 0)
    record = StoreLedger(infer.lab.cluster.ledger._engine).get(infer.job["key"])  # type: ignore[attr-defined] # ours
    assert record is not None
    assert record.owner == "enrich_pictures/manual__2026-11-23T00:00:00+00:00/infer"


def test_everything_again_on_demand(task: Callable[..., Task]) -> None:
    infer = task(tasks=2)
    infer.run()
    infer.resubmit = True
    assert infer.run()["generation"] == 2
    # A second try of the same task only goes on; one after the task was cleared does everything again.
    infer.ti = TaskInstance(try_number=2)
    assert infer.run()["generation"] == 2
    infer.ti = TaskInstance(try_number=3, max_tries=2)
    infer.resubmit = "true"
    assert infer.run()["generation"] == 3
    assert infer.lab.runs(infer.job["key"]) == 1, "what was there before is gone"
    infer.resubmit = "{{ params.anew }}"
    with pytest.raises(AirflowFailException, match="neither true nor false"):
        infer.run()


def test_a_renewed_job_is_done_again_when_its_task_is_cleared(task: Callable[..., Task]) -> None:
    infer = task(tasks=2)
    infer.run()
    assert infer.run()["generation"] == 1, "clearing alone finds what was done"
    infer.lab.cluster.renew(infer.job["key"])
    assert infer.run()["generation"] == 2
    assert infer.run()["generation"] == 2, "once"
    assert infer.lab.runs(infer.job["key"]) == 1, "what was there before is gone"


def test_a_retry_waits_for_the_job_of_the_try_before(task: Callable[..., Task]) -> None:
    infer = task(tasks=1, seconds=2)
    first = infer.step("execute")
    infer.ti.try_number = 2
    second = infer.step("execute")
    assert (first.job_id, first.generation) == (second.job_id, second.generation)
    assert infer.run()["state"] == "succeeded"
    assert infer.lab.runs(infer.job["key"]) == 1


def test_a_failure_says_why_and_the_next_try_does_what_is_missing(task: Callable[..., Task]) -> None:
    infer = task(tasks=2, fail=[1], code=3)
    with pytest.raises(AirflowException, match=r"failed: 1 of 2 \(1\): .*exit code 3"):
        infer.run()
    assert (Path(infer.job["job_dir"]) / "logs" / "task-0001.g2.log").is_file()
    infer.ti.try_number = 2
    trigger = infer.step("execute")
    assert trigger.generation == 3
    infer.lab.cluster.cancel(infer.job["key"])


def test_bad_input_and_cancellation_are_final(task: Callable[..., Task]) -> None:
    with pytest.raises(AirflowFailException, match="exit code 65"):
        task(fail=[0], code=65).run()
    cancelled = task(seconds=60)
    cancelled.step("execute")
    cancelled.lab.run(f"scancel -n {cancelled.job['key']}.1")
    with pytest.raises(AirflowFailException, match="cancelled"):
        cancelled.run()
    with pytest.raises(AirflowFailException, match="cannot be watched: no"):
        cancelled.step("resume", {"status": "error", "reason": "no", "quiet_s": 0})


def test_a_try_that_was_quicker_than_the_cancellation_of_the_one_before(task: Callable[..., Task]) -> None:
    infer = task(seconds=1)
    infer.step("execute")
    ledger = infer.lab.cluster.ledger
    record = ledger.get(infer.job["key"])
    assert record is not None
    ledger.save(replace(record, state="cancelled", reason=TASK_ENDED))
    trigger = infer.step("resume", ENDED)
    assert trigger.generation == 2
    assert infer.run()["state"] == "succeeded"


def test_a_connection_without_a_host_key_is_refused(
    task: Callable[..., Task], slurm: SlurmSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    infer = task()
    connection = {"conn_type": "ssh", "host": slurm.host, "port": slurm.port, "login": slurm.user}
    monkeypatch.setenv("AIRFLOW_CONN_TEST_CLUSTER", json.dumps(connection))
    with pytest.raises(AirflowFailException, match="host_key"):
        infer.step("execute")


def test_a_killed_task_process_takes_its_job_with_it(task: Callable[..., Task]) -> None:
    infer = task(seconds=60)
    infer.step("execute")
    operator = SlurmJobOperator.from_job(task_id="infer", job=infer.job, ssh_conn_id="test_cluster")
    operator.on_kill()
    record = infer.lab.cluster.ledger.get(infer.job["key"])
    assert record is not None
    assert record.open, "a process that submitted nothing cancels nothing"
    operator._submitted_key = infer.job["key"]
    operator.on_kill()
    record = infer.lab.cluster.ledger.get(infer.job["key"])
    assert record is not None
    assert record.state == "cancelled"
