"""
Queries that are signed with a shared key, whose replies have to be signed with it as well (TSIG, RFC 8945).

A signature covers the id that the TSIG record holds (section 5.3), so queries are signed with the id 0, whichever one the exchange chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from zope.interface import classImplements

from twisted_ext.errors import BadMessage, DNSFault, ServerFailed
from twisted_ext.interfaces import IExchange
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.exchange import PendingQuery
from twisted_ext.transport.servers import Server
from twisted_ext.wire.codes import QR, TC, Rcode, rcodeName
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameEnd, nameToText
from twisted_ext.wire.tsig import BADSIG, Key, Verdict, sign, signatureError, verify

if TYPE_CHECKING:
    from twisted_ext.transport.exchange import Channel
    from twisted_ext.transport.udpsockets import QuerySocket

__all__ = ["SignedDatagrams", "SignedExchange"]

#: The id that messages are signed with.
_ID: Final = b"\x00\x00"


class _Signer:
    """
    Signs queries to one server.

    A reply without a valid signature, over a transport on which it may be forged, counts as truncated: the query is repeated over TCP,
    where it comes from the server, and is then an error that says what is wrong with the key.

    @ivar reliable: whether replies come from the server itself.
    @ivar today: returns seconds since 1970.
    """

    def __init__(self, key: Key, label: str, reliable: bool, today: Callable[[], float]) -> None:
        self.key = key
        self.label = label
        self.reliable = reliable
        self.today = today

    def signed(self, asking: PendingQuery, query: bytes) -> _SignedQuery:
        """
        @param query: the message without its id, with all that the transport adds, such as padding.
        """
        octets, mac = sign(_ID + query, self.key, self.today())
        return _SignedQuery(self, asking, octets[2:], mac)


class SignedDatagrams(DatagramExchange):
    """
    Signed queries over UDP.
    """

    def __init__(self, datagrams: Datagrams, server: Server, key: Key, today: Callable[[], float] = time) -> None:
        super().__init__(datagrams, server)
        self._signer = _Signer(key, self.label, self.reliable, today)

    def ask(self, asking: PendingQuery, now: float) -> tuple[QuerySocket, bytes]:
        return super().ask(self._signer.signed(asking, asking.query), now)


class SignedExchange:
    """
    Signed queries over another exchange: TCP or TLS.
    """

    def __init__(self, exchange: IExchange, key: Key, today: Callable[[], float] = time) -> None:
        self.kind = exchange.kind
        self.server = exchange.server
        self.label = exchange.label
        self.reliable = exchange.reliable
        self._exchange = exchange
        self._signer = _Signer(key, self.label, self.reliable, today)
        self._prepared: Callable[[bytes], bytes] = getattr(exchange, "prepared", bytes)

    @property
    def details(self) -> object:
        """
        Return the outcome of the TLS handshake, if there is one.
        """
        return getattr(self._exchange, "details", None)

    def ask(self, asking: PendingQuery, now: float) -> tuple[Channel, bytes]:
        return self._exchange.ask(self._signer.signed(asking, self._prepared(asking.query)), now)

    def settle(self) -> None:
        self._exchange.settle()

    def close(self) -> Deferred[None]:
        return self._exchange.close()


classImplements(SignedExchange, IExchange)


class _SignedQuery(PendingQuery):
    """
    A query as it was signed, in front of another one.
    """

    __slots__ = ("_signer", "_pending", "_unsigned", "_mac")

    def __init__(self, signer: _Signer, asking: PendingQuery, query: bytes, mac: bytes) -> None:
        self.query = query
        self._signer = signer
        self._pending = asking
        # The other one may have gone on to another query when a reply to this one arrives.
        self._unsigned = asking.query
        self._mac = mac

    def replied(self, octets: bytes, now: float, channel: Channel, key: bytes) -> bool:
        signer = self._signer
        try:
            Message.fromWire(octets).check()
            verdict = verify(octets, {signer.key.name: signer.key}, signer.today(), requestMac=self._mac)
        except BadMessage as fault:
            if not signer.reliable:
                return False
            self._fail(ServerFailed(f"{signer.label} sent a reply that cannot be read: {fault}", server=signer.label), now, channel, key)
            return True
        if verdict.good:
            return self._pending.replied(key + verdict.octets[2:], now, channel, key)
        # With a valid MAC, it is the server that does not accept the signature.
        if not signer.reliable and (verdict.error or verdict.record is None):
            return self._pending.replied(self._truncated(key), now, channel, key)
        self._fail(_faultOf(octets, verdict, signer), now, channel, key)
        return True

    def _truncated(self, key: bytes) -> bytes:
        """
        Return a truncated reply to this query.
        """
        query = self._unsigned
        flags = int.from_bytes(query[:2], "big") | QR | TC
        return key + flags.to_bytes(2, "big") + b"\x00\x01" + bytes(6) + query[10 : nameEnd(query, 10) + 4]

    def _fail(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        channel.release(key)
        self._pending.failed(fault, now, channel, key)

    def doubted(self, now: float, channel: Channel, key: bytes) -> None:
        self._pending.doubted(now, channel, key)

    def failed(self, fault: DNSFault, now: float, channel: Channel, key: bytes) -> None:
        self._pending.failed(fault, now, channel, key)


def _faultOf(octets: bytes, verdict: Verdict, signer: _Signer) -> ServerFailed:
    """
    Describe a reply without a valid signature.
    """
    label, key, record = signer.label, signer.key, verdict.record
    rcode = octets[3] & 15
    name = nameToText(key.name, final=False)
    if record is None:
        said = f"{label} answered {rcodeName(rcode)} without a signature; it may have no key {name}"
    elif record.error == Rcode.BADKEY:
        said = f"{label} rejects the signature, BADKEY: it has no key {name} with this algorithm"
    elif record.error == BADSIG:
        said = f"{label} rejects the signature, BADSIG: its key {name} has another secret"
    elif record.error == Rcode.BADTIME:
        theirs = int.from_bytes(record.other, "big") if len(record.other) == 6 else record.timeSigned
        said = f"{label} rejects the signature, BADTIME: its clock differs by {abs(theirs - int(signer.today()))} seconds"
    elif record.error:
        said = f"{label} rejects the signature, {signatureError(record.error)}"
    elif verdict.error == Rcode.BADTIME:
        seconds = abs(record.timeSigned - int(signer.today()))
        said = f"{label} signed its reply at another time, BADTIME: the clocks differ by {seconds} seconds"
    elif verdict.error == Rcode.BADKEY:
        said = f"{label} signed its reply with another key, {nameToText(record.keyName, final=False)}: BADKEY"
    else:
        said = f"{label} sent a reply with a signature that is not valid: {signatureError(verdict.error)}"
    return ServerFailed(said, server=label, rcode=rcode)
