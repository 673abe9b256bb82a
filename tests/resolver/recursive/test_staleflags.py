"""
Tests of expired answers for clients with other flags than those they were looked up for, with L{twisted_ext.testing.internet}.
"""

from __future__ import annotations

from tests.attacks.validated import Resolver, ValidatedTestCase
from twisted_ext.answers import Answer
from twisted_ext.errors import DNSFault, ServerFailed, TrustFault
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.rrtypes import RRSIG


class FlagTests(ValidatedTestCase):
    """
    Tests with one resolver that uses expired answers, and zones whose servers have stopped to reply.
    """

    def after(self, name: str, first: bool, second: bool, rrType: str = "A") -> Answer | DNSFault:
        """
        Return what a client gets for an expired answer.

        @param first: whether the client before it had DO.
        @param second: whether this client has.
        """
        self.beginAnew()
        self.internet.zone("example.com", "www 300 A 192.0.2.90", signed=False)
        resolver = self.resolver(stale=86_400)
        resolver.look(name, rrType, dnssecOk=first)
        self.internet.advance(4000)
        self.internet.inject(Fault.DEAD, name.partition(".")[2])
        return self.outcome(resolver, name, second, rrType)

    def outcome(self, resolver: Resolver, name: str, dnssecOk: bool, rrType: str = "A") -> Answer | DNSFault:
        """
        Return an answer or a failure.
        """
        try:
            return resolver.look(name, rrType, dnssecOk=dnssecOk)
        except DNSFault as fault:
            return fault

    def assertStale(self, outcome: Answer | DNSFault, signatures: bool) -> None:
        """
        Check that an answer is an expired one.
        """
        assert isinstance(outcome, Answer), outcome
        assert outcome.origin is not None
        self.assertEqual(outcome.origin.source, "stale")
        self.assertEqual(RRSIG in [rrset.rrType for rrset in (*outcome.answer, *outcome.authority)], signatures)

    def test_fewerFlags(self) -> None:
        """
        What a client with DO has got serves one without it, without signatures; data and denials.
        """
        for name in ("www.example.net", "no.example.net", "www.example.com"):
            self.assertStale(self.after(name, True, False), False)

    def test_moreFlagsInUnsignedZones(self) -> None:
        """
        What a client without DO has got from a zone that is provably not signed serves one with DO.
        """
        self.assertStale(self.after("www.example.com", False, True), False)
        self.assertStale(self.after("www.example.com", False, True, "MX"), False)

    def test_moreFlagsInSignedZones(self) -> None:
        """
        Where signatures are missing, a client with DO gets a failure rather than what it would find to be forged.
        """
        self.assertIsInstance(self.after("www.example.net", False, True), ServerFailed)

    def test_incompleteDenials(self) -> None:
        """
        The same holds for names and DS records that do not exist according to an unsigned answer: the zone may be signed with opt-out.
        """
        self.assertIsInstance(self.after("no.example.com", False, True), ServerFailed)

    def test_bogusSuccessor(self) -> None:
        """
        An expired answer is used for none of the flags once its successor has been found to be bogus.
        """
        resolver = self.resolver(stale=86_400)
        resolver.look("www.example.net", dnssecOk=True)
        self.internet.advance(4000)
        self.internet.inject(Fault.CORRUPT_SIGNATURE, "example.net")
        self.assertIsInstance(self.outcome(resolver, "www.example.net", False), TrustFault)
        self.internet.advance(60)
        self.internet.clear()
        self.internet.inject(Fault.DEAD, "example.net")
        for dnssecOk in (True, False):
            self.assertIsInstance(self.outcome(resolver, "www.example.net", dnssecOk), DNSFault)
