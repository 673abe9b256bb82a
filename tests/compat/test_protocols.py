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

_twistedProtocol: Callable[[object, object], dns.DNSDatagramProtocol] = dns.DNSDatagramProtocol


class _SingleFactory(Factory):
    """
    Returns one given protocol.
    """

    noisy = False

    def __init__(self, made: Protocol) -> None:
        self.made = made

    def buildProtocol(self, addr: object) -> Protocol:
        return self.made


class ProtocolTestCase(SynchronousTestCase):
    """
    A program that sends its own queries, and a server that can send wrong replies.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7", "2001:db8::7")
        self.there = self.network.reactor(SERVER, SERVER6)
        self.server = CannedServer({("www.example.com", "A"): "192.0.2.80"})
        self.server.listen(self.there)

    def sendChangedReplyFirst(self, change: Callable[[bytearray], object]) -> None:
        """
        Make the server send a changed reply before the right one.
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

    def test_queryFiresWithReply(self) -> None:
        """
        The example of Twisted's tour works: a query fires with the matching reply.
        """
        asking = self.protocol.query((SERVER, 53), QUESTIONS)
        self.network.advance(1)
        message = self.successResultOf(asking)
        self.assertIsInstance(message, Message)
        self.assertEqual([str(header.payload) for header in message.answers], ["<A address=192.0.2.80 ttl=300>"])
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_mismatchedRepliesAreIgnored(self) -> None:
        """
        A reply with another question, a query, another opcode and a cut message are ignored; the right reply after it counts.
        """

        def question(wrong: bytearray) -> None:
            wrong[13:16] = b"xxx"

        def questionType(wrong: bytearray) -> None:
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

        for change in (question, questionType, notReply, opcode, cut, noQuestion):
            self.sendChangedReplyFirst(change)
            asking = self.protocol.query((SERVER, 53), QUESTIONS)
            self.network.advance(1)
            message = self.successResultOf(asking)
            self.assertEqual(len(message.answers), 1, change.__name__)
            self.assertEqual(message.queries, QUESTIONS)

    def test_twistedAcceptsMismatchedReply(self) -> None:
        """
        Twisted's own protocol accepts a reply to another question, which shows that ignoring it is an improvement.
        """
        self.server.tamper = lambda reply, transport: [reply[:13] + b"xxx" + reply[16:]]
        asking = _twistedProtocol(None, self.here).query((SERVER, 53), QUESTIONS)
        self.network.advance(1)
        self.assertNotEqual(self.successResultOf(asking).queries, QUESTIONS)

    def test_otherSenderIsIgnored(self) -> None:
        """
        A reply from another address or port is ignored.
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

    def test_ipv6SpellingDoesNotMatter(self) -> None:
        """
        A reply is accepted from a server whose IPv6 address was written in long form.
        """
        asking = self.protocol.query(("2001:DB8:0:0:0::53", 53), QUESTIONS)
        self.server.close()
        self.server.listen(self.there, interface="::")
        self.network.advance(1)
        self.assertEqual(len(self.successResultOf(asking).answers), 1)

    def test_formErrNeedsNoQuestion(self) -> None:
        """
        A FORMERR reply is accepted without the question.
        """

        def formErrWithoutQuestion(reply: bytes, transport: str) -> list[bytes]:
            return [reply[:2] + b"\x80\x01" + bytes(8)]

        self.server.tamper = formErrWithoutQuestion
        asking = self.protocol.query((SERVER, 53), QUESTIONS)
        self.network.advance(1)
        self.assertEqual(self.successResultOf(asking).rCode, dns.EFORMAT)

    def test_silenceTimesOut(self) -> None:
        """
        A query to a silent server fails with the exception of Twisted's protocol.
        """
        self.server.silent = True
        asking = self.protocol.query((SERVER, 53), QUESTIONS, timeout=2)
        self.network.advance(3)
        self.failureResultOf(asking, dns.DNSQueryTimeoutError)
        self.assertEqual(self.protocol.liveMessages, {})

    def test_cancelLeavesNoTimer(self) -> None:
        """
        A query can be canceled and leaves no timer.
        """
        asking = self.protocol.query((SERVER, 53), QUESTIONS)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual((self.here.getDelayedCalls(), self.protocol.liveMessages), ([], {}))
        self.network.advance(1)

    def test_closedPortFailsQueries(self) -> None:
        """
        Closing the port fails pending queries.
        """
        asking = self.protocol.query((SERVER, 53), QUESTIONS)
        self.protocol.transport.stopListening()
        self.failureResultOf(asking, ConnectionDone)
        self.assertEqual(self.here.pending(), [])

    def test_unencodableQueryFailsAtOnce(self) -> None:
        """
        A query that cannot be encoded fails at once.
        """
        self.failureResultOf(unchecked(self.protocol.query)(("192.0.2.53", 53), [None]))
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_unsolicitedMessageGoesToController(self) -> None:
        """
        An unsolicited message goes to the controller and is ignored without one.
        """
        self.protocol.query((SERVER, 53), QUESTIONS).addErrback(lambda failure: None)
        port = self.protocol.transport.getHost().port
        self.network.advance(1)
        received: list[object] = []

        class Controller:
            def messageReceived(self, message: dns.Message, protocol: object, address: object = None) -> None:
                received.append((message.id, address))

        sender = self.there.listenUDP(0, DatagramProtocol())
        for controller in (None, Controller()):
            self.protocol.controller = controller
            sender.write(Message(id=9, answer=1).toStr(), ("192.0.2.7", port))
            sender.write(b"nonsense", ("192.0.2.7", port))
            self.network.advance(1)
        self.assertEqual(received, [(9, (SERVER, sender.getHost().port))])


class StreamTests(ProtocolTestCase):
    """
    Tests of L{DNSProtocol}.
    """

    def connect(self, controller: object = None) -> DNSProtocol:
        """
        Return a protocol that is connected to the server.
        """
        protocol = DNSProtocol(controller, self.here)
        connecting = TCP4ClientEndpoint(self.here, SERVER, 53).connect(_SingleFactory(protocol))
        self.network.advance(1)
        self.assertIs(self.successResultOf(connecting), protocol)
        return protocol

    def test_queryFiresWithReply(self) -> None:
        """
        A query fires with the matching reply.
        """
        protocol = self.connect()
        asking = protocol.query(QUESTIONS)
        self.network.advance(1)
        self.assertEqual(len(self.successResultOf(asking).answers), 1)
        self.assertEqual(self.here.getDelayedCalls(), [])

    def test_mismatchedReplyIsIgnored(self) -> None:
        """
        A reply to another question is ignored.
        """

        def question(wrong: bytearray) -> None:
            wrong[13:16] = b"xxx"

        self.sendChangedReplyFirst(question)
        asking = self.connect().query(QUESTIONS)
        self.network.advance(1)
        self.assertEqual(self.successResultOf(asking).queries, QUESTIONS)

    def test_timersUseCallLater(self) -> None:
        """
        All timers are set with the protocol's C{callLater}, which programs replace in their tests.
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

    def test_lostConnectionFailsQueries(self) -> None:
        """
        A lost connection fails pending queries at once.
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

    def test_controllerHearsOfConnection(self) -> None:
        """
        The controller is notified when the connection is made and lost, as by Twisted's protocol.
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
