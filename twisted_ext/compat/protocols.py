"""
The protocols of L{twisted.names.dns}, for code that sends queries itself: they accept only complete replies that match the question and
come from the server that was queried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, cast

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IReactorUDP
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.names import dns
from twisted.python.failure import Failure

from twisted_ext.addrinfo.routes import packed
from twisted_ext.compat.conversion.messages import Message
from twisted_ext.compat.conversion.names import wireFromName
from twisted_ext.compat.install import globalReactor
from twisted_ext.errors import BadName

__all__ = ["DNSDatagramProtocol", "DNSMixin", "DNSProtocol"]

_log = Logger(__name__)

#: Rcodes of replies that may lack the question: the server did not parse it.
_UNREAD: Final = frozenset((dns.EFORMAT, dns.ENOTIMP))


#: Called with the message id.
_timedOut: Final[Callable[[int], Exception]] = dns.DNSQueryTimeoutError


def _asSet(queries: list[dns.Query]) -> set[tuple[bytes, int, int]]:
    return {(wireFromName(query.name).lower(), query.type, query.cls) for query in queries}


def _sameAddress(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """
    Compare addresses as values: C{2001:DB8:0:0::1} equals C{2001:db8::1}.
    """
    try:
        return one[1] == other[1] and packed(str(one[0])) == packed(str(other[0]))
    except OSError:
        return False


#: The bit in a message's third octet that is set in replies.
_QR: Final = 0x80

_Received = Callable[[bytes, object, tuple[str, int]], object]


class _Controller(Protocol):
    """
    The receiver of everything that is not a reply to a pending query.
    """

    def messageReceived(self, message: dns.Message, protocol: object, address: tuple[str, int]) -> None: ...

    def connectionMade(self, protocol: object) -> None: ...

    def connectionLost(self, protocol: object) -> None: ...


class DNSMixin(dns.DNSMixin):
    """
    The common base of both protocols.

    @ivar controller: receives messages that are not replies; may be L{None}.
    """

    liveMessages: dict[int, tuple[Deferred[dns.Message], IDelayedCall]]
    controller: object
    _reactor: object
    _asked: dict[int, list[dns.Query]]

    def __init__(self, controller: object = None, reactor: object = None) -> None:
        """
        @param controller: has C{messageReceived}, and for connections C{connectionMade} and C{connectionLost}.
        @param reactor: L{None} for the global one.
        """
        self.controller = controller
        self._reactor = globalReactor() if reactor is None else reactor

    def callLater(self, period: float, func: Callable[..., object], *args: object) -> IDelayedCall:
        return cast(IReactorTime, self._reactor).callLater(period, func, *args)

    def _query(
        self, queries: list[dns.Query], timeout: float, id: int, writeMessage: Callable[[dns.Message], None]
    ) -> Deferred[dns.Message]:
        message = Message(id, recDes=1)
        message.queries = queries
        try:
            writeMessage(message)
        except Exception:
            self._forget(id)
            return fail()
        result: Deferred[dns.Message] = Deferred(lambda _: self._cancelled(id))
        call = self.callLater(timeout, self._clearFailed, result, id)
        self.liveMessages[id] = (result, call)
        self._asked[id] = queries
        return result

    def _forget(self, id: int) -> Deferred[dns.Message] | None:
        """
        Return the Deferred of a pending query, which is no longer pending, or L{None}.
        """
        self._asked.pop(id, None)
        live = self.liveMessages.pop(id, None)
        if live is None:
            return None
        result, call = live
        if call.active():
            call.cancel()
        return result

    def _clearFailed(self, deferred: Deferred[dns.Message], id: int) -> None:
        self._forget(id)
        deferred.errback(_timedOut(id))

    def _cancelled(self, id: int) -> None:
        self._forget(id)

    def _abandon(self, reason: Failure | Exception) -> None:
        for id in list(self.liveMessages or ()):
            result = self._forget(id)
            if result is not None:
                result.errback(reason)

    def _handleResponse(
        self,
        data: bytes,
        messageSource: object,
        notifyController: Callable[[dns.Message], None],
        validate: Callable[[dns.Message], bool] = lambda message: True,
    ) -> None:
        message = Message()
        try:
            message.fromStr(data)
        except ValueError as error:
            _log.info(
                "{length} octets from {source} are no message: {error}",
                length=len(data),
                source=messageSource,
                error=error,
            )
            return
        asked = self._asked.get(message.id)
        if asked is None:
            if self.controller is not None:
                notifyController(message)
        elif _isReply(message, asked) and validate(message):
            result = self._forget(message.id)
            if result is not None:
                result.callback(message)


def _isReply(message: dns.Message, asked: list[dns.Query]) -> bool:
    if not message.answer or message.opCode != dns.OP_QUERY:
        return False
    try:
        return _asSet(message.queries) == _asSet(asked) or (
            message.rCode in _UNREAD and not message.queries and not message.answers
        )
    except BadName:
        return False


class DNSDatagramProtocol(DNSMixin, dns.DNSDatagramProtocol):
    """
    L{dns.DNSDatagramProtocol} that accepts a message only if it comes from the queried address, compared as a value, is a reply, and
    repeats the question. Other messages are ignored, and the query stays pending.

    Each C{query} sends one datagram. The caller retries, queries other servers, and uses TCP if C{trunc} is set.
    """

    def startProtocol(self) -> None:
        self._asked = {}
        self.liveMessages = {}
        self.resends = {}
        self._addressValidation = {}

    def stopProtocol(self) -> None:
        self._abandon(ConnectionDone())
        self._asked = {}
        super().stopProtocol()

    def query(
        self, address: tuple[str, int], queries: list[dns.Query], timeout: float = 10, id: int | None = None
    ) -> Deferred[dns.Message]:
        if not self.transport and ":" in address[0]:
            cast(IReactorUDP, self._reactor).listenUDP(0, self, interface="::", maxPacketSize=512)
        return super().query(address, queries, timeout, id)

    def _forget(self, id: int) -> Deferred[dns.Message] | None:
        self._addressValidation.pop(id, None)
        return super()._forget(id)

    def datagramReceived(self, data: bytes, addr: tuple[str, int]) -> None:
        """
        Match a datagram with a pending query. Pass queries undecoded to the controller if it has C{octetsReceived}.
        """
        received = cast("_Received | None", getattr(self.controller, "octetsReceived", None))
        if received is not None and len(data) > 2 and not data[2] & _QR:
            received(data, self, addr)
            return

        def notify(message: dns.Message) -> None:
            if message.id not in self.resends:
                cast(_Controller, self.controller).messageReceived(message, self, addr)

        def validate(message: dns.Message) -> bool:
            address = self._addressValidation.get(message.id)
            return address is not None and _sameAddress(address, addr)

        self._handleResponse(data, addr, notify, validate)


class DNSProtocol(DNSMixin, dns.DNSProtocol):
    """
    L{dns.DNSProtocol} that accepts a message only if it is a reply and repeats the question. Pending queries fail when the connection is
    lost.
    """

    def connectionMade(self) -> None:
        self._asked = {}
        self.liveMessages = {}
        if self.controller is not None:
            cast(_Controller, self.controller).connectionMade(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._abandon(reason)
        if self.controller is not None:
            cast(_Controller, self.controller).connectionLost(self)
