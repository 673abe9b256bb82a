"""
Gives the partitions of a run to the workers of a Dask cluster, a few at a time, and counts what has become of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.bulk.plan import Done, NoReply, Partition, RunFailed, resolvePartition

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["EACH", "Feed", "NoWorkers", "Pace", "SchedulerGone", "Tally"]

#: Partitions that are given to each worker at once: one in work and some that wait for it. More would wait as well, and when a worker dies,
#: all that wait for it count as what may have killed it.
EACH: Final = 4

#: How often an error of a partition is tried again.
_RETRIES: Final = 3

#: Seconds between two looks at the workers.
_PAUSE: Final = 0.25

#: Seconds until having no worker is an error: one that starts takes five.
_PATIENCE: Final = 30.0


class NoWorkers(Exception):
    """
    A cluster has no workers.
    """


class SchedulerGone(Exception):
    """
    A cluster has ended.
    """


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


def _attempt(partition: Partition) -> Done | RunFailed:
    """
    Do a partition. What ends the run is returned, since Dask tries again what is raised.
    """
    try:
        return resolvePartition(partition)
    except RunFailed as failure:
        return failure


class Feed:
    """
    Keeps the workers of a cluster busy until no partition is left.
    """

    def __init__(
        self,
        client: Client,
        *,
        told: Callable[[Tally, int], object] = lambda tally, workers: None,
        met: Callable[[Mapping[str, int]], object] = lambda workers: None,
        each: int = EACH,
        patience: float = _PATIENCE,
    ) -> None:
        """
        @param told: called with what is done and the number of workers, after each partition and some times a second.
        @param met: called with workers that were not there before, and how many threads each has, before they get anything.
        @param each: partitions that a worker has at once. With more than one, what a partition is told of the workers there are may be
            out of date when its turn comes.
        @param patience: seconds until having no worker is an error.
        """
        self.tally = Tally()
        self._client = client
        self._told = told
        self._met = met
        self._each = each
        self._patience = patience
        self._known: set[str] = set()
        self._aloneSince = time.monotonic()

    def _workers(self) -> int:
        """
        Return how many workers there are.

        @raise NoWorkers: there have been none for long.
        """
        there = self._client.nthreads()
        now = time.monotonic()
        new = {address: threads for address, threads in there.items() if address not in self._known}
        if new:
            self._met(new)
            self._known.update(new)
        if there:
            self._aloneSince = now
        elif now - self._aloneSince > self._patience:
            raise NoWorkers
        return len(there)

    def run(self, numbers: Iterator[int], make: Callable[[int, int], Partition]) -> Tally:
        """
        @param numbers: the partitions that are left.
        @param make: makes one of them, given its number and that of the workers there are.

        @raise NoWorkers: there are none.
        @raise SchedulerGone: the cluster has ended.
        @raise RunFailed: nothing more can be done.
        """
        from distributed.comm import CommClosedError

        try:
            return self._fed(numbers, make)
        except (CancelledError, CommClosedError) as error:
            # Dask's text counts futures, which are not the user's.
            raise SchedulerGone("the connection was closed") from error

    def _fed(self, numbers: Iterator[int], make: Callable[[int, int], Partition]) -> Tally:
        from distributed import wait

        under: dict[Future[Done | RunFailed], Partition] = {}
        while True:
            workers = self._workers()
            while len(under) < self._each * workers and (number := next(numbers, None)) is not None:
                partition = make(number, workers)
                under[self._client.submit(_attempt, partition, pure=False, retries=_RETRIES)] = partition
            if not under:
                if workers:
                    return self.tally
                time.sleep(_PAUSE)
                self._told(self.tally, workers)
                continue
            try:
                with self._client.as_current():
                    ended = wait(list(under), timeout=_PAUSE, return_when="FIRST_COMPLETED").done
            except TimeoutError:
                ended = set()
            for future in ended:
                self._ended(under.pop(future), future)
            self._told(self.tally, workers)

    def _ended(self, partition: Partition, future: Future[Done | RunFailed]) -> None:
        from distributed import KilledWorker

        if future.status == "finished":
            result = future.result()
            if isinstance(result, RunFailed):
                raise result
            self.tally.took(result)
        elif future.status != "error":
            raise SchedulerGone(f"{partition.text} is {future.status}")
        else:
            error = future.exception()
            self.tally.isSilent &= isinstance(error, NoReply)
            if isinstance(error, KilledWorker):
                said = "ended each worker that had it"
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
