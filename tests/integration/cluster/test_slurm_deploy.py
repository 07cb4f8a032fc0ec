"""A whole environment on a real Slurm: sent, installed without an index, tried, switched to, and back."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sgob_tasks.cli import main
from sgob_tasks.cluster.environments.deployment import Deployment
from sgob_tasks.cluster.environments.environment import environments, interpreter, python_of, roll_back
from sgob_tasks.cluster.environments.rollout import Rollout, install_job
from sgob_tasks.cluster.environments.wheelhouse import gather
from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.shell import TransferReport
from sgob_tasks.cluster.sites.site import Resources, Site
from sgob_tasks.cluster.transport import ClientFactory, SshTransport, ssh_client
from sgob_tasks.errors import PermanentError, TransientError
from sgob_tasks.sandbox.slurm import SlurmSandbox
from sgob_tasks.store.jobs import StoreLedger
from tests.integration.cluster.conftest import Lab

pytestmark = pytest.mark.integration

# Small ones, one of them with compiled code; and one that has no wheel and is built there.
WHEELS = ["packaging==26.3", "pyyaml==6.0.3", "setuptools==69.5.1", "six==1.17.0", "wheel==0.48.0"]
SOURCES = ["docopt==0.6.2"]
IMPORTS = ("yaml", "six", "docopt", "sgob_tasks.detection")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheelhouse")


@dataclass
class Bench:
    """Deploys variants of a small environment to one folder on the cluster."""

    site: Site
    transport: SshTransport
    ledger: StoreLedger
    cache: Path
    folder: Path
    said: list[str]

    def deployment(self, wheels: list[str], **options: Any) -> Deployment:
        name = uuid.uuid4().hex
        for kind, lines in (("wheels", wheels), ("sources", options.pop("sources", SOURCES))):
            (self.folder / f"{name}-{kind}.txt").write_text("\n".join(lines))
        return Deployment(
            requirements=str(self.folder / f"{name}-wheels.txt"),
            sources=str(self.folder / f"{name}-sources.txt"),
            python="/usr/bin/python3.11",
            python_version=options.pop("python_version", "3.11"),
            glibc="2.36",
            imports=options.pop("imports", IMPORTS),
        )

    def rollout(self, wheels: list[str], say: Callable[[str], None] | None = None, **options: Any) -> Rollout:
        site = replace(self.site, deployment=self.deployment(wheels, **options))
        cluster = Cluster(site, self.transport, self.ledger)
        return Rollout(cluster, self.cache, self.folder / "jobs", say or self.said.append)

    def states(self) -> dict[str, str]:
        return {name: one.state for name, one in environments(self.site, self.transport).items()}

    def run(self, command: str) -> str:
        result = self.transport.run(command)
        assert result.exit_code == 0, result
        return result.stdout


@pytest.fixture
def bench(
    site: Site,
    slurm: SlurmSandbox,
    transport: SshTransport,
    store: sa.Engine,
    package: Path,
    cache: Path,
    tmp_path: Path,
) -> Iterator[Bench]:
    root = f"{slurm.root}/deploy-{uuid.uuid4().hex[:8]}"
    light = Resources(memory_mb=200, time_limit_s=300)
    own = replace(site, root=root, python="current", install=light, selftest=replace(light, nodes=2))
    yield Bench(own, transport, StoreLedger(store), cache, tmp_path, [])
    transport.run(f"rm -rf {root}")


def test_deploy_again_break_and_roll_back(bench: Bench, lab: Lab) -> None:
    with pytest.raises(PermanentError, match="sgob deploy"):
        interpreter(bench.site, bench.transport)

    first = bench.rollout(WHEELS).run()
    assert (first["before"], first["files_sent"], first["jobs_use"]) == (None, 7, "this environment")
    assert set(first["seconds"]) == {"gather", "send", "install", "selftest"}
    python = interpreter(bench.site, bench.transport)
    assert python == first["python"] == python_of(bench.site, first["environment"])
    assert "/venv/lib/" in bench.run(f"cd / && {python} -c 'import sgob_tasks, yaml, docopt; print(yaml.__file__)'")
    tested = environments(bench.site, bench.transport)[first["environment"]].tested
    assert [rank["rank"] for rank in tested["ranks"]] == [0, 1]
    assert tested["ranks"][1]["modules"]["yaml"] == "6.0.3"

    again = bench.rollout(WHEELS).run()
    assert (again["environment"], again["files_sent"], again["bytes_sent"]) == (first["environment"], 0, 0)
    assert set(again["seconds"]) == {"gather"}, "nothing is sent, installed or tried again"

    with pytest.raises(PermanentError, match="import yaml") as caught:
        bench.rollout([line for line in WHEELS if "yaml" not in line]).run()
    assert "self-test failed on rank" in str(caught.value)
    assert sorted(bench.states().values()) == ["current", "installed"]
    assert interpreter(bench.site, bench.transport) == python

    other = bench.rollout([*WHEELS, "pluggy==1.7.0"]).run()
    assert (other["before"], other["files_sent"]) == (first["environment"], 1)

    # A job that was submitted before a switch keeps its environment; the next one gets the new one.
    lab.cluster.site = bench.site
    job = lab.job(seconds=3)
    record = lab.cluster.submit_or_adopt(job)
    assert record.details["python"] == other["python"]
    back = roll_back(bench.site, bench.transport)
    assert (back.before, back.after) == (other["environment"], first["environment"])
    assert lab.cluster.wait(job, timeout_s=60).record.state == "succeeded", lab.cluster.log_tail(job)
    assert other["python"] in lab.run(f"cat {record.run_dir}/submitted/1.sbatch")
    assert interpreter(bench.site, bench.transport) == python
    with pytest.raises(PermanentError, match="no earlier"):
        roll_back(bench.site, bench.transport)
    forward = bench.rollout([*WHEELS, "pluggy==1.7.0"]).run()
    assert (forward["environment"], set(forward["seconds"])) == (other["environment"], {"gather"})


class Breaking(SshTransport):
    """Loses the connection after some transfers."""

    def __init__(self, connect: ClientFactory, transfers: int) -> None:
        super().__init__(connect)
        self.left = transfers

    def put_tree(self, local: Path, remote: str) -> TransferReport:
        self.left -= 1
        if self.left < 0:
            raise TransientError("the connection broke")
        return super().put_tree(local, remote)


def test_an_interrupted_deployment_goes_on(bench: Bench, slurm: SlurmSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sgob_tasks.cluster.environments.rollout.BATCH_FILES", 3)
    broken = bench.rollout(WHEELS)
    broken.cluster.transport = Breaking(
        ssh_client(slurm.host, slurm.port, slurm.user, slurm.key_file, slurm.host_key), 2
    )
    with pytest.raises(TransientError):
        broken.run()
    broken.cluster.close()

    def stop(line: str) -> None:
        if "Slurm job" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.rollout(WHEELS, say=stop).run()
    assert list(bench.states().values()) == ["incomplete"]

    rollout = bench.rollout(WHEELS)
    done = rollout.run()
    assert done["files_sent"] == 0, "what arrived before is there"
    site = rollout.cluster.site
    job = install_job(site, gather(site.deployment, bench.cache))
    assert {row.job_id for row in rollout.cluster.queue([job.name(1), job.name(2)])} == {
        bench.run(f"cat {site.job_dir(job.key)}/submitted/1.id").strip()
    }, "one installation, adopted"

    # Somebody cleaned up on the cluster: the ledger's word that it succeeded is not enough.
    bench.run(f"rm -rf {bench.site.root}/environments/{done['environment']}")
    assert bench.rollout(WHEELS).run()["environment"] == done["environment"]
    assert list(bench.states().values()) == ["current"]


def test_another_interpreter_than_the_wheels_are_for_is_told(bench: Bench) -> None:
    with pytest.raises(PermanentError, match=r"is Python 3\.11; the site's python_version says 3\.10"):
        bench.rollout(["six==1.17.0"], sources=[], python_version="3.10").run()
    assert "current" not in bench.states().values()


def test_the_command_lists_and_says_when_there_is_nothing_to_go_back_to(
    bench: Bench,
    slurm: SlurmSandbox,
    store: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SGOB_HOME", str(bench.folder))
    monkeypatch.setenv("SGOB_DATABASE_URL", store.url.render_as_string(hide_password=False))
    for name in ("host", "port", "user", "key_file", "host_key"):
        monkeypatch.setenv(f"SGOB_CLUSTER__{name.upper()}", str(getattr(slurm, name)))
    path = bench.folder / "own.toml"
    path.write_text(f'name = "own"\nroot = "{bench.site.root}"\n[environment]\nSLURM_CONF = "{slurm.slurm_conf}"\n')
    monkeypatch.setenv("SGOB_CLUSTER__SITE", str(path))
    assert main(["deploy", "--site", str(path), "--list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"site": "own", "jobs_use": "current", "environments": {}}
    assert main(["deploy", "--rollback"]) == 1
    assert "no earlier environment" in capsys.readouterr().err
    assert main(["deploy", "--site", "nowhere"]) == 1
    assert "those of" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["deploy", "--list", "--rollback"])
    assert caught.value.code == 2


def test_the_cache_needs_no_index(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment = bench.deployment(WHEELS)
    found = gather(deployment, bench.cache)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "1")
    assert gather(deployment, bench.cache) == found
    with pytest.raises(TransientError, match="pip download"):
        gather(bench.deployment(["six==1.16.0"]), bench.folder / "empty")
    shutil.rmtree(bench.folder / "empty")
