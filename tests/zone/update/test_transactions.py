"""
Tests of changing zones: L{twisted_ext.zone.update.transactions}, L{twisted_ext.zone.store.changeset} and
L{twisted_ext.zone.store.serials}.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, ZONE, record, records, textsOf, versionOf
from twisted_ext.errors import BadChange, BadDescription
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, MX, NS, SOA, A
from twisted_ext.zone.limits import SET_RECORDS
from twisted_ext.zone.sign.sets import Unmade
from twisted_ext.zone.store.changeset import Difference, applied, condensed, fromRendered, rendered
from twisted_ext.zone.store.serials import isNewer, nextSerial, serialIn, withSerial
from twisted_ext.zone.store.steps import finished
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

#: All records of each changed name.
Changes = Mapping[bytes, tuple[RRSet, ...]]


def withChanges(version: Version, *added: str, removed: tuple[str, ...] = ()) -> tuple[Version, Difference]:
    """
    Return a version with some records added and others removed, and the difference.
    """
    transaction = Transaction(version)
    for line in removed:
        transaction.remove(record(line))
    for line in added:
        transaction.add(record(line))
    committed = transaction.commit()
    assert committed is not None
    return committed


class ParentalTests(SynchronousTestCase):
    def test_recordsOfTheZoneAbove(self) -> None:
        """
        DS records at the apex belong to the zone above. Those that a zone has all the same, from a database, hinder no other change.
        """
        ds = f"DS 1 13 2 {64 * '0'}"
        transaction = Transaction(versionOf(ZONE))
        transaction.add(record(f"@ 60 {ds}"))
        with self.assertRaisesRegex(BadChange, "would have DS records, which belong to the zone above"):
            transaction.commit()
        version, _ = withChanges(versionOf(f"{ZONE}@ 60 {ds}\n"), "new 60 A 192.0.2.9")
        self.assertIn("new", str(textsOf(version)))

    def test_keysBelow(self) -> None:
        """
        The keys of a zone are at its apex only, and a name below has a DNAME or NS records; those that are there hinder no other change.
        """
        for line, more, said in (
            ("sub 60 DNSKEY 257 3 13 AAAA", "sub 60 TXT x", "would have a DNSKEY, which belongs at example.org."),
            ("sub 60 NSEC3PARAM 1 0 0 -", "sub 60 TXT x", "would have a NSEC3PARAM, which belongs at example.org."),
            ("sub 60 NS ns1\nsub 60 DNAME example.net.", "sub 60 TXT x", "would have a DNAME and NS too"),
        ):
            with self.assertRaisesRegex(BadChange, said):
                withChanges(versionOf(ZONE), *line.split("\n"))
            withChanges(versionOf(f"{ZONE}{line}\n"), more)
        withChanges(versionOf(ZONE), "@ 60 DNSKEY 257 3 13 AAAA", "@ 60 DNAME example.net.")


class SerialTests(SynchronousTestCase):
    """
    Tests for serial numbers.
    """

    def test_serialsCompareCircularly(self) -> None:
        """
        Serial numbers are compared across the wraparound. Neither of two that are half the circle apart is newer.
        """
        self.assertTrue(isNewer(2, 1))
        self.assertFalse(isNewer(1, 2))
        self.assertFalse(isNewer(1, 1))
        self.assertTrue(isNewer(0, 0xFFFFFFFF))
        self.assertFalse(isNewer(0x80000000, 0))
        self.assertFalse(isNewer(0, 0x80000000))

    def test_nextSerialIsNewer(self) -> None:
        """
        The next serial number is newer with each method, and never 0.
        """
        today = 1_795_000_000.0
        self.assertEqual(nextSerial(10), 11)
        self.assertEqual(nextSerial(0xFFFFFFFF), 1)
        self.assertEqual(nextSerial(10, "unixtime", today), 1_795_000_000)
        self.assertEqual(nextSerial(1_795_000_000, "unixtime", today), 1_795_000_001)
        self.assertEqual(nextSerial(10, "dateserial", today), 2026111800)
        self.assertEqual(nextSerial(2026111800, "dateserial", today), 2026111801)
        self.assertEqual(nextSerial(2026111900, "dateserial", today), 2026111901)

    def test_unknownMethodIsRefused(self) -> None:
        """
        An unknown method for serial numbers is refused, and the error lists the valid ones.
        """
        self.assertIn("increment, unixtime, dateserial", str(self.assertRaises(BadDescription, nextSerial, 1, "guess")))

    def test_serialInSOAIsReadAndReplaced(self) -> None:
        """
        The serial number of an SOA record is read and replaced without any other change.
        """
        rdata = record("@ 1 SOA ns1 hostmaster 10 3600 600 86400 300").rdatas[0]
        self.assertEqual(serialIn(rdata), 10)
        self.assertEqual(serialIn(withSerial(rdata, 0xFFFFFFFE)), 0xFFFFFFFE)
        self.assertEqual(withSerial(withSerial(rdata, 5), 10), rdata)


class TransactionTests(SynchronousTestCase):
    """
    Tests for L{Transaction}.
    """

    def test_changeMakesNewVersion(self) -> None:
        """
        A change makes a new version with the next serial number, and the former version does not change.
        """
        before = versionOf()
        after, difference = withChanges(before, "new 60 A 192.0.2.9", removed=("mail 0 A 192.0.2.3",))
        self.assertEqual((before.serial, after.serial), (10, 11))
        self.assertEqual(textsOf(before), textsOf(versionOf()))
        self.assertEqual((difference.oldSerial, difference.newSerial), (10, 11))
        self.assertEqual(difference.removed, (record("mail 300 A 192.0.2.3"),))
        self.assertEqual(difference.added, (record("new 60 A 192.0.2.9"),))
        node = after.find(b"\x04mail")
        assert node is not None
        self.assertEqual(node.of(A), record("mail 300 A 192.0.2.4"))

    def test_ineffectiveChangesMakeNoVersion(self) -> None:
        """
        Changes without an effect make no version: adding an existing record, removing a missing one, or adding and removing.
        """
        transaction = Transaction(versionOf())
        self.assertFalse(transaction.add(record("mail 300 A 192.0.2.3")))
        self.assertFalse(transaction.remove(record("mail 300 A 192.0.2.77")))
        self.assertFalse(transaction.removeName(nameFromText("nobody", APEX)))
        transaction.add(record("new 300 A 192.0.2.3"))
        transaction.removeType(nameFromText("new", APEX), A)
        self.assertIsNone(transaction.commit())

    def test_newTTLAppliesToTheSet(self) -> None:
        """
        A record with another TTL changes the TTL of its set, and the difference contains all its records.
        """
        after, difference = withChanges(versionOf(), "mail 60 A 192.0.2.5")
        node = after.find(b"\x04mail")
        assert node is not None
        mail = node.of(A)
        assert mail is not None
        self.assertEqual((mail.ttl, len(mail.rdatas)), (60, 3))
        self.assertEqual((len(difference.removed[0].rdatas), len(difference.added[0].rdatas)), (2, 3))

    def test_caseOfNamesIsIgnored(self) -> None:
        """
        The letter case of names is ignored, in owners and in rdata.
        """
        transaction = Transaction(versionOf())
        self.assertTrue(transaction.remove(record("@ 0 MX 10 MAIL")))
        self.assertTrue(transaction.remove(record("MaiL 0 A 192.0.2.3")))
        committed = transaction.commit()
        assert committed is not None
        self.assertIsNone(committed[0].top.of(MX))

    def test_givenSerialMustBeNewer(self) -> None:
        """
        A given SOA record keeps its serial number if that is newer, and is otherwise refused.
        """
        version = versionOf()
        transaction = Transaction(version)
        transaction.replace(record("@ 3600 SOA ns1 hostmaster 77 1 1 1 1"))
        committed = transaction.commit()
        assert committed is not None
        self.assertEqual(committed[0].serial, 77)
        transaction = Transaction(version)
        transaction.replace(record("@ 3600 SOA ns1 hostmaster 9 1 1 1 1"))
        self.assertIn("not newer", str(self.assertRaises(BadChange, transaction.commit)))

    def test_invalidZoneIsRefused(self) -> None:
        """
        A transaction that would make an invalid zone is refused as a whole, and the error names the record.
        """
        for lines, expected in (
            (("www 300 A 192.0.2.1",), "has to be alone"),
            (("mail 300 CNAME www",), "has to be alone"),
            (("www 300 CNAME ns1",), "at most 1 is allowed"),
            (("sub 300 SOA ns1 hostmaster 1 1 1 1 1",), "belongs at example.org."),
            (tuple(f"many 300 A 192.0.{count >> 8}.{count & 255}" for count in range(int(SET_RECORDS.default) + 1)), "are allowed"),
        ):
            transaction = Transaction(versionOf())
            for line in lines:
                transaction.add(record(line))
            self.assertIn(expected, str(self.assertRaises(BadChange, transaction.commit)))
        for rrType in (SOA, NS):
            transaction = Transaction(versionOf())
            transaction.removeType(APEX, rrType)
            self.assertRaises(BadChange, transaction.commit)
        transaction = Transaction(versionOf())
        self.assertRaises(BadChange, transaction.add, record("www.example.com. 1 A 192.0.2.1"))

    def test_removedNameKeepsApexSOAAndNS(self) -> None:
        """
        Removing a name removes all its records, except the SOA and NS records at the apex.
        """
        transaction = Transaction(versionOf())
        transaction.removeName(nameFromText("mail", APEX))
        transaction.removeName(APEX)
        committed = transaction.commit()
        assert committed is not None
        after = committed[0]
        self.assertIsNone(after.find(b"\x04mail"))
        self.assertEqual({rrset.rrType for rrset in after.top.sets}, {SOA, NS})

    def test_completedChange(self) -> None:
        """
        What completes a change gets all records of each changed name, once they are found to be valid; the next version and the difference
        are made of what it returns. It may do so in steps.
        """
        asked: list[tuple[Version, set[bytes]]] = []
        version = versionOf()

        class Made:
            def isMade(self, key: bytes, rrType: int) -> bool:
                return False

            def completing(self, version: Version, changes: Changes) -> Generator[object, None, Changes]:
                asked.append((version, set(changes)))
                yield "a step"
                return {**changes, b"\x04mail": (), b"\x05other": (record("other 300 A 192.0.2.7"),)}

        transaction = Transaction(version, completion=Made())
        self.assertIsNone(transaction.commit())
        transaction.add(record("new 300 CNAME www"))
        steps = transaction.committing()
        self.assertEqual(next(step for step in steps if step is not None), "a step")
        done = finished(steps)
        assert done is not None
        after, difference = done
        self.assertEqual(asked, [(version, {b"", b"\x03new"})])
        self.assertEqual([after.find(key) is not None for key in (b"\x03new", b"\x04mail", b"\x05other")], [True, False, True])
        self.assertEqual({rrset.name for rrset in difference.removed}, {b"\x04mail" + APEX})
        self.assertEqual({rrset.name for rrset in difference.added}, {b"\x03new" + APEX, b"\x05other" + APEX})
        self.assertEqual(textsOf(applied(version, [difference])), textsOf(after))
        transaction.add(record("new 300 A 192.0.2.3"))
        self.assertRaises(BadChange, transaction.commit)
        self.assertEqual(len(asked), 1)

    def test_transactionSeesItsOwnChanges(self) -> None:
        """
        A transaction sees its own changes.
        """
        transaction = Transaction(versionOf())
        transaction.add(record("new 300 A 192.0.2.3"))
        self.assertEqual([kind[0] for kind in transaction.setsAt(b"\x03new")], [A])
        transaction.removeType(nameFromText("mail", APEX), AAAA)
        self.assertEqual([kind[0] for kind in transaction.setsAt(b"\x04mail")], [A])


class DifferenceTests(SynchronousTestCase):
    """
    Tests for L{Difference}.
    """

    def test_appliedDifferencesYieldTheVersion(self) -> None:
        """
        Differences yield the new version one by one and condensed, for any changes of names, TTLs and serial numbers.
        """
        draw = random.Random(7)
        for _ in range(30):
            start = version = versionOf()
            differences = []
            for _ in range(draw.randrange(1, 8)):
                transaction = Transaction(version)
                for _ in range(draw.randrange(1, 6)):
                    owner = draw.choice(("mail", "new", "a.b", "x.y.z", "MAIL"))
                    line = record(f"{owner} {draw.choice((60, 300))} A 192.0.2.{draw.randrange(4)}")
                    if draw.random() < 0.4:
                        transaction.remove(line)
                    elif draw.random() < 0.1:
                        transaction.removeName(line.name)
                    else:
                        transaction.add(line)
                committed = transaction.commit()
                if committed is not None:
                    version, difference = committed
                    differences.append(difference)
            self.assertEqual(textsOf(applied(start, differences)), textsOf(version))
            if differences:
                whole = condensed(differences)
                self.assertEqual((whole.oldSerial, whole.newSerial), (start.serial, version.serial))
                self.assertEqual(textsOf(applied(start, [whole])), textsOf(version))
                self.assertLessEqual(whole.records, sum([each.records for each in differences]))

    def test_serialsThatGoAround(self) -> None:
        """
        Of several changes, none leads to a serial that is not newer than that of the version, though it is newer than the one before it.
        """
        version = versionOf()
        soa = version.soa
        transaction = Transaction(version)
        transaction.replace(soa.withRdatas((withSerial(soa.rdatas[0], 12),)))
        finished(transaction.closing())
        transaction.replace(soa.withRdatas((withSerial(soa.rdatas[0], 10 + 2**31),)))
        with self.assertRaises(BadChange) as caught:
            finished(transaction.closing())
        self.assertIn("is not newer than 10", str(caught.exception))
        transaction.undo()
        committed = transaction.commit()
        assert committed is not None
        self.assertEqual(committed[0].serial, 12)

    def test_recordsOfASigner(self) -> None:
        """
        In a zone that will be signed, records of a signer cannot be changed, and those that are there stay as they are.
        """
        version = versionOf(f"{ZONE}mail 300 NSEC ns1 A\n")
        transaction = Transaction(version, completion=Unmade())
        self.assertEqual({kind[0] for kind in transaction.setsAt(b"\x04mail")}, {1, 28})
        self.assertRaises(BadChange, transaction.add, record("ns1 300 NSEC ns2 A"))
        transaction.add(record("mail 300 A 192.0.2.9"))
        committed = transaction.commit()
        assert committed is not None
        after, difference = committed
        node = after.find(b"\x04mail")
        assert node is not None
        self.assertEqual({rrset.rrType for rrset in node.sets}, {1, 28, 47})
        self.assertEqual([rrset.rrType for rrset in (*difference.removed, *difference.added)], [1])

    def test_condensedOmitsUndoneChanges(self) -> None:
        """
        A condensed difference omits records that were added and removed again.
        """
        first, one = withChanges(versionOf(), "new 60 A 192.0.2.9")
        _, two = withChanges(first, "other 60 A 192.0.2.9", removed=("new 0 A 192.0.2.9",))
        whole = condensed([one, two])
        self.assertEqual(whole.removed, ())
        self.assertEqual(whole.added, (record("other 60 A 192.0.2.9"),))

    def test_mismatchedDifferenceIsRefused(self) -> None:
        """
        A difference is not applied to another version, and differences with a gap are not condensed.
        """
        version = versionOf()
        after, difference = withChanges(version, "new 60 A 192.0.2.9")
        self.assertRaises(BadChange, applied, after, [difference])
        before, soa = difference.before, difference.after
        for removed, added in (((record("nobody 1 A 192.0.2.1"),), ()), ((), (record("mail 300 A 192.0.2.3"),))):
            self.assertRaises(BadChange, applied, version, [Difference(before, removed, soa, added)])
        outside = record("www.example.com. 1 A 192.0.2.1")
        self.assertRaises(BadChange, applied, version, [Difference(before, (), soa, (outside,))])
        self.assertRaises(BadChange, condensed, [difference, difference])
        self.assertRaises(BadChange, condensed, [])
        self.assertRaises(BadChange, Difference, outside, (), soa, ())

    def test_renderedRoundTrip(self) -> None:
        """
        Records that are rendered as for a zone transfer are read back unchanged.
        """
        sets = records(ZONE)
        self.assertEqual(set(fromRendered(rendered(sets, APEX), APEX)), set(sets))
