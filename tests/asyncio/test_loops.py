"""
Tests of what an event loop has of ours, and of what it has of ours when it is closed: nothing.
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
    @return: all that this process has open.
    """
    # The one that lists them is gone by then.
    return {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


class OnLoopTests(SynchronousTestCase):
    """
    Tests of L{onLoop}.
    """

    def setUp(self) -> None:
        self.open = descriptors()
        self.loop = new_event_loop()
        self.addCleanup(self.loop.close)

    def test_oneForEachLoop(self) -> None:
        """
        A loop has one reactor, however often it is asked for, which is not that of the process nor of another loop.
        """
        other = new_event_loop()
        self.addCleanup(other.close)
        reactor = onLoop(self.loop).reactor
        self.assertIs(onLoop(self.loop).reactor, reactor)
        self.assertIsNot(onLoop(other).reactor, reactor)
        self.assertIsNot(sys.modules.get("twisted.internet.reactor"), reactor)

    def test_runsOnTheLoop(self) -> None:
        """
        What the reactor is to do later is done while the loop runs, and on its sockets it listens.
        """
        called: list[bool] = []
        reactor = onLoop(self.loop).reactor
        reactor.callLater(0, called.append, True)
        self.loop.run_until_complete(sleep(0.01))
        self.assertEqual(called, [True])

    def test_threads(self) -> None:
        """
        What belongs into a thread is done in one, which ends with the loop.
        """
        before = threading.active_count()
        reactor = cast(LoopReactor, onLoop(self.loop).reactor)

        async def work() -> str:
            name = deferToThreadPool(reactor, reactor.getThreadPool(), lambda: threading.current_thread().name)
            return await wait_for(asFuture(name), 60)

        self.assertNotEqual(self.loop.run_until_complete(work()), threading.current_thread().name)
        self.loop.close()
        self.assertEqual(threading.active_count(), before)

    def test_globalReactor(self) -> None:
        """
        Where the reactor of the process works on this loop, it is that one, and the loop's end is not its own.
        """
        reactor = AsyncioSelectorReactor(self.loop)
        self.addCleanup(reactor.removeAll)
        self.patch(sys, "modules", {**sys.modules, "twisted.internet.reactor": reactor})
        resolver = NamesResolver(Fake(), cast(IReactorTime, reactor))
        self.patch(client, "theResolver", resolver)
        mine = onLoop(self.loop)
        self.assertIs(mine.reactor, reactor)
        self.assertIs(mine.resolverOf(None), resolver)
        call = IReactorTime(reactor).callLater(60, self.fail)
        self.loop.close()
        self.assertTrue(call.active())
        self.assertFalse(resolver.closed)
        reactor.waker.connectionLost(None)

    def test_nothingLeft(self) -> None:
        """
        A loop that is closed leaves no socket, no timer and no resolver open, whatever was going on.
        """
        mine = onLoop(self.loop)
        reactor = cast(LoopReactor, mine.reactor)
        IReactorUDP(reactor).listenUDP(0, DatagramProtocol(), "127.0.0.1", 512)
        IReactorTime(reactor).callLater(60, self.fail)
        resolvers = [mine.resolverOf(None), mine.resolverOf("udp:127.0.0.1:1")]
        self.loop.close()
        self.assertTrue(self.loop.is_closed())
        self.assertEqual([resolver.closed for resolver in resolvers], [True, True])
        self.assertEqual(IReactorTime(reactor).getDelayedCalls(), [])
        self.assertEqual(IReactorFDSet(reactor).getReaders() + IReactorFDSet(reactor).getWriters(), [])
        self.assertLessEqual(descriptors(), self.open)
        self.assertNotIn("close", vars(self.loop))
        with self.assertRaises(CallerFault):
            onLoop(self.loop)

    def test_own(self) -> None:
        """
        The thread's resolver on a loop is closed with it, unless somebody has closed it before.
        """
        mine = onLoop(self.loop)
        sources = [Fake(), Fake()]
        for source in sources:
            mine.own = NamesResolver(source, mine.reactor)
            if source is sources[0]:
                mine.own.close()
        self.loop.close()
        self.assertTrue(mine.own and mine.own.closed)
        self.assertEqual([source.closed for source in sources], [1, 1])

    def test_closedTwice(self) -> None:
        """
        Closing a loop again does nothing, as ever.
        """
        resolver = onLoop(self.loop).resolverOf(None)
        close = self.loop.close
        close()
        close()
        self.assertTrue(self.loop.is_closed())
        self.assertTrue(resolver.closed)

    def test_closedWhileRunning(self) -> None:
        """
        A loop that runs is not closed, and what it has of ours goes on.
        """
        mine = onLoop(self.loop)
        resolver = mine.resolverOf(None)

        async def close() -> None:
            with self.assertRaises(RuntimeError):
                self.loop.close()

        self.loop.run_until_complete(close())
        self.assertFalse(resolver.closed)
        self.assertIs(onLoop(self.loop), mine)

    def test_unusable(self) -> None:
        """
        A loop that watches no sockets is refused with a line that says what would do.
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
        self.mine = onLoop(self.loop)

    def test_kept(self) -> None:
        """
        A description leads to the same resolver each time, so that its cache is of use; so does the lack of one.
        """
        for resolver in (None, "cache:udp:127.0.0.1"):
            self.assertIs(self.mine.resolverOf(resolver), self.mine.resolverOf(resolver))

    def test_closed(self) -> None:
        """
        One that somebody has closed is made anew.
        """
        for resolver in (None, "udp:127.0.0.1"):
            first = self.mine.resolverOf(resolver)
            first.close()
            self.assertIsNot(self.mine.resolverOf(resolver), first)

    def test_bounded(self) -> None:
        """
        Whoever makes descriptions without end is told what to do instead; those that are known stay known.
        """
        self.patch(loops, "DESCRIPTIONS_KEPT", Limit(default=2, least=1, most=2))
        first = self.mine.resolverOf("udp:127.0.0.1")
        self.mine.resolverOf("udp:127.0.0.2")
        with self.assertRaisesRegex(CallerFault, "2 descriptions"):
            self.mine.resolverOf("udp:127.0.0.3")
        self.assertIs(self.mine.resolverOf("udp:127.0.0.1"), first)

    def test_others(self) -> None:
        """
        A resolver and a source are taken as they are; what is none is refused.
        """
        source = Fake()
        resolver = NamesResolver(source, self.mine.reactor)
        self.assertIs(self.mine.resolverOf(resolver), resolver)
        self.assertIs(self.mine.resolverOf(source).source, source)
        with self.assertRaises(BadDescription):
            self.mine.resolverOf("quipu:127.0.0.1")
        with self.assertRaises(CallerFault):
            self.mine.resolverOf(42)

    def test_otherReactor(self) -> None:
        """
        A resolver whose reactor this loop does not run would never answer: that is said.
        """
        other = new_event_loop()
        self.addCleanup(other.close)
        theirs = onLoop(other).resolverOf(None)
        with self.assertRaisesRegex(CallerFault, "another reactor"):
            self.mine.resolverOf(theirs)
