"""
Places to listen at: addresses with ports, names of interfaces, and Twisted's descriptions of endpoints, C{tcp:853:interface=192.0.2.1},
C{unix:/run/txdns/doh.sock:mode=660} and C{systemd:domain=INET:index=0}.

No I/O. Only what the server can bind before it drops privileges and share with its workers is understood, not every endpoint.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final

from twisted_ext.errors import BadDescription
from twisted_ext.transport.servers import Server

__all__ = [
    "DATAGRAMS", "FORMS", "HTTPS_CLEAR_PORT", "HTTPS_PORT", "QUIC_PORT", "TLS_PORT", "UNIX", "ReceivedPlace", "UnixPlace",
    "describedPlace", "isInterface", "labelOf", "placeFromEndpoint", "placeFromText",
]  # fmt: skip

#: The port of DNS over TLS (RFC 7858, section 3.1).
TLS_PORT: Final = 853

#: The port of HTTPS.
HTTPS_PORT: Final = 443

#: The port of DNS over HTTPS behind a reverse proxy: that of HTTP.
HTTPS_CLEAR_PORT: Final = 80

#: The port of DNS over QUIC (RFC 9250, section 4.1.1).
QUIC_PORT: Final = 853

#: The default ports of encrypted transports.
_PORTS: Final = {
    "tls": TLS_PORT,
    "https": HTTPS_PORT,
    "https-clear": HTTPS_CLEAR_PORT,
    "quic": QUIC_PORT,
    "http3": HTTPS_PORT,
}

#: Transports on UDP.
DATAGRAMS: Final = ("quic", "http3")

#: What the address of a Unix socket begins with.
UNIX: Final = "unix:"

#: What a description may be, for errors and help.
FORMS: Final = "tcp:PORT:interface=ADDRESS, systemd:domain=INET:index=NUMBER, systemd:name=NAME, or for https-clear unix:PATH:mode=660"

#: The kinds for TCP, and the address of each without C{interface}.
_TCP: Final = {"tcp": "0.0.0.0", "tcp6": "::"}

#: The mode of a Unix socket if none is given: only the server's user and group can connect.
_MODE: Final = 0o660

#: Octets of the longest path of a Unix socket on Linux (unix(7)), which ends with a zero.
_PATH: Final = 107

#: The name of a kind, which no address begins with.
_KIND: Final = re.compile(r"(?!(?:any|localhost):)(?![0-9A-Fa-f]{1,4}:)([A-Za-z][0-9A-Za-z]*):")

#: A part between colons, with characters behind backslashes.
_PART: Final = re.compile(r"((?:[^:\\]|\\.)*)(?::|$)", re.DOTALL)

_DOMAINS: Final = ("INET", "INET6", "UNIX")


#: Names of interfaces on Linux have up to 15 characters; those of only digits and dots are taken for addresses.
_INTERFACE: Final = re.compile(r"(?=.*[A-Za-z])[\w.@-]{1,15}", re.ASCII)

@dataclass(frozen=True, slots=True)
class UnixPlace:
    """
    A Unix socket to bind.

    @ivar mode: the permissions of its file.
    """

    path: str
    mode: int = _MODE

    @property
    def text(self) -> str:
        return f"{UNIX}{_quoted(self.path)}:mode={self.mode:o}"


@dataclass(frozen=True, slots=True)
class ReceivedPlace:
    """
    Sockets that systemd passes.

    @ivar domain: their address family, or C{""} for any.
    @ivar index: the number of the one meant, L{None} to go by the name.
    @ivar name: FileDescriptorName= of the ones meant.
    """

    domain: str = ""
    index: int | None = None
    name: str = ""

    @property
    def text(self) -> str:
        domain = f":domain={self.domain}" if self.domain else ""
        return f"systemd{domain}:name={_quoted(self.name)}" if self.index is None else f"systemd{domain}:index={self.index}"

    def covers(self, domain: str, index: int, name: str) -> bool:
        return self.domain in ("", domain) and (self.name == name if self.index is None else self.index == index)


def placeFromEndpoint(text: str, encryption: str) -> tuple[str, int] | UnixPlace | ReceivedPlace | None:
    """
    Parse a description of a Twisted endpoint.

    @param encryption: see L{Bound<twisted_ext.server.listeners.sockets.Bound>}.

    @return: an address and a port for TCP; L{None} if the text is no description but an address.

    @raise BadDescription: it cannot be used.
    """
    matched = _KIND.match(text)
    if matched is None:
        return None
    kind = matched[1].lower()
    words, named = _parts(text[matched.end() :], text)
    if kind in _TCP and encryption not in DATAGRAMS:
        return _tcp(words, named, text, _TCP[kind])
    if kind == "unix" and encryption == "https-clear":
        return _unix(words, named, text)
    if kind == "systemd":
        return _systemd(words, named, text)
    if kind == "unix":
        raise BadDescription(f"{text!r}: only https-clear listens at Unix sockets, for a reverse proxy on this machine")
    if kind in _TCP:
        raise BadDescription(f"{text!r}: {encryption} listens on UDP, for which Twisted has no descriptions; write ADDRESS:PORT")
    raise BadDescription(f"{text!r} is not a description to listen at; write ADDRESS:PORT, {FORMS}")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")


def _parts(text: str, whole: str) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    named: dict[str, str] = {}
    at = 0
    while at <= len(text):
        matched = _PART.match(text, at)
        if matched is None:
            raise BadDescription(f"{whole!r} ends in a backslash")
        part, end = matched[1], matched.end()
        key, equals, value = part.partition("=")
        # A path may have the character, too.
        if equals and key.isalpha():
            if key in named:
                raise BadDescription(f"{whole!r} has {key} twice")
            named[key] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        else:
            words.append(re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL))
        at = end + (end == len(text) and not matched[0].endswith(":"))
    return words, named


def _only(words: list[str], named: dict[str, str], text: str, count: int, keys: tuple[str, ...], form: str) -> None:
    if len(words) != count or not all(words) or named.keys() - set(keys):
        raise BadDescription(f"{text!r} is not a valid description; write {form}")


def _tcp(words: list[str], named: dict[str, str], text: str, everywhere: str) -> tuple[str, int]:
    _only(words, named, text, 1, ("interface",), "tcp:PORT or tcp:PORT:interface=ADDRESS")
    if not re.fullmatch("[0-9]{1,5}", words[0]) or int(words[0]) > 65535:
        raise BadDescription(f"{text!r}: {words[0]!r} is not a valid port; it takes a number from 0 to 65535")
    return Server(named.get("interface") or everywhere).address, int(words[0])


def _unix(words: list[str], named: dict[str, str], text: str) -> UnixPlace:
    _only(words, named, text, 1, ("mode",), "unix:PATH or unix:PATH:mode=660")
    path = words[0]
    if not path.startswith("/") or "\x00" in path or len(os.fsencode(path)) > _PATH:
        raise BadDescription(f"{text!r}: a Unix socket takes a path from the root folder, of at most {_PATH} octets")
    mode = named.get("mode", f"{_MODE:o}")
    if not re.fullmatch("[0-7]{3,4}", mode) or int(mode, 8) > 0o777:
        raise BadDescription(f"{text!r}: {mode!r} is not a valid mode; it takes three octal digits, such as 660")
    return UnixPlace(path, int(mode, 8))


def _systemd(words: list[str], named: dict[str, str], text: str) -> ReceivedPlace:
    _only(words, named, text, 0, ("domain", "index", "name"), "systemd:domain=INET:index=0 or systemd:name=NAME")
    domain, index, name = named.get("domain", ""), named.get("index"), named.get("name", "")
    if domain and domain not in _DOMAINS:
        raise BadDescription(f"{text!r}: {domain!r} is not a valid domain; there are {', '.join(_DOMAINS)}")
    if (index is None) == (not name):
        raise BadDescription(f"{text!r} takes either index=NUMBER or name=NAME (FileDescriptorName= of the socket unit)")
    if index is not None and not re.fullmatch("[0-9]{1,5}", index):
        raise BadDescription(f"{text!r}: {index!r} is not a valid index; it takes a number from 0")
    return ReceivedPlace(domain, None if index is None else int(index), name)


def labelOf(address: str, port: int) -> str:
    if address.startswith(UNIX):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def placeFromText(text: str, port: int) -> tuple[str, int]:
    """
    Parse a place to listen at: C{192.0.2.1}, C{192.0.2.1:853}, C{::1}, C{[::1]:853}, C{any} or C{any:853}.

    @param port: the port if the text has none.

    @return: the address, C{"any"} for all of this machine, and the port, 0 for any free one.

    @raise BadDescription: the text is none of these.
    """
    address, colon, digits = text.rpartition(":")
    if not colon or ":" in address.strip("[]") and not address.endswith("]") or text.endswith("]"):
        address, digits = text, str(port)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) < 65536):
        raise BadDescription(f"{digits!r} is not a valid port; it takes a number from 0 to 65535")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address not in ("any", ""):
        address = Server("127.0.0.1" if address == "localhost" else address).address
    return address or "any", int(digits)


def describedPlace(text: str, encryption: str) -> tuple[str, int] | UnixPlace | ReceivedPlace:
    """
    Parse a place for an encrypted transport: as for L{placeFromText}, or a description of a Twisted endpoint.

    @raise BadDescription: it is neither.
    """
    described = placeFromEndpoint(text, encryption)
    return placeFromText(text, _PORTS[encryption]) if described is None else described


def isInterface(text: str) -> bool:
    """
    Return whether a text may be the name of a network interface, and is not an address.
    """
    return _INTERFACE.fullmatch(text) is not None
