"""
Tests of the rates that limit replies from the packet cache, over UDP and over streams.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, Server
from tests.packetcache.test_table import replyOf
from tests.queries import mixedCase, optOf, queryOf
from twisted_ext.answers import Epoch
from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.clients import Account, Bucket, Client, Clients, Group
from twisted_ext.packetcache.doors import Door
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import KINDS, Reply, Table
from twisted_ext.server.reply.ratelimit import ClientRateLimit
from twisted_ext.wire.codes import TC
from twisted_ext.wire.message import Message

#: The rcode of a denial.
_NXDOMAIN = 3


class _RatesTestCase(SynchronousTestCase):
    """
    A packet cache with one client, whose tokens the test sets.
    """

    def setUp(self) -> None:
        self.epoch = Epoch()
        self.bucket = Bucket(3.0, 0.0)
        self.accounts: tuple[Account, ...] | None = None
        self.group = Group(
            "allowed",
            "allow",
            Table(sights=0),
            Table(sights=0, stream=True),
            Table(sights=0, stream=True, exact=True),
        )
        self.packetCache = PacketCache(Clients(self.classify), (self.group,))
        self.counters = Counters()
        self.beyond: list[bytes] = []
        self.sent: list[bytes] = []

    def classify(self, address: str, now: float, door: Door) -> Client:
        """
        Return the client with the tokens of this test.
        """
        return Client(address, self.group, self.bucket, accounts=self.accounts)

    def ask(self, query: bytes, now: float, times: int = 1) -> int:
        """
        Receive datagrams together; return how many replies the packet cache sends.
        """
        arrived = [(query, (NEAR, 4000))] * times
        before = len(self.sent)

        def send(queries: list[tuple[bytes, tuple[str, int]]], replies: list[bytes]) -> int:
            self.sent.extend(replies)
            return 0

        def beyond(datagram: bytes, address: tuple[str, int], client: Client, now: float) -> None:
            self.beyond.append(datagram)

        self.packetCache.drain(lambda: arrived, send, now, beyond, self.counters)
        return len(self.sent) - before


class ClientRateTests(_RatesTestCase):
    """
    Tests of the rate of one client.
    """

    def finders(self) -> list[tuple[Table, Callable[[bytes, str, float], bytes | None]]]:
        """
        Return the table for TCP and that for encrypted transports, each with what finds a reply in it.
        """
        return [
            (self.group.messages, self.packetCache.find),
            (self.group.encrypted, partial(self.packetCache.find, transport="tls")),
        ]

    def test_streamRepliesTakeTokens(self) -> None:
        """
        A reply from the packet cache takes one token of the client, over TCP and over encrypted transports. A client without a whole
        token gets no reply from the packet cache.
        """
        query = queryOf()
        for table, find in self.finders():
            table.offer(query, replyOf(query, self.epoch))
            self.bucket.tokens = 3.5
            for left in (2.5, 1.5, 0.5):
                self.assertIsNotNone(find(query, NEAR, 0.5))
                self.assertEqual(self.bucket.tokens, left)
            self.assertIsNone(find(query, NEAR, 0.5))
            self.assertEqual(self.bucket.tokens, 0.5)
            self.bucket.tokens = 1.0
            self.assertIsNotNone(find(query, NEAR, 0.5))
            self.assertIsNone(find(query, NEAR, 0.5))

    def test_renewedStreamRepliesTakeTokens(self) -> None:
        """
        A reply whose TTLs have to be counted down takes a token over each stream too.
        """
        query = queryOf()
        for table, find in self.finders():
            table.offer(query, replyOf(query, self.epoch))
            self.bucket.tokens = 2.0
            self.assertIsNotNone(find(query, NEAR, 5.0))
            self.assertIsNotNone(find(query, NEAR, 10.0))
            self.assertEqual(self.bucket.tokens, 0.0)
            self.assertIsNone(find(query, NEAR, 15.0))

    def test_streamRepliesByShapeTakeTokens(self) -> None:
        """
        A reply over TCP for a name in another case takes a token too.
        """
        query = queryOf()
        self.group.messages.offer(query, replyOf(query, self.epoch), varies=True)
        for left in (2.0, 1.0, 0.0):
            self.assertIsNotNone(self.packetCache.find(mixedCase(query, 0x5555 << int(left)), NEAR, 0.5))
            self.assertEqual(self.bucket.tokens, left)
        self.assertIsNone(self.packetCache.find(query, NEAR, 0.5))

    def test_missTakesNoToken(self) -> None:
        """
        The packet cache takes no token for a query that it has no reply to: the full path takes it.
        """
        for _, find in self.finders():
            self.assertIsNone(find(queryOf(), NEAR, 0.5))
        self.assertEqual((self.ask(queryOf(), 0.5), self.bucket.tokens), (0, 3.0))

    def test_datagramsTakeTokens(self) -> None:
        """
        Each reply to a datagram takes a token, whether it is found by its octets, renewed, or found by its shape. The last whole token
        is good for a reply, and queries without one are left to the full path.
        """
        query, other = queryOf(), queryOf("other.test.example")
        self.group.datagrams.offer(query, replyOf(query, self.epoch))
        self.group.datagrams.offer(other, replyOf(other, self.epoch), varies=True)
        for datagram, now in ((query, 0.5), (query, 5.0), (mixedCase(other, 0x5555), 5.0)):
            self.bucket.tokens = 3.0
            self.assertEqual(self.ask(datagram, now), 1)
            self.assertEqual(self.bucket.tokens, 2.0)
            self.beyond.clear()
            self.assertEqual((self.ask(datagram, now, 5), self.bucket.tokens), (2, 0.0))
            self.assertEqual(self.beyond, [datagram] * 3)

    def test_zoneRepliesTakeTokens(self) -> None:
        """
        A reply from a zone takes a token each time that it is sent by the shortest path.
        """
        self.packetCache = PacketCache(Clients(self.classify), (self.group,), quick=True)
        query = queryOf()
        octets = query[:2] + b"\x85\x00" + query[4:]
        reply = Reply(octets, (), 0.0, 0, float("inf"), self.epoch, len(query), whole=True, known=True)
        self.group.datagrams.offer(query, reply)
        self.assertEqual((self.ask(query, 0.5), self.bucket.tokens), (1, 2.0))
        self.assertEqual(list(self.group.datagrams.quick), [query[2:]])
        self.assertEqual((self.ask(query, 0.5, 5), self.bucket.tokens), (2, 0.0))

    def test_transportsShareTheRate(self) -> None:
        """
        What a client is sent over TCP and over encrypted transports counts for what it is sent over UDP.
        """
        query = queryOf()
        for table in self.group.tables:
            table.offer(query, replyOf(query, self.epoch))
        self.assertIsNotNone(self.packetCache.find(query, NEAR, 0.5))
        self.assertIsNotNone(self.packetCache.find(query, NEAR, 0.5, "tls"))
        self.assertEqual(self.ask(query, 0.5, 5), 1)

    def test_serverCountsStreamReplies(self) -> None:
        """
        A client that has been sent as many replies over TCP as its rate allows gets no whole reply over UDP in that second.
        """
        clock = Clock()
        clock.advance(1_000_000)
        server = Server(clock, rates=ClientRateLimit(10, burst=1), eager=True)
        # The packet cache has the reply after two queries.
        for _ in range(2):
            self.assertIsNotNone(server.stream(queryOf()))
        beyond = server.beyond
        for _ in range(8):
            self.assertIsNotNone(server.stream(queryOf()))
        self.assertEqual(server.beyond, beyond)
        self.assertEqual([reply for reply in server.askAll([queryOf()] * 20) if not reply[2] & 2], [])
        clock.advance(1)
        self.assertEqual(len([reply for reply in server.askAll([queryOf()] * 20) if not reply[2] & 2]), 10)


class ResponseRateTests(_RatesTestCase):
    """
    Tests of the response rate limit of one network.
    """

    def setUp(self) -> None:
        super().setUp()
        self.bucket.tokens = 1000.0
        self.accounts = tuple([Account(0.0, -10.0, 1) for _ in KINDS])
        for account in self.accounts:
            account.tokens = 3.0

    def tokens(self) -> list[float]:
        """
        Return the tokens left for each kind of reply.
        """
        assert self.accounts is not None
        return [account.tokens for account in self.accounts]

    def test_repliesByShapeCount(self) -> None:
        """
        A reply that is found by the shape of its query counts for the response rate limit of the network. Without a token the query is
        left to the full path, which exempts clients with a valid cookie.
        """
        query = queryOf()
        self.group.datagrams.offer(query, replyOf(query, self.epoch), varies=True)
        cased = mixedCase(query, 0x5555)
        self.assertEqual(self.ask(cased, 0.5), 1)
        self.assertEqual(self.tokens(), [2.0, 3.0, 3.0, 3.0, 3.0])
        self.assertEqual((self.ask(cased, 0.5, 5), self.tokens()[0]), (2, 0.0))
        self.assertEqual(self.beyond, [cased] * 3)
        self.assertEqual((self.counters.udp, self.counters.udpBeyond, self.counters.replies[0]), (6, 3, 3))

    def test_renewedRepliesCount(self) -> None:
        """
        A reply whose TTLs have to be counted down counts for the response rate limit, and is not sent without a token.
        """
        query = queryOf()
        self.group.datagrams.offer(query, replyOf(query, self.epoch))
        for number in range(3):
            self.assertEqual(self.ask(query, 2.0 + number), 1)
            self.assertEqual(self.tokens(), [2.0 - number, 3.0, 3.0, 3.0, 3.0])
        self.assertEqual((self.ask(query, 10.0), self.beyond), (0, [query]))

    def test_denialsByShapeCountAsDenials(self) -> None:
        """
        A denial that is found by the shape of its query takes a token of the denials, not one of the answers.
        """
        query = queryOf("no.test.example")
        octets = query[:2] + bytes([0x81, 0x80 | _NXDOMAIN]) + query[4:]
        reply = Reply(octets, (), 0.0, 0, 100.0, self.epoch, len(query), whole=True)
        self.group.datagrams.offer(query, reply, varies=True)
        cased = mixedCase(query, 0x5555)
        self.assertEqual(self.ask(cased, 0.5, 2), 2)
        self.assertEqual(self.tokens(), [3.0, 1.0, 3.0, 3.0, 3.0])
        self.assertEqual((self.ask(cased, 0.5, 5), self.tokens()), (1, [3.0, 0.0, 3.0, 3.0, 3.0]))
        self.assertEqual(self.counters.replies[_NXDOMAIN], 3)

    def test_refusedReplyIsNotCountedAsBlocked(self) -> None:
        """
        A reply for a blocked name that is not sent, because the network has no token, is not among the blocked replies of the operator's
        statistics. The full path counts what it sends instead.
        """
        query = queryOf("ads.test.example")
        octets = query[:2] + bytes([0x81, 0x80 | _NXDOMAIN]) + query[4:]
        reply = Reply(octets, (), 0.0, 0, 100.0, self.epoch, len(query), whole=True, blocked=True)
        self.group.datagrams.offer(query, reply, varies=True)
        cased = mixedCase(query, 0x5555)
        self.assertEqual(self.ask(cased, 0.5, 5), 3)
        self.assertEqual(self.beyond, [cased] * 2)
        self.assertEqual(self.packetCache.blocked, 3)

    def test_withheldRepliesAreCounted(self) -> None:
        """
        A withheld reply whose account is shut is replaced by a truncated one or by none, and the operator sees how many of both there
        were. It passes the packet cache as far as the statistics are concerned.
        """
        assert self.accounts is not None
        account = self.accounts[0]
        account.slip, account.shut = 2, 9.0
        query = queryOf()
        self.group.datagrams.offer(query, replyOf(query, self.epoch))
        self.assertEqual(self.ask(query, 0.5, 7), 5)
        self.assertEqual((self.beyond, self.counters.udpBeyond, self.counters.replies[0]), ([], 4, 5))
        self.assertEqual((self.counters.refusals, self.counters.dropped), ({"limit": 4}, 2))
        self.assertEqual(account.tokens, -4.0)

    def test_truncatedReplyIsValid(self) -> None:
        """
        A truncated reply has the question, TC and the OPT record of the reply that is withheld. Where that has EDNS options, which may be
        for another client, the full path makes it, and counts it.
        """
        assert self.accounts is not None
        account = self.accounts[0]
        end = len(queryOf())
        for options, whole in (((), True), ([(15, b"\x00\x00")], False)):
            account.tokens, account.slip, account.shut = 0.0, 1, 9.0
            query = queryOf(opt=optOf(options=[(65001, b"")]))
            opt = optOf(options=options)
            octets = (
                query[:2]
                + b"\x85\x80\x00\x01\x00\x01\x00\x00\x00\x01"
                + query[12:end]
                + b"\xc0\x0c"
                + query[end - 4 : end]
            )
            octets += b"\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01" + opt
            reply = Reply(octets, (), 0.0, 0, 100.0, self.epoch, end, whole=True, plain=not options)
            self.group.datagrams.offer(query, reply)
            self.sent.clear()
            self.beyond.clear()
            self.assertEqual(self.ask(query, 0.5), 1 if whole else 0)
            self.assertEqual((self.beyond, account.tokens), ([], -1.0) if whole else ([query], 0.0))
            self.assertEqual(self.counters.dropped, 0)
            for short in self.sent:
                message = Message.fromWire(query[:2] + short).check()
                assert message.edns is not None
                self.assertEqual((message.flags & TC, message.answer, message.edns.options), (TC, (), ()))

    def test_debtIsBounded(self) -> None:
        """
        Withheld replies count no further than the lowest balance, so that a network gets replies again soon after a long flood.
        """
        account = Account(0.0, -3.0, 0)
        for tokens in (-1.0, -2.0, -3.0, -3.0, -3.0):
            self.assertFalse(account.holdBack())
            self.assertEqual(account.tokens, tokens)

    def test_accountIsAskedAgainWhenThePauseEnds(self) -> None:
        """
        A query without a token is left to the full path, which adds tokens, from the moment at which the account's pause ends.
        """
        assert self.accounts is not None
        account = self.accounts[0]
        account.tokens, account.shut = 0.0, 2.0
        query = queryOf()
        self.group.datagrams.offer(query, replyOf(query, self.epoch, learned=1.5))
        self.assertEqual((self.ask(query, 1.75), self.beyond), (1, []))
        self.assertEqual((self.ask(query, 2.0), self.beyond), (0, [query]))


class RefillTests(SynchronousTestCase):
    """
    Tests of L{Bucket.fill}.
    """

    def test_tokensAreAddedOverTime(self) -> None:
        """
        A client gets tokens at its rate, up to a full bucket.
        """
        bucket = Bucket(0.0, 100.0)
        for now, tokens in ((100.0, 0.0), (100.5, 2.0), (101.5, 6.0), (102.0, 8.0), (200.0, 10.0)):
            bucket.fill(now, 4.0, 10.0)
            self.assertEqual(bucket.tokens, tokens)

    def test_clockSetBackDoesNotStopTheRefill(self) -> None:
        """
        A clock that is set back takes no tokens and adds none, and tokens are added from then on as before.
        """
        bucket = Bucket(1.0, 1000.0)
        for now, tokens in ((400.0, 1.0), (400.5, 3.0), (401.0, 5.0), (1.0, 5.0), (2.0, 9.0)):
            bucket.fill(now, 4.0, 10.0)
            self.assertEqual(bucket.tokens, tokens)

    def test_limitedClientIsAnsweredAfterClockIsSetBack(self) -> None:
        """
        A client over its rate is answered again a second after the clock is set back, not only when the clock is where it was.
        """
        clock = Clock()
        clock.advance(1_000_000)
        server = Server(clock, rates=ClientRateLimit(10, burst=1, slip=0), eager=True)
        self.assertEqual(len(server.askAll([queryOf(opt=optOf())] * 30)), 10)
        clock.rightNow -= 5000
        self.assertEqual(server.askAll([queryOf(opt=optOf())] * 30), [])
        clock.advance(1)
        self.assertEqual(len(server.askAll([queryOf(opt=optOf())] * 30)), 10)
