"""
Tests of what is left of encrypted connections at a server.
"""

from __future__ import annotations

import gc
import weakref

from OpenSSL import SSL

from tests.server.listeners.streams import request
from tests.server.listeners.tlsstreams import TLSTestCase
from twisted_ext.server.listeners.tls.certificates import ContextFactory


class ReleaseTests(TLSTestCase):
    """
    Tests without the garbage collector.
    """

    def setUp(self) -> None:
        super().setUp()
        made: list[weakref.ref[SSL.Connection]] = []
        connection = ContextFactory.connection

        def connecting(factory: ContextFactory) -> SSL.Connection:
            opened = connection(factory)
            made.append(weakref.ref(opened))
            return opened

        self.patch(ContextFactory, "connection", connecting)
        self.made = made
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)

    def left(self) -> int:
        """
        Return the number of OpenSSL's connections that still exist.
        """
        self.network.advance(1)
        return len([each for each in self.made if each() is not None])

    def test_endedConnectionsAreReleased(self) -> None:
        """
        The buffers of a connection are released at its end, however it ends: a server has many of them.
        """
        for how in ("closed", "reset", "junk", "abandoned"):
            for _ in range(3):
                if how in ("junk", "abandoned"):
                    plain = self.connect(port=853)
                    plain.transport.write(b"junk!" if how == "junk" else b"\x16\x03\x01")
                    plain.transport.loseConnection()
                    continue
                client = self.shake()
                client.ask(request(1, b"now"))
                self.network.advance(0.1)
                self.assertEqual(client.replies, [1])
                if how == "closed":
                    client.transport.loseConnection()
                else:
                    client.transport.abortConnection()
            self.assertEqual((how, self.left()), (how, 0))
        self.assertEqual(len(self.made), 12)
