"""
Tests of L{twisted_ext.server.features.policyzones}, in a whole server on a memory network.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher

from tests.server.operations.seeing import objectIn
from tests.server.process.test_workers import Processes
from tests.server.test_service import ServiceCase
from tests.typed import observing
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.metrics.exposition import exposition
from twisted_ext.metrics.figures import JSON, totalsOf
from twisted_ext.resolver.policy.rules.table import PolicyTable, TableBuilder
from twisted_ext.resolver.policy.zones.compiler import compileZones
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base import tables
from twisted_ext.server.features.order import declaredFigures
from twisted_ext.server.features.policyzones.keeper import PolicyZoneFiles
from twisted_ext.server.features.policyzones.zones import chosenZones, idleZones
from twisted_ext.server.listeners.sockets import boundSockets
from twisted_ext.server.process.workers import Workforce

_ZONE = """\
$TTL 300
@ SOA localhost. root.localhost. 42 3600 600 86400 60
@ NS localhost.
bad.example CNAME .
tcp.example CNAME rpz-tcp-only.
drop.example CNAME rpz-drop.
32.80.2.0.192.rpz-ip A 192.0.2.99
32.9.0.0.10.rpz-client-ip CNAME *.
"""


class ZoneCase(ServiceCase):
    """
    A folder with a policy zone, and processes that do not run by themselves.
    """

    def setUp(self) -> None:
        super().setUp()
        self.started: list[tuple[dict[str, Any], Deferred[bytes]]] = []

        def run(reactor: object, module: str, *, given: bytes, seconds: float, niceness: int) -> Deferred[bytes]:
            self.started.append((json.loads(given), Deferred()))
            assert module == "twisted_ext.resolver.policy.zones.compiler" or json.loads(given)["lists"] == []
            return self.started[-1][1]

        self.patch(tables, "runModule", run)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.zone = self.folder / "feed.zone"
        self.zone.write_text(_ZONE)
        self.feed = {"name": "feed", "zone": "rpz.test", "file": str(self.zone)}
        self.logged: list[str] = []
        observer = observing(lambda event: self.logged.append(formatEvent(event)))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def finish(self) -> None:
        """
        End the first process, with its result.
        """
        job, ended = self.started.pop(0)
        results = compileZones(job["table"], job["former"], job["lists"], job["images"])
        ended.callback(json.dumps({"lists": [asdict(each) for each in results]}).encode())


class PolicyZonesTests(ZoneCase):
    def rcodes(self, *names: str) -> list[int | None]:
        """
        Query names, and return the rcodes.
        """
        replies = [self.asked(name) for name in names]
        return [None if reply is None else reply.flags & 15 for reply in replies]

    def test_rulesAreInForce(self) -> None:
        """
        Queries wait for the first table; a changed file is in force without a reload, and no earlier reply survives that.
        """
        self.upstream.set("www.test.example", "A", "192.0.2.80")
        self.upstream.set("bad.example", "A", "192.0.2.81")
        self.service = self.run_(policyZone=[self.feed], policyZones="feed")
        self.assertIsNone(self.asked("bad.example"))
        self.finish()
        self.network.advance(0.1)
        self.assertEqual(self.rcodes("bad.example", "bad.example", "bad.example"), [3, 3, 3])
        self.assertGreater(self.service.counters.hits, 0)
        reply = self.asked("www.test.example")
        assert reply is not None
        self.assertEqual([rrset.rdatas for rrset in reply.answer], [(bytes((192, 0, 2, 99)),)])
        self.assertEqual(self.rcodes("drop.example"), [None])
        reply = self.asked("tcp.example")
        assert reply is not None
        self.assertEqual(reply.flags & 0x0200, 0x0200)
        self.zone.write_text(_ZONE.replace("bad.example", "other.example").replace(" 42 ", " 43 "))
        self.network.advance(3.0)
        self.finish()
        self.assertEqual(self.rcodes("bad.example", "other.example"), [0, 3])
        self.assertIn("policy zone feed", "".join(self.logged))

    def test_whatPeopleSee(self) -> None:
        """
        Commands, status and metrics name zones, what rules are about, and what they do.
        """
        self.service = self.run_(policyZone=[self.feed], policyZones="feed", block=["listed.example"])
        self.finish()
        self.network.advance(0.1)
        self.rcodes("bad.example", "drop.example")
        described = self.do(self.service, "policy-zones")
        self.assertEqual(
            described["said"], ["policy zones: 5 rules", f"  feed ({self.zone}): 5 rules, serial 42"]
        )
        (zone,) = cast(list[dict[str, JSON]], described["zones"])
        self.assertEqual((zone["apex"], zone["serial"], zone["rules"], zone["trial"]), ("rpz.test.", 42, 5, False))
        status = objectIn(self.successResultOf(self.service.status.status())["policyZones"])
        self.assertEqual(status["said"], described["said"])
        told = self.do(self.service, "why", name="bad.example", client="10.0.0.1")
        self.assertEqual((told["rule"], told["blocked"]), ("feed: bad.example", True))
        self.assertEqual(
            told["said"], ["10.0.0.1 is in no view", "bad.example is decided by policy zone feed: bad.example: nxdomain"]
        )
        told = self.do(self.service, "why", name="www.example", client="10.0.0.9")
        self.assertEqual((told["rule"], told["blocked"]), ("feed: 32.9.0.0.10.rpz-client-ip", True))
        told = self.do(self.service, "why", name="listed.example", client="10.0.0.1")
        self.assertEqual((told["rule"], told["blocked"]), ("block", True))
        self.assertIn("rules about addresses or servers may decide otherwise", str(told["said"]))
        self.failureResultOf(self.service.status.do("why", {"name": "a..b", "client": "10.0.0.1"}), CallerFault)
        figures, samples = self.successResultOf(self.service.status.figures()), self.service.status.samples()
        page = exposition(figures, version="1", started=0, declared=declaredFigures(), samples=samples)
        self.assertIn('\ntxdns_policy_zone_hits_total{zone="feed",trigger="name",action="drop"} 1\n', page)
        self.assertIn('\ntxdns_policy_zone_rules{zone="feed"} 5\n', page)
        kept = totalsOf(figures, {each.key for each in declaredFigures() if each.grows})
        self.assertEqual(kept.numbers["policyZoneHits feed name nxdomain"], 1)
        self.assertIn("policy-zones: feed", self.service.stack.path())

    def test_reloads(self) -> None:
        """
        Zones come and go with reloads, which say what is not in force; what they do in place of their rules applies at once.
        """
        self.upstream.set("bad.example", "A", "192.0.2.81")
        self.service = self.run_()
        self.assertEqual(self.rcodes("bad.example"), [0])
        self.reload(policyZone=[self.feed], policyZones="feed")
        self.finish()
        self.network.advance(0.1)
        self.assertEqual(self.rcodes("bad.example"), [3])
        self.reload(policyZone=[{**self.feed, "override": "nodata"}], policyZones="feed")
        self.assertEqual(self.rcodes("bad.example"), [0])
        (one,) = cast(list[dict[str, JSON]], self.do(self.service, "policy-zones")["zones"])
        self.assertEqual(one["override"], "nodata")
        self.finish()
        self.reload()
        self.assertEqual(self.rcodes("bad.example"), [0])
        self.assertEqual(self.do(self.service, "policy-zones")["said"], ["there are no policy zones"])

    def reload(self, **values: object) -> None:
        """
        Apply other settings.
        """
        self.wanted = self.settings(**values)
        reloaded = self.service.reload()
        self.network.advance(0.1)
        self.successResultOf(reloaded)

    def test_oneTableForAllWorkers(self) -> None:
        """
        The zones are read once, and all workers get the path of one table.
        """
        processes = Processes()
        bound = boundSockets(("127.0.0.1",), 0, 2)
        settings = Settings.of(policyZone=[self.feed], policyZones="feed")
        force = Workforce(cast(IReactorTime, processes), settings, bound, b"s" * 16)
        force.startService()
        self.assertEqual(len(self.started), 1)
        self.finish()
        paths = set()
        for process in processes.started:
            (told,) = [said for said in process.received if (said["do"], said.get("feature")) == ("state", "policyzones")]
            paths.add(objectIn(told["state"])["table"])
        self.assertEqual(len(paths), 1)
        force.stopService()
        for process in processes.started:
            process.end()


class PolicyZoneFilesTests(ZoneCase):
    """
    Tests for L{PolicyZoneFiles}.
    """

    def files(self, **values: object) -> PolicyZoneFiles:
        self.took: list[JSON] = []
        made = PolicyZoneFiles(cast(IReactorTime, Clock()), Settings.of(policyZone=[self.feed], policyZones="feed", **values))
        self.addCleanup(made.close)
        made.begin(self.took.append)
        return made

    def test_lastGoodCopy(self) -> None:
        """
        With a state folder the next server begins with the rules of the last one, although the file is gone; another name of the zone in
        the DNS is another zone.
        """
        state = str(self.folder / "state")
        files = self.files(state=state)
        self.finish()
        files.close()
        self.zone.unlink()
        files = self.files(state=state)
        self.assertEqual(len(self.took), 1)
        self.finish()
        self.assertEqual((files.names, files.lists[0].kept), (5, True))
        self.assertIn("it keeps its former 5 rules", self.logged[-1])
        self.assertIn("kept from before; it cannot be read", str(files.described()["said"]))
        self.assertEqual(files.figures(), {"policyZones": 1, "policyZonesWrong": 1})
        files.close()
        self.feed["zone"] = "other.test"
        self.files(state=state)
        self.assertEqual(self.took, [])

    def test_tableOfAnotherVersion(self) -> None:
        """
        A table that this version cannot use is made anew, although no file has changed since.
        """
        state = self.folder / "state"
        files = self.files(state=str(state))
        self.finish()
        files.close()
        path = state / "policyzones.table"
        lists = PolicyTable.map(str(path)).lists
        path.write_bytes(b"".join(TableBuilder().pack(lists)))
        files = self.files(state=str(state))
        self.assertEqual((self.took, len(self.started)), ([], 1))
        self.assertIn("this is not a table of policy zones", self.logged[-1])
        self.finish()
        self.assertEqual((len(self.took), files.names), (1, 5))

    def test_addedZones(self) -> None:
        """
        What a reload adds is waited for, and it says what has no effect.
        """
        files = self.files()
        self.finish()
        more = {"name": "more", "file": str(self.folder / "none")}
        files.apply(Settings.of(policyZone=[self.feed, more], policyZones=["feed", "more"]))
        settled = files.settling()
        assert settled is not None
        self.finish()
        (line,) = self.successResultOf(settled)
        self.assertEqual(line, f"policy zone more ({self.folder}/none) cannot be read: No such file or directory, and has no effect")
        self.zone.write_text(f"{_ZONE}33.0.2.0.192.rpz-ip CNAME .\n")
        files.look()
        files.look()
        self.finish()
        self.assertIn("1 that cannot be used, the first: 33.0.2.0.192.rpz-ip", str(files.described()["said"]))

    def test_settings(self) -> None:
        """
        Errors name what is wrong, and what would be right.
        """
        for values, said in (
            ({"policyZone": ["feed=/x"], "policyZones": ["fed"]}, "there is no policy zone fed; did you mean feed?"),
            ({"policyZones": ["feed"]}, "give it a file by policy-zone"),
            ({"policyZone": ["feed=/x", "feed=/y"], "policyZones": ["feed"]}, "policy-zone feed is given twice: /x and /y"),
        ):
            with self.assertRaisesRegex(BadDescription, said):
                chosenZones(Settings.of(**values))
        for table, said in (
            ({"name": "feed"}, 'policy-zone feed has neither a file nor a zone; write file = "feed.zone"'),
            ({"name": "feed", "file": "/x", "override": "none"}, "'none' is not one of given, nxdomain"),
            ({"name": "feed", "file": "/x", "override": "cname=a..b"}, "policy-zone feed: override"),
            ({"name": "feed", "file": "/x", "overide": "drop"}, "did you mean override?"),
        ):
            with self.assertRaisesRegex(BadDescription, said):
                Settings.of(policyZone=[table])
        served: dict[str, object] = {"name": "rpz.test", "file": "/x", "view": "policy-zones"}
        cases: list[tuple[dict[str, object], list[str]]] = [
            ({"policyZone": ["feed=/x", "more=/y"], "policyZones": ["feed"]}, ["not applied: more; name them in policy-zones"]),
            ({"policyZone": ["feed=/x"], "policyZones": ["feed"], "role": "serve"}, ["no effect with serve; use forward"]),
            ({"policyZone": [{"name": "feed", "zone": "RPZ.test"}], "policyZones": ["feed"], "zone": [served]}, []),
            ({"policyZone": [{"name": "feed", "zone": "rpz.test"}], "policyZones": ["feed"]}, ['no [[zone]] with name = "rpz.test." and']),
            ({"policyZone": ["more=/x"], "view": [{"name": "a", "clients": ["192.0.2.1"], "policy-zones": ["more"]}]}, []),
        ]
        for given, lines in cases:
            found = idleZones(Settings.of(**given))
            self.assertEqual(len(found), len(lines))
            self.assertEqual([line for line, one in zip(lines, found, strict=True) if line not in one], [])
        tried: dict[str, object] = {"name": "feed", "file": "/x", "override": "cname=Wall.Test", "trial": True}
        (zone,) = chosenZones(Settings.of(policyZone=[tried], policyZones=["feed", "feed"]))
        self.assertEqual((zone.apex, zone.override, zone.choice.isTried), ("feed.", "cname=Wall.Test.", True))
        assert zone.choice.action is not None
        self.assertEqual(zone.choice.action.alias, b"\4Wall\4Test\0")
