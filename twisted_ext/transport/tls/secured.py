"""
The TLS layer of a connection to a server: Twisted's, with a short way for what nearly every look-up consists of: a query while nothing else
is under way, and a reply that arrives in a record of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from OpenSSL.SSL import Connection, Error, WantReadError, ZeroReturnError
from twisted.internet.interfaces import IConsumer, IPullProducer, ITCPTransport, ITransport
from twisted.internet.protocol import connectionDone
from twisted.internet.tcp import Client
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.transport.tls.layer import TLSLayer
from twisted_ext.wire.framing import TLSRecords

__all__ = ["DirectTransport", "Secured"]

#: The annotation of Failure lacks types.
_failureOf: Final = cast("Callable[[BaseException], Failure]", Failure)

#: The kind of records that carry data (RFC 8446, section 5.1).
_DATA: Final = 23

#: Octets of the content of the largest record.
_RECORD: Final = 16384

#: Octets of the longest record that may be an alert or a change of keys, to which OpenSSL has to reply. DNS messages make longer ones.
_SMALL: Final = 28


@implementer(IPullProducer)
class DirectTransport:
    """
    A TCP transport that writes to its socket at once if told to. Otherwise the reactor writes in its next turn, and watches the socket
    until then: good for many writes in one turn, but more than all encryption costs for a single one.
    """

    def __init__(self, transport: Client) -> None:
        self._transport = transport
        self._sink = cast(IConsumer, transport)
        # Whether the transport's own buffer may hold octets, so that others have to wait behind them.
        self._isHolding = False
        self.isUrgent = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def write(self, octets: bytes) -> None:
        transport = self._transport
        if not self._isHolding and transport.connected and not transport.disconnecting:
            if self.isUrgent:
                sent = transport.writeSomeData(octets)
                if sent == len(octets):
                    return
                if isinstance(sent, int) and sent > 0:
                    octets = octets[sent:]
            # This transport calls resumeProducing at once, and again when its buffer is empty.
            self._sink.registerProducer(self, False)
            self._isHolding = True
        self._sink.write(octets)

    def resumeProducing(self) -> None:
        if self._isHolding:
            self._isHolding = False
            self._sink.unregisterProducer()

    def stopProducing(self) -> None:
        self._isHolding = False


class Secured(TLSLayer):
    """
    The TLS layer of one connection. It has no buffer, since exchanges write the queries of one turn at once.
    """

    _handle: Connection | None = None
    _direct: DirectTransport | None = None

    def makeConnection(self, transport: ITransport) -> None:
        if type(transport) is Client:
            self._direct = DirectTransport(transport)
            transport = cast(ITCPTransport, self._direct)
        self._isOne = TLSRecords().isOne
        super().makeConnection(transport)

    def begin(self) -> None:
        """
        Note that the handshake is complete.
        """
        self._handle = self.getHandle()

    def writeNow(self, octets: bytes) -> None:
        """
        Write to the socket at once, where that is possible.
        """
        direct = self._direct
        if direct is None:
            self.write(octets)
            return
        direct.isUrgent = True
        try:
            self.write(octets)
        finally:
            direct.isUrgent = False

    def dataReceived(self, data: bytes) -> None:
        handle = self._handle
        isOne = self._isOne(data)
        if not isOne or handle is None or len(data) <= _SMALL or data[0] != _DATA or self.disconnecting:
            super().dataReceived(data)
            return
        # One whole record. Asking OpenSSL for more, and for octets to send, would cost an exception each.
        handle.bio_write(data)
        try:
            plain = handle.recv(_RECORD)
        except WantReadError:
            # A ticket for another session.
            return
        except ZeroReturnError:
            self.loseConnection()
            return
        except Error as error:
            self.failVerification(_failureOf(error))
            return
        assert self.wrappedProtocol is not None
        self.wrappedProtocol.dataReceived(plain)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._handle = None
        super().connectionLost(reason)
