"""
Tests of the watchdog, with which a server checks that it answers.
"""

from __future__ import annotations

from unittest import mock

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

from tests.queries import queryOf
from tests.server.test_service import SECRET, US, ServiceCase
from tests.typed import clientOf
from twisted_ext.server import service as services
from twisted_ext.server.limits import WATCHDOG_FAILURES, WATCHDOG_SECONDS
from twisted_ext.server.listeners.datagram import _Protocol
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.listeners.stream import _Port
from twisted_ext.server.process.watchdog import Watchdog
from twisted_ext.server.reply.chaos import SelfTest
from twisted_ext.server.service import Server, ServerService
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import CH, Rcode
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message, Question


class WatchdogTests(ServiceCase):
    """
    Tests of L{Watchdog} in a whole server.
    """

    def start(self, **values: object) -> Watchdog:
        """
        Start a server.
        """
        self.service = service = self.run_(**values)
        self.lost: list[str] = []
        service.lost = self.lost.append
        assert service.watchdog is not None
        return service.watchdog

    def rounds(self, count: float) -> None:
        """
        Let the time for this many checks pass.
        """
        self.network.advance(WATCHDOG_SECONDS.default * count)

    def test_answeringServerIsHealthy(self) -> None:
        """
        A server that answers over UDP and TCP is healthy, whatever its access control, rate limits and cookies are.
        """
        several: list[dict[str, object]] = [
            {},
            {"allow": ["10.0.0.0/8"]},
            {"drop": ["192.0.2.0/24"]},
            {"clientRate": 1, "responseRate": 1},
            {"requireCookie": ["any"]},
        ]
        for values in several:
            with self.subTest(values):
                watchdog = self.start(**values)
                self.rounds(20)
                self.assertEqual((watchdog.well, self.lost), (True, []))
                self.assertEqual([(place.answered, place.failures) for place in watchdog._places], [(True, 0)] * 2)
                counters = self.service.counters
                # The statistics count queries of clients only.
                # Messages of clients on the drop list are not parsed.
                tcp = 19 if "drop" in values else 0
                self.assertEqual((counters.udp, counters.tcp, counters.hits, sum(counters.replies)), (0, tcp, 0, 0))
                self.assertEqual((counters.tcpOpened, counters.tcpOpen), (tcp, 0))
                self.stop(self.service)

    def test_ownConnectionsAreNotCounted(self) -> None:
        """
        The connections of checks are not among those of clients. One of a client on the same host is, once it has sent a query or is
        closed.
        """
        self.start()
        self.rounds(5)
        counters = self.service.counters
        self.assertEqual((counters.tcpOpened, counters.tcpOpen), (0, 0))
        self.assertEqual(self.service.frontend.responder.selfTest.connections, set())
        clients: list[Protocol] = []

        def build() -> Protocol:
            clients.append(Protocol())
            return clients[-1]

        for _ in range(3):
            self.here.connectTCP(US, 53, clientOf(build))
        self.network.advance(0.1)
        self.assertEqual((counters.tcpOpened, counters.tcpOpen), (0, 3))
        for client in clients[:2]:
            assert client.transport is not None
            client.transport.write(frame(queryOf("www.test.example")))
        self.network.advance(1.5)
        self.assertEqual((counters.tcpOpened, counters.tcpOpen), (2, 3))
        for client in clients:
            assert client.transport is not None
            client.transport.loseConnection()
        self.network.advance(1.5)
        self.assertEqual((counters.tcpOpened, counters.tcpOpen), (3, 0))

    def test_deafDatagramSocketIsLost(self) -> None:
        """
        A server whose UDP socket is not read is unhealthy after the first check and lost after the third.
        """
        watchdog = self.start()
        self.rounds(2)
        with mock.patch.object(_Protocol, "datagramReceived", lambda protocol, datagram, addr: None):
            self.rounds(1.5)
            self.assertEqual((watchdog.well, self.lost), (False, []))
            self.rounds(10)
        self.assertEqual(self.lost, [f"udp {US} port 53 has not answered for 15 seconds"])
        self.assertEqual((WATCHDOG_FAILURES.default, WATCHDOG_SECONDS.default), (3, 5.0))

    def test_deafStreamListenerIsLost(self) -> None:
        """
        A server that accepts no connections is unhealthy after the first check and lost after the third.
        """

        def nothing(port: _Port, addr: IAddress | None) -> Protocol:
            return Protocol()

        watchdog = self.start()
        self.rounds(2)
        with mock.patch.object(_Port, "buildProtocol", nothing):
            self.rounds(1.5)
            self.assertEqual((watchdog.well, self.lost), (False, []))
            self.rounds(10)
        self.assertEqual(self.lost, [f"tcp {US} port 53 has not answered for 15 seconds"])

    def test_recoveredServerIsHealthy(self) -> None:
        """
        A server that answers again between failed checks is healthy and not lost.
        """
        watchdog = self.start()
        self.rounds(2)
        for _ in range(5):
            with mock.patch.object(_Protocol, "datagramReceived", lambda protocol, datagram, addr: None):
                self.rounds(2)
            self.assertFalse(watchdog.well)
            self.rounds(1)
            self.assertTrue(watchdog.well)
        self.assertEqual(self.lost, [])

    def test_floodedServerIsNotLost(self) -> None:
        """
        A server that reads other datagrams while the check is lost among them is not lost: a restart would not help under a flood.
        """

        def drowned(protocol: _Protocol, datagram: bytes, addr: tuple[str, int]) -> None:
            protocol.heard += 1

        watchdog = self.start()
        self.rounds(2)
        with mock.patch.object(_Protocol, "datagramReceived", drowned):
            self.rounds(20)
        self.assertEqual((watchdog.well, self.lost), (True, []))

    def test_failingServerIsLost(self) -> None:
        """
        A server that fails at each datagram that it reads is lost, and so is one that lacks the memory for its checks.
        """

        def failing(protocol: _Protocol, datagram: bytes, addr: tuple[str, int]) -> None:
            protocol.heard += 1
            protocol._responder.faults.note("testing", KeyError(), 0.0)

        self.start()
        self.rounds(2)
        with mock.patch.object(_Protocol, "datagramReceived", failing):
            self.rounds(10)
        self.assertEqual(len(self.lost), 1)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.stop(self.service)
        self.start()
        with mock.patch.object(self.here, "listenUDP", side_effect=MemoryError):
            self.rounds(10)
        self.assertEqual(self.lost, ["out of memory"])

    def test_memoryErrorFlushesCaches(self) -> None:
        """
        A L{MemoryError} flushes all caches, at most once in ten seconds; then answers are looked up again.
        """
        self.start()
        for _ in range(4):
            self.asked()
        before = len(self.upstream.asked)
        self.service.frontend.responder.faults.note("testing", MemoryError(), 0.0)
        self.assertEqual((len(self.service.frontend.packetCache.clients), self.service.frontend.packetCache.octets), (0, 0))
        for _ in range(4):
            self.assertEqual(self.addressOf(), "192.0.2.80")
        self.assertEqual(len(self.upstream.asked), before + 1)
        self.service.frontend.responder.faults.note("testing", MemoryError(), 0.0)
        self.addressOf()
        self.assertEqual(len(self.upstream.asked), before + 1)
        self.network.advance(10)
        self.service.frontend.responder.faults.note("testing", MemoryError(), 0.0)
        self.addressOf()
        self.assertEqual(len(self.upstream.asked), before + 2)
        self.assertEqual(len(self.flushLoggedErrors(MemoryError)), 1)

    def test_unreachableSelfIsLoggedOnce(self) -> None:
        """
        A server that has never reached itself, as behind a firewall, logs that once and continues.
        """
        with mock.patch.object(_Protocol, "datagramReceived", lambda protocol, datagram, addr: None):
            watchdog = self.start()
            self.rounds(20)
        self.assertEqual((watchdog.well, self.lost), (True, []))
        said = [event for event in self.said if "cannot reach itself" in str(event.get("log_format"))]
        self.assertEqual(len(said), 1)

    def test_missingDescriptorsLoseNoListener(self) -> None:
        """
        A lack of descriptors for the check does not count against the listeners.
        """
        watchdog = self.start()
        self.rounds(2)
        with mock.patch.object(self.here, "listenUDP", side_effect=OSError(24, "Too many open files")):
            self.rounds(20)
        self.assertEqual((watchdog.well, self.lost), (True, []))

    def silence(self, server: Server) -> None:
        if server._alive.running:
            server._alive.stop()

    def test_keepaliveStopsWithAnswers(self) -> None:
        """
        Systemd gets a keepalive only while the server answers.
        """
        told: list[str] = []
        with (
            mock.patch.object(services, "notify", told.append),
            mock.patch.object(services, "watchdogSeconds", lambda: 5.0),
        ):
            self.start()
            server = Server(self.here, self.service)
            server.lost = self.lost.append
            server._alive.start(5.0, now=False)
            self.addCleanup(self.silence, server)
            self.rounds(4)
            self.assertIn("WATCHDOG=1", told)
            with mock.patch.object(_Protocol, "datagramReceived", lambda protocol, datagram, addr: None):
                self.rounds(1.5)
                told.clear()
                self.rounds(3)
            self.assertEqual((told, len(self.lost)), ([], 1))
            server._alive.stop()

    def test_lostSocketIsReportedAtOnce(self) -> None:
        """
        A socket that the reactor drops is reported at once; a socket that the server closes is not.
        """
        self.start()
        parts = self.service.frontend
        (listener,) = parts._datagrams
        assert listener._listening is not None
        listener._listening.stopListening()
        self.network.advance(0.1)
        self.assertEqual(self.lost, [f"nothing listens at {US}:53 over UDP any more: the port was closed"])
        (streams,) = parts._listeners
        assert streams._listening is not None
        streams._listening.stopListening()
        self.network.advance(0.1)
        self.assertEqual(self.lost[1:], [f"nothing listens at {US} port 53 over TCP any more"])

    def test_failedListenerIsLost(self) -> None:
        """
        A server that cannot listen over TCP is lost.
        """
        taken = self.here.listenTCP(53, ServerFactory(), interface=US)
        service = ServerService(self.here, self.settings(), [Bound(US, 53)], SECRET)
        lost: list[str] = []
        service.lost = lost.append
        service.startService()
        self.assertIn("over TCP: Couldn't listen on", lost[0])
        self.assertEqual(len(self.flushLoggedErrors(CannotListenError)), 1)
        taken.stopListening()
        self.stop(service)


