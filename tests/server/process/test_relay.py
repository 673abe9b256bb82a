"""
Tests of L{twisted_ext.server.process.relay}: requests that come to a worker and are its parent's to judge.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import cast
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.transfer.replicas import KEYS, Changes
from tests.server.update.changed import KEY, TODAY, UpdatedServer
from tests.zone.changing import APEX, ZONE, record, zoneOf
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.authority.source import Alone, Zones
from twisted_ext.server.config.keys import Grants, Keys
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import PASSED_SECONDS
from twisted_ext.server.process.relay import Relay, RelayedRequests, keysFrom
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.operations import MessageStream, Operation, errandKey, hopelessOf, opcodesOf, transfersIn
from twisted_ext.server.reply.packetcaches import laneFor
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.transfer.xfrout import Offer, OutgoingTransfers
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR, SOA, A
from twisted_ext.wire.tsig import Key, sign, verify

#: A key that nobody here knows.
STRANGE = Key.fromText("hmac-sha256:strange:c2VjcmV0IG9mIHRoZSBzdHJhbmdl")

#: A zone whose transfer is too large to be passed back.
LARGE = ZONE + "\n".join([f'host{number} 300 TXT "{"x" * 240}"' for number in range(2000)])


class PassingTests(SynchronousTestCase):
    """
    Tests for L{Relay} and L{RelayedRequests}.
    """

    def setUp(self) -> None:
        self.server = UpdatedServer()
        self.clock = Clock()
        self.lines: list[dict[str, JSON]] = []
        self.settled: list[Deferred[None]] = []
        self.waits = False
        self.zone = zoneOf()
        self.zones = Zones()
        self.zones.put(self.zone)
        self.grants = Grants.fromTexts(["127.0.0.1"])
        self.changes = Changes()
        sending = OutgoingTransfers(
            lambda apex: Offer(self.zone.current, self.grants, self.changes) if apex == APEX else None, today=lambda: TODAY
        )
        self.sending = sending
        self.passed = RelayedRequests(self.clock, Settings(), bytes(16), self.settle)
        errands: dict[int, Operation] = {**self.server.updating.errands, errandKey(0, AXFR): sending, errandKey(0, IXFR): sending}
        with patch("time.time", lambda: TODAY):
            self.passed.see(Settings(), errands, Keys([KEY, *KEYS.values()]))
        self.own: list[bool] = []
        # Fires when the worker has room for one more transfer of its own.
        self.turn: Deferred[Refusal | MessageStream] | None = None
        self.passing = Relay(self.clock, self.say, self.sendOwn)
        theirs: dict[int, Operation] = dict.fromkeys(errands, self.passing)
        self.responder = Responder(
            Alone(self.zones),
            self.clock,
            gates=standardGates(opcodes=opcodesOf(theirs), transfers=transfersIn(theirs), hopeless=hopelessOf(theirs)),
            lane=laneFor(Access({"allow": ["any"]})),
            errands=theirs,
        )
        self.connected = True

    def settle(self) -> Deferred[None]:
        """
        @return: fires when all workers have what there is.
        """
        done: Deferred[None] = Deferred()
        self.settled.append(done)
        return done if self.waits else succeed(None)

    def say(self, said: dict[str, object]) -> None:
        """
        A line to the parent.
        """
        line: dict[str, JSON] = json.loads(json.dumps(said))
        self.lines.append(line)
        if self.connected:
            self.passed.take(line, lambda reply: self.passing.take(json.loads(json.dumps(reply))))

    def sendOwn(self, request: Request, single: bool) -> MessageStream | Deferred[Refusal | MessageStream]:
        """
        Send the worker's own zone.
        """
        self.own.append(single)
        return iter([b"one", b"two"]) if self.turn is None else self.turn

    def send(self, wire: bytes, client: str = "127.0.0.1", transport: str = "tcp") -> list[bytes]:
        """
        @return: where the replies will be.
        """
        replies: list[bytes] = []
        flow = replies.extend if transport == "tcp" else None
        self.responder.take(wire, (client, 5300), transport, replies.append, flow=flow)
        self.server.disk.settle()
        return replies

    def update(
        self, *changes: RRSet, client: str = "127.0.0.1", transport: str = "tcp", key: Key | None = None
    ) -> Message | None:
        """
        @return: the reply to an update, if there is one already.
        """
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), changes))
        mac = b""
        if key is not None:
            wire, mac = sign(wire, key, TODAY)
        replies = self.send(wire, client, transport)
        if not replies:
            return None
        (reply,) = replies
        if key is KEY:
            self.assertTrue(verify(reply, {KEY.name: KEY}, TODAY, requestMac=mac).good)
        return Message.fromWire(reply).check()

    def rcode(
        self, client: str = "127.0.0.1", transport: str = "tcp", key: Key | None = None, address: str = "192.0.2.7"
    ) -> int | None:
        """
        @return: what comes of an update.
        """
        reply = self.update(record(f"new 300 A {address}"), client=client, transport=transport, key=key)
        return None if reply is None else reply.rcode

    def test_done(self) -> None:
        """
        An update that comes to a worker changes the zone of its parent, signed or not, by UDP or TCP.
        """
        self.assertEqual(self.rcode(), Rcode.NOERROR)
        self.assertEqual(self.rcode(transport="udp", address="192.0.2.8"), Rcode.NOERROR)
        self.assertEqual(self.rcode("198.51.100.1", key=KEY, address="192.0.2.9"), Rcode.NOERROR)
        self.assertEqual(self.server.zone.current.serial, 13)
        self.assertEqual(len(self.passing), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_judged(self) -> None:
        """
        Who may change nothing may not by way of a worker either: what counts is the address that the worker's socket told, and keys are
        the parent's affair.
        """
        self.assertEqual(self.rcode("198.51.100.1"), Rcode.REFUSED)
        self.assertEqual(self.rcode("198.51.100.1", key=STRANGE), Rcode.NOTAUTH)
        self.assertEqual(self.server.zone.current.serial, 10)
        # What else stands in a message is not what is looked at.
        self.assertEqual([line["address"] for line in self.lines], [["198.51.100.1", 5300]] * 2)
        self.assertEqual([sorted(line) for line in self.lines], [["address", "pass", "transport", "wire"]] * 2)

    def test_keys(self) -> None:
        """
        The keys with which transfers are signed that a worker sends are the parent's, and no file that it might not be able to read.
        """
        told = json.loads(json.dumps(self.passed.told()))
        self.assertEqual(told["errands"], [*self.passed.errands])
        keys = keysFrom(told["keys"])
        self.assertEqual({*keys}, {KEY.name, *KEYS})
        for name, key in keys.items():
            known = KEYS.get(name) or KEY
            self.assertEqual((key.secret, key.algorithm, key.macSize), (known.secret, known.algorithm, known.macSize))

    def test_unread(self) -> None:
        """
        A worker reads no records of what it passes on.
        """
        with patch.object(Request, "readWhole", side_effect=AssertionError), patch.object(self.passed, "take"):
            self.update(record("new 300 A 192.0.2.7"), key=KEY)
        self.assertEqual(len(self.lines), 1)

    def test_malformed(self) -> None:
        """
        Nothing that anybody sends brings either side into trouble, and it gets what it would get from one process.
        """
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (record("new 300 A 192.0.2.7"),)))
        for end in range(12, len(wire)):
            here, there = self.send(wire[:end]), self.server.send(wire[:end])
            self.server.disk.settle()
            self.assertEqual([reply[2:4] for reply in here], [reply[2:4] for reply in there], end)
        self.assertEqual(self.server.zone.current.serial, 10)

    def test_settled(self) -> None:
        """
        Who is told that something has changed finds it changed, whichever worker he asks: the reply comes when all have it.
        """
        self.waits = True
        self.assertIsNone(self.rcode())
        self.assertEqual(self.server.zone.current.serial, 11)
        replies: list[Message | None] = []
        with patch.object(self.responder, "_give", side_effect=lambda outcome, *_: replies.append(Message.fromWire(next(outcome)))):
            self.settled.pop().callback(None)
        (reply,) = replies
        assert reply is not None
        self.assertEqual(reply.rcode, Rcode.NOERROR)

    def test_silent(self) -> None:
        """
        Where the parent says nothing, whoever asked gets SERVFAIL after a while; and at once when it is gone.
        """
        self.connected = False
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),)))
        first = self.send(wire)
        self.clock.advance(PASSED_SECONDS.default)
        self.assertEqual([reply[3] & 15 for reply in first], [Rcode.SERVFAIL])
        second = self.send(wire)
        self.assertEqual(second, [])
        self.passing.close()
        self.assertEqual([reply[3] & 15 for reply in second], [Rcode.SERVFAIL])
        self.assertEqual([reply[3] & 15 for reply in self.send(wire)], [Rcode.SERVFAIL])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.passing.take({"passed": 1, "messages": []})

    def test_bounded(self) -> None:
        """
        Only so many requests, and octets of them, wait for the parent; without that bound all would. One network has a quarter of the
        room, and all that come by UDP, whose senders may be made up, half of it: by TCP there is room still.
        """
        self.connected = False
        added = tuple([record(f"some.name.{number} 300 A 192.0.2.1") for number in range(5)])
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), added))
        half = (1 << 15) // len(wire)
        for most, octets, networks, waiting in (
            (8, 1 << 20, 100, 4),
            (256, 1 << 16, 100, 128),
            (256, 1 << 16, 1, 64),
            (10_000, 1 << 16, 100, half),
            (10_000, 1 << 20, 100, 1000),
        ):
            self.passing = Relay(self.clock, self.say, self.sendOwn, most=most, octets=octets)
            self.responder.errands = {errandKey(Opcode.UPDATE): self.passing}
            replies = [self.send(wire, f"10.1.{number % networks}.1", transport="udp") for number in range(1000)]
            self.assertEqual(len(self.passing), waiting)
            self.assertEqual([len(reply) for reply in replies], [0] * waiting + [1] * (1000 - waiting))
            if waiting < 1000:
                self.assertEqual(replies[-1][0][3] & 15, Rcode.SERVFAIL)
            self.assertEqual(self.send(wire, "10.2.0.1"), [])
            self.assertEqual(len(self.passing), waiting + 1)
            self.passing.close()
            self.assertEqual(len(self.passing), 0)

    def test_queued(self) -> None:
        """
        Requests by TCP beyond the bound wait for their turn, and networks take turns; all are answered, at once where the parent is gone.
        """
        self.connected = False
        self.passing = Relay(self.clock, self.say, self.sendOwn, most=8)
        self.responder.errands = {errandKey(Opcode.UPDATE): self.passing}
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),)))
        many = [self.send(wire, "10.1.0.1") for _ in range(10)]
        one = self.send(wire, "10.2.0.1")
        self.assertEqual((len(self.passing), many, one), (3, [[]] * 10, []))
        for line in self.lines:
            self.passing.take({"passed": line["pass"], "messages": [b64encode(wire[:2] + b"\xa8\0" + bytes(8)).decode()]})
        self.assertEqual([len(reply) for reply in [*many, one]], [1] * 11)
        self.assertEqual(len(self.lines), 11)
        self.assertEqual([line["address"] for line in self.lines[2:4]], [["10.2.0.1", 5300], ["10.1.0.1", 5300]])
        again = [self.send(wire, "10.1.0.1") for _ in range(5)]
        self.passing.close()
        self.assertEqual([reply[0][3] & 15 for reply in again], [Rcode.SERVFAIL] * 5)
        self.assertEqual(self.passing._octets, 0)

    def transfer(self, rrType: int, client: str = "127.0.0.1", transport: str = "tcp", *authority: RRSet) -> list[bytes]:
        """
        @return: the messages that somebody gets who asks for the zone.
        """
        return self.send(buildMessage(Message(78, 0, (Question(APEX, rrType),), (), authority)), client, transport)

    def test_transfers(self) -> None:
        """
        A small transfer is passed back whole; a large one the worker sends itself. Whether somebody may have it the parent says.
        """
        (message,) = self.transfer(AXFR)
        self.assertEqual(Message.fromWire(message).answer[0].rrType, SOA)
        self.assertEqual(self.own, [])
        self.zone = zoneOf(LARGE)
        self.assertEqual(self.transfer(AXFR), [b"one", b"two"])
        self.assertEqual(self.own, [False])
        self.assertEqual(self.sending.running, 0)
        (refused,) = self.transfer(AXFR, "192.0.2.1")
        self.assertEqual(refused[3] & 15, Rcode.REFUSED)
        (datagram,) = self.transfer(AXFR, transport="udp")
        self.assertEqual(datagram[3] & 15, Rcode.FORMERR)
        self.assertEqual(self.own, [False])

    def test_ownTurn(self) -> None:
        """
        A large transfer that waits for its turn in the worker comes later, or is given up with everything else.
        """
        self.zone = zoneOf(LARGE)
        turn: Deferred[Refusal | MessageStream] = Deferred()
        self.turn = turn
        messages = self.transfer(AXFR)
        self.assertEqual(messages, [])
        turn.callback(iter([b"one", b"two"]))
        self.assertEqual(messages, [b"one", b"two"])
        again: Deferred[Refusal | MessageStream] = Deferred()
        self.turn = again
        (refused,) = self.whenClosed()
        self.assertEqual(refused[3] & 15, Rcode.SERVFAIL)
        self.assertTrue(again.called)

    def whenClosed(self) -> list[bytes]:
        """
        @return: what comes of a transfer when the parent is gone.
        """
        messages = self.transfer(AXFR)
        self.assertEqual(messages, [])
        self.passing.close()
        return messages

    def test_differences(self) -> None:
        """
        What has changed is for the parent to tell, which has the journal.
        """
        before = self.zone.current
        self.zone.add("new 300 A 192.0.2.7")
        self.changes.differences.append(before.difference(self.zone.current))
        for transport in ("tcp", "udp"):
            (message,) = self.transfer(IXFR, "127.0.0.1", transport, before.soa)
            # SOA, from there, to there, and the new record, SOA.
            self.assertEqual((message[7], [rrset.rrType for rrset in Message.fromWire(message).answer]), (5, [SOA, A]))

    def test_nothingElse(self) -> None:
        """
        The parent answers nothing but what there is somebody for, and a bug there is a SERVFAIL here.
        """
        wire = buildMessage(Message(79, 0, (Question(APEX, SOA),)))
        said: list[dict[str, object]] = []
        request = Request.fromWire(wire, ("127.0.0.1", 1), "udp")
        assert request is not None
        request.record = self.responder.lane.clients.find("127.0.0.1", 0.0)
        outcome = self.passing(request)
        assert isinstance(outcome, Deferred)
        came: list[object] = []
        cast("Deferred[object]", outcome).addCallback(came.append)
        (message,) = cast("MessageStream", came[0])
        self.assertEqual(message[3] & 15, Rcode.REFUSED)
        with patch.object(Responder, "take", side_effect=RuntimeError("a bug")):
            self.passed.take(self.lines[-1], said.append)
        self.assertEqual(said, [{"passed": 1, "messages": []}])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
