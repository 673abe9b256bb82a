"""
Tests of signed zones that only their master files change, and of which what differs from the file before is signed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from time import time
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.zones.load.signed import APEX, NAME
from tests.server.zones.signing.test_changes import ChangedCase
from tests.zone.changing import textsOf
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.keyring import makeKeys
from twisted_ext.limits import Limit
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images import compilers
from twisted_ext.server.zones.images.imagefiles import Images
from twisted_ext.server.zones.images.publish import ZonePublisher
from twisted_ext.server.zones.update import editablezones
from twisted_ext.server.zones.update.commit import CommitQueue
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, DNSKEY, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, ZONEMD
from twisted_ext.zone.build import jobs
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.reader import readMaster

_MADE = {RRSIG, NSEC, NSEC3, NSEC3PARAM, DNSKEY, CDS, CDNSKEY, SOA, ZONEMD}

_MORE = "a A 192.0.2.1\nsub NS ns.sub\nns.sub A 192.0.2.2\n*.w TXT x\n"


class ChangedFilesCase(ChangedCase):
    """
    A server that signs a zone of a file, which clients may not change.
    """

    def settings(self, more: str = _MORE, *, serial: int = 1) -> ZoneSettings:
        """
        Write the zone.
        """
        zone = self.writeSigned(more, serial=serial)
        zone.signing = self.policy
        return zone

    def change(self, more: str, *, serial: int = 1) -> None:
        """
        Write the file, and let that be noticed.
        """
        self.settings(more, serial=serial)
        self.later()

    def expectFile(self) -> None:
        """
        Expect that the records of the file are served, and are signed as if they were from nothing.
        """
        builder = readMaster(self.zone.file, APEX, path=self.zone.file).builder
        wanted = {each for each in textsOf(Version(Image(builder.finish()))) if each[1] not in _MADE}
        self.assertEqual({each for each in textsOf(self.served) if each[1] not in _MADE}, wanted)
        self.expectSigned()


class ChangedFilesTests(ChangedFilesCase):
    """
    Tests of changes of the file.
    """

    def test_onlyWhatChanges(self) -> None:
        """
        What changes in the file is signed alone and is a difference for secondaries, with the serial of the file if that is newer. The log
        and who has asked for a reload are told. A restart finds nothing to sign, and changes go on after it.
        """
        self.start()
        image = self.image
        self.change(_MORE + "b A 192.0.2.7\n")
        self.expectFile()
        self.assertEqual((self.served.serial, self.journal, self.image), (2, 1, image))
        self.change(_MORE.replace("sub NS ns.sub\n", "A A 192.0.2.9\n"), serial=7)
        self.expectFile()
        self.assertEqual((self.served.serial, self.journal, self.image), (7, 2, image))
        self.assertIn(f"example.org. 7: 3 records have changed with serial 7 of {self.zone.file}, and are signed", self.said())
        self.restart()
        self.expectFile()
        self.assertEqual((self.served.serial, self.journal, self.image, self.compilers.made), (7, 2, image, 0))
        self.settings(_MORE, serial=8)
        waiting = self.loading.reloadZone(APEX)
        self.settle()
        (line,) = self.finish(waiting)
        self.assertIn(" records have changed with serial 8 of ", line)
        self.expectFile()
        self.assertEqual((self.served.serial, self.journal, self.image), (8, 3, image))

    def test_touched(self) -> None:
        """
        A file that was touched, and says the same, changes nothing, nor at the next start.
        """
        self.start()
        before, image = self.served, self.image
        self.change(_MORE)
        self.assertIs(self.served, before)
        self.restart()
        self.assertEqual((self.served.serial, self.journal, self.image, self.compilers.made), (1, 0, image, 0))

    def test_changedWhileTheServerWasDown(self) -> None:
        """
        What has changed in the file while the server was down is signed alone at its next start.
        """
        self.start()
        image = self.image
        for number in (7, 8):
            self.settings(_MORE + f"b A 192.0.2.{number}\n")
            self.restart()
            self.expectFile()
        self.assertEqual((self.served.serial, self.journal, self.image), (3, 2, image))

    def test_reloadWithoutAChange(self) -> None:
        """
        A zone that is reloaded by its name, and has not changed, is signed anew as a whole.
        """
        self.start()
        image = self.image
        waiting = self.loading.reloadZone(APEX)
        self.settle()
        self.finish(waiting)
        self.assertNotEqual(self.image, image)
        self.expectFile()

    def test_wholeZone(self) -> None:
        """
        The whole zone is signed if the TTL of negative answers changes, or more than so many names; a further change is signed alone.
        """
        self.start()
        image = self.image
        path = Path(self.zone.file)
        path.write_text(path.read_text().replace(" 60\n@", " 77\n@"))
        self.stamp += 1_000_000_000
        os.utime(path, ns=(self.stamp, self.stamp))
        self.later()
        self.expectFile()
        self.assertNotEqual(self.image, image)
        self.change(_MORE, serial=2)
        image = self.image
        with patch.object(jobs, "DIFFERING_OCTETS", Limit(default=10, least=0, most=10)):
            self.change(_MORE + "".join([f"n{number} A 192.0.2.1\n" for number in range(10)]), serial=3)
        self.expectFile()
        self.assertNotEqual(self.image, image)
        image = self.image
        self.change(_MORE)
        self.expectFile()
        self.assertEqual((self.image, self.journal), (image, 1))

    def test_killedBeforeItIsNoted(self) -> None:
        """
        A server that is killed after a change is in force, and before it is noted, serves the file at its next start: also if that says
        again what it said before, or less was noted.
        """
        note = Images.note
        for notes in (lambda images, several: None, lambda images, several: None if several[0].isSigned else note(images, several)):
            for more in (_MORE + "b A 192.0.2.7\n", _MORE):
                self.start()
                image = self.image
                with patch.object(Images, "note", notes):
                    self.change(_MORE + "b A 192.0.2.7\n")
                self.assertEqual(self.journal, 1)
                self.settings(more)
                self.restart()
                self.later()
                self.expectFile()
                self.assertNotEqual(self.image, image)
                self.change(_MORE + "c A 192.0.2.7\n")
                self.expectFile()
                self.end()
                shutil.rmtree(self.folder / "state")
        self.assertNotIn("discarded", self.said())

    def test_killedBeforeItIsSigned(self) -> None:
        """
        A server that is killed when the changed file is compiled, and what differs is not signed yet, signs the zone at its next start.
        """
        self.start()
        with patch.object(CommitQueue, "change"):
            self.settings(_MORE + "b A 192.0.2.7\n")
            self.clock.advance(1)
            for _ in range(3):
                self.compilers.run()
                self.clock.advance(1)
        self.assertEqual(self.served.serial, 1)
        self.restart()
        self.expectFile()

    def test_otherKeyOrPolicyMeanwhile(self) -> None:
        """
        A key or a policy that comes with a changed file signs all of it.
        """
        self.start()
        image = self.image
        makeKeys(str(self.keys), APEX, ECDSA_P256, time())
        self.change(_MORE + "b A 192.0.2.7\n")
        self.assertNotEqual(self.image, image)
        self.assertIn("b", self.names())
        for path in self.keys.glob("*.private"):
            path.unlink()
        makeKeys(str(self.keys), APEX, ECDSA_P256, time())
        self.later()
        image = self.image
        self.policy = SigningPolicy(denial="nsec3")
        self.zone = self.settings(_MORE + "c A 192.0.2.7\n")
        self.updating.arrange(APEX, self.zone, ())
        waiting = self.loading.reload([self.zone])
        self.settle()
        self.finish(waiting)
        self.assertNotEqual(self.image, image)
        self.expectFile()
        image = self.image
        self.change(_MORE + "d A 192.0.2.7\n")
        self.expectFile()
        self.assertEqual(self.image, image)

    def test_damagedFormerImage(self) -> None:
        """
        A file is not compared with an image that is damaged: what seems to differ would be wrong.
        """
        self.start()
        image = self.image
        (unsigned,) = (self.folder / "state" / "zones").glob("*.image")
        octets = bytearray(unsigned.read_bytes())
        octets[-9] ^= 1
        unsigned.write_bytes(octets)
        self.change(_MORE + "b A 192.0.2.7\n")
        self.expectFile()
        self.assertNotEqual(self.image, image)

    def test_comparedWithAnotherImage(self) -> None:
        """
        Names that differ from another image than that of which the served version was made are not taken for what has changed.
        """
        self.start()
        image = self.image
        give = compilers.Compilers.give

        def other(self: compilers.Compilers, job: compilers.Job, results: list[compilers.Result]) -> None:
            for result in results:
                if "differs" in result:
                    result["differs"] = {"from": ["other.image", 0], "names": [""]}
            give(self, job, results)

        with patch.object(type(self.compilers), "give", other):
            self.change(_MORE + "b A 192.0.2.7\n")
        self.expectFile()
        self.assertNotEqual(self.image, image)

    def test_servedOfAnotherVersion(self) -> None:
        """
        Names that differ from another version than the one of which the served one was made are not taken for what has changed either.
        """
        self.start()
        former = self.loading.images.of(f"{NAME}.")
        self.change(_MORE + "b A 192.0.2.7\n")
        built = self.loading.images.of(f"{NAME}.")
        assert former is not None and built is not None
        door = self.loading.signing()
        for base, isAlone in ((built, True), (former, False)):
            with patch.object(door, "take") as take, patch.object(door, "takeChanges") as takeChanges:
                door.takeImage(built, (), (), base, [b""])
            self.assertEqual((take.called, takeChanges.called), (not isAlone, isAlone))

    def test_renewalMeanwhile(self) -> None:
        """
        A zone of which some signatures were made anew while it was signed as a whole gets a serial behind theirs.
        """
        self.start()
        self.change(_MORE + "b A 192.0.2.7\n")
        self.assertTrue(self.loading.signing().signAnew(APEX))
        for zone in self.loading.signing():
            self.loading.signing().sign(zone)
        self.assertEqual(len(self.compilers.jobs), 1)
        self.updating.renew(APEX, [b""])
        for _ in range(3):
            self.disk.settle()
            for child in self.children:
                child.work()
            self.clock.advance(0.01)
        self.assertEqual(self.served.serial, 3)
        self.settle()
        self.assertEqual(self.served.serial, 4)
        self.expectFile()

    def test_unreadableImage(self) -> None:
        """
        If the server cannot read what was compiled, the process that signs whole zones tries, and whoever has asked is told.
        """
        self.start()
        image = self.image
        self.settings(_MORE + "b A 192.0.2.7\n")
        waiting = self.loading.reloadZone(APEX)
        with patch.object(ZonePublisher, "versionIn", side_effect=OSError(5, "Input/output error")):
            self.settle()
        self.assertIn("example.org.: serial 1 is now 2", self.finish(waiting)[-1])
        self.assertNotEqual(self.image, image)
        self.expectFile()

    def test_digest(self) -> None:
        """
        A zone with a digest is signed as a whole, so that it has one at once.
        """
        self.policy = SigningPolicy(digested=True)
        self.start()
        self.change(_MORE + "b A 192.0.2.7\n")
        self.assertIsNotNone(self.served.top.of(ZONEMD))
        self.expectFile()

    def test_manyJournals(self) -> None:
        """
        If so many journals are open that no other one may be, the whole zone is signed.
        """
        self.start()
        image = self.image
        with patch.object(editablezones, "_JOURNALS", 0):
            self.change(_MORE + "b A 192.0.2.7\n")
        self.expectFile()
        self.assertNotEqual(self.image, image)

    def test_keysThatAreGone(self) -> None:
        """
        A change that cannot be signed, as the keys are gone, leaves the former version in force, and is signed when they are back.
        """
        self.start()
        away = self.keys.rename(self.keys.parent / "away")
        self.change(_MORE + "b A 192.0.2.7\n")
        self.assertEqual(self.served.serial, 1)
        away.rename(self.keys)
        self.later()
        self.expectFile()

    def test_clientsMayNotChangeIt(self) -> None:
        """
        The journal does not open the zone for updates.
        """
        self.start()
        self.change(_MORE + "b A 192.0.2.7\n")
        self.assertEqual(self.update("c 60 A 192.0.2.1"), Rcode.REFUSED)
        self.expectFile()


class OpenedForClientsTests(ChangedFilesCase):
    """
    Tests of zones that clients may change from some time on.
    """

    def permit(self, permits: bool = True) -> None:
        """
        Let the settings say whether clients may change the zone, and reload.
        """
        values = {name: value for name, value in self.zone.values.items() if name != "update"}
        self.zone = ZoneSettings({**values, "update": ("address 127.0.0.0/8 zone ANY",)} if permits else values)
        self.zone.signing = self.policy
        self.updating.arrange(APEX, self.zone, ())
        waiting = self.loading.reload([self.zone])
        self.settle()
        self.finish(waiting)

    def test_changesAreKept(self) -> None:
        """
        What clients change once they may is kept, whatever the file had changed before; also if they may not any more.
        """
        self.start()
        self.change(_MORE + "b A 192.0.2.7\n")
        self.assertEqual(self.journal, 1)
        self.permit()
        self.expectFile()
        self.assertEqual(self.update("c 60 A 192.0.2.1"), Rcode.NOERROR)
        self.assertEqual(self.names(), {"a", "ns", "ns1", "b", "c"})
        self.restart()
        self.assertEqual(self.names(), {"a", "ns", "ns1", "b", "c"})
        self.expectSigned()
        self.permit(False)
        for _ in range(2):
            self.restart()
            self.assertEqual(self.names(), {"a", "ns", "ns1", "b", "c"})
            self.expectSigned()

    def test_updateBeforeItIsSigned(self) -> None:
        """
        An update that comes before the zone is in an image of its own is refused for now, or is kept: never lost.
        """
        self.start()
        self.change(_MORE + "b A 192.0.2.7\n")
        values = {**self.zone.values, "update": ("address 127.0.0.0/8 zone ANY",)}
        self.zone = ZoneSettings(values)
        self.zone.signing = self.policy
        self.updating.arrange(APEX, self.zone, ())
        replies = self.send("c 60 A 192.0.2.1")
        self.settle()
        rcode = Message.fromWire(replies[0]).rcode
        self.assertEqual(rcode, Rcode.SERVFAIL)
        self.later()
        self.assertEqual(self.update("d 60 A 192.0.2.1"), Rcode.NOERROR)
        self.restart()
        self.assertEqual(self.names(), {"a", "ns", "ns1", "b", "d"})
        self.expectSigned()

    def test_unsignedAndSigned(self) -> None:
        """
        A zone that is not signed any more is served as its file is, and its journal is gone; it may be signed again.
        """
        self.start()
        self.change(_MORE + "b A 192.0.2.7\n")
        journal = Path(self.updating.derivedPath(APEX))
        self.assertTrue(journal.exists())
        plain = ZoneSettings({name: value for name, value in self.zone.values.items() if name != "sign"})
        for zone in (plain, self.zone):
            self.updating.arrange(APEX, zone, ())
            waiting = self.loading.reload([zone])
            self.settle()
            self.finish(waiting)
            self.assertFalse(journal.exists())
        self.expectFile()
        self.change(_MORE)
        self.expectFile()
        self.assertEqual(self.journal, 1)


_NAMES = st.sampled_from(["a", "A", "b", "B.b", "c.b", "*", "*.b", "sub", "ns.sub", "x.y.z", "y.z", "@"])
_DATA = st.sampled_from(["A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1", "TXT x", "60 TXT x", "NS ns.sub", "MX 5 a", "CAA 0 issue x"])


class RandomFilesTests(ChangedFilesCase):
    """
    Tests with files that were made up.
    """

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.lists(st.tuples(_NAMES, _DATA), max_size=8), min_size=2, max_size=5), st.sampled_from(DENIALS))
    def test_asIfSignedFromNothing(self, files: list[list[tuple[str, str]]], denial: str) -> None:
        """
        After each of some changes of the file, and a restart, its records are served, as if they were signed from nothing.
        """
        self.setUp()
        self.policy = SigningPolicy(denial=denial)
        texts = ["".join([f"{name} {data}\n" for name, data in lines]) for lines in files]
        now = 1_800_000_000
        with patch.object(self, "today", lambda: now), patch.object(compilers, "time", lambda: now):
            self.start(texts[0])
            for text in texts[1:]:
                self.change(text)
                if not self.errorOf(NAME):
                    self.expectFile()
            if not self.errorOf(NAME):
                self.restart()
                self.expectFile()
            self.end()
