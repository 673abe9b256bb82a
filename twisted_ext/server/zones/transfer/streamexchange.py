"""
Exchanges one message with another server over a connection, and over nothing else: over TLS SOA queries to primaries and NOTIFY to
secondaries (RFC 9103), over TCP questions whose replies others must not be able to forge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_ext.errors import BadMessage, DNSFault, ServerFailed, TimedOut
from twisted_ext.transport.padding import padded
from twisted_ext.transport.random import Draw
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Rcode, rcodeName
from twisted_ext.wire.message import Message
from twisted_ext.wire.tsig import sign, signatureError, verify

if TYPE_CHECKING:
    from twisted_ext.server.config.keys import RemoteServer
    from twisted_ext.transport.exchange import Connect, Link

__all__ = ["exchangeOverStream"]

_OPCODE: Final = 0x7800

#: Response codes of a server that refuses the request with this key.
_REFUSALS: Final = frozenset((Rcode.REFUSED, Rcode.NOTAUTH))

_draw: Final = Draw()


def exchangeOverStream(
    clock: IReactorTime,
    connect: Connect,
    remote: RemoteServer,
    asked: Message,
    *,
    seconds: float,
    today: Callable[[], float],
    unsignedRefusals: bool = False,
) -> Deferred[Message]:
    """
    Send a message and wait for the reply.

    @param connect: opens a connection to the server.
    @param asked: the message; its id is replaced.
    @param seconds: how long to wait, including the time for a connection.
    @param today: returns seconds since 1970.
    @param unsignedRefusals: whether REFUSED and NOTAUTH need no valid signature.

    @return: the reply, with a valid signature if a key is configured. Fails with L{ServerFailed} on an error response, L{BadMessage} if the
        reply cannot be trusted, L{TimedOut} and L{Unreachable<twisted_ext.errors.Unreachable>}.
    """
    made = _Exchange(connect, remote, asked, today, unsignedRefusals)
    made.start(clock, seconds)
    return made.deferred


class _Exchange:
    """
    A request under way: a L{LinkUser<twisted_ext.transport.exchange.LinkUser>}.
    """

    def __init__(
        self,
        connect: Connect,
        remote: RemoteServer,
        asked: Message,
        today: Callable[[], float],
        unsignedRefusals: bool,
    ) -> None:
        self.deferred: Deferred[Message] = Deferred(lambda _: self._finish(TimedOut("cancelled")))
        self._connect = connect
        self._remote = remote
        self._label = remote.server.label
        self._asked = asked
        self._today = today
        self._unsignedRefusals = unsignedRefusals
        self._mac = b""
        self._isOver = False
        self._link: Link | None = None
        self._giveUp: Callable[[], object] | None = None
        self._timer: IDelayedCall | None = None

    def start(self, clock: IReactorTime, seconds: float) -> None:
        way = "TCP" if self._remote.tls is None else "TLS"
        late = TimedOut(f"{self._label} does not answer over {way}", server=self._label)
        self._timer = clock.callLater(seconds, self._finish, late)
        self._open(False)

    def _open(self, isFresh: bool) -> None:
        giveUp = self._connect(self, isFresh)
        if self._link is None and not self._isOver:
            self._giveUp = giveUp

    def opened(self, link: Link) -> None:
        self._giveUp = None
        if self._isOver:
            link.abort()
            return
        self._link = link
        self._asked.id = int.from_bytes(_draw.take(2), "big")
        octets = buildMessage(self._asked)
        if self._remote.tls is not None:
            octets = octets[:2] + padded(octets[2:], True)
        key = self._remote.key
        if key is not None:
            octets, self._mac = sign(octets, key, self._today())
        link.send(octets)

    def received(self, octets: bytes) -> None:
        if self._isOver:
            return
        try:
            self._finish(self._judged(octets))
        except DNSFault as fault:
            self._finish(fault)

    def _judged(self, octets: bytes) -> Message | DNSFault:
        """
        Check a reply.

        @raise DNSFault: it is none, or cannot be trusted.
        """
        label, key, asked = self._label, self._remote.key, self._asked
        reply = Message.fromWire(octets).check()
        if reply.id != asked.id or not reply.flags & QR or (reply.flags ^ asked.flags) & _OPCODE:
            raise BadMessage(f"{label} sent something else than the reply")
        if reply.questions and reply.questions != asked.questions:
            raise BadMessage(f"{label} sent the reply to another question")
        failed = ServerFailed(f"{label} answered {rcodeName(reply.rcode)}", server=label, rcode=reply.rcode)
        if key is not None:
            verdict = verify(octets, {key.name: key}, self._today(), requestMac=self._mac)
            if not verdict.good:
                if self._unsignedRefusals and reply.rcode in _REFUSALS:
                    raise failed
                error = verdict.error or (0 if verdict.record is None else verdict.record.error)
                why = "without a signature" if verdict.record is None else f"with the signature error {signatureError(error)}"
                raise BadMessage(f"{label} answered {rcodeName(reply.rcode)} {why}")
        return failed if reply.rcode else reply

    def lost(self, fault: DNSFault) -> None:
        link, self._link = self._link, None
        if link is not None and link.isReused and not self._isOver:
            # The server closed the idle connection before it read the request.
            self._open(True)
        else:
            self._finish(fault)

    def _finish(self, outcome: Message | DNSFault) -> None:
        if self._isOver:
            return
        self._isOver = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        link, giveUp = self._link, self._giveUp
        # They refer to this object.
        self._timer = self._link = self._giveUp = None
        if link is not None and (isinstance(outcome, Message | ServerFailed)):
            link.finish()
        elif link is not None:
            link.abort()
        elif giveUp is not None:
            giveUp()
        if self.deferred.called:
            return
        if isinstance(outcome, Message):
            self.deferred.callback(outcome)
        else:
            self.deferred.errback(outcome)
