"""
Passes updates of secondary zones on to their primaries, as they came, and the replies back (RFC 2136, section 6).

The primary judges them: it has the keys that clients sign with, of which this server needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from twisted_ext.errors import BadMessage, DNSFault, TimedOut
from twisted_ext.server.limits import FORWARDED_UPDATES, FORWARDING_SECONDS
from twisted_ext.server.reply.requests import Refusal
from twisted_ext.server.zones.table.zonetable import variantText
from twisted_ext.transport.tls.links import connectorTo
from twisted_ext.transport.transfer import tcpConnector
from twisted_ext.wire.codes import QR, Ede, Rcode, rcodeName
from twisted_ext.wire.message import HEADER_OCTETS
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from twisted_ext.server.config.keys import RemoteServer
    from twisted_ext.server.reply.opcodes import MessageStream
    from twisted_ext.server.reply.requests import Request
    from twisted_ext.transport.exchange import Connect, Link

__all__ = ["UpdateForwarder"]

#: What a reply has to have in common with the request: the opcode.
_OPCODE: Final = 0x78

_log: Final = Logger(__name__)


class UpdateForwarder:
    """
    The updates that are with primaries.
    """

    _LATER: Final = Refusal(Rcode.SERVFAIL, ((Ede.NOT_READY, "too many updates are passed on to primaries"),))

    def __init__(
        self,
        reactor: IReactorTime,
        view: str = "",
        *,
        most: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """
        @param reactor: provides L{IReactorTCP<twisted.internet.interfaces.IReactorTCP>} as well.
        @param view: the view of the zones; C{""} for those of all clients.
        @param most: how many are passed on at a time.
        @param seconds: how long each may take, with all primaries together.
        """
        self._reactor = reactor
        self._view = view
        self._most = int(FORWARDED_UPDATES.pick(most))
        self._seconds = FORWARDING_SECONDS.pick(seconds)
        self._waiting: set[Deferred[bytes]] = set()

    def __call__(self, request: Request, primaries: Sequence[RemoteServer]) -> Refusal | Deferred[Refusal | MessageStream]:
        """
        Pass an update on.

        @param primaries: where to, in this order, until one answers.

        @return: its reply, or why there is none.
        """
        if len(self._waiting) >= self._most:
            return self._LATER
        asking: Deferred[bytes] = Deferred.fromCoroutine(self._passOn(request, primaries))
        self._waiting.add(asking)
        asking.addBoth(self._left, asking)
        return asking.addCallbacks(_replied, _unreplied, (request,))

    def _left(self, result: object, asking: Deferred[bytes]) -> object:
        self._waiting.discard(asking)
        return result

    async def _passOn(self, request: Request, primaries: Sequence[RemoteServer]) -> bytes:
        """
        Send an update to the first primary that answers, and return its reply.
        """
        clock, zone = self._reactor, variantText(request.question.name, self._view)
        until = clock.seconds() + self._seconds
        key = f"key {nameToText(request.signature.keyName)}" if request.signature is not None else "without a key"
        fault: DNSFault = TimedOut(f"{zone} has no primary")
        for count, remote in enumerate(primaries):
            # A silent one leaves time for the others.
            seconds = (until - clock.seconds()) / (len(primaries) - count)
            connect = connectorTo(clock, remote.server, remote.tls) or tcpConnector(clock, remote.server, "it had answered")
            try:
                reply = await _Forwarding(clock, connect, remote.server.label, request.wire, seconds).deferred
            except DNSFault as failed:
                _log.warn("{zone}: an update cannot be passed on: {fault}", zone=zone, fault=failed)
                fault = failed
                continue
            _log.info(
                "{zone}: update by {client} {key} was passed on to {server}: {rcode}",
                zone=zone, client=request.client, key=key, server=remote.server.label, rcode=rcodeName(reply[3] & 15),
            )  # fmt: skip
            return reply
        raise fault

    def close(self) -> None:
        for asking in [*self._waiting]:
            asking.cancel()


def _replied(reply: bytes, request: Request) -> Refusal | MessageStream:
    if len(reply) > request.size:
        return Refusal(reply[3] & 15, truncated=True)
    return _one(reply)


def _one(reply: bytes) -> Iterator[bytes]:
    yield reply


def _unreplied(failure: Failure) -> Refusal:
    if not isinstance(failure.value, DNSFault | CancelledError):
        _log.failure("an update could not be passed on", failure)
    return Refusal(Rcode.SERVFAIL, ((Ede.NETWORK_ERROR, "no primary of the zone answers"),))


class _Forwarding:
    """
    A request on its way to one server, as it came, and its reply: a L{LinkUser<twisted_ext.transport.exchange.LinkUser>}.
    """

    def __init__(self, clock: IReactorTime, connect: Connect, label: str, wire: bytes, seconds: float) -> None:
        self.deferred: Deferred[bytes] = Deferred(lambda _: self._finish(TimedOut("cancelled")))
        self._wire = wire
        self._label = label
        self._isOver = False
        self._link: Link | None = None
        self._giveUp: Callable[[], object] | None = None
        self._timer: IDelayedCall = clock.callLater(seconds, self._finish, TimedOut(f"{label} does not answer", server=label))
        giveUp = connect(self, True)
        if self._link is None and not self._isOver:
            self._giveUp = giveUp

    def opened(self, link: Link) -> None:
        self._giveUp = None
        if self._isOver:
            link.abort()
            return
        self._link = link
        link.send(self._wire)

    def received(self, octets: bytes) -> None:
        wire = self._wire
        isReply = len(octets) >= HEADER_OCTETS and octets[:2] == wire[:2] and octets[2] & QR >> 8 and not (octets[2] ^ wire[2]) & _OPCODE
        self._finish(octets if isReply else BadMessage(f"{self._label} sent something else than the reply"))

    def lost(self, fault: DNSFault) -> None:
        self._link = None
        self._finish(fault)

    def _finish(self, outcome: bytes | DNSFault) -> None:
        if self._isOver:
            return
        self._isOver = True
        if self._timer.active():
            self._timer.cancel()
        link, giveUp = self._link, self._giveUp
        # They refer to this object.
        self._link = self._giveUp = None
        if link is not None and isinstance(outcome, bytes):
            link.finish()
        elif link is not None:
            link.abort()
        elif giveUp is not None:
            giveUp()
        if self.deferred.called:
            return
        if isinstance(outcome, bytes):
            self.deferred.callback(outcome)
        else:
            self.deferred.errback(outcome)
