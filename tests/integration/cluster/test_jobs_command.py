"""``sgob jobs`` against a real cluster and a real ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.cli import main
from sgob_tasks.sandbox.slurm import SlurmSandbox
from tests.integration.cluster.conftest import PYTHON, Lab

pytestmark = pytest.mark.integration


@pytest.fixture
def sgob(
    slurm: SlurmSandbox, store: sa.Engine, tmp_path: Any, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Any]:  # fmt: skip
    home = tmp_path / "home"
    (home / "sites").mkdir(parents=True)
    (home / "sites" / "sandbox.toml").write_text(
        f'python = "{PYTHON}"\norphan_after_s = 5\nmarker_wait_s = 3\n' + slurm.site_overlay()
    )
    values = {
        "HOME": str(home), "DATABASE_URL": store.url.render_as_string(hide_password=False), "CLUSTER__HOST": slurm.host,
        "CLUSTER__PORT": str(slurm.port), "CLUSTER__USER": slurm.user, "CLUSTER__KEY_FILE": str(slurm.key_file),
        "CLUSTER__HOST_KEY": slurm.host_key,
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(f"SGOB_{name}", value)

    def run(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main(["jobs", *arguments]) == code, capsys.readouterr().err
        out, err = capsys.readouterr()
        return json.loads(out) if "--json" in arguments else out if code == 0 else err

    return run


def test_a_job_from_list_to_log(lab: Lab, sgob: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert sgob("list") == "no jobs\n"
    job = lab.job(tasks=3, die=[1])
    lab.cluster.wait(job, timeout_s=60)
    shown = sgob("show", job.key, "--json")
    assert (shown["job"]["state"], shown["job"]["links"]) == ("succeeded", 2)
    assert [link["indices"] for link in shown["links"]] == [3, 1]
    assert shown["counts"] == {"succeeded": 3}
    assert shown["resources"]["gpus_per_node"] == 1
    assert "#SBATCH --array=1" in lab.run(f"cat {shown['files']['script']}")
    page = sgob("show", job.key)
    assert "exit code 137" in page
    assert "GPU-hours" in page
    assert "index 1 run 2" in sgob("log", job.key)
    log = sgob("log", job.key, "--index", "2", "--json")
    assert "index 2 run 1" in log["text"], "the log of the submission that had the task"
    assert "has 3 tasks" in sgob("log", job.key, "--index", "3", code=1)
    assert "sgob jobs list" in sgob("show", "nobody", code=1)
    assert "sgob jobs list" in sgob("cancel", "nobody", code=1)
    monkeypatch.setenv("SGOB_CLUSTER__PORT", "1")
    assert job.key in sgob("list"), "without the cluster"
    assert [row["key"] for row in sgob("list", "--state", "succeeded", "--json")] == [job.key]
    assert sgob("list", "--state", "failed", "--json") == []


def test_cancel_and_reconcile(lab: Lab, sgob: Callable[..., Any]) -> None:
    job = lab.job(prefix="sgob-infer", seconds=60)
    record = lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    assert "ledger and queue agree" in sgob("reconcile", "--cancel")
    assert f"{job.key} ({record.job_id}): running -> cancelled" in sgob("cancel", job.key)
    assert "already" in sgob("cancel", job.key)
    assert f"{job.key} was cancelled; clear its task" in sgob("renew", job.key)
    assert lab.cluster.submit_or_adopt(job).generation == 2
    assert sgob("renew", job.key, "--json")["was"] in {"submitted", "running"}
    assert "sgob jobs list" in sgob("renew", "nobody", code=1)
    found = sgob("reconcile", "--json")
    assert (found["open"], found["findings"]) == (0, [])
