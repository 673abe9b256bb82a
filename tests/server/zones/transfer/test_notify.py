"""
Tests of sending and receiving NOTIFY messages.
"""

from __future__ import annotations

from typing import cast
from unittest.mock import patch

from twisted.internet.defer import fail
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from tests.networks import NetworkTestCase
from tests.server.zones.transfer.replicas import KEYS, soaOf
from tests.zone.changing import APEX
from twisted_ext.errors import Unreachable
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.server.config.keys import RemoteServer, TLSPeer
from twisted_ext.server.reply.gates import FormGate
from twisted_ext.server.reply.opcodes import handlerKey, hopelessOf
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.zones.transfer.notify import NotifyReceiver, NotifySender
from twisted_ext.server.zones.transfer.xfrin import Secondary
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA, A
from twisted_ext.wire.tsig import Key, replySigned, sign, verify
from twisted_ext.zone.store.serials import serialIn

KEY = next(iter(KEYS.values()))


class _Listener(DatagramProtocol):
    """
    A secondary that confirms notifies as configured.
    """

    noisy = False

    def __init__(self, confirming: bool = True) -> None:
        self.confirming = confirming
        self.rcode = 0
        self.signing = True
        self.messages: list[Message] = []
        # The zone that it serves, and how often it was asked for its SOA.
        self.soa: RRSet | None = None
        self.checks = 0

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        message = Message.fromWire(datagram).check()
        if message.opcode == Opcode.QUERY:
            self.checks += 1
        else:
            self.messages.append(message)
        if not self.confirming:
            return
        answer = () if self.soa is None or message.opcode != Opcode.QUERY else (self.soa,)
        octets = buildMessage(Message(message.id, message.flags | QR | self.rcode, message.questions, answer))
        if message.trailer is not None and self.signing:
            verdict = verify(datagram, KEYS, 0)
            octets, _ = replySigned(octets, verdict, 0)
        assert self.transport is not None
        self.transport.write(octets, cast("tuple[str, int]", addr))

    @property
    def serials(self) -> list[int]:
        """
        The serial numbers that it was notified of.
        """
        return [serialIn(message.answer[0].rdatas[0]) for message in self.messages]


