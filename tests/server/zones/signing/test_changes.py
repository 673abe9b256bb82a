"""
Tests of zones that are signed here and changed by updates.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import time
from unittest.mock import patch

from twisted.internet.defer import Deferred

from tests.server.zones.load.signed import APEX, NAME, SignedLoadingCase
from tests.server.zones.signing.test_signer import Child
from tests.server.zones.update.changed import SlowDisk
from tests.zone.sign.test_incremental import contentOf, expectSame
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.keyfolder import loadKeys
from twisted_ext.dnssec.privatekeys.keyring import makeKeys
from twisted_ext.dnssec.privatekeys.roles import Signers
from twisted_ext.server.config.signingpolicy import SigningPolicySettings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.images.imagefiles import Built, Images
from twisted_ext.server.zones.load.loader import ZoneLoader
from twisted_ext.server.zones.signing import signer
from twisted_ext.server.zones.signing.door import SigningDoor
from twisted_ext.server.zones.signing.signedzone import SignedZone
from twisted_ext.server.zones.signing.signer import Signer
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.server.zones.update.commit import Edited
from twisted_ext.server.zones.update.edits import StaleEdit, ZoneEdits, etagOf
from twisted_ext.server.zones.update.journalreplay import Steps
from twisted_ext.server.zones.update.updates import UpdateHandler
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, DNSKEY, RRSIG, SOA, A
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.changeset import applied
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

_MORE = "a A 192.0.2.1\nsub NS ns.sub\nns.sub A 192.0.2.2\n*.w TXT x\n"


class ChangedCase(SignedLoadingCase):
    """
    Tests with a server whose zone is signed and takes updates.
    """

    loading: ZoneLoader

    def setUp(self) -> None:
        super().setUp()
        self.disk = SlowDisk()
        self.children: list[Child] = []
        self.policy = SigningPolicy()
        patching = patch.object(signer, "Signer", lambda reactor: Signer(reactor, spawn=self.spawn))
        patching.start()
        self.addCleanup(patching.stop)

    def spawn(self, reactor: object, protocol: object, module: str, **options: object) -> None:
        """
        Start the process with the keys.
        """
        self.children.append(Child(protocol))

    def prepare(self, loading: ZoneLoader) -> None:
        """
        Let the zone take updates.
        """
        updating = self.updating = UpdateHandler(
            self.clock, self.zones, str(self.folder / "state" / "journals"), elsewhere=self.disk, today=self.today
        )
        updating.ready()
        loading.connect(updating)
        updating.arrange(APEX, self.zone, ())
        self.responder = Responder(
            AuthoritySource(self.zones),
            self.clock,
            gates=standardGates(today=self.today, handlers=updating.handlers),
            packetCache=packetCacheFor(Access({"allow": ["any"]})),
            handlers=updating.handlers,
        )

    def revised(self, version: Version) -> Steps:
        """
        Apply the journal.
        """
        return self.updating.opening(version)

    def settings(self, more: str = _MORE, *, serial: int = 1) -> ZoneSettings:
        """
        Write the zone.
        """
        values = self.writeSigned(more, serial=serial).values
        zone = ZoneSettings({**values, "update": ("address 127.0.0.0/8 zone ANY",), "edit": ("api",)})
        zone.signing = self.policy
        return zone

    def start(self, more: str = _MORE) -> None:
        """
        Start the server.
        """
        self.zone = self.settings(more)
        self.loading = self.load(self.zone)
        self.settle()

    def restart(self) -> None:
        """
        End the server, and start another one.
        """
        self.end()
        self.loading = self.load(self.zone)
        self.settle()

    def end(self) -> None:
        """
        End the server.
        """
        closing = self.updating.close()
        self.disk.settle()
        self.successResultOf(closing)
        self.close(self.loading)
        self.zones = Zones()

    def settle(self) -> None:
        """
        Let everything be done that is under way.
        """
        for _ in range(12):
            self.disk.settle()
            for child in self.children:
                if not child.isOver:
                    child.work()
            self.compilers.run()
            self.clock.advance(0.01)

    def later(self) -> None:
        """
        Let files be looked at, and what has changed be signed.
        """
        for _ in range(6):
            self.clock.advance(1)
            self.settle()

    def send(self, *lines: str, remove: tuple[str, ...] = ()) -> list[bytes]:
        """
        Send an update that adds records, and removes names; return the list that will have the reply.
        """
        changes = [RRSet(nameFromText(name, APEX), ANY, ANY_CLASS, 0, (b"",)) for name in remove]
        changes += [recordFromText(line, APEX) for line in lines]
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), tuple(changes)))
        replies: list[bytes] = []
        self.responder.take(wire, ("127.0.0.1", 5300), "tcp", replies.append)
        return replies

    def update(self, *lines: str, remove: tuple[str, ...] = ()) -> int:
        """
        Send an update, let it be done, and return the rcode.
        """
        replies = self.send(*lines, remove=remove)
        self.settle()
        (reply,) = replies
        return Message.fromWire(reply).rcode

    @property
    def served(self) -> Version:
        """
        The version in force.
        """
        place = self.zones.at(APEX)
        zone = None if place is None else place.served()
        assert zone is not None
        return zone.current

    def edits(self) -> ZoneEdits:
        """
        Return the door of the API and the console.
        """
        return ZoneEdits(self.updating, self.zones, lambda apex: ("file", self.loading.overdue(apex) is not None))

    def edit(self, steps: Callable[[Transaction], object], match: str = "", dry: bool = False) -> Deferred[Edited]:
        """
        Begin a change by the API.
        """
        return self.edits().change(APEX, steps, door="api", who="API by test", match=match, dry=dry)

    def names(self) -> set[str]:
        """
        Return the first labels of the names with addresses.
        """
        return {node.key[1 : node.key[0] + 1].decode() for node in self.served.nodes() if node.key and node.of(A) is not None}

    @property
    def image(self) -> str:
        """
        The file that was signed as a whole.
        """
        assert self.loading.door is not None
        built = self.loading.door.images.of(f"{NAME}.")
        assert built is not None
        return built.path

    def expectSigned(self) -> None:
        """
        Expect that the version is as if it was signed from nothing, now.
        """
        keys = [file.key for file in loadKeys(str(self.keys), APEX)]
        expectSame(self.served, Signing(Signers(keys), self.policy), self.today())

    def expectHistory(self, *formers: Version) -> None:
        """
        Expect that secondaries with a former version get what has changed since then.
        """
        journal = self.updating.journal(APEX)
        assert journal is not None
        for former in formers:
            self.assertEqual(contentOf(applied(former, journal.since(former.serial) or ())), contentOf(self.served))

    @property
    def journal(self) -> int:
        """
        How many changes the journal has.
        """
        journal = self.updating.journal(APEX)
        return 0 if journal is None else len(journal)


class ChangesTests(ChangedCase):
    """
    Tests of updates, and of what makes the whole zone be signed again.
    """

    def test_updatesAreSigned(self) -> None:
        """
        After each update the zone is as if it was signed from nothing; nothing else is signed, and the log names what the client has
        changed.
        """
        now = int(time())
        with patch.object(self, "today", lambda: now):
            self.start()
            made = self.compilers.made
            for lines, remove in (
                (("b 300 A 192.0.2.7",), ()), (("b 300 A 192.0.2.8", "c.d 60 TXT hi"), ()), ((), ("a",)), (("x 300 NS ns.sub",), ("b",)),
                (("*.y 60 A 192.0.2.1", "A 60 A 192.0.2.2"), ("sub",)),
            ):  # fmt: skip
                self.assertEqual(self.update(*lines, remove=remove), Rcode.NOERROR)
                self.expectSigned()
        self.assertEqual((self.serial(NAME), self.compilers.made, len(self.children)), (6, made, 1))
        self.assertIn("example.org. 2: update by 127.0.0.1 without a key: added b.example.org. A 192.0.2.7\n", self.said() + "\n")

    def test_editsAreSigned(self) -> None:
        """
        What the API and the console change is signed, beside updates; a dry run says what would be and changes nothing; the log and the
        result name what was changed, and nothing that was made for it.
        """
        self.start()
        before = self.served
        tag = etagOf(before)
        dry = self.edit(lambda tx: tx.add(recordFromText("dry 60 A 192.0.2.9", APEX)), dry=True)
        self.settle()
        edited = self.successResultOf(dry)
        assert edited.difference is not None
        self.assertEqual(([rrset.rrType for rrset in edited.difference.added], self.served), ([A], before))
        adding = [partial(Transaction.add, record=recordFromText(f"e{number} 60 A 192.0.2.9", APEX)) for number in range(2)]
        tried = [self.edit(add, match=tag) for add in adding]
        replies = [self.send(f"u{n} 60 A 192.0.2.9") for n in range(3)]
        self.settle()
        self.assertEqual([Message.fromWire(reply[0]).rcode for reply in replies], 3 * [Rcode.NOERROR])
        edited = self.successResultOf(tried[0])
        assert edited.difference is not None
        self.assertEqual([rrset.rrType for rrset in edited.difference.added], [A])
        self.failureResultOf(tried[1], StaleEdit)
        self.assertEqual(self.names(), {"a", "ns", "ns1", "e0", "u0", "u1", "u2"})
        self.expectSigned()

        def replace(transaction: Transaction) -> None:
            for node in transaction.version.nodes():
                if node.key:
                    transaction.removeName(node.key + APEX)
            transaction.add(recordFromText("ns 60 A 192.0.2.1", APEX))

        replacing = self.edit(replace)
        self.settle()
        edited = self.successResultOf(replacing)
        self.assertEqual(self.names(), {"ns"})
        self.expectSigned()

    def test_frozenWhileItIsSigned(self) -> None:
        """
        An update that waits for its signatures when the zone is frozen is refused.
        """
        self.start()
        self.assertEqual(self.update("b 300 A 192.0.2.9"), Rcode.NOERROR)
        before = self.served
        replies = self.send("c 300 A 192.0.2.9")
        self.edits().freeze(APEX, True)
        self.settle()
        self.assertEqual((Message.fromWire(replies[0]).rcode, self.served), (Rcode.REFUSED, before))

    def test_madeRecords(self) -> None:
        """
        What the signer makes cannot be changed, nor what cannot be signed be added; the reply says so.
        """
        self.start()
        before = self.served
        for line, said in (
            ("a 300 NSEC b.example.org. A", b"example.org. NSEC: the server that signs this zone makes these records"),
            ("a 300 DS 1 13 2 " + "00" * 32, b"a.example.org. has DS records, but no NS records"),
        ):
            replies = self.send(line)
            self.settle()
            self.assertEqual(Message.fromWire(replies[0]).rcode, Rcode.REFUSED)
            self.assertIn(said, self.said().encode())
        self.assertIs(self.served, before)

    def test_afterARestart(self) -> None:
        """
        After a restart the changes are there, with their signatures, and nothing is signed.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        before = contentOf(self.served)
        self.restart()
        self.assertEqual((contentOf(self.served), self.compilers.made, self.journal), (before, 0, 1))
        self.assertEqual(self.update("c 300 A 192.0.2.7"), Rcode.NOERROR)
        self.assertEqual(self.serial(NAME), 3)

    def test_changesStay(self) -> None:
        """
        What clients have changed stays when a key comes, the policy changes, and signatures are renewed, and over restarts in between.
        """
        self.start()
        first = self.served
        self.update("b 300 A 192.0.2.7", remove=("a",))
        second = self.served
        makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
        self.later()
        self.assertEqual((self.names(), self.serial(NAME), self.served.overlay), ({"b", "ns", "ns1"}, 3, {}))
        self.expectHistory(first, second)
        keys = self.served.top.of(DNSKEY)
        assert keys is not None
        self.assertEqual(len(keys.rdatas), 2)
        self.restart()
        self.assertEqual((self.names(), self.serial(NAME), self.compilers.made), ({"b", "ns", "ns1"}, 3, 0))
        self.update("c 300 A 192.0.2.7")
        self.policy = SigningPolicySettings.fromText("p=signatures=30d").policy
        self.zone.signing = self.policy
        done = self.loading.reload([self.zone])
        self.settle()
        self.successResultOf(done)
        self.assertEqual((self.names(), self.serial(NAME), self.served.overlay), ({"b", "c", "ns", "ns1"}, 5, {}))
        self.expectHistory(first, second)
        self.update("d 300 A 192.0.2.7")
        with patch.object(SignedZone, "isDue", return_value=True):
            self.later()
        counts = re.findall(r"signed: (\d+) signatures \((\d+) of them as before\)", self.said())
        # All but those of the apex, in which the serial is another one.
        self.assertEqual(int(counts[-1][0]) - int(counts[-1][1]), 4)
        self.restart()
        self.assertEqual((self.names(), self.serial(NAME), self.served.overlay), ({"b", "c", "d", "ns", "ns1"}, 7, {}))
        self.expectHistory(first, second)
        (image,) = (self.folder / "state" / "signed").glob("*.image")
        self.assertTrue(image.exists())

    def test_keyThatGoes(self) -> None:
        """
        A key that is removed leaves the zone, its record and its signatures, and the changes of clients stay.
        """
        self.start()
        makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
        self.later()
        self.update("b 300 A 192.0.2.7")
        for path in sorted(self.keys.glob("*.private"))[:1]:
            path.unlink()
            path.with_suffix(".key").unlink()
        self.later()
        keys = self.served.top.of(DNSKEY)
        assert keys is not None
        self.assertEqual((len(keys.rdatas), self.names()), (1, {"a", "b", "ns", "ns1"}))

    def test_keysOfOthers(self) -> None:
        """
        A DNSKEY record of the file that is of no key in the folder stays published, also when a zone that clients have changed is signed
        again.
        """
        self.start(f"{_MORE}@ 3600 DNSKEY 256 3 13 {'A' * 86}==\n")
        self.update("b 300 A 192.0.2.7")
        makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
        self.later()
        keys = self.served.top.of(DNSKEY)
        assert keys is not None
        self.assertEqual((len(keys.rdatas), "b" in self.names()), (3, True))

    def test_changedFile(self) -> None:
        """
        A file that changes when clients have changed the zone takes its place if its serial is newer than the one that was taken in, and
        the log warns; otherwise it is refused, with what would be right. The serial that is served is not compared.
        """
        self.start()
        for number in range(5):
            self.update(f"n{number} 300 A 192.0.2.7")
        self.assertEqual(self.serial(NAME), 6)
        self.settings("f A 192.0.2.9\n", serial=1)
        self.later()
        self.assertEqual((self.serial(NAME), "n4" in self.names()), (6, True))
        self.assertIn("serial 1 is not newer than 1, which it had when clients changed the zone; give it a newer one", self.said())
        self.assertIn("example.org.: serial 6 stays in force", self.said())
        self.restart()
        self.assertEqual((self.serial(NAME), "n4" in self.names()), (6, True))
        makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
        self.later()
        # Signed again, while the file is refused.
        self.assertEqual((self.serial(NAME), "n4" in self.names(), "f" in self.names()), (7, True, False))
        self.restart()
        self.assertEqual((self.serial(NAME), "n4" in self.names()), (7, True))
        self.settings("f A 192.0.2.9\n", serial=2)
        self.later()
        self.assertEqual((self.serial(NAME), self.names(), self.served.overlay), (8, {"f", "ns1"}, {}))
        self.assertIn("takes the place of what clients have changed since serial 1: their changes are discarded", self.said())
        self.assertEqual(self.update("g 300 A 192.0.2.7"), Rcode.NOERROR)
        self.restart()
        self.assertEqual(self.names(), {"f", "g", "ns1"})

    def test_killedAroundTheNextImage(self) -> None:
        """
        A server that is killed before the image with the changes is noted, or after that and before the journal is emptied, loses nothing.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        for name, target, serial in (("before", (SigningDoor, "_signed"), 2), ("after", (UpdateHandler, "_clear"), 4)):
            makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
            with patch.object(*target):
                self.later()
            self.restart()
            self.assertIn("b", self.names(), name)
            self.later()
            self.assertGreaterEqual(self.serial(NAME) or 0, serial - 1)
            self.assertEqual(self.update(f"{name} 300 A 192.0.2.7"), Rcode.NOERROR)
            self.restart()
            self.assertLessEqual({"a", "b", name}, self.names())

    def test_fullDisk(self) -> None:
        """
        If the next image cannot be noted since the disk is full, the former version stays with its changes, and it is tried again.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
        with patch("twisted_ext.server.zones.images.imagefiles.os.fsync", side_effect=OSError(28, "No space left on device")):
            self.later()
        self.assertEqual((self.serial(NAME), self.journal), (2, 1))
        self.assertIn("No space left on device", self.said())
        self.assertEqual(self.update("c 300 A 192.0.2.7"), Rcode.NOERROR)
        for _ in range(60):
            self.clock.advance(1)
        self.settle()
        self.assertEqual((self.names(), self.served.overlay), ({"a", "b", "c", "ns", "ns1"}, {}))

    def test_twiceMeanwhile(self) -> None:
        """
        If the policy changes once more while a zone that clients have changed is signed by another one, the updates that wait are made when
        both are done.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        for days in (30, 40):
            self.policy = self.zone.signing = SigningPolicySettings.fromText(f"p=signatures={days}d").policy
            self.loading.reload([self.zone])
            self.clock.advance(0.01)
            self.disk.settle()
        replies = self.send("c 300 A 192.0.2.7")
        self.settle()
        self.assertEqual(Message.fromWire(replies[0]).rcode, Rcode.NOERROR)
        self.assertEqual(self.update("d 300 A 192.0.2.7"), Rcode.NOERROR)
        self.restart()
        self.assertEqual(self.names(), {"a", "b", "c", "d", "ns", "ns1"})

    def test_unreadableJournal(self) -> None:
        """
        While the journal of a zone cannot be read at a start, the zone is not served, and its image stays: what clients have changed is
        there once it can.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        self.end()
        before = [*(self.folder / "state" / "signed").glob("*.image")]
        (path,) = (self.folder / "state" / "journals").glob("*.journal")
        away = path.rename(self.folder / "away")
        path.mkdir()
        self.loading = self.load(self.zone)
        self.later()
        self.assertIsNone(self.serial(NAME))
        self.assertIn("Is a directory", self.said())
        self.assertEqual([*(self.folder / "state" / "signed").glob("*.image")], before)
        path.rmdir()
        away.rename(path)
        for _ in range(61):
            self.clock.advance(1)
        self.settle()
        self.assertEqual((self.names(), self.serial(NAME)), ({"a", "b", "ns", "ns1"}, 2))

    def test_killedAfterTheIndexFailed(self) -> None:
        """
        If the next image could not be noted for certain, or its line was cut off, and the server is killed, the former image is there with
        its changes, and what is noted later is found.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)

        def keep(images: Images, built: Built) -> None:
            with open(f"{images.folder}/index", "a") as index:
                index.write("\n" + built.toJSON())
            raise OSError(28, "No space left on device")

        with patch.object(Images, "keep", keep):
            self.later()
        self.assertIn("the signed image cannot be kept: No space left on device", self.said())
        with (self.folder / "state" / "signed" / "index").open("a") as index:
            index.write('["example.org.", "/cut/o')
        self.restart()
        self.assertIn("b", self.names())
        self.later()
        self.assertEqual(self.update("c 300 A 192.0.2.7"), Rcode.NOERROR)
        for _ in range(2):
            self.restart()
            self.assertEqual(self.names(), {"a", "b", "c", "ns", "ns1"})

    def test_longDown(self) -> None:
        """
        A server that was down until the signatures had ended serves the zone with what clients have changed, and signs it anew.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        for isTaken in (False, True):
            if isTaken:
                # What they have changed is in the image.
                makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
                self.later()
                self.assertEqual(self.served.overlay, {})
            self.end()
            for path in (self.folder / "state" / "signed").glob("*.image"):
                os.utime(path, (time() - 30 * 86400, time() - 30 * 86400))
            self.loading = self.load(self.zone)
            self.settle()
            self.assertIn("b", self.names())
            with patch.object(SignedZone, "isDue", return_value=True):
                self.later()
            self.assertEqual(self.names(), {"a", "b", "ns", "ns1"})

    def test_signedNoMoreForAWhile(self) -> None:
        """
        A zone that leaves the settings, or is to be signed no more, and comes back has what clients have changed; meanwhile the log says
        where that is.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        makeKeys(str(self.keys), APEX, ECDSA_P256, time() - 100)
        self.later()
        self.update("c 300 A 192.0.2.7")
        for zones in ([], [ZoneSettings({name: value for name, value in self.zone.values.items() if name != "sign"})]):
            done = self.loading.reload(zones)
            self.settle()
            self.successResultOf(done)
            self.assertIn("example.org.: what clients have changed since it was signed of serial 1 is kept in ", self.said())
            self.events.clear()
            done = self.loading.reload([self.zone])
            self.settle()
            self.successResultOf(done)
            self.assertEqual((self.names(), RRSIG in self.types()), ({"a", "b", "c", "ns", "ns1"}, True))
            self.restart()
            self.assertEqual(self.names(), {"a", "b", "c", "ns", "ns1"})

    def test_otherCapitals(self) -> None:
        """
        If only the capitals of its name change in the settings, what clients have changed stays.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        self.zone = ZoneSettings({**self.zone.values, "name": "Example.ORG."})
        self.zone.signing = self.policy
        done = self.loading.reload([self.zone])
        self.settle()
        self.successResultOf(done)
        self.assertIn("b", self.names())
        self.restart()
        self.assertEqual((self.names(), RRSIG in self.types()), ({"a", "b", "ns", "ns1"}, True))

    def test_damagedJournal(self) -> None:
        """
        If the journal was damaged, what is left of it is served, signed, with a serial behind the last one.
        """
        self.start()
        for number in range(3):
            self.update(f"n{number} 300 A 192.0.2.7")
        self.end()
        (path,) = (self.folder / "state" / "journals").glob("*.journal")
        octets = path.read_bytes()
        path.write_bytes(octets[:-9] + bytes([octets[-9] ^ 1]) + octets[-8:])
        self.loading = self.load(self.zone)
        self.later()
        self.assertEqual(self.names(), {"a", "n0", "n1", "ns", "ns1"})
        self.assertGreater(self.serial(NAME) or 0, 4)
        self.expectSigned()

    def test_noKeys(self) -> None:
        """
        If the process with the keys does not answer, updates fail, and the zone that is served stays as it is; it goes on once there is
        another one.
        """
        self.start()
        self.update("b 300 A 192.0.2.7")
        before = self.served
        replies = self.send("c 300 A 192.0.2.7")
        self.children[0].end()
        self.settle()
        self.assertEqual(Message.fromWire(replies[0]).rcode, Rcode.SERVFAIL)
        self.assertIn("a change of example.org. cannot be signed: the process with the keys has ended", self.said())
        self.assertIs(self.served, before)
        self.clock.advance(2)
        self.assertEqual(self.update("c 300 A 192.0.2.7"), Rcode.NOERROR)
        self.assertEqual(len(self.children), 2)

    def test_notSignedYet(self) -> None:
        """
        A zone that cannot be signed takes no updates.
        """
        (Path(self.keys.parent) / "example.org").mkdir(parents=True)
        self.start()
        self.assertEqual(self.update("c 300 A 192.0.2.7"), Rcode.SERVFAIL)

    def test_wholeZone(self) -> None:
        """
        An update after which all denials would be others is refused, and says why.
        """
        self.start()
        self.assertEqual(self.update("@ 30 SOA ns1 hostmaster 9 3600 600 86400 60".replace("@", "example.org.")), Rcode.REFUSED)
        self.assertIn("the TTL of negative answers of example.org. changes, which all NSEC records have", self.said())
