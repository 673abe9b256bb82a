"""
Tests of following the configuration of this machine.
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
from twisted_ext.resolver.system.configured import SYSTEM_RESOLV_CONF, System
from twisted_ext.resolver.system.resolvconf import SystemConfiguration
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import CannedSource, HeldSource

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
        Put another file there, as network managers do.
        """
        other = self.folder / "new"
        other.write_text(text)
        os.replace(other, self.path)

    def upstream(self, configuration: SystemConfiguration) -> Told:
        """
        @return: what stands for the configured servers.
        """
        self.configurations.append(configuration)
        self.upstreams.append(Told(self.known))
        return self.upstreams[-1]

    def system(self) -> System:
        """
        @return: the resolver of this machine.
        """
        return System(self.clock, str(self.path), str(self.folder / "hosts"), environment={}, upstream=self.upstream)

    def ask(self, system: System, name: str, rrType: str = "A", trace: Trace | None = None) -> Answer:
        """
        @return: what is said of a name written without final dot.
        """
        context = QueryContext(self.clock.seconds() + 5, relative=True, trace=trace)
        return self.successResultOf(system.answer(question(name, rrType), context))

    def test_interface(self) -> None:
        """
        It can stand wherever something answers questions, and says what is in it.
        """
        system = self.system()
        verifyObject(IAnswerSource, system)
        self.assertEqual(len(system.sources()[0].sources()), 3)

    def test_quiet(self) -> None:
        """
        Making one reads no file and opens nothing.
        """
        self.system()
        self.assertEqual(self.configurations, [])

    def test_order(self) -> None:
        """
        Literals, hosts and special names are answered here, for the name as it was written, before any domain is searched.
        """
        system = self.system()
        for name, expected in (("db", "192.0.2.99"), ("localhost", "127.0.0.1"), ("192.0.2.7", "192.0.2.7")):
            self.assertEqual(addresses(self.ask(system, name)), [expected])
        self.assertIs(self.ask(system, "x.onion").outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.upstreams[0].asked, [])

    def test_search(self) -> None:
        """
        Short names are searched, full ones are found as they are.
        """
        system = self.system()
        self.assertEqual(addresses(self.ask(system, "web")), ["192.0.2.2"])
        self.assertEqual(addresses(self.ask(system, "www.example")), ["192.0.2.1"])
        self.assertEqual(self.upstreams[0].asked, ["web.corp.example A", "www.example A"])

    def test_specialDomains(self) -> None:
        """
        A search domain in which nothing can be is left out, so that no search leaks into it.
        """
        self.write("nameserver 192.0.2.53\nsearch onion x.invalid corp.example\n")
        self.ask(self.system(), "web")
        self.assertEqual(self.upstreams[0].asked, ["web.corp.example A"])

    def test_local(self) -> None:
        """
        Where the network's own domain is under local, its hosts are asked of its servers; elsewhere they are not.
        """
        self.ask(self.system(), "printer.local")
        self.write("nameserver 192.0.2.53\nsearch corp.local\n")
        self.ask(self.system(), "printer.local")
        self.assertEqual([each.asked[:1] for each in self.upstreams], [[], ["printer.local A"]])

    def test_cached(self) -> None:
        """
        What was asked once is at hand, by its short name as well.
        """
        system = self.system()
        for name in ("www.example", "web"):
            first = self.ask(system, name)
            now = system.answerNow(question(name), QueryContext(5, relative=True))
            assert now is not None
            self.assertEqual(now.answer, first.answer)
        self.assertEqual(len(self.upstreams[0].asked), 2)

    def test_uncached(self) -> None:
        """
        Where nothing is to be kept, nothing is: neither answers, to be given again or to take memory, nor failures.
        """
        told = Told({"www.example A": "192.0.2.1", "broken.example A": ServerFailed("no")})
        hosts = str(self.folder / "hosts")
        system = System(self.clock, str(self.path), hosts, environment={}, upstream=lambda _: told, cached=False)
        for _ in range(2):
            self.ask(system, "www.example")
            self.failureResultOf(system.answer(question("broken.example"), wishes(5.0)), ServerFailed)
        self.assertEqual((told.asked.count("www.example A"), told.asked.count("broken.example A")), (2, 2))
        self.assertEqual((len(system.caching.store), len(system.caching.store.failures)), (0, 0))
        system.flush()

    def test_change(self) -> None:
        """
        Another file is used within a second: other servers, another search list, nothing remembered. No restart, no timer.
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
        self.assertEqual(self.upstreams[1].asked, ["www.example.lab.example A", "www.example A"])

    def test_goneForAMoment(self) -> None:
        """
        While the file is gone or empty the servers that it named are asked on, and what is remembered stays; for an hour at most.
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

    def test_sameServers(self) -> None:
        """
        Other options with the same servers take effect, and what is remembered stays.
        """
        self.write("nameserver 192.0.2.53\n")
        system = self.system()
        self.ask(system, "www.example")
        self.write("nameserver 192.0.2.53\noptions ndots:3\n")
        self.clock.advance(1)
        self.ask(system, "www.example")
        self.assertEqual((system.configuration.ndots, sum([len(each.asked) for each in self.upstreams])), (3, 1))

    def test_changeAtHand(self) -> None:
        """
        What is remembered is not at hand any more after a change.
        """
        system = self.system()
        self.ask(system, "www.example")
        self.write("nameserver 198.51.100.53\n")
        self.clock.advance(1)
        self.assertIsNone(system.answerNow(WWW, wishes()))

    def test_unchanged(self) -> None:
        """
        As long as the file stays as it is, everything stays.
        """
        system = self.system()
        self.ask(system, "www.example")
        self.clock.advance(100)
        self.ask(system, "www.example")
        self.assertEqual(len(self.upstreams), 1)
        self.assertEqual(len(self.upstreams[0].asked), 1)

    def test_oldLookups(self) -> None:
        """
        A look-up that runs while the file changes ends as it began; new ones do not wait for it, and what it used is closed after it.
        """
        held: list[HeldSource] = []

        def upstream(_: SystemConfiguration) -> HeldSource:
            held.append(HeldSource())
            return held[-1]

        system = System(self.clock, str(self.path), str(self.folder / "hosts"), environment={}, upstream=upstream)
        old = system.answer(WWW, wishes(60.0))
        self.write("nameserver 198.51.100.53\n")
        self.clock.advance(1)
        new = system.answer(WWW, wishes(60.0))
        self.assertEqual([each.asked for each in held], [1, 1])
        self.assertEqual([each.closed for each in held], [False, False])
        held[0].release(said(WWW, "192.0.2.1"))
        self.assertEqual(addresses(self.successResultOf(old)), ["192.0.2.1"])
        self.assertEqual([each.closed for each in held], [True, False])
        held[1].release(said(WWW, "192.0.2.2"))
        self.assertEqual(addresses(self.successResultOf(new)), ["192.0.2.2"])
        self.assertEqual([each.closed for each in held], [True, False])

    def test_oldSearch(self) -> None:
        """
        A search that runs while the file changes goes on in the old domains with the old servers. What it used is closed after it, and
        where nobody wants to know any more.
        """
        held: list[HeldSource] = []

        def upstream(_: SystemConfiguration) -> HeldSource:
            held.append(HeldSource())
            return held[-1]

        system = System(self.clock, str(self.path), str(self.folder / "hosts"), environment={}, upstream=upstream)
        for number, ends in ((0, True), (2, False)):
            self.write("nameserver 192.0.2.53\nsearch corp.example\n")
            self.clock.advance(1)
            old = system.answer(question("x.example"), QueryContext(self.clock.seconds() + 60, relative=True))
            self.write("nameserver 198.51.100.53\n")
            self.clock.advance(1)
            new = system.answer(WWW, wishes(self.clock.seconds() + 60))
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

    def test_noFile(self) -> None:
        """
        Without the file this machine is asked, and explaining says so; when it comes, it is used.
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

    def test_noServer(self) -> None:
        """
        Where nobody chose the server that does not answer, the fault says why it was asked.
        """
        self.write("search corp.example\n")
        for path, why in ((str(self.path), "names no server"), ("/nonexistent/resolv.conf", "cannot be read: No such file")):
            for fault in (Unreachable("nobody there"), TimedOut("silent")):

                def upstream(configuration: SystemConfiguration, fault: DNSFault = fault) -> CannedSource:
                    return CannedSource({("www.example", "A"): fault})

                system = System(self.clock, path, str(self.folder / "hosts"), environment={}, upstream=upstream)
                failure = self.failureResultOf(system.answer(WWW, QueryContext(self.clock.seconds() + 5)), type(fault))
                self.assertIn(f"; it was asked since {path} {why}", str(failure.value))

    def test_noReload(self) -> None:
        """
        With no-reload the file is read once.
        """
        self.write("nameserver 192.0.2.53\noptions no-reload\n")
        system = self.system()
        self.ask(system, "www.example")
        self.write("nameserver 198.51.100.53\n")
        self.clock.advance(10)
        self.ask(system, "www.example")
        self.assertEqual(len(self.configurations), 1)

    def test_noTopLevel(self) -> None:
        """
        With no-tld-query a short name is not asked for as it stands.
        """
        self.write("search corp.example\noptions no-tld-query\n")
        self.ask(self.system(), "nobody")
        self.assertEqual(self.upstreams[0].asked, ["nobody.corp.example A"])

    def test_flush(self) -> None:
        """
        Flushing forgets what was remembered.
        """
        system = self.system()
        self.ask(system, "www.example")
        system.flush()
        self.ask(system, "www.example")
        self.assertEqual(sum([len(each.asked) for each in self.upstreams]), 2)

    def test_hostsChange(self) -> None:
        """
        The hosts file is followed, too.
        """
        system = self.system()
        self.ask(system, "db")
        (self.folder / "hosts").write_text("192.0.2.100 db db2\n")
        self.clock.advance(1)
        self.assertEqual(addresses(self.ask(system, "db")), ["192.0.2.100"])

    def test_cancel(self) -> None:
        """
        Cancelling reaches the servers, and what belongs to an old file is closed then, too.
        """
        held = HeldSource()
        system = System(self.clock, str(self.path), environment={}, upstream=lambda _: held)
        asking: Deferred[Answer] = system.answer(WWW, wishes(60.0))
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(len(held.cancelled), 1)

    def test_close(self) -> None:
        """
        Closing it ends what runs, closes what was made, of all files, and may be done again; then it answers no more.
        """
        held: list[HeldSource] = []

        def upstream(_: SystemConfiguration) -> HeldSource:
            held.append(HeldSource())
            return held[-1]

        system = System(self.clock, str(self.path), environment={}, upstream=upstream)
        asking = [system.answer(WWW, wishes(60.0))]
        self.write("nameserver 198.51.100.53\n")
        self.clock.advance(1)
        asking.append(system.answer(WWW, wishes(60.0)))
        for _ in range(2):
            self.successResultOf(system.close())
        self.assertTrue(all(each.closed for each in held))
        for each in [*asking, system.answer(WWW, wishes()), system.answer(question("localhost"), wishes())]:
            self.failureResultOf(each, Closed)
        self.assertRaises(Closed, system.answerNow, WWW, wishes())
        self.assertEqual(system.sources(), ())

    def test_closeUnused(self) -> None:
        """
        One that was never used closes without making anything.
        """
        system = self.system()
        self.successResultOf(system.close())
        self.assertEqual(self.configurations, [])

    def test_systemPath(self) -> None:
        """
        Where nobody says otherwise, the file is the system's.
        """
        trace = Trace()
        system = System(self.clock, environment={}, upstream=self.upstream)
        self.ask(system, "www.example", trace=trace)
        self.assertEqual(trace.notes[0].details["path"], SYSTEM_RESOLV_CONF)


class ServersTests(SynchronousTestCase):
    """
    Tests of how the configured servers are asked.
    """

    def test_rotate(self) -> None:
        """
        With C{rotate} each look-up goes to the next server; without it the first one that does well is kept to.
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
                asking = system.answer(question(f"n{number}.example"), QueryContext(here.seconds() + 5))
                network.advance(0.1)
                self.successResultOf(asking)
            self.assertEqual([len(server.asked) for server in servers], shares)
            for server in servers:
                server.asked.clear()
            self.successResultOf(system.close())


    def test_searchedAfterSilence(self) -> None:
        """
        A full name that nobody answers is given up when its attempts have had the time that is configured, and what is left of the
        look-up's goes to the search list.
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
        asked = system.answer(question("www.example"), QueryContext(here.seconds() + 5.0, relative=True))
        network.advance(1.9)
        self.assertNoResult(asked)
        network.advance(0.5)
        self.assertEqual(addresses(self.successResultOf(asked)), ["192.0.2.80"])
        self.successResultOf(system.close())
