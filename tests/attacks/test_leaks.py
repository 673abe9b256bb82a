"""
Attack: packets of all kinds for years, against memory.
"""

from __future__ import annotations

import pytest
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.leaking import Round, grown, rounds


class LeakTests(SynchronousTestCase):
    """
    Tests with packets that pass again and again. C{benchmarks.leaking} sends ten million.
    """

    def assertKept(self, packets: int) -> None:
        """
        Assert that the second half of so many packets takes no memory.
        """
        found = list(rounds(packets))
        self.assertFalse(grown(found[len(found) // 2], found[-1]), found)

    def test_memoryDoesNotGrow(self) -> None:
        """
        Once everything has been seen, further packets take no memory, whether they are answered from the packet cache, by a source, or not
        at all. A leak of 400 octets for each packet is found.
        """
        self.assertKept(14_000)

    @pytest.mark.long
    def test_memoryDoesNotGrowByLittle(self) -> None:
        """
        The same holds for smaller leaks: 64 octets for each packet are found.
        """
        self.assertKept(80_000)

    def test_leaksAreFound(self) -> None:
        """
        Some octets for each packet, or a reference for every tenth one, are a leak; fragmentation is not.
        """
        begun = Round(1_000_000, 50 << 20, 0)
        self.assertTrue(grown(begun, Round(2_000_000, 60 << 20, 0)))
        self.assertTrue(grown(begun, Round(2_000_000, 50 << 20, 100_000)))
        self.assertFalse(grown(begun, Round(2_000_000, 51 << 20, 0)))
