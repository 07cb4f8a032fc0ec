"""Transports: SSH with paramiko, and this machine for jobs that need no network."""

from __future__ import annotations

import errno
import shutil
import subprocess
import time
from pathlib import Path

import paramiko

from sgob_tasks.cluster.files import FileTransport, StorageFullError
from sgob_tasks.cluster.shell import DEFAULT_TIMEOUT_S, CommandResult
from sgob_tasks.cluster.ssh import CONNECT_ATTEMPTS, ClientFactory, SshConnection, parse_host_key, ssh_client
from sgob_tasks.errors import AmbiguousError, PermanentError

__all__ = ["ClientFactory", "LocalTransport", "SshTransport", "parse_host_key", "ssh_client"]


class SshTransport(FileTransport):
    """Commands on the login node; files through the same connection, or through a transfer host.

    Checksums are compared on the login node, so both machines have to see the same file system.

    Args:
        connect: opens a connection to the login node.
        attempts: how often a connection is tried.
        files: opens a connection to the transfer host; None where files go through the login node.
        root: folder that remote paths have to lie in; empty for anywhere.
    """

    def __init__(
        self,
        connect: ClientFactory,
        attempts: int = CONNECT_ATTEMPTS,
        files: ClientFactory | None = None,
        root: str = "",
    ) -> None:
        super().__init__(root)
        self._login = SshConnection(connect, attempts=attempts)
        self._copier = SshConnection(files, "transfer host", attempts) if files is not None else self._login

    def close(self) -> None:
        """Give the connections back; the next call opens new ones."""
        self._login.close()
        self._copier.close()

    def run(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        """Run a shell command; see ``Transport.run``."""
        channel = self._login.session()
        try:
            channel.settimeout(timeout_s)
            channel.exec_command(command)
            channel.shutdown_write()
            return self._collect(channel, command, timeout_s)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise AmbiguousError(f"the connection broke during {_short(command)}: {error!r}") from error
        finally:
            channel.close()

    @staticmethod
    def _collect(channel: paramiko.Channel, command: str, timeout_s: float) -> CommandResult:
        deadline = time.monotonic() + timeout_s
        out, err = bytearray(), bytearray()
        while True:
            moved = False
            while channel.recv_ready():
                out += channel.recv(1 << 16)
                moved = True
            while channel.recv_stderr_ready():
                err += channel.recv_stderr(1 << 16)
                moved = True
            if not moved and channel.exit_status_ready() and channel.eof_received:
                break
            if not moved and channel.closed:
                break
            if time.monotonic() > deadline:
                raise AmbiguousError(f"no answer within {timeout_s:.0f} s from {_short(command)}")
            if not moved:
                time.sleep(0.005)
        code = channel.recv_exit_status() if channel.exit_status_ready() else -1
        if code == -1:
            raise AmbiguousError(f"the connection closed before {_short(command)} told its exit code")
        return CommandResult(code, out.decode(errors="replace"), err.decode(errors="replace"))

    def open_files(self) -> None:
        """Open the SFTP session that the next copy would open.

        Raises:
            TransientError: there is no connection to the machine that takes files, or it offers no SFTP.
            PermanentError: it refuses us, or is not the one we know.
        """
        self._copier.open_files()

    def _upload(self, local: Path, remote: str, offset: int) -> None:
        self._copier.upload(local, remote, offset)

    def _download(self, remote: str, local: Path, offset: int) -> None:
        self._copier.download(remote, local, offset)


class LocalTransport(FileTransport):
    """This machine as the cluster: for a login node that the platform runs on, and for tests."""

    def run(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        """Run a shell command; see ``Transport.run``."""
        try:
            result = subprocess.run(
                ["/bin/bash", "-c", command],
                capture_output=True,
                timeout=timeout_s,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise AmbiguousError(f"no answer within {timeout_s:.0f} s from {_short(command)}") from error
        return CommandResult(
            result.returncode, result.stdout.decode(errors="replace"), result.stderr.decode(errors="replace")
        )

    def _upload(self, local: Path, remote: str, offset: int) -> None:
        self._copy(local, Path(remote), offset)

    def _download(self, remote: str, local: Path, offset: int) -> None:
        self._copy(Path(remote), local, offset)

    @staticmethod
    def _copy(source: Path, target: Path, offset: int) -> None:
        try:
            with source.open("rb") as reader, target.open("r+b" if target.exists() else "wb") as writer:
                reader.seek(offset)
                writer.seek(offset)
                shutil.copyfileobj(reader, writer)
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise (StorageFullError if full else PermanentError)(f"copying {source} to {target}: {error}") from error

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _short(command: str) -> str:
    line = " ".join(command.split())
    return repr(line if len(line) <= 100 else line[:97] + "...")
