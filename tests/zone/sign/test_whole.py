"""
Tests of L{twisted_ext.zone.sign.whole}: whole zones, beside the other implementation of signing, and with programs of others as judges.
"""

from __future__ import annotations

import subprocess
from hashlib import sha1
from pathlib import Path
from time import time
from unittest.mock import patch

import pytest

from tests.peers import peer
from tests.zone.sign.zones import APEX, Sets, builderOf, bySet, otherKey, randomZone, setsOf
from twisted_ext.dnssec.keys import keysOf
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, newKey
from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadZone
from twisted_ext.testing.internet.seededsigner import Params, sign, signZone
from twisted_ext.wire.names import canonicalKey, isBelow, nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDS, DNAME, DNSKEY, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, A
from twisted_ext.zone.sign import whole
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.sign.whole import SignedCounts, signWhole, withoutSignatures
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import keyBelow
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.writer import canonicalFile, signedFile

NOW = 1_790_000_000.0

_KSK, _ZSK = newKey(13, 257), newKey(13, 256)
_OTHER = newKey(15, 257)

_SPLIT = (_KSK, _ZSK)


def signed(
    records: list[RRSet], keys: tuple[PrivateKey, ...] = _SPLIT, now: float = NOW, denial: str = "nsec"
) -> tuple[ImageBuilder, SignedCounts]:
    """
    Sign records.
    """
    builder = builderOf(records)
    return builder, signWhole(builder, Signing(Signers(keys), SigningPolicy(denial=denial)), now)


#: The chains of the other implementation.
_CHAINS = {"nsec": None, "nsec3": Params(), "nsec3-opt-out": Params(optOut=True)}


def expectedOf(records: list[RRSet], keys: tuple[PrivateKey, ...], now: float = NOW, denial: str = "nsec") -> Sets:
    """
    Sign records with the other implementation, whose signatures all have one time; those of a name get the time that they have here.
    """
    others = [otherKey(key) for key in keys]
    sets = signZone([each for each in records if each.rrType != DNSKEY], others, APEX, 1, 2, _CHAINS[denial])
    found: list[RRSet] = []
    for rrset in sets:
        # It gives the DNSKEY records the TTL of the SOA record.
        ttl = 3600 if rrset.rrType == DNSKEY else rrset.ttl
        rrset = RRSet(rrset.name, rrset.rrType, 1, ttl, rrset.rdatas)
        if rrset.rrType != RRSIG:
            found.append(rrset)
    byName = {(rrset.name.lower(), rrset.rrType): rrset for rrset in found}
    for rrset in sets:
        if rrset.rrType == RRSIG:
            covered = byName[rrset.name.lower(), int.from_bytes(rrset.rdatas[0][:2], "big")]
            key = keyBelow(rrset.name, APEX)
            assert key is not None
            times = Validity().slot(key, now)
            for rdata in rrset.rdatas:
                (signer,) = [each for each in others if each.tag == int.from_bytes(rdata[16:18], "big")]
                found.append(sign(covered, signer, APEX, *times))
    merged: Sets = {}
    for rrset in found:
        for place, (ttl, rdatas) in bySet([rrset]).items():
            merged[place] = (ttl, rdatas | merged.get(place, (0, frozenset()))[1])
    return merged


@pytest.mark.parametrize("keys", [_SPLIT, (_KSK,), (_ZSK,), (_KSK, _OTHER)], ids=["two", "one", "without SEP", "two algorithms"])
def test_likeTheOtherSigner(keys: tuple[PrivateKey, ...]) -> None:
    """
    Random zones are signed set by set as by the other implementation.
    """
    for seed in range(60):
        records = randomZone(seed)
        assert setsOf(signed(records, keys)[0]) == expectedOf(records, keys), seed


