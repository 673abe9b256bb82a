"""
Attack 33: floods by QUIC. Handshakes from spoofed addresses, replies that amplify, connections without end, datagrams that are damaged;
L{tests.server.listeners.test_quic} has the attacks on streams.
"""

from __future__ import annotations

import os
from collections import Counter

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived

from tests.transport.quic.peers import NAME, QuicTestCase, RawClient
from twisted_ext.testing.sources import HeldSource
from twisted_ext.transport.quic.wire import ALPN, NO_ERROR

_SERVER = ("192.0.2.53", 853)


def initial() -> bytes:
    """
    Return the first datagram of a client.
    """
    connection = QuicConnection(configuration=QuicConfiguration(alpn_protocols=[ALPN], is_client=True, server_name=NAME))
    connection.connect(_SERVER, 0.0)
    return connection.datagrams_to_send(0.0)[0][0]


class QuicFloodTests(QuicTestCase):
    """
    Tests of handshakes from spoofed addresses (attack 33).
    """

    def flood(self, count: int) -> None:
        """
        Send first datagrams from addresses that do not know of it.
        """
        for number in range(count):
            self.network.inject(initial(), (f"198.51.{number >> 8}.{number & 255}", 4000), _SERVER)

    def amplification(self) -> float:
        """
        Return the octets sent to the address that got most, for each octet received from there.
        """
        received: Counter[str] = Counter()
        sent: Counter[str] = Counter()
        for datagram in self.network.datagrams:
            if datagram.destination == _SERVER:
                received[datagram.source[0]] += len(datagram.octets)
            elif datagram.source == _SERVER:
                sent[datagram.destination[0]] += len(datagram.octets)
        return max(sent[address] / received[address] for address in sent)

    def test_retry(self) -> None:
        """
        While many handshakes are under way, clients have to prove their addresses, which costs no memory; those that do are served.
        """
        listener = self.serve(halfOpen=20)
        self.flood(120)
        servings = listener.servings
        self.assertEqual((servings.halfOpen, len(servings), servings.routes, servings.retries), (20, 20, 40, 100))
        client = self.client()
        client.ask(self.framed())
        self.network.advance(0.2)
        self.assertEqual((len(client.of(HandshakeCompleted)), len(client.of(StreamDataReceived))), (1, 1))

    def test_noRetry(self) -> None:
        """
        Without that limit each of these datagrams makes a connection: the attack is real.
        """
        listener = self.serve(halfOpen=20_000)
        self.flood(120)
        self.assertEqual((listener.servings.halfOpen, listener.servings.retries), (120, 0))

    def test_amplification(self) -> None:
        """
        An address that is not validated gets at most three times the octets that came from there, all retransmissions included.
        """
        for halfOpen in (0, 20, 20_000):
            self.serve(halfOpen=halfOpen)
            self.flood(50)
            self.network.advance(20.0)
            self.assertLessEqual(self.amplification(), 3.0)
            self.stop()
            self.network.datagrams.clear()

    def test_expired(self) -> None:
        """
        Handshakes that are not completed are forgotten after some seconds.
        """
        listener = self.serve()
        self.flood(20)
        self.assertEqual(listener.servings.halfOpen, 20)
        self.network.advance(6.0)
        self.assertEqual((listener.servings.halfOpen, listener.servings.routes), (0, 0))
        self.assertEqual([each for each in self.there.pending() if "UDP" not in each], [])

    def test_most(self) -> None:
        """
        Handshakes under way give way to others, and connections that wait for a reply do not.
        """
        listener = self.serve(HeldSource(), most=10, halfOpen=20_000)
        client = self.client()
        client.ask(self.framed())
        self.network.advance(0.1)
        self.flood(50)
        self.assertLessEqual(len(listener.servings), 10)
        self.assertEqual([each.waiting for each in listener.servings.all() if each.complete], [1])
        self.assertGreater(listener.servings.turnedAway, 0)

    def test_perPeer(self) -> None:
        """
        A client that opens more connections than it may loses its oldest ones, and others lose none; beyond, its address must be proved.
        """
        listener = self.serve(perPeer=3)
        other = self.client("192.0.2.8")
        clients = [self.client() for _ in range(5)]
        self.network.advance(0.5)
        self.assertEqual(len(listener.servings), 4)
        ended = [event.error_code for each in clients for event in each.events if isinstance(event, ConnectionTerminated)]
        self.assertEqual((ended, other.of(ConnectionTerminated), listener.servings.retries), ([NO_ERROR] * 2, [], 2))

    def test_spoofedPeer(self) -> None:
        """
        Datagrams with the spoofed address of a client do not close its connections.
        """
        listener = self.serve(perPeer=3)
        client = self.client()
        for number in range(50):
            self.network.inject(initial(), ("192.0.2.7", 5000 + number), _SERVER)
        self.network.advance(0.5)
        client.ask(self.framed())
        self.network.advance(0.2)
        self.assertEqual((len(client.of(StreamDataReceived)), client.of(ConnectionTerminated)), (1, []))
        self.assertLessEqual(len(listener.servings), 3)


