"""
Tests of zones that come from databases and primaries, and of which only what changes there is signed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast
from unittest.mock import patch

from twisted.internet.defer import succeed

from tests.server.zones.load.signed import APEX, NAME
from tests.server.zones.signing.test_changes import ChangedCase
from tests.zone.changing import ZONE, edited, record, textsOf, versionOf
from twisted_ext.errors import StorageFault
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images.imagefiles import Images
from twisted_ext.server.zones.load.arrivals import Arrivals
from twisted_ext.server.zones.load.loader import ZoneLoader
from twisted_ext.server.zones.table.zonetable import EXPIRED, Zones
from twisted_ext.server.zones.update.commit import StoreJournal
from twisted_ext.server.zones.update.edits import StaleEdit, etagOf
from twisted_ext.server.zones.update.journalreplay import journalName
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, DNSKEY, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

if TYPE_CHECKING:
    from twisted_ext.interfaces import IZoneStore
    from twisted_ext.server.config.types import Value

_MADE = {RRSIG, NSEC, NSEC3, NSEC3PARAM, DNSKEY, CDS, CDNSKEY, SOA}


def without(version: Version, name: str) -> Version:
    """
    Return a version without a name.
    """
    transaction = Transaction(version)
    transaction.removeName(nameFromText(name, APEX))
    made = transaction.commit()
    assert made is not None
    return made[0]


class Store:
    """
    The database.
    """

    def __init__(self) -> None:
        self.written: list[Difference] = []
        self.fault: Exception | None = None

    def write(self, differences: Sequence[Difference]) -> None:
        """
        Take changes.
        """
        if self.fault is not None:
            raise self.fault
        self.written += differences


class FollowingCase(ChangedCase):
    """
    A server that signs a zone of a database.
    """

    def setUp(self) -> None:
        super().setUp()
        self.policy = SigningPolicy()
        self.store = Store()
        self.begin()

    def settings(self, more: str = "", *, serial: int = 1) -> ZoneSettings:
        """
        Return the settings of the zone.
        """
        values: dict[str, Value] = {"name": f"{NAME}.", "sign": "default", "store": "/zones.sqlite"}
        zone = ZoneSettings({**values, "update": ("address 127.0.0.0/8 zone ANY",)})
        zone.signing = self.policy
        return zone

    def prepare(self, loading: ZoneLoader) -> None:
        """
        Let the zone be changed.
        """
        super().prepare(loading)
        store = cast("IZoneStore", self.store)
        self.updating.arrange(APEX, self.zone, (), (StoreJournal(lambda: store), self.disk) if self.zone.store else None)

    def begin(self) -> None:
        """
        Start as a server does.
        """
        self.zone = self.settings()
        with patch.object(ZoneLoader, "begin"):
            self.loading = self.load()
        self.arrivals = Arrivals(self.clock, self.publisher, self.loading, str(self.folder / "state"), self.disk, isLasting=True)
        self.updating.origins = self.arrivals
        self.arrivals.follow(APEX, self.zone)
        self.arrivals.sweep(self.updating.derivedPaths())
        self.loading.begin([])
        self.settle()

    def end(self) -> None:
        """
        End the server.
        """
        self.arrivals.close(succeed(None))
        super().end()

    def restart(self) -> None:
        """
        End the server, and start another one.
        """
        self.end()
        self.begin()

    def come(self, version: Version) -> None:
        """
        Let a version arrive, and be signed.
        """
        self.arrivals.arrived(version, "zones.sqlite")
        self.settle()

    def expectServed(self, version: Version) -> None:
        """
        Expect that the records of a version are served, and are signed as if they were from nothing.
        """
        served, wanted = [{each for each in textsOf(found) if each[1] not in _MADE} for found in (self.served, version)]
        self.assertEqual(served, wanted)
        self.expectSigned()


class FollowingTests(FollowingCase):
    """
    Tests of changes where the zone comes from.
    """

    def test_onlyWhatChanges(self) -> None:
        """
        Changes are signed alone, with the serials of the origin, and kept as differences for secondaries; a restart finds nothing to sign.
        """
        version = versionOf()
        self.come(version)
        image = self.image
        for count in range(3):
            version = edited(version, f"h{count} 300 A 192.0.2.1")
            self.come(version)
            self.expectServed(version)
            self.assertEqual((self.served.serial, self.image), (11 + count, image))
        version = without(version, "mail")
        self.come(version)
        self.expectServed(version)
        self.assertEqual((self.journal, self.image), (4, image))
        self.assertIn("example.org. 14: ", self.said())
        self.restart()
        self.expectServed(version)
        self.assertEqual((self.served.serial, self.journal, self.image), (14, 4, image))
        # The origin has the same, read once more.
        self.come(version)
        self.assertEqual((self.served.serial, self.journal, self.image), (14, 4, image))
        version = edited(version, "more 300 A 192.0.2.1")
        self.come(version)
        self.expectServed(version)
        self.assertEqual((self.served.serial, self.journal, self.image), (15, 5, image))

    def test_serialThatWasRaised(self) -> None:
        """
        After the zone was signed again, with a serial ahead of the origin's, changes go on from there.
        """
        version = versionOf()
        self.come(version)
        self.assertTrue(self.loading.signing().signAnew(APEX))
        for zone in self.loading.signing():
            self.loading.signing().sign(zone)
        self.settle()
        self.assertEqual(self.served.serial, 11)
        version = edited(version, "a 300 A 192.0.2.1")
        self.come(version)
        self.expectServed(version)
        self.assertEqual((self.served.serial, self.journal), (12, 1))

    def test_severalMeanwhile(self) -> None:
        """
        Versions that come while one is being signed are signed after it, together.
        """
        version = versionOf()
        self.come(version)
        image = self.image
        for count in range(5):
            version = edited(version, f"h{count} 300 A 192.0.2.1")
            self.arrivals.arrived(version, "zones.sqlite")
        self.settle()
        self.expectServed(version)
        self.assertEqual(self.image, image)
        self.assertLess(self.journal, 5)

    def test_readAnew(self) -> None:
        """
        A zone that is read or transferred as a whole is compared with what was there, and only what differs is signed.
        """
        self.come(edited(versionOf(), "a 300 A 192.0.2.1"))
        image = self.image
        version = versionOf(ZONE.replace(" 10 ", " 30 ").replace("www 300 CNAME mail", "other 300 A 192.0.2.7"))
        self.come(version)
        self.expectServed(version)
        self.assertEqual((self.served.serial, self.journal, self.image), (30, 1, image))

    def test_wholeZone(self) -> None:
        """
        A change after which the whole has to be signed is signed as a whole; nobody is told that changes are discarded.
        """
        version = versionOf()
        self.come(version)
        self.come(version := edited(version, "a 300 A 192.0.2.1"))
        image, former = self.image, self.served
        self.assertEqual(self.journal, 1)
        transaction = Transaction(version)
        soa = version.soa
        transaction.replace(soa.withRdatas((soa.rdatas[0][:-4] + (77).to_bytes(4, "big"),)))
        made = transaction.commit()
        assert made is not None
        self.come(made[0])
        self.expectServed(made[0])
        self.assertNotEqual(self.image, image)
        self.assertEqual((self.served.serial, self.served.overlay), (12, {}))
        self.expectHistory(former)
        self.assertNotIn("discarded", self.said())

    def test_killedBeforeItIsNoted(self) -> None:
        """
        A server that is killed after a change is in force, and before it is noted of what, serves it at its next start, and signs the zone
        as a whole.
        """
        version = versionOf()
        self.come(version)
        image = self.image
        version = edited(version, "a 300 A 192.0.2.1")
        with patch.object(Images, "note"):
            self.come(version)
        self.assertEqual(self.served.serial, 11)
        # As the index has it.
        self.restart()
        self.assertNotEqual(self.image, image)
        self.expectServed(version)
        self.assertGreater(self.served.serial, 11)
        self.assertNotIn("discarded", self.said())

    def test_lostJournal(self) -> None:
        """
        If the journal is gone or shorter at a start, the zone is signed as a whole: what its image has is older than it was.
        """
        version = versionOf()
        self.come(version)
        for suffix in ("", ".serial"):
            for count in range(3):
                self.come(version := edited(version, f"h{count}{suffix.strip('.')} 300 A 192.0.2.1"))
            self.assertEqual(self.journal, 3)
            self.end()
            for name in (suffix, "") if suffix else ("",):
                os.unlink(f"{self.folder}/state/signed/journals/{journalName(APEX)}{name}")
            self.begin()
            self.expectServed(version)
            self.assertEqual(self.served.serial, self.served.image.serial)

    def test_noKeys(self) -> None:
        """
        If the process with the keys ends meanwhile, the zone is served as it was, and signed as a whole; the next change is signed alone.
        """
        version = versionOf()
        self.come(version)
        self.come(version := edited(version, "a 300 A 192.0.2.1"))
        image = self.image
        self.arrivals.arrived(version := edited(version, "b 300 A 192.0.2.1"), "zones.sqlite")
        self.disk.settle()
        self.children[-1].end()
        self.settle()
        self.settle()
        self.expectServed(version)
        self.assertNotEqual(self.image, image)
        image = self.image
        self.clock.advance(60)
        self.come(version := edited(version, "c 300 A 192.0.2.1"))
        self.expectServed(version)
        self.assertEqual(self.image, image)

    def test_expired(self) -> None:
        """
        A zone that has expired is served no more, and is signed when it comes again.
        """
        version = versionOf()
        self.come(version)
        self.come(version := edited(version, "a 300 A 192.0.2.1"))
        self.arrivals.failed(APEX, "it has expired", EXPIRED)
        place = self.zones.at(APEX)
        assert place is not None
        self.assertEqual(place.state, EXPIRED)
        self.come(version := edited(version, "b 300 A 192.0.2.1"))
        self.expectServed(version)

    def test_journalOfAZoneThatGoes(self) -> None:
        """
        The journal of a zone that is signed no more is removed, at once or at the next start; it never applies to what comes later.
        """
        version = versionOf()
        for isAtOnce in (True, False):
            self.come(version)
            self.come(version := edited(version, f"n{isAtOnce} 300 A 192.0.2.1"))
            path = f"{self.folder}/state/signed/journals"
            self.assertEqual([name.partition(".journal")[0] for name in os.listdir(path) if not name.endswith("serial")], ["example.org"])
            self.end() if not isAtOnce else None
            if isAtOnce:
                self.updating.arrange(APEX, None, ())
                self.arrivals.follow(APEX, None)
                self.settle()
            else:
                self.zones = Zones()
                with patch.object(self, "settings", lambda: ZoneSettings({"name": f"{NAME}.", "store": "/zones.sqlite"})):
                    self.begin()
            self.assertEqual(os.listdir(path), [])
            if isAtOnce:
                self.restart()


class ChangesTests(FollowingCase):
    """
    Tests of changes that clients make here of a zone of a database.
    """

    def setUp(self) -> None:
        super().setUp()
        self.come(versionOf())

    def unsigned(self) -> Version:
        """
        Return the version that the database has.
        """
        found = self.arrivals.former(APEX)
        assert found is not None
        return found

    def test_inTheDatabaseAndSigned(self) -> None:
        """
        A change is in the database, and in force with its signatures, before it is confirmed; those that come meanwhile are made together.
        """
        image = self.image
        first = self.send("a 300 A 192.0.2.9")
        self.disk.turn()
        self.assertEqual((len(self.store.written), first), (1, []))
        rest = [self.send(f"b{number} 300 A 192.0.2.9") for number in range(5)]
        self.settle()
        for reply in (first, *rest):
            self.assertEqual(Message.fromWire(reply[0]).rcode, Rcode.NOERROR)
        self.assertEqual(self.names() & {"a", "b0", "b4"}, {"a", "b0", "b4"})
        self.expectServed(self.unsigned())
        self.assertEqual((len(self.store.written), self.journal, self.image), (2, 2, image))
        self.assertEqual(textsOf(applied(versionOf(), self.store.written)), textsOf(self.unsigned()))
        self.restart()
        self.expectServed(self.unsigned())

    def test_changesOfBoth(self) -> None:
        """
        A change that a client makes here is one of what the database has by then.
        """
        self.assertEqual(self.update("a 300 A 192.0.2.9"), Rcode.NOERROR)
        self.come(edited(self.unsigned(), "sql 300 A 192.0.2.9"))
        self.assertEqual(self.update("b 300 A 192.0.2.9"), Rcode.NOERROR)
        self.assertEqual(self.names() & {"a", "sql", "b"}, {"a", "sql", "b"})
        self.expectServed(self.unsigned())

    def test_entityTags(self) -> None:
        """
        Changes are for the version that is served, whose serial may be ahead of the one in the database; what is read is what counts.
        """
        self.loading.signing().signAnew(APEX)
        for zone in self.loading.signing():
            self.loading.signing().sign(zone)
        self.settle()
        tag = etagOf(self.served)
        self.assertNotEqual(self.served.serial, self.unsigned().serial)
        adding = [partial(Transaction.add, record=record(f"e{number} 60 A 192.0.2.9")) for number in range(2)]
        tried = [self.edit(add, match=tag) for add in adding]
        self.settle()
        edited = self.successResultOf(tried[0])
        self.assertIs(edited.version, self.served)
        self.assertNotEqual(etagOf(self.served), tag)
        self.failureResultOf(tried[1], StaleEdit)
        dry = self.edit(adding[1], match=etagOf(self.served), dry=True)
        self.settle()
        self.assertEqual(self.successResultOf(dry).former, self.unsigned())
        self.expectServed(self.unsigned())

    def test_madeRecords(self) -> None:
        """
        What the signer makes cannot be changed, though the database does not have it.
        """
        self.assertEqual(self.update("a 300 NSEC example.org. A"), Rcode.REFUSED)
        self.assertEqual(self.store.written, [])

    def test_fullDatabase(self) -> None:
        """
        What the database cannot store is refused, and the zone stays as it is.
        """
        before = self.served
        self.store.fault = StorageFault("no room")
        self.assertEqual(self.update("a 300 A 192.0.2.9"), Rcode.SERVFAIL)
        self.assertIs(self.served, before)

    def test_noKeys(self) -> None:
        """
        If the process with the keys does not answer, what the database has is confirmed, and signed as a whole.
        """
        self.assertEqual(self.update("a 300 A 192.0.2.9"), Rcode.NOERROR)
        replies = self.send("b 300 A 192.0.2.9")
        self.disk.settle()
        self.children[-1].end()
        self.settle()
        self.settle()
        self.assertEqual(Message.fromWire(replies[0]).rcode, Rcode.NOERROR)
        self.expectServed(self.unsigned())

    def test_frozen(self) -> None:
        """
        A frozen zone takes no changes here, and those of its database still.
        """
        self.edits().freeze(APEX, True)
        self.assertEqual(self.update("a 300 A 192.0.2.9"), Rcode.REFUSED)
        self.come(version := edited(self.unsigned(), "b 300 A 192.0.2.1"))
        self.expectServed(version)
