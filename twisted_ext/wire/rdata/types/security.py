"""
Record types that hold keys, certificates and identities of hosts and people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.fieldtypes import Number, base64Octets, hexOctets
from twisted_ext.wire.rdata.types.dnssec import ALGORITHMS

__all__ = ["BRID", "CERT", "DHCID", "HHIT", "OPENPGPKEY", "SMIMEA", "SSHFP", "TLSA"]

#: Certificate types (RFC 4398, section 2.1).
_CERTIFICATES: Final = {
    "PKIX": 1,
    "SPKI": 2,
    "PGP": 3,
    "IPKIX": 4,
    "ISPKI": 5,
    "IPGP": 6,
    "ACPKIX": 7,
    "IACPKIX": 8,
    "URI": 253,
    "OID": 254,
}

#: Mnemonics of TLSA and SMIMEA (RFC 7218).
_USAGES: Final = {"PKIX-TA": 0, "PKIX-EE": 1, "DANE-TA": 2, "DANE-EE": 3, "PRIVCERT": 255}
_SELECTORS: Final = {"CERT": 0, "SPKI": 1, "PRIVSEL": 255}
_MATCHING: Final = {"FULL": 0, "SHA2-256": 1, "SHA2-512": 2, "PRIVMATCH": 255}


class CERT(Rdata):
    """
    A certificate or revocation list (RFC 4398).
    """

    type = Number(2, _CERTIFICATES, named=True)
    keyTag = Number()
    algorithm = Number(1, ALGORITHMS)
    certificate = base64Octets()


class SSHFP(Rdata):
    """
    The fingerprint of a host's SSH key (RFC 4255).
    """

    algorithm = Number(1)
    fingerprintType = Number(1)
    fingerprint = hexOctets()

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        wanted = {1: 20, 2: 32}.get(cast(int, values[1]))
        count = len(cast(bytes, values[2]))
        return "" if wanted in (None, count) else f"a fingerprint of {count} octets; type {values[1]} gives {wanted}"


class DHCID(Rdata):
    """
    The identity of the DHCP client that a name belongs to (RFC 4701).
    """

    identifier = base64Octets(least=1)


class TLSA(Rdata):
    """
    The certificate to expect of a TLS server (RFC 6698).
    """

    usage = Number(1, _USAGES)
    selector = Number(1, _SELECTORS)
    matchingType = Number(1, _MATCHING)
    certificate = hexOctets(least=1)


class SMIMEA(TLSA):
    """
    The certificate to expect of a mail sender (RFC 8162).
    """


class OPENPGPKEY(Rdata):
    """
    An OpenPGP key (RFC 7929).
    """

    key = base64Octets(least=1)


class HHIT(Rdata):
    """
    The registration of a hierarchical host identity tag, in CBOR (RFC 9886).
    """

    registration = base64Octets(least=1)


class BRID(Rdata):
    """
    The broadcast endorsements of a drone's identity, in CBOR (RFC 9886).
    """

    endorsements = base64Octets(least=1)