class QuicDatagramTests(QuicTestCase):
    """
    Tests of single datagrams.
    """

    def answers(self, octets: bytes) -> int:
        """
        Send a datagram.

        @return: how many it is answered with.
        """
        before = len(self.network.datagrams)
        self.network.inject(octets, ("198.51.100.1", 4000), _SERVER)
        self.network.advance(0.0)
        return len(self.network.datagrams) - before - 1

    def test_garbage(self) -> None:
        """
        Datagrams that are not QUIC, or no start of a connection, are dropped without a reply or a trace.
        """
        listener = self.serve()
        whole = initial()
        for octets in (b"\x00", b"\xff", os.urandom(1200), b"\x40" + os.urandom(30), whole[:1199], whole[:40], bytes(1200)):
            self.assertEqual(self.answers(octets), 0)
        self.assertEqual(len(listener.servings), 0)

    def test_damaged(self) -> None:
        """
        A first datagram that cannot be decrypted is dropped, and its connection forgotten.
        """
        listener = self.serve()
        for at in (50, 150, 250):
            whole = bytearray(initial())
            whole[at] ^= 1
            self.assertEqual(self.answers(bytes(whole)), 0)
        self.network.advance(6.0)
        self.assertEqual(len(listener.servings), 0)

    def test_versions(self) -> None:
        """
        A client of another version is told ours, and a datagram of version 0, which is such a reply itself, is not answered.
        """
        self.serve()
        whole = initial()
        self.assertEqual(self.answers(whole[:1] + b"\x1a\x2a\x3a\x4a" + whole[5:]), 1)
        self.assertLess(len(self.network.datagrams[-1].octets), 100)
        self.assertEqual(self.answers(whole[:1] + bytes(4) + whole[5:]), 0)
        self.assertEqual(self.answers(whole[:1] + b"\x1a\x2a\x3a\x4a" + whole[5:1000]), 0)

    def test_random(self) -> None:
        """
        No octet of a first datagram that is changed makes the listener fail.
        """
        listener = self.serve(halfOpen=20_000)
        for at in range(60):
            whole = bytearray(initial())
            whole[at] ^= 1 + os.urandom(1)[0] % 255
            self.network.inject(bytes(whole), ("198.51.100.1", 4000 + at), _SERVER)
        self.assertEqual(listener.servings.replies.counters.faults, 0)
        self.network.advance(6.0)

    def test_otherAddress(self) -> None:
        """
        A connection cannot move to another address, whose access rights may be others.
        """
        listener = self.serve()
        client = self.client()
        (serving,) = listener.servings.all()
        client.connection.send_stream_data(0, self.framed(), True)
        for datagram, _ in client.connection.datagrams_to_send(self.here.seconds()):
            self.network.inject(datagram, ("198.51.100.1", 4000), _SERVER)
        self.assertEqual(listener.servings.replies.counters.tcp, 0)
        client.flush()
        self.network.advance(0.5)
        self.assertEqual(serving.host, "192.0.2.7")
        # It is retransmitted from the right address.
        self.assertEqual(listener.servings.replies.counters.tcp, 1)

    def test_token(self) -> None:
        """
        A token of another address is no proof.
        """
        listener = self.serve(halfOpen=0)
        thief = RawClient(self.here)
        self.clients.append(thief)
        thief.connect()
        self.network.advance(0.005)
        # The Retry is on its way to the client; its answer comes from another address.
        self.network.shape("192.0.2.53", "192.0.2.7", silent=True)
        self.network.advance(0.05)
        before = len(self.network.datagrams)
        assert before
        (answer,) = [each for each in self.network.datagrams if each.source == ("192.0.2.7", thief.port)][1:2]
        self.network.inject(answer.octets, ("198.51.100.1", 4000), _SERVER)
        self.assertEqual((len(listener.servings), listener.servings.retries), (0, 2))
