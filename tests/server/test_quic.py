"""
Tests of DNS over QUIC in a whole server on a memory network.
"""

from __future__ import annotations

from tests.queries import optOf, queryOf
from tests.server.test_service import SECRET, US, ServiceCase
from tests.transport.waiting import Waiter
from twisted_ext.errors import BadDescription
from twisted_ext.server.listeners.sockets import Bound, encryptedPlaces
from twisted_ext.server.listeners.tls import encryption as encryption
from twisted_ext.server.service import ServerService
from twisted_ext.transport.quic.exchange import QuicExchange
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSTerms, pinOf
from twisted_ext.wire.message import Message

_LOCAL = "www.test.example 600 A 192.0.2.80"


class QuicServiceTests(ServiceCase):
    """
    Tests with the setting C{quic}.
    """

    def start(self, **values: object) -> ServerService:
        """
        Start a server that serves QUIC as well.
        """
        self.wanted = self.settings(**{"quic": US, "selfSigned": True, "local": _LOCAL, **values})
        bound = [Bound(US, 53), *encryptedPlaces(self.wanted.quic, "quic")]
        service = ServerService(self.here, self.wanted, bound, SECRET, reread=self.reread)
        service.startService()
        self.addCleanup(self.stop, service)
        return service

    def askBy(self, service: ServerService, *queries: bytes) -> list[Message]:
        """
        Return the replies to queries on one connection, one after the other.
        """
        assert service.encryption is not None
        terms = TLSTerms(pins=[pinOf(service.encryption.certificates.pairs[0].leaf)])
        exchange = QuicExchange(self.there, Server(US, 853), Draw(), terms)
        replies: list[Message] = []
        for octets in queries:
            waiter = Waiter()
            waiter.query = octets[2:]
            exchange.ask(waiter, self.there.seconds())
            self.network.advance(0.3)
            self.assertEqual(waiter.faults, [])
            replies += map(Message.fromWire, waiter.replies)
        exchange.close()
        self.network.advance(0.1)
        return replies

    def test_queriesAreAnswered(self) -> None:
        """
        A query over QUIC is answered as over TCP, the second time from the packet cache, and the server reports where it listens.
        """
        service = self.start()
        self.assertEqual(service.listening, [f"udp {US}:53", f"tcp {US}:53", f"quic {US}:853"])
        replies = self.askBy(service, *[queryOf("www.test.example", opt=optOf())] * 4)
        self.assertEqual([len(reply.answer) for reply in replies], [1] * 4)
        counters = service.counters
        self.assertEqual((counters.tcp, counters.tlsHandshakes, counters.tlsFailed, counters.tcpOpened), (4, 1, 0, 1))
        self.assertGreater(counters.hits, 0)

    def test_repliesArePadded(self) -> None:
        """
        A reply has a multiple of 468 octets, as our client pads its queries.
        """
        service = self.start()
        (reply,) = self.askBy(service, queryOf("www.test.example", opt=optOf()))
        self.assertEqual(len(reply.wire), 468)

    def test_certificateIsNeeded(self) -> None:
        """
        Without a certificate the server does not start, and its line says what to write.
        """
        error = self.assertRaises(BadDescription, self.start, selfSigned=False)
        self.assertEqual(str(error), "quic needs a certificate: write --certificate FILE and --key FILE, or --self-signed for trials")

    def test_extraIsNamed(self) -> None:
        """
        Without aioquic the server does not start, and its line names the extra.
        """
        self.patch(encryption, "find_spec", lambda name: None)
        error = self.assertRaises(BadDescription, self.start)
        self.assertEqual(str(error), "quic needs aioquic, which is not installed: pip install 'twisted-ext[quic]'")
