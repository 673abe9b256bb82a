"""
Record types that hold keys together with hosts, or refer to objects stored elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from twisted_ext.errors import BadMessage
from twisted_ext.wire.escapes import fromBase64, fromHex, ipv4FromText, ipv4ToText, ipv6FromText, ipv6ToText
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import (
    Name,
    Number,
    Text,
    base64Octets,
    hexOctets,
    nameFromToken,
    plainName,
    takeOctets,
)
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["AMTRELAY", "DOA", "HIP", "IPSECKEY"]


class Gateway(Field["str | bytes"]):
    """
    A gateway whose type is given by an earlier field: none, an IPv4 or IPv6 address, or a name. Its value is the empty string, the address,
    or the name in wire form.
    """

    def __init__(self, kind: Callable[[Sequence[object]], int]) -> None:
        """
        @param kind: returns the gateway type, 0 to 3, given the values of the earlier fields.
        """
        self.kind = kind

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[str | bytes, int]:
        kind = self.kind(before)
        if kind == 0:
            return "", position
        if kind == 1:
            return ipv4ToText(takeOctets(data, position, 4)), position + 4
        if kind == 2:
            return ipv6ToText(takeOctets(data, position, 16)), position + 16
        if kind == 3:
            return plainName(data, position)
        raise BadMessage(f"gateway type {kind}; 0 to 3 are defined")

    def write(self, value: str | bytes, before: Sequence[object]) -> bytes:
        kind = self.kind(before)
        try:
            if kind == 0 and not value:
                return b""
            if kind == 1 and isinstance(value, str):
                return ipv4FromText(value)
            if kind == 2 and isinstance(value, str):
                return ipv6FromText(value)
            if kind == 3 and isinstance(value, bytes):
                return value
        except ValueError:
            pass
        raise badRecord(f"{self.expected()} is {value!r}, which type {kind} does not go with")

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> str | bytes:
        kind = self.kind(before)
        expected = {0: "a single dot", 1: "an IPv4 address", 2: "an IPv6 address"}.get(kind, "a name")
        text = tokens.take(expected)
        try:
            if kind == 0 and text != ".":
                raise ValueError(text)
            if kind == 1:
                ipv4FromText(text)
            elif kind == 2:
                ipv6FromText(text)
        except ValueError:
            raise tokens.bad(text, expected) from None
        return "" if kind == 0 else text if kind < 3 else nameFromToken(tokens, text)

    def toText(self, value: str | bytes, before: Sequence[object]) -> str:
        return (value or ".") if isinstance(value, str) else nameToText(value)


class IPSECKEY(Rdata):
    """
    The key and the gateway to reach a host by IPsec (RFC 4025).
    """

    precedence = Number(1)
    gatewayType = Number(1)
    algorithm = Number(1)
    gateway = Gateway(lambda before: cast(int, before[1]))
    key = base64Octets(absent=True)

    @classmethod
    def flaw(cls, values: Sequence[object]) -> str:
        return "algorithm 0 means that there is no key, and there is one" if values[4] and not values[2] else ""


class _Discovery(Number):
    """
    The discovery bit, followed by the relay's type in seven bits.
    """

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> int:
        bit = tokens.take("the discovery bit, 0 or 1,")
        if bit not in ("0", "1"):
            raise tokens.bad(bit, "the discovery bit, 0 or 1,")
        number = super().fromText(tokens, before)
        if number > 127:
            raise tokens.bad(str(number), "the relay's type, 0 to 3,")
        return int(bit) << 7 | number

    def toText(self, value: int, before: Sequence[object]) -> str:
        return f"{value >> 7} {value & 0x7F}"


class AMTRELAY(Rdata):
    """
    A relay for multicast (RFC 8777).
    """

    precedence = Number(1)
    relayType = _Discovery(1)
    relay = Gateway(lambda before: cast(int, before[1]) & 0x7F)

    @property
    def discoveryOptional(self) -> bool:
        """
        Whether the relay may be used without discovery (RFC 8777, section 4.2.2).
        """
        return self.relayType > 127


class _Servers(Field[tuple[bytes, ...]]):
    def __init__(self) -> None:
        self.one = Name()

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[tuple[bytes, ...], int]:
        names: list[bytes] = []
        while position < len(data):
            name, position = plainName(data, position)
            names.append(name)
        return tuple(names), position

    def write(self, value: tuple[bytes, ...], before: Sequence[object]) -> bytes:
        return b"".join([self.one.write(name, before) for name in value])

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> tuple[bytes, ...]:
        names: list[bytes] = []
        while tokens.more():
            names.append(nameFromToken(tokens, tokens.take("a name")))
        return tuple(names)

    def toText(self, value: tuple[bytes, ...], before: Sequence[object]) -> str:
        return " ".join([nameToText(name) for name in value])


class HIP(Rdata):
    """
    A host's identity and its rendezvous servers (RFC 8005). On the wire the length of the tag, the algorithm and the length of the key
    precede the tag and the key.
    """

    algorithm = Number(1)
    tag = hexOctets(least=1)
    key = base64Octets(least=1)
    servers = _Servers()

    @classmethod
    def parse(cls, data: bytes) -> list[object]:
        count, algorithm, high, low = takeOctets(data, 0, 4)
        if not count or not high | low:
            raise BadMessage("the tag or the key is empty")
        tag = takeOctets(data, 4, count)
        key = takeOctets(data, 4 + count, high << 8 | low)
        servers, _ = cls.servers.read(data, 4 + count + len(key), ())
        return [algorithm, tag, key, servers]

    @classmethod
    def build(cls, values: Sequence[object]) -> bytes:
        written = [field.write(value, values) for field, value in zip(cls.fields, values, strict=True)]
        if len(written[1]) > 255 or len(written[2]) > 0xFFFF:
            raise badRecord("a tag of more than 255 octets, or a key of more than 65535")
        return bytes([len(written[1])]) + written[0] + len(written[2]).to_bytes(2, "big") + b"".join(written[1:])

    @classmethod
    def readWords(cls, tokens: Tokens) -> list[object]:
        algorithm = cls.algorithm.fromText(tokens, ())
        parts: list[bytes] = []
        for what, decode in (("the tag in hex", fromHex), ("the key in base 64, as one word,", fromBase64)):
            parts.append(tokens.parsed(what, decode))
        return [algorithm, *parts, cls.servers.fromText(tokens, ())]


class DOA(Rdata):
    """
    An object, or its location (draft-durand-doa-over-dns).
    """

    enterprise = Number(4)
    type = Number(4)
    location = Number(1)
    mediaType = Text()
    data = base64Octets(absent=True)

    @classmethod
    def words(cls, values: Sequence[object]) -> str | None:
        text = super().words(values)
        return text if values[4] or text is None else f"{text} -"

    @classmethod
    def readWords(cls, tokens: Tokens) -> list[object]:
        values: list[object] = [field.fromText(tokens, ()) for field in cls.fields[:4]]
        if tokens.peek() == "-":
            tokens.take("")
            return [*values, b""]
        return [*values, cls.fields[4].fromText(tokens, values)]
