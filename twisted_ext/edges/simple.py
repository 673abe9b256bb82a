"""
From a name to its addresses.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred

from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.edges.codes import NoAddressError, errorFromAnswer, errorFromFault
from twisted_ext.errors import DNSFault
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AAAA, CNAME, SOA, A

__all__ = ["Ask", "addressesOf", "hostByName", "literalOf"]

#: A way to ask, such as L{NamesResolver.ask<twisted_ext.edges.names.NamesResolver.ask>}.
Ask = Callable[[Question, QueryContext], "Deferred[Answer]"]

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


def _follow(question: Question, answer: Answer) -> tuple[list[str], bytes | None]:
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
        addresses, target = _follow(asked, answer)
        if target is None or addresses:
            return addresses
        effort -= 1
        if effort < 0 or target in seen:
            raise NoAddressError(f"{nameToText(question.name, final=False)}: its aliases lead nowhere", answer=answer)
        seen.add(target)
        asked = Question(target, question.rrType)
        context = context.but(relative=False)


def hostByName(ask: Ask, question: Question, context: QueryContext, effort: int) -> Deferred[str]:
    """
    @param question: for A; AAAA is asked for where there is none.

    @return: fires with one address, or fails with a L{LookupFailed<twisted_ext.edges.codes.LookupFailed>}.
    """
    return Deferred.fromCoroutine(_hostByName(ask, question, context, effort))


async def _hostByName(ask: Ask, question: Question, context: QueryContext, effort: int) -> str:
    addresses = await addressesOf(ask, question, context, effort)
    if not addresses:
        addresses = await addressesOf(ask, Question(question.name, AAAA), context, effort)
    if not addresses:
        raise NoAddressError(f"{nameToText(question.name, final=False)}: the name has no address", rcode=0)
    return addresses[0]
