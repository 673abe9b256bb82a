"""
Tests that what is proven is true, and what is true can be proven, in random zones.
"""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.dnssec.chains import Counting, KnownZone, denialsOf
from tests.zone.plain import HEAD, answer
from tests.zone.signing import signed
from twisted_ext.answers import Outcome, Question, Security
from twisted_ext.dnssec.denial.aggressive import DenialStore
from twisted_ext.dnssec.denial.proving import (
    Delegation,
    Denials,
    Proof,
    proveNoCloser,
    proveNoData,
    proveNoDS,
    proveNoName,
)
from twisted_ext.wire.names import isBelow, nameFromText, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNAME, DS, MX, NS, NSEC, NSEC3, SOA, URI, A, typeName
from twisted_ext.zone.zone import Zone

LABELS = st.sampled_from([b"a", b"b", b"c", b"*", b"\x00", b"\x01", b"ab"])
RELATIVE = st.lists(LABELS, min_size=1, max_size=4)
APEXES = st.sampled_from([b"\x00", b"\x01z\x00", b"\x01a\x01z\x00"])
TYPES = st.sampled_from([frozenset(types) for types in ({A}, {A, MX}, {CNAME}, {NS}, {NS, DS}, {DNAME}, {DNAME, A}, {URI}, {MX, URI})])
QUESTIONS = st.sampled_from([A, MX, CNAME, DS, NS, SOA, URI, DNAME, 4711])


def named(labels: list[bytes], apex: bytes) -> bytes:
    """
    Return a name.
    """
    return b"".join([bytes([len(label)]) + label for label in labels]) + apex


@st.composite
def zones(draw: st.DrawFn) -> KnownZone:
    """
    Make a zone. No wildcard is a delegation or has a DNAME record: that has no defined effect.
    """
    apex = draw(APEXES)
    nodes = draw(st.dictionaries(RELATIVE.map(lambda labels: named(labels, apex)), TYPES, max_size=8))
    strange = frozenset((NS, DNAME))
    return KnownZone(apex, {owner: types for owner, types in nodes.items() if owner[:2] != b"\x01*" or not types & strange})


def chainOf(zone: KnownZone, kind: str) -> list[RRSet]:
    """
    Return the zone's records of denial.
    """
    if kind == "nsec":
        return zone.nsec()
    return zone.nsec3(1, b"salt") if kind == "nsec3" else zone.nsec3(optOut=True)


KINDS = st.sampled_from(["nsec", "nsec3", "opt-out"])


def claims(zone: KnownZone, name: bytes, rrType: int, sets: list[RRSet]) -> dict[str, Proof]:
    """
    Return all proofs of the name that are attempted.
    """
    denials = denialsOf(zone.apex, sets)
    work = Counting()
    found = {
        "nxdomain": proveNoName(name, denials, work),
        "nodata": proveNoData(name, rrType, denials, work),
    }
    encloser = name
    while encloser != zone.apex:
        encloser = parentOf(encloser)
        # The answer's signature proves that there is such a wildcard.
        if b"\x01*" + encloser in zone.owners:
            found["expanded " + encloser.hex()] = proveNoCloser(name, encloser, denials, work)
    return found


def hasHiddenEncloser(zone: KnownZone, name: bytes, kind: str) -> bool:
    """
    Return whether the closest encloser of a missing name is opted out. The wildcard at the closest one that is not may exist, although it
    does not match the name: then nothing proves what RFC 5155, section 8.4, asks for.
    """
    return kind == "opt-out" and name not in zone.existing and zone.isOptedOut(zone.encloserOf(name))


@given(zones(), RELATIVE, QUESTIONS, KINDS)
def test_wholeChainProvesExactlyTheTruth(zone: KnownZone, labels: list[bytes], rrType: int, kind: str) -> None:
    """
    With all records of a zone, what is true of a name is proven, and nothing else.
    """
    name = named(labels, zone.apex)
    found = claims(zone, name, rrType, chainOf(zone, kind))
    truth = zone.truth(name, rrType)
    if truth in ("nxdomain", "nodata") and not hasHiddenEncloser(zone, name, kind):
        assert found[truth].security is not Security.BOGUS, (truth, found)
        assert found[truth].secure or kind == "opt-out"
        assert found[truth].outcome is Outcome(truth)
    secure = {claim for claim, proof in found.items() if proof.secure}
    right = {truth} & {"nxdomain", "nodata"}
    if name not in zone.existing and not zone.isElsewhere(name):
        encloser = "expanded " + zone.encloserOf(name).hex()
        if encloser in found:
            right.add(encloser)
            assert found[encloser].security is not Security.BOGUS
    assert secure <= right, (secure, right)
    if kind != "opt-out":
        assert secure == right
    for proof in found.values():
        if proof.security is Security.BOGUS:
            code, text = proof.reason or (0, "")
            assert code in (6, 12) and text.isprintable()


