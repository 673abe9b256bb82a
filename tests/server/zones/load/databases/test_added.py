"""
Tests of L{twisted_ext.server.zones.load.databases.addedzones}.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadDescription, BadZone, StorageFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.load.databases.added import AddedZone, Aside, AsideChange
from twisted_ext.server.zones.load.databases.addedzones import AddedZones, ZoneThere
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA, A
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

_NAME = nameFromText("added.example")
_TEXT = "@ 60 SOA ns1 h 7 1 1 1 1\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n"


def _zone(text: str = "added.example", **settings: object) -> AddedZone:
    return AddedZone(nameFromText(text), {name.replace("_", "-"): value for name, value in settings.items()}, {"account": "me"})


def _sets(text: str = _TEXT) -> list[RRSet]:
    return [rrset for node in Zone.fromText(text, _NAME).current.nodes() for rrset in node.sets]


class AddedZoneTests(SynchronousTestCase):
    """
    Zones whose server only notes what it is to serve.
    """

    def setUp(self) -> None:
        self.folder = self.mktemp()
        self.served: dict[bytes, ZoneSettings] = {}
        self.version: Version | None = None
        self.fault: Exception | None = None
        self.disk: Exception | Deferred[None] | None = None
        self.now = 1_800_000_000.0
        self.settings = Settings()
        self.added = self.newZones()

    def newZones(self, folder: str = "") -> AddedZones:
        def put(apex: bytes, zone: ZoneSettings | None) -> Deferred[None]:
            if self.fault is not None:
                return fail(self.fault)
            if zone is None:
                del self.served[apex]
            else:
                self.served[apex] = zone
            return succeed(None)

        def outside(work: Callable[[], object]) -> Deferred[object]:
            if isinstance(self.disk, Deferred):
                return self.disk.addCallback(lambda _: work())
            return maybeDeferred(work) if self.disk is None else fail(self.disk)

        def check(zones: Sequence[ZoneSettings]) -> None:
            if any(zone.notify for zone in zones):
                raise BadDescription("no notices today")

        added = AddedZones(
            folder or self.folder,
            outside,
            check=check,
            put=put,
            isThere=lambda apex: apex in self.served,
            former=lambda apex: self.version,
            today=lambda: self.now,
            soa="ns1.@ hostmaster.@ 0 1 2 3 4",
            settings=lambda: self.settings,
        )
        self.addCleanup(lambda: self.successResultOf(added.close()))
        return added

    def again(self) -> AddedZones:
        """
        Return what another process has of these zones.
        """
        self.served.clear()
        made = self.newZones()
        made.begin()
        return made

    def altered(self, apex: bytes, **settings: object) -> Deferred[None]:
        return self.added.alter(apex, lambda zone: zone._replace(settings=settings))

    def test_noneOfManyChangesIsLost(self) -> None:
        """
        Changes of one zone that come while the disk is busy are each made of the one before.
        """
        self.successResultOf(self.added.add(_zone(), _sets()))
        self.disk = Deferred()

        def noted(number: int) -> Callable[[AddedZone], AddedZone]:
            return lambda zone: zone._replace(notes={**zone.notes, str(number): number})

        changing = [self.added.alter(_NAME, noted(number)) for number in range(5)]
        for each in changing:
            self.assertNoResult(each)
        busy, self.disk = self.disk, None
        busy.callback(None)
        for each in changing:
            self.successResultOf(each)
        zone = self.again().at(_NAME)
        assert zone is not None
        self.assertEqual(set(zone.notes), {"account", *map(str, range(5))})

    def test_damagedRows(self) -> None:
        """
        A row that this server has not written is an error that names it, and not a fault.
        """
        self.successResultOf(self.added.add(_zone(), _sets()))
        for settings, name in (("nonsense", "added.example."), ("[]", "added.example."), ("{}", "a..b")):
            self.added._opened()._connection.execute("UPDATE settings SET settings = ?, zone = ?", (settings, name))
            with self.assertRaises(BadDescription) as caught:
                self.newZones().begin()
            self.assertIn(f"the row of {name!r} is not one", str(caught.exception))

    def test_keptForTheNextStart(self) -> None:
        """
        A zone and what is kept beside its records are there after a restart, a secondary one too; one that was removed is not.
        """
        comment: dict[str, JSON] = {"content": "mine", "account": "me", "modified_at": 5}
        aside = AsideChange(nameFromText("www.added.example"), A, 60, ("192.0.2.9",), (comment,))
        self.successResultOf(self.added.add(_zone(), _sets(), [aside]))
        self.successResultOf(self.added.add(_zone("gone.example", primaries=["192.0.2.1"])))
        self.successResultOf(self.added.add(_zone("copy.example", primaries=["192.0.2.1"])))
        self.assertEqual(self.served[_NAME].store, f"added:{os.path.abspath(self.folder)}/added.sqlite")
        self.successResultOf(self.added.remove(nameFromText("gone.example")))
        again = self.again()
        self.assertEqual([zone.text for zone in again.besides([])], ["added.example.", "copy.example."])
        self.assertEqual(again.at(_NAME), _zone())
        asides = self.successResultOf(again.asides(_NAME))
        self.assertEqual(asides, {(nameFromText("www.added.example"), A): Aside(60, ("192.0.2.9",), (comment,))})

    def test_settingsOfTheServerComeFirst(self) -> None:
        """
        A zone that is in the settings by now is theirs.
        """
        self.successResultOf(self.added.add(_zone(), _sets()))
        said = ZoneSettings.of("added.example", "/file")
        self.assertEqual(self.added.besides([said]), [])
        self.assertIsNone(self.added.at(_NAME))
        self.failureResultOf(self.added.remove(_NAME), ZoneThere)
        self.failureResultOf(self.added.alter(_NAME, lambda zone: zone), ZoneThere)
        self.assertEqual([zone.name for zone in self.added.besides([])], [_NAME])

    def test_failureLeavesNothing(self) -> None:
        """
        A zone that cannot be served, or has no valid records or settings, is not kept either.
        """
        self.fault = BadDescription("not today")
        self.failureResultOf(self.added.add(_zone(), _sets()), BadDescription)
        self.fault = None
        self.failureResultOf(self.added.add(_zone(), _sets()[:1]), BadZone)
        self.failureResultOf(self.added.add(_zone(notify=["192.0.2.1"]), _sets()), BadDescription)
        for name, value in {"file": "/etc/passwd", "store": "/etc/passwd", "catalog": "produce"}.items():
            fault = self.failureResultOf(self.added.add(_zone(**{name: value}), _sets()), BadDescription)
            self.assertIn(f"{name} cannot be set here", str(fault.value))
        self.assertEqual((self.served, self.again().besides([])), ({}, []))
        self.successResultOf(self.added.add(_zone(), _sets()))
        self.failureResultOf(self.added.add(_zone(), _sets()), ZoneThere)

    def test_signed(self) -> None:
        """
        A zone that is to be signed is by the policy for all zones of the server, or the default one, also after a reload that changes it.
        """
        self.successResultOf(self.added.add(_zone(sign="default"), _sets()))
        (zone,) = self.again().besides([])
        self.assertEqual((zone.sign, zone.isSignedOnArrival), ("default", True))
        assert zone.signing is not None and zone.signing.denial == "nsec"
        self.settings = Settings.fromJSON({"sign": "hidden", "signing-policy": ["hidden=denial=nsec3"]})
        (zone,) = self.added.besides([])
        assert zone.signing is not None and zone.signing.denial == "nsec3"

    def test_failedRemoval(self) -> None:
        """
        A zone that cannot be removed from the disk is served on.
        """
        self.successResultOf(self.added.add(_zone(), _sets()))
        self.disk = StorageFault("full")
        self.failureResultOf(self.added.remove(_NAME), StorageFault)
        self.assertEqual(list(self.served), [_NAME])
        self.disk = None
        self.successResultOf(self.added.remove(_NAME))
        self.assertEqual((self.served, self.again().besides([])), ({}, []))

    def test_badSettingsAreLeftOut(self) -> None:
        """
        Of zones on disk those are served whose settings can be used; a database of another program is not touched.
        """
        self.successResultOf(self.added.add(_zone("copy.example", primaries=["192.0.2.1"])))
        self.successResultOf(self.added.add(_zone(), _sets()))
        opened = self.added._opened()
        opened.put(AddedZone(nameFromText("copy.example"), {"primaries": ["nonsense"]}, {}))
        again = self.again()
        self.assertEqual([zone.text for zone in again.besides([])], ["added.example."])
        self.successResultOf(again.remove(nameFromText("copy.example")))
        other = self.mktemp()
        os.mkdir(other)
        with open(f"{other}/added.sqlite", "w") as file:
            file.write("of another program")
        self.assertRaises(BadDescription, self.newZones(other).begin)

    def test_othersDoNotRead(self) -> None:
        """
        The files are those of a server's state, which other users cannot read.
        """
        self.version = Zone.fromText(_TEXT, _NAME).current
        self.successResultOf(self.added.add(_zone(), _sets()))
        self.successResultOf(self.added.remove(_NAME))
        files = ("added.sqlite", "added.sqlite-wal", f"removed/added.example.{self.now:.0f}.zone")
        self.assertEqual({os.stat(f"{self.folder}/{name}").st_mode & 0o007 for name in files}, {0})

    def test_alter(self) -> None:
        """
        Other settings are served and kept. A zone that was secondary keeps its records as a primary one, if it has any; what a primary one
        had is in a file when it is secondary.
        """
        apex = nameFromText("copy.example")
        self.successResultOf(self.added.add(_zone("copy.example", primaries=["192.0.2.1"])))
        self.successResultOf(self.altered(apex, primaries=["192.0.2.2"]))
        self.assertEqual(self.served[apex].primaries, ("192.0.2.2",))
        self.failureResultOf(self.altered(apex, primaries=["nonsense"]), BadDescription)
        said = str(self.failureResultOf(self.altered(apex)).value)
        self.assertIn("was not transferred yet", said)
        self.version = Zone.fromText(_TEXT, "copy.example").current
        self.successResultOf(self.altered(apex, serial="unixtime"))
        self.assertTrue(self.served[apex].isAdded)
        self.assertEqual(len(self.added._opened().load(apex)), 3)
        self.successResultOf(self.altered(apex, primaries=["192.0.2.1"]))
        self.assertFalse(self.served[apex].isAdded)
        self.assertRaises(BadZone, self.added._opened().load, apex)
        self.assertEqual(os.listdir(f"{self.folder}/removed"), ["copy.example.1800000000.zone"])

    def test_removedFilesAreBounded(self) -> None:
        """
        What removed zones had stays a week, and no longer; and of the last hundred.
        """
        self.version = Zone.fromText(_TEXT, _NAME).current
        for _ in range(103):
            self.now += 1
            self.successResultOf(self.added.add(_zone(), _sets()))
            self.successResultOf(self.added.remove(_NAME))
        self.assertEqual(len(os.listdir(f"{self.folder}/removed")), 100)
        self.now += 8 * 86400
        self.successResultOf(self.added.add(_zone(), _sets()))
        self.successResultOf(self.added.remove(_NAME))
        self.assertEqual(len(os.listdir(f"{self.folder}/removed")), 1)

    def test_defaultSOA(self) -> None:
        """
        The SOA record of a zone without one is made as the setting says, which may be wrong.
        """
        record = self.added.soaOf(_NAME, 9)
        self.assertEqual(rdataToText(SOA, record.rdatas[0]), "ns1.added.example. hostmaster.added.example. 9 1 2 3 4")
        self.added._soa = "ns1"
        self.assertRaises(BadDescription, self.added.soaOf, _NAME, 9)

    def test_asideChanges(self) -> None:
        """
        A change replaces what is beside records, or adds to it, or takes from it.
        """
        name = nameFromText("www.added.example")
        there = Aside(60, ("a", "b"), ({"content": "c"},))
        for change, after in (
            (AsideChange(name, A, 9), Aside(60, ("a", "b"), there.comments)),
            (AsideChange(name, A, 9, ()), Aside(9, (), there.comments)),
            (AsideChange(name, A, 9, ("d",), ()), Aside(9, ("d",), ())),
            (AsideChange(name, A, 9, less=("a",)), Aside(60, ("b",), there.comments)),
            (AsideChange(name, A, 9, less=("a",), more=("b", "d")), Aside(9, ("b", "d"), there.comments)),
        ):
            self.assertEqual(change.applied(there), after)