class NotifyingTests(NetworkTestCase):
    """
    Tests for L{NotifySender}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.notifying = NotifySender(self.here, today=lambda: 0.0)

    def tearDown(self) -> None:
        self.successResultOf(self.notifying.stop())
        self.network.advance(1)
        super().tearDown()

    def listen(self, address: str, *, confirming: bool = True) -> _Listener:
        """
        Return a secondary.
        """
        listener = _Listener(confirming)
        self.network.reactor(address).listenUDP(53, listener, interface=address)
        return listener

    def remote(self, address: str, *, signed: bool = False) -> RemoteServer:
        """
        Return the address and the key of a secondary.
        """
        return RemoteServer(Server(address), KEY if signed else None)

    def test_everyTargetIsNotifiedOnce(self) -> None:
        """
        Every target is notified with the new SOA record, and once for several changes in a row.
        """
        first, second = self.listen("192.0.2.53"), self.listen("192.0.2.54")
        self.notifying.targets(APEX, [self.remote("192.0.2.53"), self.remote("192.0.2.54", signed=True)])
        for serial in (11, 12, 13):
            self.notifying.changed(APEX, soaOf(serial))
        self.network.advance(1)
        self.assertEqual((first.serials, second.serials, self.notifying.confirmed), ([13], [13], 2))
        message = first.messages[0]
        self.assertEqual((message.opcode, message.flags & AA, message.questions), (Opcode.NOTIFY, AA, (Question(APEX, SOA),)))
        self.assertIsNotNone(second.messages[0].trailer)
        self.notifying.changed(APEX, soaOf(14))
        self.network.advance(1)
        self.assertEqual(first.serials, [13, 14])

    def test_unconfirmedNotifyIsRetried(self) -> None:
        """
        An unconfirmed notify is sent again at growing intervals and given up in the end; a new change is sent at once.
        """
        listener = self.listen("192.0.2.53", confirming=False)
        self.notifying.targets(APEX, [self.remote("192.0.2.53")])
        self.notifying.changed(APEX, soaOf(11))
        counts = []
        for _ in range(4):
            self.network.advance(10)
            counts.append(len(listener.messages))
        self.assertEqual(counts, [3, 3, 4, 4])
        self.notifying.changed(APEX, soaOf(12))
        self.network.advance(400)
        self.assertEqual((self.notifying.givenUp, listener.serials), (1, [11] * 4 + [12] * 6))

    def test_unsignedReplyDoesNotConfirm(self) -> None:
        """
        A reply without the due signature does not confirm a notify; a signed refusal ends it.
        """
        listener = self.listen("192.0.2.53")
        listener.signing = False
        self.notifying.targets(APEX, [self.remote("192.0.2.53", signed=True)])
        self.notifying.changed(APEX, soaOf(11))
        self.network.advance(5)
        self.assertEqual((self.notifying.confirmed, len(listener.messages)), (0, 2))
        listener.signing = True
        listener.rcode = Rcode.REFUSED
        self.network.advance(60)
        self.assertEqual((self.notifying.confirmed, self.notifying.givenUp), (0, 1))

    def test_runningNotifiesAreBounded(self) -> None:
        """
        The number of notifies that run at a time is limited; the others wait.
        """
        self.notifying = NotifySender(self.here, today=lambda: 0.0, most=3)
        listeners = [self.listen(f"192.0.2.{number}") for number in range(60, 70)]
        self.notifying.targets(APEX, [self.remote(f"192.0.2.{number}") for number in range(60, 70)])
        self.notifying.changed(APEX, soaOf(11))
        self.network.advance(0.5)
        self.assertEqual(len(self.network.datagrams), 3)
        self.network.advance(1)
        self.assertEqual([listener.serials for listener in listeners], [[11]] * 10)

    def test_deadSecondaryDelaysNoOther(self) -> None:
        """
        A dead secondary does not delay notifies to others, however many zones it has.
        """
        zones = [nameFromText(f"zone{number}.example.org") for number in range(40)]
        counts = {}
        for most in (8, 1):
            self.notifying = NotifySender(self.here, today=lambda: 0.0, most=most)
            there = self.listen(f"192.0.2.{50 + most}")
            for zone in zones:
                self.notifying.targets(zone, [self.remote("192.0.2.70"), self.remote(f"192.0.2.{50 + most}")])
                self.notifying.changed(zone, soaOf(11))
            self.network.advance(5)
            counts[most] = len(there.messages)
            self.successResultOf(self.notifying.stop())
        self.assertEqual(counts, {8: 40, 1: 0})

    def test_failingNotifiesAreSentInTurns(self) -> None:
        """
        Notifies that cannot be sent do not take a long turn.
        """
        clock = Clock()
        notifying = NotifySender(clock, today=lambda: 0.0)
        for number in range(120):
            notifying.targets(b"\x03%03d%b" % (number, APEX), [self.remote("192.0.2.53")])
            notifying.changed(b"\x03%03d%b" % (number, APEX), soaOf(11))
        seen: list[int] = []
        clock.callLater(0.5, lambda: seen.append(notifying.givenUp))
        with patch("twisted_ext.server.zones.transfer.notify.exchange", lambda *_, **__: fail(Unreachable("no route"))):
            clock.advance(0.5)
        self.assertEqual((seen, notifying.givenUp, clock.calls), ([50], 120, []))

    def test_secondaryIsNotifiedUntilItHasTheVersion(self) -> None:
        """
        A secondary that acknowledges a change and keeps the old version is notified again, after growing waits, until its SOA has the
        serial number.
        """
        listener = self.listen("192.0.2.53")
        listener.soa = soaOf(11)
        self.notifying.targets(APEX, [self.remote("192.0.2.53", signed=True)])
        self.notifying.changed(APEX, soaOf(12))
        counts = []
        for seconds in (9, 2, 28, 2, 20):
            self.network.advance(seconds)
            counts.append((len(listener.messages), listener.checks))
        self.assertEqual(counts, [(1, 0), (2, 1), (2, 1), (3, 2), (3, 2)])
        listener.soa = soaOf(12)
        self.network.advance(1000)
        self.assertEqual((listener.serials, listener.checks, self.here.pending()), ([12, 12, 12], 3, []))
        figures = {"notifiesConfirmed": 3, "notifiesGivenUp": 0, "notifiesRepeated": 2, "notifiesUnseen": 0}
        self.assertEqual(self.notifying.figures(), figures)

    def test_secondaryThatStaysBehindIsReported(self) -> None:
        """
        After the last check nothing more is sent. One line in the log has the number of zones and what the secondary has instead.
        """
        listener = self.listen("192.0.2.53")
        listener.soa = soaOf(11)
        for zone in (APEX, nameFromText("other.test")):
            self.notifying.targets(zone, [self.remote("192.0.2.53")])
            self.notifying.changed(zone, soaOf(12))
        with capturedLogs() as events:
            self.network.advance(3000)
        lines = [formatEvent(event) for event in events if "acknowledged" in formatEvent(event)]
        self.assertEqual((len(listener.messages), listener.checks, self.notifying.unseen, self.here.pending()), (8, 8, 2, []))
        self.assertEqual(len(lines), 1)
        self.assertIn("zone example.org. and 1 more: 192.0.2.53:53 has acknowledged the change", lines[0])
        self.assertIn("it has 11", lines[0])

    def test_transferEndsChecks(self) -> None:
        """
        A secondary that was sent the version, or a newer one, is neither checked nor notified again. Of two behind an address it is the one
        with the client's key.
        """
        listeners = _Listener(), _Listener()
        host = self.network.reactor("192.0.2.53")
        for port, each in enumerate(listeners, 53):
            host.listenUDP(port, each, interface="192.0.2.53")
        self.notifying.targets(APEX, [self.remote("192.0.2.53"), RemoteServer(Server("192.0.2.53", 54), KEY)])
        for sent, checks in (([], (1, 1)), ([b""], (0, 1)), ([KEY.name], (1, 0)), ([b"", KEY.name], (0, 0)), ([b"\x01x\x00"], (1, 1))):
            self.notifying.changed(APEX, soaOf(12))
            self.network.advance(1)
            for other in ((APEX, 11, "192.0.2.53", b""), (APEX, 12, "192.0.2.54", b""), (b"\x01x" + APEX, 12, "192.0.2.53", b"")):
                self.notifying.sent(*other)
            for keyName in sent:
                self.notifying.sent(APEX, 13, "192.0.2.53", keyName)
            for listener in listeners:
                listener.checks = 0
            self.network.advance(15)
            self.assertEqual(tuple(listener.checks for listener in listeners), checks)

    def test_transferOfAnotherServerIsNoProof(self) -> None:
        """
        A transfer by one of two secondaries with the same address and key does not show which of them has the version: both are checked.
        """
        host = self.network.reactor("192.0.2.53")
        listeners = _Listener(), _Listener()
        for port, each in enumerate(listeners, 53):
            each.soa = soaOf(12)
            host.listenUDP(port, each, interface="192.0.2.53")
        self.notifying.targets(APEX, [self.remote("192.0.2.53"), RemoteServer(Server("192.0.2.53", 54), None)])
        self.notifying.changed(APEX, soaOf(12))
        self.network.advance(1)
        for _ in range(2):
            self.notifying.sent(APEX, 12, "192.0.2.53", b"")
        self.network.advance(15)
        self.assertEqual([(each.checks, each.serials) for each in listeners], [(1, [12]), (1, [12])])

    def test_newChangeReplacesChecks(self) -> None:
        """
        Checks for a version end when the secondary is notified of the next one, or is not to be notified any more.
        """
        listener = self.listen("192.0.2.53")
        self.notifying.targets(APEX, [self.remote("192.0.2.53")])
        self.notifying.changed(APEX, soaOf(12))
        self.network.advance(9)
        self.notifying.changed(APEX, soaOf(13))
        self.network.advance(9)
        self.assertEqual((listener.serials, listener.checks), ([12, 13], 0))
        self.notifying.targets(APEX, [])
        self.network.advance(100)
        self.assertEqual((listener.checks, self.here.pending()), (0, []))

    def test_watchedVersionsAreBounded(self) -> None:
        """
        The number of versions to be checked is limited; the acknowledgment has to do for further ones.
        """
        self.notifying = NotifySender(self.here, today=lambda: 0.0, watched=3)
        listener = self.listen("192.0.2.53")
        for number in range(10):
            self.notifying.targets(b"\x01%d%b" % (number, APEX), [self.remote("192.0.2.53")])
            self.notifying.changed(b"\x01%d%b" % (number, APEX), soaOf(11))
        self.network.advance(15)
        self.assertEqual((self.notifying.confirmed, listener.checks), (13, 3))

    def test_stopDuringCheckLeavesNothing(self) -> None:
        """
        Stopping ends checks that wait for a reply, and those that are due later.
        """
        listener = self.listen("192.0.2.53")
        self.notifying.targets(APEX, [self.remote("192.0.2.53")])
        self.notifying.changed(APEX, soaOf(11))
        self.network.advance(5)
        listener.confirming = False
        self.network.advance(6)
        self.assertEqual(listener.checks, 1)
        self.successResultOf(self.notifying.stop())
        self.network.advance(0.1)
        self.assertEqual(self.here.pending(), [])

    def test_stopLeavesNothing(self) -> None:
        """
        Stopping leaves nothing behind, and a later change is not sent.
        """
        self.listen("192.0.2.53", confirming=False)
        self.notifying.targets(APEX, [self.remote("192.0.2.53")])
        self.notifying.changed(APEX, soaOf(11))
        self.network.advance(2)
        self.successResultOf(self.notifying.stop())
        self.network.advance(0.1)
        self.assertEqual(self.here.pending(), [])
        self.notifying.changed(APEX, soaOf(12))
        self.assertEqual(self.here.pending(), [])


class _Zone:
    def __init__(self) -> None:
        self.notices: list[tuple[str, int | None]] = []

    def mayNotify(self, client: str, keyName: bytes, peer: TLSPeer | None = None, door: Door = NOWHERE) -> bool:
        return client == "192.0.2.7"

    def notified(self, client: str, serial: int | None) -> None:
        self.notices.append((client, serial))


class NoticingTests(NetworkTestCase):
    """
    Tests for L{NotifyReceiver}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.zone = _Zone()
        self.noticing = NotifyReceiver(lambda apex: cast("Secondary", self.zone) if apex == APEX else None)

    def notify(self, client: str = "192.0.2.7", zone: bytes = APEX, rrType: int = SOA, *, serial: int | None = 11) -> int:
        """
        Return the RCODE of the reply to a notify.
        """
        answer = () if serial is None else (soaOf(serial),)
        octets = buildMessage(Message(7, Opcode.NOTIFY << 11 | AA, (Question(zone, rrType),), answer))
        request = Request.fromWire(octets, (client, 53), "udp")
        assert request is not None
        request.readWhole()
        refusal = self.noticing(request)
        self.assertEqual(refusal.flags, 0 if refusal.rcode else AA)
        return refusal.rcode

    def test_hopelessNotifyIsNotParsed(self) -> None:
        """
        A notify from an address that may not send it is recognized before its records are parsed, unless it is signed.
        """
        for client, zone, signed, hopeless in (
            ("192.0.2.7", APEX, False, False),
            ("198.51.100.1", APEX, False, True),
            ("198.51.100.1", APEX, True, False),
            ("192.0.2.7", b"\x03www" + APEX, True, True),
        ):
            octets = buildMessage(Message(7, Opcode.NOTIFY << 11 | AA, (Question(zone, SOA),), (soaOf(11),) * 9))
            octets = sign(octets, Key.fromText("some:c2VjcmV0"), 0.0)[0] if signed else octets
            request = Request.fromWire(octets, (client, 53), "tcp")
            assert request is not None
            # It is small enough to be parsed, since the reply may have to be signed.
            FormGate(hopelessOf({handlerKey(Opcode.NOTIFY): self.noticing}))(request, 0.0)
            self.assertEqual(request.seemsSigned(), signed)
            self.assertEqual(self.noticing.isHopeless(request, signed), hopeless)
            self.assertEqual(request.message is None, hopeless and not signed)
            if hopeless:
                self.assertIn(self.noticing(request).rcode, (Rcode.REFUSED, Rcode.NOTAUTH))
        self.assertEqual(self.zone.notices, [])

    def test_allowedNotifyIsPassedOn(self) -> None:
        """
        An allowed notify is confirmed and passed on, with or without a serial number.
        """
        self.assertEqual((self.notify(), self.notify(serial=None)), (0, 0))
        self.assertEqual(self.zone.notices, [("192.0.2.7", 11), ("192.0.2.7", None)])

    def test_otherNotifiesAreRefused(self) -> None:
        """
        A notify from another client, for another zone or of another type has no effect.
        """
        self.assertEqual(self.notify("198.51.100.1"), Rcode.REFUSED)
        self.assertEqual(self.notify(zone=b"\x03www" + APEX), Rcode.NOTAUTH)
        self.assertEqual(self.notify(rrType=A), Rcode.NOTIMP)
        self.assertEqual(self.zone.notices, [])
