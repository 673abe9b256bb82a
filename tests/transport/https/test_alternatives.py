"""
Tests of what servers offer by Alt-Svc.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.limits import HTTP3_FAILED, HTTP3_FRESH
from twisted_ext.transport.https.alternatives import AUTO, FIRST, NEVER, ONLY, Alternatives, http3In


class HeaderTests(SynchronousTestCase):
    """
    Tests for L{http3In}.
    """

    def test_offers(self) -> None:
        """
        The first offer of HTTP/3 at the same host counts, with its time, which is a day if the server names none.
        """
        for value, found in (
            (b'h3=":443"', (443, 86_400)),
            (b'h3=":443"; ma=2592000,h3-29=":443"; ma=1', (443, 2_592_000)),
            (b'h2=":444"; persist=1 , h3=":8443" ; MA="60"; persist=1', (8443, 60)),
            (b'h3="dns.example:443"', (443, 86_400)),
            (b'h3="other.example:443", h3=":444"', (444, 86_400)),
        ):
            self.assertEqual(http3In(value, "dns.example"), found, value)

    def test_none(self) -> None:
        """
        Headers without a usable offer are none, malformed ones included.
        """
        for value in (
            b"clear", b"", b"h3", b"h3=:443", b'h3="443"', b'h3=":0"', b'h3=":65536"', b'h3=":443"; ma=0', b'h3="other.example:443"',
            b'h3-29=":443"', b'h3=":443', b'\xff="\xff"', b'h3=":4\\43"', b"," * 5000 + b'h3=":443"',
        ):  # fmt: skip
            self.assertIsNone(http3In(value, "dns.example"), value)

    def test_address(self) -> None:
        """
        The host may be an address.
        """
        self.assertEqual(http3In(b'h3="[2001:db8::1]:443"', "2001:db8::1"), (443, 86_400))


class AlternativesTests(SynchronousTestCase):
    """
    Tests for L{Alternatives}.
    """

    def test_modes(self) -> None:
        """
        The modes differ in what they begin with, and in what follows a failure.
        """
        for mode, first, offered, failed in (
            (AUTO, None, 444, None),
            (FIRST, 443, 444, None),
            (ONLY, 443, 443, 443),
            (NEVER, None, None, None),
        ):
            one = Alternatives(mode, "dns.example", 443)
            self.assertEqual(one.port(0.0), first, mode)
            one.learn(b'h3=":444"', 0.0)
            self.assertEqual(one.port(0.0), offered, mode)
            one.failed(0.0)
            self.assertEqual(one.port(1.0), failed, mode)
            self.assertEqual(one.port(HTTP3_FAILED.default), offered, mode)

    def test_withdrawn(self) -> None:
        """
        A later header without an offer takes the earlier one back.
        """
        one = Alternatives(AUTO, "dns.example", 443)
        one.learn(b'h3=":443"', 0.0)
        one.learn(b"clear", 1.0)
        self.assertIsNone(one.port(1.0))

    def test_fresh(self) -> None:
        """
        An offer lasts for the time in it, a day at most, and is renewed on the next connection.
        """
        one = Alternatives(AUTO, "dns.example", 443)
        one.learn(b'h3=":443"; ma=100', 0.0)
        self.assertEqual((one.port(99.0), one.port(100.0)), (443, None))
        one.connecting()
        one.learn(b'h3=":443"; ma=99999999', 200.0)
        self.assertEqual((one.port(200.0 + HTTP3_FRESH.default - 1), one.port(200.0 + HTTP3_FRESH.default)), (443, None))
