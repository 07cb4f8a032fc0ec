"""One SSH connection with paramiko: opened when needed, kept, and opened again after it broke."""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko

from sgob_tasks.cluster.files import StorageFullError
from sgob_tasks.errors import InputError, PermanentError, SgobError, TransientError

log = logging.getLogger(__name__)

CONNECT_ATTEMPTS = 5
CONNECT_TIMEOUT_S = 30.0
KEEPALIVE_S = 30
# Without a bound, paramiko asks for a whole large file at once and servers stall.
PREFETCH_REQUESTS = 256
# A transfer that does not move for so long is broken: a firewall may drop a connection without a word.
TRANSFER_TIMEOUT_S = 120.0
CHUNK = 32_768

ClientFactory = Callable[[], paramiko.SSHClient]


def ssh_client(
    host: str, port: int, user: str, key_file: Path, host_key: str, field: str = "cluster.host_key"
) -> ClientFactory:
    """Return a function that connects to a machine whose host key is known beforehand.

    Args:
        host: name or address.
        port: of sshd.
        user: account.
        key_file: private key.
        host_key: ``type base64`` as in known_hosts; any other key is refused.
        field: name of the setting that holds ``host_key``, for messages.

    Raises:
        InputError: ``host_key`` is not a public key.
    """
    key = parse_host_key(host_key, field)

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
                transport_factory=_fast_transport,
            )
        except BaseException:
            client.close()
            raise
        return client

    return connect


def _fast_transport(sock: Any, **options: Any) -> paramiko.Transport:
    """Make a transport that asks for AES-GCM first: encrypts and authenticates in one go, in hardware."""
    transport = paramiko.Transport(sock, **options)
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
    return transport


def parse_host_key(text: str, field: str = "cluster.host_key") -> paramiko.PKey:
    """Return the public key of ``type base64``.

    Raises:
        InputError: it is none.
    """
    words = text.split()
    try:
        if len(words) < 2:
            raise InputError("settings", field, text, "has to be 'type base64', as in known_hosts")
        return paramiko.PKey.from_type_string(words[0], base64.b64decode(words[1], validate=True))
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, binascii.Error, ValueError) as error:
        raise InputError("settings", field, text, f"is no public key: {error}") from error


def _connect_error(error: Exception, place: str) -> SgobError:
    """Say what a failed connection asks of us: keys do not mend themselves, networks do."""
    if isinstance(error, SgobError):
        return error
    permanent = (paramiko.AuthenticationException, paramiko.BadHostKeyException, paramiko.PasswordRequiredException)
    if isinstance(error, permanent) or "not found in known_hosts" in str(error):
        return PermanentError(f"the {place} refuses us, or is not the one we know: {error}")
    if isinstance(error, FileNotFoundError | PermissionError):
        return PermanentError(f"cannot read the key: {error}")
    return TransientError(f"no connection to the {place}: {type(error).__name__}: {error}")


