"""
Attack 4: finding the port of a query by side effects, as SAD DNS does (2020, 2021), and weak generators (CVE-2025-40780).
"""

from __future__ import annotations

import os

from tests.attacks.test_fragments import Unwatched
from tests.attacks.test_spoofing import GENUINE, VICTIM, forge
from tests.networks import NetworkTestCase, socketOf
from twisted_ext.testing.network import Datagram
from twisted_ext.testing.reactors import MemoryPort
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.udpsockets import RawMaker, RawSocket


class PortTests(NetworkTestCase):
    """
    A forger who probes the client's host.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve(records={(VICTIM, "A"): GENUINE})
        self.network.shape(source="192.0.2.53", delay=0.3)
        self.network.recording = False
        self.source = self.forward(self.server)

    def test_sprayToAllPortsHasNoEffect(self) -> None:
        """
        Datagrams from another address to all ports change nothing, not even the state of the open socket.
        """
        asked = self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        for number in range(1024, 65536):
            self.network.inject(forge(questionOf(VICTIM)), ("203.0.113.66", 53), ("192.0.2.7", number))
        self.assertEqual((self.here.ports(), socketOf(port).misses), ([port], 0))
        self.network.advance(1)
        self.assertEqual(self.told(asked), [GENUINE])
        self.assertEqual(self.events(), ["sent", "reply"])

    def test_unconnectedSocketWouldNoticeSpray(self) -> None:
        """
        An unconnected socket would notice the datagram to its port.
        """
        self.patch(MemoryPort, "takes", lambda port, datagram: True)
        self.patch(type(self.server), "isAt", lambda server, address, number: True)
        self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        receiver = socketOf(port)
        self.network.inject(b"??" + forge(questionOf(VICTIM)), ("203.0.113.66", 53), ("192.0.2.7", port.port))
        self.assertEqual(receiver.misses, 1)
        self.network.advance(1)

    def test_portsComeFromTheSystemGenerator(self) -> None:
        """
        Ports and IDs come from the operating system's generator only.
        """
        self.assertIs(Draw()._urandom, os.urandom)
        fixed = Draw(lambda count: b"\x12\x34\x56\x78\x9a\xbc" * (count // 6) + bytes(count % 6))
        self.assertEqual([fixed.port(), fixed.port()], [0x1234, 0x5678])

    def test_ICMPOfOtherFlowsIsIgnored(self) -> None:
        """
        ICMP messages about other flows end no look-up. One about this very flow does, as it should.
        """
        asked = self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        for other in (port.port ^ 1, 53):
            self.network.injectRefusal(("192.0.2.53", 53), ("192.0.2.7", other))
        self.network.injectRefusal(("192.0.2.53", 54), ("192.0.2.7", port.port))
        self.network.injectRefusal(("192.0.2.54", 53), ("192.0.2.7", port.port))
        self.network.advance(1)
        self.assertEqual(self.told(asked), [GENUINE])
        asked = self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        self.network.injectRefusal(("192.0.2.53", 53), ("192.0.2.7", port.port))
        self.failed(asked)
        # An unconnected socket would get all of them.
        self.patch(MemoryPort, "refused", lambda port, destination: port.protocol.connectionRefused())
        asked = self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        self.network.injectRefusal(("192.0.2.54", 53), ("192.0.2.7", port.port))
        self.failed(asked)

    def test_socketsAreConnected(self) -> None:
        """
        The sockets of real look-ups are connected to their server, so that the kernel drops everything else.
        """
        for address in ("127.0.0.1", "::1"):
            server = Server(address, 5353)
            made = RawMaker(Unwatched(), Draw()).make(DatagramExchange(Datagrams(self.here), server))
            assert isinstance(made, RawSocket)
            try:
                self.assertEqual(made._socket.getpeername()[:2], (address, 5353))
            finally:
                made.close()

    def test_nearMissLeadsToTCP(self) -> None:
        """
        One reply with a wrong ID from the right address leads to TCP. The genuine reply over UDP is still accepted.
        """
        for silentTo, transport in (("udp", "tcp"), ("tcp", "udp")):
            self.canned.silentTo = silentTo
            asked = self.ask(self.source, VICTIM)
            (port,) = self.here.ports()
            (key,) = socketOf(port).keys
            self.network.inject(bytes([key[0] ^ 1, key[1]]) + forge(questionOf(VICTIM)), ("192.0.2.53", 53), ("192.0.2.7", port.port))
            self.network.advance(2)
            answer = self.successResultOf(asked)
            assert answer.origin is not None
            self.assertEqual((answer.origin.source, answer.answer[0].rdatas), (transport, (bytes([192, 0, 2, 80]),)))
            self.assertIn("near miss", self.events())

    def portsAndIdsOfRetries(self) -> tuple[int, int]:
        """
        Let a look-up try as often as it will.

        @return: the number of ports of its queries, and the most IDs that one of these ports waits for.
        """
        self.canned.silent = True
        ports: list[int] = []

        def note(datagram: Datagram) -> bool:
            if datagram.destination[1] == 53:
                ports.append(datagram.source[1])
            return True

        self.network.shape("192.0.2.53", admit=note)
        asked = self.ask(self.source, VICTIM)
        most = 0
        for _ in range(50):
            self.network.advance(0.1)
            most = max([most, *[socketOf(port).live for port in self.here.ports()]])
        self.network.advance(1)
        self.failed(asked)
        self.assertGreaterEqual(len(ports), 4)
        return len(set(ports)), most

    def test_eachRetryHasItsOwnPort(self) -> None:
        """
        Each retry of a look-up has its own port, so that a known port has one ID to guess.
        """
        ports, most = self.portsAndIdsOfRetries()
        self.assertGreaterEqual(ports, 4)
        self.assertEqual(most, 1)

    def test_retriesFromOpenSocketsSharePorts(self) -> None:
        """
        From the open sockets almost all retries would share one port.
        """
        self.patch(DatagramExchange, "askAgain", lambda exchange, asking, now, channels: exchange.ask(asking, now))
        ports, most = self.portsAndIdsOfRetries()
        # The pool opens a second socket if the fifth query is drawn to it.
        self.assertLessEqual(ports, 2)
        self.assertGreaterEqual(most, 4)

    def test_errorCountsInvalidReplies(self) -> None:
        """
        The error of a failed look-up first says how many messages were no valid reply, then the result over TCP.
        """
        canned = CannedServer({})
        canned.silent = True
        server = canned.listen(self.network.reactor("192.0.2.54"), streams=False)
        asked = self.ask(self.forward(server), VICTIM)
        (port,) = self.here.ports()
        for octets in (b"??" + forge(questionOf(VICTIM)), b"junk", bytes(12)):
            self.network.inject(octets, ("192.0.2.54", 53), ("192.0.2.7", port.port))
        self.network.advance(6)
        told = str(self.failed(asked))
        self.assertIn(": datagrams from 192.0.2.54:53 did not match the query (3 messages); 192.0.2.54:53 cannot be", told)

    def test_withoutNearMissesOnlyUDPIsUsed(self) -> None:
        """
        Without near misses only UDP would be used.
        """
        for upstream in self.source.upstreams:
            upstream.datagram.nearMisses = 1 << 20
        self.canned.silentTo = "udp"
        asked = self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        self.network.inject(b"??" + forge(questionOf(VICTIM)), ("192.0.2.53", 53), ("192.0.2.7", port.port))
        self.network.advance(6)
        self.failed(asked)
