"""
Tests of listening for connections: where, and with which sockets.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest_twisted
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import clientOf
from twisted_ext.compat.install import globalReactor
from twisted_ext.server.listeners.stream import StreamListener
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.respond import Responder, laneFor
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import RD, Rcode
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message

QUERY = buildMessage(Message(7, RD, (questionOf("www.example.org"),)))


def responder(reactor: IReactorTime, **access: list[str]) -> Responder:
    """
    @param access: prefixes by what is done with them.
    """
    source = CannedSource({("www.example.org", "A"): "192.0.2.80"}, now=True)
    return Responder(source, reactor, lane=laneFor(Access({"allow": ["any"], **access})))


class MemoryTests(SynchronousTestCase):
    """
    On a memory network.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.there: MemoryReactor = self.network.reactor("192.0.2.53")
        self.here: MemoryReactor = self.network.reactor("192.0.2.7")

    def tearDown(self) -> None:
        self.network.advance(0.1)
        self.assertEqual(self.there.pending(), [])

    def listen(self, answering: Responder) -> StreamListener:
        """
        Listen at the usual port.
        """
        listener = StreamListener(self.there, answering, "192.0.2.53")
        self.successResultOf(listener.start())
        self.assertEqual(listener.port, 53)
        return listener

    def ask(self, *queries: bytes) -> tuple[list[bytes], list[bool]]:
        """
        @return: the replies, and whether the connection has ended.
        """
        replies: list[bytes] = []
        lost: list[bool] = []
        buffer = StreamBuffer()

        class Asking(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(b"".join([frame(query) for query in queries]))

            def dataReceived(self, data: bytes) -> None:
                replies.extend(buffer.feed(data))

            def connectionLost(self, reason: object = None) -> None:
                lost.append(True)

        self.here.connectTCP("192.0.2.53", 53, clientOf(Asking))
        self.network.advance(0.1)
        return replies, lost

    def test_answers(self) -> None:
        """
        Who connects is answered, and the end of listening is the end of all connections.
        """
        answering = responder(self.there)
        listener = self.listen(answering)
        replies, lost = self.ask(QUERY)
        self.assertEqual([Message.fromWire(reply).id for reply in replies], [7])
        self.assertEqual(lost, [])
        stopped = listener.stop()
        self.network.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(lost, [True])
        self.successResultOf(listener.stop())

    def test_lane(self) -> None:
        """
        What was asked before is answered without looking any further, to the very same octets but the id.
        """
        answering = responder(self.there)
        listener = self.listen(answering)
        answering.source = CannedSource({("www.example.org", "A"): "192.0.2.80"}, now=True)
        replies, _ = self.ask(*[bytes([0, number]) + QUERY[2:] for number in range(10)])
        self.assertEqual({reply[2:] for reply in replies}, {replies[0][2:]})
        self.assertEqual([reply[1] for reply in replies], list(range(10)))
        listener.stop()

    def test_refused(self) -> None:
        """
        Who may not ask is told so.
        """
        listener = self.listen(responder(self.there, refuse=["192.0.2.7"]))
        (reply,), _ = self.ask(QUERY)
        self.assertEqual(Message.fromWire(reply).rcode, Rcode.REFUSED)
        listener.stop()

    def test_dropped(self) -> None:
        """
        Who is to get no reply at all is not kept waiting for one.
        """
        listener = self.listen(responder(self.there, drop=["192.0.2.7"]))
        self.assertEqual(self.ask(QUERY), ([], [True]))
        listener.stop()

    def test_gone(self) -> None:
        """
        An answer that comes when the server has stopped goes nowhere.
        """
        source = HeldSource()
        listener = self.listen(Responder(source, self.there, lane=laneFor(Access({"allow": ["any"]}))))
        replies, lost = self.ask(QUERY)
        listener.stop()
        self.network.advance(0.1)
        source.release(answerOf(questionOf("www.example.org"), "192.0.2.80"))
        self.network.advance(0.1)
        self.assertEqual((replies, lost), ([], [True]))


def asked(address: str | tuple[str, int]) -> bytes:
    """
    @param address: a socket file, or an address and a port.

    @return: the reply of who listens there.
    """
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as asking:
        asking.settimeout(10)
        asking.connect(address)
        asking.sendall(frame(QUERY))
        return asking.recv(65536)[2:]


@pytest_twisted.ensureDeferred
async def test_socket() -> None:
    """
    A socket that somebody else has made, who may have had the right to, is used and stays its owner's.
    """
    reactor = globalReactor()
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        made.setblocking(False)
        listener = StreamListener(reactor, responder(reactor), socket=made)
        await listener.start()
        assert listener.port == made.getsockname()[1]
        assert (await deferToThread(asked, made.getsockname()))[:2] == QUERY[:2]
        await listener.stop()
        assert made.fileno() >= 0


@pytest_twisted.ensureDeferred
async def test_endpoints(tmp_path: Path) -> None:
    """
    Anything that Twisted has a description for can be listened at: an address, a socket file.
    """
    reactor = globalReactor()
    for description in ("tcp:0:interface=127.0.0.1", f"unix:{tmp_path}/dns"):
        listener = StreamListener(reactor, responder(reactor), endpoint=description)
        await listener.start()
        address = ("127.0.0.1", listener.port) if description.startswith("tcp") else f"{tmp_path}/dns"
        assert (await deferToThread(asked, address))[:2] == QUERY[:2]
        await listener.stop()


@pytest_twisted.ensureDeferred
async def test_taken() -> None:
    """
    Where somebody listens already, that is said, and nothing is left.
    """
    reactor = globalReactor()
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        listener = StreamListener(reactor, responder(reactor), "127.0.0.1", made.getsockname()[1])
        try:
            await listener.start()
        except CannotListenError:
            pass
        else:
            raise AssertionError("it listens")
        await listener.stop()
