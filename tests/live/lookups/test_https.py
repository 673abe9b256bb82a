"""
Looking up over HTTPS at the servers of other projects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as globalReactor
from twisted.internet.defer import CancelledError, Deferred, DeferredList, gatherResults
from twisted.internet.interfaces import IReactorFDSet, IReactorTime
from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from tests.certificates import written
from tests.live.encrypted.servers import Served, kresdServer, unboundServer
from tests.peers import LivePeer
from tests.transport.tlsservers import leaf
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import DNSFault, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf

reactor = IReactorTime(globalReactor)

#: A server and the port at which it listens for HTTPS.
Running = tuple[LivePeer, int]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return a folder with the certificates.
    """
    path = tmp_path_factory.mktemp("certificates")
    written(path)
    (path / "server.pem").write_bytes(leaf("dns.example"))
    return path


def unboundOverHTTPS(pair: Path) -> Served:
    """
    Return Unbound with a listener for HTTPS alone.
    """
    return unboundServer(pair, "https")


@pytest.fixture(scope="module", params=[unboundOverHTTPS, kresdServer], ids=["unbound", "kresd"])
def running(request: pytest.FixtureRequest, folder: Path) -> Iterator[Running]:
    """
    Start each of the servers.
    """
    make: Callable[[Path], Served] = request.param
    served = make(folder / "server.pem")
    with served.peer as peer:
        yield peer, served.ports["https"]


@pytest.fixture
def describe(running: Running, folder: Path) -> Iterator[Callable[[str], IAnswerSource]]:
    """
    Return what builds sources with further options; they are closed at the end.
    """
    built: list[IAnswerSource] = []

    def build(options: str = "") -> IAnswerSource:
        ca = str(folder / "authority.pem").replace(":", "\\:")
        built.append(sourceFromString(reactor, f"https://dns.example:{running[1]}/dns-query{options}:address=127.0.0.1:ca={ca}"))
        return built[-1]

    yield build
    for source in built:
        source.close()


def ask(source: IAnswerSource, name: str, rrType: str = "A", seconds: float = 10.0) -> Deferred[Answer]:
    """
    Look a name up.
    """
    return lookUp(source, questionOf(name, rrType), QueryContext(reactor.seconds() + seconds))


def connections() -> int:
    """
    Return the number of TLS connections in the reactor.
    """
    readers = IReactorFDSet(globalReactor).getReaders()
    return len([reader for reader in readers if isinstance(getattr(reader, "protocol", None), TLSMemoryBIOProtocol)])


@ensureDeferred
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_thousandNamesShareOneConnection(describe: Callable[[str], IAnswerSource], method: str) -> None:
    """
    A thousand names at once are all found over one connection, by either method, and none is left after the last one without keep-alive.
    """
    before = connections()
    source = describe(f":method={method}:keep=0")
    most = 0

    def counted(answer: Answer) -> Answer:
        nonlocal most
        most = max(most, connections() - before)
        return answer

    answers = await gatherResults([ask(source, f"h{number}.test.example").addCallback(counted) for number in range(1000)])
    assert {answer.answer[0].rdatas for answer in answers} == {(b"\xc0\x00\x02\x50",)}
    assert {answer.origin.source for answer in answers if answer.origin is not None} == {"https"}
    assert most == 1
    await deferLater(reactor, 0.1, lambda: None)
    assert connections() == before


@ensureDeferred
async def test_manyCancelsLoseNothing(describe: Callable[[str], IAnswerSource]) -> None:
    """
    Among look-ups of which most are canceled, the others are answered.
    """
    source = describe(":keep=0")
    for _ in range(5):
        found = [ask(source, f"h{number}.test.example") for number in range(200)]
        for number, each in enumerate(found):
            if number % 10:
                reactor.callLater(0.0002 * number, each.cancel)
        results: list[tuple[bool, object]] = [*await DeferredList(found, consumeErrors=True)]
        assert all(fine for number, (fine, _) in enumerate(results) if not number % 10)
        for fine, result in results:
            if not fine:
                assert isinstance(result, Failure)
                assert isinstance(result.value, CancelledError | DNSFault)


@ensureDeferred
async def test_restartOfTheServer(running: Running, describe: Callable[[str], IAnswerSource]) -> None:
    """
    While the server is down, a look-up fails in one line; once it is up again, the same source finds it.
    """
    server, port = running
    source = describe("")
    await ask(source, "one.test.example")
    server.stop()
    with pytest.raises((Unreachable, TimedOut)) as caught:
        await ask(source, "two.test.example", seconds=1.0)
    assert f"dns.example:{port} at 127.0.0.1:{port} cannot be reached over HTTPS" in str(caught.value)
    assert "\n" not in str(caught.value)
    server.start()
    await deferLater(reactor, 1.5, lambda: None)
    assert (await ask(source, "three.test.example")).answer


@ensureDeferred
async def test_wrongPath(running: Running, folder: Path) -> None:
    """
    At a path that the server does not have, the error says what it answered.
    """
    ca = str(folder / "authority.pem").replace(":", "\\:")
    source = sourceFromString(reactor, f"https://dns.example:{running[1]}/elsewhere:address=127.0.0.1:keep=0:ca={ca}")
    with pytest.raises(Unreachable) as caught:
        await ask(source, "one.test.example")
    assert "answered with HTTP status '4" in str(caught.value)
    await source.close()
