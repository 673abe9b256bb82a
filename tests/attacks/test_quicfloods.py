"""
Attack 33: floods over QUIC. Handshakes from spoofed addresses, replies that amplify, connections and cancelled queries without end, replies
that are not read, messages that break the rules, early data that changes something; each with the defense on and off.
L{tests.server.listeners.test_quic} and L{tests.server.listeners.test_http3} have more of what single clients can do.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import cast

from aioquic.quic import connection as connections
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection, QuicNetworkPath
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted, StreamDataReceived
from aioquic.tls import SessionTicket

from tests.transport.quic.peers import NAME, QuicTestCase, RawClient, RudeSource
from twisted_ext.server.listeners.quic import serving
from twisted_ext.server.listeners.quic.listener import QuicListener
from twisted_ext.server.listeners.quic.serving import QuicServing
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf
from twisted_ext.transport.quic.wire import ALPN, NO_ERROR, PROTOCOL_ERROR, REQUEST_CANCELLED, StreamMessage
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

_SERVER = ("192.0.2.53", 853)


def initial(alpn: str = ALPN) -> bytes:
    """
    Return the first datagram of a client.
    """
    connection = QuicConnection(configuration=QuicConfiguration(alpn_protocols=[alpn], is_client=True, server_name=NAME))
    connection.connect(_SERVER, 0.0)
    return connection.datagrams_to_send(0.0)[0][0]


class _Unlimited(QuicNetworkPath):
    """
    A path whose datagrams do not count.
    """

    @property
    def bytes_sent(self) -> int:
        return 0

    @bytes_sent.setter
    def bytes_sent(self, octets: int) -> None:
        pass


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

    def test_manyHandshakes(self) -> None:
        """
        Ten thousand spoofed handshakes are answered by as many Retry packets, smaller than what came, and leave no trace.
        """
        listener = self.serve()
        self.flood(32)
        forged = bytearray(initial())
        servings = listener.servings
        sent: list[int] = []
        # Not through the network, which would take most of the time.
        self.patch(servings, "_write", lambda datagram, address: sent.append(len(datagram)))
        for number in range(10_000):
            # A Retry takes no key, so the rest of the datagram may be that of another.
            forged[6:14] = number.to_bytes(8, "big")
            servings.received(bytes(forged), (f"203.0.{number >> 8}.{number & 255}", 4000))
        self.assertEqual((servings.halfOpen, len(servings), servings.routes), (32, 32, 64))
        self.assertEqual((servings.retries, servings.replies.counters.quicRetries), (10_000, 10_000))
        self.assertEqual(len(sent), 10_000)
        self.assertLess(max(sent), 200)

    def test_amplificationUnlimited(self) -> None:
        """
        Without aioquic's limit a spoofed address gets more: the attack is real.
        """
        self.patch(connections, "QuicNetworkPath", _Unlimited)
        self.serve(halfOpen=20_000)
        self.flood(3)
        self.network.advance(20.0)
        self.assertGreater(self.amplification(), 3.0)

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


class QuicNetworkTests(QuicTestCase):
    """
    Tests of clients with many addresses.
    """

    def crowd(self) -> tuple[RawClient, int]:
        """
        Connect a client, then many from another network.

        @return: the client, and how many of the others are still connected.
        """
        listener = self.serve(most=24)
        client = self.client("192.0.2.7")
        others = [self.client(f"198.51.100.{number}") for number in range(40)]
        self.network.advance(0.2)
        self.assertLessEqual(len(listener.servings), 24)
        return client, len([each for each in others if not each.of(ConnectionTerminated)])

    def test_shares(self) -> None:
        """
        A network that fills the server loses its own connections, and no idle client of another network.
        """
        client, others = self.crowd()
        self.assertEqual(client.of(ConnectionTerminated), [])
        self.assertGreater(others, 20)

    def test_noShares(self) -> None:
        """
        Without shares the oldest connection goes first: the attack is real.
        """
        self.patch(serving, "networkOf", lambda host: "")
        client, _ = self.crowd()
        self.assertEqual(len(client.of(ConnectionTerminated)), 1)


class QuicStreamTests(QuicTestCase):
    """
    Tests of streams that are given up, or not read.
    """

    def cancel(self, source: HeldSource, count: int, *, reset: bool) -> QuicListener:
        """
        Send queries, and give up each.
        """
        listener = self.serve(source)
        client = self.client()
        for _ in range(count):
            # Half of them before they are complete.
            whole = self.framed()
            for octets, end in ((whole, True), (whole[:9], False)):
                stream = client.ask(octets, end)
                self.network.advance(0.03)
                if reset and not end:
                    client.connection.reset_stream(stream, REQUEST_CANCELLED)
                client.connection.stop_stream(stream, REQUEST_CANCELLED)
                client.flush()
                self.network.advance(0.03)
        return listener

    def test_cancelled(self) -> None:
        """
        Queries that are given up by STOP_SENDING or RESET_STREAM leave no count and no stream behind.
        """
        for reset in (False, True):
            source = HeldSource()
            listener = self.cancel(source, 20, reset=reset)
            source.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
            self.network.advance(1.0)
            (connection,) = listener.servings.all()
            counters = listener.servings.replies.counters
            self.assertEqual((connection.waiting, connection.open, connection.held, counters.pending), (0, 0, 0, 0))
            self.assertTrue(connection.resting)
            self.assertLessEqual(len(connection.link.connection._streams), 1 if reset else 40)
            self.stop()

    def unread(self) -> tuple[int, int]:
        """
        Let clients ask for long replies that they do not let through.

        @return: the octets held for all of them, and how many have been disconnected.
        """
        texts = [f'"{"x" * 200}"'] * 20
        listener = self.serve(CannedSource({("www.test.example", "A"): "192.0.2.80", ("long.test.example", "TXT"): texts}))
        servings = listener.servings
        servings.mostHeld = min(servings.mostHeld, self.budget)
        octets = frame(buildMessage(Message(0, 0x100, (questionOf("long.test.example", "TXT"),))))
        for number in range(8):
            host = self.network.reactor(f"198.51.100.{number}")
            client = RawClient(host)
            self.clients.append(client)
            client.connect()
            self.network.advance(0.2)
            self.patch(client, "datagramReceived", lambda datagram, address: None)
            for _ in range(20):
                client.ask(octets)
            self.network.advance(0.5)
        self.network.advance(0.5)
        self.assertLess(abs(servings.held - sum([each.held for each in servings.all()])), 8 * 1200)
        return servings.held, 8 - len(servings)

    budget = 200_000

    def test_budget(self) -> None:
        """
        What the server holds for all clients is limited; those for which it holds most are disconnected.
        """
        held, closed = self.unread()
        self.assertLessEqual(held, self.budget)
        self.assertGreater(closed, 3)

    def test_noBudget(self) -> None:
        """
        Without that limit it grows with the number of clients: the attack is real.
        """
        self.budget = 1 << 40
        held, closed = self.unread()
        self.assertGreater(held, 400_000)
        self.assertEqual(closed, 0)


class QuicMessageTests(QuicTestCase):
    """
    Tests of messages that break the rules.
    """

    def outcome(self, octets: bytes) -> int | None:
        """
        Send octets on a stream.

        @return: the code with which the server closes the connection, or L{None}.
        """
        listener = self.serve()
        client = self.client()
        client.ask(octets)
        self.network.advance(1.0)
        codes = [event.error_code for event in client.events if isinstance(event, ConnectionTerminated)]
        self.assertEqual(len(listener.servings), 0 if codes else 1)
        self.stop()
        return codes[0] if codes else None

    def test_violations(self) -> None:
        """
        An id that is not 0, two messages on a stream, and half a message are protocol errors.
        """
        whole = self.framed()
        for octets in (self.framed(number=1), whole * 2, whole + b"\x00", whole[:-1], b"", b"\x00"):
            self.assertEqual(self.outcome(octets), PROTOCOL_ERROR, octets)

    def test_unchecked(self) -> None:
        """
        Without the checks such messages are answered: the attack is real.
        """
        self.patch(QuicServing, "_take", QuicServing._ask)
        self.patch(StreamMessage, "feed", lambda message, data, end: data[2:])
        for octets in (self.framed(number=1), self.framed() * 2):
            self.assertIsNone(self.outcome(octets))

    def early(self, opcode: int) -> list[bytes]:
        """
        Send a message before the handshake is complete, which an attacker could repeat.

        @return: the messages that have reached the source of replies.
        """
        source = RudeSource()
        self.rude(source)
        first = self.client()
        (ticket,) = first.tickets
        client = self.client(connected=False)
        configuration = QuicConfiguration(
            alpn_protocols=[ALPN], is_client=True, server_name=NAME, session_ticket=cast(SessionTicket, ticket)
        )
        client.connection = QuicConnection(configuration=configuration)
        client.connection.connect(_SERVER, self.here.seconds())
        client.ask(self.framed(flags=opcode << 11))
        self.network.advance(0.2)
        (completed,) = client.of(HandshakeCompleted)
        assert isinstance(completed, HandshakeCompleted)
        self.assertTrue(completed.early_data_accepted)
        self.stop()
        return source.queries

    def test_early(self) -> None:
        """
        Updates and notifications in early data go no further.
        """
        for opcode, count in ((0, 1), (4, 0), (5, 0)):
            self.assertEqual(len(self.early(opcode)), count)

    def test_earlyUnchecked(self) -> None:
        """
        Without the check they are carried out: the attack is real.
        """
        self.patch(serving, "isReplayable", lambda octets: True)
        for opcode in (4, 5):
            self.assertEqual(len(self.early(opcode)), 1)


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
        # Its connection ID would have 255 octets. One of 20 at most makes it a packet of another version, to which there is a reply.
        header = b"\xff" + os.urandom(4) + b"\xff"
        for octets in (b"\x00", b"\xff", header + os.urandom(1194), b"\x40" + os.urandom(20), whole[:1199], whole[:40], bytes(1200)):
            self.assertEqual(self.answers(octets), 0)
        self.assertEqual(len(listener.servings), 0)

    def test_unknownConnection(self) -> None:
        """
        A packet of a connection that the server does not know gets a smaller one, and not more than some hundred per second do.
        """
        listener = self.serve()
        for size in (22, 43, 1200):
            self.assertEqual(self.answers(b"\x40" + os.urandom(size - 1)), 1)
            self.assertLess(len(self.network.datagrams[-1].octets), size)
        before = len(self.network.datagrams)
        for _ in range(300):
            self.network.inject(b"\x40" + os.urandom(60), ("198.51.100.1", 4000), _SERVER)
        self.network.advance(0.0)
        self.assertLess(len(self.network.datagrams) - before - 300, 101)
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
        A token of another address proves nothing.
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
