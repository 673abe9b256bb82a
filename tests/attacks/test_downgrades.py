"""
Attack 18: signatures removed on the way, algorithms replaced by unknown ones, and servers that seem not to support EDNS (CVE-2026-52690).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final
from unittest.mock import patch

from tests.attacks.validated import Resolver, ValidatedTestCase, crafting
from twisted_ext.answers import Answer, QueryContext, Security
from twisted_ext.dnssec import chains, validation
from twisted_ext.dnssec.signatures import SetVerdict
from twisted_ext.errors import DNSFault, ServerFailed, TrustFault
from twisted_ext.limits import Limit
from twisted_ext.resolver.ask import Query, Waiter
from twisted_ext.resolver.forward import serverstats
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS, RRSIG

#: Faults of servers that send no signatures, and the EDE of the failure.
STRIPPING: Final = {
    Fault.STRIPS_DO: 10,
    Fault.STRIPS_SIGNATURES: 10,
    Fault.IGNORES_EDNS: 10,
    Fault.MISSING_SIGNATURE: 10,
    Fault.NO_KEYS: 9,
}

#: Those of servers that do not reply to queries for signatures.
SILENT: Final = (Fault.DROPS_EDNS, Fault.DROPS_DO)

#: Those of servers that refuse queries with EDNS.
REFUSING: Final = (Fault.FORMERR_EDNS, Fault.BADVERS)


def _forgettingSigned(
    pool: ServerPool, waiter: Waiter, addresses: tuple[str, ...], question: Question, context: QueryContext, signed: bool
) -> Query:
    return _prepare(pool, waiter, addresses, question, context)


_prepare: Final = ServerPool.prepare

_Positive = Callable[[validation._Judging, RRSet, bytes], Generator[Question, Answer | DNSFault, bool]]


class StripTests(ValidatedTestCase):
    """
    Tests with servers that send false data without signatures.
    """

    def stripped(self, fault: Fault, where: str = "evil.test") -> Resolver:
        """
        Return a resolver in an internet with this fault.
        """
        self.beginAnew()
        self.evil("www 300 A 192.0.2.66\n*.w 300 A 192.0.2.67")
        self.internet.inject(fault, where)
        return self.resolver()

    def test_unsignedDataIsBogus(self) -> None:
        """
        Data and denials without signatures are bogus, because the parent says that the zone is signed. No signature is checked in vain.
        """
        for fault, code in STRIPPING.items():
            resolver = self.stripped(fault)
            for name in ("www.evil.test", "no.evil.test", "a.w.evil.test"):
                found = resolver.fault(name)
                self.assertIsInstance(found, TrustFault, fault)
                self.assertEqual(found.ede[0][0], code, fault)
                self.assertEqual(resolver.work.failures, 0)
                self.assertLessEqual(resolver.work.packets, 50)
            self.assertEqual(resolver.denials, 0)
            self.othersResolve(resolver)

    def test_refusedEDNSIsAFailure(self) -> None:
        """
        Servers of a signed zone that refuse EDNS are not asked without it. If the resolver did not know that the zone is signed, it would
        ask them without EDNS, and what they send would be bogus.
        """
        for fault in REFUSING:
            resolver = self.stripped(fault)
            self.assertIsInstance(resolver.fault("www.evil.test"), ServerFailed)
            self.assertEqual([each for each in self.internet.exchanges if each.query.edns is None], [])
            with patch.object(ServerPool, "prepare", _forgettingSigned):
                found = self.stripped(fault).fault("www.evil.test")
            self.assertIsInstance(found, TrustFault)
            self.assertEqual(found.ede[0][0], 10)
            self.assertNotEqual([each for each in self.internet.exchanges if each.query.edns is None], [])

    def test_silenceIsAFailure(self) -> None:
        """
        Servers that do not reply to queries with DO, or with EDNS, do not make unsigned data acceptable.
        """
        for fault in SILENT:
            resolver = self.stripped(fault)
            self.assertIsInstance(resolver.fault("www.evil.test"), ServerFailed)
            self.othersResolve(resolver)

    def test_oneServerDoesNotSuffice(self) -> None:
        """
        If one server strips signatures, the data of the other one is secure.
        """
        for fault in (*STRIPPING, *SILENT):
            resolver = self.stripped(fault, "ns1.evil.test")
            for name in ("www.evil.test", "no.evil.test"):
                self.assertIs(resolver.look(name).security, Security.SECURE, fault)

    def test_withoutParentUnsignedDataIsAccepted(self) -> None:
        """
        A validator that took what is not signed as insecure, without asking the parent, would accept it.
        """
        positive: _Positive = validation._Judging._positive

        def trusting(
            judging: validation._Judging, rrset: RRSet, owner: bytes
        ) -> Generator[Question, Answer | DNSFault, bool]:
            if not any(each.rrType == RRSIG for each in judging._answer.answer):
                judging._lower(Security.INSECURE)
                return False
            return (yield from positive(judging, rrset, owner))

        for fault in (Fault.STRIPS_SIGNATURES, Fault.IGNORES_EDNS):
            with patch.object(validation._Judging, "_positive", trusting):
                self.assertIs(self.stripped(fault).look("www.evil.test").security, Security.INSECURE)


class DelegationTests(ValidatedTestCase):
    """
    Tests with an attacker between the resolver and the servers of the parent.
    """

    def change(self, changed: Callable[[RRSet], RRSet | None]) -> Resolver:
        """
        Change the DS records of the zone on their way.
        """

        def craft(reply: Message) -> Message | None:
            return Message(
                reply.id, reply.flags, reply.questions, sent(reply.answer), sent(reply.authority), reply.additional, reply.edns
            )

        def sent(section: tuple[RRSet, ...]) -> tuple[RRSet, ...]:
            sets = [changed(rrset) if rrset.name == zone else rrset for rrset in section]
            return tuple([rrset for rrset in sets if rrset is not None])

        self.beginAnew()
        zone = nameFromText("evil.test")
        self.evil()
        crafting(self.internet.zones[nameFromText("test")].servers, craft)
        return self.resolver()

    def without(self, rrset: RRSet) -> RRSet | None:
        """
        Remove DS records and their signature.
        """
        return None if rrset.rrType in (DS, RRSIG) else rrset

    def replaced(self, position: int, octet: int) -> Callable[[RRSet], RRSet]:
        """
        Replace an octet of DS records.
        """

        def changed(rrset: RRSet) -> RRSet:
            if rrset.rrType != DS:
                return rrset
            rdatas = [rdata[:position] + bytes((octet,)) + rdata[position + 1 :] for rdata in rrset.rdatas]
            return RRSet(rrset.name, DS, 1, rrset.ttl, tuple(rdatas))

        return changed

    def test_changedDelegationIsBogus(self) -> None:
        """
        A zone does not become insecure by DS records of an unknown algorithm or digest that its parent has not signed, or by none.
        """
        for changed, code, failures in (
            (self.replaced(2, 100), 6, 4),
            (self.replaced(3, 100), 6, 4),
            (self.without, 12, 0),
        ):
            resolver = self.change(changed)
            fault = resolver.fault("www.evil.test")
            self.assertIsInstance(fault, TrustFault)
            self.assertEqual((fault.ede[0][0], resolver.work.failures), (code, failures))
            self.assertLessEqual(resolver.work.verifications, 16)
            self.othersResolve(resolver)

    def test_withoutTheSignatureTheZoneIsInsecure(self) -> None:
        """
        If the signature of the DS records were not checked, the zone would be insecure.
        """
        resolver = self.change(self.replaced(2, 100))
        resolver.look("evil.test", "NS", checkingDisabled=True)
        resolver.look("test", "SOA")
        with patch.object(chains, "verifySet", lambda *args: SetVerdict(True, ttl=300)):
            self.assertIs(resolver.look("www.evil.test").security, Security.INSECURE)


class EDNSTests(ValidatedTestCase):
    """
    Tests with an attacker who forges single replies.
    """

    def forged(self, count: int) -> tuple[Resolver, list[bool]]:
        """
        Look up a name while the first replies of the zone's servers are FORMERR without OPT, then two others.

        @return: the resolver, and which of the queries after the first look-up have EDNS.
        """
        self.beginAnew()
        self.evil("www 300 A 192.0.2.66\nmail 300 A 192.0.2.67")
        left = count

        def craft(reply: Message) -> Message | None:
            nonlocal left
            left -= 1
            return Message(reply.id, reply.flags & ~15 | Rcode.FORMERR, reply.questions) if left >= 0 else None

        servers = self.internet.zones[nameFromText("evil.test")].servers
        crafting(servers, craft)
        resolver = self.resolver()
        self.assertIs(resolver.look("www.evil.test").security, Security.SECURE)
        before = len(self.internet.exchanges)
        for name in ("mail.evil.test", "no.evil.test"):
            self.assertIs(resolver.look(name).security, Security.SECURE)
        return resolver, [each.query.edns is not None for each in list(self.internet.exchanges)[before:]]

    def test_oneFailureDoesNotTurnEDNSOff(self) -> None:
        """
        After a FORMERR to a query with EDNS, all later queries have EDNS.
        """
        _, later = self.forged(1)
        self.assertEqual(later, [True, True])

    def test_withOneSignServersAreMarked(self) -> None:
        """
        If one failure were enough, and the resolver did not know that the zone is signed, the server would be asked without EDNS.
        """
        with (
            patch.object(serverstats, "NO_EDNS_SIGNS", Limit(default=1, least=1, most=1)),
            patch.object(ServerPool, "prepare", _forgettingSigned),
        ):
            resolver, _ = self.forged(1)
        marked = [each for each in resolver.recursive.pool._known.values() if not each[1].withEDNS(resolver.here.seconds())]
        self.assertEqual(len(marked), 1)
