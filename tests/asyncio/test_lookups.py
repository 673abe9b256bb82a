"""
Tests of the look-ups for programs on asyncio.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine
from typing import Self, cast

from twisted.internet.defer import Deferred, fail, succeed

from tests.asyncio.looped import ADDRESS, FOUND, HOST, LoopTests, known
from tests.test_architecture import ROOT
from twisted_ext import asyncio as looping
from twisted_ext import client
from twisted_ext.asyncio.loops import onLoop
from twisted_ext.compat.conversion.errors import DNSNameError, LookupFailed
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription, BadName, BadRecord, CallerFault, TimedOut, WrongType
from twisted_ext.testing.sources import CannedSource, HeldSource
from twisted_ext.wire.rdata.types.names import MX

__all__: list[str] = []


class GetaddrinfoTests(LoopTests):
    """
    Tests of the two coroutines.
    """

    def test_getaddrinfoEqualsTheLoops(self) -> None:
        """
        C{getaddrinfo} returns what C{loop.getaddrinfo} returns, for immediate and late answers.
        """
        for source in (known(), known(now=False)):
            main = looping.getaddrinfo(HOST, 443, type=socket.SOCK_STREAM, resolver=source)
            self.assertEqual(self.run_(main), FOUND)

    def test_getnameinfoEqualsTheLoops(self) -> None:
        """
        C{getnameinfo} returns what C{loop.getnameinfo} returns, for immediate and late answers.
        """
        for source in (known(), known(now=False)):
            main = looping.getnameinfo((ADDRESS, 443), socket.NI_NUMERICSERV, resolver=source)
            self.assertEqual(self.run_(main), ("www.example", "443"))

    def test_immediateAnswerNeedsNoLoopTurn(self) -> None:
        """
        An immediate answer does not wait for the loop's next turn.
        """

        async def main() -> object:
            asked = looping.getaddrinfo(HOST, 443, type=socket.SOCK_STREAM, resolver=known())
            try:
                asked.send(None)
            except StopIteration as ended:
                return ended.value
            return None

        self.assertEqual(self.run_(main()), FOUND)

    def test_errorsFollowSocket(self) -> None:
        """
        A failed look-up raises the exception and code of C{socket}; an invalid resolver raises at once.
        """
        source = known(now=False)
        for mnemonic in ("A", "AAAA"):
            source.knows("slow.example.", mnemonic, TimedOut("too late"))
        for name, code in (("gone.example.", socket.EAI_NONAME), ("slow.example.", socket.EAI_AGAIN)):
            with self.assertRaises(socket.gaierror) as caught:
                self.run_(looping.getaddrinfo(name, 443, resolver=source))
            self.assertEqual(caught.exception.errno, code)
        with self.assertRaises(CallerFault):
            self.run_(looping.getaddrinfo(HOST, 443, resolver=42))
        with self.assertRaises(BadDescription):
            self.run_(looping.getnameinfo((ADDRESS, 443), resolver="quipu:"))

    def test_cancelReachesTheSource(self) -> None:
        """
        Canceling the coroutine cancels the look-up at once.
        """
        source = known(now=False, held=True)

        async def main() -> None:
            asking = asyncio.ensure_future(looping.getaddrinfo(HOST, 443, resolver=source))
            await asyncio.sleep(0)
            self.assertEqual(len(source.asked), 2)
            asking.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await asking
            self.assertEqual(len(source.cancelled), 2)

        self.run_(main())

    def test_asyncioTimeoutEndsTheLookup(self) -> None:
        """
        A timeout of asyncio ends the look-up.
        """
        source = known(now=False, held=True)

        async def main() -> None:
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(looping.getaddrinfo(HOST, 443, resolver=source), 0.01)

        self.run_(main())
        self.assertEqual(len(source.cancelled), 2)

    def test_resolverOfAnotherLoopIsRefused(self) -> None:
        """
        A resolver of another loop is refused with the reason, as it would never answer.
        """
        other = asyncio.new_event_loop()
        self.addCleanup(other.close)
        foreign = NamesResolver(known(), onLoop(other).reactor)


        async def main() -> None:
            with self.assertRaisesRegex(CallerFault, "another reactor"):
                await looping.getaddrinfo(HOST, 443, resolver=foreign)
            with self.assertRaisesRegex(CallerFault, "another reactor"):
                await looping.waitFor(HOST, resolver=[known(), foreign])
            for refusing in (looping.watch, looping.install, looping.getResolver):
                with self.assertRaisesRegex(CallerFault, "another reactor"):
                    cast("Callable[..., object]", refusing)(*([HOST] if refusing is looping.watch else []), resolver=foreign)

        self.run_(main())


class DeferredNumbers:
    """
    An asynchronous iterator of numbers from Deferreds.
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
        Count the calls.
        """
        self.closed += 1


class WaitingTests(LoopTests):
    """
    Tests of the conversions from Deferreds to awaitables.
    """

    def test_asFutureKeepsOutcome(self) -> None:
        """
        A future has the result or the error of its Deferred, and canceling it cancels the Deferred.
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

    def test_documentedAwaitErrorIsReal(self) -> None:
        """
        The page on asyncio quotes the error of a plain await on a pending Deferred exactly. A fired Deferred can be awaited.
        """

        async def main() -> None:
            resolver = looping.getResolver("special")
            self.assertEqual(len(await client.getaddrinfo("192.0.2.1", 443, type=socket.SOCK_STREAM, resolver=resolver)), 1)
            waiting = NamesResolver(HeldSource(), looping.reactorFor())
            asked = client.getaddrinfo(HOST, 443, resolver=waiting)
            with self.assertRaises(RuntimeError) as raised:
                await asked
            message, _, _ = str(raised.exception).partition(" at 0x")
            page = (ROOT / "docs" / "howto" / "asyncio.rst").read_text("utf-8")
            self.assertIn(f"``RuntimeError: {message} at 0x...>``", page)
            asked.addErrback(lambda failure: None)
            asked.cancel()
            await waiting.close()

        self.run_(main())

    def test_closedLoopCancelsFutures(self) -> None:
        """
        Closing a loop cancels pending futures without messages about unretrieved errors.
        """
        loop = asyncio.new_event_loop()
        messages: list[object] = []
        loop.set_exception_handler(lambda _, context: messages.append(context["message"]))
        mine = onLoop(loop)
        mine.own = resolver = NamesResolver(HeldSource(), mine.reactor)
        future = looping.asFuture(resolver.lookupAddress(HOST), loop)
        loop.close()
        self.assertTrue(future.cancelled())
        del future
        gc.collect()
        self.assertEqual(messages, [])

    def test_wrongArgumentsOfResolve(self) -> None:
        """
        C{resolve} refuses each argument that is not valid with an error that says which is.
        """
        resolve: Callable[..., Coroutine[object, object, object]] = looping.resolve
        for words, options, kind, said in (
            ((5,), {}, WrongType, "^5 is not a name; write it as text$"),
            ((None,), {}, WrongType, "^None is not a name; write it as text$"),
            (("a..b",), {}, BadName, "a label is empty"),
            ((HOST, 2.5), {}, WrongType, "2.5 is not a record type"),
            ((HOST, "NONE"), {}, BadRecord, "'NONE' is not a record type"),
            ((HOST,), {"resolver": "foo:"}, BadDescription, "there is no prefix 'foo'"),
            ((HOST,), {"resolver": 5}, WrongType, "5 is not a resolver"),
        ):
            with self.assertRaisesRegex(kind, said):
                self.run_(resolve(*words, **{"resolver": known(), **options}))

    def test_resolverForOtherLookups(self) -> None:
        """
        The loop's resolver offers all other look-ups.
        """

        async def main() -> object:
            resolver = looping.getResolver(known(now=False))
            return await looping.asFuture(resolver.getHostByName(HOST))

        self.assertEqual(self.run_(main()), ADDRESS)

    def test_iteratedYieldsAndCloses(self) -> None:
        """
        C{iterated} yields all items and closes the iterator.
        """
        numbers = DeferredNumbers(succeed(1), succeed(2))

        async def main() -> list[int]:
            return [number async for number in looping.iterated(numbers)]

        self.assertEqual(self.run_(main()), [1, 2])
        self.assertEqual(numbers.closed, 1)

    def test_iteratedClosesOnErrorAndBreak(self) -> None:
        """
        C{iterated} closes the iterator after an error and after an early end.
        """
        failing = DeferredNumbers(succeed(1), cast("Deferred[int]", fail(ZeroDivisionError())))
        enough = DeferredNumbers(succeed(1), succeed(2))

        async def main() -> None:
            with self.assertRaises(ZeroDivisionError):
                async for _ in looping.iterated(failing):
                    pass
            items = looping.iterated(enough)
            self.assertEqual(await anext(items), 1)
            await items.aclose()

        self.run_(main())
        self.assertEqual((failing.closed, enough.closed, len(enough.results)), (1, 1, 1))

    def test_iteratedCancelsTheDeferred(self) -> None:
        """
        Canceling C{iterated} cancels the pending Deferred.
        """
        cancelled: list[object] = []
        numbers = DeferredNumbers(cast("Deferred[int]", Deferred(cancelled.append)))

        async def consume() -> None:
            async for _ in looping.iterated(numbers):
                pass

        async def main() -> None:
            consuming = asyncio.ensure_future(consume())
            await asyncio.sleep(0)
            consuming.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await consuming

        self.run_(main())
        self.assertEqual((len(cancelled), numbers.closed), (1, 1))


