"""
Attack 21 on recursion: what a resolver learns stays within its bounds, however many names it looks up.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.simulated import Simulation
from twisted_ext.limits import Limit
from twisted_ext.recursion import delegations


class LongRunTests(SynchronousTestCase):
    """
    Tests with thousands of look-ups in an internet of signed and unsigned zones, in which records expire. C{benchmarks.simulated} does this
    a million times, and measures the memory of the process.
    """

    OCTETS = 256 << 10

    def test_memoryStaysWithinItsBounds(self) -> None:
        """
        The cache stays within its size, and what else is learned does not grow once all zones are known. All answers are right, and no
        look-up is left.
        """
        simulation = Simulation(2000, self.OCTETS)
        simulation.run(2000)
        before = simulation.sizes()
        simulation.run(2000)
        after = simulation.sizes()
        self.assertEqual((after.lookups, after.failed, after.waiting), (4000, 0, 0))
        self.assertLessEqual(max(before.cached, after.cached), self.OCTETS)
        # Twenty zones and the top level above them.
        self.assertEqual((before.delegations, after.delegations), (21, 21))
        self.assertEqual(before.servers, after.servers)
        self.assertLessEqual(after.denials, 1.1 * before.denials)
        self.assertLessEqual(after.support, 1.1 * before.support)

    def test_delegationsStayWithinTheirLimit(self) -> None:
        """
        With more zones than delegations may be known, as many are known as allowed, and all answers are right.
        """
        most = 50
        self.patch(delegations, "DELEGATIONS", Limit(default=most, least=most, most=most))
        simulation = Simulation(12_000, self.OCTETS)
        simulation.run(1000)
        sizes = simulation.sizes()
        self.assertEqual(sizes.failed, 0)
        self.assertGreater(len(simulation.internet.zones), 2 * most)
        self.assertLessEqual(sizes.delegations, most + 1)
