"""
Tests of reading and sending many datagrams at once.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.transport.pollers import Outbox


class _Sender:
    def __init__(self, sent: list[bytes], fault: Exception | None = None) -> None:
        self._sent = sent
        self._fault = fault

    def sendNow(self, octets: bytes, now: float) -> None:
        if self._fault is not None:
            raise self._fault
        self._sent.append(octets)


class OutboxTests(SynchronousTestCase):
    """
    Tests for L{Outbox}.
    """

    def test_failedSendSparesOthers(self) -> None:
        """
        An unexpected exception for one datagram is logged, and the others are sent.
        """
        sent: list[bytes] = []
        outbox = Outbox()
        outbox.waiting += [(_Sender(sent), b"first"), (_Sender(sent, ZeroDivisionError()), b"second"), (_Sender(sent), b"third")]
        outbox.flush(0.0)
        self.assertEqual((sent, outbox.waiting), ([b"first", b"third"], []))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
