"""
Tests of L{twisted_ext.compat.protocols}.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import unchecked
from twisted_ext.compat.conversion.messages import Message
from twisted_ext.compat.protocols import DNSDatagramProtocol, DNSProtocol
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer

SERVER = "192.0.2.53"
SERVER6 = "2001:db8::53"
QUESTIONS = [dns.Query(b"www.example.com", dns.A)]

_twisteds: Callable[[object, object], dns.DNSDatagramProtocol] = dns.DNSDatagramProtocol


class _Handing(Factory):
    """
    Gives one protocol.
    """

    noisy = False

    def __init__(self, made: Protocol) -> None:
        self.made = made

    def buildProtocol(self, addr: object) -> Protocol:
        return self.made


class ProtocolTestCase(SynchronousTestCase):
    """
    A program that sends its own queries, and a server that may play tricks.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7", "2001:db8::7")
        self.there = self.network.reactor(SERVER, SERVER6)
        self.server = CannedServer({("www.example.com", "A"): "192.0.2.80"})
        self.server.listen(self.there)

    def tampering(self, change: Callable[[bytearray], object]) -> None:
        """
        Let a changed reply come before the right one.
        """

        def tamper(reply: bytes, transport: str) -> list[bytes]:
            wrong = bytearray(reply)
            change(wrong)
            return [bytes(wrong), reply]

        self.server.tamper = tamper


