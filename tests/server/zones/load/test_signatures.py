"""
Tests of warnings about signatures that end.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from unittest.mock import patch

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.load.loaded import LoadingCase
from tests.zone.signing import END, signed
from twisted_ext.errors import BadImage
from twisted_ext.server.limits import SIGNATURE_LINES
from twisted_ext.server.zones.load.signatures import SignatureWatch
from twisted_ext.server.zones.table.zonetable import Place, Zones, zoneFigures
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.zone.check.signatureends import FirstEnd, firstEnd
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone

APEX = nameFromText("example.")
TEXT = "@ SOA ns mail 1 3600 600 86400 300\n@ NS ns\nns A 192.0.2.1\n"
DAY = 86_400


def zoneAt(apex: str, text: str = TEXT) -> Zone:
    """
    Return a signed zone, whose signatures end at C{END}.
    """
    return Zone.fromRecords(nameFromText(apex), signed(text, apex))


def imageOf(place: Place) -> Version | None:
    """
    Fail the test: all zones are open.
    """
    raise AssertionError(place)


class SignatureTests(SynchronousTestCase):
    """
    Tests for L{SignatureWatch}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.zones = Zones()
        self.now = 0.0
        self.watch = SignatureWatch(self.clock, self.zones, imageOf, today=lambda: self.now)
        self.addCleanup(self.watch.stop)

    def linesAt(self, now: float) -> list[str]:
        """
        Return the lines that are logged in a round at some time.
        """
        self.now = now
        with capturedLogs() as events:
            self.watch.start()
            self.clock.pump([1] * 62)
        return [formatEvent(event) or "" for event in events]

    def test_oneLineForEachZone(self) -> None:
        """
        Fourteen days before its first signature ends a zone gets one line, then one after each half of the time that is left, and one an
        hour once it has ended. A zone that is signed again, or has no signatures, gets none.
        """
        self.zones.put(zoneAt("example."), now=1)
        self.zones.put(Zone.fromText(TEXT, nameFromText("unsigned.")), now=1)
        self.assertEqual(self.linesAt(END - 15 * DAY), [])
        (line,) = self.linesAt(END - 13 * DAY)
        self.assertIn("zone example.: the first signature ends in 13 days: that of the ", line)
        self.assertIn("at 2023-12-14 22:13 UTC; sign the zone again", line)
        counts = [len(self.linesAt(END - days * DAY)) for days in (12, 7, 6, 5, 3)]
        self.assertEqual(counts, [0, 0, 1, 0, 1])
        (line,) = self.linesAt(END + 10)
        self.assertIn("signatures have expired", line)
        self.assertEqual([len(self.linesAt(END + seconds)) for seconds in (100, 3500, 3700)], [0, 0, 1])
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual((place.toJSON()["signaturesEnd"], zoneFigures(self.zones)["zonesSignatureExpiry"]), (END, END))
        self.zones.put(Zone.fromText(TEXT, APEX), now=2)
        self.assertEqual(self.linesAt(END + 4 * DAY), [])
        self.assertNotIn("signaturesEnd", place.toJSON())

    def test_zoneThatComesBack(self) -> None:
        """
        A zone that was removed and is served again gets its line at once: the operator who adds it has to know.
        """
        zone = zoneAt("example.")
        self.zones.put(zone, now=1)
        self.assertEqual(len(self.linesAt(END - 13 * DAY)), 1)
        self.zones.remove(APEX)
        self.assertEqual(self.linesAt(END - 13 * DAY + 100), [])
        self.zones.put(zone, now=2)
        self.assertEqual(len(self.linesAt(END - 13 * DAY + 200)), 1)
        self.assertEqual(self.linesAt(END - 13 * DAY + 300), [])

    def test_signaturesOfUpdates(self) -> None:
        """
        Signatures that updates have brought to a zone without any are read too.
        """
        zone = Zone.fromText(TEXT, APEX)
        transaction = Transaction(zone.current)
        signature = recordFromText("ns 300 RRSIG A 13 2 300 20231214221320 20231114221320 1 example. AAAA", origin=APEX)
        transaction.add(signature)
        done = transaction.commit()
        assert done is not None
        zone.replace(done[0])
        self.zones.put(zone, now=1)
        (line,) = self.linesAt(END - 13 * DAY)
        self.assertIn("zone example.: the first signature ends in 13 days: that of the A records of ns.example., at ", line)

    def test_zonesThatAreSignedHere(self) -> None:
        """
        For a zone that the server signs itself there is no line while it is about to do so, but once it should have.
        """
        self.zones.put(zoneAt("example."), now=1)
        self.watch.overdue = lambda apex: 12.0 * DAY
        self.assertEqual(self.linesAt(END - 13 * DAY), [])
        (line,) = self.linesAt(END - 11 * DAY)
        self.assertIn("this server should have signed it again; the log says why it did not", line)

    def test_changedZoneIsReadSoon(self) -> None:
        """
        A zone that is served later than the first round, because it had to be compiled, is read within seconds, not within a minute.
        """
        self.now = END - 20.0 * DAY
        place = self.zones.expect(APEX)
        self.watch.start()
        self.clock.pump([1] * 3)
        self.zones.put(zoneAt("example."), now=1)
        for _ in range(3):
            self.watch.changed()
        self.clock.pump([0.5] * 8)
        self.assertEqual(getattr(place.signatures, "time", None), END)

    def test_changesOneAfterAnother(self) -> None:
        """
        Zones that keep changing do not put off when changed ones are read.
        """
        self.now = END - 20.0 * DAY
        place = self.zones.expect(APEX)
        self.watch.start()
        self.clock.pump([1] * 3)
        self.zones.put(zoneAt("example."), now=1)
        for _ in range(10):
            self.watch.changed()
            self.clock.advance(0.5)
        self.assertEqual(getattr(place.signatures, "time", None), END)

    def test_hashedDenials(self) -> None:
        """
        A zone whose names are denied by hashes gets its line too.
        """
        self.zones.put(Zone.fromRecords(APEX, signed(TEXT, "example.", nsec3=True)), now=1)
        (line,) = self.linesAt(END - 13 * DAY)
        self.assertIn("zone example.: the first signature ends in 13 days", line)

    def test_linesAreBounded(self) -> None:
        """
        If the signatures of many zones end at the same time, a limited number of them is named, and the others are counted.
        """
        for number in range(int(SIGNATURE_LINES.default) + 5):
            self.zones.put(zoneAt(f"zone{number}."), now=1)
        lines = self.linesAt(END - DAY)
        self.assertEqual(len(lines), SIGNATURE_LINES.default + 1)
        self.assertIn("the signatures of 5 more zones end soon", lines[-1])

    def test_largeZoneIsReadInSteps(self) -> None:
        """
        A large zone is read in many turns, and not more often than once in a hundred times the time that this takes.
        """
        self.zones.put(zoneAt("example.", TEXT + "".join([f"host{number} A 192.0.2.1\n" for number in range(500)])), now=1)
        self.now = END - 20 * DAY
        reads: list[Version] = []

        def reading(version: Version, now: float) -> Generator[None, None, FirstEnd | None]:
            reads.append(version)
            for _ in firstEnd(version, now):
                # As long as a step of a larger zone may take.
                self.clock.rightNow += 0.1
                yield
            return None

        with patch("twisted_ext.server.zones.load.signatures.firstEnd", reading), patch("twisted_ext.zone.check.signatureends._STEP", 5000):
            self.watch.start()
            turns = 0
            place = self.zones.at(APEX)
            assert place is not None
            while place.signaturesRead is None:
                self.clock.advance(0.05)
                turns += 1
            self.assertGreater(turns, 10)
            self.zones.put(zoneAt("example."), now=2)
            self.clock.pump([1] * 90)
            self.assertEqual(len(reads), 1)
            self.clock.pump([10] * 60)
            self.assertEqual(len(reads), 2)


    def test_truncatedImageIsNotRead(self) -> None:
        """
        Of an image whose file is truncated nothing is read, between two steps either: that would end the process, and with workers their
        parent.
        """
        whole = zoneAt("example.", TEXT + "".join([f"host{number} A 192.0.2.1\n" for number in range(500)]))
        path = self.mktemp()
        whole.current.image.copyTo(path)
        zone = Zone(Version(Image.open(path)))
        self.assertFalse(zone.current.image.isTruncated)
        self.zones.put(zone, now=1)
        steps: list[int] = []

        def reading(version: Version, now: float) -> Generator[None, None, FirstEnd | None]:
            for step in range(10):
                steps.append(step)
                if step == 3:
                    os.truncate(path, 4096)
                yield
            return None

        with patch("twisted_ext.server.zones.load.signatures.firstEnd", reading):
            self.linesAt(END - DAY)
            self.assertEqual(steps, [0, 1, 2, 3])
            self.assertTrue(zone.current.image.isTruncated)
            self.linesAt(END - DAY)
            self.assertEqual(steps, [0, 1, 2, 3])


