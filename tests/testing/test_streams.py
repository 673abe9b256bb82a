"""
Tests of TCP on the memory network.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import (
    CannotListenError,
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
    UserError,
)
from twisted.internet.interfaces import IConnector, IPullProducer, IPushProducer, ITCPTransport
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.streams import MemoryConnection

connectSide: Callable[[object, Side], Deferred[Side]] = connectProtocol


class Side(Protocol):
    """
    One side of a connection, which records everything.
    """

    transport: MemoryConnection

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.lost: list[BaseException | None] = []
        self.made = False

    def connectionMade(self) -> None:
        self.made = True

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(reason.value)


class Dialing(ClientFactory):
    """
    Build the connecting side.
    """

    def __init__(self) -> None:
        self.side = Side()
        self.failed: list[BaseException | None] = []
        self.gone: list[BaseException | None] = []

    def buildProtocol(self, addr: object) -> Protocol:
        return self.side

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.failed.append(reason.value)

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        self.gone.append(reason.value)


class Answering(ServerFactory):
    """
    Build the accepting side.
    """

    def __init__(self) -> None:
        self.side = Side()
        self.refuse = False

    def buildProtocol(self, addr: object) -> Protocol | None:
        return None if self.refuse else self.side


class StreamTests(SynchronousTestCase):
    """
    Tests for connections.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=5)
        self.here = self.network.reactor("192.0.2.7", "2001:db8::7")
        self.there = self.network.reactor("192.0.2.53", "2001:db8::53")
        self.network.shape(delay=0.1)
        self.answering = Answering()
        self.listener = self.there.listenTCP(53, self.answering)
        self.dialing = Dialing()

    def connect(self, host: str = "192.0.2.53", port: int = 53, timeout: float | None = 30) -> IConnector:
        """
        Connect from here to there.
        """
        return self.here.connectTCP(host, port, self.dialing, timeout)

    def test_connectTakesOneRoundTrip(self) -> None:
        """
        A connection takes one round trip, and both sides know the address of the other.
        """
        connector = self.connect()
        self.network.advance(0.19)
        self.assertFalse(self.dialing.side.made)
        self.network.advance(0.02)
        self.assertTrue(self.dialing.side.made)
        verifyObject(ITCPTransport, self.dialing.side.transport)
        verifyObject(IConnector, connector)
        self.assertEqual(self.dialing.side.transport.getPeer(), IPv4Address("TCP", "192.0.2.53", 53))
        self.assertEqual(self.dialing.side.transport.getHost(), self.answering.side.transport.getPeer())
        self.assertEqual(self.network.dialed["192.0.2.53", 53], 1)

    def test_octetsArriveInOrder(self) -> None:
        """
        Octets that are written on one side arrive on the other, in order.
        """
        self.connect()
        self.network.advance(1)
        self.dialing.side.transport.write(b"question")
        self.dialing.side.transport.writeSequence([b"s", b"?"])
        self.answering.side.transport.write(b"answer")
        self.network.advance(0.1)
        self.assertEqual(b"".join(self.answering.side.received), b"questions?")
        self.assertEqual(self.dialing.side.received, [b"answer"])
        self.assertRaises(TypeError, self.dialing.side.transport.write, "text")

    def test_lossDelaysButKeepsOrder(self) -> None:
        """
        A test can fragment the stream and lose packets, which delays but does not reorder octets.
        """
        self.network.shape(delay=0.1, fragment=2, loss=0.5)
        self.connect()
        self.network.advance(1)
        self.dialing.side.transport.write(b"abcdefg")
        self.network.advance(60)
        self.assertEqual(self.answering.side.received, [b"ab", b"cd", b"ef", b"g"])

    def test_loseConnectionEndsBothSides(self) -> None:
        """
        Closing ends both sides in good order, after the written octets.
        """
        self.connect()
        self.network.advance(1)
        self.dialing.side.transport.write(b"last words")
        self.dialing.side.transport.loseConnection()
        self.network.advance(1)
        self.assertEqual(self.answering.side.received, [b"last words"])
        self.assertIsInstance(self.answering.side.lost[0], ConnectionDone)
        self.assertIsInstance(self.dialing.side.lost[0], ConnectionDone)
        self.assertIsInstance(self.dialing.gone[0], ConnectionDone)
        self.assertEqual(self.here.pending(), [])

    def test_abortEndsOtherSideWithError(self) -> None:
        """
        Aborting ends this side at once and the other one with an error.
        """
        self.connect()
        self.network.advance(1)
        self.dialing.side.transport.abortConnection()
        self.network.advance(1)
        self.assertIsInstance(self.dialing.side.lost[0], ConnectionAborted)
        self.assertIsInstance(self.answering.side.lost[0], ConnectionLost)

    def test_closedPortAndMissingRouteFail(self) -> None:
        """
        A closed port refuses the connection, and a missing route fails it.
        """
        self.connect(port=54)
        self.network.advance(1)
        self.assertIsInstance(self.dialing.failed[0], ConnectionRefusedError)
        self.network.reactor("192.0.2.8").connectTCP("2001:db8::53", 53, self.dialing)
        self.network.advance(1)
        self.assertIsInstance(self.dialing.failed[1], ConnectError)

    def test_unreachableHostTimesOut(self) -> None:
        """
        A host that does not exist or is silent times out.
        """
        for host in ("192.0.2.99", "192.0.2.53"):
            self.network.shape("192.0.2.53", silent=True)
            self.dialing = Dialing()
            self.connect(host, timeout=3)
            self.network.advance(2.9)
            self.assertEqual(self.dialing.failed, [])
            self.network.advance(0.2)
            self.assertIsInstance(self.dialing.failed[0], TimeoutError)
            self.assertEqual(self.here.pending(), [])

    def test_disconnectStopsConnecting(self) -> None:
        """
        A pending connection can be stopped, and leaves nothing behind.
        """
        connector = self.connect()
        self.network.advance(0.15)
        connector.disconnect()
        self.network.advance(1)
        self.assertIsInstance(self.dialing.failed[0], UserError)
        self.assertEqual((self.here.pending(), len(self.there.connections)), ([], 0))

    def test_refusingFactoryEndsConnection(self) -> None:
        """
        A server factory that returns no protocol ends the connection.
        """
        self.answering.refuse = True
        self.connect()
        self.network.advance(1)
        self.assertIsInstance(self.dialing.side.lost[0], ConnectionLost)

    def test_connectorConnectsAgain(self) -> None:
        """
        A connector can connect again.
        """
        connector = self.connect()
        self.network.advance(1)
        connector.disconnect()
        self.network.advance(1)
        connector.connect()
        self.network.advance(1)
        self.assertEqual(self.network.dialed["192.0.2.53", 53], 2)

    def test_pausedSideGetsNoData(self) -> None:
        """
        A paused side gets no data until it resumes.
        """
        self.connect()
        self.network.advance(1)
        transport = self.answering.side.transport
        transport.pauseProducing()
        self.dialing.side.transport.write(b"later")
        self.network.advance(1)
        self.assertEqual(self.answering.side.received, [])
        transport.resumeProducing()
        self.assertEqual(self.answering.side.received, [b"later"])

    def test_pushProducerIsPaused(self) -> None:
        """
        A push producer is paused while much data is in flight, and resumed afterwards.
        """

        @implementer(IPushProducer)
        class Producer:
            calls: list[str] = []

            def pauseProducing(self) -> None:
                self.calls.append("pause")

            def resumeProducing(self) -> None:
                self.calls.append("resume")

            def stopProducing(self) -> None:
                self.calls.append("stop")

        self.connect()
        self.network.advance(1)
        producer = Producer()
        transport = self.dialing.side.transport
        transport.registerProducer(producer, True)
        transport.write(bytes(100_000))
        self.assertEqual(producer.calls, ["pause"])
        self.network.advance(1)
        self.assertEqual(producer.calls, ["pause", "resume"])
        transport.loseConnection()
        self.network.advance(1)
        self.assertEqual(self.answering.side.lost, [])
        transport.unregisterProducer()
        self.network.advance(1)
        self.assertEqual(len(self.answering.side.lost), 1)

    def test_pullProducerFillsTheRoom(self) -> None:
        """
        A pull producer is asked as long as there is room.
        """

        @implementer(IPullProducer)
        class Producer:
            left = 3

            def resumeProducing(producer) -> None:
                if producer.left:
                    producer.left -= 1
                    self.dialing.side.transport.write(b"piece")
                else:
                    self.dialing.side.transport.unregisterProducer()

            def stopProducing(producer) -> None:
                pass

        self.connect()
        self.network.advance(1)
        self.dialing.side.transport.registerProducer(Producer(), False)
        self.network.advance(2)
        self.assertEqual(self.answering.side.received, [b"piece"] * 3)

    def test_portHasOneListener(self) -> None:
        """
        A port has one listener, on one address or all.
        """
        self.assertRaises(CannotListenError, self.there.listenTCP, 53, Answering())
        self.listener.stopListening()
        self.there.listenTCP(53, self.answering, interface="192.0.2.53")
        self.connect()
        self.network.advance(1)
        self.assertTrue(self.dialing.side.made)

    def test_endpointsWorkOnIt(self) -> None:
        """
        Twisted's endpoints work on it, with the installed resolver.
        """
        connected = connectSide(TCP4ClientEndpoint(self.here, "192.0.2.53", 53), Side())
        self.network.advance(1)
        self.assertTrue(self.successResultOf(connected).made)
        named = connectSide(HostnameEndpoint(self.here, "somewhere.test", 53), Side())
        self.network.advance(60)
        self.failureResultOf(named, DNSLookupError)
