"""
Tests of L{twisted_ext.server.sources.sources} and L{twisted_ext.server.sources.upstreams}, on a memory network.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.networks import NetworkTestCase, textsOf
from tests.packetcache import lanes
from tests.queries import queryOf
from tests.server.stacks import forwardStack, reloadStack
from tests.typed import observing
from twisted_ext.answers import QueryContext
from twisted_ext.errors import BadDescription, DNSFault, Refused, Unreachable
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.system import configured
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.server.sources.upstreams import ListenAddresses, SystemServers
from twisted_ext.testing.sources import atHand, questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Question


class StackCase(NetworkTestCase):
    """
    A host with a stack of sources on it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.changes = 0
        self.stacks: list[ForwardStack] = []

    def tearDown(self) -> None:
        for stack in self.stacks:
            stack.close()
        self.network.advance(0.1)
        super().tearDown()

    def changed(self) -> None:
        """
        Count how often earlier answers became void.
        """
        self.changes += 1

    def stack(self, listening: ListenAddresses | None = None, **values: object) -> ForwardStack:
        """
        Build a stack, without a hosts file unless one is given.
        """
        settings = Settings.of(**{"hostsFile": "", **values})
        stack = forwardStack(self.here, settings, listening=listening, changed=self.changed)
        self.stacks.append(stack)
        return stack

    def file(self, text: str) -> str:
        """
        Write a file with this text, and return its path.
        """
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)


