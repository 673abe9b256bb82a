"""
Tests of look-ups with less time than others have: L{CoalescingSource} with L{ForwardingSource} fails as L{ForwardingSource} alone does.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from tests.networks import NetworkTestCase
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.forward.failures import Abandoned

__all__ = ["HurryTests"]


class HurryTests(NetworkTestCase):
    """
    Two servers, and a source that shares look-ups.
    """

    def setUp(self) -> None:
        super().setUp()
        self.first, one = self.serve()
        self.second, two = self.serve("192.0.2.54")
        self.first.silent = self.second.silent = True
        self.forwarding = self.forward(one, two)
        self.source = CoalescingSource(self.forwarding, self.here)

    def test_told(self) -> None:
        """
        A caller whose time is up hears whom was asked and how often, although the shared look-up would have had longer.
        """
        fault = self.fault(self.source, seconds=1.0)
        self.assertIsInstance(fault, TimedOut)
        self.assertEqual((fault.server, fault.attempts), ("192.0.2.54:53", 3))
        self.assertIn("192.0.2.53:53, 192.0.2.54:53 did not answer within 1.0 seconds", str(fault))

    def test_timeAboveAll(self) -> None:
        """
        It was the time that ended it, whatever one of the servers has said by then: that is told, but counts for nobody else.
        """
        self.first.silent, self.first.rcode = False, 2
        fault = self.fault(self.source, seconds=0.5)
        self.assertIsInstance(fault, TimedOut)
        self.assertNotIsInstance(fault, ServerFailed)
        self.assertIn("192.0.2.53:53 answered SERVFAIL", str(fault))

    def test_cancelled(self) -> None:
        """
        A look-up that is cancelled says so, and nothing else.
        """
        asked = self.ask(self.source)
        self.network.advance(0.1)
        asked.cancel()
        self.assertIs(self.failureResultOf(asked).type, CancelledError)
        asked = self.ask(self.forwarding)
        self.network.advance(0.1)
        asked.cancel()
        failure = self.failureResultOf(asked, CancelledError)
        assert isinstance(failure.value, Abandoned)
        self.assertEqual(failure.value.fault.attempts, 1)
