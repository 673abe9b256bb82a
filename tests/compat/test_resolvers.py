"""
Tests of L{twisted_ext.compat.resolvers} and of its helper functions.
"""

from __future__ import annotations

import threading
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.names import dns, error
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import unchecked
from twisted_ext.compat.conversion.errors import DNSQueryTimeoutError, DNSServerError
from twisted_ext.compat.conversion.timeouts import secondsAndWaits
from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import Resolver, ThreadedResolver, serversFrom, sourceFor
from twisted_ext.compat.transfers import serversBehind, zoneServersBehind
from twisted_ext.errors import BadDescription, BadName, CallerFault
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.addressranges import reverseName

FIRST, SECOND = "192.0.2.53", "192.0.2.54"
QUERY = dns.Query(b"www.example", dns.A)


class ResolverTestCase(SynchronousTestCase):
    """
    A client machine and two servers.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.servers = [CannedServer({("www.example", "A"): f"198.51.100.{number}"}) for number in (1, 2)]
        for server, address in zip(self.servers, (FIRST, SECOND), strict=True):
            server.listen(self.network.reactor(address))

    def file(self, text: str) -> str:
        """
        Write the text to a file and return its path.
        """
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)

    def address(self, resolver: NamesResolver, name: str = "www.example") -> str:
        """
        Return the address that the resolver finds.
        """
        looking = resolver.getHostByName(name)
        self.network.advance(6)
        return self.successResultOf(looking)


class TwistedsResolverTests(ResolverTestCase):
    """
    Tests of L{Resolver}.
    """

    def test_givenServersReplaceResolvConf(self) -> None:
        """
        Only the given servers are queried, and C{resolv.conf} is ignored.
        """
        resolver = Resolver(self.file(f"nameserver {FIRST}\n"), [(SECOND, 53)], reactor=self.here)
        self.assertEqual(self.address(resolver), "198.51.100.2")
        self.assertEqual(self.servers[0].asked, [])
        self.assertEqual(resolver.pickServer(), (SECOND, 53))

    def test_resolvConfServers(self) -> None:
        """
        The servers of C{resolv.conf} are queried if none are given. The file name can be octets, as in Twisted.
        """
        path = self.file(f"nameserver {FIRST}\n")
        for resolv in (path, path.encode()):
            resolver = Resolver(resolv, reactor=self.here)
            self.assertEqual(self.address(resolver), "198.51.100.1")
            self.assertEqual(resolver.pickServer(), (FIRST, 53))

    def test_changedResolvConfApplies(self) -> None:
        """
        A changed C{resolv.conf} applies at once after C{maybeParseConfig}.
        """
        path = self.file(f"nameserver {FIRST}\n")
        resolver = Resolver(path, reactor=self.here)
        self.assertEqual(self.address(resolver), "198.51.100.1")
        Path(path).write_text(f"nameserver {SECOND}\n# changed\n")
        resolver.maybeParseConfig()
        self.assertEqual(self.address(resolver), "198.51.100.2")

    def test_parseConfigSetsServers(self) -> None:
        """
        C{parseConfig} takes lines of a C{resolv.conf}, but given servers stay.
        """
        resolver = Resolver("/nonexistent", reactor=self.here)
        self.assertEqual(resolver.pickServer(), ("127.0.0.1", 53))
        resolver.parseConfig([f"nameserver {SECOND}\n".encode(), b"junk\n"])
        self.assertEqual(self.address(resolver), "198.51.100.2")
        resolver = Resolver(servers=[(FIRST, 53)], reactor=self.here)
        resolver.parseConfig([f"nameserver {SECOND}\n".encode()])
        self.assertEqual(self.address(resolver), "198.51.100.1")

    def test_noServersIsAnError(self) -> None:
        """
        A resolver with neither servers nor C{resolv.conf} raises ValueError, as in Twisted.
        """
        neither: list[list[tuple[str, int]] | None] = [None, []]
        for servers in neither:
            with self.assertRaises(ValueError):
                Resolver(servers=servers, reactor=self.here)

    def test_invalidServerIsRefused(self) -> None:
        """
        An invalid server is refused with a one-line error that names it.
        """
        for wrong in (
            ["192.0.2.1"],
            [("ns.example", 53)],
            [("192.0.2.1", 0)],
            [(1, 2, 3)],
            [None],
            [("192.0.2.1", "53")],
            [("192.0.2.1", 53.5)],
            "192.0.2.1",
            53,
        ):
            with self.assertRaises(BadDescription) as raised:
                unchecked(Resolver)(servers=wrong, reactor=self.here)
            self.assertNotIn("\n", str(raised.exception))
        for wrong in ("192.0.2.1", 53):
            with self.assertRaises(BadDescription) as raised:
                unchecked(serversFrom)(wrong)
            self.assertIn(f"{wrong!r} is not a list of addresses and ports", str(raised.exception))
        with self.assertRaises(BadDescription):
            serversFrom([])

    def test_queryUDPReturnsAnyMessage(self) -> None:
        """
        C{queryUDP} fires with the message for every rcode.
        """
        resolver = Resolver(servers=[(FIRST, 53)], reactor=self.here)
        asking = resolver.queryUDP([QUERY])
        self.network.advance(1)
        message = self.successResultOf(asking)
        self.assertEqual(
            ([str(header.payload) for header in message.answers], message.rCode),
            (["<A address=198.51.100.1 ttl=300>"], 0),
        )
        self.assertEqual(message.queries, [QUERY])
        for rcode in (3, 2, 5):
            self.servers[0].rcode = rcode
            asking = resolver.queryUDP([dns.Query(f"x{rcode}.example")], (1, 1))
            self.network.advance(6)
            self.assertEqual(self.successResultOf(asking).rCode, rcode)

    def test_queryTCPUsesTCP(self) -> None:
        """
        C{queryTCP} sends the query over TCP.
        """
        resolver = Resolver(servers=[(FIRST, 53)], reactor=self.here)
        asking = resolver.queryTCP([QUERY])
        self.network.advance(1)
        self.assertEqual(len(self.successResultOf(asking).answers), 1)
        self.assertEqual([asked.transport for asked in self.servers[0].asked], ["tcp"])

    def test_queryErrors(self) -> None:
        """
        A silent server is a time-out. Several questions, or none, are refused.
        """
        resolver = Resolver(servers=[(FIRST, 53)], reactor=self.here)
        self.failureResultOf(resolver.queryUDP([QUERY, QUERY]), ValueError)
        self.failureResultOf(resolver.queryUDP([]), ValueError)
        self.servers[0].silent = True
        asking = resolver.queryUDP([QUERY], 1)
        self.network.advance(2)
        self.failureResultOf(asking, DNSQueryTimeoutError)

    def test_filterAnswers(self) -> None:
        """
        C{filterAnswers} returns the lists of a message or a failure, and repeats a truncated one over TCP.
        """
        resolver = Resolver(servers=[(FIRST, 53)], reactor=self.here)
        asking = resolver.queryUDP([QUERY])
        self.network.advance(1)
        message = self.successResultOf(asking)
        self.assertEqual(resolver.filterAnswers(message), (message.answers, [], []))
        failure = resolver.filterAnswers(dns.Message(rCode=2))
        assert isinstance(failure, Failure)
        self.assertIsInstance(failure.value, error.DNSServerError)
        self.assertIs(resolver.exceptionForCode(2), DNSServerError)
        message.trunc = 1
        again = resolver.filterAnswers(message)
        self.network.advance(1)
        assert isinstance(again, Deferred)
        found = self.successResultOf(again)
        assert not isinstance(found, Failure)
        answers, _, _ = found
        self.assertEqual(len(answers), 1)

    def test_resolverTimeoutApplies(self) -> None:
        """
        The resolver's timeout applies to its look-ups.
        """
        self.servers[0].silent = True
        resolver = Resolver(servers=[(FIRST, 53)], timeout=(1, 2), reactor=self.here)
        looking = resolver.lookupAddress("www.example")
        self.network.advance(2.9)
        self.assertNoResult(looking)
        self.network.advance(0.2)
        self.failureResultOf(looking, DNSQueryTimeoutError)
        self.assertEqual(resolver.timeout, (1, 2))
        self.assertEqual(self.here.pending(), [])


class SourceTests(ResolverTestCase):
    """
    Tests of L{sourceFor}, from which C{createResolver} builds its resolvers.
    """

    def test_hostsFileComesFirst(self) -> None:
        """
        The hosts file comes before the servers, and special names are answered locally.
        """
        hosts = self.file("203.0.113.9 www.example\n")
        for source in (
            sourceFor(self.here, [(FIRST, 53)], None, hosts.encode()),
            sourceFor(self.here, None, self.file(f"nameserver {FIRST}\n").encode(), hosts),
        ):
            resolver = NamesResolver(source, self.here)
            self.assertEqual(self.address(resolver), "203.0.113.9")
            self.assertEqual(self.address(resolver, "localhost"), "127.0.0.1")
            self.failureResultOf(resolver.lookupAddress("x.onion"), error.DNSNameError)
            self.assertEqual(self.servers[0].asked, [])

    def test_secondLookupIsCached(self) -> None:
        """
        A second look-up is answered from the cache.
        """
        resolver = NamesResolver(sourceFor(self.here, [(FIRST, 53)], None, "/nonexistent"), self.here)
        self.assertEqual(self.address(resolver), "198.51.100.1")
        self.assertEqual(self.address(resolver), "198.51.100.1")
        self.assertEqual(len(self.servers[0].asked), 1)
        self.assertEqual(self.here.pending(), [])

    def test_cachedTTLCountsDown(self) -> None:
        """
        The TTL of a cached record counts down, in header and payload.
        """
        resolver = NamesResolver(sourceFor(self.here, [(FIRST, 53)], None, "/nonexistent"), self.here)
        self.address(resolver)
        before = self.successResultOf(resolver.lookupAddress("www.example"))[0][0]
        self.network.advance(100)
        after = self.successResultOf(resolver.lookupAddress("www.example"))[0][0]
        self.assertEqual(before.ttl - after.ttl, 100)
        self.assertEqual(str(after.payload), f"<A address=198.51.100.1 ttl={after.ttl}>")

    def test_serversBehindEncryptedOnesAreLeftOut(self) -> None:
        """
        Servers of plain DNS that are asked only for the address or the designation of an encrypted server get no other queries.
        """
        found = ("tls://dns.example", "cache:https://dns.example", f"ddr:{FIRST}:strict=yes", f"quic://dns.example:bootstrap={FIRST}")
        for text in found:
            source = sourceFromString(self.here, text)
            self.assertEqual((serversBehind(source), zoneServersBehind(source)), ([], []), text)
        both = sourceFromString(self.here, f"chain:(tls://dns.example:bootstrap={FIRST}):(udp:{SECOND})")
        self.assertEqual([server.label for server in serversBehind(both)], [f"{SECOND}:53"])

    def test_serversBehindFindsServers(self) -> None:
        """
        C{serversBehind} finds the servers behind all wrapping sources.
        """
        source = sourceFor(self.here, [(FIRST, 53), (SECOND, 5353)], None, "/nonexistent")
        self.assertEqual([server.label for server in serversBehind(source)], [f"{FIRST}:53", f"{SECOND}:5353"])
        source = sourceFor(self.here, None, self.file(f"nameserver {FIRST}\n"), "/nonexistent")
        self.assertEqual([server.label for server in serversBehind(source)], [f"{FIRST}:53"])


class ThreadedTests(SynchronousTestCase):
    """
    Tests of L{ThreadedResolver}.
    """

    def test_createdWithOrWithoutReactor(self) -> None:
        """
        The resolver can be created with a reactor or with the global one, and starts no thread before the first look-up.
        """
        before = set(threading.enumerate())
        for resolver in (ThreadedResolver(globalReactor()), ThreadedResolver()):
            self.assertIn("Threaded", repr(resolver))
            self.assertIs(resolver._reactor, globalReactor())
            self.assertEqual(set(threading.enumerate()) - before, set())
            self.successResultOf(resolver.close())


class ReverseNameTests(SynchronousTestCase):
    """
    Tests of L{reverseName}.
    """

    def test_bothFamilies(self) -> None:
        """
        Addresses of both families give the names of their PTR records.
        """
        self.assertEqual(reverseName("127.0.0.1"), "1.0.0.127.in-addr.arpa")
        self.assertEqual(reverseName("2001:db8::1"), "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa")
        self.assertEqual(reverseName("fe80::1%eth0"), reverseName("fe80::1"))

    def test_invalidAddressIsRefused(self) -> None:
        """
        Text that is not an address is refused.
        """
        for wrong in ("", "localhost", "192.0.2", "::g", "192.0.2.1%x", "1.2.3.4\x00"):
            with self.assertRaises(BadName):
                reverseName(wrong)


class DeadlineTests(SynchronousTestCase):
    """
    Tests of L{secondsAndWaits}.
    """

    def test_textIsNotATimeout(self) -> None:
        """
        Text is not a sequence of waits, even if its characters are digits.
        """
        for text in ("10", b"10", "5", ""):
            with self.assertRaises(CallerFault):
                unchecked(secondsAndWaits)(text)

    def test_zeroBecomesTheMinimum(self) -> None:
        """
        A zero timeout becomes the minimum, so that a look-up can still answer from the cache.
        """
        self.assertEqual(secondsAndWaits(0), (0.05, None))
        self.assertEqual(secondsAndWaits((0, 0)), (0.05, (0.0, 0.0)))
