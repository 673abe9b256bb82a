"""
Signs a zone with what its policy wants at the apex besides keys: a digest of the zone (ZONEMD), and what the parent is to have (CDS,
CDNSKEY).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from twisted_ext.dnssec.privatekeys.keys import PrivateKey
from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.dnssec.signatures import Signature, signedData
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import labelCount
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, RRSIG, ZONEMD
from twisted_ext.zone.check.zonemd import SIMPLE, digests
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.sign.whole import Progress, SignedCounts, signWhole
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import BETWEEN, TO_APEX, recordsIn
from twisted_ext.zone.store.serials import serialIn
from twisted_ext.zone.store.version import Version

__all__ = ["signZone"]

_pack: Final = Struct(">HHHIH").pack
_zonemd: Final = Struct(">IBB").pack

#: What CDS and CDNSKEY records have if the parent is to have no DS record (RFC 8078, section 4).
_NO_DS: Final = bytes(5)
_NO_KEY: Final = b"\0\0\3\0\0"

_UINT32: Final = 0xFFFFFFFF

#: The hash algorithm of the digest, and the octets of it.
_SHA384: Final = 1
_OCTETS: Final = 48


def signZone(
    builder: ImageBuilder, signing: Signing[PrivateKey], now: float, tell: Progress | None = None, former: Image | None = None
) -> SignedCounts:
    """
    Sign a zone as its policy says.

    @param builder: the records, without signatures and denials.
    @param now: seconds since 1970.
    @param tell: is called after each batch of names.
    @param former: see L{signWhole}.

    @raise BadZone: there is not exactly one SOA record, or records that cannot be signed.
    @raise KeyFault: a key does not sign any more.
    """
    policy = signing.policy
    builder.ordered()
    # The digest of another version is wrong, and secondaries may check it.
    digested = policy.digested or any(rrType == ZONEMD for _, rrType, _, _ in recordsIn(builder.nodes[b""], 0))
    if policy.forParent:
        _addParentRecords(builder, signing.signers, policy.dnskeyTTL, policy.rolls is not None and policy.rolls.insecure)
    if digested:
        _addPlace(builder)
    counts = signWhole(builder, signing, now, tell, former)
    if digested:
        _addDigest(builder, signing, now)
    return counts


def _addParentRecords(builder: ImageBuilder, signers: Signers[PrivateKey], ttl: int, insecure: bool) -> None:
    """
    Add the CDS and CDNSKEY records (RFC 7344) for the keys to which the parent's DS records are to lead, and remove others.

    @param insecure: whether the parent is to have none any more.
    """
    builder.drop(b"", (CDS, CDNSKEY))
    if insecure and not signers.entries:
        builder.add(b"", CDS, ttl, _NO_DS)
        builder.add(b"", CDNSKEY, ttl, _NO_KEY)
    for key in signers.entries:
        builder.add(b"", CDS, ttl, key.ds(builder.apexName.lower()))
        builder.add(b"", CDNSKEY, ttl, key.dnskey)


def _addPlace(builder: ImageBuilder) -> None:
    """
    Add a ZONEMD record without a digest, in place of others: the chain has to have its type before the zone is digested.

    @raise BadZone: there is not exactly one SOA record.
    """
    builder.drop(b"", (ZONEMD,))
    records = builder.nodes[b""]
    serial = serialIn(records[BETWEEN : BETWEEN + (records[10] << 8 | records[11])])
    builder.add(b"", ZONEMD, int.from_bytes(records[6:10], "big"), _zonemd(serial, SIMPLE, _SHA384) + bytes(_OCTETS))


def _addDigest(builder: ImageBuilder, signing: Signing[PrivateKey], now: float) -> None:
    """
    Put the digest into the ZONEMD record of a signed zone, and sign that anew (RFC 8976, section 3.1).

    @raise KeyFault: a key does not sign any more.
    """
    digest = digests(Version(Image(builder.finish())), (_SHA384,))[_SHA384]
    apex = builder.apexName.lower()
    parts: list[bytes] = []
    for _, rrType, ttl, rdata in recordsIn(builder.nodes[b""], 0):
        if rrType == ZONEMD:
            rdata = rdata[:-_OCTETS] + digest
            rrset = RRSet(apex, ZONEMD, IN, ttl, (rdata,))
        elif rrType == RRSIG and int.from_bytes(rdata[:2], "big") == ZONEMD:
            continue
        parts.append(_pack(TO_APEX, rrType, IN, ttl, len(rdata)) + rdata)
    inception, expiration = signing.policy.validity.slot(b"", now)
    times = expiration & _UINT32, inception & _UINT32
    for key in signing.of(ZONEMD, inception):
        signature = Signature(ZONEMD, key.algorithm, labelCount(apex), rrset.ttl, *times, key.tag, apex)
        rdata = signature.head + key.signMany((signedData(rrset, signature),))[0]
        parts.append(_pack(TO_APEX, RRSIG, IN, rrset.ttl, len(rdata)) + rdata)
    builder.nodes[b""] = b"".join(parts)
