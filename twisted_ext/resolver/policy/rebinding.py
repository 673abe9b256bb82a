"""
Protection against DNS rebinding: reject answers that would point public names at private addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, QueryContext
from twisted_ext.errors import Refused
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import then
from twisted_ext.resolver.local.localanswers import lastTime
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, HTTPS, SVCB, A

__all__ = ["PRIVATE_PREFIXES", "RebindingLog", "StopRebinding", "addressesIn", "embedded", "isPrivate"]

_log: Final = Logger(__name__)

#: Info code of an extended error (RFC 8914, section 4.18).
_FILTERED: Final = 17

#: Addresses that public names do not have (RFC 6890).
PRIVATE_PREFIXES: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


def _ranges(version: int) -> tuple[tuple[int, int], ...]:
    networks = [ip_network(text) for text in PRIVATE_PREFIXES]
    return tuple([(int(each.netmask), int(each.network_address)) for each in networks if each.version == version])


_RANGES: Final = {4: _ranges(4), 16: _ranges(6)}

#: IPv6 prefixes that embed an IPv4 address: mapped, compatible, and that of NAT64 (RFC 6052).
_CARRIERS: Final = (bytes(10) + b"\xff\xff", bytes(12), bytes.fromhex("0064ff9b") + bytes(8))


def isPrivate(packed: bytes) -> bool:
    """
    Return whether this is an address that public names do not have.

    @param packed: four or sixteen octets.
    """
    ranges = _RANGES.get(len(packed))
    if ranges is None:
        return False
    number = int.from_bytes(packed, "big")
    if any(number & mask == network for mask, network in ranges):
        return True
    inner = embedded(packed)
    return inner is not None and isPrivate(inner)


def embedded(packed: bytes) -> bytes | None:
    """
    Return the IPv4 address that an IPv6 address stands for; L{None} if it stands for itself.
    """
    return packed[12:] if len(packed) == 16 and packed[:12] in _CARRIERS else None


def _hints(rdata: bytes) -> list[bytes]:
    """
    Return the address hints of an SVCB or HTTPS record (RFC 9460, section 7.3).
    """
    position = 2
    while position < len(rdata) and rdata[position]:
        position += 1 + rdata[position]
    position += 1
    found: list[bytes] = []
    while position + 4 <= len(rdata):
        key = int.from_bytes(rdata[position : position + 2], "big")
        end = position + 4 + int.from_bytes(rdata[position + 2 : position + 4], "big")
        size = {4: 4, 6: 16}.get(key, 0)
        if size:
            found += [rdata[start : start + size] for start in range(position + 4, end, size)]
        position = end
    return found


def addressesIn(rrset: RRSet) -> Sequence[bytes]:
    """
    Return the addresses in records: their own, or the hints of service bindings.
    """
    if rrset.rrType in (A, AAAA):
        return rrset.rdatas
    if rrset.rrType in (HTTPS, SVCB):
        return [address for rdata in rrset.rdatas for address in _hints(rdata)]
    return ()


def _firstPrivate(rrset: RRSet) -> bytes | None:
    return next((address for address in addressesIn(rrset) if isPrivate(address)), None)


@dataclass(slots=True, eq=False)
class RebindingLog:
    """
    Logs rejected answers. Attackers can cause any number of them, so at most one line is logged per second, and the next one contains the
    count of those left out.
    """

    #: Seconds between two lines.
    PAUSE: ClassVar = 1.0

    _clock: IReactorTime
    _next: float = float("-inf")
    _untold: int = 0

    def __call__(self, question: Question, address: bytes, server: str) -> None:
        now = self._clock.seconds()
        if now < self._next:
            self._untold += 1
            return
        self._next = now + self.PAUSE
        untold, self._untold = self._untold, 0
        _log.warn(
            "held back an answer for {name}: {server} gives it the private address {address}; rebinding-allow is for domains that may have "
            "one{more}",
            name=nameToText(question.name),
            server=server or "an upstream",
            address=str(ip_address(address)),
            more=f" ({untold} more like this since the last line)" if untold else "",
        )


@implementer(IAnswerSource)
class StopRebinding(WrappingSource):
    """
    Refuses answers with private addresses (DNS rebinding: a web page whose name first has an address of the attacker's server, then one in
    the visitor's network).

    All records of an answer are checked, including those unrelated to the question: some programs use any address that they find.

    @param allowed: domains that may have such addresses, with all names below them.
    @param told: called for each rejected answer with the question, the address and the server it came from; see L{RebindingLog}.
    """

    __slots__ = ("_allowed", "_told")

    def __init__(
        self, inner: IAnswerSource, allowed: Iterable[bytes] = (), told: Callable[[Question, bytes, str], object] | None = None
    ) -> None:
        super().__init__(inner)
        self._allowed = tuple([name.lower() for name in allowed])
        self._told = told

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return then(self._inner.ask(question, context), self._passed, question, context)

    def _passed(self, answer: Answer, question: Question, context: QueryContext) -> Answer:
        bad = next(filter(None, map(_firstPrivate, answer.answer)), None)
        if bad is None or any(isBelow(question.key[:-4], domain) for domain in self._allowed):
            return answer
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "rebinding", "held back")
        server = (answer.origin or Origin("")).server
        if self._told is not None:
            self._told(question, bad, server)
        raise Refused(
            "the answer has a private address, which names of the internet have not (rebinding-allow lets a domain have them)",
            server=server,
            ede=((_FILTERED, "private address (rebinding protection)"),),
        )
