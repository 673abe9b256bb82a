"""
Connections of QUIC clients to a listener on the memory network.
"""

from __future__ import annotations

from aioquic.quic.events import ConnectionTerminated, StreamDataReceived

from tests.transport.quic.peers import QuicTestCase, RawClient
from twisted_ext.server.listeners.quic.serving import QuicServing

__all__ = ["QuicServingCase"]


class QuicServingCase(QuicTestCase):
    """
    A listener, and what its clients get.
    """

    def replies(self, client: RawClient) -> dict[int, bytes]:
        """
        Return the octets that arrived on each stream.
        """
        found: dict[int, bytes] = {}
        for event in client.events:
            if isinstance(event, StreamDataReceived):
                found[event.stream_id] = found.get(event.stream_id, b"") + event.data
        return found

    def closed(self, client: RawClient, seconds: float = 1.0) -> tuple[int, str]:
        """
        Return code and reason with which the server has closed the connection.
        """
        self.network.advance(seconds)
        (event,) = client.of(ConnectionTerminated)
        assert isinstance(event, ConnectionTerminated)
        self.assertEqual([len(self.serving)], [0])
        return event.error_code, event.reason_phrase

    @property
    def serving(self) -> list[QuicServing]:
        assert self.listener is not None
        return self.listener.servings.all()
