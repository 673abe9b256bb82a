"""
The API of L{twisted.names.dns}, with records for all types, messages that are parsed completely or not at all, and protocols that accept
only matching replies.

Names that are Twisted's own classes and constants are the same objects here. C{Record_TLSA} and the like are created when they are first
accessed: see L{twisted_ext.compat.conversion.records}. C{QUERY_TYPES} and C{REV_TYPES} contain the new types as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.names import dns as _names

if TYPE_CHECKING:
    from twisted_ext.compat._dnsnames import *  # noqa: F403
else:
    from twisted.names.dns import *  # noqa: F403
    from twisted.names.dns import domainString, randomSource, readPrecisely, str2time

from twisted_ext.compat.conversion.messages import Message as Message
from twisted_ext.compat.protocols import DNSDatagramProtocol as DNSDatagramProtocol
from twisted_ext.compat.protocols import DNSMixin as DNSMixin
from twisted_ext.compat.protocols import DNSProtocol as DNSProtocol
from twisted_ext.wire.rrtypes import *  # noqa: F403
from twisted_ext.wire.rrtypes import TYPE_NAMES, TYPE_NUMBERS, isMeta, typeNumber

if not TYPE_CHECKING:
    # Type checkers see each name as public that is imported or defined here.
    __all__ = [*_names.__all__, "domainString", "randomSource", "readPrecisely", "str2time", "textOf"]
    __all__ += [name for name in [mnemonic.replace("-", "_") for mnemonic in TYPE_NUMBERS] if name not in __all__]

#: Number to mnemonic: Twisted's types and the new ones.
QUERY_TYPES: Final[dict[int, str]] = {
    **_names.QUERY_TYPES,
    **{number: name for number, name in TYPE_NAMES.items() if not isMeta(number)},
}

#: Mnemonic to number, including C{AXFR} and the like.
REV_TYPES: Final[dict[str, int]] = {
    **_names.REV_TYPES,
    **{name: number for name, number in TYPE_NUMBERS.items() if not isMeta(number)},
}


def textOf(record: object) -> str:
    """
    Return a record's data in master file format: C{10 mail.example.com.}; see L{twisted_ext.compat.conversion.records.textOf}.

    @param record: an L{RRHeader<twisted.names.dns.RRHeader>}, or its payload.

    @raise TypeError: this is not a record.
    @raise ValueError: a field has a value that is invalid for its type.
    """
    from twisted_ext.compat.conversion import records

    return records.textOf(record)


def __getattr__(name: str) -> object:
    """
    Create C{Record_TLSA} and the like, and support numbers of types that were registered later.
    """
    from twisted_ext.compat.conversion.records import recordNamed

    found = recordNamed(name) or (typeNumber(name.replace("_", "-")) if name.isupper() else None)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
