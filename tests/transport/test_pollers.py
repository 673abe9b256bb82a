"""
Tests of reading and sending many datagrams at once.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.transport.pollers import Outbox


class _Sender:
    def __init__(self, sent: list[bytes], octets: bytes, fault: Exception | None = None) -> None:
        self._sent = sent
        self._octets = octets
        self._fault = fault

    def sendHeld(self, now: float) -> None:
        if self._fault is not None:
            raise self._fault
        self._sent.append(self._octets)


class OutboxTests(SynchronousTestCase):
    """
    Tests for L{Outbox}.
    """

    def test_failedSendSparesOthers(self) -> None:
        """
        An unexpected exception of one sender is logged, and the others send theirs, each once.
        """
        sent: list[bytes] = []
        outbox = Outbox()
        for sender in _Sender(sent, b"first"), _Sender(sent, b"second", ZeroDivisionError()), _Sender(sent, b"third"):
            outbox.hold(sender, True)
            outbox.hold(sender, False)
        self.assertEqual(outbox.count, 6)
        outbox.flush(0.0)
        outbox.flush(0.0)
        self.assertEqual((sent, outbox.count), ([b"first", b"third"], 0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
