"""
Tests of signatures that are made anew a few at a time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from unittest.mock import patch
from zlib import crc32

from twisted.internet.defer import Deferred

from tests.server.zones.load.signed import APEX
from tests.server.zones.signing.test_changes import ChangedCase
from tests.server.zones.signing.test_following import FollowingCase
from tests.zone.changing import edited, versionOf
from twisted_ext.dnssec.privatekeys.validity import BUCKETS, Validity
from twisted_ext.server.zones.images import compilers
from twisted_ext.server.zones.images.pending import Reload
from twisted_ext.server.zones.signing.door import SigningDoor
from twisted_ext.server.zones.update.commit import Edited
from twisted_ext.server.zones.update.journalreplay import journalName
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.rrtypes import RRSIG
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.version import Version

_HOUR = 3600
_NAMES = "".join([f"h{number} A 192.0.2.1\n" for number in range(60)])


def leastLife(version: Version, now: float) -> float:
    """
    Return for how many seconds the signature that ends first is still valid.
    """
    signatures = [rrset for node in version.nodes() for rrset in node.sets if rrset.rrType == RRSIG]
    return min([int.from_bytes(rdata[8:12], "big") for rrset in signatures for rdata in rrset.rdatas]) - now


class TimedCase(ChangedCase):
    """
    A server whose time the test sets.
    """

    def setUp(self) -> None:
        self.now = 1_800_000_000.0
        patching = patch.object(compilers, "time", lambda: self.now)
        patching.start()
        self.addCleanup(patching.stop)
        super().setUp()

    def wait(self, seconds: float) -> None:
        """
        Let time pass, and what is due be done.
        """
        self.now += seconds
        self.clock.rightNow += seconds
        self.look()

    def look(self) -> None:
        """
        Have what is due be done.
        """
        # A zone that nobody has asked for is signed as a whole.
        place = self.zones.at(APEX)
        assert place is not None
        place.served()
        for _ in range(8):
            self.loading.signing().renew(self.clock.seconds())
            self.settle()


class RenewalTests(TimedCase):
    """
    A zone of a file that clients change.
    """

    def test_tenDays(self) -> None:
        """
        For ten days each version is as if it was signed from nothing then, and none is signed as a whole; each signature has its least life
        left. A restart goes on from there, also one after half a day.
        """
        self.expectTenDays("nsec")

    def test_tenDaysWithHashes(self) -> None:
        """
        It is the same with NSEC3 records.
        """
        self.expectTenDays("nsec3-opt-out")

    def expectTenDays(self, denial: str) -> None:
        """
        Let ten days pass.
        """
        self.policy = SigningPolicy(validity=Validity(signatures=6 * 24 * _HOUR, renew=2 * 24 * _HOUR), denial=denial)
        self.start(_NAMES)
        self.assertEqual(self.update("changed 300 A 192.0.2.9"), 0)
        image, serial = self.image, self.served.serial
        for hour in range(0, 240, 3):
            self.wait(3 * _HOUR)
            self.expectSigned()
            self.assertGreater(leastLife(self.served, self.now), 4 * 24 * _HOUR - 1)
            if hour % 60 == 0:
                self.assertEqual(self.update(f"n{hour} 300 A 192.0.2.9"), 0)
                self.expectSigned()
            if hour % 90 == 0:
                self.restart()
                self.look()
        self.assertEqual(self.image, image)
        # Five times: each name that there is, by itself.
        self.assertGreater(self.served.serial - serial, 5 * 55)
        self.end()
        self.now += 5 * _HOUR
        self.loading = self.load(self.zone)
        self.settle()
        self.look()
        self.expectSigned()
        self.assertEqual(self.image, image)

    def test_wholeAgain(self) -> None:
        """
        After months in which signatures were made a few at a time, the whole zone is signed once its policy changes: the clock was right.
        """
        self.start(_NAMES)
        image = self.image
        for _ in range(60 * 4):
            self.wait(6 * _HOUR)
        self.assertEqual(self.image, image)
        self.expectSigned()
        self.policy = SigningPolicy(denial="nsec3")
        door = self.loading.signing()
        zone = door.at(APEX)
        assert zone is not None
        zone.policy = self.policy
        door.signAnew(APEX, Reload())
        self.settle()
        self.assertNotEqual(self.image, image)
        self.expectSigned()

    def test_longDown(self) -> None:
        """
        After days in which the server was down, the zone is signed as a whole.
        """
        self.start(_NAMES)
        image = self.image
        self.end()
        self.now += 3 * 24 * _HOUR
        self.loading = self.load(self.zone)
        self.settle()
        place = self.zones.at(self.zone.name)
        assert place is not None
        self.look()
        self.assertEqual((self.image, self.journal), (image, 0))
        self.assertGreater(leastLife(self.served, self.now), 10 * 24 * _HOUR)

    def test_wholeZoneMeanwhile(self) -> None:
        """
        Once the whole zone is to be signed, no further signatures are made one by one.
        """
        self.start(_NAMES)
        door, renew = self.loading.signing(), self.updating.renew
        renewed: list[Sequence[bytes]] = []

        def renewing(apex: bytes, keys: Sequence[bytes]) -> Deferred[Edited]:
            renewed.append(keys)
            for zone in door:
                door.sign(zone)
            return renew(apex, keys)

        with patch.object(self.updating, "renew", renewing):
            self.wait(20 * _HOUR)
        self.assertEqual(len(renewed), 1)

    def test_onlyWhatIsDue(self) -> None:
        """
        Names get new signatures once their moment has come, and no others but the SOA record; before, nothing is done.
        """
        self.start(_NAMES)
        renew = self.policy.validity.renew
        moments: dict[float, bytes] = {}
        for node in self.served.nodes():
            late = crc32(node.key) % BUCKETS * renew // BUCKETS
            moments[(self.now - late) // renew * renew + late + renew] = node.key
        due = min(moments)
        self.wait(due - 1 - self.now)
        before = self.served
        self.assertEqual(before.serial, 1)
        self.wait(_HOUR)
        changed = {key for key in self.served.keysSince(before) if key}
        self.assertEqual(changed, {key for moment, key in moments.items() if moment <= self.now})
        self.expectSigned()

    def test_signaturesAreNoChangesOfClients(self) -> None:
        """
        A zone of which only signatures were made anew takes its master file as one that nobody has changed, with any serial, and is signed
        as a whole of what that says; after a change of a client, it needs a newer serial.
        """
        self.start(_NAMES)
        self.wait(20 * _HOUR)
        self.assertGreater(self.journal, 1)
        for restarts in (False, True):
            image, former = self.image, self.served
            if restarts:
                self.wait(20 * _HOUR)
                self.restart()
                self.assertEqual(self.image, image)
            serial = self.served.serial
            self.settings(f"{_NAMES}f{int(restarts)} A 192.0.2.8\n")
            self.later()
            self.assertNotEqual(self.image, image)
            self.assertIn(f"f{int(restarts)}", self.names())
            self.assertEqual((self.served.serial, self.served.overlay), (serial + 1, {}))
            self.expectHistory(former)
        self.assertNotIn("discarded", self.said())
        self.wait(20 * _HOUR)
        self.assertEqual(self.update("client 300 A 192.0.2.9"), 0)
        self.wait(20 * _HOUR)
        image = self.image
        self.settings(f"{_NAMES}never A 192.0.2.8\n")
        self.later()
        self.assertEqual((self.image, "client" in self.names(), "never" in self.names()), (image, True, False))
        self.assertIn("serial 1 is not newer than 1, which it had when clients changed the zone", self.said())

    def test_journalsThatLead(self) -> None:
        """
        What is served is what would be made if the journal leads at least to the signatures that were made anew: what clients have changed
        after that is behind it. A journal that is gone, or was cut, does not.
        """
        self.policy = SigningPolicy(validity=Validity(signatures=6 * 24 * _HOUR, renew=2 * 24 * _HOUR))
        self.start(_NAMES)
        self.wait(6 * _HOUR)
        assert self.loading.door is not None
        (zone,) = self.loading.door
        built = zone.served
        assert built is not None and built.reached != built.serial
        reached = built.reached
        for newest, isMade in ((None, False), (built.serial, False), (reached - 1, False), (reached, True), (reached + 1, True)):
            self.assertIs(zone.isMade(built, {APEX: newest}.get), isMade)
        image = self.image
        self.assertEqual(self.update("n 300 A 192.0.2.9"), 0)
        self.restart()
        self.look()
        self.assertEqual(self.image, image)

    def test_changeBetweenSignatures(self) -> None:
        """
        A change that comes while signatures are made anew is one of a client, though more of them follow it.
        """
        self.start(_NAMES)
        self.assertIsNotNone(self.served)
        self.now += 20 * _HOUR
        self.clock.rightNow += 20 * _HOUR
        self.loading.signing().renew(self.clock.seconds())
        replies = self.send("client 300 A 192.0.2.9")
        self.settle()
        self.look()
        self.assertEqual(Message.fromWire(replies[0]).rcode, Rcode.NOERROR)
        self.expectSigned()
        image = self.image
        self.settings(f"{_NAMES}never A 192.0.2.8\n")
        self.later()
        self.assertEqual((self.image, "client" in self.names(), "never" in self.names()), (image, True, False))

    def test_noKeys(self) -> None:
        """
        If the process with the keys does not answer, the zone stays as it is, and that is made later; the log says so.
        """
        self.start(_NAMES)
        self.assertEqual(self.update("changed 300 A 192.0.2.9"), 0)
        self.wait(12 * _HOUR)
        before = self.served
        self.now += 12 * _HOUR
        self.clock.rightNow += 12 * _HOUR
        self.loading.signing().renew(self.clock.seconds())
        self.children[-1].end()
        self.disk.settle()
        self.assertIs(self.served, before)
        self.assertIn("signatures that are due cannot be made anew", self.said())
        self.wait(61)
        self.expectSigned()


class DerivedTests(FollowingCase, TimedCase):
    """
    A zone of a database.
    """

    def test_betweenChanges(self) -> None:
        """
        Signatures are made anew between changes of the database; a restart finds nothing to sign.
        """
        version = versionOf()
        self.come(version)
        image = self.image
        for day in range(8):
            self.wait(20 * _HOUR)
            self.expectServed(version)
            self.come(version := edited(version, f"d{day} 300 A 192.0.2.1"))
            self.expectServed(version)
        serial = self.served.serial
        self.restart()
        self.expectServed(version)
        self.assertEqual((self.served.serial, self.image), (serial, image))
        # Without its journal the image has signatures that have ended, or soon will, and is not served.
        self.now += 20 * _HOUR
        self.end()
        os.unlink(f"{self.folder}/state/signed/journals/{journalName(APEX)}")
        os.utime(image, (self.now - 15 * 24 * _HOUR, self.now - 15 * 24 * _HOUR))
        with patch.object(SigningDoor, "sign"):
            self.begin()
            self.assertEqual(self.types(), set())
        for zone in self.loading.signing():
            self.loading.signing().sign(zone)
        self.settle()
        self.expectServed(version)
