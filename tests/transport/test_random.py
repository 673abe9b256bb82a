"""
Tests of unpredictable random numbers.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.transport import random
from twisted_ext.transport.random import Draw


class Counting:
    """
    Octets that count up, and a record of the calls.
    """

    def __init__(self) -> None:
        self.fetched: list[int] = []

    def __call__(self, count: int) -> bytes:
        self.fetched.append(count)
        return bytes([(len(self.fetched) + number) % 256 for number in range(count)])


class DrawTests(SynchronousTestCase):
    """
    Tests for L{Draw}.
    """

    def test_randomnessComesFromTheSystem(self) -> None:
        """
        All random numbers come from the operating system's generator.
        """
        self.assertIs(Draw()._urandom, os.urandom)

    def test_octetsAreFetchedInBlocks(self) -> None:
        """
        The system is asked once for many draws, and no octet is used twice.
        """
        source = Counting()
        draw = Draw(source)
        given = b"".join([draw.take(2) for _ in range(2048)])
        self.assertEqual((len(source.fetched), given), (1, Counting()(4096)))
        draw.take(3)
        self.assertEqual(len(source.fetched), 2)

    def test_portsAreUnprivilegedAndUniform(self) -> None:
        """
        Ports are unprivileged, and all equally likely.
        """
        everything = Draw(lambda count: b"".join([number.to_bytes(2, "big") for number in range(1000, 1000 + count // 2)]))
        self.assertEqual([everything.port() for _ in range(3)], [1024, 1025, 1026])
        draw = Draw()
        ports = [draw.port() for _ in range(20_000)]
        self.assertTrue(all(1024 <= port < 65536 for port in ports))
        self.assertGreater(len(set(ports)), 16_000)

    def test_lotsAreRefilled(self) -> None:
        """
        IDs and socket numbers come in batches, and another batch follows when one is used up.
        """
        source = Counting()
        draw = Draw(source)
        self.assertRaises(StopIteration, next, draw.lots)
        first = draw.refill()
        rest = list(draw.lots)
        self.assertEqual(len(rest) + 1, 4096 // 3)
        self.assertEqual(first, (b"\x01\x02", 3))
        self.assertRaises(StopIteration, next, draw.lots)

    def test_forkDiscardsTheBlock(self) -> None:
        """
        Parent and child do not continue with the same octets after a fork.
        """
        source = Counting()
        draw = Draw(source)
        draw.take(2)
        draw.refill()
        random._forked()
        self.assertRaises(StopIteration, next, draw.lots)
        draw.take(2)
        self.assertEqual(len(source.fetched), 3)
