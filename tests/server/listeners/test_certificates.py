"""
Tests of certificates: what can be loaded, which one a client gets, and what is wrong with the others.
"""

from __future__ import annotations

import os
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from OpenSSL import SSL
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.server.listeners.authorities import issued, keyText, newKey
from tests.server.listeners.tlsstreams import PAIR, Contexts, leafOf, shaken
from tests.transport.tls.chains import Shown, issuer, names, signed
from twisted_ext.errors import BadDescription
from twisted_ext.server.limits import TICKET_KEY_SECONDS
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair
from twisted_ext.server.listeners.tls.encryption import CertificateFiles, Encryption, keptPair, newPair, readPairs

KEY = newKey()
CERTIFICATE = issued(["dns.example"], KEY)
OTHER = newKey()
SHORT = newKey("short")
DSA = dsa.generate_private_key(2048)
DER = x509.load_pem_x509_certificate(CERTIFICATE).public_bytes(Encoding.DER)
KEYDER = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

#: A certificate whose key is of RSASSA-PSS, which the library that makes the others cannot make.
PSS = b"""\
-----BEGIN CERTIFICATE-----
MIICbjCCAaOgAwIBAgIUN1xBDNKH6cDwx+Qpg+gsLMiYigcwQQYJKoZIhvcNAQEK
MDSgDzANBglghkgBZQMEAgEFAKEcMBoGCSqGSIb3DQEBCDANBglghkgBZQMEAgEF
AKIDAgFeMBYxFDASBgNVBAMMC2Rucy5leGFtcGxlMB4XDTI2MTEyMzIxMzEyM1oX
DTI2MTIyMzIxMzEyM1owFjEUMBIGA1UEAwwLZG5zLmV4YW1wbGUwgZ0wCwYJKoZI
hvcNAQEKA4GNADCBiQKBgQDJmRBFNPUyUEakGqzsrzeFLot8HTka7LP7yVwtZ3Hy
Q+TPaaFusMt0UDOwb+oaDirSjgPBtIUBxw1w5u12EbeBwm2pywvI2x0021LDMXnu
Svzlx1yGyQ9psjPCEJsDSR56URZnM5IAjVxtrRrvb0m7YwOCN6wqmqFXY222a5/k
2QIDAQABo1MwUTAdBgNVHQ4EFgQUcugEmvu41pi/fpYXaaK3up2ywFIwHwYDVR0j
BBgwFoAUcugEmvu41pi/fpYXaaK3up2ywFIwDwYDVR0TAQH/BAUwAwEB/zBBBgkq
hkiG9w0BAQowNKAPMA0GCWCGSAFlAwQCAQUAoRwwGgYJKoZIhvcNAQEIMA0GCWCG
SAFlAwQCAQUAogMCAV4DgYEAtpEOhonaB9LycrvOXwCC236eIPeg1cqJ3gh65gzF
zUxIt6eoeMV2XJu6DD07PEd8szS74ofR/fcxYssX7AycZvvmolWIGSk8FWzUXbzT
e2E+N9YILHTuFgH7i2FqGJr2Trv4nHx9mCqMiwQf9qyubutytHqhn/dH1O/YngGI
3oc=
-----END CERTIFICATE-----
"""

