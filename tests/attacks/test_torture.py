"""
Attack 13, as far as it concerns one who asks others: random names below a zone whose servers do not answer, so that everything that may
wait waits for them (water torture).
"""

from __future__ import annotations

from tests.attacks.whole import WholeServerTestCase
from twisted_ext.limits import Limit
from twisted_ext.resolver.policy import domainlimit
from twisted_ext.server.reply import respond
from twisted_ext.server.service import ServerService
from twisted_ext.wire.names import nameFromText

ENDLESS = Limit(default=1e9, least=0, most=1e9)

#: Where the dead zone's names are asked: nobody is there.
NOWHERE = {"dead.test": "192.0.2.99"}


class TortureTests(WholeServerTestCase):
    """
    Ten thousand names below a dead zone, of twenty clients, in two seconds. To have fewer of them suffice, five thousand requests may wait.
    """

    def setUp(self) -> None:
        super().setUp()
        self.patch(respond, "REQUESTS_WAITING", Limit(default=5000, least=1, most=5000))
        self.upstream.otherwise = "192.0.2.80"

    def torture(self, service: ServerService) -> tuple[list[float | None], int, int]:
        """
        @return: seconds that honest questions take meanwhile, the most requests that wait at a time, and the most sockets that are open.
        """
        numbers = iter(range(10_000))
        took: list[float | None] = []
        waiting = sockets = 0
        for turn in range(20):
            for client in range(20):
                self.flood([f"x{next(numbers)}.dead.test" for _ in range(25)], f"192.168.1.{client}")
            took.append(self.took(f"good{turn}.alive.test", 0.1))
            self.network.advance(max(0.0, 0.1 - (took[-1] or 0.1)))
            waiting = max(waiting, service.counters.pending)
            sockets = max(sockets, len(self.here.ports()))
        return took, waiting, sockets

    def slowest(self, took: list[float | None]) -> float:
        """
        @return: seconds that the slowest of the questions took, all of which have been answered.
        """
        self.assertNotIn(None, took)
        return max([seconds for seconds in took if seconds is not None])

    def test_otherRoute(self) -> None:
        """
        Names that are asked elsewhere are answered as ever, and no more look-ups for the dead zone are under way than may be.
        """
        service = self.run_(route=NOWHERE, stale=0)
        took, waiting, sockets = self.torture(service)
        self.assertLess(self.slowest(took), 0.1)
        self.assertLessEqual(waiting, 2001)
        self.assertLess(sockets, 500)

    def test_sameUpstream(self) -> None:
        """
        The same where it is one upstream that answers for one zone and says nothing of the other.
        """
        self.upstream.tamper = lambda octets, way: [] if b"\x04dead" in octets else [octets]
        took, waiting, _ = self.torture(self.run_(stale=0))
        self.assertLess(self.slowest(took), 0.1)
        self.assertLessEqual(waiting, 2001)

    def neighbors(self, dead: str = "evil.co.uk", others: str = "a.co.uk") -> int:
        """
        Ask for 150 names of one domain while 500 random names a second are asked for below another one that has no reply, such as beside it
        below a public suffix.

        @return: how many of the 150 are not answered.
        """
        silent = nameFromText(dead)
        self.upstream.tamper = lambda octets, way: [] if silent in octets else [octets]
        service = self.run_(stale=0)
        numbers = iter(range(100_000))
        lost = 0
        for turn in range(150):
            self.flood([f"x{next(numbers)}.{dead}" for _ in range(25)], f"192.168.1.{turn % 20}")
            took = self.took(f"www{turn}.{others}", 0.05)
            lost += took is None
            self.network.advance(max(0.0, 0.05 - (took or 0.05)))
        self.stop(service)
        return lost

    def test_neighbors(self) -> None:
        """
        A dead zone below a public suffix costs its neighbors nothing.
        """
        self.assertEqual(self.neighbors(), 0)

    def test_neighborsInDomain(self) -> None:
        """
        A dead zone that never replied costs the rest of its own domain nothing either.
        """
        self.assertEqual(self.neighbors("dead.example.test", "example.test"), 0)

    def test_neighborsInDomainUncounted(self) -> None:
        """
        If the domain had one ration for all, it would.
        """
        self.patch(domainlimit, "_childOf", lambda name, zone: name)
        self.assertGreater(self.neighbors("dead.example.test", "example.test"), 5)

    def test_neighborsByLabels(self) -> None:
        """
        With the last two labels taken for a domain, they fail with it.
        """
        self.patch(domainlimit, "registrableLabels", lambda labels: 2)
        self.patch(domainlimit, "_childOf", lambda name, zone: name)
        self.assertGreater(self.neighbors(), 5)

    def test_undefended(self) -> None:
        """
        With no bound for a zone and nobody giving way, the dead zone takes all that there is, and nobody else gets an answer.
        """
        self.patch(domainlimit, "ZONE_LOOKUPS", ENDLESS)
        self.patch(respond, "REQUEST_YIELDS", ENDLESS)
        took, waiting, sockets = self.torture(self.run_(route=NOWHERE, stale=0))
        self.assertEqual(waiting, 5000)
        self.assertGreater(took.count(None), 8)
        self.assertGreater(sockets, 600)

    def test_givingWay(self) -> None:
        """
        With that bound off alone, others get through all the same: what has waited for long gives way to them.
        """
        self.patch(domainlimit, "ZONE_LOOKUPS", ENDLESS)
        took, _, _ = self.torture(self.run_(route=NOWHERE, stale=0))
        self.assertLess(self.slowest(took), 0.1)


class OneClientTests(WholeServerTestCase):
    """
    Tests of a client that has users of its own, one of whom asks for such names.
    """

    def through(self) -> bool:
        """
        Have more requests of the client's wait than may, then have it ask for something else.

        @return: whether that is answered.
        """
        self.upstream.otherwise = "192.0.2.80"
        service = self.run_(route=NOWHERE)
        self.flood([f"x{number}.dead.test" for number in range(1200)], "192.168.0.9")
        self.network.advance(0.3)
        took = self.took("good.alive.test", 0.1)
        self.stop(service)
        return took is not None

    def test_itself(self) -> None:
        """
        It is answered, for what is older gives way.
        """
        self.assertTrue(self.through())

    def test_itselfUndefended(self) -> None:
        """
        Otherwise it would have to wait until its own requests are over.
        """
        self.patch(respond, "REQUEST_YIELDS", ENDLESS)
        self.assertFalse(self.through())

    def slowly(self) -> int:
        """
        Have a client ask all the time for more than may wait, of a server that takes a third of a second.

        @return: how many answers it gets.
        """
        self.upstream.otherwise = "192.0.2.80"
        self.patch(respond, "REQUESTS_PER_CLIENT", Limit(default=100, least=1, most=100))
        self.network.shape("192.0.2.53", delay=0.33)
        service = self.run_(stale=0)
        for turn in range(100):
            self.flood([f"x{turn}n{number}.alive.test" for number in range(20)])
            self.network.advance(0.02)
        self.stop(service)
        return self.heard()

    def test_slowAnswers(self) -> None:
        """
        Not all give way to newer ones: where answers take longer than that, the older half is left to wait for them.
        """
        answered = self.slowly()
        self.assertGreater(answered, 200)

    def test_allGiveWay(self) -> None:
        """
        If the oldest gave way, there would hardly be any.
        """
        self.patch(respond, "islice", lambda flights, start, stop: iter(flights))
        self.assertLess(self.slowly(), 20)
