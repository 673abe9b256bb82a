"""
Files of private keys as BIND writes them, and ldns: text in, text out. L{twisted_ext.dnssec.privatekeys.keyfolder} opens them.

A key has a C{.private} file with the secret and times, a C{.key} file with the DNSKEY record, and may have a C{.state} file with what is
known of a rollover.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from twisted_ext.dnssec.algorithms import algorithmName
from twisted_ext.dnssec.keys import REVOKED, SECURE_ENTRY_POINT
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, badKey, checkAlgorithm, secretNames
from twisted_ext.errors import BadName, BadRecord
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import labelsOf, nameToText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, typeName

__all__ = ["KeyFile", "momentOf", "nameOf", "namePrefix", "readBind", "readPKCS8", "writeBind", "writeState"]

#: Times of a key in the order of a private file, and those that the comments of a public file repeat.
_TIMES: Final = ("Created", "Publish", "Activate", "Revoke", "Inactive", "Delete", "DSPublish", "SyncPublish", "SyncDelete")
_COMMENTED: Final = ("Created", "Publish", "Activate", "Revoke", "Inactive", "Delete", "SyncPublish", "SyncDelete")

#: Numbers that private files have as well as files of states.
_NUMBERS: Final = ("Predecessor", "Successor", "MaxTTL", "RollPeriod")

#: What private files of keys in a token have in place of the secret.
_TOKEN: Final = ("Engine", "Label")

_FORMATS: Final = ("v1.2", "v1.3")
_ALGORITHM: Final = re.compile(r"([0-9]{1,3}) \(([A-Za-z0-9_-]{1,32})\)", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{14}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z]{1,32}", re.ASCII)

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Characters of base 64 between two blanks of a public file.
_GROUP: Final = 56

#: Octets that names of files have as they are.
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """
    What the files of one key have.

    @ivar zone: the folded name of the zone.
    @ivar times: seconds since 1970 by the names of a private file, such as C{"Publish"}.
    @ivar state: the values of a file of states by their names, as text, and numbers such as C{"Successor"} of a private file.
    @ivar lifetime: seconds until the key is replaced; 0 for never, L{None} if the files do not tell.
    @ivar ttl: that of the DNSKEY record, or L{None} if the file has none.
    """

    zone: bytes
    key: PrivateKey
    times: Mapping[str, int]
    state: Mapping[str, str]
    lifetime: int | None
    ttl: int | None = None


def readBind(private: str, public: str, state: str = "", source: str = "") -> KeyFile:
    """
    Read the files of one key, in the formats 1.2 and 1.3.

    @param private: the text of the C{.private} file.
    @param public: that of the C{.key} file.
    @param state: that of the C{.state} file, if there is one.
    @param source: the path of the C{.private} file.

    @raise BadKey: one of them is damaged, or they do not belong together.
    """
    fields = _fieldsOf(private, source)
    algorithm = _algorithmOf(fields, source)
    record = _recordOf(public, source)
    rdata = record.rdatas[0]
    if len(rdata) < 4 or rdata[2] != 3 or rdata[3] != algorithm:
        raise badKey(source, f"it is of algorithm {algorithmName(algorithm)}, and the .key file beside it is not")
    numbers: dict[str, bytes] = {}
    times: dict[str, int] = {}
    kept = _statesOf(state, source)
    # In the order that a user looks for them: what is missing first.
    names = secretNames(algorithm)
    for name in names:
        numbers[name] = _secretOf(name, fields, source)
    for name, (line, value) in fields.items():
        if name in _TIMES:
            times[name] = _secondsOf(f"line {line}: {name}", value, source)
        elif name in _NUMBERS:
            if not _NUMBER.fullmatch(value):
                raise badKey(source, f"line {line}: {name} is not a number")
            kept.setdefault(name, value)
        elif name not in names and name not in ("Private-key-format", "Algorithm"):
            raise badKey(source, f"line {line} is not a part of a key of {algorithmName(algorithm)}")
    key = PrivateKey.fromNumbers(algorithm, rdata[0] << 8 | rdata[1], numbers, source)
    if key.dnskey != rdata:
        raise badKey(source, "its public key is not that of the .key file beside it")
    lifetime = kept.get("Lifetime", "")
    if lifetime and not _NUMBER.fullmatch(lifetime):
        raise badKey(source, "Lifetime in the .state file beside it is not a number of seconds")
    return KeyFile(
        record.name.lower(), key, times, kept, int(lifetime) if lifetime else None, record.ttl if record.ttl >= 0 else None
    )


def readPKCS8(pem: bytes, algorithm: int, flags: int, zone: bytes, source: str = "") -> KeyFile:
    """
    Read a private key in PEM (PKCS #8), as Knot keeps them. What such a file does not tell are arguments.

    @raise BadKey: it has none, or one of another algorithm.
    """
    return KeyFile(zone.lower(), PrivateKey.fromPEM(pem, algorithm, flags, source), {}, {}, None)


def writeBind(file: KeyFile) -> tuple[str, str]:
    """
    Return the texts of the C{.private} file, in format 1.3, and of the C{.key} file, as C{dnssec-keygen} writes them. Dates in comments
    are in UTC.
    """
    key = file.key
    lines = ["Private-key-format: v1.3", f"Algorithm: {key.algorithm} ({algorithmName(key.algorithm)})"]
    lines += [f"{name}: {b64encode(value).decode()}" for name, value in key.numbers()]
    lines += [f"{name}: {file.state[name]}" for name in _NUMBERS if name in file.state]
    lines += [f"{name}: {_dated(file.times[name])}" for name in _TIMES if name in file.times]
    zone = nameToText(file.zone)
    kind = f"{'revoked ' if key.flags & REVOKED else ''}{'key' if key.flags & SECURE_ENTRY_POINT else 'zone'}"
    public = [f"; This is a {kind}-signing key, keyid {key.tag}, for {zone}"]
    public += [f"; {name}: {_dated(file.times[name])} ({_spoken(file.times[name])})" for name in _COMMENTED if name in file.times]
    encoded = b64encode(key.dnskey[4:]).decode()
    groups = " ".join([encoded[index : index + _GROUP] for index in range(0, len(encoded), _GROUP)])
    ttl = "" if file.ttl is None else f"{file.ttl} "
    public.append(f"{zone} {ttl}IN DNSKEY {key.flags} 3 {key.algorithm} {groups}")
    return "\n".join([*lines, ""]), "\n".join([*public, ""])


def writeState(file: KeyFile) -> str:
    """
    Return the text of the C{.state} file, or C{""} if there is nothing to write into it.
    """
    values = dict(file.state)
    if file.lifetime is not None:
        values["Lifetime"] = str(file.lifetime)
    if not values.keys() - set(_NUMBERS):
        return ""
    if "Algorithm" not in values:
        values = {"Algorithm": str(file.key.algorithm), "Length": str(file.key.bits), **values}
    lines = [f"; This is the state of key {file.key.tag}, for {nameToText(file.zone)}"]
    return "\n".join([*lines, *[f"{name}: {value}" for name, value in values.items()], ""])


def namePrefix(zone: bytes) -> str:
    """
    Return how the names of a zone's files begin: C{"Kexample.org."}. Octets that are not letters, digits, hyphens or underscores are
    escaped with a percent sign, as BIND does.
    """
    labels = [
        "".join([chr(octet) if octet in _PLAIN else f"%{octet:02X}" for octet in label]) for label in labelsOf(zone.lower())
    ]
    return f"K{'.'.join([*labels, ''])}" if labels else "K."


def nameOf(file: KeyFile) -> str:
    """
    Return the name of the key's files without their suffixes: C{"Kexample.org.+013+44703"}.
    """
    return f"{namePrefix(file.zone)}+{file.key.algorithm:03}+{file.key.tag:05}"


def _fieldsOf(text: str, source: str) -> dict[str, tuple[int, str]]:
    """
    Return the numbers and values of the lines by their names. Errors have numbers of lines only: a damaged line may have a part of the
    secret anywhere.
    """
    fields: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not line:
            continue
        name, colon, value = line.partition(": ")
        if not colon or not value.strip():
            raise badKey(source, f"line {number} is cut off; a name, a colon and a value were expected")
        if not fields and (name != "Private-key-format" or value not in _FORMATS):
            break
        if name in fields:
            raise badKey(source, f"line {number} has the same name as line {fields[name][0]}")
        fields[name] = number, value
    if not fields:
        raise badKey(source, "its first line is not that of a private key; Private-key-format: v1.3, or v1.2, was expected")
    if any(name in fields for name in _TOKEN):
        raise badKey(source, "the key is in a token, not in this file; only keys in files can be read")
    return fields


def _algorithmOf(fields: Mapping[str, tuple[int, str]], source: str) -> int:
    if "Algorithm" not in fields:
        raise badKey(source, "Algorithm is missing")
    found = _ALGORITHM.fullmatch(fields["Algorithm"][1])
    if found is None:
        raise badKey(source, "Algorithm is damaged; a number and a name were expected, such as 13 (ECDSAP256SHA256)")
    algorithm = int(found[1])
    checkAlgorithm(algorithm, source)
    name = algorithmName(algorithm)
    if found[2].upper() != name:
        raise badKey(source, f"Algorithm is damaged; the name of {algorithm} is {name}")
    return algorithm


def _secretOf(name: str, fields: Mapping[str, tuple[int, str]], source: str) -> bytes:
    if name not in fields:
        raise badKey(source, f"{name} is missing")
    text = fields[name][1]
    octets = _decoded(text)
    # Encoded once more, since changed bits behind the last octet are ignored otherwise.
    if not octets or b64encode(octets).decode() != text:
        raise badKey(source, f"{name} is not valid base 64")
    return octets


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _secondsOf(what: str, text: str, source: str) -> int:
    moment = momentOf(text) if _TIME.fullmatch(text) else None
    if moment is None or moment < _EPOCH:
        raise badKey(source, f"{what} is not a time; 14 digits were expected, such as 20261201120000")
    return int((moment - _EPOCH).total_seconds())


def momentOf(text: str) -> datetime | None:
    """
    Return the time that 14 digits say; L{None} if they say none.
    """
    try:
        return datetime.fromisoformat(f"{text[:8]}T{text[8:]}+00:00")
    except ValueError:
        return None


def _dated(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment.year:04}{moment.month:02}{moment.day:02}{moment.hour:02}{moment.minute:02}{moment.second:02}"


def _spoken(seconds: int) -> str:
    """
    Return a date as C{ctime} of C has it, in English whatever the locale.
    """
    moment = datetime.fromtimestamp(seconds, UTC)
    clock = f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
    return f"{_DAYS[moment.weekday()]} {_MONTHS[moment.month - 1]} {moment.day:2} {clock} {moment.year}"


def _recordOf(text: str, source: str) -> RRSet:
    """
    Return the only record of a public file. Its TTL is -1 if it has none.
    """
    lines = [line.rstrip("\r") for line in text.split("\n") if line.strip() and not line.startswith(";")]
    if len(lines) != 1:
        raise badKey(source, f"the .key file beside it has {len(lines)} records; one DNSKEY record was expected")
    try:
        record = recordFromText(lines[0], ttl=-1)
    except (BadRecord, BadName) as fault:
        raise badKey(source, f"the .key file beside it is damaged: {fault.text}") from None
    if record.rrType != DNSKEY or record.rrClass != IN:
        raise badKey(source, f"the .key file beside it has a record of type {typeName(record.rrType)}; DNSKEY of class IN was expected")
    return record


def _statesOf(text: str, source: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if not line or line.startswith(";"):
            continue
        name, colon, value = line.partition(": ")
        if not colon or not _NAME.fullmatch(name) or name in values:
            raise badKey(source, f"line {number} of the .state file beside it is damaged; a new name, a colon and a value were expected")
        values[name] = value
    return values