@given(zones(), RELATIVE, KINDS)
def test_wholeChainShowsDelegations(zone: KnownZone, labels: list[bytes], kind: str) -> None:
    """
    With all records of a zone, it is known whether a name is an insecure delegation.
    """
    name = named(labels, zone.apex)
    state, proof = proveNoDS(name, denialsOf(zone.apex, chainOf(zone, kind)), Counting())
    types = zone.typesAt(name)
    if kind == "opt-out" and state is Delegation.OPT_OUT:
        assert proof.security is Security.INSECURE
        assert name not in zone.existing or zone.isOptedOut(name)
    elif zone.isElsewhere(name) or DS in types:
        assert state is Delegation.UNPROVEN and proof.security is Security.BOGUS
    elif zone.isCut(name):
        assert state is Delegation.INSECURE_DELEGATION and proof.secure
    elif name in zone.existing:
        assert state is Delegation.NOT_A_CUT and proof.secure
    else:
        assert state is Delegation.NO_NAME and proof.secure


@given(zones(), zones(), RELATIVE, QUESTIONS, KINDS, st.data())
def test_someRecordsProveNothingFalse(
    zone: KnownZone, other: KnownZone, labels: list[bytes], rrType: int, kind: str, data: st.DataObject
) -> None:
    """
    Whatever records are left out, and whatever records of a zone that does not contain this one are added, nothing false is proven.
    """
    name = named(labels, zone.apex)
    chain = chainOf(zone, kind)
    kept = data.draw(st.lists(st.sampled_from(chain), unique_by=id, max_size=6))
    if not isBelow(other.apex, zone.apex):
        strange = chainOf(other, data.draw(KINDS))
        kept = data.draw(st.permutations(kept + data.draw(st.lists(st.sampled_from(strange), max_size=2))))
    truth = zone.truth(name, rrType)
    for claim, proof in claims(zone, name, rrType, kept).items():
        if proof.secure:
            if claim.startswith("expanded"):
                assert name not in zone.existing and not zone.isElsewhere(name)
                assert claim == "expanded " + zone.encloserOf(name).hex()
            else:
                assert claim == truth
                assert proof.outcome is Outcome(truth)
        elif proof.security is Security.INSECURE:
            # Only what opt-out may hide: neither names in the chain nor names below a signed one.
            assert kind == "opt-out" and truth != "data"
    state, proof = proveNoDS(name, denialsOf(zone.apex, kept), Counting())
    if state is Delegation.OPT_OUT:
        assert name not in zone.existing or zone.isOptedOut(name)
    elif state is not Delegation.UNPROVEN:
        assert DS not in zone.typesAt(name) and not zone.isElsewhere(name)
        assert (state is Delegation.INSECURE_DELEGATION) == zone.isCut(name)
        assert (state is Delegation.NO_NAME) == (name not in zone.existing)


OWNERS = st.lists(st.one_of(LABELS, st.binary(min_size=1, max_size=63), st.text("0123456789abcuvw_", min_size=32, max_size=32)), max_size=2)


RECORDS = st.tuples(OWNERS, st.sampled_from([NSEC, NSEC3]), st.lists(st.binary(max_size=80), max_size=3))


