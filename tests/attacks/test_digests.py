"""
Attack 28, once more: whoever sits between a primary and us, or has taken over the primary, gives us another zone than its owner made
(CVE-2026-42390 and its like).
"""

from __future__ import annotations

from pathlib import Path

from tests.server.transfer.replicas import KEYS, PRIMARY, SECONDARY, ReplicaTestCase
from tests.zone.changing import APEX, ZONE, records
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.zone.check.zonemd import withDigests
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone


class DigestTests(ReplicaTestCase):
    """
    Tests with a zone that has a ZONEMD record.
    """

    def kept(self) -> list[Path]:
        """
        @return: the secondary's files.
        """
        return list(Path(self.secondary.folder).iterdir())

    def offer(self, version: Version) -> None:
        """
        Have the primary serve this, and tell of it.
        """
        self.primary.zones.put(Zone(version))
        self.primary.changes.differences.clear()
        self.primary.replication.changed(version)
        self.network.advance(70)

    def begin(self, wish: str, digested: bool = True) -> Version:
        """
        @return: a zone, as it is served at first.
        """
        version = Zone.fromRecords(APEX, records(ZONE)).current
        if digested:
            version = withDigests(version)
        self.primary.zones.put(Zone(version))
        self.primary.adopt(allow_transfer=["192.0.2.0/24"], notify=[SECONDARY])
        self.follow(wish)
        self.network.advance(1)
        return version

    def follow(self, wish: str) -> None:
        """
        Have the secondary fetch the zone.
        """
        said: dict[str, object] = {"name": "example.org", "primaries": [PRIMARY]}
        if wish:
            said["zonemd"] = wish
        self.secondary.replication.adopt([ZoneSettings.fromTable(said)], KEYS)

    def tampered(self, digested: bool) -> Version:
        """
        @return: the zone with another address in it, later and with the digest of the one before, or with none.
        """
        text = ZONE.replace(" 10 3600", " 11 3600").replace("192.0.2.3", "192.0.2.66")
        version = Zone.fromRecords(APEX, records(text)).current
        if not digested:
            return version
        (digest,) = [rrset for rrset in withDigests(version).top.sets if rrset.rrType == 63]
        wrong = digest.rdatas[0][:-1] + bytes([digest.rdatas[0][-1] ^ 1])
        changed = type(digest)(digest.name, 63, 1, digest.ttl, (wrong,))
        return version.edited({b"": (*version.top.sets, changed)})

    def test_tampered(self) -> None:
        """
        Another zone than its digest says is not taken, and what there was stays, over a restart as well. Without the setting it is taken.
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
            for name in self.kept():
                name.unlink()
            self.secondary.begin()

    def test_takenOut(self) -> None:
        """
        Whoever takes the digest out gets along with that only where it is not required.
        """
        for wish, serial in (("require", 10), ("check", 11)):
            self.begin(wish)
            self.assertEqual(self.secondary.serial(), 10)
            self.offer(self.tampered(False))
            self.assertEqual(self.secondary.serial(), serial, wish)
            self.secondary.end()
            self.network.advance(1)
            for name in self.kept():
                name.unlink()
            self.secondary.begin()
        self.begin("require", digested=False)
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
