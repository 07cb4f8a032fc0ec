from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.harvest.address import AddressError, is_allowed, is_public, parse_target, resolve

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
    "2002:a9fe:a9fe::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "193.62.1.1", "2a00:1450:4001::1", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_inside_are_told(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_outside_are_told(address: str) -> None:
    assert is_public(address)
    assert is_allowed(address, allow_private=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "::1", "fc00::1"])
def test_the_sandbox_may_ask_itself(address: str) -> None:
    assert is_allowed(address, allow_private=True)


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "224.0.0.1", "0.0.0.0", "::ffff:169.254.169.254"])
def test_link_local_addresses_are_never_asked(address: str) -> None:
    assert not is_allowed(address, allow_private=True)


@given(st.ip_addresses(v=4))
def test_an_address_inside_ipv6_is_judged_as_itself(address: ipaddress.IPv4Address) -> None:
    assert is_public(f"::ffff:{address}") == is_public(str(address))
    assert is_public(str(ipaddress.IPv6Address((0x64FF9B << 96) | int(address)))) == is_public(str(address))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://localhost/", "http://2130706433/", "http://0x7f.1/", "http://[::1]:8080/x"]
)
def test_every_way_to_write_loopback_is_refused(url: str) -> None:
    with pytest.raises(AddressError, match="private address"):
        resolve(parse_target(url), allow_private=False)


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    with pytest.raises(AddressError, match="private address"):
        resolve(parse_target("http://rebinding.example/"), allow_private=False)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://m.example/1.jpg", "not a web address"),
        ("file:///etc/passwd", "not a web address"),
        ("happy_url", "not a web address"),
        ("http:///1.jpg", "malformed"),
        ("http://[::1/", "malformed"),
        ("http://m.example:99999/", "malformed"),
        ("http://m\u2028.example/", "malformed"),
        ("http://" + "a" * 70 + "ü.example/", "malformed"),
        ("http://user:secret@m.example/", "password"),
    ],
)
def test_addresses_that_are_none(url: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        parse_target(url)


@pytest.mark.parametrize(
    ("url", "host", "authority", "path"),
    [
        ("http://M.example", "m.example", "m.example", "/"),
        ("https://m.example:8443/a b/ü?x=ä y#part", "m.example", "m.example:8443", "/a%20b/%C3%BC?x=%C3%A4%20y"),
        ("https://m.example:443/a%20b", "m.example", "m.example", "/a%20b"),
        ("http://[2a00::1]:80/x", "2a00::1", "[2a00::1]", "/x"),
        ("http://müzeum.example/", "xn--mzeum-kva.example", "xn--mzeum-kva.example", "/"),
    ],
)
def test_addresses_are_taken_apart(url: str, host: str, authority: str, path: str) -> None:
    target = parse_target(url)
    assert (target.host, target.authority, target.path) == (host, authority, path)


@given(st.text())
def test_no_address_is_a_crash(text: str) -> None:
    for url in (text, f"http://{text}", f"https://m.example/{text}"):
        try:
            target = parse_target(url)
        except AddressError:
            continue
        assert target.scheme in ("http", "https")
        assert target.path.isascii()
        assert not any(character.isspace() for character in target.path + target.authority)
