"""
Attack 30 by waiting clients: connections from few addresses, each with a request for a name without an answer, take all connections.
"""

from __future__ import annotations

from tests.attacks.whole import US, WholeServerTestCase
from tests.queries import queryOf
from tests.server.listeners.streams import Client
from tests.typed import clientOf
from twisted_ext.server.limits import CLIENT_STREAM_YIELDS, CLIENT_STREAMS
from twisted_ext.server.listeners import connection, stream
from twisted_ext.server.listeners.connection import StreamServing

#: Addresses of the attacker, who has two networks.
_ADDRESSES = ("192.168.66.1", "192.168.66.2", "192.168.67.1", "192.168.67.2")


class WaitingTests(WholeServerTestCase):
    """
    Tests with a whole server.
    """

    def connect(self, address: str) -> Client:
        """
        Return a client at this address.
        """
        reactor = self.network.hostAt(address) or self.network.reactor(address)
        client = Client()
        reactor.connectTCP(US, 53, clientOf(lambda: client))
        return client

    def attack(self) -> None:
        """
        Take all connections, and wait on each.
        """
        self.service = self.run_(allow=["192.168.0.0/16"])
        self.assertIsNotNone(self.secondsToAnswer())
        self.upstream.silent = True
        self.attackers = [self.connect(_ADDRESSES[number % 4]) for number in range(int(CLIENT_STREAMS.default))]
        self.network.advance(0.1)
        for number, client in enumerate(self.attackers):
            client.ask(queryOf(f"never{number}.test.example"))
        self.network.advance(CLIENT_STREAM_YIELDS.default + 0.1)
        self.assertEqual(self.service.counters.tcpOpen, CLIENT_STREAMS.default)

    def countAnswered(self, network: str = "192.168.1", count: int = 80) -> int:
        """
        Return how many of so many other clients are answered, one after the other.
        """
        found = 0
        for number in range(count):
            client = self.connect(f"{network}.{number + 1}")
            self.network.advance(0.03)
            if not client.lost:
                client.ask(queryOf())
                self.network.advance(0.03)
            found += bool(client.replies)
        return found

    def test_attack30_newClientsDisplaceWaitingOnes(self) -> None:
        """
        Other clients are accepted and answered, all of them, and keep their connections. Those of the attacker make room.
        """
        self.attack()
        others = [self.connect(f"192.168.2.{number}") for number in range(1, 41)]
        self.network.advance(0.1)
        for client in others:
            client.ask(queryOf("other.test.example"))
        self.assertEqual(self.countAnswered(), 80)
        again = [self.connect(_ADDRESSES[number % 4]) for number in range(400)]
        self.network.advance(0.1)
        self.assertGreater(len([client for client in self.attackers + again if client.lost]), 100)
        self.assertEqual([client for client in others if client.lost], [])

    def test_attack30_sparedWaitersTurnOthersAway(self) -> None:
        """
        If waiting connections were spared, all other clients would be turned away.
        """
        worth = StreamServing.worth
        self.patch(StreamServing, "worth", lambda serving, now: None if serving.waiting else worth(serving, now))
        self.attack()
        self.assertEqual(self.countAnswered(), 0)

    def test_attack30_networksAreKeptApart(self) -> None:
        """
        If networks were not kept apart, the attacker's next connections would end those of others that wait longer.
        """
        for apart in (True, False):
            with self.subTest(apart):
                if not apart:
                    self.patch(connection, "networkOf", lambda client: "all")
                service = self.run_(allow=["192.168.0.0/16"])
                self.upstream.silent = True
                first = self.connect("192.168.2.1")
                self.network.advance(0.05)
                first.ask(queryOf("slow.test.example"))
                self.network.advance(CLIENT_STREAM_YIELDS.default + 0.1)
                for turn in range(2):
                    crowd = [self.connect(_ADDRESSES[number % 4]) for number in range(int(CLIENT_STREAMS.default))]
                    self.network.advance(0.1)
                    for number, client in enumerate(crowd):
                        if not client.lost:
                            client.ask(queryOf(f"never{turn}x{number}.test.example"))
                    self.network.advance(CLIENT_STREAM_YIELDS.default + 0.1)
                self.assertEqual(first.lost, not apart)
                self.stop(service)

    def test_freshConnectionsAreNotDisplaced(self) -> None:
        """
        A connection that waits for less time than most look-ups take is not ended for a new one. Neither is one with a reply of many
        messages in progress.
        """
        self.assertGreater(CLIENT_STREAM_YIELDS.default, 0.1)
        service = self.run_(allow=["192.168.0.0/16"])
        self.patch(service.frontend._streams, "most", 2)
        self.upstream.silent = True
        clients = [self.connect(f"192.168.1.{number}") for number in range(2)]
        self.network.advance(0.05)
        for client in clients:
            client.ask(queryOf("slow.test.example"))
        self.network.advance(0.05)
        third = self.connect("192.168.1.9")
        self.network.advance(0.05)
        self.assertEqual(([client.lost for client in clients], third.lost), ([False, False], True))
        for serving in service.frontend._streams._streams:
            serving._flows.append(iter(()))
        self.network.advance(1)
        third = self.connect("192.168.1.9")
        self.network.advance(0.05)
        self.assertEqual(([client.lost for client in clients], third.lost), ([False, False], True))
        for serving in service.frontend._streams._streams:
            serving._flows.clear()
        third = self.connect("192.168.1.9")
        self.network.advance(0.05)
        self.assertEqual((len([client for client in clients if client.lost]), third.lost), (1, False))
        self.assertEqual(service.counters.tcpTurnedAway, 3)
        self.assertGreater(stream._MAKE_ROOM, 1)
