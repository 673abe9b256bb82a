"""
Tests of L{twisted_ext.zone.build.jobs}: what each version of a zone goes through before it is served.
"""

from __future__ import annotations

import json
from unittest.mock import patch

from twisted.internet.defer import succeed

from tests.server.zones.load.signed import APEX, NAME, SignedLoadingCase
from tests.server.zones.update.changed import SlowDisk
from tests.zone.changing import edited, versionOf
from twisted_ext.errors import BadZone
from twisted_ext.server.config import zonesettings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.load.arrivals import Arrivals
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.rrtypes import DNSKEY, RRSIG
from twisted_ext.zone.build import jobs
from twisted_ext.zone.build.jobs import CompileJobs
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.reader import MasterFileContent


def _bound(content: MasterFileContent, most: int, now: float, result: dict[str, object]) -> None:
    """
    A stage that refuses zones with too many names.
    """
    if len(content.builder.nodes) > most:
        raise BadZone(f"{len(content.builder.nodes)} names, where most-names allows {most}")
    result["counted"] = len(content.builder.nodes)


class StageTests(SignedLoadingCase):
    """
    Tests with a stage of their own.
    """

    def setUp(self) -> None:
        super().setUp()
        for module, name, value in (
            (jobs, "STAGES", (("most-names", _bound), *jobs.STAGES)),
            (zonesettings, "_STAGES", ("most-names",)),
        ):
            patching = patch.object(module, name, value)
            patching.start()
            self.addCleanup(patching.stop)

    def zone(self, more: str = "", most: int = 3, *, sign: bool = False) -> ZoneSettings:
        """
        Write a zone with a bound.
        """
        settings = self.writeSigned(more, sign=sign)
        return ZoneSettings({**settings.values, "most-names": most})

    def test_refusedVersionIsNeverSeen(self) -> None:
        """
        A version that a stage refuses is not served, and the log says why; the next one that passes is.
        """
        zone = self.zone("a A 192.0.2.1\n")
        self.load(zone)
        self.assertEqual(self.serial(NAME), 1)
        self.writeSigned("a A 192.0.2.1\nb A 192.0.2.1\n", serial=2)
        self.advance()
        self.assertEqual(self.serial(NAME), 1)
        self.assertIn("4 names, where most-names allows 3", self.said())
        self.writeSigned("b A 192.0.2.1\n", serial=3)
        self.advance()
        self.assertEqual(self.serial(NAME), 3)

    def test_otherSettingMakesAnotherVersion(self) -> None:
        """
        If what a stage is to do changes, the zone is loaded again, although its file has not changed: at a reload and at the next start.
        The former version stays if the stage refuses it.
        """
        loading = self.load(self.zone("a A 192.0.2.1\n"))
        self.assertEqual(self.compilers.made, 1)
        same = ZoneSettings({**self.writeSigned("a A 192.0.2.1\n", sign=False).values, "most-names": 3})
        self.finish(loading.reload([same]))
        self.assertEqual(self.compilers.made, 2)
        self.finish(loading.reload([same]))
        self.assertEqual(self.compilers.made, 2)
        less = ZoneSettings({**same.values, "most-names": 2})
        self.finish(loading.reload([less]))
        self.assertEqual((self.compilers.made, self.serial(NAME)), (3, 1))
        self.assertIn("3 names, where most-names allows 2", self.said())
        self.close(loading)
        self.zones = Zones()
        loading = self.load(same)
        self.assertEqual((self.compilers.made, self.serial(NAME)), (0, 1))
        self.close(loading)
        self.zones = Zones()
        self.load(less)
        self.assertEqual((self.compilers.made, self.serial(NAME)), (1, None))

    def test_whatArrivesPassesThemToo(self) -> None:
        """
        A version from a database or a primary passes them before it is served, whether or not the zone is signed. Once its settings have
        none, what came last is served, without a word about signatures.
        """
        loading = self.load()
        disk = SlowDisk()
        arrivals = Arrivals(self.clock, self.publisher, loading, str(self.folder / "state"), disk)
        self.addCleanup(arrivals.close, succeed(None))

        def come(version: Version) -> None:
            arrivals.arrived(version, "zones.sqlite")
            disk.settle()
            self.compilers.run()
            self.clock.advance(0.1)

        values = {"name": f"{NAME}.", "store": "/zones.sqlite"}
        arrivals.follow(APEX, ZoneSettings({**values, "most-names": 30}))
        version = versionOf()
        come(version)
        self.assertEqual(self.serial(NAME), version.serial)
        self.assertEqual(self.types() & {RRSIG, DNSKEY}, set())
        arrivals.follow(APEX, ZoneSettings({**values, "most-names": 2}))
        come(edited(version, "new 60 A 192.0.2.1"))
        self.assertEqual(self.serial(NAME), version.serial)
        self.assertIn("where most-names allows 2", self.said())
        arrivals.follow(APEX, ZoneSettings(values))
        self.assertEqual(self.serial(NAME), version.serial + 1)
        self.assertNotIn("no longer signed", self.said())

    def test_beforeSigning(self) -> None:
        """
        Stages are passed in their order: what is signed has passed those before, and what is refused is not signed.
        """
        self.load(self.zone("a A 192.0.2.1\n", sign=True))
        self.assertEqual(self.serial(NAME), 1)
        self.assertRegex(self.said(), r"signed: 8 signatures, the first of which")
        self.events.clear()
        self.writeSigned("a A 192.0.2.1\nb A 192.0.2.1\n")
        self.advance()
        self.assertIn("4 names, where most-names allows 3", self.said())
        self.assertNotIn("signed:", self.said())
        self.writeSigned("c A 192.0.2.1\n")
        self.advance()
        self.assertEqual(self.serial(NAME), 2)
        self.assertIn("of them as before", self.said())

    def test_unknownStage(self) -> None:
        """
        A job with a stage that there is not is refused, so that none is left out in silence.
        """
        zone = self.writeSigned()
        line = json.dumps({"name": f"{NAME}.", "path": zone.file, "image": "x.image", "now": 1, "stages": {"polish": {}}})
        result = CompileJobs().perform(line.encode())
        self.assertIn("not all of these stages are known: polish", str(result["complaints"]))
