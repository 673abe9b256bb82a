"""
Tests of L{twisted_ext.server.process.relay}: requests that arrive at a worker and are handled by its parent.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import cast
from unittest.mock import patch

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.zones.transfer.replicas import KEYS, Changes
from tests.server.zones.update.changed import KEY, TODAY, UpdatedServer
from tests.zone.changing import APEX, ZONE, record, zoneOf
from twisted_ext.metrics.figures import JSON
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.server.config.keys import Grants, Keys
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features import order
from twisted_ext.server.limits import PASSED_SECONDS
from twisted_ext.server.process.relay import Relay, RelayedRequests, keysFrom
from twisted_ext.server.reply import gates
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.opcodes import MessageStream, OpcodeHandler, handlerKey
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.server.zones.transfer.xfrout import Offer, OutgoingTransfers
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR, SOA, A
from twisted_ext.wire.tsig import Key, sign, verify
from twisted_ext.zone.store.traversal import difference

#: A key that the server does not have.
UNKNOWN_KEY = Key.fromText("hmac-sha256:strange:c2VjcmV0IG9mIHRoZSBzdHJhbmdl")

#: A zone whose transfer is too large to be relayed.
LARGE = ZONE + "\n".join([f'host{number} 300 TXT "{"x" * 240}"' for number in range(2000)])


class RelayTests(SynchronousTestCase):
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
            lambda apex: Offer(self.zone.current, self.grants, self.changes) if apex == APEX else None,
            today=lambda: TODAY,
            view="partners",
        )
        self.sending = sending
        self.relayed = RelayedRequests(self.clock, Settings(), bytes(16), self.settle)
        transfers: dict[int, OpcodeHandler] = {handlerKey(0, AXFR): sending, handlerKey(0, IXFR): sending}
        operations = {**self.server.updating.handlers, **transfers}
        with patch.object(gates, "time", lambda: TODAY):
            self.relayed.see(Settings(), operations, Keys([KEY, *KEYS.values()]))
        self.ownTransfers: list[tuple[bool, str]] = []
        # Fires when the worker has room for one more transfer of its own.
        self.turn: Deferred[Refusal | MessageStream] | None = None
        self.relay = Relay(self.clock, self.sendLine, self.sendOwn)
        theirs: dict[int, OpcodeHandler] = dict.fromkeys(operations, self.relay)
        self.responder = Responder(
            AuthoritySource(self.zones),
            self.clock,
            gates=standardGates(handlers=theirs),
            packetCache=packetCacheFor(Access({"allow": ["any"]})),
            handlers=theirs,
        )
        self.connected = True

    def settle(self) -> Deferred[None]:
        """
        Return a L{Deferred} that fires when all workers are up to date.
        """
        done: Deferred[None] = Deferred()
        self.settled.append(done)
        return done if self.waits else succeed(None)

    def sendLine(self, said: dict[str, object]) -> None:
        """
        Send a line to the parent.
        """
        line: dict[str, JSON] = json.loads(json.dumps(said))
        self.lines.append(line)
        if self.connected:
            self.relayed.take(line, lambda reply: self.relay.take(json.loads(json.dumps(reply))))

    def sendOwn(self, request: Request, single: bool, view: str) -> MessageStream | Deferred[Refusal | MessageStream]:
        """
        Send the worker's own zone.
        """
        self.ownTransfers.append((single, view))
        return iter([b"one", b"two"]) if self.turn is None else self.turn

    def send(self, wire: bytes, client: str = "127.0.0.1", transport: str = "tcp") -> list[bytes]:
        """
        Send a message, and return the list that will hold the replies.
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
        Send an update, and return the reply if there is one already.
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
        Send an update, and return the RCODE of the reply if there is one already.
        """
        reply = self.update(record(f"new 300 A {address}"), client=client, transport=transport, key=key)
        return None if reply is None else reply.rcode

    def test_updateReachesParent(self) -> None:
        """
        An update that arrives at a worker changes the zone of its parent, signed or not, over UDP or TCP.
        """
        self.assertEqual(self.rcode(), Rcode.NOERROR)
        self.assertEqual(self.rcode(transport="udp", address="192.0.2.8"), Rcode.NOERROR)
        self.assertEqual(self.rcode("198.51.100.1", key=KEY, address="192.0.2.9"), Rcode.NOERROR)
        self.assertEqual(self.server.zone.current.serial, 13)
        self.assertEqual(len(self.relay), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_parentChecksAccess(self) -> None:
        """
        A client without permission cannot update a zone by way of a worker: the parent checks the address that the worker's socket
        reported, and the keys.
        """
        self.assertEqual(self.rcode("198.51.100.1"), Rcode.REFUSED)
        self.assertEqual(self.rcode("198.51.100.1", key=UNKNOWN_KEY), Rcode.NOTAUTH)
        self.assertEqual(self.server.zone.current.serial, 10)
        # The address does not come from the message.
        self.assertEqual([line["address"] for line in self.lines], [["198.51.100.1", 5300]] * 2)
        self.assertEqual([sorted(line) for line in self.lines], [["address", "pass", "transport", "wire"]] * 2)

    def test_viewsByDoor(self) -> None:
        """
        The parent divides clients into views as workers do: by their addresses, how they have come in, and the keys that it has checked
        itself; not those whom the access list does not let in.
        """
        # The settings of features are known once these are.
        self.assertIn("views", [feature.name for feature in order.ORDER])
        found: list[str] = []

        def handle(request: Request) -> Refusal:
            view = request.record.group.view
            found.append("" if view is None else view.shown)
            return Refusal(Rcode.REFUSED)

        views = [
            {"name": "far", "clients": ["203.0.113.1"]},
            {"name": "door", "clients": ["interface=192.0.2.54 https-path=/lab"]},
            {"name": "key", "clients": [f"key={nameToText(KEY.name)}"]},
            {"name": "encrypted", "clients": ["tls port=853"]},
            {"name": "near", "clients": ["10.0.0.0/8"]},
        ]
        settings = Settings.of(view=views)
        with patch.object(gates, "time", lambda: TODAY):
            self.relayed.see(settings, {handlerKey(Opcode.UPDATE): handle}, Keys([KEY]))
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),)))
        for client, door, octets, expected in (
            ("10.0.0.1", NOWHERE, wire, "near"),
            ("10.0.0.1", Door("192.0.2.54", "", "/lab"), wire, "door"),
            ("10.0.0.1", Door("192.0.2.54", "", "/other"), wire, "near"),
            ("10.0.0.1", Door(port=853, isEncrypted=True), wire, "encrypted"),
            ("10.0.0.1", Door(port=853), wire, "near"),
            ("10.0.0.1", Door(port=443, isEncrypted=True), wire, "near"),
            ("127.0.0.1", NOWHERE, wire, ""),
            ("127.0.0.1", NOWHERE, sign(wire, KEY, TODAY)[0], "key"),
            ("203.0.113.1", NOWHERE, wire, ""),
            ("203.0.113.1", NOWHERE, sign(wire, KEY, TODAY)[0], ""),
        ):
            self.responder.take(octets, (client, 5300), "tcp", lambda reply: None, door=door)
            self.assertEqual(found.pop(), expected, (client, door))

    def test_workersGetKeysFromParent(self) -> None:
        """
        Workers sign transfers with keys that they get from the parent, and read no key file.
        """
        told = json.loads(json.dumps(self.relayed.told()))
        self.assertEqual(told["operations"], [*self.relayed.handlers])
        keys = keysFrom(told["keys"])
        self.assertEqual({*keys}, {KEY.name, *KEYS})
        for name, key in keys.items():
            known = KEYS.get(name) or KEY
            self.assertEqual((key.secret, key.algorithm, key.macSize), (known.secret, known.algorithm, known.macSize))

    def test_workerDoesNotParseRecords(self) -> None:
        """
        A worker does not parse the records of a request that it relays.
        """
        with patch.object(Request, "readWhole", side_effect=AssertionError), patch.object(self.relayed, "take"):
            self.update(record("new 300 A 192.0.2.7"), key=KEY)
        self.assertEqual(len(self.lines), 1)

    def test_malformedRequestGetsSameReply(self) -> None:
        """
        A malformed request fails in neither process, and gets the same reply as from a single process.
        """
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), (record("new 300 A 192.0.2.7"),)))
        for end in range(12, len(wire)):
            here, there = self.send(wire[:end]), self.server.send(wire[:end])
            self.server.disk.settle()
            self.assertEqual([reply[2:4] for reply in here], [reply[2:4] for reply in there], end)
        self.assertEqual(self.server.zone.current.serial, 10)

    def test_replyWaitsForAllWorkers(self) -> None:
        """
        The reply to an update is sent when all workers have the change, so that every worker answers with it.
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

    def test_silentParentCausesSERVFAIL(self) -> None:
        """
        A request gets SERVFAIL after a while if the parent is silent, and at once if the parent is gone.
        """
        self.connected = False
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),)))
        first = self.send(wire)
        self.clock.advance(PASSED_SECONDS.default)
        self.assertEqual([reply[3] & 15 for reply in first], [Rcode.SERVFAIL])
        second = self.send(wire)
        self.assertEqual(second, [])
        self.relay.close()
        self.assertEqual([reply[3] & 15 for reply in second], [Rcode.SERVFAIL])
        self.assertEqual([reply[3] & 15 for reply in self.send(wire)], [Rcode.SERVFAIL])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.relay.take({"passed": 1, "messages": []})

    def test_waitingRequestsAreBounded(self) -> None:
        """
        The number and the octets of requests that wait for the parent are limited; without the limits all requests would wait. One network
        may use a quarter of the room, and all UDP clients together half of it, since their addresses may be spoofed: TCP clients still find
        room.
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
            self.relay = Relay(self.clock, self.sendLine, self.sendOwn, most=most, octets=octets)
            self.responder.handlers = {handlerKey(Opcode.UPDATE): self.relay}
            replies = [self.send(wire, f"10.1.{number % networks}.1", transport="udp") for number in range(1000)]
            self.assertEqual(len(self.relay), waiting)
            self.assertEqual([len(reply) for reply in replies], [0] * waiting + [1] * (1000 - waiting))
            if waiting < 1000:
                self.assertEqual(replies[-1][0][3] & 15, Rcode.SERVFAIL)
            self.assertEqual(self.send(wire, "10.2.0.1"), [])
            self.assertEqual(len(self.relay), waiting + 1)
            self.relay.close()
            self.assertEqual(len(self.relay), 0)

    def test_tcpRequestsQueueFairly(self) -> None:
        """
        TCP requests over the limit wait for their turn, and networks take turns. All are answered, at once if the parent is gone.
        """
        self.connected = False
        self.relay = Relay(self.clock, self.sendLine, self.sendOwn, most=8)
        self.responder.handlers = {handlerKey(Opcode.UPDATE): self.relay}
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),)))
        many = [self.send(wire, "10.1.0.1") for _ in range(10)]
        one = self.send(wire, "10.2.0.1")
        self.assertEqual((len(self.relay), many, one), (3, [[]] * 10, []))
        for line in self.lines:
            self.relay.take({"passed": line["pass"], "messages": [b64encode(wire[:2] + b"\xa8\0" + bytes(8)).decode()]})
        self.assertEqual([len(reply) for reply in [*many, one]], [1] * 11)
        self.assertEqual(len(self.lines), 11)
        self.assertEqual([line["address"] for line in self.lines[2:4]], [["10.2.0.1", 5300], ["10.1.0.1", 5300]])
        again = [self.send(wire, "10.1.0.1") for _ in range(5)]
        self.relay.close()
        self.assertEqual([reply[0][3] & 15 for reply in again], [Rcode.SERVFAIL] * 5)
        self.assertEqual(self.relay._octets, 0)

    def transfer(self, rrType: int, client: str = "127.0.0.1", transport: str = "tcp", *authority: RRSet) -> list[bytes]:
        """
        Request a transfer of the zone, and return the messages.
        """
        return self.send(buildMessage(Message(78, 0, (Question(APEX, rrType),), (), authority)), client, transport)

    def test_largeTransferIsSentByWorker(self) -> None:
        """
        The parent checks the permission for every transfer. A small transfer is relayed whole, and the worker sends a large one itself.
        """
        (message,) = self.transfer(AXFR)
        self.assertEqual(Message.fromWire(message).answer[0].rrType, SOA)
        self.assertEqual(self.ownTransfers, [])
        self.zone = zoneOf(LARGE)
        self.assertEqual(self.transfer(AXFR), [b"one", b"two"])
        self.assertEqual(self.ownTransfers, [(False, "partners")])
        self.assertEqual(self.sending.slots.running, 0)
        (refused,) = self.transfer(AXFR, "192.0.2.1")
        self.assertEqual(refused[3] & 15, Rcode.REFUSED)
        (datagram,) = self.transfer(AXFR, transport="udp")
        self.assertEqual(datagram[3] & 15, Rcode.FORMERR)
        self.assertEqual(self.ownTransfers, [(False, "partners")])

    def test_queuedTransferIsSentLater(self) -> None:
        """
        A large transfer that waits in the worker's queue is sent later, or fails when the parent is gone.
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
        Request a transfer, let the parent go, and return the messages.
        """
        messages = self.transfer(AXFR)
        self.assertEqual(messages, [])
        self.relay.close()
        return messages

    def test_incrementalTransferComesFromParent(self) -> None:
        """
        The parent, which has the journal, answers incremental transfers.
        """
        before = self.zone.current
        self.zone.add("new 300 A 192.0.2.7")
        self.changes.differences.append(difference(before, self.zone.current))
        for transport in ("tcp", "udp"):
            (message,) = self.transfer(IXFR, "127.0.0.1", transport, before.soa)
            # The SOA, the old SOA, the new SOA with the new record, and the final SOA.
            self.assertEqual((message[7], [rrset.rrType for rrset in Message.fromWire(message).answer]), (5, [SOA, A]))

    def test_bugInParentCausesSERVFAIL(self) -> None:
        """
        The parent refuses requests that it has no operation for, and an exception in the parent causes SERVFAIL in the worker.
        """
        wire = buildMessage(Message(79, 0, (Question(APEX, SOA),)))
        said: list[dict[str, object]] = []
        request = Request.fromWire(wire, ("127.0.0.1", 1), "udp")
        assert request is not None
        request.record = self.responder.packetCache.clients.find("127.0.0.1", 0.0)
        outcome = self.relay(request)
        assert isinstance(outcome, Deferred)
        came: list[object] = []
        cast("Deferred[object]", outcome).addCallback(came.append)
        (message,) = cast("MessageStream", came[0])
        self.assertEqual(message[3] & 15, Rcode.REFUSED)
        with patch.object(Responder, "take", side_effect=RuntimeError("a bug")):
            self.relayed.take(self.lines[-1], said.append)
        self.assertEqual(said, [{"passed": 1, "messages": []}])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