class ForwardStackTests(StackCase):
    """
    Tests for L{ForwardStack}.
    """

    def test_sourceOrder(self) -> None:
        """
        Local records come before the hosts file, the hosts file before special names, and all of them before upstreams.
        """
        canned, server = self.serve()
        hosts = self.file("192.0.2.11 www.test.example\n192.0.2.12 router.lan\n")
        stack = self.stack(upstream=server.label, hostsFile=hosts, local=["router.lan A 192.0.2.1"])
        self.assertEqual(self.find(stack, "router.lan"), ["192.0.2.1"])
        self.assertEqual(self.find(stack, "www.test.example"), ["192.0.2.11"])
        self.assertEqual(self.find(stack, "localhost"), ["127.0.0.1"])
        self.assertEqual(canned.asked, [])

    def test_cachedAnswerIsReadyAtOnce(self) -> None:
        """
        A cached answer is available synchronously, without a query to the upstream.
        """
        canned, server = self.serve()
        stack = self.stack(upstream=server.label)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        ready = atHand(stack, questionOf("www.test.example"), QueryContext(self.here.seconds() + 5))
        assert ready is not None
        self.assertEqual(textsOf(ready), ["192.0.2.80"])
        self.assertEqual(len(canned.asked), 1)

    def test_concurrentQueriesShareLookup(self) -> None:
        """
        Without a cache each question is looked up again, but clients that ask it at the same time share one look-up.
        """
        canned, server = self.serve()
        stack = self.stack(upstream=server.label, cache=False)
        both = [self.ask(stack), self.ask(stack)]
        self.network.advance(1)
        self.assertEqual([self.told(each) for each in both], [["192.0.2.80"]] * 2)
        self.assertEqual(len(canned.asked), 1)
        self.find(stack)
        self.assertEqual(len(canned.asked), 2)

    def test_missTakesNoDeferred(self) -> None:
        """
        From a client's query to the reply after the upstream's answer, nothing on the way makes a Deferred: they take longer than the rest.
        """
        canned, server = self.serve()
        serving = lanes.Server(self.network.clock, self.stack(upstream=server.label))
        # While another look-up waits, the sockets stay open; closing them takes Deferreds.
        self.network.shape(server.address, delay=0.1)
        made: list[Deferred[object]] = []
        initialize = Deferred.__init__

        def noted(deferred: Deferred[object], canceller: Callable[[Deferred[object]], None] | None = None) -> None:
            made.append(deferred)
            initialize(deferred, canceller)

        serving.ask(queryOf())
        self.network.advance(0.05)
        self.patch(Deferred, "__init__", noted)
        serving.ask(queryOf("other.test.example"))
        while not serving.sent:
            self.network.advance(0.01)
        self.assertEqual(serving.responder.counters.pending, 1)
        self.assertEqual(made, [])
        self.network.advance(0.2)
        self.assertEqual(len(canned.asked), 2)

    def test_disabledCacheStoresNothing(self) -> None:
        """
        A disabled cache stores nothing, also after a reload.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label, cache=False)
        store = stack.caching.store
        for cache, count in ((False, 0), (True, 1), (False, 0)):
            reloadStack(stack, Settings.of(hostsFile="", upstream=server.label, cache=cache))
            self.find(stack)
            self.assertEqual(len(store), count)
            stack.caching.flush()

    def test_routedDomainGoesToItsServer(self) -> None:
        """
        Queries for a routed domain go to its server only.
        """
        internet, first = self.serve("192.0.2.53")
        office, second = self.serve("192.0.2.54", {("www.corp.example", "A"): "10.0.0.1"})
        stack = self.stack(upstream=first.label, route={"corp.example": f"udp:{second.label}"}, stopRebinding=True)
        self.assertEqual(self.find(stack, "www.corp.example"), ["10.0.0.1"])
        self.assertEqual(internet.asked, [])
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(len(office.asked), 1)

    def test_blockedNamesAreStepsOfThePath(self) -> None:
        """
        The path names the block lists, after local data and before the cache; without any there is no such step.
        """
        path = self.stack(block=["ads.example", "*.zip"], blockList="/lists/ads", blockReply="null").path()
        step = path.index("block: 2 given, /lists/ads, answered with null")
        self.assertTrue(path[step - 1].startswith("resolver.arpa"))
        self.assertTrue(path[step + 1].startswith("cache"))
        self.assertNotIn("block", str(self.stack(blockExcept="good.example").path()))

    def test_silentUpstreamIsHedged(self) -> None:
        """
        If the first of several upstreams is silent, the next one is asked after a short time.
        """
        silent, first = self.serve("192.0.2.53")
        silent.silent = True
        _, second = self.serve("192.0.2.54")
        stack = self.stack(upstream=[first.label, second.label], hedge=0.1)
        asked = self.ask(stack)
        self.network.advance(0.15)
        self.assertEqual(self.told(asked), ["192.0.2.80"])

    def test_deadUpstreamIsAskedLast(self) -> None:
        """
        A dead upstream does not delay every look-up: after some of them other upstreams are asked first, until it answers a probe.
        """
        names = {(f"h{number}.test.example", "A"): f"192.0.2.{number}" for number in range(100)}
        silent, first = self.serve("192.0.2.53", names)
        silent.silent = True
        other, second = self.serve("192.0.2.54", names)
        stack = self.stack(upstream=[first.label, second.label], hedge=0.3)

        def elapsed(number: int) -> float:
            began = self.here.seconds()
            asked = self.ask(stack, f"h{number}.test.example")
            while not asked.called:
                self.network.advance(0.01)
            self.assertEqual(self.told(asked), [f"192.0.2.{number}"])
            return self.here.seconds() - began

        times = [elapsed(number) for number in range(10)]
        self.assertGreater(min(times[:3]), 0.3)
        self.assertLess(max(times[3:]), 0.1)
        silent.silent = False
        self.network.advance(2)
        elapsed(20)
        self.assertEqual(len([each for each in other.asked if each.question == questionOf("h20.test.example")]), 0)
        self.assertLess(elapsed(21), 0.1)

    def test_staleAnswerIfUpstreamsFail(self) -> None:
        """
        If upstreams fail, an expired answer is returned after the stale timeout and marked as stale, unless stale answers are off.
        """
        for stale in (3600, 0):
            canned, server = self.serve(f"192.0.2.{60 + bool(stale)}")
            stack = self.stack(upstream=server.label, stale=stale)
            self.assertEqual(self.find(stack), ["192.0.2.80"])
            canned.silent = True
            self.network.advance(400)
            asked = self.ask(stack)
            self.network.advance(1.7)
            self.assertFalse(asked.called)
            self.network.advance(0.2)
            if stale:
                answer = self.successResultOf(asked)
                self.assertEqual(textsOf(answer), ["192.0.2.80"])
                self.assertEqual([code for code, _ in answer.ede], [3])
                self.assertEqual(answer.answer[0].ttl, 30)
            else:
                self.network.advance(5)
                self.failed(asked)
            self.network.advance(10)

    def test_nonRecursiveStackRefusesOtherNames(self) -> None:
        """
        A server without recursion refuses names that it has no records for.
        """
        stack = self.stack(recursive=False, local=["router.lan A 192.0.2.1"])
        self.assertEqual(self.find(stack, "router.lan"), ["192.0.2.1"])
        fault = self.fault(stack)
        self.assertIsInstance(fault, Refused)
        self.assertEqual(fault.rcode, 5)

    def test_failedBuildLeavesNothingOpen(self) -> None:
        """
        A stack that cannot be built is an error, and nothing is left open.
        """
        for values in ({"upstream": ["udp:192.0.2.1", "chain"]}, {"localFile": [self.file("nonsense\n")]}):
            self.assertRaises(BadDescription, self.stack, **values)


class ReloadTests(StackCase):
    """
    Tests for switching to other settings.
    """

    def test_reloadKeepsCache(self) -> None:
        """
        A reload keeps the cache, and running look-ups finish with their upstream.
        """
        _, first = self.serve("192.0.2.53")
        other, second = self.serve("192.0.2.54", {("new.test.example", "A"): "192.0.2.2"})
        stack = self.stack(upstream=first.label)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        running = self.ask(stack, "gone.test.example")
        reloadStack(stack, Settings.of(hostsFile="", upstream=second.label, local=["router.lan A 192.0.2.1"]))
        self.network.advance(1)
        self.assertEqual(self.told(running), [])
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(other.asked, [])
        self.assertEqual(self.find(stack, "new.test.example"), ["192.0.2.2"])
        self.assertEqual(self.find(stack, "router.lan"), ["192.0.2.1"])
        self.assertEqual(self.changes, 1)

    def test_invalidReloadChangesNothing(self) -> None:
        """
        Invalid settings leave the old ones in force.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label)
        before = stack.path()
        for values in ({"upstream": "chain"}, {"upstream": "192.0.2.99", "localFile": [self.file("x\n")]}):
            self.assertRaises(BadDescription, reloadStack, stack, Settings.of(hostsFile="", **values))
        self.assertEqual(stack.path(), before)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(self.changes, 0)

    def test_reloadKeepsServerStatistics(self) -> None:
        """
        A reload keeps the statistics of upstreams that stay the same.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label)
        before = stack.sources()[0].sources()
        asking = stack.backends.common.asking
        reloadStack(stack, Settings.of(hostsFile="", upstream=server.label, stale=0))
        self.assertIs(stack.backends.common.asking, asking)
        self.assertNotEqual(stack.sources()[0].sources(), before)

    def test_flushVoidsCopies(self) -> None:
        """
        A flush also voids the packet cache.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label)
        self.find(stack)
        self.assertEqual(stack.flush(), 1)
        self.assertEqual(self.changes, 1)