class SelfTestTests(ServiceCase):
    """
    Tests of L{SelfTest}.
    """

    def exchange(self, query: bytes) -> Message | None:
        """
        Return the reply that a client gets.
        """
        before = len(self.client.got)
        transport = self.client.transport
        assert transport is not None
        transport.write(query, (US, 53))
        self.network.advance(1.0)
        return Message.fromWire(self.client.got[before]).check() if self.client.got[before:] else None

    def test_selfTestNameIsSecret(self) -> None:
        """
        A client that does not know the secret is refused as for any other name of class CH; the answer is a random token of this process.
        """
        service = self.run_(allow=["192.168.0.0/16"])
        own = service.frontend.responder.selfTest
        reply = self.exchange(own.query())
        assert reply is not None
        self.assertEqual(reply.answer[0].rdatas, (bytes([16]) + own.token,))
        for suffix in (b"\x20" + bytes(32).hex().encode()[:32] + b"\x08selftest\x00", b"\x08selftest\x00", b"\x02id\x06server\x00"):
            reply = self.exchange(b"ab" + buildQuery(0, Question(suffix, 16, CH).toWire(), b""))
            assert reply is not None
            self.assertEqual((reply.rcode, reply.answer), (Rcode.REFUSED, ()))
        # Other types and classes get no answer for that name either.
        for rrType, rrClass in ((1, CH), (16, 1)):
            reply = self.exchange(queryOf(b"\x011" + own.suffix, rrType, rrClass=rrClass))
            assert reply is not None
            self.assertEqual(reply.answer, ())

    def test_processesShareNameNotToken(self) -> None:
        """
        Processes with the same secret have the same name and different tokens; their queries are never the same.
        """
        first, second = SelfTest(bytes(16)), SelfTest(bytes(16))
        self.assertEqual(first.suffix, second.suffix)
        self.assertNotEqual(first.token, second.token)
        self.assertNotEqual(first.suffix, SelfTest(bytes([1] * 16)).suffix)
        self.assertEqual(len({first.query()[2:] for _ in range(10)}), 10)
