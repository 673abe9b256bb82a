"""
Attack 13 with cookies: made-up client cookies, each of which would have a server cookie computed for it.
"""

from __future__ import annotations

from struct import pack

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, SECRET, Server
from tests.queries import COOKIE, optOf, queryOf
from twisted_ext.limits import Limit
from twisted_ext.server.limits import COOKIE_HASHES
from twisted_ext.server.reply import cookies as module
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.wire.message import Message


class CookieTests(SynchronousTestCase):
    """
    Tests with client cookies that are made up, each of which would have one of ours computed for it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.hashes = 0
        hashed = module.sipHash

        def count(key: bytes, data: bytes) -> bytes:
            self.hashes += 1
            return hashed(key, data)

        self.patch(module, "sipHash", count)
        self.server = Server(self.clock, cookies=Cookies(SECRET), required=["10.0.0.0/8"], access=Access({"allow": ["any"]}))

    def ask(self, cookie: bytes, client: str = NEAR) -> tuple[int, bytes]:
        """
        @return: the rcode and the cookie in the reply; none where there is no cookie.
        """
        reply = self.server.ask(queryOf(opt=optOf(options=[(COOKIE, cookie)])), client)
        assert reply is not None
        message = Message.fromWire(reply).check()
        assert message.edns is not None
        return message.rcode, message.edns.option(COOKIE) or b""

    def flood(self, count: int = int(COOKIE_HASHES.default), first: int = 1) -> list[tuple[int, bytes]]:
        """
        @return: what so many clients without a server cookie get.
        """
        return [self.ask(pack(">Q", first + number)) for number in range(count)]

    def test_attack13_cookies(self) -> None:
        """
        So many of them get a cookie within a second, the others an answer without one, at no cost. In the next second it is the same again.
        """
        good = self.ask(b"clientA1")[1]
        for first in (1, 10_001):
            before = self.hashes
            found = self.flood(int(COOKIE_HASHES.default) + 500, first)
            self.assertLessEqual(self.hashes - before, COOKIE_HASHES.default)
            self.assertEqual({rcode for rcode, _ in found}, {0})
            self.assertEqual([len(cookie) for _, cookie in found[-400:]], [0] * 400)
            self.assertEqual(len(found[0][1]), 24)
            # Who has one keeps it, whether it is remembered or has to be checked.
            self.assertEqual(self.ask(good), (0, good))
            self.assertEqual(self.ask(b"clientA1"), (0, good))
            self.clock.advance(1)

    def test_attack13_required(self) -> None:
        """
        Clients that have to show a good cookie are told one all the same: they would never get an answer otherwise.
        """
        self.flood()
        rcode, cookie = self.ask(b"clientB2", "10.1.2.3")
        self.assertEqual((rcode & 15, len(cookie)), (7, 24))
        self.assertEqual(self.ask(cookie, "10.1.2.3")[0], 0)

    def test_attack13_cookiesUndefended(self) -> None:
        """
        Without a bound each of them would cost a hash.
        """
        self.patch(module, "COOKIE_HASHES", Limit(default=10**9, least=1, most=10**9))
        self.flood(3000)
        self.assertGreaterEqual(self.hashes, 3000)
