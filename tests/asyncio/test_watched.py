"""
Tests of watching and waiting for records on asyncio.
"""

from __future__ import annotations

import asyncio

from tests.asyncio.looped import ADDRESS, HOST, LoopTests, known
from twisted_ext import asyncio as looping
from twisted_ext.compat.conversion.errors import DNSQueryTimeoutError

__all__: list[str] = []


class WatchingTests(LoopTests):
    """
    Tests of watching and waiting, as far as they involve the loop.
    """

    def test_firstChangeHasTheRecords(self) -> None:
        """
        The first change has the current records, and a watch can end after it.
        """

        async def main() -> None:
            changes = looping.watch(HOST, resolver=known(now=False))
            change = await anext(changes)
            self.assertIsNone(change.before)
            self.assertIn(ADDRESS, str(change.after))
            await changes.aclose()
            # No timer is left.
            self.assertEqual(looping.reactorFor().getDelayedCalls(), [])

        self.run_(main())

    def test_watchContinuesAfterTimeout(self) -> None:
        """
        A wait that times out ends, at any stage, and the next one continues.
        """
        source = known(now=False)

        async def main() -> None:
            async with looping.watch(HOST, resolver=source, interval=0.1) as changes:
                await anext(changes)
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(changes), 0.01)
                source.held = True
                asked = len(source.asked)
                waiting = asyncio.ensure_future(anext(changes))
                while len(source.asked) == asked:
                    await asyncio.sleep(0.01)
                waiting.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await waiting
                source.held = False
                source.addresses(HOST, "192.0.2.2")
                change = await anext(changes)
                self.assertEqual(str(change), f"192.0.2.2 (was {ADDRESS})")
            with self.assertRaises(StopAsyncIteration):
                await anext(changes)

        self.run_(main())
        self.assertEqual(len(source.cancelled), 1)

    def test_changeDuringCancelIsNotLost(self) -> None:
        """
        A change that arrives in the same turn as a cancellation goes to the next wait.
        """
        source = known(now=False, held=True)

        async def main() -> None:
            changes = looping.watch(HOST, resolver=source)
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)
            source.release("A")
            waiting.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await waiting
            self.assertIsNone(changes.state)
            self.assertEqual((await anext(changes)).texts, (ADDRESS,))

        self.run_(main())
        self.assertEqual(len(source.asked), 1)

    def test_closeEndsPendingWaits(self) -> None:
        """
        Closing a watch ends pending waits.
        """

        async def main() -> list[object]:
            changes = looping.watch(HOST, resolver=known(now=False, held=True))

            async def follow() -> list[object]:
                return [change async for change in changes]

            following = asyncio.ensure_future(follow())
            await asyncio.sleep(0)
            await changes.aclose()
            return await following

        self.assertEqual(self.run_(main()), [])

    def test_cancelLeavesNoTimer(self) -> None:
        """
        Canceling a wait leaves no timer.
        """

        async def main() -> None:
            async def follow() -> None:
                async for _ in looping.watch(HOST, resolver=known(now=False)):
                    pass

            following = asyncio.ensure_future(follow())
            while not looping.reactorFor().getDelayedCalls():
                await asyncio.sleep(0)
            following.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await following
            self.assertEqual(looping.reactorFor().getDelayedCalls(), [])

        self.run_(main())

    def test_waitForReturnsTheResult(self) -> None:
        """
        C{waitFor} returns the result of the look-up, with one server or several.
        """

        async def main() -> None:
            for resolver in (known(now=False), [known(now=False), known(now=False)]):
                answers, _, _ = await looping.waitFor(HOST, "A", lambda texts: ADDRESS in texts, timeout=60, resolver=resolver)
                self.assertEqual(len(answers), 1)

        self.run_(main())

    def test_waitForTimesOut(self) -> None:
        """
        C{waitFor} fails at its timeout.
        """

        async def main() -> None:
            with self.assertRaises(DNSQueryTimeoutError):
                await looping.waitFor(HOST, "A", lambda texts: False, timeout=0.01, resolver=known(now=False))

        self.run_(main())
