"""
Tests of L{twisted_ext.server.zones.load.arrivals}: zones from databases and primaries that are signed here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest.mock import patch

from twisted.internet.defer import succeed

from tests.server.zones.load.signed import APEX, NAME, SignedLoadingCase
from tests.server.zones.update.changed import SlowDisk
from tests.zone.changing import ZONE, edited, textsOf, versionOf
from twisted_ext.errors import BadDescription, StorageFault
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.load.arrivals import Arrivals
from twisted_ext.server.zones.load.loader import ZoneLoader
from twisted_ext.server.zones.signing.signedzone import SignedZone
from twisted_ext.server.zones.table.zonetable import EXPIRED, FAILED, SERVING, Zones
from twisted_ext.wire.rrtypes import DNSKEY, NSEC, NSEC3PARAM, RRSIG, SOA
from twisted_ext.zone.build.jobs import CompileJobs
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.sign.unsigned import UnsignedVersion
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version

_MADE = {RRSIG, NSEC, NSEC3PARAM, DNSKEY, SOA}


def settingsOf(**values: str) -> ZoneSettings:
    return ZoneSettings({"name": f"{NAME}.", "sign": "default", "store": "/zones.sqlite", **values})


class ArrivalTests(SignedLoadingCase):
    """
    Tests of L{Arrivals}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.disk = SlowDisk()
        self.began = self.begin(settingsOf())

    def begin(self, zone: ZoneSettings | None) -> ZoneLoader:
        """
        Start as a server does.
        """
        self.zones = Zones()
        self.zone = zone
        loading = self.load()
        state = str(self.folder / "state")
        self.arrivals = Arrivals(self.clock, self.publisher, loading, state, self.disk)
        self.addCleanup(self.arrivals.close, succeed(None))
        self.arrivals.follow(APEX, zone)
        return loading

    def restart(self, zone: ZoneSettings | None) -> None:
        """
        End the process and begin another one.
        """
        self.arrivals.close(succeed(None))
        self.close(self.began)
        self.zones = Zones()
        with patch.object(ZoneLoader, "begin"):
            self.began = self.begin(zone)
        self.began.begin([])

    def come(self, version: Version) -> None:
        """
        Let a version arrive, and be signed.
        """
        self.arrivals.arrived(version, "zones.sqlite")
        self.settle()

    def settle(self) -> None:
        self.disk.settle()
        self.compilers.run()
        self.clock.advance(0.1)

    def served(self) -> Version:
        place = self.zones.at(APEX)
        assert place is not None
        zone = place.served()
        assert zone is not None and place.state == SERVING, place
        return zone.current

    def unsigned(self) -> set[tuple[bytes, int, int, bytes]]:
        """
        Return what is served but for what signing has added.
        """
        return {each for each in textsOf(self.served()) if each[1] not in _MADE}

    def assertServes(self, version: Version, serial: int) -> None:
        """
        Check that a version is served, signed.
        """
        self.assertEqual(self.unsigned(), {each for each in textsOf(version) if each[1] != SOA})
        self.assertEqual(self.served().serial, serial)
        for node in self.served().nodes():
            if node.sets:
                self.assertIn(RRSIG, node.types)

    def test_nothingIsServedUnsigned(self) -> None:
        """
        A version is served once it is signed, and its origin is shown.
        """
        version = versionOf()
        self.arrivals.arrived(version, "zones.sqlite")
        self.assertEqual(self.types(), set())
        self.disk.settle()
        self.assertEqual(self.types(), set())
        self.settle()
        self.assertServes(version, 10)
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual(place.file, "/zones.sqlite")
        self.assertIs(self.arrivals.former(APEX), version)
        self.assertIn("the parent needs: example.org. IN DS", self.said())

    def test_changes(self) -> None:
        """
        A later version is signed too: the signatures of what has not changed are kept, and only what has is written.
        """
        version = versionOf()
        self.come(version)
        image = os.stat(self.folder / "state" / "unsigned" / "example.org.image")
        for count in range(3):
            self.events.clear()
            version = edited(version, f"h{count} 300 A 192.0.2.1")
            self.come(version)
            self.assertServes(version, 11 + count)
            self.assertRegex(self.said(), r"signed: \d\d signatures \(\d+ of them as before\)")
        self.assertEqual(os.stat(self.folder / "state" / "unsigned" / "example.org.image"), image)
        after = versionOf(ZONE.replace(" 10 ", " 20 "))
        self.come(after)
        self.assertServes(after, 20)

    def test_signedVersionIsNotJudgedAgain(self) -> None:
        """
        What has arrived was judged before: its signed version is taken whatever it has lost.
        """
        self.come(versionOf(ZONE + "".join([f"h{count} 300 A 192.0.2.1\n" for count in range(60)])))
        self.come(after := versionOf(ZONE.replace(" 10 ", " 20 ")))
        self.assertServes(after, 20)

    def test_manyAtOnce(self) -> None:
        """
        Versions that come while one is written, or signed, are signed in the end: the last one, and none after it.
        """
        first = versionOf()
        self.arrivals.arrived(first)
        second = edited(first, "b 300 A 192.0.2.1")
        self.arrivals.arrived(second)
        self.disk.turn()
        self.arrivals.arrived(third := edited(second, "c 300 A 192.0.2.1"))
        for _ in range(5):
            self.settle()
        self.assertServes(third, 12)
        self.arrivals.arrived(fourth := edited(third, "d 300 A 192.0.2.1"))
        self.disk.settle()
        self.arrivals.arrived(fifth := edited(fourth, "e 300 A 192.0.2.1"))
        for _ in range(5):
            self.settle()
        self.assertServes(fifth, 14)
        self.assertEqual(self.compilers.jobs, [])

    def test_restartMakesNoSignature(self) -> None:
        """
        After a restart the same version is served at once, with the same signatures, and when it has come; another one is signed while the
        former is served.
        """
        version = edited(versionOf(), "a 300 A 192.0.2.1")
        self.come(version)
        before = textsOf(self.served())
        self.restart(settingsOf())
        self.assertEqual((textsOf(self.served()), self.compilers.made), (before, 0))
        self.come(edited(versionOf(), "a 300 A 192.0.2.1"))
        self.assertEqual((textsOf(self.served()), self.compilers.made), (before, 0))
        self.restart(settingsOf())
        self.arrivals.arrived(after := edited(version, "b 300 A 192.0.2.1"))
        self.disk.settle()
        self.assertEqual(textsOf(self.served()), before)
        self.settle()
        self.assertServes(after, 12)

    def test_killedWhileItWasSigned(self) -> None:
        """
        A version that was written, but not signed when the process was killed, is signed after the next start.
        """
        version = versionOf()
        self.come(version)
        after = edited(version, "a 300 A 192.0.2.1")
        self.arrivals.arrived(after)
        self.disk.settle()
        self.restart(settingsOf())
        self.come(edited(versionOf(), "a 300 A 192.0.2.1"))
        self.assertServes(after, 11)

    def test_expired(self) -> None:
        """
        An expired zone is not served, though a version of it is being signed; when it comes again, the last signed one is at once.
        """
        self.come(before := versionOf())
        self.come(version := edited(before, "a 300 A 192.0.2.1"))
        signed = textsOf(self.served())
        self.arrivals.arrived(before)
        self.disk.settle()
        self.arrivals.failed(APEX, "no primary has confirmed it for too long", EXPIRED)
        self.settle()
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual(place.state, EXPIRED)
        self.assertIsNone(self.arrivals.former(APEX))
        self.arrivals.arrived(version)
        self.disk.settle()
        self.assertEqual(textsOf(self.served()), signed)

    def test_expiredWhileItWasWritten(self) -> None:
        """
        A version that was being written when the zone expired is not served.
        """
        self.come(versionOf())
        self.arrivals.arrived(edited(versionOf(), "a 300 A 192.0.2.1"))
        self.arrivals.failed(APEX, "no primary has confirmed it for too long", EXPIRED)
        self.settle()
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual((place.state, self.compilers.jobs), (EXPIRED, []))

    def test_goneAndBack(self) -> None:
        """
        A zone that its database has no more is served no more, nor signed again; if it comes back, it is.
        """
        version = versionOf()
        self.come(version)
        self.arrivals.gone(APEX)
        self.assertIsNone(self.zones.at(APEX))
        self.clock.advance(40 * 86400)
        self.assertEqual(self.compilers.jobs, [])
        self.come(version)
        self.assertServes(version, 10)

    def test_failureIsOver(self) -> None:
        """
        After its origin could not be read, the same version is confirmed: nothing is signed, and the failure is shown no more.
        """
        version = versionOf()
        self.come(version)
        self.arrivals.failed(APEX, "the database is locked")
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual((place.state, place.said), (SERVING, "the database is locked"))
        self.come(version)
        self.assertEqual((place.state, place.said, self.compilers.made), (SERVING, "", 1))

    def test_diskIsFull(self) -> None:
        """
        A version that cannot be written is not served; the log says so, and it is tried again.
        """
        with patch.object(UnsignedVersion, "keep", side_effect=OSError(28, "No space left on device")):
            self.come(versionOf())
            place = self.zones.at(APEX)
            assert place is not None
            self.assertEqual((place.state, place.said), (FAILED, "it cannot be written: No space left on device"))
            self.assertIn("No space left on device; that is tried again in 60 s", self.said())
        self.clock.advance(60)
        self.settle()
        self.assertServes(versionOf(), 10)

    def test_cannotBeSigned(self) -> None:
        """
        A version that cannot be signed is not served: the former one stays. The next one is.
        """
        version = versionOf()
        self.come(version)
        self.come(wrong := edited(version, "x 300 DS 1 13 2 " + "00" * 32))
        self.assertEqual(self.served().serial, 10)
        self.assertIn("x.example.org. has DS records, but no NS records", self.said())
        self.come(right := edited(wrong, "x 300 NS ns1"))
        self.assertEqual(self.served().serial, right.serial)

    def test_signaturesAreRenewed(self) -> None:
        """
        The signatures are made anew in time, without the origin.
        """
        self.come(versionOf())
        with patch.object(SignedZone, "isDue", return_value=True):
            self.clock.advance(60)
        self.settle()
        self.assertServes(versionOf(), 11)

    def test_settings(self) -> None:
        """
        A zone may be signed from now on, by another policy, and no longer. What came last is served each time, and there is no time at
        which nothing is.
        """
        version = versionOf()
        self.restart(plain := ZoneSettings({"name": f"{NAME}.", "store": "/zones.sqlite"}))
        self.come(version)
        self.assertEqual(textsOf(self.served()), textsOf(version))
        self.arrivals.follow(APEX, settingsOf())
        self.assertEqual(textsOf(self.served()), textsOf(version))
        self.settle()
        self.assertServes(version, 11)
        hashed = settingsOf()
        assert hashed.signing is not None
        hashed.signing = type(hashed.signing)(denial="nsec3")
        self.arrivals.follow(APEX, hashed)
        self.assertServes(version, 11)
        self.settle()
        self.assertIn(NSEC3PARAM, self.types())
        self.arrivals.follow(APEX, plain)
        self.assertEqual(textsOf(self.served()), textsOf(version))
        self.assertIn("it is no longer signed; while its parent has a DS record for it", self.said())
        self.settle()
        self.assertEqual(os.listdir(self.folder / "state" / "unsigned"), [])
        self.arrivals.follow(APEX, settingsOf())
        self.settle()
        # The serial goes on behind the last one.
        self.assertEqual(self.served().serial, 13)

    def test_leftFiles(self) -> None:
        """
        Files of zones that are not signed any more are removed at the next start, those of others stay.
        """
        self.come(versionOf())
        folder = self.folder / "state" / "unsigned"
        before = sorted(os.listdir(folder))
        (folder / "gone.example.image").write_bytes(b"x")
        self.restart(settingsOf())
        self.arrivals.sweep([])
        self.assertEqual(sorted(os.listdir(folder)), before)
        self.restart(None)
        self.arrivals.sweep([])
        self.assertEqual(os.listdir(folder), [])

    def test_folderCannotBeMade(self) -> None:
        """
        If the folder for the versions cannot be made, the settings are refused.
        """
        blocked = (self.folder / "blocked").absolute()
        blocked.write_text("")
        arrivals = Arrivals(self.clock, self.publisher, self.began, str(blocked), succeed)
        with self.assertRaisesRegex(BadDescription, "state: .*/blocked/unsigned cannot be used: "):
            arrivals.follow(APEX, settingsOf())


