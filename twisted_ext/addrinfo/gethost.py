"""
Look up the addresses of a host name.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final, cast

from twisted.internet.base import ReactorBase

from twisted_ext.aliases import found
from twisted_ext.answers import Answer, Outcome, QueryContext, Question
from twisted_ext.compat.conversion.errors import NoAddressError, errorFromAnswer, errorFromFault
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.ask import Ask, askedOn
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import AAAA, A

__all__ = ["REACTORS_TIMEOUT", "addressIn", "addressesOf", "hostByName", "literalOf", "numericHosts"]

#: The default timeout of C{reactor.resolve}, compared by identity to detect that the caller gave none.
REACTORS_TIMEOUT: Final[object] = cast("tuple[object, ...]", ReactorBase.resolve.__defaults__ or (object(),))[0]

_FAMILIES: Final = {A: socket.AF_INET, AAAA: socket.AF_INET6}


def literalOf(name: object) -> str | None:
    """
    Return the argument as text if it is an IPv4 address, or an IPv6 address with or without a scope; L{None} otherwise.
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


def numericHosts(name: object, family: int = socket.AF_UNSPEC) -> list[str] | None:
    """
    Parse hosts that need no look-up, like the C library and the reactor's own resolver: addresses, all spellings of inet_aton(3) (C{127.1}
    is C{127.0.0.1}), and L{None} and C{*} for the local host.

    @return: addresses of this family, link-local addresses with their scope; L{None} for a name.
    """
    if not isinstance(name, str | bytes | None):
        return None
    try:
        text = name.decode("ascii") if isinstance(name, bytes) else name
        if text is not None and text != "*" and ":" not in text and not text[:1].isdigit():
            return None
        rows = socket.getaddrinfo(text, 0, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        literal = literalOf(name)
        if literal is None:
            return None
        # An address of the other family is not a name; one with an unknown scope fails when it is connected to.
        return [literal] if "%" in literal and family != socket.AF_INET else []
    except (OSError, ValueError):
        return None
    scope = "" if text is None else "".join(text.partition("%")[1:])
    return [str(address[0]).partition("%")[0] + (scope if each == socket.AF_INET6 else "") for each, *_, address in rows]


def addressIn(question: Question, answer: Answer) -> str | None:
    """
    Return the first address in an answer to a question for A or AAAA, as text.
    """
    rdatas, _, _ = found(question, answer)
    return socket.inet_ntop(_FAMILIES[question.rrType], rdatas[0]) if rdatas else None


async def addressesOf(ask: Ask, question: Question, context: QueryContext, effort: int) -> list[str]:
    """
    Look up addresses. Return them as text; an empty list if the name has none of this family.

    @param effort: the number of aliases to follow if the server does not.

    @raise twisted_ext.compat.conversion.errors.LookupFailed: the name does not exist, or the look-up failed.
    """
    return (await _addresses(ask, question, context, effort))[0]


async def _addresses(ask: Ask, question: Question, context: QueryContext, effort: int) -> tuple[list[str], Answer]:
    asked = question
    try:
        answer = await ask(asked, context)
        rdatas, _, left = found(asked, answer)
        if left is not None:
            asked, answer = (await askedOn(ask, asked, answer, context, effort))[-1]
            rdatas, _, left = found(asked, answer)
    except DNSFault as fault:
        raise errorFromFault(fault, question) from fault
    if answer.rcode or answer.outcome is Outcome.NXDOMAIN:
        raise errorFromAnswer(question, answer)
    if left is not None:
        raise _noAddress(question, "its aliases form a loop, or are too many", answer)
    family = _FAMILIES[question.rrType]
    return [socket.inet_ntop(family, rdata) for rdata in rdatas], answer


def _noAddress(question: Question, why: str, answer: Answer | None) -> NoAddressError:
    origin = None if answer is None else answer.origin
    return NoAddressError(
        f"{nameToText(question.name, final=False)}: {why}",
        server="" if origin is None else origin.server,
        attempts=0 if origin is None else origin.attempts,
        rcode=0,
        answer=answer,
    )


async def hostByName(ask: Ask, question: Question, context: QueryContext, effort: int, families: Sequence[int]) -> str:
    """
    Return one address.

    @param families: the types to query; each only if the previous one gives no address.

    @raise twisted_ext.compat.conversion.errors.LookupFailed: there is none, or the look-up failed.
    """
    answer = None
    for rrType in families:
        addresses, answer = await _addresses(ask, Question(question.name, rrType), context, effort)
        if addresses:
            return addresses[0]
    which = "no address"
    if AAAA not in families:
        which = "no IPv4 address, and connectTCP() with a name supports no others; use an endpoint"
    raise _noAddress(question, f"the name has {which}", answer)
