"""
Tests of L{looping.install}.
"""

from __future__ import annotations

import asyncio
import socket
from itertools import permutations
from typing import cast

from tests.asyncio.looped import ADDRESS, FOUND, HOST, LoopTests, known
from tests.compat.fakes import Fake
from twisted_ext import asyncio as looping
from twisted_ext.asyncio.loops import onLoop
from twisted_ext.errors import BadDescription

__all__: list[str] = []


class InstallTests(LoopTests):
    """
    Tests of L{looping.install}.
    """

    def test_installReplacesLoopMethods(self) -> None:
        """
        The loop's own methods use the resolver until the install is undone.
        """

        async def main() -> None:
            loop = asyncio.get_running_loop()
            before = set(vars(loop))
            undo = looping.install(resolver=known())
            self.assertEqual(await loop.getaddrinfo(HOST, 443, type=socket.SOCK_STREAM), FOUND)
            self.assertEqual(await loop.getnameinfo((ADDRESS, 443), socket.NI_NUMERICSERV), ("www.example", "443"))
            undo()
            undo()
            self.assertEqual(set(vars(loop)) - before, {"close", "_twisted_ext"})

        self.run_(main())

    def test_undoRestoresPreviousResolver(self) -> None:
        """
        Undoing restores the resolver that was installed before.
        """

        async def main() -> None:
            loop = asyncio.get_running_loop()
            first, second = known(), known()
            looping.install(loop, first)
            undoSecond = looping.install(loop, second)
            await loop.getaddrinfo(HOST, 443)
            self.assertEqual((len(first.asked), bool(second.asked)), (0, True))
            undoSecond()
            await loop.getaddrinfo(HOST, 443)
            self.assertTrue(first.asked)

        self.run_(main())

    def test_installsUndoInAnyOrder(self) -> None:
        """
        Several installs can be undone in any order: each removes itself only, and none comes back.
        """
        foreign = object()
        for order in permutations(range(3)):
            loop = asyncio.new_event_loop()
            vars(loop)["getnameinfo"] = foreign
            sources = [known() for _ in order]
            undos = [looping.install(loop, source) for source in sources]
            for undone, which in enumerate(order, 1):
                undos[which]()
                undos[which]()
                left = [each for each in range(3) if each not in order[:undone]]
                if left:
                    asked = [len(source.asked) for source in sources]
                    loop.run_until_complete(loop.getaddrinfo(HOST, 443))
                    top = [each for each, source in enumerate(sources) if len(source.asked) > asked[each]]
                    self.assertEqual(top, left[-1:])
            self.assertNotIn("getaddrinfo", vars(loop))
            self.assertIs(vars(loop)["getnameinfo"], foreign)
            self.assertEqual([slot._layers for slot in onLoop(loop)._slots.values()], [[], []])
            loop.close()

    def test_undoLeavesForeignMethods(self) -> None:
        """
        Undoing leaves a method alone that other code has replaced since.
        """
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        undo = looping.install(loop, known())
        foreign = object()
        vars(loop)["getaddrinfo"] = foreign
        undo()
        self.assertIs(vars(loop)["getaddrinfo"], foreign)

    def test_installOnStoppedLoop(self) -> None:
        """
        A resolver can be installed on a loop that does not run yet.
        """
        loop = asyncio.new_event_loop()
        looping.install(loop, known())
        found = loop.run_until_complete(loop.getaddrinfo(HOST, 443, type=socket.SOCK_STREAM))
        loop.close()
        self.assertEqual(cast(object, found), FOUND)

    def test_connectionsByNameUseTheResolver(self) -> None:
        """
        Connections by name use the resolver.
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

    def test_invalidResolverIsRefused(self) -> None:
        """
        An invalid resolver is refused at the time of the install.
        """

        async def main() -> None:
            with self.assertRaises(BadDescription):
                looping.install(resolver="quipu:")

        self.run_(main())
