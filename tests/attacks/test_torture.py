"""
Attack 13 on forwarders: random names below a zone whose servers do not answer, so that everything waits for them (water torture).
"""

from __future__ import annotations

import pytest

from tests.attacks.whole import WholeServerTestCase
from twisted_ext.limits import Limit
from twisted_ext.resolver.lookup import domainlimit
from twisted_ext.server.reply import respond
from twisted_ext.server.reply import waiting as waitingRequests
from twisted_ext.server.service import ServerService
from twisted_ext.wire.names import nameFromText

ENDLESS = Limit(default=1e9, least=0, most=1e9)

#: The route of the dead zone, to an address without a host.
NOWHERE = {"dead.test.example": "192.0.2.99"}


class TortureTests(WholeServerTestCase):
    """
    Ten thousand names below a dead zone, from twenty clients, in two seconds. To need fewer of them, five thousand requests may wait.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(respond, "REQUESTS_WAITING", Limit(default=5000, least=1, most=5000))
        self.upstream.otherwise = "192.0.2.80"

    def torture(self, service: ServerService) -> tuple[list[float | None], int, int]:
        """
        Return the seconds that honest queries take meanwhile, the most requests that wait at a time, and the most sockets that are open.
        """
        numbers = iter(range(10_000))
        took: list[float | None] = []
        waiting = sockets = 0
        for turn in range(20):
            for client in range(20):
                self.flood([f"x{next(numbers)}.dead.test.example" for _ in range(25)], f"192.168.1.{client}")
            took.append(self.secondsToAnswer(f"good{turn}.alive.test.example", 0.1))
            self.network.advance(max(0.0, 0.1 - (took[-1] or 0.1)))
            waiting = max(waiting, service.counters.pending)
            sockets = max(sockets, len(self.here.ports()))
        return took, waiting, sockets

    def slowest(self, took: list[float | None]) -> float:
        """
        Return the seconds that the slowest of the queries took, all of which were answered.
        """
        self.assertNotIn(None, took)
        return max([seconds for seconds in took if seconds is not None])

    def test_deadRouteSparesOtherNames(self) -> None:
        """
        Names of other routes are answered as usual, and look-ups for the dead zone stay within their limit.
        """
        service = self.run_(route=NOWHERE, stale=0)
        took, waiting, sockets = self.torture(service)
        self.assertLess(self.slowest(took), 0.1)
        self.assertLessEqual(waiting, 2001)
        self.assertLess(sockets, 500)

    def test_deadZoneSparesOthersOfItsUpstream(self) -> None:
        """
        The same holds where one upstream answers for one zone and not for the other.
        """
        self.upstream.tamper = lambda octets, way: [] if b"\x04dead" in octets else [octets]
        took, waiting, _ = self.torture(self.run_(stale=0))
        self.assertLess(self.slowest(took), 0.1)
        self.assertLessEqual(waiting, 2001)

    def neighbors(self, dead: str = "evil.co.uk", others: str = "a.co.uk") -> int:
        """
        Query 60 names of one domain while 500 random names a second are queried below another one without replies, such as beside it below
        a public suffix.

        @return: how many of the 60 are not answered.
        """
        silent = nameFromText(dead)
        self.upstream.tamper = lambda octets, way: [] if silent in octets else [octets]
        service = self.run_(stale=0)
        numbers = iter(range(100_000))
        lost = 0
        for turn in range(60):
            self.flood([f"x{next(numbers)}.{dead}" for _ in range(25)], f"192.168.1.{turn % 20}")
            took = self.secondsToAnswer(f"www{turn}.{others}", 0.05)
            lost += took is None
            self.network.advance(max(0.0, 0.05 - (took or 0.05)))
        self.stop(service)
        return lost

    def test_deadZoneSparesItsNeighbors(self) -> None:
        """
        A dead zone below a public suffix costs its neighbors nothing.
        """
        self.assertEqual(self.neighbors(), 0)

    def test_deadZoneSparesItsDomain(self) -> None:
        """
        A dead zone that never replied costs the rest of its own domain nothing either.
        """
        self.assertEqual(self.neighbors("dead.test.example", "test.example"), 0)

    @pytest.mark.long
    def test_oneLimitForDomainWouldCostIt(self) -> None:
        """
        With one limit for the whole domain, the rest of it would suffer.
        """
        self.patch(domainlimit, "_childOf", lambda name, zone: name)
        self.assertGreater(self.neighbors("dead.test.example", "test.example"), 5)

    @pytest.mark.long
    def test_domainsByLabelsWouldCostNeighbors(self) -> None:
        """
        If the last two labels were taken for a domain, the neighbors would fail with it.
        """
        self.patch(domainlimit, "registrableLabels", lambda labels: 2)
        self.patch(domainlimit, "_childOf", lambda name, zone: name)
        self.assertGreater(self.neighbors(), 5)

    @pytest.mark.long
    def test_withoutLimitsDeadZoneTakesEverything(self) -> None:
        """
        Without a limit for each zone and without giving way, the dead zone takes everything, and no other name is answered.
        """
        self.patch(domainlimit, "ZONE_LOOKUPS", ENDLESS)
        self.patch(waitingRequests, "REQUEST_YIELDS", ENDLESS)
        took, waiting, sockets = self.torture(self.run_(route=NOWHERE, stale=0))
        self.assertEqual(waiting, 5000)
        self.assertGreater(took.count(None), 8)
        self.assertGreater(sockets, 600)

    def test_oldRequestsGiveWay(self) -> None:
        """
        Without the limit for each zone, other names are still answered: old requests give way to them.
        """
        self.patch(domainlimit, "ZONE_LOOKUPS", ENDLESS)
        took, _, _ = self.torture(self.run_(route=NOWHERE, stale=0))
        self.assertLess(self.slowest(took), 0.1)


class OneClientTests(WholeServerTestCase):
    """
    Tests of a client with users of its own, one of whom queries such names.
    """

    def isAnsweredMeanwhile(self) -> bool:
        """
        Let more requests of the client wait than allowed, then let it query another name.

        @return: whether that is answered.
        """
        self.upstream.otherwise = "192.0.2.80"
        service = self.run_(route=NOWHERE)
        self.flood([f"x{number}.dead.test.example" for number in range(1200)], "192.168.0.9")
        self.network.advance(0.3)
        took = self.secondsToAnswer("good.alive.test.example", 0.1)
        self.stop(service)
        return took is not None

    def test_clientIsStillAnswered(self) -> None:
        """
        It is answered, as older requests give way.
        """
        self.assertTrue(self.isAnsweredMeanwhile())

    def test_withoutGivingWayClientWaits(self) -> None:
        """
        Otherwise it would wait until its own requests have ended.
        """
        self.patch(waitingRequests, "REQUEST_YIELDS", ENDLESS)
        self.assertFalse(self.isAnsweredMeanwhile())

    def answersOfSlowServer(self) -> int:
        """
        Let a client query all the time more names than may wait, of a server that takes a third of a second.

        @return: how many answers it gets.
        """
        self.upstream.otherwise = "192.0.2.80"
        self.patch(respond, "REQUESTS_PER_CLIENT", Limit(default=100, least=1, most=100))
        self.network.shape("192.0.2.53", delay=0.33)
        service = self.run_(stale=0)
        for turn in range(100):
            self.flood([f"x{turn}n{number}.alive.test.example" for number in range(20)])
            self.network.advance(0.02)
        self.stop(service)
        return self.datagramsSentTo()

    def test_olderHalfIsNotDisplaced(self) -> None:
        """
        Where answers take longer than that, the older half of the requests does not give way and is answered.
        """
        answered = self.answersOfSlowServer()
        self.assertGreater(answered, 200)

    def test_oldestGivingWayWouldLoseAnswers(self) -> None:
        """
        If the oldest requests gave way, hardly any would be answered.
        """
        self.patch(waitingRequests, "islice", lambda flights, start, stop: iter(flights))
        self.assertLess(self.answersOfSlowServer(), 20)
