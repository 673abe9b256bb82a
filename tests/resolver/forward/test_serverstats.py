"""
Tests of the statistics of servers and of the choice between them.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.limits import BACK_OFF, DECLINES, FIRST_WAIT, NO_EDNS_SECONDS, NO_EDNS_SIGNS, PROBE_AFTER, SERVER_WAIT
from twisted_ext.resolver.forward.serverstats import ServerStats, bestOf, domainAsked, dueForProbe, nextOf
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameFromText


def statsOf(seconds: float) -> ServerStats:
    """
    Return the statistics of a server with this round trip time.
    """
    standing = ServerStats()
    standing.replied(seconds)
    return standing


class ServerStatsTests(SynchronousTestCase):
    """
    Tests for L{ServerStats}.
    """

    def test_unknownServerHasTheDefaultWait(self) -> None:
        """
        A server without measurements has the configured wait, doubled with each attempt.
        """
        self.assertEqual([ServerStats().wait(tries) for tries in range(4)], [*[FIRST_WAIT.default * factor for factor in (1, 2, 4)], 2.0])

    def test_silenceDoublesTheTimeout(self) -> None:
        """
        The silence of a server doubles its timeout for all look-ups, once for all queries that were sent together. Any reply ends
        that.
        """
        standing = statsOf(0.1)
        before = standing.timeout
        for _ in range(50):
            standing.silent(0.0, waited=before)
        self.assertEqual(standing.timeout, before)
        for _ in range(50):
            standing.silent(1.0, waited=before)
        self.assertEqual(standing.timeout, 2 * before)
        for _ in range(10):
            standing.silent(2.0, waited=standing.timeout)
        self.assertEqual(standing.timeout, 2.0)
        standing.replied(None)
        self.assertEqual(standing.timeout, before)

    def test_waitGrowsWithAttempts(self) -> None:
        """
        The wait of a look-up grows with its own attempts even if the server replies to others.
        """
        standing = statsOf(0.001)
        least = SERVER_WAIT.least
        self.assertEqual([standing.wait(tries) for tries in range(8)], [least] * 7 + [least * 2])

    def test_rttIsSmoothed(self) -> None:
        """
        The round trip time is smoothed (RFC 6298, section 2).
        """
        standing = statsOf(1.0)
        self.assertEqual((standing.rtt, standing.deviation), (1.0, 0.5))
        standing.replied(2.0)
        self.assertEqual((standing.rtt, standing.deviation), (1.125, 0.625))
        self.assertEqual(standing.wait(0), 1.125 + 4 * 0.625)

    def test_waitStaysWithinLimits(self) -> None:
        """
        The wait stays within its limits for quick and slow servers.
        """
        self.assertEqual(statsOf(0.001).wait(0), SERVER_WAIT.least)
        self.assertEqual(statsOf(60.0).wait(0), SERVER_WAIT.most)
        self.assertLess(statsOf(60.0).wait(1000), 1e6)

    def test_ambiguousReplyIsNotMeasured(self) -> None:
        """
        A reply that may belong to an earlier attempt is not measured (Karn's algorithm).
        """
        standing = statsOf(0.1)
        standing.replied(None)
        self.assertEqual(standing.rtt, 0.1)

    def test_changedClockIsNotMeasured(self) -> None:
        """
        A change of the clock is not taken for the speed of a server.
        """
        standing = statsOf(0.1)
        for seconds in (-3600.0, 3600.0):
            standing.replied(seconds)
        self.assertEqual(standing.rtt, 0.1)

    def test_backoffGrowsUntilAReply(self) -> None:
        """
        The backoff of a silent server grows up to a limit and ends with a reply.
        """
        standing = ServerStats()
        pauses: list[float] = []
        for _ in range(10):
            standing.silent(100.0, waited=FIRST_WAIT.default)
            pauses.append(standing.downUntil - 100.0)
        self.assertEqual(pauses[:3], [BACK_OFF.default * factor for factor in (1, 2, 4)])
        self.assertEqual(pauses[-1], BACK_OFF.most)
        self.assertTrue(standing.down)
        standing.replied(None)
        self.assertFalse(standing.down)

    def test_oneLostDatagramIsNotDown(self) -> None:
        """
        A server is not down after one short timeout, because a datagram may be lost. Several timeouts in a row or a closed port
        make it down.
        """
        standing = statsOf(0.001)
        standing.silent(0.0, waited=standing.timeout)
        self.assertFalse(standing.down)
        standing.silent(0.0, waited=standing.timeout)
        standing.silent(0.0, waited=standing.timeout)
        self.assertTrue(standing.down)
        standing = statsOf(0.001)
        standing.silent(0.0)
        self.assertTrue(standing.down)

    def test_onlyGeneralRefusalIsDown(self) -> None:
        """
        A server that refuses everything is down. A server that refuses some domains is not, nor is one that is asked for a single
        broken domain.
        """
        standing = ServerStats()
        domains = [b"\4%04d\4test\0" % number for number in range(int(DECLINES.default))]
        for _ in range(100):
            standing.declined(0.0, domains[0])
        for domain in domains[:-1]:
            standing.declined(0.0, domain)
        self.assertFalse(standing.down)
        standing.answered()
        standing.declined(0.0, domains[0])
        self.assertFalse(standing.down)
        for domain in domains:
            standing.declined(0.0, domain)
        self.assertTrue(standing.down)
        standing.answered()
        self.assertFalse(standing.down)

    def test_domainIsTheLastTwoLabels(self) -> None:
        """
        Domains are distinguished by their last two labels.
        """
        for name, domain in (("a.b.dead.test", "dead.test"), ("dead.test", "dead.test"), ("test", "test"), (".", ".")):
            self.assertEqual(domainAsked(questionOf(name).key), nameFromText(domain))

    def test_operatorsSeeLongSilenceOnly(self) -> None:
        """
        Operators see a server as down after several timeouts over some time, and never for the content of its replies.
        """
        standing = ServerStats()
        for number in range(1000):
            standing.declined(100.0, b"\4%04d\0" % number)
        self.assertFalse(standing.unheard(200.0))
        standing.silent(100.0)
        standing.silent(100.0)
        self.assertFalse(standing.unheard(200.0))
        standing.silent(100.0, "refused")
        self.assertEqual([standing.unheard(100.9), standing.unheard(101.0)], [False, True])
        self.assertEqual((standing.why, standing.troubles), ("refused", {"timeout": 2, "unreachable": 1}))
        standing.replied(None)
        self.assertFalse(standing.unheard(200.0))

    def test_ednsIsOmittedAfterSeveralSigns(self) -> None:
        """
        EDNS is omitted for some time after several look-ups in a row that needed it. One reply with EDNS ends that.
        """
        standing = ServerStats()
        for _ in range(int(NO_EDNS_SIGNS.default) - 1):
            standing.neededPlain(0.0)
        self.assertTrue(standing.withEDNS(0.0))
        standing.neededPlain(0.0)
        self.assertFalse(standing.withEDNS(1.0))
        self.assertTrue(standing.withEDNS(NO_EDNS_SECONDS.default))
        standing.neededPlain(0.0)
        standing.tookEDNS()
        self.assertTrue(standing.withEDNS(1.0))

    def test_changedCaseIsRemembered(self) -> None:
        """
        A server that changes the letter case is remembered for some time.
        """
        standing = ServerStats()
        self.assertTrue(standing.keepsCase(0.0))
        standing.changedCase(0.0)
        self.assertFalse(standing.keepsCase(1.0))
        self.assertTrue(standing.keepsCase(1e6))

    def test_reprShowsTheRtt(self) -> None:
        """
        The C{repr} shows the round trip time.
        """
        self.assertIn("not measured", repr(ServerStats()))
        self.assertIn("20.0 ms", repr(statsOf(0.02)))


class ChoiceTests(SynchronousTestCase):
    """
    Tests for L{bestOf} and L{dueForProbe}.
    """

    def test_unknownServersInListedOrder(self) -> None:
        """
        Servers without measurements are asked in the listed order.
        """
        standings = [ServerStats(), ServerStats(), ServerStats()]
        tries = [0, 0, 0]
        order: list[int | None] = []
        for _ in range(4):
            best = bestOf(standings, tries, 1)
            order.append(best)
            if best is not None:
                tries[best] += 1
        self.assertEqual(order, [0, 1, 2, None])

    def test_quickestServerComesFirst(self) -> None:
        """
        The quickest server with measurements comes first.
        """
        self.assertEqual(bestOf([statsOf(0.3), statsOf(0.1), ServerStats()], [0, 0, 0], 3), 1)

    def test_downServerComesLast(self) -> None:
        """
        A server that is down comes last, but before a second attempt at the others.
        """
        down = statsOf(0.001)
        down.silent(0.0)
        self.assertEqual(bestOf([down, statsOf(0.5)], [0, 0], 3), 1)
        self.assertEqual(bestOf([down, statsOf(0.5)], [0, 1], 3), 0)
        self.assertEqual(bestOf([down], [0], 3), 0)

    def test_downServerIsProbed(self) -> None:
        """
        A server that is down gets a copy of a query after its backoff, unless it is asked anyway.
        """
        down = ServerStats()
        down.silent(0.0)
        standings = [ServerStats(), down]
        self.assertIsNone(dueForProbe(standings, 0, 0.5))
        self.assertEqual(dueForProbe(standings, 0, 1.0), 1)
        self.assertIsNone(dueForProbe(standings, 1, 1.0))
        down.lookedAt = 1.0
        self.assertIsNone(dueForProbe(standings, 0, 1.5))

    def test_roundRobinSkipsDownServers(self) -> None:
        """
        Round robin skips servers that are down while there are others.
        """
        down = ServerStats()
        down.silent(0.0)
        standings = [ServerStats(), down, statsOf(0.2)]
        self.assertEqual([nextOf(standings, last) for last in (-1, 0, 1, 2)], [0, 2, 2, 0])
        self.assertEqual([nextOf([down, down], last) for last in (-1, 0, 1)], [0, 1, 0])

    def test_idleServerIsProbed(self) -> None:
        """
        A server that was not asked for long gets a copy of a query, so that a better server is found. A server that was never asked
        gets none.
        """
        standings = [ServerStats(), statsOf(0.2)]
        standings[1].lookedAt = 0.0
        self.assertIsNone(dueForProbe(standings, 0, PROBE_AFTER.default - 1))
        self.assertEqual(dueForProbe(standings, 0, PROBE_AFTER.default), 1)
        self.assertIsNone(dueForProbe([ServerStats(), ServerStats()], 0, 1e6))
