"""
Wire vectors of BIND 10: hexadecimal text with comments, and descriptions of messages for its generator.
"""

from __future__ import annotations

from collections.abc import Callable
from configparser import RawConfigParser
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.wire.tsig import ALGORITHMS

__all__ = ["fromDescription", "fromHex", "vector"]

_CLASSES: Final = {"IN": 1, "CH": 3, "ANY": 255}
_RCODES: Final = {"noerror": 0, "refused": 5}


def vector(path: Path) -> bytes:
    """
    Return the octets of a vector of either kind.
    """
    text = path.read_text("latin-1")
    return fromDescription(text) if path.suffix == ".spec" else fromHex(text)


def fromHex(text: str) -> bytes:
    """
    Return the octets, without comments and blanks.
    """
    return bytes.fromhex("".join([line.partition("#")[0] for line in text.splitlines()]))


class _Section:
    """
    The values of a section, with defaults.
    """

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def text(self, key: str, default: str) -> str:
        return self._values.get(key, default).strip("'")

    def number(self, key: str, default: int) -> int:
        value = self._values.get(key)
        return default if value is None else int(value, 0)

    def octets(self, key: str, default: bytes) -> bytes:
        value = self.text(key, "")
        return bytes.fromhex(value[2:]) if value else default

    def name(self, key: str, default: str) -> bytes:
        return _nameOf(self.text(key, default))


def _nameOf(text: str) -> bytes:
    """
    Return a name.

    @param text: may end with C{ptr=12}, a pointer.
    """
    head, found, offset = text.partition("ptr=")
    name = nameFromText(head) if head else b"\x00"
    return name[:-1] + (0xC000 | int(offset)).to_bytes(2, "big") if found else name


def _header(section: _Section) -> bytes:
    qr = section.text("qr", "0")
    flags = (0x8000 if qr in ("1", "response") else 0) | section.number("opcode", 0) << 11
    for bit, key in ((0x400, "aa"), (0x200, "tc"), (0x100, "rd"), (0x80, "ra"), (0x20, "ad"), (0x10, "cd")):
        flags |= bit * section.number(key, 0)
    rcode = section.text("rcode", "0")
    flags |= _RCODES[rcode] if rcode in _RCODES else int(rcode, 0)
    numbers = [section.number("id", 0x1035), flags, section.number("qdcount", 1)]
    numbers += [section.number(key, 0) for key in ("ancount", "nscount", "arcount")]
    return b"".join([number.to_bytes(2, "big") for number in numbers])


def _question(section: _Section) -> bytes:
    rrType = typeNumber(section.text("rrtype", "A")) or 0
    rrClass = _CLASSES[section.text("rrclass", "IN")]
    return section.name("name", "example.com") + rrType.to_bytes(2, "big") + rrClass.to_bytes(2, "big")


def _edns(section: _Section) -> bytes:
    head = section.name("name", ".") + b"\x00\x29" + section.number("udpsize", 4096).to_bytes(2, "big")
    flags = section.number("do", 0) << 15
    return head + bytes([section.number("extrcode", 0), section.number("version", 0)]) + flags.to_bytes(2, "big") + b"\x00\x00"


def _name(section: _Section) -> bytes:
    name = section.name("name", "example.com")
    pointer = section.number("pointer", -1)
    return name if pointer < 0 else name[:-1] + (0xC000 | pointer).to_bytes(2, "big")


def _a(section: _Section) -> bytes:
    return ip_address(section.text("address", "192.0.2.1")).packed


def _aaaa(section: _Section) -> bytes:
    return ip_address(section.text("address", "2001:db8::1")).packed


def _ns(section: _Section) -> bytes:
    return section.name("nsname", "ns.example.com")


def _soa(section: _Section) -> bytes:
    numbers = {"serial": 2010012601, "refresh": 3600, "retry": 300, "expire": 3600000, "minimum": 1200}
    times = b"".join([section.number(key, default).to_bytes(4, "big") for key, default in numbers.items()])
    return section.name("mname", "ns.example.com") + section.name("rname", "root.example.com") + times


def _txt(section: _Section) -> bytes:
    strings = [
        section.text(f"string{index}", section.text("string", "Test-String")).encode()
        for index in range(section.number("nstring", 1))
    ]
    return b"".join([bytes([len(string)]) + string for string in strings])


def _tsig(section: _Section) -> bytes:
    text = section.text("algorithm", "hmac-sha256")
    algorithm = ALGORITHMS.get(text) or nameFromText(text)
    size = section.number("mac_size", 16)
    mac = section.octets("mac", b"\xda" * size)
    times = section.number("time_signed", 1286978795).to_bytes(6, "big") + section.number("fudge", 300).to_bytes(2, "big")
    behind = [section.number("original_id", 2845), section.number("error", 0), 0]
    return algorithm + times + size.to_bytes(2, "big") + mac + b"".join([number.to_bytes(2, "big") for number in behind])


_PARTS: Final[dict[str, Callable[[_Section], bytes]]] = {
    "header": _header,
    "question": _question,
    "edns": _edns,
    "name": _name,
}

_RECORDS: Final[dict[str, Callable[[_Section], bytes]]] = {
    "a": _a,
    "aaaa": _aaaa,
    "ns": _ns,
    "soa": _soa,
    "txt": _txt,
    "tsig": _tsig,
}


def fromDescription(text: str) -> bytes:
    """
    Return the octets of a description.
    """
    parser = RawConfigParser(delimiters=(":", "="), comment_prefixes=("#",), strict=False)
    parser.read_string(text)
    listed = parser.get("custom", "sections", fallback="header:question:edns")
    octets = b""
    for name in listed.split(":"):
        if not parser.has_section(name):
            continue
        section = _Section(dict(parser.items(name)))
        kind = name.split("/")[0]
        if kind in _PARTS:
            octets += _PARTS[kind](section)
            continue
        rdata = _RECORDS[kind](section)
        if section.text("as_rr", "") == "True":
            signature = kind == "tsig"
            octets += section.name("rr_name", "example.com") + (typeNumber(kind) or 0).to_bytes(2, "big")
            octets += _CLASSES[section.text("rr_class", "ANY" if signature else "IN")].to_bytes(2, "big")
            octets += section.number("rr_ttl", 0 if signature else 86400).to_bytes(4, "big")
        octets += len(rdata).to_bytes(2, "big") + rdata
    return octets