class ResolverTests(LoopTests):
    """
    Tests of the resolver for aiohttp.
    """

    def test_resolveReturnsAiohttpRows(self) -> None:
        """
        Addresses come in the form of aiohttp, for any port, and for both families on request.
        """
        source = known()
        source.addresses("both.example.", ADDRESS, "2001:db8::1")

        async def main() -> None:
            resolver = looping.Resolver(source)
            (found,) = await resolver.resolve(HOST, 443)
            flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            self.assertEqual(
                found,
                {
                    "hostname": HOST,
                    "host": ADDRESS,
                    "port": 443,
                    "family": socket.AF_INET,
                    "proto": 6,
                    "flags": flags,
                },
            )
            await resolver.close()
            for family in (socket.AF_INET, socket.AF_UNSPEC):
                hosts = [each["host"] for each in await resolver.resolve("both.example.", 443, family)]
                self.assertIn(ADDRESS, hosts)

        self.run_(main())

    def test_scopeIsKept(self) -> None:
        """
        A link-local address keeps its scope, which it needs.
        """
        (found,) = self.run_(looping.Resolver(known()).resolve("fe80::1%1", 443, socket.AF_INET6))
        self.assertEqual(found["host"], "fe80::1%1")

    def test_failureIsAnOSError(self) -> None:
        """
        A failed look-up is an L{OSError}, as aiohttp expects.
        """
        with self.assertRaises(OSError):
            self.run_(looping.Resolver(known()).resolve("gone.example.", 443))


