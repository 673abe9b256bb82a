"""
Tests of L{twisted_ext.zone.update.updates}: the requirements of RFC 2136, section by section.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, ZONE, record, textsOf, updated, versionOf
from twisted_ext.errors import BadUpdate
from twisted_ext.limits import Limit
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, CH, IN, NONE, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, AXFR, CNAME, DNAME, NS, SOA, TXT, WKS, A, typeNumber
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update import updates
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.updates import Update

EVERYTHING = Policy.fromTexts(["address 127.0.0.0/8 zone ANY"])


def name(text: str) -> bytes:
    """
    Return a name of the zone.
    """
    return APEX if text == "@" else nameFromText(text, APEX)


def withoutData(text: str, rrClass: int, rrType: int = ANY, ttl: int = 0, rdata: bytes = b"") -> RRSet:
    """
    Return a record of an UPDATE, without data by default.
    """
    return RRSet(name(text), rrType, rrClass, ttl, (rdata,))


def withoutTTL(line: str) -> RRSet:
    """
    Return a record without a TTL, as in prerequisites.
    """
    return record(line).withTTL(0)


def deletionOf(line: str) -> RRSet:
    """
    Return the deletion of a record.
    """
    found = record(line)
    return RRSet(found.name, found.rrType, NONE, 0, found.rdatas)


class UpdateTests(SynchronousTestCase):
    """
    Tests for L{twisted_ext.zone.update.updates.perform}.
    """

    def update(
        self, *changes: RRSet, demands: tuple[RRSet, ...] = (), version: Version | None = None, policy: Policy = EVERYTHING
    ) -> Version:
        """
        Apply an update to the zone through the octets of a message.
        """
        before = versionOf() if version is None else version
        message = Message(1, Opcode.UPDATE << 11, (Question(APEX, SOA),), demands, changes)
        update = Update.fromMessage(Message.fromWire(buildMessage(message)).check())
        done = updated(update, before, policy, b"", "127.0.0.1")
        return before if done is None else done[0]

    def rcodeOf(
        self, *changes: RRSet, demands: tuple[RRSet, ...] = (), policy: Policy = EVERYTHING, version: Version | None = None
    ) -> int:
        """
        Return the RCODE of a refused update.
        """
        return int(self.assertRaises(BadUpdate, self.update, *changes, demands=demands, policy=policy, version=version).rcode)

    def rdatas(self, version: Version, text: str, rrType: int) -> tuple[bytes, ...]:
        """
        Return the records of a name and type.
        """
        node = version.find(name(text)[: -len(APEX)])
        rrset = None if node is None else node.of(rrType)
        return () if rrset is None else rrset.rdatas

    # -- the zone section

    def test_zoneSectionMustNameOneZone(self) -> None:
        """
        The zone section names one zone with type SOA and class IN (section 3.1.1).
        """
        for questions, rcode in (
            ((), Rcode.FORMERR),
            ((Question(APEX, SOA), Question(APEX, SOA)), Rcode.FORMERR),
            ((Question(APEX, A),), Rcode.FORMERR),
            ((Question(APEX, SOA, CH),), Rcode.NOTAUTH),
        ):
            message = Message(1, Opcode.UPDATE << 11, questions)
            self.assertEqual(self.assertRaises(BadUpdate, Update.fromMessage, message).rcode, rcode)
        self.assertRaises(BadUpdate, Update.fromMessage, Message(1, 0, (Question(APEX, SOA),)))

    def test_recordsPerUpdateAreLimited(self) -> None:
        """
        An update with too many records is refused before any is processed.
        """
        lines = [record(f"n{count} 60 A 192.0.2.1") for count in range(6)]
        with patch.object(updates, "UPDATE_RECORDS", Limit(5, 5, 5)):
            self.assertEqual(self.rcodeOf(*lines), Rcode.REFUSED)
            self.update(*lines[:5])
        self.update(*lines)

    # -- prerequisites

    def test_prerequisiteNameInUse(self) -> None:
        """
        "Name is in use" and "name is not in use" (sections 2.4.4 and 2.4.5): an empty non-terminal is not in use.
        """
        new = record("new 60 A 192.0.2.9")
        self.assertEqual(self.update(new, demands=(withoutData("mail", ANY_CLASS),)).serial, 11)
        self.assertEqual(self.update(new, demands=(withoutData("nobody", NONE), withoutData("b", NONE))).serial, 11)
        self.assertEqual(self.rcodeOf(new, demands=(withoutData("nobody", ANY_CLASS),)), Rcode.NXDOMAIN)
        self.assertEqual(self.rcodeOf(new, demands=(withoutData("b", ANY_CLASS),)), Rcode.NXDOMAIN)
        self.assertEqual(self.rcodeOf(new, demands=(withoutData("MAIL", NONE),)), Rcode.YXDOMAIN)

    def test_prerequisiteSetExists(self) -> None:
        """
        "RRset exists (value independent)" and "RRset does not exist" (sections 2.4.1 and 2.4.3).
        """
        new = record("new 60 A 192.0.2.9")
        self.assertEqual(self.update(new, demands=(withoutData("mail", ANY_CLASS, A), withoutData("mail", NONE, TXT))).serial, 11)
        self.assertEqual(self.rcodeOf(new, demands=(withoutData("mail", ANY_CLASS, TXT),)), Rcode.NXRRSET)
        self.assertEqual(self.rcodeOf(new, demands=(withoutData("mail", NONE, A),)), Rcode.YXRRSET)

    def test_prerequisiteSetHasTheseRecords(self) -> None:
        """
        "RRset exists (value dependent)" requires exactly these records, in any order and letter case (section 2.4.2).
        """
        new = record("new 60 A 192.0.2.9")
        both = (withoutTTL("mail 0 A 192.0.2.4"), withoutTTL("MAIL 0 A 192.0.2.3"))
        self.assertEqual(self.update(new, demands=both).serial, 11)
        self.assertEqual(self.update(new, demands=(withoutTTL("@ 0 MX 10 MAIL"),)).serial, 11)
        self.assertEqual(self.rcodeOf(new, demands=both[:1]), Rcode.NXRRSET)
        self.assertEqual(self.rcodeOf(new, demands=(*both, withoutTTL("mail 0 A 192.0.2.5"))), Rcode.NXRRSET)
        self.assertEqual(self.rcodeOf(new, demands=(withoutTTL("nobody 0 A 192.0.2.5"),)), Rcode.NXRRSET)

    def test_failedPrerequisitePreventsAllChanges(self) -> None:
        """
        One failed prerequisite prevents all changes.
        """
        version = versionOf()
        demands = (withoutData("mail", ANY_CLASS), withoutData("nobody", ANY_CLASS))
        self.assertEqual(self.rcodeOf(record("new 60 A 192.0.2.9"), demands=demands, version=version), Rcode.NXDOMAIN)
        self.assertEqual(textsOf(version), textsOf(versionOf()))

    def test_updateWithoutChangesKeepsSerial(self) -> None:
        """
        An update without changes reports whether its prerequisites hold and leaves the serial number.
        """
        self.assertEqual(self.update(demands=(withoutData("mail", ANY_CLASS),)).serial, 10)
        self.assertEqual(self.rcodeOf(demands=(withoutData("mail", NONE),)), Rcode.YXDOMAIN)

    def test_malformedPrerequisitesAreRefused(self) -> None:
        """
        Prerequisites with a TTL, unexpected data or an unknown class lead to FORMERR, and those for other zones to NOTZONE (section
        3.2.5).
        """
        outside = RRSet(nameFromText("example.com."), ANY, ANY_CLASS, 0, (b"",))
        for demand, rcode in (
            (withoutData("mail", ANY_CLASS, ttl=1), Rcode.FORMERR),
            (withoutData("mail", NONE, A, rdata=b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (withoutData("mail", ANY_CLASS, A, rdata=b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (withoutData("mail", ANY_CLASS, AXFR), Rcode.FORMERR),
            (withoutData("mail", CH, TXT, rdata=b"\x00"), Rcode.FORMERR),
            (record("mail 300 A 192.0.2.3"), Rcode.FORMERR),
            (outside, Rcode.NOTZONE),
        ):
            self.assertEqual(self.rcodeOf(demands=(demand,)), rcode, repr(demand))

    # -- the form of changes

    def test_malformedChangesPreventAllChanges(self) -> None:
        """
        Malformed changes lead to FORMERR and those for other zones to NOTZONE, and no change is made (section 3.4.1).
        """
        version = versionOf()
        outside = RRSet(nameFromText("xexample.org."), A, IN, 60, (b"\x01\x02\x03\x04",))
        for change, rcode in (
            (withoutData("mail", IN, ANY), Rcode.FORMERR),
            (withoutData("mail", IN, AXFR), Rcode.FORMERR),
            (withoutData("mail", IN, 0), Rcode.FORMERR),
            (withoutData("mail", IN, TXT), Rcode.FORMERR),
            (withoutData("mail", ANY_CLASS, ttl=1), Rcode.FORMERR),
            (withoutData("mail", ANY_CLASS, A, rdata=b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (withoutData("mail", ANY_CLASS, AXFR), Rcode.FORMERR),
            (withoutData("mail", NONE, ANY), Rcode.FORMERR),
            (withoutData("mail", NONE, A, 1, b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (withoutData("mail", CH, A, rdata=b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (outside, Rcode.NOTZONE),
        ):
            self.assertEqual(self.rcodeOf(record("new 60 A 192.0.2.9"), change, version=version), rcode, repr(change))
        self.assertEqual(textsOf(version), textsOf(versionOf()))

    # -- the effect of changes

    def test_recordsAreAdded(self) -> None:
        """
        Records are added to existing and to new names, with empty non-terminals (section 3.4.2.2).
        """
        after = self.update(record("mail 300 A 192.0.2.5"), record("x.y.new 60 TXT \"hi\""))
        self.assertEqual(len(self.rdatas(after, "mail", A)), 3)
        self.assertEqual(len(self.rdatas(after, "x.y.new", TXT)), 1)
        self.assertIsNotNone(after.find(b"\x03new"))
        self.assertEqual(after.serial, 11)

    def test_changesAreMadeInOrder(self) -> None:
        """
        Changes are made in their order, so that a deleted record may be added again (section 3.4.2.6).
        """
        after = self.update(withoutData("mail", ANY_CLASS, A), record("mail 60 A 192.0.2.9"))
        self.assertEqual(self.rdatas(after, "mail", A), (b"\xc0\x00\x02\x09",))
        self.assertEqual(self.rdatas(self.update(record("mail 60 A 192.0.2.9"), withoutData("mail", ANY_CLASS, A)), "mail", A), ())

    def test_recordsSetsAndNamesAreDeleted(self) -> None:
        """
        Records, sets and names are deleted, and missing ones are ignored (sections 3.4.2.3 and 3.4.2.4).
        """
        after = self.update(
            deletionOf("mail 0 A 192.0.2.3"),
            withoutData("mail", ANY_CLASS, typeNumber("AAAA") or 0),
            withoutData("www", ANY_CLASS),
            withoutData("no", ANY_CLASS),
        )
        self.assertEqual(self.rdatas(after, "mail", A), (b"\xc0\x00\x02\x04",))
        self.assertEqual(self.rdatas(after, "mail", 28), ())
        self.assertIsNone(after.find(b"\x03www"))
        self.assertEqual(self.update(deletionOf("mail 0 A 192.0.2.33"), deletionOf("no 0 A 192.0.2.33")).serial, 10)

    def test_apexKeepsSOAAndLastNS(self) -> None:
        """
        The SOA record and the last NS record of the apex are kept, whatever is deleted (sections 3.4.2.3 and 3.4.2.4).
        """
        after = self.update(withoutData("@", ANY_CLASS), withoutData("@", ANY_CLASS, NS), withoutData("@", ANY_CLASS, SOA))
        self.assertEqual({rrset.rrType for rrset in after.top.sets}, {SOA, NS})
        self.assertEqual(len(self.rdatas(after, "@", NS)), 2)
        after = self.update(deletionOf("@ 0 NS ns1"), deletionOf("@ 0 NS NS2"), deletionOf("@ 0 SOA ns1 hostmaster 10 3600 600 86400 300"))
        self.assertEqual(self.rdatas(after, "@", NS), (name("ns2"),))

    def test_cnameReplacesOnlyCname(self) -> None:
        """
        A CNAME record replaces a CNAME record. One beside other data, and other data beside one, is ignored (section 3.4.2.2).
        """
        after = self.update(record("www 60 CNAME ns1"), record("mail 60 CNAME ns1"), record("www 60 A 192.0.2.1"))
        self.assertEqual(self.rdatas(after, "www", CNAME), (name("ns1"),))
        self.assertEqual(self.rdatas(after, "www", A), ())
        self.assertEqual(self.rdatas(after, "mail", CNAME), ())

    def test_dnameReplacesDname(self) -> None:
        """
        A DNAME record replaces a DNAME record. DNAME and CNAME beside each other are ignored (RFC 6672, section 5.2).
        """
        first = self.update(record("moved 60 DNAME example.com."), record("www 60 DNAME example.com."))
        after = self.update(record("moved 60 DNAME example.net."), record("moved 60 CNAME www"), version=first)
        self.assertEqual(self.rdatas(after, "moved", DNAME), (nameFromText("example.net."),))
        self.assertEqual(self.rdatas(after, "moved", CNAME), ())
        self.assertEqual(self.rdatas(after, "www", DNAME), ())

    def test_newerSOAReplaces(self) -> None:
        """
        A newer SOA record replaces the former one. An older one, or one below the apex, is ignored.
        """
        self.assertEqual(self.update(record("@ 60 SOA ns2 hostmaster 50 1 2 3 4")).serial, 50)
        after = self.update(record("@ 60 SOA ns2 hostmaster 9 1 2 3 4"), record("www 60 SOA ns2 hostmaster 90 1 2 3 4"))
        self.assertEqual(after.serial, 10)

    def test_wksReplacesSameProtocol(self) -> None:
        """
        A WKS record replaces the one with the same address and protocol (section 3.4.2.2).
        """
        old = RRSet(name("mail"), WKS, IN, 60, (b"\xc0\x00\x02\x03\x06\x80",))
        new = RRSet(name("mail"), WKS, IN, 60, (b"\xc0\x00\x02\x03\x06\x40",))
        udp = RRSet(name("mail"), WKS, IN, 60, (b"\xc0\x00\x02\x03\x11\x40",))
        after = self.update(new, version=self.update(old, udp))
        self.assertEqual(set(self.rdatas(after, "mail", WKS)), {*new.rdatas, *udp.rdatas})

    def test_duplicateUpdatesTheTTL(self) -> None:
        """
        A record that exists already is not repeated and sets the TTL (section 3.4.2.2).
        """
        after = self.update(record("mail 77 A 192.0.2.3"))
        node = after.find(b"\x04mail")
        mail = None if node is None else node.of(A)
        assert mail is not None
        self.assertEqual((mail.ttl, len(mail.rdatas)), (77, 2))

    # -- the policy

    def test_policyRefusesTheWholeUpdate(self) -> None:
        """
        An update with a forbidden change is refused as a whole, including the deletion of a name with one forbidden type.
        """
        policy = Policy.fromTexts(["address 127.0.0.1 name mail A", "address 127.0.0.1 subtree dyn"], APEX)
        self.update(record("mail 60 A 192.0.2.9"), record("x.dyn 60 TXT a"), withoutData("y.dyn", ANY_CLASS), policy=policy)
        for change in (
            record("www 60 A 192.0.2.9"),
            record("x.dyn 60 NS ns1"),
            withoutData("mail", ANY_CLASS),
            deletionOf("mail 0 AAAA 2001:db8::3"),
            withoutData("@", ANY_CLASS),
        ):
            self.assertEqual(self.rcodeOf(record("mail 60 A 192.0.2.9"), change, policy=policy), Rcode.REFUSED, repr(change))
            self.update(change)

    def test_policyComesBeforePrerequisites(self) -> None:
        """
        A client without permission for a change does not learn from prerequisites what exists.
        """
        policy = Policy.fromTexts(["address 127.0.0.1 name mail A"], APEX)
        demands = (withoutData("nobody", ANY_CLASS),)
        self.assertEqual(self.rcodeOf(record("www 60 A 192.0.2.9"), demands=demands, policy=policy), Rcode.REFUSED)
        self.assertEqual(self.rcodeOf(record("www 60 A 192.0.2.9"), demands=demands), Rcode.NXDOMAIN)

    def test_orderOfChecks(self) -> None:
        """
        The policy is checked first, then the form and the truth of each prerequisite, then the form of the changes (RFC 2136,
        sections 3.2 to 3.4). Names outside the zone are reported in their turn to clients that may change everything.
        """
        policy = Policy.fromTexts(["address 127.0.0.1 name mail A", "address 127.0.0.1 name mail TXT"], APEX)
        unmet, malformed = withoutData("nobody", ANY_CLASS), withoutData("mail", ANY_CLASS, ttl=1)
        wrong, denied = withoutData("mail", NONE, A, 1, b"\x01\x02\x03\x04"), record("www 60 A 192.0.2.9")
        self.assertEqual(self.rcodeOf(wrong, denied, demands=(unmet,), policy=policy), Rcode.REFUSED)
        self.assertEqual(self.rcodeOf(wrong, demands=(unmet, malformed), policy=policy), Rcode.NXDOMAIN)
        self.assertEqual(self.rcodeOf(wrong, demands=(malformed, unmet), policy=policy), Rcode.FORMERR)
        self.assertEqual(self.rcodeOf(wrong, demands=(unmet,), policy=policy), Rcode.NXDOMAIN)
        self.assertEqual(self.rcodeOf(wrong, policy=policy), Rcode.FORMERR)
        outside = RRSet(nameFromText("example.com."), ANY, ANY_CLASS, 0, (b"",))
        self.assertEqual(self.rcodeOf(outside, demands=(unmet,)), Rcode.NXDOMAIN)
        self.assertEqual(self.rcodeOf(outside), Rcode.NOTZONE)
        self.assertEqual(self.rcodeOf(outside, policy=policy), Rcode.REFUSED)

    def test_signedZoneNeedsPermissionForSignatures(self) -> None:
        """
        A signed zone is changed only by clients that may change its signatures.
        """
        version = versionOf(ZONE + "@ 300 NSEC a.b SOA NS MX NSEC\n")
        plain = Policy.fromTexts(["address 127.0.0.1 zone"])
        self.assertEqual(self.rcodeOf(record("new 60 A 192.0.2.9"), version=version, policy=plain), Rcode.REFUSED)
        self.assertEqual(self.update(record("new 60 A 192.0.2.9"), version=version).serial, 11)

    def test_oversizedSetMayShrink(self) -> None:
        """
        A set above the limit may shrink or get a neighbor, but not grow.
        """
        version = versionOf(ZONE + "".join([f"big 60 A 192.0.2.{count}\n" for count in range(150)]))
        self.assertEqual(len(self.rdatas(self.update(deletionOf("big 60 A 192.0.2.7"), version=version), "big", A)), 149)
        self.assertEqual(len(self.rdatas(self.update(record('big 60 TXT "x"'), version=version), "big", A)), 150)
        self.assertEqual(self.rcodeOf(record("big 60 A 192.0.2.200"), version=version), Rcode.REFUSED)

    def test_largeSetChangesInLinearTime(self) -> None:
        """
        Changing many records of one set takes linear time, so that it does not block other clients.
        """
        calls = [0]

        def counted(rrType: int, rdata: bytes) -> bytes:
            calls[0] += 1
            return canonicalOf(rrType, rdata)

        many = [record(f"bomb 60 {rrType} {count}.example.com.") for count in range(500) for rrType in ("NS", "PTR")]
        with (
            patch("twisted_ext.zone.update.transactions.SET_RECORDS", Limit(2000, 2000, 2000)),
            patch("twisted_ext.zone.update.transactions.canonicalOf", counted),
        ):
            version = self.update(*many)
            self.assertEqual(len(self.rdatas(version, "bomb", NS)), 500)
            self.assertLessEqual(calls[0], 2 * len(many))
            calls[0] = 0
            version = self.update(*[RRSet(each.name, each.rrType, NONE, 0, each.rdatas) for each in many], version=version)
            self.assertEqual(self.rdatas(version, "bomb", NS), ())
            self.assertLessEqual(calls[0], 3 * len(many))

    def test_oversizedSetsAndNamesAreRefused(self) -> None:
        """
        A set with too many records or a name with too many types is refused (CVE-2024-1737).
        """
        many = [record(f"bomb 60 A 192.0.{count >> 8}.{count & 255}") for count in range(101)]
        self.assertEqual(self.rcodeOf(*many), Rcode.REFUSED)
        self.update(*many[:100])
        # Each of these would be compared with all others.
        services = [RRSet(name("bomb"), WKS, IN, 60, (b"\x01\x02\x03" + bytes([count]) + b"\x06\xff",)) for count in range(103)]
        self.assertEqual(self.rcodeOf(*services), Rcode.REFUSED)
        types = [RRSet(name("bomb"), 2000 + count, IN, 60, (b"x",)) for count in range(101)]
        self.assertEqual(self.rcodeOf(*types), Rcode.REFUSED)
        with patch("twisted_ext.zone.update.transactions.SET_RECORDS", Limit(200, 200, 200)):
            self.assertEqual(len(self.rdatas(self.update(*many), "bomb", A)), 101)
        with patch("twisted_ext.zone.update.transactions.NAME_TYPES", Limit(200, 200, 200)):
            self.update(*types)
