"""
Tests of moving from one server to the next.
"""

from __future__ import annotations

from tests.networks import NetworkTestCase
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.resolver.forward.forwarder import ForwardingSource


class SeveralServersTests(NetworkTestCase):
    """
    Tests for L{ForwardingSource} with several servers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.first, one = self.serve("192.0.2.53")
        self.second, two = self.serve("192.0.2.54")
        self.servers = (one, two)
        self.source = self.forward(one, two)

    def takeCounts(self) -> tuple[int, int]:
        """
        Return the queries to each server since the last call.
        """
        counts = len(self.first.asked), len(self.second.asked)
        self.first.asked.clear()
        self.second.asked.clear()
        return counts

    def test_firstServerIsAskedAlone(self) -> None:
        """
        Only the first listed server is asked.
        """
        self.find(self.source)
        self.assertEqual(self.takeCounts(), (1, 0))

    def test_errorRcodeLeadsToNextServer(self) -> None:
        """
        SERVFAIL, REFUSED, NOTIMP, FORMERR and odd RCODEs lead to the next server at once.
        """
        for rcode in (1, 2, 4, 5, 9, 11):
            source = self.forward(*self.servers)
            self.first.rcode = rcode
            asked = self.ask(source)
            self.network.advance(0.1)
            self.assertEqual(self.told(asked), ["192.0.2.80"])

    def test_rotateGivesEqualShares(self) -> None:
        """
        Each server has an equal share with rotation, whatever its speed. A server that is down has none, and the other one answers.
        """
        self.network.shape("192.0.2.54", delay=0.2)
        source = ForwardingSource(self.here, self.servers, rotate=True)
        for _ in range(10):
            self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(self.takeCounts(), (5, 5))
        for _ in range(10):
            self.find(self.source)
        self.assertGreater(self.takeCounts()[0], 8)
        self.first.silent = True
        for _ in range(10):
            self.assertEqual(self.find(source, seconds=2.0), ["192.0.2.80"])
        # The first look-up after the pause was also a probe.
        self.assertEqual(self.takeCounts()[1], 11)

    def test_downServerReturnsAfterBackoff(self) -> None:
        """
        A server that was down is used again after its backoff with rotation or over TCP, even if it is the slower one.
        """
        for rotate, stream, share in ((True, False, (4, 5)), (False, True, (8, 0))):
            source = ForwardingSource(self.here, self.servers, rotate=rotate, stream=stream)
            self.network.shape("192.0.2.53", silent=True)
            self.find(source)
            self.find(source)
            self.network.shape("192.0.2.53", delay=0.1)
            self.network.advance(60)
            self.takeCounts()
            for _ in range(8):
                self.find(source)
            # One of them is a probe, because the other server was not asked for a minute.
            self.assertEqual(self.takeCounts(), share)

    def test_denialIsFinal(self) -> None:
        """
        NXDOMAIN is an answer, and no other server is asked.
        """
        self.second.set("other.test.example", "A", "192.0.2.81")
        self.assertEqual(self.find(self.source, "other.test.example"), [])
        self.assertEqual(self.takeCounts(), (1, 0))

    def test_deadFirstServerCostsOneWait(self) -> None:
        """
        A dead first server costs one wait, and later look-ups none.
        """
        source = self.forward(self.nowhere(), self.servers[1])
        asked = self.ask(source)
        self.network.advance(0.7)
        self.assertEqual(self.told(asked), ["192.0.2.80"])
        asked = self.ask(source)
        self.network.advance(0.1)
        self.assertEqual(self.told(asked), ["192.0.2.80"])

    def test_closedPortOfFirstServerCostsNoWait(self) -> None:
        """
        A first server with a closed port costs no wait.
        """
        self.first.close()
        asked = self.ask(self.source)
        self.network.advance(0.1)
        self.assertEqual(self.told(asked), ["192.0.2.80"])

    def test_quickerServerIsPreferred(self) -> None:
        """
        The quicker server is asked once both are measured.
        """
        self.network.shape("192.0.2.53", delay=0.2)
        self.first.rcode = 2
        self.find(self.source)
        self.first.rcode = None
        self.find(self.source)
        self.takeCounts()
        for _ in range(3):
            self.ask(self.source)
            self.network.advance(1)
        self.assertEqual(self.takeCounts(), (0, 3))

    def test_downServerIsProbedAndUsedAgain(self) -> None:
        """
        A server that was down gets a copy of a query after its backoff and is used again when it answers.
        """
        self.network.shape("192.0.2.53", silent=True)
        self.find(self.source)
        self.network.shape("192.0.2.53", delay=0.001)
        self.network.shape("192.0.2.54", delay=0.2)
        self.takeCounts()
        self.find(self.source)
        self.assertEqual(self.takeCounts(), (1, 1))
        self.assertEqual(self.events()[0], "probed")
        self.find(self.source)
        self.assertEqual(self.takeCounts(), (1, 0))

    def test_mostTellingFailureIsRaised(self) -> None:
        """
        The most telling failure is raised if all servers fail, with a message about each. SERVFAIL tells more than silence.
        """
        self.first.rcode = 2
        self.second.silent = True
        fault = self.fault(self.source)
        self.assertIsInstance(fault, ServerFailed)
        self.assertEqual((fault.rcode, fault.server), (2, "192.0.2.53:53"))
        self.assertIn("192.0.2.53:53 answered SERVFAIL", str(fault))
        self.assertIn("192.0.2.54:53 did not answer", str(fault))

    def test_refusalOfAllFailsAtOnce(self) -> None:
        """
        The look-up fails at once if all servers refuse.
        """
        self.first.rcode = self.second.rcode = 5
        asked = self.ask(self.source)
        self.network.advance(0.1)
        self.assertEqual(self.failed(asked).rcode, 5)

    def test_timeoutTellsMoreThanClosedPort(self) -> None:
        """
        A silent server tells more than a closed port.
        """
        self.first.close()
        self.second.silent = True
        self.assertIsInstance(self.fault(self.source), TimedOut)

    def test_truncationWithoutTCPLeadsToNextServer(self) -> None:
        """
        A server that truncates and does not answer over TCP does not end the look-up while there is another server.
        """
        self.first.truncating = True
        self.first.silentTo = "tcp"
        self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_lateAnswerOfFirstServerCounts(self) -> None:
        """
        The late answer of a slow server counts if the next server fails.
        """
        self.first.delay = 1.0
        self.second.rcode = 2
        self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_equalServersAreOne(self) -> None:
        """
        One server in two spellings is one server.
        """
        from twisted_ext.transport.servers import Server

        source = self.forward(Server("2001:db8::1"), Server("2001:0db8::0001"))
        self.assertEqual(len(source.upstreams), 1)

    def test_refusingServerLosesFirstPlace(self) -> None:
        """
        A first server that refuses everything is not asked first forever.
        """
        self.first.rcode = 5
        for number in range(8):
            self.ask(self.source, f"www.d{number}.test")
            self.network.advance(0.1)
        self.takeCounts()
        self.ask(self.source)
        self.network.advance(0.1)
        self.assertEqual(self.takeCounts(), (0, 1))
