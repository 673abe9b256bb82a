"""
Tests of the aggressive use of denials (RFC 8198), with attack 13: random names below a signed zone.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.chains import Counting, KnownZone, denialsOf, name, nsec3Set, nsecSet, numbers
from tests.dnssec.test_provedtruth import KINDS, QUESTIONS, RELATIVE, chainOf, hasHiddenEncloser, named, zones
from twisted_ext.answers import Outcome
from twisted_ext.dnssec.denial import aggressive, nsec, nsec3
from twisted_ext.dnssec.denial.aggressive import DenialStore, Synthesis
from twisted_ext.dnssec.denial.proving import Proof, proveNoData, proveNoName
from twisted_ext.limits import Limit
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME, DS, MX, NS, NSEC, RRSIG, SOA, TXT, A

ZONE = name("example.")

KNOWN = KnownZone(
    ZONE,
    {
        name("a.example."): numbers("A"),
        name("cut.example."): numbers("NS"),
        name("signed.example."): numbers("NS DS"),
        name("tree.example."): numbers("DNAME"),
        name("deep.empty.example."): numbers("MX"),
        name("*.wild.example."): numbers("TXT"),
        name("*.alias.example."): numbers("CNAME"),
        name("z.example."): numbers("A"),
    },
)


def soaOf(zone: bytes, minimum: int = 3600) -> RRSet:
    """
    Return an SOA set.
    """
    return RRSet(zone, SOA, 1, 3600, (b"\x00\x00" + bytes(16) + minimum.to_bytes(4, "big"),))


def signaturesOf(rrset: RRSet) -> RRSet:
    """
    Return a placeholder for the signatures of a set: as many octets as one by ECDSA has.
    """
    return RRSet(rrset.name, RRSIG, 1, rrset.ttl, (rrset.rrType.to_bytes(2, "big") + bytes(16) + rrset.name[-9:] + bytes(64),))


def filled(zone: KnownZone, sets: Iterable[RRSet], store: DenialStore | None = None) -> DenialStore:
    """
    Return a store with these records of a zone.
    """
    store = store or DenialStore()
    soa = soaOf(zone.apex)
    store.addSOA(zone.apex, soa, signaturesOf(soa), 3600, 0.0)
    for rrset in sets:
        store.add(zone.apex, rrset, signaturesOf(rrset), 3600, 0.0)
    return store


class DenyTests(SynchronousTestCase):
    """
    Questions that are answered by stored records.
    """

    def deny(self, text: str, rrType: int = A, *, sets: list[RRSet] | None = None, now: float = 1.0) -> Synthesis | None:
        """
        Ask a store with all records of the zone.
        """
        return filled(KNOWN, KNOWN.nsec() if sets is None else sets).deny(name(text), rrType, now)

    def test_deniedNames(self) -> None:
        """
        A missing name is denied with the SOA record, the records that prove it, and all signatures.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3(2, b"salt")):
            found = self.deny("B.example.", sets=sets)
            assert found is not None
            self.assertEqual((found.outcome, found.answer, found.ttl), (Outcome.NXDOMAIN, (), 3599))
            self.assertEqual(found.authority[0], soaOf(ZONE).withTTL(3599))
            self.assertEqual({rrset.ttl for rrset in found.authority}, {3599})
            for rrset, signatures in zip(found.authority[::2], found.authority[1::2], strict=True):
                self.assertEqual(signatures, signaturesOf(rrset))
            proof = proveNoName(name("b.example."), denialsOf(ZONE, found.authority), Counting())
            self.assertTrue(proof.secure)

    def test_deniedTypes(self) -> None:
        """
        Types that a name does not have are denied, also for empty non-terminals and names that a wildcard matches.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            for text in ("a.example.", "empty.example.", "x.wild.example.", "wild.example.", "tree.example.", "example."):
                found = self.deny(text, MX, sets=sets)
                assert found is not None, text
                self.assertEqual(found.outcome, Outcome.NODATA)
                self.assertTrue(proveNoData(name(text), MX, denialsOf(ZONE, found.authority), Counting()).secure)

    def test_parentDeniesDSOfUnsignedDelegation(self) -> None:
        """
        The records of a delegation say whether it has a DS set, though nothing else of the child.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            found = self.deny("cut.example.", DS, sets=sets)
            assert found is not None
            self.assertEqual(found.outcome, Outcome.NODATA)

    def test_questionsForServers(self) -> None:
        """
        What exists, what is or may be delegated or redirected, and what is special, is asked of servers.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            for text, rrType in (
                ("a.example.", A),
                ("a.example.", ANY),
                ("a.example.", RRSIG),
                ("b.example.", NSEC),
                ("b.example.", RRSIG),
                ("b.example.", 251),
                ("example.", DS),
                ("cut.example.", A),
                ("cut.example.", NS),
                ("signed.example.", DS),
                ("x.cut.example.", A),
                ("x.y.signed.example.", A),
                ("x.tree.example.", A),
                ("x.wild.example.", TXT),
                ("x.alias.example.", A),
                ("x.alias.example.", CNAME),
                ("b.example2.", A),
                (".", A),
            ):
                self.assertIsNone(self.deny(text, rrType, sets=sets), (text, rrType))

    def test_closestZoneDecides(self) -> None:
        """
        A zone's records are used for its own names only; those of the parent for its DS records.
        """
        child = KnownZone(name("signed.example."), {name("a.signed.example."): numbers("A")})
        store = filled(child, child.nsec(), filled(KNOWN, KNOWN.nsec()))
        found = store.deny(name("b.signed.example."), A, 1.0)
        assert found is not None
        self.assertEqual(found.authority[0].name, name("signed.example."))
        self.assertIsNone(store.deny(name("signed.example."), DS, 1.0))
        found = store.deny(name("a.signed.example."), DS, 1.0)
        assert found is not None
        self.assertEqual(found.authority[0].name, name("signed.example."))
        found = store.deny(name("b.example."), DS, 1.0)
        assert found is not None
        self.assertEqual((found.outcome, found.authority[0].name), (Outcome.NXDOMAIN, ZONE))

    def test_wildcardsAreExpanded(self) -> None:
        """
        A stored set of a wildcard answers for the other names that it matches, with the owner as asked and the record that proves that
        no closer name exists.
        """
        data = RRSet(name("one.wild.example."), TXT, 1, 300, (b"\x01x",))
        alias = RRSet(name("one.alias.example."), CNAME, 1, 300, (name("a.example."),))
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            store = filled(KNOWN, sets)
            self.assertTrue(store.addWildcard(ZONE, name("Wild.example."), data, signaturesOf(data), 300, 0.0))
            self.assertTrue(store.addWildcard(ZONE, name("alias.example."), alias, signaturesOf(alias), 300, 0.0))
            found = store.deny(name("Two.wild.example."), TXT, 10.0)
            assert found is not None
            self.assertEqual((found.outcome, found.ttl), (Outcome.DATA, 290))
            self.assertEqual([rrset.name for rrset in found.answer], [name("Two.wild.example.")] * 2)
            self.assertEqual((found.answer[0].rdatas, found.answer[1].rdatas), (data.rdatas, signaturesOf(data).rdatas))
            self.assertNotIn(SOA, [rrset.rrType for rrset in found.authority])
            found = store.deny(name("x.y.alias.example."), A, 10.0)
            assert found is not None
            self.assertEqual([rrset.rrType for rrset in found.answer], [CNAME, RRSIG])
            found = store.deny(name("two.wild.example."), MX, 10.0)
            assert found is not None
            self.assertEqual(found.outcome, Outcome.NODATA)
            self.assertIsNone(store.deny(name("two.wild.example."), TXT, 301.0))

    def test_wrongWildcardsAreNotStored(self) -> None:
        """
        Sets that were not expanded from a wildcard of the zone, and types that no wildcard has, are not stored.
        """
        store = filled(KNOWN, KNOWN.nsec())
        for owner, encloser, rrType in (
            ("x.example2.", "example2.", TXT),
            ("x.example.", "wild.example.", TXT),
            ("x.wild.example.", "wild.example.", DS),
            ("x.wild.example.", "wild.example.", NS),
        ):
            rrset = RRSet(name(owner), rrType, 1, 300, (b"\x01x",))
            self.assertFalse(store.addWildcard(ZONE, name(encloser), rrset, signaturesOf(rrset), 300, 0.0))

    def test_lifetimes(self) -> None:
        """
        A denial lives as long as the first of its records, the TTL and the MINIMUM field of the SOA record, and three hours at most
        (RFC 8198, section 5.4; RFC 9077).
        """
        store = DenialStore()
        soa = soaOf(ZONE, 60)
        rrset = nsecSet(ZONE, ZONE, numbers("SOA"))
        self.assertTrue(store.add(ZONE, rrset, signaturesOf(rrset), 10**6, 0.0))
        self.assertIsNone(store.deny(name("b.example."), A, 1.0))
        self.assertTrue(store.addSOA(ZONE, soa, signaturesOf(soa), 3600, 0.0))
        found = store.deny(name("b.example."), A, 20.0)
        assert found is not None
        self.assertEqual(found.ttl, 40)
        self.assertIsNone(store.deny(name("b.example."), A, 60.0))
        soa = soaOf(ZONE, 10**6)
        self.assertTrue(store.addSOA(ZONE, soa, signaturesOf(soa), 10**6, 10_000.0))
        self.assertIsNotNone(store.deny(name("b.example."), A, 10_799.0))
        self.assertIsNone(store.deny(name("b.example."), A, 10_800.0))
        self.assertEqual(store.count, 0)
        self.assertFalse(store.add(ZONE, rrset, signaturesOf(rrset), 0, 0.0))
        self.assertFalse(store.addSOA(ZONE, soaOf(ZONE, 0), signaturesOf(soa), 60, 0.0))

    def test_expiredRecordsAreRemoved(self) -> None:
        """
        Records that have expired are removed when a look-up finds them, and deny nothing.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3(), KNOWN.nsec3()[:2]):
            store = filled(KNOWN, sets)
            soa = soaOf(ZONE)
            store.addSOA(ZONE, soa, signaturesOf(soa), 3600, 3000.0)
            full = store.octets
            for missing in ("b", "c", "d", "x.a", "q"):
                self.assertIsNone(store.deny(name(f"{missing}.example."), A, 3600.0))
            self.assertLess(store.octets, full)
            self.assertEqual(store.flush(ZONE), 1)
            self.assertEqual(store.octets, 0)

    def test_uselessRecordsAreNotStored(self) -> None:
        """
        Records of compact denial, records that cover one hash at most, and records with opt-out, which deny no other names, are not
        stored; nor are those that are ignored in replies.
        """
        store = DenialStore()
        good = nsecSet(name("a.example."), name("c.example."), numbers("A"))
        for rrset in (
            nsecSet(name("b.example."), name("\\000.b.example."), numbers("NXNAME")),
            nsec3Set(ZONE, bytes(20), bytes(19) + b"\1", numbers("A")),
            nsec3Set(ZONE, bytes(20), bytes(19) + b"\2", ()),
            nsec3Set(ZONE, b"\xff" * 20, bytes(20), numbers("A")),
            nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), flags=1),
            nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), flags=2),
            nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), iterations=51),
            nsecSet(name("a.example."), name("c.example2."), numbers("A")),
            nsecSet(name("c.example."), name("a.example."), numbers("A")),
            RRSet(good.name, NSEC, 1, 60, good.rdatas * 2),
            RRSet(good.name, NSEC, 3, 60, good.rdatas),
            RRSet(good.name, TXT, 1, 60, good.rdatas),
            RRSet(good.name, NSEC, 1, 60, (good.rdatas[0] + b"\x01\x20" + b"\xff" * 32 + bytes(9000),)),
        ):
            self.assertFalse(store.add(ZONE, rrset, signaturesOf(rrset), 3600, 0.0))
        for following in (bytes(19) + b"\3", bytes(20)):
            # Of a chain, or the only record of its zone.
            whole = nsec3Set(ZONE, bytes(20), following, numbers("A"))
            self.assertTrue(DenialStore().add(ZONE, whole, signaturesOf(whole), 3600, 0.0))
        large = RRSet(good.name, NSEC, 1, 60, (good.rdatas[0] + b"".join(bytes([n]) + b"\x20" + b"\xff" * 32 for n in range(1, 200)),))
        self.assertFalse(store.add(ZONE, large, signaturesOf(large), 3600, 0.0))
        self.assertEqual((store.count, store.octets, store.zones), (0, 0, ()))

    def test_zonesAreFlushed(self) -> None:
        """
        A zone can be removed, or all zones at and below a name.
        """
        zones = [KnownZone(name(text), {}) for text in ("example.", "a.example.", "b.a.example.", "xa.example.")]
        store = DenialStore()
        for zone in zones:
            filled(zone, zone.nsec(), store)
        self.assertEqual(store.count, 4)
        self.assertEqual(store.flush(name("A.example.")), 1)
        self.assertEqual(store.zones, (ZONE, name("b.a.example."), name("xa.example.")))
        self.assertEqual(store.flush(name("a.example."), below=True), 1)
        self.assertEqual(store.flush(b"\x00", below=True), 2)
        self.assertEqual((store.octets, store.flush(ZONE)), (0, 0))


