"""
Formats the parts of a record for C{txdns query}: on one or several lines, with or without keys, comments and TTL units.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from twisted_ext.apps.cli.query.plusoptions import Flags
from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import className
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataFromWire, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import (
    AAAA,
    CDNSKEY,
    CDS,
    CERT,
    CNAME,
    DHCID,
    DNAME,
    DNSKEY,
    DS,
    NS,
    OPENPGPKEY,
    PTR,
    RRSIG,
    SMIMEA,
    SOA,
    SSHFP,
    TLSA,
    ZONEMD,
    formOf,
    typeName,
)

__all__ = ["Flags", "classText", "dataText", "inWords", "ttlText", "typeText"]

#: Types whose data is a name, which may be displayed in Unicode.
_NAMES: Final = frozenset((CNAME, DNAME, NS, PTR))

_KEYS: Final = frozenset((DNSKEY, CDNSKEY))
_DIGESTS: Final = frozenset((DS, CDS))

#: The number of words before the base64 or hexadecimal digits of a type.
_DIGITS_AFTER: Final = {
    DHCID: 0, OPENPGPKEY: 0, SSHFP: 2, CERT: 3, CDS: 3, DS: 3, SMIMEA: 3, TLSA: 3, ZONEMD: 3, RRSIG: 8,
}  # fmt: skip

#: The indentation of continuation lines.
_INDENT: Final = "\t\t\t\t"

#: Base64 or hexadecimal digits in a continuation line.
_DIGITS: Final = 44

_SECURE_ENTRY_POINT: Final = 1
_REVOKED: Final = 0x80

_UNITS: Final = ((604800, "w", "week"), (86400, "d", "day"), (3600, "h", "hour"), (60, "m", "minute"), (1, "s", "second"))

_SOA_NUMBERS: Final = ("serial", "refresh", "retry", "expire", "minimum")


def ttlText(seconds: int, flags: Flags) -> str:
    """
    Return a TTL as C{86460}, or as C{1d1m} with C{+ttlunits}.
    """
    if not flags["ttlunits"]:
        return str(seconds)
    return "".join([f"{count}{letter}" for count, letter, _ in _parts(seconds)])


def _parts(seconds: int) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    rest = seconds
    for size, letter, word in _UNITS:
        count, rest = divmod(rest, size)
        if count or (size == 1 and not found):
            found.append((count, letter, word))
    return found


def inWords(seconds: int) -> str:
    return " ".join([f"{count} {word}{'s' * (count != 1)}" for count, _, word in _parts(seconds)])


def classText(number: int, flags: Flags) -> str:
    """
    Return the mnemonic of a class; with C{+unknownformat} its number (RFC 3597, section 5).
    """
    return f"CLASS{number}" if flags["unknownformat"] else className(number)


def typeText(number: int, flags: Flags) -> str:
    return f"TYPE{number}" if flags["unknownformat"] else typeName(number)


def dataText(record: RRSet, flags: Flags, unicode: bool = False) -> str:
    """
    Return the data of a record in presentation format; with C{+multiline} on several lines for long types.
    """
    rdata = record.rdatas[0]
    if flags["unknownformat"]:
        return f"\\# {len(rdata)} {_chunks(rdata.hex().upper(), flags)}".rstrip()
    rrType = formOf(record.rrType, record.rrClass)
    if rrType in _NAMES and unicode and rdata:
        return nameToText(rdata, unicode=True)
    try:
        text = rdataToText(rrType, rdata)
        # Records of an UPDATE message may have no data.
        if not rdata:
            return text
        if text.startswith("\\#"):
            mark, size, *hexadecimal = text.split(" ", 2)
            return " ".join([mark, size, *[_chunks(each.upper(), flags) for each in hexadecimal]])
        if rrType in _KEYS:
            return _key(rrType, rdata, text, flags)
    except BadMessage:
        return f"\\# {len(rdata)} {rdata.hex()}" if rdata else ""
    multiline = flags["multiline"]
    if rrType == SOA and multiline:
        return _soa(text, flags["rrcomments"] is not False)
    if rrType == AAAA and flags["expandaaaa"]:
        return ip_address(rdata).exploded
    at = _DIGITS_AFTER.get(rrType)
    if at is None:
        return text
    words = text.split()
    if not flags["crypto"] and (rrType == RRSIG or rrType in _DIGESTS):
        words[at:] = ["[omitted]"]
    digits = "".join(words[at:])
    if not multiline:
        return " ".join([*words[:at], _chunks(digits, flags)])
    lines = _pieces(digits, _width(flags))
    if rrType == RRSIG:
        lines.insert(0, " ".join(words[4:at]))
        at = 4
    text = f"\n{_INDENT}".join(lines)
    return f"{' '.join(words[:at])} (\n{_INDENT}{text} )" if at else f"( {text} )"


def _width(flags: Flags) -> int:
    """
    Return the length of a line of base64 or hexadecimal digits with C{+multiline}; 0 if they are not split.
    """
    return _DIGITS if flags["split"] is None else int(flags["split"])


def _chunks(digits: str, flags: Flags) -> str:
    """
    Return the digits split as C{+split} says.
    """
    return " ".join(_pieces(digits, int(flags["split"] or 0)))


def _pieces(text: str, size: int) -> list[str]:
    """
    @param size: 0 for one piece.
    """
    return [text[start : start + size] for start in range(0, len(text), size)] if size else [text]


def _soa(text: str, comments: bool) -> str:
    words = text.split()
    lines = []
    for word, meaning in zip(words[2:], _SOA_NUMBERS, strict=True):
        units = "" if meaning == "serial" else f" ({inWords(int(word))})"
        lines.append(f"{word:<10} ; {meaning}{units}" if comments else word)
    end = f"\n{_INDENT})" if comments else ")"
    return f"{words[0]} {words[1]} (\n{_INDENT}" + f"\n{_INDENT}".join(lines) + end


def _key(rrType: int, rdata: bytes, text: str, flags: Flags) -> str:
    from twisted_ext.wire.rdata.types import dnssec

    key = rdataFromWire(rrType, rdata)
    assert isinstance(key, dnssec.DNSKEY)
    words = text.split()
    secret = "".join(words[3:]) if flags["crypto"] else f"[key id = {key.keyTag}]"
    comments = flags["multiline"] if flags["rrcomments"] is None else flags["rrcomments"]
    kind = ("revoked " if key.flags & _REVOKED else "") + ("KSK" if key.flags & _SECURE_ENTRY_POINT else "ZSK")
    # The first mnemonic of an algorithm is the usual one.
    names = [name for name, number in dnssec.ALGORITHMS.items() if number == key.algorithm]
    algorithm = names[0] if names else str(key.algorithm)
    comment = f" ; {kind}; alg = {algorithm} ; key id = {key.keyTag}" if comments else ""
    head = " ".join(words[:3])
    if not flags["multiline"]:
        return f"{head} {_chunks(secret, flags) if flags['crypto'] else secret}" + (f" {comment}" if comment else "")
    end = f"\n{_INDENT}){comment}" if comment else " )"
    return f"{head} (\n{_INDENT}" + f"\n{_INDENT}".join(_pieces(secret, _width(flags))) + end
