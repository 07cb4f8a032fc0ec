"""The batch script itself, run by bash without a Slurm: fence, marker, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sgob_tasks.cluster.batch import BatchJob, render
from sgob_tasks.cluster.jobdir import parse_markers
from sgob_tasks.cluster.sites.site import Resources, Site


class Script:
    def __init__(self, folder: Path) -> None:
        self.run_dir = folder / "it's a job"
        for name in ("done", "claims", "results"):
            (self.run_dir / name).mkdir(parents=True)
        self.code = folder / "code"
        package = self.code / "sgob_tasks" / "detection"
        package.mkdir(parents=True)
        self.program = package / "infer.py"
        self.site = Site("test", str(folder), "/usr/bin/python3", environment={"ANSWER": "4 2"})

    def start(
        self, index: int = 3, job_id: str = "100", generation: int = 1, restarts: int = 0
    ) -> subprocess.Popen[str]:
        job = BatchJob(f"k.{generation}", "c", str(self.run_dir), str(self.code), generation, (index,))
        environment = {
            "PATH": os.environ["PATH"],
            "SLURM_ARRAY_TASK_ID": str(index),
            "SLURM_ARRAY_JOB_ID": job_id,
            "SLURM_JOB_ID": str(int(job_id) + 1),
            "SLURMD_NODENAME": "n1",
            "SLURM_RESTART_COUNT": str(restarts),
        }
        script = render("infer", job, self.site, Resources())
        return subprocess.Popen(
            ["/bin/bash", "-c", script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, **options: Any) -> tuple[int, str]:
        process = self.start(**options)
        output, _ = process.communicate(timeout=20)
        return process.returncode, output

    def marker(self, index: int = 3) -> dict[str, Any] | None:
        path = self.run_dir / "done" / f"{index}.json"
        return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def script(tmp_path: Path) -> Script:
    made = Script(tmp_path)
    made.program.write_text(
        "import sys, os; print(sys.argv[1:], os.environ['ANSWER']); open('results/ran', 'a').write('x')"
    )
    return made


def test_the_marker_of_a_success(script: Script) -> None:
    code, output = script.run()
    assert code == 0, output
    assert f"['{script.run_dir}', '--task', '3'] 4 2".replace("it's", "it's") in output.replace('"', "'")
    marker = script.marker()
    assert marker is not None
    assert {name: marker[name] for name in ("index", "exit_code", "slurm_job_id", "host")} == {
        "index": 3, "exit_code": 0, "slurm_job_id": "100", "host": "n1",
    }  # fmt: skip
    assert parse_markers((script.run_dir / "done" / "3.json").read_text())[3].started_at.endswith("Z")
    assert [path.name for path in (script.run_dir / "done").iterdir()] == ["3.json"], "no temporary file is left"


def test_the_exit_code_is_the_programs(script: Script) -> None:
    script.program.write_text("raise SystemExit(42)")
    assert script.run()[0] == 42
    assert script.marker()["exit_code"] == 42  # type: ignore[index] # None fails the test as well


def test_a_second_job_for_the_same_work_does_nothing(script: Script) -> None:
    script.run(job_id="100")
    code, output = script.run(job_id="200")
    assert code == 0
    assert "belongs to job 100" in output
    assert (script.run_dir / "results" / "ran").read_text() == "x"
    assert script.marker()["slurm_job_id"] == "100"  # type: ignore[index] # None fails the test as well


def test_the_same_job_after_a_requeue_does(script: Script) -> None:
    script.run(job_id="100")
    script.run(job_id="100", restarts=1)
    assert (script.run_dir / "results" / "ran").read_text() == "xx"
    assert script.marker()["restarts"] == 1  # type: ignore[index] # None fails the test as well


def test_the_next_generation_does(script: Script) -> None:
    script.program.write_text("raise SystemExit(1)")
    script.run(job_id="100")
    script.program.write_text("")
    assert script.run(job_id="200", generation=2)[0] == 0
    assert script.marker()["generation"] == 2  # type: ignore[index] # None fails the test as well


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 15
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def test_the_warning_reaches_the_program_and_its_code_comes_back(script: Script) -> None:
    script.program.write_text(
        "import signal, sys, time, pathlib\n"
        "signal.signal(signal.SIGUSR1, lambda *_: (time.sleep(0.3), sys.exit(85)))\n"
        "pathlib.Path('results/ready').touch()\ntime.sleep(30)\n"
    )
    process = script.start()
    wait_for(script.run_dir / "results" / "ready")
    assert script.marker() is None
    process.send_signal(signal.SIGUSR1)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 85, output
    assert script.marker()["exit_code"] == 85  # type: ignore[index] # None fails the test as well


def test_a_killed_program_leaves_a_marker(script: Script) -> None:
    script.program.write_text("import os; os.kill(os.getpid(), 9)")
    script.run()
    assert script.marker()["exit_code"] == 137  # type: ignore[index] # None fails the test as well


def test_a_terminated_script_ends_its_program_and_leaves_a_marker(script: Script) -> None:
    script.program.write_text("import time, pathlib; pathlib.Path('results/ready').touch(); time.sleep(30)")
    process = script.start()
    wait_for(script.run_dir / "results" / "ready")
    process.terminate()
    process.communicate(timeout=20)
    assert script.marker()["exit_code"] == 143  # type: ignore[index] # None fails the test as well
