"""
Tests of changes that come while the whole zone is being signed, by another process.
"""

from __future__ import annotations

from random import Random
from time import time
from unittest.mock import patch

from tests.server.zones.load.signed import APEX, NAME
from tests.server.zones.signing.test_changes import ChangedCase
from tests.zone.sign.test_incremental import expectSame
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.keyfolder import loadKeys
from twisted_ext.dnssec.privatekeys.keyring import makeKeys
from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.server.zones.images import compilers
from twisted_ext.server.zones.signing.signedzone import SignedZone
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.rrtypes import DNSKEY
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.imagebuilder import ImageBuilder

_NOW = 1_800_000_000


class MeanwhileCase(ChangedCase):
    """
    A server whose process that signs whole zones works when the test says so.
    """

    def begin(self) -> None:
        """
        Have the whole zone signed: another policy wants that.
        """
        self.policy = self.zone.signing = SigningPolicy(denial=DENIALS[(DENIALS.index(self.policy.denial) + 1) % len(DENIALS)])
        self.loading.reload([self.zone])
        self.pause()

    def pause(self) -> None:
        """
        Let everything be done but what the process that signs whole zones does.
        """
        for _ in range(4):
            self.disk.settle()
            for child in self.children:
                if not child.isOver:
                    child.work()
            self.clock.advance(0.01)

    def step(self) -> None:
        """
        Let that process do one job.
        """
        self.compilers.run(1)
        self.pause()

    def tried(self, *lines: str, remove: tuple[str, ...] = ()) -> int | None:
        """
        Send an update, and return the rcode; L{None} if it waits.
        """
        replies = self.send(*lines, remove=remove)
        self.pause()
        return Message.fromWire(replies[0]).rcode if replies else None


