"""
Tests of queries over QUIC.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from random import Random

from cryptography.x509 import load_pem_x509_certificate
from zope.interface.verify import verifyObject

from tests.certificates import authority, written
from tests.transport.quic.peers import NAME, QuicTestCase, RudeSource, certified
from tests.transport.tls.chains import Issuer
from tests.transport.tls.chains import crl as revoked
from tests.transport.waiting import Waiter
from twisted_ext.answers import QueryContext
from twisted_ext.errors import Unreachable
from twisted_ext.interfaces import IExchange
from twisted_ext.limits import TLS_SESSION_SECONDS
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.server.listeners.quic.serving import QuicServing
from twisted_ext.server.listeners.quic.servings import QuicServings
from twisted_ext.testing.sources import CannedSource, HeldSource, answerOf, questionOf
from twisted_ext.transport.quic.exchange import QUIC, QuicExchange
from twisted_ext.transport.quic.link import WatchedConnection
from twisted_ext.transport.quic.wire import EXCESSIVE_LOAD, INTERNAL_ERROR, REQUEST_CANCELLED
from twisted_ext.transport.random import Draw
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSTerms, pinOf
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message


class QuicExchangeTests(QuicTestCase):
    """
    Tests for L{QuicExchange}.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.ca = str(written(folder))
        self.terms = TLSTerms(NAME, ca=self.ca)
        self.exchange = self.make(self.terms)

    def tearDown(self) -> None:
        self.successResultOf(self.exchange.close())
        super().tearDown()

    def make(self, terms: TLSTerms, server: Server | None = None, keep: float | None = None) -> QuicExchange:
        return QuicExchange(self.here, server or self.server, Draw(), terms, keep=keep)

    def ask(self, *waiters: Waiter, seconds: float = 0.2) -> list[bytes]:
        """
        Send queries, and wait.

        @return: their keys.
        """
        keys = [self.exchange.ask(waiter, self.here.seconds())[1] for waiter in waiters]
        self.network.advance(seconds)
        return keys

    def fault(self, seconds: float = 0.5) -> str:
        """
        Return the text of the fault in which a query ends.
        """
        waiter = Waiter()
        self.ask(waiter, seconds=seconds)
        self.assertEqual(waiter.replies, [])
        (fault,) = waiter.faults
        self.assertIsInstance(fault, Unreachable)
        return str(fault)

    def test_interface(self) -> None:
        """
        An exchange provides L{IExchange}.
        """
        verifyObject(IExchange, self.exchange)

    def test_reply(self) -> None:
        """
        A query is answered after the handshake, and neither it nor its reply can be read on the way.
        """
        self.serve()
        waiter = Waiter()
        self.ask(waiter)
        self.assertEqual(waiter.faults, [])
        (reply,) = waiter.replies
        self.assertEqual(Message.fromWire(reply).answer[0].rdatas, (bytes((192, 0, 2, 80)),))
        for datagram in self.network.datagrams:
            self.assertNotIn(b"test\x07example", datagram.octets)
            self.assertIn(853, (datagram.source[1], datagram.destination[1]))

    def test_details(self) -> None:
        """
        The outcome of the handshake can be displayed while there is a connection.
        """
        self.serve()
        self.assertIsNone(self.exchange.details)
        self.ask(Waiter())
        details = self.exchange.details
        assert details is not None
        self.assertEqual((details.version, details.protocol, details.names, details.resumed), ("TLSv1.3", "doq", "'dns.example'", False))
        self.assertTrue(details.cipher.startswith("TLS_AES_"))

    def test_padding(self) -> None:
        """
        Queries are padded, so that their length does not reveal the name.
        """
        source = RudeSource()
        self.rude(source)
        waiters = [Waiter("a.test.example"), Waiter("quite-a-long-name-below.test.example")]
        for waiter in waiters:
            waiter.query = waiter.query[:9] + b"\x01" + waiter.query[10:] + bytes.fromhex("00 0029 04d0 00000000 0000")
        self.ask(*waiters, seconds=0.1)
        self.assertEqual([len(octets) for octets in source.queries], [128, 128])

    def test_oneConnection(self) -> None:
        """
        Many queries share a connection, and replies come in any order.
        """
        held = HeldSource()
        listener = self.serve(held)
        first, second = Waiter("one.test.example"), Waiter("two.test.example")
        self.ask(first, second)
        self.assertEqual(len(listener.servings), 1)
        question = questionOf("two.test.example")
        held.release(answerOf(question, "192.0.2.2"), question)
        self.network.advance(0.1)
        self.assertEqual((len(first.replies), len(second.replies)), (0, 1))
        question = questionOf("one.test.example")
        held.release(answerOf(question, "192.0.2.1"), question)
        self.network.advance(0.1)
        self.assertEqual(len(first.replies), 1)

    def test_kept(self) -> None:
        """
        An idle connection is kept for the time that was set, and used again by a query within it.
        """
        listener = self.serve()
        self.ask(Waiter())
        self.exchange.settle()
        self.network.advance(8.0)
        waiter = Waiter()
        self.ask(waiter)
        self.exchange.settle()
        self.assertEqual((len(waiter.replies), len(listener.servings)), (1, 1))
        self.network.advance(8.0)
        self.assertEqual(len(listener.servings), 1)
        self.network.advance(3.0)
        self.assertEqual(self.here.pending(), [])
        self.assertEqual(len(listener.servings), 0)

    def test_notKept(self) -> None:
        """
        A connection is closed after the last reply if idle ones are not to be kept, and its server knows at once.
        """
        listener = self.serve()
        self.exchange = self.make(self.terms, keep=0)
        self.ask(Waiter())
        self.exchange.settle()
        self.network.advance(0.1)
        self.assertEqual(self.here.pending(), [])
        self.assertEqual(len(listener.servings), 0)

    def test_forgotten(self) -> None:
        """
        A server that has lost its connections, as after a restart, says so (RFC 9000, section 10.3), and the query is sent again at once.
        """
        listener = self.serve()
        self.ask(Waiter())
        for serving in listener.servings.all():
            serving.drop()
        waiter = Waiter()
        self.ask(waiter)
        self.assertEqual((len(waiter.replies), waiter.faults), (1, []))

    def test_forgottenByAnother(self) -> None:
        """
        Another process cannot say so: its clients are not those of this one.
        """
        listener = self.serve()
        self.ask(Waiter())
        (serving,) = listener.servings.all()
        identifier = next(iter(serving.ids))
        for token in (bytes(16), QuicServings(RudeSource(), self.there, self.certificates, print).tokenFor(identifier)):
            (port,) = [each for each in self.here.datagramPorts.values() if each.peer is not None]
            self.network.inject(b"\x40" + bytes(20) + token, (self.server.address, 853), ("192.0.2.7", port.port))
        self.ask(Waiter())
        self.assertEqual(listener.servings.all(), [serving])

    def test_resumed(self) -> None:
        """
        A later connection continues the session of an earlier one, and each session is continued once.
        """
        self.serve()
        for resumed in (False, True, True):
            waiter = Waiter()
            self.ask(waiter)
            self.assertEqual(len(waiter.replies), 1)
            details = self.exchange.details
            assert details is not None
            self.assertIs(details.resumed, resumed)
            self.successResultOf(self.exchange.close())
            self.network.advance(0.1)

    def test_sessionEndsAfterTwoHours(self) -> None:
        """
        A session is not continued for longer than over TLS, whatever the server permits: its certificate is not checked again.
        """
        self.serve()
        self.ask(Waiter())
        ticket = self.exchange.ticket
        assert ticket is not None
        self.assertLessEqual((ticket.not_valid_after - ticket.not_valid_before).total_seconds(), TLS_SESSION_SECONDS.default)

    def test_notResumed(self) -> None:
        """
        With a revocation list no session is kept: each connection is checked.
        """
        path = Path(self.mktemp())
        path.write_bytes(revoked(Issuer(load_pem_x509_certificate(authority()[0]), authority()[1])))
        self.serve()
        self.successResultOf(self.exchange.close())
        self.exchange = self.make(TLSTerms(NAME, ca=self.ca, crl=str(path)))
        waiter = Waiter()
        self.ask(waiter)
        self.assertEqual(len(waiter.replies), 1)
        self.assertIsNone(self.exchange.ticket)

    def test_loss(self) -> None:
        """
        Queries are answered although datagrams get lost and arrive in another order.
        """
        self.serve()
        self.network.shape(delay=0.01, jitter=0.02, loss=0.2)
        waiters = [Waiter() for _ in range(60)]
        self.ask(*waiters, seconds=8.0)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1] * 60)

    def test_cancel(self) -> None:
        """
        A query that is given up is cancelled at the server, and the connection stays.
        """
        held = HeldSource()
        listener = self.serve(held)
        (key,) = self.ask(Waiter())
        self.exchange.release(key)
        self.network.advance(0.1)
        (serving,) = listener.servings.all()
        self.assertEqual((serving.open, serving.waiting), (0, 1))
        held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.network.advance(0.1)
        self.assertEqual((serving.waiting, len(listener.servings)), (0, 1))

    def test_cancelBlocked(self) -> None:
        """
        A query beyond the streams that the server permits can be given up as well; the others are answered.
        """
        held = HeldSource()
        listener = self.serve(held)
        listener.servings.mostInFlight = 1000
        waiters = [Waiter() for _ in range(140)]
        keys = self.ask(*waiters)
        (serving,) = listener.servings.all()
        self.exchange.release(keys[135])
        self.network.advance(0.2)
        self.assertEqual(serving.waiting, 128)
        held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.network.advance(0.2)
        held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.network.advance(0.2)
        self.assertEqual(sum([len(waiter.replies) for waiter in waiters]), 139)
        self.assertEqual(listener.servings.all(), [serving])

    def test_cancelAll(self) -> None:
        """
        Queries that wait for streams are sent once those that had them are given up.
        """
        held = HeldSource()
        listener = self.serve(held)
        listener.servings.mostInFlight = 5
        keys = self.ask(*[Waiter() for _ in range(5)])
        listener.servings.mostInFlight = 100
        (serving,) = listener.servings.all()
        waiters = [Waiter() for _ in range(5)]
        self.ask(*waiters)
        self.assertEqual(serving.waiting, 5)
        for key in keys:
            self.exchange.release(key)
        self.network.advance(0.2)
        self.assertEqual((serving.waiting, serving.open), (10, 5))
        for _ in range(2):
            held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
            self.network.advance(0.2)
        self.assertEqual([len(waiter.replies) for waiter in waiters], [1] * 5)
        self.assertEqual(listener.servings.all(), [serving])

    def test_cancelWithinReply(self) -> None:
        """
        The rest of a reply whose query was given up is ignored.
        """
        listener = self.rude(RudeSource())
        (key,) = self.ask(Waiter())
        (serving,) = listener.servings.all()
        serving.link.write(0, b"\x00\x40" + bytes(20), False)
        serving.link.pump()
        self.network.advance(0.1)
        serving.link.write(0, bytes(44), True)
        serving.link.pump()
        self.exchange.release(key)
        self.network.advance(0.1)
        self.assertEqual(listener.servings.all(), [serving])
        serving.waiting = 0

    # -- failures

    def test_otherName(self) -> None:
        """
        A certificate for another name is refused, before the query is sent, in a line that names both.
        """
        listener = self.serve(certificate=certified("other.example"))
        self.assertEqual(
            self.fault(),
            f"192.0.2.53:853 cannot be reached over QUIC: expected a certificate for 'dns.example' from an authority in {self.ca},"
            " it showed one for 'other.example'",
        )
        self.assertEqual(listener.servings.replies.counters.tcp, 0)
        self.assertEqual(len(listener.servings), 0)

    def test_byAddress(self) -> None:
        """
        Without a name, the certificate has to be for the server's address.
        """
        self.serve(certificate=certified("192.0.2.53"))
        self.exchange = self.make(TLSTerms(ca=self.ca))
        waiter = Waiter()
        self.ask(waiter)
        self.assertEqual(len(waiter.replies), 1)
        self.exchange.terms = self.terms
        self.successResultOf(self.exchange.close())
        self.exchange.ticket = None
        self.assertIn("it showed one for '192.0.2.53'", self.fault())

    def test_unknownAuthority(self) -> None:
        """
        A certificate of an authority that the system does not trust is refused.
        """
        self.serve()
        self.exchange = self.make(TLSTerms(NAME))
        self.assertIn("from an authority that the system trusts, its certificate comes from 'made up', which is not trusted", self.fault())

    def test_pin(self) -> None:
        """
        A pinned key needs no authority.
        """
        self.serve()
        self.exchange = self.make(TLSTerms(pins=[pinOf(certified().leaf)]))
        waiter = Waiter()
        self.ask(waiter)
        self.assertEqual(len(waiter.replies), 1)

    def test_otherPin(self) -> None:
        """
        Another key than the pinned one is refused, even if an authority vouches for it.
        """
        self.serve()
        for name in ("", NAME):
            self.exchange = self.make(TLSTerms(name, pins=[bytes(32)], ca=self.ca if name else ""))
            self.assertIn(f"a key with the pin {'A' * 43}=, it showed one with the pin ", self.fault())

    def test_closedPort(self) -> None:
        """
        A query to a closed port fails at once.
        """
        self.assertEqual(self.fault(0.1), "192.0.2.53:853 cannot be reached over QUIC: nothing listens there")
        self.assertEqual(self.here.pending(), [])

    def test_blocked(self) -> None:
        """
        Where QUIC is blocked, a query fails, and nothing is sent in another way.
        """
        self.network.shape("192.0.2.53", silent=True)
        waiter = Waiter()
        self.ask(waiter, seconds=40.0)
        self.assertEqual([str(fault) for fault in waiter.faults], ["192.0.2.53:853 cannot be reached over QUIC: it did not reply"])
        self.assertEqual({datagram.destination for datagram in self.network.datagrams}, {("192.0.2.53", 853)})
        self.assertEqual(sum(self.network.dialed.values()), 0)
        self.assertEqual(self.here.pending(), [])

    def test_noRoute(self) -> None:
        """
        A server without a route to it is an error of the call.
        """
        self.exchange = self.make(self.terms, Server("2001:db8::53", 853))
        fault = self.assertRaises(Unreachable, self.exchange.ask, Waiter(), 0.0)
        self.assertIn("[2001:db8::53]:853 cannot be reached over QUIC", str(fault))
        self.assertEqual(self.here.pending(), [])

    def test_restarted(self) -> None:
        """
        A query whose connection the server closes is sent once more, on a new connection.
        """
        held = HeldSource()
        self.serve(held)
        waiter = Waiter()
        self.ask(waiter)
        self.stop()
        self.serve()
        self.network.advance(0.5)
        self.assertEqual((len(waiter.replies), waiter.faults), (1, []))

    def test_lostTwice(self) -> None:
        """
        A query whose connection is closed a second time fails.
        """
        source = RudeSource(lambda serving, stream, octets: serving.close(EXCESSIVE_LOAD))
        self.rude(source)
        self.assertEqual(self.fault(), "192.0.2.53:853 closed the connection before it answered: DOQ_EXCESSIVE_LOAD")
        self.assertEqual(len(source.queries), 2)

    def test_vanished(self) -> None:
        """
        If a server has forgotten the connection, and does not say so, look-ups get their replies on a new one after a while.
        """
        listener = self.serve()
        self.patch(listener.servings, "_reset", lambda datagram, address: None)
        self.ask(Waiter())
        assert self.listener is not None
        for serving in self.listener.servings.all():
            serving.drop()
        first, second = Waiter(), Waiter()
        self.ask(first, second, seconds=2.4)
        self.assertEqual((first.replies, second.replies, second.faults), ([], [], []))
        self.network.advance(0.3)
        self.assertEqual((len(first.replies), len(second.replies)), (1, 1))

    def test_fewStreams(self) -> None:
        """
        A server that permits one stream, and no others after it, gets a new connection for each query.
        """
        self.serve()
        self.patch(WatchedConnection, "openable", property(lambda connection: 1 - (connection._local_next_stream_id_bidi >> 2)))
        first, second, *others = waiters = [Waiter() for _ in range(6)]
        self.ask(first)
        self.ask(second, seconds=0.5)
        self.assertEqual((len(first.replies), len(second.replies)), (1, 1))
        self.ask(*others, seconds=0.8)
        self.assertEqual([(len(waiter.replies), waiter.faults) for waiter in waiters], [(1, [])] * 6)

    def test_resetStream(self) -> None:
        """
        A query whose stream the server resets fails, and others on the connection do not.
        """

        def reset(serving: QuicServing, stream: int, octets: bytes) -> None:
            serving.link.reset(stream, EXCESSIVE_LOAD)

        self.rude(RudeSource(reset))
        self.assertEqual(self.fault(), "192.0.2.53:853 did not answer over QUIC: it reset the stream with DOQ_EXCESSIVE_LOAD")
        self.assertIsNotNone(self.exchange.details)

    def test_stumblingIsRetried(self) -> None:
        """
        A query whose stream the server resets for a reason of its own is sent once more, on a new connection if no other is in flight.
        """
        for code, name in ((INTERNAL_ERROR, "DOQ_INTERNAL_ERROR"), (REQUEST_CANCELLED, "DOQ_REQUEST_CANCELLED")):
            used: list[QuicServing] = []

            def stumble(serving: QuicServing, stream: int, octets: bytes, used: list[QuicServing] = used, code: int = code) -> None:
                used.append(serving)
                if len(used) == 2:
                    reply = bytearray(octets)
                    reply[2] |= 0x80
                    serving.link.write(stream, frame(bytes(reply)), True)
                else:
                    serving.link.reset(stream, code)

            self.rude(RudeSource(stumble))
            waiter = Waiter()
            self.ask(waiter, seconds=0.5)
            self.assertEqual((len(waiter.replies), waiter.faults, len(set(used))), (1, [], 2))
            self.stop()
            self.network.advance(0.2)
            used.clear()

            def reset(serving: QuicServing, stream: int, octets: bytes, code: int = code) -> None:
                serving.link.reset(stream, code)

            self.rude(RudeSource(reset))
            self.assertEqual(self.fault(), f"192.0.2.53:853 did not answer over QUIC: it reset the stream with {name}")
            self.stop()
            self.network.advance(0.2)

    def violates(self, act: Callable[[QuicServing, int, bytes], None], what: str) -> None:
        """
        Check that the client closes the connection if the server does something.
        """
        self.rude(RudeSource(act))
        self.assertEqual(
            self.fault(), f"192.0.2.53:853 closed the connection before it answered: it sent {what}, which DNS over QUIC forbids"
        )

    def test_replyWithID(self) -> None:
        """
        A reply with another id than 0 is a protocol error.
        """
        self.violates(
            lambda serving, stream, octets: serving.link.write(stream, frame(b"\x00\x07" + octets[2:]), True),
            "a message whose ID is not 0",
        )

    def test_twoReplies(self) -> None:
        """
        Two messages on the stream of a query are a protocol error.
        """
        self.violates(
            lambda serving, stream, octets: serving.link.write(stream, frame(octets) * 2, False),
            "a stream with octets after its only message",
        )

    def test_cutReply(self) -> None:
        """
        A stream that ends before its message is a protocol error.
        """
        self.violates(
            lambda serving, stream, octets: serving.link.write(stream, frame(octets)[:20], True),
            "a stream of 20 octets that is not one whole message",
        )

    def test_otherQuestion(self) -> None:
        """
        A reply to another question fails the query, as no better one can follow.
        """
        other = Waiter("other.test.example").query
        self.rude(RudeSource(lambda serving, stream, octets: serving.link.write(stream, frame(b"\x00\x00" + other), True)))
        waiter = Waiter()
        self.ask(waiter)
        self.assertEqual([str(fault) for fault in waiter.faults], ["192.0.2.53:853 did not answer the question over QUIC"])


