"""
Tests of DNS cookies.
"""

from __future__ import annotations

from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.server.limits import COOKIE_HASHES, COOKIES_KNOWN
from twisted_ext.server.reply import cookies
from twisted_ext.server.reply.cookies import Cookies

SECRET = bytes.fromhex("e5e973e5a6b2a43f48e7dc849e37bfcf")
NOW = 1559731985.0


class CookiesTests(SynchronousTestCase):
    """
    Tests for L{Cookies}.
    """

    def test_cookieVectors(self) -> None:
        """
        Cookies match those of other servers with the same secret (RFC 9018, appendix A).
        """
        for secret, client, made, now, renewed in (
            ("e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100", "2464c4abcf10c957", 1559731985, "010000005cf79f111f8130c3eee29480"),
            (
                "e5e973e5a6b2a43f48e7dc849e37bfcf",
                "198.51.100.100",
                "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
                1559734385,
                "010000005cf7a871d4a564a1442aca77",
            ),
            (
                "e5e973e5a6b2a43f48e7dc849e37bfcf",
                "203.0.113.203",
                "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
                1559734700,
                "010000005cf7a9acf73a7810aca2381e",
            ),
            (
                "445536bcd2513298075a5d379663c962 dd3bdf9344b678b185a6f5cb60fca715",
                "2001:db8:220:1:59de:d0f4:8769:82b8",
                "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
                1559741961,
                "010000005cf7c609a6bb79d16625507a",
            ),
        ):
            secrets = [bytes.fromhex(each) for each in secret.split()]
            found = Cookies(*secrets).check(client, bytes.fromhex(made), now)
            # The third is too old, and its reserved octets are not zero.
            self.assertEqual(found.verified, len(made) > 16 and now != 1559734700)
            self.assertEqual(found.ending[:2] + found.option, b"\x00\x1c\x00\x0a\x00\x18" + found.option[4:])
            self.assertEqual(found.option[4:].hex(), made[:16] + renewed)

    def test_roundTrip(self) -> None:
        """
        A client that returns its cookie from the same address is verified; with another cookie or another address it is not.
        """
        known = Cookies(SECRET)
        first = known.check("192.0.2.1", b"client01", NOW)
        self.assertFalse(first.verified)
        mine = first.option[4:]
        found = known.check("192.0.2.1", mine, NOW + 10)
        self.assertEqual((found.option, found.verified), (first.option, True))
        self.assertFalse(known.check("192.0.2.2", mine, NOW + 10).verified)
        self.assertFalse(known.check("192.0.2.1", mine[:-1] + b"?", NOW + 10).verified)
        self.assertFalse(known.check("192.0.2.1", b"client02" + mine[8:], NOW + 10).verified)
        self.assertFalse(known.check("192.0.2.1", mine + b"more", NOW + 10).verified)
        self.assertFalse(Cookies(bytes(16)).check("192.0.2.1", mine, NOW + 10).verified)
        self.assertTrue(Cookies(bytes(16), SECRET).check("192.0.2.1", mine, NOW + 10).verified)

    def test_serverAloneHasCookiesOfItsOwn(self) -> None:
        """
        Without the C extension, cookies of a server that is alone are verified like others, but not by servers that agree on the hash of
        RFC 9018. With it they are those of RFC 9018, which the extension makes too.
        """
        self.patch(cookies, "replies", object())
        self.assertEqual(Cookies(SECRET, alone=True).check("192.0.2.1", b"client01", NOW).option[12], 1)
        self.patch(cookies, "replies", None)
        alone = Cookies(SECRET, alone=True)
        mine = alone.check("192.0.2.1", b"client01", NOW).option[4:]
        self.assertEqual((len(mine), mine[8]), (24, 240))
        self.assertEqual(Cookies(SECRET, alone=True).check("192.0.2.1", mine, NOW + 10).option[4:], mine)
        self.assertTrue(Cookies(bytes(16), SECRET, alone=True).check("192.0.2.1", mine, NOW + 10).verified)
        self.assertFalse(Cookies(SECRET, alone=True).check("192.0.2.2", mine, NOW + 10).verified)
        self.assertFalse(Cookies(bytes(16), alone=True).check("192.0.2.1", mine, NOW + 10).verified)
        self.assertFalse(Cookies(SECRET).check("192.0.2.1", mine, NOW + 10).verified)
        shared = Cookies(SECRET).check("192.0.2.1", b"client01", NOW).option[4:]
        self.assertFalse(alone.check("192.0.2.1", shared, NOW + 10).verified)

    def test_cookieExpiresAfterAnHour(self) -> None:
        """
        A cookie is valid for an hour, is renewed after half an hour, and is not valid if it is from the future.
        """
        mine = Cookies(SECRET).check("192.0.2.1", b"client01", NOW).option[4:]
        for passed, good, same in ((-400, False, False), (-200, True, True), (1700, True, True), (1900, True, False), (3700, False, False)):
            found = Cookies(SECRET).check("192.0.2.1", mine, NOW + passed)
            self.assertEqual((found.verified, found.option[4:] == mine), (good, same))

    def test_cookieIsHashedOnce(self) -> None:
        """
        The cookie of a client is hashed once instead of for each query; it is still renewed and still expires.
        """
        known = Cookies(SECRET)
        mine = known.check("192.0.2.1", b"client01", NOW).option[4:]
        known.check("192.0.2.1", mine, NOW)
        with mock.patch.object(cookies, "sipHash", side_effect=AssertionError):
            for passed in range(0, 1700, 100):
                self.assertEqual(known.check("192.0.2.1", mine, NOW + passed).option[4:], mine)
                self.assertIs(known.known("192.0.2.1", mine, NOW + passed), known.check("192.0.2.1", mine, NOW + passed))
        self.assertIsNone(known.known("192.0.2.1", mine, NOW + 1801))
        self.assertNotEqual(known.check("192.0.2.1", mine, NOW + 1801).option[4:], mine)
        self.assertFalse(known.check("192.0.2.1", mine, NOW + 10_000).verified)

    def test_newCookiesAreYoung(self) -> None:
        """
        A client that never sends its server cookie back gets one each time that is valid for half an hour from then on.
        """
        known = Cookies(SECRET)
        for passed in range(0, 20_000, 300):
            mine = known.check("192.0.2.1", b"client01", NOW + passed).option[4:]
            found = Cookies(SECRET).check("192.0.2.1", mine, NOW + passed + 1790)
            self.assertTrue(found.verified)

    def test_budgetIsForOneSecond(self) -> None:
        """
        A server that has made all new cookies of one second makes as many in the next one.
        """
        known = Cookies(SECRET, alone=True)
        most = int(COOKIE_HASHES.default)
        for second in range(3):
            for number in range(second * most, (second + 1) * most):
                self.assertFalse(known.spent(b"client01", NOW + second))
                known.check("192.0.2.1", number.to_bytes(8, "big"), NOW + second)
            self.assertTrue(known.spent(b"client01", NOW + second + 0.9))
            # Clients with a server cookie are not affected.
            self.assertFalse(known.spent(bytes(24), NOW + second))

    def test_knownCookiesAreBounded(self) -> None:
        """
        The number of remembered cookies is limited under made-up cookies.
        """
        known = Cookies(SECRET)
        with mock.patch.object(cookies, "sipHash", return_value=bytes(8)):
            for number in range(int(COOKIES_KNOWN.default) * 2):
                known.check("192.0.2.1", number.to_bytes(8, "big"), NOW)
        self.assertLessEqual(len(known._known), COOKIES_KNOWN.default)
