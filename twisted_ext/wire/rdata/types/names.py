"""
Record types that point to other names.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, nameFromToken
from twisted_ext.wire.tokens import Tokens

__all__ = [
    "AFSDB",
    "ALIAS",
    "CNAME",
    "DNAME",
    "KX",
    "LP",
    "MB",
    "MD",
    "MF",
    "MG",
    "MINFO",
    "MR",
    "MX",
    "NS",
    "NSAP_PTR",
    "PTR",
    "PX",
    "RP",
    "RT",
    "TALINK",
]


class _Pointer(Rdata):
    target = Name(expanded=True, folded=True)


class NS(_Pointer):
    """
    An authoritative name server of the zone (RFC 1035, section 3.3.11).
    """


class MD(_Pointer):
    """
    The host that mail is delivered to; obsoleted by MX (RFC 1035, section 3.3.4).
    """


class MF(_Pointer):
    """
    The host that mail is forwarded to; obsoleted by MX (RFC 1035, section 3.3.5).
    """


class CNAME(_Pointer):
    """
    The canonical name of an alias (RFC 1035, section 3.3.1).
    """


class MB(_Pointer):
    """
    The host of a mailbox (RFC 1035, section 3.3.3).
    """


class MG(_Pointer):
    """
    A member of a mail group (RFC 1035, section 3.3.6).
    """


class MR(_Pointer):
    """
    The new name of a mailbox (RFC 1035, section 3.3.8).
    """


class PTR(_Pointer):
    """
    A pointer to another name (RFC 1035, section 3.3.12).
    """


class MINFO(Rdata):
    """
    The mailbox responsible for a mailing list (RFC 1035, section 3.3.7).
    """

    responsible = Name(expanded=True, folded=True)
    errors = Name(expanded=True, folded=True)


class MX(Rdata):
    """
    A mail server of the domain (RFC 1035, section 3.3.9); the root as exchange means that the domain accepts no mail (RFC 7505).
    """

    preference = Number()
    exchange = Name(expanded=True, folded=True)


class RP(Rdata):
    """
    The responsible person: a mailbox, and a name with TXT records (RFC 1183, section 2.2).
    """

    mailbox = Name(expanded=True, folded=True)
    text = Name(expanded=True, folded=True)


class AFSDB(Rdata):
    """
    A server of an AFS or DCE cell (RFC 1183, section 1; RFC 5864).
    """

    subtype = Number()
    host = Name(expanded=True, folded=True)


class RT(Rdata):
    """
    An intermediate host for one without a direct connection (RFC 1183, section 3.3).
    """

    preference = Number()
    host = Name(expanded=True, folded=True)


class NSAP_PTR(Rdata):
    """
    The name of a network service access point (RFC 1348; RFC 1706).
    """

    target = Name()


class PX(Rdata):
    """
    A mapping between mail addresses of RFC 822 and X.400 (RFC 2163, section 4).
    """

    preference = Number()
    map822 = Name(expanded=True, folded=True)
    mapX400 = Name(expanded=True, folded=True)


class KX(Rdata):
    """
    A host that exchanges keys on behalf of this one (RFC 2230).
    """

    preference = Number()
    exchanger = Name(folded=True)


class DNAME(_Pointer):
    """
    A redirection of all names below this one (RFC 6672). The target must not be compressed when sent; older servers may have done so.
    """


class TALINK(Rdata):
    """
    The neighbors in a list of trust anchors' histories (draft-wijngaards-dnsop-trust-history).
    """

    previous = Name()
    next = Name()


class LP(Rdata):
    """
    A name that has L32 or L64 records (RFC 6742, section 2.4).
    """

    preference = Number()
    target = Name()


class _PrivateName(Field[bytes]):
    """
    A name in the text of a type for private use, whose number may mean something else to other senders: any octets are accepted on the
    wire.
    """

    def read(self, data: bytes, position: int, before: Sequence[object]) -> tuple[bytes, int]:
        return data[position:], len(data)

    def write(self, value: bytes, before: Sequence[object]) -> bytes:
        return value

    def fromText(self, tokens: Tokens, before: Sequence[object]) -> bytes:
        return nameFromToken(tokens, tokens.take(f"{self.expected()}, a name,"))

    def toText(self, value: bytes, before: Sequence[object]) -> str | None:
        return None


class ALIAS(Rdata):
    """
    A name whose addresses are also those of the owner. It is not specified in an RFC; PowerDNS uses it with this number, which is one for
    private use (RFC 6895, section 3.1). So it is written as an unknown type (RFC 3597).
    """

    target = _PrivateName()
