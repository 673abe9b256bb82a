"""
Tests of servers that get their zones from catalogs.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from itertools import pairwise
from shutil import rmtree
from typing import cast
from unittest.mock import patch

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.transfer.replicas import KEYS, PRIMARY, SECONDARY, Host, ReplicaTestCase, applyZones
from tests.test_architecture import ROOT
from tests.zone.plain import HEAD, setsOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.table.zonetable import SERVING
from twisted_ext.server.zones.transfer.catalogs import CatalogSettings, OwnershipLog
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.zone.catalog.catalogs import Catalog, Member, catalogVersion
from twisted_ext.zone.zone import Zone

CATALOG = "catalog.invalid."
RIVAL = "rival.invalid."
NAMES = ("one.example.", "two.example.", "three.example.")
A, B, ONE, TWO = b"\x01a\x00", b"\x01b\x00", b"\x03one\x00", b"\x03two\x00"


def table(name: str, **said: object) -> ZoneSettings:
    """
    Return the settings of a zone; an underscore stands for a hyphen.
    """
    return ZoneSettings.fromTable({"name": name, **{key.replace("_", "-"): value for key, value in said.items()}})


def producedBy(cataloging: CatalogSettings) -> list[tuple[bytes, list[Member]]]:
    """
    Return the catalogs that a server produces.
    """
    steps = cataloging.producing()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast("list[tuple[bytes, list[Member]]]", end.value)


class CatalogTests(ReplicaTestCase):
    """
    Tests with a primary that produces a catalog, and a secondary that follows it.
    """

    def produce(self, *names: str, **said: object) -> None:
        """
        Let the primary list these zones.
        """
        zones = [table(CATALOG, catalog="produce", allow_transfer=["192.0.2.0/24"], notify=[SECONDARY])]
        for name in names:
            zones.append(table(name, file="/zones/nobody-reads-it", listed_in=CATALOG, allow_transfer=["192.0.2.0/24"], **said))
            if self.primary.zones.at(nameFromText(name)) is None:
                self.primary.zones.put(Zone.fromRecords(name, setsOf(HEAD, name)))
        applyZones(self.primary.replication, zones, KEYS)

    def follow(self, *more: ZoneSettings, **said: object) -> None:
        """
        Let the secondary follow the catalog.
        """
        said = {"primaries": [PRIMARY], **said}
        applyZones(self.secondary.replication, [table(CATALOG, catalog="follow", **said), *more], KEYS)
        self.network.advance(2)

    def served(self, host: Host | None = None) -> list[str]:
        """
        Return the zones that the secondary serves, without the catalog.
        """
        places = {place.text for place in (host or self.secondary).zones if place.state == SERVING}
        return [name for name in NAMES if name in places]

    def changeTo(self, *names: str, **said: object) -> None:
        """
        Let the primary list other zones, and wait until the secondary knows.
        """
        self.network.advance(3)
        self.produce(*names, **said)
        self.network.advance(5)

    def test_secondaryFollowsCatalog(self) -> None:
        """
        Zones are added when the catalog lists them and removed when it does not, together with their files.
        """
        self.produce(NAMES[0], NAMES[1])
        self.follow()
        self.assertEqual(self.served(), [NAMES[0], NAMES[1]])
        self.changeTo(NAMES[1], NAMES[2])
        self.assertEqual(self.served(), [NAMES[1], NAMES[2]])
        self.assertEqual(self.storedZones(), ["catalog.invalid", "three.example", "two.example"])
        self.changeTo()
        self.assertEqual(self.served(), [])

    def test_manyZonesThatGoWait(self) -> None:
        """
        A catalog that has lost many of its zones at once loses none of them until an operator accepts it, nor by a restart.
        """
        names = [f"zone{number}.example" for number in range(30)]
        self.produce(*names)
        self.follow()
        self.network.advance(5)

        def count() -> int:
            return len([place for place in self.secondary.zones if place.state == SERVING])

        self.assertEqual(count(), 31)
        self.changeTo(*names[:18])
        self.assertEqual(count(), 31)
        self.assertIn("12 of 30 zones are gone", " ".join([place.said for place in self.secondary.zones]))
        self.secondary.end()
        self.secondary.begin()
        self.follow()
        self.network.advance(5)
        self.assertEqual(count(), 31)
        catalog = nameFromText(CATALOG)
        self.secondary.replication.refresh(catalog)
        self.network.advance(5)
        self.assertEqual(count(), 31)
        self.assertTrue(self.secondary.guards.accept(catalog))
        self.secondary.replication.refresh(catalog)
        self.network.advance(5)
        self.assertEqual(count(), 19)

    def test_replacedZonesWait(self) -> None:
        """
        A catalog whose zones are all others at once loses none of them, although it has as many as before: over IXFR, and after a restart
        as a whole.
        """
        self.produce(*[f"zone{number}.example" for number in range(20)])
        self.follow()
        self.network.advance(5)

        def zones() -> list[str]:
            return sorted([place.text for place in self.secondary.zones if place.state == SERVING])

        before = zones()
        self.assertEqual(len(before), 21)
        self.changeTo(*[f"other{number}.example" for number in range(20)])
        self.assertEqual(zones(), before)
        self.assertIn("all of its 20 zones are gone", " ".join([place.said for place in self.secondary.zones]))
        self.secondary.end()
        self.secondary.begin()
        self.follow()
        self.network.advance(5)
        self.secondary.replication.refresh(nameFromText(CATALOG))
        self.network.advance(5)
        self.assertEqual(zones(), before)
        self.assertTrue(self.secondary.guards.accept(nameFromText(CATALOG)))
        self.secondary.replication.refresh(nameFromText(CATALOG))
        self.network.advance(5)
        self.assertNotIn("zone0.example.", zones())

    def test_manyZonesAreAddedInTurns(self) -> None:
        """
        Each turn adds or removes a limited number of zones; a newer version of the catalog replaces what is left of the older one.
        """
        self.follow()
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        counts: list[int] = []

        def turn() -> None:
            counts.append(len(secondaries) - 1)

        def list_(serial: int, *numbers: int) -> None:
            members = [Member(nameFromText(f"zone{number}.example"), b"m%d" % number) for number in numbers]
            # The server lets other work run after each of its turns.
            for _ in range(8):
                self.there[1].callLater(0, turn)
            self.secondary.replication._install(nameFromText(CATALOG), catalogVersion(nameFromText(CATALOG), serial, members))

        with patch("twisted_ext.server.zones.transfer.replication.STARTS.default", 10):
            list_(1, *range(35))
            self.assertEqual(len(secondaries), 1 + 10)
            list_(2, *range(5), *range(30, 40))
            self.assertEqual(len(secondaries), 1 + 10)
            self.network.advance(0)
            names = {each.text for each in self.secondary.zones} - {CATALOG}
            self.assertEqual(names, {f"zone{number}.example." for number in (*range(5), *range(30, 40))})
            self.assertEqual(len(secondaries), 1 + 15)
            list_(3)
            self.assertEqual(len(secondaries), 1 + 5)
            self.network.advance(1)
        self.assertEqual(len(secondaries), 1)
        self.assertLessEqual(max([abs(after - before) for before, after in pairwise(counts)]), 10)

    def test_unknownMemberKeyIsRefused(self) -> None:
        """
        An unknown key for the zones of a catalog is an error before the catalog has any zone.
        """
        for said in ({"member_primaries": ["192.0.2.1 key=other"]}, {"group_primaries": ["fast 192.0.2.1 key=other"]}):
            fault = self.assertRaises(BadDescription, self.follow, **said)
            self.assertIn("other", str(fault))

    def test_unchangedCatalogKeepsSerial(self) -> None:
        """
        A catalog with the same content keeps its serial number, so no secondary is notified.
        """
        self.produce(NAMES[0])
        place = self.primary.zones.at(nameFromText(CATALOG))
        assert place is not None and place.zone is not None
        before = place.zone.current
        self.changeTo(NAMES[0])
        self.assertIs(place.zone.current, before)
        self.changeTo(NAMES[0], group=["fast"])
        self.assertGreater(place.zone.current.serial, before.serial)
        (member,) = Catalog.fromVersion(place.zone.current).members.values()
        self.assertEqual(member.groups, ("fast",))

    def test_groupSelectsPrimaries(self) -> None:
        """
        The zones of a group come from the primaries of the group.
        """
        self.produce(NAMES[0], group=["fast"])
        self.follow(member_primaries=["192.0.2.99"], group_primaries=[f"fast {PRIMARY}", "slow 192.0.2.98"])
        self.assertEqual(self.served(), [NAMES[0]])
        self.changeTo(NAMES[0], group=["slow"])
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        zone = secondaries.at(nameFromText(NAMES[0]))
        assert zone is not None
        self.assertEqual([remote.server.address for remote in zone.primaries], ["192.0.2.98"])

    def test_relabeledZoneIsFetchedAgain(self) -> None:
        """
        A zone whose label changes is fetched again, and its stored copy is discarded.
        """
        self.produce(NAMES[0])
        self.follow()
        apex = nameFromText(NAMES[0])
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        before = secondaries.at(apex)
        place = self.primary.zones.at(nameFromText(CATALOG))
        assert place is not None and place.zone is not None
        version = catalogVersion(place.zone.name, place.zone.current.serial + 1, [Member(apex, b"another")])
        place.zone.replace(version)
        self.primary.replication.changed(version)
        self.network.advance(5)
        after = secondaries.at(apex)
        self.assertIsNot(after, before)
        self.assertEqual(self.served(), [NAMES[0]])

    def test_brokenCatalogChangesNothing(self) -> None:
        """
        A broken catalog changes nothing, and its error is recorded.
        """
        self.produce(NAMES[0])
        self.follow()
        place = self.primary.zones.at(nameFromText(CATALOG))
        assert place is not None and place.zone is not None
        text = f"@ SOA invalid. invalid. {place.zone.current.serial + 1} 3600 600 86400 60\n@ NS invalid.\nversion TXT 3\n"
        version = Zone.fromRecords(CATALOG, setsOf(text, CATALOG)).current
        place.zone.replace(version)
        self.primary.replication.changed(version)
        self.network.advance(5)
        self.assertEqual(self.served(), [NAMES[0]])
        self.assertIn("'3' where 2", self.secondary.replication.cataloging.broken[nameFromText(CATALOG)])
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    def test_configuredZoneIsNotMember(self) -> None:
        """
        A zone in the settings is not taken from a catalog; once it leaves the settings, the catalog gets it.
        """
        self.produce(NAMES[0])
        self.follow(table(NAMES[0], primaries=["192.0.2.99"]))
        self.assertEqual(self.served(), [])
        self.assertIn(nameFromText(NAMES[0]), self.secondary.replication.cataloging.catalogs.clashes)
        self.follow()
        self.network.advance(600)
        self.assertEqual(self.served(), [NAMES[0]])
        self.follow(table(NAMES[0], primaries=["192.0.2.99"]))
        self.assertEqual(self.secondary.replication.cataloging.catalogs.members(nameFromText(CATALOG)), [])

    def test_unfollowedCatalogLosesZones(self) -> None:
        """
        The zones of a catalog that is not followed any more are removed.
        """
        self.produce(NAMES[0])
        self.follow()
        applyZones(self.secondary.replication, [table(CATALOG, primaries=[PRIMARY])], KEYS)
        self.network.advance(1)
        self.assertEqual(self.served(), [])

    def test_zonesSurviveRestart(self) -> None:
        """
        The zones of a catalog are served right after a restart, even if the primary is down.
        """
        self.produce(NAMES[0], NAMES[1])
        self.follow()
        self.secondary.end()
        self.primary.end()
        self.network.advance(1)
        self.secondary.begin()
        applyZones(self.secondary.replication, [table(CATALOG, catalog="follow", primaries=[PRIMARY])], KEYS)
        self.assertEqual(self.served(), [NAMES[0], NAMES[1]])

    def relabel(self) -> None:
        """
        Let the primary list only one zone, under another label and with an earlier serial number, as a zone that starts again may have.
        """
        self.network.advance(3)
        place = self.primary.zones.at(nameFromText(CATALOG))
        assert place is not None and place.zone is not None
        apex = nameFromText(NAMES[0])
        place.zone.replace(catalogVersion(place.zone.name, place.zone.current.serial + 1, [Member(apex, b"another")]))
        other = self.primary.zones.at(apex)
        assert other is not None and other.zone is not None
        other.zone.replace(Zone.fromRecords(apex, setsOf(HEAD.replace(" 1 3600", " 0 3600"), NAMES[0])).current)

    def assertRelabeled(self) -> None:
        """
        Assert that the secondary has the new zone.
        """
        self.assertEqual(self.served(), [NAMES[0]])
        mine = self.secondary.zones.at(nameFromText(NAMES[0]))
        assert mine is not None and mine.zone is not None
        self.assertEqual(mine.zone.current.serial, 0)
        self.assertEqual(self.storedZones(), ["catalog.invalid", "one.example"])

    def storedZones(self) -> list[str]:
        """
        Return the zones that the secondary has files of.
        """
        return sorted({name.rpartition(".")[0] for name in os.listdir(self.secondary.folder)} - {""})

    def test_changesDuringRestartCount(self) -> None:
        """
        Changes of a catalog while the secondary is down take effect after its restart: a zone that is not listed any more is removed, and a
        zone with another label is fetched again. A half-written line of the old process does no harm.
        """
        self.produce(NAMES[0], NAMES[1])
        self.follow()
        self.secondary.end()
        with open(f"{self.secondary.folder}/catalogs", "a", encoding="ascii") as file:
            file.write("03")
        self.relabel()
        self.secondary.begin()
        applyZones(self.secondary.replication, [table(CATALOG, catalog="follow", primaries=[PRIMARY])], KEYS)
        self.assertEqual(self.served(), [NAMES[0], NAMES[1]])
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        catalog = secondaries.at(nameFromText(CATALOG))
        assert catalog is not None
        catalog.refreshNow()
        self.network.advance(5)
        self.assertRelabeled()

    def test_changesCountWithoutStoredCatalog(self) -> None:
        """
        The same holds if the stored catalog is lost, so that this process starts from the new version.
        """
        self.produce(NAMES[0], NAMES[1])
        self.follow()
        self.secondary.end()
        self.relabel()
        for name in os.listdir(self.secondary.folder):
            if name.startswith("catalog.invalid"):
                os.unlink(f"{self.secondary.folder}/{name}")
        self.secondary.begin()
        self.follow()
        self.assertRelabeled()

    def rival(self, *members: Member, serial: int = 1) -> None:
        """
        Let the primary serve another catalog, which lists these zones.
        """
        apex = nameFromText(RIVAL)
        version = catalogVersion(apex, serial, members)
        place = self.primary.zones.at(apex)
        if place is None or place.zone is None:
            self.primary.zones.put(Zone(version))
        else:
            place.zone.replace(version)

    def followBoth(self) -> None:
        """
        Let the secondary follow both catalogs, the other one first, and refresh both.
        """
        said = {"catalog": "follow", "primaries": [PRIMARY]}
        applyZones(self.secondary.replication, [table(RIVAL, **said), table(CATALOG, **said)], KEYS)
        self.refreshBoth()

    def refreshBoth(self) -> None:
        """
        Let the secondary refresh both catalogs now.
        """
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        for name in (RIVAL, CATALOG):
            zone = secondaries.at(nameFromText(name))
            if zone is not None:
                zone.refreshNow()
        self.network.advance(5)

    @property
    def owner(self) -> str:
        """
        The catalog that owns the first zone.
        """
        owned = self.secondary.replication.cataloging.catalogs.owned.get(nameFromText(NAMES[0]))
        return "" if owned is None else nameToText(owned[0])

    def restart(self) -> None:
        """
        Restart the secondary.
        """
        self.secondary.end()
        self.network.advance(1)
        self.secondary.begin()
        self.followBoth()

    def contend(self, **said: object) -> None:
        """
        Let one catalog own a zone, and let the other one list it in vain.
        """
        self.produce(NAMES[0])
        applyZones(self.primary.replication,
            [
                table(CATALOG, catalog="produce", allow_transfer=["192.0.2.0/24"]),
                table(RIVAL, file="/zones/nobody-reads-it", allow_transfer=["192.0.2.0/24"]),
                table(NAMES[0], file="/zones/nobody-reads-it", listed_in=CATALOG, allow_transfer=["192.0.2.0/24"]),
            ],
            KEYS,
        )
        self.rival()
        self.followBoth()
        self.assertEqual((self.owner, self.served()), (CATALOG, [NAMES[0]]))
        self.rival(Member(nameFromText(NAMES[0]), b"rival"), serial=2)
        self.refreshBoth()
        self.assertEqual(self.owner, CATALOG)

    def test_ownerStaysAfterRestart(self) -> None:
        """
        After a restart a zone still belongs to its catalog, although another catalog that lists it comes first in the settings (RFC 9432,
        sections 5.2 and 5.5).
        """
        self.contend()
        for _ in range(2):
            self.restart()
            self.assertEqual((self.owner, self.served()), (CATALOG, [NAMES[0]]))

    def test_ownerStaysWithoutStoredCatalog(self) -> None:
        """
        The same holds if the owner is not stored and arrives after the other catalog.
        """
        self.contend()
        self.secondary.end()
        self.network.advance(1)
        for name in os.listdir(self.secondary.folder):
            if name.startswith("catalog.invalid"):
                os.unlink(f"{self.secondary.folder}/{name}")
        place = self.primary.zones.at(nameFromText(CATALOG))
        assert place is not None
        zone, place.zone = place.zone, None
        self.secondary.begin()
        self.followBoth()
        self.assertEqual((self.owner, self.served()), ("", []))
        place.zone = zone
        self.network.advance(30)
        self.assertEqual((self.owner, self.served()), (CATALOG, [NAMES[0]]))

    def test_movedZoneStaysAfterRestart(self) -> None:
        """
        A zone that has moved by its coo property stays with its new catalog after a restart, although the old one still lists it.
        """
        self.contend()
        place = self.primary.zones.at(nameFromText(CATALOG))
        assert place is not None and place.zone is not None
        serial = place.zone.current.serial
        for number, coo in enumerate((nameFromText(RIVAL), b""), 1):
            mine = Member(nameFromText(NAMES[0]), b"mine", coo=coo)
            place.zone.replace(catalogVersion(place.zone.name, serial + number, [mine]))
            self.refreshBoth()
            self.assertEqual(self.owner, RIVAL)
        self.restart()
        self.assertEqual((self.owner, self.served()), (RIVAL, [NAMES[0]]))

    def test_unlistedZoneChangesOwner(self) -> None:
        """
        A zone that its catalog has dropped while the server was down is fetched again for the other catalog.
        """
        self.contend()
        self.secondary.end()
        place = self.primary.zones.at(nameFromText(CATALOG))
        assert place is not None and place.zone is not None
        place.zone.replace(catalogVersion(place.zone.name, place.zone.current.serial + 1, []))
        self.secondary.begin()
        self.followBoth()
        self.network.advance(30)
        self.assertEqual((self.owner, self.served()), (RIVAL, [NAMES[0]]))

    def test_documentedSettingsAreValid(self) -> None:
        """
        The settings in the documentation are valid.
        """
        for name, followed in (("producing", 0), ("following", 1)):
            with open(ROOT / "docs" / "listings" / "zonefiles" / f"{name}.toml", "rb") as file:
                zones = [ZoneSettings.fromTable(each) for each in tomllib.load(file)["zone"]]
            cataloging = CatalogSettings()
            self.assertEqual(list(cataloging.checking(zones)), [None] * len(zones))
            cataloging.apply(zones)
            self.assertEqual((len(cataloging.followed), len(producedBy(cataloging))), (followed, 1 - followed))

    def test_contradictingSettingsAreRefused(self) -> None:
        """
        Settings that contradict each other are an error before anything changes.
        """
        for zones in (
            [table(CATALOG, catalog="produce", primaries=[PRIMARY])],
            [table(CATALOG, catalog="follow", file="/zones/catalog")],
            [table(NAMES[0], file="/zones/one", listed_in=CATALOG)],
            [table(NAMES[0], file="/zones/one", listed_in=CATALOG), table(CATALOG, catalog="follow", primaries=[PRIMARY])],
        ):
            self.assertRaises(BadDescription, applyZones, self.secondary.replication, zones, KEYS)
        self.assertRaises(BadDescription, table, CATALOG, catalog="sideways")
        self.assertRaises(BadDescription, table, CATALOG, catalog="follow", group_primaries=["fast"])


class RememberedTests(SynchronousTestCase):
    """
    Tests with a file.
    """

    def setUp(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="txdns-catalogs-")
        self.addCleanup(rmtree, self.folder)
        self.path = os.path.join(self.folder, "catalogs")
        self.events: list[LogEvent] = []
        observe = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def loggedLines(self) -> list[str]:
        """
        Return the log lines about the file.
        """
        return [formatEvent(event) for event in self.events if "path" in event]

    def written(self, *owners: tuple[bytes, tuple[bytes, bytes] | None]) -> OwnershipLog:
        """
        Record these owners, each in its own line.
        """
        remembered = OwnershipLog(self.path)
        for apex, owner in owners:
            remembered.note({apex: owner})
            remembered.write()
        return remembered

    def test_lastOwnerIsRead(self) -> None:
        """
        The last recorded owner of a zone counts, and a removed zone has none.
        """
        self.written((A, (ONE, b"l")), (B, (ONE, b"m")), (A, (TWO, b"l")), (B, None))
        again = OwnershipLog(self.path)
        self.assertEqual((again.get(A), again.get(B), again.membersOf(TWO), again.membersOf(ONE)), ((TWO, b"l"), None, [A], []))
        self.assertEqual(self.loggedLines(), [])

    def test_notesAreWrittenInOrder(self) -> None:
        """
        Notes are written in their order, whichever of two threads writes them.
        """
        remembered = self.written((B, (ONE, b"m")))
        remembered.note({A: (ONE, b"l")})
        remembered.note({A: None})
        # The thread of the first note comes second and finds nothing to write.
        remembered.write()
        remembered.write()
        self.assertIsNone(OwnershipLog(self.path).get(A))

    def test_unwrittenNoteIsLost(self) -> None:
        """
        The owner is unchanged if the process is killed before it writes.
        """
        remembered = self.written((A, (ONE, b"l")))
        remembered.note({A: (TWO, b"l")})
        self.assertEqual(OwnershipLog(self.path).get(A), (ONE, b"l"))

    def test_truncatedFileInventsNoOwner(self) -> None:
        """
        A file that a crash truncates at any point gives a zone its old owner, its new owner or none.
        """
        self.written((A, (ONE, b"label")), (A, (TWO, b"label")))
        with open(self.path, "rb") as file:
            whole = file.read()
        for end in range(len(whole)):
            with open(self.path, "wb") as file:
                file.write(whole[:end])
            self.assertIn(OwnershipLog(self.path).get(A), (None, (ONE, b"label"), (TWO, b"label")))

    def test_damagedLineIsLoggedOnce(self) -> None:
        """
        A damaged line is logged once with the file and the line number. The other lines count, and the file is repaired.
        """
        self.written((A, (ONE, b"l")), (B, (TWO, b"m")))
        with open(self.path, "rb") as file:
            whole = file.read()
        for position, octets in ((12, b"0"), (0, b"\0" * 64), (20, b"\xff")):
            with open(self.path, "wb") as file:
                damaged = bytearray(whole)
                damaged[position : position + len(octets)] = octets if damaged[position : position + 1] != octets else b"1"
                file.write(damaged)
            self.events.clear()
            again = OwnershipLog(self.path)
            said = self.loggedLines()
            self.assertEqual(len(said), 1)
            self.assertIn(self.path, said[0])
            self.assertIn("line 1", said[0])
            self.assertNotEqual(again.get(A), (TWO, b"l"))
            with open(f"{self.path}.damaged", "rb") as file:
                self.assertEqual(file.read(), bytes(damaged))
            self.events.clear()
            self.assertEqual((OwnershipLog(self.path).get(B), self.loggedLines()), (again.get(B), []))

    def test_fileWithoutChecksumsIsUpgraded(self) -> None:
        """
        A file without checksums is read, and rewritten with them.
        """
        with open(self.path, "w", encoding="ascii") as file:
            file.write(f"\n{A.hex()} {ONE.hex()} {b'l'.hex()}\n\n{B.hex()} {ONE.hex()} {b'm'.hex()}\n\n{B.hex()}\n")
        old = OwnershipLog(self.path)
        self.assertEqual((old.get(A), old.get(B)), ((ONE, b"l"), None))
        with open(self.path, encoding="ascii") as file:
            self.assertEqual([line[0] for line in file], ["#"])

    def test_fileSizeIsBounded(self) -> None:
        """
        The size of the file is limited, however often owners change.
        """
        remembered = OwnershipLog(self.path)
        for number in range(3000):
            remembered.note({A: (ONE, b"%d" % number)})
            remembered.write()
        self.assertLess(os.path.getsize(self.path), 2000 * 50)
        self.assertEqual(OwnershipLog(self.path).get(A), (ONE, b"2999"))

    def test_fullDiskDelaysNote(self) -> None:
        """
        A note that a full disk did not take is written with the next one.
        """
        remembered = self.written((A, (ONE, b"l")))
        with patch("twisted_ext.server.zones.transfer.catalogs.os.fsync", side_effect=OSError(28, "No space left on device")):
            remembered.note({A: (TWO, b"l")})
            remembered.write()
        self.assertIn("No space left", self.loggedLines()[0])
        remembered.note({B: (TWO, b"m")})
        remembered.write()
        again = OwnershipLog(self.path)
        self.assertEqual((again.get(A), again.get(B)), ((TWO, b"l"), (TWO, b"m")))
