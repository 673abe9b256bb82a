"""
Looking up over TLS at servers of other projects.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as globalReactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.interfaces import IReactorFDSet, IReactorTime
from twisted.internet.task import deferLater

from tests.certificates import certificateFor, written
from tests.live.encrypted.servers import Served, bindServer, nsdServer, unboundServer
from tests.peers import LivePeer
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.tls.stream import TLSExchange

reactor = IReactorTime(globalReactor)

@dataclass(frozen=True)
class Secured:
    """
    A server with a certificate for C{dns.example}.
    """

    peer: LivePeer
    port: int
    ca: Path

    def describe(self, name: str = "dns.example", **options: str) -> str:
        """
        Return its description.
        """
        said = "".join([f":{key}={value}" for key, value in options.items()])
        return f"tls:127.0.0.1@{self.port}#{name}:ca={self.ca}{said}"


def unboundOverTLS(pair: Path) -> Served:
    """
    Return Unbound with a listener for TLS alone.
    """
    return unboundServer(pair, "tls")


@pytest.fixture(scope="module", params=[unboundOverTLS, nsdServer, bindServer], ids=["unbound", "nsd", "bind"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """
    Start a server.
    """
    folder = tmp_path_factory.mktemp("tls")
    pair = folder / "pair.pem"
    pair.write_bytes(certificateFor("dns.example"))
    served: Served = request.param(pair)
    with served.peer as peer:
        yield Secured(peer, served.ports["tls"], written(folder))


def ask(source: IAnswerSource, name: str, seconds: float = 10.0) -> Deferred[Answer]:
    """
    Look a name up.
    """
    return lookUp(source, questionOf(name), QueryContext(reactor.seconds() + seconds))


def openSockets() -> int:
    """
    Return the number of this process's sockets.
    """
    return len([each for each in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{each}").startswith("/proc/self/fd/")])


def readers() -> int:
    """
    Return the number of connections that the reactor reads.
    """
    return len([each for each in IReactorFDSet(globalReactor).getReaders() if "Client" in type(each).__name__])


@ensureDeferred
async def test_manyNamesOverOneConnection(secured: Secured) -> None:
    """
    A thousand names are found over one authenticated connection, of the newest version, and nothing is left after the source is closed.
    """
    source = sourceFromString(reactor, secured.describe())
    assert isinstance(source, ForwardingSource)
    answers = await gatherResults([ask(source, f"n{number}.h.test.example") for number in range(1000)])
    assert {answer.answer[0].rdatas[0] for answer in answers} == {socket.inet_aton("192.0.2.80")}
    assert {answer.origin.source for answer in answers if answer.origin} == {"tls"}
    exchange = source.upstreams[0].stream
    assert isinstance(exchange, TLSExchange)
    details = exchange.details
    assert details is not None
    assert (details.version, details.names, details.resumed) == ("TLSv1.3", "'dns.example'", False)
    assert readers() == 1
    await source.close()
    assert readers() == 0


@ensureDeferred
async def test_sessionsAreResumed(secured: Secured) -> None:
    """
    Connections after the first continue its session, one after the other.
    """
    source = sourceFromString(reactor, secured.describe(keep="0.05"))
    assert isinstance(source, ForwardingSource)
    resumed: list[bool] = []
    for _ in range(4):
        await ask(source, "www.h.test.example")
        exchange = source.upstreams[0].stream
        assert isinstance(exchange, TLSExchange)
        assert exchange.details is not None
        resumed.append(exchange.details.resumed)
        await deferLater(globalReactor, 0.1)
        assert exchange.details is None
    await source.close()
    assert resumed == [False, True, True, True]


@ensureDeferred
async def test_wrongServerIsRefused(secured: Secured) -> None:
    """
    A server with a certificate for another name is not asked, and the error has both names.
    """
    source = sourceFromString(reactor, secured.describe("other.example"))
    with pytest.raises(Unreachable, match="expected a certificate for 'other.example' .* it showed one for 'dns.example'"):
        await ask(source, "www.h.test.example")
    await source.close()


@ensureDeferred
async def test_restartLosesNothing(secured: Secured) -> None:
    """
    A look-up after the server's restart is answered, although the kept connection is gone.
    """
    source = sourceFromString(reactor, secured.describe())
    await ask(source, "first.h.test.example")
    secured.peer.stop()
    secured.peer.start()
    for number in range(10):
        answer = await ask(source, f"later{number}.h.test.example")
        assert answer.answer[0].rdatas[0] == socket.inet_aton("192.0.2.80")
        assert answer.origin is not None and answer.origin.source == "tls"
    await source.close()


@ensureDeferred
async def test_churnLeavesNothing(secured: Secured) -> None:
    """
    Hundreds of connections that succeed, fail or are given up half-way leave no socket.
    """
    before = openSockets()
    for number in range(100):
        right = sourceFromString(reactor, secured.describe())
        wrong = sourceFromString(reactor, secured.describe("other.example"))
        gone = sourceFromString(reactor, secured.describe())
        await ask(right, f"n{number}.h.test.example")
        with pytest.raises(Unreachable):
            await ask(wrong, "www.h.test.example")
        asked = ask(gone, "www.h.test.example")
        await deferLater(globalReactor, 0.0005 * (number % 10))
        asked.cancel()
        try:
            await asked
        except CancelledError:
            pass
        for source in (right, wrong, gone):
            await source.close()
    await deferLater(globalReactor, 0.05)
    assert openSockets() <= before
    assert readers() == 0
