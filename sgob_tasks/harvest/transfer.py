"""Fetch one address, once: no redirect is followed, nothing is retried, every limit is kept.

The connection goes to an IP address that was checked before (see ``address.resolve``); the name is only used for TLS
and the ``Host`` header. Proxies of the environment are not used, because a proxy would resolve the name again.
"""

from __future__ import annotations

import functools
import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from sgob_tasks.config import MediaSettings
from sgob_tasks.harvest.address import AddressError, Target, parse_target, resolve
from sgob_tasks.harvest.media import Incoming
from sgob_tasks.harvest.picture import HEAD_BYTES, PictureError, inspect, sniff

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 20.0
_PART_BYTES = 2**16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Stored:
    """The picture is in the media folder."""

    sha256: str
    mime_type: str
    size: int
    width: int
    height: int


@dataclass(frozen=True)
class Moved:
    """The host points to another address, which is to be checked like any other."""

    url: str


@dataclass(frozen=True)
class Failed:
    """It did not work this time.

    Attributes:
        reason: in words to count.
        host_fault: the host and not only this picture is in trouble.
        retry_after_s: how long the host asks us to stay away.
    """

    reason: str
    host_fault: bool = False
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Refused:
    """It will never work, or must not."""

    reason: str


Outcome = Stored | Moved | Failed | Refused


class _Pinned(http.client.HTTPConnection):
    """A connection to a host at an address that is already known."""

    def __init__(self, target: Target, address: str, timeout_s: float) -> None:
        super().__init__(target.host, target.port, timeout=timeout_s)
        self._target, self._address = target, address
        self.wire: socket.socket | None = None  # http.client forgets its own once the answer has begun

    def connect(self) -> None:
        """Connect to the address; for https the certificate must be the name's."""
        plain = socket.create_connection((self._address, self._target.port), self.timeout)
        self.sock = self.wire = plain
        if self._target.scheme == "https":
            # The handshake comes after the assignment, so that it can be cut off as well.
            wrapped = _tls().wrap_socket(plain, server_hostname=self._target.host, do_handshake_on_connect=False)
            self.sock = self.wire = wrapped
            wrapped.do_handshake()
        self.sock.settimeout(min(IDLE_TIMEOUT_S, self.timeout or IDLE_TIMEOUT_S))


@functools.cache  # reading the certificates takes longer than a handshake
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


@contextmanager
def _cut_at(connection: _Pinned, deadline: float) -> Iterator[None]:
    """Cut the connection at a moment of the monotonic clock: a host that sends a byte a second never times out."""

    def cut() -> None:
        if connection.wire is not None:
            with suppress(OSError):  # it may be closed already
                # The plain socket's method: TLS's own is not safe while another thread reads.
                socket.socket.shutdown(connection.wire, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        connection.close()


def fetch_once(url: str, settings: MediaSettings, media_dir: Path, user_agent: str) -> Outcome:
    """Ask one address for a picture, check it and store it.

    Args:
        url: http or https address.
        settings: limits.
        media_dir: the media folder.
        user_agent: says who we are and where to complain.

    Raises:
        PermanentError: the media folder cannot be written.
    """
    deadline = time.monotonic() + settings.timeout_s
    try:
        target = parse_target(url)
        addresses = resolve(target, allow_private=settings.allow_private_addresses)
    except AddressError as error:
        return Refused(str(error))
    except OSError:
        return Failed("host not found", host_fault=True)
    for address in addresses[:3]:
        connection = _Pinned(target, address, min(CONNECT_TIMEOUT_S, settings.timeout_s))
        with _cut_at(connection, deadline):
            try:
                connection.connect()
            except ssl.SSLError:
                return Failed("certificate or TLS", host_fault=True)
            except OSError as error:
                log.debug("%s at %s: %s", target.host, address, error)
                continue
            return _converse(connection, target, url, settings, media_dir, user_agent, deadline)
    return Failed("no connection", host_fault=True)


def _converse(
    connection: _Pinned,
    target: Target,
    url: str,
    settings: MediaSettings,
    media_dir: Path,
    user_agent: str,
    deadline: float,
) -> Outcome:
    headers = {
        "Host": target.authority,
        "User-Agent": user_agent,
        "Accept": "image/*,*/*;q=0.1",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    try:
        connection.request("GET", target.path, headers=headers)
        with connection.getresponse() as response:
            return _refusal(response, url, settings) or _receive(response, settings, media_dir, deadline)
    except PictureError as error:
        return Refused(error.reason) if error.permanent else Failed(error.reason)
    except (http.client.HTTPException, OSError, ValueError) as error:
        if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
            return Failed("timeout", host_fault=True)
        if isinstance(error, http.client.IncompleteRead):
            return Failed("cut short")
        log.debug("%s: %s", target.host, error)
        return Failed("connection broken", host_fault=True)


def _refusal(response: http.client.HTTPResponse, url: str, settings: MediaSettings) -> Outcome | None:
    """Return what the head of the answer decides, or None when the body is to be read."""
    status = response.status
    if status in _REDIRECTS:
        location = response.getheader("Location")
        return Moved(urljoin(url, location)) if location else Failed("redirect to nowhere")
    if status != 200:
        busy = status in (403, 429) or status >= 500
        return Failed(f"http {status}", host_fault=busy, retry_after_s=_retry_after(response))
    if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
        return Failed("compressed although not asked for")
    if (response.length or 0) > settings.max_bytes:
        return Refused("too many bytes")
    return None


def _retry_after(response: http.client.HTTPResponse) -> float | None:
    text = (response.getheader("Retry-After") or "").strip()
    if text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except (ValueError, OverflowError):
        return None


def _receive(response: http.client.HTTPResponse, settings: MediaSettings, media_dir: Path, deadline: float) -> Outcome:
    """Stream the body to disk, look at its first bytes at once and at all of it at the end."""
    announced = response.length
    with Incoming(media_dir) as file:
        head = b""
        # read1 returns after one receive; read would wait until a whole part has trickled in
        while part := response.read1(_PART_BYTES):
            if len(head) < HEAD_BYTES:
                head += part[: HEAD_BYTES - len(head)]
                if len(head) == HEAD_BYTES:
                    sniff(head)
            file.write(part)
            if file.size > settings.max_bytes:
                return Refused("too many bytes")
        if time.monotonic() >= deadline:  # cut off: to http.client that looks like the end
            return Failed("timeout", host_fault=True)
        if announced is not None and file.size < announced:
            return Failed("cut short")
        file.flush()
        picture = inspect(file.path, max_pixels=settings.max_pixels, min_side_px=settings.min_side_px)
        size = file.size
        return Stored(file.keep(), picture.mime_type, size, picture.width, picture.height)
