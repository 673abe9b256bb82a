"""
Tests of primaries that are down, send wrong data or lack features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import chain
from unittest.mock import patch

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import LogLevel, capturedLogs, formatEvent

from tests.server.zones.transfer.replicas import KEYS, PRIMARY, QUICK, SECONDARY, Host, StepTestCase, applyZones, soaOf
from tests.zone.changing import APEX, ZONE
from twisted_ext.errors import BadMessage
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.reply.opcodes import Outcome
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.zones.transfer.udpexchange import exchange
from twisted_ext.server.zones.transfer.xfrout import _Counted
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.zone.store.traversal import stretches
from twisted_ext.zone.transfer.refresh import RefreshState, SecondaryState
from twisted_ext.zone.transfer.sender import Envelope, recordsOfChanges


class PrimariesTests(StepTestCase):
    """
    Tests for L{Secondary}, with different primaries.
    """

    def test_nextPrimaryIsAsked(self) -> None:
        """
        If a primary is down or refuses, the next one is asked.
        """
        third = Host(self.network.reactor("192.0.2.55"), "192.0.2.55")
        third.serve()
        self.primary.serve()
        self.primary.apply(allow_transfer=["192.0.2.0/24"])
        self.secondary.apply(primaries=["192.0.2.99", "192.0.2.55", PRIMARY])
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), 10)
        third.end()

    def test_truncatedTransferKeepsOldZone(self) -> None:
        """
        A transfer that ends early at any message keeps the old zone in service, and the next transfer brings the new one.
        """
        self.begin(QUICK)
        transferring = self.primary.replication.transfers
        whole = list(self.pieces(1))
        for kept in range(len(whole)):

            def cut(request: Request, kept: int = kept) -> Iterator[bytes]:
                yield from list(self.pieces(request.id))[:kept]
                raise RuntimeError("cut")

            self.primary.responder.handlers[IXFR] = self.primary.responder.handlers[AXFR] = cut
            self.primary.change(f"new{kept} 300 A 192.0.2.9")
            self.network.advance(8)
            self.assertEqual((self.secondary.serial(), self.state), (10, SecondaryState.STALE))
            # One error for IXFR and one for AXFR.
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
        self.primary.responder.handlers[IXFR] = self.primary.responder.handlers[AXFR] = transferring
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), 10 + len(whole))
        self.assertInStep()

    def test_foreignRecordsDoNotKeepTheZone(self) -> None:
        """
        A zone that is transferred with records of another one is served without these, from the first transfer on, and one warning for each
        transfer names them. A transfer that has more of these than of its own is refused.
        """
        strange = nameFromText("ns.other.org.") + b"\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
        for count, gathered in ((1, 1_000_000), (2, 16), (50, 1_000_000), (50, 16)):
            self.setUp()
            self.primary.serve()
            self.primary.apply(allow_transfer=["192.0.2.0/24"])
            strangers = [(strange, 1)] * count

            def mixed(request: Request, strangers: list[tuple[bytes, int]] = strangers) -> Iterator[bytes]:
                return self.pieces(request.id, strangers)

            self.primary.responder.handlers[IXFR] = self.primary.responder.handlers[AXFR] = mixed
            # Small transfers are gathered in this process, large ones in another.
            with capturedLogs() as events, patch("twisted_ext.server.zones.transfer.secondarystore.GATHERED_OCTETS.default", gathered):
                self.secondary.apply(primaries=[PRIMARY])
                self.network.advance(8)
            lines = [formatEvent(event) for event in events if event["log_level"] == LogLevel.warn]
            if count < 50:
                self.assertEqual(self.secondary.serial(), 10)
                self.assertInStep()
                records = "1 record (ns.other.org.)" if count == 1 else "2 records (ns.other.org., ...)"
                self.assertEqual(lines, [f"zone example.org. from {PRIMARY}:53: {records} outside of the zone are left out"])
            else:
                self.assertNotEqual(self.secondary.serial(), 10)
                self.assertIn("50 records (ns.other.org., ...) are outside of the zone, and only", lines[0])

    def pieces(self, id: int, others: Iterable[tuple[bytes, int]] = ()) -> Iterator[bytes]:
        """
        Return a transfer of the zone in small messages.

        @param others: pieces to add to those of the zone.
        """
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        version = place.zone.current
        records = chain(stretches(version, 40), others, recordsOfChanges((), version.soa, once=True))
        return Envelope(id, 0, APEX + b"\x00\xfc\x00\x01", most=200).messages(records)

    def test_invalidChangesCauseFullTransfer(self) -> None:
        """
        Changes that do not apply cause one full transfer from the same primary.
        """
        self.begin()
        asked = self.recordTransferTypes()
        self.primary.change("new 300 A 192.0.2.9")
        difference = self.primary.changes.differences[0]
        difference.removed = difference.added
        self.network.advance(2)
        self.assertEqual((self.secondary.serial(), asked), (11, [IXFR, AXFR]))
        self.assertInStep()

    def test_olderSerialIsIgnoredUntilExpiry(self) -> None:
        """
        A primary whose serial number has gone back changes nothing, by notify or by refresh (RFC 1982), until the zone expires.
        """
        self.begin()
        self.primary.serve(ZONE.replace(" 10 3600", " 4294967290 3600"))
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        self.primary.replication.changed(place.zone.current)
        self.network.advance(10)
        self.assertEqual(self.secondary.serial(), 10)
        self.network.advance(7200)
        self.assertEqual((self.secondary.serial(), self.state), (10, SecondaryState.CURRENT))
        place = self.secondary.zones.at(APEX)
        assert place is not None
        self.assertIn("older", place.said)
        # After the expiry the older zone is better than none.
        self.network.advance(86400)
        self.assertEqual((self.secondary.serial(), self.state), (4294967290, SecondaryState.CURRENT))
        self.assertEqual(place.said, "")

    def test_notifyDuringTransferCounts(self) -> None:
        """
        A notify that arrives during a transfer of the previous version is not lost, even right behind another notify.
        """
        self.begin()
        # Without the queries for announced versions, which would find the change too, only later.
        late = {"zone.transfer.refresh._RECHECKS": 0, "server.zones.transfer.notify.NOTIFY_CHECK.default": 3600}
        for name, value in {"server.zones.transfer.notify.NOTIFY_DELAY.default": 0, **late}.items():
            patching = patch(f"twisted_ext.{name}", value)
            patching.start()
            self.addCleanup(patching.stop)
        for called in (False, True):
            before = int(self.secondary.serial())
            self.network.shape(delay=0.1)
            self.primary.change(f"one{called} 300 A 192.0.2.9")
            # Notify, SOA query, connection, request: the previous version is on its way.
            self.network.advance(0.65)
            self.network.shape(delay=0.001)
            with nullcontext() if called else patch.object(RefreshState, "waiting", True):
                self.primary.change(f"two{called} 300 A 192.0.2.9")
                self.network.advance(0.02)
            self.assertEqual(self.secondary.serial(), before)
            self.network.advance(30)
            self.assertEqual(self.secondary.serial(), before + 1 + called)
            self.secondary.replication.refresh(APEX)
            self.network.advance(30)
        self.assertInStep()

    def test_transferProvesVersion(self) -> None:
        """
        A secondary that was sent the new version is not asked for its SOA later; one that was sent a part of it is.
        """
        self.begin()
        transferring = self.primary.replication.transfers

        def part(request: Request) -> Outcome:
            flow = transferring(request)
            assert isinstance(flow, _Counted)
            flow.close()
            return iter(())

        with patch("twisted_ext.server.zones.transfer.notify.exchange", wraps=exchange) as asked:
            self.primary.change("new 300 A 192.0.2.9")
            self.network.advance(30)
            self.assertEqual((self.secondary.serial(), [call.kwargs.get("opcode") for call in asked.mock_calls]), (11, [Opcode.NOTIFY]))
            self.primary.responder.handlers[IXFR] = self.primary.responder.handlers[AXFR] = part
            asked.reset_mock()
            self.primary.change("newer 300 A 192.0.2.9")
            self.network.advance(15)
            called = [call.kwargs.get("opcode") for call in asked.mock_calls]
            self.assertEqual((self.secondary.serial(), called), (11, [Opcode.NOTIFY, None, Opcode.NOTIFY]))

    def answerDatagrams(self, octets: Callable[[bytes], bytes]) -> list[bytes]:
        """
        Let the primary answer datagrams with this function.

        @return: a list that will hold the datagrams that arrive.
        """
        asked: list[bytes] = []

        class DatagramResponder(DatagramProtocol):
            def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
                asked.append(datagram)
                assert self.transport is not None
                self.transport.write(octets(datagram), addr)

        self.primary.datagrams.stop()
        self.network.advance(0)
        port = self.there[0].listenUDP(53, DatagramResponder(), interface=PRIMARY)
        self.addCleanup(port.stopListening)
        return asked

    def test_truncatedReplyIsRetriedByTCP(self) -> None:
        """
        A primary that truncates its UDP replies is asked over TCP.
        """
        self.begin()
        self.primary.setSerial(11)
        asked = self.answerDatagrams(lambda query: query[:2] + b"\x82\x00" + query[4:6] + bytes(6) + query[12:29])
        self.network.advance(4000)
        self.assertEqual((self.secondary.serial(), len(asked)), (11, 1))

    def test_primaryWithoutEDNSIsAsked(self) -> None:
        """
        A primary that answers EDNS with FORMERR is asked without EDNS.
        """
        self.begin()
        self.primary.setSerial(11)

        def answer(query: bytes) -> bytes:
            if query[11]:
                return query[:2] + b"\x80\x01" + query[4:6] + bytes(6) + query[12:29]
            asker = Message.fromWire(query)
            return buildMessage(Message(asker.id, 0x8400, asker.questions, (soaOf(11),)))

        transferring = self.primary.replication.transfers

        def old(request: Request) -> Outcome:
            return Refusal(Rcode.FORMERR) if request.edns is not None else transferring(request)

        for rrType in (AXFR, IXFR):
            self.primary.responder.handlers[rrType] = old
        asked = self.answerDatagrams(answer)
        self.network.advance(4000)
        self.assertEqual((self.secondary.serial(), [query[11] for query in asked]), (11, [1, 0]))

    def test_unverifiedZoneIsNotStored(self) -> None:
        """
        A zone that fails verification is not found after a restart, and the previous version is.
        """
        self.begin()
        table = ZoneSettings.fromTable({"name": "example.org", "primaries": [PRIMARY], "zonemd": "check"})
        applyZones(self.secondary.replication, [table], KEYS)
        with patch("twisted_ext.server.zones.transfer.xfrin.prove", side_effect=BadMessage("its digest is wrong")):
            self.primary.serve(ZONE.replace(" 10 3600", " 11 3600"))
            self.network.advance(4000)
        self.assertEqual(self.secondary.serial(), 10)
        self.secondary.end()
        self.network.advance(1)
        self.primary.apply()
        self.secondary.begin()
        self.secondary.apply(primaries=[PRIMARY])
        self.network.advance(0.1)
        self.assertEqual(self.secondary.serial(), 10)

    def test_transferRequiresItsKey(self) -> None:
        """
        With the right key all messages are signed in both directions; without it the zone is not transferred.
        """
        self.primary.serve()
        self.primary.apply(allow_transfer=["key=one.key"], notify=[f"{SECONDARY} key=two.key"])
        self.secondary.apply(primaries=[f"{PRIMARY}"])
        self.network.advance(1)
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
        self.secondary.apply(primaries=[f"{PRIMARY} key=two.key"])
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
        self.secondary.apply(primaries=[f"{PRIMARY} key=one.key"], allow_notify=["key=two.key"])
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), 10)
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        self.assertEqual(self.primary.replication.notifying.confirmed, 1)

    def test_unexpectedErrorIsLoggedAndRetried(self) -> None:
        """
        An unexpected exception is logged, and the transfer is tried again.
        """
        self.primary.serve()
        self.primary.apply(allow_transfer=["192.0.2.0/24"])
        with patch("twisted_ext.server.zones.transfer.xfrin.fetchZone", lambda *_, **__: 1 / 0):
            self.secondary.apply(primaries=[PRIMARY])
            self.network.advance(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.network.advance(5)
        self.assertEqual(self.secondary.serial(), 10)
