"""
Tests of L{twisted_ext.zone.update.updates}: what RFC 2136 asks of servers, section by section.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, ZONE, record, textsOf, versionOf
from twisted_ext.errors import BadUpdate
from twisted_ext.limits import Limit
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, CH, IN, NONE, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, AXFR, CNAME, DNAME, NS, SOA, TXT, WKS, A, typeNumber
from twisted_ext.zone.store.canonical import canonicalOf
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update import updates
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.updates import Update, updated

EVERYTHING = Policy.fromTexts(["address 127.0.0.0/8 zone ANY"])


def name(text: str) -> bytes:
    """
    @return: a name of the zone.
    """
    return APEX if text == "@" else nameFromText(text, APEX)


def about(text: str, rrClass: int, rrType: int = ANY, ttl: int = 0, rdata: bytes = b"") -> RRSet:
    """
    @return: a record of an UPDATE that has no data.
    """
    return RRSet(name(text), rrType, rrClass, ttl, (rdata,))


def exactly(line: str) -> RRSet:
    """
    @return: a record without TTL, as prerequisites have it.
    """
    return record(line).withTTL(0)


def gone(line: str) -> RRSet:
    """
    @return: a record that is to be deleted.
    """
    found = record(line)
    return RRSet(found.name, found.rrType, NONE, 0, found.rdatas)


class UpdateTests(SynchronousTestCase):
    """
    Tests for L{updated}.
    """

    def update(
        self, *changes: RRSet, demands: tuple[RRSet, ...] = (), version: Version | None = None, policy: Policy = EVERYTHING
    ) -> Version:
        """
        Send an update to the zone, through the octets of a message.
        """
        before = versionOf() if version is None else version
        message = Message(1, Opcode.UPDATE << 11, (Question(APEX, SOA),), demands, changes)
        update = Update.fromMessage(Message.fromWire(buildMessage(message)).check())
        done = updated(update, before, policy, b"", "127.0.0.1")
        return before if done is None else done[0]

    def refused(
        self, *changes: RRSet, demands: tuple[RRSet, ...] = (), policy: Policy = EVERYTHING, version: Version | None = None
    ) -> int:
        """
        @return: the rcode that an update comes to.
        """
        return int(self.assertRaises(BadUpdate, self.update, *changes, demands=demands, policy=policy, version=version).rcode)

    def rdatas(self, version: Version, text: str, rrType: int) -> tuple[bytes, ...]:
        """
        @return: the records that a name has of a type.
        """
        node = version.find(name(text)[: -len(APEX)])
        rrset = None if node is None else node.of(rrType)
        return () if rrset is None else rrset.rdatas

    # -- the zone section

    def test_zoneSection(self) -> None:
        """
        An update names one zone, by type SOA and class IN (section 3.1.1).
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

    def test_tooMany(self) -> None:
        """
        An update of more records than are looked at is refused before any is. Without the bound it is done.
        """
        lines = [record(f"n{count} 60 A 192.0.2.1") for count in range(6)]
        with patch.object(updates, "UPDATE_RECORDS", Limit(5, 5, 5)):
            self.assertEqual(self.refused(*lines), Rcode.REFUSED)
            self.update(*lines[:5])
        self.update(*lines)

    # -- prerequisites

    def test_nameInUse(self) -> None:
        """
        "Name is in use" and "name is not in use" (sections 2.4.4 and 2.4.5): a name that only has names below it is in no use.
        """
        new = record("new 60 A 192.0.2.9")
        self.assertEqual(self.update(new, demands=(about("mail", ANY_CLASS),)).serial, 11)
        self.assertEqual(self.update(new, demands=(about("nobody", NONE), about("b", NONE))).serial, 11)
        self.assertEqual(self.refused(new, demands=(about("nobody", ANY_CLASS),)), Rcode.NXDOMAIN)
        self.assertEqual(self.refused(new, demands=(about("b", ANY_CLASS),)), Rcode.NXDOMAIN)
        self.assertEqual(self.refused(new, demands=(about("MAIL", NONE),)), Rcode.YXDOMAIN)

    def test_setExists(self) -> None:
        """
        "RRset exists" and "RRset does not exist", whatever its records are (sections 2.4.1 and 2.4.3).
        """
        new = record("new 60 A 192.0.2.9")
        self.assertEqual(self.update(new, demands=(about("mail", ANY_CLASS, A), about("mail", NONE, TXT))).serial, 11)
        self.assertEqual(self.refused(new, demands=(about("mail", ANY_CLASS, TXT),)), Rcode.NXRRSET)
        self.assertEqual(self.refused(new, demands=(about("mail", NONE, A),)), Rcode.YXRRSET)

    def test_setIs(self) -> None:
        """
        "RRset exists" with these records and no others, in any order and case (section 2.4.2).
        """
        new = record("new 60 A 192.0.2.9")
        both = (exactly("mail 0 A 192.0.2.4"), exactly("MAIL 0 A 192.0.2.3"))
        self.assertEqual(self.update(new, demands=both).serial, 11)
        self.assertEqual(self.update(new, demands=(exactly("@ 0 MX 10 MAIL"),)).serial, 11)
        self.assertEqual(self.refused(new, demands=both[:1]), Rcode.NXRRSET)
        self.assertEqual(self.refused(new, demands=(*both, exactly("mail 0 A 192.0.2.5"))), Rcode.NXRRSET)
        self.assertEqual(self.refused(new, demands=(exactly("nobody 0 A 192.0.2.5"),)), Rcode.NXRRSET)

    def test_atomic(self) -> None:
        """
        One prerequisite that does not hold is enough for nothing to be done.
        """
        version = versionOf()
        demands = (about("mail", ANY_CLASS), about("nobody", ANY_CLASS))
        self.assertEqual(self.refused(record("new 60 A 192.0.2.9"), demands=demands, version=version), Rcode.NXDOMAIN)
        self.assertEqual(textsOf(version), textsOf(versionOf()))

    def test_onlyDemands(self) -> None:
        """
        An update without changes tells whether its prerequisites hold, and leaves the zone at its serial number.
        """
        self.assertEqual(self.update(demands=(about("mail", ANY_CLASS),)).serial, 10)
        self.assertEqual(self.refused(demands=(about("mail", NONE),)), Rcode.YXDOMAIN)

    def test_demandsMalformed(self) -> None:
        """
        Prerequisites with a TTL, with data where none belongs or of an unknown class are FORMERR; those about other zones NOTZONE
        (section 3.2.5).
        """
        outside = RRSet(nameFromText("example.com."), ANY, ANY_CLASS, 0, (b"",))
        for demand, rcode in (
            (about("mail", ANY_CLASS, ttl=1), Rcode.FORMERR),
            (about("mail", NONE, A, rdata=b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (about("mail", ANY_CLASS, A, rdata=b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (about("mail", ANY_CLASS, AXFR), Rcode.FORMERR),
            (about("mail", CH, TXT, rdata=b"\x00"), Rcode.FORMERR),
            (record("mail 300 A 192.0.2.3"), Rcode.FORMERR),
            (outside, Rcode.NOTZONE),
        ):
            self.assertEqual(self.refused(demands=(demand,)), rcode, repr(demand))

    # -- what the update section may have

    def test_prescan(self) -> None:
        """
        Changes that are not of their form are FORMERR, those to other zones NOTZONE, and nothing before them is done (section 3.4.1).
        """
        version = versionOf()
        outside = RRSet(nameFromText("xexample.org."), A, IN, 60, (b"\x01\x02\x03\x04",))
        for change, rcode in (
            (about("mail", IN, ANY), Rcode.FORMERR),
            (about("mail", IN, AXFR), Rcode.FORMERR),
            (about("mail", IN, 0), Rcode.FORMERR),
            (about("mail", IN, TXT), Rcode.FORMERR),
            (about("mail", ANY_CLASS, ttl=1), Rcode.FORMERR),
            (about("mail", ANY_CLASS, A, rdata=b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (about("mail", ANY_CLASS, AXFR), Rcode.FORMERR),
            (about("mail", NONE, ANY), Rcode.FORMERR),
            (about("mail", NONE, A, 1, b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (about("mail", CH, A, rdata=b"\x01\x02\x03\x04"), Rcode.FORMERR),
            (outside, Rcode.NOTZONE),
        ):
            self.assertEqual(self.refused(record("new 60 A 192.0.2.9"), change, version=version), rcode, repr(change))
        self.assertEqual(textsOf(version), textsOf(versionOf()))

    # -- what changes do

    def test_add(self) -> None:
        """
        Records are added, to names that are there and to new ones, with the names between (section 3.4.2.2).
        """
        after = self.update(record("mail 300 A 192.0.2.5"), record("x.y.new 60 TXT \"hi\""))
        self.assertEqual(len(self.rdatas(after, "mail", A)), 3)
        self.assertEqual(len(self.rdatas(after, "x.y.new", TXT)), 1)
        self.assertIsNotNone(after.find(b"\x03new"))
        self.assertEqual(after.serial, 11)

    def test_inOrder(self) -> None:
        """
        Changes are made in their order: what is deleted may be added again (section 3.4.2.6).
        """
        after = self.update(about("mail", ANY_CLASS, A), record("mail 60 A 192.0.2.9"))
        self.assertEqual(self.rdatas(after, "mail", A), (b"\xc0\x00\x02\x09",))
        self.assertEqual(self.rdatas(self.update(record("mail 60 A 192.0.2.9"), about("mail", ANY_CLASS, A)), "mail", A), ())

    def test_delete(self) -> None:
        """
        A record, a set and a name are deleted (sections 3.4.2.3 and 3.4.2.4); what is not there is deleted in silence.
        """
        after = self.update(
            gone("mail 0 A 192.0.2.3"), about("mail", ANY_CLASS, typeNumber("AAAA") or 0), about("www", ANY_CLASS), about("no", ANY_CLASS)
        )
        self.assertEqual(self.rdatas(after, "mail", A), (b"\xc0\x00\x02\x04",))
        self.assertEqual(self.rdatas(after, "mail", 28), ())
        self.assertIsNone(after.find(b"\x03www"))
        self.assertEqual(self.update(gone("mail 0 A 192.0.2.33"), gone("no 0 A 192.0.2.33")).serial, 10)

    def test_apexStays(self) -> None:
        """
        The zone keeps its SOA and its NS records whatever is deleted (sections 3.4.2.3 and 3.4.2.4), the last NS by itself too.
        """
        after = self.update(about("@", ANY_CLASS), about("@", ANY_CLASS, NS), about("@", ANY_CLASS, SOA))
        self.assertEqual({rrset.rrType for rrset in after.top.sets}, {SOA, NS})
        self.assertEqual(len(self.rdatas(after, "@", NS)), 2)
        after = self.update(gone("@ 0 NS ns1"), gone("@ 0 NS NS2"), gone("@ 0 SOA ns1 hostmaster 10 3600 600 86400 300"))
        self.assertEqual(self.rdatas(after, "@", NS), (name("ns2"),))

    def test_alias(self) -> None:
        """
        A CNAME replaces a CNAME; one beside other data, and other data beside one, is ignored in silence (section 3.4.2.2).
        """
        after = self.update(record("www 60 CNAME ns1"), record("mail 60 CNAME ns1"), record("www 60 A 192.0.2.1"))
        self.assertEqual(self.rdatas(after, "www", CNAME), (name("ns1"),))
        self.assertEqual(self.rdatas(after, "www", A), ())
        self.assertEqual(self.rdatas(after, "mail", CNAME), ())

    def test_dname(self) -> None:
        """
        A DNAME replaces a DNAME and is ignored beside a CNAME, as a CNAME is beside it (RFC 6672, section 5.2).
        """
        first = self.update(record("moved 60 DNAME example.com."), record("www 60 DNAME example.com."))
        after = self.update(record("moved 60 DNAME example.net."), record("moved 60 CNAME www"), version=first)
        self.assertEqual(self.rdatas(after, "moved", DNAME), (nameFromText("example.net."),))
        self.assertEqual(self.rdatas(after, "moved", CNAME), ())
        self.assertEqual(self.rdatas(after, "www", DNAME), ())

    def test_soa(self) -> None:
        """
        An SOA with a newer serial number takes the place of the old one, with that number; an older one, and one elsewhere, is ignored.
        """
        self.assertEqual(self.update(record("@ 60 SOA ns2 hostmaster 50 1 2 3 4")).serial, 50)
        after = self.update(record("@ 60 SOA ns2 hostmaster 9 1 2 3 4"), record("www 60 SOA ns2 hostmaster 90 1 2 3 4"))
        self.assertEqual(after.serial, 10)

    def test_services(self) -> None:
        """
        A WKS record replaces the one of its address and protocol (section 3.4.2.2).
        """
        old = RRSet(name("mail"), WKS, IN, 60, (b"\xc0\x00\x02\x03\x06\x80",))
        new = RRSet(name("mail"), WKS, IN, 60, (b"\xc0\x00\x02\x03\x06\x40",))
        udp = RRSet(name("mail"), WKS, IN, 60, (b"\xc0\x00\x02\x03\x11\x40",))
        after = self.update(new, version=self.update(old, udp))
        self.assertEqual(set(self.rdatas(after, "mail", WKS)), {*new.rdatas, *udp.rdatas})

    def test_duplicates(self) -> None:
        """
        A record that is there already stays one, and its TTL is the new one's (section 3.4.2.2).
        """
        after = self.update(record("mail 77 A 192.0.2.3"))
        node = after.find(b"\x04mail")
        mail = None if node is None else node.of(A)
        assert mail is not None
        self.assertEqual((mail.ttl, len(mail.rdatas)), (77, 2))

    # -- who may

    def test_denied(self) -> None:
        """
        What the policy does not allow is refused as a whole, and so is the deletion of a name of which one type may not be changed. With a
        policy that allows it, it is done.
        """
        policy = Policy.fromTexts(["address 127.0.0.1 name mail A", "address 127.0.0.1 subtree dyn"], APEX)
        self.update(record("mail 60 A 192.0.2.9"), record("x.dyn 60 TXT a"), about("y.dyn", ANY_CLASS), policy=policy)
        for change in (
            record("www 60 A 192.0.2.9"),
            record("x.dyn 60 NS ns1"),
            about("mail", ANY_CLASS),
            gone("mail 0 AAAA 2001:db8::3"),
            about("@", ANY_CLASS),
        ):
            self.assertEqual(self.refused(record("mail 60 A 192.0.2.9"), change, policy=policy), Rcode.REFUSED, repr(change))
            self.update(change)

    def test_deniedFirst(self) -> None:
        """
        Whoever may not change what he wants to change does not learn from prerequisites what there is.
        """
        policy = Policy.fromTexts(["address 127.0.0.1 name mail A"], APEX)
        demands = (about("nobody", ANY_CLASS),)
        self.assertEqual(self.refused(record("www 60 A 192.0.2.9"), demands=demands, policy=policy), Rcode.REFUSED)
        self.assertEqual(self.refused(record("www 60 A 192.0.2.9"), demands=demands), Rcode.NXDOMAIN)

    def test_order(self) -> None:
        """
        Who may is asked first; then whether prerequisites are of their form and hold, one after the other; then whether changes are of
        theirs (RFC 2136, sections 3.2 to 3.4). What lies outside of the zone is told of in its turn, to whoever
        may change everything.
        """
        policy = Policy.fromTexts(["address 127.0.0.1 name mail A", "address 127.0.0.1 name mail TXT"], APEX)
        unmet, malformed = about("nobody", ANY_CLASS), about("mail", ANY_CLASS, ttl=1)
        wrong, denied = about("mail", NONE, A, 1, b"\x01\x02\x03\x04"), record("www 60 A 192.0.2.9")
        self.assertEqual(self.refused(wrong, denied, demands=(unmet,), policy=policy), Rcode.REFUSED)
        self.assertEqual(self.refused(wrong, demands=(unmet, malformed), policy=policy), Rcode.NXDOMAIN)
        self.assertEqual(self.refused(wrong, demands=(malformed, unmet), policy=policy), Rcode.FORMERR)
        self.assertEqual(self.refused(wrong, demands=(unmet,), policy=policy), Rcode.NXDOMAIN)
        self.assertEqual(self.refused(wrong, policy=policy), Rcode.FORMERR)
        outside = RRSet(nameFromText("example.com."), ANY, ANY_CLASS, 0, (b"",))
        self.assertEqual(self.refused(outside, demands=(unmet,)), Rcode.NXDOMAIN)
        self.assertEqual(self.refused(outside), Rcode.NOTZONE)
        self.assertEqual(self.refused(outside, policy=policy), Rcode.REFUSED)

    def test_signed(self) -> None:
        """
        A zone that came signed is changed only by those who may change its signatures too.
        """
        version = versionOf(ZONE + "@ 300 NSEC a.b SOA NS MX NSEC\n")
        plain = Policy.fromTexts(["address 127.0.0.1 zone"])
        self.assertEqual(self.refused(record("new 60 A 192.0.2.9"), version=version, policy=plain), Rcode.REFUSED)
        self.assertEqual(self.update(record("new 60 A 192.0.2.9"), version=version).serial, 11)

    def test_lessOfMuch(self) -> None:
        """
        A set that had more records than a change may leave may get smaller, or have a neighbor, but not grow.
        """
        version = versionOf(ZONE + "".join([f"big 60 A 192.0.2.{count}\n" for count in range(150)]))
        self.assertEqual(len(self.rdatas(self.update(gone("big 60 A 192.0.2.7"), version=version), "big", A)), 149)
        self.assertEqual(len(self.rdatas(self.update(record('big 60 TXT "x"'), version=version), "big", A)), 150)
        self.assertEqual(self.refused(record("big 60 A 192.0.2.200"), version=version), Rcode.REFUSED)

    def test_manyOfOneSet(self) -> None:
        """
        A record more or less of a large set does not cost going through all of it: that many of them would hold up everybody.
        """
        looked = [0]

        def counted(rrType: int, rdata: bytes) -> bytes:
            looked[0] += 1
            return canonicalOf(rrType, rdata)

        many = [record(f"bomb 60 {rrType} {count}.example.com.") for count in range(500) for rrType in ("NS", "PTR")]
        with (
            patch("twisted_ext.zone.update.transactions.SET_RECORDS", Limit(2000, 2000, 2000)),
            patch("twisted_ext.zone.update.transactions.canonicalOf", counted),
        ):
            version = self.update(*many)
            self.assertEqual(len(self.rdatas(version, "bomb", NS)), 500)
            self.assertLessEqual(looked[0], 2 * len(many))
            looked[0] = 0
            version = self.update(*[RRSet(each.name, each.rrType, NONE, 0, each.rdatas) for each in many], version=version)
            self.assertEqual(self.rdatas(version, "bomb", NS), ())
            self.assertLessEqual(looked[0], 3 * len(many))

    def test_bombs(self) -> None:
        """
        A set of more records than answers should have is refused, and so is a name of too many types (CVE-2024-1737). Without the bound
        it is there.
        """
        many = [record(f"bomb 60 A 192.0.{count >> 8}.{count & 255}") for count in range(101)]
        self.assertEqual(self.refused(*many), Rcode.REFUSED)
        self.update(*many[:100])
        # Each of these would be held against all others.
        services = [RRSet(name("bomb"), WKS, IN, 60, (b"\x01\x02\x03" + bytes([count]) + b"\x06\xff",)) for count in range(103)]
        self.assertEqual(self.refused(*services), Rcode.REFUSED)
        types = [RRSet(name("bomb"), 2000 + count, IN, 60, (b"x",)) for count in range(101)]
        self.assertEqual(self.refused(*types), Rcode.REFUSED)
        with patch("twisted_ext.zone.update.transactions.SET_RECORDS", Limit(200, 200, 200)):
            self.assertEqual(len(self.rdatas(self.update(*many), "bomb", A)), 101)
        with patch("twisted_ext.zone.update.transactions.NAME_TYPES", Limit(200, 200, 200)):
            self.update(*types)
