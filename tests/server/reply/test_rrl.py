"""
Tests of response rate limiting.
"""

from __future__ import annotations

from struct import pack
from typing import Final

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import SECRET, Server
from tests.queries import COOKIE, mixedCase, optOf, queryOf
from twisted_ext.errors import BadDescription
from twisted_ext.packetcache.clients import Client, Group
from twisted_ext.packetcache.table import KINDS, kindOf
from twisted_ext.server.limits import RESPONSE_NETWORKS
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.reply.rrl import ResponseRateLimit
from twisted_ext.wire.codes import QR, RA, RD, TC
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText

#: An address in the flooded network, another one in its /24, one in the next /24, and one elsewhere.
VICTIM: Final = "192.0.2.7"
NEIGHBOR: Final = "192.0.2.200"
NEXT: Final = "192.0.3.1"
OTHER: Final = "198.51.100.1"

ANY_CLIENT: Final = Access({"allow": ["any"]})


def countWhole(replies: list[bytes]) -> int:
    """
    Return the number of replies that are not truncated.
    """
    return len([reply for reply in replies if not reply[2] & 2])


class LimitingTests(SynchronousTestCase):
    """
    Tests of a server that sends ten replies of each kind in a second to one network.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.limiting = ResponseRateLimit(10, window=2)
        self.server = self.serverWith(self.limiting)

    def serverWith(self, limiting: ResponseRateLimit | None, eager: bool = True) -> Server:
        return Server(
            self.clock, limiting=limiting, access=ANY_CLIENT, cookies=Cookies(SECRET), eager=eager, remembers=eager
        )

    def test_floodedNetworkGetsTenReplies(self) -> None:
        """
        A flooded /24 gets ten replies, and a truncated one for every second further query; other networks are not affected. This holds with
        and without the packet cache.
        """
        for eager in (True, False):
            server = self.serverWith(ResponseRateLimit(10), eager)
            sent = [server.ask(queryOf(id=number), (VICTIM, NEIGHBOR)[number % 2]) for number in range(110)]
            replies = [reply for reply in sent if reply is not None]
            self.assertEqual((countWhole(replies), len(replies)), (10, 60))
            short = Message.fromWire(replies[-1]).check()
            self.assertEqual((short.flags & ~RA, short.questions), (QR | RD | TC, Message.fromWire(queryOf()).questions))
            self.assertEqual(len(replies[-1]), len(queryOf()))
            self.assertEqual(countWhole(server.askAll([queryOf()] * 10, NEXT)), 10)
            self.assertEqual(server.responder.counters.refusals, {"limit": 100})
            self.assertEqual(server.responder.counters.dropped, 50)

    def test_noLimitByDefault(self) -> None:
        """
        A server without limits answers a flood.
        """
        for limiting in (None, ResponseRateLimit(), ResponseRateLimit(0)):
            server = self.serverWith(limiting)
            self.assertEqual(countWhole(server.askAll([queryOf()] * 500, VICTIM)), 500)

    def test_eachKindHasItsLimit(self) -> None:
        """
        Each kind of reply is limited separately: denials for a network do not use up its answers.
        """
        self.assertEqual(countWhole(self.server.askAll([queryOf(f"no{number}.test.example") for number in range(50)], VICTIM)), 10)
        self.assertEqual(countWhole(self.server.askAll([queryOf("no.test.example")] * 50, VICTIM)), 0)
        self.assertEqual(countWhole(self.server.askAll([queryOf(rrType="AAAA")] * 50, VICTIM)), 10)
        self.assertEqual(countWhole(self.server.askAll([queryOf(rrType="AXFR")] * 50, VICTIM)), 10)
        self.assertEqual(countWhole(self.server.askAll([queryOf()] * 50, VICTIM)), 10)

    def test_kindFromHeader(self) -> None:
        """
        The kind of a reply is derived from its header.
        """
        for flags, answers, kind in (
            (0x8400, 1, "positive"),
            (0x8400, 256, "positive"),
            (0x8403, 1, "nxdomain"),
            (0x8400, 0, "nodata"),
            (0x8000, 0, "referral"),
            (0x8005, 0, "error"),
            (0x8401, 1, "error"),
        ):
            self.assertEqual(KINDS[kindOf(pack(">HHHHH", flags, 1, answers, 0, 0))], kind)

    def test_validCookieIsExempt(self) -> None:
        """
        A client with a valid cookie is always answered, even in a flooded network; a made-up cookie is not exempt.
        """
        first = self.server.ask(queryOf(opt=optOf(options=[(COOKIE, b"clientA1")])), VICTIM)
        assert first is not None
        edns = Message.fromWire(first).check().edns
        assert edns is not None
        mine = queryOf(opt=optOf(options=[(COOKIE, edns.options[0][1])]))
        made = queryOf(opt=optOf(options=[(COOKIE, b"clientA1" + b"\x01" + bytes(15))]))
        self.assertLess(countWhole(self.server.askAll([queryOf()] * 100, NEIGHBOR)), 10)
        self.assertEqual(countWhole(self.server.askAll([mine] * 100, VICTIM)), 100)
        self.assertEqual(countWhole(self.server.askAll([made] * 100, VICTIM)), 0)

    def test_streamsAreExempt(self) -> None:
        """
        Queries over TCP are always answered, since their addresses cannot be spoofed.
        """
        self.server.askAll([queryOf()] * 100, VICTIM)
        self.assertEqual(countWhole([self.server.stream(queryOf(), VICTIM) or b"\xff\xff\xff" for _ in range(100)]), 100)

    def test_configuredNetworkIsExempt(self) -> None:
        """
        Networks can be exempt.
        """
        server = self.serverWith(ResponseRateLimit(10, exempt=["192.0.2.0/24"]))
        self.assertEqual(countWhole(server.askAll([queryOf()] * 100, VICTIM)), 100)
        self.assertEqual(countWhole(server.askAll([queryOf()] * 100, OTHER)), 10)
        self.assertRaises(BadDescription, ResponseRateLimit, exempt=["192.0.2.1/24"])

    def test_limitLastsAsLongAsFlood(self) -> None:
        """
        No query of a flooded network is answered while the flood lasts; all are again two seconds after its end.
        """
        self.server.askAll([queryOf()] * 50, VICTIM)
        for _ in range(50):
            self.clock.advance(0.2)
            self.assertEqual(countWhole(self.server.askAll([queryOf()] * 40, VICTIM)), 0)
        for seconds, got in ((1.9, 0), (0.5, 1), (1.2, 10)):
            self.clock.advance(seconds)
            self.assertEqual(countWhole(self.server.askAll([queryOf()] * got or [queryOf()], VICTIM)), got)

    def test_clientBelowRateIsNeverLimited(self) -> None:
        """
        A client below the rate is never limited.
        """
        for _ in range(1000):
            self.clock.advance(0.101)
            self.assertEqual(countWhole(self.server.askAll([queryOf()], VICTIM)), 1)

    def test_largeNetworksAreLimited(self) -> None:
        """
        A network of many /24 has a limit of a few of them; the same holds in IPv6 for many /56.
        """
        for form, most in (("10.0.{}.1", 80), ("fd00:0:0:{:x}00::1", 80)):
            replies = [self.server.ask(queryOf(), form.format(number % 16)) for number in range(800)]
            self.assertEqual(countWhole([reply for reply in replies if reply is not None]), most)
        for form, most in (("10.1.{}.1", 320), ("fd01:0:{:x}::1", 640)):
            replies = [self.server.ask(queryOf(), form.format(number % 256)) for number in range(2560)]
            self.assertEqual(countWhole([reply for reply in replies if reply is not None]), most)

    def test_slipSetsTruncatedShare(self) -> None:
        """
        The share of truncated replies can be set.
        """
        for slip, count in ((0, 10), (1, 110), (3, 43)):
            server = self.serverWith(ResponseRateLimit(10, slip=slip))
            self.assertEqual(len(server.askAll([queryOf()] * 110, VICTIM)), count)

    def test_spellingsShareAnAccount(self) -> None:
        """
        Queries in mixed case, with or without EDNS, share an account, and truncated replies have the OPT record of other replies.
        """
        self.server.askAll([queryOf()] * 10, VICTIM)
        for bits in range(4):
            self.assertEqual(countWhole(self.server.askAll([mixedCase(queryOf(), bits << 12)] * 8, VICTIM)), 0)
        for opt in (optOf(), optOf(flags=0x8000)):
            replies = self.server.askAll([queryOf(opt=opt)] * 8, VICTIM)
            self.assertTrue(replies)
            for reply in replies:
                message = Message.fromWire(reply).check()
                assert message.edns is not None
                self.assertEqual((message.flags & TC, message.edns.flags & 0x8000), (TC, opt[7] << 8))

    def test_clockGoingBackAddsNothing(self) -> None:
        """
        A clock that goes back adds no tokens, and locks no network out for longer than it went back.
        """
        self.server.askAll([queryOf()] * 100, VICTIM)
        accounts = self.limiting.accountsFor(VICTIM, 0.0)
        assert accounts is not None
        tokens = accounts[0].tokens
        self.assertFalse(self.limiting.takes(accounts[0], 5.0))
        self.assertEqual(accounts[0].tokens, tokens)

    def test_clockGoesOnFromThere(self) -> None:
        """
        A network that has used up its replies gets further ones a second after the clock has gone back, not when it has caught up.
        """
        accounts = self.limiting.accountsFor(VICTIM, 1000.0)
        assert accounts is not None
        self.assertTrue(all(self.limiting.takes(accounts[0], 1000.0) for _ in range(10)))
        accounts[0].shut = 0.0
        self.assertFalse(self.limiting.takes(accounts[0], 900.0))
        self.assertTrue(self.limiting.takes(accounts[0], 901.0))

    def test_debtIsItsOwn(self) -> None:
        """
        What a flooded network pays off after the flood is not taken from the larger network that it is in.
        """
        self.server.askAll([queryOf()] * 100, VICTIM)
        self.clock.advance(2.5)
        self.assertEqual(countWhole(self.server.askAll([queryOf()], VICTIM)), 1)
        replies = [self.server.ask(queryOf(), f"192.0.{1 + number % 15}.1".replace(".2.1", ".14.1")) for number in range(300)]
        # The larger one has 80, of which the flooded one got 5.
        self.assertEqual(countWhole([reply for reply in replies if reply is not None]), 75)

    def test_signedQueriesAreExempt(self) -> None:
        """
        A query with a valid TSIG record is answered even in a flooded network, while the others of its client are not.
        """
        request = Request.fromWire(queryOf(), (VICTIM, 53535), "udp")
        assert request is not None
        request.record = Client(VICTIM, Group("any", "allow"), accounts=self.limiting.accountsFor(VICTIM, 1000.0))
        reply = pack(">HHHHHH", 1, 0x8400, 1, 1, 0, 0)
        self.assertEqual(sum([self.limiting.allows(request, reply, 1000.0) for _ in range(50)]), 10)
        request.keyName = nameFromText("key.example")
        self.assertTrue(self.limiting.allows(request, reply, 1000.0))

    def test_knownNetworksAreBounded(self) -> None:
        """
        The number of known networks is limited under spoofed addresses.
        """
        most = int(RESPONSE_NETWORKS.default)
        for number in range(2 * most):
            self.limiting.accountsFor(f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}.1", 1.0)
        self.assertLessEqual(len(self.limiting), 2 * most)

    def test_unixClientIsNotCounted(self) -> None:
        """
        A client of a UNIX socket is not limited, and an address with a scope counts without it.
        """
        self.assertIsNone(self.limiting.accountsFor("", 0.0))
        self.assertIsNone(self.limiting.accountsFor("nobody", 0.0))
        self.assertIs(self.limiting.accountsFor("fe80::1%eth0", 0.0), self.limiting.accountsFor("fe80::2", 0.0))
