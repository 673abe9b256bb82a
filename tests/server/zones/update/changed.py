"""
A server whose zone accepts updates, for tests: without sockets, and with a simulated slow disk.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.typed import failureOf
from tests.zone.changing import APEX, zoneOf
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.opcodes import handlerKey
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.server.zones.update.journalreplay import finished
from twisted_ext.server.zones.update.updates import UpdateHandler
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Opcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.wire.tsig import Key, sign, verify
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.policy import Policy

__all__ = ["KEY", "SlowDisk", "UpdatedServer"]

#: A key that the server knows.
KEY = Key.fromText("hmac-sha256:dhcp.example.org:c2VjcmV0IG9mIGRoY3A=")


TODAY = 1_795_000_000.0


class SlowDisk:
    """
    Runs work when the test says so.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], object], Deferred[object]]] = []

    def __call__(self, work: Callable[[], object]) -> Deferred[object]:
        done: Deferred[object] = Deferred()
        self.waiting.append((work, done))
        return done

    def turn(self) -> None:
        """
        Run the work that waits now.
        """
        waiting, self.waiting = self.waiting, []
        for work, done in waiting:
            try:
                result = work()
            except Exception as error:
                done.errback(failureOf(error))
            else:
                done.callback(result)

    def settle(self) -> None:
        """
        Run all work, including what it adds.
        """
        while self.waiting:
            self.turn()


class UpdatedServer:
    """
    A server with one zone behind a responder.

    @ivar fromCache: whether the packet cache had the last reply.
    @ivar changes: the serial numbers that were reported.
    """

    def __init__(self, rules: tuple[str, ...] = ("key dhcp.example.org zone ANY", "address 127.0.0.0/8 zone ANY"), path: str = "") -> None:
        self.fromCache = False
        self.clock = Clock()
        self.disk = SlowDisk()
        self.zone = zoneOf()
        self.zones = Zones()
        self.changes: list[int] = []
        self.updating = UpdateHandler(
            self.clock,
            self.zones,
            changed=lambda version: self.changes.append(version.serial),
            elsewhere=self.disk,
            today=lambda: TODAY,
        )
        self.updating.permit(APEX, Policy.fromTexts(rules, APEX), path=path)
        self.zone.replace(self.opened(self.zone.current))
        self.zones.put(self.zone)
        self.responder = Responder(
            AuthoritySource(self.zones),
            self.clock,
            gates=standardGates(
                keys=Keys([KEY]), today=lambda: TODAY, handlers={handlerKey(Opcode.UPDATE): self.updating}
            ),
            packetCache=packetCacheFor(Access({"allow": ["any"]})),
            handlers={handlerKey(Opcode.UPDATE): self.updating},
        )

    def opened(self, version: Version) -> Version:
        """
        Return a loaded version with the changes of the journal.
        """
        return finished(self.updating.opening(version))

    def send(self, wire: bytes, client: str = "127.0.0.1", transport: str = "tcp") -> list[bytes]:
        """
        Send a message, and return the list that will hold the reply.
        """
        replies: list[bytes] = []
        self.responder.take(wire, (client, 5300), transport, replies.append)
        return replies

    def update(
        self,
        *changes: RRSet,
        demands: tuple[RRSet, ...] = (),
        zone: bytes = APEX,
        client: str = "127.0.0.1",
        transport: str = "tcp",
        key: Key | None = None,
        now: float = TODAY,
    ) -> list[Message]:
        """
        Send an update, let the disk do all its work, and return the replies.
        """
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(zone, SOA),), demands, changes))
        mac = b""
        if key is not None:
            wire, mac = sign(wire, key, now)
        replies = self.send(wire, client, transport)
        self.disk.settle()
        if key is not None and key is KEY:
            verdicts = [verify(reply, {KEY.name: KEY}, now, requestMac=mac) for reply in replies]
            assert all(verdict.good for verdict in verdicts), verdicts
        return [Message.fromWire(reply).check() for reply in replies]

    def ask(self, name: bytes, rrType: int, client: str = "127.0.0.1") -> Message:
        """
        Send a query over TCP, through the packet cache as listeners do.
        """
        wire = buildMessage(Message(9, 0, (Question(name, rrType),)))
        found = self.responder.packetCache.find(wire, client, self.clock.seconds())
        self.fromCache = found is not None
        return Message.fromWire(self.send(wire, client)[0] if found is None else wire[:2] + found).check()
