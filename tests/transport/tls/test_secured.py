"""
Tests of the TLS layer's short way: writing at once, and in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Client
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.transport.tls.secured import DirectTransport


class _Socket(FileDescriptor):
    """
    A transport whose kernel takes some octets.

    @ivar taken: what the kernel has taken.
    @ivar room: how many octets it takes.
    @ivar written: how often it was asked.
    """

    connected = 1

    def __init__(self) -> None:
        super().__init__(cast("None", self))
        self.taken = b""
        self.room = 1000
        self.written = 0
        self.isWatched = False

    def addWriter(self, writer: object) -> None:
        self.isWatched = True

    def removeWriter(self, writer: object) -> None:
        self.isWatched = False

    def writeSomeData(self, data: bytes) -> int:
        self.written += 1
        taken = data[: self.room]
        self.taken += taken
        self.room -= len(taken)
        return len(taken)

    def turn(self) -> None:
        """
        Do what the reactor does in its next turn.
        """
        if self.isWatched:
            cast("Callable[[], object]", self.doWrite)()


class DirectTransportTests(SynchronousTestCase):
    """
    Tests of L{DirectTransport}.
    """

    def setUp(self) -> None:
        self.socket = _Socket()
        self.transport = DirectTransport(cast(Client, self.socket))

    def write(self, octets: bytes, isUrgent: bool) -> None:
        self.transport.isUrgent = isUrgent
        self.transport.write(octets)
        self.transport.isUrgent = False

    def test_urgentOctetsAreWrittenAtOnce(self) -> None:
        """
        Octets that are urgent need no turn of the reactor, and others wait for one together.
        """
        self.write(b"a", True)
        self.assertEqual((self.socket.taken, self.socket.isWatched), (b"a", False))
        self.write(b"b", False)
        self.write(b"c", False)
        self.assertEqual(self.socket.taken, b"a")
        self.socket.turn()
        self.assertEqual((self.socket.taken, self.socket.written, self.socket.isWatched), (b"abc", 2, False))

    def test_orderIsKept(self) -> None:
        """
        Urgent octets wait behind others that wait already; once these are written, they are written at once again.
        """
        self.write(b"a", False)
        self.write(b"b", True)
        self.assertEqual(self.socket.taken, b"")
        self.socket.turn()
        self.write(b"c", True)
        self.assertEqual(self.socket.taken, b"abc")

    def test_fullSocketHoldsTheRest(self) -> None:
        """
        What the kernel does not take is written later, and before what follows.
        """
        self.socket.room = 2
        self.write(b"abcd", True)
        self.write(b"ef", True)
        self.assertEqual(self.socket.taken, b"ab")
        self.socket.turn()
        self.socket.room = 3
        self.socket.turn()
        self.write(b"gh", True)
        self.assertEqual(self.socket.taken, b"abcde")
        self.socket.room = 100
        self.socket.turn()
        self.write(b"i", True)
        self.assertEqual(self.socket.taken, b"abcdefghi")

    def test_closedTransportTakesNothing(self) -> None:
        """
        Nothing is written to the socket once its connection is being closed.
        """
        self.socket.disconnecting = True
        self.write(b"a", True)
        self.assertEqual((self.socket.taken, self.socket.written), (b"", 0))
