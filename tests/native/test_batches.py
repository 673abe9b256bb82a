"""
Tests of batches of datagrams, in Python and in C.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.native.twins import TWINS, Twin, twin


@pytest.fixture(params=TWINS)
def batches(request: pytest.FixtureRequest) -> Twin:
    return twin(request.param)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def bound(stack: ExitStack, address: str) -> socket.socket:
    """
    Return a nonblocking socket on any free port of this address.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    made.bind((address, 0))
    made.setblocking(False)
    return made


def connected(stack: ExitStack, address: str, port: int) -> socket.socket:
    """
    Return a nonblocking socket that is connected to another one.
    """
    made = bound(stack, "127.0.0.1" if "." in address else "::1")
    made.connect((address, port))
    return made


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_repliesReachTheirClients(batches: Twin, stack: ExitStack, address: str) -> None:
    """
    Each client gets the reply to its own datagram, and is known by the address that the system reports, and by its IP address.
    """
    server = bound(stack, address)
    clients = [connected(stack, address, server.getsockname()[1]) for _ in range(3)]
    for number, client in enumerate(clients * 2):
        client.send(b"%d" % number)
    arrived = batches.receive(server, 64, 4096)
    assert [octets for octets, _ in arrived] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert [batches.addressOf(place) for _, place in arrived] == [client.getsockname() for client in clients * 2]
    assert len({place[0] for _, place in arrived}) == 1
    assert arrived[0][1][0] in (address, socket.inet_pton(server.family, address))
    assert batches.send(server, [(b"reply to " + octets, place) for octets, place in arrived]) == 0
    for number, client in enumerate(clients * 2):
        assert client.recv(100) == b"reply to %d" % number


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_repliesGetTheIDsOfTheirQueries(batches: Twin, stack: ExitStack, address: str) -> None:
    """
    A reply without ID, of whatever size, is sent to whom the query came from, with the ID of the query. One that the kernel refuses
    (EMSGSIZE) does not keep those behind it from being sent. The queries are as before.
    """
    server = bound(stack, address)
    receive, send = batches.receive, batches.sendReplies
    if address == "0.0.0.0":
        receive, send = batches.receiveEverywhere, batches.sendRepliesEverywhere
    clients = [connected(stack, "127.0.0.1", server.getsockname()[1]) for _ in range(4)]
    for number, client in enumerate(clients):
        client.send(b"%02d a query" % number)
    queries = receive(server, 64, 4096)
    sizes = [0, 1, 4094, 4095, 4096, 4097, 20_000, 70_000, 500]
    replies = [bytes([size & 255]) * size for size in sizes]
    for number, client in enumerate(clients):
        assert send(server, [queries[number]] * len(sizes), replies) == 1
        assert queries[number][0] == b"%02d a query" % number
        for size, reply in zip(sizes, replies, strict=True):
            if size < 70_000:
                assert client.recv(65_536) == b"%02d" % number + reply
    assert send(server, queries * 40, [b"%d" % each for each in range(160)]) == 0
    for number, client in enumerate(clients):
        assert [client.recv(100) for _ in range(40)] == [b"%02d%d" % (number, each) for each in range(number, 160, 4)]


def test_emptyAndTruncatedDatagramsArrive(batches: Twin, stack: ExitStack) -> None:
    """
    An empty datagram is read as such, one that is too long without its end, and no more of them than wanted.
    """
    server = bound(stack, "127.0.0.1")
    client = connected(stack, "127.0.0.1", server.getsockname()[1])
    assert batches.receive(server, 64, 4096) == []
    for octets in b"", bytes(5000), b"", b"last":
        client.send(octets)
    assert [octets for octets, _ in batches.receive(server, 3, 512)] == [b"", bytes(512), b""]
    assert [octets for octets, _ in batches.receive(server, 3, 512)] == [b"last"]
    assert batches.send(server, []) == 0


