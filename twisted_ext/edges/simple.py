"""
From a name to its addresses.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Final, cast

from twisted.internet.base import ReactorBase
from twisted.internet.defer import Deferred

from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.edges.codes import NoAddressError, errorFromAnswer, errorFromFault
from twisted_ext.errors import DNSFault
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AAAA, CNAME, SOA, A

__all__ = ["REACTORS_TIMEOUT", "Ask", "addressesOf", "follow", "hostByName", "literalOf"]

#: A way to ask, such as L{NamesResolver.ask<twisted_ext.edges.names.NamesResolver.ask>}.
Ask = Callable[[Question, QueryContext], "Deferred[Answer]"]

#: What C{reactor.resolve} passes on if nobody gave it a timeout: this very object, which no other caller has.
REACTORS_TIMEOUT: Final[object] = cast("tuple[object, ...]", ReactorBase.resolve.__defaults__ or (object(),))[0]

_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}


def literalOf(name: object) -> str | None:
    """
    @return: the name, if it is an IPv4 address, or an IPv6 address with or without a scope; L{None} if it is something to look up.
    """
    if not isinstance(name, str | bytes):
        return None
    try:
        text = name if isinstance(name, str) else name.decode("ascii")
        if ":" in text:
            socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
        elif text[-1:].isdigit():
            socket.inet_pton(socket.AF_INET, text)
        else:
            return None
    except (OSError, ValueError):
        return None
    return text


def follow(question: Question, answer: Answer) -> tuple[list[str], bytes | None]:
    """
    @return: the addresses in an answer, and where its aliases end that lead out of it, if they do.
    """
    rrType = question.rrType
    targets: dict[bytes, bytes] = {}
    found: dict[bytes, list[str]] = {}
    for rrset in answer.answer:
        owner = rrset.name.lower()
        if rrset.rrType == rrType:
            family = _FAMILIES[rrType]
            found[owner] = [socket.inet_ntop(family, rdata) for rdata in rrset.rdatas]
        elif rrset.rrType == CNAME:
            targets.setdefault(owner, rrset.rdatas[0])
    if not found and not targets:
        return [], None
    name = question.name.lower()
    if name not in found and name not in targets:
        # A search list put something behind the name.
        name = answer.answer[0].name.lower()
    left = None
    # Each alias is taken out, so that a loop ends.
    while name not in found:
        left = targets.pop(name, None)
        if left is None:
            # A server that followed the aliases itself proves that there is nothing at their end.
            ended = name == question.name.lower() or any(rrset.rrType == SOA for rrset in answer.authority)
            return [], None if ended else name
        name = left.lower()
    return found[name], None


async def addressesOf(ask: Ask, question: Question, context: QueryContext, effort: int) -> list[str]:
    """
    @param question: for A or AAAA.
    @param effort: aliases to follow where a server leaves that to us.

    @return: addresses as text, none where the name has none of this family.

    @raise twisted_ext.edges.codes.LookupFailed: there is no such name, or we do not know.
    """
    seen = {question.name.lower()}
    asked = question
    while True:
        try:
            answer = await ask(asked, context)
        except DNSFault as fault:
            raise errorFromFault(fault, question) from fault
        if answer.rcode or answer.outcome is Outcome.NXDOMAIN:
            raise errorFromAnswer(question, answer)
        addresses, target = follow(asked, answer)
        if target is None or addresses:
            return addresses
        effort -= 1
        if effort < 0 or target in seen:
            raise NoAddressError(f"{nameToText(question.name, final=False)}: its aliases lead nowhere", answer=answer)
        seen.add(target)
        asked = Question(target, question.rrType)
        context = context.but(relative=False)


def hostByName(
    ask: Ask, question: Question, context: QueryContext, effort: int, families: Sequence[int] = (A, AAAA)
) -> Deferred[str]:
    """
    @param families: the types to ask for, each if the one before gives nothing.

    @return: fires with one address, or fails with a L{LookupFailed<twisted_ext.edges.codes.LookupFailed>}.
    """
    return Deferred.fromCoroutine(_hostByName(ask, question, context, effort, families))


async def _hostByName(ask: Ask, question: Question, context: QueryContext, effort: int, families: Sequence[int]) -> str:
    for rrType in families:
        addresses = await addressesOf(ask, Question(question.name, rrType), context, effort)
        if addresses:
            return addresses[0]
    which = (
        "no address"
        if AAAA in families
        else "no address of IPv4, and connectTCP() with a name takes no other; endpoints do"
    )
    raise NoAddressError(f"{nameToText(question.name, final=False)}: the name has {which}", rcode=0)