class UnsignedVersionTests(SignedLoadingCase):
    """
    Tests of L{UnsignedVersion}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.file = UnsignedVersion(str(self.folder / "zone.image"))

    def read(self) -> set[tuple[bytes, int, int, bytes]]:
        return textsOf(Version(Image(self.file.read()[0].finish())))

    def test_kept(self) -> None:
        """
        What is kept is read, and written again only if it differs.
        """
        version = versionOf()
        changed = edited(version, "a 300 A 192.0.2.1")
        other = versionOf(ZONE + "b 300 A 192.0.2.1\n")
        for each in (version, changed, edited(changed, "b 300 A 192.0.2.1"), version, changed, other):
            self.assertTrue(self.file.keep(each))
            self.assertFalse(self.file.keep(each))
            self.assertEqual(self.read(), textsOf(each))
        self.file.remove()
        self.assertEqual(os.listdir(self.folder), [])

    def test_mixed(self) -> None:
        """
        Files of which only one was replaced before a crash are not taken for a version, and are replaced by the next one.
        """
        before = edited(versionOf(), "a 300 A 192.0.2.1")
        after = edited(versionOf(ZONE.replace("192.0.2.3", "192.0.2.9")), "c 300 A 192.0.2.1")
        self.file.keep(before)
        old = Path(self.file.path).read_bytes()
        self.file.keep(after)
        Path(self.file.path).write_bytes(old)
        with self.assertRaisesRegex(StorageFault, "does not belong to"):
            self.file.read()
        self.assertTrue(self.file.keep(before))
        self.assertEqual(self.read(), textsOf(before))

    def test_damaged(self) -> None:
        """
        Damaged, cut and missing files are refused, and replaced by the next version.
        """
        version = edited(versionOf(), "a 300 A 192.0.2.1")
        for path in (self.file.path, self.file.changes):
            self.file.keep(version)
            whole = Path(path).read_bytes()
            for octets in (whole[:-1], whole[: len(whole) // 2], b"", whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:], None):
                Path(path).unlink() if octets is None else Path(path).write_bytes(octets)
                with self.assertRaises(StorageFault):
                    self.file.read()
                self.assertTrue(self.file.keep(version))
                self.assertEqual(self.read(), textsOf(version))

    def test_anotherZone(self) -> None:
        """
        A job for another zone gets nothing of these files.
        """
        self.file.keep(versionOf())
        job = {"name": "example.net.", "path": self.file.path, "image": "x", "now": 1_800_000_000, "sources": []}
        signing = {"keys": "k/n", "policy": json.loads(SigningPolicy().toText())}
        result = CompileJobs().perform(json.dumps({**job, "sign": signing}).encode())
        self.assertIn("the image is another zone's", str(result["complaints"]))
        self.assertFalse(os.path.exists("k"))
