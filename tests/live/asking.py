"""
What live tests have in common: resolvers of running servers, which are closed again, and what their answers say.
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

__all__ = ["HEAD", "addressesOf", "ask", "described", "moment", "questionOf", "resolving", "textsOf", "zoneOf"]

#: What every zone begins with.
HEAD: Final = """\
$TTL 300
@    SOA ns.invalid. mail.invalid. 1 3600 600 86400 60
@    NS  ns.invalid.
"""


def zoneOf(records: Mapping[str, str]) -> str:
    """
    @param records: type and rdata by owner, which is relative to the zone.

    @return: a master file.
    """
    return HEAD + "".join([f"{owner} {record}\n" for owner, record in records.items()])


@asynccontextmanager
async def resolving(*servers: LivePeer | tuple[str, int], timeout: float | Sequence[float] | None = None) -> AsyncIterator[Resolver]:
    """
    @return: a resolver of these servers, without a cache.
    """
    pairs = [each.server if isinstance(each, LivePeer) else each for each in servers]
    resolver = Resolver(servers=pairs, timeout=timeout)
    try:
        yield resolver
    finally:
        await resolver.close()


@asynccontextmanager
async def described(description: str) -> AsyncIterator[NamesResolver]:
    """
    @return: the resolver that a description means.
    """
    resolver = resolverFromString(globalReactor(), description)
    try:
        yield resolver
    finally:
        await resolver.close()


def questionOf(name: str, rrType: str = "A") -> Question:
    """
    @param rrType: its mnemonic.
    """
    number = typeNumber(rrType)
    assert number is not None
    return Question(nameFromText(name), number)


def ask(resolver: NamesResolver, name: str, rrType: str = "A", *, seconds: float | None = None, stream: bool = False) -> Deferred[Answer]:
    """
    Ask as sources of this package ask each other.
    """
    return resolver.ask(questionOf(name, rrType), resolver.contextFor(seconds, stream=stream))


def textsOf(answer: Answer) -> list[str]:
    """
    @return: the texts of all records in the answer section.
    """
    return [rdataToText(rrset.rrType, rdata) for rrset in answer.answer for rdata in rrset.rdatas]


def addressesOf(result: Result) -> list[str]:
    """
    @return: the addresses of IPv4 among the answers.
    """
    return sorted([inet_ntoa(cast(dns.Record_A, header.payload).address or b"") for header in result[0] if header.type == dns.A])


def moment(seconds: float) -> Deferred[None]:
    """
    @return: fires after so many seconds.
    """
    return deferLater(globalReactor(), seconds)
