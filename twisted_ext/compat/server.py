"""
Serve as L{twisted.names.server} does: resolvers in three roles behind one factory, with overridable methods that get each query as a
message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import time
from typing import TYPE_CHECKING, ClassVar, Final, Protocol, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.names import dns
from twisted.python.failure import Failure

from twisted_ext.compat.conversion.errors import LookupFailed, denialFrom, faultFromError
from twisted_ext.compat.conversion.messages import Message
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.foreign import sourceOf
from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.roles import Roles
from twisted_ext.errors import DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import DATAGRAM_SIZE
from twisted_ext.wire.framing import frame

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITransport

__all__ = ["MessageServing", "Peer", "peerOf"]

_log: Final = Logger(__name__)

#: Methods that get queries or replies as messages. Messages are created only if an application overrides one of them.
_HOOKS: Final = (
    "allowQuery",
    "gotResolverError",
    "gotResolverResponse",
    "handleInverseQuery",
    "handleNotify",
    "handleOther",
    "handleQuery",
    "handleStatus",
    "messageReceived",
    "sendReply",
    "_responseFromMessage",
)

_EVERY_HOOK: Final = frozenset(_HOOKS)

#: The methods that turn an answer into a reply.
_REPLYING: Final = ("gotResolverError", "gotResolverResponse", "sendReply", "_responseFromMessage")

_newOctets: Final = cast("Callable[[bytes], dns.IEncodableRecord]", dns.UnknownRecord)

_Address = tuple[str, int]

_Send = Callable[[bytes], None]

#: The attribute of a decoded message that holds its octets and its original questions.
_OCTETS: Final = "_twisted_ext_octets"


class Peer(Protocol):
    """
    The protocol that received a message.
    """

    transport: ITransport

    def writeMessage(self, message: dns.Message, address: object = None) -> None:
        """
        Send a message, over UDP to this address.
        """


class MessageServing:
    """
    The attributes and overridable methods of the factory of L{twisted.names.server}. If no method is overridden, no message objects are
    created.

    @ivar canRecurse: whether there are C{clients}.
    @ivar cache: the last of C{caches}, or L{None}.
    @ivar verbose: 1 to log queries, 2 to log the records of replies as well.
    @ivar connections: the open connections.
    """

    cache: object = None
    _messageFactory = Message
    _own: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        authorities: Iterable[object] | None = None,
        caches: Iterable[object] | None = None,
        clients: Iterable[object] | None = None,
        verbose: int = 0,
        *,
        reactor: IReactorTime | None = None,
    ) -> None:
        """
        @param authorities: resolvers whose answers are authoritative. Each is an L{IResolver<twisted.internet.interfaces.IResolver>}, an
            object with its C{query} method, or an L{IAnswerSource}.
        @param caches: resolvers that are queried next. If the last of them has C{cacheResult}, it is called with the answers of C{clients}.
        @param clients: resolvers that query other servers. They are used for clients that request recursion.
        @param reactor: L{None} for the global one.

        @raise twisted_ext.errors.CallerFault: one of them is not a resolver.
        """
        self.clock = globalReactor() if reactor is None else reactor
        self.verbose = verbose
        self.connections: list[object] = []
        roles = Roles(self.clock, list(authorities or ()), list(caches or ()), list(clients or ()))
        self.cache = roles.cache
        self.canRecurse = roles.canRecurse
        self._use(roles)

    def __init_subclass__(cls, **kw: object) -> None:
        super().__init_subclass__(**kw)
        cls._own = frozenset([name for name in _HOOKS if getattr(cls, name) is not getattr(MessageServing, name)])

    # -- overridable

    @property
    def resolver(self) -> NamesResolver:
        """
        All resolvers combined. Assign to it to replace them.
        """
        return self._resolver

    @resolver.setter
    def resolver(self, resolver: object) -> None:
        self._use(sourceOf(resolver, self.clock))

    def _use(self, source: IAnswerSource) -> None:
        self.source: IAnswerSource = source
        self._resolver = NamesResolver(source, self.clock)

    def overrides(self, names: Iterable[str] = _HOOKS) -> bool:
        """
        Return whether a subclass or this instance overrides any of these methods.
        """
        own, given = self._own, self.__dict__
        return any(name in own or name in given for name in names)

    def overridesReplies(self) -> bool:
        """
        Return whether a method is overridden that turns an answer into a reply.
        """
        return self.overrides(_REPLYING)

    def replyTo(self, octets: bytes, peer: Peer, address: _Address | None, send: _Send) -> bool:
        """
        Answer a query from its octets, without creating a message object.

        @param address: L{None} for connections.

        @return: whether the message is a query.
        """
        raise NotImplementedError

    def octetsReceived(
        self, octets: bytes, peer: Peer, address: _Address | None = None, send: _Send | None = None
    ) -> bool:
        """
        Handle a message that one of this package's protocols received, before it is decoded.

        @param send: sends octets to the client; L{None} to send through the protocol's transport.

        @return: whether the message is a query.
        """
        send = send or senderTo(peer, address)
        if not (self.verbose or self._own) and _EVERY_HOOK.isdisjoint(vars(self)):
            return self.replyTo(octets, peer, address, send)
        try:
            message = _messageFrom(octets)
        except ValueError:
            return self.replyTo(octets, peer, address, send)
        if message.answer:
            return False
        if not message.queries and not self.overrides(("allowQuery", "messageReceived")):
            return self.replyTo(octets, peer, address, send)
        vars(message)[_OCTETS] = octets, [_asked(query) for query in message.queries]
        self.messageReceived(message, peer, address)
        return True

    def messageReceived(self, message: dns.Message, proto: Peer, address: _Address | None = None) -> None:
        """
        Handle a query. Ignore replies: replying to another server's replies could start a loop.
        """
        if message.answer:
            return
        message.timeReceived = time()
        if self.verbose:
            _log.info(
                "{queries} query from {address}",
                queries=" ".join([str(query) if self.verbose > 1 else _typeOf(query) for query in message.queries])
                or "Empty",
                address=address or peerOf(proto),
            )
        if not self.allowQuery(message, proto, address):
            self._decline(message, proto, address, dns.EREFUSED)
        elif message.opCode == dns.OP_QUERY:
            self.handleQuery(message, proto, address)
        elif message.opCode == dns.OP_INVERSE:
            self.handleInverseQuery(message, proto, address)
        elif message.opCode == dns.OP_STATUS:
            self.handleStatus(message, proto, address)
        elif message.opCode == dns.OP_NOTIFY:
            self.handleNotify(message, proto, address)
        else:
            self.handleOther(message, proto, address)

    def allowQuery(self, message: dns.Message, protocol: Peer, address: _Address | None) -> bool:
        """
        Return whether to handle this query; otherwise the reply is REFUSED. By default, every message with a question is allowed.
        """
        return bool(message.queries)

    def handleQuery(self, message: dns.Message, protocol: Peer, address: _Address | None) -> Deferred[None] | None:
        """
        Answer a query.
        """
        if not self.overridesReplies():
            send = cast("_Send", getattr(protocol, "send", None)) if address is None else None
            self.replyTo(_octetsOf(message), protocol, address, send or senderTo(protocol, address))
            return None
        asked = maybeDeferred(self._resolver.query, message.queries[0])
        return cast(
            "Deferred[None]",
            asked.addCallback(self.gotResolverResponse, protocol, message, address).addErrback(
                self.gotResolverError, protocol, message, address
            ),
        )

    def gotResolverResponse(
        self, response: Sequence[list[dns.RRHeader]], protocol: Peer, message: dns.Message, address: _Address | None
    ) -> None:
        """
        Reply with three lists of records.
        """
        answers, authority, additional = response
        reply = self._responseFromMessage(
            message=message, rCode=dns.OK, answers=answers, authority=authority, additional=additional
        )
        if isinstance(response, Result):
            reply.rCode = response.rcode
        self.sendReply(protocol, reply, address)

    def gotResolverError(
        self, failure: Failure, protocol: Peer, message: dns.Message, address: _Address | None
    ) -> None:
        """
        Reply with an error: NXDOMAIN only if the failure denies the name; SERVFAIL stays SERVFAIL.
        """
        raised = failure.value
        if not isinstance(raised, LookupFailed | DNSFault | dns.DomainError | dns.AuthoritativeDomainError):
            _log.failure("while answering", failure)
        denial = None if raised is None else denialFrom(raised)
        if denial is not None:
            rcode = denial.rcode
        elif isinstance(raised, LookupFailed):
            rcode = dns.EREFUSED if isinstance(raised.__cause__, Unknown) else dns.ESERVER if raised.rcode is None else raised.rcode
        else:
            fault = faultFromError(cast(BaseException, raised))
            rcode = dns.EREFUSED if isinstance(fault, Unknown) else fault.rcode
        self.sendReply(protocol, self._responseFromMessage(message=message, rCode=rcode), address)

    def handleInverseQuery(self, message: dns.Message, protocol: Peer, address: _Address | None) -> None:
        """
        Reply NOTIMP, as do C{handleStatus}, C{handleNotify} and C{handleOther}.
        """
        self._decline(message, protocol, address, dns.ENOTIMP)

    handleStatus = handleNotify = handleOther = handleInverseQuery

    def _decline(self, message: dns.Message, protocol: Peer, address: _Address | None, rcode: int) -> None:
        reply = self._responseFromMessage(message=message, rCode=rcode)
        reply.opCode = message.opCode
        self.sendReply(protocol, reply, address)

    def _responseFromMessage(
        self,
        message: dns.Message,
        rCode: int = dns.OK,
        answers: list[dns.RRHeader] | None = None,
        authority: list[dns.RRHeader] | None = None,
        additional: list[dns.RRHeader] | None = None,
    ) -> dns.Message:
        """
        Create a reply with these records. AA is set if one of the answers has it.
        """
        reply = self._messageFactory(message.id, answer=1, recAv=int(self.canRecurse), rCode=rCode & 15)
        reply.recDes = message.recDes
        reply.checkingDisabled = message.checkingDisabled
        reply.queries = list(message.queries[:1])
        reply.answers = list(answers or ())
        reply.authority = list(authority or ())
        reply.additional = list(additional or ())
        reply.auth = any(header.auth for header in reply.answers)
        edns = getattr(message, "edns", None)
        sizes = [header.cls for header in message.additional if header.type == dns.OPT]
        if edns is not None:
            sizes.append(edns.payloadSize)
        reply.maxSize = int(DATAGRAM_SIZE.least)
        if sizes:
            reply.maxSize = int(min(max(*sizes, reply.maxSize), DATAGRAM_SIZE.default))
            reply.additional.append(dns.RRHeader(b"", dns.OPT, int(DATAGRAM_SIZE.default), 0, _newOctets(b"")))
        reply.timeReceived = getattr(message, "timeReceived", None)
        return reply

    def sendReply(self, protocol: Peer, message: dns.Message, address: _Address | None) -> None:
        """
        Send a reply.

        @param address: L{None} for connections.
        """
        if self.verbose > 1:
            _log.info(
                "Replying with {answers}, {authority}, {additional}",
                answers=message.answers,
                authority=message.authority,
                additional=message.additional,
            )
        if address is None:
            message.maxSize = 0
        _writeMessage(protocol, message, address)

    # -- connections

    def connectionMade(self, protocol: object) -> None:
        self.connections.append(protocol)

    def connectionLost(self, protocol: object) -> None:
        if protocol in self.connections:
            self.connections.remove(protocol)


def _typeOf(query: dns.Query) -> str:
    return dns.QUERY_TYPES.get(query.type, f"TYPE{query.type}")


def _asked(query: dns.Query) -> tuple[bytes, int, int]:
    return query.name.name, query.type, query.cls


def _octetsOf(message: dns.Message) -> bytes:
    """
    Return the octets that a message was decoded from, or encode it again if its question has been changed since.
    """
    octets, asked = vars(message).get(_OCTETS, (b"", None))
    return cast(bytes, octets) if asked == [_asked(query) for query in message.queries] else message.toStr()


def _messageFrom(octets: bytes) -> Message:
    message = Message()
    message.fromStr(octets)
    return message


def _writeMessage(protocol: Peer, message: dns.Message, address: _Address | None) -> None:
    if address is None:
        protocol.writeMessage(message)
    else:
        protocol.writeMessage(message, address)


def peerOf(protocol: Peer) -> tuple[str, int]:
    """
    Return address and port of the peer of a connection; an empty text and 0 if unknown.
    """
    transport = getattr(protocol, "transport", None)
    there = None if transport is None else transport.getPeer()
    return getattr(there, "host", ""), getattr(there, "port", 0)


def senderTo(protocol: Peer, address: _Address | None) -> _Send:
    transport = getattr(protocol, "transport", None)
    if transport is None:
        # A fake protocol, in a test for example.
        return lambda octets: _writeMessage(protocol, _messageFrom(octets), address)
    if address is None:
        return lambda octets: transport.write(frame(octets))

    def send(octets: bytes) -> None:
        # The port may have been closed meanwhile.
        if cast(object, protocol.transport) is not None:
            try:
                transport.write(octets, address)
            except (OSError, MessageLengthError) as error:
                _log.info("no reply can be sent to {address}: {error}", address=address, error=error)

    return send
