"""A real Slurm of these tests' own: they stop daemons and lose nodes, which no other user should notice."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.cluster.jobdir import Job
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.sites.site import Site, load_site
from sgob_tasks.cluster.transport import SshTransport, ssh_client
from sgob_tasks.sandbox.processes import Service
from sgob_tasks.sandbox.slurm import SlurmPorts, SlurmSandbox, down, status, up
from sgob_tasks.sandbox.slurm.cluster import services
from sgob_tasks.sandbox.slurm.layout import Layout
from sgob_tasks.store.jobs import StoreLedger

ROOT = Path("/var/lib/sgob-sandbox-test")
PORTS = SlurmPorts(ssh=23022, slurmctld=27817, slurmdbd=27819, slurmd_first=28001)
USER = "hpctest"
PYTHON = "/usr/bin/python3"

# Stands for the detector: what is tested here is how jobs are run, not what they do.
PROGRAM = """\
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
index = int(sys.argv[3]) if len(sys.argv) > 3 else 0
job = json.loads((folder / "job.json").read_text())
parameters = job["parameters"]
runs = folder / "results" / f"runs-{index}"
with runs.open("a") as file:
    file.write(os.environ["SLURM_JOB_ID"] + "\\n")
run = len(runs.read_text().split())
print("index", index, "run", run, flush=True)
time.sleep(parameters.get("seconds", 0))
if parameters.get("checkpoint"):
    def save(*_):
        (folder / "checkpoints" / f"step-{run}").write_text("state")
        sys.exit(85)
    signal.signal(signal.SIGUSR1, save)
    if run <= parameters["checkpoint"]:
        time.sleep(60)
if run == 1 and index in parameters.get("die", []):
    os.kill(os.getpid(), 9)
if index in parameters.get("fail", []):
    sys.exit(parameters.get("code", 1))
if "OMPI_COMM_WORLD_RANK" in os.environ:
    (folder / "results" / f"rank-{os.environ['OMPI_COMM_WORLD_RANK']}-of-{os.environ['OMPI_COMM_WORLD_SIZE']}").touch()
if not (run == 1 and index in parameters.get("forget", [])):
    (folder / "results" / f"{index:04d}.jsonl").write_text("{}\\n")
"""

_numbers = itertools.count()


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmSandbox]:
    """The cluster: started unless it runs, stopped unless it ran."""
    running = status(ROOT)
    ran = bool(running) and all(running.values())
    yield up(ROOT, ports=PORTS, user=USER)
    if not ran:
        down(ROOT)


@pytest.fixture
def daemons(slurm: SlurmSandbox) -> dict[str, Service]:
    """Slurm's daemons, to do harm to."""
    return services(Layout(ROOT, USER, PORTS))


@pytest.fixture
def connect(slurm: SlurmSandbox) -> Callable[[], SshTransport]:
    """Makes connections to the login node."""
    return lambda: SshTransport(ssh_client(slurm.host, slurm.port, slurm.user, slurm.key_file, slurm.host_key))


@pytest.fixture
def transport(connect: Callable[[], SshTransport]) -> Iterator[SshTransport]:
    """A connection to the login node."""
    made = connect()
    yield made
    made.close()


@pytest.fixture
def site(slurm: SlurmSandbox, tmp_path: Path) -> Site:
    """The sandbox as a site, with short times."""
    overlay = tmp_path / "site.toml"
    overlay.write_text(f'python = "{PYTHON}"\n' + slurm.site_overlay())
    made = load_site("sandbox", overlay)
    light = replace(made.infer, memory_mb=50, parallel_tasks=4, time_limit_s=600)
    return replace(
        made,
        poll_min_s=0.3,
        poll_max_s=0.6,
        marker_wait_s=3.0,
        lost_after_s=8.0,
        infer=light,
        train=replace(made.train, memory_mb=100, warning_s=0, time_limit_s=600),
    )


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package that stands for ours."""
    root = tmp_path / "code" / "sgob_tasks"
    (root / "detection").mkdir(parents=True)
    for name in ("__init__.py", "detection/__init__.py"):
        (root / name).write_text("")
    for name in ("infer", "train"):
        (root / "detection" / f"{name}.py").write_text(PROGRAM)
    return root


@dataclass
class Lab:
    """A cluster object with its parts, and shortcuts."""

    cluster: Cluster
    folder: Path

    def job(self, kind: str = "infer", tasks: int = 1, **options: Any) -> Job:
        """Make and stage a job nobody has made before."""
        outputs = options.pop("outputs", ("results/{index:04d}.jsonl",))
        resources = options.pop("resources", {})
        prefix = options.pop("prefix", "test")
        owner = options.pop("owner", "")
        key = f"{prefix}-{os.getpid()}-{int(time.time())}-{next(_numbers)}"
        job = Job(key, kind, options, tasks, owner=owner, outputs=outputs, resources=resources)
        (self.folder / key / "input").mkdir(parents=True)
        (self.folder / key / "input" / "data").write_text("data")
        self.cluster.stage(job, self.folder / key)
        return job

    def run(self, command: str) -> str:
        """Run a command on the login node."""
        result = self.cluster.transport.run(command)
        assert result.exit_code == 0, result
        return result.stdout

    def slurm_jobs(self, job: Job, generation: int = 1) -> set[str]:
        """Return the ids of all jobs that Slurm has under a name."""
        rows = self.cluster.queue([job.name(generation)])
        return {row.job_id for row in rows}

    def runs(self, key: str, index: int = 0) -> int:
        """Return how often a task's program was started."""
        path = f"{self.cluster.site.job_dir(key)}/results/runs-{index}"
        return len(self.run(f"cat {path} 2>/dev/null || true").split())

    def until(self, job: Job, state: str, generation: int = 1, timeout_s: float = 20) -> None:
        """Wait until Slurm shows a job in a state."""
        deadline = time.monotonic() + timeout_s
        while not any(row.state == state for row in self.cluster.queue([job.name(generation)])):
            assert time.monotonic() < deadline, f"{job.key} is not {state}"
            time.sleep(0.1)


@pytest.fixture
def lab(site: Site, transport: SshTransport, store: sa.Engine, package: Path, tmp_path: Path) -> Lab:
    """A cluster with a real login node, a real ledger and a small program."""
    return Lab(Cluster(site, transport, StoreLedger(store), package), tmp_path / "jobs")
