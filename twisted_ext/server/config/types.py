"""
Types of settings: how to parse a text or a TOML value, check it, and write it back.

Each raises L{BadDescription<twisted_ext.errors.BadDescription>} that names the valid values; the caller adds the place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from ipaddress import IPv6Network, ip_network
from typing import TYPE_CHECKING, Final, Protocol

from twisted_ext.errors import BadDescription, CallerFault, DNSFault
from twisted_ext.files import openNow
from twisted_ext.limits import Limit
from twisted_ext.server.config.places import (
    DATAGRAMS,
    HTTPS_CLEAR_PORT,
    HTTPS_PORT,
    QUIC_PORT,
    TLS_PORT,
    describedPlace,
    isInterface,
    labelOf,
)
from twisted_ext.transport.servers import Server
from twisted_ext.transport.urls import canonicalHost, isAddress
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from typing import Self

    from twisted_ext.server.config.setting import Setting

__all__ = [
    "API_ADDRESS", "API_PORT", "BLOCKED", "BLOCK_EXCEPTION", "BLOCK_REPLY", "CATALOG", "CONSOLE_ADDRESS", "CONSOLE_PORT", "CONTROL",
    "COUNT", "DESCRIPTION", "DIGEST", "DOOR", "FLAG", "GRANT", "GROUPED", "HTTP_ADDRESS", "LOCAL_ROOT", "LISTEN_HTTP3", "LISTEN_HTTPS",
    "LISTEN_QUIC", "LISTEN_TLS", "LABEL", "LIST", "LISTING", "MINIMIZATION", "NAME", "NEGATIVE_ANCHOR", "PATH", "STORE", "PEM", "PLACE",
    "PORT", "PREFIX", "PROXY", "READABLE", "RECORD", "REMOTE", "HISTORY_CLIENTS", "READINESS", "ROLE", "ROUTE", "RULE", "SECRET",
    "SECRET_OCTETS", "SERIALS", "SIGNING", "STUB", "TEXT", "Choice", "File", "Flag", "Kind", "Number", "Octets", "Table", "Tabled", "Text",
    "URL_PATH", "Value", "describedUpstream", "duration", "listenKind", "readSecrets",
]  # fmt: skip

#: Octets of a secret from which server cookies are made (SipHash, RFC 9018, section 4.4).
SECRET_OCTETS: Final = 16

#: Secrets for cookies: the current one, the next one and the one before (RFC 9018, section 5). A wrong cookie costs a hash for each.
_COOKIE_SECRETS: Final = 4

#: The value of a setting, or the values of a setting that takes several.
Value = bool | int | float | str | tuple[str, ...]

#: The default ports of the status page, of the API, that of PowerDNS, which clients expect, and of the console.
_HTTP: Final = 5380
API_PORT: Final = 8081
CONSOLE_PORT: Final = 8082

#: Begins the path of a file where there may be a domain as well.
_FILE: Final = "file:"

#: The length of the prefix of IPv4 addresses as IPv6 addresses (RFC 4291, section 2.5.5.2).
_MAPPED: Final = 96

#: The begin of a URL, and a file name that needs no quotes in a shell.
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

#: Names of lists and views, which stand in commands, in the log and before the numbers of lines.
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

_POWERS: Final = {"K": 10, "M": 20, "G": 30}


class Kind(Protocol):
    """
    The type of a setting's values.

    @ivar allowed: the valid values in words, to follow on "takes".
    """

    allowed: str

    def fromText(self, text: str) -> Value:
        """
        Check the argument of an option.
        """

    def fromTOML(self, value: object, folder: str = "") -> Value:
        """
        Check a TOML value.

        @param folder: the base of relative paths; C{""} for the working directory.
        """


class Flag:
    allowed = "true or false"

    def fromText(self, text: str) -> Value:
        if text not in ("true", "false"):
            raise BadDescription(f"takes {self.allowed}, not {text!r}")
        return text == "true"

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if not isinstance(value, bool):
            raise BadDescription(f"takes {self.allowed}, not {value!r}")
        return value


class Number:
    """
    A number within a range.

    @param whole: whether only integers are valid.
    """

    def __init__(self, limit: Limit, unit: str = "", *, whole: bool = True) -> None:
        self.limit = limit
        self.whole = whole
        self.allowed = f"a number{f' of {unit}' if unit else ''} from {_plain(limit.least)} to {_plain(limit.most)}"

    def fromText(self, text: str) -> Value:
        try:
            number = int(text) if self.whole else float(text)
        except ValueError:
            raise BadDescription(f"takes {self.allowed}, not {text!r}") from None
        return self.fromTOML(number)

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise BadDescription(f"takes {self.allowed}, not {value!r}")
        # Written so that NaN is rejected.
        if not self.limit.least <= value <= self.limit.most:
            raise BadDescription(f"takes {self.allowed}, not {value}")
        return value if self.whole else float(value)


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


class Octets(Number):
    def __init__(self, limit: Limit) -> None:
        super().__init__(limit, "octets")
        self.allowed += ", also as 64K, 64M or 1G"

    def fromText(self, text: str) -> Value:
        power = _POWERS.get(text[-1:].upper())
        if power is None or not text[:-1].isdecimal():
            return super().fromText(text)
        return super().fromTOML(int(text[:-1]) << power)

    def fromTOML(self, value: object, folder: str = "") -> Value:
        return self.fromText(value) if isinstance(value, str) else super().fromTOML(value)


class Text:
    """
    A text with a check.

    @param allowed: see L{Kind}.
    @param check: returns the normalized text; raises L{DNSFault<twisted_ext.errors.DNSFault>}, L{ValueError} or L{OSError} if it is not
        valid.
    @param words: all valid values, if there are few.
    """

    def __init__(self, allowed: str, check: Callable[[str], str], words: tuple[str, ...] = ()) -> None:
        self.allowed = allowed
        self.words = words
        self._check = check

    def fromText(self, text: str) -> Value:
        try:
            return self._check(text)
        except OSError as error:
            raise BadDescription(f"takes {self.allowed}; {text}: {error.strerror or error}") from None
        except (DNSFault, ValueError) as error:
            said = f"; {error}" if isinstance(error, CallerFault) else f", not {text!r}"
            raise BadDescription(f"takes {self.allowed}{said}") from None

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if not isinstance(value, str):
            raise BadDescription(f"takes {self.allowed}, as a text, not {value!r}")
        return self.fromText(value)


class Choice(Text):
    """
    One of some words.
    """

    def __init__(self, *words: str) -> None:
        super().__init__(" or ".join([each for each in (", ".join(words[:-1]), words[-1]) if each]), self._checked, words)

    def _checked(self, text: str) -> str:
        if text not in self.words:
            raise ValueError(text)
        return text


class File(Text):
    """
    The path of a file, relative to the folder of the settings file if it comes from one.

    @param words: special values that are not paths.
    """

    def __init__(self, allowed: str, check: Callable[[str], str], words: Collection[str] = ("",)) -> None:
        super().__init__(allowed, check)
        self._words = words

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if isinstance(value, str) and value not in self._words:
            value = os.path.join(folder, value)
        return super().fromTOML(value)


class Store(Text):
    """
    A database of zones: its path, relative to the folder of the settings file if it comes from one, or the description of another kind.
    """

    def __init__(self) -> None:
        super().__init__("the path of a database, or PREFIX: and what a plugin takes", _store)

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if not isinstance(value, str) or not value:
            return super().fromTOML(value)
        return super().fromTOML(_store(value, folder))


class Tabled(Protocol):
    """
    The settings in a table.
    """

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> Self:
        """
        @raise BadDescription: the table is not valid; one line for each fault.
        """

    @classmethod
    def fromText(cls, text: str, folder: str = "") -> Self:
        """
        @raise BadDescription: the syntax is wrong.
        """

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        """
        Return its keys.
        """

    def toText(self) -> str:
        """
        Return them as text, from which L{fromText} makes the same.
        """

    def toTOML(self) -> str: ...


class Table:
    """
    A table of the settings file, which is kept as text; in options, its short form.

    @ivar load: returns the class of the table's settings, which is imported if there is such a table.
    """

    def __init__(self, allowed: str, load: Callable[[], type[Tabled]]) -> None:
        self.allowed = allowed
        self.load = load

    def fromText(self, text: str) -> Value:
        return self.fromTOML(text)

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if isinstance(value, dict):
            return self.load().fromTable(value, folder).toText()
        if not isinstance(value, str):
            raise BadDescription(f"takes {self.allowed}, not {value!r}")
        return self.load().fromText(value, folder).toText()

    def shown(self, text: str) -> str:
        """
        Return the table as TOML.
        """
        return self.load().fromText(text).toTOML()


def _any(text: str) -> str:
    if not text.isprintable():
        raise BadDescription(f"{text!r} holds characters that cannot be printed")
    return text


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise BadDescription(f"{text!r} has other characters, or none")
    return text


def _name(text: str) -> str:
    return nameToText(nameFromText(text))


def _optionalName(text: str) -> str:
    return _name(text) if text else ""


def _hostName(text: str) -> str:
    host = canonicalHost(text) if text else ""
    if host and isAddress(host):
        raise BadDescription(f"{text!r} is an address; write a host name")
    return host


def _place(text: str) -> str:
    if not text or (isInterface(text) and text != "localhost"):
        return text
    return Server("127.0.0.1" if text == "localhost" else text).address


def _httpAddress(text: str, port: int = _HTTP) -> str:
    return Server.fromText(text, port).label if text else text


def _listenAt(text: str, encryption: str) -> str:
    place = describedPlace(text, encryption)
    return labelOf(*place) if isinstance(place, tuple) else place.text


def _urlPath(text: str) -> str:
    if not re.fullmatch(r"/[\w.~!$&'()*+,;=:@/-]+", text, re.ASCII):
        raise BadDescription(f"{text!r} is not a valid path: it begins with a slash, and has letters, digits, slashes and hyphens")
    return text


def _prefix(text: str) -> str:
    if text == "any":
        return text
    network = ip_network(text)
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED else None
    # A client that reaches an IPv6 socket over IPv4 has its IPv4 address here.
    return str(network) if mapped is None else f"{mapped}/{network.prefixlen - _MAPPED}"


def _proxy(text: str) -> str:
    return text if text == "unix" else _prefix(text)


def _path(text: str) -> str:
    if "\x00" in text:
        raise BadDescription(f"{text!r} cannot be a path")
    return text


def _store(text: str, folder: str = "") -> str:
    # Few zones are in databases.
    from twisted_ext.server.config.stores import describedStore

    return describedStore(text, folder) if text else text


def _readable(text: str) -> str:
    if text:
        with open(_path(text), "rb", opener=openNow) as opened:
            opened.read(1)
    return text


def _listing(text: str) -> str:
    if os.path.isdir(_path(text)):
        os.scandir(text).close()
        return text
    return _readable(text)


def readSecrets(path: str) -> tuple[bytes, ...]:
    """
    Read secrets in hexadecimal digits from a file, one on each line.

    @raise BadDescription: the file contains anything else.
    @raise OSError: it cannot be read.
    """
    with open(path, "rb", opener=openNow) as opened:
        text = opened.read(1024)
    try:
        secrets = tuple([bytes.fromhex(line) for line in text.decode("ascii").split("\n") if line.strip()])
    except ValueError:
        secrets = ()
    if not 1 <= len(secrets) <= _COOKIE_SECRETS or any(len(secret) != SECRET_OCTETS for secret in secrets):
        expected = f"{2 * SECRET_OCTETS} hexadecimal digits on each of one to {_COOKIE_SECRETS} lines, and nothing else"
        raise BadDescription(f"{path} has to hold {expected}")
    return secrets


def _secret(text: str) -> str:
    if text:
        readSecrets(_path(text))
    return text


def _record(text: str) -> str:
    from twisted_ext.resolver.local.localrecords import localRecord

    localRecord(text)
    return text


class BlockList(File):
    """
    The path of a file with names. A URL is rejected as what it is, not as a path below the folder of the settings file.
    """

    def fromTOML(self, value: object, folder: str = "") -> Value:
        return super().fromTOML(value, "" if isinstance(value, str) and _URL.match(value) else folder)


class BlockException(Text):
    """
    A domain, or a file of them, whose path is relative to the folder of the settings file.
    """

    def fromTOML(self, value: object, folder: str = "") -> Value:
        path = value.removeprefix(_FILE) if isinstance(value, str) and value.startswith(_FILE) else ""
        if path and not _URL.match(path):
            value = _FILE + os.path.join(folder, path)
        return super().fromTOML(value)


def _blocked(text: str) -> str:
    from twisted_ext.resolver.policy.rules.listfile import domainIn

    try:
        domain = domainIn(text).decode("ascii")
    except ValueError as error:
        raise BadDescription(str(error)) from None
    # As it can be read again.
    return f"{domain}." if "." in domain else f"*.{domain}."


def _blockException(text: str) -> str:
    if text == _FILE:
        raise BadDescription("file: is not followed by a path")
    if not text.startswith(_FILE) and not _URL.match(text):
        return _blocked(text)
    _list(text.removeprefix(_FILE))
    return text


def _list(text: str) -> str:
    if _URL.match(text):
        raise BadDescription(
            f"{text} is a URL; give the list a name: --list ads={text} --lists ads, or url in a table headed [[list]] in the settings file"
        )
    return _path(text)


def _blockReply(text: str) -> str:
    from twisted_ext.resolver.policy.rules.policy import readReply

    readReply(text)
    return text


def _description(text: str) -> str:
    from twisted_ext.resolver.strings.reader import read

    text = describedUpstream(text)
    read(text)
    return text


def describedUpstream(text: str) -> str:
    """
    Prefix a bare address such as C{192.0.2.1} or C{[2001:db8::1]:5353} to make it a description; return all else unchanged.
    """
    try:
        server = Server.fromText(text)
    except BadDescription:
        return text
    return f"udp:[{server.address}]:{server.port}" if ":" in server.address else f"udp:{server.label}"


def _route(text: str) -> str:
    domain, equals, description = text.partition("=")
    if not equals or not domain:
        raise BadDescription(f"{text!r} is not a valid route")
    return f"{_name(domain)}={_description(description)}"


def _stub(text: str) -> str:
    domain, equals, targets = text.partition("=")
    if not equals or not domain:
        raise BadDescription(f"{text!r} does not have both")
    from twisted_ext.resolver.recursive.stubs import stubTarget

    zone = nameFromText(domain.strip())
    return f"{nameToText(zone)}={','.join([stubTarget(target, zone.lower()) for target in targets.split(',')])}"


def _localRoot(text: str) -> str:
    return text if text == "yes" else ",".join([Server(address.strip()).address for address in text.split(",")])


def _negativeAnchor(text: str) -> str:
    from time import time

    from twisted_ext.dnssec.anchors.negative import hasEnded, negativeAnchorFromText

    now = int(time())
    if not hasEnded(text, now):
        negativeAnchorFromText(text, now)
    return text


def _granted(text: str) -> str:
    from twisted_ext.server.config.keys import Grants

    Grants.fromTexts((text,))
    return text


def _remote(text: str) -> str:
    from twisted_ext.server.config.keys import checkRemote

    checkRemote(text)
    return text


def _grouped(text: str) -> str:
    group, _, server = text.partition(" ")
    _remote(server.strip())
    return f"{group} {server.strip()}"


class Remote(Text):
    """
    A server for transfers. The paths of files in it are relative to the folder of the settings file.
    """

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if isinstance(value, str) and folder:
            value = " ".join([_within(folder, word) for word in value.split(" ")])
        return super().fromTOML(value)


def _within(folder: str, word: str) -> str:
    from twisted_ext.server.config.keys import REMOTE_FILES

    option, equals, path = word.partition("=")
    return f"{option}={os.path.abspath(os.path.join(folder, path))}" if equals and path and option in REMOTE_FILES else word


def _rule(text: str) -> str:
    from twisted_ext.zone.update.policy import Rule

    Rule.fromText(text)
    return text


def duration(least: str, most: str) -> Text:
    """
    Return the type of a time, such as 12h.
    """
    from twisted_ext.wire.rdata.times import secondsFromDuration

    begin, end = secondsFromDuration(least), secondsFromDuration(most)

    def check(text: str) -> str:
        if not begin <= secondsFromDuration(text) <= end:
            raise ValueError(text)
        return text

    return Text(f"a time from {least} to {most}, such as 12h", check)


def listenKind(encryption: str, port: int) -> Text:
    """
    Return the type of a place to listen at.

    @param encryption: the transport.
    @param port: the port if none is given.
    """
    allowed = f"an address of this machine or any, with or without a port, such as 192.0.2.1, [2001:db8::1]:{port} or any:{port}"
    if encryption in DATAGRAMS:
        allowed += ", or a socket of systemd"
    elif encryption == "https-clear":
        allowed += ", or an endpoint of tcp, unix or systemd"
    else:
        allowed += ", or an endpoint of tcp or systemd"
    return Text(allowed, partial(_listenAt, encryption=encryption))


FLAG: Final = Flag()
COUNT: Final = Number(Limit(default=0, least=0, most=9))
PORT: Final = Number(Limit(default=53, least=0, most=65535))
TEXT: Final = Text("a text", _any)
LABEL: Final = Text("a name of up to 63 letters of ASCII, digits, - and _", _label)
NAME: Final = Text("a domain name", _name)
OPTIONAL_NAME: Final = Text("a domain name", _optionalName)
HOST_NAME: Final = Text("a host name, such as dns.example", _hostName)
PLACE: Final = Text(
    "an address of this machine, such as 127.0.0.1 or ::1, or the name of an interface, such as eth0, or nothing for all addresses", _place
)
API_ADDRESS: Final = Text("an address with or without a port, such as 127.0.0.1:8081 or ::1", partial(_httpAddress, port=API_PORT))
CONSOLE_ADDRESS: Final = Text("an address with or without a port, such as 127.0.0.1:8082 or ::1", partial(_httpAddress, port=CONSOLE_PORT))
HTTP_ADDRESS: Final = Text("an address with or without a port, such as 127.0.0.1:5380 or ::1", _httpAddress)
LISTEN_HTTP3: Final = listenKind("http3", HTTPS_PORT)
LISTEN_HTTPS: Final = listenKind("https", HTTPS_PORT)
LISTEN_HTTPS_CLEAR: Final = listenKind("https-clear", HTTPS_CLEAR_PORT)
LISTEN_QUIC: Final = listenKind("quic", QUIC_PORT)
LISTEN_TLS: Final = listenKind("tls", TLS_PORT)
URL_PATH: Final = Text("the path of a URL, such as /dns-query", _urlPath)
PREFIX: Final = Text("an address with or without the length of a prefix, such as 192.0.2.0/24, or any", _prefix)
PROXY: Final = Text("an address with or without the length of a prefix, such as 192.0.2.0/24, any, or unix for Unix sockets", _proxy)
PATH: Final = File("the path of a file", _path)
STORE: Final = Store()
LIST: Final = BlockList("the path of a file", _list)
PEM: Final = File("the path of a file in PEM", _path)
CONTROL: Final = File("the path of a Unix socket, or auto", _path, ("", "auto"))
SECRET: Final = File("the path of a file with a secret", _secret)
READABLE: Final = File("the path of a file that can be read", _readable)
LISTING: Final = File("the path of a folder or a file that can be read", _listing)
RECORD: Final = Text('a record, such as "router.lan 3600 A 192.168.1.1" (the TTL may be left out)', _record)
BLOCKED: Final = Text("a domain name, such as ads.example, or *.zip for a top-level domain", _blocked)
BLOCK_EXCEPTION: Final = BlockException("a domain, or file: and the path of a file with domains", _blockException)
BLOCK_REPLY: Final = Text("nxdomain, null, or an address, such as 192.0.2.1 or 192.0.2.1,2001:db8::1", _blockReply)
DESCRIPTION: Final = Text("an address of a server or a description, such as 192.0.2.1, udp:192.0.2.1:5353 or threaded", _description)
LOG_FORMAT: Final = Choice("text", "json")
HISTORY_CLIENTS: Final = Choice("full", "network", "hash", "none")
READINESS: Final = Choice("zones", "held", "signed", "upstreams", "workers")
ROLE: Final = Choice("forward", "recurse", "serve")
MINIMIZATION: Final = Choice("yes", "no", "strict")
UPGRADE: Final = Choice("no", "yes", "require")
GRANT: Final = Text(
    "clients: 192.0.2.0/24, key=NAME, tls, certificate=NAME, pin=DIGEST, port=PORT, several of these in one text, or any", _granted
)
GROUPED: Final = Remote("a group and a server, such as fast 192.0.2.1 key=NAME", _grouped)
REMOTE: Final = Remote("a server, such as 192.0.2.1, 192.0.2.1:5353, 192.0.2.1 key=NAME or tls://192.0.2.1#ns1.example", _remote)
RULE: Final = Text("a rule, such as key NAME subtree dyn A AAAA, or address 192.0.2.0/24 name host TXT", _rule)
CATALOG: Final = Choice("follow", "produce")
DIGEST: Final = Choice("check", "require")
SIGNING: Final = Text("none, default, or the name of a signing-policy", _label, ("none", "default"))
DOOR: Final = Choice("api", "console")
SERIALS: Final = Choice("increment", "unixtime", "dateserial")
STUB: Final = Text(
    "a domain and the addresses or names of its authoritative servers, such as corp.example=192.0.2.1,[2001:db8::1]:5353,ns.example.net",
    _stub,
)
LOCAL_ROOT: Final = Text("the addresses of servers that transfer the root zone, such as 192.0.2.1,2001:db8::1, or yes", _localRoot)
NEGATIVE_ANCHOR: Final = Text("a name and the time when its validation is resumed", _negativeAnchor)
ROUTE: Final = Text("a domain and what to ask below it, such as corp.example=udp:192.0.2.53", _route)
