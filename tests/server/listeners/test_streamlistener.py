"""
Tests of TCP and endpoint listeners, and of the sockets that they use.
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
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.respond import Responder
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
    Return a responder.

    @param access: prefixes by action.
    """
    source = CannedSource({("www.example.org", "A"): "192.0.2.80"}, now=True)
    return Responder(source, reactor, packetCache=packetCacheFor(Access({"allow": ["any"], **access})))


class MemoryTests(SynchronousTestCase):
    """
    Tests on a memory network.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.serverHost: MemoryReactor = self.network.reactor("192.0.2.53")
        self.clientHost: MemoryReactor = self.network.reactor("192.0.2.7")

    def tearDown(self) -> None:
        self.network.advance(0.1)
        self.assertEqual(self.serverHost.pending(), [])

    def listen(self, answering: Responder) -> StreamListener:
        """
        Listen on port 53.
        """
        listener = StreamListener(self.serverHost, answering, "192.0.2.53")
        self.successResultOf(listener.start())
        self.assertEqual(listener.port, 53)
        return listener

    def ask(self, *queries: bytes) -> tuple[list[bytes], list[bool]]:
        """
        Return the replies, and C{[True]} if the connection has ended.
        """
        replies: list[bytes] = []
        lost: list[bool] = []
        buffer = StreamBuffer()

        class MessageSender(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(b"".join([frame(query) for query in queries]))

            def dataReceived(self, data: bytes) -> None:
                replies.extend(buffer.feed(data))

            def connectionLost(self, reason: object = None) -> None:
                lost.append(True)

        self.clientHost.connectTCP("192.0.2.53", 53, clientOf(MessageSender))
        self.network.advance(0.1)
        return replies, lost

    def test_stopEndsConnections(self) -> None:
        """
        A client that connects is answered, and its connection ends when the listener stops.
        """
        answering = responder(self.serverHost)
        listener = self.listen(answering)
        replies, lost = self.ask(QUERY)
        self.assertEqual([Message.fromWire(reply).id for reply in replies], [7])
        self.assertEqual(lost, [])
        stopped = listener.stop()
        self.network.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(lost, [True])
        self.successResultOf(listener.stop())

    def test_repeatedQueryGetsSameOctets(self) -> None:
        """
        A repeated query is answered from the packet cache with the same octets except for the ID.
        """
        answering = responder(self.serverHost)
        listener = self.listen(answering)
        answering.source = CannedSource({("www.example.org", "A"): "192.0.2.80"}, now=True)
        replies, _ = self.ask(*[bytes([0, number]) + QUERY[2:] for number in range(10)])
        self.assertEqual({reply[2:] for reply in replies}, {replies[0][2:]})
        self.assertEqual([reply[1] for reply in replies], list(range(10)))
        listener.stop()

    def test_forbiddenClientGetsREFUSED(self) -> None:
        """
        A client on the refuse list gets REFUSED.
        """
        listener = self.listen(responder(self.serverHost, refuse=["192.0.2.7"]))
        (reply,), _ = self.ask(QUERY)
        self.assertEqual(Message.fromWire(reply).rcode, Rcode.REFUSED)
        listener.stop()

    def test_droppedClientIsDisconnected(self) -> None:
        """
        A client on the drop list is disconnected without a reply.
        """
        listener = self.listen(responder(self.serverHost, drop=["192.0.2.7"]))
        self.assertEqual(self.ask(QUERY), ([], [True]))
        listener.stop()

    def test_lateAnswerIsDropped(self) -> None:
        """
        An answer that arrives after the server has stopped is dropped.
        """
        source = HeldSource()
        listener = self.listen(Responder(source, self.serverHost, packetCache=packetCacheFor(Access({"allow": ["any"]}))))
        replies, lost = self.ask(QUERY)
        listener.stop()
        self.network.advance(0.1)
        source.release(answerOf(questionOf("www.example.org"), "192.0.2.80"))
        self.network.advance(0.1)
        self.assertEqual((replies, lost), ([], [True]))


def replyFrom(address: str | tuple[str, int]) -> bytes:
    """
    Return the reply of the server at an address.

    @param address: the path of a UNIX socket, or an address and a port.
    """
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as asking:
        asking.settimeout(10)
        asking.connect(address)
        asking.sendall(frame(QUERY))
        return asking.recv(65536)[2:]


@pytest_twisted.ensureDeferred
async def test_givenSocketStaysOpen() -> None:
    """
    A socket that the caller has bound, perhaps with privileges, is used and not closed.
    """
    reactor = globalReactor()
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        made.setblocking(False)
        listener = StreamListener(reactor, responder(reactor), socket=made)
        await listener.start()
        assert listener.port == made.getsockname()[1]
        assert (await deferToThread(replyFrom, made.getsockname()))[:2] == QUERY[:2]
        await listener.stop()
        assert made.fileno() >= 0


@pytest_twisted.ensureDeferred
async def test_endpointDescriptions(tmp_path: Path) -> None:
    """
    A listener accepts endpoint descriptions of Twisted: an address or a UNIX socket.
    """
    reactor = globalReactor()
    for description in ("tcp:0:interface=127.0.0.1", f"unix:{tmp_path}/dns"):
        listener = StreamListener(reactor, responder(reactor), endpoint=description)
        await listener.start()
        address = ("127.0.0.1", listener.port) if description.startswith("tcp") else f"{tmp_path}/dns"
        assert (await deferToThread(replyFrom, address))[:2] == QUERY[:2]
        await listener.stop()


@pytest_twisted.ensureDeferred
async def test_portInUseIsAnError() -> None:
    """
    A port that is in use is an error, and nothing is left open.
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
