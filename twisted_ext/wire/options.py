"""
EDNS options as typed values. L{EDNS<twisted_ext.wire.message.EDNS>} keeps every option as a code and octets.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack
from typing import Final

from twisted_ext.errors import BadDescription, BadMessage, CallerFault
from twisted_ext.wire.codes import EDE_NAMES, OPTION_NAMES
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.reader import Reader

__all__ = [
    "AlgorithmsUnderstood",
    "Chain",
    "ClientSubnet",
    "Cookie",
    "Expire",
    "ExtendedError",
    "KeepAlive",
    "KeyTags",
    "NSID",
    "Option",
    "Padding",
    "ReportChannel",
    "UnknownOption",
    "ZoneVersion",
    "optionCode",
    "optionFromText",
    "optionFromWire",
]

#: The only type of ZONEVERSION so far (RFC 9660, section 2).
_SOA_SERIAL: Final = 0


def _dumped(octets: bytes) -> str:
    spaced = octets.hex(" ")
    return f'{spaced} ("{"".join([chr(octet) if 0x20 <= octet <= 0x7E else "." for octet in octets])}")' if octets else ""


def _uncompressed(octets: bytes, what: str) -> bytes:
    # The name comes first, so no pointer in it can point backward.
    name, behind = Reader(octets).name(0)
    if behind != len(octets):
        raise BadMessage(f"octets after the name of {what}")
    return name


#: The classes of options by their codes.
_classes: Final[dict[int, Callable[[bytes], Option]]] = {}


class Option:
    """
    Base class of options; options are equal if code and octets are equal.

    @cvar code: the option code assigned by IANA.

    @ivar octets: the option data.
    """

    code: int = -1

    def __init_subclass__(cls) -> None:
        if "code" in vars(cls):
            _classes[cls.code] = cls

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.parse(octets)

    def parse(self, octets: bytes) -> None:
        """
        @raise BadMessage: the data is not valid for this option.
        """

    def toWire(self) -> tuple[int, bytes]:
        return self.code, self.octets

    def toText(self) -> str:
        """
        Format the option on one line, similar to C{dig}.
        """
        value = self.valueToText()
        return f"{self.title}: {value}" if value else self.title

    @property
    def title(self) -> str:
        return OPTION_NAMES.get(self.code) or f"OPT={self.code}"

    def valueToText(self) -> str:
        return _dumped(self.octets)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Option):
            return NotImplemented
        return self.code == other.code and self.octets == other.octets

    def __hash__(self) -> int:
        return hash((self.code, self.octets))

    def __repr__(self) -> str:
        return f"<Option {self.toText()}>"


class UnknownOption(Option):
    """
    An option of unknown format, preserved as it is.
    """

    def __init__(self, code: int, octets: bytes) -> None:
        self.code = code
        super().__init__(octets)


class NSID(Option):
    """
    The name server identifier (RFC 5001); empty in a query.
    """

    code = 3


class AlgorithmsUnderstood(Option):
    """
    Algorithms supported by a validator (RFC 6975).

    @ivar algorithms: their numbers.
    """

    def __init__(self, code: int, octets: bytes) -> None:
        """
        @param code: 5 for signature algorithms (DAU), 6 for DS digests (DHU), 7 for NSEC3 hashes (N3U).
        """
        self.code = code
        super().__init__(octets)

    def parse(self, octets: bytes) -> None:
        self.algorithms = tuple(octets)

    def valueToText(self) -> str:
        return " ".join([str(number) for number in self.algorithms])


class ClientSubnet(Option):
    """
    The EDNS Client Subnet option: the client's network (RFC 7871).

    @ivar family: 1 for IPv4, 2 for IPv6; 0 if no address is given.
    @ivar source: the source prefix length in bits.
    @ivar scope: in a reply, the scope prefix length in bits; 0 in a query.
    @ivar address: the first C{source} bits of the address, in as few octets as possible.
    """

    code = 8

    def parse(self, octets: bytes) -> None:
        if len(octets) < 4:
            raise BadMessage("a client subnet that is cut off")
        self.family = octets[0] << 8 | octets[1]
        self.source, self.scope = octets[2], octets[3]
        self.address = octets[4:]
        most = {0: 0, 1: 32, 2: 128}.get(self.family)
        if most is None:
            raise BadMessage(f"a client subnet of address family {self.family}; only 1 and 2 are defined")
        if self.source > most or self.scope > most:
            raise BadMessage(f"a client subnet of {max(self.source, self.scope)} bits; its family has {most}")
        if len(self.address) != (self.source + 7) // 8:
            raise BadMessage(f"a client subnet of {self.source} bits in {len(self.address)} octets")
        if self.source % 8 and self.address[-1] & 0xFF >> self.source % 8:
            raise BadMessage(f"a client subnet with bits set beyond its {self.source}")

    @classmethod
    def of(cls, address: str, source: int | None = None, scope: int = 0) -> ClientSubnet:
        """
        @param address: as text; bits beyond C{source} are dropped.
        @param source: the prefix length; L{None} for the whole address.

        @raise BadDescription: the address or a length is not valid.
        """
        from ipaddress import ip_interface

        try:
            network = ip_interface(address if source is None else f"{address}/{source}").network
        except ValueError as error:
            raise BadDescription(f"client subnet: {error}; write 192.0.2.0/24 or 2001:db8::/56") from None
        family = 1 if network.version == 4 else 2
        length = network.prefixlen
        octets = network.network_address.packed[: (length + 7) // 8]
        if not 0 <= scope <= network.max_prefixlen:
            raise BadDescription(f"client subnet: a scope of {scope} bits; at most {network.max_prefixlen} are allowed")
        return cls(bytes([0, family, length, scope]) + octets)

    def valueToText(self) -> str:
        from ipaddress import IPv4Address, IPv6Address

        if self.family == 2:
            shown = str(IPv6Address(self.address.ljust(16, b"\x00")))
        else:
            shown = str(IPv4Address(self.address.ljust(4, b"\x00")))
        return f"{shown}/{self.source}/{self.scope}"


class Expire(Option):
    """
    The seconds until a secondary zone expires (RFC 7314).

    @ivar seconds: L{None} in a query.
    """

    code = 9

    def parse(self, octets: bytes) -> None:
        if len(octets) not in (0, 4):
            raise BadMessage(f"EXPIRE of {len(octets)} octets; 0 or 4 are allowed")
        self.seconds = int.from_bytes(octets, "big") if octets else None

    def valueToText(self) -> str:
        return "" if self.seconds is None else str(self.seconds)


class Cookie(Option):
    """
    A DNS cookie, which shows that a peer's address is not spoofed (RFC 7873; RFC 9018).

    @ivar client: eight octets.
    @ivar server: eight to thirty-two octets, or empty.
    """

    code = 10

    def parse(self, octets: bytes) -> None:
        if len(octets) != 8 and not 16 <= len(octets) <= 40:
            raise BadMessage(f"a cookie of {len(octets)} octets; 8 and 16 to 40 are allowed")
        self.client, self.server = octets[:8], octets[8:]

    @property
    def timestamp(self) -> int | None:
        """
        When the server made it, in seconds since 1970 modulo 2**32, if it has the interoperable format (RFC 9018, section 4).
        """
        server = self.server
        return int.from_bytes(server[4:8], "big") if len(server) == 16 and server[0] == 1 else None

    def valueToText(self) -> str:
        return self.octets.hex()


class KeepAlive(Option):
    """
    The time for which a connection may be idle (RFC 7828).

    @ivar seconds: a multiple of 0.1; L{None} in a query.
    """

    code = 11

    def parse(self, octets: bytes) -> None:
        if len(octets) not in (0, 2):
            raise BadMessage(f"a keep-alive of {len(octets)} octets; 0 or 2 are allowed")
        self.seconds = int.from_bytes(octets, "big") / 10 if octets else None

    @classmethod
    def of(cls, seconds: float) -> KeepAlive:
        """
        @param seconds: 0 to 6553.5; values outside this range are clamped.
        """
        return cls(min(max(round(seconds * 10), 0), 0xFFFF).to_bytes(2, "big"))

    def valueToText(self) -> str:
        return "" if self.seconds is None else f"{self.seconds:.1f} secs"


class Padding(Option):
    """
    Padding that hides the length of a message (RFC 7830).
    """

    code = 12

    def valueToText(self) -> str:
        return f"{len(self.octets)} octets"


class Chain(Option):
    """
    Requests all records for validation from a name downward (RFC 7901).

    @ivar name: the closest trusted name.
    """

    code = 13

    def parse(self, octets: bytes) -> None:
        self.name = _uncompressed(octets, "CHAIN")

    def valueToText(self) -> str:
        return nameToText(self.name)


class KeyTags(Option):
    """
    The edns-key-tag option: the trust anchors of the querying resolver (RFC 8145, section 4).

    @ivar tags: the key tags of these trust anchors.
    """

    code = 14

    def parse(self, octets: bytes) -> None:
        if not octets or len(octets) % 2:
            raise BadMessage(f"key tags in {len(octets)} octets; each takes two, and there is one at least")
        self.tags: tuple[int, ...] = unpack(f">{len(octets) // 2}H", octets)

    def valueToText(self) -> str:
        return " ".join([str(tag) for tag in self.tags])


class ExtendedError(Option):
    """
    An Extended DNS Error: the reason for a reply (RFC 8914).

    @ivar infoCode: see L{EDE_NAMES}.
    @ivar extraText: for humans only, not to be parsed; invalid UTF-8 is replaced.
    """

    code = 15

    def parse(self, octets: bytes) -> None:
        if len(octets) < 2:
            raise BadMessage("an extended error that is cut off")
        self.infoCode = octets[0] << 8 | octets[1]
        # A final zero octet is allowed (RFC 8914, section 2).
        self.extraText = octets[2:].decode("utf-8", "replace").rstrip("\x00")

    @classmethod
    def of(cls, infoCode: int, extraText: str = "") -> ExtendedError:
        """
        @param infoCode: 16 bits.
        """
        return cls(infoCode.to_bytes(2, "big") + extraText.encode("utf-8", "replace"))

    def valueToText(self) -> str:
        name = EDE_NAMES.get(self.infoCode)
        text = str(self.infoCode) + (f" ({name})" if name else "")
        return f"{text}: ({printable(self.extraText)})" if self.extraText else text


class ReportChannel(Option):
    """
    The domain to report errors of a zone to (RFC 9567).

    @ivar agent: the domain of the reporting agent.
    """

    code = 18

    def parse(self, octets: bytes) -> None:
        self.agent = _uncompressed(octets, "Report-Channel")

    def valueToText(self) -> str:
        return nameToText(self.agent)


class ZoneVersion(Option):
    """
    The version of the zone that an answer is from (RFC 9660).

    @ivar labels: the number of labels of the zone's name; L{None} in a query.
    @ivar kind: the type of version; 0 for the SOA serial number.
    @ivar version: the version, in the format of its type.
    """

    code = 19

    def parse(self, octets: bytes) -> None:
        self.labels: int | None = None
        self.kind: int | None = None
        self.version = octets[2:]
        if not octets:
            return
        if len(octets) < 2:
            raise BadMessage("a zone version that is cut off")
        self.labels, self.kind = octets[0], octets[1]
        if self.kind == _SOA_SERIAL and len(self.version) != 4:
            raise BadMessage(f"a zone version of a serial in {len(self.version)} octets; it takes 4")

    @classmethod
    def of(cls, zone: bytes, serial: int) -> ZoneVersion:
        """
        @param zone: the zone's name, whose labels are counted.
        """
        from twisted_ext.wire.names import labelCount

        return cls(bytes([labelCount(zone), _SOA_SERIAL]) + serial.to_bytes(4, "big"))

    @property
    def serial(self) -> int | None:
        """
        The serial number, if the version is of this type.
        """
        return int.from_bytes(self.version, "big") if self.kind == _SOA_SERIAL else None

    def valueToText(self) -> str:
        if self.labels is None:
            return ""
        if self.serial is not None:
            return f"SOA-SERIAL: {self.serial} (zone of {self.labels} labels)"
        return f"type {self.kind}: {self.version.hex()} (zone of {self.labels} labels)"


def optionFromWire(code: int, octets: bytes) -> Option:
    """
    Convert an option to a typed value, L{UnknownOption} for unknown codes.

    @raise BadMessage: the octets are not valid for the option.
    """
    kind = _classes.get(code)
    if kind is not None:
        return kind(octets)
    return AlgorithmsUnderstood(code, octets) if 5 <= code <= 7 else UnknownOption(code, octets)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BadDescription(f"{text[:80]!r} is not hexadecimal, two digits for each octet") from None


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > most:
        raise BadDescription(f"{text[:80]!r} is not a number from 0 to {most}")
    return int(text)


#: The code of each option, and a function that encodes the text after the equals sign.
_WORDS: Final[dict[str, tuple[int, Callable[[str], bytes]]]] = {
    "nsid": (3, _hex),
    "subnet": (8, lambda text: ClientSubnet.of("0.0.0.0/0" if text == "0" else text).octets),
    "expire": (9, _hex),
    "cookie": (10, _hex),
    "keepalive": (11, lambda text: KeepAlive.of(_number(text, 6553)).octets if text else b""),
    "padding": (12, lambda text: bytes(_number(text, 0xFFFF))),
    "chain": (13, nameFromText),
    "key-tag": (14, lambda text: b"".join([_number(tag, 0xFFFF).to_bytes(2, "big") for tag in text.split(",")])),
    "zoneversion": (19, _hex),
}


def optionCode(word: str) -> int:
    """
    @param word: the name of an option as L{optionFromText} takes it, without a value.

    @raise BadDescription: there is no such option.
    """
    known = _WORDS.get(word.strip().lower())
    if known is None:
        raise BadDescription(f"{word[:80]!r} is none of {', '.join(_WORDS)}; others are written as number:hexadecimal")
    return known[0]


def optionFromText(text: str) -> Option:
    """
    Parse an option: C{nsid}, C{subnet=192.0.2.0/24}, C{cookie=0011223344556677}, C{padding=128}, C{expire}, C{keepalive},
    C{chain=example.com}, C{key-tag=20326,38696}, C{zoneversion}, and others as C{65001} or C{65001:c0ffee}, number and hexadecimal.

    @raise BadDescription: the text is none of these.
    """
    number, _, digits = text.partition(":")
    try:
        if number.isascii() and number.isdigit():
            return optionFromWire(_number(number, 0xFFFF), _hex(digits))
        word, _, value = text.partition("=")
        code = optionCode(word)
        return optionFromWire(code, _WORDS[word.strip().lower()][1](value.strip()))
    except (CallerFault, BadMessage) as error:
        raise BadDescription(f"EDNS option {text[:80]!r}: {error}") from error
