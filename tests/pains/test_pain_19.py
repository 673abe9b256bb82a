"""
Pain 19: every project implements SRV again, with its own bugs (Synapse's SrvResolver; Twisted #8262; Twisted's own SRVConnector).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import ClientFactory
from twisted.internet.task import Clock
from twisted.names import client as names
from twisted.names import srvconnect
from twisted.python.failure import Failure

from tests.networks import NetworkTestCase
from tests.pains.stock import stockResolver
from twisted_ext.compat.conversion.errors import ServiceNotAvailable, UnusableService
from twisted_ext.compat.lookups.services import serverTargets
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target

__all__: list[str] = []


class Connector(Protocol):
    """
    The part of L{srvconnect.SRVConnector} that is used here.
    """

    def connect(self) -> None:
        """
        Connect.
        """


class Connecting(Clock):
    """
    Record connections.
    """

    def __init__(self) -> None:
        super().__init__()
        self.connected: list[tuple[object, object]] = []

    def connectTCP(self, host: object, port: object, factory: object) -> None:
        """
        Record the host and port without connecting.
        """
        self.connected.append((host, port))


class Failing(ClientFactory):
    """
    Record failed connections.
    """

    noisy = False

    def __init__(self) -> None:
        self.failures: list[BaseException | None] = []

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.failures.append(reason.value)


class ServiceTests(NetworkTestCase):
    """
    A domain with servers of a service.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, server = self.serve(records={})
        self.resolver = NamesResolver(self.forward(server), self.here)

    def publish(self, *texts: str, alias: str | None = None) -> None:
        """
        Give the service these records, optionally behind an alias.
        """
        owner = "_x._tcp.test.example"
        if alias is not None:
            self.canned.set(owner, "CNAME", f"{alias}.")
        self.canned.set(alias or owner, "SRV", texts)

    def stock(self, resolver: object = None) -> tuple[list[tuple[object, object]], list[BaseException | None]]:
        """
        Return the first target of Twisted's own connector, and its failures.

        @param resolver: a resolver, or L{None} for ours.
        """
        reactor, factory = Connecting(), Failing()
        self.patch(names, "theResolver", resolver or self.resolver)
        make = cast("Callable[..., Connector]", srvconnect.SRVConnector)
        make(reactor, "x", "test.example", factory).connect()
        self.network.advance(1)
        return reactor.connected, factory.failures

    def ours(self, rng: Random | None = None) -> Deferred[list[Target]]:
        """
        Look the service up.
        """
        looking = serverTargets("_x._tcp.test.example", resolver=self.resolver, rng=rng)
        self.network.advance(1)
        return looking

    def targets(self) -> list[str]:
        """
        Return the targets in order.
        """
        return [str(target) for target in self.successResultOf(self.ours())]

    def test_pain19_equalWeightsShareTheLoad(self) -> None:
        """
        Two servers of equal weight share the load. Twisted's connector gives one of two with weight 1 two thirds, and one of two without
        weight everything.
        """
        for weight, share in ((1, 2 / 3), (0, 1.0)):
            self.publish(f"0 {weight} 1 a.test.example.", f"0 {weight} 1 b.test.example.")
            rng = Random(19)
            ours = Counter(self.successResultOf(self.ours(rng))[0].host for _ in range(400))
            self.assertTrue(160 < ours["a.test.example"] < 240, ours)
            self.patch(srvconnect, "random", rng)
            stock = Counter(str(self.stock()[0][0][0]) for _ in range(400))
            self.assertLess(abs(max(stock.values()) / 400 - share), 0.1, stock)

    def test_pain19_allServersComeInOrder(self) -> None:
        """
        All servers come at once and in order. Twisted's connector gives one, and leaves the rest to its factory.
        """
        self.publish("20 0 3 c.test.example.", "10 0 2 b.test.example.", "0 0 1 a.test.example.")
        self.assertEqual(self.targets(), ["a.test.example:1", "b.test.example:2", "c.test.example:3"])
        self.assertEqual(self.stock()[0], [("a.test.example", 1)])

    def test_pain19_unavailableServiceFails(self) -> None:
        """
        An unavailable service fails as such, behind an alias too. With its own resolver, Twisted's connector misses the root target and
        connects to port 0 of an empty host. With ours it knows the root, but not behind an alias.
        """
        theirs = stockResolver(self.here, ("192.0.2.53", 53))
        for alias in ("other.test.example", None):
            self.publish("0 0 0 .", alias=alias)
            self.failureResultOf(self.ours(), ServiceNotAvailable)
            self.assertEqual(self.stock(theirs), ([("", 0)], []))
            connected, failures = self.stock()
            self.assertEqual((len(connected), len(failures)), (0, 1) if alias is None else (1, 0))

    def test_pain19_unusableTargetsAreSkipped(self) -> None:
        """
        Records cannot make us connect to port 0, to addresses, or to invalid names. Twisted's connector does all of that.
        """
        for text, where in (
            ("0 0 0 a.test.example.", ("a.test.example", 0)),
            ("0 0 22 127.0.0.1.", ("127.0.0.1", 22)),
            (r"0 0 80 a\000b.test.example.", (r"a\000b.test.example", 80)),
        ):
            self.publish(text)
            self.failureResultOf(self.ours(), UnusableService)
            self.assertEqual(self.stock()[0], [where])
        self.publish("0 0 22 127.0.0.1.", "9 0 5222 z.test.example.")
        self.assertEqual(self.targets(), ["z.test.example:5222"])

    def test_pain19_missingRecordsAreNoError(self) -> None:
        """
        A domain without such records gives an empty list, and a failed look-up is an error.
        """
        self.assertEqual(self.targets(), [])
        self.canned.rcode = 2
        self.failureResultOf(self.ours(), DNSLookupError)

    def test_pain19_targetsAreLimited(self) -> None:
        """
        A thousand records give a limited number of targets.
        """
        self.publish(*[f"0 0 1 h{number}.test.example." for number in range(1000)])
        self.assertLessEqual(len(self.targets()), 32)
