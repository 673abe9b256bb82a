"""
Choose which fault and which text to report when no server has answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError

from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.transport.udpsockets import QuerySocket
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.transport.exchange import Channel

__all__ = ["Abandoned", "malformed", "mostTelling", "named", "together"]

#: Info code of the extended error for a server whose replies cannot be used (RFC 8914, section 4.24).
_NETWORK: Final = 23

#: Servers named in an error, so that it stays one line.
_MOST_STORIES = 6


class Abandoned(CancelledError):
    """
    A look-up was cancelled while it was in progress.

    @ivar fault: the fault that a timeout at that moment would have raised.
    """

    def __init__(self, fault: DNSFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def malformed(label: str, fault: BadMessage) -> ServerFailed:
    """
    Return the fault of a server whose reply is malformed.
    """
    return ServerFailed(f"{label} sent a malformed reply: {fault}", server=label, ede=((_NETWORK, f"malformed reply from {label}"),))


def named(question: Question) -> str:
    """
    Format a question for display: C{"www.example.org. A"}.
    """
    return f"{nameToText(question.name)} {typeName(question.rrType)}"


def _strays(channels: Iterable[Channel | None]) -> list[str]:
    """
    Describe each server from whose address stray datagrams came over UDP, spoofed or not: they are the reason why it was queried over TCP.
    """
    counts: dict[str, int] = {}
    for channel in channels:
        if isinstance(channel, QuerySocket) and channel.misses:
            label = channel.exchange.label
            counts[label] = counts.get(label, 0) + channel.misses
    return [
        f"datagrams from {label} did not match the query ({count} message{'s' * (count > 1)})"
        for label, count in counts.items()
    ]


def mostTelling(
    question: Question,
    faults: Sequence[DNSFault],
    servers: Sequence[str],
    attempts: int,
    seconds: float,
    channels: Iterable[Channel | None] = (),
) -> DNSFault:
    """
    Choose the fault to report for a failed look-up: a server's own error before silence, silence before unreachable servers; SERVFAIL
    before other errors, which may concern this client and not the name.

    @param servers: all servers of the source.
    @param seconds: how long the look-up took.
    @param channels: the channels with queries still under way.
    """
    told = {fault.server for fault in faults}
    silent = [server for server in servers if server not in told]
    stories = [*_strays(channels), *dict.fromkeys([fault.cause or str(fault) for fault in faults])]
    if silent:
        others = f" and {len(silent) - _MOST_STORIES} more" if len(silent) > _MOST_STORIES else ""
        stories.append(f"{', '.join(silent[:_MOST_STORIES])}{others} did not answer within {seconds:.1f} seconds")
    if len(stories) > _MOST_STORIES:
        stories[_MOST_STORIES:] = [f"and {len(stories) - _MOST_STORIES} more servers failed"]
    cause = "; ".join(stories) or "no server was asked"
    fault = _told(f"{named(question)}: {cause}", faults, silent, attempts)
    fault.cause = cause
    return fault


def _told(text: str, faults: Sequence[DNSFault], silent: Sequence[str], attempts: int) -> DNSFault:
    spoken = [fault for fault in faults if isinstance(fault, ServerFailed)]
    if spoken:
        worst = next((fault for fault in spoken if fault.rcode == Rcode.SERVFAIL), spoken[0])
        failed = ServerFailed(text, server=worst.server, attempts=attempts, rcode=worst.rcode, ede=worst.ede)
        failed.reply = worst.reply
        return failed
    if silent:
        return TimedOut(text, server=silent[-1], attempts=attempts)
    unreached = Unreachable(text, server=faults[-1].server if faults else "", attempts=attempts)
    unreached.refused = any(isinstance(fault, Unreachable) and fault.refused for fault in faults)
    return unreached


def together(faults: Sequence[DNSFault], worst: DNSFault) -> DNSFault:
    """
    Combine the causes from all sources that were asked the same question into one fault.

    @param worst: the most informative one of C{faults}.
    """
    causes = dict.fromkeys([fault.cause for fault in faults if fault.cause])
    if len(causes) < 2 or not isinstance(worst, TimedOut | Unreachable):
        return worst
    question, _, _ = str(worst).partition(worst.cause)
    cause = "; ".join(causes)
    kind = TimedOut if isinstance(worst, TimedOut) else Unreachable
    whole = kind(f"{question}{cause}", server=worst.server, attempts=sum([fault.attempts for fault in faults]), ede=worst.ede)
    whole.cause = cause
    return whole
