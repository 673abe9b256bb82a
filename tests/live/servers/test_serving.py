"""
Tests of servers with clients by other authors: dig, kdig, and captures of broken clients.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.conformance.test_messages_captures import packets, streams
from tests.corpora import corpus
from tests.live.servers.serving import ADDRESSES, KINDS, RunningServer, runServer
from tests.patience import PATIENCE
from tests.peers import peer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import RD
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message

__all__ = ["COMPLIANCE", "PATIENCE"]

#: The list of EDNS compliance tests: options of dig, what the output has, and what it does not have.
COMPLIANCE: Final[dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]] = {
    "plain": ("+noedns example.org SOA", ("status: NOERROR", "SOA\tns.example.org."), ("EDNS",)),
    "edns": ("+edns=0 +nocookie example.org SOA", ("status: NOERROR", "EDNS: version: 0", "SOA\tns.example.org."), ()),
    "edns1": (
        "+edns=100 +nocookie +noednsneg example.org SOA",
        ("status: BADVERS", "EDNS: version: 0", "ANSWER: 0"),
        ("SOA\tns",),
    ),
    "ednsopt": (
        "+ednsopt=100 +nocookie example.org SOA",
        ("status: NOERROR", "EDNS: version: 0", "SOA\tns"),
        ("OPT=100",),
    ),
    "edns1opt": (
        "+edns=100 +nocookie +noednsneg +ednsopt=100 example.org SOA",
        ("status: BADVERS", "version: 0"),
        ("OPT=100", "SOA\tns"),
    ),
    "ednsflags": (
        "+ednsflags=0x80 +nocookie example.org SOA",
        ("status: NOERROR", "EDNS: version: 0, flags:;", "SOA\tns"),
        ("MBZ",),
    ),
    "do": ("+dnssec +nocookie example.org SOA", ("status: NOERROR", "EDNS: version: 0, flags: do;", "SOA\tns"), ()),
    "type": ("+noedns example.org TYPE666", ("status: NOERROR", "ANSWER: 0", "AUTHORITY: 1"), ()),
    "opcode": (
        "+noedns +header-only +opcode=15",
        ("status: NOTIMP", "QUERY: 0, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0"),
        (),
    ),
    "opcode, question": ("+noedns +opcode=15 example.org SOA", ("status: NOTIMP", "ANSWER: 0, AUTHORITY: 0"), ()),
    "z": ("+noedns +zflag example.org SOA", ("status: NOERROR", "SOA\tns"), ("MBZ",)),
    "ad": ("+noedns +adflag example.org SOA", ("status: NOERROR", "flags: qr aa;"), ()),
    # A server clears CD in answers from its own zones (RFC 4035, section 3.1.6).
    "cd": ("+noedns +cdflag example.org SOA", ("status: NOERROR", "flags: qr aa;"), ()),
    "tc": ("+noedns +tcflag example.org SOA", ("status: NOERROR", "flags: qr aa;"), ()),
    "ra": ("+noedns +raflag example.org SOA", ("status: NOERROR", "SOA\tns"), ()),
    "aa": ("+noedns +aaflag example.org SOA", ("status: NOERROR", "flags: qr aa;"), ()),
    "rd": ("+noedns +rec example.org SOA", ("status: NOERROR", "flags: qr aa rd"), ()),
    "cookie": ("+cookie example.org SOA", ("status: NOERROR", "SOA\tns"), ("malformed",)),
    "nothing": ("+noedns nothing.example.org A", ("status: NXDOMAIN", "SOA\tns"), ()),
    "class": ("+noedns version.bind CH TXT", ("status: REFUSED",), ()),
    "not ours": ("+noedns example.net A", ("status: REFUSED",), ()),
}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """
    Start a server of each kind.
    """
    with runServer(request.param, *reachable()) as running:
        yield running


def reachable() -> list[str]:
    """
    Return the loopback addresses that this machine has.
    """
    found = []
    for address in ADDRESSES:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trying:
            try:
                trying.bind((address, 0))
            except OSError:
                continue
        found.append(address)
    return found


def dig(server: RunningServer, *words: str, address: str = "127.0.0.1", program: str = "dig") -> str:
    """
    Return the output of dig or of a similar program.
    """
    command = [str(peer(program)), f"@{address}", "-p", str(server.port), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE)
    return done.stdout + done.stderr


def connect(server: RunningServer) -> socket.socket:
    """
    Return a connection to the server.
    """
    return socket.create_connection(("127.0.0.1", server.port), PATIENCE)


def replies(connection: socket.socket, count: int) -> list[bytes]:
    """
    Return that many messages, or those that came before the connection ended.
    """
    buffer = StreamBuffer()
    found: list[bytes] = []
    while len(found) < count:
        octets = connection.recv(1 << 20)
        if not octets:
            break
        found += buffer.feed(octets)
    return found


def query(number: int, name: str = "www.example.org", rrType: str = "A") -> bytes:
    """
    Return a framed query.
    """
    return frame(buildMessage(Message(number, RD, (questionOf(name, rrType),))))


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
@pytest.mark.parametrize("what", COMPLIANCE)
def test_EDNSCompliance(server: RunningServer, what: str, way: str, address: str) -> None:
    """
    Every listener keeps the rules of EDNS that resolvers rely on.
    """
    if address not in reachable():
        pytest.skip(f"this machine has no {address}")
    words, present, absent = COMPLIANCE[what]
    printed = dig(server, "+norec", "+tries=1", "+time=3", way, *words.split(), address=address)
    assert [text for text in present if text not in re.sub(r"[ \t]+(?=ns\.)", "\t", printed)] == [], printed
    assert [text for text in absent if text in printed] == [], printed


@pytest.mark.parametrize("address", ADDRESSES)
def test_UDPSizeOfClientIsKept(server: RunningServer, address: str) -> None:
    """
    A client that accepts 512 octets over UDP gets no more, and the whole answer over TCP.
    """
    if address not in reachable():
        pytest.skip(f"this machine has no {address}")
    words = ("+norec", "+dnssec", "+bufsize=512", "+nocookie", "example.org", "DNSKEY")
    short = dig(server, "+ignore", *words, address=address)
    size = re.search(r"MSG SIZE  rcvd: (\d+)", short)
    assert size is not None and int(size[1]) <= 512
    assert " tc" in short
    assert "ANSWER: 5" in dig(server, *words, address=address)


@pytest.mark.parametrize("program", ["dig", "kdig"])
def test_severalQueriesOnOneConnection(server: RunningServer, program: str) -> None:
    """
    Programs that send several queries on one connection get all the answers.
    """
    words = ["+tcp", "+keepopen", "www.example.org", "A", "example.org", "SOA", "nothing.example.org", "A"]
    printed = dig(server, *words, program=program)
    assert "192.0.2.80" in printed and "NXDOMAIN" in printed and "ns.example.org." in printed, printed


def test_keepaliveIsSentOnRequest(server: RunningServer) -> None:
    """
    The keepalive timeout is sent only to clients that ask for it, and only over TCP.
    """
    for _ in range(3):
        words = ("+norec", "+nocookie", "www.example.org")
        assert "TCP KEEPALIVE: 10.0 secs" in dig(server, "+tcp", "+keepalive", *words)
        assert "TCP KEEPALIVE" not in dig(server, "+tcp", *words)
        assert "TCP KEEPALIVE" not in dig(server, "+keepalive", *words).partition("Got answer")[2]


def test_answerFillsAMessage(server: RunningServer) -> None:
    """
    An answer may have nearly as many octets as a message can have.
    """
    printed = dig(server, "+tcp", "+norec", "big.example.org", "TXT")
    size = re.search(r"MSG SIZE  rcvd: (\d+)", printed)
    assert "ANSWER: 250" in printed
    assert size is not None and int(size[1]) > 60_000


def test_pipelinedQueriesAreAnswered(server: RunningServer) -> None:
    """
    A thousand queries sent at once are all answered, also to a client that has closed its sending side.
    """
    with connect(server) as connection:
        connection.sendall(b"".join([query(number) for number in range(1000)]))
        connection.shutdown(socket.SHUT_WR)
        found = replies(connection, 1001)
    assert sorted([int.from_bytes(reply[:2], "big") for reply in found]) == list(range(1000))


def test_clientThatReadsNothingIsClosed(server: RunningServer) -> None:
    """
    A client that requests 600 megabytes and reads nothing costs little memory and is disconnected. Other clients are answered meanwhile.
    """
    before = server.kilobytes
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(1)
        try:
            for _ in range(10):
                connection.sendall(b"".join([query(number, "big.example.org", "TXT") for number in range(1000)]))
        except TimeoutError:
            # The server has stopped reading, as intended.
            pass
        assert "192.0.2.80" in dig(server, "+tcp", "www.example.org")
        assert server.kilobytes - before < 16_000
        end = time.monotonic() + PATIENCE
        with pytest.raises(OSError):
            while time.monotonic() < end:
                connection.sendall(query(1))
                time.sleep(0.2)


def test_slowReaderGetsAllReplies(server: RunningServer) -> None:
    """
    A client that reads late and slowly gets every reply whole and in order.
    """
    with connect(server) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        connection.sendall(b"".join([query(number, "big.example.org", "TXT") for number in range(300)]))
        time.sleep(0.5)
        buffer = StreamBuffer()
        found: list[bytes] = []
        while len(found) < 300:
            octets = connection.recv(50_000)
            assert octets
            found += buffer.feed(octets)
    assert [int.from_bytes(reply[:2], "big") for reply in found] == list(range(300))
    assert len({reply[2:] for reply in found}) <= 2
    assert len(Message.fromWire(found[-1]).check().answer[0].rdatas) == 250


def test_dribbledQueryIsAnswered(server: RunningServer) -> None:
    """
    A query that arrives octet by octet is answered if it does not take too long.
    """
    with connect(server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in query(7):
            connection.sendall(bytes([octet]))
            time.sleep(0.001)
        (reply,) = replies(connection, 1)
    assert reply[:2] == b"\x00\x07"


def _captured() -> Iterator[tuple[str, bytes]]:
    """
    Return the octets that clients and attackers have sent: whole directions of streams, and each datagram as if it had been on a stream.
    """
    for path in sorted(corpus("bad-packets/various-dns-pcaps").glob("*.pcap")):
        for octets in streams(path).values():
            yield path.name, octets
        for packet in packets(path):
            yield path.name, packet.payload if packet.tcp else len(packet.payload).to_bytes(2, "big") + packet.payload


def test_badPacketsLeaveNothing(server: RunningServer) -> None:
    """
    Captured packets of broken clients are answered or end their own connection, and leave nothing behind.
    """
    # A reactor opens its own descriptors when it starts.
    assert "192.0.2.80" in dig(server, "+tcp", "www.example.org")
    descriptors = server.descriptors
    count = 0
    for name, octets in _captured():
        for size in (len(octets), 3):
            with connect(server) as connection:
                connection.settimeout(PATIENCE)
                try:
                    for start in range(0, min(len(octets), 4096), size):
                        connection.sendall(octets[start : start + size])
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
                except TimeoutError:
                    raise
                except OSError:
                    # The server has closed the connection.
                    pass
            count += 1
        assert server.process.poll() is None, name
    assert count > 20
    assert "192.0.2.80" in dig(server, "+tcp", "www.example.org")
    end = time.monotonic() + PATIENCE
    while server.descriptors > descriptors and time.monotonic() < end:
        time.sleep(0.05)
    assert server.descriptors <= descriptors


def test_slowCrowdIsClosed() -> None:
    """
    Five hundred clients that send an octet per second are disconnected after a few seconds. Proper clients are answered meanwhile.
    """
    with runServer("listeners") as server:
        assert "192.0.2.80" in dig(server, "+tcp", "www.example.org")
        before = server.descriptors
        slow = []
        for number in range(500):
            made = socket.socket()
            made.bind((f"127.0.{number // 100 + 1}.{number % 100 + 1}", 0))
            made.connect(("127.0.0.1", server.port))
            made.sendall(b"\x00")
            slow.append(made)
        began = time.monotonic()
        while time.monotonic() - began < 7:
            with connect(server) as connection:
                connection.sendall(query(1))
                assert replies(connection, 1)
            for each in slow:
                try:
                    each.sendall(b"\x00")
                except OSError:
                    # The server has closed this one.
                    continue
            time.sleep(0.5)
        end = time.monotonic() + PATIENCE
        while server.descriptors > before + 1 and time.monotonic() < end:
            time.sleep(0.05)
        assert server.descriptors <= before + 1
        for each in slow:
            each.close()
