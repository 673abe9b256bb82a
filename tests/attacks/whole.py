"""
A whole server on a memory network, and an attacker.
"""

from __future__ import annotations

from tests.queries import queryOf
from tests.server.test_service import SECRET, US, ServiceCase
from twisted_ext.cache.store import Store
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.service import ServerService
from twisted_ext.wire.message import Message

__all__ = ["EVIL", "US", "WholeServerTestCase", "storeOf"]

#: The spoofed address.
EVIL = "192.168.66.6"


def storeOf(service: ServerService) -> Store:
    """
    Return the store of its cache.
    """
    caching = service.stack.caching
    assert caching is not None
    return caching.store


class WholeServerTestCase(ServiceCase):
    """
    Tests with sockets, gates, packet cache, cache and upstreams as in C{twistd txdns}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.network.recording = False

    def flood(self, names: list[str], client: str = EVIL, *, flags: int = 0x0100) -> None:
        """
        Let a query for each of these names arrive, all at the same moment.
        """
        for number, name in enumerate(names):
            self.network.inject(queryOf(name, id=number & 0xFFFF, flags=flags), (client, 4000), (US, 53))

    def datagramsSentTo(self, client: str = EVIL) -> int:
        """
        Return the number of datagrams sent to this client.
        """
        return sum([count for (address, _), count in self.network.sent.items() if address == client])

    def secondsToAnswer(self, name: str = "www.test.example", seconds: float = 1.0) -> float | None:
        """
        Let an honest client send a query.

        @return: seconds until it has an answer with data, or L{None} if it gets none in time.
        """
        self.count += 1
        before = len(self.client.got)
        began = self.here.seconds()
        transport = self.client.transport
        assert transport is not None
        transport.write(queryOf(name, id=self.count), (US, 53))
        while self.here.seconds() - began < seconds:
            self.network.advance(0.005)
            for octets in self.client.got[before:]:
                if Message.fromWire(octets).answer:
                    return self.here.seconds() - began
        return None

    def startAnother(self, address: str, **values: object) -> ServerService:
        """
        Start another server on a host of its own. It is stopped when the test ends.
        """
        reactor = self.network.reactor(address)
        service = ServerService(reactor, Settings.of(**{"hostsFile": "", **values}), [Bound(address, 53)], SECRET)
        service.startService()

        def stop() -> None:
            stopping = service.stopService()
            self.network.advance(0.1)
            self.successResultOf(stopping)
            self.assertEqual(reactor.pending(), [])

        self.addCleanup(stop)
        return service
