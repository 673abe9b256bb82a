"""
Tests of asking other servers.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from tests.networks import WWW, NetworkTestCase, textsOf
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.errors import BudgetSpent, CallerFault, Closed, ServerFailed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FAILURE_TRIES, FAILURES_IN_A_ROW, NO_EDNS_SECONDS, NO_EDNS_SIGNS
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.servers import Asked, CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.message import Message


def withEDNS(asked: list[Asked]) -> list[bool]:
    """
    @return: of each query whether it had an OPT record.
    """
    return [each.message.edns is not None for each in asked]


class ForwardingTests(NetworkTestCase):
    """
    Tests for L{ForwardingSource} with one server.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.source = self.forward(self.server)

    def test_interface(self) -> None:
        """
        It is an answer source, and says in words what it is.
        """
        verifyObject(IAnswerSource, self.source)
        self.assertEqual(self.source.sources(), ())
        self.assertIsNone(self.source.answerNow(questionOf("www.example.test"), QueryContext(5.0)))
        self.assertIn("192.0.2.53:53", repr(self.source))

    def test_answer(self) -> None:
        """
        The answer says what was found, where, by which way and how long it took.
        """
        asked = self.ask(self.source)
        self.network.advance(1)
        answer = self.successResultOf(asked)
        self.assertIs(answer.outcome, Outcome.DATA)
        origin = answer.origin
        assert origin is not None
        self.assertEqual((origin.source, origin.server, origin.attempts), ("udp", "192.0.2.53:53", 1))
        self.assertAlmostEqual(origin.elapsed, 0.02)
        self.assertEqual(self.events(), ["sent", "reply"])

    def test_denials(self) -> None:
        """
        That there is nothing is an answer.
        """
        for name, rrType, outcome in (("www.example.test", "AAAA", Outcome.NODATA), ("no.example.test", "A", Outcome.NXDOMAIN)):
            asked = self.ask(self.source, name, rrType)
            self.network.advance(1)
            self.assertIs(self.successResultOf(asked).outcome, outcome)

    def test_query(self) -> None:
        """
        Recursion is asked for, with EDNS and the size that no path has to fragment.
        """
        self.find(self.source)
        message = self.canned.asked[0].message
        edns = message.edns
        assert edns is not None
        self.assertEqual((message.flags, edns.payloadSize, edns.flags, edns.options), (0x0100, 1232, 0, ()))

    def test_wishes(self) -> None:
        """
        Each wish of the context reaches the query.
        """
        context = QueryContext(
            5.0, recursionDesired=False, dnssecOk=True, checkingDisabled=True, authenticData=True, options=((65001, b"abc"),)
        )
        for _ in range(2):
            self.source.answer(questionOf("www.example.test"), context)
            self.network.advance(0.5)
            message = self.canned.asked[-1].message
            edns = message.edns
            assert edns is not None
            self.assertEqual((message.flags, edns.flags, edns.options), (0x0030, 0x8000, ((65001, b"abc"),)))
        self.source.answer(questionOf("www.example.test"), QueryContext(5.0, edns=False))
        self.network.advance(0.5)
        self.assertIsNone(self.canned.asked[-1].message.edns)

    def test_nothingLeft(self) -> None:
        """
        When the answer is there, nothing is open any more: not later, but then.
        """
        left: list[list[str]] = []
        self.ask(self.source).addCallback(lambda _: left.append(self.here.pending()))
        self.network.advance(1)
        self.assertEqual(left, [[]])

    def test_oneTimer(self) -> None:
        """
        Many look-ups need one delayed call.
        """
        for number in range(100):
            self.ask(self.source, f"host{number}.example.test")
        self.assertEqual(len(self.here.getDelayedCalls()), 1)
        self.network.advance(1)

    def test_resends(self) -> None:
        """
        A lost query is sent again, under another id, and nothing that is lost after that can make the look-up longer than its deadline.
        """
        self.network.shape("192.0.2.53", delay=0.01, admit=lambda datagram: self.network.sent["192.0.2.53", 53] > 1)
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        sent = [datagram.octets for datagram in self.network.datagrams if datagram.destination[1] == 53]
        self.assertEqual(len(sent), 2)
        self.assertNotEqual(sent[0][:2], sent[1][:2])
        self.assertEqual(sent[0][2:], sent[1][2:])

    def test_lateReply(self) -> None:
        """
        The reply to the first query counts even after a second one was sent.
        """
        self.canned.delay = 0.9
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual(self.events(), ["sent", "timed out", "sent", "reply"])

    def test_waits(self) -> None:
        """
        Whoever says how long to wait for each try has it so.
        """
        self.canned.silent = True
        asked = self.ask(self.source, seconds=6.0, waits=(1.0, 2.0, 3.0))
        self.network.advance(5.9)
        self.assertNoResult(asked)
        self.assertEqual([each.at for each in self.canned.asked], [0.01, 1.01, 3.01])
        self.network.advance(0.1)
        self.assertIsInstance(self.failed(asked), TimedOut)

    def test_waitsOver(self) -> None:
        """
        When that time is over it is over, however much there would be until the deadline, unless somebody still answers by TCP.
        """
        self.canned.silent = True
        asked = self.ask(self.source, seconds=60.0, waits=(1.0, 2.0))
        self.network.advance(2.9)
        self.assertNoResult(asked)
        self.network.advance(0.2)
        self.assertIn("within 3.0 seconds", str(self.failed(asked)))
        self.assertEqual(self.here.getDelayedCalls(), [])
        self.canned.silent = False
        self.canned.truncating = True
        self.canned.delay = 0.9
        asked = self.ask(self.source, seconds=60.0, waits=(1.0,))
        self.network.advance(1.5)
        self.assertNoResult(asked)
        self.network.advance(1.5)
        self.assertEqual(textsOf(self.successResultOf(asked)), ["192.0.2.80"])

    def test_timedOut(self) -> None:
        """
        Silence ends at the deadline, to the second, and says who was silent for how long.
        """
        self.canned.silent = True
        asked = self.ask(self.source, seconds=3.0)
        self.network.advance(2.999)
        self.assertNoResult(asked)
        self.network.advance(0.002)
        fault = self.failed(asked)
        self.assertIsInstance(fault, TimedOut)
        self.assertEqual(str(fault), "www.example.test. A: 192.0.2.53:53 did not answer within 3.0 seconds")
        self.assertEqual((fault.server, fault.attempts), ("192.0.2.53:53", 4))

    def test_deadlinePassed(self) -> None:
        """
        When there is no time left, nothing is sent.
        """
        fault = self.failed(self.ask(self.source, seconds=0.0))
        self.assertIsInstance(fault, TimedOut)
        self.assertEqual(self.network.datagrams, [])

    def test_truncated(self) -> None:
        """
        A truncated reply leads to TCP, with our question.
        """
        self.canned.truncating = True
        asked = self.ask(self.source)
        self.network.advance(1)
        answer = self.successResultOf(asked)
        assert answer.origin is not None
        self.assertEqual((answer.origin.source, textsOf(answer)), ("tcp", ["192.0.2.80"]))
        self.assertEqual(self.events(), ["sent", "truncated", "sent", "reply"])

    def test_truncatedManyTimes(self) -> None:
        """
        However often a server says that it cut its reply, it is asked by TCP once, and the error says so once.
        """
        self.canned.tamper = lambda reply, transport: [reply[:2] + b"\x83" + reply[3:]] * 50 if transport == "udp" else []
        fault = self.fault(self.source)
        self.assertEqual(str(fault).count("cut its reply"), 1)
        self.assertEqual(self.network.dialed["192.0.2.53", 53], 1)

    def test_truncatedAndNoTCP(self) -> None:
        """
        A server that truncates and has no TCP is a failure like another, within the deadline; the error says so.
        """
        self.canned.truncating = True
        self.canned.silentTo = "tcp"
        fault = self.fault(self.source)
        self.assertIsInstance(fault, ServerFailed)
        self.assertIn("192.0.2.53:53 cut its reply by UDP short", str(fault))

    def test_tooLong(self) -> None:
        """
        A reply longer than we take by UDP is asked for by TCP.
        """
        self.canned.set("long.example.test", "TXT", [f'"{"x" * 200}{number}"' for number in range(8)])

        def swell(reply: bytes, transport: str) -> list[bytes]:
            if transport == "tcp" or len(self.canned.asked) > 1:
                return [reply]
            return [self.canned.replyTo(self.canned.asked[-1].message, "tcp")]

        self.canned.tamper = swell
        asked = self.ask(self.source, "long.example.test", "TXT")
        self.network.advance(1)
        answer = self.successResultOf(asked)
        assert answer.origin is not None
        self.assertEqual((len(textsOf(answer)), answer.origin.source), (8, "tcp"))

    def test_streamOnly(self) -> None:
        """
        Where TCP only was asked for, nothing goes by UDP.
        """
        self.assertEqual(self.find(self.forward(self.server, stream=True)), ["192.0.2.80"])
        self.source.answer(questionOf("www.example.test"), QueryContext(self.here.seconds() + 5, stream=True))
        self.network.advance(1)
        self.assertEqual([asked.transport for asked in self.canned.asked], ["tcp", "tcp"])
        self.assertEqual(self.network.datagrams, [])

    def test_kept(self) -> None:
        """
        Connections stay where that was asked for, until the source is closed.
        """
        source = self.forward(self.server, stream=True, keep=60.0)
        for _ in range(2):
            self.find(source)
        self.assertEqual(self.network.dialed["192.0.2.53", 53], 1)
        closed = source.close()
        self.network.advance(1)
        self.successResultOf(closed)

    def test_refusedPort(self) -> None:
        """
        A port where nobody listens is told of at once.
        """
        self.canned.close()
        asked = self.ask(self.source)
        self.network.advance(0.1)
        fault = self.failed(asked)
        self.assertIsInstance(fault, Unreachable)
        self.assertIn("192.0.2.53:53 cannot be reached", str(fault))

    def test_failure(self) -> None:
        """
        What a server says that it cannot do is told with its words, once, although it is asked again some times.
        """
        self.canned.rcode = 2
        fault = self.fault(self.source)
        self.assertIsInstance(fault, ServerFailed)
        self.assertEqual((fault.rcode, fault.server, fault.attempts), (2, "192.0.2.53:53", FAILURE_TRIES.default))
        self.assertEqual(str(fault), "www.example.test. A: 192.0.2.53:53 answered SERVFAIL")

    def test_cancel(self) -> None:
        """
        A cancelled look-up leaves nothing open, whichever way it was on.
        """
        for prepare in ("silent", "truncating"):
            setattr(self.canned, prepare, True)
            self.canned.silentTo = "tcp"
            asked = self.ask(self.source)
            self.network.advance(0.1)
            self.assertNotEqual(self.here.pending(), [])
            asked.cancel()
            self.failureResultOf(asked, CancelledError)
            self.network.advance()
            self.assertEqual(self.here.pending(), [])
            self.canned.silent = False

    def test_close(self) -> None:
        """
        Closing ends look-ups under way, refuses later ones, leaves nothing, and can be done again.
        """
        self.canned.silent = True
        asked = self.ask(self.source)
        closed = self.source.close()
        self.assertIsInstance(self.failed(asked), Closed)
        self.assertEqual(self.here.pending(), [])
        self.successResultOf(closed)
        self.successResultOf(self.source.close())
        self.assertIsInstance(self.failed(self.ask(self.source)), Closed)

    def test_closeDuringTCP(self) -> None:
        """
        Closing says when connections are gone as well.
        """
        self.canned.silent = True
        asked = self.ask(self.forward(self.server))
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        source = self.forward(self.server, stream=True)
        asked = self.ask(source)
        self.network.advance(0.1)
        closed = source.close()
        self.failed(asked)
        self.assertNoResult(closed)
        self.network.advance()
        self.successResultOf(closed)

    def test_noServers(self) -> None:
        """
        Without a server there is nothing to do, which is told at once.
        """
        self.assertRaises(CallerFault, ForwardingSource, self.here, [])

    def test_budget(self) -> None:
        """
        Each query takes something off the budget, and a spent one ends the look-up.
        """

        class Budget:
            left = 2

            def spend(self, amount: int = 1) -> None:
                if self.left < amount:
                    raise BudgetSpent("spent")
                self.left -= amount

        self.canned.silent = True
        asked = self.source.answer(questionOf("www.example.test"), QueryContext(60.0, budget=Budget()))
        self.network.advance(10)
        self.failureResultOf(asked, BudgetSpent)
        self.assertEqual(len(self.canned.asked), 2)


