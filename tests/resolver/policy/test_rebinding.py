"""
Tests of L{twisted_ext.resolver.policy.rebinding}: foreign names with private addresses.
"""

from __future__ import annotations

import socket

import pytest
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.networks import textsOf
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import Refused
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.policy.rebinding import StopRebinding, isPrivate
from twisted_ext.testing.sources import CannedSource, answerOf, atHand, questionOf, rrsetOf
from twisted_ext.wire.names import nameFromText

PRIVATE = (
    "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.168.0.1 :: ::1 fe80::1 fd12::1 "
    "::ffff:192.168.1.1 ::10.0.0.1 64:ff9b::7f00:1"
).split()

PUBLIC = "192.0.2.1 9.255.255.255 11.0.0.1 172.32.0.1 100.128.0.1 2001:db8::1 ::ffff:192.0.2.1 64:ff9b::c000:201".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_privateAddressIsRecognized(address: str) -> None:
    """
    A private or local address is recognized in each of its forms.
    """
    assert isPrivate(socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address))


@pytest.mark.parametrize("address", PUBLIC)
def test_publicAddressIsNotPrivate(address: str) -> None:
    """
    A public address is not private.
    """
    assert not isPrivate(socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address))


class StopRebindingTests(SynchronousTestCase):
    """
    Tests for L{StopRebinding}.
    """

    def ask(self, source: StopRebinding, name: str = "evil.example.org", rrType: str = "A") -> Deferred[Answer]:
        """
        Begin a look-up.
        """
        return lookUp(source, questionOf(name, rrType), QueryContext(5.0))

    def isRefused(self, source: StopRebinding, name: str = "evil.example.org", rrType: str = "A") -> bool:
        """
        Return whether an answer is refused, at hand as after a look-up.
        """
        question, context = questionOf(name, rrType), QueryContext(5.0)
        try:
            atHand(source, question, context)
            refused = False
        except Refused:
            refused = True
        waited = isinstance(getattr(self.ask(source, name, rrType).addErrback(lambda failure: failure.value), "result", None), Refused)
        self.assertEqual(refused, waited)
        return waited

    def test_privateAddressIsRefused(self) -> None:
        """
        An answer with a private address among others is refused with a reason. It would be given without the filter.
        """
        inner = CannedSource({("evil.example.org", "A"): ["192.0.2.1", "192.168.1.1"]}, now=True)
        fault = self.failureResultOf(self.ask(StopRebinding(inner)), Refused).value
        self.assertEqual(fault.ede, ((17, "private address (rebinding protection)"),))
        self.assertIn("rebinding-allow", str(fault))
        self.assertTrue(self.isRefused(StopRebinding(inner)))
        answer = self.successResultOf(lookUp(inner, questionOf("evil.example.org"), QueryContext(5.0)))
        self.assertEqual(textsOf(answer), ["192.0.2.1", "192.168.1.1"])

    def test_hiddenPrivateAddressIsRefused(self) -> None:
        """
        A private address is found behind an alias, within an IPv6 address and in a hint of an HTTPS record.
        """
        question = questionOf("evil.example.org")
        alias = answerOf(question, "192.168.1.1")
        alias.answer = (rrsetOf(question.name, 5, "x.example.net."), rrsetOf(nameFromText("x.example.net"), 1, "10.0.0.1"))
        inner = CannedSource(
            {
                ("evil.example.org", "A"): alias,
                ("evil.example.org", "AAAA"): "::ffff:10.0.0.1",
                ("evil.example.org", "HTTPS"): "1 . alpn=h2 ipv4hint=192.0.2.1,127.0.0.1",
                ("also.example.org", "HTTPS"): "1 svc.example.org. ipv6hint=fd00::1",
                ("good.example.org", "HTTPS"): "1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
            },
            now=True,
        )
        source = StopRebinding(inner)
        for name, rrType in (("evil", "A"), ("evil", "AAAA"), ("evil", "HTTPS"), ("also", "HTTPS")):
            self.assertTrue(self.isRefused(source, f"{name}.example.org", rrType), rrType)
        self.assertFalse(self.isRefused(source, "good.example.org", "HTTPS"))

    def test_allowedDomainMayHavePrivateAddresses(self) -> None:
        """
        An allowed domain may have private addresses, in any letter case. A domain that merely ends in the same letters may not.
        """
        inner = CannedSource(otherwise="10.0.0.1")
        source = StopRebinding(inner, [nameFromText("Corp.example")])
        self.successResultOf(self.ask(source, "www.CORP.example"))
        self.successResultOf(self.ask(source, "corp.example"))
        self.failureResultOf(self.ask(source, "notcorp.example"), Refused)
        self.successResultOf(self.ask(StopRebinding(inner, [b"\x00"]), "any.example"))

    def test_denialPasses(self) -> None:
        """
        A denial passes.
        """
        self.assertEqual(textsOf(self.successResultOf(self.ask(StopRebinding(CannedSource(otherwise=()))))), [])
