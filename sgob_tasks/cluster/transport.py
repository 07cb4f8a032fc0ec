"""Transports: SSH with paramiko, and this machine for jobs that need no network."""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko

from sgob_tasks.cluster.files import FileTransport
from sgob_tasks.cluster.shell import DEFAULT_TIMEOUT_S, CommandResult
from sgob_tasks.errors import AmbiguousError, InputError, PermanentError, SgobError, TransientError

log = logging.getLogger(__name__)

CONNECT_ATTEMPTS = 5
CONNECT_TIMEOUT_S = 30.0
KEEPALIVE_S = 30
# Without a bound, paramiko asks for a whole large file at once and servers stall.
PREFETCH_REQUESTS = 64

ClientFactory = Callable[[], paramiko.SSHClient]


def ssh_client(host: str, port: int, user: str, key_file: Path, host_key: str) -> ClientFactory:
    """Return a function that connects to a login node whose host key is known beforehand.

    Args:
        host: name or address.
        port: of sshd.
        user: account.
        key_file: private key.
        host_key: ``type base64`` as in known_hosts; any other key is refused.

    Raises:
        InputError: ``host_key`` is not a public key.
    """
    key = parse_host_key(host_key)

    def connect() -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        name = host if port == 22 else f"[{host}]:{port}"
        client.get_host_keys().add(name, key.get_name(), key)
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            client.connect(
                host,
                port,
                user,
                key_filename=str(key_file),
                allow_agent=False,
                look_for_keys=False,
                timeout=CONNECT_TIMEOUT_S,
                banner_timeout=CONNECT_TIMEOUT_S,
                auth_timeout=CONNECT_TIMEOUT_S,
            )
        except BaseException:
            client.close()
            raise
        return client

    return connect


def parse_host_key(text: str) -> paramiko.PKey:
    """Return the public key of ``type base64``.

    Raises:
        InputError: it is none.
    """
    words = text.split()
    try:
        if len(words) < 2:
            raise InputError("settings", "cluster.host_key", text, "has to be 'type base64', as in known_hosts")
        return paramiko.PKey.from_type_string(words[0], base64.b64decode(words[1], validate=True))
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, binascii.Error, ValueError) as error:
        raise InputError("settings", "cluster.host_key", text, f"is no public key: {error}") from error


def _connect_error(error: Exception) -> SgobError:
    """Say what a failed connection asks of us: keys do not mend themselves, networks do."""
    if isinstance(error, SgobError):
        return error
    permanent = (paramiko.AuthenticationException, paramiko.BadHostKeyException, paramiko.PasswordRequiredException)
    if isinstance(error, permanent) or "not found in known_hosts" in str(error):
        return PermanentError(f"the login node refuses us, or is not the one we know: {error}")
    if isinstance(error, FileNotFoundError | PermissionError):
        return PermanentError(f"cannot read the key: {error}")
    return TransientError(f"no connection to the login node: {type(error).__name__}: {error}")


class SshTransport(FileTransport):
    """Commands and files over one SSH connection, which is opened when needed and kept.

    Login nodes throw eager clients out (``MaxStartups``), so one connection serves all calls, and a refused one is
    tried again after growing, jittered pauses.
    """

    def __init__(self, connect: ClientFactory, attempts: int = CONNECT_ATTEMPTS) -> None:
        self._factory = connect
        self._attempts = attempts
        self._client: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def close(self) -> None:
        """Give the connection back; the next call opens a new one."""
        client, self._client, self._sftp = self._client, None, None
        if client is not None:
            client.close()

    def _connected(self) -> paramiko.Transport:
        transport = self._client.get_transport() if self._client is not None else None
        if transport is not None and transport.is_active():
            return transport
        self.close()
        for attempt in range(1, self._attempts + 1):
            try:
                self._client = self._factory()
                break
            except Exception as error:
                known = _connect_error(error)
                if attempt == self._attempts or not isinstance(known, TransientError):
                    raise known from error
                pause_s = random.uniform(0.5, 1.0) * min(2.0**attempt, 20.0)  # noqa: S311 - jitter, no secret
                log.info("%s; next attempt in %.1f s", known, pause_s)
                time.sleep(pause_s)
        transport = self._client.get_transport() if self._client is not None else None
        if transport is None:
            raise TransientError("the connection to the login node closed at once")
        transport.set_keepalive(KEEPALIVE_S)
        return transport

    def run(self, command: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> CommandResult:
        """Run a shell command; see ``Transport.run``."""
        channel = self._session()
        try:
            channel.settimeout(timeout_s)
            channel.exec_command(command)
            channel.shutdown_write()
            return self._collect(channel, command, timeout_s)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise AmbiguousError(f"the connection broke during {_short(command)}: {error!r}") from error
        finally:
            channel.close()

    def _session(self) -> paramiko.Channel:
        """Open a channel; a connection that died unnoticed is replaced, since nothing has been sent on it."""
        for last in (False, True):
            transport = self._connected()
            try:
                return transport.open_session(timeout=CONNECT_TIMEOUT_S)
            except (paramiko.SSHException, OSError, EOFError) as error:
                self.close()
                if last:
                    raise TransientError(f"the login node opens no session: {error!r}") from error
        raise AssertionError  # the loop above returns or raises

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

    @contextlib.contextmanager
    def _files(self, what: str) -> Iterator[paramiko.SFTPClient]:
        """Give the SFTP client, and turn what it raises into our errors.

        Copying is harmless to repeat, so a broken connection is transient here.
        """
        try:
            transport = self._connected()
            channel = self._sftp.get_channel() if self._sftp is not None else None
            if self._sftp is None or channel is None or channel.closed:
                self._sftp = paramiko.SFTPClient.from_transport(transport)
            if self._sftp is None:
                raise TransientError("the login node opens no SFTP session")
            yield self._sftp
        except (FileNotFoundError, PermissionError) as error:
            raise PermanentError(f"{what}: {error}") from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.close()
            if isinstance(error, OSError) and str(error) == "Failure":
                raise TransientError(f"{what}: the cluster refuses it; is the disk or the quota full?") from error
            raise TransientError(f"{what}: {type(error).__name__}: {error}") from error

    def _upload(self, local: Path, remote: str) -> None:
        with self._files(f"copying {local.name} to {remote}") as sftp:
            sftp.put(str(local), remote, confirm=False)

    def _download(self, remote: str, local: Path) -> None:
        with self._files(f"copying {remote}") as sftp:
            sftp.get(remote, str(local), max_concurrent_prefetch_requests=PREFETCH_REQUESTS)


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

    def _upload(self, local: Path, remote: str) -> None:
        self._copy(local, Path(remote))

    def _download(self, remote: str, local: Path) -> None:
        self._copy(Path(remote), local)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise PermanentError(f"copying {source} to {target}: {error}") from error

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _short(command: str) -> str:
    line = " ".join(command.split())
    return repr(line if len(line) <= 100 else line[:97] + "...")