class WaitsTests(NetworkTestCase):
    """
    Tests for the time of attempts, as C{options timeout:1 attempts:1} and Twisted's sequences give it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()

    def lasts(self, source: ForwardingSource, waits: tuple[float, ...], stray: str = "") -> float:
        """
        @param stray: an address from which a datagram comes that is not a reply.

        @return: the seconds until a look-up has failed.
        """
        began = self.here.seconds()
        asked = self.ask(source, seconds=60.0, waits=waits)
        ended: list[float] = []
        asked.addBoth(lambda _: ended.append(self.here.seconds()))
        if stray:
            self.stray(stray)
        self.network.advance(60.0)
        return round(ended[0] - began, 2)

    def stray(self, address: str) -> None:
        """
        Have a datagram arrive that is not a reply.
        """
        self.network.advance(0.005)
        for port in self.here.ports():
            self.network.inject(b"\x00\x01" + bytes(20), (address, 53), ("192.0.2.7", port.port))

    def test_nearMiss(self) -> None:
        """
        A stray datagram is not a reply: the attempt has no more time than before, whether TCP is silent or refused.
        """
        self.canned.silent = True
        self.assertEqual(self.lasts(self.forward(self.server), (1.0,), "192.0.2.53"), 1.0)
        self.assertIn("near miss", self.events())
        deaf = CannedServer({})
        deaf.silent = True
        server = deaf.listen(self.network.reactor("192.0.2.55"), streams=False)
        self.assertEqual(self.lasts(self.forward(server), (1.0,), "192.0.2.55"), 1.0)
        self.assertIn("moving on", self.events())

    def test_stream(self) -> None:
        """
        Attempts by TCP have the time that attempts by UDP would have.
        """
        self.canned.silent = True
        self.assertEqual(self.lasts(self.forward(self.server, stream=True), (1.0,)), 1.0)
        self.assertEqual(self.lasts(self.forward(self.server, stream=True), (1.0, 0.5)), 1.5)

    def test_truncated(self) -> None:
        """
        A truncated reply is one: TCP has the attempt's time anew, and no more.
        """
        self.canned.truncating = True
        self.canned.silentTo = "tcp"
        self.assertEqual(self.lasts(self.forward(self.server), (1.0,)), 1.02)

    def test_turns(self) -> None:
        """
        What is asked by TCP, or without EDNS, takes no attempt away from the next server.
        """
        _, good = self.serve("192.0.2.54")
        self.canned.silent = True
        asked = self.ask(self.forward(self.server, good), seconds=60.0, waits=(1.0, 1.0))
        self.stray("192.0.2.53")
        self.network.advance(1.1)
        self.assertEqual(self.told(asked), ["192.0.2.80"])


class FailureTests(NetworkTestCase):
    """
    Tests for servers that answer SERVFAIL now and then.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()

    def failing(self, times: int, rcode: int = 2) -> None:
        """
        Let the next replies be failures.
        """
        left = [rcode] * times

        def tamper(reply: bytes, transport: str) -> list[bytes]:
            return [reply[:3] + bytes([reply[3] & 0xF0 | left.pop()]) + reply[4:]] if left else [reply]

        self.canned.tamper = tamper

    def test_again(self) -> None:
        """
        SERVFAIL may be gone with the next query: one server is asked again at once, up to the limit.
        """
        for times in range(1, int(FAILURE_TRIES.default)):
            self.failing(times)
            self.assertEqual(self.find(self.forward(self.server)), ["192.0.2.80"])
            self.assertEqual(self.events().count("sent"), times + 1)
        self.failing(int(FAILURE_TRIES.default))
        self.assertEqual(self.fault(self.forward(self.server)).rcode, 2)

    def test_stream(self) -> None:
        """
        The same holds by TCP.
        """
        self.failing(2)
        self.assertEqual(self.find(self.forward(self.server, stream=True)), ["192.0.2.80"])

    def test_lasting(self) -> None:
        """
        Other rcodes would come again; so would SERVFAIL whose extended error says that the name is at fault.
        """
        self.failing(1, 5)
        self.assertEqual(self.fault(self.forward(self.server)).attempts, 1)
        question = questionOf("www.example.test")
        edns = EDNS(options=((15, b"\x00\x06bogus"),))
        bogus = buildMessage(Message(0, 0x8182, (question,), edns=edns))
        self.canned.tamper = lambda reply, transport: [reply[:2] + bogus[2:]]
        fault = self.fault(self.forward(self.server))
        self.assertEqual((fault.attempts, fault.ede), (1, ((6, "bogus"),)))

    def test_everything(self) -> None:
        """
        A server that fails name after name is asked once for each name, not five times; when it has answered one, it has its chances
        back.
        """
        source = self.forward(self.server)
        self.canned.rcode = 2
        for number in range(int(FAILURES_IN_A_ROW.default)):
            self.fault(source, f"www.d{number}.test")
        self.assertEqual(self.fault(source).attempts, 1)
        self.canned.rcode = None
        self.find(source)
        self.canned.rcode = 2
        self.assertEqual(self.fault(source).attempts, FAILURE_TRIES.default)

    def test_several(self) -> None:
        """
        Servers that have not been asked come first, all of them, however many fail.
        """
        bad = [self.serve(f"192.0.2.{60 + number}") for number in range(7)]
        for canned, _ in bad:
            canned.rcode = 2
        self.assertEqual(self.find(self.forward(*[server for _, server in bad], self.server)), ["192.0.2.80"])
        self.assertEqual(self.events().count("sent"), 8)


