"""
Tests of queries with CD in signed zones whose servers do not support EDNS, with L{twisted_ext.testing.internet}.
"""

from __future__ import annotations

from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from tests.resolver.recursive.stacks import Stack
from twisted_ext.answers import Answer, QueryContext, Security
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.testing.sources import questionOf


class UncheckedTests(SynchronousTestCase):
    """
    Tests of a zone with one server.
    """

    def look(self, fault: Fault, *, dnssecOk: bool, checkingDisabled: bool) -> Answer | DNSFault:
        """
        Return the answer for a name of the zone, or why there is none.
        """
        self.internet = internet = Internet(seed=4, families=(4,))
        zone = internet.zone("example.org", "www A 192.0.2.80", servers=("ns1.example.org",))
        stack = Stack(internet)
        internet.inject(fault, "example.org")
        context = QueryContext(stack.reactor.seconds() + 5, dnssecOk=dnssecOk, checkingDisabled=checkingDisabled)
        try:
            return internet.wait(lookUp(stack.source, questionOf("www.example.org"), context))
        except DNSFault as failure:
            return failure
        finally:
            asked = [each for each in internet.exchanges if each.server in zone.servers]
            self.asked = Counter([(each.transport, each.query.edns is not None) for each in asked])

    def test_plainAnswerWithCD(self) -> None:
        """
        A client with CD gets the answer that the server gives without EDNS, with DO as well as without. It is not called secure.
        """
        for fault in (Fault.FORMERR_EDNS, Fault.BADVERS):
            for dnssecOk in (False, True):
                answer = self.look(fault, dnssecOk=dnssecOk, checkingDisabled=True)
                assert isinstance(answer, Answer), (fault, dnssecOk, answer)
                self.assertEqual(len(answer.answer), 1)
                self.assertIsNot(answer.security, Security.SECURE)

    def test_withDOOnlyOverTCP(self) -> None:
        """
        With DO, EDNS is given up only after the server has refused it over TCP, where refusals cannot be forged.
        """
        self.look(Fault.BADVERS, dnssecOk=True, checkingDisabled=True)
        self.assertEqual(self.asked, {("udp", True): 1, ("tcp", True): 1, ("tcp", False): 1})

    def test_withoutCD(self) -> None:
        """
        What is validated here is not asked for without EDNS, and fails.
        """
        for dnssecOk in (False, True):
            self.assertIsInstance(self.look(Fault.FORMERR_EDNS, dnssecOk=dnssecOk, checkingDisabled=False), DNSFault)
            self.assertEqual([plain for plain in self.asked if not plain[1]], [])
