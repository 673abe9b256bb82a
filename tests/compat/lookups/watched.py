"""
The test case of the tests of watched names.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome
from twisted_ext.compat.lookups.watch import Watch
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.sources import CannedSource, Entry, answerOf, rrsetOf
from twisted_ext.watch.states import Change
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import SOA

__all__ = ["DENIED", "NAME", "WatchTestCase", "recordsWithTTL"]

NAME = "www.example.org"
DENIED = Answer(
    Outcome.NXDOMAIN, (), (rrsetOf(nameFromText("example.org"), SOA, "ns. mail. 1 2 3 4 29", 900),), rcode=3
)


def recordsWithTTL(ttl: int, *texts: str) -> Entry:
    """
    Return records with this TTL.
    """
    return lambda question: answerOf(question, texts, ttl)


class WatchTestCase(SynchronousTestCase):
    """
    A zone that changes, and a list of the recorded changes.
    """

    def setUp(self) -> None:
        """
        Start with one record.
        """
        self.clock = Clock()
        self.source = CannedSource({(NAME, "A"): recordsWithTTL(59, "192.0.2.1")})
        self.resolver = NamesResolver(self.source, self.clock)
        self.recorded: list[str] = []

    def setRecord(self, entry: Entry) -> None:
        """
        Change the record.
        """
        self.source.set(NAME, "A", entry)

    def advance(self, seconds: float) -> None:
        """
        Advance the clock, a second at a time.
        """
        for _ in range(int(seconds)):
            self.clock.advance(1)

    def newWatch(self, resolver: object = None, interval: float | None = None, raising: bool = False) -> Watch:
        """
        Return a watch without random delays.
        """
        return Watch(
            NAME, resolver=resolver or self.resolver, interval=interval, raising=raising, draw=lambda: 0.0
        )

    def record(self, watch: Watch) -> Deferred[None]:
        """
        Record all changes.
        """

        async def recordChanges() -> None:
            async for change in watch:
                self.recorded.append(str(change))

        return Deferred.fromCoroutine(recordChanges())

    def nextChange(self, watch: Watch) -> Deferred[Change]:
        """
        Wait for the next change.
        """
        return Deferred.fromCoroutine(watch.__anext__())
