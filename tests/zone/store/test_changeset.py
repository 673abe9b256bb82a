"""
Tests of L{twisted_ext.zone.store.changeset} against a model: applying differences one by one, all at once and condensed leads to
the same zone.
"""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, versionOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.canonical import canonicalOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS, SOA, A
from twisted_ext.zone.store import changeset as module
from twisted_ext.zone.store.changeset import Difference, applied, condensed
from twisted_ext.zone.store.journal import Journal
from twisted_ext.zone.store.serials import withSerial
from twisted_ext.zone.store.version import Version

_OWNERS = tuple([nameFromText(text, APEX) for text in ("mail", "www", "b", "c.d.e", "*.wild")])

_RDATAS = {
    A: tuple([bytes([192, 0, 2, number]) for number in range(4)]),
    NS: tuple([nameFromText(text) for text in ("ns1.example.net.", "ns2.example.net.", "ns.a.example.")]),
}

#: Each set that a step changes: owner, type, numbers of the records afterwards, whether the TTL changes, whether names are in capitals,
#: and the TTL of the removed records.
_Change = tuple[int, int, frozenset[int], bool, bool, int]

_steps = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, len(_OWNERS) - 1),
            st.sampled_from((A, NS)),
            st.frozensets(st.integers(0, 3)),
            st.booleans(),
            st.booleans(),
            st.sampled_from((0, 60, 300)),
        ),
        max_size=3,
        unique_by=lambda change: change[:2],
    ),
    min_size=1,
    max_size=6,
)

#: The numbers of the records and the TTL of each set.
_Held = dict[tuple[int, int], tuple[frozenset[int], int]]


def _spelled(octets: bytes, capitals: bool) -> bytes:
    return octets.upper() if capitals else octets


def soaOf(version: Version, serial: int) -> RRSet:
    """
    Return the SOA record with another serial number.
    """
    soa = version.soa
    return RRSet(soa.name, SOA, 1, soa.ttl, (withSerial(soa.rdatas[0], serial),))


def difference(version: Version, held: _Held, serial: int, changes: list[_Change]) -> Difference:
    """
    Return the difference to the next serial number, with each record in a set of its own as in a zone transfer.

    @param held: The record sets, which are changed accordingly.
    """
    removed: list[RRSet] = []
    added: list[RRSet] = []
    for place, rrType, after, renewed, capitals, removedTTL in changes:
        most = len(_RDATAS[rrType])
        numbers = frozenset([number % most for number in after])
        before, ttl = held.get((place, rrType), (frozenset(), 300))
        fresh = (ttl + 60) if renewed else ttl
        goingNumbers, comingNumbers = (before, numbers) if renewed else (before - numbers, numbers - before)
        owner = _spelled(_OWNERS[place], capitals)
        for number in sorted(goingNumbers):
            removed.append(
                RRSet(owner, rrType, 1, removedTTL, (_spelled(_RDATAS[rrType][number], capitals and rrType == NS),))
            )
        for number in sorted(comingNumbers):
            added.append(RRSet(owner, rrType, 1, fresh, (_spelled(_RDATAS[rrType][number], capitals and rrType == NS),)))
        held[place, rrType] = (numbers, fresh if numbers else 300)
    return Difference(soaOf(version, serial), removed, soaOf(version, serial + 1), added)


def textsOf(version: Version) -> set[tuple[bytes, int, int, bytes]]:
    """
    Return the records of the names that are changed here, with folded names.
    """
    return {
        (rrset.name.lower(), rrset.rrType, rrset.ttl, canonicalOf(rrset.rrType, rdata))
        for name in _OWNERS
        for rrset in (version.find(name[: -len(APEX)].lower()) or version.top).sets
        for rdata in rrset.rdatas
        if rrset.rrType in _RDATAS and rrset.name.lower() in _OWNERS
    }


class AgreementTests(SynchronousTestCase):
    """
    Tests against the model.
    """

    def setUp(self) -> None:
        self.start = versionOf("@ 3600 SOA ns1 hostmaster 10 3600 600 86400 300\n@ 3600 NS ns1\n")

    @given(_steps)
    def test_allWaysLeadToTheSameZone(self, steps: list[list[_Change]]) -> None:
        """
        Applying differences one by one, at once, condensed by halves or as a whole, and from a journal yields the records of the
        model.
        """
        held: _Held = {}
        made = [difference(self.start, held, 10 + number, changes) for number, changes in enumerate(steps)]
        version = self.start
        for each in made:
            version = applied(version, [each])
        expected = {
            (_OWNERS[place], rrType, ttl, _RDATAS[rrType][number])
            for (place, rrType), (numbers, ttl) in held.items()
            for number in numbers
        }
        self.assertEqual(textsOf(version), expected)
        self.assertEqual(textsOf(applied(self.start, made)), expected)
        whole = condensed(made)
        self.assertEqual((whole.oldSerial, whole.newSerial), (10, 10 + len(made)))
        self.assertEqual(textsOf(applied(self.start, [whole])), expected)
        half = len(made) // 2
        if half:
            twice = [condensed(made[:half]), condensed(made[half:])]
            self.assertEqual(textsOf(applied(self.start, twice)), expected)
            self.assertEqual(textsOf(applied(self.start, [condensed(twice)])), expected)
        journal = Journal(self.mktemp(), APEX)
        journal.append(made)
        self.assertEqual(textsOf(journal.replayed(self.start)), expected)
        self.assertEqual(textsOf(applied(self.start, [condensed(journal.since(10) or [])])), expected)
        journal.close()

    def test_largeSetChangesInLinearTime(self) -> None:
        """
        Removing and adding the records of a large set one by one takes linear time.
        """
        count = 1000
        name = _OWNERS[0]
        sets = [RRSet(name, A, 1, 60, (number.to_bytes(4, "big"),)) for number in range(count)]
        calls = [0]

        def counted(rrType: int, rdata: bytes) -> bytes:
            calls[0] += 1
            return canonicalOf(rrType, rdata)

        first = Difference(soaOf(self.start, 10), [], soaOf(self.start, 11), sets)
        second = Difference(soaOf(self.start, 11), sets, soaOf(self.start, 12), [each.withTTL(90) for each in sets])
        with patch.object(module, "canonicalOf", counted):
            version = applied(applied(self.start, [first]), [second])
        self.assertEqual(version.recordCount, self.start.recordCount + count)
        self.assertLessEqual(calls[0], 6 * count)
