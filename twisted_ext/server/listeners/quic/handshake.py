"""
The server's end of a QUIC handshake: which certificate a client gets (SNI), and what will tell it that the server has forgotten the
connection (RFC 9000, section 10.3).

aioquic takes one certificate for all connections, and does not tell the name that a client asks for. The first message of the handshake is
therefore read twice, once for the name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aioquic.quic.configuration import QuicConfiguration
from aioquic.tls import Context, pull_client_hello

from twisted_ext.transport.quic.link import WatchedConnection

if TYPE_CHECKING:
    from aioquic._buffer import Buffer
    from aioquic.tls import SessionTicket

    from twisted_ext.server.listeners.tls.certificates import Pair

__all__ = ["ServerConnection"]


class _Context(Context):
    pairFor: Callable[[str], Pair]

    def _server_handle_hello(self, input_buf: Buffer, initial_buf: Buffer, handshake_buf: Buffer) -> None:
        start = input_buf.tell()
        hello = pull_client_hello(input_buf)
        input_buf.seek(start)
        pair = self.pairFor(hello.server_name or "")
        self.certificate, self.certificate_chain, self.certificate_private_key = pair.leaf, list(pair.chain), pair.key
        super()._server_handle_hello(input_buf, initial_buf, handshake_buf)


class ServerConnection(WatchedConnection):
    """
    A connection that shows the certificate for the name that the client asks for.
    """

    def __init__(
        self,
        configuration: QuicConfiguration,
        pairFor: Callable[[str], Pair],
        original: bytes,
        retried: bytes | None,
        fetch: Callable[[bytes], SessionTicket | None],
        keep: Callable[[SessionTicket], None],
        tokenFor: Callable[[bytes], bytes],
        streams: int,
    ) -> None:
        """
        @param pairFor: returns the certificate for a name, C{""} if the client sends none.
        @param original: the id to which the client has sent its first datagram.
        @param retried: the id that it was given by a Retry.
        @param tokenFor: returns the token of stateless resets for a connection id.
        @param streams: the number of streams that the client may have open.
        """
        self._pairFor = pairFor
        self._tokenFor = tokenFor
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original,
            retry_source_connection_id=retried,
            session_ticket_fetcher=fetch,
            session_ticket_handler=keep,
        )
        self._host_cids[0].stateless_reset_token = tokenFor(self.host_cid)
        limit = self._local_max_streams_bidi
        limit.value = limit.sent = min(limit.value, streams)

    def _replenish_connection_ids(self) -> None:
        had = len(self._host_cids)
        super()._replenish_connection_ids()
        for each in self._host_cids[had:]:
            each.stateless_reset_token = self._tokenFor(each.cid)

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        context = self.tls
        context.__class__ = _Context
        assert isinstance(context, _Context)
        context.pairFor = self._pairFor
