"""
Wrong URLs, stamps, pins, certificates and keys: each is one line that says what is wrong, where, and what would be right.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.transport.tls.chains import crl, keyFor
from tests.transport.tls.test_matrix import leaf, middle, root
from twisted_ext.errors import BadDescription
from twisted_ext.limits import TRUST_OCTETS
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.transport.tls import pemfiles
from twisted_ext.transport.tls.terms import TLSTerms

#: A pin.
P: Final = "A" * 43 + "="

#: A description, and what follows the column in the error; the files are those of L{files}.
CASES: Final = [
    ("tls", "servers is missing; it is tls:servers"),
    ("tls:", "the address of a server is missing; write one such as 192.0.2.53#dns.example"),
    ("tls:192.0.2.53#", "after # comes the name in the server's certificate: 192.0.2.53#dns.example"),
    ("tls:192.0.2.53@0", "a port takes a number from 1 to 65535, not '0'"),
    ("tls:192.0.2.53@x", "a port takes a number from 1 to 65535, not 'x'"),
    ("tls:192.0.2.53:99999", "a port takes a number from 1 to 65535, not '99999'"),
    ("tls:192.0.2.53,dns.example", "'dns.example' is a name: give several servers by address, or write a description for each"),
    ("tls:192.0.2.999", "'192.0.2.999' is not a valid host name or IP address, such as dns.example or 192.0.2.53"),
    ("tls:dns example", "'dns example' is not a valid host name or IP address, such as dns.example or 192.0.2.53"),
    ("tls:dns..example", "'dns..example' is not a valid host name or IP address, such as dns.example or 192.0.2.53"),
    ("tls:192.0.2.53,,192.0.2.54", "the address of a server is missing; write one such as 192.0.2.53#dns.example"),
    ("tls://", "'tls://': the host is missing; write tls://dns.example"),
    ("tls:///", "'tls:///': the host is missing; write tls://dns.example"),
    ("tls://:853", "'tls://:853': the host is missing; write tls://dns.example"),
    ("tls://192.0.2.53:0", "a port takes a number from 1 to 65535, not '0'"),
    ("tls://192.0.2.53:65536", "a port takes a number from 1 to 65535, not '65536'"),
    ("tls://192.0.2.53/dns-query", "'/dns-query': a URL of tls has no path; only https has one"),
    ("tls://user@192.0.2.53", "'...@192.0.2.53': names and passwords in URLs are not supported; leave out the part before @"),
    ("tls://192.0.2.53@853", "'192.0.2.53@853': the port follows a colon; write the port as 192.0.2.53:853"),
    ("tls://192.0.2.53#", "after # comes the name in the server's certificate: tls://192.0.2.53#dns.example"),
    ("tls://[192.0.2.53]", "'[192.0.2.53]': square brackets are for IPv6 addresses"),
    ("tls://[2001:db8::53", "this bracket is not closed"),
    (
        "tls://2001:db8::53",
        "'2001' is not a valid host name or IP address, such as dns.example or 192.0.2.53; write an IPv6 address in square brackets",
    ),
    ("tls://*.example", "'*.example' is not a valid host name or IP address, such as dns.example or 192.0.2.53"),
    ("tls:192.0.2.53#a/b", "'a/b' is not a valid host name or IP address, such as dns.example or 192.0.2.53"),
    ("tls:192.0.2.53:name=a/b", "tls: 'a/b' is not a valid name of a server: write a host name such as dns.example, or an address"),
    ("tls:192.0.2.53:nam=dns.example", "tls has no option 'nam'; did you mean 'name'?"),
    ("tls:192.0.2.53:keep=long", "keep takes a number, not 'long'"),
    ("tls:192.0.2.53:minimum=1.1", "tls: '1.1' is not a TLS version that can be required; there are 1.2, 1.3"),
    ("tls:192.0.2.53:resume=maybe", "resume takes yes or no, not 'maybe'"),
    ("tls:192.0.2.53:bootstrap=192.0.2.1", "tls: bootstrap is for a server given by its name; leave it out with an address"),
    ("tls://dns.example:bootstrap=resolver.example", "'resolver.example' is not an IP address, such as 192.0.2.1 or 2001:db8::1"),
    (
        "tls://dns.example:bootstrap=",
        "'' is not an IP address, such as 192.0.2.1 or 2001:db8::1; write one with colons in square brackets",
    ),
    ("dot://192.0.2.53", "there is no prefix 'dot'; write 'tls'"),
    ("http://dns.example/dns-query", "there is no prefix 'http'; write 'https'"),
    ("htps://dns.example", "there is no prefix 'htps'; did you mean 'https'?"),
    ("https:", "'' is not a URL; write https://dns.example/dns-query"),
    ("https:dns.example", "'dns.example' is not a URL; write https://dns.example/dns-query"),
    ("https://", "'https://': the host is missing; write https://dns.example"),
    ("https:///dns-query", "'https:///dns-query': the host is missing; write https://dns.example"),
    ("https://dns.example:0/", "a port takes a number from 1 to 65535, not '0'"),
    ("https://dns.example/%zz", "'/%zz': two hexadecimal digits follow a percent sign; write %25 for the character itself"),
    ("https://dns.example/{dns}", "'/{dns}': a template has one expression, {?dns} or {&dns}, not {dns}"),
    ("https://dns.example/{?dns", "'/{?dns': a brace has no counterpart; a template has the expression {?dns}"),
    ("https://dns.example/{?dns}{?dns}", "'/{?dns}{?dns}': a template has one expression, {?dns} or {&dns}, not {?dns} and {?dns}"),
    ("https://dns.example/{?dns}/x", "'/{?dns}/x': the expression {?dns} stands at the end"),
    ("https://dns.example/q?a=1{?dns}", "'/q?a=1{?dns}': write {&dns} after a path with a question mark, {?dns} after one without"),
    (
        "https://dns.example#other.example",
        "'#other.example': leave it out; the certificate of an https server has to name the URL's host",
    ),
    ("https://user:secret@dns.example/", "this is one argument too many; it is https:url"),
    ("https://dns.example:method=PUT", "method takes POST or GET, not 'PUT'"),
    ("https://dns.example:address=dns.example", "'dns.example' is not an IP address, such as 192.0.2.1 or 2001:db8::1"),
    (
        "https://dns.example:address=192.0.2.53:bootstrap=192.0.2.1",
        "https: bootstrap is for a server given by its name; leave it out with an address",
    ),
    ("https://dns.example:proxy=proxy.example", "'proxy.example' is not an IP address, such as 192.0.2.1 or 2001:db8::1"),
    ("quic:", "the address of a server is missing; write one such as 192.0.2.53#dns.example"),
    ("quic://dns.example/dns-query", "'/dns-query': a URL of quic has no path; only https has one"),
    ("quic:192.0.2.53:minimum=1.2", "quic has no option 'minimum'; there are"),
    ("doq:192.0.2.53", "there is no prefix 'doq'; write 'quic'"),
    ("h3:192.0.2.53", "there is no prefix 'h3'; there are system, hosts,"),
    ("https3://dns.example", "there is no prefix 'https3'; did you mean 'https'?"),
    ("tls:192.0.2.53:pins=", "'' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters"),
    ("tls:192.0.2.53:pins=AAAA", "'AAAA' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters"),
    (
        "tls:192.0.2.53:pins=sha256//",
        "'sha256//' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters",
    ),
    (f"tls:192.0.2.53:pins={P},", "'' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters"),
    (
        f"tls:192.0.2.53:pins={P} {P}",
        f"'{P} {P}' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters",
    ),
    (
        "tls:192.0.2.53:pins=0000000000000000000000000000000000000000000000000000000000000000",
        f"'0000000000000000000000000000000000000000000000000000000000000000' is not a valid pin: it takes the "
        f"SHA-256 digest of a public key in base64, 44 characters; these hexadecimal digits are {P} in base64",
    ),
    (
        f"tls:192.0.2.53:pins=sha1/{P}",
        f"'sha1/{P}' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters, not SHA1",
    ),
    (
        f"tls:192.0.2.53:pins=sha512/{P}",
        f"'sha512/{P}' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters, not SHA512",
    ),
    (
        f"tls:192.0.2.53:pins=pin-sha256=\"{P}\"",
        f"'pin-sha256=\"{P}\"' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 "
        f"characters; write only what stands between the quotation marks",
    ),
    (
        "tls:192.0.2.53:pins=___________________________________________=",
        "'___________________________________________=' is not a valid pin: it takes the SHA-256 digest of a "
        "public key in base64, 44 characters; write + for - and / for _",
    ),
    (f"tls:192.0.2.53#dns.example,192.0.2.54:pins={P}", "tls: with pins, write #name behind each server, or behind none"),
    (f"tls:192.0.2.53:pins={P}:ca=ca.pem", "tls: with pins alone, no authority is asked: leave out ca, or add name"),
    (f"tls:192.0.2.53:pins={P}:crl=crl.pem", "tls: with pins alone, no authority is asked: leave out crl, or add name"),
    ("tls:192.0.2.53:hashes=00", "'00' is not a valid hash: it takes a SHA-256 digest in hexadecimal, 64 digits"),
    (f"tls:192.0.2.53:hashes={P}", f"'{P}' is not a valid hash: it takes a SHA-256 digest in hexadecimal, 64 digits"),
    ("tls:192.0.2.53:ca=none.pem", "tls: none.pem: cannot read the authorities' certificates: No such file or directory"),
    ("tls:192.0.2.53:ca=folder", "tls: folder: cannot read the authorities' certificates: Is a directory"),
    (
        "tls:192.0.2.53:ca=empty.pem",
        "tls: empty.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; there is nothing",
    ),
    (
        "tls:192.0.2.53:ca=text.pem",
        "tls: text.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; there is none",
    ),
    (
        "tls:192.0.2.53:ca=der.pem",
        "tls: der.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; it is in DER; "
        "convert it with openssl x509 -inform DER",
    ),
    (
        "tls:192.0.2.53:ca=key.pem",
        "tls: key.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; there is PRIVATE KEY instead",
    ),
    (
        "tls:192.0.2.53:ca=cut.pem",
        "tls: cut.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; it is damaged",
    ),
    (
        "tls:192.0.2.53:ca=fifo.pem",
        "tls: fifo.pem: cannot read the authorities' certificates: a file was expected, which this is not",
    ),
    ("tls:192.0.2.53:ca=big.pem", "tls: big.pem: more than 16777216 octets; a file of certificates or a key in PEM is shorter"),
    (
        "tls:192.0.2.53:ca=crl.pem",
        "tls: crl.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; there is X509 CRL instead",
    ),
    ("tls:192.0.2.53:ca=", "ca has no value; write one behind ca=, or leave it out"),
    ("tls:192.0.2.53:crl=none.pem", "tls: none.pem: cannot read the revocation lists: No such file or directory"),
    (
        "tls:192.0.2.53:crl=empty.pem",
        "tls: empty.pem: a revocation list in PEM is expected, from -----BEGIN X509 CRL----- on; there is nothing",
    ),
    (
        "tls:192.0.2.53:crl=ca.pem",
        "tls: ca.pem: a revocation list in PEM is expected, from -----BEGIN X509 CRL----- on; there is CERTIFICATE instead",
    ),
    (
        "tls:192.0.2.53:crl=crlder.pem",
        "tls: crlder.pem: a revocation list in PEM is expected, from -----BEGIN X509 CRL----- on; it is in "
        "DER; convert it with openssl crl -inform DER",
    ),
    ("tls:192.0.2.53:crl=crlcut.pem", "tls: crlcut.pem: revocation list 1 cannot be read; fetch it again from its authority"),
    ("tls:192.0.2.53:key=key.pem", "tls: a client's key needs its certificate as well"),
    ("tls:192.0.2.53:certificate=none.pem", "tls: none.pem: cannot read the client's certificate: No such file or directory"),
    ("tls:192.0.2.53:certificate=ca.pem", "tls: ca.pem: there is no private key in it; add it, or name its file by key="),
    (
        "tls:192.0.2.53:certificate=key.pem",
        "tls: key.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; there is PRIVATE KEY instead",
    ),
    (
        "tls:192.0.2.53:certificate=enc.pem",
        "tls: enc.pem: the key is encrypted; a client needs it in plain text, as from openssl pkey -in KEY -out PLAIN",
    ),
    (
        "tls:192.0.2.53:certificate=csr.pem:key=key.pem",
        "tls: csr.pem: a certificate in PEM is expected, from -----BEGIN CERTIFICATE----- on; there is CERTIFICATE REQUEST instead",
    ),
    ("tls:192.0.2.53:certificate=order.pem", "tls: order.pem: the client's certificate has to come first, before those of its chain"),
    ("tls:192.0.2.53:certificate=good.pem:key=none.pem", "tls: none.pem: cannot read the client's key: No such file or directory"),
    (
        "tls:192.0.2.53:certificate=good.pem:key=empty.pem",
        "tls: empty.pem: a private key in PEM is expected, from -----BEGIN PRIVATE KEY----- on; there is nothing",
    ),
    (
        "tls:192.0.2.53:certificate=good.pem:key=keyder.pem",
        "tls: keyder.pem: a private key in PEM is expected, from -----BEGIN PRIVATE KEY----- on; it is in "
        "DER; convert it with openssl pkey -inform DER",
    ),
    (
        "tls:192.0.2.53:certificate=good.pem:key=keycut.pem",
        "tls: keycut.pem: a private key in PEM is expected, from -----BEGIN PRIVATE KEY----- on; it is damaged",
    ),
    (
        "tls:192.0.2.53:certificate=good.pem:key=ca.pem",
        "tls: ca.pem: a private key in PEM is expected, from -----BEGIN PRIVATE KEY----- on; there is CERTIFICATE instead",
    ),
    (
        "tls:192.0.2.53:certificate=good.pem:key=other.pem",
        "tls: other.pem: the key does not belong to the certificate in good.pem (CN=server)",
    ),
    (
        "tls:192.0.2.53:certificate=good.pem:key=legacy.pem",
        "tls: legacy.pem: the key is encrypted; a client needs it in plain text, as from openssl pkey -in KEY -out PLAIN",
    ),
    (
        "tls:192.0.2.53:certificate=good.pem:key=dsa.pem",
        "tls: dsa.pem: the key is of a kind that TLS does not use; it has to be ECDSA, Ed25519, Ed448 or RSA",
    ),
    ("quic:192.0.2.53:ca=none.pem", "quic: none.pem: cannot read the authorities' certificates: No such file or directory"),
    (f"quic:192.0.2.53#dns.example,192.0.2.54:pins={P}", "quic: with pins, write #name behind each server, or behind none"),
    ("tls:192.0.2.53:crl=", "crl has no value; write one behind crl=, or leave it out"),
    ("sdns:tls", "'tls' is not a stamp; stamps begin with sdns://"),
    ("https://dns.example:ca=none.pem", "https: none.pem: cannot read the authorities' certificates: No such file or directory"),
    ("sdns://", "the stamp is empty: base64url follows sdns://"),
    ("sdns://A", "the stamp is damaged: it is not base64url"),
    ("sdns://!!!!", "the stamp is damaged: it is not base64url"),
    ("sdns:", "'' is not a stamp; stamps begin with sdns://"),
    ("sdns://AAAAA", "the stamp is damaged: it is not base64url"),
    ("sdns://Ag", "the stamp is cut off in its properties"),
    ("sdns://AgAAAAAAAAAA", "the stamp is cut off in its address"),
    ("sdns://AgAAAAAAAAAADjE5Mi4wLjIuNTM6NDQz", "the stamp is cut off in its digest"),
    ("sdns://AgAAAAAAAAAAAXgAC2Rucy5leGFtcGxlAS8", "'x' is not an IP address, such as 192.0.2.1 or 2001:db8::1"),
    ("sdns://AQAAAAAAAAAACjE5Mi4wLjIuNTM", "the stamp is for DNSCrypt; supported are plain DNS, DNS over HTTPS, TLS and QUIC"),
    ("sdns://gQoxOTIuMC4yLjUz", "the stamp is for a DNSCrypt relay; supported are plain DNS, DNS over HTTPS, TLS and QUIC"),
    ("sdns://BQAAAAAAAAAA", "the stamp is for Oblivious DoH; supported are plain DNS, DNS over HTTPS, TLS and QUIC"),
    ("sdns://_wAAAAAAAAAA", "the stamp is for an unknown protocol; supported are plain DNS, DNS over HTTPS, TLS and QUIC"),
    ("sdns://AwAAAAAAAAAACjE5Mi4wLjIuNTMFc2hvcnQLZG5zLmV4YW1wbGU", "the digest of a certificate has 32 octets in a stamp"),
    (
        "sdns://AwAAAAAAAAAACjE5Mi4wLjIuNTMgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "'' is not a valid host name or IP address, such as dns.example or 192.0.2.53",
    ),
    (
        "sdns://AgAAAAAAAAAACjE5Mi4wLjIuNTMgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALZG5zLmV4YW1wbGUCL3F4",
        "the stamp is cut off in its bootstrap address",
    ),
    ("sdns://AAAAAAAAAAAAEHJlc29sdmVyLmV4YW1wbGU", "'resolver.example' is not an IP address, such as 192.0.2.1 or 2001:db8::1"),
    (
        "sdns://AwAAAAAAAAAAEDE5Mi4wLjIuNTM6OTk5OTkgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAALZG5zLmV4YW1wbGU",
        "a port takes a number from 1 to 65535, not '99999'",
    ),
    (
        "sdns://AgAAAAAAAAAAAAALZG5zIGV4YW1wbGUCL3E",
        "'dns example' is not a valid host name or IP address, such as dns.example or 192.0.2.53",
    ),
    (
        "sdns://AwAAAAAAAAAACjE5Mi4wLjIuNTMAC2Rucy5leGFtcGxl:pins=x",
        "sdns: 'tls://192.0.2.53#dns.example:pins=x', column 35: 'x' is not a valid pin: it takes the "
        "SHA-256 digest of a public key in base64, 44 characters",
    ),
    (
        "sdns://AwAAAAAAAAAACjE5Mi4wLjIuNTMAC2Rucy5leGFtcGxl:dane=(recursive)",
        "sdns: a stamp defines how its server is authenticated; for dane, write the server's URL, such as tls://dns.example",
    ),
]


def _key(encryption: KeySerializationEncryption | None = None, encoding: Encoding = Encoding.PEM) -> bytes:
    return keyFor("server").private_bytes(encoding, PrivateFormat.PKCS8, encryption or NoEncryption())


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    Make the files of the cases in the working folder.
    """
    own = leaf(root())
    text = own.public_bytes(Encoding.PEM)
    ca = root().certificate.public_bytes(Encoding.PEM)
    old = b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
    for name, octets in {
        "good.pem": _key() + text,
        "ca.pem": ca,
        "empty.pem": b"",
        "text.pem": b"hello\n",
        "der.pem": own.public_bytes(Encoding.DER),
        "key.pem": _key(),
        "keyder.pem": _key(None, Encoding.DER),
        "enc.pem": _key(BestAvailableEncryption(b"secret")) + text,
        "other.pem": keyFor("other").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "cut.pem": text[:200],
        "keycut.pem": _key()[:80],
        "order.pem": _key() + middle().certificate.public_bytes(Encoding.PEM) + text,
        "crl.pem": crl(root()),
        "crlder.pem": b"\x30" + bytes(9),
        "crlcut.pem": crl(root())[:150],
        "dsa.pem": dsa.generate_private_key(1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "csr.pem": b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        "legacy.pem": old,
    }.items():
        (tmp_path / name).write_bytes(octets)
    with open(tmp_path / "big.pem", "wb") as big:
        big.truncate(int(TRUST_OCTETS.default) + 1)
    os.mkfifo(tmp_path / "fifo.pem")
    (tmp_path / "folder").mkdir()
    for path in tmp_path.glob("*.pem"):
        path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_wrongDescriptions(files: Path) -> None:
    """
    Each wrong description is refused with its own line, and nothing is left open.
    """
    here = MemoryNetwork().reactor()
    for description, said in CASES:
        with pytest.raises(BadDescription) as caught:
            sourceFromString(here, description)
        error = str(caught.value)
        assert error.partition(", column ")[2].partition(": ")[2].startswith(said), description
        assert "\n" not in error
        assert here.pending() == []
    assert len(CASES) >= 100
    assert len({description for description, _ in CASES}) == len(CASES)


@pytest.mark.parametrize("what", ["ca", "crl", "certificate", "key"])
def test_unreadableFile(files: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    For a file that the user may not read, the error has the user who has to be able to.
    """

    def opened(path: str, flags: int) -> int:
        if path == "secret.pem":
            raise PermissionError(13, "Permission denied")
        return os.open(path, flags)

    monkeypatch.setattr(pemfiles, "openNow", opened)
    options = "certificate=good.pem:key=secret.pem" if what == "key" else f"{what}=secret.pem"
    with pytest.raises(BadDescription) as caught:
        sourceFromString(MemoryNetwork().reactor(), f"tls:192.0.2.53:{options}")
    held = {
        "ca": "the authorities' certificates",
        "crl": "the revocation lists",
        "certificate": "the client's certificate",
        "key": "the client's key",
    }[what]
    assert str(caught.value).endswith(
        f"tls: secret.pem: cannot read {held}: Permission denied; user {os.geteuid()} has to be able to read it"
    )


def test_warnings(files: Path) -> None:
    """
    A client's certificate that has expired is used nevertheless, and so is a key that others can read; each is a warning of one line.
    """
    said: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        said.append(formatEvent(event))

    (files / "late.pem").write_bytes(_key() + leaf(root(), begins=-9, ends=-2).public_bytes(Encoding.PEM))
    globalLogPublisher.addObserver(observe)
    try:
        (files / "late.pem").chmod(0o600)
        TLSTerms("dns.example", certificate="late.pem")
        (files / "good.pem").chmod(0o644)
        TLSTerms("dns.example", certificate="good.pem")
    finally:
        globalLogPublisher.removeObserver(observe)
    assert len(said) == 2
    day = r"\d{4}-\d\d-\d\d \d\d:\d\d UTC"
    assert re.fullmatch(f"late.pem: the client's certificate is valid from {day} to {day}; servers will reject it", said[0])
    assert said[1] == "good.pem: every user of this machine can read this private key; run chmod o-r"