class EDNSTests(NetworkTestCase):
    """
    Tests for servers that cannot do EDNS.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.source = self.forward(self.server)

    def test_without(self) -> None:
        """
        A server that stumbles over EDNS is asked again without, and after several times at once without.
        """
        for rcode in (1, 4, 16):
            source = self.forward(self.server)
            self.canned.stumbles = rcode
            self.canned.asked.clear()
            for _ in range(int(NO_EDNS_SIGNS.default)):
                self.assertEqual(self.find(source), ["192.0.2.80"])
            self.assertEqual(withEDNS(self.canned.asked), [True, False] * int(NO_EDNS_SIGNS.default))
            self.canned.asked.clear()
            self.find(source)
            self.assertEqual(withEDNS(self.canned.asked), [False])

    def test_forgets(self) -> None:
        """
        A server that has learned EDNS meanwhile gets it again after some time.
        """
        self.canned.stumbles = 1
        for _ in range(int(NO_EDNS_SIGNS.default)):
            self.find(self.source)
        self.canned.stumbles = None
        self.network.advance(NO_EDNS_SECONDS.default)
        self.canned.asked.clear()
        self.find(self.source)
        self.assertEqual(withEDNS(self.canned.asked), [True])

    def test_oneForged(self) -> None:
        """
        One forged refusal does not make us give up EDNS with a server that knows it.
        """
        self.canned.stumbles = 1
        self.find(self.source)
        self.canned.stumbles = None
        self.canned.asked.clear()
        for _ in range(5):
            self.find(self.source)
        self.assertEqual(withEDNS(self.canned.asked), [True] * 5)

    def test_bareHeader(self) -> None:
        """
        A server so old that it sends a header and nothing else is asked by TCP, where nobody can have forged that, and then without EDNS.
        """
        self.canned.stumbles = 1
        self.canned.bare = True
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual([asked.transport for asked in self.canned.asked], ["udp", "tcp", "tcp"])

    def test_alwaysFormatError(self) -> None:
        """
        A server that stumbles with and without EDNS is not asked for ever.
        """
        self.canned.rcode = 1
        fault = self.fault(self.source)
        self.assertEqual((fault.rcode, len(self.canned.asked)), (1, 2))


class MixedCaseTests(NetworkTestCase):
    """
    Tests for names in mixed case.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.source = self.forward(self.server, mixCase=True)

    def test_mixed(self) -> None:
        """
        Names go out in mixed case, each time another, and records come back in the case that the caller gave.
        """
        for _ in range(5):
            asked = self.ask(self.source)
            self.network.advance(1)
            self.assertEqual(self.successResultOf(asked).answer[0].name, questionOf("www.example.test").name)
        self.assertGreater(len({asked.question.name for asked in self.canned.asked}), 1)

    def test_notKept(self) -> None:
        """
        A reply in another case is taken for forged; where the server says the same by TCP, it is the server that does not keep cases, and
        that is remembered.
        """
        self.canned.tamper = lambda reply, transport: [reply[:12] + reply[12:28].lower() + reply[28:]]
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual([asked.transport for asked in self.canned.asked], ["udp", "tcp"])
        self.canned.asked.clear()
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual([asked.transport for asked in self.canned.asked], ["udp"])


class FamilyTests(NetworkTestCase):
    """
    Tests for what is asked over IPv6.
    """

    def test_overIPv6(self) -> None:
        """
        Servers at IPv6 addresses are asked as any others, by both ways.
        """
        canned, server = self.serve("2001:db8::53", WWW)
        source = self.forward(server)
        self.assertEqual(self.find(source), ["192.0.2.80"])
        canned.truncating = True
        self.assertEqual(self.find(source), ["192.0.2.80"])
