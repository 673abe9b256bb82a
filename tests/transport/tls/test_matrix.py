"""
Tests of wrong and right certificates, each over TLS, HTTPS, QUIC and HTTP/3: the decision and the words are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.transport.tls.chains import (
    ADDRESS,
    NAME,
    TRANSPORTS,
    Issuer,
    Rig,
    Shown,
    crl,
    forServers,
    issuer,
    keyFor,
    names,
    signed,
)
from twisted_ext.transport.tls import trust
from twisted_ext.transport.tls.pins import pinOf, pinToText
from twisted_ext.transport.tls.terms import TLSTerms


@cache
def root() -> Issuer:
    return issuer("test root")


@cache
def middle() -> Issuer:
    return issuer("test middle", root())


@cache
def short() -> Issuer:
    """
    Return an authority that may issue no other one.
    """
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    return Issuer(signed("short", root(), constraints, key=keyFor("short")), keyFor("short"))


def leaf(by: Issuer, *extensions: x509.ExtensionType, begins: int = -1, ends: int = 30, sha1: bool = False) -> x509.Certificate:
    return signed("server", by, *(extensions or (names(NAME),)), begins=begins, ends=ends, sha1=sha1)


def below(by: Issuer) -> Shown:
    """
    Return the chain of a server with a certificate by this authority, which it sends along.
    """
    return Shown([leaf(by), by.certificate])


def usage(*bits: str) -> x509.KeyUsage:
    all = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    every = (*all, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{each: each in bits for each in every})


def weak() -> Shown:
    key = keyFor("weak", 1024)
    return Shown([signed("server", root(), names(NAME), key=key)], key)


def pin(certificate: x509.Certificate) -> str:
    return pinToText(pinOf(certificate))


@dataclass(frozen=True)
class Case:
    """
    @ivar shows: makes what the server shows.
    @ivar came: what the error says came instead; C{""} if the server is right.
    @ivar name: the name that the client expects.
    @ivar options: more of the description.
    """

    shows: Callable[[], Shown]
    came: str
    name: str = NAME
    options: str = ""


_OTHER: Final = "A" * 43 + "="
_DATE: Final = r"\d{4}-\d\d-\d\d at \d\d:\d\d UTC"

CASES: Final = {
    "right": Case(lambda: Shown([leaf(root())]), ""),
    "right with an intermediate": Case(lambda: below(middle()), ""),
    "right by RSA": Case(lambda: Shown([signed("server", root(), names(NAME), key=keyFor("r", 2048))], keyFor("r", 2048)), ""),
    "right address": Case(lambda: Shown([leaf(root(), names(ADDRESS))]), "", ADDRESS),
    "right wildcard": Case(lambda: Shown([leaf(root(), names("*.any.example"))]), "", "dns.any.example"),
    "right usages": Case(lambda: Shown([leaf(root(), names(NAME), forServers(), usage("digital_signature"))]), ""),
    "unordered chain": Case(
        lambda: Shown([leaf(issuer("deeper", middle())), middle().certificate, issuer("deeper", middle()).certificate]), ""
    ),
    "right pin": Case(lambda: Shown([leaf(root())]), "", options=":pins={pin}"),
    "expired": Case(lambda: Shown([leaf(root(), begins=-9, ends=-2)]), f"its certificate expired on {_DATE}"),
    "not yet valid": Case(lambda: Shown([leaf(root(), begins=2)]), f"its certificate is valid only from {_DATE}"),
    "expired intermediate": Case(
        lambda: below(issuer("old middle", root(), begins=-9, ends=-2)), f"the authority 'old middle' of its certificate expired on {_DATE}"
    ),
    "other name": Case(lambda: Shown([leaf(root(), names("other.example"))]), "it showed one for 'other.example'"),
    "name in the subject": Case(
        lambda: Shown([signed(NAME, root(), key=keyFor("server"))]), r"it showed one for no host name \(subject 'CN=dns.example'\)"
    ),
    "other pin": Case(lambda: Shown([leaf(root())]), "it showed one with the pin {pin}", options=f":pins={_OTHER}"),
    "right pin, other name": Case(
        lambda: Shown([leaf(root(), names("other.example"))]), "it showed one for 'other.example'", options=":pins={pin}"
    ),
    "self-signed": Case(lambda: Shown([signed("server", None, names(NAME))]), "its certificate is self-signed"),
    "foreign root": Case(
        lambda: below(issuer("foreign root")), "its certificate comes from 'foreign root', which is not trusted"
    ),
    "missing intermediate": Case(
        lambda: Shown([leaf(middle())]), "its certificate comes from 'test middle', which is not trusted"
    ),
    "authority without CA flag": Case(
        lambda: below(issuer("test server", root(), ca=False)),
        "the authority 'test server' of its certificate is not an authority's, but has issued another",
    ),
    "authority that may not sign": Case(
        lambda: below(issuer("test reader", root(), usage("digital_signature"))), "the authority 'test reader' of its certificate .*"
    ),
    "forbidden name": Case(
        lambda: below(issuer("narrow middle", root(), x509.NameConstraints([x509.DNSName("example.org")], None))),
        "its certificate is for a name that its issuer may not vouch for",
    ),
    "excluded name": Case(
        lambda: below(issuer("narrow middle", root(), x509.NameConstraints(None, [x509.DNSName("example")]))),
        "its certificate is for a name that its issuer must not vouch for",
    ),
    "chain too long": Case(
        lambda: Shown([leaf(issuer("third", short())), issuer("third", short()).certificate, short().certificate]),
        "the authority .* of its certificate is at the end of a chain longer than its issuer permits",
    ),
    "other address": Case(
        lambda: Shown([leaf(root(), names("192.0.2.54", NAME))]), "it showed one for 'dns.example', '192.0.2.54'", ADDRESS
    ),
    "address as a name": Case(
        lambda: Shown([leaf(root(), x509.SubjectAlternativeName([x509.DNSName(ADDRESS)]))]), f"it showed one for '{ADDRESS}'", ADDRESS
    ),
    "wildcard for two labels": Case(
        lambda: Shown([leaf(root(), names("*.any.example"))]), r"it showed one for '\*\.any\.example'", "a.b.any.example"
    ),
    "wildcard for none": Case(lambda: Shown([leaf(root(), names("*.dns.example"))]), r"it showed one for '\*\.dns\.example'"),
    "wildcard for a domain": Case(lambda: Shown([leaf(root(), names("*.example"))]), r"it showed one for '\*\.example'"),
    "part of a label": Case(
        lambda: Shown([leaf(root(), names("d*.any.example"))]), r"it showed one for 'd\*\.any\.example'", "dns.any.example"
    ),
    "wildcard within a name": Case(
        lambda: Shown([leaf(root(), names("dns.*.example"))]), r"it showed one for 'dns\.\*\.example'", "dns.a.example"
    ),
    "wildcard for an IDN": Case(
        lambda: Shown([leaf(root(), names("*.any.example"))]), r"it showed one for '\*\.any\.example'", "xn--bcher-kva.any.example"
    ),
    "wildcard for an address": Case(
        lambda: Shown([leaf(root(), x509.SubjectAlternativeName([x509.DNSName("*.0.2.53")]))]), r"it showed one for '\*\.0\.2\.53'", ADDRESS
    ),
    "for clients": Case(
        lambda: Shown([leaf(root(), names(NAME), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))]),
        "its certificate is not for servers",
    ),
    "for anything": Case(
        lambda: Shown([leaf(root(), names(NAME), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]))]),
        "its certificate is not for servers",
    ),
    "for signing certificates": Case(lambda: Shown([leaf(root(), names(NAME), usage("crl_sign"))]), "its certificate is not for servers"),
    "authority for mail": Case(
        lambda: below(issuer("mail middle", root(), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]))),
        "the authority 'mail middle' of its certificate is not for servers",
    ),
    "weak key": Case(weak, "its certificate has a key that is too weak"),
    "weak key of an authority": Case(
        lambda: below(issuer("weak middle", root(), key=keyFor("weak", 1024))),
        "the authority 'weak middle' of its certificate has a key that is too weak",
    ),
    "SHA-1": Case(lambda: Shown([leaf(root(), sha1=True)]), "its certificate is signed by a digest that is too weak"),
    "SHA-1 of an authority": Case(
        lambda: below(issuer("sha1 middle", root(), sha1=True)),
        "the authority 'sha1 middle' of its certificate is signed by a digest that is too weak",
    ),
    "stolen certificate": Case(
        lambda: Shown([leaf(issuer("test root", key=keyFor("thief")))]), "its certificate .*"
    ),
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def described(transport: str, name: str = NAME) -> str:
    if transport == "http3":
        return f"{described('https', name)}:http3=only"
    if transport == "https" and name == ADDRESS:
        return f"https://{ADDRESS}"
    return TRANSPORTS[transport].format(address=ADDRESS, name=name)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("what", CASES)
def test_certificateDecides(rig: Rig, what: str, transport: str) -> None:
    """
    A wrong certificate ends in one line that names the server, what was expected and what came, and no query is sent; a right one does not.
    """
    case = CASES[what]
    shown = case.shows()
    ca = rig.write("ca.pem", root().certificate)
    came = pin(shown.certificates[0])
    rig.serve(transport, shown)
    description = described(transport, case.name)
    outcome = rig.look(f"{description}:ca={ca}{case.options.format(pin=came)}")
    if not case.came:
        assert (outcome, rig.queries) == ("", 1)
        return
    start, expected, rest = outcome.partition(": expected ")
    web = f"{ADDRESS}:443" if case.name == ADDRESS else f"{case.name} at {ADDRESS}:443"
    server = web if transport in ("https", "http3") else f"{ADDRESS}:853"
    way = "HTTP/3" if transport == "http3" else transport.upper()
    assert start == f"www.test.example. A: {server} cannot be reached over {way}"
    wanted = f"a certificate for '{case.name}' from an authority in {ca}"
    if case.options:
        wanted += f" and a key with the pin {case.options.format(pin=came).removeprefix(':pins=')}"
    assert rest.startswith(f"{wanted}, ")
    assert re.fullmatch(case.came.replace("{pin}", re.escape(came)), rest.removeprefix(f"{wanted}, ")), rest
    assert rig.queries == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("what", ["revoked leaf", "revoked intermediate", "none", "no list", "old list", "early list", "forged list"])
def test_revocation(rig: Rig, what: str, transport: str) -> None:
    """
    With a file of revocation lists, each certificate of the chain has to be covered by a valid list, and revoked by none.
    """
    own = leaf(middle())
    revoked = [own] if what == "revoked leaf" else []
    above = [middle().certificate] if what == "revoked intermediate" else []
    begins, ends = {"old list": (-9, -2), "early list": (1, 9)}.get(what, (-1, 7))
    thief = Issuer(middle().certificate, keyFor("thief"))
    lower = crl(thief if what == "forged list" else middle(), *revoked, begins=begins, ends=ends)
    path = rig.write("crl.pem", crl(root(), *above), *([] if what == "no list" else [lower]))
    ca = rig.write("ca.pem", root().certificate)
    rig.serve(transport, Shown([own, middle().certificate]))
    description = described(transport)
    outcome = rig.look(f"{description}:ca={ca}:crl={path}")
    came = {
        "none": "",
        "revoked leaf": "its certificate has been revoked",
        "revoked intermediate": "the authority 'test middle' of its certificate has been revoked",
        "no list": f"{path} has no revocation list of 'test middle': add the list of each authority between the server and the root",
        "old list": f"the revocation list of 'test middle' in {path} expired on ",
        "early list": f"the revocation list of 'test middle' in {path} is not valid yet: check this machine's clock",
        "forged list": f"the revocation list of 'test middle' in {path} has a wrong signature",
    }[what]
    assert "\n" not in outcome
    assert (came in outcome and bool(outcome), rig.queries) == (bool(came), 0 if came else 1), outcome


def test_revocationListIsReadAgain(rig: Rig) -> None:
    """
    A new revocation list applies to the next connection, and no session is continued beside it; one that cannot be used changes nothing.
    """
    own = leaf(root())
    path = rig.write("crl.pem", crl(root()))
    rig.serve("tls", Shown([own]))
    ca = rig.write("ca.pem", root().certificate)
    terms = TLSTerms(NAME, ca=ca, crl=path)
    assert not terms.resume
    authorities = terms.authorities

    def outcome() -> str:
        return trust.verifiedChain(authorities.store(), [own], authorities.problem)[1]

    assert outcome() == ""
    rig.write("crl.pem", b"")
    assert outcome() == ""
    rig.write("crl.pem", crl(root(), own))
    assert outcome() == "its certificate has been revoked"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_withoutDefense(rig: Rig, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without the checks beyond OpenSSL's chain, a certificate with a weak signature would be accepted.
    """
    monkeypatch.setattr(trust, "weakness", lambda chain: (0, 0))
    rig.serve(transport, Shown([leaf(root(), sha1=True)]))
    ca = rig.write("ca.pem", root().certificate)
    description = described(transport)
    assert rig.look(f"{description}:ca={ca}") == ""


@pytest.mark.parametrize("transport", ["tls", "https"])
def test_clientCertificateIsDemanded(rig: Rig, transport: str) -> None:
    """
    A server that demands a certificate of the client gets one, or the error says that it is missing, or was rejected.
    """
    rig.serve(transport, Shown([leaf(root())]), demands=root().certificate.public_bytes(Encoding.PEM))
    ca = rig.write("ca.pem", root().certificate)
    description = described(transport) + f":ca={ca}"
    assert "it demands a certificate of the client" in rig.look(description)
    right = rig.write("right.pem", Shown([signed("client", root(), key=keyFor("client"))], keyFor("client")).pem())
    assert rig.look(f"{description}:certificate={right}") == ""
    stranger = rig.write("stranger.pem", Shown([signed("client", None, key=keyFor("client"))], keyFor("client")).pem())
    assert "it does not know the authority of the client's certificate" in rig.look(f"{description}:certificate={stranger}")
