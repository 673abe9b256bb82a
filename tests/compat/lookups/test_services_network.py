"""
Tests of L{twisted_ext.compat.lookups.services} with a server at the other end of a network.
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
    Tests with a server at the other end of a network.
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

    def begun(self, looking: Deferred[_T]) -> Callable[[], None]:
        """
        @return: what cancels this look-up and sees that it is.
        """

        def cancel() -> None:
            looking.cancel()
            self.failureResultOf(looking, CancelledError)

        return cancel

    def test_all(self) -> None:
        """
        What is asked over the network is found, and nothing is left of it.
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

    def test_oneDeadline(self) -> None:
        """
        The time is for all look-ups together, not for each of them anew.
        """
        self.canned.delay = 0.7
        looking = services.bindingTargets("https", "example.org", timeout=1.0, fallback=False, resolver=self.resolver)
        self.network.advance(1.1)
        self.failureResultOf(looking, DNSQueryTimeoutError)

    def test_cancelled(self) -> None:
        """
        Each of them can be cancelled, at any step, and leaves nothing behind.
        """
        self.canned.delay = 0.5
        cancels = [
            self.begun(services.serverTargets("_x._tcp.example.org", resolver=self.resolver)),
            self.begun(services.bindingTargets("https", "example.org", resolver=self.resolver)),
            self.begun(services.mailTargets("example.org", resolver=self.resolver)),
            self.begun(services.rewrittenTargets("example.org", "EM", resolver=self.resolver)),
            self.begun(services.numberURIs("+1", resolver=self.resolver)),
            self.begun(services.urisOf("example.org", resolver=self.resolver)),
            self.begun(services.tlsaOf("example.org", 443, resolver=self.resolver)),
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
