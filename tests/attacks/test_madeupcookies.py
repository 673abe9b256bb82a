"""
Attack 13 with cookies: invented client cookies, each of which would cost a server cookie.
"""

from __future__ import annotations

from struct import pack

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR, SECRET, Server
from tests.queries import COOKIE, optOf, queryOf
from twisted_ext.limits import Limit
from twisted_ext.native import chosen
from twisted_ext.server.limits import COOKIE_HASHES
from twisted_ext.server.reply import cookies as module
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.wire.message import Message


class CookieTests(SynchronousTestCase):
    """
    Tests with invented client cookies, each of which would cost a server cookie.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.hashes = 0
        hashed = chosen.sipHash

        def count(key: bytes, data: bytes) -> bytes:
            self.hashes += 1
            return hashed(key, data)

        self.patch(module, "sipHash", count)
        self.server = Server(self.clock, cookies=Cookies(SECRET), required=["10.0.0.0/8"], access=Access({"allow": ["any"]}))

    def ask(self, cookie: bytes, client: str = NEAR) -> tuple[int, bytes]:
        """
        Return the rcode and the cookie of the reply, or an empty cookie.
        """
        reply = self.server.ask(queryOf(opt=optOf(options=[(COOKIE, cookie)])), client)
        assert reply is not None
        message = Message.fromWire(reply).check()
        assert message.edns is not None
        return message.rcode, message.edns.option(COOKIE) or b""

    def flood(self, count: int = int(COOKIE_HASHES.default), first: int = 1) -> list[tuple[int, bytes]]:
        """
        Return the results of so many clients without a server cookie.
        """
        return [self.ask(pack(">Q", first + number)) for number in range(count)]

    def test_attack13_serverCookiesAreLimited(self) -> None:
        """
        A limited number of clients get a server cookie per second. The others get an answer without one, at no cost. The next second starts
        anew.
        """
        good = self.ask(b"clientA1")[1]
        for first in (1, 10_001):
            before = self.hashes
            found = self.flood(int(COOKIE_HASHES.default) + 500, first)
            self.assertLessEqual(self.hashes - before, COOKIE_HASHES.default)
            self.assertEqual({rcode for rcode, _ in found}, {0})
            self.assertEqual([len(cookie) for _, cookie in found[-400:]], [0] * 400)
            self.assertEqual(len(found[0][1]), 24)
            # A client with a cookie keeps it, whether the cookie is remembered or must be verified.
            self.assertEqual(self.ask(good), (0, good))
            self.assertEqual(self.ask(b"clientA1"), (0, good))
            self.clock.advance(1)

    def test_attack13_requiredCookiesAreAlwaysSent(self) -> None:
        """
        Clients that must have a cookie get one all the same, since they would never get an answer otherwise.
        """
        self.flood()
        rcode, cookie = self.ask(b"clientB2", "10.1.2.3")
        self.assertEqual((rcode & 15, len(cookie)), (7, 24))
        self.assertEqual(self.ask(cookie, "10.1.2.3")[0], 0)

    def test_attack13_withoutLimitEachCookieCosts(self) -> None:
        """
        Without the limit each of them costs a hash.
        """
        self.patch(module, "COOKIE_HASHES", Limit(default=10**9, least=1, most=10**9))
        self.flood(3000)
        self.assertGreaterEqual(self.hashes, 3000)
