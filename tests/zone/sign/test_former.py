"""
Tests of zones that are signed again: what of the former version stays.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from time import time

import pytest

from tests.zone.sign.zones import APEX, builderOf, randomZone
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, newKey
from twisted_ext.dnssec.privatekeys.roles import Signers, Turn
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA, ZONEMD
from twisted_ext.zone.sign.apex import signZone
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.sign.unsigned import inSigningOrder
from twisted_ext.zone.sign.whole import SignedCounts
from twisted_ext.zone.store.image import Image, compactedFrom
from twisted_ext.zone.store.nodes import BETWEEN
from twisted_ext.zone.store.version import Version

_DAY = 86400

_KEYS = (newKey(13, 257), newKey(13, 256), newKey(15, 257))


def image(records: list[RRSet], signing: Signing[PrivateKey], now: float, former: Image | None = None) -> tuple[Image, SignedCounts]:
    builder = builderOf(records)
    counts = signZone(builder, signing, now, former=former)
    return Image(builder.finish()), counts


def edited(records: list[RRSet], dice: random.Random) -> list[RRSet]:
    """
    Return the records of another version: some names are gone, some are new, and some sets are others.
    """
    kept = [each for each in records if each.rrType == SOA or dice.random() < 0.97]
    changed = [
        RRSet(each.name, each.rrType, each.rrClass, each.ttl + 1, each.rdatas) if each.rrType != SOA and dice.random() < 0.03 else each
        for each in kept
    ]
    return [*changed, *[recordFromText(f"new{dice.randrange(1000)}.example.org. 60 TXT a") for _ in range(3)]]


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("digested", [False, True])
def test_sameAsWithout(denial: str, digested: bool) -> None:
    """
    With a former version the result is the same as without, whatever has changed and however much later it is, and most of the signatures
    are kept if little has.
    """
    dice = random.Random(denial)
    kept = 0
    signing = Signing(Signers(_KEYS[:2]), SigningPolicy(denial=denial, digested=digested))
    for seed in range(40):
        records = randomZone(seed)
        now = time() + dice.randrange(30) * _DAY
        former, first = image(records, signing, now)
        assert first.kept == 0
        after = edited(records, dice) if seed % 4 else records
        later = now + dice.choice((0, 0, 3600, _DAY, 8 * _DAY))
        expected, counted = image(after, signing, later)
        found, counts = image(after, signing, later, former)
        assert bytes(found._buffer) == bytes(expected._buffer)
        assert counts.signatures == counted.signatures
        if seed % 4 == 0 and later == now:
            assert counts.kept >= counts.signatures - 8 * digested
        kept += counts.kept
    assert kept > 300


@pytest.mark.parametrize("denial", DENIALS)
def test_compacted(denial: str, tmp_path: Path) -> None:
    """
    All signatures are kept of a former version whose image was built from another one and changes, and of one with changes beside its
    image.
    """
    signing = Signing(Signers(_KEYS[:2]), SigningPolicy(denial=denial))
    now = time()
    records = [recordFromText(f"n{number}.example.org. 60 {rdata}") for number in range(50) for rdata in ("TXT x", "A 192.0.2.1")]
    records += [recordFromText("example.org. 60 SOA ns. mail. 1 2 3 4 5"), recordFromText("example.org. 60 NS ns.example.com.")]
    path = str(tmp_path / "image")
    first, counts = image(records, signing, now)
    node = first.node(7)
    changed = Version(first).edited({node.key: node.sets[::-1]})
    changed.compacted(path, compactedFrom(first.origin))
    for version in (Version(Image.open(path)), changed):
        found, again = image(records, signing, now, inSigningOrder(version, builderOf(records)))
        assert (again.kept, again.signatures) == (counts.signatures, counts.signatures)
        assert bytes(found._buffer) == bytes(first._buffer)


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        # As many octets, fewer, and more: the records of one version may begin those of the other.
        (["a 300 A 192.0.2.1"], ["a 300 A 192.0.2.2"]),
        (["a 300 A 192.0.2.1", "a 300 A 192.0.2.2"], ["a 300 A 192.0.2.1"]),
        (["a 300 A 192.0.2.1"], ["a 300 A 192.0.2.1", "a 300 A 192.0.2.2"]),
        (["a 300 TXT one"], ["a 300 TXT one two"]),
        (["a 300 TXT one two"], ["a 300 TXT one"]),
        (["a 300 A 192.0.2.1", "a 300 TXT one"], ["a 300 A 192.0.2.2", "a 300 TXT one"]),
        (["a 300 A 192.0.2.1", "a 300 TXT one"], ["a 300 A 192.0.2.1", "a 300 TXT two"]),
        (["a 300 A 192.0.2.1", "a 300 TXT one"], ["a 300 A 192.0.2.1"]),
        (["a 300 A 192.0.2.1"], ["a 300 A 192.0.2.1", "a 300 TXT one"]),
        # A name between others that has no records of its own.
        (["x.a 300 A 192.0.2.1"], ["x.a 300 A 192.0.2.2"]),
        (["x.a 300 A 192.0.2.1"], ["a 300 A 192.0.2.1", "x.a 300 A 192.0.2.1"]),
        (["a 300 A 192.0.2.1", "x.a 300 A 192.0.2.1"], ["x.a 300 A 192.0.2.1"]),
    ],
)
def test_changedSets(denial: str, before: list[str], after: list[str]) -> None:
    """
    A set whose records have changed gets a new signature, however many octets they have; so the result is the same as without a former
    version.
    """
    signing = Signing(Signers(_KEYS[:2]), SigningPolicy(denial=denial))
    top = ["@ 3600 SOA ns host 1 7200 900 1209600 300", "@ 3600 NS ns", "z 300 A 192.0.2.9"]
    now = time()
    former, _ = image([recordFromText(line, APEX) for line in [*top, *before]], signing, now)
    records = [recordFromText(line, APEX) for line in [*top, *after]]
    expected, _ = image(records, signing, now)
    found, counts = image(records, signing, now, former)
    assert bytes(found._buffer) == bytes(expected._buffer)
    assert 0 < counts.kept < counts.signatures


@pytest.mark.parametrize("denial", DENIALS)
def test_changedSetAfterNameOfItsSize(denial: str) -> None:
    """
    A changed set gets a new signature also when its records have as many octets as all of the name before it, signatures included.
    """
    signing = Signing(Signers(_KEYS[:1]), SigningPolicy(denial=denial))
    lines = ["@ 3600 SOA ns host 1 7200 900 1209600 300", "@ 3600 NS ns", "a 300 A 192.0.2.1"]
    kept = [recordFromText(line, APEX) for line in lines]
    now = time()

    def version(octets: bytes, former: Image | None = None) -> Image:
        """
        Sign the zone with an opaque record of these octets at the name after C{a}.
        """
        return image([*kept, RRSet(b"\x01b" + APEX, 65280, 1, 300, (octets,))], signing, now, former)[0]

    before = version(b"")
    # The owner and what is before the rdata, as in any record of that name.
    lead = len(before.rendered(before.find(b"\x01a"))) - len(b"\x01b") - BETWEEN
    former = version(bytes(lead))
    assert len(former.rendered(former.find(b"\x01a"))) == lead + len(b"\x01b") + BETWEEN
    changed = b"\x01" * lead
    assert bytes(version(changed, former)._buffer) == bytes(version(changed)._buffer)


def test_timeHasCome() -> None:
    """
    After a whole period of renewal nothing is kept.
    """
    signing = Signing(Signers(_KEYS[:1]), SigningPolicy())
    records = randomZone(1)
    former, _ = image(records, signing, time())
    assert image(records, signing, time() + 7 * _DAY, former)[1].kept == 0


def _signing(entry: PrivateKey, *turns: tuple[float, Sequence[PrivateKey]], further: Sequence[bytes] = ()) -> Signing[PrivateKey]:
    """
    Have a key sign the DNSKEY records, and others the rest, from when on.
    """
    keys = dict.fromkeys([entry, *[key for _, several in turns for key in several]])
    return Signing(Signers([*keys], ofKeys=[entry], ofRest=[Turn(*turn) for turn in turns]), SigningPolicy(), tuple(further))


@pytest.mark.parametrize("isHashed", [False, True])
def test_otherKeys(isHashed: bool) -> None:
    """
    Signatures by a key that goes on signing are kept, whichever other keys come or go; all others are by the keys of now.
    """
    records = randomZone(1)
    now = time()
    entry, key, other = newKey(13, 257), newKey(13, 256), newKey(13, 256)
    before = _signing(entry, (0.0, [key]))
    after = {
        "another key is published": (_signing(entry, (0.0, [key]), further=[other.dnskey]), True),
        "another key signs": (_signing(entry, (0.0, [other]), further=[key.dnskey]), False),
        "another algorithm signs as well": (_signing(entry, (0.0, [key, _KEYS[2]])), True),
        "another key signs in half of a period": (_signing(entry, (0.0, [key]), (now - 3.5 * _DAY, [other])), True),
        "another key signs at the end of it": (_signing(entry, (0.0, [key]), (now - 7 * _DAY, [other])), False),
    }
    if isHashed:
        for signing in (before, *[each for each, _ in after.values()]):
            signing.policy.denial = "nsec3"
    former, _ = image(records, before, now)
    for said, (signing, isKept) in after.items():
        found, counts = image(records, signing, now, former)
        assert bytes(found._buffer) == bytes(image(records, signing, now)[0]._buffer), said
        # A name whose records differ, as those of the apex do, has new ones.
        assert (counts.kept > 0) is isKept and counts.kept < counts.signatures, (said, counts.kept)


def test_turnsOfTheApex() -> None:
    """
    The digest of a zone is signed by the key whose turn it is at the apex, as its other records are; the turn begins when the signatures
    are made, which is an hour after they begin to be valid.
    """
    now = 1_800_000_000.0
    first, second = newKey(13, 256), newKey(13, 256)
    made = SigningPolicy().validity.slot(b"", now)[0] + 3600
    for at, key in ((made, second), (made + 1, first)):
        signing = _signing(newKey(13, 257), (0.0, [first]), (at, [second]))
        signing.policy.digested = True
        top = image(randomZone(1), signing, now)[0].node(0)
        for rrType in (SOA, ZONEMD):
            found = top.signatures(rrType)
            assert found is not None
            assert [int.from_bytes(rdata[16:18], "big") for rdata in found.rdatas] == [key.tag]


@pytest.mark.parametrize("isNew", [False, True])
def test_keyOfTheSameTag(isNew: bool) -> None:
    """
    Nothing is kept if signatures of the former version may be those of another key with the same tag.
    """
    records = randomZone(1)
    now = time()
    entry, key = newKey(13, 257), newKey(13, 256)
    # The tag is a sum of pairs of octets, so that a key with two pairs exchanged has the same.
    twin = key.dnskey[:4] + key.dnskey[6:8] + key.dnskey[4:6] + key.dnskey[8:]
    before = _signing(entry, (0.0, [key]), further=[] if isNew else [twin])
    former, _ = image(records, before, now)
    if not isNew:
        assert image(records, _signing(entry, (0.0, [key])), now, former)[1].kept == 0
        return
    other = newKey(13, 256)
    other.dnskey = twin
    other.tag = key.tag
    signing = _signing(entry, (0.0, [other]))
    assert image(records, signing, now, former)[1].kept == 0
    assert image(records, _signing(entry, (0.0, [other, key])), now, former)[1].kept == 0
