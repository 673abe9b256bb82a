"""
Tests of the HTTP interface that controls a running server.
"""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Final, cast
from unittest.mock import patch

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import question, wishes
from tests.server.operations.seeing import TODAY, Peer, Response, objectIn, seenServer, talk
from twisted_ext.answers import QueryContext
from twisted_ext.errors import BadDescription
from twisted_ext.limits import Limit
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import CONTROL_CLIENTS, CONTROL_SECONDS
from twisted_ext.server.operations import control, operations
from twisted_ext.server.operations.boundedhttp import ConnectionLimit
from twisted_ext.server.operations.control import controlSite
from twisted_ext.server.zones.load.zonesets import ZoneSets
from twisted_ext.server.zones.table.zonetable import SERVING
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.sources import atHand
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import nameFromText

#: Seconds after which every slow client has been disconnected.
LONG: Final = CONTROL_SECONDS.default + 20


class CommandTests(SynchronousTestCase):
    """
    Tests for the commands, sent as requests.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = seenServer(self.clock, "www.example.com", "a.sub.example.com")
        self.site = controlSite(self.server.status, self.clock)

    def ask(self, target: str, method: str = "GET", body: bytes = b"", code: int = 200) -> dict[str, JSON]:
        """
        Send a request and return the JSON object of the response.
        """
        response = talk(self.site, self.clock, target, method, body)
        self.assertEqual(response.code, code, response.body)
        return objectIn(response.json)

    def test_statusNamesProcess(self) -> None:
        """
        The status has the process ID, the start time, the uptime and the addresses where the server listens.
        """
        self.clock.advance(90.0)
        said = self.ask("/status")
        self.assertEqual((said["process"], said["started"], said["uptime"]), (os.getpid(), TODAY, 90.0))
        self.assertEqual(said["listening"], ["udp 127.0.0.1:5300", "tcp 127.0.0.1:5300"])

    def test_statsHasEveryFigure(self) -> None:
        """
        The statistics include those of the cache and of the process.
        """
        figures = Figures.fromJSON(self.ask("/stats"))
        self.assertEqual((figures.queries, figures.numbers["cacheEntries"]), (1000, 2))
        self.assertGreater(figures.numbers["residentOctets"], 1e6)
        self.assertGreater(figures.numbers["cpuSeconds"], 0)

    def test_showListsCacheEntries(self) -> None:
        """
        The cache entries of a name are listed in any case of its letters; a name without entries gets an empty list.
        """
        self.clock.advance(10.0)
        (entry,) = cast("list[JSON]", self.ask("/cache/show?name=WWW.example.com")["entries"])
        shown = objectIn(entry)
        self.assertEqual((shown["name"], shown["type"], shown["left"], shown["age"]), ("www.example.com.", "A", 290.0, 10.0))
        self.assertEqual(shown["records"], ["www.example.com. 300 IN A 192.0.2.1"])
        self.assertEqual(self.ask("/cache/show?name=example.com")["entries"], [])

    def test_flushRemovesNameOrSubtree(self) -> None:
        """
        A flush removes a name, a subtree or everything, and the copies in the packet cache.
        """
        self.assertEqual(self.ask("/cache/flush?name=example.com", "POST"), {"flushed": 0})
        self.assertEqual(self.ask("/cache/flush?name=sub.example.com&below=1", "POST"), {"flushed": 1})
        self.assertEqual(self.ask("/cache/flush?all=1", "POST"), {"flushed": 1})
        self.assertEqual(self.server.changes, 3)
        for target in ("", "?all=1&name=example.com", "?all=1&below=1", "?all=1&bogus=1", "?below=1&negative=1", "?type=A"):
            self.assertIn("cache flush --below NAME, --all", str(self.ask(f"/cache/flush{target}", "POST", code=400)["error"]))

    def test_flushOfSome(self) -> None:
        """
        A flush may be of one type, or of what is bogus or negative only, also of all names.
        """
        name = "name=www.example.com"
        for target, count in ((f"{name}&type=MX", 0), (f"{name}&negative=1", 0), ("bogus=1", 0), ("negative=1&bogus=1", 0)):
            self.assertEqual(self.ask(f"/cache/flush?{target}", "POST"), {"flushed": count})
        self.assertEqual(self.ask(f"/cache/flush?{name}&type=a", "POST"), {"flushed": 1})
        self.assertEqual(self.ask("/cache/flush?name=.&below=1&type=TYPE1", "POST"), {"flushed": 1})
        said = str(self.ask(f"/cache/flush?{name}&type=A&view=lab", "POST", code=400)["error"])
        self.assertIn("there is no view 'lab'", said)
        said = str(self.ask(f"/cache/flush?{name}&type=MXX", "POST", code=400)["error"])
        self.assertIn("there is no view 'MXX'", said)
        said = str(self.ask(f"/cache/flush?{name}&type=MXX&view=MYY", "POST", code=400)["error"])
        self.assertIn("'MYY' is not a record type: write a mnemonic such as MX", said)
        self.assertIn("cache flush --below . TYPE", str(self.ask("/cache/flush?all=1&type=A", "POST", code=400)["error"]))

    def test_changesRequirePOST(self) -> None:
        """
        A GET request changes nothing.
        """
        for target in ("/cache/flush", "/cache/load", "/reload", "/trace/on"):
            self.assertIn("takes POST", str(self.ask(target, code=405)["error"]))
        self.assertEqual((self.server.changes, self.server.status.tracing.on), (0, False))

    def test_dumpCanBeLoaded(self) -> None:
        """
        A dump of the cache can be loaded by this server or another one.
        """
        dump = talk(self.site, self.clock, "/cache/dump").body
        self.assertEqual(len(dump.splitlines()), 3)
        other = seenServer(self.clock)
        said = talk(controlSite(other.status, self.clock), self.clock, "/cache/load", "POST", dump)
        self.assertEqual(said.json, {"loaded": 2, "skipped": 0, "said": []})
        assert other.caching is not None
        self.assertIsNotNone(atHand(other.caching, question("a.sub.example.com"), wishes()))

    def test_damagedLineIsSkipped(self) -> None:
        """
        A damaged line of a dump is reported with its number, and the other lines are loaded.
        """
        dump = talk(self.site, self.clock, "/cache/dump").body
        other = seenServer(self.clock)
        response = talk(controlSite(other.status, self.clock), self.clock, "/cache/load", "POST", dump + b"{}\n")
        said = objectIn(response.json)
        self.assertEqual((response.code, said["loaded"], said["skipped"]), (200, 2, 1))
        self.assertIn("line 4: ", str(said["said"]))
        assert other.caching is not None
        self.assertEqual(other.caching.stats.entries, 2)

    def test_largeDumpIsLoadedInSteps(self) -> None:
        """
        The server does other work between the lines of a large dump.
        """
        names = [f"n{number}.example" for number in range(1000)]
        dump = talk(controlSite(seenServer(self.clock, *names).status, self.clock), self.clock, "/cache/dump").body
        other = seenServer(self.clock)
        assert other.caching is not None
        lines = dump.decode("ascii").splitlines(keepends=True)
        self.assertGreater(len(list(other.caching.loading(lines))), len(lines) // 64)
        self.assertEqual(other.caching.stats.entries, 1000)

    def test_missingCacheIsReported(self) -> None:
        """
        A server without a cache says so.
        """
        self.server.caching = None
        for target in ("GET show?name=a", "GET dump", "POST flush?all=1", "POST load"):
            method, _, rest = target.partition(" ")
            self.assertEqual(self.ask(f"/cache/{rest}", method, code=400), {"error": "this server keeps no cache"})

    def test_explainListsSteps(self) -> None:
        """
        The server looks up a name and lists the steps, also if the look-up fails.
        """
        said = self.ask("/explain?name=www.example.com&type=a")
        (step,) = cast("list[JSON]", said["steps"])
        self.assertEqual((said["outcome"], objectIn(step)["event"]), ("data", "hit"))
        self.assertEqual(self.ask("/explain?name=nobody.example")["outcome"], "unknown")
        self.assertIn("is not a record type", str(self.ask("/explain?name=a&type=FOO", code=400)["error"]))
        # The address of a client may come where the type would.
        for query in ("type=192.0.2.1", "type=::1", "type=192.0.2.1&client=a", "type=a&client=::1"):
            said = self.ask(f"/explain?name=www.example.com&{query}")
            self.assertEqual((said["type"], said["outcome"]), ("A", "data"))
        self.assertIn("NAME is missing; write: txdns control explain NAME", str(self.ask("/explain", code=400)["error"]))

    def test_invalidNameIsRefused(self) -> None:
        """
        An invalid domain name gets an error.
        """
        for name in ("a..b", "x" * 64, "%5c999"):
            self.assertIn("error", self.ask(f"/cache/show?name={name}", code=400))

    def test_reloadReportsItsResult(self) -> None:
        """
        A reload reads the settings again and returns the result, or the error if the settings are invalid.
        """
        self.assertEqual(self.ask("/reload", "POST"), {"said": ["nothing has changed"]})
        self.server.reloading = lambda: fail(BadDescription("txdns.toml, line 3: port takes a number"))
        self.assertEqual(self.ask("/reload", "POST", code=400), {"error": "txdns.toml, line 3: port takes a number"})

    def test_reloadZoneReportsFailure(self) -> None:
        """
        A reload of a zone returns its log lines and whether it failed.
        """
        file: dict[str, JSON] = {"file": "/etc/zones/example.org"}
        wrong: dict[str, JSON] = {"said": "example.org:5: nonsense"}
        # The primaries of a zone without a file are asked, which takes a while.
        for said, failed in ((file, False), ({**file, **wrong}, True), (wrong, False)):
            zone: JSON = {"zone": "example.org.", **said}
            table = SimpleNamespace(at=lambda apex, zone=zone: SimpleNamespace(toJSON=lambda: zone))
            zoneSet = SimpleNamespace(zones=table, reloadZone=lambda apex: succeed(["a line"]))
            zoneSets = SimpleNamespace(named=lambda text, zoneSet=zoneSet: (zoneSet, nameFromText(text)))
            with patch.object(self.server.status, "zoneSets", zoneSets):
                self.assertEqual(self.ask("/zone/reload?name=example.org", "POST"), {"said": ["a line"], "failed": failed})

    def test_zonesArePaged(self) -> None:
        """
        Zones are listed in pages with the total count: failed zones first, failed zones only, or all in order.
        """
        zoneSets = ZoneSets(self.clock, Settings())
        zones = zoneSets.common.zones
        self.patch(self.server.status, "zoneSets", zoneSets)
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
                said = self.ask(f"/zones{query}")
                found = said["zones"]
                assert isinstance(found, list)
                self.assertEqual("".join([str(zone["zone"]) for zone in found if isinstance(zone, dict)]), names, query)
                self.assertEqual((said["count"], said["more"]), (count, more), query)
        self.assertIn("not a number", str(self.ask("/zones?begin=-1", code=400)["error"]))

    def test_bugIsLoggedNotShown(self) -> None:
        """
        An unexpected exception is logged; the client learns only that there was one.
        """
        self.server.reloading = lambda: fail(ZeroDivisionError("secret"))
        said = self.ask("/reload", "POST", code=500)
        self.assertNotIn("secret", str(said))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_unknownPathIs404(self) -> None:
        """
        An unknown path gets status 404.
        """
        for target in ("/", "/nope", "/cache/nope", "/status/x", "/../etc/passwd"):
            self.assertEqual(talk(self.site, self.clock, target).code, 404, target)

    def test_tracingFollowsName(self) -> None:
        """
        Tracing records live queries for one name or all names until it is turned off.
        """
        self.assertEqual(self.ask("/trace/on?name=example.com", "POST"), {"tracing": True})
        # Replies that nobody sees are made no more.
        self.assertEqual(self.server.observed, 1)
        assert self.server.responder.around is not None
        traced = self.server.responder.around(self.server.source)
        for name in ("www.example.org", "WWW.example.com", "new.example.com"):
            asked, context = question(name), QueryContext(1e9, client="192.0.2.9")
            if atHand(traced, asked, context) is None:
                lookUp(traced, asked, context).addErrback(lambda _: None)
        hit, miss = [objectIn(each) for each in cast("list[JSON]", self.ask("/trace/show")["traces"])]
        self.assertEqual((hit["name"], hit["rcode"], hit["client"]), ("WWW.example.com.", "NOERROR", "192.0.2.9"))
        (step,) = cast("list[JSON]", hit["steps"])
        self.assertEqual((objectIn(step)["source"], objectIn(step)["event"]), ("cache", "hit"))
        self.assertEqual((miss["name"], miss["rcode"]), ("new.example.com.", "SERVFAIL"))
        self.assertEqual(self.ask("/trace/off", "POST"), {"tracing": False})
        self.assertEqual(self.server.observed, 2)
        self.assertIsNone(self.server.responder.around)

    def test_secondTraceNeedsOneStop(self) -> None:
        """
        One request turns tracing off, also if it was turned on twice.
        """
        for target in ("/trace/on", "/trace/on?name=example.com", "/trace/off"):
            self.ask(target, "POST")
        self.assertIsNone(self.server.responder.around)

    def test_upstreamsShowHealth(self) -> None:
        """
        Every upstream is listed with its health, from anywhere in the stack.
        """
        reactor = MemoryNetwork(self.clock).reactor("192.0.2.100")
        forwarding = ForwardingSource(reactor, [Server("192.0.2.1"), Server("2001:db8::1", 5353)])
        forwarding.standings[0].replied(0.02)
        for _ in range(3):
            forwarding.standings[1].silent(self.clock.seconds() - 1.5)
        assert self.server.caching is not None
        self.patch(self.server.caching, "_inner", forwarding)
        one, other = [objectIn(each) for each in cast("list[JSON]", self.ask("/upstreams")["upstreams"])]
        self.assertEqual((one["server"], one["up"], one["rtt"]), ("192.0.2.1:53", True, 0.02))
        self.assertEqual((other["server"], other["up"], other["failures"], other["retryIn"]), ("[2001:db8::1]:5353", False, 3, 2.5))


class BoundTests(SynchronousTestCase):
    """
    Tests for clients that send too much, read too little or do nothing.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = seenServer(self.clock, *[f"n{number}.example" for number in range(2000)])
        self.site = controlSite(self.server.status, self.clock)

    def slowReader(self) -> Peer:
        """
        Return a client that has requested a dump of the cache and read a part of it.
        """
        peer = Peer(self.site, self.clock, 20_000)
        peer.say(b"GET /cache/dump HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return peer

    def test_oversizedBodyIsRefused(self) -> None:
        """
        A body over the limit is refused before it is read, or while it is read if its length is unknown.
        """
        self.patch(control._ControlRequest, "mostOctets", 1000)
        self.assertEqual(talk(self.site, self.clock, "/cache/load", "POST", b"x" * 1001).code, 413)
        peer = Peer(self.site, self.clock)
        peer.say(b"POST /cache/load HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + b"x" * 1024 + b"\r\n")
        self.assertEqual(Response(peer.heard).code, 413)
        self.assertFalse(peer.connected)

    def test_defaultLimitAllowsSameBody(self) -> None:
        """
        The same body is read to its end under the default limit.
        """
        self.assertEqual(talk(self.site, self.clock, "/cache/load", "POST", b"x" * 1001).code, 400)

    def test_dumpWaitsForReader(self) -> None:
        """
        A large cache is sent only as fast as the client reads it, so it does not fill the memory.
        """
        peer = self.slowReader()
        sent = len(peer.heard)
        self.clock.advance(1.0)
        self.assertEqual(len(peer.heard), sent)
        self.assertLess(sent, 40_000)
        peer.read()
        self.assertGreater(len(peer.heard), sent)

    def test_stalledReaderIsDisconnected(self) -> None:
        """
        A client that requests a dump and does not read it is disconnected, and nothing is left.
        """
        peer = self.slowReader()
        self.clock.pump([1.0] * int(LONG))
        self.assertFalse(peer.connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slowReaderGetsAll(self) -> None:
        """
        A client that reads slowly gets the whole dump.
        """
        peer = self.slowReader()
        while peer.connected:
            self.clock.advance(CONTROL_SECONDS.default - 1)
            peer.read()
        self.assertEqual(len(Response(peer.heard).body.splitlines()), 2001)

    def test_disconnectDuringDumpLeavesNothing(self) -> None:
        """
        A client that disconnects during a dump leaves no timer behind.
        """
        peer = self.slowReader()
        peer.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_silentClientIsDisconnected(self) -> None:
        """
        A client that connects and sends nothing is disconnected.
        """
        peer = Peer(self.site, self.clock)
        self.clock.pump([1.0] * int(LONG))
        self.assertFalse(peer.connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_connectionsAreBounded(self) -> None:
        """
        Connections over the limit are refused until one of the others ends.
        """
        crowd = ConnectionLimit(self.site, 2)
        first, _ = Peer(crowd, self.clock), Peer(crowd, self.clock)
        with self.assertRaises(ConnectionRefusedError):
            Peer(crowd, self.clock)
        first.leave()
        Peer(crowd, self.clock)
        Peer(ConnectionLimit(self.site, int(CONTROL_CLIENTS.default)), self.clock)

    def test_disconnectCancelsWork(self) -> None:
        """
        The work for a client that disconnects is cancelled.
        """
        cancelled: list[object] = []
        self.server.reloading = lambda: Deferred(cancelled.append)
        peer = Peer(self.site, self.clock)
        peer.say(b"POST /reload HTTP/1.1\r\nHost: x\r\n\r\n")
        peer.leave()
        self.assertEqual(len(cancelled), 1)


class TickingTests(SynchronousTestCase):
    """
    Tests for L{Status<twisted_ext.server.operations.status.Status>} as a service.
    """

    def test_historyIsRecorded(self) -> None:
        """
        A running server records the history of its figures, and leaves no timer behind when it stops.
        """
        clock = Clock()
        server = seenServer(clock)
        server.status.startService()
        for _ in range(10):
            server.counters.udp += 30
            clock.advance(1.0)
        self.assertEqual(server.status.history.perSecond(), 30.0)
        server.status.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_oldNamesAreForgotten(self) -> None:
        """
        The names of old queries are forgotten after a time.
        """
        clock = Clock()
        server = seenServer(clock)
        server.status.startService()
        for _ in range(1000):
            clock.advance(1.0)
        server.status.stopService()
        self.assertEqual((server.counters.names.most(5), server.counters.slowest.most(5)), ([], []))
