"""
Tests of L{twisted_ext.server.sources} and L{twisted_ext.server.upstreams}, on a memory network.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.networks import NetworkTestCase, textsOf
from tests.typed import observing
from twisted_ext.answers import QueryContext
from twisted_ext.errors import BadDescription, DNSFault, Refused, Unreachable
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources import ForwardStack
from twisted_ext.server.upstreams import Listening, SystemServers
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Question


class StackCase(NetworkTestCase):
    """
    A client's host with a stack on it.
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
        Answers given before may not hold any more.
        """
        self.changes += 1

    def stack(self, listening: Listening | None = None, **values: object) -> ForwardStack:
        """
        Build a stack. There is no hosts file unless one is given.
        """
        settings = Settings.of(**{"hostsFile": "", **values})
        stack = ForwardStack(self.here, settings, listening=listening, changed=self.changed)
        self.stacks.append(stack)
        return stack

    def file(self, text: str) -> str:
        """
        @return: the path of a file with this text.
        """
        path = Path(self.mktemp())
        path.write_text(text)
        return str(path)


class ForwardStackTests(StackCase):
    """
    Tests for L{ForwardStack}.
    """

    def test_order(self) -> None:
        """
        Local records go before the hosts file, that before special names, and all of them before upstreams.
        """
        canned, server = self.serve()
        hosts = self.file("192.0.2.11 www.example.test\n192.0.2.12 router.lan\n")
        stack = self.stack(upstream=server.label, hostsFile=hosts, local=["router.lan A 192.0.2.1"])
        self.assertEqual(self.find(stack, "router.lan"), ["192.0.2.1"])
        self.assertEqual(self.find(stack, "www.example.test"), ["192.0.2.11"])
        self.assertEqual(self.find(stack, "localhost"), ["127.0.0.1"])
        self.assertEqual(canned.asked, [])

    def test_cached(self) -> None:
        """
        What was learned is given again without asking, at hand.
        """
        canned, server = self.serve()
        stack = self.stack(upstream=server.label)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        ready = stack.answerNow(questionOf("www.example.test"), QueryContext(self.here.seconds() + 5))
        assert ready is not None
        self.assertEqual(textsOf(ready), ["192.0.2.80"])
        self.assertEqual(len(canned.asked), 1)

    def test_withoutCache(self) -> None:
        """
        Without a cache each question is asked anew, but still once for all who ask at a time.
        """
        canned, server = self.serve()
        stack = self.stack(upstream=server.label, cache=False)
        both = [self.ask(stack), self.ask(stack)]
        self.network.advance(1)
        self.assertEqual([self.told(each) for each in both], [["192.0.2.80"]] * 2)
        self.assertEqual(len(canned.asked), 1)
        self.find(stack)
        self.assertEqual(len(canned.asked), 2)

    def test_cacheTurnedOff(self) -> None:
        """
        Without a cache nothing takes memory in it, and so it is when the settings change.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label, cache=False)
        store = stack.caching.store
        for cache, count in ((False, 0), (True, 1), (False, 0)):
            stack.reload(Settings.of(hostsFile="", upstream=server.label, cache=cache))
            self.find(stack)
            self.assertEqual(len(store), count)
            stack.caching.flush()

    def test_routes(self) -> None:
        """
        A domain with a route is asked there and nowhere else.
        """
        internet, first = self.serve("192.0.2.53")
        office, second = self.serve("192.0.2.54", {("www.corp.example", "A"): "10.0.0.1"})
        stack = self.stack(upstream=first.label, route={"corp.example": f"udp:{second.label}"}, stopRebinding=True)
        self.assertEqual(self.find(stack, "www.corp.example"), ["10.0.0.1"])
        self.assertEqual(internet.asked, [])
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(len(office.asked), 1)

    def test_rebinding(self) -> None:
        """
        With the guard on, private addresses of strangers are held back; without it they are given.
        """
        _, server = self.serve(records={("evil.example.test", "A"): "192.168.1.1"})
        self.assertEqual(self.find(self.stack(upstream=server.label), "evil.example.test"), ["192.168.1.1"])
        guarded = self.stack(upstream=server.label, stopRebinding=True)
        self.assertIsInstance(self.fault(guarded, "evil.example.test"), Refused)
        allowed = self.stack(upstream=server.label, stopRebinding=True, rebindingAllow=["example.test"])
        self.assertEqual(self.find(allowed, "evil.example.test"), ["192.168.1.1"])

    def test_hedged(self) -> None:
        """
        Where the first of several upstreams says nothing, the next is asked after a moment, and the client does not notice much.
        """
        silent, first = self.serve("192.0.2.53")
        silent.silent = True
        _, second = self.serve("192.0.2.54")
        stack = self.stack(upstream=[first.label, second.label], hedge=0.1)
        asked = self.ask(stack)
        self.network.advance(0.15)
        self.assertEqual(self.told(asked), ["192.0.2.80"])

    def test_goneForLong(self) -> None:
        """
        An upstream that is gone does not cost every look-up the time to wait for it: after some of them others are asked first, until it is
        tried again and answers.
        """
        names = {(f"h{number}.example.test", "A"): f"192.0.2.{number}" for number in range(100)}
        silent, first = self.serve("192.0.2.53", names)
        silent.silent = True
        other, second = self.serve("192.0.2.54", names)
        stack = self.stack(upstream=[first.label, second.label], hedge=0.3)

        def elapsed(number: int) -> float:
            began = self.here.seconds()
            asked = self.ask(stack, f"h{number}.example.test")
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
        self.assertEqual(len([each for each in other.asked if each.question == questionOf("h20.example.test")]), 0)
        self.assertLess(elapsed(21), 0.1)

    def test_stale(self) -> None:
        """
        When upstreams are gone, an answer past its end is given after the time to wait, marked as such; with that off, it is not.
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

    def test_nobodyAsked(self) -> None:
        """
        A server that asks nobody refuses what it does not know.
        """
        stack = self.stack(recursive=False, local=["router.lan A 192.0.2.1"])
        self.assertEqual(self.find(stack, "router.lan"), ["192.0.2.1"])
        fault = self.fault(stack)
        self.assertIsInstance(fault, Refused)
        self.assertEqual(fault.rcode, 5)

    def test_cannotBeBuilt(self) -> None:
        """
        What cannot be built is told, and nothing is left open.
        """
        for values in ({"upstream": ["udp:192.0.2.1", "chain"]}, {"localFile": [self.file("nonsense\n")]}):
            self.assertRaises(BadDescription, self.stack, **values)


class ReloadTests(StackCase):
    """
    Tests for going over to other settings.
    """

    def test_cacheKept(self) -> None:
        """
        The cache stays, and what runs is finished by the upstream that it was asked of.
        """
        _, first = self.serve("192.0.2.53")
        other, second = self.serve("192.0.2.54", {("new.example.test", "A"): "192.0.2.2"})
        stack = self.stack(upstream=first.label)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        running = self.ask(stack, "gone.example.test")
        stack.reload(Settings.of(hostsFile="", upstream=second.label, local=["router.lan A 192.0.2.1"]))
        self.network.advance(1)
        self.assertEqual(self.told(running), [])
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(other.asked, [])
        self.assertEqual(self.find(stack, "new.example.test"), ["192.0.2.2"])
        self.assertEqual(self.find(stack, "router.lan"), ["192.0.2.1"])
        self.assertEqual(self.changes, 1)

    def test_unusable(self) -> None:
        """
        Settings that cannot be used leave the old ones in force.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label)
        before = stack.path()
        for values in ({"upstream": "chain"}, {"upstream": "192.0.2.99", "localFile": [self.file("x\n")]}):
            self.assertRaises(BadDescription, stack.reload, Settings.of(hostsFile="", **values))
        self.assertEqual(stack.path(), before)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(self.changes, 0)

    def test_upstreamsKept(self) -> None:
        """
        What is known of upstreams is kept where they stay the same.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label)
        before = stack.sources()[0].sources()
        asking = stack._asking
        stack.reload(Settings.of(hostsFile="", upstream=server.label, stale=0))
        self.assertIs(stack._asking, asking)
        self.assertNotEqual(stack.sources()[0].sources(), before)

    def test_hostsFileFollowed(self) -> None:
        """
        A hosts file that changes is noticed although copies of answers are given in the meantime.
        """
        path = self.file("192.0.2.11 www.lan\n")
        stack = self.stack(recursive=False, hostsFile=path)
        self.assertEqual(self.find(stack, "www.lan"), ["192.0.2.11"])
        stack.look()
        self.assertEqual(self.changes, 0)
        Path(path).write_text("192.0.2.12 www.lan # another one\n")
        stack.look()
        self.assertEqual(self.changes, 1)
        self.assertEqual(self.find(stack, "www.lan"), ["192.0.2.12"])

    def test_hostsFileReadMeanwhile(self) -> None:
        """
        The same where a question that no copy answered has had the file read already.
        """
        path = self.file("192.0.2.11 www.lan\n")
        stack = self.stack(recursive=False, hostsFile=path)
        stack.look()
        Path(path).write_text("192.0.2.12 www.lan # another one\n")
        self.network.advance(2)
        self.assertEqual(self.find(stack, "www.lan"), ["192.0.2.12"])
        self.assertEqual(self.changes, 0)
        stack.look()
        self.assertEqual(self.changes, 1)

    def test_flush(self) -> None:
        """
        A flush makes copies of answers void as well.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label)
        self.find(stack)
        self.assertEqual(stack.flush(), 1)
        self.assertEqual(self.changes, 1)


