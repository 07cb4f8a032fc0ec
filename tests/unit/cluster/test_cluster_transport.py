from __future__ import annotations

from pathlib import Path

import pytest

from sgob_tasks.cluster.transport import LocalTransport, SshTransport, parse_host_key, ssh_client
from sgob_tasks.errors import InputError, PermanentError, TransientError
from tests.unit.cluster.transport_suite import TransportSuite

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIB/2mUFoHGcPhgwFo1j10GrK/CoGMJPIPs7JEvn7am3"


class TestLocalTransport(TransportSuite):
    @pytest.fixture
    def transport(self) -> LocalTransport:
        return LocalTransport()

    @pytest.fixture
    def remote(self, tmp_path: Path) -> str:
        (tmp_path / "remote").mkdir()
        return str(tmp_path / "remote")


def test_a_host_key_is_read() -> None:
    assert parse_host_key(HOST_KEY).get_name() == "ssh-ed25519"


@pytest.mark.parametrize("text", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-nonsense AAAA", "ssh-ed25519 AAAA"])
def test_what_is_no_host_key_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="host_key"):
        parse_host_key(text)


def test_nobody_listens(tmp_path: Path) -> None:
    transport = SshTransport(ssh_client("127.0.0.1", 1, "hpc", tmp_path / "key", HOST_KEY), attempts=1)
    with pytest.raises((TransientError, PermanentError), match=r"no connection|cannot read the key"):
        transport.run("true")


def test_a_library_error_of_any_kind_becomes_ours() -> None:
    def refuse() -> None:
        raise EOFError

    with pytest.raises(TransientError, match="EOFError"):
        SshTransport(refuse, attempts=1).run("true")  # type: ignore[arg-type] # never returns
