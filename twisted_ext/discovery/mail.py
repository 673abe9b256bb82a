"""
Find the mail servers of a domain (RFC 5321, section 5.1; RFC 7505).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted_ext.discovery.targets import Target, hostOf
from twisted_ext.discovery.weights import ShufflingSource, inOrder
from twisted_ext.errors import NotOffered, UnusableRecords
from twisted_ext.wire.names import ROOT, nameToText

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.types.names import MX

__all__ = ["SMTP", "targetsOf"]

#: The port of mail servers.
SMTP: Final = 25


def targetsOf(domain: str, records: Iterable[MX], rng: ShufflingSource, most: float | None = None) -> list[Target]:
    """
    Return the mail servers in the order in which to try them, those of equal preference in random order.

    @param domain: the domain as a host, which is the only target if there are no records.

    @raise NotOffered: the domain accepts no mail (RFC 7505).
    @raise UnusableRecords: no record contains a valid host name. The domain itself is not used then (RFC 5321, section 5.1).
    """
    seen = list(records)
    if not seen:
        return [Target(domain, SMTP)]
    usable: list[tuple[int, int, Target]] = []
    wrong = ""
    for record in seen:
        host = hostOf(record.exchange)
        if host is not None:
            usable.append((record.preference, 0, Target(host, SMTP, record.preference)))
        elif record.exchange != ROOT:
            wrong = f"{nameToText(record.exchange)} is not a valid host name"
    if not usable:
        if wrong:
            raise UnusableRecords(wrong)
        raise NotOffered("the domain says that it takes no mail")
    return inOrder(usable, rng, most)