class SystemTests(StackCase):
    """
    Tests for asking the servers of C{resolv.conf}.
    """

    def test_followed(self) -> None:
        """
        When the file names other servers, they are asked, and what the former ones said is forgotten.
        """
        self.serve("192.0.2.53")
        self.serve("192.0.2.54", {("www.example.test", "A"): "192.0.2.2"})
        path = self.file("nameserver 192.0.2.53\nsearch example.test\n")
        stack = self.stack(resolvConf=path)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        Path(path).write_text("nameserver 192.0.2.54 # the next network\n")
        self.network.advance(1)
        stack.look()
        self.assertEqual(self.changes, 1)
        self.assertEqual(self.find(stack), ["192.0.2.2"])

    def test_remarkOnly(self) -> None:
        """
        A file that says the same in other words changes nothing.
        """
        self.serve("192.0.2.53")
        path = self.file("nameserver 192.0.2.53\n")
        stack = self.stack(resolvConf=path)
        self.find(stack)
        Path(path).write_text("# a remark\nnameserver 192.0.2.53\n")
        self.network.advance(1)
        stack.look()
        self.assertEqual(self.changes, 0)

    def lost(self, stack: ForwardStack, path: str, text: str | None) -> None:
        """
        Have the file go away, or have this text, and a second pass.
        """
        if text is None:
            Path(path).unlink()
        else:
            Path(path).write_text(text)
        self.network.advance(1)
        stack.look()

    def test_goneForAMoment(self) -> None:
        """
        A file that is gone, empty or without servers for a time changes nothing: the servers that it named are asked on, and what is in the
        cache stays. The log has it once.
        """
        said: list[str] = []
        observer = observing(lambda event: said.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        canned, _ = self.serve("192.0.2.53", {("www.example.test", "A"): "192.0.2.80", ("new.example.test", "A"): "192.0.2.81"})
        path = self.file("nameserver 192.0.2.53\n")
        stack = self.stack(resolvConf=path)
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        for text in (None, "", "search example.test\n", "nameserver\n"):
            if not Path(path).exists():
                Path(path).touch()
            self.lost(stack, path, text)
            self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual((self.changes, len(canned.asked)), (0, 1))
        self.assertEqual(self.find(stack, "new.example.test"), ["192.0.2.81"])
        self.lost(stack, path, "nameserver 192.0.2.53\n")
        self.assertEqual((self.changes, self.find(stack), len(canned.asked)), (0, ["192.0.2.80"], 2))
        lines = [line for line in said if path in line]
        self.assertEqual(
            lines,
            [
                f"{path} is gone or names no server; those it named last are asked for 3600 seconds more",
                f"{path} names servers again",
            ],
        )

    def test_goneForLong(self) -> None:
        """
        After an hour what the file does not say any more is not used any more.
        """
        self.serve("192.0.2.53")
        path = self.file("nameserver 192.0.2.53\n")
        stack = self.stack(resolvConf=path)
        self.find(stack)
        self.lost(stack, path, None)
        self.network.advance(3599)
        stack.look()
        self.assertEqual(self.changes, 0)
        self.network.advance(2)
        stack.look()
        self.assertEqual(self.changes, 1)
        self.flushLoggedErrors()

    def test_otherOptions(self) -> None:
        """
        Other options or another order of the same servers take effect, and what is in the cache stays.
        """
        canned, _ = self.serve("192.0.2.53")
        self.serve("192.0.2.54")
        path = self.file("nameserver 192.0.2.53\nnameserver 192.0.2.54\n")
        stack = self.stack(resolvConf=path)
        self.find(stack)
        asked = len(canned.asked)
        self.lost(stack, path, "nameserver 192.0.2.54\nnameserver 192.0.2.53\noptions use-vc\n")
        self.assertEqual((self.changes, self.find(stack), len(canned.asked)), (0, ["192.0.2.80"], asked))

    def test_unreadable(self) -> None:
        """
        The log tells what could not be made of the file, and why the server on this machine is asked then.
        """
        said: list[LogEvent] = []
        observer = observing(said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for path, complaint in (("/nonexistent", "cannot be read: No such file"), (self.file("server 1\n"), "line 1: 'server'")):
            said.clear()
            SystemServers(self.here, path, Listening((), 0), self.changed).close()
            self.assertEqual([event["path"] for event in said if str(event.get("complaint")).startswith(complaint)], [path])

    def test_itself(self) -> None:
        """
        A server that is what its machine is configured to use does not ask itself, and says so where there is nobody else.
        """
        here, alone = Listening(("192.0.2.7",), 53), self.file("nameserver 192.0.2.7\n")
        fault = self.fault(self.stack(here, resolvConf=alone))
        self.assertIsInstance(fault, Unreachable)
        self.assertIn("names only this server itself", str(fault))
        self.flushLoggedErrors()
        canned, _ = self.serve()
        self.assertEqual(self.find(self.stack(here, resolvConf=self.file("nameserver 192.0.2.7\nnameserver 192.0.2.53\n"))), ["192.0.2.80"])
        self.assertEqual(len(canned.asked), 1)


class LoopTests(StackCase):
    """
    Tests for upstreams that lead back.
    """

    def test_listening(self) -> None:
        """
        What is this server itself is told from what is not.
        """
        somewhere = Listening(("192.0.2.7", "::1"), 5300)
        self.assertTrue(somewhere.has(Server("192.0.2.7", 5300)))
        self.assertTrue(somewhere.has(Server("::1", 5300)))
        self.assertFalse(somewhere.has(Server("192.0.2.7", 53)))
        self.assertFalse(somewhere.has(Server("192.0.2.8", 5300)))
        self.assertFalse(somewhere.has(Server("127.0.0.1", 5300)))
        for everywhere in (Listening((), 53), Listening(("",), 53), Listening(("0.0.0.0", "::"), 53)):
            self.assertTrue(everywhere.has(Server("127.0.0.53", 53)))
            self.assertTrue(everywhere.has(Server("::1", 53)))
            self.assertFalse(everywhere.has(Server("127.0.0.1", 5353)))
            self.assertFalse(everywhere.has(Server("192.0.2.1", 53)))

    def test_named(self) -> None:
        """
        An upstream that is this server itself is an error before anything starts.
        """
        error = self.assertRaises(BadDescription, self.stack, Listening(("192.0.2.7",), 53), upstream="192.0.2.7")
        self.assertIn("is this server itself", str(error))

    def askedInLoop(self, watched: bool) -> tuple[int, int]:
        """
        Start a server with an upstream in the private network that asks it everything that it is asked, and another one.

        @return: how often that upstream was asked by the server's start, and by a look-up after that.
        """
        canned, server = self.serve("10.0.0.53")
        _, other = self.serve("192.0.2.54")
        stack = self.stack(upstream=[server.label, other.label], hedge=5.0, loopDetection=watched)
        coming: list[Deferred[object]] = []

        def back(question: Question) -> int:
            context = QueryContext(self.here.seconds() + 5)
            coming.append(stack.answer(question, context).addErrback(lambda failure: failure.value))
            return 3

        canned.otherwise = back
        stack.started()
        self.network.advance(1)
        started = len(canned.asked)
        self.find(stack, "www.example.test", seconds=1.0)
        return started, len(canned.asked) - started

    def test_found(self) -> None:
        """
        An upstream that asks us in its turn is found when the server starts, and is left out.
        """
        self.assertEqual(self.askedInLoop(True), (1, 0))

    def test_notWatched(self) -> None:
        """
        With the watch off it goes on being asked.
        """
        self.assertEqual(self.askedInLoop(False), (0, 1))

    def test_bounded(self) -> None:
        """
        A loop that nobody found ends by itself: what comes back waits for what it came from.
        """
        canned, server = self.serve("192.0.2.60")
        stack = self.stack(upstream=server.label)
        coming: list[Deferred[object]] = []

        def back(question: Question) -> int:
            context = QueryContext(self.here.seconds() + 5)
            coming.append(stack.answer(questionOf("loop.example"), context).addErrback(lambda failure: failure.value))
            canned.silent = True
            return 3

        canned.set("loop.example", "A", back)
        canned.tamper = lambda octets, way: []
        fault = self.fault(stack, "loop.example")
        self.assertIsInstance(fault, DNSFault)
        self.assertLess(len(canned.asked), 6)
        self.assertLess(len(coming), 6)

    def test_strangersNotProbed(self) -> None:
        """
        Servers of the internet are not asked such names.
        """
        canned, server = self.serve("192.0.2.53")
        self.stack(upstream=server.label).started()
        self.network.advance(1)
        self.assertEqual(canned.asked, [])