@pytest.mark.parametrize("denial", ["nsec3", "nsec3-opt-out"])
def test_hashedLikeTheOtherSigner(denial: str) -> None:
    """
    So are those whose names are denied by hashes.
    """
    for seed in range(60):
        records = randomZone(seed)
        builder, counts = signed(records, denial=denial)
        sets = setsOf(builder)
        assert sets == expectedOf(records, _SPLIT, denial=denial), seed
        assert counts.names == len([None for _, rrType, _ in sets if rrType == NSEC3])


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("kind", ["NS ns.example.net.", "DNAME example.net."])
def test_controlOctetsBesideCut(kind: str, denial: str) -> None:
    """
    Names whose labels have control octets, so that they end with the same octets as names below a delegation or a DNAME record, are signed
    and denied like all others; only names below it are not.
    """
    lines = ["@ 3600 SOA ns host 1 7200 900 1209600 300", "@ 3600 NS ns.example.net.", f"sub 300 {kind}"]
    below = [nameFromText(f"{text}.example.org.") for text in ("\\001.sub", "\\003.sub", "x\\003sub.sub")]
    # Each alone, so that in canonical order it follows those below.
    for text in ("\\001\\003sub", "x\\003sub", "\\001.\\003sub", "sub\\001", "\\001sub", "sub\\003sub", "a.x\\003sub"):
        name = nameFromText(f"{text}.example.org.")
        records = [recordFromText(line, APEX) for line in lines]
        records += [RRSet(each, A, 1, 300, (b"\xc0\x00\x02\x01",)) for each in (name, *below)]
        sets = setsOf(signed(records, denial=denial)[0])
        assert {each for each, rrType, about in sets if rrType == RRSIG and about == A.to_bytes(2, "big")} == {name}, text
        if denial == "nsec":
            denied = {each for each, rrType, _ in sets if rrType == NSEC}
            assert name in denied and not denied.intersection(below), text


def test_equalHashes() -> None:
    """
    Two names of one hash cannot be in one chain (RFC 5155, section 7.1).
    """
    with patch.object(whole, "sha1", lambda octets, usedforsecurity: sha1(octets[:1], usedforsecurity=False)):
        with pytest.raises(BadZone, match="have the same hash"):
            signed(randomZone(7), denial="nsec3")


def test_sameInputSameOctets() -> None:
    """
    The same records, keys and time give the same image; so does a later time within a slot.
    """
    records = randomZone(7)
    images = [signed(records, now=now)[0].finish() for now in (NOW, NOW, NOW + 0.5)]
    assert images[0] == images[1] == images[2]


def test_counts() -> None:
    """
    The number of names and signatures is known, and from when until when these are valid.
    """
    records = randomZone(3)
    builder, counts = signed(records)
    sets = setsOf(builder)
    signatures = [rdata for place, (_, rdatas) in sets.items() if place[1] == RRSIG for rdata in rdatas]
    ends = [int.from_bytes(rdata[8:12], "big") for rdata in signatures]
    begins = [int.from_bytes(rdata[12:16], "big") for rdata in signatures]
    assert counts.signatures == len(signatures)
    assert counts.names == len([None for _, rrType, _ in sets if rrType == NSEC])
    assert (counts.begins, counts.latest, counts.ends, counts.last) == (min(begins), max(begins), min(ends), max(ends))
    assert counts.ends - NOW >= 14 * 86400


def test_signedAnew() -> None:
    """
    What another signer has made is taken away, with names that have nothing else: the zone is as if signed for the first time.
    """
    for seed in range(20):
        records = randomZone(seed)
        # Whatever chain it had.
        other = signed(records, denial=DENIALS[seed % 3])[0]
        builder, _ = signed(records)
        before = setsOf(builder)
        made = [len(rdatas) for place, (_, rdatas) in setsOf(other).items() if place[1] in (RRSIG, NSEC, NSEC3, NSEC3PARAM)]
        assert withoutSignatures(other) == sum(made)
        signWhole(other, Signing(Signers(_SPLIT), SigningPolicy()), NOW)
        assert setsOf(other) == before
        assert withoutSignatures(builderOf(records)) == 0


def test_whatIsForTheParent() -> None:
    """
    CDS records are signed by the key of the DNSKEY records (RFC 7344, section 4.1).
    """
    records = [*randomZone(0), recordFromText(f"example.org. 300 CDS {_KSK.tag} 13 2 {'00' * 32}")]
    sets = setsOf(signed(records)[0])
    (rdata,) = sets[APEX, RRSIG, CDS.to_bytes(2, "big")][1]
    assert int.from_bytes(rdata[16:18], "big") == _KSK.tag
    assert int.from_bytes(next(iter(sets[APEX, RRSIG, SOA.to_bytes(2, "big")][1]))[16:18], "big") == _ZSK.tag


