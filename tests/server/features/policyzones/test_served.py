"""
Tests of policy zones that are zones of the server: transferred, or changed by clients.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.resolver.policy.zones.test_changed import imageOf, setOf, soaOf
from tests.server.features.policyzones.test_feature import ZoneCase
from twisted_ext.errors import BadDescription
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.policyzones.inforce import AppliedZones
from twisted_ext.server.features.policyzones.keeper import PolicyZoneFiles
from twisted_ext.server.features.views.settings import POLICY_VIEW
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.zones.load.zonesets import ZoneSets
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import CNAME
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone


class ServedZoneTests(ZoneCase):
    """
    Tests for zones of the server in L{PolicyZoneFiles}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.zones, self.common = Zones(view=POLICY_VIEW), Zones()
        sets = SimpleNamespace(views={POLICY_VIEW: SimpleNamespace(zones=self.zones)}, common=SimpleNamespace(zones=self.common))
        self.sets = cast(ZoneSets, sets)
        self.took: list[JSON] = []
        self.state = str(self.folder / "state")
        self.policy = {"policyZone": [{"name": "feed", "zone": "rpz.test"}], "policyZones": ["feed"]}
        self.applied = AppliedZones(Site(cast(IReactorTime, self.clock), Settings.of(**self.policy)), None)
        self.applied.begin()

    def version(self, *names: str, serial: int = 1, isOrdered: bool = True) -> Version:
        """
        Return a version with an image in a file, in which these names do not exist.
        """
        rules = {key: setOf(key, CNAME, ".") for key in map(self.key, names)}
        version = imageOf({b"": (soaOf(serial),), **rules}, isOrdered=isOrdered)
        path = self.folder / f"{serial}.image"
        path.write_bytes(version.image.toBytes())
        return Version(Image.open(str(path)))

    @staticmethod
    def key(name: str) -> bytes:
        return nameFromText(name)[:-1]

    def put(self, version: Version) -> None:
        place = self.zones.at(version.apex)
        zone = None if place is None else place.zone
        if zone is None:
            self.zones.put(Zone(version), "x")
        else:
            self.zones.revise(version.apex, version)

    def files(self) -> PolicyZoneFiles:
        made = PolicyZoneFiles(cast(IReactorTime, self.clock), Settings.of(state=self.state, **self.policy))
        self.addCleanup(made.close)
        made.serve(self.sets)
        made.begin(self.take)
        return made

    def take(self, state: JSON) -> None:
        self.took.append(state)
        self.applied.take(state)

    def look(self, files: PolicyZoneFiles, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            files.look()

    def denied(self, *names: str) -> list[bool]:
        return [self.applied.policy.before(nameFromText(name), ()) is not None for name in names]

    def test_transferredZone(self) -> None:
        """
        The rules of a zone are in force once it is there. A change is, without another table, when it is looked at next; one more waits
        some seconds, as each empties the packet cache.
        """
        files = self.files()
        self.finish()
        self.assertIn("policy zone feed (zone) is not loaded yet; it has no effect until then", self.logged)
        self.assertIn("  feed (zone): 0 rules, without effect; it is not loaded yet", cast(list[str], files.described()["said"]))
        self.assertEqual(self.denied("a.example"), [False])
        first = self.version("a.example", "b.example")
        self.put(first)
        self.look(files, 2)
        self.finish()
        self.assertEqual(self.denied("a.example", "b.example", "c.example"), [True, True, False])
        self.assertIn("1 rule" if len(files.lists) > 1 else "2 rules, serial 1", str(files.described()["said"]))
        self.look(files, 10)
        gone, new = self.key("a.example"), self.key("c.example")
        second = first.edited({b"": (soaOf(2),), new: setOf(new, CNAME, "."), gone: ()})
        self.put(second)
        self.look(files)
        self.assertEqual((self.denied("a.example", "b.example", "c.example"), self.started), ([False, True, True], []))
        self.assertIn("serial 2", str(files.described()["said"]))
        told = len(self.took)
        third = second.edited({b"": (soaOf(3),), self.key("a.example"): setOf(self.key("a.example"), CNAME, ".")})
        self.put(third)
        self.look(files, 3)
        self.assertEqual((len(self.took), self.denied("a.example")), (told, [False]))
        self.look(files, 3)
        self.assertEqual((len(self.took), self.denied("a.example")), (told + 1, [True]))

    def test_anotherImage(self) -> None:
        """
        Another image, as of a whole transfer, takes another table. Until that is made what was in force stays; then only what has changed
        in the new image is in front of it.
        """
        first = self.version("a.example")
        self.put(first)
        files = self.files()
        self.finish()
        self.put(first.edited({b"": (soaOf(2),), self.key("b.example"): setOf(self.key("b.example"), CNAME, ".")}))
        self.look(files, 6)
        self.assertEqual(self.denied("a.example", "b.example"), [True, True])
        other = self.version("c.example", serial=3)
        self.put(other)
        self.look(files, 2)
        self.assertEqual(self.denied("a.example", "b.example", "c.example"), [True, True, False])
        self.put(other.edited({b"": (soaOf(4),), self.key("d.example"): setOf(self.key("d.example"), CNAME, ".")}))
        self.finish()
        self.assertEqual(self.denied("a.example", "b.example", "c.example", "d.example"), [False, False, True, True])

    def test_changesThatCannotBeTold(self) -> None:
        """
        What had changed in front of the former table is dropped with it, also if what has changed since in the new image takes one more.
        """
        first = self.version("a.example")
        self.put(first)
        files = self.files()
        self.finish()
        self.put(first.edited({b"": (soaOf(2),), self.key("b.example"): setOf(self.key("b.example"), CNAME, ".")}))
        self.look(files, 6)
        self.assertEqual(self.denied("b.example"), [True])
        other = self.version("x.top", "y.top", serial=3, isOrdered=False)
        self.put(other)
        self.look(files, 2)
        # A wildcard above names whose image has no order.
        self.put(other.edited({b"": (soaOf(4),), self.key("*.top"): setOf(self.key("*.top"), CNAME, ".")}))
        self.finish()
        self.assertEqual(self.denied("b.example", "x.top", "z.top"), [False, True, False])
        self.look(files, 3)
        self.finish()
        self.assertEqual(self.denied("b.example", "x.top", "z.top"), [False, True, True])

    def test_replacedMeanwhile(self) -> None:
        """
        An image that is replaced before it is read is not taken for the former one; the next is read.
        """
        first = self.version("a.example")
        self.put(first)
        files = self.files()
        Path(first.image.path).write_bytes(self.version("b.example", serial=7).image.toBytes())
        self.finish()
        self.assertIn("has changed meanwhile", self.logged[-1])
        self.assertEqual(self.denied("a.example"), [False])
        self.put(Version(Image.open(first.image.path)))
        self.look(files, 8)
        self.finish()
        self.assertEqual(self.denied("a.example", "b.example"), [False, True])

    def test_nextStart(self) -> None:
        """
        The next server begins with the rules of the last one, also while the zone has yet to be loaded.
        """
        first = self.version("a.example")
        self.put(first)
        files = self.files()
        self.finish()
        files.close()
        self.zones.remove(first.apex)
        files = self.files()
        self.assertEqual(self.denied("a.example"), [True])
        self.finish()
        self.assertEqual(self.denied("a.example"), [True])
        self.assertIn("policy zone feed (zone) is not loaded yet; its former rules stay in force (1 rule)", self.logged[-1])
        self.put(first)
        self.look(files, 2)
        self.finish()
        self.assertEqual((self.denied("a.example"), files.lists[0].kept), ([True], False))

    def test_zoneForAll(self) -> None:
        """
        A zone that clients are answered from may be a policy zone, too.
        """
        self.common.put(Zone(self.version("a.example")), "x")
        self.files()
        self.finish()
        self.assertEqual(self.denied("a.example"), [True])

    def test_zoneOfNoView(self) -> None:
        """
        Clients are not answered from a zone of rules; NOTIFY for it gets to it, and it is shown with its name.
        """
        zone = {"name": "rpz.test", "primaries": ["192.0.2.99"], "view": POLICY_VIEW}
        self.service = self.run_(zone=[zone], route={"test": "192.0.2.53"}, **self.policy)
        sets = self.service.zoneSets
        self.assertEqual([place.text for place in sets.places()], ["rpz.test..policy-zones"])
        request = SimpleNamespace(
            record=SimpleNamespace(group=SimpleNamespace(view=None)), question=SimpleNamespace(name=nameFromText("RPZ.test"))
        )
        self.assertIs(sets.answering(cast(Request, request)), sets.views[POLICY_VIEW])
        # One of this name that clients are answered from is meant first.
        sets.common.zones.expect(nameFromText("rpz.test"))
        self.assertIs(sets.answering(cast(Request, request)), sets.common)
        sets.common.zones.remove(nameFromText("rpz.test"))
        self.finish()
        self.upstream.set("rpz.test", "A", "192.0.2.7")
        self.assertEqual(self.addressOf("rpz.test"), "192.0.2.7")
        with self.assertRaisesRegex(BadDescription, "zones in a view of this name are for policy-zones; choose another name"):
            Settings.of(view=[{"name": POLICY_VIEW, "clients": ["192.0.2.1"]}])
