"""
Tests of the work that a query may cause.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Budget, Security
from twisted_ext.dnssec.limits import NAME_SERVER_LOOKUPS
from twisted_ext.dnssec.verdicts import BOGUS, Verdict
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BudgetSpent, WorkSpent


class WorkTests(SynchronousTestCase):
    """
    Tests of L{Work}.
    """

    def test_packetsAreLimited(self) -> None:
        """
        As many packets are sent as allowed, and one more is not counted as sent.
        """
        work = Work(packets=3)
        budget: Budget = work
        budget.spend()
        budget.spend(2)
        self.assertRaises(BudgetSpent, budget.spend)
        self.assertEqual(work.packets, 3)

    def test_eachNameHasItsPackets(self) -> None:
        """
        What is resolved takes a number of packets of its own, from those of the query; what is resolved for that takes the same ones.
        """
        work = Work(packets=25, fetchPackets=10)
        for packets in (10, 10, 5):
            before = work.resolve()
            work.spend(4)
            inner = work.resolve()
            work.spend(packets - 4)
            self.assertRaises(WorkSpent, work.spend)
            self.assertTrue(work.spent)
            work.resolved(inner)
            self.assertTrue(work.spent)
            work.resolved(before)
        self.assertEqual(work.packets, 25)
        self.assertTrue(work.exhausted)
        self.assertIn("25 packets", str(self.assertRaises(WorkSpent, work.spend)))

    def test_nameServersAreLimited(self) -> None:
        """
        Name servers are counted before their addresses are looked up, and limited.
        """
        work = Work()
        for _ in range(int(NAME_SERVER_LOOKUPS.default)):
            self.assertFalse(work.spent)
            work.lookUp()
        self.assertTrue(work.spent)
        self.assertRaises(WorkSpent, work.lookUp)

    def test_octetsAreLimited(self) -> None:
        """
        Sent and received octets are counted together, and limited.
        """
        work = Work(octets=100)
        work.packet(40)
        work.received(60)
        self.assertEqual((work.packets, work.octets), (1, 100))
        self.assertRaises(BudgetSpent, work.received, 1)

    def test_eachFetchHasItsLimits(self) -> None:
        """
        A fetch ends when its checks, failures or hashes are used up, whatever others have left; the next one has as many again.
        """
        work = Work(verifications=2, failures=1, hashes=1)
        for _ in range(2):
            work.fetch()
            work.verify()
            work.verify()
            self.assertRaises(BudgetSpent, work.verify)
            work.failed()
            self.assertRaises(BudgetSpent, work.failed)
            self.assertIn("failed signature checks", str(self.assertRaises(BudgetSpent, work.verify)))
            work.hash(50)
            self.assertRaises(BudgetSpent, work.hash, 0)
        self.assertEqual((work.verifications, work.failures, work.hashes), (4, 4, 2))

    def test_failuresEndAllChecks(self) -> None:
        """
        A query with too many wrong signatures gets no further check, in whatever fetch.
        """
        work = Work(failures=1, queryFailures=2)
        for _ in range(3):
            work.fetch()
            work.verify()
            try:
                work.failed()
            except BudgetSpent:
                break
        work.fetch()
        self.assertRaises(BudgetSpent, work.verify)
        self.assertEqual((work.verifications, work.failures), (3, 3))

    def test_fetchesDoNotMultiplyTheLimits(self) -> None:
        """
        However many fetches a query takes, the limits of the query hold.
        """
        work = Work(queryVerifications=20, queryFailures=3, queryHashes=20)
        for count, kind in ((20, Work.verify), (3, Work.failed), (20, Work.hash)):
            done = 0
            with self.assertRaises(BudgetSpent):
                while True:
                    work.fetch()
                    kind(work)
                    done += 1
            self.assertEqual(done, count)

    def test_receiptIsReadable(self) -> None:
        """
        What the work was is shown.
        """
        work = Work()
        work.packet(40)
        self.assertEqual(repr(work), "<Work packets=1 octets=40 hashes=0 verifications=0 failures=0>")


class VerdictTests(SynchronousTestCase):
    """
    Tests of L{Verdict}.
    """

    def test_verdictsCompare(self) -> None:
        """
        Verdicts with the same status and reasons are equal.
        """
        bogus = Verdict(Security.BOGUS, ((BOGUS, "wrong"),))
        self.assertEqual({bogus}, {Verdict(Security.BOGUS, ((6, "wrong"),))})
        self.assertNotEqual(bogus, Verdict(Security.BOGUS))
        self.assertNotEqual(bogus, 6)
        self.assertEqual(repr(bogus), "<Verdict bogus [(6, 'wrong')]>")
