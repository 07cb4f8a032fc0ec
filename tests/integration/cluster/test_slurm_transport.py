from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sgob_tasks.cluster.shell import Transport
from sgob_tasks.cluster.transport import SshTransport, ssh_client
from sgob_tasks.errors import AmbiguousError, PermanentError
from sgob_tasks.sandbox.slurm import SlurmSandbox
from tests.unit.cluster.transport_suite import TransportSuite

pytestmark = pytest.mark.integration


class TestSshTransport(TransportSuite):
    @pytest.fixture
    def remote(self, transport: Transport, slurm: SlurmSandbox) -> Iterator[str]:
        folder = f"{slurm.root}/transport-{uuid.uuid4().hex}"
        assert transport.run(f"mkdir -p {folder}").exit_code == 0
        yield folder
        transport.run(f"rm -rf {folder}")


def test_a_login_node_with_another_key_is_not_talked_to(slurm: SlurmSandbox) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIB/2mUFoHGcPhgwFo1j10GrK/CoGMJPIPs7JEvn7am3"
    assert other != slurm.host_key
    transport = SshTransport(ssh_client(slurm.host, slurm.port, slurm.user, slurm.key_file, other))
    with pytest.raises(PermanentError, match="not the one we know"):
        transport.run("true")


def test_a_refused_key_is_not_tried_again(slurm: SlurmSandbox, tmp_path: Path) -> None:
    root = replace(slurm, user="root")
    transport = SshTransport(ssh_client(root.host, root.port, root.user, root.key_file, root.host_key))
    with pytest.raises(PermanentError, match="refuses us"):
        transport.run("true")


def test_a_broken_connection_is_ambiguous_and_the_next_call_connects(transport: SshTransport) -> None:
    assert transport.run("echo $PPID").exit_code == 0
    timer = threading.Timer(0.5, lambda: transport._login._client.close())  # type: ignore[union-attr] # connected above
    timer.start()
    with pytest.raises(AmbiguousError, match="connection"):
        transport.run("sleep 10")
    timer.join()
    assert transport.run("echo again").stdout == "again\n"


def test_a_crowd_gets_through(connect: Callable[[], SshTransport]) -> None:
    """MaxStartups refuses some of them at first: they come back after a pause."""
    answers: list[str] = []

    def one() -> None:
        transport = connect()
        answers.append(transport.run("echo in").stdout)
        transport.close()

    threads = [threading.Thread(target=one) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == ["in\n"] * 25


def test_jobs_find_the_sandbox_by_its_environment(transport: SshTransport, slurm: SlurmSandbox) -> None:
    assert transport.run("echo $SLURM_CONF").stdout.strip() == slurm.slurm_conf
    assert "sandbox" in transport.run("scontrol show config | grep ClusterName").stdout
