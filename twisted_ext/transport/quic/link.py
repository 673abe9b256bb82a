"""
Drive aioquic's QUIC connections by a Twisted clock, for both ends: datagrams in, events out, one timer.

Needs the extra C{quic}: import this module only where QUIC is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    HandshakeCompleted,
    ProtocolNegotiated,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

if TYPE_CHECKING:
    from aioquic.quic.connection import NetworkAddress
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["LinkHandler", "QuicLink", "WatchedConnection"]

#: Seconds between two runs of the timer at least: rounding may make a timer run slightly early.
_TICK: Final = 0.001


class WatchedConnection(QuicConnection):
    """
    A connection whose end is noticed at once.

    aioquic reports the end only after the draining period (RFC 9000, section 10.2), for which queries without a reply cannot wait.

    Data for a stream that the peer has stopped is dropped: the event for it may come after that for the query, and the stream may be
    discarded meanwhile.
    """

    ending = False
    #: Octets written to streams, less the octets of the datagrams sent.
    unsent = 0

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        if self.isWritable(stream_id):
            self.unsent += len(data)
            super().send_stream_data(stream_id, data, end_stream)

    def isWritable(self, stream_id: int) -> bool:
        """
        Return whether the peer may still get data on a stream that was opened, or will be by writing.
        """
        stream = self._streams.get(stream_id)
        if stream is None:
            return not self._stream_is_discarded(stream_id)
        return stream.sender._reset_error_code is None

    @property
    def openable(self) -> int:
        """
        The number of bidirectional streams that the peer permits beyond those opened so far. aioquic lets others wait, but announces the
        end of one that is cancelled while it waits, for which the peer closes the connection.
        """
        return self._remote_max_streams_bidi - (self._local_next_stream_id_bidi >> 2)

    def forget(self) -> None:
        """
        Drop all state of a connection that is over. It refers to itself in dozens of places, by its callbacks, so that it would otherwise
        stay in memory until the garbage collector runs, which it does rarely in servers.
        """
        for space in self._spaces.values():
            # Packets that are not acknowledged refer to their space.
            space.sent_packets.clear()
        vars(self).clear()

    def _close_begin(self, is_initiator: bool, now: float) -> None:
        super()._close_begin(is_initiator, now)
        self.ending = True


class LinkHandler(Protocol):
    """
    The receiver of a connection's events. It may call any method of the link in return.
    """

    def negotiated(self, protocol: str | None) -> None:
        """
        Called with the protocol agreed on in the TLS handshake, before any data.
        """

    def handshaken(self, resumed: bool) -> None: ...

    def received(self, stream: int, data: bytes, end: bool) -> None: ...

    def abandoned(self, stream: int, code: int, *, reset: bool) -> None:
        """
        Called when the peer gives up a stream.

        @param reset: whether it will send no more data; otherwise, it will not read any.
        """

    def ended(self, code: int, reason: str, byApplication: bool) -> None:
        """
        Called once when the connection has ended, unless L{QuicLink.close} or L{QuicLink.drop} ended it.

        @param byApplication: whether the code is one of DNS over QUIC, and not of QUIC itself.
        """

    def more(self) -> bool:
        """
        Called while C{QuicLink.flowing} is set and datagrams have been sent: write more, if few octets are unsent.

        @return: whether anything was written.
        """

    def broken(self, error: Exception) -> None:
        """
        Called with an error of this program that the timer has met.
        """

    def issued(self, connectionId: bytes) -> None: ...

    def retired(self, connectionId: bytes) -> None: ...


class QuicLink:
    """
    One connection, and its timer.

    @ivar flowing: whether to call the handler's C{more}.
    """

    def __init__(
        self, clock: IReactorTime, connection: WatchedConnection, send: Callable[[bytes, NetworkAddress], None], handler: LinkHandler
    ) -> None:
        # Acknowledge in the packet of the reply, which pump() sends next, and not in another one a millisecond later. kdig 3.2 takes that
        # for the end of its connection.
        connection._ack_delay = 0.0
        self.connection = connection
        self.flowing = False
        self._clock = clock
        self._send = send
        self._handler = handler
        self._timer: IDelayedCall | None = None
        self._busy = False
        self._over = False

    @property
    def openable(self) -> int:
        """
        The number of streams that may be opened now.
        """
        return 0 if self._over else self.connection.openable

    @property
    def unsent(self) -> int:
        """
        Octets of replies or queries that the peer does not accept yet.
        """
        return self.connection.unsent

    @property
    def validated(self) -> NetworkAddress | None:
        """
        The peer's address, if it was proved that it receives what is sent there.
        """
        if self._over:
            return None
        path = self.connection._network_paths[0]
        address: NetworkAddress = path.addr
        return address if path.is_validated else None

    def connect(self, address: NetworkAddress) -> None:
        self.connection.connect(address, self._clock.seconds())
        self.pump()

    def receive(self, datagram: bytes, address: NetworkAddress) -> bool:
        """
        Take a datagram. L{pump} handles it, best after others that have arrived at the same time.

        @return: whether a packet was acceptable, so far.
        """
        if self._over:
            return True
        connection = self.connection
        connection.receive_datagram(datagram, address, self._clock.seconds())
        # Without a path, aioquic cannot send either.
        return connection.get_peer_address() is not None

    def write(self, stream: int, octets: bytes, end: bool) -> None:
        """
        Write to a stream. L{pump} sends it.
        """
        if not self._over:
            self.connection.send_stream_data(stream, octets, end)

    def isWritable(self, stream: int) -> bool:
        """
        Return whether the peer reads a stream, as far as known.
        """
        return not self._over and self.connection.isWritable(stream)

    def reset(self, stream: int, code: int) -> None:
        """
        End the sending part of a stream without all of its data.
        """
        if not self._over:
            self.connection.reset_stream(stream, code)

    def refuse(self, stream: int, code: int) -> None:
        """
        Ask the peer to send no more on a stream, if it still exists.
        """
        if self._over:
            return
        try:
            self.connection.stop_stream(stream, code)
        except ValueError:
            # Everything has arrived meanwhile.
            pass

    def pump(self) -> None:
        """
        Handle events, send datagrams, and set the timer. Inside of a handler's method it does nothing: the caller of that method does.
        """
        if self._busy or self._over:
            return
        self._busy = True
        try:
            while self._events():
                now = self._clock.seconds()
                if self.connection.ending:
                    self._expire()
                    continue
                for datagram, address in self.connection.datagrams_to_send(now):
                    self.connection.unsent -= len(datagram)
                    self._send(datagram, address)
                if self.connection.unsent < 0:
                    self.connection.unsent = 0
                if not self.connection.ending and not (self.flowing and self._handler.more()):
                    # aioquic issues connection ids when it sends them, and some peers use them from their next packet on.
                    self._events()
                    break
        finally:
            self._busy = False
        if not self._over:
            self._setTimer()

    def close(self, code: int, reason: str = "") -> None:
        """
        Close the connection, with a notice to the peer. The notice is sent once: if it is lost, the peer's idle timeout ends its side.
        """
        if self._over:
            return
        connection = self.connection
        if not connection.ending:
            connection.close(error_code=code, reason_phrase=reason)
            for datagram, address in connection.datagrams_to_send(self._clock.seconds()):
                self._send(datagram, address)
        self.drop()

    def drop(self) -> None:
        """
        Forget the connection without a notice to the peer.
        """
        if self._over:
            return
        self._over = True
        self.flowing = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Leave no reference cycles.
        del self._handler, self._send
        self.connection.forget()

    def _events(self) -> bool:
        """
        Pass events to the handler.

        @return: whether the connection still exists.
        """
        connection = self.connection
        handler = self._handler
        while not self._over:
            event = connection.next_event()
            if event is None:
                return True
            if isinstance(event, StreamDataReceived):
                handler.received(event.stream_id, event.data, event.end_stream)
            elif isinstance(event, StreamReset):
                handler.abandoned(event.stream_id, event.error_code, reset=True)
            elif isinstance(event, StopSendingReceived):
                handler.abandoned(event.stream_id, event.error_code, reset=False)
            elif isinstance(event, ProtocolNegotiated):
                handler.negotiated(event.alpn_protocol)
            elif isinstance(event, HandshakeCompleted):
                handler.handshaken(event.session_resumed)
            elif isinstance(event, ConnectionIdIssued):
                handler.issued(event.connection_id)
            elif isinstance(event, ConnectionIdRetired):
                handler.retired(event.connection_id)
            elif isinstance(event, ConnectionTerminated):
                self.drop()
                handler.ended(event.error_code, event.reason_phrase, event.frame_type is None)
        return False

    def _expire(self) -> None:
        """
        Skip the rest of the draining period.
        """
        until = self.connection.get_timer()
        if until is not None:
            self.connection.handle_timer(until)

    def _setTimer(self) -> None:
        until = self.connection.get_timer()
        timer = self._timer
        if until is None:
            if timer is not None:
                timer.cancel()
                self._timer = None
        elif timer is None:
            self._timer = self._clock.callLater(max(until - self._clock.seconds(), _TICK), self._tick)
        elif timer.getTime() > until + _TICK:
            # A timer that is due too early only looks again. Most are put off by each datagram.
            timer.reset(max(until - self._clock.seconds(), _TICK))

    def _tick(self) -> None:
        self._timer = None
        handler = self._handler
        now = self._clock.seconds()
        until = self.connection.get_timer()
        if until is not None and until <= now + _TICK:
            try:
                self.connection.handle_timer(max(until, now))
                self.pump()
            except Exception as error:
                handler.broken(error)
        else:
            self._setTimer()
