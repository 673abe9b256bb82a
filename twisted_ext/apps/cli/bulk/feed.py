"""
Gives the partitions of a run to the workers of a Dask cluster, a few at a time, and counts what has become of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.bulk.plan import Partition
from twisted_ext.apps.cli.bulk.task import Done, NoReply, resolvePartition

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Feed", "Tally"]

#: Partitions that are given to each worker at once: one in work and some that wait for it. More would wait as well, and when a worker dies,
#: all that wait for it count as what may have killed it.
_EACH: Final = 4

#: How often an error of a partition is tried again, and how many workers it may end.
_RETRIES: Final = 3


@dataclass(slots=True)
class Tally:
    """
    What has become of a run so far.

    @ivar partitions: how many are done.
    @ivar failed: why others are not.
    @ivar isSilent: whether nothing but silence is the reason.
    """

    partitions: int = 0
    names: int = 0
    answered: int = 0
    cpu: float = 0.0
    failed: list[str] = field(default_factory=list)
    isSilent: bool = True

    def took(self, done: Done) -> None:
        self.partitions += 1
        self.names += done.names
        self.answered += done.answered
        self.cpu += done.cpu


class Feed:
    """
    Keeps the workers of a cluster busy until no partition is left.
    """

    def __init__(self, client: Client, *, told: Callable[[Tally, int], object] = lambda tally, workers: None) -> None:
        """
        @param told: called with what is done and the number of workers, after each partition and some times a second.
        """
        self.tally = Tally()
        self._client = client
        self._told = told

    @property
    def workers(self) -> int:
        return len(self._client.nthreads())

    def run(self, numbers: Iterator[int], make: Callable[[int, int], Partition]) -> Tally:
        """
        @param numbers: the partitions that are left.
        @param make: makes one of them, given its number and that of the workers there are.
        """
        from distributed import wait

        under: dict[Future[Done], Partition] = {}
        while True:
            workers = self.workers
            while len(under) < _EACH * max(workers, 1) and (number := next(numbers, None)) is not None:
                partition = make(number, max(workers, 1))
                under[self._client.submit(resolvePartition, partition, pure=False, retries=_RETRIES)] = partition
            if not under:
                return self.tally
            try:
                with self._client.as_current():
                    ended = wait(list(under), timeout=0.25, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                ended = set()
            for future in ended:
                self._ended(under.pop(future), future)
            self._told(self.tally, workers)

    def _ended(self, partition: Partition, future: Future[Done]) -> None:
        from distributed import KilledWorker

        if future.status == "finished":
            self.tally.took(future.result())
        else:
            error = future.exception()
            self.tally.isSilent &= isinstance(error, NoReply)
            if isinstance(error, KilledWorker):
                said = f"ended {_RETRIES + 1} workers"
            elif isinstance(error, NoReply):
                said = f"no name got a reply: {error}"
            else:
                said = f"{type(error).__name__}: {error}"
            self.tally.failed.append(f"{partition.text}: {said}")
        future.release()


class Pace:
    """
    How fast names are done, and when all will be.
    """

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._began = time.monotonic()

    def line(self, tally: Tally, workers: int) -> tuple[float, float, str]:
        """
        Return the names done in a second, the part of the partitions that is done, and what else is shown.
        """
        passed = max(time.monotonic() - self._began, 0.001)
        part = tally.partitions / self._partitions if self._partitions else 1.0
        shown = f"{workers} {'worker' if workers == 1 else 'workers'}"
        if 0 < tally.partitions < self._partitions:
            left = passed / tally.partitions * (self._partitions - tally.partitions)
            shown += f"  {int(left) // 60}:{int(left) % 60:02d} left"
        return tally.names / passed, part, shown