class LoadedSignatureTests(LoadingCase):
    """
    Tests of zones that are loaded from master files.
    """

    SIGNATURES = (
        "@ NSEC ns NS SOA RRSIG NSEC\nns NSEC @ A RRSIG NSEC\n"
        "@ RRSIG SOA 13 1 300 20231214221320 20231114221320 1 {0}. AAAA\nns RRSIG A 13 2 300 20231213221320 20231114221320 1 {0}. AAAA\n"
    )

    def test_unopenedZonesAreRead(self) -> None:
        """
        Of zones that no query has opened the images are read, and the zones stay as they are.
        """
        zones = [self.write(f"zone{number}", self.SIGNATURES.format(f"zone{number}") if number == 50 else "") for number in range(120)]
        self.load(*zones)
        self.clock.pump([0.1] * 50)
        watch = SignatureWatch(self.clock, self.zones, self.publisher.image, today=lambda: END - 20.0 * DAY)
        watch.start()
        self.clock.pump([1] * 62)
        watch.stop()
        self.assertEqual({place.unopened for place in self.zones}, {True})
        found = [place for place in self.zones if place.signatures is not None]
        self.assertEqual([(place.text, getattr(place.signatures, "time", 0)) for place in found], [("zone50.", END - DAY)])

    def test_imagesThatCannotBeRead(self) -> None:
        """
        An image that cannot be read does not keep the others from being read.
        """
        self.load(*[self.write(f"zone{number}", self.SIGNATURES.format(f"zone{number}")) for number in range(120)])
        self.clock.pump([0.1] * 50)
        wrong = {"zone0.": OSError(5, "Input/output error"), "zone1.": BadImage("it is damaged")}

        def image(place: Place) -> Version | None:
            if place.text in wrong:
                raise wrong[place.text]
            return self.publisher.image(place)

        watch = SignatureWatch(self.clock, self.zones, image, today=lambda: END - 20.0 * DAY)
        watch.start()
        self.clock.pump([1] * 62)
        watch.stop()
        self.assertEqual({place.text for place in self.zones if place.signatures is None}, {*wrong})

    def test_loadingHasNoLineForEachSignature(self) -> None:
        """
        Loading a zone whose signatures have ended logs no line for each record set: L{SignatureWatch} has one for all.
        """
        with capturedLogs() as events:
            self.load(self.write("example", self.SIGNATURES.format("example")))
        self.assertEqual([line for event in events if "ended" in (line := formatEvent(event) or "")], [])
        self.assertEqual(self.serial("example"), 1)
