"""
Tests of L{twisted_ext.resolver.policy.typefilter}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.networks import textsOf
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Security, Trace
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.policy.typefilter import TypeFilter
from twisted_ext.testing.sources import CannedSource, Entry, questionOf, rrsetOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import AD
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, CNAME, HTTPS, RRSIG, SOA, A

WWW = nameFromText("www.example")
WEB = nameFromText("web.example")

#: The data of a signature of AAAA records, and that of one of A records, as far as it matters.
SIGNED_AAAA = b"\x00\x1c" + bytes(20)
SIGNED_A = b"\x00\x01" + bytes(20)


def secure(*sets: RRSet, additional: tuple[RRSet, ...] = ()) -> Answer:
    """
    Return an answer that was validated.
    """
    origin = Origin("cache", learned=0.0, expires=300.0)
    return Answer(Outcome.DATA, sets, (), additional, flags=AD, security=Security.SECURE, origin=origin)


class TypeFilterTests(SynchronousTestCase):
    """
    Tests for L{TypeFilter}.
    """

    def ask(self, entry: Entry, rrType: str = "AAAA", *, dnssecOk: bool = False, types: tuple[int, ...] = (AAAA,)) -> Answer:
        """
        Return the answer to a question for C{www.example}, now and after a look-up.
        """
        for now in (False, True):
            inner = CannedSource({("www.example", rrType): entry}, now=now)
            context = QueryContext(5.0, dnssecOk=dnssecOk, trace=Trace())
            found = self.successResultOf(lookUp(TypeFilter(inner, types), questionOf("www.example", rrType), context))
        return found

    def test_onlyAAAAIsNoData(self) -> None:
        """
        A name that has only IPv6 addresses has no data, which an extended error explains, and which clients may cache as long as the
        addresses; it is not said to be secure.
        """
        answer = self.ask(secure(rrsetOf(WWW, AAAA, "2001:db8::1", 77)))
        self.assertEqual((answer.outcome, answer.rcode, answer.answer, answer.ede), (Outcome.NODATA, 0, (), ((17, ""),)))
        (soa,) = answer.authority
        self.assertEqual((soa.name, soa.rrType, soa.ttl, soa.rdatas[0][-4:]), (WWW, SOA, 77, (77).to_bytes(4, "big")))
        self.assertEqual((answer.security, answer.flags & AD), (Security.INDETERMINATE, 0))
        self.assertEqual(answer.origin and answer.origin.expires, 300.0)

    def test_longTTLsAreShortened(self) -> None:
        """
        The denial may be cached for at most three hours.
        """
        self.assertEqual(self.ask(secure(rrsetOf(WWW, AAAA, "2001:db8::1", 86400))).authority[0].ttl, 10800)

    def test_octetsOfTheReplyAreDropped(self) -> None:
        """
        The octets that the answer was parsed from, with the removed records, are not part of it any more.
        """
        query = buildQuery(0, questionOf("www.example", "AAAA").toWire(), b"")
        before = secure(rrsetOf(WWW, AAAA, "2001:db8::1"))
        before.message = Message.fromWire(b"\x00\x00" + query)
        self.assertTrue(before.wire)
        self.assertEqual(self.ask(before).wire, b"")
        self.assertTrue(before.wire)

    def test_aliasesRemain(self) -> None:
        """
        The aliases on the way to the removed addresses remain, and the denial is that of their target.
        """
        answer = self.ask(secure(rrsetOf(WWW, CNAME, "web.example"), rrsetOf(WEB, AAAA, "2001:db8::1")))
        self.assertEqual((answer.outcome, textsOf(answer), answer.authority[0].name), (Outcome.NODATA, ["web.example."], WEB))

    def test_otherAnswersAreTheSame(self) -> None:
        """
        Answers without the type are passed on as they are.
        """
        for entry in (secure(rrsetOf(WWW, A, "192.0.2.1")), Answer(Outcome.NXDOMAIN, rcode=3), Answer(Outcome.NODATA)):
            self.assertIs(self.ask(entry, "A"), entry)

    def test_anyHasTheOthers(self) -> None:
        """
        The answer to ANY keeps the other records, and has no data if only signatures are left.
        """
        both = (rrsetOf(WWW, A, "192.0.2.1"), rrsetOf(WWW, AAAA, "2001:db8::1"))
        answer = self.ask(secure(*both), "ANY")
        self.assertEqual((answer.outcome, textsOf(answer), answer.ede), (Outcome.DATA, ["192.0.2.1"], ((17, ""),)))
        self.assertIs(self.ask(secure(both[1], RRSet(WWW, RRSIG, 1, 300, (SIGNED_A,))), "ANY").outcome, Outcome.NODATA)

    def test_signaturesAreRemoved(self) -> None:
        """
        Signatures of removed records are removed, those of others are not.
        """
        signatures = RRSet(WWW, RRSIG, 1, 300, (SIGNED_AAAA, SIGNED_A))
        answer = self.ask(secure(rrsetOf(WWW, AAAA, "2001:db8::1"), rrsetOf(WWW, A, "192.0.2.1"), signatures), "ANY")
        self.assertEqual([rrset.rdatas for rrset in answer.answer if rrset.rrType == RRSIG], [(SIGNED_A,)])

    def test_additionalAddressesAreRemoved(self) -> None:
        """
        Addresses in the additional section are removed, and the answer remains one.
        """
        mail = rrsetOf(WWW, 15, "10 web.example")
        answer = self.ask(secure(mail, additional=(rrsetOf(WEB, AAAA, "2001:db8::1"), rrsetOf(WEB, A, "192.0.2.1"))), "MX")
        self.assertEqual(([each.rrType for each in answer.additional], answer.answer, answer.ede), ([A], (mail,), ()))

    def test_hintsAreRemoved(self) -> None:
        """
        Address hints of the family are removed from service bindings, but not if clients must understand them, nor for clients that ask
        for signatures.
        """
        both = rrsetOf(WWW, HTTPS, "1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1")
        self.assertEqual(textsOf(self.ask(secure(both), "HTTPS")), ['1 . alpn="h2" ipv4hint=192.0.2.1'])
        self.assertEqual(textsOf(self.ask(secure(both), "HTTPS", types=(A, AAAA))), ['1 . alpn="h2"'])
        self.assertEqual(textsOf(self.ask(secure(both), "HTTPS", dnssecOk=True)), textsOf(secure(both)))
        for text in ("1 . mandatory=ipv6hint ipv6hint=2001:db8::1", "0 web.example", "1 ."):
            other = secure(rrsetOf(WWW, HTTPS, text))
            self.assertIs(self.ask(other, "HTTPS"), other)

    def test_brokenHintsRemain(self) -> None:
        """
        A service binding that is cut is passed on as it is.
        """
        whole = rrsetOf(WWW, HTTPS, "1 . ipv6hint=2001:db8::1").rdatas[0]
        for length in range(len(whole)):
            other = secure(RRSet(WWW, HTTPS, 1, 300, (whole[:length],)))
            self.assertEqual(self.ask(other, "HTTPS").answer, other.answer)
