"""
Tests of look-ups with a short timeout: L{CoalescingSource} with L{ForwardingSource} fails as L{ForwardingSource} alone does.
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
    Tests with two servers and a source that shares look-ups.
    """

    def setUp(self) -> None:
        super().setUp()
        self.first, one = self.serve()
        self.second, two = self.serve("192.0.2.54")
        self.first.silent = self.second.silent = True
        self.forwarding = self.forward(one, two)
        self.source = CoalescingSource(self.forwarding, self.here)

    def test_timeoutNamesServersAndAttempts(self) -> None:
        """
        The timeout of a caller names the servers and the attempts, although the shared look-up has more time.
        """
        fault = self.fault(self.source, seconds=1.0)
        self.assertIsInstance(fault, TimedOut)
        self.assertEqual((fault.server, fault.attempts), ("192.0.2.54:53", 3))
        self.assertIn("192.0.2.53:53, 192.0.2.54:53 did not answer within 1.0 seconds", str(fault))

    def test_timeoutWinsOverServfail(self) -> None:
        """
        The timeout of a caller is a timeout even if one server has failed, and mentions that failure.
        """
        self.first.silent, self.first.rcode = False, 2
        fault = self.fault(self.source, seconds=0.5)
        self.assertIsInstance(fault, TimedOut)
        self.assertNotIsInstance(fault, ServerFailed)
        self.assertIn("192.0.2.53:53 answered SERVFAIL", str(fault))

    def test_cancelledLookupIsCancelled(self) -> None:
        """
        A cancelled look-up fails with C{CancelledError} only.
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
