"""
Tests of L{twisted_ext.server.sources.backends}: what several of them share, what they do not, and what operators see of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.server.sources.test_sources import StackCase
from tests.server.stacks import reloadStack
from tests.server.test_service import ServiceCase
from tests.typed import observing
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.metrics.exposition import exposition
from twisted_ext.metrics.figures import sumOf
from twisted_ext.resolver.ask import lookUp
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.server.sources.upstreams import CountedUpstream
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.rrtypes import CNAME

_LAB = {"name": "lab", "clients": ["10.0.1.0/24"], "upstream": ["192.0.2.54"]}
_TWIN = {**_LAB, "name": "twin", "clients": ["10.0.2.0/24"]}
_NAME = "www.test.example"


def _withoutAuthority(octets: bytes, way: str) -> Sequence[bytes]:
    message = Message.fromWire(octets)
    return [buildMessage(Message(message.id, message.flags, message.questions, message.answer))]


class BackendsTests(StackCase):
    """
    Tests with a stack for two upstreams.
    """

    def setUp(self) -> None:
        super().setUp()
        self.servers = {last: self.serve(f"192.0.2.{last}", {(_NAME, "A"): f"10.0.0.{last}"})[0] for last in (53, 54, 55)}

    def lookUp(self, stack: ForwardStack, view: str, name: str = _NAME) -> Deferred[Answer]:
        """
        Have a name looked up for a view.
        """
        return lookUp(stack.views[view] if view else stack, questionOf(name, "A"), QueryContext(self.here.seconds() + 10))

    def addressIn(self, stack: ForwardStack, view: str) -> str:
        """
        Return what the clients of a view get.
        """
        found = self.lookUp(stack, view)
        self.network.advance(1)
        return ".".join(map(str, self.successResultOf(found).answer[0].rdatas[0]))

    def test_equalSettingsShareABackend(self) -> None:
        """
        Views with the same upstreams have a cache in common; others do not.
        """
        stack = self.stack(upstream=["192.0.2.53"], view=[_LAB, _TWIN, "plain=10.0.3.0/24"])
        self.assertEqual([self.addressIn(stack, view) for view in ("lab", "twin", "plain", "")], ["10.0.0.54"] * 2 + ["10.0.0.53"] * 2)
        self.assertEqual([len(self.servers[last].asked) for last in (53, 54)], [1, 1])
        self.assertEqual([each.views for each in stack.backends.all], [["", "plain"], ["lab", "twin"]])
        self.assertEqual(stack.flush(), 2)

    def test_memoryIsDivided(self) -> None:
        """
        Backends have equal parts of the memory for caches; where that is too little, the settings are refused.
        """
        stack = self.stack(upstream=["192.0.2.53"], cacheSize="4M")
        common = stack.caching.store
        self.assertEqual(common.mostBytes, 4 << 20)
        reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.53"], cacheSize="4M", view=[_LAB, _TWIN]))
        self.assertEqual([each.caching.store.mostBytes for each in stack.backends.all], [2 << 20] * 2)
        self.assertIs(stack.caching.store, common)
        reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.53"], cacheSize="4M"))
        self.assertEqual([each.caching.store.mostBytes for each in stack.backends.all], [4 << 20])
        with self.assertRaises(BadDescription) as caught:
            self.stack(upstream=["192.0.2.53"], cacheSize="1M", view=[_LAB])
        self.assertIn("write cache-size = 2M or more", str(caught.exception))

    def test_badSettingsOfAViewChangeNothing(self) -> None:
        """
        If a view cannot have its upstreams, the error names it, and all stays as it was.
        """
        stack = self.stack(upstream=["192.0.2.53"], view=[_LAB])
        before, path = stack.backends.all, stack.path()
        for own in ({"upstream": ["chain"]}, {"min-ttl": 500, "max-ttl": 5}):
            with self.assertRaises(BadDescription) as caught:
                view = {"name": "worse", "clients": ["any"], **own}
                reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.55"], view=[{**_LAB, "upstream": ["192.0.2.55"]}, view]))
            self.assertTrue(str(caught.exception).startswith("view worse: "), str(caught.exception))
        self.assertEqual((stack.backends.all, stack.path()), (before, path))
        self.assertEqual([self.addressIn(stack, view) for view in ("lab", "")], ["10.0.0.54", "10.0.0.53"])

    def test_ownAddressInAView(self) -> None:
        """
        A view cannot have this server itself as its upstream.
        """
        from twisted_ext.server.sources.upstreams import ListenAddresses

        with self.assertRaises(BadDescription) as caught:
            self.stack(ListenAddresses(("192.0.2.7",), 53), upstream=["192.0.2.53"], view=[{**_LAB, "upstream": ["192.0.2.7"]}])
        self.assertIn("view lab: upstream: 192.0.2.7:53 is this server itself", str(caught.exception))

    def test_unusedBackendsEnd(self) -> None:
        """
        A look-up under way in a view that goes over to other upstreams is finished by those that it began with, which are closed then.
        """
        self.servers[54].delay = 1.0
        stack = self.stack(upstream=["192.0.2.53"], view=[_LAB])
        waiting = self.lookUp(stack, "lab")
        self.network.advance(0.1)
        former = stack.backends.of("lab")
        reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.53"], view=[{**_LAB, "upstream": ["192.0.2.55"]}]))
        self.assertEqual(self.addressIn(stack, "lab"), "10.0.0.55")
        self.network.advance(2)
        self.assertEqual(self.successResultOf(waiting).answer[0].rdatas[0][-1], 54)
        self.failureResultOf(lookUp(former.caching, questionOf("b.example", "A"), QueryContext(self.here.seconds() + 1)))

    def test_cacheOfAllGoesOn(self) -> None:
        """
        What clients in no view were told stays in their cache when their upstreams change, but not if a view goes on with these.
        """
        for views, expected in (([], "10.0.0.53"), ([_LAB], "10.0.0.55")):
            stack = self.stack(upstream=["192.0.2.53"], view=["plain=10.0.3.0/24", *views])
            self.assertEqual(self.addressIn(stack, ""), "10.0.0.53")
            own = {"name": "plain", "clients": ["10.0.3.0/24"], "upstream": ["192.0.2.53"]} if views else "plain=10.0.3.0/24"
            reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.55"], view=[own, *views]))
            self.assertEqual(self.addressIn(stack, ""), expected)
            self.assertEqual(self.addressIn(stack, "plain"), "10.0.0.53")

    def test_queriesUnderWayAreNotAskedElsewhere(self) -> None:
        """
        A look-up of a view that shared the upstreams of all is not continued by their next ones when the view goes over to others.
        """
        for last, server in self.servers.items():
            server.set("target.test.example", "A", f"10.0.0.{last}")
        alias = [rrsetOf(questionOf("alias.test.example", "A").name, CNAME, "target.test.example.")]
        self.servers[53].set("alias.test.example", "A", alias)
        # It says nothing of the target, so that is asked for.
        self.servers[53].tamper = _withoutAuthority
        self.servers[53].delay = 1.0
        stack = self.stack(upstream=["192.0.2.53"], view=["plain=10.0.3.0/24"])
        waiting = self.lookUp(stack, "plain", "alias.test.example")
        self.network.advance(0.1)
        own = {"name": "plain", "clients": ["10.0.3.0/24"], "upstream": ["192.0.2.54"]}
        reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.55"], view=[own]))
        self.network.advance(5)
        self.assertEqual(self.successResultOf(waiting).answer[-1].rdatas[0][-1], 53)
        self.assertEqual(self.servers[55].asked, [])

    def test_reverseNamesByTheUpstreamsOfAView(self) -> None:
        """
        Reverse names of private addresses are asked of upstreams in a private network, for the views that have one.
        """
        name = "5.0.0.10.in-addr.arpa"
        for address in ("9.9.9.9", "10.0.0.53"):
            CannedServer({(name, "PTR"): "host.test.example."}).listen(self.network.reactor(address))
        stack = self.stack(upstream=["9.9.9.9"], view=[{**_LAB, "upstream": ["10.0.0.53"]}, "plain=10.0.3.0/24"])
        found = []
        for view in ("lab", "plain", ""):
            asked = lookUp(stack.views[view] if view else stack, questionOf(name, "PTR"), QueryContext(self.here.seconds() + 10))
            self.network.advance(1)
            found.append(len(self.successResultOf(asked).answer))
        self.assertEqual(found, [1, 0, 0])

    def test_closedWhileABackendEnds(self) -> None:
        """
        When the server stops, look-ups of upstreams that no view asks any more end as well.
        """
        self.servers[54].silent = True
        stack = self.stack(upstream=["192.0.2.53"], view=[_LAB])
        waiting = self.lookUp(stack, "lab")
        self.network.advance(0.1)
        reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.53"]))
        self.assertNoResult(waiting)
        stack.close()
        self.network.advance(0)
        self.failureResultOf(waiting)
        self.assertEqual(self.here.pending(), [])

    def test_viewThatIsGone(self) -> None:
        """
        What still asks for a view that a reload has removed is told what holds for clients in none.
        """
        stack = self.stack(upstream=["9.9.9.9"], view=[{**_LAB, "upstream": ["10.0.0.53"]}])
        self.assertEqual([stack.asksInside(view) for view in ("lab", "")], [True, False])
        reloadStack(stack, Settings.of(hostsFile="", upstream=["9.9.9.9"]))
        self.assertFalse(stack.asksInside("lab"))

    def test_routedDomainsOfAView(self) -> None:
        """
        The cache of a view knows which domains have an upstream of their own there.
        """
        stack = self.stack(upstream=["192.0.2.53"], view=[{**_LAB, "route": ["Corp.test.example=192.0.2.55"]}])
        apart = [each.caching.store.apart for each in stack.backends.all]
        self.assertEqual(apart, [frozenset(), frozenset([questionOf("corp.test.example", "A").name])])

    def test_nothingIsLeftOpen(self) -> None:
        """
        If the settings of one view cannot be used, what was made for others is closed.
        """
        closed: list[CountedUpstream] = []
        close = CountedUpstream.close

        def closing(upstream: CountedUpstream) -> Deferred[None]:
            closed.append(upstream)
            return close(upstream)

        stack = self.stack(upstream=["192.0.2.53"])
        worse = {"name": "worse", "clients": ["any"], "upstream": ["chain"]}
        self.patch(CountedUpstream, "close", closing)
        with self.assertRaises(BadDescription):
            reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.55"], view=[_LAB, worse]))
        self.assertEqual(sorted([each.description for each in closed]), ["udp:192.0.2.54:53", "udp:192.0.2.55:53"])

    def test_upstreamsOfViewsInTheLog(self) -> None:
        """
        The log says for which views an upstream does not reply.
        """
        said: list[LogEvent] = []
        observer = observing(said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        stack = self.stack(upstream=["192.0.2.53"], view=[_LAB, _TWIN])
        self.servers[54].silent = self.servers[53].silent = True
        for number in range(20):
            for view in ("lab", ""):
                self.lookUp(stack, view, f"n{number}.test.example").addErrback(lambda _: None)
            self.network.advance(5)
            stack.look()
        lines = [formatEvent(each).partition(" does not reply")[0] for each in said if each.get("log_namespace") == "twisted_ext.upstreams"]
        self.assertEqual(sorted(lines), ["upstream 192.0.2.53:53", "upstream 192.0.2.54:53, for views lab, twin,"])

    def test_movedServersOfAView(self) -> None:
        """
        When resolv.conf names other servers, the caches behind which it is asked are emptied, and no others.
        """
        path = self.file("nameserver 192.0.2.53\n")
        stack = self.stack(resolvConf=path, view=[_LAB, {"name": "short", "clients": ["10.0.4.0/24"], "max-ttl": 60}])
        self.assertEqual([self.addressIn(stack, view) for view in ("lab", "short", "")], ["10.0.0.54", "10.0.0.53", "10.0.0.53"])
        Path(path).write_text("nameserver 192.0.2.55 # the next network\n")
        self.network.advance(1)
        stack.look()
        self.assertEqual([self.addressIn(stack, view) for view in ("lab", "short", "")], ["10.0.0.54", "10.0.0.55", "10.0.0.55"])
        self.assertEqual(len(self.servers[54].asked), 1)


class OperatorTests(ServiceCase):
    """
    Tests of what operators see and do. The client is at 192.168.0.9, in the view C{lab}.
    """

    def setUp(self) -> None:
        super().setUp()
        CannedServer({("www.example", "A"): "10.0.0.54"}).listen(self.network.reactor("192.0.2.54"))
        lab = {**_LAB, "clients": ["192.168.0.9"]}
        self.service = self.run_(view=[lab, {**_TWIN, "block": ["ads.example"]}])
        self.assertEqual(self.addressOf("www.example"), "10.0.0.54")

    def test_upstreams(self) -> None:
        """
        Upstreams are listed with the views for which they are asked.
        """
        rows = self.do(self.service, "upstreams")["upstreams"]
        assert isinstance(rows, list)
        found = [(row["server"], row.get("views")) for row in rows if isinstance(row, dict)]
        self.assertEqual(found[-1], ("192.0.2.54:53", ["lab", "twin"]))
        figures = self.successResultOf(self.service.status.figures())
        text = exposition(figures, version="1", started=0.0)
        self.assertIn('txdns_upstream_up{server="192.0.2.54:53",way="udp",views="lab,twin"} 1', text)
        numbers = figures.numbers
        self.assertEqual((numbers["cacheEntries"], numbers["cacheMisses"]), (1, 1))

    def test_cacheOfAView(self) -> None:
        """
        Answers are shown with their views, and those of one view can be shown or forgotten.
        """

        def shown(**given: str) -> list[object]:
            entries = self.do(self.service, "cache/show", name="www.example", **given)["entries"]
            assert isinstance(entries, list)
            return [each.get("views") for each in entries if isinstance(each, dict)]

        self.assertEqual([shown(), shown(view="twin")], [[["lab", "twin"]]] * 2)
        self.failureResultOf(self.service.status.do("cache/show", {"name": "www.example", "view": "none"}), CallerFault)
        self.addressOf("www.example")
        self.assertEqual(self.do(self.service, "cache/flush", name="www.example", view="twin"), {"flushed": 1})
        self.assertEqual(shown(), [])

    def test_tracedQueriesOfViews(self) -> None:
        """
        Look-ups of clients of views are traced as those of others are, also after a reload.
        """
        self.do(self.service, "trace/on", name="example")
        self.asked("new.example")
        self.service.goOverTo(self.wanted)
        self.asked("next.example")
        self.do(self.service, "trace/off")
        self.asked("last.example")
        traces = self.do(self.service, "trace/show")["traces"]
        assert isinstance(traces, list)
        self.assertEqual([each["name"] for each in traces if isinstance(each, dict)], ["new.example.", "next.example."])

    def test_dumpsStayInTheirView(self) -> None:
        """
        The dump of a view's cache is loaded into the cache of this view, and into no other.
        """
        lines = [*self.service.status.dump("lab")]
        self.assertEqual(json.loads(lines[0])["view"], "lab")
        self.assertEqual([*self.service.status.dump()][1:], [])
        self.do(self.service, "cache/flush", all="yes")

        def load(text: list[str]) -> int:
            loading = self.service.status.load(text)
            self.network.advance(0.1)
            return self.successResultOf(loading).answers

        self.assertEqual(load(lines), 1)
        held = [each.caching.stats.entries for each in self.service.backends]
        self.assertEqual(held, [0, 1])
        for view in ("none", 7):
            with self.assertRaises(CallerFault):
                loading = self.service.status.load([json.dumps({**json.loads(lines[0]), "view": view}) + "\n", *lines[1:]])
                self.network.advance(0.1)
                self.failureResultOf(loading).raiseException()
        self.assertEqual([each.caching.stats.entries for each in self.service.backends], held)


class MetricsTests(ServiceCase):
    """
    Tests of the figures of a server whose view asks the upstream of all, behind a cache of its own.
    """

    def test_sameServerTwice(self) -> None:
        """
        It is listed, and counted over workers, once for all and once for the view.
        """
        service = self.run_(view=[{"name": "short", "clients": ["192.168.0.9"], "max-ttl": 60}])
        self.asked("www.example")
        figures = self.successResultOf(service.status.figures())
        both = [(each["server"], each.get("views"), each["queries"]) for each in sumOf([figures, figures]).upstreams]
        self.assertEqual(both, [("192.0.2.53:53", None, 0), ("192.0.2.53:53", ["short"], 2)])


class ValidatingViewTests(ServiceCase):
    """
    Tests of a server that validates for the clients of one view.
    """

    def test_onlyAViewValidates(self) -> None:
        """
        Where the upstream of a view alone is validated, an exception can be made as where all are.
        """
        lab = {**_LAB, "clients": ["192.168.0.9"], "upstream": ["validate:udp:192.0.2.54"]}
        service = self.run_(view=[lab])
        self.assertIsNotNone(service.trusting)
        said = self.do(service, "nta/add", name="www.example")
        self.assertIn("www.example.", str(said))
        assert service.trusting is not None
        self.assertIn("not validated until", service.trusting.exceptionFor(questionOf("www.example", "A").name))
