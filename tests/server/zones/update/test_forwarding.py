"""
Updates that reach a secondary server, and are passed on to the primaries of the zone.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress, IConnector, IReactorTCP, IReactorTime, ITCPTransport
from twisted.internet.protocol import ClientFactory, Protocol, ServerFactory, connectionDone
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from tests.server.zones.update.changed import KEY, TODAY, UpdatedServer
from tests.zone.changing import APEX, record, zoneOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.config.transferpolicy import Terms, termsOf
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.server.zones.update.forwarding import UpdateForwarder
from twisted_ext.server.zones.update.updates import UpdateHandler
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import TC, Ede, Opcode, Rcode
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA, A
from twisted_ext.wire.tsig import Key, sign, verify

_NEW = record("new 60 A 192.0.2.9")
_OTHER = Key.fromText("hmac-sha256:other:c2VjcmV0IG9mIG90aGVycw==")
_FIRST, _SECOND = "192.0.2.1", "192.0.2.2"


def _wireOf(*changes: RRSet) -> bytes:
    return buildMessage(Message(77, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), changes))


class _Machine(Clock):
    """
    A clock with a network.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = MemoryNetwork(self)
        self._here = self.network.reactor("192.0.2.7")
        directlyProvides(self, IReactorTime, IReactorTCP)

    def connectTCP(
        self, host: str, port: int, factory: ClientFactory, timeout: float = 30, bindAddress: tuple[str, int] | None = None
    ) -> IConnector:
        return self._here.connectTCP(host, port, factory, timeout, bindAddress)


class _Connection(Protocol):
    """
    A connection to a primary.
    """

    transport: ITCPTransport

    def __init__(self, primary: _Primary) -> None:
        self.primary = primary
        self.buffer = StreamBuffer()

    def connectionMade(self) -> None:
        self.primary.open += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.primary.open -= 1

    def dataReceived(self, data: bytes) -> None:
        for wire in self.buffer.feed(data):
            self.primary.wires.append(wire)
            for reply in self.primary.repliesTo(wire):
                self.transport.write(frame(reply))


class _Connections(ServerFactory):
    """
    The connections to a primary.
    """

    def __init__(self, primary: _Primary) -> None:
        self.primary = primary

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Connection(self.primary)


class _Primary:
    """
    A primary with the zone, which knows one key.

    @ivar wires: what it was sent.
    @ivar says: changes a reply; returns L{None} to send none.
    @ivar open: how many connections are open.
    """

    def __init__(self, machine: _Machine, address: str) -> None:
        self.server = UpdatedServer()
        self.wires: list[bytes] = []
        self.says: Callable[[bytes], bytes | None] = lambda reply: reply
        self.open = 0
        machine.network.reactor(address).listenTCP(53, _Connections(self))

    def repliesTo(self, wire: bytes) -> list[bytes]:
        replies = self.server.send(wire, "192.0.2.7")
        self.server.disk.settle()
        return [said for each in replies if (said := self.says(each)) is not None]

    @property
    def serial(self) -> int:
        return self.server.zone.current.serial


