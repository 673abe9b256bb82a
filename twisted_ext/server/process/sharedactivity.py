"""
Merges the live lists of queries of workers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, gatherResults

from twisted_ext.metrics.activity import LiveQueries
from twisted_ext.metrics.figures import JSON

if TYPE_CHECKING:
    from twisted_ext.server.process.worker import Worker

__all__ = ["SharedActivity"]


class SharedActivity:
    """
    The live list of several workers. The parent takes from each worker what is new when a client of the parent asks.
    """

    def __init__(self) -> None:
        self._live = LiveQueries()
        self._taken: list[dict[str, JSON]] = []

    def look(self, now: float) -> None:
        """
        Forget the queries if nothing has asked for them for some seconds; the workers do so by themselves.
        """
        self._live.look(now)

    def queries(self, workers: Iterable[Worker], after: int, now: float) -> Deferred[dict[str, JSON]]:
        """
        Implement L{Operations.queries<twisted_ext.server.operations.operations.Operations>}.
        """
        self._live.watch(now)
        shown: list[bool] = []
        skipped: list[int] = []

        def took(value: JSON, worker: Worker) -> None:
            if not isinstance(value, dict) or not value.get("shown"):
                return
            shown.append(True)
            last, queries, count = value.get("next"), value.get("queries"), value.get("skipped")
            assert isinstance(last, int) and isinstance(queries, list) and isinstance(count, int)
            skipped.append(count)
            # Another request may have taken some of them meanwhile. Lower numbers come from a list that began anew.
            known = worker.shown if last >= worker.shown else 0
            for query in queries:
                if isinstance(query, dict) and _numberOf(query) > known:
                    self._taken.append(query)
            worker.shown = last

        def done(_: object) -> dict[str, JSON]:
            taken, self._taken = self._taken, []
            for query in sorted(taken, key=_timeOf):
                self._live.take(query)
            if not shown:
                return {"shown": False}
            return {"shown": True, **self._live.after(after), "skipped": sum(skipped)}

        asked = [
            worker.ask("queries", after=worker.shown).addCallback(took, worker).addErrback(lambda _: None) for worker in workers
        ]
        return gatherResults(asked, consumeErrors=True).addCallback(done)


def _number(value: JSON) -> float:
    return value if isinstance(value, int | float) else 0


def _numberOf(query: dict[str, JSON]) -> float:
    return _number(query.get("number"))


def _timeOf(query: dict[str, JSON]) -> float:
    return _number(query.get("time"))
