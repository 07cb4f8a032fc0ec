"""The DAG ``reconcile_jobs`` as a worker runs it: it asks Airflow by the Task SDK, and Slurm over a connection."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from sgob_tasks.sandbox.slurm import SlurmSandbox
from tests.integration.cluster.conftest import PYTHON, Lab

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).parents[3]
PROBE = """\
import json
from airflow.sdk import DAG, get_current_context, task
from pendulum import datetime

with DAG("probe", schedule=None, start_date=datetime(2026, 1, 1, tz="UTC"), catchup=False) as dag:

    @task
    def first():
        return 1

    @task
    def ask():
        from sgob_airflow.reconcile import ended_owners

        ti = get_current_context()["ti"]
        mine = [f"probe/{ti.run_id}/{name}" for name in ("first", "ask", "later", "missing")]
        found = ended_owners(ti, [*mine, "probe/gone/ask", "other/gone/ask", "sgob/by-hand-1/train"])
        print("ENDED", json.dumps([owner.replace(ti.run_id, "run") for owner in found]))

    @task
    def later():
        return 2

    first() >> ask() >> later()
"""
RUN_PROBE = "from probe import dag; dag.test()"
RUN_TWICE = """\
from airflow.dag_processing.dagbag import DagBag
dag = DagBag("dags").dags["reconcile_jobs"]
for _ in range(2):
    run = dag.test(run_conf={"cancel": True})
    print("STATE", run.state)
"""


@pytest.fixture
def airflow(
    slurm: SlurmSandbox, store: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Runs Python text with an Airflow of its own."""
    home = tmp_path / "home"
    (home / "sites").mkdir(parents=True)
    (home / "sites" / "sandbox.toml").write_text(
        f'python = "{PYTHON}"\norphan_after_s = 0\nmarker_wait_s = 3\n' + slurm.site_overlay()
    )
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "probe.py").write_text(PROBE)
    shutil.copy(REPOSITORY / "dags" / "reconcile_jobs.py", tmp_path / "dags")
    extra = {"key_file": str(slurm.key_file), "host_key": slurm.host_key}
    connection = {"conn_type": "ssh", "host": slurm.host, "port": slurm.port, "login": slurm.user, "extra": extra}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SGOB"))}
    environment = kept | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW_CONN_SGOB_CLUSTER": json.dumps(connection),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "dags"), str(REPOSITORY), str(REPOSITORY / "plugins")]),
        "SGOB_HOME": str(home),
        "SGOB_DATABASE_URL": store.url.render_as_string(hide_password=False),
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    run("-m", "airflow", "db", "migrate")
    return lambda text: run("-c", text)


def _lines(output: str, word: str) -> list[str]:
    return [line.partition(f"{word} ")[2] for line in output.splitlines() if line.startswith(f"{word} ")]


def test_a_worker_learns_which_owners_have_ended(airflow: Callable[[str], str]) -> None:
    (ended,) = _lines(airflow(RUN_PROBE), "ENDED")
    assert json.loads(ended) == ["probe/run/first", "probe/run/missing", "probe/gone/ask", "other/gone/ask"]


def test_the_dag_cancels_the_job_of_a_task_that_is_gone_at_its_second_run(
    airflow: Callable[[str], str], lab: Lab
) -> None:
    gone = lab.job(prefix="sgob-infer", owner="enrich_pictures/gone/infer", seconds=120)
    mine = lab.job(prefix="sgob-infer", owner="sgob/by-hand-1/enrich", seconds=120)
    for job in (gone, mine):
        lab.cluster.submit_or_adopt(job)
    try:
        output = airflow(RUN_TWICE)
    finally:
        lab.run("scancel --me")
    assert all("success" in state for state in _lines(output, "STATE")), output[-3000:]
    record, other = lab.cluster.ledger.get(gone.key), lab.cluster.ledger.get(mine.key)
    assert record is not None
    assert other is not None
    assert record.state == "cancelled", output[-3000:]
    assert "enrich_pictures/gone/infer" in str(record.reason)
    assert other.open, "nobody in Airflow knows about the command line"
