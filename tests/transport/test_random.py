"""
Tests of drawing what must not be guessed.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.transport import random
from twisted_ext.transport.random import Draw


class Counting:
    """
    Octets that count up, and how many were fetched.
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

    def test_system(self) -> None:
        """
        All of it comes from the operating system's generator.
        """
        self.assertIs(Draw()._urandom, os.urandom)

    def test_blocks(self) -> None:
        """
        The system is asked once for many draws, and no octet is given twice.
        """
        source = Counting()
        draw = Draw(source)
        given = b"".join([draw.take(2) for _ in range(2048)])
        self.assertEqual((len(source.fetched), given), (1, Counting()(4096)))
        draw.take(3)
        self.assertEqual(len(source.fetched), 2)

    def test_ports(self) -> None:
        """
        Ports are those that need no privilege, each as likely as any other.
        """
        everything = Draw(lambda count: b"".join([number.to_bytes(2, "big") for number in range(1000, 1000 + count // 2)]))
        self.assertEqual([everything.port() for _ in range(3)], [1024, 1025, 1026])
        draw = Draw()
        ports = [draw.port() for _ in range(20_000)]
        self.assertTrue(all(1024 <= port < 65536 for port in ports))
        self.assertGreater(len(set(ports)), 16_000)

    def test_below(self) -> None:
        """
        Numbers below a bound have no bias.
        """
        draw = Draw(lambda count: bytes(range(256)) * (count // 256))
        drawn = [draw.below(100) for _ in range(400)]
        self.assertEqual({drawn.count(number) for number in range(100)}, {4})
        self.assertEqual(Draw().below(1), 0)
        self.assertLess(Draw().below(1000), 1000)

    def test_lots(self) -> None:
        """
        Ids and the numbers that choose sockets come in lots, and another block follows when they are used up.
        """
        source = Counting()
        draw = Draw(source)
        self.assertRaises(StopIteration, next, draw.lots)
        first = draw.refill()
        rest = list(draw.lots)
        self.assertEqual(len(rest) + 1, 4096 // 3)
        self.assertEqual(first, (b"\x01\x02", 3))
        self.assertRaises(StopIteration, next, draw.lots)

    def test_forked(self) -> None:
        """
        Parent and child do not go on with the same octets.
        """
        source = Counting()
        draw = Draw(source)
        draw.take(2)
        draw.refill()
        random._forked()
        self.assertRaises(StopIteration, next, draw.lots)
        draw.take(2)
        self.assertEqual(len(source.fetched), 3)
