"""
Empty zones for the reverse names of private addresses (RFC 6303): such queries have no answer on the internet and disclose a network's
structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import nothingOn
from twisted_ext.resolver.policy.localanswers import emptySOA, lastTime
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS, SOA

__all__ = ["EMPTY_ZONES", "PrivateReverse"]

#: Zones that are empty unless the local network uses their addresses (RFC 6303, section 4; RFC 7793). Those of the loopback addresses are
#: in L{SPECIAL_NAMES<twisted_ext.resolver.policy.specialnames.SPECIAL_NAMES>}.
EMPTY_ZONES: Final = (
    "0.in-addr.arpa",
    "10.in-addr.arpa",
    *[f"{octet}.172.in-addr.arpa" for octet in range(16, 32)],
    *[f"{octet}.100.in-addr.arpa" for octet in range(64, 128)],
    "168.192.in-addr.arpa",
    "254.169.in-addr.arpa",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "255.255.255.255.in-addr.arpa",
    "0" + 31 * ".0" + ".ip6.arpa",
    "d.f.ip6.arpa",
    *[f"{nibble}.e.f.ip6.arpa" for nibble in "89ab"],
    "8.b.d.0.1.0.0.2.ip6.arpa",
)

_TAILS: Final = (nameFromText("in-addr.arpa"), nameFromText("ip6.arpa"))
_ZONES: Final = frozenset([nameFromText(text) for text in EMPTY_ZONES])

#: Seconds (RFC 6303, section 3).
_TTL: Final = 10800


@implementer(IAnswerSource)
class PrivateReverse:
    """
    Denies the reverse names of private addresses (RFC 6303), unless the upstream servers are inside the network as well. It does not answer
    for other names.
    """

    __slots__ = ("_inside", "_routed")

    def __init__(self, inside: Callable[[], bool], routed: Iterable[bytes] = ()) -> None:
        """
        @param inside: returns whether the upstream servers may know such names.
        @param routed: domains that are routed to their own servers.
        """
        self._inside = inside
        self._routed = tuple([name.lower() for name in routed])

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        name = question.key[:-4]
        if not name.endswith(_TAILS) or question.rrClass != IN:
            return None
        zone = _zoneOf(name)
        if zone is None or self._inside() or any(isBelow(name, routed) for routed in self._routed):
            return None
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "special", "denied", reason="RFC 6303")
        return _emptiness(question, zone, name)

    def unknown(self, question: Question) -> Unknown:
        return nothingOn("the table of private networks", question)

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


def _zoneOf(name: bytes) -> bytes | None:
    """
    Return the empty zone that contains a folded name.
    """
    while name != b"\x00":
        if name in _ZONES:
            return name
        name = name[name[0] + 1 :]
    return None


def _emptiness(question: Question, zone: bytes, name: bytes) -> Answer:
    soa = emptySOA(zone)
    origin = Origin("special")
    if name != zone:
        return Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3, origin=origin)
    if question.rrType == SOA:
        return Answer(Outcome.DATA, (soa,), origin=origin)
    if question.rrType == NS:
        return Answer(Outcome.DATA, (RRSet(zone, NS, IN, _TTL, (zone,)),), origin=origin)
    return Answer(Outcome.NODATA, (), (soa,), origin=origin)