class SystemTests(StackCase):
    """
    Tests for forwarding to the servers of C{resolv.conf}.
    """

    def test_newServersEmptyCache(self) -> None:
        """
        When the file names other servers, they are asked, and the answers of the former ones are forgotten.
        """
        self.serve("192.0.2.53")
        self.serve("192.0.2.54", {("www.test.example", "A"): "192.0.2.2"})
        path = self.file("nameserver 192.0.2.53\nsearch test.example\n")
        stack = self.stack(resolvConf=path)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        Path(path).write_text("nameserver 192.0.2.54 # the next network\n")
        self.network.advance(1)
        stack.look()
        self.assertEqual(self.changes, 1)
        self.assertEqual(self.find(stack), ["192.0.2.2"])

    def test_commentChangesNothing(self) -> None:
        """
        A change of the file that names the same servers has no effect.
        """
        self.serve("192.0.2.53")
        path = self.file("nameserver 192.0.2.53\n")
        stack = self.stack(resolvConf=path)
        self.find(stack)
        Path(path).write_text("# a remark\nnameserver 192.0.2.53\n")
        self.network.advance(1)
        stack.look()
        self.assertEqual(self.changes, 0)

    def rewrite(self, stack: ForwardStack, path: str, text: str | None) -> None:
        """
        Write the file or remove it, and let a second pass.
        """
        if text is None:
            Path(path).unlink()
        else:
            Path(path).write_text(text)
        self.network.advance(1)
        stack.look()

    def test_missingFileKeepsServers(self) -> None:
        """
        A file that is missing, empty or without servers for a time changes nothing: its last servers are asked, and the cache is kept. The
        log has it once.
        """
        said: list[str] = []
        observer = observing(lambda event: said.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        canned, _ = self.serve("192.0.2.53", {("www.test.example", "A"): "192.0.2.80", ("new.test.example", "A"): "192.0.2.81"})
        path = self.file("nameserver 192.0.2.53\n")
        stack = self.stack(resolvConf=path)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        for text in (None, "", "search test.example\n", "nameserver\n"):
            if not Path(path).exists():
                Path(path).touch()
            self.rewrite(stack, path, text)
            self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual((self.changes, len(canned.asked)), (0, 1))
        self.assertEqual(self.find(stack, "new.test.example"), ["192.0.2.81"])
        self.rewrite(stack, path, "nameserver 192.0.2.53\n")
        self.assertEqual((self.changes, self.find(stack), len(canned.asked)), (0, ["192.0.2.80"], 2))
        lines = [line for line in said if path in line]
        self.assertEqual(
            lines,
            [
                f"{path} is missing or names no server; the servers that it named last are asked for 3600 more seconds",
                f"{path} names servers again",
            ],
        )

    def test_missingFileExpiresAfterAnHour(self) -> None:
        """
        The last servers of a missing file are dropped after an hour.
        """
        self.serve("192.0.2.53")
        path = self.file("nameserver 192.0.2.53\n")
        stack = self.stack(resolvConf=path)
        self.find(stack)
        self.rewrite(stack, path, None)
        self.network.advance(3599)
        stack.look()
        self.assertEqual(self.changes, 0)
        self.network.advance(2)
        stack.look()
        self.assertEqual(self.changes, 1)
        self.flushLoggedErrors()

    def test_otherOptionsKeepCache(self) -> None:
        """
        Other options or another order of the same servers take effect, and the cache is kept.
        """
        canned, _ = self.serve("192.0.2.53")
        self.serve("192.0.2.54")
        path = self.file("nameserver 192.0.2.53\nnameserver 192.0.2.54\n")
        stack = self.stack(resolvConf=path)
        self.find(stack)
        asked = len(canned.asked)
        self.rewrite(stack, path, "nameserver 192.0.2.54\nnameserver 192.0.2.53\noptions use-vc\n")
        self.assertEqual((self.changes, self.find(stack), len(canned.asked)), (0, ["192.0.2.80"], asked))

    def test_unreadableFileIsLogged(self) -> None:
        """
        The log says why the file cannot be used and the server on this machine is asked instead.
        """
        said: list[LogEvent] = []
        observer = observing(said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for path, complaint in (("/nonexistent", "cannot be read: No such file"), (self.file("server 1\n"), "line 1: 'server'")):
            said.clear()
            SystemServers(self.here, path, ListenAddresses((), 0), self.changed).close()
            self.assertEqual([event["path"] for event in said if str(event.get("complaint")).startswith(complaint)], [path])

    def test_serverSkipsItself(self) -> None:
        """
        A server that C{resolv.conf} names does not ask itself, and reports an error if the file names no other server.
        """
        here, alone = ListenAddresses(("192.0.2.7",), 53), self.file("nameserver 192.0.2.7\n")
        fault = self.fault(self.stack(here, resolvConf=alone))
        self.assertIsInstance(fault, Unreachable)
        self.assertIn("names only this server itself; set upstream", str(fault))
        empty = self.file("search example.org\n")
        fault = self.fault(self.stack(ListenAddresses(("127.0.0.1",), 53), resolvConf=empty))
        self.assertIn(f"{empty} names no server; set upstream", str(fault))
        self.flushLoggedErrors()
        canned, _ = self.serve()
        self.assertEqual(self.find(self.stack(here, resolvConf=self.file("nameserver 192.0.2.7\nnameserver 192.0.2.53\n"))), ["192.0.2.80"])
        self.assertEqual(len(canned.asked), 1)


class LoopTests(StackCase):
    """
    Tests for upstreams that lead back to this server.
    """

    def test_ownAddressesAreRecognized(self) -> None:
        """
        C{Listening} recognizes the addresses where this server listens.
        """
        somewhere = ListenAddresses(("192.0.2.7", "::1"), 5300)
        self.assertTrue(somewhere.has(Server("192.0.2.7", 5300)))
        self.assertTrue(somewhere.has(Server("::1", 5300)))
        self.assertFalse(somewhere.has(Server("192.0.2.7", 53)))
        self.assertFalse(somewhere.has(Server("192.0.2.8", 5300)))
        self.assertFalse(somewhere.has(Server("127.0.0.1", 5300)))
        for everywhere in (ListenAddresses((), 53), ListenAddresses(("",), 53), ListenAddresses(("0.0.0.0", "::"), 53)):
            self.assertTrue(everywhere.has(Server("127.0.0.53", 53)))
            self.assertTrue(everywhere.has(Server("::1", 53)))
            self.assertFalse(everywhere.has(Server("127.0.0.1", 5353)))
            self.assertFalse(everywhere.has(Server("192.0.2.1", 53)))

    def test_ownAddressAsUpstreamIsRefused(self) -> None:
        """
        An upstream that is this server itself is an error before anything starts.
        """
        error = self.assertRaises(BadDescription, self.stack, ListenAddresses(("192.0.2.7",), 53), upstream="192.0.2.7")
        self.assertIn("is this server itself", str(error))

    def test_bootstrapNeverAsksThisServer(self) -> None:
        """
        The address of an encrypted upstream is not looked up at this server, which would wait for that upstream until the time is over. The
        error is one line that says what would be right; another server of the file is asked instead. Without its own addresses, it would
        query itself.
        """
        here = ListenAddresses(("192.0.2.7",), 53)
        self.patch(configured, "SYSTEM_RESOLV_CONF", self.file("nameserver 192.0.2.7\n"))
        for upstream in ("tls://dns.example", "https://dns.example/dns-query", "quic://dns.example"):
            began = self.here.seconds()
            asked = self.ask(self.stack(here, upstream=upstream))
            self.network.advance(0.1)
            fault = self.failureResultOf(asked).value
            self.assertEqual(self.here.seconds(), began + 0.1)
            self.assertIn("dns.example cannot be reached: its address cannot be looked up: ", str(fault))
            self.assertIn("names only this server itself", str(fault))
            self.assertIn("bootstrap=SERVER", str(fault))
            self.assertNotIn("\n", str(fault))
            self.assertEqual(self.network.datagrams, [])
            self.flushLoggedErrors()
        self.fault(self.stack(upstream="tls://dns.example"))
        self.assertEqual({each.destination for each in self.network.datagrams}, {("192.0.2.7", 53)})
        self.network.datagrams.clear()
        canned, _ = self.serve(records={("dns.example", "A"): "192.0.2.99"})
        self.patch(configured, "SYSTEM_RESOLV_CONF", self.file("nameserver 192.0.2.7\nnameserver 192.0.2.53\n"))
        self.fault(self.stack(here, upstream="tls://dns.example"))
        self.assertEqual({each.destination for each in self.network.datagrams if each.source[0] == "192.0.2.7"}, {("192.0.2.53", 53)})
        self.assertEqual({asked.question.name for asked in canned.asked}, {b"\x03dns\x07example\x00"})

    def test_thisServerAsBootstrapIsRefused(self) -> None:
        """
        C{bootstrap} with the address of this server is an error before anything starts.
        """
        here = ListenAddresses(("192.0.2.7",), 53)
        error = self.assertRaises(BadDescription, self.stack, here, upstream="tls://dns.example:bootstrap=192.0.2.7")
        self.assertIn("bootstrap=192.0.2.7:53 is this server itself", str(error))

    def askedInLoop(self, watched: bool) -> tuple[int, int]:
        """
        Start a server with two upstreams, of which the first, in a private network, forwards every query back to it.

        @return: how often that upstream was asked during the start, and by a look-up after that.
        """
        canned, server = self.serve("10.0.0.53")
        _, other = self.serve("192.0.2.54")
        stack = self.stack(upstream=[server.label, other.label], hedge=5.0, loopDetection=watched)
        coming: list[Deferred[object]] = []

        def back(question: Question) -> int:
            context = QueryContext(self.here.seconds() + 5)
            coming.append(lookUp(stack, question, context).addErrback(lambda failure: failure.value))
            return 3

        canned.otherwise = back
        stack.started()
        self.network.advance(1)
        started = len(canned.asked)
        self.find(stack, "www.test.example", seconds=1.0)
        return started, len(canned.asked) - started

    def test_loopingUpstreamIsDetected(self) -> None:
        """
        An upstream that forwards back to this server is detected at the start and not asked again.
        """
        self.assertEqual(self.askedInLoop(True), (1, 0))

    def test_loopingUpstreamIsAskedUndetected(self) -> None:
        """
        Without loop detection that upstream is still asked.
        """
        self.assertEqual(self.askedInLoop(False), (0, 1))

    def test_undetectedLoopEnds(self) -> None:
        """
        An undetected loop ends by itself: a query that comes back waits for the look-up that caused it.
        """
        canned, server = self.serve("192.0.2.60")
        stack = self.stack(upstream=server.label)
        coming: list[Deferred[object]] = []

        def back(question: Question) -> int:
            context = QueryContext(self.here.seconds() + 5)
            coming.append(lookUp(stack, questionOf("loop.example"), context).addErrback(lambda failure: failure.value))
            canned.silent = True
            return 3

        canned.set("loop.example", "A", back)
        canned.tamper = lambda octets, way: []
        fault = self.fault(stack, "loop.example")
        self.assertIsInstance(fault, DNSFault)
        self.assertLess(len(canned.asked), 6)
        self.assertLess(len(coming), 6)

    def test_publicUpstreamIsNotProbed(self) -> None:
        """
        Upstreams with public addresses are not probed for loops.
        """
        canned, server = self.serve("192.0.2.53")
        self.stack(upstream=server.label).started()
        self.network.advance(1)
        self.assertEqual(canned.asked, [])
