"""
Tests of servers that treat some types as they should not (RFC 4074, section 4), with L{twisted_ext.testing.internet}: other types of the
zone are found as before.
"""

from __future__ import annotations

from tests.attacks.recursing import RecursingTestCase, addressesIn
from twisted_ext.answers import Answer
from twisted_ext.errors import DNSFault, ServerFailed
from twisted_ext.recursion.delegations import Delegation
from twisted_ext.recursion.limits import LAME_SECONDS
from twisted_ext.testing.internet import Fault


class OddTypesTests(RecursingTestCase):
    """
    Tests of the zone C{test.example} with one server.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("test.example", "* 300 A 192.0.2.80", ["ns.test.example"])
        self.start()

    def test_upwardReferralForOneType(self) -> None:
        """
        A server that refers upwards for AAAA gives its A records to the next client, and is not asked for AAAA again for a while; the text
        says what it has done.
        """
        self.internet.inject(Fault.LAME_UPWARD, "ns.test.example", rrType="AAAA")
        for name in ("one.test.example", "two.test.example"):
            found = self.look(name, "AAAA")
            self.assertIsInstance(found, ServerFailed)
            self.assertIn("to type AAAA as if", str(found))
            self.assertNotIn("has an address", str(found))
            self.assertEqual(addressesIn(self.look(name)), ["192.0.2.80"])
        self.look("three.test.example", "AAAA")
        self.assertEqual(self.packets("test.example"), 0)
        self.internet.clear()
        self.internet.advance(LAME_SECONDS.default)
        self.assertIsInstance(self.look("four.test.example", "AAAA"), Answer)

    def test_withoutTheTypeOneQueryStopsTheZone(self) -> None:
        """
        If lameness counted for all types, an AAAA query would make A queries fail.
        """
        one = Delegation.isLame
        self.patch(Delegation, "isLame", lambda delegation, address, _, now: [one(delegation, address, kind, now) for kind in (1, 28)])
        self.internet.inject(Fault.LAME_UPWARD, "ns.test.example", rrType="AAAA")
        self.look("one.test.example", "AAAA")
        self.assertIsInstance(self.look("one.test.example"), DNSFault)

    def test_lameForAllTypes(self) -> None:
        """
        A server that serves nothing of the zone is asked once for each type.
        """
        for fault in (Fault.LAME_UPWARD, Fault.SELF_REFERRAL):
            self.recursive.delegations.forget()
            self.internet.inject(fault, "ns.test.example")
            for rrType in ("A", "AAAA"):
                counts = []
                for number in range(5):
                    self.assertIsInstance(self.look(f"{fault.value}{number}.test.example", rrType), ServerFailed)
                    counts.append(self.packets("test.example"))
                self.assertEqual(counts, [1, 0, 0, 0, 0], fault)
            self.internet.clear()

    def test_errorsForOneType(self) -> None:
        """
        A server that fails for AAAA, or does not reply, gives its A records to the next client.
        """
        for fault in (Fault.SERVFAIL, Fault.NOT_IMPLEMENTED, Fault.REFUSES, Fault.LAME_EMPTY, Fault.SELF_REFERRAL, Fault.DEAD):
            self.internet.inject(fault, "ns.test.example", rrType="AAAA")
            for number in range(3):
                name = f"{fault.value}{number}.test.example"
                self.look(name, "AAAA")
                self.assertEqual(addressesIn(self.look(name)), ["192.0.2.80"], fault)
            self.internet.clear()
