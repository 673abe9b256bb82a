"""
Tests of which queries share a reply of the packet cache, at the limits of what is plain.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, SECRET, Server, again
from tests.packetcache.test_table import replyOf
from tests.queries import COOKIE, mixedCase, optOf, queryOf
from twisted_ext.answers import Epoch
from twisted_ext.packetcache.shape import hasShape, shapeOf
from twisted_ext.packetcache.table import Table
from twisted_ext.server.reply.cookies import Cookies


def keyOf(query: bytes) -> bytes:
    """
    Return the key of a query's shape; empty if a reply cannot be kept by it.
    """
    key, end, _, _ = shapeOf(query, query[2:])
    return key if key and hasShape(query, end) else b""


class LimitTests(SynchronousTestCase):
    """
    Tests of L{shapeOf} and L{hasShape}.
    """

    def test_typesOfLettersAreKeptApart(self) -> None:
        """
        Clients that ask for two types whose octets are the two cases of one letter get different replies, for each letter from A to Z.
        """
        for number in range(256):
            for opt in (b"", optOf(), optOf(flags=0x8000)):
                key = keyOf(queryOf(rrType=number, opt=opt))
                self.assertTrue(key)
                self.assertNotEqual(key, keyOf(queryOf(rrType=number ^ 0x20, opt=opt)), number)

    def test_fewOptionsArePlain(self) -> None:
        """
        A query with up to four options shares its reply with others; one with more is left to the full parser, so that a client cannot
        make it cost much.
        """
        for count in range(8):
            options = [(65001 + number, b"?") for number in range(count)]
            self.assertEqual(bool(keyOf(queryOf(opt=optOf(options=options)))), count <= 4, count)

    def test_optionsThatChangeTheReplyAreNotPlain(self) -> None:
        """
        A client that asks for the name of the server, for the zone's expiry or for keepalive gets a reply that is made for it.
        """
        for code, plain in (
            (2, True),
            (3, False),
            (4, True),
            (8, True),
            (9, False),
            (10, True),
            (11, False),
            (12, True),
        ):
            self.assertEqual(bool(keyOf(queryOf(opt=optOf(options=[(65001, b""), (code, bytes(8))])))), plain, code)

    def test_optionsEndWithTheMessage(self) -> None:
        """
        A query whose last option is longer or shorter than the rest of the message is left to the full parser, which refuses it.
        """
        query = queryOf(opt=optOf(options=[(65001, b"abcd")]))
        self.assertTrue(keyOf(query))
        for length in (0, 1, 2, 3, 5, 6, 255):
            self.assertEqual(keyOf(query[:-5] + bytes([length]) + query[-4:]), b"", length)

    def test_longestLabelIsPlain(self) -> None:
        """
        A name with a label of 63 octets is plain, and one with a longer label is not a name.
        """
        for length, plain in ((1, True), (62, True), (63, True), (64, False), (128, False), (191, False)):
            self.assertEqual(bool(keyOf(queryOf(bytes([length]) + b"a" * length + b"\x00"))), plain, length)

    def test_onlyRDADAndCDArePlain(self) -> None:
        """
        Queries differ by RD, AD, CD and DO, each of which may change the reply. Other flags are left to the full path.
        """
        keys = set()
        for bit in range(16):
            flags = 1 << bit
            key = keyOf(queryOf(flags=flags))
            self.assertEqual(bool(key), flags in (0x0100, 0x0020, 0x0010), hex(flags))
            keys.add(key)
        keys.update([keyOf(queryOf(opt=optOf())), keyOf(queryOf(opt=optOf(flags=0x8000)))])
        self.assertEqual(len(keys), 6)

    def test_ownerOfOPTIsTheRoot(self) -> None:
        """
        A record of another type, another owner, version or extended rcode than those of a plain OPT record is left to the full path.
        """
        query = queryOf(opt=optOf())
        start = len(query) - len(optOf())
        self.assertTrue(keyOf(query))
        for offset in (0, 1, 2, 5, 6):
            for change in (1, 2, 128):
                octets = bytearray(query)
                octets[start + offset] ^= change
                self.assertEqual(keyOf(bytes(octets)), b"", (offset, change))

    def test_otherCountsAreNotPlain(self) -> None:
        """
        A message with other numbers of questions and records than a plain query is left to the full path.
        """
        for query in (queryOf(), queryOf(opt=optOf())):
            for offset in range(4, 12):
                octets = bytearray(query)
                octets[offset] ^= 2
                self.assertEqual(keyOf(bytes(octets)), b"", offset)


class FoldedTests(SynchronousTestCase):
    """
    Tests of L{Table} with queries whose letters are folded outside their names.
    """

    def test_foldedOctetsShareNoReply(self) -> None:
        """
        A reply is never sent to a query of another type or class, although both are equal once capital letters are made small.
        """
        for first, second in (
            (queryOf(rrType=0x4101), queryOf(rrType=0x6101)),
            (queryOf(rrType=0x4141), queryOf(rrType=0x6141)),
            (queryOf(rrClass=0x41), queryOf(rrClass=0x61)),
            (queryOf(rrClass=0x5A00), queryOf(rrClass=0x7A00)),
        ):
            table = Table(sights=0)
            table.offer(first, replyOf(first, Epoch()), varies=True)
            self.assertIsNotNone(again(table, first, 0.5))
            self.assertIsNone(again(table, second, 0.5))

    def test_replyToNoQueryIsForItsOctets(self) -> None:
        """
        A reply to a message that is not a plain query, such as one with another opcode, is not sent to one with a name in another case.
        """
        for flags in (0x2000, 0x8100, 0x0140, 0x0300):
            query = queryOf(flags=flags)
            table = Table(sights=0)
            table.offer(query, replyOf(query, Epoch()), varies=True)
            self.assertIsNotNone(table.find(query[2:]))
            self.assertIsNone(again(table, mixedCase(query, 0x5555), 0.5))


class CookieTests(SynchronousTestCase):
    """
    Tests of L{Table} with cookies that are not replied to.
    """

    def test_serverWithoutCookiesIgnoresThem(self) -> None:
        """
        A server whose operator has turned cookies off gives a client with a cookie the reply that others get, and no cookie.
        """
        clock = Clock()
        clock.advance(1_000_000)
        server = Server(clock, eager=True)
        plain = queryOf(opt=optOf(options=[(65001, b"")]))
        mine = queryOf(opt=optOf(options=[(COOKIE, b"clientA1")]))
        for _ in range(3):
            wanted = server.ask(plain)
        for _ in range(3):
            self.assertEqual(server.ask(mine), wanted)
        table = server.packetCache.clients.find(NEAR, 0.0).table
        for cased in (mixedCase(mine, 0x5555), mixedCase(mine, 0x2A2A)):
            self.assertIsNone(table.again(cased, cased[2:], clock.seconds(), NEAR, None))

    def test_replyWithoutCookieIsForTheseOctets(self) -> None:
        """
        A reply without a cookie to a query with one is only for queries with the same octets: it may be about the cookie.
        """
        table = Table(sights=0)
        query = queryOf(opt=optOf(options=[(COOKIE, b"short")]))
        table.offer(query, replyOf(query, Epoch()), varies=True)
        self.assertIsNotNone(table.find(query[2:]))
        for options in ([], [(COOKIE, b"short")], [(65001, b"")]):
            self.assertIsNone(again(table, mixedCase(queryOf(opt=optOf(options=options)), 0x5555), 0.5))

    def test_replyWithCookieIsNotKeptByOctets(self) -> None:
        """
        A reply that is followed by a client's cookie is kept by shape or not at all, so that no other client gets it without its own.
        """
        for query in (queryOf(opt=optOf(options=[(COOKIE, b"clientA1"), (3, b"")])), queryOf(flags=0x0500)):
            table = Table(sights=0)
            table.offer(query, replyOf(query, Epoch()), varies=True, personal=True)
            self.assertEqual(len(table), 0)


class StreamTests(SynchronousTestCase):
    """
    Tests of a server's replies over TCP.
    """

    def test_clientWithCookieIsAnsweredFromPacketCache(self) -> None:
        """
        Over TCP a client with a cookie gets its reply from the packet cache too, with the cookie, whatever the case of the name.
        """
        clock = Clock()
        clock.advance(1_000_000)
        server = Server(clock, cookies=Cookies(SECRET), eager=True)
        query = queryOf(opt=optOf(options=[(COOKIE, b"clientA1")]))
        for _ in range(3):
            made = server.stream(query)
        assert made is not None
        beyond = server.beyond
        cased = mixedCase(query, 0x5555)
        end = len(queryOf())
        self.assertEqual(server.stream(cased), made[:12] + cased[12:end] + made[end:])
        self.assertIn(b"clientA1", made)
        self.assertEqual(server.beyond, beyond)
