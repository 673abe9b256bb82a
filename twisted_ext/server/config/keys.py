"""
TSIG keys, grants by network and key, and the remote servers of zone transfers and NOTIFY.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.resolver.system.tsigkeys import readKeys
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.tsig import ALGORITHMS, Key

if TYPE_CHECKING:
    from twisted_ext.transport.tls.terms import TLSTerms

__all__ = ["REMOTE_FILES", "Grants", "Keys", "RemoteServer", "TLSPeer", "checkRemote"]

#: Words after the URL of a TLS server that name files.
REMOTE_FILES: Final = ("ca", "certificate", "private-key")

#: All words that can follow a server, the first one any server, the others one with a URL.
_REMOTE_WORDS: Final = ("key", "pins", *REMOTE_FILES, "alpn")

#: Algorithms that are rejected unless the operator allows weak keys (RFC 8945, section 6).
_WEAK: Final = frozenset((ALGORITHMS["hmac-md5"], ALGORITHMS["hmac-sha1"]))


class Keys(Mapping[bytes, Key]):
    """
    TSIG keys by folded name.

    @ivar terms: cache of L{twisted_ext.server.config.transferpolicy}: the policies made with these keys, shared by zones with the same
        settings.
    @ivar exposed: a warning that every user of this machine can read the key file; C{""} if not.
    """

    def __init__(self, keys: Iterable[Key] = (), *, weak: bool = False) -> None:
        """
        @param weak: allow MD5 and SHA-1.

        @raise BadDescription: two keys have the same name, or an algorithm is too weak.
        """
        self._keys: dict[bytes, Key] = {}
        self.exposed = ""
        self.terms: dict[tuple[object, ...], object] = {}
        for key in keys:
            text = nameToText(key.name)
            if key.name in self._keys:
                raise BadDescription(f"there are two TSIG keys by the name of {text}")
            if key.algorithm in _WEAK and not weak:
                raise BadDescription(f"TSIG key {text}: {nameToText(key.algorithm)} is too weak; write hmac-sha256")
            self._keys[key.name] = key

    @classmethod
    def fromTexts(cls, texts: Iterable[str], *, weak: bool = False) -> Keys:
        """
        Read keys written as C{algorithm:name:secret} or C{name:secret}.

        @raise BadDescription: a text is not a valid key.
        """
        return cls([Key.fromText(text) for text in texts], weak=weak)

    @classmethod
    def fromFile(cls, path: str, *, weak: bool = False) -> Keys:
        """
        Read a key file, see L{twisted_ext.resolver.system.tsigkeys}.

        @raise BadDescription: the file cannot be read, is writable by every user, or contains something else than keys.
        """
        found, exposed = readKeys(path)
        try:
            keys = cls(found, weak=weak)
        except BadDescription as fault:
            raise BadDescription(f"{path}: {fault}") from None
        keys.exposed = exposed
        return keys

    def joined(self, other: Keys) -> Keys:
        """
        Return the union of both.

        @raise BadDescription: both have a key of the same name.
        """
        return Keys([*self._keys.values(), *other.values()], weak=True)

    def named(self, text: str) -> Key:
        """
        Return a key by name.

        @raise BadDescription: there is no such key.
        """
        try:
            return self._keys[nameFromText(text).lower()]
        except (KeyError, BadName):
            known = ", ".join([nameToText(name, final=False) for name in self._keys]) or "none"
            raise BadDescription(f"there is no TSIG key {text!r}; there are: {known}") from None

    def __getitem__(self, name: bytes) -> Key:
        return self._keys[name]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@dataclass(slots=True, eq=False)
class RemoteServer:
    """
    A server to transfer from or to notify.

    @ivar key: the TSIG key for messages to and from it, or L{None}.
    @ivar tls: what it has to prove over TLS, the only transport that is used then; L{None} for UDP and TCP.
    @ivar text: what C{tls} was made from.
    """

    server: Server
    key: Key | None = None
    tls: TLSTerms | None = None
    text: str = ""

    @classmethod
    def fromText(cls, text: str, keys: Keys) -> RemoteServer:
        """
        Read C{192.0.2.1}, C{[2001:db8::1]:5353}, C{192.0.2.1:53 key=name}; or, for TLS, C{tls://192.0.2.1#ns1.example}, which C{key=NAME},
        C{pins=PIN,PIN}, C{ca=FILE}, C{certificate=FILE}, C{private-key=FILE}, and C{alpn=no} for servers without ALPN, can follow.

        @raise BadDescription: the syntax is wrong, there is no such key, or a file cannot be used.
        """
        server, name, words = _remoteFrom(text)
        key = keys.named(words["key"]) if "key" in words else None
        return cls._overTLS(server, name, key, words) if _isURL(text) else cls(server, key)

    @classmethod
    def overTLS(cls, url: str, key: Key | None, words: Mapping[str, str]) -> RemoteServer:
        """
        @param url: such as C{tls://192.0.2.1#ns1.example}.
        @param words: see L{fromText}; without C{key}.

        @raise BadDescription: it is not valid, or a file cannot be used.
        """
        server, name, _ = _remoteFrom(url)
        return cls._overTLS(server, name, key, words)

    @classmethod
    def _overTLS(cls, server: Server, name: str, key: Key | None, words: Mapping[str, str]) -> RemoteServer:
        from twisted_ext.transport.tls.terms import TLSTerms, pinFromText

        pins = [pinFromText(pin) for pin in words["pins"].split(",")] if "pins" in words else []
        # RFC 9103, sections 7.1 and 7.2. NSD 4.6 chooses no protocol.
        terms = TLSTerms(
            name, pins=pins, ca=words.get("ca", ""), certificate=words.get("certificate", ""), key=words.get("private-key", ""),
            minimum="1.3", protocolNeeded=words.get("alpn") != "no",
        )  # fmt: skip
        return cls(server, key, terms, " ".join([f"tls://{server.label}#{name}", *[f"{word}={words[word]}" for word in sorted(words)]]))

    @property
    def identity(self) -> tuple[Server, Key | None, str]:
        """
        What makes two of them the same server.
        """
        return self.server, self.key, self.text


def _isURL(text: str) -> bool:
    return "://" in text.partition(" ")[0]


def checkRemote(text: str) -> None:
    """
    Check the syntax of what L{RemoteServer.fromText} reads, without looking at keys and files.

    @raise BadDescription: it is wrong.
    """
    _remoteFrom(text)


def _remoteFrom(text: str) -> tuple[Server, str, dict[str, str]]:
    """
    Return a server, the name in its certificate, and the words that follow it.
    """
    place, *others = text.split() or [""]
    if not place:
        raise BadDescription("a server is written as 192.0.2.1, 192.0.2.1:5353, 192.0.2.1 key=NAME or tls://192.0.2.1#ns1.example")
    known = _REMOTE_WORDS if _isURL(place) else _REMOTE_WORDS[:1]
    words: dict[str, str] = {}
    for word in others:
        option, equals, value = word.partition("=")
        if option not in known or not value:
            listed = "only key=NAME may follow the address" if len(known) == 1 else f"only {', '.join(known)} may follow the URL"
            raise BadDescription(f"{text!r}: {listed}, not {word!r}")
        if option in words:
            raise BadDescription(f"{text!r}: {option} is given twice")
        words[option] = value
    if words.get("alpn", "no") != "no":
        raise BadDescription(f"{text!r}: alpn takes no, for a server that knows no ALPN; leave it out for all others")
    if not _isURL(place):
        return Server.fromText(place), "", words
    from twisted_ext.transport.urls import ServerURL

    url = ServerURL.fromText(place)
    if url.scheme != "tls":
        raise BadDescription(f"{place!r}: zones are transferred over TLS: write tls://, not {url.scheme}://")
    server = url.address
    if server is None:
        raise BadDescription(f"{place!r}: a server is given by its address; its name can follow: tls://192.0.2.1#{url.host}")
    return server, url.name, words


@dataclass(slots=True, frozen=True)
class TLSPeer:
    """
    What a client has proved on an encrypted connection.

    @ivar isPrivate: whether the connection hides what is transferred as RFC 9103 (section 7.2) demands it: TLS 1.3, or QUIC.
    @ivar names: the host names and addresses in its certificate, in lower case, if it showed one that is trusted.
    @ivar pin: the digest of the public key of that certificate, C{b""} without one.
    """

    isPrivate: bool
    names: tuple[str, ...] = ()
    pin: bytes = b""

    def toJSON(self) -> list[object]:
        return [self.isPrivate, list(self.names), self.pin.hex()]

    @classmethod
    def fromJSON(cls, said: object) -> TLSPeer | None:
        if not isinstance(said, list):
            return None
        isPrivate, names, pin = said
        return cls(bool(isPrivate), tuple(names), bytes.fromhex(str(pin)))


@dataclass(slots=True, frozen=True)
class _Grant:
    """
    One line of an access list. All of it has to apply.

    @ivar network: L{None} for any.
    @ivar keyName: the folded name of a key; C{b""} if none is required.
    @ivar isEncrypted: whether the transport has to be encrypted.
    @ivar name: a name or an address that the client's certificate has to be for; C{""} if none is required.
    @ivar pin: the digest of the client's public key; C{b""} if none is required.
    @ivar port: the port of this machine that it has to come in by; 0 for any.
    """

    network: IPv4Network | IPv6Network | None = None
    keyName: bytes = b""
    isEncrypted: bool = False
    name: str = ""
    pin: bytes = b""
    port: int = 0

    def fits(self, keyName: bytes, peer: TLSPeer | None, door: Door) -> bool:
        if self.keyName and self.keyName != keyName:
            return False
        if self.port and self.port != door.port:
            return False
        if not self.isEncrypted:
            return True
        if peer is None or not peer.isPrivate:
            return False
        return (not self.name or self.name in peer.names) and (not self.pin or self.pin == peer.pin)


class Grants:
    """
    An access list by network, by key, by transport, by the client's certificate, by the port of this server, or by several of them
    together. It denies all other clients; an empty one denies all.
    """

    __slots__ = ("_grants",)

    def __init__(self, grants: Iterable[_Grant] = ()) -> None:
        self._grants = tuple(grants)

    @classmethod
    def fromTexts(cls, texts: Iterable[str], keys: Container[bytes] | None = None) -> Grants:
        """
        Read C{192.0.2.0/24}, C{key=name}, C{2001:db8::/32 key=name}, C{any}; C{tls} demands an encrypted transport, and C{certificate=name}
        and C{pin=digest} a client's certificate as well; C{port=853} is the port of this server that they come in by.

        @param keys: the names of the known keys; not checked by default.

        @raise BadDescription: a text is not one of these, or its key is unknown.
        """
        grants = [_grant(text) for text in texts]
        missing = next((each.keyName for each in grants if each.keyName and keys is not None and each.keyName not in keys), None)
        if missing is not None:
            raise BadDescription(f"there is no TSIG key {nameToText(missing)}; key-file names the file that has it")
        return cls(grants)

    def __bool__(self) -> bool:
        return bool(self._grants)

    @property
    def needsCertificates(self) -> bool:
        """
        Whether some clients have to show a certificate.
        """
        return any(each.name or each.pin for each in self._grants)

    def allows(self, client: str, keyName: bytes = b"", peer: TLSPeer | None = None, door: Door = NOWHERE) -> bool:
        """
        Return whether a client is granted access.

        @param keyName: the folded name of the key that the request was verified with; C{b""} for unsigned requests.
        @param peer: what the client has proved over TLS; L{None} for transports in the clear.
        @param door: how it came in.
        """
        if not self._grants:
            return False
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            return False
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        for grant in self._grants:
            if (grant.network is None or address in grant.network) and grant.fits(keyName, peer, door):
                return True
        return False


#: How a grant is written.
_FORMS: Final = "192.0.2.0/24, key=NAME, tls, certificate=NAME, pin=DIGEST, port=PORT, several of these with spaces between them, or any"


def _grant(text: str) -> _Grant:
    network: IPv4Network | IPv6Network | None = None
    keyName, name, pin, port = b"", "", b"", 0
    isEncrypted = False
    words = text.split()
    if not words:
        raise BadDescription(f"a grant is written as {_FORMS}")
    for word in words:
        option, equals, value = word.partition("=")
        try:
            if equals and option == "key":
                keyName = nameFromText(value).lower()
            elif equals and option == "certificate":
                from twisted_ext.transport.urls import canonicalHost

                name, isEncrypted = canonicalHost(value), True
            elif equals and option == "pin":
                from twisted_ext.transport.tls.terms import pinFromText

                pin, isEncrypted = pinFromText(value), True
            elif equals and option == "port":
                port = Server("127.0.0.1", int(value)).port
            elif word == "tls":
                isEncrypted = True
            elif word != "any":
                network = ip_network(word)
        except (ValueError, BadName, BadDescription) as error:
            raise BadDescription(f"{text!r}: {error}; write {_FORMS}") from None
    return _Grant(network, keyName, isEncrypted, name, pin, port)
