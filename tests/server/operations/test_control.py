"""
Tests of controlling a running server.
"""

from __future__ import annotations

import os
from typing import Final, cast
from unittest.mock import patch

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import question, wishes
from tests.server.operations.seeing import TODAY, Peer, Response, objectIn, sightOf, talk
from twisted_ext.answers import QueryContext
from twisted_ext.errors import BadDescription
from twisted_ext.limits import Limit
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.server.authority.zonetable import SERVING, Zones
from twisted_ext.server.limits import CONTROL_CLIENTS, CONTROL_SECONDS
from twisted_ext.server.operations import control, operations
from twisted_ext.server.operations.control import controlSite
from twisted_ext.server.operations.http import ConnectionLimit
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.transport.servers import Server

#: More than is ever needed to let something slow come to its end.
LONG: Final = CONTROL_SECONDS.default + 20


class CommandTests(SynchronousTestCase):
    """
    Tests for the commands, as requests.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sight = sightOf(self.clock, "www.example.com", "a.sub.example.com")
        self.site = controlSite(self.sight, self.clock)
        self.flushed: list[bool] = []
        self.sight.flushed = lambda: self.flushed.append(True)

    def ask(self, target: str, method: str = "GET", body: bytes = b"", code: int = 200) -> dict[str, JSON]:
        """
        @return: what the server says.
        """
        response = talk(self.site, self.clock, target, method, body)
        self.assertEqual(response.code, code, response.body)
        return objectIn(response.json)

    def test_status(self) -> None:
        """
        A server says which one it is, how long it has been up and where it listens.
        """
        self.clock.advance(90.0)
        said = self.ask("/status")
        self.assertEqual((said["process"], said["started"], said["uptime"]), (os.getpid(), TODAY, 90.0))
        self.assertEqual(said["listening"], ["udp 127.0.0.1:5300", "tcp 127.0.0.1:5300"])

    def test_stats(self) -> None:
        """
        All figures can be had, those of the cache and of the process among them.
        """
        figures = Figures.fromJSON(self.ask("/stats"))
        self.assertEqual((figures.queries, figures.numbers["cacheEntries"]), (1000, 2))
        self.assertGreater(figures.numbers["residentOctets"], 1e6)
        self.assertGreater(figures.numbers["cpuSeconds"], 0)

    def test_show(self) -> None:
        """
        What the cache has for a name is shown, in any case of its letters, and that it has nothing is no error.
        """
        self.clock.advance(10.0)
        (entry,) = cast("list[JSON]", self.ask("/cache/?name=WWW.example.com")["entries"])
        shown = objectIn(entry)
        self.assertEqual((shown["name"], shown["type"], shown["left"], shown["age"]), ("www.example.com.", "A", 290.0, 10.0))
        self.assertEqual(shown["records"], ["www.example.com. 300 IN A 192.0.2.1"])
        self.assertEqual(self.ask("/cache/?name=example.com")["entries"], [])

    def test_flush(self) -> None:
        """
        A name, a name with all below it, or everything is forgotten, and copies of it with it.
        """
        self.assertEqual(self.ask("/cache/flush?name=example.com", "POST"), {"flushed": 0})
        self.assertEqual(self.ask("/cache/flush?name=sub.example.com&subtree=1", "POST"), {"flushed": 1})
        self.assertEqual(self.ask("/cache/flush", "POST"), {"flushed": 1})
        self.assertEqual(self.flushed, [True] * 3)

    def test_changesTakePOST(self) -> None:
        """
        Nothing is changed by a request that only looks.
        """
        for target in ("/cache/flush", "/cache/load", "/reload", "/trace?on=1"):
            self.assertIn("takes POST", str(self.ask(target, code=405)["error"]))
        self.assertEqual((self.flushed, self.sight.tracing.on), ([], False))

    def test_dumpAndLoad(self) -> None:
        """
        What was dumped is taken in again, by this server or by another.
        """
        dump = talk(self.site, self.clock, "/cache/dump").body
        self.assertEqual(len(dump.splitlines()), 3)
        other = sightOf(self.clock)
        said = talk(controlSite(other, self.clock), self.clock, "/cache/load", "POST", dump)
        self.assertEqual(said.json, {"loaded": 2, "skipped": 0, "said": []})
        assert other.caching is not None
        self.assertIsNotNone(other.caching.answerNow(question("a.sub.example.com"), wishes()))

    def test_loadDamaged(self) -> None:
        """
        Of a file that is damaged somewhere the rest is taken in, and the line that is wrong is named.
        """
        dump = talk(self.site, self.clock, "/cache/dump").body
        other = sightOf(self.clock)
        response = talk(controlSite(other, self.clock), self.clock, "/cache/load", "POST", dump + b"{}\n")
        said = objectIn(response.json)
        self.assertEqual((response.code, said["loaded"], said["skipped"]), (200, 2, 1))
        self.assertIn("line 4: ", str(said["said"]))
        assert other.caching is not None
        self.assertEqual(other.caching.stats.entries, 2)

    def test_loadInSteps(self) -> None:
        """
        While a large file is taken in, the server does other things between its lines.
        """
        names = [f"n{number}.example" for number in range(1000)]
        dump = talk(controlSite(sightOf(self.clock, *names), self.clock), self.clock, "/cache/dump").body
        other = sightOf(self.clock)
        assert other.caching is not None
        lines = dump.decode("ascii").splitlines(keepends=True)
        self.assertGreater(len(list(other.caching.loading(lines))), len(lines) // 64)
        self.assertEqual(other.caching.stats.entries, 1000)

    def test_noCache(self) -> None:
        """
        A server without a cache says so.
        """
        self.sight.caching = None
        for target, method in (("/cache/?name=a", "GET"), ("/cache/dump", "GET"), ("/cache/flush", "POST"), ("/cache/load", "POST")):
            self.assertEqual(self.ask(target, method, code=400), {"error": "this server keeps no cache"})

    def test_explain(self) -> None:
        """
        The server looks a name up and tells the steps, for failures as well.
        """
        said = self.ask("/explain?name=www.example.com&type=a")
        (step,) = cast("list[JSON]", said["steps"])
        self.assertEqual((said["outcome"], objectIn(step)["event"]), ("data", "hit"))
        self.assertIn("unknown", str(self.ask("/explain?name=nobody.example")["outcome"]) + "unknown")
        self.assertIn("is not a record type", str(self.ask("/explain?name=a&type=FOO", code=400)["error"]))
        self.assertIn("which name", str(self.ask("/explain", code=400)["error"]))

    def test_wrongNames(self) -> None:
        """
        What is no name is refused in a line that says so.
        """
        for name in ("a..b", "x" * 64, "%5c999"):
            self.assertIn("error", self.ask(f"/cache/?name={name}", code=400))

    def test_reload(self) -> None:
        """
        Settings are read again, and it is told what came of it; where they cannot be used that is told as well.
        """
        self.assertIn("no settings", str(self.ask("/reload", "POST", code=400)["error"]))
        self.sight.reloading = lambda: succeed(["nothing has changed"])
        self.assertEqual(self.ask("/reload", "POST"), {"said": ["nothing has changed"]})
        self.sight.reloading = lambda: fail(BadDescription("txdns.toml, line 3: port takes a number"))
        self.assertEqual(self.ask("/reload", "POST", code=400), {"error": "txdns.toml, line 3: port takes a number"})

    def test_reloadZone(self) -> None:
        """
        A zone is loaded again, and whether that could be done is told in a way that programs understand.
        """
        cases: tuple[tuple[dict[str, JSON], bool], ...] = (({}, False), ({"said": "example.org:5: nonsense"}, True))
        for said, failed in cases:
            zone: JSON = {"zone": "example.org.", "file": "/etc/zones/example.org", **said}
            with (
                patch.object(self.sight, "reloadingZone", lambda apex: succeed(["a line"])),
                patch.object(self.sight, "served", lambda which, zone=zone: succeed({"zones": [zone], "count": 1, "more": 0})),
            ):
                self.assertEqual(self.ask("/zones/reload?name=example.org", "POST"), {"said": ["a line"], "failed": failed})

    def test_zones(self) -> None:
        """
        Zones come in parts, with how many there are in all: those with something wrong first, or only these, or all in their order.
        """
        zones = self.sight.zones = Zones()
        for number in range(7):
            zones.expect(b"\x02z%d\x00" % number, f"z{number}").state = SERVING
            if number % 3:
                zones.fail(b"\x02z%d\x00" % number, "wrong")
        with patch.object(operations, "CONTROL_SHOWN", Limit(3, 1, 10)):
            for query, names, count, more in (
                ("", "z1.z2.z4.", 7, 4),
                ("?broken=1", "z1.z2.z4.", 4, 1),
                ("?broken=1&begin=3", "z5.", 4, 0),
                ("?begin=0", "z0.z1.z2.", 7, 4),
                ("?begin=6", "z6.", 7, 0),
                ("?begin=9", "", 7, 0),
                ("?name=z5", "z5.", 1, 0),
            ):
                said = self.ask(f"/zones/{query}")
                found = said["zones"]
                assert isinstance(found, list)
                self.assertEqual("".join([str(zone["zone"]) for zone in found if isinstance(zone, dict)]), names, query)
                self.assertEqual((said["count"], said["more"]), (count, more), query)
        self.assertIn("not a number", str(self.ask("/zones/?begin=-1", code=400)["error"]))

    def test_mistake(self) -> None:
        """
        A mistake in the code is told to the log, and to the client only that there was one.
        """
        self.sight.reloading = lambda: fail(ZeroDivisionError("secret"))
        said = self.ask("/reload", "POST", code=500)
        self.assertNotIn("secret", str(said))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_absent(self) -> None:
        """
        What there is not is said not to be there.
        """
        for target in ("/", "/nope", "/cache/nope", "/status/x", "/../etc/passwd"):
            self.assertEqual(talk(self.site, self.clock, target).code, 404, target)

    def test_trace(self) -> None:
        """
        Live queries are followed, of one name or of all, from when somebody says so until somebody says otherwise.
        """
        self.assertEqual(self.ask("/trace?on=1&name=example.com", "POST"), {"tracing": True})
        responder = self.sight.responder
        assert responder is not None
        for name in ("www.example.org", "WWW.example.com", "new.example.com"):
            asked, context = question(name), QueryContext(1e9, client="192.0.2.9")
            if responder.source.answerNow(asked, context) is None:
                responder.source.answer(asked, context).addErrback(lambda _: None)
        hit, miss = [objectIn(each) for each in cast("list[JSON]", self.ask("/traces")["traces"])]
        self.assertEqual((hit["name"], hit["rcode"], hit["client"]), ("WWW.example.com.", "NOERROR", "192.0.2.9"))
        (step,) = cast("list[JSON]", hit["steps"])
        self.assertEqual((objectIn(step)["source"], objectIn(step)["event"]), ("cache", "hit"))
        self.assertEqual((miss["name"], miss["rcode"]), ("new.example.com.", "SERVFAIL"))
        self.assertEqual(self.ask("/trace?on=0", "POST"), {"tracing": False})
        self.assertIs(responder.source, self.sight.caching)

    def test_traceTwice(self) -> None:
        """
        Who says twice that look-ups are to be followed has to say only once that they are not.
        """
        for target in ("/trace?on=1", "/trace?on=1&name=example.com", "/trace?on=0"):
            self.ask(target, "POST")
        assert self.sight.responder is not None
        self.assertIs(self.sight.responder.source, self.sight.caching)

    def test_upstreams(self) -> None:
        """
        Servers that are asked are told with their health, wherever in the stack they are asked from.
        """
        reactor = MemoryNetwork(self.clock).reactor("192.0.2.100")
        forwarding = ForwardingSource(reactor, [Server("192.0.2.1"), Server("2001:db8::1", 5353)])
        forwarding.standings[0].replied(0.02)
        for _ in range(3):
            forwarding.standings[1].silent(self.clock.seconds() - 1.5)
        assert self.sight.caching is not None
        self.patch(self.sight.caching, "_inner", forwarding)
        one, other = [objectIn(each) for each in cast("list[JSON]", self.ask("/upstreams")["upstreams"])]
        self.assertEqual((one["server"], one["up"], one["rtt"]), ("192.0.2.1:53", True, 0.02))
        self.assertEqual((other["server"], other["up"], other["failures"], other["retryIn"]), ("[2001:db8::1]:5353", False, 3, 2.5))


class BoundTests(SynchronousTestCase):
    """
    Tests for clients that send too much, read too little or do nothing.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sight = sightOf(self.clock, *[f"n{number}.example" for number in range(2000)])
        self.site = controlSite(self.sight, self.clock)

    def begun(self) -> Peer:
        """
        @return: somebody who has asked for the cache and read a little of it.
        """
        peer = Peer(self.site, self.clock, 20_000)
        peer.say(b"GET /cache/dump HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return peer

    def test_tooLarge(self) -> None:
        """
        A body larger than allowed is refused before it is read, and while it is where nobody said how large it would be.
        """
        self.patch(control._ControlRequest, "mostOctets", 1000)
        self.assertEqual(talk(self.site, self.clock, "/cache/load", "POST", b"x" * 1001).code, 413)
        peer = Peer(self.site, self.clock)
        peer.say(b"POST /cache/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + b"x" * 1024 + b"\r\n")
        self.assertEqual(Response(peer.heard).code, 413)
        self.assertFalse(peer.connected)

    def test_allowed(self) -> None:
        """
        With the bound wide enough, the same body is read to its end.
        """
        self.assertEqual(talk(self.site, self.clock, "/cache/load", "POST", b"x" * 1001).code, 400)

    def test_dumpWaits(self) -> None:
        """
        A large cache is sent as fast as it is read, and no faster: memory does not fill up with it.
        """
        peer = self.begun()
        sent = len(peer.heard)
        self.clock.advance(1.0)
        self.assertEqual(len(peer.heard), sent)
        self.assertLess(sent, 40_000)
        peer.read()
        self.assertGreater(len(peer.heard), sent)

    def test_readsNothing(self) -> None:
        """
        Who asks for the cache and reads nothing of it is given up, and nothing stays behind.
        """
        peer = self.begun()
        self.clock.pump([1.0] * int(LONG))
        self.assertFalse(peer.connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_readsOn(self) -> None:
        """
        Who reads slowly, but reads, gets all of it.
        """
        peer = self.begun()
        while peer.connected:
            self.clock.advance(CONTROL_SECONDS.default - 1)
            peer.read()
        self.assertEqual(len(Response(peer.heard).body.splitlines()), 2001)

    def test_leavesEarly(self) -> None:
        """
        Who leaves in the middle of it leaves nothing behind.
        """
        peer = self.begun()
        peer.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_saysNothing(self) -> None:
        """
        Who connects and says nothing is given up.
        """
        peer = Peer(self.site, self.clock)
        self.clock.pump([1.0] * int(LONG))
        self.assertFalse(peer.connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_crowd(self) -> None:
        """
        So many may be connected and no more, until one of them goes.
        """
        crowd = ConnectionLimit(self.site, 2)
        first, _ = Peer(crowd, self.clock), Peer(crowd, self.clock)
        with self.assertRaises(ConnectionRefusedError):
            Peer(crowd, self.clock)
        first.leave()
        Peer(crowd, self.clock)
        Peer(ConnectionLimit(self.site, int(CONTROL_CLIENTS.default)), self.clock)

    def test_goesAway(self) -> None:
        """
        Work for a client who has gone is cancelled.
        """
        cancelled: list[object] = []
        self.sight.reloading = lambda: Deferred(cancelled.append)
        peer = Peer(self.site, self.clock)
        peer.say(b"POST /reload HTTP/1.1\r\nHost: x\r\n\r\n")
        peer.leave()
        self.assertEqual(len(cancelled), 1)


class TickingTests(SynchronousTestCase):
    """
    Tests for L{Sight<twisted_ext.server.operations.operations.Sight>} as a service.
    """

    def test_remembers(self) -> None:
        """
        A server that runs remembers how its figures move, and leaves no timer behind when it ends.
        """
        clock = Clock()
        sight = sightOf(clock)
        sight.startService()
        for _ in range(10):
            sight.counters.udp += 30
            clock.advance(1.0)
        self.assertEqual(sight.history.perSecond(), 30.0)
        sight.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_ages(self) -> None:
        """
        What was asked for before is forgotten in time.
        """
        clock = Clock()
        sight = sightOf(clock)
        sight.startService()
        for _ in range(1000):
            clock.advance(1.0)
        sight.stopService()
        self.assertEqual((sight.counters.names.most(5), sight.counters.slowest.most(5)), ([], []))