def test_progress() -> None:
    """
    Progress is told, batch by batch.
    """
    records = [*randomZone(1), *[recordFromText(f"n{number}.example.org. 1 A 192.0.2.1") for number in range(1200)]]
    told: list[tuple[int, int]] = []
    signWhole(builderOf(records), Signing(Signers(_SPLIT), SigningPolicy()), NOW, lambda done, all: told.append((done, all)))
    assert [done for done, _ in told] == [512, 1024]
    assert all(total > 1200 for _, total in told)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"sub 300 DS 1 13 2 {'00' * 32}", "^sub.example.org. has DS records, but no NS records"),
        ("@ 300 SOA other host 2 7200 900 1209600 300", "more than one SOA"),
    ],
)
def test_badZones(line: str, said: str) -> None:
    """
    What cannot be signed is refused in words.
    """
    with pytest.raises(BadZone, match=said):
        signed([*randomZone(0), recordFromText(line, APEX)])
    with pytest.raises(BadZone, match="no SOA record"):
        signed([recordFromText("example.org. 300 NS ns.example.net.")])


def test_aliasesCannotBeSigned() -> None:
    """
    The addresses of an ALIAS are not known when a zone is signed.
    """
    builder = builderOf([*randomZone(0), RRSet(nameFromText("www.example.org."), 65401, 1, 300, (nameFromText("a.example."),))])
    builder.aliases = True
    with pytest.raises(BadZone, match="^www.example.org. is an ALIAS, whose addresses are found when"):
        signWhole(builder, Signing(Signers(_SPLIT), SigningPolicy()), NOW)


def test_everySignatureIsRight() -> None:
    """
    The validator finds each signature right, by each algorithm.
    """
    for keys in (_SPLIT, (_OTHER,), (newKey(14),), (newKey(16),), (newKey(8, 257), newKey(8, 256))):
        sets = setsOf(signed(randomZone(5), keys)[0])
        checked = 0
        for (name, rrType, kind), (ttl, rdatas) in sets.items():
            if rrType == RRSIG:
                covered = int.from_bytes(kind, "big")
                about = RRSet(name, covered, 1, sets[name, covered, b""][0], tuple(sets[name, covered, b""][1]))
                signatures = RRSet(name, RRSIG, 1, ttl, tuple(rdatas))
                assert verifySet(about, signatures, keysOf([key.dnskey for key in keys]), APEX, int(NOW), Work()).secure, (name, covered)
                checked += 1
        assert checked > 5


def textOf(builder: ImageBuilder) -> str:
    return "".join(signedFile(builder.apexName, builder.nodes.items()))


def _withoutOccluded(records: list[RRSet]) -> list[RRSet]:
    """
    Leave out names below DNAME records, which kzonecheck does not take.
    """
    above = [each.name.lower() for each in records if each.rrType == DNAME]
    return [each for each in records if not any(each.name.lower() != name and isBelow(each.name.lower(), name) for name in above)]


def judged(folder: Path, seeds: range) -> None:
    """
    Sign random zones, and have programs of others judge the files.
    """
    verifiers: list[list[str | Path]] = [
        [peer("ldns-verify-zone")],
        [peer("dnssec-verify"), "-q", "-x", "-z", "-o", "example.org"],
        [peer("kzonecheck"), "-o", "example.org", "-d", "on"],
    ]
    # One of them cannot be told another time.
    now = time()
    for seed in seeds:
        keys = (_SPLIT, (_KSK,), (_OTHER,))[seed % 3]
        denial = DENIALS[seed // 3 % 3]
        path = folder / f"{seed}.signed"
        path.write_text(textOf(signed(_withoutOccluded(randomZone(seed)), keys, now, denial)[0]))
        for command in verifiers:
            done = subprocess.run([*command, str(path)], capture_output=True, text=True)
            assert done.returncode == 0, (seed, command[0], done.stdout, done.stderr)


def test_judges(tmp_path: Path) -> None:
    """
    ldns-verify-zone, dnssec-verify and kzonecheck accept random signed zones.
    """
    judged(tmp_path, range(18))


@pytest.mark.long
def test_manyJudged(tmp_path: Path) -> None:
    """
    They accept a thousand.
    """
    judged(tmp_path, range(1000, 2000))


def test_textIsTheZone() -> None:
    """
    The text of a signed zone has all its records, as the general writer has them, name by name in canonical order.
    """
    for seed in range(30):
        builder, _ = signed(randomZone(seed))
        text = textOf(builder)
        version = Version(Image(builder.finish()))
        sets = [rrset for node in version.nodes() for rrset in node.sets]
        assert sorted(text.splitlines()) == sorted(canonicalFile(sets))
        names = [canonicalKey(nameFromText(line.partition(" ")[0])) for line in text.splitlines()]
        assert names == sorted(names)
