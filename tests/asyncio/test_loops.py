"""
Tests of the resources that this package attaches to an event loop, none of which may outlive it.
"""

from __future__ import annotations

import os
import sys
import threading
from asyncio import AbstractEventLoop, new_event_loop, sleep, wait_for
from typing import NoReturn, cast

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.interfaces import IReactorFDSet, IReactorTime, IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.threads import deferToThreadPool
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake
from twisted_ext import client
from twisted_ext.asyncio import asFuture, loops
from twisted_ext.asyncio.loops import LoopReactor, onLoop
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.limits import Limit

__all__ = ["descriptors"]


def descriptors() -> set[str]:
    """
    Return all open file descriptors of this process.
    """
    # The descriptor of the listing itself is closed by then.
    return {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


class OnLoopTests(SynchronousTestCase):
    """
    Tests of L{onLoop}.
    """

    def setUp(self) -> None:
        self.open = descriptors()
        self.loop = new_event_loop()
        self.addCleanup(self.loop.close)

    def test_eachLoopHasOneReactor(self) -> None:
        """
        Each loop has one reactor, which is neither that of the process nor of another loop.
        """
        other = new_event_loop()
        self.addCleanup(other.close)
        reactor = onLoop(self.loop).reactor
        self.assertIs(onLoop(self.loop).reactor, reactor)
        self.assertIsNot(onLoop(other).reactor, reactor)
        self.assertIsNot(sys.modules.get("twisted.internet.reactor"), reactor)

    def test_reactorRunsOnTheLoop(self) -> None:
        """
        Delayed calls of the reactor run while the loop runs.
        """
        called: list[bool] = []
        reactor = onLoop(self.loop).reactor
        reactor.callLater(0, called.append, True)
        self.loop.run_until_complete(sleep(0.01))
        self.assertEqual(called, [True])

    def test_threadsEndWithTheLoop(self) -> None:
        """
        Work in threads runs in a pool that ends with the loop.
        """
        before = threading.active_count()
        reactor = cast(LoopReactor, onLoop(self.loop).reactor)

        async def work() -> str:
            name = deferToThreadPool(reactor, reactor.getThreadPool(), lambda: threading.current_thread().name)
            return await wait_for(asFuture(name), 60)

        self.assertNotEqual(self.loop.run_until_complete(work()), threading.current_thread().name)
        self.loop.close()
        self.assertEqual(threading.active_count(), before)

    def test_globalReactorOnLoopIsUsed(self) -> None:
        """
        The reactor of the process is used if it runs on this loop, and survives the loop.
        """
        reactor = AsyncioSelectorReactor(self.loop)
        self.addCleanup(reactor.removeAll)
        self.patch(sys, "modules", {**sys.modules, "twisted.internet.reactor": reactor})
        resolver = NamesResolver(Fake(), cast(IReactorTime, reactor))
        self.patch(client, "theResolver", resolver)
        onThisLoop = onLoop(self.loop)
        self.assertIs(onThisLoop.reactor, reactor)
        self.assertIs(onThisLoop.resolverOf(None), resolver)
        call = IReactorTime(reactor).callLater(60, self.fail)
        self.loop.close()
        self.assertTrue(call.active())
        self.assertFalse(resolver.closed)
        reactor.waker.connectionLost(None)

    def test_closedLoopLeavesNothingOpen(self) -> None:
        """
        A closed loop leaves no socket, timer or resolver open.
        """
        onThisLoop = onLoop(self.loop)
        reactor = cast(LoopReactor, onThisLoop.reactor)
        IReactorUDP(reactor).listenUDP(0, DatagramProtocol(), "127.0.0.1", 512)
        IReactorTime(reactor).callLater(60, self.fail)
        resolvers = [onThisLoop.resolverOf(None), onThisLoop.resolverOf("udp:127.0.0.1:1")]
        self.loop.close()
        self.assertTrue(self.loop.is_closed())
        self.assertEqual([resolver.closed for resolver in resolvers], [True, True])
        self.assertEqual(IReactorTime(reactor).getDelayedCalls(), [])
        self.assertEqual(IReactorFDSet(reactor).getReaders() + IReactorFDSet(reactor).getWriters(), [])
        self.assertLessEqual(descriptors(), self.open)
        self.assertNotIn("close", vars(self.loop))
        with self.assertRaises(CallerFault):
            onLoop(self.loop)

    def test_threadResolverIsClosedOnce(self) -> None:
        """
        The thread's resolver on a loop is closed with it, unless it was closed before.
        """
        onThisLoop = onLoop(self.loop)
        sources = [Fake(), Fake()]
        for source in sources:
            onThisLoop.own = NamesResolver(source, onThisLoop.reactor)
            if source is sources[0]:
                onThisLoop.own.close()
        self.loop.close()
        self.assertTrue(onThisLoop.own and onThisLoop.own.closed)
        self.assertEqual([source.closed for source in sources], [1, 1])

    def test_secondCloseDoesNothing(self) -> None:
        """
        A second close of the loop does nothing.
        """
        resolver = onLoop(self.loop).resolverOf(None)
        close = self.loop.close
        close()
        close()
        self.assertTrue(self.loop.is_closed())
        self.assertTrue(resolver.closed)

    def test_runningLoopIsNotClosed(self) -> None:
        """
        A running loop refuses to close, and its resolver stays open.
        """
        onThisLoop = onLoop(self.loop)
        resolver = onThisLoop.resolverOf(None)

        async def close() -> None:
            with self.assertRaises(RuntimeError):
                self.loop.close()

        self.loop.run_until_complete(close())
        self.assertFalse(resolver.closed)
        self.assertIs(onLoop(self.loop), onThisLoop)

    def test_unsupportedLoopIsRefused(self) -> None:
        """
        A loop without file descriptors is refused with the loop to use in its place.
        """

        def refuse(loop: AbstractEventLoop) -> NoReturn:
            raise TypeError("ProactorEventLoop is not supported")

        self.patch(loops, "LoopReactor", refuse)
        with self.assertRaisesRegex(CallerFault, "SelectorEventLoop"):
            onLoop(self.loop)


class ResolverOfTests(SynchronousTestCase):
    """
    Tests of L{OnLoop.resolverOf<twisted_ext.asyncio.loops.OnLoop.resolverOf>}.
    """

    def setUp(self) -> None:
        self.loop = new_event_loop()
        self.addCleanup(self.loop.close)
        self.onThisLoop = onLoop(self.loop)

    def test_resolverIsKeptPerDescription(self) -> None:
        """
        A description gives the same resolver each time, so that its cache is useful; so does the default.
        """
        for resolver in (None, "cache:udp:127.0.0.1"):
            self.assertIs(self.onThisLoop.resolverOf(resolver), self.onThisLoop.resolverOf(resolver))

    def test_closedResolverIsReplaced(self) -> None:
        """
        A closed resolver is created again.
        """
        for resolver in (None, "udp:127.0.0.1"):
            first = self.onThisLoop.resolverOf(resolver)
            first.close()
            self.assertIsNot(self.onThisLoop.resolverOf(resolver), first)

    def test_descriptionsAreBounded(self) -> None:
        """
        A loop refuses more descriptions than its limit and says what to do; known ones stay usable.
        """
        self.patch(loops, "DESCRIPTIONS_KEPT", Limit(default=2, least=1, most=2))
        first = self.onThisLoop.resolverOf("udp:127.0.0.1")
        self.onThisLoop.resolverOf("udp:127.0.0.2")
        with self.assertRaisesRegex(CallerFault, "2 descriptions"):
            self.onThisLoop.resolverOf("udp:127.0.0.3")
        self.assertIs(self.onThisLoop.resolverOf("udp:127.0.0.1"), first)

    def test_otherForms(self) -> None:
        """
        A resolver and a source are used as they are; other objects are refused.
        """
        source = Fake()
        resolver = NamesResolver(source, self.onThisLoop.reactor)
        self.assertIs(self.onThisLoop.resolverOf(resolver), resolver)
        self.assertIs(self.onThisLoop.resolverOf(source).source, source)
        with self.assertRaises(BadDescription):
            self.onThisLoop.resolverOf("quipu:127.0.0.1")
        with self.assertRaises(CallerFault):
            self.onThisLoop.resolverOf(42)

    def test_resolverOfAnotherLoopIsRefused(self) -> None:
        """
        A resolver with another reactor is refused, as it would never answer.
        """
        other = new_event_loop()
        self.addCleanup(other.close)
        theirs = onLoop(other).resolverOf(None)
        with self.assertRaisesRegex(CallerFault, "another reactor"):
            self.onThisLoop.resolverOf(theirs)
