"""
Tests of zone transfers.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory

from tests.networks import NetworkTestCase
from twisted_ext.errors import BadMessage, BudgetSpent, CallerFault, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.resolver.lookup.transfer import transferZone
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.transport.servers import Server
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.transfer.receiver import TransferReceiver

ZONE = nameFromText("test.example")
SOA = rrsetOf(ZONE, 6, "ns.test.example. admin.test.example. 7 3600 900 604800 300")
LATER = rrsetOf(ZONE, 6, "ns.test.example. admin.test.example. 8 3600 900 604800 300")
NS = rrsetOf(ZONE, 2, "ns.test.example.")
HOSTS = [rrsetOf(nameFromText(f"host{number}.test.example"), 1, f"192.0.2.{number}") for number in range(1, 6)]
QUESTION = Question(ZONE, 252)


def message(*records: RRSet, id: int = 7, flags: int = 0x8400, questions: tuple[Question, ...] = (QUESTION,)) -> bytes:
    """
    Return a message of a transfer.
    """
    return buildMessage(Message(id, flags, questions, records))


class Reading:
    """
    A transfer that is read as by L{transferZone}.
    """

    def __init__(self, zone: bytes = ZONE, most: int | None = None) -> None:
        self._receiving = TransferReceiver(zone, 7, "192.0.2.53:53", most=most)

    @property
    def done(self) -> bool:
        """
        Whether it is complete.
        """
        return self._receiving.done

    @property
    def records(self) -> list[RRSet]:
        """
        The records so far.
        """
        return self._receiving.records

    def take(self, octets: bytes) -> None:
        """
        Read a message.
        """
        self._receiving.take(octets, 0)


class ZoneRecordsTests(NetworkTestCase):
    """
    Tests for L{TransferReceiver} that collects records.
    """

    def read(self, *messages: bytes, most: int | None = None) -> Reading:
        """
        Read messages in turn.
        """
        reading = Reading(most=most)
        for each in messages:
            reading.take(each)
        return reading

    def test_zoneInOneMessage(self) -> None:
        """
        A small zone comes in one message, from SOA to SOA.
        """
        whole = buildMessage(Message(7, 0x8400, (QUESTION,), (SOA, NS, *HOSTS, SOA)))
        reading = self.read(whole)
        self.assertTrue(reading.done)
        self.assertEqual(reading.records, [SOA, NS, *HOSTS])

    def test_namesMayDifferInCase(self) -> None:
        """
        Names may have the case in which the server has them.
        """
        soa = rrsetOf(nameFromText("test.EXAMPLE"), 6, "ns.test.example. admin.test.example. 7 3600 900 604800 300")
        host = rrsetOf(nameFromText("www.TEST.Example"), 1, "192.0.2.1")
        question = Question(nameFromText("test.Example"), 252)
        reading = Reading(question.name)
        for record in (soa, host, soa):
            reading.take(message(record, questions=(question,)))
        self.assertEqual((reading.done, reading.records), (True, [soa, host]))

    def test_oneRecordPerMessage(self) -> None:
        """
        Old servers send a message for each record, and the question in the first one only.
        """
        reading = self.read(message(SOA), *[message(host, questions=()) for host in HOSTS], message(SOA, questions=()))
        self.assertEqual((reading.done, reading.records), (True, [SOA, *HOSTS]))

    def test_missingFinalSOAIsIncomplete(self) -> None:
        """
        A transfer without the second SOA is incomplete.
        """
        self.assertFalse(self.read(message(SOA, *HOSTS)).done)

    def test_foreignRecordsAreRejected(self) -> None:
        """
        Messages that do not belong to the zone or to the transfer are rejected.
        """
        elsewhere = rrsetOf(nameFromText("www.elsewhere.test"), 1, "192.0.2.1")
        for messages in (
            [message(NS, SOA)],
            [message()],
            [message(SOA, id=8)],
            [message(SOA, flags=0x0000)],
            [message(SOA, flags=0xA400)],
            [message(SOA, questions=())],
            [message(SOA, questions=(Question(nameFromText("other.test"), 252),))],
            [message(SOA, elsewhere, elsewhere, SOA)],
            [message(SOA, *HOSTS), message(LATER)],
            [message(SOA, *HOSTS), message(SOA), message(NS)],
            [message(SOA)[:-1]],
            [b""],
        ):
            self.assertRaises(BadMessage, self.read, *messages)

    def test_rcodeOfServerIsReported(self) -> None:
        """
        The rcode of a refusing server is reported.
        """
        fault = self.assertRaises(ServerFailed, self.read, message(flags=0x8405))
        self.assertEqual(fault.rcode, 5)
        self.assertIn("REFUSED", str(fault))

    def test_endlessZoneIsCutOff(self) -> None:
        """
        An endless zone is cut off.
        """
        reading = self.read(message(SOA), most=65535)

        def fill() -> None:
            while True:
                reading.take(message(*HOSTS))

        self.assertRaises(BudgetSpent, fill)
        self.assertLess(len(reading.records), 65535 // 16)


class ZoneServer(ServerFactory):
    """
    Send fixed messages, with the ID of the query, for every query.
    """

    noisy = False

    def __init__(self, messages: Sequence[bytes], close: bool = False) -> None:
        self.messages = messages
        self.close = close

    def buildProtocol(self, addr: object) -> Protocol:
        return _Sending(self)


class _Sending(Protocol):
    transport: ITCPTransport

    def __init__(self, server: ZoneServer) -> None:
        self._server = server
        self._buffer = StreamBuffer()

    def dataReceived(self, data: bytes) -> None:
        for query in self._buffer.feed(data):
            for each in self._server.messages:
                self.transport.write(frame(query[:2] + each[2:]))
            if self._server.close:
                self.transport.loseConnection()


class TransferZoneTests(NetworkTestCase):
    """
    Tests for L{transferZone}.
    """

    def offer(self, address: str, *messages: bytes, close: bool = False) -> Server:
        """
        Start a server.
        """
        host: MemoryReactor = self.network.reactor(address)
        host.listenTCP(53, ZoneServer(messages, close))
        return Server(address)

    def transfer(self, *servers: Server, seconds: float = 10.0) -> Deferred[list[RRSet]]:
        """
        Request the zone, and let that time pass.
        """
        asked = transferZone(self.here, servers, ZONE, self.here.seconds() + seconds)
        self.network.advance(seconds + 1)
        return asked

    def faultOf(self, asked: Deferred[list[RRSet]]) -> DNSFault:
        """
        Return the error of a transfer.
        """
        fault = self.failureResultOf(asked).value
        assert isinstance(fault, DNSFault)
        return fault

    def test_zoneArrivesInOrder(self) -> None:
        """
        The zone arrives record by record, in order, with any fragmentation.
        """
        self.network.shape(delay=0.01, fragment=7)
        server = self.offer("192.0.2.53", message(SOA, NS), message(*HOSTS), message(SOA))
        self.assertEqual(self.successResultOf(self.transfer(server)), [SOA, NS, *HOSTS])

    def test_badServerLeadsToNext(self) -> None:
        """
        A server that refuses, disconnects, sends nonsense or is down leads to the next one.
        """
        good = self.offer("192.0.2.60", message(SOA, NS), message(SOA))
        for server in (
            self.offer("192.0.2.54", message(flags=0x8405)),
            self.offer("192.0.2.55", message(SOA), close=True),
            self.offer("192.0.2.56", message(NS)),
            Server("192.0.2.60", 54),
        ):
            self.assertEqual(self.successResultOf(self.transfer(server, good)), [SOA, NS])

    def test_mostTellingFaultIsRaised(self) -> None:
        """
        The most telling error is raised when all servers fail.
        """
        refusing = self.offer("192.0.2.54", message(flags=0x8405))
        fault = self.faultOf(self.transfer(refusing, Server("192.0.2.54", 54)))
        self.assertEqual((type(fault), fault.rcode), (ServerFailed, 5))
        self.assertIsInstance(self.faultOf(self.transfer(Server("192.0.2.54", 54))), Unreachable)

    def test_unfinishedTransferEndsAtDeadline(self) -> None:
        """
        A transfer that never finishes ends at its deadline.
        """
        slow = self.offer("192.0.2.54", message(SOA))
        fault = self.faultOf(self.transfer(slow, seconds=3.0))
        self.assertIsInstance(fault, TimedOut)
        self.assertIsInstance(self.faultOf(self.transfer(self.nowhere(), seconds=3.0)), TimedOut)

    def test_transferCanBeCanceled(self) -> None:
        """
        A transfer can be canceled, while connecting and later.
        """
        for server in (self.offer("192.0.2.54", message(SOA)), self.nowhere()):
            asked = transferZone(self.here, [server], ZONE, self.here.seconds() + 10)
            self.network.advance(1)
            asked.cancel()
            self.failureResultOf(asked, CancelledError)
            self.network.advance()
            self.assertEqual(self.here.pending(), [])

    def test_dribblingServerTimesOut(self) -> None:
        """
        A message that arrives octet by octet times out like no message. One message at a time does not.
        """
        dribble = True

        class Dribbling(Protocol):
            transport: ITCPTransport

            def dataReceived(self, data: bytes) -> None:
                each = [frame(data[2:4] + message(record)[2:]) for record in (SOA, *HOSTS, SOA)]
                self._next([bytes([octet]) for octet in each[0]] if dribble else each)

            def _next(self, pieces: list[bytes]) -> None:
                if pieces:
                    self.transport.write(pieces[0])
                    network.clock.callLater(2.0, self._next, pieces[1:])

        network = self.network
        factory = ServerFactory()
        factory.noisy = False
        factory.protocol = Dribbling
        listener = self.network.reactor("192.0.2.58").listenTCP(53, factory)
        for dribble in (True, False):
            asked = fetchZone(self.here, Server("192.0.2.58"), ZONE, wait=3.0, begin=3.0, seconds=100.0)
            self.network.advance(200)
            if dribble:
                self.failureResultOf(asked, TimedOut)
            else:
                self.assertEqual(self.successResultOf(asked).records, [SOA, *HOSTS])
        listener.stopListening()

    def test_noServersIsACallerFault(self) -> None:
        """
        An empty list of servers is an error of the caller.
        """
        self.assertRaises(CallerFault, transferZone, self.here, [], ZONE, 1.0)
