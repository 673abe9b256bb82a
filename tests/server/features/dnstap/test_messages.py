"""
Tests of the messages of dnstap, which a library made from the schema reads.
"""

from __future__ import annotations

import marshal
import socket
import sys
from ipaddress import ip_address
from struct import pack
from typing import Any

import pytest
from dnstap_pb.dnstap_pb2 import Dnstap, Message
from hypothesis import given
from hypothesis import strategies as some

from tests.queries import queryOf
from twisted_ext.server.features.dnstap.settings import MESSAGES
from twisted_ext.server.features.dnstap.writer.messages import Messages

__all__: list[str] = []

QUERY = queryOf("www.example")
REPLY = bytes([QUERY[0], QUERY[1], 0x81, 0x80]) + QUERY[4:]

#: By the names of transports, the values of SocketProtocol in dnstap.proto.
PROTOCOLS = {"udp": 1, "tcp": 2, "tls": 3, "https": 4, "quic": 7}

#: Names of types in dnstap.proto.
TYPES = {
    1: "AUTH_QUERY",
    2: "AUTH_RESPONSE",
    3: "RESOLVER_QUERY",
    4: "RESOLVER_RESPONSE",
    5: "CLIENT_QUERY",
    6: "CLIENT_RESPONSE",
    7: "FORWARDER_QUERY",
    8: "FORWARDER_RESPONSE",
    13: "UPDATE_QUERY",
    14: "UPDATE_RESPONSE",
}


def read(frames: list[bytes]) -> list[Message]:
    """
    Read frames by the library, which writes the same octets.
    """
    found = []
    for frame in frames:
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        made = Dnstap.FromString(frame[4:])
        assert made.FindInitializationErrors() == []
        assert made.SerializeToString() == frame[4:]
        assert (made.identity, made.version, made.type) == (b"ns1", b"v", 1)
        found.append(made.message)
    return found


def messages(*told: tuple[object, ...], kinds: tuple[str, ...] = MESSAGES, recurses: bool = True) -> list[Message]:
    """
    Return what is made of a batch, as it comes through a pipe.
    """
    return read(Messages("ns1", "v", kinds, recurses).of(marshal.loads(marshal.dumps([*told]))))


def hits(*queries: bytes, place: tuple[Any, ...] = ("192.0.2.7", 4242), transport: str = "udp") -> tuple[object, ...]:
    """
    Queries of one client that the packet cache has answered.
    """
    return ("h", 1.5, transport, [(query, place) for query in queries], [REPLY[2:]] * len(queries), 53, "192.0.2.1")


ADDRESSES = some.ip_addresses().map(str)
PORTS = some.integers(1, 65535)
TIMES = some.floats(0, 4e9)
OCTETS = some.binary(min_size=12, max_size=300)
TRANSPORTS = some.sampled_from(sorted(PROTOCOLS))


@given(TIMES, TIMES, TRANSPORTS, OCTETS, some.one_of(some.just(b""), OCTETS), ADDRESSES, PORTS, PORTS, ADDRESSES, some.booleans())
def test_anyQuery(
    time: float,
    arrived: float,
    transport: str,
    query: bytes,
    reply: bytes,
    client: str,
    port: int,
    serverPort: int,
    server: str,
    recurses: bool,
) -> None:
    """
    Whatever a client sends, its message has what was told, and the octets are those that the library writes.
    """
    told = ("r", time, arrived, transport, query, reply, (client, port), serverPort, server)
    found = messages(told, recurses=recurses)
    kind = "UPDATE" if query[2] >> 3 & 15 == 5 else "CLIENT" if recurses and query[2] & 1 else "AUTH"
    assert [TYPES[each.type] for each in found] == [f"{kind}_{word}" for word in (["QUERY", "RESPONSE"] if reply else ["QUERY"])]
    for each in found:
        assert each.socket_family == (1 if ip_address(client).version == 4 else 2)
        assert each.socket_protocol == PROTOCOLS[transport]
        assert (each.query_address, each.response_address) == (ip_address(client).packed, ip_address(server).packed)
        assert (each.query_port, each.response_port) == (port, serverPort)
        assert abs(each.query_time_sec + each.query_time_nsec / 1e9 - arrived) < 1e-6
    assert (found[0].query_message, found[0].HasField("response_message")) == (query, False)
    if reply:
        assert (found[1].response_message, found[1].HasField("query_message")) == (reply, False)
        assert abs(found[1].response_time_sec + found[1].response_time_nsec / 1e9 - time) < 1e-6


def test_largestMessages() -> None:
    """
    Messages of 65,535 octets are written whole.
    """
    query = QUERY + bytes(65535 - len(QUERY))
    found = messages(("r", 1.0, 1.0, "tcp", query, query, ("192.0.2.7", 1), 0, ""))
    assert (found[0].query_message, found[1].response_message) == (query, query)
    assert not found[0].HasField("response_port") and not found[0].HasField("response_address")