@given(zones(), st.lists(st.tuples(RELATIVE, QUESTIONS), min_size=1, max_size=8), KINDS, st.data())
def test_onlyTheTruthIsSynthesized(
    zone: KnownZone, questions: list[tuple[list[bytes], int]], kind: str, data: st.DataObject
) -> None:
    """
    Whatever records of a zone are stored, all answers are true. With all of them, every missing name and type is denied that is not at a
    delegation.
    """
    chain = chainOf(zone, kind)
    kept = data.draw(st.lists(st.sampled_from(chain), unique_by=id))
    store = filled(zone, kept)
    whole = len(kept) == len(chain)
    for wildcard in zone.owners:
        for rrType in zone.typesAt(wildcard) - {RRSIG} if wildcard[:2] == b"\x01*" else ():
            rrset = RRSet(b"\x01x" + wildcard[2:], rrType, 1, 300, (b"\x00",))
            store.addWildcard(zone.apex, wildcard[2:], rrset, signaturesOf(rrset), 300, 0.0)
    for labels, rrType in questions:
        asked = named(labels, zone.apex)
        truth = zone.truth(asked, rrType)
        found = store.deny(asked, rrType, 1.0)
        if found is None:
            whole = whole and kind != "opt-out" and not hasHiddenEncloser(zone, asked, kind)
            easy = len(labels) < 4 and rrType != RRSIG and not zone.isCut(asked)
            assert not whole or not easy or truth in ("data", "elsewhere"), (truth, asked, rrType)
        else:
            assert truth == {"data": "expanded"}.get(found.outcome.value, found.outcome.value)


