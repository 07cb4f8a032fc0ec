"""Where a picture's address really leads: only to the public internet, over HTTP.

Addresses come from strangers' metadata and from strangers' redirects. They must not make this machine ask itself,
its neighbours or a cloud's metadata service.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SAFE_IN_PATH = "/%:@!$&'()*+,;=~-._?"


_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressError(Exception):
    """An address that is not asked; the text is the reason, in words to count."""


@dataclass(frozen=True)
class Target:
    """A web address, taken apart.

    Attributes:
        scheme: http or https.
        host: name or IP address, without brackets.
        port: TCP port.
        path: path and query, percent-encoded.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Value of the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """Take an address apart; spaces and letters beyond ASCII in it are encoded. Pure.

    Raises:
        AddressError: it is no address that a picture could be fetched from.
    """
    try:
        parts = urlsplit(url.strip())
        scheme, host = parts.scheme.lower(), parts.hostname or ""
        port = parts.port or _PORTS.get(scheme, 0)
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError as error:
        raise AddressError("malformed address") from error
    if scheme not in _PORTS:
        raise AddressError("not a web address")
    if parts.username is not None or parts.password is not None:
        raise AddressError("address with a password")
    if not host or any(not character.isprintable() or character.isspace() for character in host):
        raise AddressError("malformed address")
    path = quote(parts.path or "/", safe=_SAFE_IN_PATH)
    query = "?" + quote(parts.query, safe=_SAFE_IN_PATH + "/[]") if parts.query else ""
    return Target(scheme, host, port, path + query)


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet. Pure; see ``_each`` for IPv4 inside IPv6."""
    return all(ip.is_global and not _never(ip) for ip in _each(address))


def is_allowed(address: str, *, allow_private: bool) -> bool:
    """Tell whether an IP address may be asked; link-local ones (cloud metadata services) never may. Pure."""
    return not any(_never(ip) for ip in _each(address)) if allow_private else is_public(address)


def _each(address: str) -> list[_Ip]:
    """Return an address, or the IPv4 addresses that an IPv6 address leads to (mapped, NAT64, 6to4, Teredo)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    if ip in _NAT64:
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    inside = [ip.sixtofour, *(ip.teredo or ())]
    return [ip, *(part for part in inside if part is not None)]


def _never(ip: _Ip) -> bool:
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    reserved = ip.is_reserved and not ip.is_loopback  # ::1 lies in a reserved block
    return ip.is_link_local or ip.is_multicast or ip.is_unspecified or reserved or site_local


def resolve(target: Target, *, allow_private: bool) -> list[str]:
    """Return the IP addresses of a host, in the order to try them.

    The caller connects to one of these addresses and not to the name: a second look-up could give another answer
    (DNS rebinding).

    Args:
        target: whose host.
        allow_private: accept private and loopback addresses; for the sandbox and the tests.

    Raises:
        AddressError: one of the addresses is not public.
        OSError: the name cannot be resolved.
    """
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise AddressError("malformed address") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not all(is_allowed(address, allow_private=allow_private) for address in addresses):
        raise AddressError("private address")
    return addresses
