"""
Tests of L{twisted_ext.resolver.forward.failures}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import TimedOut, Unreachable
from twisted_ext.resolver.forward.failures import mostTelling
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText

QUESTION = Question(nameFromText("www.example.org"), 1)


class MostTellingTests(SynchronousTestCase):
    """
    Tests for L{mostTelling}.
    """

    def test_messageNamesAFewServers(self) -> None:
        """
        The error message names a few of many servers and counts the others.
        """
        servers = [f"192.0.2.{number}:53" for number in range(200)]
        silence = mostTelling(QUESTION, [], servers, 200, 5.0)
        self.assertIsInstance(silence, TimedOut)
        self.assertIn("192.0.2.5:53 and 194 more did not answer within 5.0 seconds", str(silence))
        faults = [Unreachable(f"{server} cannot be reached: no route", server=server) for server in servers]
        refusals = mostTelling(QUESTION, faults, servers, 200, 5.0)
        self.assertTrue(str(refusals).endswith("; and 194 more servers failed"), str(refusals))
        self.assertLess(len(str(refusals)), 400)