class BoundTests(SynchronousTestCase):
    """
    Memory and time, whatever is stored and asked.
    """

    def zoneOf(self, count: int, apex: bytes = ZONE) -> list[RRSet]:
        """
        Return the NSEC records of a zone with many names.
        """
        names = [apex] + [b"\x08" + b"%08d" % (number * 2) + apex for number in range(count)]
        types = numbers("A RRSIG NSEC")
        return [nsecSet(owner, following, types) for owner, following in zip(names, [*names[1:], apex], strict=True)]

    def test_memoryIsBounded(self) -> None:
        """
        The store does not take more memory than its limit, as the interpreter counts it, and not much less.
        """
        tracemalloc.start()
        try:
            store = DenialStore(4 << 20, 4 << 20)
            before = tracemalloc.get_traced_memory()[0]
            for number in range(8000):
                owner = b"\x08" + b"%08d" % number + ZONE
                rrset = nsecSet(owner, b"\x08" + b"%08d" % (number + 1) + ZONE, numbers("A AAAA RRSIG NSEC"))
                store.add(ZONE, rrset, signaturesOf(rrset), 3600, 0.0)
            used = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        self.assertLessEqual(store.octets, 4 << 20)
        self.assertLess(used, store.octets)
        self.assertGreater(used, store.octets / 2)

    def test_zonesShareTheMemory(self) -> None:
        """
        One zone takes its share at most, and of many zones those go first that were not used for longest.
        """
        store = DenialStore(512 << 10, 64 << 10)
        filled(KNOWN, KNOWN.nsec(), store)
        for number in range(300):
            zone = KnownZone(b"\x04" + b"%04d" % number + b"\x00", {})
            filled(zone, self.zoneOf(100 if number == 7 else 9, zone.apex), store)
            self.assertIsNotNone(store.deny(name("b.example."), A, 1.0))
            self.assertLessEqual(store.octets, 512 << 10)
        self.assertNotIn(b"\x040007\x00", store.zones)
        self.assertIn(b"\x040299\x00", store.zones)
        store.flush(b"\x00", below=True)
        self.assertEqual((store.octets, store.count), (0, 0))

    def test_usedRecordsStay(self) -> None:
        """
        Of one zone's records those go first that were not used for longest.
        """
        store = DenialStore(1 << 20, 64 << 10)
        sets = self.zoneOf(2000)
        filled(KnownZone(ZONE, {}), sets[:2], store)
        for rrset in sets[2:]:
            store.add(ZONE, rrset, signaturesOf(rrset), 3600, 0.0)
            self.assertIsNotNone(store.deny(name("00000000x.example."), A, 1.0))
        self.assertLess(store.count, 100)

    def test_parametersAreBounded(self) -> None:
        """
        Of two chains with other parameters the older one gives way to a third, so that a look-up never tries more than two.
        """
        store = DenialStore()
        soa = soaOf(ZONE)
        store.addSOA(ZONE, soa, signaturesOf(soa), 3600, 0.0)
        for salt in range(50):
            for rrset in KnownZone(ZONE, {name("a.example."): numbers("A")}).nsec3(0, bytes([salt])):
                store.add(ZONE, rrset, signaturesOf(rrset), 3600, 0.0)
        self.assertEqual(store.count, 4)
        self.assertIsNotNone(store.deny(name("b.example."), A, 1.0))


