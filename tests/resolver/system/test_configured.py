"""
Tests of the resolver that follows the configuration of this machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import Told, addresses, said
from twisted_ext.answers import Answer, Outcome, QueryContext, Trace
from twisted_ext.errors import Closed, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.system.configured import SYSTEM_RESOLV_CONF, System
from twisted_ext.resolver.system.resolvconf import SystemConfiguration
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import CannedSource, HeldSource, atHand

WWW = question("www.example")


class SystemTests(SynchronousTestCase):
    """
    Tests for L{System}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "resolv.conf"
        (self.folder / "hosts").write_text("192.0.2.99 db\n127.0.0.1 localhost\n")
        self.configurations: list[SystemConfiguration] = []
        self.upstreams: list[Told] = []
        self.known = {"www.example A": "192.0.2.1", "web.corp.example A": "192.0.2.2"}
        self.write("nameserver 192.0.2.53\nsearch corp.example\n")

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def write(self, text: str) -> None:
        """
        Replace the file as network managers do.
        """
        other = self.folder / "new"
        other.write_text(text)
        os.replace(other, self.path)

    def upstream(self, configuration: SystemConfiguration) -> Told:
        """
        Return a source in place of the configured servers.
        """
        self.configurations.append(configuration)
        self.upstreams.append(Told(self.known))
        return self.upstreams[-1]

    def system(self) -> System:
        """
        Return the resolver of this machine.
        """
        return System(self.clock, str(self.path), str(self.folder / "hosts"), environment={}, upstream=self.upstream)

    def ask(self, system: System, name: str, rrType: str = "A", trace: Trace | None = None) -> Answer:
        """
        Return the answer for a name without a final dot.
        """
        context = QueryContext(self.clock.seconds() + 5, relative=True, trace=trace)
        return self.successResultOf(lookUp(system, question(name, rrType), context))

    def test_providesIAnswerSource(self) -> None:
        """
        The resolver is an answer source and lists its inner sources.
        """
        system = self.system()
        verifyObject(IAnswerSource, system)
        self.assertEqual(len(system.sources()[0].sources()), 3)

    def test_constructionReadsNothing(self) -> None:
        """
        Creating a resolver reads no file and opens nothing.
        """
        self.system()
        self.assertEqual(self.configurations, [])

    def test_localSourcesComeBeforeSearch(self) -> None:
        """
        Address literals, the hosts file and special names are answered for the name as it is, before any domain is searched.
        """
        system = self.system()
        for name, expected in (("db", "192.0.2.99"), ("localhost", "127.0.0.1"), ("192.0.2.7", "192.0.2.7")):
            self.assertEqual(addresses(self.ask(system, name)), [expected])
        self.assertIs(self.ask(system, "x.onion").outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.upstreams[0].asked, [])

    def test_shortNamesAreSearched(self) -> None:
        """
        Short names are searched, and full names are found as they are.
        """
        system = self.system()
        self.assertEqual(addresses(self.ask(system, "web")), ["192.0.2.2"])
        self.assertEqual(addresses(self.ask(system, "www.example")), ["192.0.2.1"])
        self.assertEqual(self.upstreams[0].asked, ["web.corp.example A", "www.example A"])

    def test_specialSearchDomainsAreIgnored(self) -> None:
        """
        A search domain in which nothing can exist is ignored, so that no search leaks into it.
        """
        self.write("nameserver 192.0.2.53\nsearch onion x.invalid corp.example\n")
        self.ask(self.system(), "web")
        self.assertEqual(self.upstreams[0].asked, ["web.corp.example A"])

    def test_localSearchDomainAllowsLocalNames(self) -> None:
        """
        Names below C{local} are sent to the servers only if a search domain is below C{local}.
        """
        self.ask(self.system(), "printer.local")
        self.write("nameserver 192.0.2.53\nsearch corp.local\n")
        self.ask(self.system(), "printer.local")
        self.assertEqual([each.asked[:1] for each in self.upstreams], [[], ["printer.local A"]])

    def test_cachedAnswersAreAtHand(self) -> None:
        """
        A cached answer is at hand, also under the short name.
        """
        system = self.system()
        for name in ("www.example", "web"):
            first = self.ask(system, name)
            now = atHand(system, question(name), QueryContext(5, relative=True))
            assert now is not None
            self.assertEqual(now.answer, first.answer)
        self.assertEqual(len(self.upstreams[0].asked), 2)

    def test_cacheCanBeSwitchedOff(self) -> None:
        """
        Neither answers nor failures are cached if the cache is switched off.
        """
        inner = Told({"www.example A": "192.0.2.1", "broken.example A": ServerFailed("no")})
        hosts = str(self.folder / "hosts")
        system = System(self.clock, str(self.path), hosts, environment={}, upstream=lambda _: inner, cached=False)
        for _ in range(2):
            self.ask(system, "www.example")
            self.failureResultOf(lookUp(system, question("broken.example"), wishes(5.0)), ServerFailed)
        self.assertEqual((inner.asked.count("www.example A"), inner.asked.count("broken.example A")), (2, 2))
        self.assertEqual((len(system.caching.store), len(system.caching.store.failures)), (0, 0))
        system.flush()

    def test_changedFileIsUsedWithinASecond(self) -> None:
        """
        A changed file takes effect within a second without a timer: its servers and its search list, with an empty cache.
        """
        system = self.system()
        self.ask(system, "www.example")
        self.known["www.example A"] = "198.51.100.1"
        self.write("nameserver 198.51.100.53\nsearch lab.example\noptions ndots:2\n")
        self.clock.advance(0.9)
        self.assertEqual(addresses(self.ask(system, "www.example")), ["192.0.2.1"])
        self.clock.advance(0.1)
        self.assertEqual(addresses(self.ask(system, "www.example")), ["198.51.100.1"])
        self.assertEqual([server.label for server in system.configuration.servers], ["198.51.100.53:53"])
        self.assertEqual(self.upstreams[1].asked, ["example.lab.example A", "www.example A"])

    def test_missingFileKeepsServersForAnHour(self) -> None:
        """
        The former servers and the cache are kept for an hour at most while the file is missing or empty.
        """
        system = self.system()
        self.ask(system, "www.example")
        before = [server.label for server in system.configuration.servers]
        for text in (None, "", "# nothing\n"):
            if text is None:
                self.path.unlink()
            else:
                self.write(text)
            self.clock.advance(1)
            self.ask(system, "www.example")
            self.assertEqual([server.label for server in system.configuration.servers], before)
        self.assertEqual([len(each.asked) for each in self.upstreams], [1])
        self.clock.advance(3600)
        self.assertTrue(system.configuration.defaulted)

    def test_changedOptionsKeepTheCache(self) -> None:
        """
        Changed options take effect, and the cache is kept if the servers are the same.
        """
        self.write("nameserver 192.0.2.53\n")
        system = self.system()
        self.ask(system, "www.example")
        self.write("nameserver 192.0.2.53\noptions ndots:3\n")
        self.clock.advance(1)
        self.ask(system, "www.example")
        self.assertEqual((system.configuration.ndots, sum([len(each.asked) for each in self.upstreams])), (3, 1))

    def test_changedServersEmptyTheCache(self) -> None:
        """
        The cached answers are not at hand after the servers have changed.
        """
        system = self.system()
        self.ask(system, "www.example")
        self.write("nameserver 198.51.100.53\n")
        self.clock.advance(1)
        self.assertIsNone(atHand(system, WWW, wishes()))

    def test_unchangedFileKeepsEverything(self) -> None:
        """
        Everything is kept while the file is unchanged.
        """
        system = self.system()
        self.ask(system, "www.example")
        self.clock.advance(100)
        self.ask(system, "www.example")
        self.assertEqual(len(self.upstreams), 1)
        self.assertEqual(len(self.upstreams[0].asked), 1)

    def test_runningLookupKeepsFormerServers(self) -> None:
        """
        A look-up that runs during a change ends with the former servers, which are closed afterwards. New look-ups do not wait for
        it.
        """
        held: list[HeldSource] = []

        def upstream(_: SystemConfiguration) -> HeldSource:
            held.append(HeldSource())
            return held[-1]

        system = System(self.clock, str(self.path), str(self.folder / "hosts"), environment={}, upstream=upstream)
        old = lookUp(system, WWW, wishes(60.0))
        self.write("nameserver 198.51.100.53\n")
        self.clock.advance(1)
        new = lookUp(system, WWW, wishes(60.0))
        self.assertEqual([each.asked for each in held], [1, 1])
        self.assertEqual([each.closed for each in held], [False, False])
        held[0].release(said(WWW, "192.0.2.1"))
        self.assertEqual(addresses(self.successResultOf(old)), ["192.0.2.1"])
        self.assertEqual([each.closed for each in held], [True, False])
        held[1].release(said(WWW, "192.0.2.2"))
        self.assertEqual(addresses(self.successResultOf(new)), ["192.0.2.2"])
        self.assertEqual([each.closed for each in held], [True, False])

    def test_runningSearchKeepsFormerDomains(self) -> None:
        """
        A search that runs during a change continues in the former domains with the former servers. These are closed when it ends or
        is cancelled.
        """
        held: list[HeldSource] = []

        def upstream(_: SystemConfiguration) -> HeldSource:
            held.append(HeldSource())
            return held[-1]

        system = System(self.clock, str(self.path), str(self.folder / "hosts"), environment={}, upstream=upstream)
        for number, ends in ((0, True), (2, False)):
            self.write("nameserver 192.0.2.53\nsearch corp.example\n")
            self.clock.advance(1)
            old = lookUp(system, question("x.example"), QueryContext(self.clock.seconds() + 60, relative=True))
            self.write("nameserver 198.51.100.53\n")
            self.clock.advance(1)
            new = lookUp(system, WWW, wishes(self.clock.seconds() + 60))
            held[number].release(said(question("x.example"), Outcome.NXDOMAIN))
            self.assertEqual((held[number].asked, held[number].closed), (2, False))
            if ends:
                held[number].release(said(question("x.example.corp.example"), "192.0.2.1"))
                self.assertEqual(addresses(self.successResultOf(old)), ["192.0.2.1"])
            else:
                old.cancel()
                self.failureResultOf(old, CancelledError)
            self.assertTrue(held[number].closed)
            self.assertFalse(held[number + 1].closed)
            held[number + 1].release(said(WWW, "192.0.2.2"))
            self.successResultOf(new)

    def test_missingFileAsksThisMachine(self) -> None:
        """
        This machine is asked if the file is missing, the trace says so, and the file is used when it appears.
        """
        self.path.unlink()
        system = self.system()
        trace = Trace()
        self.ask(system, "www.example", trace=trace)
        details = next(note.details for note in trace.notes if note.source == "system")
        self.assertEqual(
            (details["servers"], details["defaulted"], details["path"]), ("127.0.0.1:53", True, str(self.path))
        )
        self.assertIn("cannot be read", str(details["complaints"]))
        self.write("nameserver 192.0.2.53\n")
        self.clock.advance(1)
        self.assertFalse(system.configuration.defaulted)

    def test_failureSaysWhyDefaultServerWasAsked(self) -> None:
        """
        The error of a server that was not configured says why it was asked.
        """
        self.write("search corp.example\n")
        for path, why in ((str(self.path), "names no server"), ("/nonexistent/resolv.conf", "cannot be read: No such file")):
            for fault in (Unreachable("nobody there"), TimedOut("silent")):

                def upstream(configuration: SystemConfiguration, fault: DNSFault = fault) -> CannedSource:
                    return CannedSource({("www.example", "A"): fault})

                system = System(self.clock, path, str(self.folder / "hosts"), environment={}, upstream=upstream)
                failure = self.failureResultOf(lookUp(system, WWW, QueryContext(self.clock.seconds() + 5)), type(fault))
                self.assertIn(f"; it was asked since {path} {why}", str(failure.value))

    def test_noReloadReadsTheFileOnce(self) -> None:
        """
        The file is read once if C{no-reload} is set.
        """
        self.write("nameserver 192.0.2.53\noptions no-reload\n")
        system = self.system()
        self.ask(system, "www.example")
        self.write("nameserver 198.51.100.53\n")
        self.clock.advance(10)
        self.ask(system, "www.example")
        self.assertEqual(len(self.configurations), 1)

    def test_noTldQueryIsObeyed(self) -> None:
        """
        A short name is not tried as it is if C{no-tld-query} is set.
        """
        self.write("search corp.example\noptions no-tld-query\n")
        self.ask(self.system(), "nobody")
        self.assertEqual(self.upstreams[0].asked, ["nobody.corp.example A"])

    def test_flushEmptiesTheCache(self) -> None:
        """
        Flushing empties the cache.
        """
        system = self.system()
        self.ask(system, "www.example")
        system.flush()
        self.ask(system, "www.example")
        self.assertEqual(sum([len(each.asked) for each in self.upstreams]), 2)

    def test_changedHostsFileIsUsed(self) -> None:
        """
        A changed hosts file is used.
        """
        system = self.system()
        self.ask(system, "db")
        (self.folder / "hosts").write_text("192.0.2.100 db db2\n")
        self.clock.advance(1)
        self.assertEqual(addresses(self.ask(system, "db")), ["192.0.2.100"])

    def test_cancelReachesTheServers(self) -> None:
        """
        Cancelling reaches the servers.
        """
        held = HeldSource()
        system = System(self.clock, str(self.path), environment={}, upstream=lambda _: held)
        asking: Deferred[Answer] = lookUp(system, WWW, wishes(60.0))
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(len(held.cancelled), 1)

    def test_closeClosesAllConfigurations(self) -> None:
        """
        Closing ends look-ups and closes what was built for all versions of the file. A second close does nothing, and later
        look-ups fail.
        """
        held: list[HeldSource] = []

        def upstream(_: SystemConfiguration) -> HeldSource:
            held.append(HeldSource())
            return held[-1]

        system = System(self.clock, str(self.path), environment={}, upstream=upstream)
        asking = [lookUp(system, WWW, wishes(60.0))]
        self.write("nameserver 198.51.100.53\n")
        self.clock.advance(1)
        asking.append(lookUp(system, WWW, wishes(60.0)))
        for _ in range(2):
            self.successResultOf(system.close())
        self.assertTrue(all(each.closed for each in held))
        for each in [*asking, lookUp(system, WWW, wishes()), lookUp(system, question("localhost"), wishes())]:
            self.failureResultOf(each, Closed)
        self.assertRaises(Closed, system.ask, WWW, wishes())
        self.assertEqual(system.sources(), ())

    def test_closeOfUnusedResolverBuildsNothing(self) -> None:
        """
        Closing an unused resolver builds nothing.
        """
        system = self.system()
        self.successResultOf(system.close())
        self.assertEqual(self.configurations, [])

    def test_defaultPath(self) -> None:
        """
        The default file is that of the system.
        """
        trace = Trace()
        system = System(self.clock, environment={}, upstream=self.upstream)
        self.ask(system, "www.example", trace=trace)
        self.assertEqual(trace.notes[0].details["path"], SYSTEM_RESOLV_CONF)


