"""
Pain 4: no total deadline. A look-up took a minute, and the caller's timeout did not apply to aliases and TCP (Twisted #2336 and #8033).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from twisted.internet.defer import Deferred, TimeoutError
from twisted.names.error import DNSServerError
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.pains.stock import stockResolver
from twisted_ext.answers import QueryContext
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.forward.lookup import ForwardedLookup
from twisted_ext.resolver.forward.nextstep import Came
from twisted_ext.resolver.system.configured import System
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.records import RRSet

_Result = TypeVar("_Result")

#: The caller's timeout.
SECONDS = 2


def alias(question: Question) -> list[RRSet]:
    """
    Return an alias from each name to the next only, so that we have to follow it.
    """
    number = int(nameToText(question.name).partition(".")[0][1:])
    return [rrsetOf(question.name, 5, f"a{number + 1}.example.", 60)]


def bare(reply: bytes, transport: str) -> list[bytes]:
    """
    Return the reply without its authority section, as from a server that does not know the targets of its aliases.
    """
    message = Message.fromWire(reply)
    return [buildMessage(Message(message.id, message.flags, message.questions, message.answer))]


class DeadlineTests(SynchronousTestCase):
    """
    Slow servers.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor("192.0.2.7")
        self.server = CannedServer(otherwise=alias)
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)
        self.stock = stockResolver(self.here, ("192.0.2.53", 53))

    def lasts(self, begin: Callable[[], Deferred[_Result]], most: float = 120) -> float:
        """
        Return the seconds until a look-up fails.
        """
        began = self.here.seconds()
        over: list[float] = []
        looking = begin()

        def note(result: _Result | Failure) -> _Result | Failure:
            over.append(self.here.seconds())
            return result

        looking.addBoth(note)
        while not over and self.here.seconds() < began + most:
            self.network.advance(0.05)
        self.failureResultOf(looking, TimeoutError, DNSServerError)
        return round(over[0] - began, 1)

    def test_deadlineCoversAliases(self) -> None:
        """
        Each alias takes half a second, and all together take no longer than the caller's timeout.
        """
        self.server.delay = 0.5
        self.server.tamper = bare
        self.assertEqual(self.lasts(lambda: self.resolver.getHostByName("a0.example", SECONDS)), SECONDS)

        # With a deadline for each step, the look-up would take longer.
        asTold = QueryContext.but

        def anew(context: QueryContext, *, deadline: float | None = None, relative: bool | None = None) -> QueryContext:
            return asTold(context, deadline=deadline if relative is None else self.here.seconds() + SECONDS)

        self.patch(QueryContext, "but", anew)
        looking = self.resolver.getHostByName("a0.example", SECONDS)
        self.network.advance(SECONDS + 1)
        self.assertNoResult(looking)
        looking.addErrback(lambda _: None)
        looking.cancel()

    def test_deadlineCoversTCP(self) -> None:
        """
        TCP gets the remaining time after a truncated reply. With ten seconds of its own, as in Twisted, it would take them.
        """
        self.server.truncating = True
        self.server.silentTo = "tcp"
        self.server.delay = 0.3
        self.assertEqual(self.lasts(lambda: self.resolver.lookupAddress("a0.example", SECONDS)), SECONDS)
        self.assertEqual([asked.transport for asked in self.server.asked], ["udp", "tcp"])
        asTold = ForwardedLookup._byStream

        def asBefore(flight: ForwardedLookup, index: int, now: float, because: Came | None) -> None:
            flight.context = QueryContext(now + 10)
            asTold(flight, index, now, because)

        self.patch(ForwardedLookup, "_byStream", asBefore)
        # No other part may check the time either.
        self.patch(CoalescingSource, "ask", lambda coalescing, question, context: coalescing._inner.ask(question, context))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)
        self.assertGreater(self.lasts(lambda: self.resolver.lookupAddress("a0.example", SECONDS)), 10)

    def test_silenceEndsAfterFiveSeconds(self) -> None:
        """
        A look-up without any reply takes five seconds, with one server and with several. A sequence of timeouts takes their sum. Twisted
        takes a minute.
        """
        self.server.silent = True
        self.assertEqual(self.lasts(lambda: self.resolver.lookupAddress("a0.example")), 5)
        self.assertEqual(self.lasts(lambda: self.resolver.lookupAddress("a0.example", (0.5, 1))), 1.5)
        many = Resolver(servers=[("192.0.2.53", 53), ("192.0.2.54", 53), ("192.0.2.55", 53)], reactor=self.here)
        self.assertEqual(self.lasts(lambda: many.lookupAddress("a0.example")), 5)
        self.assertEqual(self.lasts(lambda: self.stock.lookupAddress("a0.example")), 60)

    def test_withoutDeadlineLookupNeverEnds(self) -> None:
        """
        If the deadline were not checked while a server is silent, the look-up would never end.
        """
        self.server.silent = True

        def patient(flight: ForwardedLookup, now: float) -> None:
            flight.due = now + 1

        self.patch(ForwardedLookup, "overdue", patient)
        looking = self.resolver.lookupAddress("a0.example")
        self.network.advance(600)
        self.assertNoResult(looking)
        looking.addErrback(lambda _: None)
        looking.cancel()

    def test_oneDeadlineForAllSources(self) -> None:
        """
        One deadline applies to everything behind a resolver: hosts, search list, cache, several servers.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "resolv.conf").write_text("nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch one.example two.example\n")
        self.server.silent = True
        system = NamesResolver(System(self.here, str(folder / "resolv.conf"), os.devnull, environment={}), self.here)
        self.assertEqual(self.lasts(lambda: system.lookupAddress("www", SECONDS)), SECONDS)
        self.assertEqual(self.here.pending(), [])
        self.assertEqual(nameToText(self.server.asked[0].question.name), "www.one.example.")
