"""
Tests of L{twisted_ext.compat.lookups.services} with a server across a network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred

from tests.networks import NetworkTestCase
from twisted_ext.compat.conversion.errors import DNSQueryTimeoutError
from twisted_ext.compat.lookups import services
from twisted_ext.compat.names import NamesResolver

__all__: list[str] = []

_T = TypeVar("_T")


class NetworkTests(NetworkTestCase):
    """
    Tests with a server across a network.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned, server = self.serve(
            records={
                ("_x._tcp.example.org", "SRV"): ["10 0 5222 b.example.org.", "5 0 5222 a.example.org."],
                ("_y._tcp.example.org", "CNAME"): "_x._tcp.example.org.",
                ("example.org", "HTTPS"): "0 www.example.org.",
                ("www.example.org", "HTTPS"): "1 . alpn=h2",
                ("example.org", "MX"): "10 mail.example.org.",
            }
        )
        self.resolver = NamesResolver(self.forward(server), self.here)

    def cancelerOf(self, looking: Deferred[_T]) -> Callable[[], None]:
        """
        Return a function that cancels this look-up and checks that it ends.
        """

        def cancel() -> None:
            looking.cancel()
            self.failureResultOf(looking, CancelledError)

        return cancel

    def test_lookupsSucceedOverTheNetwork(self) -> None:
        """
        Each kind of look-up succeeds over the network.
        """
        looking = [
            services.serverTargets("_x._tcp.example.org", resolver=self.resolver),
            services.serverTargets("_y._tcp.example.org", resolver=self.resolver),
            services.bindingTargets("https", "example.org", resolver=self.resolver),
            services.mailTargets("example.org", resolver=self.resolver),
        ]
        self.network.advance(1)
        self.assertEqual(
            [[str(target) for target in self.successResultOf(each)] for each in looking],
            [
                ["a.example.org:5222", "b.example.org:5222"],
                ["a.example.org:5222", "b.example.org:5222"],
                ["www.example.org:443", "example.org:443"],
                ["mail.example.org:25"],
            ],
        )

    def test_deadlineCoversAllSteps(self) -> None:
        """
        The timeout covers all queries of a look-up together.
        """
        self.canned.delay = 0.7
        looking = services.bindingTargets("https", "example.org", timeout=1.0, fallback=False, resolver=self.resolver)
        self.network.advance(1.1)
        self.failureResultOf(looking, DNSQueryTimeoutError)

    def test_cancelAtAnyStep(self) -> None:
        """
        Each kind of look-up can be canceled, at the first or a later query, and leaves nothing open.
        """
        self.canned.delay = 0.5
        cancels = [
            self.cancelerOf(services.serverTargets("_x._tcp.example.org", resolver=self.resolver)),
            self.cancelerOf(services.bindingTargets("https", "example.org", resolver=self.resolver)),
            self.cancelerOf(services.mailTargets("example.org", resolver=self.resolver)),
            self.cancelerOf(services.rewrittenTargets("example.org", "EM", resolver=self.resolver)),
            self.cancelerOf(services.numberURIs("+1", resolver=self.resolver)),
            self.cancelerOf(services.urisOf("example.org", resolver=self.resolver)),
            self.cancelerOf(services.tlsaOf("example.org", 443, resolver=self.resolver)),
        ]
        second = services.bindingTargets("https", "example.org", resolver=self.resolver)
        self.network.advance(0.1)
        self.assertNotEqual(self.here.pending(), [])
        for cancel in cancels:
            cancel()
        self.network.advance(0.7)
        self.assertNotEqual(self.here.pending(), [])
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.network.advance(1)
        self.assertEqual(self.here.pending(), [])
