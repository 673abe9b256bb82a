"""
Tests of the header fields by which HTTP proxies name their clients.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.server.limits import FORWARDED_ELEMENTS
from twisted_ext.server.listeners.proxies.forwarded import clientIn
from twisted_ext.server.listeners.proxies.trusted import TrustedProxies

_MOST = int(FORWARDED_ELEMENTS.default)

_PROXIES = TrustedProxies(["192.0.2.0/28", "2001:db8:1::/48"])


@pytest.mark.parametrize(
    ("forwarded", "older", "client"),
    [
        (b"for=198.51.100.7", None, "198.51.100.7"),
        (b'For="198.51.100.7:47011";proto=https;by=192.0.2.1', None, "198.51.100.7"),
        (b'proto=https; FOR="[2001:DB8:0::7]:1"', None, "2001:db8::7"),
        (b'for="[2001:db8::7]"', None, "2001:db8::7"),
        (b"for=203.0.113.1, for=198.51.100.7", None, "198.51.100.7"),
        (b"for=198.51.100.7,for=192.0.2.2 , for=192.0.2.3", None, "198.51.100.7"),
        (b"for=10.0.0.1, for=198.51.100.7, for=192.0.2.3", None, "198.51.100.7"),
        (b"for=192.0.2.2, for=192.0.2.3", None, "192.0.2.2"),
        (b"for=unknown", None, ""),
        (b"for=_hidden", None, ""),
        (b"for=198.51.100.7, for=_SEVKISEK", None, ""),
        (b"for=198.51.100.7, proto=https", None, ""),
        (None, b"198.51.100.7", "198.51.100.7"),
        (None, b"203.0.113.1, 198.51.100.7", "198.51.100.7"),
        (None, b"198.51.100.7,192.0.2.2", "198.51.100.7"),
        (None, b"2001:db8::7", "2001:db8::7"),
        (None, b"[2001:db8::7]:443", "2001:db8::7"),
        (None, b"198.51.100.7:443", "198.51.100.7"),
        (b"for=198.51.100.7", b"198.51.100.7", "198.51.100.7"),
        (None, None, ""),
    ],
)
def test_clientIsNamed(forwarded: bytes | None, older: bytes | None, client: str) -> None:
    """
    The last client that a trusted proxy names is believed, and nothing that this client says itself.
    """
    assert clientIn(forwarded, older, _PROXIES.trusts) == client


@pytest.mark.parametrize(
    ("forwarded", "older"),
    [
        (b"", None),
        (b"for=", None),
        (b'for=""', None),
        (b"for=2001:db8::7", None),
        (b'for="2001:db8::7', None),
        (b'for="198.51.100.7\\""', None),
        (b"for=198.51.100.7 for=198.51.100.8", None),
        (b"for=198.51.100.7;for=198.51.100.8", None),
        (b"for=198.51.100.7;", None),
        (b"for=198.51.100.7,", None),
        (b",for=198.51.100.7", None),
        (b"for=dns.example", None),
        (b"for=198.51.100.007", None),
        (b"for=198.51.100", None),
        (b"198.51.100.7", None),
        (None, b""),
        (None, b"198.51.100.7,"),
        (None, b"198.51.100.7 198.51.100.8"),
        (None, b"1.2.3.4:"),
        (None, b"localhost"),
        (None, b"\xff"),
        (b"for=198.51.100.8", b"198.51.100.7"),
        (b"for=_hidden", b"198.51.100.7"),
        (b"for=192.0.2.1," * (_MOST + 1) + b"for=192.0.2.1", None),
        (None, b"192.0.2.1," * _MOST + b"192.0.2.1"),
    ],
)
def test_otherFieldsAreRefused(forwarded: bytes | None, older: bytes | None) -> None:
    """
    Fields that are malformed, too long, or contradict each other name no client: the client has made one of them up.
    """
    assert clientIn(forwarded, older, _PROXIES.trusts) is None


@given(st.none() | st.binary(max_size=60), st.none() | st.binary(max_size=60))
def test_anyOctetsAreHandled(forwarded: bytes | None, older: bytes | None) -> None:
    """
    No field raises.
    """
    clientIn(forwarded, older, _PROXIES.trusts)


def test_proxyIsToldFromClientsOnItsMachine() -> None:
    """
    A client that has the address of a trusted proxy is not taken for the proxy, in either family; other addresses are not changed.
    """
    for proxy in ("192.0.2.3", "2001:db8:1::3", "2001:db8:1:0:1:1:1:1"):
        assert _PROXIES.isItself(proxy)
        named = _PROXIES.nameOf(proxy)
        assert named != proxy
        assert not _PROXIES.isItself(named)
        assert _PROXIES.trusts(named)
    for other in ("192.0.2.16", "2001:db8::3", ""):
        assert not _PROXIES.isItself(other)
        assert _PROXIES.nameOf(other) == other
    # An address without a zero at the start of any group has one notation: the client is refused as well.
    long = ":".join(["2001"] * 8)
    proxies = TrustedProxies([long])
    assert proxies.isItself(proxies.nameOf(long))
    assert not TrustedProxies().trusts("192.0.2.3")
