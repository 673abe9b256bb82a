"""
Outgoing zone transfers: AXFR (RFC 5936) and IXFR (RFC 1995).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING, Final, cast

from twisted.logger import Logger

from twisted_ext.errors import BadMessage
from twisted_ext.limits import DATAGRAM_SIZE
from twisted_ext.server.config.keys import Grants
from twisted_ext.server.reply.opcodes import MessageStream, Outcome
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.zones.table.zonetable import variantText
from twisted_ext.server.zones.transfer.transferlimits import TransferLimits
from twisted_ext.wire.codes import DO, Ede, Rcode
from twisted_ext.wire.message import EDNS, HEADER_OCTETS, Message
from twisted_ext.wire.rrtypes import AXFR, SOA
from twisted_ext.wire.tsig import StreamSigning
from twisted_ext.zone.store.serials import serialIn
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.sender import (
    Differences,
    Envelope,
    Octets,
    recordsOf,
    recordsOfChanges,
    recordsSince,
    unsendable,
)

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

__all__ = ["Offer", "OutgoingTransfers"]

#: Transports whose replies are single messages.
_SINGLE: Final = ("udp", "https")

#: The EDNS EXPIRE option (RFC 7314).
_EXPIRE: Final = 9

_log: Final = Logger(__name__)


@dataclass(slots=True, eq=False)
class Offer:
    """
    A zone that is available for transfer.

    @ivar version: its current version; L{None} if there is none that may be sent.
    @ivar grants: the clients that may transfer it.
    @ivar journal: its recent changes, or L{None}.
    @ivar expires: seconds until a secondary zone expires; L{None} for a primary zone.
    @ivar singly: the clients that get each record in a separate message.
    @ivar isEncrypted: whether it is sent over encrypted transports only.
    """

    version: Version | None
    grants: Grants
    journal: Differences | None = None
    expires: float | None = None
    singly: Grants | None = None
    isEncrypted: bool = False


class OutgoingTransfers:
    """
    Handles AXFR and IXFR requests. Access is checked first, so that an unauthorized client takes no slot. When all slots are taken,
    requests are queued, and the client networks take turns.
    """

    _UNKNOWN: Final = Refusal(Rcode.NOTAUTH, ((Ede.NOT_AUTHORITATIVE, "no such zone here"),))
    _DENIED: Final = Refusal(Rcode.REFUSED, ((Ede.PROHIBITED, ""),))
    _IN_CLEAR: Final = Refusal(Rcode.REFUSED, ((Ede.PROHIBITED, "this zone is transferred over TLS 1.3 only"),))
    _NO_DATAGRAM: Final = Refusal(Rcode.FORMERR, ((0, "AXFR takes TCP or TLS"),))
    _EXPIRED: Final = Refusal(Rcode.SERVFAIL, ((Ede.INVALID_DATA, "no version of this zone can be sent"),))
    _BUSY: Final = Refusal(Rcode.SERVFAIL, ((Ede.NOT_READY, "too many transfers; try again"),))
    _MALFORMED: Final = Refusal(Rcode.FORMERR)

    def __init__(
        self,
        find: Callable[[bytes], Offer | None],
        *,
        limits: TransferLimits | None = None,
        today: Callable[[], float] = time,
        sent: Callable[[bytes, int, str, bytes], object] = lambda zone, serial, client, keyName: None,
        view: str = "",
    ) -> None:
        """
        @param view: the view whose zones are sent; C{""} for those for all clients.
        @param find: returns the offer for the zone with exactly this folded name.
        @param sent: called when a client has been sent a version: with the zone's folded name, the serial number, the client's address and
            the name of its key.
        @param limits: on concurrent transfers.
        @param today: returns seconds since 1970.
        """
        self._find = find
        limits = limits or TransferLimits()
        self.slots = limits.out
        self._view = view
        self._most = limits.mostWaiting
        self._today = today
        self._sent = sent

    def __call__(self, request: Request) -> Outcome:
        offered = self._offered(request)
        if isinstance(offered, Refusal):
            return offered
        if request.transport in _SINGLE:
            return self._datagram(request, *offered)
        site = request.record.site
        slots = self.slots
        if slots.take(site):
            return self._stream(request, *offered)
        if slots.waiting >= self._most or slots.waitingFor(site) >= max(1, self._most - self._most // 4):
            return self._BUSY
        return cast("Deferred[Refusal | MessageStream]", slots.acquire(site).addCallback(self._next, request))

    def _next(self, _: None, request: Request) -> Refusal | MessageStream:
        """
        Handle a request whose turn has come. The zone and its access list may have changed since it was queued.
        """
        offered = self._offered(request)
        if isinstance(offered, Refusal):
            self.slots.release(request.record.site)
            return offered
        return self._stream(request, *offered)

    def _offered(self, request: Request) -> Refusal | tuple[Offer, Version]:
        offer = self._find(request.question.name.lower())
        if offer is None:
            return self._UNKNOWN
        peer = request.peer
        if not offer.grants.allows(request.client, request.keyName, peer, request.door):
            return self._DENIED
        if offer.isEncrypted and (peer is None or not peer.isPrivate):
            return self._IN_CLEAR
        if offer.version is None:
            return self._EXPIRED
        return offer, offer.version

    def _datagram(self, request: Request, offer: Offer, version: Version) -> Refusal | MessageStream:
        if request.question.rrType == AXFR:
            return self._NO_DATAGRAM
        try:
            serial = _serialOf(request)
        except BadMessage:
            return self._MALFORMED
        pieces = recordsSince(version, serial, offer.journal)
        # If the reply does not fit, the SOA alone makes the client retry over TCP (RFC 1995, section 2).
        message = None if pieces is None else self._envelope(request, offer).oneMessage(pieces)
        if message is not None:
            self._sent(version.apex, version.serial, request.client, request.keyName)
        soa = recordsOfChanges((), version.soa, once=True)
        return iter([message or self._envelope(request, offer).oneMessage(soa) or b""])

    def _stream(self, request: Request, offer: Offer, version: Version) -> Refusal | MessageStream:
        """
        Return the messages, which release the slot when they end; or a refusal, with the slot already released.
        """
        try:
            pieces = self._pieces(request, offer, version)
        except BaseException:
            self.slots.release(request.record.site)
            raise
        if isinstance(pieces, Refusal):
            self.slots.release(request.record.site)
            return pieces
        return self._flow(request, offer, version, pieces)

    def _pieces(self, request: Request, offer: Offer, version: Version) -> Refusal | Iterator[Octets]:
        room = request.size - request.questionEnd - len(_opt(request, offer))
        if request.question.rrType != AXFR:
            try:
                serial = _serialOf(request)
            except BadMessage:
                return self._MALFORMED
            pieces = recordsSince(version, serial, offer.journal, room)
            if pieces is not None:
                return pieces
        # Check before anything is sent: a client retries a truncated transfer again and again.
        said = unsendable(version, room)
        return Refusal(Rcode.SERVFAIL, ((0, said),)) if said else recordsOf(version)

    @staticmethod
    def _room(request: Request, offer: Offer) -> int:
        return request.size - request.questionEnd - len(_opt(request, offer))

    def _envelope(self, request: Request, offer: Offer) -> Envelope:
        question = request.wire[HEADER_OCTETS : request.questionEnd]
        return Envelope(request.id, request.flags, question, _opt(request, offer), request.size, self._seal(request))

    def _seal(self, request: Request) -> Callable[[bytes], bytes] | None:
        verdict = request.verdict
        if verdict is None or verdict.key is None or not request.keyName:
            return None
        signing = StreamSigning(verdict.key, verdict.mac)
        return lambda message: signing.sign(message, self._today())

    def _flow(self, request: Request, offer: Offer, version: Version, pieces: Iterator[Octets]) -> MessageStream:
        def over(count: int, elsewhere: bool, whole: bool) -> None:
            self.slots.release(request.record.site)
            if whole:
                self._sent(version.apex, version.serial, request.client, request.keyName)
            if elsewhere:
                return
            _log.info(
                "zone {zone} {serial} for {client}: {octets} octets sent",
                zone=variantText(version.apex, self._view),
                serial=version.serial,
                client=request.client,
                octets=count,
            )

        single = offer.singly is not None and offer.singly.allows(request.client, request.keyName, request.peer, request.door)
        made = self._envelope(request, offer).messages(pieces, single=single)
        return _Counted(made, over, single, self._view)


class _Counted:
    """
    Messages of a transfer; calls a function when they end, for any reason: with the octets sent so far, whether a worker sends the
    messages, and whether the client gets all of them.
    """

    def __init__(self, made: Iterator[bytes], over: Callable[[int, bool, bool], None], single: bool, view: str) -> None:
        self.view = view
        self._made = made
        self._over: Callable[[int, bool, bool], None] | None = over
        self._single = single
        self._octets = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            message = next(self._made)
        except StopIteration:
            self._end(False, True)
            raise
        except BaseException:
            self.close()
            raise
        self._octets += len(message)
        return message

    def close(self) -> None:
        self._end(False, False)

    def handOver(self) -> bool:
        # The worker that sends the messages does not report their end; if it fails, the client is not seen, and asks again by itself.
        self._end(True, True)
        return self._single

    def _end(self, elsewhere: bool, whole: bool) -> None:
        over, self._over = self._over, None
        if over is not None:
            over(self._octets, elsewhere, whole)


def _opt(request: Request, offer: Offer) -> bytes:
    edns = request.edns
    if edns is None:
        return b""
    options: tuple[tuple[int, bytes], ...] = ()
    if edns.option(_EXPIRE) is not None and offer.version is not None:
        soa = offer.version.soa.rdatas[0]
        seconds = int.from_bytes(soa[-8:-4], "big") if offer.expires is None else max(0, int(offer.expires))
        options = ((_EXPIRE, seconds.to_bytes(4, "big")),)
    return EDNS(int(DATAGRAM_SIZE.default), edns.flags & DO, options).toWire()


def _serialOf(request: Request) -> int:
    for rrset in Message.fromWire(request.wire).authority:
        if rrset.rrType == SOA and rrset.name.lower() == request.question.name.lower():
            return serialIn(rrset.rdatas[0])
    raise BadMessage("an IXFR without the client's SOA")