def test_hits() -> None:
    """
    Queries that the packet cache has answered have the ids of their queries in the replies.
    """
    first, second = queryOf("www.example"), queryOf("www.example")
    second = b"\xab\xcd" + second[2:]
    assert first[:2] != second[:2]
    found = messages(hits(first, second))
    assert [TYPES[each.type] for each in found] == ["CLIENT_QUERY", "CLIENT_RESPONSE"] * 2
    assert found[3].response_message == second[:2] + REPLY[2:]
    assert {(each.query_time_sec, each.query_time_nsec) for each in found} == {(1, 500_000_000)}


@pytest.mark.parametrize(
    ("place", "address", "port"),
    [
        (("192.0.2.7", 4242), "192.0.2.7", 4242),
        (("2001:db8::7", 4242, 0, 0), "2001:db8::7", 4242),
        (("fe80::7%eth0", 4242, 0, 2), "fe80::7", 4242),
        (("::ffff:192.0.2.7", 4242, 0, 0), "192.0.2.7", 4242),
        # As the loops for sockets of all addresses have it, in Python, and in C.
        (("192.0.2.7", ("192.0.2.7", 4242), []), "192.0.2.7", 4242),
        ((b"\xc0\x00\x02\x07", pack("=H", socket.AF_INET) + b"\x10\x92\xc0\x00\x02\x07" + bytes(8)), "192.0.2.7", 4242),
        (
            (bytes(16), pack("=H", socket.AF_INET6) + b"\x10\x92" + bytes(4) + ip_address("2001:db8::7").packed + bytes(4) + bytes(40)),
            "2001:db8::7",
            4242,
        ),
        # That of a stream.
        (("192.0.2.7",), "192.0.2.7", 0),
    ],
)
def test_whereQueriesComeFrom(place: tuple[Any, ...], address: str, port: int) -> None:
    """
    The address of a client is found in each form that the sockets have for it.
    """
    (query, _) = messages(hits(QUERY, place=place))
    assert query.query_address == ip_address(address).packed
    assert query.query_port == port
    assert query.HasField("query_port") is bool(port)
    assert sys.byteorder == "little" or query.query_address


def test_clientsWithoutAddress() -> None:
    """
    Who asks over a Unix socket has none.
    """
    query, _ = messages(("r", 1.0, 1.0, "tcp", QUERY, REPLY, ("unix:", 0), 0, ""))
    assert not query.HasField("query_address") and not query.HasField("socket_family")


def test_upstreams() -> None:
    """
    A query to another server has its address and port, and what it was asked for; its reply has both times.
    """
    found = messages(
        ("u", 1.25, "forwarder", "tls", ("192.0.2.53", 853), QUERY),
        ("v", 2.0, 1.25, "resolver", "udp", ("2001:db8::53", 53), REPLY),
    )
    assert [TYPES[each.type] for each in found] == ["FORWARDER_QUERY", "RESOLVER_RESPONSE"]
    assert [(each.response_address, each.response_port) for each in found] == [
        (ip_address("192.0.2.53").packed, 853),
        (ip_address("2001:db8::53").packed, 53),
    ]
    assert [each.HasField("query_address") for each in found] == [False, False]
    assert (found[0].query_message, found[1].response_message) == (QUERY, REPLY)
    assert (found[1].query_time_nsec, found[1].response_time_sec) == (250_000_000, 2)


@pytest.mark.parametrize("kind", MESSAGES)
def test_onlyWhatIsWanted(kind: str) -> None:
    """
    Only the kinds that the settings name are written.
    """
    update = QUERY[:2] + b"\x28\x00" + QUERY[4:]
    auth = QUERY[:2] + b"\x00\x00" + QUERY[4:]
    found = messages(
        *[("r", 1.0, 1.0, "udp", query, REPLY, ("192.0.2.7", 1), 53, "") for query in (QUERY, update, auth)],
        *[(way, 1.0, *more, kinds, "udp", ("192.0.2.53", 53), QUERY) for kinds in MESSAGES[3:] for way, more in (("u", ()), ("v", (1.0,)))],
        kinds=(kind,),
    )
    assert [TYPES[each.type] for each in found] == [f"{kind.upper()}_QUERY", f"{kind.upper()}_RESPONSE"]


@pytest.mark.parametrize(
    "batch",
    [None, {}, [()], [("x",)], [("r", 1.0)], [("r", 1.0, 1.0, "smoke", QUERY, b"", ("192.0.2.1", 1), 0, "")], [("h", *range(6))], [7]],
)
def test_wrongBatches(batch: object) -> None:
    """
    What is no batch is a L{ValueError}, whatever it is.
    """
    with pytest.raises(ValueError, match="a batch that is not"):
        Messages("ns1", "v", MESSAGES, True).of(batch)


def test_manyClients() -> None:
    """
    Addresses that are kept are bounded, and the same with and without that.
    """
    made = Messages("ns1", "v", MESSAGES, True)
    for number in range(25_000):
        address = str(ip_address(0x0A000000 + number))
        (frame, _) = made.of([("h", 1.0, "udp", [(QUERY, (address, 1))], [REPLY[2:]], 53, "")])
    assert read([frame])[0].query_address == ip_address(address).packed
    assert len(vars(made)["_known"][0]) <= 10_000
