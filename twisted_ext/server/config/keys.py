"""
TSIG keys, grants by network and key, and the remote servers of zone transfers and NOTIFY.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from twisted_ext.errors import BadDescription, BadName
from twisted_ext.files import openNow
from twisted_ext.server.limits import KEY_FILE_OCTETS
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.tsig import ALGORITHMS, Key

__all__ = ["Grants", "Keys", "RemoteServer"]

#: Algorithms that are rejected unless the operator allows weak keys (RFC 8945, section 6).
_WEAK: Final = frozenset((ALGORITHMS["hmac-md5"], ALGORITHMS["hmac-sha1"]))

_CLAUSE: Final = re.compile(
    r'key\s+"?(?P<name>[^\s"{;]+)"?\s*\{(?P<body>[^{}]*)\}\s*;?|(?P<line>[^\s{}#;]+)|#[^\n]*|//[^\n]*|\s+', re.ASCII
)
_ALGORITHM: Final = re.compile(r'\balgorithm\s+"?([^\s";]+)"?\s*;')
_SECRET: Final = re.compile(r'\bsecret\s+"?([^\s";]+)"?\s*;')


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
        Read a key file: one key per line as for L{fromTexts}, or in the form that C{tsig-keygen} and C{ddns-confgen} write:
        C{key "name" { algorithm hmac-sha256; secret "..."; };}

        @raise BadDescription: the file cannot be read, is writable by every user, or contains something else than keys.
        """
        try:
            with open(path, "rb", opener=openNow) as file:
                mode = os.fstat(file.fileno()).st_mode
                text = (file.read(int(KEY_FILE_OCTETS.default) + 1) or b"").decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadDescription(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if len(text) > KEY_FILE_OCTETS.default:
            raise BadDescription(f"{path} is too large for a file of keys")
        if mode & stat.S_IWOTH and stat.S_ISREG(mode):
            raise BadDescription(f"{path}: every user of this machine can write to it, and so choose the keys: chmod 640 {path}")
        try:
            keys = cls.fromTexts(_written(text), weak=weak)
        except BadDescription as fault:
            raise BadDescription(f"{path}: {fault}") from None
        if mode & stat.S_IROTH and keys:
            keys.exposed = f"{path}: every user of this machine can read the secrets in it (mode {mode & 0o777:o}): chmod 640 {path}"
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


def _written(text: str) -> Iterator[str]:
    """
    Convert the content of a key file to C{algorithm:name:secret} texts.
    """
    position = 0
    while position < len(text):
        found = _CLAUSE.match(text, position)
        if found is None:
            line = text.count("\n", 0, position) + 1
            raise BadDescription(f'line {line}: write name:secret, or key "name" {{ algorithm ...; secret ...; }};')
        position = found.end()
        if found["line"]:
            yield found["line"]
        elif found["name"]:
            algorithm, secret = _ALGORITHM.search(found["body"]), _SECRET.search(found["body"])
            if secret is None:
                raise BadDescription(f"key {found['name']!r} has no secret")
            yield f"{algorithm[1].rstrip('.') if algorithm else 'hmac-sha256'}:{found['name']}:{secret[1]}"


@dataclass(slots=True, eq=False)
class RemoteServer:
    """
    A server to transfer from or to notify.

    @ivar key: the TSIG key for messages to and from it, or L{None}.
    """

    server: Server
    key: Key | None = None

    @classmethod
    def fromText(cls, text: str, keys: Keys) -> RemoteServer:
        """
        Read C{192.0.2.1}, C{[2001:db8::1]:5353}, C{192.0.2.1:53 key=name}.

        @raise BadDescription: the syntax is wrong, or there is no such key.
        """
        words = text.split()
        key: Key | None = None
        for word in words[1:]:
            option, equals, value = word.partition("=")
            if option != "key" or not equals:
                raise BadDescription(f"{text!r}: only key=NAME may follow the address, not {word!r}")
            key = keys.named(value)
        if not words:
            raise BadDescription("a server is written as 192.0.2.1, 192.0.2.1:5353 or 192.0.2.1 key=NAME")
        return cls(Server.fromText(words[0]), key)


class Grants:
    """
    An access list by network, by key, or by both together. It denies all other clients; an empty one denies all.
    """

    __slots__ = ("_grants",)

    def __init__(self, grants: Iterable[tuple[IPv4Network | IPv6Network | None, bytes]] = ()) -> None:
        """
        @param grants: networks, L{None} for any, each with the folded name of a key, C{b""} if no key is required.
        """
        self._grants = tuple(grants)

    @classmethod
    def fromTexts(cls, texts: Iterable[str], keys: Container[bytes] | None = None) -> Grants:
        """
        Read C{192.0.2.0/24}, C{key=name}, C{2001:db8::/32 key=name}, C{any}.

        @param keys: the names of the known keys; not checked by default.

        @raise BadDescription: a text is not one of these, or its key is unknown.
        """
        grants = [_grant(text) for text in texts]
        missing = next((name for _, name in grants if name and keys is not None and name not in keys), None)
        if missing is not None:
            raise BadDescription(f"there is no TSIG key {nameToText(missing)}; key-file names the file that has it")
        return cls(grants)

    def __bool__(self) -> bool:
        return bool(self._grants)

    def allows(self, client: str, keyName: bytes = b"") -> bool:
        """
        Return whether a client is granted access.

        @param keyName: the folded name of the key that the request was verified with; C{b""} for unsigned requests.
        """
        if not self._grants:
            return False
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            return False
        if address.version == 6 and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        for network, name in self._grants:
            if (not name or name == keyName) and (network is None or address in network):
                return True
        return False


def _grant(text: str) -> tuple[IPv4Network | IPv6Network | None, bytes]:
    network: IPv4Network | IPv6Network | None = None
    name = b""
    words = text.split()
    if not words:
        raise BadDescription("a grant is written as 192.0.2.0/24, key=NAME, 192.0.2.0/24 key=NAME or any")
    for word in words:
        try:
            if word.startswith("key="):
                name = nameFromText(word[4:]).lower()
            elif word != "any":
                network = ip_network(word)
        except (ValueError, BadName) as error:
            raise BadDescription(f"{text!r}: {error}; write 192.0.2.0/24, key=NAME, 192.0.2.0/24 key=NAME or any") from None
    return network, name
