"""
Attack 28, once more: an attacker between a primary and us, or one who controls the primary, gives us a changed zone (CVE-2026-42390 and
similar ones).
"""

from __future__ import annotations

from pathlib import Path

from tests.server.zones.transfer.replicas import KEYS, PRIMARY, SECONDARY, ReplicaTestCase, applyZones
from tests.zone.changing import APEX, ZONE, records
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.zone.check.zonemd import withDigests
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone


class DigestTests(ReplicaTestCase):
    """
    Tests with a zone that has a ZONEMD record.
    """

    def files(self) -> list[Path]:
        """
        Return the files of the secondary.
        """
        return list(Path(self.secondary.folder).iterdir())

    def offer(self, version: Version) -> None:
        """
        Let the primary serve this version and send a NOTIFY.
        """
        self.primary.zones.put(Zone(version))
        self.primary.changes.differences.clear()
        self.primary.replication.changed(version)
        self.network.advance(70)

    def begin(self, wish: str, digested: bool = True) -> Version:
        """
        Return a zone, which is served at first.
        """
        version = Zone.fromRecords(APEX, records(ZONE)).current
        if digested:
            version = withDigests(version)
        self.primary.zones.put(Zone(version))
        self.primary.apply(allow_transfer=["192.0.2.0/24"], notify=[SECONDARY])
        self.follow(wish)
        self.network.advance(1)
        return version

    def follow(self, wish: str) -> None:
        """
        Let the secondary transfer the zone.
        """
        said: dict[str, object] = {"name": "example.org", "primaries": [PRIMARY]}
        if wish:
            said["zonemd"] = wish
        applyZones(self.secondary.replication, [ZoneSettings.fromTable(said)], KEYS)

    def tampered(self, digested: bool) -> Version:
        """
        Return a newer version of the zone with another address, with a wrong digest or with none.
        """
        text = ZONE.replace(" 10 3600", " 11 3600").replace("192.0.2.3", "192.0.2.66")
        version = Zone.fromRecords(APEX, records(text)).current
        if not digested:
            return version
        (digest,) = [rrset for rrset in withDigests(version).top.sets if rrset.rrType == 63]
        wrong = digest.rdatas[0][:-1] + bytes([digest.rdatas[0][-1] ^ 1])
        changed = type(digest)(digest.name, 63, 1, digest.ttl, (wrong,))
        return version.edited({b"": (*version.top.sets, changed)})

    def test_zoneWithWrongDigestIsRejected(self) -> None:
        """
        A zone that does not match its digest is rejected, and the old one stays, also after a restart. Without the setting it is accepted.
        """
        for wish, serial in (("check", 10), ("require", 10), ("", 11)):
            self.begin(wish)
            self.assertEqual(self.secondary.serial(), 10)
            self.offer(self.tampered(True))
            self.assertEqual(self.secondary.serial(), serial, wish)
            self.secondary.end()
            self.network.advance(1)
            self.secondary.begin()
            self.follow(wish)
            self.assertIn(self.secondary.serial(), ("the zone is being loaded", serial))
            self.network.advance(1)
            self.assertNotEqual(self.secondary.serial(), 11 if wish else 10)
            self.secondary.end()
            self.network.advance(1)
            for name in self.files():
                name.unlink()
            self.secondary.begin()

    def test_missingDigestIsRejectedWhereRequired(self) -> None:
        """
        A zone without its digest is accepted only where no digest is required.
        """
        for wish, serial in (("require", 10), ("check", 11)):
            self.begin(wish)
            self.assertEqual(self.secondary.serial(), 10)
            self.offer(self.tampered(False))
            self.assertEqual(self.secondary.serial(), serial, wish)
            self.secondary.end()
            self.network.advance(1)
            for name in self.files():
                name.unlink()
            self.secondary.begin()
        self.begin("require", digested=False)
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
