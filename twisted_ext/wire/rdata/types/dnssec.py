"""
DNSSEC record types: keys, digests of keys, and signatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, Octets, TypeNumber, base64Octets, hexOctets
from twisted_ext.wire.rdata.times import Duration, Time
from twisted_ext.wire.tokens import Tokens

__all__ = ["ALGORITHMS", "CDNSKEY", "CDS", "DLV", "DNSKEY", "DS", "KEY", "RKEY", "RRSIG", "SIG", "TA"]

#: Mnemonics of algorithms (RFC 4034, appendix A.1, and IANA's registry); the first one for a number is the registry's, further ones are
#: those of BIND and dnspython.
ALGORITHMS: Final = {
    "DELETE": 0,
    "RSAMD5": 1,
    "DH": 2,
    "DSA": 3,
    "ECC": 4,
    "RSASHA1": 5,
    "DSA-NSEC3-SHA1": 6,
    "NSEC3DSA": 6,
    "DSANSEC3SHA1": 6,
    "RSASHA1-NSEC3-SHA1": 7,
    "NSEC3RSASHA1": 7,
    "RSASHA1NSEC3SHA1": 7,
    "RSASHA256": 8,
    "RSASHA512": 10,
    "ECC-GOST": 12,
    "ECCGOST": 12,
    "ECDSAP256SHA256": 13,
    "ECDSAP384SHA384": 14,
    "ED25519": 15,
    "ED448": 16,
    "SM2SM3": 17,
    "MLDSA44": 18,
    "ECC-GOST12": 23,
    "INDIRECT": 252,
    "PRIVATEDNS": 253,
    "PRIVATEOID": 254,
}

#: Mnemonics of digests (RFC 4509, RFC 6605, RFC 5933, RFC 9558, RFC 9563).
_DIGESTS: Final = {"SHA-1": 1, "SHA1": 1, "SHA-256": 2, "SHA256": 2, "GOST": 3, "SHA-384": 4, "SHA384": 4, "GOST12": 5, "SM3": 6}


class DS(Rdata):
    """
    The digest of a key that signs the child's keys (RFC 4034, section 5).
    """

    keyTag = Number()
    algorithm = Number(1, ALGORITHMS)
    digestType = Number(1, _DIGESTS)
    digest = hexOctets(least=1)


class CDS(DS):
    """
    The DS record that the child requests from its parent (RFC 7344, section 3.1; RFC 8078).
    """


class TA(DS):
    """
    A trust anchor, in the format of DS.
    """


class DLV(DS):
    """
    A trust anchor published outside the parent; historic (RFC 4431; RFC 8749).
    """


class DNSKEY(Rdata):
    """
    A key of the zone (RFC 4034, section 2).
    """

    flags = Number()
    protocol = Number(1)
    algorithm = Number(1, ALGORITHMS)
    key = base64Octets()

    @property
    def keyTag(self) -> int:
        """
        The key tag by which signatures refer to the key (RFC 4034, appendix B).
        """
        wire = self.wire
        if self.algorithm == 1:
            return int.from_bytes(wire[-3:-1], "big") if len(wire) >= 7 else 0
        total = sum(wire[0::2]) * 256 + sum(wire[1::2])
        return (total + (total >> 16)) & 0xFFFF


class CDNSKEY(DNSKEY):
    """
    The key that the child requests a DS record for from its parent (RFC 7344, section 3.2; RFC 8078).
    """


class RKEY(DNSKEY):
    """
    A key that encrypts NAPTR records (draft-reid-dnsext-rkey).
    """


#: Mnemonics of a KEY record's flags, separated by C{|} (RFC 2535, section 7.1).
_FLAGS: Final = {
    "NOCONF": 0x4000,
    "NOAUTH": 0x8000,
    "NOKEY": 0xC000,
    "FLAG2": 0x2000,
    "EXTEND": 0x1000,
    "FLAG4": 0x0800,
    "FLAG5": 0x0400,
    "USER": 0,
    "ZONE": 0x0100,
    "HOST": 0x0200,
    "NTYP3": 0x0300,
    "FLAG8": 0x0080,
    "FLAG9": 0x0040,
    "FLAG10": 0x0020,
    "FLAG11": 0x0010,
} | {f"SIG{number}": number for number in range(16)}

_PROTOCOLS: Final = {"NONE": 0, "TLS": 1, "EMAIL": 2, "DNSSEC": 3, "IPSEC": 4, "ALL": 255}


class _Flags(Number):
    def fromText(self, tokens: Tokens, before: Sequence[object]) -> int:
        first, bar, _ = tokens.peek().partition("|")
        if not bar and first.upper() not in _FLAGS:
            return super().fromText(tokens, before)
        text = tokens.take("")
        flags = 0
        for word in text.upper().split("|"):
            if word not in _FLAGS:
                raise tokens.bad(text, f"{self.expected()}, a number or mnemonics such as HOST|FLAG4,")
            flags |= _FLAGS[word]
        return flags


class _Key(Field[bytes]):
    """
    A key in base 64; absent if both of the highest flags are set, which means that there is no key (RFC 2535, section 3.1.2).
    """

    def __init__(self) -> None:
        self.needed = base64Octets()
        self.absent = base64Octets(absent=True)

    def _kind(self, before: Sequence[object]) -> Octets:
        return self.absent if cast(int, before[0]) >= 0xC000 else self.needed

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        return self.needed.read(data, position, before)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        return self.needed.write(value, before)

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        return self._kind(before).fromText(tokens, before)

    def toText(self, value: bytes, before: Sequence[object]) -> str | None:
        return self._kind(before).toText(value, before)


class KEY(Rdata):
    """
    A key of a host or user, now only used with SIG(0) (RFC 2535, section 3; RFC 3445).
    """

    flags = _Flags()
    protocol = Number(1, _PROTOCOLS)
    algorithm = Number(1, ALGORITHMS)
    key = _Key()

    keyTag = DNSKEY.keyTag


class _Signature(Rdata):
    typeCovered = TypeNumber()
    algorithm = Number(1, ALGORITHMS)
    labels = Number(1)
    originalTTL = Duration()
    expiration = Time()
    inception = Time()
    keyTag = Number()


class RRSIG(_Signature):
    """
    The signature of an RRset (RFC 4034, section 3).
    """

    signer = Name(folded=True)
    signature = base64Octets()


class SIG(_Signature):
    """
    The signature of a transaction, or of an RRset before RRSIG (RFC 2535, section 4; RFC 2931).
    """

    signer = Name(expanded=True, folded=True)
    signature = base64Octets()
