"""
Tests of clients and live queries of several workers.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.server.operations.seeing import objectIn
from twisted_ext.errors import TimedOut
from twisted_ext.metrics.activity import LiveQueries, LiveQuery
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.operations.table import clientsOf
from twisted_ext.server.process.sharedactivity import SharedActivity
from twisted_ext.server.process.worker import Worker


class FakeWorker:
    """
    A worker with a live list.
    """

    def __init__(self) -> None:
        self.shown = 0
        self.live: LiveQueries | None = LiveQueries()
        self.held: list[Deferred[JSON]] | None = None

    def add(self, at: float, name: str) -> None:
        """
        Add a query.
        """
        assert self.live is not None
        self.live.add(LiveQuery(at, "192.0.2.1", "udp", name, "A", "NOERROR", "cached"))

    def ask(self, do: str, *, after: int) -> Deferred[JSON]:
        """
        Reply as a worker does.
        """
        found: dict[str, JSON] = {"shown": False} if self.live is None else {"shown": True, **self.live.after(after)}
        if self.held is None:
            return succeed(found)
        waiting: Deferred[JSON] = Deferred()
        waiting.addCallback(lambda _: found)
        self.held.append(waiting)
        return waiting


class SharedTests(SynchronousTestCase):
    """
    Tests for L{SharedActivity}.
    """

    def setUp(self) -> None:
        self.one, self.other = FakeWorker(), FakeWorker()
        self.shared = SharedActivity()

    def look(self, after: int = 0) -> Deferred[dict[str, JSON]]:
        """
        Ask for the queries.
        """
        return self.shared.queries(cast("list[Worker]", [self.one, self.other]), after, 0.0)

    def namesAfter(self, after: int = 0) -> list[str]:
        """
        Return the names of the queries.
        """
        return self.namesIn(self.successResultOf(self.look(after)))

    def namesIn(self, found: dict[str, JSON]) -> list[str]:
        """
        Return the names in a reply.
        """
        return [str(objectIn(query)["name"]) for query in cast("list[JSON]", found["queries"])]

    def test_queriesAreInOrderOfTime(self) -> None:
        """
        The queries of all workers are in the order of their times, with one sequence of numbers.
        """
        self.one.add(1.0, "a.")
        self.one.add(3.0, "c.")
        self.other.add(2.0, "b.")
        self.assertEqual(self.namesAfter(), ["a.", "b.", "c."])
        self.other.add(4.0, "d.")
        self.assertEqual(self.namesAfter(3), ["d."])
        self.assertEqual(self.namesAfter(0), ["a.", "b.", "c.", "d."])

    def test_twoReadersAtOnceGetEachQueryOnce(self) -> None:
        """
        Requests that overlap do not double the queries.
        """
        self.one.add(1.0, "a.")
        self.one.held = []
        first, second = self.look(), self.look()
        for waiting in self.one.held:
            waiting.callback(None)
        self.successResultOf(first)
        self.assertEqual(self.namesIn(self.successResultOf(second)), ["a."])

    def test_listThatBeganAnewIsTaken(self) -> None:
        """
        After a worker has begun its list anew, its queries appear.
        """
        for name in ("a.", "b.", "c."):
            self.one.add(1.0, name)
        self.namesAfter()
        self.one.live = LiveQueries()
        self.one.add(2.0, "d.")
        self.assertEqual(self.namesAfter(3), ["d."])

    def test_silentWorkerIsLeftOut(self) -> None:
        """
        A worker that does not reply in time delays nothing; if no worker shows queries, none are shown.
        """
        self.other.add(1.0, "a.")
        self.patch(self.one, "ask", lambda do, after: fail(TimedOut("worker")))
        self.assertEqual(self.namesAfter(), ["a."])
        self.other.live = None
        self.assertEqual(self.successResultOf(self.look()), {"shown": False})

    def test_clientsAreAddedUp(self) -> None:
        """
        The queries of a client are those of all workers, and it was last seen by the one that saw it last.
        """
        said: list[JSON] = [
            {
                "shown": True,
                "total": 10,
                "clients": [{"client": "a", "queries": 4, "seen": 5.0}, {"client": "b", "queries": 6, "seen": 1.0}],
            },
            {"shown": True, "total": 7, "clients": [{"client": "a", "host": "tablet.lan", "queries": 7, "seen": 3.0}]},
        ]
        self.assertEqual(
            clientsOf(said),
            {
                "shown": True,
                "total": 17,
                "clients": [
                    {"client": "a", "host": "tablet.lan", "queries": 11, "seen": 5.0},
                    {"client": "b", "queries": 6, "seen": 1.0},
                ],
            },
        )
        self.assertEqual(clientsOf([{"shown": False}]), {"shown": False})
        # That of workers that have just begun is not that they are not shown.
        self.assertEqual(clientsOf([]), {"shown": True, "total": 0, "clients": [], "names": []})

    def test_namesAreMerged(self) -> None:
        """
        The latest names of a client come from all workers, each once, the newest first.
        """
        said: list[JSON] = [
            {
                "shown": True,
                "client": "192.0.2.1",
                "names": [{"name": "a.", "type": "A", "seen": 5.0}, {"name": "b.", "type": "A", "seen": 2.0}],
            },
            {"shown": True, "client": "192.0.2.1", "names": [{"name": "b.", "type": "A", "seen": 9.0}]},
        ]
        names = cast("list[JSON]", clientsOf(said)["names"])
        self.assertEqual([(objectIn(each)["name"], objectIn(each)["seen"]) for each in names], [("b.", 9.0), ("a.", 5.0)])