class SshConnection:
    """A connection to one machine.

    Login nodes throw eager clients out (``MaxStartups``), so one connection serves all calls, and a refused one is
    tried again after growing, jittered pauses.

    Args:
        connect: opens a connection.
        place: what the machine is, for messages.
        attempts: how often a connection is tried.
    """

    def __init__(self, connect: ClientFactory, place: str = "login node", attempts: int = CONNECT_ATTEMPTS) -> None:
        self.place = place
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
                known = _connect_error(error, self.place)
                if attempt == self._attempts or not isinstance(known, TransientError):
                    raise known from error
                pause_s = random.uniform(0.5, 1.0) * min(2.0**attempt, 20.0)  # noqa: S311 - jitter, no secret
                log.info("%s; next attempt in %.1f s", known, pause_s)
                time.sleep(pause_s)
        transport = self._client.get_transport() if self._client is not None else None
        if transport is None:
            raise TransientError(f"the connection to the {self.place} closed at once")
        transport.set_keepalive(KEEPALIVE_S)
        if isinstance(transport.sock, socket.socket) and transport.sock.family in {socket.AF_INET, socket.AF_INET6}:
            # Small files are small packets that wait for each other: 40 ms each without this (measured).
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return transport

    def session(self) -> paramiko.Channel:
        """Open a channel; a connection that died unnoticed is replaced, since nothing has been sent on it.

        Raises:
            TransientError: there is no connection.
            PermanentError: the machine refuses us.
        """
        for last in (False, True):
            transport = self._connected()
            try:
                return transport.open_session(timeout=CONNECT_TIMEOUT_S)
            except (paramiko.SSHException, OSError, EOFError) as error:
                self.close()
                if last:
                    raise TransientError(f"the {self.place} opens no session: {error!r}") from error
        raise AssertionError  # the loop above returns or raises

    @contextlib.contextmanager
    def _files(self, what: str, *, resumed: bool = False) -> Iterator[paramiko.SFTPClient]:
        """Give the SFTP client, and turn what it raises into our errors.

        Copying is harmless to repeat, so a broken connection is transient here; and when a transfer is ``resumed``, so
        is a half that is gone, because somebody else has made it whole.
        """
        try:
            transport = self._connected()
            channel = self._sftp.get_channel() if self._sftp is not None else None
            if self._sftp is None or channel is None or channel.closed:
                self._sftp = paramiko.SFTPClient.from_transport(transport)
            if self._sftp is None:
                raise TransientError(f"the {self.place} opens no SFTP session")
            opened = self._sftp.get_channel()
            if opened is not None:
                opened.settimeout(TRANSFER_TIMEOUT_S)
            yield self._sftp
        except (FileNotFoundError, PermissionError) as error:
            raise (TransientError if resumed else PermanentError)(f"{what}: {error}") from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.close()
            # sftp-server has one word, "Failure", for a full disk, a full quota and a broken disk.
            if isinstance(error, OSError) and str(error) == "Failure":
                raise StorageFullError(f"{what}: the {self.place} refuses the data; disk or quota full?") from error
            raise TransientError(f"{what}: {type(error).__name__}: {error}") from error

    def open_files(self) -> None:
        """Open the SFTP session that the next copy would open."""
        with self._files("opening SFTP") as sftp:
            sftp.stat(".")

    def upload(self, local: Path, remote: str, offset: int) -> None:
        """Write a remote file from ``offset`` on; what it holds before stays.

        Raises:
            TransientError: the connection broke; what has arrived stays there.
            StorageFullError: the machine takes no more data.
            PermanentError: the folder does not exist, or may not be written.
        """
        with self._files(f"copying {local.name} to {remote}", resumed=offset > 0) as sftp, local.open("rb") as source:
            source.seek(offset)
            target = _open_half(sftp, remote) if offset == 0 else sftp.open(remote, "r+b")
            with target:
                target.seek(offset)
                target.set_pipelined(True)
                chunk = source.read(CHUNK)
                while chunk:
                    following = source.read(CHUNK)
                    # The last write waits for all answers: paramiko forgets those that are pending at the end.
                    target.set_pipelined(bool(following))
                    target.write(chunk)
                    chunk = following

    def download(self, remote: str, local: Path, offset: int) -> None:
        """Write a local file from ``offset`` on; what it holds before stays.

        Raises:
            TransientError: the connection broke; what has arrived stays here.
            PermanentError: there is no such file, or it may not be read.
        """
        with (
            self._files(f"copying {remote}") as sftp,
            local.open("r+b" if local.exists() else "wb") as target,
            sftp.open(remote, "rb") as source,
        ):
            source.seek(offset)
            target.seek(offset)
            source.prefetch(source.stat().st_size, PREFETCH_REQUESTS)
            while chunk := source.read(CHUNK):
                target.write(chunk)
            target.truncate()


def _open_half(sftp: paramiko.SFTPClient, remote: str) -> paramiko.SFTPFile:
    """Open a half-made file for writing without cutting it to nothing: somebody else may be sending the same."""
    try:
        return sftp.open(remote, "wbx")
    except OSError as error:
        # What is there already and a full disk are the same "Failure" to SFTP.
        if str(error) != "Failure":
            raise
        try:
            return sftp.open(remote, "r+b")
        except FileNotFoundError:
            raise error from None
