"""
Tests of L{twisted_ext.server.operations.operations}: whether a server should get queries.
"""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.operations.seeing import seenServer, talk
from twisted_ext.answers import QueryContext
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import HEALTH_PAUSE, WEB_FRESH
from twisted_ext.server.operations.operations import (
    areSilent,
    checksIn,
    commonOf,
    upstreamReasons,
    workerReasons,
    zoneReasons,
)
from twisted_ext.server.zones.load.zonesets import ZoneSets
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.web.status.service import webSite

_DOWN: dict[str, JSON] = {"way": "udp", "up": False}
_UP: dict[str, JSON] = {"way": "tls", "up": True}
_AUTHORITY: dict[str, JSON] = {"way": "authority, tls", "up": False}


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"all": 0, "serving": 0}, []),
        ({"all": 3, "serving": 3}, []),
        ({"all": 3, "serving": 2, "failed": 1}, []),
        ({"all": 3, "serving": 1, "expired": 1, "failed": 1}, []),
        ({"all": 3, "serving": 2, "loading": 1}, ["1 of 3 zones is being loaded"]),
        ({"all": 9, "serving": 0, "loading": 2, "failed": 7}, ["2 of 9 zones are being loaded"]),
        ({"all": 1, "serving": 0, "failed": 1}, ["none of 1 zone can be served"]),
    ],
)
def test_zones(counts: dict[str, int], said: list[str]) -> None:
    """
    A zone that is being loaded is a reason, and so are broken ones if nothing else is served.
    """
    assert zoneReasons(counts) == said


@pytest.mark.parametrize(
    ("upstreams", "said"),
    [
        ([], []),
        ([_UP, _DOWN], []),
        ([_AUTHORITY], []),
        ([_DOWN], ["none of 1 upstream replies"]),
        ([_DOWN, _DOWN], ["none of 2 upstreams replies"]),
    ],
)
def test_upstreams(upstreams: list[dict[str, JSON]], said: list[str]) -> None:
    """
    That no upstream replies is a reason. Authoritative servers are none.
    """
    assert upstreamReasons(upstreams) == said
    assert areSilent(upstreams) is bool(said)


def test_workers() -> None:
    """
    A worker that does not answer is a reason, and what all workers say; what only some say is none.
    """
    assert (workerReasons(4, 4), workerReasons(3, 4)) == ([], ["1 of 4 workers does not answer"])
    assert workerReasons(0, 2) == ["2 of 2 workers do not answer"]
    assert commonOf([{"reasons": ["a", "b"]}, None, {"reasons": ["b"]}]) == ["b"]
    assert commonOf([{"reasons": ["a"]}, {"reasons": []}]) == []
    assert commonOf([None, 7, {"reasons": 8}]) == []


def test_whatToLookAt() -> None:
    """
    Words that say what to look at are checked.
    """
    assert [*checksIn("", ("zones",))] == ["zones"]
    assert [*checksIn("zones, workers", ())] == ["zones", "workers"]
    with pytest.raises(CallerFault, match="'zone' is nothing to look at; there are zones, held, signed, upstreams, workers"):
        checksIn("zone", ())


class StatusTests(SynchronousTestCase):
    """
    Tests with a server that has an upstream.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, seed=1)
        self.upstream = CannedServer({("www.example", "A"): "192.0.2.1"})
        self.upstream.listen(self.network.reactor("192.0.2.53"))
        self.server = seenServer(self.clock)
        self.source = ForwardingSource(self.network.reactor("192.0.2.1"), [Server("192.0.2.53")])
        self.addCleanup(self.source.close)
        self.server.source, self.server.caching = self.source, None
        self.server.status.startService()
        self.addCleanup(self.server.status.stopService)
        self.site = webSite(self.server.status, self.clock, timer=self.clock.seconds)

    def get(self, target: str) -> tuple[int, JSON]:
        """
        Fetch a page under a host name that no server has; return the status and what it says.
        """
        response = talk(self.site, self.clock, target, headers={"Host": "dns.example"})
        return response.code, response.json

    def test_heldZones(self) -> None:
        """
        Zones that are held are a reason for those who ask for it.
        """
        zoneSets = ZoneSets(self.clock, Settings())
        zones = zoneSets.common.zones
        self.patch(self.server.status, "zoneSets", zoneSets)
        held: set[bytes] = set()
        zones.held = lambda: held
        zones.expect(b"\x04test\x00")
        zones.fail(b"\x04test\x00", "much is gone")
        for apex, reasons in ((b"\x00", []), (b"\x04test\x00", ["the next version of 1 of 1 zone waits, as it has lost much"])):
            held.add(apex)
            self.assertEqual(self.successResultOf(self.server.status.do("ready", {"checks": "held"}))["reasons"], reasons)
            self.assertNotIn("lost much", str(self.successResultOf(self.server.status.do("ready", {}))))

    def test_upstreamGoesAndComesBack(self) -> None:
        """
        While no upstream replies the server is not ready, although it lives; that they are back is found out without any client.
        """
        self.assertEqual(self.get("/ready"), (200, {"ready": True, "reasons": []}))
        self.upstream.silent = True
        for _ in range(20):
            lookUp(self.source, questionOf("www.example"), QueryContext(deadline=self.clock.seconds() + 4)).addErrback(lambda _: None)
            self.network.advance(5)
        reasons: list[JSON] = ["none of 1 upstream replies"]
        self.assertEqual(self.get("/ready"), (503, {"ready": False, "reasons": reasons}))
        self.assertEqual(self.get("/healthz"), (200, {"ready": True}))
        said = self.successResultOf(self.server.status.do("ready", {}))
        self.assertEqual((said["said"], said["failed"]), (["not ready: none of 1 upstream replies"], True))
        self.assertTrue(self.successResultOf(self.server.status.do("ready", {"checks": "zones"}))["ready"])
        self.upstream.silent = False
        for _ in range(20):
            self.network.advance(HEALTH_PAUSE.default + WEB_FRESH.default)
            self.get("/ready")
        self.network.advance(WEB_FRESH.default)
        self.assertEqual(self.get("/ready"), (200, {"ready": True, "reasons": []}))

    def test_stopped(self) -> None:
        """
        A server that stops neither is ready nor lives.
        """
        self.server.status.stopService()
        self.assertEqual(self.get("/ready"), (503, {"ready": False, "reasons": ["the server is starting or stopping"]}))
        self.assertEqual(self.get("/healthz"), (503, {"ready": False}))
