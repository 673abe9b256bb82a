"""
Tests of what the packet cache counts for the operator, also when something fails.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from tests.packetcache.lanes import NEAR
from tests.packetcache.test_table import replyOf
from tests.queries import queryOf
from twisted_ext.answers import Epoch
from twisted_ext.metrics.counters import Counters
from twisted_ext.packetcache.clients import UNMETERED, Account, Bucket, Client, Clients, Group
from twisted_ext.packetcache.doors import Door
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import KINDS, Reply, Table

#: A client without tokens.
_POOR = "192.0.2.1"

_FOREVER = float("inf")


class CountingTests(SynchronousTestCase):
    """
    Tests of L{PacketCache.drain} with replies of a zone and of a forwarder.
    """

    def setUp(self) -> None:
        self.epoch = Epoch()
        self.group = Group("allowed", "allow", Table(sights=0))
        self.accounts: tuple[Account, ...] | None = None
        self.packetCache = PacketCache(Clients(self.classify), (self.group,), quick=True)
        self.counters = Counters()
        self.beyond: list[bytes] = []
        self.failures: list[Exception] = []
        self.query = queryOf()
        self.group.datagrams.offer(self.query, replyOf(self.query, self.epoch))

    def classify(self, address: str, now: float, door: Door) -> Client:
        """
        Return a client, whose tokens are used up if it is the poor one.
        """
        bucket = Bucket(0.0, now) if address == _POOR else UNMETERED
        return Client(address, self.group, bucket, accounts=self.accounts)

    def accountsWith(self, tokens: float) -> tuple[Account, ...]:
        """
        Return accounts whose withheld replies are dropped.
        """
        accounts = tuple([Account(100.0, -10.0, 0) for _ in KINDS])
        for account in accounts:
            account.tokens = tokens
        return accounts

    def drain(
        self,
        arrived: list[tuple[bytes, str]],
        *,
        refused: int = 0,
        failed: Callable[[Exception], object] | None = None,
        beyond: Callable[[bytes], object] | None = None,
    ) -> int:
        """
        Receive datagrams together; return how many replies are sent.
        """
        places = [(octets, (address, 4000)) for octets, address in arrived]
        sent: list[bytes] = []

        def send(queries: list[tuple[bytes, tuple[str, int]]], replies: list[bytes]) -> int:
            sent.extend(replies)
            return refused

        def pass_(datagram: bytes, address: tuple[str, int], client: Client, now: float) -> None:
            (beyond or self.beyond.append)(datagram)

        self.packetCache.drain(lambda: places, send, 0.5, pass_, self.counters, failed)
        return len(sent)

    def test_sampleStandsForSentRepliesOnly(self) -> None:
        """
        The names and types that the operator sees count the cached replies that were sent: neither withheld replies nor queries that the
        full path counts.
        """
        self.accounts = self.accountsWith(3.0)
        other = queryOf("other.test.example")
        arrived = [(self.query, NEAR)] * 7 + [(other, NEAR), (self.query, _POOR)]
        self.assertEqual(self.drain(arrived), 3)
        self.assertEqual({rrType: count for rrType, count in self.counters.types.items() if count}, {1: 3})
        self.assertEqual([count for _, count in self.counters.names.most(5)], [3])
        self.assertEqual((self.counters.udp, self.counters.udpBeyond, self.counters.hits), (9, 6, 3))

    def test_datagramsReadAreReturned(self) -> None:
        """
        The listener learns how many datagrams were read, with and without a reply, so that it reads on while more arrive.
        """
        other = queryOf("other.test.example")
        for queries in ([self.query] * 3, [self.query, other], [other], []):
            places = [(query, (NEAR, 4000)) for query in queries]
            receive: Callable[[], list[tuple[bytes, tuple[str, int]]]] = partial(list, places)
            count = self.packetCache.drain(receive, lambda *_: 0, 0.5, lambda *_: None, self.counters)
            self.assertEqual(count, len(queries))
        self.assertEqual(self.counters.udp, 6)

    def test_failureToReadIsReported(self) -> None:
        """
        A failure of the socket to return datagrams is reported, and none were read; without a handler it is raised.
        """

        def receive() -> list[tuple[bytes, tuple[str, int]]]:
            raise MemoryError

        def drain(failed: Callable[[Exception], object] | None) -> int:
            return self.packetCache.drain(receive, lambda *_: 0, 0.5, lambda *_: None, self.counters, failed)

        self.assertEqual(drain(self.failures.append), 0)
        self.assertEqual([type(error) for error in self.failures], [MemoryError])
        self.assertRaises(MemoryError, drain, None)

    def test_clearingReachesAllGroups(self) -> None:
        """
        Clearing the packet cache drops the replies of every group of clients, over every transport.
        """
        groups = [self.group, Group("strangers", "refuse", Table(sights=0)), Group("view")]
        self.packetCache.regroup(groups)
        for group in groups:
            for table in group.tables:
                for _ in range(2):
                    table.offer(self.query, replyOf(self.query, self.epoch))
        self.assertEqual(self.packetCache.entries, 9)
        self.packetCache.clear()
        self.assertEqual((self.packetCache.entries, self.packetCache.octets), (0, 0))

    def test_unsentRepliesAddUp(self) -> None:
        """
        Replies that the kernel does not take add up over all batches.
        """
        for refused in (2, 0, 1):
            self.drain([(self.query, NEAR)] * 2, refused=refused)
        self.assertEqual(self.counters.unsent, 3)

    def test_failedQueriesAreCounted(self) -> None:
        """
        A datagram whose handling fails is counted as one without a cached reply, and is reported once; those after it get their replies.
        """

        def fail(datagram: bytes) -> None:
            raise RuntimeError("out of order")

        other = queryOf("other.test.example")
        arrived = [(self.query, _POOR), (self.query, NEAR), (other, NEAR), (other, NEAR), (self.query, NEAR)]
        self.assertEqual(self.drain(arrived, failed=self.failures.append, beyond=fail), 2)
        self.assertEqual([str(error) for error in self.failures], ["out of order"] * 3)
        self.assertEqual((self.counters.udp, self.counters.udpBeyond, self.counters.hits), (5, 3, 2))
        self.assertRaises(RuntimeError, self.drain, [(other, NEAR)], beyond=fail)

    def test_failedQueriesOfLimitedNetworksAreCounted(self) -> None:
        """
        The same holds for a query of a network without tokens, whether its reply is found by its octets or by its shape.
        """

        def fail(datagram: bytes) -> None:
            raise RuntimeError("out of order")

        self.accounts = tuple([Account(0.0, -10.0, 0) for _ in KINDS])
        shaped = queryOf("shape.test.example")
        self.group.datagrams.offer(shaped, replyOf(shaped, self.epoch), varies=True)
        for query in (self.query, shaped):
            self.counters = Counters()
            self.assertEqual(self.drain([(query, NEAR)] * 3), 0)
            self.assertEqual((self.counters.udp, self.counters.udpBeyond), (3, 3))
            self.assertEqual(self.drain([(query, NEAR)] * 3, failed=self.failures.append, beyond=fail), 0)
            self.assertEqual((self.counters.udp, self.counters.udpBeyond), (6, 6))

    def test_accountsApplyToZones(self) -> None:
        """
        A network with a response rate limit gets no more replies of a zone than that either, however often they are repeated.
        """
        zone = queryOf("www.example.org")
        octets = zone[:2] + b"\x85\x00\x00\x01\x00\x01" + zone[8:] + b"\xc0\x0c" + bytes(10)
        self.group.datagrams.offer(zone, Reply(octets, (), 0.0, 0, _FOREVER, self.epoch, len(zone), known=True))
        self.assertEqual(self.drain([(zone, NEAR)] * 2), 2)
        self.assertEqual(list(self.group.datagrams.quick), [zone[2:]])
        self.accounts = self.accountsWith(3.0)
        self.packetCache.clients.clear()
        self.assertEqual(self.drain([(zone, NEAR)] * 10), 3)

    def test_repliesWithTTLsTakeNoShortestPath(self) -> None:
        """
        A reply that expires is never among those that are valid until their zone changes.
        """
        self.assertEqual(self.drain([(self.query, NEAR)] * 3), 3)
        self.assertEqual(self.group.datagrams.quick, {})

    def test_kindOfReplyChoosesTheAccount(self) -> None:
        """
        A cached denial takes a token of the denials of its network, and an answer one of the answers.
        """
        self.accounts = self.accountsWith(3.0)
        absent = queryOf("no.test.example")
        octets = absent[:2] + b"\x81\x83" + absent[4:]
        self.group.datagrams.offer(absent, Reply(octets, (), 0.0, 0, 100.0, self.epoch, len(absent)))
        self.assertEqual(self.drain([(absent, NEAR)] * 2 + [(self.query, NEAR)]), 3)
        self.assertEqual([account.tokens for account in self.accounts], [2.0, 1.0, 3.0, 3.0, 3.0])


class KnownClientsTests(SynchronousTestCase):
    """
    Tests of the table of clients.
    """

    def setUp(self) -> None:
        self.group = Group("all")
        self.classified: list[str] = []
        self.clients = Clients(self.classify, 100)

    def classify(self, address: str, now: float, door: Door) -> Client:
        self.classified.append(address)
        return Client(address, self.group)

    def test_eachGenerationHasHalf(self) -> None:
        """
        No more clients are known than the operator allows.
        """
        most = 0
        clients = Clients(self.classify, 2048)
        for number in range(6000):
            clients.find(f"192.0.{number >> 8}.{number & 255}", 0.0)
            most = max(most, len(clients))
        self.assertEqual(most, 2048)

    def test_clientIsKnownOnce(self) -> None:
        """
        A client that comes back is the same one, is counted once, and is found without being classified again.
        """
        clients = Clients(self.classify, 2048)
        first = clients.find(NEAR, 0.0)
        for number in range(1024):
            clients.find(f"192.0.{number >> 8}.{number & 255}", 0.0)
        self.assertIsNone(clients.known(NEAR))
        before = len(clients)
        self.assertIs(clients.find(NEAR, 0.0), first)
        self.assertIs(clients.known(NEAR), first)
        self.assertEqual((len(clients), self.classified.count(NEAR)), (before, 1))

    def test_clearForgetsBothGenerations(self) -> None:
        """
        After a change of the ACL each client is classified again, also one that was not seen for a while.
        """
        clients = Clients(self.classify, 2048)
        addresses = [f"192.0.{number >> 8}.{number & 255}" for number in range(1500)]
        for address in addresses:
            clients.find(address, 0.0)
        clients.clear()
        self.assertEqual(len(clients), 0)
        for address in addresses:
            self.assertIsNone(clients.known(address))
            clients.find(address, 0.0)
        self.assertEqual(self.classified, addresses * 2)

    def test_octetsOfAddressAreClassifiedAsText(self) -> None:
        """
        An address in octets, of IPv4 or IPv6, is classified by its text.
        """
        self.clients.find(b"\xc0\x00\x02\x01", 0.0)
        self.clients.find(b"\x20\x01\x0d\xb8" + bytes(11) + b"\x07", 0.0)
        self.assertEqual(self.classified, ["192.0.2.1", "2001:db8::7"])

    def test_clientWithoutNetworkIsItsOwnSite(self) -> None:
        """
        The site of a client is the network that it shares its rate with, or its address.
        """
        self.assertEqual(Client(NEAR, self.group).site, NEAR)
        self.assertEqual(Client("fd00::1", self.group, site="fd00/64").site, "fd00/64")
