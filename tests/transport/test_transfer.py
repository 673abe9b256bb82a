"""
Tests of fetching whole zones.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory

from tests.networks import NetworkTestCase
from twisted_ext.errors import BadMessage, BudgetSpent, CallerFault, DNSFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.resolver.lookup.transfer import ZoneRecords, transferZone
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.transport.servers import Server
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.transfer.receiver import Receiving

ZONE = nameFromText("example.test")
SOA = rrsetOf(ZONE, 6, "ns.example.test. admin.example.test. 7 3600 900 604800 300")
LATER = rrsetOf(ZONE, 6, "ns.example.test. admin.example.test. 8 3600 900 604800 300")
NS = rrsetOf(ZONE, 2, "ns.example.test.")
HOSTS = [rrsetOf(nameFromText(f"host{number}.example.test"), 1, f"192.0.2.{number}") for number in range(1, 6)]
QUESTION = Question(ZONE, 252)


def message(*records: RRSet, id: int = 7, flags: int = 0x8400, questions: tuple[Question, ...] = (QUESTION,)) -> bytes:
    """
    @return: a message of a transfer.
    """
    return buildMessage(Message(id, flags, questions, records))


class Reading:
    """
    A transfer that is read as L{transferZone} does.
    """

    def __init__(self, zone: bytes = ZONE, most: int | None = None) -> None:
        self._came = ZoneRecords(zone)
        self._receiving = Receiving(zone, 7, "192.0.2.53:53", self._came.keep, most=most)

    @property
    def done(self) -> bool:
        """
        Whether it is whole.
        """
        return self._receiving.done

    @property
    def records(self) -> list[RRSet]:
        """
        What has come.
        """
        return self._came.records

    def take(self, octets: bytes) -> None:
        """
        Take a message.
        """
        self._receiving.take(octets, 0)


class ZoneRecordsTests(NetworkTestCase):
    """
    Tests for L{ZoneRecords} behind L{Receiving}.
    """

    def read(self, *messages: bytes, most: int | None = None) -> Reading:
        """
        Read messages in turn.
        """
        reading = Reading(most=most)
        for each in messages:
            reading.take(each)
        return reading

    def test_oneMessage(self) -> None:
        """
        A small zone comes in one message, from its SOA to its SOA.
        """
        whole = buildMessage(Message(7, 0x8400, (QUESTION,), (SOA, NS, *HOSTS, SOA)))
        reading = self.read(whole)
        self.assertTrue(reading.done)
        self.assertEqual(reading.records, [SOA, NS, *HOSTS])

    def test_cases(self) -> None:
        """
        Servers may write names in the case in which they got them.
        """
        soa = rrsetOf(nameFromText("EXAMPLE.test"), 6, "ns.example.test. admin.example.test. 7 3600 900 604800 300")
        host = rrsetOf(nameFromText("www.Example.TEST"), 1, "192.0.2.1")
        question = Question(nameFromText("Example.test"), 252)
        reading = Reading(question.name)
        for record in (soa, host, soa):
            reading.take(message(record, questions=(question,)))
        self.assertEqual((reading.done, reading.records), (True, [soa, host]))

    def test_oneRecordEach(self) -> None:
        """
        Old servers send a message for each record, and no question with the later ones.
        """
        reading = self.read(message(SOA), *[message(host, questions=()) for host in HOSTS], message(SOA, questions=()))
        self.assertEqual((reading.done, reading.records), (True, [SOA, *HOSTS]))

    def test_notDone(self) -> None:
        """
        Without the second SOA it is not whole.
        """
        self.assertFalse(self.read(message(SOA, *HOSTS)).done)

    def test_bad(self) -> None:
        """
        What does not belong to the zone, or to the transfer, is not taken.
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
            [message(SOA, elsewhere)],
            [message(SOA, *HOSTS), message(LATER)],
            [message(SOA, *HOSTS), message(SOA), message(NS)],
            [message(SOA)[:-1]],
            [b""],
        ):
            self.assertRaises(BadMessage, self.read, *messages)

    def test_declined(self) -> None:
        """
        What a server says against it is passed on.
        """
        fault = self.assertRaises(ServerFailed, self.read, message(flags=0x8405))
        self.assertEqual(fault.rcode, 5)
        self.assertIn("REFUSED", str(fault))

    def test_bounded(self) -> None:
        """
        A zone that never ends does.
        """
        reading = self.read(message(SOA), most=65535)

        def fill() -> None:
            while True:
                reading.take(message(*HOSTS))

        self.assertRaises(BudgetSpent, fill)
        self.assertLess(len(reading.records), 65535 // 16)


class ZoneServer(ServerFactory):
    """
    Sends set messages, with the id of the query, whatever is asked.
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
        Set up a server.
        """
        host: MemoryReactor = self.network.reactor(address)
        host.listenTCP(53, ZoneServer(messages, close))
        return Server(address)

    def transfer(self, *servers: Server, seconds: float = 10.0) -> Deferred[list[RRSet]]:
        """
        Ask for the zone, and let that time pass.
        """
        asked = transferZone(self.here, servers, ZONE, self.here.seconds() + seconds)
        self.network.advance(seconds + 1)
        return asked

    def refused(self, asked: Deferred[list[RRSet]]) -> DNSFault:
        """
        @return: what a transfer has failed with.
        """
        fault = self.failureResultOf(asked).value
        assert isinstance(fault, DNSFault)
        return fault

    def test_whole(self) -> None:
        """
        The zone is there record by record, in its order, however it was cut up.
        """
        self.network.shape(delay=0.01, fragment=7)
        server = self.offer("192.0.2.53", message(SOA, NS), message(*HOSTS), message(SOA))
        self.assertEqual(self.successResultOf(self.transfer(server)), [SOA, NS, *HOSTS])

    def test_nextServer(self) -> None:
        """
        A server that refuses, breaks off, sends nonsense or is not there leads to the next one.
        """
        good = self.offer("192.0.2.60", message(SOA, NS), message(SOA))
        for server in (
            self.offer("192.0.2.54", message(flags=0x8405)),
            self.offer("192.0.2.55", message(SOA), close=True),
            self.offer("192.0.2.56", message(NS)),
            Server("192.0.2.60", 54),
        ):
            self.assertEqual(self.successResultOf(self.transfer(server, good)), [SOA, NS])

    def test_allFail(self) -> None:
        """
        When nobody gives it, the most telling fault says so.
        """
        refusing = self.offer("192.0.2.54", message(flags=0x8405))
        fault = self.refused(self.transfer(refusing, Server("192.0.2.54", 54)))
        self.assertEqual((type(fault), fault.rcode), (ServerFailed, 5))
        self.assertIsInstance(self.refused(self.transfer(Server("192.0.2.54", 54))), Unreachable)

    def test_deadline(self) -> None:
        """
        A server that never gets to the end is given up in time.
        """
        slow = self.offer("192.0.2.54", message(SOA))
        fault = self.refused(self.transfer(slow, seconds=3.0))
        self.assertIsInstance(fault, TimedOut)
        self.assertIsInstance(self.refused(self.transfer(self.nowhere(), seconds=3.0)), TimedOut)

    def test_cancel(self) -> None:
        """
        A transfer can be given up, while connecting and later.
        """
        for server in (self.offer("192.0.2.54", message(SOA)), self.nowhere()):
            asked = transferZone(self.here, [server], ZONE, self.here.seconds() + 10)
            self.network.advance(1)
            asked.cancel()
            self.failureResultOf(asked, CancelledError)
            self.network.advance()
            self.assertEqual(self.here.pending(), [])

    def test_dribbled(self) -> None:
        """
        What comes octet by octet is not waited for longer than what does not come; what comes message by message is.
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
            came = ZoneRecords(ZONE)
            asked = fetchZone(self.here, Server("192.0.2.58"), ZONE, came.keep, wait=3.0, begin=3.0, seconds=100.0)
            self.network.advance(200)
            if dribble:
                self.failureResultOf(asked, TimedOut)
            else:
                self.assertTrue(self.successResultOf(asked).done)
                self.assertEqual(came.records, [SOA, *HOSTS])
        listener.stopListening()

    def test_noServers(self) -> None:
        """
        Without a server there is nothing to do.
        """
        self.assertRaises(CallerFault, transferZone, self.here, [], ZONE, 1.0)
