"""
Tests of choosing servers.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.limits import BACK_OFF, DECLINES, FIRST_WAIT, NO_EDNS_SECONDS, NO_EDNS_SIGNS, PROBE_AFTER, SERVER_WAIT
from twisted_ext.resolver.forward.serverstats import ServerStats, bestOf, domainAsked, dueForProbe, nextOf
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameFromText


def measured(seconds: float) -> ServerStats:
    """
    @return: the standing of a server that takes so long.
    """
    standing = ServerStats()
    standing.replied(seconds)
    return standing


class StandingTests(SynchronousTestCase):
    """
    Tests for L{ServerStats}.
    """

    def test_firstWait(self) -> None:
        """
        A server that is not known yet is waited for as long as the limits say, and twice as long each time.
        """
        self.assertEqual([ServerStats().wait(tries) for tries in range(4)], [*[FIRST_WAIT.default * factor for factor in (1, 2, 4)], 2.0])

    def test_silence(self) -> None:
        """
        A server that does not reply at all is waited for longer by all look-ups, twice as long for all queries that were sent together; the
        next reply ends that, whatever it is.
        """
        standing = measured(0.1)
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

    def test_ownPatience(self) -> None:
        """
        A look-up that has asked often waits longer each time, although the server replies to others.
        """
        standing = measured(0.001)
        least = SERVER_WAIT.least
        self.assertEqual([standing.wait(tries) for tries in range(8)], [least] * 7 + [least * 2])

    def test_smoothed(self) -> None:
        """
        The round trip time follows what is measured (RFC 6298, section 2).
        """
        standing = measured(1.0)
        self.assertEqual((standing.rtt, standing.deviation), (1.0, 0.5))
        standing.replied(2.0)
        self.assertEqual((standing.rtt, standing.deviation), (1.125, 0.625))
        self.assertEqual(standing.wait(0), 1.125 + 4 * 0.625)

    def test_bounds(self) -> None:
        """
        However quick or slow a server is, the wait stays within the limits.
        """
        self.assertEqual(measured(0.001).wait(0), SERVER_WAIT.least)
        self.assertEqual(measured(60.0).wait(0), SERVER_WAIT.most)
        self.assertLess(measured(60.0).wait(1000), 1e6)

    def test_notMeasured(self) -> None:
        """
        A reply that may be to an earlier try says nothing about time (Karn's algorithm).
        """
        standing = measured(0.1)
        standing.replied(None)
        self.assertEqual(standing.rtt, 0.1)

    def test_clockSet(self) -> None:
        """
        That somebody has set the clock is not taken for a server's speed.
        """
        standing = measured(0.1)
        for seconds in (-3600.0, 3600.0):
            standing.replied(seconds)
        self.assertEqual(standing.rtt, 0.1)

    def test_backOff(self) -> None:
        """
        A silent server is left alone for longer each time, up to the limit, and not at all once it has replied.
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

    def test_oneLost(self) -> None:
        """
        A short wait in vain is not the end of a server: a datagram may have been lost. Some in a row are, and so is a closed port.
        """
        standing = measured(0.001)
        standing.silent(0.0, waited=standing.timeout)
        self.assertFalse(standing.down)
        standing.silent(0.0, waited=standing.timeout)
        standing.silent(0.0, waited=standing.timeout)
        self.assertTrue(standing.down)
        standing = measured(0.001)
        standing.silent(0.0)
        self.assertTrue(standing.down)

    def test_declines(self) -> None:
        """
        A server that refuses everything is left alone; one that refuses some domains is not, and neither is one that is asked for a
        single dead domain all the time.
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

    def test_domains(self) -> None:
        """
        Domains are told apart by their last two labels.
        """
        for name, domain in (("a.b.dead.test", "dead.test"), ("dead.test", "dead.test"), ("test", "test"), (".", ".")):
            self.assertEqual(domainAsked(questionOf(name).key), nameFromText(domain))

    def test_unheard(self) -> None:
        """
        Operators are shown a server as down once several tries in a row had no reply over some time, and never for what it replies.
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

    def test_plain(self) -> None:
        """
        A server is spared EDNS only after several look-ups in a row have shown that it needs that, for some time; one reply with EDNS
        proves the contrary.
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

    def test_case(self) -> None:
        """
        A server that does not keep cases is remembered for some time.
        """
        standing = ServerStats()
        self.assertTrue(standing.keepsCase(0.0))
        standing.changedCase(0.0)
        self.assertFalse(standing.keepsCase(1.0))
        self.assertTrue(standing.keepsCase(1e6))

    def test_shown(self) -> None:
        """
        People see what is known.
        """
        self.assertIn("not measured", repr(ServerStats()))
        self.assertIn("20.0 ms", repr(measured(0.02)))


class ChoiceTests(SynchronousTestCase):
    """
    Tests for L{bestOf} and L{dueForProbe}.
    """

    def test_order(self) -> None:
        """
        Servers that are not known yet are asked in the order in which they are listed.
        """
        standings = [ServerStats(), ServerStats(), ServerStats()]
        tries = [0, 0, 0]
        order: list[int | None] = []
        for _ in range(4):
            best = bestOf(standings, tries, 0.0, 1)
            order.append(best)
            if best is not None:
                tries[best] += 1
        self.assertEqual(order, [0, 1, 2, None])

    def test_quickest(self) -> None:
        """
        Among those that are known the quickest goes first.
        """
        self.assertEqual(bestOf([measured(0.3), measured(0.1), ServerStats()], [0, 0, 0], 0.0, 3), 1)

    def test_down(self) -> None:
        """
        One that is down comes last, but before asking the others again, and is asked when there is nobody else.
        """
        down = measured(0.001)
        down.silent(0.0)
        self.assertEqual(bestOf([down, measured(0.5)], [0, 0], 0.5, 3), 1)
        self.assertEqual(bestOf([down, measured(0.5)], [0, 1], 0.5, 3), 0)
        self.assertEqual(bestOf([down], [0], 0.5, 3), 0)

    def test_probes(self) -> None:
        """
        One that is down gets a copy when its back-off is over, once in a while; the one that is asked anyway gets none.
        """
        down = ServerStats()
        down.silent(0.0)
        standings = [ServerStats(), down]
        self.assertIsNone(dueForProbe(standings, 0, 0.5))
        self.assertEqual(dueForProbe(standings, 0, 1.0), 1)
        self.assertIsNone(dueForProbe(standings, 1, 1.0))
        down.lookedAt = 1.0
        self.assertIsNone(dueForProbe(standings, 0, 1.5))

    def test_turns(self) -> None:
        """
        In turn, those that are down are passed over as long as another one is there.
        """
        down = ServerStats()
        down.silent(0.0)
        standings = [ServerStats(), down, measured(0.2)]
        self.assertEqual([nextOf(standings, last) for last in (-1, 0, 1, 2)], [0, 2, 2, 0])
        self.assertEqual([nextOf([down, down], last) for last in (-1, 0, 1)], [0, 1, 0])

    def test_looksAround(self) -> None:
        """
        One that nobody has asked for long gets a copy, so that a better server is found out; one that was never asked gets none.
        """
        standings = [ServerStats(), measured(0.2)]
        standings[1].lookedAt = 0.0
        self.assertIsNone(dueForProbe(standings, 0, PROBE_AFTER.default - 1))
        self.assertEqual(dueForProbe(standings, 0, PROBE_AFTER.default), 1)
        self.assertIsNone(dueForProbe([ServerStats(), ServerStats()], 0, 1e6))
