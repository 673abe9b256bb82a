"""
Tests of L{twisted_ext.resolver.local.localdomains}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome, QueryContext, Security, Trace
from twisted_ext.resolver.local.hosts import HostsTable
from twisted_ext.resolver.local.localdomains import LocalDomains, PlainNames
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import SOA, A

DENIED = (Outcome.NXDOMAIN, 3)
EMPTY = (Outcome.NODATA, 0)


def names(*texts: str) -> list[bytes]:
    """
    Return names in wire form.
    """
    return [nameFromText(text) for text in texts]


class LocalDomainsTests(SynchronousTestCase):
    """
    Tests for L{LocalDomains}.
    """

    def setUp(self) -> None:
        self.table = HostsTable()
        self.table.read(b"192.0.2.1 nas.lan NAS2.attic.lan www.example\n")
        self.source = LocalDomains(
            names("lan", "home.arpa", "attic.lan"),
            ttl=60,
            # The last one ends in the octets of the name lan, and is not below it.
            records=names("a.b.lan", "*.dev.lan", "other.example", r"x\003lan"),
            hosts=lambda: self.table,
            routed=names("far.lan", "."),
        )

    def ask(self, name: str, rrType: str = "A") -> Answer | None:
        """
        Return the answer, if there is one.
        """
        return self.source.ask(questionOf(name, rrType), QueryContext(5.0, trace=Trace()))

    def outcome(self, name: str, rrType: str = "A") -> tuple[Outcome, int] | None:
        """
        Return outcome and rcode.
        """
        answer = self.ask(name, rrType)
        return None if answer is None else (answer.outcome, answer.rcode)

    def test_unknownNamesDoNotExist(self) -> None:
        """
        Names of a local domain without any record are denied for all types, with the SOA record that lets clients cache the denial.
        """
        for rrType in ("A", "AAAA", "TXT", "ANY", "HTTPS", "DS"):
            self.assertEqual(self.outcome("nope.LAN", rrType), DENIED)
        answer = self.ask("deep.nope.lan")
        assert answer is not None
        (soa,) = answer.authority
        self.assertEqual((soa.name, soa.rrType, soa.ttl, soa.rdatas[0][-4:]), (nameFromText("lan"), SOA, 60, b"\x00\x00\x00\x3c"))

    def test_otherNamesAreLeftToOthers(self) -> None:
        """
        There is no answer for names outside the domains, not even for those that end in the same letters, nor in other classes.
        """
        for name in ("example.com", "wlan", "arpa", ".", "www.example", r"x\003lan"):
            self.assertIsNone(self.ask(name))
        self.assertIsNone(self.source.ask(Question(nameFromText("nope.lan"), A, 3), QueryContext(5.0)))

    def test_existingNamesHaveNoData(self) -> None:
        """
        Names in the hosts file and of local records, all names above them and the domains exist: other types are NODATA.
        """
        for name in ("nas.lan", "nas2.attic.lan", "attic.lan", "a.b.lan", "b.lan", "dev.lan", "lan", "home.arpa"):
            self.assertEqual(self.outcome(name, "TXT"), EMPTY, name)
        self.assertEqual(self.outcome("c.b.lan"), DENIED)

    def test_changedHostsFilesAreSeen(self) -> None:
        """
        A name that appears in the hosts file exists from then on, and one that disappears does not.
        """
        self.assertEqual(self.outcome("new.lan", "TXT"), DENIED)
        self.table = HostsTable()
        self.table.read(b"192.0.2.1 new.lan\n")
        self.assertEqual((self.outcome("new.lan", "TXT"), self.outcome("nas.lan", "TXT")), (EMPTY, DENIED))

    def test_delegationsAreTheParents(self) -> None:
        """
        DS records of a domain are left to its parent, so that clients that validate can prove that the domain is not signed; inside a
        local domain they are denied.
        """
        self.assertIsNone(self.ask("lan", "DS"))
        self.assertIsNone(self.ask("home.arpa", "DS"))
        self.assertEqual(self.outcome("attic.lan", "DS"), EMPTY)

    def test_routedDomainsAreForwarded(self) -> None:
        """
        A domain with an upstream below a local domain is left to it.
        """
        self.assertIsNone(self.ask("www.far.lan"))
        self.assertIsNone(self.ask("far.lan"))
        self.assertEqual(self.outcome("near.lan"), DENIED)

    def test_apexHasSOA(self) -> None:
        """
        The domain has an SOA record, for clients that look for the zone of a name, and is not said to be secure.
        """
        answer = self.ask("lan", "SOA")
        assert answer is not None
        self.assertEqual((answer.outcome, answer.answer[0].rrType, answer.security), (Outcome.DATA, SOA, Security.INDETERMINATE))

    def test_rootIsADomain(self) -> None:
        """
        With the root as local domain, no name is known elsewhere.
        """
        self.source = LocalDomains([ROOT], ttl=60)
        self.assertEqual((self.outcome("example.com"), self.outcome(".", "NS")), (DENIED, EMPTY))


class PlainNamesTests(SynchronousTestCase):
    """
    Tests for L{PlainNames}.
    """

    def test_hostsOfOneLabelAreDenied(self) -> None:
        """
        Addresses of names of one label are denied, without a record that would let clients cache the denial of a top-level domain.
        """
        source = PlainNames()
        for rrType in ("A", "AAAA", "ANY", "HTTPS"):
            answer = source.ask(questionOf("printer", rrType), QueryContext(5.0, trace=Trace()))
            assert answer is not None
            self.assertEqual((answer.outcome, answer.rcode, answer.authority), (Outcome.NXDOMAIN, 3, ()))

    def test_otherQuestionsAreLeftToOthers(self) -> None:
        """
        Other names, other types (which top-level domains have), and routed names are left to the upstreams.
        """
        source = PlainNames(names("Corp"))
        for name, rrType in (("com", "NS"), ("com", "DS"), ("com", "SOA"), (".", "A"), ("a.b", "A"), ("corp", "A")):
            self.assertIsNone(source.ask(questionOf(name, rrType), QueryContext(5.0)))
