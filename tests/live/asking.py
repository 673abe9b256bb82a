"""
Resolvers of running servers for live tests, which are closed again, and helpers that read their answers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from socket import inet_ntoa
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.names import dns

from tests.peers import LivePeer
from twisted_ext.answers import Answer
from twisted_ext.client import NamesResolver, Resolver, Result, resolverFromString
from twisted_ext.compat.install import globalReactor
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import typeNumber

__all__ = ["HEAD", "addressesOf", "ask", "resolverFrom", "moment", "questionOf", "resolving", "textsOf", "zoneOf"]

#: The first records of every zone.
HEAD: Final = """\
$TTL 300
@    SOA ns.invalid. mail.invalid. 1 3600 600 86400 60
@    NS  ns.invalid.
"""


def zoneOf(records: Mapping[str, str]) -> str:
    """
    Return a master file.

    @param records: type and rdata by owner, which is relative to the zone.
    """
    return HEAD + "".join([f"{owner} {record}\n" for owner, record in records.items()])


@asynccontextmanager
async def resolving(*servers: LivePeer | tuple[str, int], timeout: float | Sequence[float] | None = None) -> AsyncIterator[Resolver]:
    """
    Return a resolver of these servers, without a cache. It is closed afterwards.
    """
    pairs = [each.server if isinstance(each, LivePeer) else each for each in servers]
    resolver = Resolver(servers=pairs, timeout=timeout)
    try:
        yield resolver
    finally:
        await resolver.close()


@asynccontextmanager
async def resolverFrom(description: str) -> AsyncIterator[NamesResolver]:
    """
    Return the resolver of a description. It is closed afterwards.
    """
    resolver = resolverFromString(globalReactor(), description)
    try:
        yield resolver
    finally:
        await resolver.close()


def questionOf(name: str, rrType: str = "A") -> Question:
    """
    Return the question for a name.

    @param rrType: the mnemonic of the type.
    """
    number = typeNumber(rrType)
    assert number is not None
    return Question(nameFromText(name), number)


def ask(resolver: NamesResolver, name: str, rrType: str = "A", *, seconds: float | None = None, stream: bool = False) -> Deferred[Answer]:
    """
    Ask with the question and context that sources of this package pass to each other.
    """
    return resolver.lookUp(questionOf(name, rrType), resolver.contextFor(seconds, stream=stream))


def textsOf(answer: Answer) -> list[str]:
    """
    Return the texts of all records in the answer section.
    """
    return [rdataToText(rrset.rrType, rdata) for rrset in answer.answer for rdata in rrset.rdatas]


def addressesOf(result: Result) -> list[str]:
    """
    Return the IPv4 addresses among the answers, in order.
    """
    return sorted([inet_ntoa(cast(dns.Record_A, header.payload).address or b"") for header in result[0] if header.type == dns.A])


def moment(seconds: float) -> Deferred[None]:
    """
    Return a Deferred that fires after so many seconds.
    """
    return deferLater(globalReactor(), seconds)
