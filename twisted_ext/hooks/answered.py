"""
What a hook is told of an answer.
"""

from __future__ import annotations

from typing import NamedTuple

from twisted_ext.answers import Answer, Security
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import AAAA, RRSIG, A, typeName

__all__ = ["Answered", "answeredFrom"]


class Answered(NamedTuple):
    """
    What a client would get.

    @ivar rcode: its rcode, such as 3 if the name does not exist.
    @ivar records: type and data of each record of the answer, aliases and all, as a hook writes them: C{"A 192.0.2.1"}. Without signatures.
    @ivar addresses: the addresses among them.
    @ivar isSecure: whether DNSSEC proves it, as far as this server validates.
    """

    rcode: int
    records: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    isSecure: bool = False


def answeredFrom(answer: Answer) -> Answered:
    records: list[str] = []
    addresses: list[str] = []
    for rrset in answer.answer:
        if rrset.rrType == RRSIG:
            continue
        texts = [rdataToText(rrset.rrType, rdata) for rdata in rrset.rdatas]
        records += [f"{typeName(rrset.rrType)} {text}" for text in texts]
        if rrset.rrType in (A, AAAA):
            addresses += texts
    return Answered(answer.rcode, tuple(records), tuple(addresses), answer.security is Security.SECURE)
