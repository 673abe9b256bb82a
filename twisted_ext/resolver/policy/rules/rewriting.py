"""
What a rule gives clients in place of the truth: C{$dnsrewrite=192.0.2.1}, C{$dnsrewrite=NXDOMAIN} or
C{$dnsrewrite=NOERROR;CNAME;safe.example} in lists of ad blockers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct
from typing import Final

from twisted_ext.errors import BadName, DNSFault
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, CNAME, MX, PTR, SRV, A, typeNumber

__all__ = ["ANYTHING", "Rewrite", "nameIn", "readRewrite", "shownPart"]

_HEAD: Final = Struct(">HH")

#: Rcodes by the words that a rule has for them.
_RCODES: Final = {b"noerror": 0, b"servfail": Rcode.SERVFAIL, b"nxdomain": Rcode.NXDOMAIN, b"refused": Rcode.REFUSED}

#: Types whose records are the same in lower case, which lists are read in.
_TYPES: Final = (A, AAAA, CNAME, MX, PTR, SRV)

_CHARACTERS: Final = re.compile(rb"[a-z0-9_.-]+")

_ADDRESS: Final = re.compile(rb"\d{1,3}(?:\.\d{1,3}){3}")


def nameIn(text: bytes) -> bytes:
    """
    Return a name, lower case with dots between labels.

    @param text: the name, in UTF-8 if it is not in ASCII.

    @raise ValueError: it is not a name.
    """
    try:
        wire = nameFromText(text) if text.isascii() else nameFromText(text.decode("utf-8"))
    except (BadName, UnicodeDecodeError):
        raise ValueError(f"{shownPart(text)} is not a domain name") from None
    name = nameToText(wire.lower()).removesuffix(".").encode("ascii")
    if not name or not _CHARACTERS.fullmatch(name):
        raise ValueError(f"{shownPart(text)} is not a domain name")
    if _ADDRESS.fullmatch(name):
        raise ValueError(f"{shownPart(text)} is an address, not a domain name")
    return name


def shownPart(text: bytes) -> str:
    """
    Return the beginning of a line, or of a part of it, in quotation marks.
    """
    return repr(text[:60].decode("utf-8", "backslashreplace"))


@dataclass(frozen=True, slots=True)
class Rewrite:
    """
    What clients get.

    @ivar rcode: of the reply.
    @ivar rrType: the type of a record, 0 for none.
    @ivar rdata: of the record.
    """

    rcode: int = 0
    rrType: int = 0
    rdata: bytes = b""

    def pack(self) -> bytes:
        """
        Return it as octets.
        """
        return _HEAD.pack(self.rcode, self.rrType) + self.rdata

    @classmethod
    def unpack(cls, data: bytes) -> Rewrite:
        """
        Read what L{pack} has returned.
        """
        rcode, rrType = _HEAD.unpack_from(data)
        return cls(rcode, rrType, data[_HEAD.size :])


#: In an exception: whatever other rules give.
ANYTHING: Final = Rewrite(0xFFFF)


def readRewrite(value: bytes) -> Rewrite:
    """
    Read the value of the modifier.

    @param value: lower case: an address, a name, an rcode, or C{RCODE;TYPE;DATA}.

    @raise ValueError: it is none of these, or not supported.
    """
    if not value:
        return ANYTHING
    if value in _RCODES:
        return Rewrite(_RCODES[value])
    if b";" not in value:
        try:
            address = ip_address(value.decode("ascii", "replace"))
        except ValueError:
            return Rewrite(0, CNAME, nameFromText(nameIn(value).decode("ascii")))
        return Rewrite(0, A if address.version == 4 else AAAA, address.packed)
    rcode, _, rest = value.partition(b";")
    kind, _, data = rest.partition(b";")
    number = typeNumber(kind.decode("ascii", "replace")) if kind else 0
    if rcode not in _RCODES:
        raise ValueError(f"{shownPart(rcode)} is not an rcode that a rule can give; write NOERROR, NXDOMAIN, REFUSED or SERVFAIL")
    if not kind and not data:
        return Rewrite(_RCODES[rcode])
    if rcode != b"noerror":
        raise ValueError(f"a reply with {rcode.decode().upper()} has no records")
    if number not in _TYPES:
        raise ValueError(f"{shownPart(kind)} is not a type of records that a rule can give")
    # Imported for records of these rules only.
    from twisted_ext.wire.rdata.registry import rdataFromText

    try:
        return Rewrite(0, number, rdataFromText(number, data.decode("ascii", "replace")))
    except (DNSFault, ValueError) as error:
        raise ValueError(f"{shownPart(data)} is not a valid {kind.decode().upper()} record: {error}") from None
