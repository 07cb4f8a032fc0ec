from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.sandbox.slurm import SlurmPorts, SlurmSandbox, cluster, down, status, up
from sgob_tasks.sandbox.slurm.environment import copy_environment, fingerprint
from sgob_tasks.sandbox.slurm.layout import Layout
from tests.integration.cluster.conftest import PORTS, ROOT, USER, Lab

pytestmark = pytest.mark.integration
LAYOUT = Layout(ROOT, USER, PORTS)


def test_up_again_is_quick_and_changes_nothing(slurm: SlurmSandbox) -> None:
    pids = {name: service.pid() for name, service in cluster.services(LAYOUT).items()}
    started = time.monotonic()
    assert up(ROOT, ports=PORTS, user=USER) == slurm
    assert time.monotonic() - started < 2
    assert {name: service.pid() for name, service in cluster.services(LAYOUT).items()} == pids
    assert status(ROOT) == dict.fromkeys(pids, True)


def test_the_values_survive_json(slurm: SlurmSandbox) -> None:
    assert SlurmSandbox.from_json(slurm.to_json()) == slurm


def test_nothing_below_etc(slurm: SlurmSandbox) -> None:
    assert not Path("/etc/slurm/slurm.conf").exists()
    text = (ROOT / "etc" / "slurm.conf").read_text()
    assert "/etc/" not in text.replace(str(ROOT), "")


def test_secrets_are_their_owners(slurm: SlurmSandbox) -> None:
    assert slurm.key_file.stat().st_mode & 0o077 == 0
    assert (ROOT / "munge" / "key").stat().st_mode & 0o077 == 0
    assert (ROOT / "etc" / "slurmdbd.conf").stat().st_mode & 0o077 == 0


def test_four_nodes_with_gpus_and_memory(slurm: SlurmSandbox, lab: Lab) -> None:
    lines = lab.run("sinfo -h -N -p main -o '%N %c %m %G %f'").split("\n")
    assert lines[:4] == [f"n{number} 8 16000 gpu:k80:4 k80" for number in range(1, 5)]


def test_down_ends_jobs_and_leaves_no_process(lab: Lab) -> None:
    job = lab.job(tasks=2, seconds=120)
    lab.cluster.submit_or_adopt(job)
    lab.until(job, "RUNNING")
    lab.run("nohup sleep 300 >/dev/null 2>&1 &")
    user = subprocess.run(["id", "-u", USER], capture_output=True, text=True, check=True).stdout.strip()
    try:
        assert "slurmctld" in down(ROOT)
        assert down(ROOT) == []
        assert subprocess.run(["pgrep", "-U", user, "-r", "D,R,S,T,t"], capture_output=True, check=False).stdout == b""
        assert cluster.own_processes(LAYOUT) == []
        assert not any(status(ROOT).values())
    finally:
        started = time.monotonic()
        up(ROOT, ports=PORTS, user=USER)
    assert time.monotonic() - started < 12


def test_down_and_status_of_nothing(tmp_path: Path) -> None:
    assert down(tmp_path / "nothing") == []
    assert status(tmp_path / "nothing") == {}
    assert not (tmp_path / "nothing").exists()


def test_a_taken_port_is_named(slurm: SlurmSandbox, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=f"port {PORTS.ssh}"):
        up(tmp_path / "second", ports=SlurmPorts(PORTS.ssh, 29817, 29819, 29001), user=USER)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cluster.PROGRAMS, "no-such-program", "no-such-package")
    with pytest.raises(PermanentError, match="no-such-package"):
        cluster.check_programs()


def test_the_environment_is_linked_and_follows_changes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "env"
    packages = source / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (source / "bin").mkdir()
    (source / "bin" / "python").symlink_to("/usr/bin/python3")
    (packages / "one.py").write_text("1")
    assert copy_environment(source, target)
    assert not copy_environment(source, target)
    assert Path(packages / "one.py").samefile(target / "lib" / "python3.11" / "site-packages" / "one.py")
    before = fingerprint(source)
    (packages / "two.py").write_text("2")
    assert fingerprint(source) != before
    assert copy_environment(source, target)
    assert (target / "lib" / "python3.11" / "site-packages" / "two.py").read_text() == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["env", "env.json", "source"]
    with pytest.raises(InputError, match="virtual environment"):
        copy_environment(tmp_path / "nothing", target)
