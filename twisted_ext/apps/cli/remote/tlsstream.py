"""
Sends a message over TLS on a blocking socket, and reads replies.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from time import monotonic

from OpenSSL import SSL

from twisted_ext.endpoints.dial import failureOf
from twisted_ext.errors import Unreachable
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.terms import TLSTerms
from twisted_ext.wire.framing import StreamBuffer, frame

__all__ = ["repliesOverTLS"]

#: Octets read at once.
_SIZE = 65536


def repliesOverTLS(opened: socket.socket, server: Server, terms: TLSTerms, message: bytes) -> Iterator[bytes]:
    """
    Send a message once the server has been authenticated, and return each reply.

    @param opened: connected to the server over TCP.

    @raise Unreachable: the server is not the right one, or the connection was lost.
    @raise OSError: as for the socket.
    """
    handshake = terms.handshake(server, monotonic)
    connection = handshake.begin()
    buffer = StreamBuffer()
    isDone = False
    try:
        while not isDone:
            try:
                connection.do_handshake()
                isDone = True
            except SSL.WantReadError:
                _flush(connection, opened)
                _fill(connection, opened)
        problem = handshake.finish()
        if problem:
            raise Unreachable(f"{server.label} cannot be reached over TLS: {problem}", server=server.label)
        connection.sendall(frame(message))
        while True:
            _flush(connection, opened)
            try:
                yield from buffer.feed(connection.recv(_SIZE))
            except SSL.WantReadError:
                _fill(connection, opened)
    except SSL.Error as error:
        what = "closed the TLS connection before it had answered" if isDone else "cannot be reached over TLS"
        raise Unreachable(f"{server.label} {what}: {handshake.failure(failureOf(error), isDone)}", server=server.label) from None
    finally:
        handshake.over(False)


def _flush(connection: SSL.Connection, opened: socket.socket) -> None:
    try:
        while True:
            opened.sendall(connection.bio_read(_SIZE))
    except SSL.WantReadError:
        pass


def _fill(connection: SSL.Connection, opened: socket.socket) -> None:
    data = opened.recv(_SIZE)
    if not data:
        raise ConnectionError("it closed the connection")
    connection.bio_write(data)
