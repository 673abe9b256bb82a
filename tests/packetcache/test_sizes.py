"""
Tests of the size of replies from the packet cache.
"""

from __future__ import annotations

from struct import pack

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, SECRET, Server
from tests.queries import COOKIE, mixedCase, optOf, queryOf
from twisted_ext.answers import Epoch
from twisted_ext.packetcache.table import CookieOptions, Reply, Table
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.wire.message import Message

_CLIENT_COOKIE = b"clientA1"

#: The cookie option of a reply: its code, its length, the client's part and the server's.
_OPTION = pack(">HH", COOKIE, 24) + _CLIENT_COOKIE + bytes(range(16))


class _Given(CookieOptions):
    """
    Replies to all cookies with the same.
    """

    def optionFor(self, client: str, octets: bytes, now: float) -> bytes | None:
        return pack(">H", len(_OPTION)) + _OPTION


def replyOfSize(query: bytes, size: int, *, edns: bool = True) -> Reply:
    """
    Return a reply of so many octets with one record, and with an OPT record without options.
    """
    end = len(queryOf())
    opt = optOf() if edns else b""
    rdata = bytes(size - end - 12 - len(opt))
    record = b"\xc0\x0c" + pack(">HHIH", 65280, 1, 300, len(rdata)) + rdata
    octets = query[:2] + pack(">HHHHH", 0x8180, 1, 1, 0, 1 if edns else 0) + query[12:end] + record + opt
    assert len(octets) == size
    return Reply(octets, (), 0.0, 0, 1e9, Epoch(), end, whole=True, plain=edns)


def asking(size: int, cookie: bytes = b"") -> bytes:
    """
    Return a query of a client that offers this UDP size, with a name in mixed case.
    """
    return mixedCase(queryOf(opt=optOf(size, options=[(COOKIE, cookie)] if cookie else ())), 0x5555555)


class SizeTests(SynchronousTestCase):
    """
    Tests of L{Table.again} with replies that just fit.
    """

    def tableWith(self, size: int, *, cookie: bool = False, edns: bool = True, stream: bool = False) -> Table:
        """
        Return a table with a reply of this size, kept by the shape of its query.
        """
        table = Table(1 << 21, sights=0, stream=stream)
        options = [(COOKIE, _CLIENT_COOKIE)] if cookie else [(65001, b"")]
        query = queryOf(opt=optOf(options=options) if edns else b"")
        table.offer(query, replyOfSize(query, size, edns=edns), varies=True, personal=cookie)
        self.assertEqual(len(table), 1)
        return table

    def sent(self, table: Table, query: bytes) -> int | None:
        """
        Return the octets of the whole reply to a query, L{None} if the table has none that may be sent.
        """
        reply = table.again(query, query[2:], 0.5, NEAR, _Given())
        if reply is None:
            return None
        Message.fromWire(query[:2] + reply).check()
        return len(query[:2] + reply)

    def test_replyFitsTheSizeThatTheClientOffers(self) -> None:
        """
        A reply that is exactly as large as the client allows is sent, and one that is an octet larger is not.
        """
        for size in (512, 513, 700, 1023, 1024, 1231, 1232):
            table = self.tableWith(size)
            self.assertEqual(self.sent(table, asking(size)), size)
            self.assertEqual(self.sent(table, asking(size + 1)), size)
            if size > 512:
                self.assertIsNone(self.sent(table, asking(size - 1)), size)

    def test_cookieCountsTowardTheSize(self) -> None:
        """
        The octets of the cookie count: a reply that would only fit without it is not sent.
        """
        for size in (512, 513, 700, 1231, 1232):
            table = self.tableWith(size - len(_OPTION), cookie=True)
            self.assertEqual(self.sent(table, asking(size, _CLIENT_COOKIE)), size)
            if size > 512:
                self.assertIsNone(self.sent(table, asking(size - 1, _CLIENT_COOKIE)), size)
        table = self.tableWith(513 - len(_OPTION), cookie=True)
        self.assertIsNone(self.sent(table, asking(512, _CLIENT_COOKIE)))
        self.assertEqual(self.sent(table, asking(512)), 513 - len(_OPTION))

    def test_smallestSizeIs512(self) -> None:
        """
        A client that offers less than 512 octets, or sends no OPT record, gets up to 512 (RFC 6891, section 6.2.3), and no more.
        """
        for size, fits in ((512, True), (513, False)):
            table = self.tableWith(size)
            for offered in (0, 255, 511, 512):
                self.assertEqual(self.sent(table, asking(offered)), size if fits else None, offered)
            table = self.tableWith(size, edns=False)
            self.assertEqual(self.sent(table, mixedCase(queryOf(), 0x5555)), size if fits else None)

    def test_largestSizeIs1232(self) -> None:
        """
        A client that offers more gets at most 1232 octets over UDP, which no network has to fragment.
        """
        for size, fits in ((1232, True), (1233, False)):
            table = self.tableWith(size)
            for offered in (1233, 4096, 65535):
                self.assertEqual(self.sent(table, asking(offered)), size if fits else None, offered)

    def test_streamsHaveNoSuchLimit(self) -> None:
        """
        Over TCP the UDP size that the client offers does not matter, with or without a cookie.
        """
        self.assertEqual(self.sent(self.tableWith(5000, stream=True), asking(512)), 5000)
        table = self.tableWith(5000, cookie=True, stream=True)
        self.assertEqual(self.sent(table, asking(512, _CLIENT_COOKIE)), 5000 + len(_OPTION))


class ServerSizeTests(SynchronousTestCase):
    """
    Tests of a server's replies to clients that offer as much as the reply has, and one octet less.
    """

    def test_noReplyIsLargerThanOffered(self) -> None:
        """
        The packet cache sends the whole reply to a client that offers its size. A client that offers less gets a smaller reply, which the
        full path makes.
        """
        for cookie in (b"", _CLIENT_COOKIE):
            clock = Clock()
            clock.advance(1_000_000)
            server = Server(clock, cookies=Cookies(SECRET), eager=True)
            options = [(COOKIE, cookie)] if cookie else [(65001, b"")]

            def many(size: int, options: list[tuple[int, bytes]] = options) -> bytes:
                return mixedCase(queryOf("many.test.example", opt=optOf(size, options=options)), size)

            for _ in range(3):
                whole = server.ask(many(1232))
            assert whole is not None
            self.assertFalse(whole[2] & 2)
            beyond = server.beyond
            self.assertEqual(len(server.ask(many(len(whole))) or b""), len(whole))
            self.assertEqual(server.beyond, beyond)
            less = server.ask(many(len(whole) - 1))
            assert less is not None
            self.assertLess(len(less), len(whole))
            self.assertEqual(server.beyond, beyond + 1)