class ServersTests(SynchronousTestCase):
    """
    Tests for the order of the configured servers.
    """

    def test_rotateTakesTurns(self) -> None:
        """
        Look-ups take turns among the servers if C{rotate} is set, and otherwise stay with a good one.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        network = MemoryNetwork()
        servers = [CannedServer(otherwise="192.0.2.80") for _ in range(2)]
        for number, server in enumerate(servers):
            server.listen(network.reactor(f"192.0.2.{53 + number}"))
        here = network.reactor("192.0.2.7")
        for options, shares in (("options rotate\n", [3, 3]), ("", [6, 0])):
            (folder / "resolv.conf").write_text(f"nameserver 192.0.2.53\nnameserver 192.0.2.54\n{options}")
            system = System(here, str(folder / "resolv.conf"), os.devnull, environment={})
            for number in range(6):
                asking = lookUp(system, question(f"n{number}.example"), QueryContext(here.seconds() + 5))
                network.advance(0.1)
                self.successResultOf(asking)
            self.assertEqual([len(server.asked) for server in servers], shares)
            for server in servers:
                server.asked.clear()
            self.successResultOf(system.close())


    def test_timeoutOfFullNameLeavesTimeToSearch(self) -> None:
        """
        A full name without a reply is given up after the configured attempts, and the rest of the time goes to the search list.
        """
        network = MemoryNetwork(seed=1)
        canned = CannedServer({("www.example.lan.test", "A"): "192.0.2.80"})
        canned.tamper = lambda reply, transport: [reply] if b"lan" in reply else []
        canned.listen(network.reactor("192.0.2.53"))
        here = network.reactor("192.0.2.7")
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "resolv.conf").write_text("nameserver 192.0.2.53\nsearch lan.test\noptions timeout:1 attempts:2\n")
        system = System(here, str(folder / "resolv.conf"), os.devnull, environment={})
        asked = lookUp(system, question("www.example"), QueryContext(here.seconds() + 5.0, relative=True))
        network.advance(1.9)
        self.assertNoResult(asked)
        network.advance(0.5)
        self.assertEqual(addresses(self.successResultOf(asked)), ["192.0.2.80"])
        self.successResultOf(system.close())
