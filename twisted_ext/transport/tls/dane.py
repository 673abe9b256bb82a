"""
Decide by TLSA records whether a server has shown the right certificate (DANE: RFC 6698, RFC 7671).

The records come from L{DaneSource<twisted_ext.resolver.combine.dane.DaneSource>} or
L{lookUpTLSA<twisted_ext.endpoints.dane.lookUpTLSA>}, which take only those that DNSSEC proves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from OpenSSL import crypto

from twisted_ext.answers import Answer, Security
from twisted_ext.errors import BadMessage
from twisted_ext.limits import DANE_RECORDS
from twisted_ext.transport.tls.pins import namesOf, pinOf, pinToText
from twisted_ext.transport.tls.trust import RSA_BITS, isFor, isSignatureWeak, verifiedChain
from twisted_ext.wire.rdata.types.security import TLSA
from twisted_ext.wire.rrtypes import TLSA as TLSA_TYPE

__all__ = ["Dane", "TLSARecord", "TLSASet", "usableRecords"]

# Usages (RFC 7218).
_PKIX_TA: Final = 0
_PKIX_EE: Final = 1
_DANE_TA: Final = 2
_DANE_EE: Final = 3

_USABLE: Final = "usages 0 to 3 are known, selectors 0 and 1, and matching types 0 to 2"

_FULL: Final = 0
_DIGESTS: Final = {1: sha256, 2: sha512}
_DIGEST_OCTETS: Final = {1: 32, 2: 64}

#: Returns the chain from the server's certificate to a trusted authority, and the problem, if there is one.
_Trusted = Callable[[], tuple[list[x509.Certificate], str]]


@dataclass(frozen=True, slots=True)
class TLSARecord:
    """
    A usable TLSA record.

    @ivar usage: 0 to 3.
    @ivar selector: 0 for certificates, 1 for keys.
    @ivar matchingType: 0 for all octets, 1 for SHA-256, 2 for SHA-512.
    @ivar data: the octets or their digest.
    """

    usage: int
    selector: int
    matchingType: int
    data: bytes

    def matches(self, certificate: x509.Certificate) -> bool:
        if self.selector:
            octets = _keyOctets(certificate)
        else:
            octets = certificate.public_bytes(Encoding.DER)
        digest = _DIGESTS.get(self.matchingType)
        return self.data == (octets if digest is None else digest(octets).digest())


def usableRecords(rdatas: Iterable[bytes]) -> tuple[TLSARecord, ...]:
    """
    Return the usable records among those of a set: unknown parameters and digests of a wrong length are ignored. Of the digests of one
    usage and selector, the strongest kind counts alone (RFC 7671, section 9).
    """
    found: list[TLSARecord] = []
    for rdata in rdatas:
        try:
            read = TLSA.fromWire(rdata)
        except BadMessage:
            continue
        octets = _DIGEST_OCTETS.get(read.matchingType, len(read.certificate))
        if read.usage <= _DANE_EE and read.selector <= 1 and read.matchingType in (_FULL, *_DIGESTS) and len(read.certificate) == octets:
            found.append(TLSARecord(read.usage, read.selector, read.matchingType, bytes(read.certificate)))
    strongest: dict[tuple[int, int], int] = {}
    for record in found:
        kind = record.usage, record.selector
        strongest[kind] = max(strongest.get(kind, _FULL), record.matchingType)
    usable = [each for each in found if each.matchingType in (_FULL, strongest[each.usage, each.selector])]
    return tuple(usable[: int(DANE_RECORDS.default)])


@dataclass(frozen=True, slots=True)
class TLSASet:
    """
    The TLSA records in an answer.

    @ivar owner: the name that was looked up.
    @ivar exists: whether there are any, usable or not.
    @ivar security: the security of the answer.
    @ivar usable: those that can be used; see L{usableRecords}.
    @ivar ttl: the least TTL in the answer, in seconds; 0 without records.
    """

    owner: str
    exists: bool
    security: Security
    usable: tuple[TLSARecord, ...]
    ttl: int

    @classmethod
    def of(cls, owner: str, answer: Answer) -> TLSASet:
        rdatas = [rdata for rrset in answer.answer if rrset.rrType == TLSA_TYPE for rdata in rrset.rdatas]
        ttl = min([rrset.ttl for rrset in answer.answer], default=0)
        return cls(owner, bool(rdatas), answer.security, usableRecords(rdatas), ttl)

    @property
    def problem(self) -> str:
        """
        Why no server can be authenticated by these records, in one line; or C{""}.
        """
        if not self.exists:
            return f"there is no TLSA record at {self.owner}"
        if self.security is not Security.SECURE:
            return f"the TLSA records of {self.owner} are {self.security.value}: DNSSEC has to prove them"
        return "" if self.usable else f"no TLSA record of {self.owner} can be used: {_USABLE}"


class Dane:
    """
    The TLSA records of one server.

    @ivar host: the server's name in ASCII without a final dot: the TLSA base domain, which is sent as server name (SNI).
    @ivar names: the names for which the certificate may be where names count: C{host}, and those that led to it securely (RFC 7671,
        section 7; RFC 7672, section 3.2.2).
    @ivar owner: the name of the records: C{_853._tcp.dns.example}.
    @ivar records: those that DNSSEC has proved; none before they were looked up, so that no certificate is right.
    """

    def __init__(self, host: str, port: int, protocol: str = "tcp", names: Iterable[str] = ()) -> None:
        """
        @param names: further ones for C{names}.
        """
        self.host = host
        self.names = tuple(dict.fromkeys((host, *names)))
        self.owner = f"_{port}._{protocol}.{host}"
        self.records: tuple[TLSARecord, ...] = ()

    @property
    def expected(self) -> str:
        """
        What the server has to show, for display.
        """
        count = len(self.records)
        which = "the TLSA record" if count == 1 else f"one of the {count} TLSA records"
        return f"a certificate for {self.host!r} by {which} of {self.owner}"

    def problem(self, certificates: Sequence[x509.Certificate], trusted: _Trusted) -> str:
        """
        Check whether a server has shown what a record demands.

        @param certificates: its certificate, then the others that it sent.
        @param trusted: asks the authorities, which only records of usages 0 and 1 need.

        @return: what came instead, or C{""}.
        """
        certificate = certificates[0]
        by: dict[int, list[TLSARecord]] = {}
        for record in self.records:
            by.setdefault(record.usage, []).append(record)
        if _isAny(by.get(_DANE_EE, ()), certificate):
            # The record binds the key to the name; dates and names in the certificate do not count (RFC 7671, section 5.1).
            return ""
        problem = f"it showed one for {namesOf(certificate)} with the pin {pinToText(pinOf(certificate))}, which none matches"
        own = by.get(_DANE_TA, ())
        # The server's own certificate is none of an authority.
        anchors = [each for each in (*certificates[1:], *_certificatesIn(own)) if each != certificate and _isAny(own, each)]
        anchors += _issuedBy(own, certificates)
        if anchors:
            problem = self._problemBelow(anchors, certificates)
            if not problem:
                return ""
        if _PKIX_TA in by or _PKIX_EE in by:
            chain, fault = trusted()
            if fault:
                return fault
            if _isAny(by.get(_PKIX_EE, ()), certificate) or any(_isAny(by.get(_PKIX_TA, ()), each) for each in chain[1:]):
                return ""
        return problem

    def _problemBelow(self, anchors: Sequence[x509.Certificate], certificates: Sequence[x509.Certificate]) -> str:
        """
        Check the chain to one of the authorities that records name. Names and dates count there (RFC 7671, section 5.2).
        """
        store = crypto.X509Store()
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        for each in anchors:
            store.add_cert(crypto.X509.from_cryptography(each))
        problem = verifiedChain(store, certificates)[1]
        if not problem and not any(isFor(certificates[0], name) for name in self.names):
            problem = f"it showed one for {namesOf(certificates[0])}"
        return problem


def _certificatesIn(records: Iterable[TLSARecord]) -> list[x509.Certificate]:
    """
    Return the whole certificates in records, which servers need not send as well.
    """
    found: list[x509.Certificate] = []
    for record in records:
        if record.matchingType == _FULL and not record.selector:
            try:
                found.append(x509.load_der_x509_certificate(record.data))
            except ValueError:
                continue
    return found


def _issuedBy(records: Iterable[TLSARecord], certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """
    Return the certificates that are signed by a key which stands whole in a record. The certificate of that authority need not be among
    those that the server sends (RFC 7671, section 5.2.3): each one that it has signed is as good as itself.
    """
    found: list[x509.Certificate] = []
    for record in records:
        if record.matchingType != _FULL or not record.selector:
            continue
        try:
            key = load_der_public_key(record.data)
        except (ValueError, UnsupportedAlgorithm):
            continue
        found += [each for each in certificates if not isSignatureWeak(each) and _isSignedBy(each, key)]
    return found


def _keyOctets(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _isSignedBy(certificate: x509.Certificate, key: object) -> bool:
    signature, octets = certificate.signature, certificate.tbs_certificate_bytes
    try:
        digest, how = certificate.signature_hash_algorithm, certificate.signature_algorithm_parameters
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_BITS and digest is not None:
            if isinstance(how, padding.PKCS1v15 | padding.PSS):
                key.verify(signature, octets, how, digest)
                return True
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(how, ec.ECDSA):
            key.verify(signature, octets, how)
            return True
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        pass
    return False


def _isAny(records: Iterable[TLSARecord], certificate: x509.Certificate) -> bool:
    return any(record.matches(certificate) for record in records)
