"""
Looking up over real sockets.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as globalReactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IReactorFDSet, IReactorTime

from tests.peers import LivePeer, nsd
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Unreachable
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.lookup.transfer import transferZone
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport import datagram
from twisted_ext.transport.datagram import Datagrams
from twisted_ext.transport.pollers import EachPoller
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import nameFromText

reactor = IReactorTime(globalReactor)

ZONE = (
    "$ORIGIN test.example.\n$TTL 300\n@ IN SOA ns admin 1 3600 900 604800 300\n@ IN NS ns\nns IN A 192.0.2.1\n"
    + "".join([f"h{number} IN A 10.0.{number >> 8}.{number & 255}\n" for number in range(1000)])
    + "".join([f'long IN TXT "{str(number) * 200}"\n' for number in range(8)])
)


@pytest.fixture(scope="module")
def peer() -> Iterator[LivePeer]:
    """
    Start NSD with a zone of a thousand hosts.
    """
    with nsd({"test.example": ZONE}) as server:
        yield server


def ask(source: ForwardingSource, name: str, rrType: str = "A", seconds: float = 10.0) -> Deferred[Answer]:
    """
    Look a name up.
    """
    return lookUp(source, questionOf(name, rrType), QueryContext(reactor.seconds() + seconds))


def ourReaders() -> list[object]:
    """
    Return the readers of this package in the reactor.
    """
    readers = IReactorFDSet(globalReactor).getReaders()
    return [reader for reader in readers if type(reader).__module__.startswith("twisted_ext")]


@ensureDeferred
async def test_thousandNamesLeaveNoSocket(peer: LivePeer) -> None:
    """
    A thousand names at once are all found, and nothing is left in the reactor after the last one.
    """
    source = ForwardingSource(reactor, [Server(*peer.server)])
    answers = await gatherResults([ask(source, f"h{number}.test.example") for number in range(1000)])
    assert [answer.answer[0].rdatas[0][2:] for answer in answers] == [number.to_bytes(2, "big") for number in range(1000)]
    assert ourReaders() == []


@ensureDeferred
async def test_longAnswerComesOverTCP(peer: LivePeer) -> None:
    """
    A long answer comes over TCP.
    """
    answer = await ask(ForwardingSource(reactor, [Server(*peer.server)]), "long.test.example", "TXT")
    assert answer.origin is not None
    assert (answer.origin.source, len(answer.answer[0].rdatas)) == ("tcp", 8)


@ensureDeferred
async def test_manyNamesOverOneConnection(peer: LivePeer) -> None:
    """
    Hundreds of names are found over one TCP connection.
    """
    source = ForwardingSource(reactor, [Server(*peer.server)], stream=True)
    answers = await gatherResults([ask(source, f"h{number}.test.example") for number in range(500)])
    assert len(answers) == 500
    await source.close()
    assert ourReaders() == []


@ensureDeferred
async def test_wholeZoneIsTransferred(peer: LivePeer) -> None:
    """
    A whole zone is transferred.
    """
    records = await transferZone(reactor, [Server(*peer.server)], nameFromText("test.example"), reactor.seconds() + 10)
    assert len(records) == 1011


@ensureDeferred
async def test_closedPortFailsBeforeDeadline() -> None:
    """
    A closed port fails the look-up long before its deadline.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    before = reactor.seconds()
    with pytest.raises(Unreachable, match="cannot be reached"):
        await ask(ForwardingSource(reactor, [Server("127.0.0.1", port)]), "www.test.example", seconds=60)
    assert reactor.seconds() - before < 50
    assert ourReaders() == []


@ensureDeferred
async def test_systemWithoutEpoll(peer: LivePeer, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The reactor reads each socket by itself where the system has no epoll.
    """
    monkeypatch.setattr(datagram, "pollerFor", EachPoller)
    source = ForwardingSource(reactor, [Server(*peer.server)], datagrams=Datagrams(reactor))
    answers = await gatherResults([ask(source, f"h{number}.test.example") for number in range(100)])
    assert len(answers) == 100
    assert ourReaders() == []


@ensureDeferred
async def test_canceledLookupLeavesNoSocket() -> None:
    """
    A canceled look-up leaves no socket.
    """
    canned = CannedServer()
    canned.silent = True
    server = canned.listen(reactor, 0, "127.0.0.1")
    asked = ask(ForwardingSource(reactor, [server]), "www.test.example")
    assert len(ourReaders()) == 1
    asked.cancel()
    with pytest.raises(CancelledError):
        await asked
    assert ourReaders() == []
    await canned.close()


@ensureDeferred
async def test_cannedServerServesSockets() -> None:
    """
    The canned server serves real sockets of both families over UDP and TCP.
    """
    for address in ("127.0.0.1", "::1"):
        canned = CannedServer({("www.test.example", "A"): "192.0.2.80"})
        server = canned.listen(reactor, 0, address)
        for truncating in (False, True):
            canned.truncating = truncating
            answer = await ask(ForwardingSource(reactor, [server]), "www.test.example")
            assert answer.answer[0].rdatas == (b"\xc0\x00\x02\x50",)
        await canned.close()
