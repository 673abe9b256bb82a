"""
Pain 2: answers differ from those of the operating system: hosts file, search list, ndots, order.
"""

from __future__ import annotations

import socket
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import question, wishes
from tests.resolver.told import addresses, asked
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.compat.names import NamesResolver
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.local.hosts import Hosts
from twisted_ext.resolver.system.configured import System
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import atHand
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameToText

HOSTS = "127.0.0.1 localhost\n192.0.2.99 db db.alias\n2001:db8::99 db\n192.0.2.98 www.example\n"

#: The records of the servers: the same names in several places, so that the order matters.
RECORDS = {
    ("db.corp.example", "A"): "198.51.100.1",
    ("web.corp.example", "A"): "198.51.100.2",
    ("web.lab.example", "A"): "198.51.100.3",
    ("web.lab.example", "AAAA"): "2001:db8::3",
    ("web", "A"): "198.51.100.4",
    ("web.lab", "A"): "198.51.100.5",
    ("web.lab.corp.example", "A"): "198.51.100.6",
    ("lab.corp.example", "AAAA"): "2001:db8::6",
    ("www.example", "A"): "198.51.100.7",
    ("localhost.corp.example", "A"): "198.51.100.8",
    ("only.lab.example", "A"): "198.51.100.9",
}


class LikeTheSystemTests(SynchronousTestCase):
    """
    Look-ups of an application, over a network in memory.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.server = CannedServer(RECORDS)
        there = self.network.reactor("192.0.2.53")
        self.server.listen(there)
        self.here = self.network.reactor("192.0.2.7")
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        (self.folder / "hosts").write_text(HOSTS)

    def look(self, name: str, rrType: str = "A", options: str = "") -> tuple[list[str], list[str]]:
        """
        Look up a name as written, with or without a final dot.

        @return: the addresses, and the queries to the server.
        """
        path = self.folder / "resolv.conf"
        path.write_text(f"nameserver 192.0.2.53\nsearch corp.example lab.example\n{options}")
        system = System(self.here, str(path), str(self.folder / "hosts"), environment={})
        before = len(self.server.asked)
        context = QueryContext(self.here.seconds() + 5, relative=not name.endswith("."))
        asking = lookUp(system, question(name, rrType), context)
        self.network.advance(1.0)
        found = addresses(self.successResultOf(asking))
        self.successResultOf(system.close())
        self.assertEqual(self.here.pending(), [])
        return found, [asked(each.question) for each in self.server.asked[before:]]

    def withoutSystem(self, name: str) -> list[str]:
        """
        Return the result of the server alone, as twisted.names gets it for a relative name.
        """
        from twisted_ext.transport.servers import Server

        source = CachedSource(ForwardingSource(self.here, [Server("192.0.2.53")]), self.here)
        asking = lookUp(source, question(name), wishes())
        self.network.advance(1.0)
        self.successResultOf(source.close())
        return addresses(self.successResultOf(asking))

    def test_hostsFileComesFirst(self) -> None:
        """
        The hosts file comes first, for the name as written, all its aliases and both families. The server is not asked.
        """
        for name, rrType, expected in (
            ("db", "A", "192.0.2.99"),
            ("db", "AAAA", "2001:db8::99"),
            ("db.alias", "A", "192.0.2.99"),
            ("www.example", "A", "192.0.2.98"),
            ("localhost", "A", "127.0.0.1"),
        ):
            self.assertEqual(self.look(name, rrType), ([expected], []))
        # Without it:
        self.assertEqual(self.withoutSystem("www.example"), ["198.51.100.7"])

    def test_shortNamesAreSearched(self) -> None:
        """
        A short name is searched in the configured domains, in their order.
        """
        self.assertEqual(self.look("web"), (["198.51.100.2"], ["web.corp.example A"]))
        self.assertEqual(self.look("only"), (["198.51.100.9"], ["only.corp.example A", "only.lab.example A"]))
        # Without it:
        self.assertEqual(self.withoutSystem("only"), [])
        self.assertEqual(self.withoutSystem("web"), ["198.51.100.4"])

    def test_finalDotPreventsSearch(self) -> None:
        """
        A name with a final dot is not searched.
        """
        self.assertEqual(self.look("web."), (["198.51.100.4"], ["web A"]))
        self.assertEqual(self.look("only."), ([], ["only A"]))

    def test_finalDotHidesNoHost(self) -> None:
        """
        A name with a final dot is found in the hosts file, unlike in the C library, as the page on addresses says.
        """
        for name in ("db.", "db.alias.", "www.example."):
            self.assertEqual(self.look(name)[1], [], name)
        self.assertEqual(self.look("db."), (["192.0.2.99"], []))

    def test_ndotsDecidesTheOrder(self) -> None:
        """
        The C{ndots} option decides whether a name is tried as written first. No name is queried twice.
        """
        self.assertEqual(self.look("web.lab"), (["198.51.100.5"], ["web.lab A"]))
        self.assertEqual(
            self.look("web.lab", options="options ndots:2\n"), (["198.51.100.6"], ["lab.corp.example A", "web.lab.corp.example A"])
        )
        _, queries = self.look("no.such", options="options ndots:2\n")
        first = ["such.corp.example A", "such.lab.example A"]
        self.assertEqual(queries, [*first, "no.such A", "no.such.corp.example A", "no.such.lab.example A"])

    def test_getaddrinfoSearchesToo(self) -> None:
        """
        C{getaddrinfo} uses the hosts file and then the search list, for both families together.
        """
        path = self.folder / "resolv.conf"
        path.write_text("nameserver 192.0.2.53\nsearch corp.example lab.example\n")
        system = System(self.here, str(path), str(self.folder / "hosts"), environment={})
        resolver = NamesResolver(system, self.here)
        for name, expected, queries in (
            ("db", {"192.0.2.99", "2001:db8::99"}, []),
            ("www.example", {"192.0.2.98"}, []),
            ("only", {"198.51.100.9"}, ["only.corp.example A", "only.lab.example A"]),
            ("web.", {"198.51.100.4"}, ["web A"]),
        ):
            before = len(self.server.asked)
            asking = resolver.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
            self.network.advance(1.0)
            found = self.successResultOf(asking)
            self.assertEqual({str(each[4][0]) for each in found}, expected)
            texts = [asked(each.question) for each in self.server.asked[before:]]
            self.assertEqual([text for text in texts if text.endswith(" A")], queries)
        self.successResultOf(resolver.close())

    def test_familiesBelongToOneHost(self) -> None:
        """
        Addresses of both families belong to one host, although they are looked up separately.
        """
        self.assertEqual(self.look("web", "AAAA"), ([], ["web.corp.example AAAA", "web.corp.example A"]))

    def test_hostsFileAgreesWithSystem(self) -> None:
        """
        Every name in this machine's hosts file has the addresses that the operating system gives, in any order.
        """
        hosts = Hosts(Clock())
        hosts.refresh()
        for name in list(hosts.table.addresses)[:50]:
            answer = atHand(hosts, Question(name, 1), wishes())
            assert answer is not None
            if answer.outcome is not Outcome.DATA:
                continue
            theirs = socket.getaddrinfo(nameToText(name, final=False), None, socket.AF_INET, socket.SOCK_STREAM)
            self.assertEqual({str(each[4][0]) for each in theirs}, set(addresses(answer)))
