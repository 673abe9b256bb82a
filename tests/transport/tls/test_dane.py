"""
Tests of the decision by TLSA records.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256, sha512
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.transport.tls.chains import NAME, Issuer, forServers, issuer, keyFor, names, signed
from twisted_ext.limits import DANE_RECORDS
from twisted_ext.transport.tls.dane import Dane, usableRecords

_DIGESTS: Final[dict[int, Callable[[bytes], bytes]]] = {
    0: lambda octets: octets,
    1: lambda octets: sha256(octets).digest(),
    2: lambda octets: sha512(octets).digest(),
}


def record(certificate: x509.Certificate, usage: int, selector: int = 1, matching: int = 1) -> bytes:
    """
    Return the rdata of a record for a certificate.
    """
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    octets = key if selector else certificate.public_bytes(Encoding.DER)
    return bytes((usage, selector, matching)) + _DIGESTS[matching](octets)


@cache
def root() -> Issuer:
    return issuer("dane root")


@cache
def middle() -> Issuer:
    return issuer("dane middle", root())


def leaf(*texts: str, begins: int = -1, ends: int = 30, by: Issuer | None = None) -> x509.Certificate:
    return signed("server", by or middle(), names(*(texts or (NAME,))), begins=begins, ends=ends)


def problem(records: list[bytes], *shown: x509.Certificate, authority: str = "not asked") -> str:
    """
    Return what is wrong with a server that shows these certificates.

    @param authority: the problem that the authorities have with the certificate; C{""} for none.
    """
    dane = Dane(NAME, 853)
    dane.records = usableRecords(records)
    chain = [] if authority else list(shown)
    return dane.problem(shown, lambda: (chain, authority))


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_ownKey(selector: int, matching: int) -> None:
    """
    DANE-EE: the record's certificate or key is right whatever its names, dates and issuer are; another one is wrong.
    """
    old = leaf("other.example", begins=-9, ends=-2)
    records = [record(old, 3, selector, matching)]
    assert problem(records, old) == ""
    other = signed("other", middle(), names(NAME))
    assert "it showed one for 'dns.example' with the pin " in problem(records, other)
    # The server proves possession of its own key only.
    assert problem(records, other, old) != ""


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_ownAuthority(selector: int, matching: int) -> None:
    """
    DANE-TA: a chain to the record's authority is right, which has to be among those shown, whether it is a root or not.
    """
    for anchor in (root(), middle()):
        records = [record(anchor.certificate, 2, selector, matching)]
        assert problem(records, leaf(), middle().certificate, root().certificate) == ""
    assert "with the pin" in problem([record(root().certificate, 2)], leaf(), middle().certificate)


def test_wholeAuthorityNeedNotBeShown() -> None:
    """
    DANE-TA: a whole certificate in a record is used although the server does not send it; one that cannot be read is not.
    """
    assert problem([record(middle().certificate, 2, 0, 0)], leaf()) == ""
    assert problem([record(root().certificate, 2, 0, 0)], leaf(), middle().certificate) == ""
    assert "comes from 'dane middle', which is not trusted" in problem([record(root().certificate, 2, 0, 0)], leaf())
    assert "which none matches" in problem([bytes((2, 0, 0)) + b"junk"], leaf())


def test_ownAuthorityVouchesForNameAndTime() -> None:
    """
    DANE-TA: names, dates and purposes count as with other authorities, and so does the signature.
    """
    records = [record(middle().certificate, 2)]
    for certificate, text in (
        (leaf("other.example"), "it showed one for 'other.example'"),
        (leaf(begins=-9, ends=-2), "its certificate expired on "),
        (leaf(begins=2), "its certificate is valid only from "),
        (signed("server", middle(), names(NAME), key=keyFor("weak", 1024)), "has a key that is too weak"),
        (leaf(by=issuer("dane middle", key=keyFor("thief"))), "its certificate "),
        (leaf(by=issuer("stranger")), "its certificate comes from 'stranger', which is not trusted"),
    ):
        assert text in problem(records, certificate, middle().certificate), text
    assert problem(records, signed("server", middle(), names(NAME), forServers()), middle().certificate) == ""


def test_authorityIsNoServer() -> None:
    """
    A record for an authority does not make a server right that shows the authority's certificate as its own.
    """
    assert problem([record(root().certificate, 2)], root().certificate) != ""


def test_publicAuthorities() -> None:
    """
    PKIX-EE and PKIX-TA: a trusted authority has to vouch for the certificate, and the record has to match as well.
    """
    chain = leaf(), middle().certificate, root().certificate
    for usage, matched in ((1, chain[0]), (0, chain[1]), (0, chain[2])):
        assert problem([record(matched, usage)], *chain, authority="") == ""
        assert problem([record(matched, usage)], *chain, authority="its certificate expired") == "its certificate expired"
    for usage, other in ((1, chain[1]), (0, chain[0]), (0, issuer("stranger").certificate)):
        assert "which none matches" in problem([record(other, usage)], *chain, authority="")


def test_anyRecordIsEnough() -> None:
    """
    One record that matches is enough, such as that of the next key.
    """
    stranger = issuer("stranger").certificate
    records = [record(stranger, 0), record(stranger, 2), record(stranger, 3), record(leaf(), 3)]
    assert problem(records, leaf()) == ""
    assert problem(records[:3], leaf(), authority="its certificate expired") == "its certificate expired"


def test_strongestDigestCounts() -> None:
    """
    Beside SHA-512, SHA-256 of the same usage and selector does not count (RFC 7671, section 9).
    """
    other = issuer("stranger").certificate
    assert problem([record(leaf(), 3, 1, 1), record(other, 3, 1, 2)], leaf()) != ""
    for beside in (record(other, 3, 0, 2), record(other, 2, 1, 2), record(other, 3, 1, 0)):
        assert problem([record(leaf(), 3, 1, 1), beside], leaf()) == ""


def test_unusableRecords() -> None:
    """
    Unknown parameters, digests of a wrong length and broken records are ignored, and no record matches nothing.
    """
    right = record(leaf(), 3)
    for wrong in (
        bytes((4,)) + right[1:],
        bytes((255,)) + right[1:],
        right[:1] + bytes((2,)) + right[2:],
        right[:2] + bytes((3,)) + right[3:],
        right[:-1],
        right + b"\x00",
        right[:3],
        right[:2],
        b"",
    ):
        assert usableRecords([wrong]) == ()
    assert "which none matches" in problem([], leaf())


def test_number() -> None:
    """
    The number of records is limited.
    """
    made = [bytes((3, 1, 1)) + number.to_bytes(32, "big") for number in range(100)]
    assert len(usableRecords(made)) == DANE_RECORDS.default


@pytest.mark.parametrize("bits", [0, 2048])
def test_keyOfAuthority(bits: int) -> None:
    """
    DANE-TA: a whole key in a record vouches for what it has signed, although the server does not send that authority's certificate (RFC
    7671, section 5.2.3); for names and dates as well.
    """
    own = issuer(f"bare {bits}", key=keyFor(f"bare {bits}", bits))
    below = issuer(f"below {bits}", own)
    records = [record(own.certificate, 2, 1, 0)]
    assert problem(records, leaf(by=own)) == ""
    assert problem(records, leaf(by=below), below.certificate) == ""
    assert "which none matches" in problem(records, leaf(by=below))
    assert "which none matches" in problem(records, leaf(by=issuer(f"bare {bits}", key=keyFor("thief"))))
    assert "it showed one for 'other.example'" in problem(records, leaf("other.example", by=own))
    assert "its certificate expired" in problem(records, leaf(begins=-9, ends=-2, by=own))
    assert "which none matches" in problem([bytes((2, 1, 0)) + b"junk"], leaf(by=own))


def test_weakKeyOfAuthority() -> None:
    """
    DANE-TA: a whole key that is too weak, or a signature by SHA-1, vouches for nothing.
    """
    weak = issuer("weak bare", key=keyFor("weak bare", 1024))
    assert "which none matches" in problem([record(weak.certificate, 2, 1, 0)], leaf(by=weak))
    old = signed("server", root(), names(NAME), sha1=True)
    assert "which none matches" in problem([record(root().certificate, 2, 1, 0)], old)


def test_furtherNames() -> None:
    """
    Where names count, the certificate may be for any of the names that led to the server.
    """
    dane = Dane("mail.example", 25, names=(NAME,))
    dane.records = usableRecords([record(middle().certificate, 2)])
    for name, isRight in (("mail.example", True), (NAME, True), ("other.example", False)):
        assert (dane.problem([leaf(name), middle().certificate], lambda: ([], "")) == "") == isRight