class ForwardingTests(SynchronousTestCase):
    """
    A secondary server with one key that its primary does not have, and none that it has.
    """

    def setUp(self) -> None:
        self.machine = _Machine()
        self.primary = _Primary(self.machine, _FIRST)
        self.zones = Zones()
        self.zones.put(zoneOf())
        self.terms: Terms | None = None
        self.updating = UpdateHandler(self.machine, self.zones)
        self.updating.termsOf = lambda apex: self.terms if apex == APEX else None
        self.responder = Responder(
            AuthoritySource(self.zones),
            self.machine,
            gates=standardGates(keys=Keys([_OTHER]), today=lambda: TODAY, handlers=self.updating.handlers),
            packetCache=packetCacheFor(Access({"allow": ["any"]})),
            handlers=self.updating.handlers,
        )
        self.follow("127.0.0.0/8", "198.51.100.0/24", "key=other")

    def follow(self, *forwards: str, primaries: tuple[str, ...] = (_FIRST,)) -> None:
        """
        Set whose updates are passed on, and where to.
        """
        table: dict[str, object] = {"name": "example.org", "primaries": list(primaries)}
        zone = ZoneSettings.fromTable(table | ({"forward-updates": list(forwards)} if forwards else {}))
        self.terms = termsOf(zone, Keys([_OTHER]))

    def send(self, wire: bytes, client: str = "127.0.0.1", transport: str = "tcp") -> list[bytes]:
        """
        Send a message; return the list that will have the reply.
        """
        replies: list[bytes] = []
        self.responder.take(wire, (client, 5300), transport, replies.append)
        self.machine.advance(0.1)
        return replies

    def rcode(self, wire: bytes, client: str = "127.0.0.1", transport: str = "tcp") -> int:
        """
        Return the rcode of the reply.
        """
        (reply,) = self.send(wire, client, transport)
        return Message.fromWire(reply).rcode

    def test_passedOn(self) -> None:
        """
        An update goes to the primary octet by octet, and its reply back to the client, over UDP and TCP; the signatures are theirs: this
        server does not have the key.
        """
        self.updating._forwarder = UpdateForwarder(self.machine, most=1)
        for number, transport in enumerate(("tcp", "udp"), 1):
            wire, mac = sign(_wireOf(record(f"new{number} 60 A 192.0.2.9")), KEY, TODAY)
            with capturedLogs() as events:
                (reply,) = self.send(wire, transport=transport)
            self.assertEqual(self.primary.wires[-1], wire)
            self.assertEqual((Message.fromWire(reply).rcode, self.primary.serial), (Rcode.NOERROR, 10 + number))
            self.assertTrue(verify(reply, {KEY.name: KEY}, TODAY, requestMac=mac).good)
            said = "example.org.: update by 127.0.0.1 key dhcp.example.org. was passed on to 192.0.2.1:53: NOERROR"
            self.assertIn(said, [formatEvent(event) for event in events])
        self.assertEqual(self.primary.open, 0)

    def test_largeAndUnsigned(self) -> None:
        """
        So do an update of many octets, of which this server does not read the records, and one without a signature.
        """
        many = record("many 300 TXT x").withRdatas(tuple([bytes([200]) + bytes([number]) * 200 for number in range(40)]))
        wire, mac = sign(_wireOf(many), KEY, TODAY)
        (reply,) = self.send(wire)
        self.assertTrue(verify(reply, {KEY.name: KEY}, TODAY, requestMac=mac).good)
        self.assertEqual(self.primary.wires, [wire])
        self.assertEqual(self.rcode(_wireOf(_NEW)), Rcode.REFUSED)
        self.assertEqual(self.primary.wires[1], _wireOf(_NEW))

    def test_judgedByPrimary(self) -> None:
        """
        What the primary says of signature, prerequisites and rights is what the client gets.
        """
        strange = Key.fromText("hmac-sha256:strange:c2VjcmV0")
        wire, _ = sign(_wireOf(_NEW), strange, TODAY)
        (reply,) = self.send(wire)
        self.assertEqual(reply, self.primary.server.send(wire, "192.0.2.7")[0])
        self.assertEqual(Message.fromWire(reply).rcode, Rcode.NOTAUTH)
        wire, mac = sign(_wireOf(_NEW), KEY, TODAY - 1000)
        (reply,) = self.send(wire)
        record = verify(reply, {KEY.name: KEY}, TODAY - 1000, requestMac=mac).record
        assert record is not None
        self.assertEqual(record.error, Rcode.BADTIME)
        self.assertEqual(self.primary.serial, 10)

    def test_deniedByDefault(self) -> None:
        """
        Updates of secondary zones are refused, and keys that are not known here too, unless the zone's settings name the client.
        """
        signed, plain = sign(_wireOf(_NEW), KEY, TODAY)[0], _wireOf(_NEW)
        self.assertEqual(self.rcode(plain, "203.0.113.1"), Rcode.REFUSED)
        self.assertEqual(self.rcode(signed, "203.0.113.1"), Rcode.REFUSED)
        self.follow()
        self.assertEqual((self.rcode(plain), self.rcode(signed)), (Rcode.REFUSED, Rcode.NOTAUTH))
        self.terms = None
        self.assertEqual((self.rcode(plain), self.rcode(signed)), (Rcode.REFUSED, Rcode.NOTAUTH))
        self.assertEqual(self.primary.wires, [])

    def test_queriesNeedKnownKeys(self) -> None:
        """
        A query that is signed with a key that is not known here is refused as before.
        """
        wire, _ = sign(buildMessage(Message(9, 0, (Question(APEX, SOA),))), KEY, TODAY)
        self.assertEqual(self.rcode(wire), Rcode.NOTAUTH)

    def test_unprovenAddresses(self) -> None:
        """
        Over UDP, whose addresses can be forged, a client is asked to come by TCP; one with a key that is known here need not.
        """
        (reply,) = self.send(_wireOf(_NEW), "198.51.100.1", "udp")
        self.assertTrue(Message.fromWire(reply).flags & TC)
        self.assertEqual(self.primary.wires, [])
        self.send(_wireOf(_NEW), "198.51.100.1", "tcp")
        self.send(sign(_wireOf(_NEW), _OTHER, TODAY)[0], "203.0.113.1", "udp")
        self.assertEqual(len(self.primary.wires), 2)

    def test_knownKeysAreJudged(self) -> None:
        """
        Where a key is asked for, its signature is verified here.
        """
        self.follow("key=other")
        forged = Key.fromText("hmac-sha256:other:d3Jvbmc=")
        for wire, rcode in (
            (_wireOf(_NEW), Rcode.REFUSED),
            (sign(_wireOf(_NEW), KEY, TODAY)[0], Rcode.REFUSED),
            (sign(_wireOf(_NEW), forged, TODAY)[0], Rcode.NOTAUTH),
            (sign(_wireOf(_NEW), _OTHER, TODAY - 1000)[0], Rcode.NOTAUTH),
        ):
            self.assertEqual(self.rcode(wire), rcode)
            self.assertEqual(self.primary.wires, [])
        many = record("many 300 TXT x").withRdatas(tuple([bytes([200]) + bytes([number]) * 200 for number in range(40)]))
        for count, change in enumerate((_NEW, many), 1):
            self.send(sign(_wireOf(change), _OTHER, TODAY)[0])
            self.assertEqual(len(self.primary.wires), count)

    def test_nextPrimary(self) -> None:
        """
        If a primary cannot be reached, does not answer, or with something else, the next one is asked, within the time for all of them.
        """
        second = _Primary(self.machine, _SECOND)
        for says in (
            lambda reply: None,
            lambda reply: b"\0\1" + reply[2:],
            lambda reply: reply[:2] + bytes([reply[2] & 0x7F]) + reply[3:],
            lambda reply: reply[:2] + bytes([0x80]) + reply[3:],
            lambda reply: reply[:7],
        ):
            self.primary.says = says
            for first in (_FIRST, "192.0.2.3"):
                self.follow("127.0.0.0/8", primaries=(first, _SECOND))
                count = len(second.wires)
                replies = self.send(sign(_wireOf(_NEW), KEY, TODAY)[0])
                self.machine.advance(5.1)
                self.machine.advance(0.1)
                self.assertEqual([Message.fromWire(reply).rcode for reply in replies], [Rcode.NOERROR])
                self.assertEqual(len(second.wires), count + 1)
        self.assertEqual((self.primary.open, second.open, self.machine.getDelayedCalls()), (0, 0, []))

    def test_noPrimary(self) -> None:
        """
        If none answers, the client gets SERVFAIL with the reason, in time.
        """
        self.primary.says = lambda reply: None
        with capturedLogs() as events:
            replies = self.send(_wireOf(_NEW))
            self.machine.advance(9.8)
            self.assertEqual(replies, [])
            self.machine.advance(0.2)
        self.assertEqual(Message.fromWire(replies[0]).rcode, Rcode.SERVFAIL)
        said = [formatEvent(event) for event in events]
        self.assertIn("example.org.: an update cannot be passed on: 192.0.2.1:53 does not answer", said)
        self.assertEqual(self.primary.open, 0)

    def test_tooMany(self) -> None:
        """
        No more than a number are passed on at a time, and all of them end with the server.
        """
        self.primary.says = lambda reply: None
        self.updating._forwarder = UpdateForwarder(self.machine, most=2)
        waiting = [self.send(_wireOf(_NEW)) for _ in range(2)]
        reply = Message.fromWire(self.send(_wireOf(_NEW))[0])
        self.assertEqual((reply.rcode, len(self.primary.wires), self.primary.open), (Rcode.SERVFAIL, 2, 2))
        self.successResultOf(self.updating.close())
        self.machine.advance(0.1)
        self.assertEqual((self.primary.open, [len(each) for each in waiting]), (0, [1, 1]))
        self.assertEqual(self.machine.getDelayedCalls(), [])

    def test_longReply(self) -> None:
        """
        A reply that is too long for a datagram is cut, with the primary's rcode.
        """
        self.primary.says = lambda reply: reply[:3] + bytes([Rcode.YXDOMAIN]) + reply[4:] + bytes(600)
        (reply,) = self.send(_wireOf(_NEW), transport="udp")
        message = Message.fromWire(reply)
        self.assertEqual((message.rcode, bool(message.flags & TC), len(reply) < 100), (Rcode.YXDOMAIN, True, True))
        (reply,) = self.send(_wireOf(_NEW))
        self.assertGreater(len(reply), 600)

    def test_reasonsForClients(self) -> None:
        """
        A client with EDNS gets the reason as an extended error.
        """
        self.follow("127.0.0.0/8", primaries=("192.0.2.3",))
        wire = _wireOf(_NEW)
        wire = wire[:11] + b"\1" + wire[12:] + b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
        replies = self.send(wire)
        self.machine.advance(10)
        (reply,) = replies
        edns = Message.fromWire(reply).edns
        assert edns is not None
        self.assertIn(int(Ede.NETWORK_ERROR).to_bytes(2, "big") + b"no primary of the zone answers", [value for _, value in edns.options])

    def test_settings(self) -> None:
        """
        C{forward-updates} is for zones with primaries; its keys have to be there.
        """
        for table, said in (
            ({"file": "/zone", "forward-updates": ["any"]}, "it has no primaries to pass them on to"),
            ({"primaries": [_FIRST], "forward-updates": ["key=strange"]}, "forward-updates: there is no TSIG key strange."),
        ):
            zone = ZoneSettings.fromTable({"name": "example.org", **table})
            self.assertIn(said, str(self.assertRaises(BadDescription, termsOf, zone, Keys([_OTHER]))))

    def test_unknownZone(self) -> None:
        """
        An update of another zone is refused as before.
        """
        wire = buildMessage(Message(77, Opcode.UPDATE << 11, (Question(b"\3net\0", SOA),), (), (_NEW,)))
        self.assertEqual(self.rcode(wire), Rcode.NOTAUTH)
        self.assertEqual(self.rcode(buildMessage(Message(9, 0, (Question(_NEW.name, A),)))), Rcode.NXDOMAIN)
