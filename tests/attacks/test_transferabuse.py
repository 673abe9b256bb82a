"""
Attack 28: transfers and NOTIFY messages without permission, and primaries that send too much, another zone, or an old one (CVE-2025-59030,
CVE-2026-12490 and similar ones).
"""

from __future__ import annotations

import os
from struct import pack
from unittest.mock import patch

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from tests.server.zones.transfer.askers import Asker, Datagrams, transferOf
from tests.server.zones.transfer.replicas import PRIMARY, SECONDARY, Host, ReplicaTestCase, applyZones, soaOf
from tests.server.zones.transfer.test_xfrout import LARGE
from tests.zone.changing import APEX, ZONE, record
from tests.zone.transfer.test_receiver import reply
from twisted_ext.errors import BudgetSpent
from twisted_ext.server.config.keys import Grants, Keys
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.transfer.secondarystore import Spool
from twisted_ext.server.zones.transfer.xfrin import Secondary
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR, Opcode, Rcode
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, NS, SOA, TXT, A
from twisted_ext.zone.transfer.ingest import gathered

STRANGER = "198.51.100.1"


def notice(serial: int = 4_000) -> bytes:
    """
    Return a NOTIFY of the zone of these tests.
    """
    return buildMessage(Message(7, Opcode.NOTIFY << 11 | AA, (Question(APEX, SOA),), (soaOf(serial),)))


class _Flooding(Protocol):
    """
    A primary whose zone does not end.
    """

    def __init__(self) -> None:
        self._buffer = StreamBuffer()

    def dataReceived(self, data: bytes) -> None:
        for query in self._buffer.feed(data):
            rrType = Message.fromWire(query).questions[0].rrType
            id = int.from_bytes(query[:2], "big")
            assert self.transport is not None
            self.transport.write(frame(reply([soaOf(11), record("@ 300 NS ns1")], id=id, rrType=rrType)))
            many = [record(f'a{number} 300 TXT "{"x" * 250}"') for number in range(200)]
            for _ in range(20):
                self.transport.write(frame(reply(many, id=id, rrType=rrType)))


class _FloodingAll(Protocol):
    """
    A primary of zones of any name, none of which ends.
    """

    def __init__(self) -> None:
        self._buffer = StreamBuffer()

    def dataReceived(self, data: bytes) -> None:
        for query in self._buffer.feed(data):
            question = Message.fromWire(query).questions[0]
            id, zone = int.from_bytes(query[:2], "big"), question.name
            assert self.transport is not None
            first = (RRSet(zone, SOA, 1, 300, soaOf(11).rdatas), RRSet(zone, NS, 1, 300, (zone,)))
            many = tuple([RRSet(b"\x04%04d%b" % (number, zone), TXT, 1, 300, (b"\xfa" + bytes(250),)) for number in range(200)])
            for records in (first, *[many] * 8):
                self.transport.write(frame(buildMessage(Message(id, QR | AA, (question,), records))))


class _Dripping(Protocol):
    """
    A primary that sends a record now and then.
    """

    seconds = 20.0

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network
        self._buffer = StreamBuffer()
        self._id = 0
        self._rrType = AXFR
        self._going = True

    def dataReceived(self, data: bytes) -> None:
        for query in self._buffer.feed(data):
            self._id = int.from_bytes(query[:2], "big")
            self._send([soaOf(11), record("@ 300 NS ns1")])

    def _send(self, sets: list[RRSet]) -> None:
        if self._going:
            assert self.transport is not None
            self.transport.write(frame(reply(sets, id=self._id, rrType=self._rrType)))
            self._network.clock.callLater(self.seconds, self._send, [record("a 300 A 192.0.2.1")])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._going = False