class DatagramTests(ProtocolTestCase):
    """
    Tests of L{DNSDatagramProtocol}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.protocol = DNSDatagramProtocol(controller=None, reactor=self.here)

    def test_query(self) -> None:
        """
        The example of Twisted's tour works: a query fires with the message that answers it.
        """
        asking = self.protocol.query((SERVER, 53), QUESTIONS)
        self.network.advance(1)
        message = self.successResultOf(asking)
        self.assertIsInstance(message, Message)
        self.assertEqual([str(header.payload) for header in message.answers], ["<A address=192.0.2.80 ttl=300>"])
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_wrongReplies(self) -> None:
        """
        A reply with another question, a query, another kind of message and a cut one are passed over; the right one behind it counts.
        """

        def question(wrong: bytearray) -> None:
            wrong[13:16] = b"xxx"

        def typeOfQuestion(wrong: bytearray) -> None:
            wrong[30] = 28

        def notReply(wrong: bytearray) -> None:
            wrong[2] &= 0x7F

        def opcode(wrong: bytearray) -> None:
            wrong[2] |= 0x20

        def cut(wrong: bytearray) -> None:
            del wrong[-3:]

        def noQuestion(wrong: bytearray) -> None:
            wrong[4:12] = bytes(8)
            del wrong[12:]

        for change in (question, typeOfQuestion, notReply, opcode, cut, noQuestion):
            self.tampering(change)
            asking = self.protocol.query((SERVER, 53), QUESTIONS)
            self.network.advance(1)
            message = self.successResultOf(asking)
            self.assertEqual(len(message.answers), 1, change.__name__)
            self.assertEqual(message.queries, QUESTIONS)

    def test_twistedTakesThem(self) -> None:
        """
        Twisted's own protocol takes a reply that answers another question: what is passed over above is worth passing over.
        """
        self.server.tamper = lambda reply, transport: [reply[:13] + b"xxx" + reply[16:]]
        asking = _twisteds(None, self.here).query((SERVER, 53), QUESTIONS)
        self.network.advance(1)
        self.assertNotEqual(self.successResultOf(asking).queries, QUESTIONS)

    def test_otherSender(self) -> None:
        """
        A reply from another address or port is passed over.
        """
        asking = self.protocol.query((SERVER, 53), QUESTIONS, timeout=3)
        forger = self.network.reactor("192.0.2.66")
        port = forger.listenUDP(53, DatagramProtocol())
        reply = Message(id=next(iter(self.protocol.liveMessages)), answer=1)
        reply.queries = list(QUESTIONS)
        self.server.silent = True
        port.write(reply.toStr(), ("192.0.2.7", self.protocol.transport.getHost().port))
        self.network.advance(1)
        self.assertNoResult(asking)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)

    def test_longSpelling(self) -> None:
        """
        A server whose address of IPv6 was written long is heard all the same.
        """
        asking = self.protocol.query(("2001:DB8:0:0:0::53", 53), QUESTIONS)
        self.server.close()
        self.server.listen(self.there, interface="::")
        self.network.advance(1)
        self.assertEqual(len(self.successResultOf(asking).answers), 1)

    def test_refusal(self) -> None:
        """
        A server that did not understand the question need not repeat it.
        """

        def bare(reply: bytes, transport: str) -> list[bytes]:
            return [reply[:2] + b"\x80\x01" + bytes(8)]

        self.server.tamper = bare
        asking = self.protocol.query((SERVER, 53), QUESTIONS)
        self.network.advance(1)
        self.assertEqual(self.successResultOf(asking).rCode, dns.EFORMAT)

    def test_timeout(self) -> None:
        """
        Silence ends with the exception of Twisted's protocol.
        """
        self.server.silent = True
        asking = self.protocol.query((SERVER, 53), QUESTIONS, timeout=2)
        self.network.advance(3)
        self.failureResultOf(asking, dns.DNSQueryTimeoutError)
        self.assertEqual(self.protocol.liveMessages, {})

    def test_cancelled(self) -> None:
        """
        A query can be cancelled, and leaves no timer.
        """
        asking = self.protocol.query((SERVER, 53), QUESTIONS)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual((self.here.getDelayedCalls(), self.protocol.liveMessages), ([], {}))
        self.network.advance(1)

    def test_stopped(self) -> None:
        """
        Closing the port ends what is under way.
        """
        asking = self.protocol.query((SERVER, 53), QUESTIONS)
        self.protocol.transport.stopListening()
        self.failureResultOf(asking, ConnectionDone)
        self.assertEqual(self.here.pending(), [])

    def test_cannotWrite(self) -> None:
        """
        What cannot be sent fails at once.
        """
        self.failureResultOf(unchecked(self.protocol.query)(("192.0.2.53", 53), [None]))
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_nobodyToTell(self) -> None:
        """
        A message that nobody asked for is no error where there is no controller, and is shown to one that there is.
        """
        self.protocol.query((SERVER, 53), QUESTIONS).addErrback(lambda failure: None)
        port = self.protocol.transport.getHost().port
        self.network.advance(1)
        told: list[object] = []

        class Controller:
            def messageReceived(self, message: dns.Message, protocol: object, address: object = None) -> None:
                told.append((message.id, address))

        sender = self.there.listenUDP(0, DatagramProtocol())
        for controller in (None, Controller()):
            self.protocol.controller = controller
            sender.write(Message(id=9, answer=1).toStr(), ("192.0.2.7", port))
            sender.write(b"nonsense", ("192.0.2.7", port))
            self.network.advance(1)
        self.assertEqual(told, [(9, (SERVER, sender.getHost().port))])


class StreamTests(ProtocolTestCase):
    """
    Tests of L{DNSProtocol}.
    """

    def connect(self, controller: object = None) -> DNSProtocol:
        """
        @return: a protocol that is connected to the server.
        """
        protocol = DNSProtocol(controller, self.here)
        connecting = TCP4ClientEndpoint(self.here, SERVER, 53).connect(_Handing(protocol))
        self.network.advance(1)
        self.assertIs(self.successResultOf(connecting), protocol)
        return protocol

    def test_query(self) -> None:
        """
        A query fires with the message that answers it.
        """
        protocol = self.connect()
        asking = protocol.query(QUESTIONS)
        self.network.advance(1)
        self.assertEqual(len(self.successResultOf(asking).answers), 1)
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_wrongReply(self) -> None:
        """
        A reply to another question is passed over.
        """

        def question(wrong: bytearray) -> None:
            wrong[13:16] = b"xxx"

        self.tampering(question)
        asking = self.connect().query(QUESTIONS)
        self.network.advance(1)
        self.assertEqual(self.successResultOf(asking).queries, QUESTIONS)

    def test_callLater(self) -> None:
        """
        All its timers are set by its C{callLater}, which programs replace when they test themselves.
        """
        self.server.silent = True
        protocol = self.connect()
        waits: list[float] = []

        def callLater(period: float, func: Callable[..., object], *args: object) -> IDelayedCall:
            waits.append(period)
            return self.here.callLater(period / 10, func, *args)

        self.patch(protocol, "callLater", callLater)
        asking = protocol.query(QUESTIONS, 20)
        self.network.advance(2)
        self.failureResultOf(asking, dns.DNSQueryTimeoutError)
        self.assertEqual(waits, [20])

    def test_lost(self) -> None:
        """
        When the connection is lost, what is under way fails at once, not when its time is up.
        """
        self.server.silent = True
        protocol = self.connect()
        asking = protocol.query(QUESTIONS)
        self.network.advance(1)
        self.server.close()
        self.network.advance(1)
        failure = self.failureResultOf(asking)
        self.assertIsInstance(failure.value, ConnectionDone | ConnectionLost)
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_controller(self) -> None:
        """
        A controller is told of the connection, as by Twisted's.
        """
        events: list[str] = []

        class Controller:
            def connectionMade(self, protocol: object) -> None:
                events.append("made")

            def connectionLost(self, protocol: object) -> None:
                events.append("lost")

        protocol = self.connect(Controller())
        self.server.close()
        self.network.advance(1)
        self.assertEqual(protocol.controller.__class__, Controller)
        self.assertEqual(events, ["made", "lost"])
