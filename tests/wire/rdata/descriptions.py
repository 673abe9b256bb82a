"""
Rdata descriptions of BIND 10's tests, turned into the octets that its generator makes of them.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from configparser import RawConfigParser
from typing import Final

__all__ = ["octetsOf"]


class _Values:
    """
    The values of one section, with defaults.
    """

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def text(self, key: str, default: str = "") -> str:
        return self._values.get(key, default).strip("'").strip('"')

    def number(self, key: str, default: int) -> int:
        value = self._values.get(key, "")
        return int(value, 0) if value else default

    def name(self, key: str, default: str) -> bytes:
        """
        Return a name. A label C{ptr=12} is a pointer and ends the name. Labels may be too long, and then so is their length octet.
        """
        octets = b""
        for label in (self.text(key, default) + ".").split("."):
            if label.startswith("ptr="):
                return octets + (0xC000 | int(label[4:])).to_bytes(2, "big")
            octets += bytes([len(label)]) + label.encode()
            if not label:
                break
        return octets

    def digits(self, key: str, default: str) -> bytes:
        return bytes.fromhex(self.text(key, default))

    def dummy(self, key: str, count: int) -> bytes:
        """
        Return a number of that many octets, or text, or the letter x that many times.
        """
        text = self.text(key)
        if text.startswith("0x"):
            return int(text, 16).to_bytes(count, "big")
        return text.encode() or b"x" * count


def _short(number: int) -> bytes:
    return number.to_bytes(2, "big")


def _long(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _caa(values: _Values) -> bytes:
    tag = values.text("tag", "issue").encode()
    return bytes([values.number("flags", 0), len(tag)]) + tag + values.text("value", "ca.example.net").encode()


def _types(values: _Values) -> bytes:
    octets = b""
    for index in range(values.number("nbitmap", 1)):
        bits = values.digits(f"bitmap{index}", values.text("bitmap", "040000000003"))
        block = values.number(f"block{index}", values.number("block", 0))
        count = values.number(f"maplen{index}", values.number("maplen", len(bits)))
        octets += bytes([block, count]) + bits
    return octets


def _nsec(values: _Values) -> bytes:
    return values.name("nextname", "next.example.com") + _types(values)


def _nsec3param(values: _Values) -> bytes:
    flags = values.number("mbz", 0) << 1 | (values.text("optout") == "True")
    head = bytes([values.number("hashalg", 1), flags]) + _short(values.number("iterations", 1))
    return head + bytes([values.number("saltlen", 5)]) + values.text("salt", "sssss").encode()


def _nsec3(values: _Values) -> bytes:
    hashed = values.text("hash", "h" * 20).encode()
    return _nsec3param(values) + bytes([values.number("hashlen", 20)]) + hashed + _types(values)


def _tlsa(values: _Values) -> bytes:
    keys = {"certificate_usage": 0, "selector": 0, "matching_type": 1}
    head = bytes([values.number(key, default) for key, default in keys.items()])
    digest = "d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971"
    return head + values.digits("certificate_association_data", digest)


def _sshfp(values: _Values) -> bytes:
    head = bytes([values.number("algorithm", 2), values.number("fingerprint_type", 1)])
    return head + values.digits("fingerprint", "123456789abcdef67890123456789abcdef67890")


def _minfo(values: _Values) -> bytes:
    return values.name("rmailbox", "rmailbox.example.com") + values.name("emailbox", "emailbox.example.com")


def _afsdb(values: _Values) -> bytes:
    return _short(values.number("subtype", 1)) + values.name("server", "afsdb.example.com")


def _rp(values: _Values) -> bytes:
    return values.name("mailbox", "root.example.com") + values.name("text", "rp-text.example.com")


def _txt(values: _Values) -> bytes:
    octets = b""
    for index in range(values.number("nstring", 1)):
        string = values.text(f"string{index}", values.text("string", "Test-String")).encode()
        octets += bytes([values.number("stringlen", len(string))]) + string
    return octets


def _rrsig(values: _Values) -> bytes:
    head = b"\x00\x01\x05" + bytes([values.number("labels", 2)]) + _long(3600)
    times = _long(1264939200) + _long(1262347200)
    return head + times + _short(0x1035) + values.name("signer", "example.com") + bytes.fromhex("123456789abcdef123456789abcdef")


def _dnskey(values: _Values) -> bytes:
    return _short(257) + b"\x03\x05" + b64decode(values.text("digest", "AAECAwQFBgcICQoLDA0ODw=="))


def _soa(values: _Values) -> bytes:
    names = values.name("mname", "ns.example.com") + values.name("rname", "root.example.com")
    return names + b"".join([_long(number) for number in (2010012601, 3600, 300, 3600000, 1200)])


def _tsig(values: _Values) -> bytes:
    text = values.text("algorithm", "hmac-sha256")
    algorithm = values.name("", "hmac-md5.sig-alg.reg.int") if text == "hmac-md5" else values.name("algorithm", text)
    size = values.number("mac_size", 32)
    time = values.number("time_signed", 1286978795)
    error = values.number("error", 0)
    other = values.number("other_len", 6 if error == 18 else 0)
    data = b"" if error != 18 else (time + 301).to_bytes(6, "big")
    if values.text("other_data"):
        data = values.dummy("other_data", other)
    head = algorithm + time.to_bytes(6, "big") + _short(300) + _short(size) + values.dummy("mac", size)
    return head + _short(values.number("original_id", 2845)) + _short(error) + _short(other) + data


_RDATA: Final[dict[str, Callable[[_Values], bytes]]] = {
    "caa": _caa,
    "nsec": _nsec,
    "nsec3": _nsec3,
    "nsec3param": _nsec3param,
    "tlsa": _tlsa,
    "sshfp": _sshfp,
    "minfo": _minfo,
    "afsdb": _afsdb,
    "rp": _rp,
    "txt": _txt,
    "rrsig": _rrsig,
    "dnskey": _dnskey,
    "soa": _soa,
    "tsig": _tsig,
}


def octetsOf(text: str) -> tuple[bytes, int]:
    """
    Return the octets of a description, and where the last rdata in them begins: with its length, unless that is left out.

    @param text: a description.
    """
    parser = RawConfigParser(delimiters=(":", "="), comment_prefixes=("#",), strict=False)
    parser.read_string(text)
    octets, start = b"", 0
    for name in parser.get("custom", "sections").split(":"):
        values = _Values(dict(parser.items(name)))
        kind = name.split("/")[0]
        if kind == "name":
            pointer = values.number("pointer", -1)
            text = values.text("name", "example.com").rstrip(".")
            suffix = f".ptr={pointer}" if pointer >= 0 else ""
            octets += _Values({"name": text + suffix}).name("name", "")
            continue
        rdata = _RDATA[kind](values)
        length = values.number("rdlen", len(rdata))
        start = len(octets)
        octets += (_short(length) if length >= 0 else b"") + rdata
    return octets, start
