"""
Tests of forwarding to upstream servers.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from tests.networks import WWW, NetworkTestCase, textsOf
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.errors import BudgetSpent, CallerFault, Closed, ServerFailed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import FAILURE_TRIES, FAILURES_IN_A_ROW, NO_EDNS_SECONDS, NO_EDNS_SIGNS
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.servers import CannedServer, ReceivedQuery
from twisted_ext.testing.sources import atHand, questionOf
from twisted_ext.transport.exchange import TCP
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import EDNS, Message


def withEDNS(asked: list[ReceivedQuery]) -> list[bool]:
    """
    Return for each query whether it had an OPT record.
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

    def test_providesIAnswerSource(self) -> None:
        """
        The forwarder is an answer source, and its C{repr} names its servers.
        """
        verifyObject(IAnswerSource, self.source)
        self.assertEqual(self.source.sources(), ())
        self.assertIsNone(atHand(self.source, questionOf("www.test.example"), QueryContext(5.0)))
        self.assertIn("192.0.2.53:53", repr(self.source))

    def test_answerHasItsOrigin(self) -> None:
        """
        The answer says which server gave it, over which transport and in what time.
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

    def test_denialIsAnAnswer(self) -> None:
        """
        A denial is an answer.
        """
        for name, rrType, outcome in (("www.test.example", "AAAA", Outcome.NODATA), ("no.test.example", "A", Outcome.NXDOMAIN)):
            asked = self.ask(self.source, name, rrType)
            self.network.advance(1)
            self.assertIs(self.successResultOf(asked).outcome, outcome)

    def test_queryHasRDAndEDNS(self) -> None:
        """
        The query has RD set and EDNS with a payload size that no path has to fragment.
        """
        self.find(self.source)
        message = self.canned.asked[0].message
        edns = message.edns
        assert edns is not None
        self.assertEqual((message.flags, edns.payloadSize, edns.flags, edns.options), (0x0100, 1232, 0, ()))

    def test_contextReachesTheQuery(self) -> None:
        """
        Each setting of the context reaches the query.
        """
        context = QueryContext(
            5.0, recursionDesired=False, dnssecOk=True, checkingDisabled=True, authenticData=True, options=((65001, b"abc"),)
        )
        for _ in range(2):
            lookUp(self.source, questionOf("www.test.example"), context)
            self.network.advance(0.5)
            message = self.canned.asked[-1].message
            edns = message.edns
            assert edns is not None
            self.assertEqual((message.flags, edns.flags, edns.options), (0x0030, 0x8000, ((65001, b"abc"),)))
        lookUp(self.source, questionOf("www.test.example"), QueryContext(5.0, edns=False))
        self.network.advance(0.5)
        self.assertIsNone(self.canned.asked[-1].message.edns)

    def test_nothingIsOpenAfterTheAnswer(self) -> None:
        """
        No socket or timer is open when the answer is delivered.
        """
        left: list[list[str]] = []
        self.ask(self.source).addCallback(lambda _: left.append(self.here.pending()))
        self.network.advance(1)
        self.assertEqual(left, [[]])

    def test_manyLookupsShareOneTimer(self) -> None:
        """
        Many look-ups need one delayed call.
        """
        for number in range(100):
            self.ask(self.source, f"host{number}.test.example")
        self.assertEqual(len(self.here.getDelayedCalls()), 1)
        self.network.advance(1)

    def test_lostQueryIsSentAgain(self) -> None:
        """
        A lost query is sent again under another ID, within the deadline.
        """
        self.network.shape("192.0.2.53", delay=0.01, admit=lambda datagram: self.network.sent["192.0.2.53", 53] > 1)
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        sent = [datagram.octets for datagram in self.network.datagrams if datagram.destination[1] == 53]
        self.assertEqual(len(sent), 2)
        self.assertNotEqual(sent[0][:2], sent[1][:2])
        self.assertEqual(sent[0][2:], sent[1][2:])

    def test_lateReplyToFirstQueryCounts(self) -> None:
        """
        The reply to the first query counts even after the second one was sent.
        """
        self.canned.delay = 0.9
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual(self.events(), ["sent", "timed out", "sent", "reply"])

    def test_waitsOfCallerAreUsed(self) -> None:
        """
        The waits that a caller gives for each attempt are used.
        """
        self.canned.silent = True
        asked = self.ask(self.source, seconds=6.0, waits=(1.0, 2.0, 3.0))
        self.network.advance(5.9)
        self.assertNoResult(asked)
        self.assertEqual([each.at for each in self.canned.asked], [0.01, 1.01, 3.01])
        self.network.advance(0.1)
        self.assertIsInstance(self.failed(asked), TimedOut)

    def test_lookupEndsAfterTheLastWait(self) -> None:
        """
        The look-up ends after the last wait even if the deadline is later, unless an answer over TCP is under way.
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

    def test_timeoutNamesTheSilentServer(self) -> None:
        """
        A silent server leads to a timeout exactly at the deadline, and the error names the server and the time.
        """
        self.canned.silent = True
        asked = self.ask(self.source, seconds=3.0)
        self.network.advance(2.999)
        self.assertNoResult(asked)
        self.network.advance(0.002)
        fault = self.failed(asked)
        self.assertIsInstance(fault, TimedOut)
        self.assertEqual(str(fault), "www.test.example. A: 192.0.2.53:53 did not answer within 3.0 seconds")
        self.assertEqual((fault.server, fault.attempts), ("192.0.2.53:53", 4))

    def test_nothingIsSentAfterTheDeadline(self) -> None:
        """
        Nothing is sent if there is no time left.
        """
        fault = self.failed(self.ask(self.source, seconds=0.0))
        self.assertIsInstance(fault, TimedOut)
        self.assertEqual(self.network.datagrams, [])

    def test_truncatedReplyLeadsToTCP(self) -> None:
        """
        A truncated reply leads to a query over TCP.
        """
        self.canned.truncating = True
        asked = self.ask(self.source)
        self.network.advance(1)
        answer = self.successResultOf(asked)
        assert answer.origin is not None
        self.assertEqual((answer.origin.source, textsOf(answer)), ("tcp", ["192.0.2.80"]))
        self.assertEqual(self.events(), ["sent", "truncated", "sent", "reply"])

    def test_repeatedTruncationAsksTCPOnce(self) -> None:
        """
        A server that truncates many replies is asked over TCP once, and the error says so once.
        """
        self.canned.tamper = lambda reply, transport: [reply[:2] + b"\x83" + reply[3:]] * 50 if transport == "udp" else []
        fault = self.fault(self.source)
        self.assertEqual(str(fault).count("truncated its reply"), 1)
        self.assertEqual(self.network.dialed["192.0.2.53", 53], 1)

    def test_truncationWithoutTCPIsAFailure(self) -> None:
        """
        A server that truncates and does not answer over TCP leads to a failure within the deadline, and the error says so.
        """
        self.canned.truncating = True
        self.canned.silentTo = "tcp"
        fault = self.fault(self.source)
        self.assertIsInstance(fault, ServerFailed)
        self.assertIn("192.0.2.53:53 truncated its reply over UDP", str(fault))

    def test_oversizedReplyLeadsToTCP(self) -> None:
        """
        A UDP reply larger than the payload size leads to a query over TCP.
        """
        self.canned.set("long.test.example", "TXT", [f'"{"x" * 200}{number}"' for number in range(8)])

        def sendFullReply(reply: bytes, transport: str) -> list[bytes]:
            """
            Replace the first UDP reply by the full one.
            """
            if transport == "tcp" or len(self.canned.asked) > 1:
                return [reply]
            return [self.canned.replyTo(self.canned.asked[-1].message, "tcp")]

        self.canned.tamper = sendFullReply
        asked = self.ask(self.source, "long.test.example", "TXT")
        self.network.advance(1)
        answer = self.successResultOf(asked)
        assert answer.origin is not None
        self.assertEqual((len(textsOf(answer)), answer.origin.source), (8, "tcp"))

    def test_streamOptionUsesTCPOnly(self) -> None:
        """
        Nothing is sent over UDP if TCP is requested.
        """
        self.assertEqual(self.find(self.forward(self.server, stream=True)), ["192.0.2.80"])
        lookUp(self.source, questionOf("www.test.example"), QueryContext(self.here.seconds() + 5, stream=True))
        self.network.advance(1)
        self.assertEqual([asked.transport for asked in self.canned.asked], ["tcp", "tcp"])
        self.assertEqual(self.network.datagrams, [])

    def test_otherTransportSendsNothingByUDP(self) -> None:
        """
        With a transport that is not TCP, such as an encrypted one, nothing is sent over UDP, whether or not connections were asked for.
        """

        class Protected(TCP):
            kind = "protected"

        source = ForwardingSource(self.here, [self.server], transport=Protected())
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(self.network.datagrams, [])
        self.successResultOf(source.close())

    def test_connectionIsKept(self) -> None:
        """
        A kept connection is used again and is closed with the source.
        """
        source = self.forward(self.server, stream=True, keep=60.0)
        for _ in range(2):
            self.find(source)
        self.assertEqual(self.network.dialed["192.0.2.53", 53], 1)
        closed = source.close()
        self.network.advance(1)
        self.successResultOf(closed)

    def test_closedPortFailsAtOnce(self) -> None:
        """
        A closed port leads to an error at once.
        """
        self.canned.close()
        asked = self.ask(self.source)
        self.network.advance(0.1)
        fault = self.failed(asked)
        self.assertIsInstance(fault, Unreachable)
        self.assertIn("192.0.2.53:53 cannot be reached", str(fault))

    def test_servfailIsReportedAfterRetries(self) -> None:
        """
        SERVFAIL is reported once, with the server's words, after a few retries.
        """
        self.canned.rcode = 2
        fault = self.fault(self.source)
        self.assertIsInstance(fault, ServerFailed)
        self.assertEqual((fault.rcode, fault.server, fault.attempts), (2, "192.0.2.53:53", FAILURE_TRIES.default))
        self.assertEqual(str(fault), "www.test.example. A: 192.0.2.53:53 answered SERVFAIL")

    def test_cancelLeavesNothingOpen(self) -> None:
        """
        A cancelled look-up leaves nothing open, over UDP or TCP.
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

    def test_closeEndsAndRefusesLookups(self) -> None:
        """
        Closing ends look-ups, refuses later ones and leaves nothing open. A second close does nothing.
        """
        self.canned.silent = True
        asked = self.ask(self.source)
        closed = self.source.close()
        self.assertIsInstance(self.failed(asked), Closed)
        self.assertEqual(self.here.pending(), [])
        self.successResultOf(closed)
        self.successResultOf(self.source.close())
        self.assertIsInstance(self.failed(self.ask(self.source)), Closed)

    def test_closeWaitsForConnections(self) -> None:
        """
        The close is complete when the connections are gone.
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

    def test_noServersIsRefused(self) -> None:
        """
        A forwarder without servers is refused.
        """
        self.assertRaises(CallerFault, ForwardingSource, self.here, [])

    def test_spentBudgetEndsTheLookup(self) -> None:
        """
        Each query spends some of the budget, and a spent budget ends the look-up.
        """

        class Budget:
            left = 2

            isBegun = False

            def spend(self, amount: int = 1) -> None:
                if self.left < amount:
                    raise BudgetSpent("spent")
                self.left -= amount

            def unsent(self) -> None:
                self.left += 1

            def received(self, octets: int) -> None:
                pass

        self.canned.silent = True
        asked = lookUp(self.source, questionOf("www.test.example"), QueryContext(60.0, budget=Budget()))
        self.network.advance(10)
        self.failureResultOf(asked, BudgetSpent)
        self.assertEqual(len(self.canned.asked), 2)