def test_moreThanOneBatchIsSent(batches: Twin, stack: ExitStack) -> None:
    """
    More replies than the extension sends with one system call all arrive, in their order, of whatever size.
    """
    server = bound(stack, "127.0.0.1")
    client = connected(stack, "127.0.0.1", server.getsockname()[1])
    client.send(b"query")
    [(_, place)] = batches.receive(server, 64, 4096)
    wanted = [bytes([number]) * (40 + number // 7) for number in range(150)]
    assert batches.send(server, [(octets, place) for octets in wanted]) == 0
    assert sorted([client.recv(4096) for _ in wanted]) == sorted(wanted)


@pytest.mark.parametrize("everywhere", [False, True])
def test_refusedDatagramSparesOthers(batches: Twin, stack: ExitStack, everywhere: bool) -> None:
    """
    A datagram that the kernel refuses (EMSGSIZE) is counted, and those before and behind it are sent.
    """
    server = bound(stack, "127.0.0.1")
    client = connected(stack, "127.0.0.1", server.getsockname()[1])
    client.send(b"query")
    receive = batches.receiveEverywhere if everywhere else batches.receive
    send = batches.sendEverywhere if everywhere else batches.send
    [(_, place)] = receive(server, 64, 4096)
    tooLong = (bytes(70_000), place)
    assert send(server, [tooLong, (b"first", place), tooLong, tooLong, (b"second", place), tooLong]) == 4
    assert (client.recv(100), client.recv(100)) == (b"first", b"second")


def test_forbiddenReceiverSparesOthers(batches: Twin, stack: ExitStack) -> None:
    """
    An address that may not be sent to (EACCES) costs only its own reply.
    """
    server = bound(stack, "0.0.0.0")
    client = connected(stack, "127.0.0.1", server.getsockname()[1])
    client.send(b"query")
    [(_, place)] = batches.receive(server, 64, 4096)
    if isinstance(place[0], str):
        forbidden: tuple[str | bytes, *tuple[object, ...]] = ("255.255.255.255", 53)
    else:
        octets = place[1:][0]
        assert isinstance(octets, bytes)
        forbidden = (b"\xff" * 4, octets[:4] + b"\xff" * 4 + octets[8:])
    assert batches.addressOf(forbidden)[0] == "255.255.255.255"
    assert batches.send(server, [(b"x", forbidden), (b"reply", place), (b"x", forbidden)]) == 2
    assert client.recv(100) == b"reply"


@pytest.mark.parametrize("wildcard, address", [("0.0.0.0", "127.5.5.5"), ("::", "::1"), ("::", "::ffff:127.5.5.5")])
def test_replyLeavesFromQueriedAddress(batches: Twin, stack: ExitStack, wildcard: str, address: str) -> None:
    """
    The reply of a wildcard socket leaves from the address that the query was sent to, for clients over IPv4 and IPv6.
    """
    server = bound(stack, wildcard)
    if wildcard == "::":
        server.setsockopt(socket.IPPROTO_IPV6, 49, 1)
    server.setsockopt(socket.IPPROTO_IP, 8, 1)
    client = stack.enter_context(socket.socket(server.family, socket.SOCK_DGRAM))
    client.settimeout(5)
    client.connect((address, server.getsockname()[1]))
    client.send(b"query")
    arrived = batches.receiveEverywhere(server, 64, 4096)
    assert [batches.addressOf(place) for _, place in arrived] == [client.getsockname()]
    assert batches.sendEverywhere(server, [(b"reply", place) for _, place in arrived]) == 0
    assert client.recv(100) == b"reply"


def test_closedSocketIsNoError(batches: Twin, stack: ExitStack) -> None:
    """
    From a closed socket nothing is read, and all replies to be sent from it are lost; another socket with its number is not touched.
    """
    server = bound(stack, "127.0.0.1")
    client = connected(stack, "127.0.0.1", server.getsockname()[1])
    client.send(b"query")
    arrived = batches.receive(server, 64, 4096)
    server.close()
    bound(stack, "127.0.0.1")
    assert batches.receive(server, 64, 4096) == []
    assert batches.receiveEverywhere(server, 64, 4096) == []
    assert batches.send(server, arrived * 3) == 3
    with pytest.raises(OSError):
        batches.receiveConnected(server, 64, 4096, [])
    with pytest.raises(OSError):
        batches.sendConnected(server, [b"query"])


def test_connectedSocketsExchange(batches: Twin, stack: ExitStack) -> None:
    """
    Many datagrams go through connected sockets, in their order and with their length, and are added to what was read before.
    """
    server = bound(stack, "::1")
    client = connected(stack, "::1", server.getsockname()[1])
    server.connect(client.getsockname())
    assert batches.sendConnected(client, [b"a", b"", bytes(2000)]) == 0
    read = [b"before"]
    batches.receiveConnected(server, 2, 1232, read)
    assert read == [b"before", b"a", b""]
    batches.receiveConnected(server, 2, 1232, read)
    assert read[3:] == [bytes(1232)]
    batches.receiveConnected(server, 2, 1232, read)
    assert len(read) == 4


def test_unreachablePeerIsAnError(batches: Twin, stack: ExitStack) -> None:
    """
    A connected socket reports that the peer is not there: to the next that reads, and to the next that sends.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    client = connected(stack, "127.0.0.1", port)
    assert batches.sendConnected(client, [b"query"]) == 0
    with pytest.raises(ConnectionRefusedError):
        batches.receiveConnected(client, 16, 4096, [])
    assert batches.sendConnected(client, [b"query"]) == 0
    with pytest.raises(ConnectionRefusedError):
        batches.sendConnected(client, [b"query"])
    with pytest.raises(OSError, match="too long"):
        batches.sendConnected(client, [bytes(70_000)])


def test_sipHashVectors(batches: Twin) -> None:
    """
    The hashes match three of the authors' test vectors.
    """
    key = bytes(range(16))
    for length, hashed in ((0, "310e0edd47db6f72"), (1, "fd67dc93c539f874"), (15, "e545be4961ca29a1")):
        assert batches.sipHash(key, bytes(range(length))).hex() == hashed


def test_bothHashesAreEqual() -> None:
    """
    Python and C compute the same hash of octets of any length.
    """
    python, c = twin("python"), twin("c")
    for length in range(300):
        key, data = bytes(range(length % 200, length % 200 + 16)), bytes(number * 7 & 0xFF for number in range(length))
        assert python.sipHash(key, data) == c.sipHash(key, data)
