"""
Tests of what operators learn about upstreams.
"""

from __future__ import annotations

from tests.server.test_services import ServiceCase
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.services import ForwardService

__all__: list[str] = []


class HealthTests(ServiceCase):
    """
    Tests of how a server that is asked is shown.
    """

    def shown(self, service: ForwardService, index: int = 0) -> dict[str, JSON]:
        """
        @return: what is shown of an upstream.
        """
        return self.successResultOf(service.sight.figures()).upstreams[index]

    def test_deadDelegation(self) -> None:
        """
        A broken domain that is asked for all the time does not make an upstream look broken, nor is it asked less for other names.
        """
        service = self.run_(upstream=(f"udp:{self.server.label}",), stale=0)
        for number in range(60):
            self.upstream.set(f"x{number}.dead.test", "A", 2)
            self.asked(f"x{number}.dead.test")
        self.network.advance(5)
        shown = self.shown(service)
        self.assertEqual((shown["up"], shown["failures"], shown["retryIn"]), (True, 0, 0.0))
        self.assertEqual((shown["declines"], shown["queries"], shown["troubles"]), (1, 60, {"SERVFAIL": 60}))

    def test_silent(self) -> None:
        """
        An upstream that does not reply is shown as down, with its queries counted by what came of them, and as up after its next reply.
        """
        service = self.run_()
        self.addressOf()
        self.upstream.silent = True
        for number in range(3):
            self.asked(f"y{number}.example.test")
        self.network.advance(5)
        shown = self.shown(service)
        troubles = shown["troubles"]
        assert isinstance(troubles, dict)
        self.assertEqual((shown["up"], list(troubles), shown["replies"]), (False, ["timeout"], 1))
        self.assertEqual(shown["queries"], len(self.upstream.asked))
        self.upstream.silent = False
        self.asked("z.example.test")
        self.assertEqual(self.shown(service)["up"], True)