class QUICTests(QuicTestCase):
    """
    Tests for L{QUIC}.
    """

    def test_forwarder(self) -> None:
        """
        A forwarder with this transport looks names up over QUIC only.
        """
        self.serve(CannedSource({("www.test.example", "A"): "192.0.2.80"}))
        source = ForwardingSource(self.here, [self.server], transport=QUIC(TLSTerms(pins=[pinOf(certified().leaf)])))
        found = lookUp(source, questionOf("www.test.example"), QueryContext(self.here.seconds() + 5.0))
        self.network.advance(0.5)
        answer = self.successResultOf(found)
        assert answer.origin is not None
        self.assertEqual((answer.origin.source, answer.origin.server), ("quic", "192.0.2.53:853"))
        self.assertEqual({datagram.destination[1] for datagram in self.network.datagrams if datagram.destination[0] == "192.0.2.53"}, {853})
        self.successResultOf(source.close())
        self.network.advance(0.1)
        self.assertEqual(self.here.pending(), [])


class QuicLeakTests(QuicTestCase):
    """
    Tests of what is left after many look-ups.
    """

    def test_released(self) -> None:
        """
        A connection that has ended leaves no reference to itself and its QUIC connection, whether it was closed, lost, refused or replaced,
        and needs no garbage collector for that.
        """
        gc.disable()
        self.addCleanup(gc.enable)
        found: list[weakref.ref[object]] = []
        pin = pinOf(certified().leaf)
        exchange = QuicExchange(self.here, self.server, Draw(), TLSTerms(pins=[pin]))

        def ask() -> bytes:
            key = exchange.ask(Waiter(), self.here.seconds())[1]
            attempt = vars(exchange)["_attempt"]
            found.extend(weakref.ref(each) for each in (attempt, attempt._link, attempt._connection))
            self.network.advance(0.2)
            return key

        # Refused.
        ask()
        self.serve()
        ask()
        exchange.close()
        self.network.advance(0.1)
        ask()
        # Lost.
        self.stop()
        self.network.advance(0.1)
        held = HeldSource()
        self.serve(held)
        key = ask()
        self.network.advance(3.0)
        ask()
        # The connection is replaced.
        exchange.release(key)
        exchange.close()
        held.release(answerOf(questionOf("www.test.example"), "192.0.2.80"))
        self.network.advance(0.1)
        self.here.getDelayedCalls()
        self.assertEqual([each() for each in found], [None] * 15)

    def test_nothingIsLeft(self) -> None:
        """
        After look-ups with losses, cancels, failures and restarts of the server, no socket, timer, stream or counter is left, and no query
        has ended twice.
        """
        dice = Random(7)
        pin = pinOf(certified().leaf)
        exchange = QuicExchange(self.here, self.server, Draw(), TLSTerms(pins=[pin]), keep=2.0)
        self.network.shape(delay=0.005, jitter=0.01, loss=0.05)
        self.serve()
        ended = 0
        for _ in range(60):
            asked: list[tuple[Waiter, bytes]] = []
            for _ in range(dice.randrange(1, 20)):
                waiter = Waiter(dice.choice(("www.test.example", "other.test.example")))
                try:
                    asked.append((waiter, exchange.ask(waiter, self.here.seconds())[1]))
                except Unreachable:
                    ended += 1
            self.network.advance(dice.random() * 0.2)
            if dice.random() < 0.2:
                self.stop()
                if dice.random() < 0.5:
                    self.network.advance(0.5)
                self.serve()
            self.network.advance(dice.random())
            for waiter, key in asked:
                done = len(waiter.replies) + len(waiter.faults)
                self.assertLessEqual(done, 1)
                if not done:
                    exchange.release(key)
                ended += 1
            exchange.settle()
            if dice.random() < 0.1:
                self.network.advance(3.0)
                self.assertEqual(self.here.pending(), [])
        self.assertEqual(exchange.keys, {})
        self.successResultOf(exchange.close())
        self.network.advance(1.0)
        self.assertEqual(self.here.pending(), [])
        self.assertGreater(ended, 300)