class WaitsTests(NetworkTestCase):
    """
    Tests for the time of attempts, as C{options timeout:1 attempts:1} and Twisted's sequences of timeouts set it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()

    def secondsUntilFailure(self, source: ForwardingSource, waits: tuple[float, ...], stray: str = "") -> float:
        """
        Return the seconds until a look-up has failed.

        @param stray: The source address of a datagram that is not a reply.
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
        Receive a datagram that is not a reply.
        """
        self.network.advance(0.005)
        for port in self.here.ports():
            self.network.inject(b"\x00\x01" + bytes(20), (address, 53), ("192.0.2.7", port.port))

    def test_strayDatagramDoesNotProlong(self) -> None:
        """
        A stray datagram does not prolong an attempt, whether TCP is silent or refused.
        """
        self.canned.silent = True
        self.assertEqual(self.secondsUntilFailure(self.forward(self.server), (1.0,), "192.0.2.53"), 1.0)
        self.assertIn("near miss", self.events())
        deaf = CannedServer({})
        deaf.silent = True
        server = deaf.listen(self.network.reactor("192.0.2.55"), streams=False)
        self.assertEqual(self.secondsUntilFailure(self.forward(server), (1.0,), "192.0.2.55"), 1.0)
        self.assertIn("moving on", self.events())

    def test_tcpAttemptsHaveTheSameTime(self) -> None:
        """
        Attempts over TCP have the same time as attempts over UDP.
        """
        self.canned.silent = True
        self.assertEqual(self.secondsUntilFailure(self.forward(self.server, stream=True), (1.0,)), 1.0)
        self.assertEqual(self.secondsUntilFailure(self.forward(self.server, stream=True), (1.0, 0.5)), 1.5)

    def test_truncationRestartsTheAttempt(self) -> None:
        """
        A truncated reply gives the attempt its whole time again over TCP, and no more.
        """
        self.canned.truncating = True
        self.canned.silentTo = "tcp"
        self.assertEqual(self.secondsUntilFailure(self.forward(self.server), (1.0,)), 1.02)

    def test_retriesLeaveNextServerItsAttempt(self) -> None:
        """
        A query over TCP or without EDNS does not use up the attempt of the next server.
        """
        _, good = self.serve("192.0.2.54")
        self.canned.silent = True
        asked = self.ask(self.forward(self.server, good), seconds=60.0, waits=(1.0, 1.0))
        self.stray("192.0.2.53")
        self.network.advance(1.1)
        self.assertEqual(self.told(asked), ["192.0.2.80"])


class FailureTests(NetworkTestCase):
    """
    Tests for servers that answer SERVFAIL sometimes.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()

    def failNextReplies(self, times: int, rcode: int = 2) -> None:
        """
        Make the next replies failures.
        """
        left = [rcode] * times

        def tamper(reply: bytes, transport: str) -> list[bytes]:
            return [reply[:3] + bytes([reply[3] & 0xF0 | left.pop()]) + reply[4:]] if left else [reply]

        self.canned.tamper = tamper

    def test_servfailIsRetriedUpToTheLimit(self) -> None:
        """
        SERVFAIL of a single server is retried at once, up to the limit.
        """
        for times in range(1, int(FAILURE_TRIES.default)):
            self.failNextReplies(times)
            self.assertEqual(self.find(self.forward(self.server)), ["192.0.2.80"])
            self.assertEqual(self.events().count("sent"), times + 1)
        self.failNextReplies(int(FAILURE_TRIES.default))
        self.assertEqual(self.fault(self.forward(self.server)).rcode, 2)

    def test_servfailIsRetriedOverTCP(self) -> None:
        """
        SERVFAIL is retried over TCP as well.
        """
        self.failNextReplies(2)
        self.assertEqual(self.find(self.forward(self.server, stream=True)), ["192.0.2.80"])

    def test_lastingFailuresAreNotRetried(self) -> None:
        """
        Other RCODEs are not retried, nor is SERVFAIL with an extended error that blames the name.
        """
        self.failNextReplies(1, 5)
        self.assertEqual(self.fault(self.forward(self.server)).attempts, 1)
        question = questionOf("www.test.example")
        edns = EDNS(options=((15, b"\x00\x06bogus"),))
        bogus = buildMessage(Message(0, 0x8182, (question,), edns=edns))
        self.canned.tamper = lambda reply, transport: [reply[:2] + bogus[2:]]
        fault = self.fault(self.forward(self.server))
        self.assertEqual((fault.attempts, fault.ede), (1, ((6, "bogus"),)))

    def test_failingServerLosesItsRetries(self) -> None:
        """
        A server that fails for one name after the other is not retried until it answers again.
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

    def test_otherServersComeBeforeRetries(self) -> None:
        """
        Servers that have not been asked come before retries, however many fail.
        """
        bad = [self.serve(f"192.0.2.{60 + number}") for number in range(7)]
        for canned, _ in bad:
            canned.rcode = 2
        self.assertEqual(self.find(self.forward(*[server for _, server in bad], self.server)), ["192.0.2.80"])
        self.assertEqual(self.events().count("sent"), 8)


class EDNSTests(NetworkTestCase):
    """
    Tests for servers that do not support EDNS.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.source = self.forward(self.server)

    def test_serverWithoutEDNSIsRemembered(self) -> None:
        """
        A server that rejects EDNS is asked again without it, and after several rejections without it at once.
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

    def test_ednsIsTriedAgainLater(self) -> None:
        """
        EDNS is tried again after some time.
        """
        self.canned.stumbles = 1
        for _ in range(int(NO_EDNS_SIGNS.default)):
            self.find(self.source)
        self.canned.stumbles = None
        self.network.advance(NO_EDNS_SECONDS.default)
        self.canned.asked.clear()
        self.find(self.source)
        self.assertEqual(withEDNS(self.canned.asked), [True])

    def test_oneForgedRejectionKeepsEDNS(self) -> None:
        """
        One forged rejection does not end the use of EDNS with a server.
        """
        self.canned.stumbles = 1
        self.find(self.source)
        self.canned.stumbles = None
        self.canned.asked.clear()
        for _ in range(5):
            self.find(self.source)
        self.assertEqual(withEDNS(self.canned.asked), [True] * 5)

    def test_bareHeaderIsConfirmedOverTCP(self) -> None:
        """
        A rejection that is a header only is confirmed over TCP, where it cannot be forged, before EDNS is omitted.
        """
        self.canned.stumbles = 1
        self.canned.bare = True
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual([asked.transport for asked in self.canned.asked], ["udp", "tcp", "tcp"])

    def test_permanentFormerrEndsTheLookup(self) -> None:
        """
        A server that answers FORMERR with and without EDNS is not asked forever.
        """
        self.canned.rcode = 1
        fault = self.fault(self.source)
        self.assertEqual((fault.rcode, len(self.canned.asked)), (1, 2))


class MixedCaseTests(NetworkTestCase):
    """
    Tests for 0x20 mixed case.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, self.server = self.serve()
        self.source = self.forward(self.server, mixCase=True)

    def test_namesAreSentInMixedCase(self) -> None:
        """
        Names are sent in mixed case, different each time, and records return in the case of the caller.
        """
        for _ in range(5):
            asked = self.ask(self.source)
            self.network.advance(1)
            self.assertEqual(self.successResultOf(asked).answer[0].name, questionOf("www.test.example").name)
        self.assertGreater(len({asked.question.name for asked in self.canned.asked}), 1)

    def test_serverThatChangesCaseIsRemembered(self) -> None:
        """
        A reply in another case counts as forged. The server is remembered as one that changes case if its TCP reply does so, too.
        """
        self.canned.tamper = lambda reply, transport: [reply[:12] + reply[12:28].lower() + reply[28:]]
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual([asked.transport for asked in self.canned.asked], ["udp", "tcp"])
        self.canned.asked.clear()
        self.assertEqual(self.find(self.source), ["192.0.2.80"])
        self.assertEqual([asked.transport for asked in self.canned.asked], ["udp"])


class FamilyTests(NetworkTestCase):
    """
    Tests for upstreams over IPv6.
    """

    def test_ipv6ServersAreAsked(self) -> None:
        """
        Servers with IPv6 addresses are asked over UDP and TCP.
        """
        canned, server = self.serve("2001:db8::53", WWW)
        source = self.forward(server)
        self.assertEqual(self.find(source), ["192.0.2.80"])
        canned.truncating = True
        self.assertEqual(self.find(source), ["192.0.2.80"])
