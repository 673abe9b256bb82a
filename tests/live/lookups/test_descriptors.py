"""
Our sockets are closed, each once, whatever arrives on them and whatever the system refuses.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator

import pytest
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor, IWriteDescriptor
from twisted.internet.task import Clock
from twisted.logger import LogEvent, Logger
from zope.interface import implementer

from tests.native.twins import TWINS, twin
from tests.transport.waiting import Waiter
from tests.typed import observing
from twisted_ext.errors import Unreachable
from twisted_ext.native import chosen
from twisted_ext.transport import faultlog, pollers
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.exchange import Channel
from twisted_ext.transport.servers import Server

__all__: list[str] = []


@pytest.fixture(autouse=True, params=TWINS)
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Read and send with Python, then with the C extension.
    """
    monkeypatch.setattr(chosen, "batches", twin(request.param))


@implementer(IReactorFDSet)
class Readers(Clock):
    """
    A reactor that reads when the test calls C{read}.
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[IReadDescriptor] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        self.readers.remove(reader)

    def addWriter(self, writer: IWriteDescriptor) -> None:
        raise NotImplementedError("nobody writes here")

    removeWriter = addWriter

    def removeAll(self) -> list[IReadDescriptor | IWriteDescriptor]:
        raise NotImplementedError("nobody empties this")

    def getReaders(self) -> list[IReadDescriptor]:
        return self.readers

    def getWriters(self) -> list[IWriteDescriptor]:
        return []

    def read(self) -> None:
        """
        Let every reader read what has arrived.
        """
        for _ in range(100):
            for reader in list(self.readers):
                if select.select([reader.fileno()], [], [], 0)[0]:
                    reader.doRead()


class Fixture:
    """
    A server that replies on demand, and an exchange with it.
    """

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.reactor = Readers()
        self.exchange = DatagramExchange(Datagrams(self.reactor, width=2), Server("127.0.0.1", self.socket.getsockname()[1]))

    def ask(self) -> tuple[Waiter, Channel, bytes, tuple[str, int]]:
        """
        Return the waiter, the channel, the ID, and the source address of the query.
        """
        waiter = Waiter()
        channel, key = self.exchange.ask(waiter, 0.0)
        return waiter, channel, key, self.socket.recvfrom(512)[1]

    def reply(self, waiter: Waiter, key: bytes, to: tuple[str, int]) -> None:
        """
        Send an empty reply.
        """
        self.socket.sendto(key + b"\x81\x80" + waiter.query[2:], to)


def descriptors() -> int:
    """
    Return the number of sockets, and of descriptors that watch them, that this process has open.
    """
    links = [os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if entry.is_symlink() and os.path.lexists(entry.path)]
    return sum([link.startswith(("socket:", "anon_inode:")) for link in links])


@pytest.fixture(params=["epoll", "each"])
def fixture(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fixture]:
    """
    Return a fixture with all sockets behind one reader, and one with a reader for each socket.
    """
    if request.param == "each":
        monkeypatch.setattr(pollers, "_HAS_EPOLL", False)
    made = Fixture()
    before = descriptors()
    yield made
    made.exchange.close()
    assert (made.reactor.readers, descriptors()) == ([], before)
    made.socket.close()


def test_strayDatagramLeaksNoSocket(fixture: Fixture) -> None:
    """
    An unused socket that gets an unexpected datagram is closed with all others at the latest.
    """
    asked = [fixture.ask() for _ in range(12)]
    _, channel, _, source = asked[0]
    for _, itsLeg, itsKey, _ in asked:
        if itsLeg is channel:
            itsLeg.release(itsKey)
    fixture.socket.sendto(b"?" * 20, source)
    fixture.reactor.read()
    for _, itsLeg, itsKey, _ in asked:
        itsLeg.release(itsKey)


def test_endedQueryKeepsReusedDescriptor(fixture: Fixture) -> None:
    """
    The end of the last query of a closed socket does nothing to the socket that has its descriptor now.
    """
    _, channel, key, source = fixture.ask()
    number = int.from_bytes(key, "big")
    for step in range(70):
        fixture.socket.sendto((number + 1 + step & 0xFFFF).to_bytes(2, "big") + b"?" * 20, source)
    fixture.reactor.read()
    later = [fixture.ask() for _ in range(12)]
    channel.release(key)
    for other, _, itsKey, itsSource in later:
        fixture.reply(other, itsKey, itsSource)
    fixture.reactor.read()
    assert [len(other.replies) for other, *_ in later] == [1] * 12


def test_lackOfDescriptorsIsUnreachable(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The server is unreachable for now when the system has no descriptor left to watch a socket.
    """

    def none() -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(select, "epoll", none)
        patched.setattr(fixture.reactor, "addReader", lambda reader: none())
        with pytest.raises(Unreachable, match="Too many open files"):
            fixture.ask()
    waiter, _, key, source = fixture.ask()
    fixture.reply(waiter, key, source)
    fixture.reactor.read()
    assert len(waiter.replies) == 1


def test_exceptionSparesOtherReplies(fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An exception over one reply is logged and does not keep other replies from arriving.
    """
    events: list[LogEvent] = []
    monkeypatch.setattr(faultlog, "_log", Logger(observer=observing(events.append)))
    asked = [fixture.ask() for _ in range(6)]

    def mistake(*_: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(asked[0][0], "replied", mistake)
    for waiter, _, key, source in asked:
        fixture.reply(waiter, key, source)
    fixture.reactor.read()
    assert [len(waiter.replies) for waiter, *_ in asked] == [0, 1, 1, 1, 1, 1]
    assert [type(event["log_failure"].value) for event in events] == [ZeroDivisionError]
    asked[0][1].release(asked[0][2])