@given(APEXES, st.lists(RECORDS), RELATIVE, QUESTIONS)
def test_anyOctetsAreRead(
    apex: bytes, records: list[tuple[list[bytes | str], int, list[bytes]]], labels: list[bytes], rrType: int
) -> None:
    """
    Whatever the records are, a proof succeeds or has a reason.
    """
    sets = []
    for owner, kind, rdatas in records:
        relative = [label.encode() if isinstance(label, str) else label for label in owner]
        sets.append(RRSet(named(relative, apex), kind, 1, 60, tuple(rdatas)))
        sets.append(RRSet(named(relative, apex), kind, 1, 60, tuple([b"\x01\x00\x00\x00\x00\x14" + rdata for rdata in rdatas])))
    name = named(labels, apex)
    denials = Denials(apex, [(rrset, name if len(rrset.rdatas) == 2 else None) for rrset in sets])
    store = DenialStore()
    for rrset in sets:
        store.add(apex, rrset, rrset, 60, 0.0)
        store.addSOA(apex, RRSet(apex, SOA, 1, 60, rrset.rdatas), rrset, 60, 0.0)
    store.deny(name, rrType, 1.0)
    for proof in (
        proveNoName(name, denials, Counting()),
        proveNoData(name, rrType, denials, Counting()),
        proveNoCloser(name, apex, denials, Counting()),
        proveNoDS(name, denials, Counting())[1],
    ):
        assert (proof.reason is None) == (proof.security is Security.SECURE)


@given(zones(), RELATIVE, QUESTIONS, KINDS, st.data())
def test_damagedRecordsAreRead(zone: KnownZone, labels: list[bytes], rrType: int, kind: str, data: st.DataObject) -> None:
    """
    The same for records of which some octets are others, or missing.
    """
    sets = []
    for rrset in chainOf(zone, kind):
        rdata = bytearray(rrset.rdatas[0])
        for _ in range(data.draw(st.integers(0, 2))):
            rdata[data.draw(st.integers(0, len(rdata) - 1))] = data.draw(st.integers(0, 255))
        end = data.draw(st.integers(0, len(rdata)) | st.none())
        sets.append(RRSet(rrset.name, rrset.rrType, 1, 60, (bytes(rdata[:end]),)))
    name = named(labels, zone.apex)
    for proof in claims(zone, name, rrType, sets).values():
        assert proof.reason is None or proof.reason[1].isprintable()
    proveNoDS(name, denialsOf(zone.apex, sets), Counting())
    store = DenialStore()
    for rrset in sets:
        store.add(zone.apex, rrset, rrset, 60, 0.0)
    store.deny(name, rrType, 1.0)


WORDS = {
    A: "192.0.2.1",
    MX: "1 mail.invalid.",
    CNAME: "alias.invalid.",
    NS: "ns.invalid.",
    DS: "1 13 2 " + "11" * 32,
    DNAME: "tree.invalid.",
    URI: '1 1 "https://x/"',
}


@given(zones(), RELATIVE, QUESTIONS, KINDS)
def test_repliesOfTheAuthorityAreProven(zone: KnownZone, labels: list[bytes], rrType: int, kind: str) -> None:
    """
    The records that our own authoritative server puts into a reply are enough to prove it.
    """
    assume(zone.apex != b"\x00")
    origin = nameToText(zone.apex)
    text = HEAD
    for owner, types in zone.nodes.items():
        if owner != zone.apex:
            for each in types:
                text += f"{nameToText(owner)} {typeName(each)} {WORDS[each]}\n"
    version = Zone.fromRecords(zone.apex, signed(text, origin, nsec3=kind != "nsec", optOut=kind == "opt-out")).current
    name = named(labels, zone.apex)
    reply = answer(version, Question(name, rrType), dnssecOk=True)
    sets = [rrset for rrset in reply.authority if rrset.rrType in (NSEC, NSEC3)]
    denials = denialsOf(zone.apex, sets)
    truth = zone.truth(name, rrType)
    work = Counting()
    if hasHiddenEncloser(zone, name, kind):
        return
    if truth == "nxdomain":
        proof = proveNoName(name, denials, work)
    elif truth == "nodata":
        proof = proveNoData(name, rrType, denials, work)
    elif truth == "expanded":
        proof = proveNoCloser(name, zone.encloserOf(name), denials, work)
    elif zone.isCut(name) and DS not in zone.nodes[name] and rrType != DS:
        state, proof = proveNoDS(name, denials, work)
        assert state in (Delegation.INSECURE_DELEGATION, Delegation.OPT_OUT)
    else:
        return
    assert proof.secure or (kind == "opt-out" and proof.security is Security.INSECURE), (truth, proof)


def test_namesWithDotsAreText() -> None:
    """
    The strategy's names are legal in text.
    """
    assert nameFromText(nameToText(named([b"\x00", b"*"], b"\x01z\x00"))) == b"\x01\x00\x01*\x01z\x00"
