"""
Parses the statements of C{txdns update}, which are those of C{nsupdate}, one per line, into an UPDATE message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_ext.errors import BadDescription, BadName, BadRecord, CallerFault
from twisted_ext.wire.codes import ANY_CLASS, IN, NONE, className, classNumber
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, isMeta, typeName, typeNumber
from twisted_ext.wire.tsig import Key

__all__ = ["Batch", "lineOf"]

_MOST_TTL: Final = 0x7FFFFFFF


class Batch:
    """
    The statements read so far.

    @ivar server: a name or an address, and a port; L{None} until it is given.
    @ivar local: the source address and port; L{None} for any.
    @ivar zone: the zone's name, or L{None} if it is to be found by queries.
    """

    def __init__(self) -> None:
        self.server: tuple[str, int] | None = None
        self.local: tuple[str, int] | None = None
        self.zone: bytes | None = None
        self.rrClass = IN
        self.key: Key | None = None
        self.prerequisites: list[RRSet] = []
        self.changes: list[RRSet] = []
        self._ttl: int | None = None

    @property
    def pending(self) -> int:
        return len(self.prerequisites) + len(self.changes)

    def clear(self) -> None:
        self.prerequisites = []
        self.changes = []

    def take(self, line: str) -> str:
        """
        Parse a statement.

        @return: the command that the caller must execute: C{"send"}, C{"show"}, C{"answer"}, C{"quit"}, C{"help"}, C{"debug"}, or C{""}.
        """
        # Comments take whole lines; elsewhere a semicolon is part of a record.
        words = line.strip()
        if words.startswith((";", "#")):
            return ""
        if not words:
            return "send"
        word, rest = _split(words)
        word = word.lower()
        if word in _AT_ONCE:
            return word
        if word == "update":
            word, rest = _split(rest)
            word = word.lower()
            if word not in ("add", "delete", "del"):
                raise BadDescription(f"update {word}: write update add or update delete")
        elif word == "prereq":
            word, rest = _split(rest)
            word = word.lower()
            if word not in _PREREQUISITES:
                raise BadDescription(f"prereq {word}: write prereq {', '.join(_PREREQUISITES)}")
        statement = _STATEMENTS.get(word)
        if statement is None:
            raise BadDescription(f"{word!r} is not a statement; write one of {', '.join(sorted((*_STATEMENTS, *_AT_ONCE)))}")
        try:
            statement(self, rest)
        except (BadName, BadRecord) as error:
            raise BadDescription(f"{word}: {error.text}") from None
        return ""

    # -- where to

    def _server(self, rest: str) -> None:
        self.server = _place("server", rest, 53)

    def _local(self, rest: str) -> None:
        self.local = _place("local", rest, 0)

    def _zone(self, rest: str) -> None:
        self.zone = nameFromText(rest)

    def _class(self, rest: str) -> None:
        number = classNumber(rest)
        if number is None or number in (NONE, ANY_CLASS):
            raise BadDescription(f"class {rest}: write IN, CH or HS")
        self.rrClass = number

    def _defaultTTL(self, rest: str) -> None:
        self._ttl = None if rest.lower() == "none" else _ttl(rest)

    def _key(self, rest: str) -> None:
        words = rest.split()
        if len(words) != 2:
            raise BadDescription("key: write key [ALGORITHM:]NAME SECRET, the secret in base64")
        self.key = Key.fromText(f"{words[0]}:{words[1]}")

    # -- prerequisites

    def _nameAbsent(self, rest: str) -> None:
        self._demand(nameFromText(_only("nxdomain", rest)), ANY, NONE)

    def _namePresent(self, rest: str) -> None:
        self._demand(nameFromText(_only("yxdomain", rest)), ANY, ANY_CLASS)

    def _setAbsent(self, rest: str) -> None:
        name, rrType, data = self._about("nxrrset", rest)
        if data:
            raise BadDescription("nxrrset: takes a name and a type without data")
        self._demand(name, rrType, NONE)

    def _setPresent(self, rest: str) -> None:
        name, rrType, data = self._about("yxrrset", rest)
        if data:
            self._demand(name, rrType, self.rrClass, rdataFromText(rrType, data))
        else:
            self._demand(name, rrType, ANY_CLASS)

    def _demand(self, name: bytes, rrType: int, rrClass: int, rdata: bytes = b"") -> None:
        self.prerequisites.append(RRSet(name, rrType, rrClass, 0, (rdata,)))

    def _about(self, word: str, rest: str) -> tuple[bytes, int, str]:
        owner, rest = _split(rest)
        if classNumber(_split(rest)[0]) is not None:
            rest = _split(rest)[1]
        kind, data = _split(rest)
        if not kind:
            raise BadDescription(f"{word}: write {word} NAME TYPE")
        return nameFromText(owner), _type(kind), data

    # -- changes

    def _add(self, rest: str) -> None:
        owner, rest = _split(rest)
        word, behind = _split(rest)
        ttl = self._ttl
        if word.isdecimal():
            ttl = _ttl(word)
            rest = behind
        if classNumber(_split(rest)[0]) is not None:
            rest = _split(rest)[1]
        kind, data = _split(rest)
        if not owner or not kind or not data:
            raise BadDescription("add: write update add NAME TTL TYPE DATA")
        if ttl is None:
            raise BadDescription(f"add: {owner} has no TTL; write one, or ttl SECONDS in an earlier line")
        rrType = _type(kind)
        self.changes.append(RRSet(nameFromText(owner), rrType, self.rrClass, ttl, (rdataFromText(rrType, data),)))

    def _delete(self, rest: str) -> None:
        owner, rest = _split(rest)
        if not owner:
            raise BadDescription("delete: write update delete NAME [TYPE [DATA]]")
        name = nameFromText(owner)
        if _split(rest)[0].isdecimal():
            rest = _split(rest)[1]
        if classNumber(_split(rest)[0]) is not None and _split(rest)[0].upper() != "ANY":
            rest = _split(rest)[1]
        kind, data = _split(rest)
        rrType = ANY if not kind or kind.upper() == "ANY" else _type(kind)
        if data and rrType == ANY:
            raise BadDescription("delete: data needs a type")
        if data:
            self.changes.append(RRSet(name, rrType, NONE, 0, (rdataFromText(rrType, data),)))
        else:
            self.changes.append(RRSet(name, rrType, ANY_CLASS, 0, (b"",)))


def _split(text: str) -> tuple[str, str]:
    word, *rest = text.split(None, 1) or [""]
    return word, rest[0].strip() if rest else ""


def _only(word: str, rest: str) -> str:
    if not rest or len(rest.split()) > 1:
        raise BadDescription(f"{word}: write {word} NAME")
    return rest


def _place(word: str, rest: str, port: int) -> tuple[str, int]:
    words = rest.split()
    if not 1 <= len(words) <= 2 or (len(words) == 2 and not (words[1].isdecimal() and int(words[1]) < 65536)):
        raise BadDescription(f"{word}: write {word} ADDRESS [PORT]")
    return words[0], int(words[1]) if len(words) == 2 else port


def _ttl(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_TTL:
        raise BadDescription(f"ttl {text}: write seconds, at most {_MOST_TTL}")
    return int(text)


def _type(text: str) -> int:
    number = typeNumber(text)
    if number is None or isMeta(number):
        raise BadDescription(f"{text!r} is not a record type")
    return number


_AT_ONCE: Final = ("answer", "debug", "help", "quit", "send", "show")

_STATEMENTS: Final[dict[str, Callable[[Batch, str], None]]] = {
    "server": Batch._server,
    "local": Batch._local,
    "zone": Batch._zone,
    "class": Batch._class,
    "ttl": Batch._defaultTTL,
    "key": Batch._key,
    "nxdomain": Batch._nameAbsent,
    "yxdomain": Batch._namePresent,
    "nxrrset": Batch._setAbsent,
    "yxrrset": Batch._setPresent,
    "add": Batch._add,
    "delete": Batch._delete,
    "del": Batch._delete,
    # It has no effect here.
    "check-names": lambda batch, rest: None,
}

_PREREQUISITES: Final = ("nxdomain", "yxdomain", "nxrrset", "yxrrset")


def lineOf(record: RRSet) -> str:
    name, kind = nameToText(record.name), typeName(record.rrType)
    rdata = record.rdatas[0]
    try:
        data = rdataToText(record.rrType, rdata) if rdata else ""
    except CallerFault:
        data = ""
    return f"{name} {record.ttl} {className(record.rrClass)} {kind} {data}".rstrip()