class MeanwhileTests(MeanwhileCase):
    """
    Tests of updates.
    """

    def test_changesGoOn(self) -> None:
        """
        Changes that come while the zone is signed by another policy are made at once. They are signed by it after that, in a second step
        for which others wait; then the zone is as if it was signed from nothing, and nothing of it is lost, whether or not clients had
        changed it before.
        """
        for before in (["b 300 A 192.0.2.7"], []):
            with patch.object(self, "today", lambda: _NOW), patch.object(compilers, "time", lambda: _NOW):
                self.policy = SigningPolicy()
                self.start()
                for line in before:
                    self.assertEqual(self.update(line), Rcode.NOERROR)
                names, former = self.names(), self.served
                serial = former.serial
                self.begin()
                self.assertEqual(len(self.compilers.jobs), 1)
                self.assertEqual(self.tried("c 300 A 192.0.2.7"), Rcode.NOERROR)
                self.assertEqual(self.tried("x.y 300 A 192.0.2.7", remove=("a",)), Rcode.NOERROR)
                self.assertEqual(self.served.serial, serial + 2)
                self.step()
                # The second one, for which others wait.
                self.assertEqual(len(self.compilers.jobs), 1)
                self.assertIsNone(self.tried("d 300 A 192.0.2.7"))
                self.settle()
                self.assertEqual(self.names(), (names | {"c", "x", "d"}) - {"a"})
                self.assertEqual((self.served.serial, len(self.served.overlay)), (serial + 4, 4))
                self.expectHistory(former)
                self.expectSigned()
                self.restart()
                self.assertEqual(self.names(), (names | {"c", "x", "d"}) - {"a"})
                self.expectSigned()
                self.end()
                for path in (self.folder / "state").glob("*/*"):
                    if path.is_file():
                        path.unlink()

    def test_signaturesAreKept(self) -> None:
        """
        The second step makes only the signatures of what has changed meanwhile; if nothing has, there is none.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        self.begin()
        self.step()
        self.assertEqual((self.compilers.jobs, self.served.serial), ([], 3))
        self.begin()
        self.assertEqual(self.tried("c 300 A 192.0.2.7"), Rcode.NOERROR)
        self.events.clear()
        self.settle()
        self.assertRegex(self.said(), r"signed: 16 signatures \(9 of them as before\), the first of which")
        self.expectSigned()

    def test_newKey(self) -> None:
        """
        A key that comes signs what has changed meanwhile as well, and the serial is behind each that was served.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
        for _ in range(3):
            self.clock.advance(1)
            self.pause()
        self.assertEqual(len(self.compilers.jobs), 1)
        self.assertEqual(self.tried("c 300 A 192.0.2.7"), Rcode.NOERROR)
        self.settle()
        self.assertEqual((self.names(), self.serial(NAME)), ({"a", "b", "c", "ns", "ns1"}, 4))
        keys = self.served.top.of(DNSKEY)
        assert keys is not None
        self.assertEqual(len(keys.rdatas), 2)

    def test_changedFile(self) -> None:
        """
        A newer file takes the place of what clients change while it is signed, and the log warns; one that is not newer is refused, and
        what they change stays.
        """
        for serial, expected in ((2, {"f", "ns1"}), (1, {"a", "ns", "ns1", "c"})):
            self.start()
            self.settings("f A 192.0.2.9\n", serial=serial)
            for _ in range(3):
                self.clock.advance(1)
                self.pause()
            # The file is compiled, then signed.
            self.step()
            self.assertEqual(len(self.compilers.jobs), 1)
            self.assertEqual(self.tried("c 300 A 192.0.2.7"), Rcode.NOERROR)
            self.settle()
            self.assertEqual(self.names(), expected)
            self.assertEqual("f" in self.names(), "serial 1 is not newer than 1" not in self.said())
            self.assertEqual(self.update("d 300 A 192.0.2.7"), Rcode.NOERROR)
            self.restart()
            self.assertEqual(self.names(), {*expected, "d"})
            self.expectSigned()
            self.end()
            for path in (self.folder / "state").glob("*/*"):
                if path.is_file():
                    path.unlink()

    def test_fullDisk(self) -> None:
        """
        If the first or the second step fails, since the disk is full, the former version stays with its changes, further ones are made, and
        it is tried again.
        """
        for failing in range(2):
            self.start()
            self.update("b 300 A 192.0.2.7")
            self.begin()
            self.assertEqual(self.tried("c 300 A 192.0.2.7"), Rcode.NOERROR)
            for _ in range(failing):
                self.step()
            with patch.object(ImageBuilder, "finishTo", side_effect=OSError(28, "No space left on device", "x.image.new")):
                self.settle()
            self.assertIn("No space left on device", self.said())
            self.assertEqual(self.update("d 300 A 192.0.2.7"), Rcode.NOERROR)
            for _ in range(61):
                self.clock.advance(1)
            self.settle()
            self.assertEqual((self.names(), self.served.overlay), ({"a", "b", "c", "d", "ns", "ns1"}, {}))
            self.expectSigned()
            self.end()
            for path in (self.folder / "state").glob("*/*"):
                if path.is_file():
                    path.unlink()

    def test_replacedImage(self) -> None:
        """
        If the image and the journal were replaced before they were read, the version in force is signed while further changes wait.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        current = self.updating.current

        def gone(apex: bytes) -> tuple[str, str, int] | None:
            found = current(apex)
            return None if found is None else (f"{found[0]}.gone", *found[1:])

        with patch.object(self.updating, "current", gone):
            self.begin()
        self.step()
        self.assertEqual(len(self.compilers.jobs), 1)
        self.assertIsNone(self.tried("c 300 A 192.0.2.7"))
        self.settle()
        self.assertEqual(self.names(), {"a", "b", "c", "ns", "ns1"})
        self.expectSigned()

    def test_leftMeanwhile(self) -> None:
        """
        A zone that is not signed any more when it is, or not served, leaves nothing that waits, and no file.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        for steps in range(2):
            self.begin()
            self.assertEqual(self.tried(f"c{steps} 300 A 192.0.2.7"), Rcode.NOERROR)
            for _ in range(steps):
                self.step()
            self.loading.reload([])
            self.settle()
            self.assertEqual(len([*(self.folder / "state" / "signed").glob("*.image")]), 1)
            self.loading.reload([self.zone])
            self.settle()
            self.assertEqual(self.update(f"d{steps} 300 A 192.0.2.7"), Rcode.NOERROR)
            self.assertLessEqual({"b", f"c{steps}", f"d{steps}"}, self.names())

    def test_leftWhileAChangeIsWritten(self) -> None:
        """
        A zone that is not served any more when changes would wait for it leaves no file but the one with what clients have changed.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        self.begin()
        self.send("c 300 A 192.0.2.7")
        for child in self.children:
            child.work()
        self.compilers.run(1)
        self.loading.reload([])
        self.settle()
        self.assertEqual(len([*(self.folder / "state" / "signed").glob("*.image")]), 1)

    def test_noFileIsLeft(self) -> None:
        """
        The image of the first step is removed after the second one.
        """
        self.start()
        self.begin()
        self.assertEqual(self.tried("c 300 A 192.0.2.7"), Rcode.NOERROR)
        self.settle()
        self.assertEqual([str(path) for path in (self.folder / "state" / "signed").glob("*.image")], [self.image])

    def test_renewalMeanwhile(self) -> None:
        """
        A zone of which some signatures were made anew while it was signed gets a serial behind theirs.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        self.assertTrue(self.loading.signing().signAnew(APEX))
        for zone in self.loading.signing():
            self.loading.signing().sign(zone)
        self.settle()
        serial = self.served.serial
        with patch.object(SignedZone, "isDue", return_value=True):
            self.clock.advance(1)
            self.pause()
        self.assertEqual(len(self.compilers.jobs), 1)
        self.updating.renew(APEX, [b""])
        self.pause()
        self.assertEqual(self.served.serial, serial + 1)
        self.settle()
        self.assertEqual(self.served.serial, serial + 2)
        self.expectSigned()

    def test_randomChains(self) -> None:
        """
        While the chain of a zone changes to another one and back, updates come at any time, and the server is killed now and then: what was
        acknowledged is there, and each version is as if it was signed from nothing, by the policy before or the next one.
        """
        with patch.object(self, "today", lambda: _NOW), patch.object(compilers, "time", lambda: _NOW):
            self.start()
            for seed in range(6):
                self._change(Random(seed))

    def _change(self, random: Random) -> None:
        wanted = self.names()
        for number in range(40):
            what = random.choice(("update", "update", "update", "remove", "begin", "step", "step", "settle", "kill"))
            if what == "update":
                name = f"u{random.randrange(9)}"
                if self.tried(f"{name} 300 A 192.0.2.{random.randrange(200)}") == Rcode.NOERROR:
                    wanted.add(name)
                else:
                    self.settle()
                    wanted |= self.names()
            elif what == "remove":
                name = f"u{random.randrange(9)}"
                if self.tried(remove=(name,)) == Rcode.NOERROR:
                    wanted.discard(name)
                else:
                    self.settle()
                    wanted = self.names()
            elif what == "begin" and not self.compilers.jobs:
                self.begin()
            elif what == "step" and self.compilers.jobs:
                self.step()
            elif what == "settle":
                self.settle()
                self.expectSigned()
            elif what == "kill":
                self.restart()
            self.assertEqual(self.names(), wanted, (number, what))
            keys = Signers([file.key for file in loadKeys(str(self.keys), APEX)])
            for denial in DENIALS:
                try:
                    expectSame(self.served, Signing(keys, SigningPolicy(denial=denial)), _NOW)
                    break
                except AssertionError:
                    continue
            else:
                self.fail(f"{number} {what}: no policy")
