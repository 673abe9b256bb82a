"""
Attack 4: finding out the port of a query by what others can observe, as SAD DNS does (2020, 2021), and weak generators (CVE-2025-40780).
"""

from __future__ import annotations

import os

from tests.attacks.test_fragments import Unwatched
from tests.attacks.test_spoofing import GENUINE, VICTIM, forge
from tests.networks import NetworkTestCase, socketOf
from twisted_ext.testing.datagrams import MemoryPort
from twisted_ext.testing.links import Datagram
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

    def test_spray(self) -> None:
        """
        Datagrams to all ports from somebody else change nothing, not even the state of the socket that is open.
        """
        asked = self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        for number in range(1024, 65536):
            self.network.inject(forge(questionOf(VICTIM)), ("203.0.113.66", 53), ("192.0.2.7", number))
        self.assertEqual((self.here.ports(), socketOf(port).misses), ([port], 0))
        self.network.advance(1)
        self.assertEqual(self.told(asked), [GENUINE])
        self.assertEqual(self.events(), ["sent", "reply"])

    def test_sprayUndefended(self) -> None:
        """
        A socket that is not connected would have noticed the one that is to its port.
        """
        self.patch(MemoryPort, "takes", lambda port, datagram: True)
        self.patch(type(self.server), "isAt", lambda server, address, number: True)
        self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        receiver = socketOf(port)
        self.network.inject(b"??" + forge(questionOf(VICTIM)), ("203.0.113.66", 53), ("192.0.2.7", port.port))
        self.assertEqual(receiver.misses, 1)
        self.network.advance(1)

    def test_generator(self) -> None:
        """
        Ports and ids come from the operating system's generator and nowhere else.
        """
        self.assertIs(Draw()._urandom, os.urandom)
        fixed = Draw(lambda count: b"\x12\x34\x56\x78\x9a\xbc" * (count // 6) + bytes(count % 6))
        self.assertEqual([fixed.port(), fixed.port()], [0x1234, 0x5678])

    def test_forgedRefusals(self) -> None:
        """
        ICMP messages about other pairs of ends end no look-up; one about this very pair does, as it should.
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
        # A socket that is not connected would be told of all of them.
        self.patch(MemoryPort, "refused", lambda port, destination: port.protocol.connectionRefused())
        asked = self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        self.network.injectRefusal(("192.0.2.54", 53), ("192.0.2.7", port.port))
        self.failed(asked)

    def test_connected(self) -> None:
        """
        The sockets that real look-ups go out from are connected to their server, which is what has the system keep all that away.
        """
        for address in ("127.0.0.1", "::1"):
            server = Server(address, 5353)
            made = RawMaker(Unwatched(), Draw()).make(DatagramExchange(Datagrams(self.here), server))
            assert isinstance(made, RawSocket)
            try:
                self.assertEqual(made._socket.getpeername()[:2], (address, 5353))
            finally:
                made.close()

    def test_nearMiss(self) -> None:
        """
        After one reply with a wrong id from the right address the query is asked by TCP, and the genuine reply by UDP still counts.
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

    def outstanding(self) -> tuple[int, int]:
        """
        Let a look-up try as often as it will.

        @return: ports that its queries have come from, and the most ids that one of these ports waits for.
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

    def test_retries(self) -> None:
        """
        Each try of a look-up leaves from a port of its own, so that whoever has found one out has one id to guess.
        """
        ports, most = self.outstanding()
        self.assertGreaterEqual(ports, 4)
        self.assertEqual(most, 1)

    def test_retriesUndefended(self) -> None:
        """
        From the sockets that are there already almost all of them would be open at one port.
        """
        self.patch(DatagramExchange, "askAgain", lambda exchange, asking, now, legs: exchange.ask(asking, now))
        ports, most = self.outstanding()
        # The pool has a second socket where the fifth query is drawn to it.
        self.assertLessEqual(ports, 2)
        self.assertGreaterEqual(most, 4)

    def test_nearMissTold(self) -> None:
        """
        Where nothing better comes, by TCP neither, the error says first that what came was no reply, and how much of it; then what
        became of TCP.
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
        self.assertIn(": what came from 192.0.2.54:53 by UDP was no reply to the question (3 messages); 192.0.2.54:53 cannot be", told)

    def test_nearMissUndefended(self) -> None:
        """
        Without that, nothing but UDP would be asked.
        """
        for upstream in self.source.upstreams:
            upstream.datagram.nearMisses = 1 << 20
        self.canned.silentTo = "udp"
        asked = self.ask(self.source, VICTIM)
        (port,) = self.here.ports()
        self.network.inject(b"??" + forge(questionOf(VICTIM)), ("192.0.2.53", 53), ("192.0.2.7", port.port))
        self.network.advance(6)
        self.failed(asked)
