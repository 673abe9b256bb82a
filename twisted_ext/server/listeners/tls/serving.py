"""
DNS over TLS (RFC 7858): a connection of L{StreamServing<twisted_ext.server.listeners.connection.StreamServing>} that is encrypted.

TLS is handled here, between the socket and the stream of messages, and not by Twisted's TLS protocol: that one passes each write through
several buffers and a turn of the reactor, which costs more than the encryption.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from OpenSSL.SSL import Error, WantReadError, ZeroReturnError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.packetcache.doors import foldedName
from twisted_ext.server.limits import DECLINED_SECONDS
from twisted_ext.server.listeners.connection import ReplySource, StreamServing
from twisted_ext.server.listeners.tls.certificates import reasonOf
from twisted_ext.wire.framing import TLSRecords

if TYPE_CHECKING:
    from twisted_ext.server.listeners.stream import MakeServing, StreamFactory
    from twisted_ext.server.listeners.tls.certificates import ContextFactory

__all__ = ["ALPN", "HandshakeLog", "TLSServing", "tlsServing"]

#: The protocols of DNS over TLS (RFC 7858, section 8.3).
ALPN: Final = (b"dot",)

#: The content of the largest record (RFC 8446, section 5.1).
_RECORD: Final = 16384

#: Octets that encryption adds to a record at most, and room for records of other kinds.
_EXTRA: Final = 64
_ROOM: Final = 512

_log: Final = Logger(__name__)


class HandshakeLog:
    """
    Logs why handshakes with clients fail, at most one line every L{DECLINED_SECONDS}: any client can make them fail.
    """

    def __init__(self, transport: str = "TLS") -> None:
        self._transport = transport
        self._next = float("-inf")
        self._unsaid = 0

    def note(self, client: str, error: Error, now: float, problem: str = "") -> None:
        """
        @param problem: what was wrong with the client's certificate.
        """
        self.noteReason(client, lambda: problem or reasonOf(error), now)

    def noteReason(self, client: str, reason: Callable[[], str], now: float) -> None:
        """
        @param reason: returns why the last one failed.
        """
        self._unsaid += 1
        if now < self._next:
            return
        count, self._unsaid = self._unsaid, 0
        self._next = now + DECLINED_SECONDS.default
        _log.info(
            "{transport}: failed handshakes: {count}, the last one with {client}: {reason}",
            transport=self._transport,
            count=count,
            client=client,
            reason=reason(),
        )


class TLSServing(StreamServing):
    """
    The protocol of one encrypted connection.
    """

    def __init__(
        self,
        servings: StreamFactory,
        address: IAddress | None,
        site: str,
        answering: ReplySource,
        contexts: ContextFactory,
        failures: HandshakeLog,
    ) -> None:
        super().__init__(servings, address, site)
        self._replySource = answering
        self._handshakes = failures
        self._contexts = contexts
        self._tls = contexts.connection()
        self._isShaking = True
        # Octets of the handshake that wait for their turn.
        self._early = b""
        self._isOne = TLSRecords().isOne

    def _connected(self) -> None:
        self._servings.beginShaking(self)
        super()._connected()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._isShaking:
            self._replySource.counters.tlsFailed += 1
        super().connectionLost(reason)

    # -- input

    def dataReceived(self, data: bytes) -> None:
        if self._ending:
            return
        if self._isShaking:
            if self._early or not self._servings.handshakes.admit(self._continueShaking):
                if not self._early:
                    self._spring.pauseProducing()
                self._early += data
                return
        self._decrypt(data)

    def _continueShaking(self) -> bool:
        data, self._early = self._early, b""
        if self._ending:
            return False
        self._decrypt(data)
        # Requests that came with the end of the handshake may have to wait themselves.
        if not (self._ending or self._held or self._turn or self._pausedAt is not None):
            self._spring.resumeProducing()
        return True

    def _decrypt(self, data: bytes) -> None:
        tls = self._tls
        plain = b""
        fault: Error | None = None
        try:
            try:
                isOne = self._isOne(data)
                tls.bio_write(data)
                if self._isShaking:
                    self._shake()
                plain = tls.recv(_RECORD)
                if not isOne:
                    # Answer all requests that came together in one piece.
                    while True:
                        plain += tls.recv(_RECORD)
            except WantReadError:
                if self._isShaking:
                    self._flush()
            except Error as error:
                # Its traceback would hold this frame, and the frame the error.
                fault = error.with_traceback(None)
            if plain:
                super().dataReceived(plain)
            if fault is None or self._ending:
                return
            if isinstance(fault, ZeroReturnError):
                # The client has sent its last request, but may still read replies.
                self.readConnectionLost()
            else:
                self._fail(fault)
        except Exception as error:
            self._broken(error)

    def _shake(self) -> None:
        self._tls.do_handshake()
        self._isShaking = False
        self.peer = self._contexts.peerOf(self._tls)
        self.door = self.door._replace(serverName=foldedName(self._tls.get_servername() or b""), isEncrypted=True)
        self._servings.shook(self)
        self._flush()

    def _fail(self, error: Error) -> None:
        """
        End a connection whose octets are not TLS, or not acceptable. The alert says why.
        """
        self._handshakes.note(self.host, error, self._seconds(), str(self._tls.get_app_data() or ""))
        self._flush()
        super().end()

    # -- output

    def _flush(self) -> None:
        """
        Send what OpenSSL has to send, if anything.
        """
        try:
            while True:
                super()._write(self._tls.bio_read(_RECORD))
        except WantReadError:
            return

    def _write(self, octets: bytes) -> None:
        tls = self._tls
        size = len(octets)
        try:
            sent = tls.send(octets)
            while sent < size:
                # One record at a time.
                sent += tls.send(octets[sent : sent + _RECORD])
            most = size + (size // _RECORD + 1) * _EXTRA + _ROOM
            sealed = tls.bio_read(most)
        except Error as error:
            self._handshakes.note(self.host, error, self._seconds())
            self.abort()
            return
        super()._write(sealed)
        if len(sealed) == most:
            self._flush()

    # -- the end

    def worth(self, now: float) -> tuple[int, float] | None:
        """
        Rank handshakes below all connections in use, with -1: a client that has one loses nothing but this attempt.
        """
        return (-1, self.since) if self._isShaking and not self._ending else super().worth(now)

    def readConnectionLost(self) -> None:
        if self._isShaking:
            self.abort()
        else:
            super().readConnectionLost()

    def end(self) -> None:
        if not self._ending and not self._isShaking:
            try:
                self._tls.shutdown()
            except Error:
                # The client's end is broken already.
                pass
            self._flush()
        super().end()

    def __repr__(self) -> str:
        return f"<TLSServing {self.host}:{self.port}>"


def tlsServing(
    answering: ReplySource, contexts: ContextFactory, isDropped: Callable[[str], bool] = lambda host: False
) -> MakeServing:
    """
    Return what makes the protocols of encrypted connections, see L{StreamListener<twisted_ext.server.listeners.stream.StreamListener>}.

    @param isDropped: returns whether a client gets no reply at all, so that it is not worth a handshake.
    """

    failures = HandshakeLog()

    def make(servings: StreamFactory, address: IAddress | None, site: str) -> StreamServing | None:
        if isDropped(getattr(address, "host", "")):
            answering.counters.dropped += 1
            return None
        return TLSServing(servings, address, site, answering, contexts, failures)

    return make
