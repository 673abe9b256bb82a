"""
Tests of the PROXY header.
"""

from __future__ import annotations

from ipaddress import ip_address
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.errors import BadMessage
from twisted_ext.server.limits import PROXY_HEADER
from twisted_ext.server.listeners.proxies.header import ProxyHeader, headerIn

__all__ = ["LOCAL", "proxyHeader"]

_START = b"\r\n\r\n\x00\r\nQUIT\n"

LOCAL = _START + b"\x20\x00\x00\x00"


def proxyHeader(client: str, port: int = 40000, *, datagram: bool = False, more: bytes = b"") -> bytes:
    """
    Return a header of version 2.

    @param more: what follows the addresses.
    """
    source = ip_address(client).packed
    rest = source + bytes(len(source)) + pack(">HH", port, 53) + more
    return _START + bytes((0x21, (0x10 if len(source) == 4 else 0x20) | (2 if datagram else 1))) + pack(">H", len(rest)) + rest


_SECOND = proxyHeader("192.0.2.7")


@pytest.mark.parametrize(
    ("data", "host", "port"),
    [
        (_SECOND, "192.0.2.7", 40000),
        (proxyHeader("2001:db8::7", 65535), "2001:db8::7", 65535),
        (proxyHeader("192.0.2.7", datagram=True, more=b"\x04\x00\x03abc"), "192.0.2.7", 40000),
        (proxyHeader("192.0.2.7", more=bytes(2020)), "192.0.2.7", 40000),
        (LOCAL, "", 0),
        (_START + b"\x20\x11\x00\x0c" + bytes(12), "", 0),
        (_START + b"\x20\xff\x00\x01x", "", 0),
        (_START + b"\x21\x00\x00\x00", "", 0),
        (_START + b"\x21\x10\x00\x0c" + bytes(12), "", 0),
        (_START + b"\x21\x31\x00\xd8" + bytes(216), "", 0),
        (b"PROXY TCP4 192.0.2.7 192.0.2.53 40000 53\r\n", "192.0.2.7", 40000),
        (b"PROXY TCP6 2001:DB8:0::7 ::1 0 53\r\n", "2001:db8::7", 0),
        (b"PROXY UNKNOWN\r\n", "", 0),
        (b"PROXY UNKNOWN ff:: :: 1 2\r\n", "", 0),
    ],
)
def test_clientIsNamed(data: bytes, host: str, port: int) -> None:
    """
    The header names the client, or none if the proxy asks for itself or the client has no address; its end is found, in whatever pieces
    it arrives.
    """
    assert headerIn(data) == ProxyHeader(len(data), host, port)
    assert headerIn(data + b"\x00\x1dmore") == ProxyHeader(len(data), host, port)
    for end in range(len(data)):
        assert headerIn(data[:end]) is None


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01", b"PRI * HTTP/2.0", b"POST /", b"\x00\x1d\x12\x34", b"\r\n\r\nGET"])
def test_otherOctetsAreNoHeader(data: bytes) -> None:
    """
    TLS, HTTP and DNS are told from a header by their first octets.
    """
    assert headerIn(data) == ProxyHeader()


@pytest.mark.parametrize(
    "data",
    [
        _START + b"\x11\x11\x00\x0c" + bytes(12),
        _START + b"\x31\x11\x00\x0c" + bytes(12),
        _START + b"\x22\x11\x00\x0c" + bytes(12),
        _START + b"\x21\x41\x00\x0c" + bytes(12),
        _START + b"\x21\x13\x00\x0c" + bytes(12),
        _START + b"\x21\x11\x00\x0b" + bytes(11),
        _START + b"\x21\x21\x00\x23" + bytes(35),
        _START + b"\x21\x31\x00\xd7" + bytes(215),
        _START + b"\x21\x11" + pack(">H", int(PROXY_HEADER.default) - 15),
        _START + b"\x21\x11\xff\xff",
        b"PROXY TCP4 192.0.2.7 192.0.2.53 40000\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.53 40000 53 1\r\n",
        b"PROXY TCP4  192.0.2.7 192.0.2.53 40000 53\r\n",
        b"PROXY TCP4 192.0.2.300 192.0.2.53 40000 53\r\n",
        b"PROXY TCP4 2001:db8::7 ::1 40000 53\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.53 40000 53\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.53 65536 53\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.53 -1 53\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.53 007 53\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.53 1 \xb2\r\n",
        b"PROXY TCP5 192.0.2.7 192.0.2.53 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.53 1 2\r\n",
        b"PROXY TCP4 \xff\xfe ::1 1 2\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4 " + b"1" * 96,
    ],
)
def test_malformedHeaderIsRefused(data: bytes) -> None:
    """
    A header with a wrong version, family, length, address or port is refused as soon as that is seen.
    """
    with pytest.raises(BadMessage):
        headerIn(data)


@given(st.binary(max_size=64), st.sampled_from([b"", _START, _START + b"\x21", _START + b"\x21\x21", b"PROXY ", b"PROXY TCP6 "]))
def test_anyOctetsAreHandled(rest: bytes, start: bytes) -> None:
    """
    Whatever arrives gives a header, none, a demand for more octets, or the one error.
    """
    try:
        header = headerIn(start + rest)
    except BadMessage:
        return
    assert header is None or header.octets <= len(start + rest)