class ResolveTests(LoopTests):
    """
    Tests of L{looping.resolve}.
    """

    def source(self) -> CannedSource:
        """
        Return a source with an alias.
        """
        return CannedSource(
            {
                ("mail.example", "MX"): ["10 a.example.", "20 b.example."],
                ("www.example", "CNAME"): "a.example.",
                ("a.example", "A"): "192.0.2.1",
            },
            otherwise=[],
        )

    def test_records(self) -> None:
        """
        One line gives records that have their fields and show their data, and their texts.
        """
        found = self.run_(looping.resolve("mail.example", "MX", resolver=self.source()))
        self.assertEqual(repr(found), "[<MX 10 a.example.>, <MX 20 b.example.>]")
        self.assertEqual([record.preference for record in found if isinstance(record, MX)], [10, 20])
        self.assertEqual((found.texts, found.name), (["10 a.example.", "20 b.example."], "mail.example."))
        self.assertEqual(len(found.result[0]), 2)
        self.assertEqual(self.run_(looping.resolve("a.example", resolver=self.source())).texts, ["192.0.2.1"])

    def test_denials(self) -> None:
        """
        A name without records of the type gives none; one that does not exist is an error, as is a type that does not exist.
        """
        self.assertEqual(self.run_(looping.resolve("a.example", "TXT", resolver=self.source())), [])
        missing = CannedSource({}, otherwise=None)
        with self.assertRaises((DNSNameError, LookupFailed)):
            self.run_(looping.resolve("nx.example", resolver=missing))
        with self.assertRaises(ValueError):
            self.run_(looping.resolve("a.example", "NOSUCH", resolver=self.source()))
