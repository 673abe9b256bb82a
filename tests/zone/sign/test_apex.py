"""
Tests of L{twisted_ext.zone.sign.apex}.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from time import time

import pytest

from tests.peers import peer
from tests.zone.sign.zones import APEX, builderOf, randomZone, setsOf
from twisted_ext.dnssec.keys import keysOf
from twisted_ext.dnssec.privatekeys.keys import newKey
from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.dnssec.signatures import verifySet
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadZone
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, RRSIG, ZONEMD
from twisted_ext.zone.check import zonemd
from twisted_ext.zone.sign.apex import signZone
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.writer import signedFile

_KSK, _ZSK = newKey(13, 257), newKey(13, 256)

_OLD = ["example.org. 300 CDS 1 13 2 00", "example.org. 300 CDNSKEY 257 3 13 AAAA", f"example.org. 300 ZONEMD 1 1 1 {'00' * 48}"]


def made(seed: int, denial: str = "nsec") -> ImageBuilder:
    """
    Sign a zone with a digest, and records for the parent, which had others before.
    """
    builder = builderOf([*randomZone(seed), *map(recordFromText, _OLD)])
    signZone(builder, Signing(Signers((_KSK, _ZSK)), SigningPolicy(denial=denial, forParent=True, dnskeyTTL=600)), time())
    return builder


@pytest.mark.parametrize("denial", DENIALS)
def test_digest(denial: str, tmp_path: Path) -> None:
    """
    The digest is that of the whole zone, and its record is signed; ldns-verify-zone finds the same.
    """
    for seed in range(6):
        builder = made(seed, denial)
        result = zonemd.verify(Version(Image(builder.finish())))
        assert result.verdict is zonemd.Verdict.VERIFIED, result.text
        sets = setsOf(builder)
        ttl, rdatas = sets[APEX, ZONEMD, b""]
        _, signatures = sets[APEX, RRSIG, ZONEMD.to_bytes(2, "big")]
        about = RRSet(APEX, ZONEMD, 1, ttl, tuple(rdatas))
        assert len(rdatas) == len(signatures) == 1
        assert verifySet(about, RRSet(APEX, RRSIG, 1, ttl, tuple(signatures)), keysOf([_ZSK.dnskey]), APEX, int(time()), Work()).secure
        path = tmp_path / f"{seed}.signed"
        path.write_text("".join(signedFile(builder.apexName, builder.nodes.items())))
        subprocess.run([peer("ldns-verify-zone"), "-Z", str(path)], check=True, stdout=subprocess.DEVNULL)


def test_whatTheParentIsToHave() -> None:
    """
    The key that signs DNSKEY records is announced, and no other.
    """
    sets = setsOf(made(1))
    assert sets[APEX, CDS, b""] == (600, frozenset((_KSK.ds(APEX),)))
    assert sets[APEX, CDNSKEY, b""] == (600, frozenset((_KSK.dnskey,)))


@pytest.mark.parametrize("denial", DENIALS)
def test_countOfRecords(denial: str) -> None:
    """
    The image counts the records that it has, also when the signer has replaced those for the parent and the digest that were in the file.
    """
    image = Image(made(1, denial).finish())
    sizes = [sum([len(rrset.rdatas) for rrset in image.node(index).sets]) for index in range(image.nodes)]
    assert [image.tally(index) for index in range(image.nodes)] == sizes
    assert image.records == sum(sizes)


def test_withoutStart() -> None:
    """
    Without an SOA record there is no serial to be digested.
    """
    with pytest.raises(BadZone, match="no SOA record"):
        signZone(builderOf([recordFromText("example.org. 300 NS ns.example.net.")]), Signing(Signers((_KSK,)), SigningPolicy()), time())
