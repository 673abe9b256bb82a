"""
Holding back answers that would let strangers reach into the network: rebinding of names to addresses inside of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Refused
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.local import AAAA, A, lastTime
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet

__all__ = ["PRIVATE_PREFIXES", "StopRebinding", "isPrivate"]

_HTTPS: Final = 65
_SVCB: Final = 64

#: Addresses that no name of the internet has (RFC 6890).
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

#: Prefixes of IPv6 addresses that stand for the IPv4 address behind them: mapped, compatible, and that of NAT64 (RFC 6052).
_CARRIERS: Final = (bytes(10) + b"\xff\xff", bytes(12), bytes.fromhex("0064ff9b") + bytes(8))


def isPrivate(packed: bytes) -> bool:
    """
    @param packed: four or sixteen octets.

    @return: whether no name of the internet has this address.
    """
    ranges = _RANGES.get(len(packed))
    if ranges is None:
        return False
    number = int.from_bytes(packed, "big")
    if any(number & mask == network for mask, network in ranges):
        return True
    return len(packed) == 16 and packed[:12] in _CARRIERS and isPrivate(packed[12:])


def _hints(rdata: bytes) -> list[bytes]:
    """
    @return: the addresses that an SVCB or HTTPS record hints at (RFC 9460, section 7.3).
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


def _reachesInside(rrset: RRSet) -> bool:
    if rrset.rrType in (A, AAAA):
        return any(isPrivate(rdata) for rdata in rrset.rdatas)
    if rrset.rrType in (_HTTPS, _SVCB):
        return any(isPrivate(address) for rdata in rrset.rdatas for address in _hints(rdata))
    return False


@implementer(IAnswerSource)
class StopRebinding:
    """
    Refuse answers with private addresses (DNS rebinding: a web page whose name first has an address of its owner's, then one of the
    visitor's own network).

    @param allowed: names that may have such addresses, and all below them.
    """

    __slots__ = ("_inner", "_innerNow", "_allowed")

    def __init__(self, inner: IAnswerSource, allowed: Iterable[bytes] = ()) -> None:
        self._inner = inner
        self._innerNow = inner.answerNow
        self._allowed = frozenset([name.lower() for name in allowed])

    def answerNow(self, question: Question, context: QueryContext) -> Answer | None:
        answer = self._innerNow(question, context)
        return answer if answer is None else self._passed(answer, question, context)

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        return self._inner.answer(question, context).addCallback(self._passed, question, context)

    def _passed(self, answer: Answer, question: Question, context: QueryContext) -> Answer:
        """
        @return: the answer, if it may be given.

        @raise Refused: it may not.
        """
        if answer.outcome is not Outcome.DATA:
            return answer
        bad = next((rrset for rrset in answer.answer if _reachesInside(rrset)), None)
        if bad is None or self._mayHave(question.key[:-4]):
            return answer
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "rebinding", "held back")
        origin = answer.origin or Origin("")
        raise Refused(
            "the answer has a private address, which names of the internet have not (rebinding-allow lets a domain have them)",
            server=origin.server,
            ede=((17, "private address"),),
        )

    def _mayHave(self, name: bytes) -> bool:
        while True:
            if name in self._allowed:
                return True
            if name == b"\x00":
                return False
            name = name[name[0] + 1 :]

    def close(self) -> Deferred[None]:
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)
