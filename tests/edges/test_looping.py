"""
Tests of what programs on asyncio use.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Self, TypeVar, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.edges.fakes import Fake, data, denied, rrset
from twisted_ext.edges import looping
from twisted_ext.edges.codes import DNSQueryTimeoutError
from twisted_ext.edges.loops import onLoop
from twisted_ext.edges.names import NamesResolver
from twisted_ext.errors import BadDescription, CallerFault, TimedOut
from twisted_ext.testing.sources import HeldSource

__all__: list[str] = []

T = TypeVar("T")

_HOST = "www.example."
_ADDRESS = "192.0.2.1"

#: What the host has, for streams.
_FOUND = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (_ADDRESS, 443))]


def known(*, now: bool = True, held: bool = False) -> Fake:
    """
    @return: a source that knows the host, both ways.
    """
    source = Fake(now=now, held=held)
    source.addresses(_HOST, _ADDRESS)
    source.knows("1.2.0.192.in-addr.arpa", "PTR", data(rrset("1.2.0.192.in-addr.arpa", "PTR", _HOST)))
    source.knows("gone.example.", "A", denied())
    source.knows("gone.example.", "AAAA", denied())
    return source


class LoopTests(SynchronousTestCase):
    """
    What the tests share: a loop that runs one coroutine.
    """

    def run_(self, main: Coroutine[Any, Any, T]) -> T:
        """
        Run it in debug mode, so that asyncio tells what it does not like.
        """
        return asyncio.run(main, debug=True)


class GetaddrinfoTests(LoopTests):
    """
    Tests of the two coroutines.
    """

    def test_addresses(self) -> None:
        """
        The coroutine gives what C{loop.getaddrinfo} does, be it at hand or not.
        """
        for source in (known(), known(now=False)):
            main = looping.getaddrinfo(_HOST, 443, type=socket.SOCK_STREAM, resolver=source)
            self.assertEqual(self.run_(main), _FOUND)

    def test_names(self) -> None:
        """
        So does the other one, in the other direction.
        """
        for source in (known(), known(now=False)):
            main = looping.getnameinfo((_ADDRESS, 443), socket.NI_NUMERICSERV, resolver=source)
            self.assertEqual(self.run_(main), ("www.example", "443"))

    def test_atOnce(self) -> None:
        """
        What is at hand does not wait for the loop's next turn.
        """

        async def main() -> object:
            asked = looping.getaddrinfo(_HOST, 443, type=socket.SOCK_STREAM, resolver=known())
            try:
                asked.send(None)
            except StopIteration as ended:
                return ended.value
            return None

        self.assertEqual(self.run_(main()), _FOUND)

    def test_errors(self) -> None:
        """
        What cannot be found is said as C{socket} says it, by its number; what is no resolver, at once.
        """
        source = known(now=False)
        for mnemonic in ("A", "AAAA"):
            source.knows("slow.example.", mnemonic, TimedOut("too late"))
        for name, code in (("gone.example.", socket.EAI_NONAME), ("slow.example.", socket.EAI_AGAIN)):
            with self.assertRaises(socket.gaierror) as caught:
                self.run_(looping.getaddrinfo(name, 443, resolver=source))
            self.assertEqual(caught.exception.errno, code)
        with self.assertRaises(CallerFault):
            self.run_(looping.getaddrinfo(_HOST, 443, resolver=42))
        with self.assertRaises(BadDescription):
            self.run_(looping.getnameinfo((_ADDRESS, 443), resolver="quipu:"))

    def test_cancelled(self) -> None:
        """
        Whoever cancels the coroutine cancels the look-up, at once.
        """
        source = known(now=False, held=True)

        async def main() -> None:
            asking = asyncio.ensure_future(looping.getaddrinfo(_HOST, 443, resolver=source))
            await asyncio.sleep(0)
            self.assertEqual(len(source.asked), 2)
            asking.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await asking
            self.assertEqual(len(source.cancelled), 2)

        self.run_(main())

    def test_timeout(self) -> None:
        """
        C{asyncio.timeout} ends a look-up, too.
        """
        source = known(now=False, held=True)

        async def main() -> None:
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(looping.getaddrinfo(_HOST, 443, resolver=source), 0.01)

        self.run_(main())
        self.assertEqual(len(source.cancelled), 2)

    def test_otherReactor(self) -> None:
        """
        A resolver of another loop is refused with a line that says why, where it would never answer.
        """
        other = asyncio.new_event_loop()
        self.addCleanup(other.close)
        theirs = NamesResolver(known(), onLoop(other).reactor)


        async def main() -> None:
            with self.assertRaisesRegex(CallerFault, "another reactor"):
                await looping.getaddrinfo(_HOST, 443, resolver=theirs)
            with self.assertRaisesRegex(CallerFault, "another reactor"):
                await looping.waitFor(_HOST, resolver=[known(), theirs])
            for refusing in (looping.watch, looping.install, looping.getResolver):
                with self.assertRaisesRegex(CallerFault, "another reactor"):
                    cast("Callable[..., object]", refusing)(*([_HOST] if refusing is looping.watch else []), resolver=theirs)

        self.run_(main())


class InstallTests(LoopTests):
    """
    Tests of L{looping.install}.
    """

    def test_install(self) -> None:
        """
        The loop's own methods are ours until that is undone, and then what they were.
        """

        async def main() -> None:
            loop = asyncio.get_running_loop()
            before = set(vars(loop))
            undo = looping.install(resolver=known())
            self.assertEqual(await loop.getaddrinfo(_HOST, 443, type=socket.SOCK_STREAM), _FOUND)
            self.assertEqual(await loop.getnameinfo((_ADDRESS, 443), socket.NI_NUMERICSERV), ("www.example", "443"))
            undo()
            undo()
            self.assertEqual(set(vars(loop)) - before, {"close", "_twisted_ext"})

        self.run_(main())

    def test_nested(self) -> None:
        """
        What was installed before comes back; what somebody has installed since stays.
        """

        async def main() -> None:
            loop = asyncio.get_running_loop()
            first, second = known(), known()
            undoFirst = looping.install(loop, first)
            undoSecond = looping.install(loop, second)
            undoFirst()
            await loop.getaddrinfo(_HOST, 443)
            self.assertEqual((len(first.asked), bool(second.asked)), (0, True))
            undoSecond()
            await loop.getaddrinfo(_HOST, 443)
            self.assertTrue(first.asked)

        self.run_(main())

    def test_before(self) -> None:
        """
        A loop that does not run yet will do: whoever starts somebody's program installs it there.
        """
        loop = asyncio.new_event_loop()
        looping.install(loop, known())
        found = loop.run_until_complete(loop.getaddrinfo(_HOST, 443, type=socket.SOCK_STREAM))
        loop.close()
        self.assertEqual(cast(object, found), _FOUND)

    def test_connects(self) -> None:
        """
        What connects by name asks us.
        """
        source = Fake()
        source.addresses("here.example.", "127.0.0.1")

        async def main() -> None:
            looping.install(resolver=source)

            async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"hello")
                writer.close()

            async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
                reader, writer = await asyncio.open_connection("here.example.", server.sockets[0].getsockname()[1])
                self.assertEqual(await reader.read(), b"hello")
                writer.close()
                await writer.wait_closed()

        self.run_(main())
        self.assertTrue(source.asked)

    def test_wrong(self) -> None:
        """
        What is wrong with a resolver is said when it is installed.
        """

        async def main() -> None:
            with self.assertRaises(BadDescription):
                looping.install(resolver="quipu:")

        self.run_(main())


class Ticking:
    """
    Numbers that come by Deferreds.
    """

    def __init__(self, *results: Deferred[int]) -> None:
        self.results = list(results)
        self.closed = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        if not self.results:
            raise StopAsyncIteration
        return await self.results.pop(0)

    async def aclose(self) -> None:
        """
        Count how often this is done.
        """
        self.closed += 1


class WaitingTests(LoopTests):
    """
    Tests of the ways from Deferreds to what can be awaited.
    """

    def test_asFuture(self) -> None:
        """
        A result is a result, an error an error, and cancelling goes through.
        """

        async def main() -> None:
            self.assertEqual(await looping.asFuture(succeed(1)), 1)
            with self.assertRaises(ZeroDivisionError):
                await looping.asFuture(cast("Deferred[int]", fail(ZeroDivisionError())))
            cancelled: list[object] = []
            future = looping.asFuture(cast("Deferred[int]", Deferred(cancelled.append)))
            future.cancel()
            await asyncio.sleep(0)
            self.assertEqual(len(cancelled), 1)

        self.run_(main())

    def test_closed(self) -> None:
        """
        Closing a loop on which somebody still waits ends what they wait for, and nobody complains of errors that nobody could see.
        """
        loop = asyncio.new_event_loop()
        told: list[object] = []
        loop.set_exception_handler(lambda _, context: told.append(context["message"]))
        mine = onLoop(loop)
        resolver = mine.keep(NamesResolver(HeldSource(), mine.reactor))
        future = looping.asFuture(resolver.lookupAddress(_HOST), loop)
        loop.close()
        self.assertTrue(future.cancelled())
        del future
        gc.collect()
        self.assertEqual(told, [])

    def test_resolver(self) -> None:
        """
        All other look-ups are to be had by the resolver of the loop.
        """

        async def main() -> object:
            resolver = looping.getResolver(known(now=False))
            return await looping.asFuture(resolver.getHostByName(_HOST))

        self.assertEqual(self.run_(main()), _ADDRESS)

    def test_iterated(self) -> None:
        """
        What comes by Deferreds is gone through until it ends, and closed.
        """
        ticking = Ticking(succeed(1), succeed(2))

        async def main() -> list[int]:
            return [number async for number in looping.iterated(ticking)]

        self.assertEqual(self.run_(main()), [1, 2])
        self.assertEqual(ticking.closed, 1)

    def test_iteratedError(self) -> None:
        """
        An error ends it, and so does whoever has had enough.
        """
        failing = Ticking(succeed(1), cast("Deferred[int]", fail(ZeroDivisionError())))
        enough = Ticking(succeed(1), succeed(2))

        async def main() -> None:
            with self.assertRaises(ZeroDivisionError):
                async for _ in looping.iterated(failing):
                    pass
            items = looping.iterated(enough)
            self.assertEqual(await anext(items), 1)
            await items.aclose()

        self.run_(main())
        self.assertEqual((failing.closed, enough.closed, len(enough.results)), (1, 1, 1))

    def test_iteratedCancelled(self) -> None:
        """
        Cancelling goes through to what is waited for.
        """
        cancelled: list[object] = []
        ticking = Ticking(cast("Deferred[int]", Deferred(cancelled.append)))

        async def consume() -> None:
            async for _ in looping.iterated(ticking):
                pass

        async def main() -> None:
            consuming = asyncio.ensure_future(consume())
            await asyncio.sleep(0)
            consuming.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await consuming

        self.run_(main())
        self.assertEqual((len(cancelled), ticking.closed), (1, 1))


class WatchingTests(LoopTests):
    """
    Tests of watching and waiting, as far as the loop has to do with it.
    """

    def test_watch(self) -> None:
        """
        The first change tells what there is; with that one may end.
        """

        async def main() -> None:
            changes = looping.watch(_HOST, resolver=known(now=False))
            change = await anext(changes)
            self.assertIsNone(change.before)
            self.assertIn(_ADDRESS, str(change.after))
            await changes.aclose()
            # Nobody looks again.
            self.assertEqual(looping.reactorFor().getDelayedCalls(), [])

        self.run_(main())

    def test_watchGoesOn(self) -> None:
        """
        A wait that takes too long ends, be it for the time to look again or for an answer, and the next one goes on where it was.
        """
        source = known(now=False)

        async def main() -> None:
            async with looping.watch(_HOST, resolver=source, interval=0.1) as changes:
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
                source.addresses(_HOST, "192.0.2.2")
                change = await anext(changes)
                self.assertEqual(str(change), f"192.0.2.2 (was {_ADDRESS})")
            with self.assertRaises(StopAsyncIteration):
                await anext(changes)

        self.run_(main())
        self.assertEqual(len(source.cancelled), 1)

    def test_watchCancelledTooLate(self) -> None:
        """
        A change that comes in the very turn in which whoever waits for it is cancelled is told to the next who waits.
        """
        source = known(now=False, held=True)

        async def main() -> None:
            changes = looping.watch(_HOST, resolver=source)
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(0)
            source.release("A")
            waiting.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await waiting
            self.assertIsNone(changes.state)
            self.assertEqual((await anext(changes)).texts, (_ADDRESS,))

        self.run_(main())
        self.assertEqual(len(source.asked), 1)

    def test_watchEnded(self) -> None:
        """
        Whoever ends it ends it for others who wait.
        """

        async def main() -> list[object]:
            changes = looping.watch(_HOST, resolver=known(now=False, held=True))

            async def follow() -> list[object]:
                return [change async for change in changes]

            following = asyncio.ensure_future(follow())
            await asyncio.sleep(0)
            await changes.aclose()
            return await following

        self.assertEqual(self.run_(main()), [])

    def test_watchCancelled(self) -> None:
        """
        Whoever waits for a change can be cancelled, which leaves no timer.
        """

        async def main() -> None:
            async def follow() -> None:
                async for _ in looping.watch(_HOST, resolver=known(now=False)):
                    pass

            following = asyncio.ensure_future(follow())
            while not looping.reactorFor().getDelayedCalls():
                await asyncio.sleep(0)
            following.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await following
            self.assertEqual(looping.reactorFor().getDelayedCalls(), [])

        self.run_(main())

    def test_waitFor(self) -> None:
        """
        Waiting gives the look-up that was waited for, of one server or of several.
        """

        async def main() -> None:
            for resolver in (known(now=False), [known(now=False), known(now=False)]):
                answers, _, _ = await looping.waitFor(_HOST, "A", lambda texts: _ADDRESS in texts, timeout=60, resolver=resolver)
                self.assertEqual(len(answers), 1)

        self.run_(main())

    def test_tooLate(self) -> None:
        """
        What does not come in time fails.
        """

        async def main() -> None:
            with self.assertRaises(DNSQueryTimeoutError):
                await looping.waitFor(_HOST, "A", lambda texts: False, timeout=0.01, resolver=known(now=False))

        self.run_(main())


class ResolverTests(LoopTests):
    """
    Tests of the resolver for aiohttp.
    """

    def test_resolve(self) -> None:
        """
        Addresses come in the form that aiohttp takes, for any port, and with both families if these are wanted.
        """
        source = known()
        source.addresses("both.example.", _ADDRESS, "2001:db8::1")

        async def main() -> None:
            resolver = looping.Resolver(source)
            (found,) = await resolver.resolve(_HOST, 443)
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            self.assertEqual(
                found,
                {
                    "hostname": _HOST,
                    "host": _ADDRESS,
                    "port": 443,
                    "family": socket.AF_INET,
                    "proto": 6,
                    "flags": flags,
                },
            )
            await resolver.close()
            for family in (socket.AF_INET, socket.AF_UNSPEC):
                hosts = [each["host"] for each in await resolver.resolve("both.example.", 443, family)]
                self.assertIn(_ADDRESS, hosts)

        self.run_(main())

    def test_scope(self) -> None:
        """
        An address of a link keeps its scope, without which it leads nowhere.
        """
        (found,) = self.run_(looping.Resolver(known()).resolve("fe80::1%1", 443, socket.AF_INET6))
        self.assertEqual(found["host"], "fe80::1%1")

    def test_fails(self) -> None:
        """
        What fails is an L{OSError}, for which aiohttp looks.
        """
        with self.assertRaises(OSError):
            self.run_(looping.Resolver(known()).resolve("gone.example.", 443))
