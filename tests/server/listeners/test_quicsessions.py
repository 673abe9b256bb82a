"""
Tests of connections over QUIC from their beginning to their end: early data, certificates, and what is left.
"""

from __future__ import annotations

import gc
import weakref
from ssl import CERT_NONE
from typing import cast

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted
from aioquic.tls import SessionTicket

from tests.server.listeners.quicservings import QuicServingCase
from tests.transport.quic.peers import NAME, RawClient, RudeSource, certified
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf
from twisted_ext.transport.quic.wire import REQUEST_CANCELLED
from twisted_ext.transport.tls.terms import namesOf


class QuicSessionTests(QuicServingCase):
    """
    Tests of whole connections.
    """

    # -- early data

    def early(self, octets: bytes) -> RawClient:
        """
        Send a message before the handshake, with the session of an earlier connection.
        """
        first = self.client()
        first.ask(self.framed())
        self.network.advance(0.2)
        (ticket,) = first.tickets
        return self.replay(ticket, octets)

    def replay(self, ticket: object, octets: bytes) -> RawClient:
        client = self.client(connected=False)
        configuration = QuicConfiguration(
            alpn_protocols=["doq"], is_client=True, server_name=NAME, session_ticket=cast(SessionTicket, ticket)
        )
        client.connection = QuicConnection(configuration=configuration)
        client.connection.connect(("192.0.2.53", 853), self.here.seconds())
        client.ask(octets)
        return client

    def test_earlyQuery(self) -> None:
        """
        A query may arrive before the handshake is complete.
        """
        self.serve()
        client = self.early(self.framed())
        self.network.advance(0.2)
        (completed,) = client.of(HandshakeCompleted)
        assert isinstance(completed, HandshakeCompleted)
        self.assertTrue(completed.early_data_accepted)
        self.assertEqual([octets[5] & 15 for octets in self.replies(client).values()], [0])

    def test_earlyUpdate(self) -> None:
        """
        An update or a notification that arrives before the handshake is complete is refused: an attacker may have replayed it.
        """
        for opcode in (4, 5):
            source = RudeSource()
            listener = self.rude(source)
            client = self.early(self.framed(flags=opcode << 11))
            self.network.advance(0.2)
            (octets,) = self.replies(client).values()
            self.assertEqual((octets[4] >> 3 & 15, octets[5] & 15, len(octets)), (opcode, 5, 14))
            self.assertEqual(len(source.queries), 1)
            self.stop()
            self.assertEqual(len(listener.servings), 0)

    def test_replayed(self) -> None:
        """
        A session can be continued once, so that early data cannot be replayed.
        """
        self.serve()
        client = self.early(self.framed())
        self.network.advance(0.2)
        again = self.replay(self.clients[0].tickets[0], self.framed())
        self.network.advance(0.2)
        accepted = [event.early_data_accepted for each in (client, again) for event in each.events if isinstance(event, HandshakeCompleted)]
        self.assertEqual(accepted, [True])

    # -- certificates

    def test_renewed(self) -> None:
        """
        A new certificate is shown to new connections, and those that are open stay.
        """
        listener = self.serve()
        old = self.client()
        self.certificates.replace([certified("other.example")])
        new = self.client()
        self.assertEqual((len(new.of(HandshakeCompleted)), len(old.of(ConnectionTerminated))), (0, 0))
        old.ask(self.framed())
        self.network.advance(0.1)
        self.assertEqual(len(self.replies(old)), 1)
        self.assertGreaterEqual(len(listener.servings), 1)

    def test_names(self) -> None:
        """
        A client gets the certificate for the name that it asks for, that of a wildcard included, and else the first.
        """
        self.serve()
        self.certificates.replace([certified("first.example"), certified("*.other.example"), certified(NAME)])
        for name, shown in ((NAME, NAME), ("a.other.example", "*.other.example"), ("unknown.example", "first.example")):
            client = self.client(connected=False)
            client.connection.configuration.server_name = name
            client.connection.configuration.verify_mode = CERT_NONE
            client.connect()
            self.network.advance(0.2)
            certificate = client.connection.tls._peer_certificate
            assert certificate is not None
            self.assertIn(f"'{shown}'", namesOf(certificate))
            self.assertEqual(len(client.of(HandshakeCompleted)), 1)

    def test_renewedSession(self) -> None:
        """
        A session of an earlier certificate is not continued, so that clients see the new one.
        """
        self.serve()
        first = self.client()
        (ticket,) = first.tickets
        self.certificates.replace([certified("other.example"), certified()])
        client = self.replay(ticket, self.framed())
        self.network.advance(0.3)
        self.assertEqual([each for each in client.of(HandshakeCompleted) if getattr(each, "session_resumed", False)], [])

    # -- the end

    def test_released(self) -> None:
        """
        A connection that has ended leaves no reference to itself and its QUIC connection, however it ended, and needs no garbage collector
        for that.
        """
        gc.disable()
        self.addCleanup(gc.enable)
        held = HeldSource()
        listener = self.serve(held)
        found: list[weakref.ref[object]] = []

        def vanish(client: RawClient) -> None:
            client.vanish()
            self.clients.remove(client)

        def close(client: RawClient) -> None:
            client.connection.close(0)
            client.flush()

        def violate(client: RawClient) -> None:
            client.ask(b"", True)

        def cancel(client: RawClient) -> None:
            for stream in (0, 4):
                client.connection.stop_stream(stream, REQUEST_CANCELLED)
            client.flush()

        for end in (vanish, close, violate, cancel):
            client = self.client()
            client.ask(self.framed())
            client.ask(self.framed()[:5], False)
            self.network.advance(0.1)
            (serving,) = listener.servings.all()
            found += [weakref.ref(each) for each in (serving, serving.link, serving.link.connection)]
            del serving
            end(client)
            self.network.advance(40.0)
            # Its look-up ends.
            held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        # The test's reactor forgets the timers that are over.
        self.there.getDelayedCalls()
        self.assertEqual([each() for each in found], [None] * 12)

    def test_releasedByStop(self) -> None:
        """
        A listener that stops leaves no reference to its connections and their sessions, those of unfinished handshakes included.
        """
        gc.disable()
        self.addCleanup(gc.enable)
        listener = self.serve()
        for _ in range(3):
            self.client().ask(self.framed())
        self.network.advance(0.1)
        self.client(connected=False).connect()
        self.network.advance(0.015)
        servings = listener.servings
        self.assertEqual((len(servings), servings.halfOpen, len(servings._tickets)), (4, 1, 3))
        found: list[weakref.ref[object]] = []
        for serving in servings.all():
            found += [weakref.ref(each) for each in (serving, serving.link, serving.link.connection)]
        found += [weakref.ref(each) for each in servings._tickets._tickets.values()]
        del serving
        self.stop()
        self.network.advance(1.0)
        self.there.getDelayedCalls()
        self.assertEqual([each() for each in found], [None] * 15)
