"""
Zones that are signed as a whole, of which secondaries get what has changed nevertheless.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from tests.server.zones.load.signed import APEX
from tests.server.zones.signing.test_renewal import TimedCase
from tests.zone.sign.test_incremental import contentOf
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.keyfolder import saveKey
from twisted_ext.dnssec.privatekeys.keyring import makeKeys
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.errors import StorageFault
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images.imagefiles import Images
from twisted_ext.server.zones.images.publish import ZonePublisher
from twisted_ext.server.zones.signing.door import SigningDoor
from twisted_ext.wire.rrtypes import DNSKEY, RRSIG, SOA
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.journal import Journal, encoded, serialBeside
from twisted_ext.zone.store.serials import withSerial
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.transfer.sender import recordsSince

_HOUR = 3600
_DAY = 24 * _HOUR
_NAMES = "".join([f"h{number} A 192.0.2.1\n" for number in range(60)])


class HistoryTests(TimedCase):
    """
    A zone of a file with sixty names that clients may change.
    """

    def setUp(self) -> None:
        super().setUp()
        self.policy = SigningPolicy(dnskeyTTL=_HOUR)

    def publish(self, after: float = 400 * _DAY) -> None:
        """
        Make a key that is published now, and signs after some seconds.
        """
        (file,) = makeKeys(self.mktemp(), APEX, ECDSA_P256, self.now)
        times = {**file.times, "Publish": int(self.now) - 1, "Activate": int(self.now + after)}
        saveKey(replace(file, times=times), str(self.keys))

    def step(self) -> Version:
        """
        Have a step of a roll made, in which the records of keys change and nothing else; return the version before it.
        """
        former, image = self.served, self.image
        count = self.keyCount
        self.publish()
        self.later()
        self.assertNotEqual(self.image, image)
        self.assertEqual(self.keyCount, count + 1)
        return former

    @property
    def keyCount(self) -> int:
        keys = self.served.top.of(DNSKEY)
        assert keys is not None
        return len(keys.rdatas)

    @property
    def journalPath(self) -> str:
        journal = self.updating.journal(APEX)
        assert journal is not None
        return journal.path

    def octetsSince(self, former: Version) -> int | None:
        """
        Return how many octets of records a secondary gets; L{None} for the whole zone.
        """
        found = recordsSince(self.served, former.serial, self.updating.journal(APEX))
        return None if found is None else sum([len(piece) for piece, _ in found])

    def expectSmall(self, *formers: Version) -> None:
        """
        Expect that a secondary gets less than a tenth of the zone.
        """
        self.expectHistory(*formers)
        for former in formers:
            octets = self.octetsSince(former)
            assert octets is not None
            self.assertLess(octets, 2500)

    def test_step(self) -> None:
        """
        A step of a roll is a small difference, and so are several, with changes of clients and signatures that were made anew between
        them, and after restarts.
        """
        self.start(_NAMES)
        formers: list[Version] = []
        for number in range(3):
            formers.append(self.step())
            self.expectSmall(formers[-1])
            self.assertEqual((self.served.overlay, serialBeside(self.journalPath)), ({}, self.served.serial))
            self.restart()
            self.expectSmall(formers[-1])
            self.assertEqual(self.update(f"b{number} 300 A 192.0.2.7"), 0)
            self.expectHistory(*formers)
            self.wait(_HOUR)
            self.expectHistory(*formers)
        self.assertLessEqual({"b0", "b1", "b2"}, self.names())
        self.assertNotIn("signatures and denials that it had", self.said())

    def test_signaturesStay(self) -> None:
        """
        Signatures that were made anew since the zone was signed as a whole are kept, not made once more.
        """
        self.policy = SigningPolicy(dnskeyTTL=_HOUR, validity=Validity(30 * _DAY, 10 * _DAY, _HOUR))
        self.start(_NAMES)
        for _ in range(20):
            self.wait(12 * _HOUR)
        self.assertGreater(self.journal, 10)
        before = contentOf(self.served)
        self.expectSmall(self.step())
        after = contentOf(self.served)
        differing = {key for (key, _), found in after.items() if before.get((key, _)) != found}
        self.assertEqual(differing, {b""})
        self.assertRegex(self.said(), r"signed: 1\d\d signatures \(1\d\d of them as before\)")

    def test_firstChange(self) -> None:
        """
        That is so too for a zone that has not changed since it was signed first, and has no journal.
        """
        self.start(_NAMES)
        self.restart()
        self.assertEqual(self.journal, 0)
        self.expectSmall(self.step())

    def test_all(self) -> None:
        """
        If all signatures change, as with another key, secondaries get the whole zone, and the journal is emptied.
        """
        self.start("".join([f"h{number} A 192.0.2.1\n" for number in range(2000)]))
        self.publish(0)
        self.later()
        former = self.served
        self.wait(2 * _HOUR)
        self.assertEqual((self.keyCount, self.journal), (2, 0))
        self.assertIsNone(self.octetsSince(former))
        self.assertEqual(self.update("b 300 A 192.0.2.7"), 0)
        self.restart()
        self.assertIn("b", self.names())

    def test_changedMeanwhile(self) -> None:
        """
        What clients change while the zone is signed is in what secondaries get, once.
        """
        self.start(_NAMES)
        former = self.served
        self.publish()
        self.clock.advance(2)
        self.clock.advance(2)
        self.assertEqual(len(self.compilers.jobs), 1)
        replies = self.send("b 300 A 192.0.2.7", remove=("h7",))
        self.settle()
        self.later()
        self.assertEqual((len(replies), self.keyCount), (1, 2))
        self.assertLessEqual({"b"}, self.names() - {"h7"})
        self.expectHistory(former)
        self.restart()
        self.expectHistory(former)

    def test_killed(self) -> None:
        """
        A server that is killed while it puts a signed version in force serves that after the next start, or the one before, and goes on
        from there.
        """
        for owner, method in ((Images, "keep"), (Journal, "succeed"), (ZonePublisher, "loaded"), (SigningDoor, "_serve")):
            for isBehind in (False, True):
                self.start(_NAMES)
                self.assertEqual(self.update("b 300 A 192.0.2.7"), 0)
                former = self.served
                self.publish()
                with patch.object(owner, method, _killing(getattr(owner, method), isBehind)):
                    self.later()
                self.assertTrue(self.flushLoggedErrors(SystemError), method)
                self.restart()
                self.later()
                self.assertEqual((self.keyCount, "b" in self.names()), (2, True), (method, isBehind))
                self.assertGreater(self.served.serial, former.serial)
                later = self.served
                self.assertEqual(self.update("c 300 A 192.0.2.7"), 0)
                self.expectHistory(later)
                self.restart()
                self.assertLessEqual({"b", "c"}, self.names())
                self.end()
                shutil.rmtree(self.folder / "state")

    def test_fullDisk(self) -> None:
        """
        If the difference cannot be written, the version comes into force nevertheless: secondaries get it as a whole, and changes go on.
        """
        self.start(_NAMES)
        self.update("b 300 A 192.0.2.7")
        former = self.served
        with patch.object(Journal, "succeed", side_effect=StorageFault("x.journal: No space left on device")):
            self.publish()
            self.later()
        self.assertIn("what has changed cannot be kept: x.journal: No space left on device", self.said())
        self.assertEqual((self.keyCount, self.journal), (2, 0))
        self.assertIsNone(self.octetsSince(former))
        self.assertEqual(self.update("c 300 A 192.0.2.7"), 0)
        self.restart()
        self.assertLessEqual({"b", "c"}, self.names())

    def test_unnoted(self) -> None:
        """
        So is one that cannot be noted before it is served, if clients have not changed the zone.
        """
        self.start(_NAMES)
        former = self.step()
        self.publish()
        with patch.object(Images, "keep", side_effect=OSError(28, "No space left on device")):
            self.later()
        self.assertEqual((self.keyCount, self.journal), (3, 0))
        self.assertIsNone(self.octetsSince(former))
        self.expectSmall(self.step())

    def test_halfWritten(self) -> None:
        """
        If writing the difference fails in the middle, nothing of it stays in the journal.
        """
        self.start(_NAMES)
        self.update("b 300 A 192.0.2.7")
        journal = self.updating.journal(APEX)
        assert journal is not None
        before, origin = Path(journal.path).read_bytes(), journal.origin
        entry, serial = before[journal.octets - 1 :], self.served.serial
        self.assertRaises(StorageFault, journal.succeed, before[-40:] + entry, serial, b"x" * 16)
        octets = _entry(self.served)
        for failing in ("fdatasync", "pwrite"):
            with patch.object(os, failing, side_effect=OSError(28, "No space left on device")):
                self.assertRaises(StorageFault, journal.succeed, octets, serial, b"x" * 16)
            self.assertEqual((Path(journal.path).read_bytes(), journal.origin, journal.newest), (before, origin, serial), failing)
            if failing == "pwrite":
                # Nothing is written until that has been taken back.
                self.assertRaises(StorageFault, journal.succeed, octets, serial, b"x" * 16)
            self.assertEqual(self.update(f"{failing} 300 A 192.0.2.7"), 0)
            before, serial = Path(journal.path).read_bytes(), self.served.serial
            octets = _entry(self.served)
        self.assertRaises(StorageFault, journal.succeed, octets, serial + 1, b"x" * 16)
        self.assertRaises(StorageFault, journal.succeed, octets[:-1] + b"x", serial, b"x" * 16)
        self.assertRaises(StorageFault, journal.succeed, octets[:-1], serial, b"x" * 16)
        self.assertEqual(Path(journal.path).read_bytes(), before)
        journal.clear()
        self.assertRaises(StorageFault, journal.succeed, octets, serial + 1, b"x" * 16)

    def test_limit(self) -> None:
        """
        The journal of a zone that is signed often keeps to its limit.
        """
        self.start(_NAMES)
        self.update("b 300 A 192.0.2.7")
        journal = self.updating.journal(APEX)
        assert journal is not None
        first = self.served
        journal._most = 4000
        formers = [self.step() for _ in range(8)]
        self.assertLess(journal.octets, 4000 + 2500)
        self.assertIsNone(self.octetsSince(first))
        self.expectHistory(formers[-1])

    def test_signedNoMore(self) -> None:
        """
        A zone that is signed no more is not taken for the signed version with which its journal begins: the error says what to do.
        """
        self.start(_NAMES)
        self.step()
        self.assertEqual(getattr(self.updating.journal(APEX), "oldest", None), 1)
        self.end()
        self.zone = ZoneSettings({name: value for name, value in self.zone.values.items() if name != "sign"})
        self.loading = self.load(self.zone)
        self.settle()
        self.assertIn("serial 1 is not newer than 2, to which the zone was changed; give it a newer one, or remove ", self.said())
        self.writeSigned(_NAMES, serial=3)
        self.later()
        self.assertEqual((self.served.serial, self.served.top.of(RRSIG)), (3, None))


def _killing(known: Callable[..., object], isBehind: bool) -> Callable[..., object]:
    """
    Return a method that fails in a way that nothing expects.

    @param isBehind: whether that is once it has done its work.
    """

    def kill(*arguments: object) -> object:
        if isBehind:
            known(*arguments)
        raise SystemError("killed")

    return kill


def _entry(version: Version) -> bytes:
    """
    Return a difference in which only the serial changes, as in a journal.
    """
    soa = version.soa
    assert soa.rrType == SOA
    return encoded(Difference(soa, (), soa.withRdatas((withSerial(soa.rdatas[0], version.serial + 1),)), ()))