class TransferAbuseTests(ReplicaTestCase):
    """
    A primary, a secondary, and a stranger.
    """

    def setUp(self) -> None:
        super().setUp()
        self.stranger = self.network.reactor(STRANGER)

    def begin(self) -> None:
        """
        Let the zone be transferred.
        """
        self.primary.serve()
        self.primary.apply(allow_transfer=[SECONDARY])
        self.secondary.apply(primaries=[PRIMARY])
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 10)

    def sendNotices(self, times: int = 1) -> set[int]:
        """
        Let the stranger send NOTIFY messages over UDP and TCP.

        @return: the rcodes of the replies.
        """
        socket = Datagrams()
        port = self.stranger.listenUDP(0, socket)
        asker = Asker.at(self.network, self.stranger, SECONDARY)
        for _ in range(times):
            port.write(notice(), (SECONDARY, 53))
            asker.ask(notice())
            self.network.advance(0.01)
        self.network.advance(1)
        port.stopListening()
        asker.transport.abortConnection()
        return {octets[3] & 15 for octets in (*socket.replies, *asker.messages)}

    def test_strangersNotifyIsRefused(self) -> None:
        """
        A stranger's NOTIFY is refused, causes no query, and invalidates no cached reply.
        """
        self.begin()
        before = self.network.sent[(PRIMARY, 53)]
        epoch = self.secondary.responder.packetCache.epoch.value
        self.assertEqual(self.sendNotices(20), {Rcode.REFUSED})
        self.assertEqual((self.network.sent[(PRIMARY, 53)], self.secondary.responder.packetCache.epoch.value), (before, epoch))
        with patch.object(Secondary, "mayNotify", lambda *_: True):
            self.assertEqual(self.sendNotices(20), {Rcode.NOERROR})
            self.assertGreater(self.network.sent[(PRIMARY, 53)], before)

    def test_notifyFloodIsRateLimited(self) -> None:
        """
        The primary is asked about once a second, however many NOTIFY messages it sends.
        """
        self.begin()
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None

        def flood() -> int:
            before = self.network.sent[(PRIMARY, 53)]
            port = self.there[0].listenUDP(0, Datagrams(), interface=PRIMARY)
            for _ in range(300):
                port.write(notice(), (SECONDARY, 53))
                self.network.advance(0.01)
            port.stopListening()
            return self.network.sent[(PRIMARY, 53)] - before

        # NOTIFY replies go to another port than queries.
        self.assertLessEqual(flood(), 5)
        secondaries.noticeWait = 0
        self.assertGreater(flood(), 50)

    def test_strangersTakeNoTransferSlots(self) -> None:
        """
        A hundred strangers that request the zone and read nothing do not block the permitted secondary.
        """
        self.primary.serve(LARGE)
        self.primary.apply(allow_transfer=[SECONDARY])

        def crowd() -> list[Asker]:
            askers = []
            for _ in range(100):
                asker = Asker.at(self.network, self.stranger, PRIMARY)
                IPushProducer(asker.transport).pauseProducing()
                asker.ask(transferOf()[0])
                askers.append(asker)
            self.network.advance(1)
            return askers

        def ended(askers: list[Asker]) -> None:
            for asker in askers:
                asker.transport.abortConnection()
            self.network.advance(15)

        askers = crowd()
        self.assertEqual(self.primary.replication.transfers.slots.running, 0)
        self.secondary.apply(primaries=[PRIMARY])
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 10)
        ended(askers)
        with patch.object(Grants, "allows", lambda *_: True):
            askers = crowd()
            self.assertGreater(self.primary.replication.transfers.slots.running, 5)
        ended(askers)

    def octetsAccepted(self) -> int:
        """
        Return how many octets are accepted of a zone that does not end.
        """
        taken: list[int] = []
        with patch("twisted_ext.server.zones.transfer.secondarystore.Spool.keep", lambda spool, message: taken.append(len(message))):
            factory = ServerFactory()
            factory.noisy = False
            factory.protocol = _Flooding
            listener = self.stranger.listenTCP(53, factory)
            self.secondary.apply(primaries=[STRANGER])
            self.network.advance(2)
            listener.stopListening()
            applyZones(self.secondary.replication, [], Keys())
            self.network.advance(1)
        return sum(taken)

    def test_endlessZoneIsCutOff(self) -> None:
        """
        A zone that does not end is accepted up to the limit, and the old one, or none, stays.
        """
        with patch.object(self.secondary.replication.secondaries, "most", 200_000):
            self.assertLess(self.octetsAccepted(), 200_000)
        self.assertGreater(self.octetsAccepted(), 900_000)

    def test_endlessZonesShareADiskLimit(self) -> None:
        """
        Endless zones together take no more disk space than allowed, whatever each of them may take. Without that limit they would. Their
        files are removed when the transfers end.
        """
        zones = [f"zone{number}.test" for number in range(6)]
        folder = self.secondary.folder

        def flood() -> tuple[int, list[str]]:
            """
            Return the most octets of spool files at a time, and the files that are left.
            """
            factory = ServerFactory()
            factory.noisy = False
            factory.protocol = _FloodingAll
            listener = self.stranger.listenTCP(53, factory)
            tables = [ZoneSettings.fromTable({"name": name, "primaries": [STRANGER]}) for name in zones]
            most = [0]
            keep = Spool.keep

            def watching(spool: Spool, message: bytes) -> None:
                keep(spool, message)
                spools = [f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".transfer")]
                most.append(sum([os.path.getsize(path) for path in spools]))

            with patch.object(Spool, "keep", watching):
                applyZones(self.secondary.replication, tables, Keys())
                self.network.advance(2)
            listener.stopListening()
            applyZones(self.secondary.replication, [], Keys())
            self.network.advance(1)
            return max(most), [name for name in os.listdir(folder) if name.endswith(".transfer")]

        room = 1 << 20
        self.secondary.settings = Settings.of(transfersMaxSize=room)
        self.secondary.end()
        self.network.advance(1)
        self.secondary.begin()
        most, left = flood()
        self.assertGreater(most, room // 2)
        self.assertLessEqual(most, room)
        self.assertEqual(left, [])
        self.secondary.settings = None
        self.secondary.end()
        self.network.advance(1)
        self.secondary.begin()
        self.assertGreater(flood()[0], 2 * room)

    def errorOfSlowPrimary(self, seconds: float, until: float) -> tuple[str, int]:
        """
        Return the error of the zone after so much time with a primary that sends a record each C{seconds}, and how many transfers are
        running.
        """
        network = self.network

        class Factory(ServerFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                return _Dripping(network)

        factory = Factory()
        with patch.object(_Dripping, "seconds", seconds):
            listener = self.stranger.listenTCP(53, factory)
            self.secondary.apply(primaries=[STRANGER])
            self.network.advance(until)
            listener.stopListening()
        secondaries = self.secondary.replication.secondaries
        place = self.secondary.zones.at(APEX)
        assert secondaries is not None and place is not None
        running = secondaries.slots.running
        said = place.said
        applyZones(self.secondary.replication, [], Keys())
        self.network.advance(100)
        return said, running

    def test_hangingPrimaryIsLeft(self) -> None:
        """
        A primary that falls silent midway is left after a while, and so is one that sends a little now and then. Neither holds a transfer
        slot for long.
        """
        self.assertIn("took too long", self.errorOfSlowPrimary(1000, 45)[0])
        self.assertIn("sends a zone too slowly", self.errorOfSlowPrimary(20, 70)[0])
        with patch("twisted_ext.transport.transfer.TRANSFER_RATE.default", 0):
            self.assertEqual(self.errorOfSlowPrimary(20, 600), ("", 1))
            with patch("twisted_ext.transport.transfer.TRANSFER_SECONDS.default", 300):
                self.assertIn("took too long", self.errorOfSlowPrimary(20, 320)[0])

    def test_expandedZoneStaysWithinMemory(self) -> None:
        """
        A zone whose names are all pointers to one long name takes no more memory than allowed, and the old zone stays. The same holds for
        very many records at one name.
        """
        self.begin()
        short = reply([soaOf(11), record("@ 300 NS ns1"), record(f"{'x' * 60}.{'y' * 60}.{'z' * 60} 300 A 192.0.2.1")])
        long = pack(">H", 0xC000 | short.index(b"\x3c" + b"x" * 60))
        one = bytearray(short)
        for number in range(4000):
            label = b"%04d" % number
            one += bytes([len(label)]) + label + long + pack(">HHIHHH", 15, 1, 300, 4, number, int.from_bytes(long, "big"))
        one[6:8] = (4003).to_bytes(2, "big")
        with self.assertRaisesRegex(BudgetSpent, "take more than 1048576 octets of memory"), patch(
            "twisted_ext.zone.transfer.ingest.HELD_OCTETS.default", 1 << 20
        ):
            gathered(APEX, [bytes(one), reply([soaOf(11)])])
        self.assertEqual(len(gathered(APEX, [bytes(one), reply([soaOf(11)])]).nodes), 4002)
        other = bytearray(short)
        for number in range(4000):
            other += long + pack(">HHIHHH", 15, 1, 300, 4, number, int.from_bytes(long, "big"))
        other[6:8] = (4003).to_bytes(2, "big")
        with self.assertRaisesRegex(BudgetSpent, "has more than 65536 octets of records"), patch(
            "twisted_ext.zone.transfer.ingest.NAME_OCTETS.default", 65536
        ):
            gathered(APEX, [bytes(other), reply([soaOf(11)])])
        self.assertEqual(max(gathered(APEX, [bytes(other), reply([soaOf(11)])]).counts.values()), 4001)
        self.assertEqual(self.secondary.serial(), 10)
        self.primary.change("new 300 A 192.0.2.9")
        with patch("twisted_ext.server.zones.transfer.secondarystore.GATHERED_OCTETS.default", 16), patch(
            "twisted_ext.zone.transfer.ingest.HELD_OCTETS.default", 1000
        ), patch("twisted_ext.server.zones.transfer.xfrout.recordsSince", lambda *_: None):
            self.network.advance(8000)
            place = self.secondary.zones.at(APEX)
            assert place is not None
            self.assertEqual(self.secondary.serial(), 10)
            self.assertIn("its records take more than 1000 octets of memory; no more are taken", place.said)
        self.network.advance(8000)
        self.assertEqual((self.secondary.serial(), place.said), (11, ""))

    def test_namesOutsideTheZoneAreLeftOut(self) -> None:
        """
        Names outside of the zone do not get into it, wherever they are hidden.
        """
        bogus = RRSet(nameFromText("www.bank.example."), A, 1, 300, (bytes(4),))
        octets = [reply([soaOf(11), record("@ 300 NS ns1"), bogus, soaOf(11)])]
        self.assertEqual(list(gathered(APEX, octets).nodes), [b""])
        with patch("twisted_ext.zone.transfer.ingest.keyBelow", lambda name, apex: name[:4] if name.startswith(b"\x03www") else b""):
            self.assertIn(b"\x03www", gathered(APEX, octets).nodes)

    def test_olderZoneIsRejected(self) -> None:
        """
        A primary, or an impostor, cannot bring an old zone back.
        """
        self.begin()
        self.primary.serve(ZONE.replace(" 10 3600", " 9 3600"))
        self.network.advance(8000)
        self.assertEqual(self.secondary.serial(), 10)
        def different(serial: int, other: int) -> bool:
            return serial != other

        with patch("twisted_ext.zone.transfer.refresh.isNewer", different), patch(
            "twisted_ext.server.zones.transfer.xfrin.isNewer", different
        ), patch("twisted_ext.zone.transfer.receiver.isNewer", different), patch("twisted_ext.zone.transfer.sender.isNewer", different):
            self.network.advance(8000)
            self.assertEqual(self.secondary.serial(), 9)

    def test_strangerGetsNoTransfer(self) -> None:
        """
        A zone is transferred to permitted clients only, in any way. With an open access list it would be.
        """
        self.primary.serve()
        self.primary.apply(allow_transfer=[SECONDARY])
        asker = Asker.at(self.network, self.stranger, PRIMARY)
        asker.ask(transferOf()[0], transferOf(soa=soaOf(9))[0])
        self.network.advance(1)
        self.assertEqual([(octets[3] & 15, octets[6:8]) for octets in asker.messages], [(Rcode.REFUSED, bytes(2))] * 2)
        self.assertIn(AXFR, self.primary.responder.handlers)
        with patch.object(Grants, "allows", lambda *_: True):
            asker.ask(transferOf()[0])
            self.network.advance(1)
        self.assertGreater(len(asker.records), 10)
        asker.transport.abortConnection()
        self.assertIsInstance(self.primary, Host)
