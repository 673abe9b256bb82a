"""
Tests of details of validated answers, with L{twisted_ext.testing.internet}.
"""

from __future__ import annotations

from tests.attacks.validated import ValidatedTestCase, record, replyWith
from tests.dnssec.chains import nsecSet
from twisted_ext.answers import Outcome, Security
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.errors import ServerFailed, TrustFault
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import DNAME, DNSKEY, DS, NSEC, RRSIG, A

_SOA = "evil.test. 300 SOA ns.evil.test. host.evil.test. 1 2 3 4 {}"


class DetailTests(ValidatedTestCase):
    """
    Tests with one resolver each.
    """

    def denying(self, ttl: int, minimum: int, rcode: int = 0) -> None:
        """
        Have the zone's server deny all data by one NSEC record with this TTL.
        """

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.rrType in (DNSKEY, DS):
                return None
            denial = nsecSet(question.name, nameFromText("z.evil.test"), (NSEC, RRSIG), ttl=ttl)
            return replyWith(reply, (), self.signed(record(_SOA.format(minimum)), denial, key=key), rcode)

        key = self.evil(craft=craft)

    def test_denialsEndWithTheNegativeTTL(self) -> None:
        """
        A denial is used for other types no longer than the zone has negative answers cached, whatever the TTL of the NSEC record is (RFC
        9077).
        """
        self.denying(3600, 60)
        resolver = self.resolver()
        for rrType in ("A", "MX"):
            self.assertIs(resolver.look("www.evil.test", rrType).outcome, Outcome.NODATA)
        self.assertNotIn("MX", self.asked())
        self.internet.advance(61)
        resolver.look("www.evil.test", "TXT")
        self.assertIn("TXT", self.asked())

    def test_rcodeOfTooLongNames(self) -> None:
        """
        YXDOMAIN without a DNAME record that makes the name too long is bogus, although the denial is secure.
        """
        self.denying(300, 300, Rcode.YXDOMAIN)
        fault = self.resolver().fault("www.evil.test")
        self.assertIsInstance(fault, TrustFault)
        self.assertIn("is too long, which no DNAME record makes it", str(fault))

    def test_sentinelInDeniedZone(self) -> None:
        """
        A name that asks which keys are trusted (RFC 8509) is answered as such even if another denial covers it.
        """
        tag = keyTag(next(rdata for rdata in self.rootKeys()))
        resolver = self.resolver()
        self.assertIs(resolver.look("no.example.net").outcome, Outcome.NXDOMAIN)
        self.assertIsInstance(resolver.fault(f"root-key-sentinel-not-ta-{tag:05d}.example.net"), ServerFailed)

    def rootKeys(self) -> list[bytes]:
        """
        Return the DNSKEY records of the root that have DS records.
        """
        signing = self.internet.zones[ROOT].signing
        assert signing is not None
        return [each.key.dnskey for each in signing.state(self.internet.time()).keys if each.delegated]

    def test_dataBesideAnAlias(self) -> None:
        """
        A name that has an address and an alias, each signed, as some servers send them, has the address; a forged alias beside it is bogus.
        """
        sets = [record("www.evil.test. 300 A 192.0.2.66"), record("www.evil.test. 300 CNAME www.example.net.")]
        signed = len(sets)

        def craft(reply: Message) -> Message | None:
            question = reply.questions[0]
            if question.name.lower() != nameFromText("www.evil.test") or question.rrType != A:
                return None
            return replyWith(reply, (*self.signed(*sets[:signed], key=key), *sets[signed:]), ())

        key = self.evil(craft=craft)
        answer = self.resolver().look("www.evil.test")
        self.assertEqual((answer.outcome, answer.security), (Outcome.DATA, Security.SECURE))
        self.assertIn(sets[0].rdatas, [rrset.rdatas for rrset in answer.answer])
        signed = 1
        self.assertIsInstance(self.resolver().fault("www.evil.test"), TrustFault)

    def test_typeDNAMEFollowsAliases(self) -> None:
        """
        An alias leads to the DNAME record of its target.
        """
        self.evil("alias 300 CNAME tree.example.net.")
        self.internet.zones[nameFromText("example.net")].add("tree 300 DNAME target.example.net.")
        answer = self.resolver().look("alias.evil.test", "DNAME")
        self.assertEqual((answer.outcome, answer.security), (Outcome.DATA, Security.SECURE))
        self.assertIn(DNAME, [rrset.rrType for rrset in answer.answer])
