"""
Tests of L{twisted_ext.endpoints.srvconnect}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.error import ConnectionDone, DNSLookupError, NotConnectingError, UserError
from twisted.internet.interfaces import IAddress, IConnector, IHalfCloseableProtocol, IHandshakeListener
from twisted.internet.protocol import ReconnectingClientFactory
from twisted.names import srvconnect
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.endpoints.reaching import ReachingTestCase, RecordingProtocol
from tests.typed import retry, stopTrying
from twisted_ext import endpoints
from twisted_ext.endpoints import TargetsFailed
from twisted_ext.endpoints.srvconnect import SRVConnector
from twisted_ext.errors import CallerFault
from twisted_ext.testing.sources import Entry

__all__: list[str] = []

SRV = ("_chat._tcp.example.org", "SRV")


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class HalfCloseProtocol(RecordingProtocol):
    """
    Records its events.
    """

    def __init__(self) -> None:
        self.events: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        self.events.append(data.decode())

    def readConnectionLost(self) -> None:
        """
        Record the end of reading.
        """
        self.events.append("read")

    def writeConnectionLost(self) -> None:
        """
        Record the end of writing.
        """
        self.events.append("write")

    def handshakeCompleted(self) -> None:
        """
        Record the handshake.
        """
        self.events.append("handshake")


class RecordingFactory(ReconnectingClientFactory):
    """
    Reconnects after a second each time.

    @ivar events: the calls so far.
    """

    noisy = False
    initialDelay = 1.0
    jitter = 0.0
    factor = 1.0

    def __init__(self) -> None:
        self.events: list[str] = []
        self.reasons: list[Failure] = []
        self.built: list[HalfCloseProtocol] = []
        self.impatient = False
        self.again = 0

    def doStart(self) -> None:
        self.events.append("start")

    def doStop(self) -> None:
        self.events.append("stop")

    def startedConnecting(self, connector: IConnector) -> None:
        self.events.append("connecting")
        if self.impatient:
            connector.stopConnecting()

    def buildProtocol(self, addr: IAddress | None) -> HalfCloseProtocol:
        self.events.append("built")
        self.built.append(HalfCloseProtocol())
        return self.built[-1]

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        self.events.append("failed")
        self.reasons.append(reason)
        if self.again:
            self.again -= 1
            connector.connect()
        else:
            retry(self, connector)

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        self.events.append("lost")
        self.reasons.append(reason)
        retry(self, connector)


class SRVConnectorTests(ReachingTestCase):
    """
    Tests of L{SRVConnector}, with a factory that reconnects.
    """

    def setUp(self) -> None:
        super().setUp()
        self.factory = RecordingFactory()
        self.patch(self.factory, "clock", self.here)

    def tearDown(self) -> None:
        stopTrying(self.factory)
        super().tearDown()

    def connector(self, entry: Entry = "0 0 80 a.example.", defaultPort: int | None = None) -> SRVConnector:
        """
        Return a connector for a service with these records.
        """
        known: dict[tuple[str, str], Entry] = {
            SRV: entry,
            ("a.example", "A"): "192.0.2.80",
            ("b.example", "A"): "192.0.2.81",
            ("example.org", "A"): "192.0.2.80",
        }
        return SRVConnector(
            self.here, "chat", b"example.org", self.factory, defaultPort=defaultPort, resolver=self.zone(known)
        )

    def test_factoryFollowsTheConnection(self) -> None:
        """
        The factory is notified of each event in order and can reconnect.
        """
        self.listen("192.0.2.81")
        self.refuse("192.0.2.80")
        connector = self.connector(["0 0 80 a.example.", "1 0 80 b.example."])
        connector.connect()
        self.assertEqual(connector.state, "connecting")
        self.assertRaises(RuntimeError, connector.connect)
        self.network.advance(0.5)
        self.assertEqual(self.factory.events, ["start", "connecting", "built"])
        self.assertEqual(str(getattr(connector.getDestination(), "host", "")), "192.0.2.81")
        self.assertRaises(NotConnectingError, connector.stopConnecting)
        connector.disconnect()
        self.network.advance(0.5)
        self.assertEqual(self.factory.events[3:], ["lost", "stop"])
        self.assertIsInstance(self.factory.reasons[0].value, ConnectionDone)
        self.network.advance(1)
        self.assertEqual(self.factory.events[5:], ["start", "connecting", "built"])
        self.assertEqual(len([question for question in self.source.questions if question.rrType == 33]), 2)
        stopTrying(self.factory)
        connector.disconnect()
        self.network.advance(1)
        self.assertEqual(self.factory.events[8:], ["lost", "stop"])
        connector.disconnect()

    def test_protocolGetsItsEvents(self) -> None:
        """
        The protocol gets the events of its connection, for every interface that it provides.
        """
        self.listen("192.0.2.80")
        self.connector().connect()
        self.network.advance(0.5)
        protocol = self.factory.built[0]
        assert protocol.transport is not None
        self.assertEqual(protocol.peer, "192.0.2.80 80")
        line = self.here.connections[0].protocol
        assert line is not None
        wrapped: object = getattr(line, "_wrappedProtocol", line)
        self.assertTrue(IHalfCloseableProtocol.providedBy(wrapped))
        self.assertTrue(IHandshakeListener.providedBy(wrapped))
        line.dataReceived(b"hello")
        wrappedProtocol = cast(HalfCloseProtocol, wrapped)
        wrappedProtocol.readConnectionLost()
        wrappedProtocol.writeConnectionLost()
        wrappedProtocol.handshakeCompleted()
        self.assertEqual(protocol.events, ["hello", "read", "write", "handshake"])
        self.assertEqual(cast("Callable[[], str]", wrappedProtocol.logPrefix)(), "HalfCloseProtocol")
        stopTrying(self.factory)
        protocol.transport.loseConnection()
        self.network.advance(0.5)
        self.assertIsNotNone(protocol.lost)

    def test_failingProtocolLosesConnection(self) -> None:
        """
        A protocol that fails in C{connectionMade} loses its connection once, as does its factory, and the error is logged.
        """
        self.listen("192.0.2.80")

        def explode(protocol: HalfCloseProtocol) -> None:
            raise KeyError("mine")

        self.patch(HalfCloseProtocol, "connectionMade", explode)
        self.connector().connect()
        self.network.advance(0.5)
        self.assertEqual(self.factory.events, ["start", "connecting", "built", "lost", "stop"])
        self.assertIsNotNone(self.factory.built[0].lost)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        stopTrying(self.factory)

    def test_failureIsReportedOnce(self) -> None:
        """
        A failed connection, or a missing service, is reported to the factory once.
        """
        self.refuse("192.0.2.80", "192.0.2.81")
        self.connector(["0 0 80 a.example.", "1 0 80 b.example."]).connect()
        self.network.advance(0.5)
        self.assertEqual(self.factory.events, ["start", "connecting", "failed", "stop"])
        self.assertIsInstance(self.factory.reasons[0].value, TargetsFailed)
        stopTrying(self.factory)
        self.connector("0 0 0 .", 80).connect()
        self.assertIsInstance(self.factory.reasons[-1].value, DNSLookupError)
        stopTrying(self.factory)

    def test_reconnectWhileFailing(self) -> None:
        """
        A factory can connect again from within C{clientConnectionFailed}.
        """
        self.refuse("192.0.2.80")
        self.factory.again = 1
        self.connector().connect()
        self.network.advance(0.5)
        self.assertEqual(self.factory.events, ["start", "connecting", "failed", "start", "connecting", "failed", "stop"])

    def test_noRecordsUseTheDefaultPort(self) -> None:
        """
        The domain itself is connected to at the default port without records.
        """
        self.listen("192.0.2.80", port=5222)
        connector = self.connector([], 5222)
        connector.connect()
        self.network.advance(0.5)
        self.assertEqual(self.factory.built[0].peer, "192.0.2.80 5222")
        stopTrying(self.factory)
        connector.disconnect()
        self.network.advance(0.5)

    def test_stoppedByTheUser(self) -> None:
        """
        A connector that is stopped while or before it connects fails with UserError.
        """
        connector = self.connector()
        connector.connect()
        self.network.advance(0.1)
        stopTrying(self.factory)
        connector.disconnect()
        self.assertEqual(self.factory.events, ["start", "connecting", "failed", "stop"])
        self.assertIsInstance(self.factory.reasons[0].value, UserError)
        self.factory.impatient = True
        connector.connect()
        stopTrying(self.factory)
        self.assertEqual(self.factory.events[4:], ["start", "connecting", "failed", "stop"])
        self.assertEqual(str(connector.getDestination()).count("_chat._tcp.example.org"), 1)

    def test_argumentsMatchTwisted(self) -> None:
        """
        The arguments are those of Twisted, by position and by name. Arguments of C{connectTCP} are passed on, others are refused.
        """
        connector = SRVConnector(self.here, "chat", "example.org", self.factory, "tcp", "connectTCP", (3, ("192.0.2.7", 0)), {}, 80)
        self.assertIs(connector.factory, self.factory)
        named = {"timeout": 3, "bindAddress": ("192.0.2.7", 0)}
        SRVConnector(self.here, "chat", "example.org", self.factory, connectFuncKwArgs=named)
        for name, places, names in (
            ("connectSSL", (), {}),
            ("connectTCP", (1, None, 3), {}),
            ("connectTCP", (), {"contextFactory": None}),
        ):
            with self.assertRaises(CallerFault):
                SRVConnector(self.here, "chat", "example.org", self.factory, "tcp", name, places, names)
        for service, domain in ((None, "example.org"), ("chat", "a..b"), ("chat", 5)):
            self.assertRaises(CallerFault, SRVConnector, self.here, service, domain, self.factory)
        theirs = srvconnect.SRVConnector.__init__.__code__.co_varnames[:10]
        ours = SRVConnector.__init__.__code__.co_varnames[:10]
        self.assertEqual(ours, theirs)
        self.assertIs(endpoints.SRVConnector, SRVConnector)
