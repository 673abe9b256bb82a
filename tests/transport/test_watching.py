"""
Tests of sockets that the reactor, or the kernel, cannot watch when they are opened.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from select import select

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides

from tests.transport.waiting import Waiter
from twisted_ext.errors import Unreachable
from twisted_ext.testing.internet import Internet
from twisted_ext.testing.reactors import MemoryPort, MemoryReactor
from twisted_ext.transport import datagram
from twisted_ext.transport.datagram import DatagramExchange, Datagrams
from twisted_ext.transport.pollers import EachPoller, EpollPoller, Outbox, Poller
from twisted_ext.transport.servers import Server


class _Short(Clock):
    """
    A reactor that has no room for descriptors a number of times.

    @ivar failures: how often it still fails.
    @ivar readers: what it reads.
    """

    def __init__(self, failures: int) -> None:
        super().__init__()
        directlyProvides(self, IReactorFDSet)
        self.failures = failures
        self.readers: list[IReadDescriptor] = []

    def addReader(self, reader: IReadDescriptor) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.readers.append(reader)

    def removeReader(self, reader: IReadDescriptor) -> None:
        self.readers.remove(reader)

    def turn(self) -> None:
        """
        Have what is readable read.
        """
        for reader in select(self.readers, [], [], 5)[0]:
            reader.doRead()


class WatchingTests(SynchronousTestCase):
    """
    Tests of L{Poller}, with sockets on a loopback address.
    """

    pollers: tuple[Callable[[IReactorFDSet, Outbox], Poller], ...] = (EpollPoller, EachPoller)

    def setUp(self) -> None:
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.peer.close)
        self.peer.bind(("127.0.0.1", 0))
        self.peer.settimeout(5)
        self.server = Server(*self.peer.getsockname())

    def exchange(self, reactor: _Short, poller: Callable[[IReactorFDSet, Outbox], Poller]) -> DatagramExchange:
        """
        Return the queries to the peer.
        """
        self.patch(datagram, "pollerFor", poller)
        exchange = DatagramExchange(Datagrams(reactor), self.server)
        self.addCleanup(exchange.settle)
        return exchange

    def answered(self, exchange: DatagramExchange, reactor: _Short) -> bool:
        """
        Return whether a query is answered.
        """
        waiter = Waiter()
        exchange.ask(waiter, 0.0)
        octets, sender = self.peer.recvfrom(512)
        self.peer.sendto(octets[:2] + bytes([octets[2] | 0x80]) + octets[3:], sender)
        reactor.turn()
        return bool(waiter.replies)

    def test_anotherSocketIsOpened(self) -> None:
        """
        If the reactor has no room for a socket once, the query leaves from another one at once; that is logged.
        """
        for poller in self.pollers:
            reactor = _Short(1)
            self.assertTrue(self.answered(self.exchange(reactor, poller), reactor))
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_lastingShortage(self) -> None:
        """
        If it has no room for the second one either, the server counts as unreachable. The next query, once there is room, is answered.
        """
        for poller in self.pollers:
            reactor = _Short(2)
            exchange = self.exchange(reactor, poller)
            with self.assertRaises(Unreachable) as caught:
                exchange.ask(Waiter(), 0.0)
            self.assertIn(os.strerror(errno.ENOSPC), str(caught.exception))
            self.assertEqual((exchange.live, reactor.readers), (0, []))
            self.assertTrue(self.answered(exchange, reactor))
            self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)


class PortTests(SynchronousTestCase):
    """
    Tests of reactors without file descriptors.
    """

    def test_lookupLosesNoTime(self) -> None:
        """
        A look-up whose port the reactor cannot read once takes no longer than others, and leaves no port behind.
        """
        internet = Internet(seed=3, signed=False)
        internet.zone("example.org", "www A 192.0.2.80")
        for failures in (0, 1):
            here = internet.reactor()
            self.patch(MemoryReactor, "listenUDP", _failing(here, failures, MemoryReactor.listenUDP))
            resolver = internet.resolver(here)
            began = internet.time()
            self.assertEqual(internet.wait(resolver.getHostByName("www.example.org")), "192.0.2.80")
            self.assertLess(internet.time() - began, 0.3)
            self.assertEqual(len(self.flushLoggedErrors(OSError)), failures)
            self.successResultOf(resolver.close())
            internet.advance(1)
            self.assertEqual(here.pending(), [])


def _failing(at: MemoryReactor, failures: int, real: Callable[..., MemoryPort]) -> Callable[..., MemoryPort]:
    left = [failures]

    def listenUDP(reactor: MemoryReactor, *args: object) -> MemoryPort:
        port = real(reactor, *args)
        if reactor is at and left[0]:
            # Where startReading() fails, the port has its protocol.
            left[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return port

    return listenUDP
