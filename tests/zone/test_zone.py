"""
Tests of zones built by code.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.models import record
from twisted_ext.errors import BadChange, BadRecord, BadZone
from twisted_ext.limits import Limit
from twisted_ext.wire.names import nameFromText
from twisted_ext.zone import Zone
from twisted_ext.zone.limits import OVERLAY_NODES
from twisted_ext.zone.store import version
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.nodes import Node, keyBelow
from twisted_ext.zone.store.traversal import stretches
from twisted_ext.zone.store.version import Version

TEXT = """
$TTL 300
@    SOA ns1 admin 1 3600 900 604800 300
     NS  ns1
ns1  A   192.0.2.1
Www  A   192.0.2.2
     A   192.0.2.3
"""


RECORDS = tuple(
    record(line)
    for line in """
    test.Example. 3600 SOA ns1.test.example. admin.test.example. 7 3600 900 604800 300
    test.Example. 3600 NS ns1.test.example.
    ns1.test.example. 3600 A 192.0.2.1
    a.b.test.Example. 60 TXT "deep"
    sub.test.example. 60 NS ns.sub.test.example.
    ns.sub.test.example. 60 A 192.0.2.2
    """.strip().splitlines()
)


class ZoneTests(SynchronousTestCase):
    """
    Tests for L{Zone}.
    """

    def test_zoneFromRecords(self) -> None:
        """
        A zone built from records has each at its name, the empty non-terminals, and the serial number.
        """
        zone = Zone.fromRecords("test.Example", RECORDS)
        current = zone.current
        self.assertEqual((current.serial, current.recordCount, current.nodeCount), (7, 6, 6))
        node = current.find(b"\x01a\x01b")
        assert node is not None
        self.assertEqual(node.sets, (RECORDS[3],))
        empty = current.find(b"\x01b")
        assert empty is not None
        self.assertEqual((empty.sets, empty.children), ((), 1))
        self.assertIsNone(current.find(b"\x01c"))

    def test_editLeavesFormerVersion(self) -> None:
        """
        An edit yields a new version, and the former one does not change.
        """
        zone = Zone.fromRecords("test.Example", RECORDS)
        before = zone.current
        zone.replace(before.edited({b"\x01a\x01b": ()}))
        self.assertIsNone(zone.current.find(b"\x01b"))
        self.assertIsNotNone(before.find(b"\x01b"))
        self.assertEqual(zone.epoch.value, 1)
        self.assertEqual(zone.current.recordCount, 5)
        self.assertEqual(sum([count for _, count in stretches(zone.current)]), 5)

    def text(self) -> Zone:
        """
        Return a zone built from text.
        """
        return Zone.fromText(TEXT, "test.Example")

    def at(self, zone: Zone, name: str) -> Node | None:
        """
        Return the node of a name.
        """
        key = keyBelow(nameFromText(name, zone.apex), zone.apex)
        assert key is not None
        return zone.current.find(key)

    def test_zoneFromText(self) -> None:
        """
        A zone is built from a string or from octets, with its name as text or in wire format.
        """
        for zone in (self.text(), Zone.fromText(TEXT.encode(), nameFromText("test.Example"))):
            self.assertEqual((zone.current.serial, zone.current.recordCount), (1, 5))
            self.assertEqual((zone.name, zone.apex), (b"\x04test\x07Example\x00", b"\x04test\x07example\x00"))
            node = self.at(zone, "www")
            assert node is not None
            self.assertEqual([(rrset.rrType, rrset.ttl, len(rrset.rdatas)) for rrset in node.sets], [(1, 300, 2)])
            self.assertEqual(node.sets[0].name, b"\x03Www\x04test\x07Example\x00")
        self.assertEqual(repr(self.text()), "<Zone test.example. at 1>")

    def test_largeChangeBuildsNewImage(self) -> None:
        """
        A change that exceeds the overlay builds a new image.
        """
        zone = self.text()
        few = Limit(8, 8, 8)
        with patch("twisted_ext.zone.store.overlay.OVERLAY_NODES", few), patch("twisted_ext.zone.store.version.OVERLAY_NODES", few):
            zone.add(*[f"h{number} A 192.0.2.1" for number in range(50)])
            self.assertEqual((zone.current.recordCount, zone.current.overlay), (55, {}))
            zone.remove(*[f"h{number} A 192.0.2.1" for number in range(50)])
        self.assertEqual((zone.current.recordCount, zone.current.serial), (5, 3))

    def test_invalidTextIsRefused(self) -> None:
        """
        An invalid zone text is refused with the first mistake, its place and the number of the others.
        """
        fault = self.assertRaises(BadZone, Zone.fromText, TEXT + "x A 1.2.3\ny MOX 7\n", "test.example")
        self.assertIn("8:", str(fault))
        self.assertIn("1 more", str(fault))
        self.assertEqual(len(fault.complaints), 2)
        self.assertRaises(BadZone, Zone.fromText, "www 60 A 192.0.2.1\n", "test.example")
        self.assertRaises(BadZone, Zone.fromText, "$INCLUDE /etc/hosts\n" + TEXT, "test.example")
        self.assertRaises(BadZone, Zone.fromRecords, "example.org", RECORDS)

    def test_recordsAreAddedAtOnce(self) -> None:
        """
        Records are added as lines or as sets, all at once, and the serial number increases if anything changes.
        """
        zone = self.text()
        before = zone.current
        zone.add("mail A 192.0.2.9", 'mail.test.Example. 60 TXT "x"', record("other 60 AAAA 2001:db8::1"))
        self.assertEqual((zone.current.serial, zone.epoch.value, zone.current.recordCount), (2, 1, 8))
        node = self.at(zone, "MAIL")
        assert node is not None
        self.assertEqual([(rrset.rrType, rrset.ttl) for rrset in node.sets], [(1, 300), (16, 60)])
        self.assertEqual(before.recordCount, 5)
        zone.add("mail A 192.0.2.9")
        self.assertEqual((zone.current.serial, zone.epoch.value), (2, 1))

    def test_addedSOAReplacesFormer(self) -> None:
        """
        An added SOA record replaces the former one.
        """
        zone = self.text()
        zone.add("@ SOA ns1 other 2026112000 3600 900 604800 300")
        self.assertEqual((zone.current.serial, zone.current.recordCount), (2026112000, 5))

    def test_recordsAreRemovedWhateverTheirTTL(self) -> None:
        """
        Records are removed whatever their TTL, and a name disappears with its last record.
        """
        zone = self.text()
        zone.remove("www 7 A 192.0.2.2", "ns1 A 192.0.2.77")
        self.assertEqual((zone.current.serial, zone.current.recordCount), (2, 4))
        zone.remove("www A 192.0.2.3")
        self.assertIsNone(self.at(zone, "www"))
        zone.remove("www A 192.0.2.3")
        self.assertEqual(zone.current.serial, 3)

    def test_invalidChangeLeavesTheZone(self) -> None:
        """
        An invalid change is refused and leaves the zone as it was.
        """
        zone = self.text()
        self.assertRaises(BadRecord, zone.add, "www A 192.0.2")
        self.assertRaises(BadChange, zone.add, "good A 192.0.2.1", "www.example.org. A 192.0.2.1")
        self.assertRaises(BadChange, zone.add, "www CNAME ns1")
        self.assertRaises(BadChange, zone.remove, "@ NS ns1")
        self.assertRaises(BadZone, zone.replace, Zone.fromText(TEXT, "other.test").current)
        self.assertEqual((zone.current.serial, zone.epoch.value), (1, 0))

    def test_builtZoneRenewsItsImage(self) -> None:
        """
        A zone built by code builds its next image itself after enough changes. A zone mapped from a file does not.
        """
        self.patch(version, "OVERLAY_NODES", type(OVERLAY_NODES)(5, 1, 5))
        with TemporaryDirectory() as folder:
            path = str(Path(folder, "zone.image"))
            self.text().current.compacted(path, b"said")
            for zone, settles in ((self.text(), True), (Zone(Version(Image.open(path))), False)):
                for number in range(30):
                    zone.add(f"h{number} A 192.0.2.1")
                self.assertEqual((zone.current.serial, zone.current.recordCount), (31, 35))
                self.assertEqual(not zone.current.crowded, settles)
                self.assertEqual(zone.current.image.nodes > 20, settles)
            self.assertEqual(zone.current.image.fingerprint, b"said")