class TortureTests(SynchronousTestCase):
    """
    Attack 13: a flood of random names.
    """

    def ask(self, sets: list[RRSet], count: int) -> int:
        """
        Return how many of so many random names below a signed zone are asked of its servers, which reply with the right records.
        """
        store = filled(KNOWN, [])
        asked = 0
        for number in range(count):
            missing = b"\x0a" + b"r%09d" % (number * 7919 % 10**9) + ZONE
            if store.deny(missing, A, 1.0) is None:
                asked += 1
                proof = proveNoName(missing, denialsOf(ZONE, sets), Counting())
                self.assertTrue(proof.secure)
                for rrset in proof.sets:
                    store.add(ZONE, rrset, signaturesOf(rrset), 3600, 0.0)
        return asked

    def test_floodEndsAtTheGaps(self) -> None:
        """
        Of 10,000 random names at most as many are asked of servers as the zone has gaps, by NSEC and by NSEC3.
        """
        for sets in (KNOWN.nsec(), KNOWN.nsec3()):
            self.assertLessEqual(self.ask(sets, 10_000), len(sets))

    def test_floodWithDefenseOff(self) -> None:
        """
        Without the store, all of them are.
        """
        self.patch(DenialStore, "deny", lambda self, asked, rrType, now: None)
        self.assertEqual(self.ask(KNOWN.nsec(), 500), 500)

    def test_lookupsTouchFewRecords(self) -> None:
        """
        A look-up among thousands of records looks at five of them at most, not at all.
        """
        store = DenialStore(1 << 26, 1 << 26)
        filled(KnownZone(ZONE, {}), BoundTests().zoneOf(5000), store)
        looks = 0
        real = aggressive._Zone.fresh

        def fresh(zone: aggressive._Zone, place: bytes) -> object:
            nonlocal looks
            looks += 1
            return real(zone, place)

        self.patch(aggressive._Zone, "fresh", fresh)
        for number in range(1000):
            self.assertIsNotNone(store.deny(b"\x09" + b"%09d" % (number * 20 + 10) + ZONE, A, 1.0))
        self.assertLessEqual(looks, 5000)

    def test_hashesAreBounded(self) -> None:
        """
        A look-up calculates 8 hashes at most, whatever is stored and however long the name is, and none with too many iterations.
        """
        count = 0
        real = nsec3.hashOf

        def counted(owner: bytes, iterations: int, salt: bytes) -> int:
            nonlocal count
            count += 1
            return real(owner, iterations, salt)

        self.patch(nsec3, "hashOf", counted)
        sets = [nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), salt=bytes([salt])) for salt in range(3)]
        store = filled(KNOWN, sets)
        self.assertIsNone(store.deny(b"\x01a" * 120 + ZONE, A, 1.0))
        self.assertEqual(count, 8)
        self.patch(aggressive, "AGGRESSIVE_HASHES", Limit(default=10**6, least=3, most=10**6))
        self.assertIsNone(store.deny(b"\x01a" * 120 + ZONE, A, 1.0))
        self.assertGreater(count, 8 + 120)
        count = 0
        store = filled(KNOWN, [nsec3Set(ZONE, bytes(20), b"\xff" * 20, numbers("A"), iterations=51)])
        self.assertIsNone(store.deny(name("b.example."), A, 1.0))
        self.assertEqual(count, 0)

    def test_optOutWithDefenseOff(self) -> None:
        """
        If records with opt-out were stored and used, unsigned delegations would vanish.
        """
        delegated = name("cut.example.")
        store = filled(KNOWN, KNOWN.nsec3(optOut=True))
        self.assertEqual(store.count, 0)
        self.assertIsNone(store.deny(delegated, A, 1.0))
        sets = KNOWN.nsec3(optOut=True)
        for rrset in sets:
            rdata = rrset.rdatas[0]
            rrset.rdatas = (rdata[:1] + b"\x00" + rdata[2:],)
        found = filled(KNOWN, sets).deny(delegated, A, 1.0)
        assert found is not None
        self.assertEqual(found.outcome, Outcome.NXDOMAIN)

    def test_delegationsWithDefenseOff(self) -> None:
        """
        If a delegation's record were used for names below it, the child would vanish.
        """
        below = name("www.cut.example.")
        self.assertIsNone(filled(KNOWN, KNOWN.nsec()).deny(below, A, 1.0))
        self.patch(nsec, "hidden", lambda span, key: False)
        self.assertIsNotNone(filled(KNOWN, KNOWN.nsec()).deny(below, A, 1.0))


def test_proofsShowWhatTheyAre() -> None:
    """
    Values are shown in a readable form.
    """
    found = filled(KNOWN, KNOWN.nsec()).deny(name("b.example."), A, 1.0)
    assert repr(found) == "<Synthesis nxdomain [] 3599>"
    proof: Proof = proveNoName(name("b.example."), denialsOf(ZONE, []), Counting())
    assert repr(proof).startswith("<Proof bogus None (12, ")
    assert not hasattr(proof, "__dict__")
