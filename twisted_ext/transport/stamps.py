"""
DNS stamps: an encrypted server in one word, C{sdns://...} (draft-denis-dns-stamps).

A stamp pins certificates by the SHA-256 digest of their signed part (I{TBSCertificate}), not of the public key as RFC 7858 does: any
certificate of the validated chain may be the one, usually that of the authority. L{inChain} checks that.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.limits import STAMP_CHARACTERS
from twisted_ext.transport.servers import DNS_PORT, Server
from twisted_ext.transport.urls import PORTS, ServerURL, canonicalHost, escaped, hostPort, isAddress
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["DNSSEC", "NO_FILTER", "NO_LOGS", "Stamp", "inChain"]

_SCHEME: Final = "sdns://"

#: What the operator of the server claims, as bits of L{Stamp.properties}: it validates, keeps no logs, filters nothing.
DNSSEC: Final = 1
NO_LOGS: Final = 2
NO_FILTER: Final = 4

#: The transports by the first octet of a stamp.
_KINDS: Final = {0x00: "udp", 0x02: "https", 0x03: "tls", 0x04: "quic"}

_CODES: Final = {kind: code for code, kind in _KINDS.items()}

#: Protocols that have stamps and are not supported.
_OTHERS: Final = {0x01: "DNSCrypt", 0x05: "Oblivious DoH", 0x81: "a DNSCrypt relay", 0x85: "an Oblivious DoH relay"}

_DIGEST_OCTETS: Final = 32

#: The length octet of an item of a list: all but the last have the top bit.
_MORE: Final = 0x80


@dataclass(frozen=True, slots=True)
class Stamp:
    """
    The contents of a stamp.

    @ivar kind: C{"udp"}, C{"tls"}, C{"https"} or C{"quic"}.
    @ivar address: the server's IP address, or C{""} if its name has to be looked up.
    @ivar host: the server's name in ASCII, which its certificate must have; C{""} for C{udp}.
    @ivar path: of C{https}.
    @ivar hashes: digests of certificates, one of which must be in the server's chain; empty for any chain.
    @ivar bootstrap: servers that may be asked for the address of C{host}, in plain DNS.
    @ivar properties: L{DNSSEC}, L{NO_LOGS} and L{NO_FILTER}.
    """

    kind: str
    address: str = ""
    port: int = 0
    host: str = ""
    path: str = ""
    hashes: tuple[bytes, ...] = ()
    bootstrap: tuple[Server, ...] = ()
    properties: int = 0

    def __post_init__(self) -> None:
        if not self.port:
            object.__setattr__(self, "port", _portOf(self.kind))
        if any(len(each) != _DIGEST_OCTETS for each in self.hashes):
            raise BadDescription(f"the digest of a certificate has {_DIGEST_OCTETS} octets")

    @classmethod
    def fromText(cls, text: str) -> Stamp:
        """
        @raise BadDescription: it is not a valid stamp, or one for a protocol that is not supported.
        """
        text = text.strip()
        if not text.startswith(_SCHEME):
            raise BadDescription(f"{text!r:.80} is not a stamp; stamps begin with {_SCHEME}")
        if len(text) > STAMP_CHARACTERS.default:
            raise BadDescription(f"a stamp of {len(text)} characters; {STAMP_CHARACTERS.default:.0f} are the most")
        octets = _decoded(text[len(_SCHEME) :])
        if not octets:
            raise BadDescription(f"the stamp is empty: base64url follows {_SCHEME}")
        kind = _KINDS.get(octets[0])
        if kind is None:
            other = f"is for {_OTHERS[octets[0]]}" if octets[0] in _OTHERS else "is for an unknown protocol"
            raise BadDescription(f"the stamp {other}; supported are plain DNS, DNS over HTTPS, TLS and QUIC")
        reader = _Reading(octets)
        properties = reader.number()
        address, port, given = _addressIn(reader.text("address"), _portOf(kind))
        if kind == "udp":
            if not address:
                raise BadDescription("a stamp for plain DNS needs the server's address")
            reader.end()
            return cls(kind, address, port, properties=properties)
        hashes = tuple([each for each in reader.several("digest") if each])
        if any(len(each) != _DIGEST_OCTETS for each in hashes):
            raise BadDescription(f"the digest of a certificate has {_DIGEST_OCTETS} octets in a stamp")
        host, itsPort = hostPort(reader.text("host name"), 0)
        if itsPort and given and itsPort != port:
            raise BadDescription(f"the stamp has two ports: {port} with the address, {itsPort} with the host name")
        path = ""
        if kind == "https":
            path = ServerURL.fromText(f"https://x{_absolute(reader.text('path'))}").path
        bootstrap = tuple([_serverIn(each) for each in reader.several("bootstrap address") if each] if reader.remaining() else ())
        reader.end()
        return cls(kind, address, itsPort or port, canonicalHost(host), path, hashes, bootstrap, properties)

    @classmethod
    def ofURL(cls, url: ServerURL, address: str = "", *, hashes: Iterable[bytes] = (), properties: int = 0) -> Stamp:
        """
        Make the stamp of a server.

        @param address: its IP address; by default the host of the URL if that is one.
        """
        server = url.address
        if not address and server is not None:
            address = server.address
        return cls(url.scheme, address, url.port, url.identity, url.path, tuple(hashes), (), properties)

    def url(self) -> ServerURL:
        """
        Return the URL of an encrypted server. That of C{https} does not have the address.

        @raise BadDescription: the stamp is for plain DNS.
        """
        if self.kind == "udp":
            raise BadDescription("a server of plain DNS has no URL")
        if self.kind == "https" or not self.address:
            return ServerURL(self.kind, self.host, self.port, "", self.path)
        return ServerURL(self.kind, self.address, self.port, "" if self.host == self.address else self.host)

    def description(self) -> str:
        """
        Return the description of the server, which requires everything that the stamp requires.
        """
        if self.kind == "udp":
            return f"udp:{escaped(self.address)}" + (f":{self.port}" if self.port != DNS_PORT else "")
        options = {"hashes": ",".join([each.hex() for each in self.hashes])}
        if self.kind == "https":
            options["address"] = "" if self.host == self.address else self.address
        if not self.address and not isAddress(self.host):
            options["bootstrap"] = ",".join([_addressText(each, DNS_PORT, "@") for each in self.bootstrap])
        return self.url().description(**options)

    def toText(self) -> str:
        """
        @raise BadDescription: a part is too long for a stamp.
        """
        octets = bytes([_CODES[self.kind]]) + self.properties.to_bytes(8, "little")
        usual = _portOf(self.kind)
        port = f":{self.port}" if self.port != usual else ""
        address = _bracketed(self.address)
        # The port belongs to the host name of a URL, and to the address of other servers.
        octets += _item(f"{address}{port}" if self.kind != "https" else address)
        if self.kind != "udp":
            octets += _items(list(self.hashes))
            host = self.host
            if not isAddress(host):
                host = nameToText(nameFromText(host), final=False, unicode=True)
            host = _bracketed(host)
            octets += _item(f"{host}{port}" if self.kind == "https" else host)
            if self.kind == "https":
                octets += _item(self.path)
            if self.bootstrap:
                octets += _items([_addressText(each, DNS_PORT, ":").encode("ascii") for each in self.bootstrap])
        return _SCHEME + urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def inChain(hashes: Iterable[bytes], chain: Iterable[bytes]) -> bool:
    """
    Return whether one of the certificates has one of the digests of a stamp.

    @param chain: the server's certificates as DER, after they have been validated.
    """
    from hashlib import sha256

    from cryptography.x509 import load_der_x509_certificate

    digests = [sha256(load_der_x509_certificate(each).tbs_certificate_bytes).digest() for each in chain]
    return any(hmac.compare_digest(one, other) for one in hashes for other in digests)


def _portOf(kind: str) -> int:
    return PORTS.get(kind, DNS_PORT)


def _decoded(text: str) -> bytes:
    if "/" in text:
        raise BadDescription("the stamp has a relay behind a slash; relays are not supported")
    word = text.rstrip("=")
    try:
        octets = urlsafe_b64decode(word + "=" * (-len(word) % 4))
    except ValueError:
        octets = b""
    # The decoder skips characters outside the alphabet, and ignores bits at the end.
    if urlsafe_b64encode(octets).decode("ascii").rstrip("=") != word:
        raise BadDescription("the stamp is damaged: it is not base64url")
    return octets


class _Reading:
    """
    Takes one part of a stamp after the other.
    """

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._position = 1

    def remaining(self) -> int:
        return len(self._octets) - self._position

    def _take(self, count: int, what: str) -> bytes:
        if count > self.remaining():
            raise BadDescription(f"the stamp is cut off in its {what}")
        self._position += count
        return self._octets[self._position - count : self._position]

    def number(self) -> int:
        return int.from_bytes(self._take(8, "properties"), "little")

    def text(self, what: str) -> str:
        return _textOf(self._take(self._take(1, what)[0], what), what)

    def several(self, what: str) -> list[bytes]:
        found: list[bytes] = []
        while True:
            length = self._take(1, what)[0]
            found.append(self._take(length & ~_MORE, what))
            if not length & _MORE:
                return found

    def end(self) -> None:
        if self.remaining():
            raise BadDescription(f"the stamp has {self.remaining()} octets too many")


def _textOf(octets: bytes, what: str) -> str:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if not text.isprintable():
        raise BadDescription(f"the {what} in the stamp is not a text")
    return text


def _addressIn(text: str, default: int) -> tuple[str, int, bool]:
    """
    Return the address, the port, and whether the port was given.
    """
    host, port = hostPort(text, 0)
    return Server(host).address if host else "", port or default, bool(port)


def _serverIn(octets: bytes) -> Server:
    # Other programs write IPv6 addresses without brackets here.
    return Server.fromText(_textOf(octets, "bootstrap address"), DNS_PORT)


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise BadDescription(f"{path!r:.80} is not a valid path in a stamp; paths begin with a slash")
    return path


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _addressText(server: Server, usual: int, mark: str) -> str:
    address = _bracketed(server.address)
    return address if server.port == usual else f"{address}{mark}{server.port}"


def _item(text: str) -> bytes:
    octets = text.encode("utf-8")
    if len(octets) > 255:
        raise BadDescription(f"{text!r:.80}: a part of a stamp has at most 255 octets, not {len(octets)}")
    return bytes([len(octets)]) + octets


def _items(items: list[bytes]) -> bytes:
    if not items:
        return b"\x00"
    return b"".join([bytes([len(each) | _MORE]) + each for each in items[:-1]]) + bytes([len(items[-1])]) + items[-1]
