"""
Tests of following the primaries of a zone.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch
from weakref import ref

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.queries import optOf, queryOf
from tests.server.zones.transfer.askers import Datagrams
from tests.server.zones.transfer.replicas import PRIMARY, QUICK, SECONDARY, Host, StepTestCase, applyZones, soaOf
from tests.zone.changing import APEX, ZONE
from twisted_ext.server.config.keys import Grants, Keys, RemoteServer
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import IXFR, SOA
from twisted_ext.zone.transfer.ingest import gather
from twisted_ext.zone.transfer.refresh import SecondaryState


@contextmanager
def slowThreads(waiting: list[Callable[[], object]]) -> Iterator[None]:
    """
    Have threads do their work only when this test does.

    @param waiting: gets what does the work of each.
    """

    def later(reactor: object, work: Callable[[], object]) -> Deferred[object]:
        done: Deferred[object] = Deferred()
        waiting.append(lambda: done.callback(work()))
        return done

    with patch("twisted_ext.server.zones.transfer.xfrin.inThread", later):
        yield


class SecondaryTests(StepTestCase):
    """
    Tests for L{Secondary} and L{Secondaries}.
    """

    def test_configuredZoneIsFetched(self) -> None:
        """
        A zone is served with all of its records soon after it is configured; until then queries get an error.
        """
        self.primary.serve()
        self.primary.apply(allow_transfer=["192.0.2.0/24"])
        self.secondary.apply(primaries=[PRIMARY])
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
        self.network.advance(1)
        self.assertEqual(self.secondary.serial(), 10)
        self.assertInStep()

    def test_notifiedChangeIsFetched(self) -> None:
        """
        A change is fetched by IXFR as soon as the primary notifies it, and several changes in a row are fetched together.
        """
        self.begin()
        asked = self.recordTransferTypes()
        self.primary.change("new 300 A 192.0.2.9", remove=["mail 300 A 192.0.2.3"])
        self.primary.change("new 300 A 192.0.2.10")
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 12)
        self.assertInStep()
        self.assertEqual(asked, [IXFR])

    def notify(self, serial: int) -> None:
        """
        Send NOTIFY from the primary, once.
        """
        port = self.there[0].listenUDP(0, Datagrams(), interface=PRIMARY)
        port.write(buildMessage(Message(7, Opcode.NOTIFY << 11 | AA, (Question(APEX, SOA),), (soaOf(serial),))), (SECONDARY, 53))
        self.network.advance(0.1)
        port.stopListening()

    def test_earlyNotifyIsFollowed(self) -> None:
        """
        A change is fetched even if the primary answers with the former version right after its NOTIFY, as a server of several processes
        may do.
        """
        self.begin()
        self.notify(11)
        self.assertIs(self.state, SecondaryState.CURRENT)
        self.primary.setSerial(11)
        self.network.advance(3)
        self.assertEqual(self.secondary.serial(), 11)

    def test_notifyDuringFailingQueryIsFollowed(self) -> None:
        """
        A NOTIFY that arrives while the primary does not answer an earlier query leads to another query, although that one fails.
        """
        self.begin()
        self.primary.end()
        self.secondary.replication.refresh(APEX)
        self.network.advance(13)
        self.assertIs(self.state, SecondaryState.PROBING)
        self.notify(11)
        self.network.advance(1)
        self.primary.begin()
        self.primary.serve()
        self.primary.setSerial(11)
        self.primary.apply(allow_transfer=["192.0.2.0/24"])
        self.network.advance(10)
        self.assertEqual(self.secondary.serial(), 11)

    def test_notifyIsFollowedWhileAnAnswerIsStored(self) -> None:
        """
        A NOTIFY that arrives while a thread stores that the primary has confirmed the zone leads to another query. So does an operator's
        command.
        """
        self.begin()
        for serial, notified in ((11, True), (12, False)):
            with self.subTest(notified=notified):
                waiting: list[Callable[[], object]] = []
                with slowThreads(waiting):
                    self.secondary.replication.refresh(APEX)
                    self.network.advance(20)
                    self.assertEqual(len(waiting), 1)
                    self.assertIs(self.state, SecondaryState.CURRENT)
                    self.primary.replication.notifying.targets(APEX, ())
                    self.primary.setSerial(serial)
                    if notified:
                        self.notify(serial)
                    else:
                        self.secondary.replication.refresh(APEX)
                    waiting.pop()()
                self.network.advance(10)
                self.assertEqual(self.secondary.serial(), serial)

    def test_refusedQueryIsRetriedByTCP(self) -> None:
        """
        If a primary refuses the SOA query over UDP without a signature, as Knot DNS does for catalogs, it is asked over TCP at once.
        """

        def refuse(request: Request) -> Refusal:
            request.keyName = b""
            return Refusal(Rcode.REFUSED)

        self.primary.serve()
        self.primary.apply(allow_transfer=["key=one.key"], notify=[f"{SECONDARY} key=one.key"])
        self.secondary.apply(primaries=[f"{PRIMARY} key=one.key"])
        self.network.advance(1)
        self.assertEqual(self.secondary.serial(), 10)
        self.primary.responder.handlers[SOA] = refuse
        self.primary.change("new 300 A 192.0.2.99")
        self.network.advance(1)
        self.assertEqual(self.secondary.serial(), 11)

    def test_changeIsFetchedAfterRefresh(self) -> None:
        """
        Without a notify a change is fetched after the refresh time of the SOA record, and not long before.
        """
        self.begin(QUICK)
        self.primary.replication.notifying.targets(APEX, ())
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(250)
        self.assertEqual(self.secondary.serial(), 10)
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), 11)

    def test_lossWaits(self) -> None:
        """
        A version that has lost most of its records is not taken, by changes or as a whole, until an operator accepts it; the former one is
        served meanwhile, also after a restart.
        """
        lines = [f"h{number} 300 A 192.0.2.{number}" for number in range(40)]
        self.begin(QUICK)
        self.primary.change(*lines)
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        asked = self.recordTransferTypes()
        # So much that the primary sends all that is left.
        self.primary.change(remove=lines)
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        place = self.secondary.zones.at(APEX)
        assert place is not None
        self.assertIn("40 of 51 records are gone; to take that: txdns control zone accept example.org.", place.said)
        self.secondary.end()
        self.secondary.begin()
        self.secondary.apply(primaries=[PRIMARY])
        self.secondary.replication.refresh(APEX)
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        self.assertEqual(len(asked), 2)
        # It is not transferred again while it waits, however often the primary is asked for its serial number.
        for _ in range(3):
            self.secondary.replication.refresh(APEX)
            self.network.advance(20)
        self.assertEqual((self.secondary.serial(), len(asked)), (11, 2))
        self.assertIn("40 of 51 records are gone", self.secondary.zones.places[APEX].said)
        # As much as it sends as changes.
        self.secondary.guards.follow(Settings.of(recordsLost=20))
        self.primary.change(*lines[:29])
        self.secondary.replication.refresh(APEX)
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        self.assertIn("11 of 51 records are gone", self.secondary.zones.places[APEX].said)
        self.assertTrue(self.secondary.guards.accept(APEX))
        self.assertTrue(self.secondary.replication.refresh(APEX))
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 13)
        self.assertInStep()

    def test_zoneExpiresWithoutPrimary(self) -> None:
        """
        While no primary is reachable, the zone is served until it expires; it is served again when a primary is back.
        """
        self.begin(QUICK)
        self.primary.end()
        self.network.advance(800)
        # The time of the next refresh is random.
        self.assertEqual(self.secondary.serial(), 10)
        self.assertIn(self.state, (SecondaryState.STALE, SecondaryState.PROBING))
        self.network.advance(500)
        self.assertEqual(self.secondary.serial(), "the zone has expired")
        self.primary.begin()
        self.primary.serve(QUICK)
        self.primary.apply(allow_transfer=["192.0.2.0/24"])
        self.network.advance(1000)
        self.assertEqual(self.secondary.serial(), 10)

    def test_zoneSurvivesRestart(self) -> None:
        """
        After a restart the zone is served at once with all changes, even if no primary is reachable, and it expires when it would have
        without the restart.
        """
        self.begin(QUICK)
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        self.primary.end()
        self.network.advance(500)
        self.secondary.end()
        self.network.advance(300)
        self.secondary.begin()
        self.secondary.apply(primaries=[PRIMARY])
        self.assertEqual(self.secondary.serial(), 11)
        self.assertInStep()
        self.network.advance(300)
        self.assertEqual(self.secondary.serial(), "the zone has expired")

    def test_expiredZoneIsNotRestored(self) -> None:
        """
        A zone that has expired while the server was down is not served.
        """
        self.begin(QUICK)
        self.primary.end()
        self.secondary.end()
        self.network.advance(2000)
        self.secondary.begin()
        self.secondary.apply(primaries=[PRIMARY])
        self.assertEqual(self.secondary.serial(), "the zone has expired")

    def test_damagedFilesAreFetchedAgain(self) -> None:
        """
        A zone with damaged files is fetched again, and no damaged data is served.
        """
        self.begin()
        state = os.path.join(self.folder, "state")
        for name in sorted(os.listdir(state)):
            self.secondary.end()
            path = os.path.join(state, name)
            with open(path, "rb") as file:
                octets = file.read()
            with open(path, "wb") as file:
                file.write(octets[: len(octets) // 2])
            self.secondary.begin()
            self.secondary.apply(primaries=[PRIMARY])
            self.network.advance(1)
            self.assertEqual(self.secondary.serial(), 10, name)
            self.assertInStep()

    def test_damagedJournalIsLogged(self) -> None:
        """
        A damaged journal is logged, and the missing changes are fetched.
        """
        self.begin()
        for number in range(3):
            self.primary.change(f"new{number} 300 A 192.0.2.9")
            self.network.advance(3)
        self.assertEqual(self.secondary.serial(), 13)
        path = os.path.join(self.folder, "state", "example.org.changes")
        damages: list[Callable[[bytes], bytes]] = [
            lambda octets: octets[:-5] + b"\xff" + octets[-4:],
            lambda octets: bytes(64) + octets[64:],
        ]
        for damage in damages:
            self.secondary.end()
            with open(path, "rb") as file:
                octets = file.read()
            with open(path, "wb") as file:
                file.write(damage(octets))
            with capturedLogs() as events:
                self.secondary.begin()
                self.secondary.apply(primaries=[PRIMARY])
                self.network.advance(15)
            self.assertEqual(len([event for event in events if "the missing changes are transferred" in event["log_format"]]), 1)
            self.assertEqual(self.secondary.serial(), 13)
            self.assertInStep()

    def test_openJournalsAreBounded(self) -> None:
        """
        The number of open journals is limited; the others are opened when they are needed.
        """
        self.begin()
        self.primary.change("one 300 A 192.0.2.9")
        self.network.advance(2)
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        zone = secondaries.at(APEX)
        assert zone is not None
        other = secondaries.add(nameFromText("other.example."), [RemoteServer(Server(PRIMARY))], Grants(), "")
        with patch("twisted_ext.server.zones.transfer.secondaries.JOURNALS_OPEN.default", 1):
            self.assertTrue(zone._store.isOpen)
            secondaries.opened(other)
            self.assertFalse(zone._store.isOpen)
            journal = zone.journal
            assert journal is not None
            self.assertEqual(len(journal), 1)
            secondaries.opened(other)
            self.primary.change("two 300 A 192.0.2.9")
            self.network.advance(3)
            self.assertEqual(self.secondary.serial(), 12)
            journal = zone.journal
            assert journal is not None
            self.assertEqual([each.newSerial for each in journal.since(10) or ()], [11, 12])
        self.assertInStep()

    def test_removedZoneLeavesNoCycle(self) -> None:
        """
        A zone that is removed during its refresh leaves no reference cycle: with ten thousand zones the garbage collector would take longer
        than a turn may.
        """
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        for seconds in (0.0, 0.5):
            self.secondary.apply(primaries=[PRIMARY])
            self.network.advance(seconds)
            zone = secondaries.at(APEX)
            assert zone is not None
            known = ref(zone)
            del zone
            applyZones(self.secondary.replication, [], Keys())
            self.network.advance(1)
            self.assertIsNone(known())

    def test_removalWaitsForImage(self) -> None:
        """
        A zone that is removed while a thread builds its image is gone when the thread has finished, and none of its files are left.
        """
        self.primary.serve()
        self.primary.apply(allow_transfer=["192.0.2.0/24"])
        waiting: list[Callable[[], object]] = []
        with slowThreads(waiting):
            self.secondary.apply(primaries=[PRIMARY])
            self.network.advance(2)
            self.assertEqual(len(waiting), 1)
            secondaries = self.secondary.replication.secondaries
            assert secondaries is not None
            gone = secondaries.remove(APEX, forget=True)
            self.network.advance(1)
            self.assertNoResult(gone)
            waiting[0]()
            self.successResultOf(gone)
        self.assertEqual([name for name in os.listdir(secondaries.folder) if name.startswith("example")], [])

    def test_largeZoneIsBuiltFromFile(self) -> None:
        """
        A large zone is spooled to a file, and its content is the same.
        """
        hosts = "\n".join([f"host{number} 300 A 10.0.{number >> 8}.{number & 255}" for number in range(3000)])
        built: list[list[str]] = []

        def gathering(words: list[str]) -> dict[str, str]:
            built.append(words)
            self.assertTrue(os.path.exists(words[1]))
            return gather(words)

        with patch("twisted_ext.server.zones.transfer.secondarystore.GATHERED_OCTETS.default", 4096), patch(
            "twisted_ext.zone.transfer.ingest.gather", gathering
        ):
            self.begin(ZONE + hosts)
        self.assertInStep()
        self.assertEqual(len(built), 1)
        self.assertFalse(os.path.exists(built[0][1]))

    def test_refreshOnDemand(self) -> None:
        """
        An operator can refresh a zone at once; an error of the refresh appears in the zone's status.
        """
        self.begin(QUICK)
        self.primary.replication.notifying.targets(APEX, ())
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(5)
        self.assertEqual(self.secondary.serial(), 10)
        self.assertTrue(self.secondary.replication.refresh(APEX))
        self.assertFalse(self.primary.replication.refresh(APEX))
        self.network.advance(5)
        self.assertEqual(self.secondary.serial(), 11)
        place = self.secondary.zones.at(APEX)
        assert place is not None
        self.assertEqual(place.said, "")
        self.primary.apply()
        self.primary.change("new 300 A 192.0.2.10")
        self.secondary.replication.refresh(APEX)
        self.network.advance(5)
        self.assertIn("REFUSED", place.said)

    def test_chainedSecondaryExpiresWithItsPrimary(self) -> None:
        """
        A secondary of a secondary expires together with it, and not an expiry time later (RFC 7314).
        """
        third = Host(self.network.reactor("192.0.2.55"), "192.0.2.55", os.path.join(self.folder, "third"))
        self.begin(QUICK, allow_transfer=["any"])
        self.primary.end()
        self.network.advance(800)
        third.apply(primaries=[SECONDARY])
        self.network.advance(1)
        self.assertEqual((self.secondary.serial(), third.serial()), (10, 10))
        expiring = [host.replication.expires(APEX) or 0.0 for host in (self.secondary, third)]
        self.assertAlmostEqual(expiring[0], expiring[1], delta=1)
        # A later refresh does not change that.
        self.assertTrue(third.replication.refresh(APEX))
        self.network.advance(100)
        self.network.advance(400)
        self.assertEqual((self.secondary.serial(), third.serial()), ("the zone has expired", "the zone has expired"))
        third.end()
        self.network.advance(1)

    def test_expireOptionCountsDown(self) -> None:
        """
        The EXPIRE option in a reply has the remaining time of the zone.
        """
        self.begin(QUICK)
        self.primary.end()
        socket = Datagrams()
        port = self.here.listenUDP(0, socket)
        for _ in range(10):
            port.write(queryOf(APEX, "SOA", opt=optOf(options=((9, b""),))), (SECONDARY, 53))
            self.network.advance(50)
        port.stopListening()
        found = [edns.option(9) for octets in socket.replies if (edns := Message.fromWire(octets).edns) is not None]
        seconds = [int.from_bytes(octets or b"", "big") for octets in found]
        self.assertEqual([later - earlier for earlier, later in zip(seconds, seconds[1:], strict=False)], [-50] * 9)

    def test_stopDuringTransferLeavesNothing(self) -> None:
        """
        A server that stops during a transfer leaves nothing behind.
        """
        self.primary.serve()
        self.primary.apply(allow_transfer=["192.0.2.0/24"])
        self.secondary.apply(primaries=[PRIMARY])
        self.network.advance(0.003)
        self.secondary.end()
        self.network.advance(1)
        self.assertEqual(self.there[1].pending(), [])
        self.assertNotIn("example.org.transfer", os.listdir(os.path.join(self.folder, "state")))
