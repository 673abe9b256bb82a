"""
Tests of UDP listeners with the implementation of L{twisted_ext.native} that is not used in this environment.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.attacks import test_floods
from tests.native.twins import otherBatches
from tests.server.listeners import test_datagram, test_faults
from twisted_ext.native import chosen

__all__ = ["OtherFaultTests", "OtherFloodTests", "OtherSocketTests"]


class _OtherTwin(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(chosen, "batches", otherBatches())
        super().setUp()


class OtherSocketTests(_OtherTwin, test_datagram.SocketTests):
    """
    What listeners with sockets of their own promise.
    """


class OtherFaultTests(_OtherTwin, test_faults.DatagramTests):
    """
    What is promised of faults in a batch.
    """


class OtherFloodTests(_OtherTwin, test_floods.FloodTests):
    """
    What is promised under floods.
    """