#: What is wrong with a certificate and a key, and what is said about it.
WRONG: dict[str, tuple[bytes, bytes, str]] = {
    "no certificate": (b"", keyText(KEY), "c.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on"),
    "key instead": (keyText(KEY), keyText(KEY), "c.pem: a certificate in PEM is expected"),
    "DER": (DER, keyText(KEY), "in DER; convert it with openssl x509 -inform DER"),
    "cut off": (CERTIFICATE[:200], keyText(KEY), "c.pem: a certificate in PEM is expected"),
    "damaged": (CERTIFICATE.replace(b"M", b"N"), keyText(KEY), "c.pem: a certificate in PEM is expected"),
    "request instead": (
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        keyText(KEY),
        "on; there is CERTIFICATE REQUEST instead",
    ),
    "text instead": (b"hello\n", keyText(KEY), "on; there is none"),
    "blank": (b" \n", keyText(KEY), "on; there is nothing"),
    "key in DER": (CERTIFICATE, KEYDER, "k.pem: a private key in PEM is expected, from -----BEGIN PRIVATE KEY----- on; it is in DER"),
    "public key instead": (
        CERTIFICATE,
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "k.pem: a private key in PEM is expected, from -----BEGIN PRIVATE KEY----- on; there is PUBLIC KEY instead",
    ),
    "too many": (CERTIFICATE * 11, keyText(KEY), "c.pem: 11 certificates; a server sends its own and its chain, at most 10"),
    "RSASSA-PSS": (PSS, keyText(KEY), "c.pem: the key is RSASSA-PSS, which cannot be used; it has to be ECDSA, Ed25519"),
    "no key": (CERTIFICATE, b"", "k.pem: a private key in PEM is expected, from -----BEGIN PRIVATE KEY----- on"),
    "certificate instead": (CERTIFICATE, CERTIFICATE, "k.pem: a private key in PEM is expected"),
    "key cut off": (CERTIFICATE, keyText(KEY)[:100], "k.pem: a private key in PEM is expected"),
    "encrypted": (CERTIFICATE, keyText(KEY, "secret"), "k.pem: the key is encrypted; a server needs it in plain text, as from openssl"),
    "encrypted, old": (CERTIFICATE, keyText(KEY, "secret", old=True), "k.pem: the key is encrypted"),
    "other key": (CERTIFICATE, keyText(OTHER), "k.pem: the key does not belong to the certificate of c.pem (dns.example)"),
    "chain first": (
        issued(["ca.example"], OTHER) + CERTIFICATE,
        keyText(KEY),
        "c.pem: the server's certificate (dns.example) has to come first, before those of its chain",
    ),
    "short key": (issued(["dns.example"], SHORT), keyText(SHORT), "c.pem: OpenSSL does not accept the certificate or its key: ee key"),
    "DSA": (CERTIFICATE, keyText(DSA), "k.pem: the key is of a kind that TLS does not use; it has to be ECDSA, Ed25519, Ed448 or RSA"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrongFilesAreNamed(what: str) -> None:
    """
    For a certificate or key that cannot be used there is one line that names the file, what is wrong and what would be right.
    """
    certificate, key, said = WRONG[what]
    with pytest.raises(BadDescription) as caught:
        Pair(certificate, key, "c.pem", "k.pem")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_newestReasonIsNamed() -> None:
    """
    OpenSSL's queue may have errors of earlier calls before that of this one; only the last is the reason.
    """
    queued = SSL.Error([("", "", "an earlier error"), ("", "", "ee key too small")])
    refusing = patch.object(SSL.Context, "use_certificate", side_effect=queued)
    with refusing, pytest.raises(BadDescription, match="certificate or its key: ee key too small$"):
        Pair(CERTIFICATE, keyText(KEY), "c.pem", "k.pem")


@pytest.mark.parametrize("kind", ["ec", "rsa", "ed25519"])
def test_usualKeysAreAccepted(kind: str) -> None:
    """
    A client can connect to a server with an ECDSA, RSA or Ed25519 key, in one file with the certificate or beside it.
    """
    key = newKey(kind)
    text = issued(["dns.example"], key)
    for pair in (Pair(text, keyText(key), "c.pem"), Pair(keyText(key) + text, keyText(key) + text, "c.pem")):
        client = Contexts().connection()
        assert shaken(client, Certificates([pair], float).contextFactory([b"dot"]).connection()) == ["", ""]
        assert leafOf(client) == pair.leaf.serial_number.to_bytes(20, "big")


def test_chainIsSent() -> None:
    """
    A client gets the certificate and its chain, in order.
    """
    authority = newKey()
    text = issued(["dns.example"], KEY, authority) + issued(["Authority"], authority)
    client = Contexts().connection()
    shaken(client, Certificates([Pair(text, keyText(KEY), "c.pem")], float).contextFactory([b"dot"]).connection())
    chain = client.get_peer_cert_chain(as_cryptography=True)
    assert chain is not None
    assert b"".join([each.public_bytes(Encoding.PEM) for each in chain]) == text


def test_pinIsOfThePublicKey() -> None:
    """
    The pin is the hash of the public key as RFC 7858 defines it, the same for a renewed certificate with the same key.
    """
    info = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pairs = [Pair(issued([name], KEY), keyText(KEY), "c.pem") for name in ("a.example", "b.example")]
    assert {pair.pin for pair in pairs} == {b64encode(sha256(info).digest()).decode()}


def test_timesAreChecked() -> None:
    """
    A certificate that has expired or is not valid yet is used, with a warning that names it.
    """
    for days, said in (((-20, -1), "c.pem: the certificate of dns.example expired on"), ((1, 20), "is not valid before"), ((-1, 1), "")):
        doubt = Pair(issued(["dns.example"], KEY, days=days), keyText(KEY), "c.pem").doubt()
        assert said in doubt
        assert bool(said) is bool(doubt)


def test_nameChoosesCertificate() -> None:
    """
    A client gets the certificate for the name that it asks for, be it a wildcard or in other letters; the first one for all other names.
    """
    names = ["first.example", "dns.example", "*.wild.example"]
    pairs = [Pair(issued([name], KEY), keyText(KEY), name) for name in names]
    contexts = Certificates(pairs, float).contextFactory([b"dot"])
    wanted = {
        b"": 0,
        b"first.example": 0,
        b"DNS.example": 1,
        b"a.wild.example": 2,
        b"wild.example": 0,
        b"a.b.wild.example": 0,
        b"example": 0,
        b"\xff.example": 0,
    }
    for name, index in wanted.items():
        client = Contexts(name).connection()
        assert shaken(client, contexts.connection()) == ["", ""], name
        assert leafOf(client) == pairs[index].leaf.serial_number.to_bytes(20, "big"), name


def flight(contexts: Contexts, server: SSL.Connection, session: SSL.Session | None) -> tuple[int, SSL.Session | None]:
    """
    Return the octets that the server sends up to the end of the handshake, and the session.
    """
    client = contexts.connection()
    if session is not None:
        client.set_session(session)
    octets = 0
    for _ in range(3):
        for near, far in ((client, server), (server, client)):
            try:
                near.do_handshake()
            except SSL.WantReadError:
                pass
            try:
                sent = near.bio_read(1 << 17)
                octets += len(sent) if near is server else 0
                far.bio_write(sent)
            except SSL.WantReadError:
                pass
    try:
        client.recv(1)
    except SSL.WantReadError:
        pass
    again = client.get_session()
    # OpenSSL resumes no session whose connection has not been closed in order.
    client.shutdown()
    return octets, again


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_sessionsOutliveCertificates(version: int) -> None:
    """
    A client resumes its session, for which no certificate is sent, even when the certificate has been replaced; but not with another key of
    the tickets, which is drawn each day.
    """
    now = [0.0]
    certificates = Certificates([newPair(["dns.example"])], lambda: now[0])
    contexts = certificates.contextFactory([b"dot"])
    client = Contexts(b"dns.example", most=version)
    whole, session = flight(client, contexts.connection(), None)
    assert flight(client, contexts.connection(), session)[0] < whole - 300
    certificates.replace([newPair(["dns.example"])])
    assert flight(client, contexts.connection(), session)[0] < whole - 300
    now[0] = TICKET_KEY_SECONDS.default
    assert flight(client, contexts.connection(), session)[0] >= whole - 100


def test_certificatesCrossToOtherProcesses() -> None:
    """
    Another process makes the same pairs from what this one sends.
    """
    certificates = Certificates([PAIR, Pair(CERTIFICATE, keyText(KEY), "c.pem")], float)
    again, _ = Certificates.partsFromJSON(certificates.toJSON())
    assert [(pair.label, pair.pin, pair.leaf) for pair in again] == [(pair.label, pair.pin, pair.leaf) for pair in certificates.pairs]


def write(folder: Path, name: str, text: bytes) -> str:
    """
    Replace a file, as programs do that renew certificates.
    """
    path = folder / name
    new = folder / "new"
    new.write_bytes(text)
    new.chmod(0o600)
    new.rename(path)
    return str(path)


def test_wrongPathsAreNamed(tmp_path: Path) -> None:
    """
    For a file that cannot be read there is one line with its path and the reason.
    """
    certificate = write(tmp_path, "c.pem", CERTIFICATE)
    key = write(tmp_path, "k.pem", keyText(KEY))
    missing, folder, huge = str(tmp_path / "none.pem"), str(tmp_path), write(tmp_path, "huge", bytes(1 << 19))
    for certificates, keys, said in (
        ([missing], [key], f"{missing}: No such file or directory"),
        ([certificate], [folder], f"{folder}: Is a directory"),
        ([certificate], [huge], f"{huge}: more than 262144 octets; a file of certificates or a key in PEM is shorter"),
        ([certificate, certificate], [key], "each certificate needs its key, in the same order; there are 2 and 1"),
    ):
        with pytest.raises(BadDescription) as caught:
            readPairs(certificates, keys)
        assert said in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadableKeyIsNamed(tmp_path: Path) -> None:
    """
    For a key that only another user may read the line says which user needs the right.
    """
    key = write(tmp_path, "k.pem", keyText(KEY))
    os.chmod(key, 0)
    with pytest.raises(BadDescription, match=rf"{key}: Permission denied; user {os.geteuid()} has to be able to read it"):
        readPairs([write(tmp_path, "c.pem", CERTIFICATE)], [key])


def test_disorderIsNamed() -> None:
    """
    A chain in which an authority did not issue the certificate before it is used, but some clients reject it, so it is a warning.
    """
    root = issuer("disordered root")
    middle = issuer("disordered middle", root)
    own = signed("server", middle, names("dns.example"))
    for chain, said in (
        ([own, middle.certificate, root.certificate], ""),
        ([own, middle.certificate], ""),
        ([own], ""),
        (
            [own, root.certificate, middle.certificate],
            "c.pem: certificate 2 has to be that of CN=disordered middle, which issued the one before it",
        ),
        (
            [own, middle.certificate, own],
            "c.pem: certificate 3 has to be that of CN=disordered root, which issued the one before it",
        ),
    ):
        pem = Shown(chain).pem()
        assert Pair(pem, pem, "c.pem").disorder == said


def test_warnings(tmp_path: Path) -> None:
    """
    A chain in disorder is used, and so is a key that all users can read; each is a warning of one line.
    """
    root = issuer("disordered root")
    middle = issuer("disordered middle", root)
    own = signed("server", middle, names("dns.example"))
    said: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        said.append(formatEvent(event))

    mixed = write(tmp_path, "mixed.pem", Shown([own, root.certificate]).pem())
    key = write(tmp_path, "k.pem", keyText(KEY))
    os.chmod(key, 0o644)
    globalLogPublisher.addObserver(observe)
    try:
        CertificateFiles([mixed], []).read()
        CertificateFiles([write(tmp_path, "c.pem", CERTIFICATE)], [key]).read()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert len(said) == 2
    assert said[0] == (
        f"{mixed}: certificate 2 has to be that of CN=disordered middle, which issued the one before it; some clients will reject it"
    )
    assert said[1] == f"{key}: every user of this machine can read this private key; run chmod o-r"


def test_expiryIsWarnedOf() -> None:
    """
    A certificate is used to its end and beyond: each look has a warning of one line if one is due, the first when it comes into use. A
    process that has a copy of the certificates warns of nothing.
    """
    said: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        said.append(formatEvent(event))

    pairs = [Pair(issued(["dns.example"], KEY, days=(-20, days)), keyText(KEY), f"{days}.pem") for days in (20, 10, -1)]
    now = datetime.now(UTC)
    globalLogPublisher.addObserver(observe)
    try:
        encryption = Encryption(pairs, float)
        encryption.warn(now)
        encryption.look(now + timedelta(seconds=2))
        first = said[:]
        said.clear()
        encryption.look(now + timedelta(days=7))
        second = said[:]
        said.clear()
        encryption.replace(pairs[:1])
        Encryption.fromJSON(Certificates(pairs, float).toJSON(), float).warn(now)
    finally:
        globalLogPublisher.removeObserver(observe)
    assert len(first) == 2
    assert first[0].startswith("10.pem: the certificate of dns.example expires on ")
    assert first[0].endswith(" UTC, in 9 days; renew it before")
    assert first[1].startswith("-1.pem: the certificate of dns.example expired on ")
    assert first[1].endswith(" UTC; clients will reject it")
    assert [line.partition(":")[0] for line in second] == ["20.pem", "10.pem", "-1.pem"]
    assert len(said) == 1
    assert said[0].startswith("new certificate of 20.pem")
    assert encryption.figures() == {"certificateExpiry": pairs[0].ends.timestamp()}


@pytest.mark.parametrize("quic", ["quic", "http3"])
def test_keysThatQUICCannotUseAreRefused(tmp_path: Path, quic: str) -> None:
    """
    A key that QUIC cannot sign with is refused if there is a listener over QUIC, and used without; others are used.
    """
    for key, said in (
        (ec.generate_private_key(ec.SECP521R1()), "secp521r1"),
        (ec.generate_private_key(ec.SECP384R1()), ""),
        (ed25519.Ed25519PrivateKey.generate(), ""),
        (ed448.Ed448PrivateKey.generate(), ""),
    ):
        path = write(tmp_path, "c.pem", issued(["dns.example"], key) + keyText(key))
        CertificateFiles([path], []).read()
        files = CertificateFiles([path], [], quic=quic)
        if said:
            with pytest.raises(BadDescription, match=f"c.pem: {quic} cannot use a key on {said}; it has to be ECDSA on P-256"):
                files.read()
        else:
            files.read()


def test_changedFilesAreReadOnceComplete(tmp_path: Path) -> None:
    """
    Files that have changed are read when they are the same at two looks; a certificate whose key has not come yet changes nothing.
    """
    certificate, key = write(tmp_path, "c.pem", CERTIFICATE), write(tmp_path, "k.pem", keyText(KEY))
    files = CertificateFiles([certificate], [key])
    files.read()
    assert (files.look(), files.look(), files.isChanged) == (None, None, False)
    write(tmp_path, "c.pem", issued(["new.example"], OTHER))
    assert (files.look(), files.look(), files.look(), files.isChanged) == (None, None, None, True)
    write(tmp_path, "k.pem", keyText(OTHER))
    assert files.look() is None
    pairs = files.look()
    assert pairs is not None
    assert [pair.names for pair in pairs] == [("new.example",)]
    assert files.look() is None
    os.unlink(key)
    assert (files.look(), files.look()) == (None, None)


def test_missingFilesAreLoggedOnce(tmp_path: Path) -> None:
    """
    A file that is missing at two looks in a row is a warning, and not another one until all files have been there again.
    """
    both = write(tmp_path, "c.pem", CERTIFICATE + keyText(KEY))
    files = CertificateFiles([both], [])
    files.read()
    said: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        said.append(formatEvent(event))

    expected = f"{both}: No such file or directory; the certificates in use stay in force until it can be read"
    globalLogPublisher.addObserver(observe)
    try:
        for times in (1, 2):
            os.unlink(both)
            files.look()
            assert said == [expected] * (times - 1)
            for _ in range(3):
                assert files.look() is None
            assert said == [expected] * times
            write(tmp_path, "c.pem", CERTIFICATE + keyText(KEY))
            files.look()
    finally:
        globalLogPublisher.removeObserver(observe)


def test_selfSignedPairIsKept(tmp_path: Path) -> None:
    """
    A self-signed pair is for this machine's name and for the addresses that the server listens at; it is kept for the next start, readable
    by its user only.
    """
    pair = keptPair(str(tmp_path), ["192.0.2.53", "2001:db8::53"])
    found = pair.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each) for each in found.get_values_for_type(x509.IPAddress)] == ["192.0.2.53", "2001:db8::53"]
    assert "localhost" in pair.names
    assert keptPair(str(tmp_path)).pin == pair.pin
    assert (tmp_path / "self-signed.pem").stat().st_mode & 0o777 == 0o600
    assert keptPair("").pin != pair.pin
    assert keptPair(str(tmp_path), now=pair.ends.replace(year=pair.ends.year + 1)).pin != pair.pin
    (tmp_path / "self-signed.pem").write_bytes(b"junk")
    with pytest.raises(BadDescription, match="remove the file, and a new self-signed certificate is made"):
        keptPair(str(tmp_path))


def test_selfSignedPairMakesItsFolder(tmp_path: Path) -> None:
    """
    A state folder that is not there yet is made, for its user and group only.
    """
    pair = keptPair(str(tmp_path / "state"))
    assert keptPair(str(tmp_path / "state")).pin == pair.pin
    assert (tmp_path / "state").stat().st_mode & 0o027 == 0
