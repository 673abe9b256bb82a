"""
Runs C{txdns bulk} on several processes, those of this machine or of a Dask cluster.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted_ext._version import __version__
from twisted_ext.apps.cli.bulk.feed import EACH, Feed, NoWorkers, Pace, SchedulerGone, Tally
from twisted_ext.apps.cli.bulk.plan import Folder, Order, RunFailed, expectUnchanged, inputFile, installedVersion
from twisted_ext.apps.cli.terminal.colors import isTerminal
from twisted_ext.apps.cli.terminal.exits import BATCH, INTERRUPTED, NO_REPLY, OK, TERMINATED, USAGE, ExitError, complain
from twisted_ext.apps.cli.terminal.progress import drawingFor
from twisted_ext.files import TemporaryFolder

if TYPE_CHECKING:
    from types import FrameType

    from distributed import Client

    from twisted_ext.apps.cli.bulk.command import BulkOptions
    from twisted_ext.apps.cli.bulk.plan import Partition

__all__ = ["runOnCluster"]

#: Reasons of partitions that are shown one by one.
_SHOWN: Final = 5

#: Seconds between two drawings of the progress.
_EVERY: Final = 0.25

#: Seconds that a scheduler gets to answer.
_PATIENCE: Final = 10.0


class _Terminated(BaseException):
    """
    SIGTERM has arrived.
    """


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def runOnCluster(options: BulkOptions) -> int:
    """
    @raise ExitError: see the exit codes of the command.
    """
    source = inputFile(_absolute(options.file), options.column)
    order = Order(source, options.format or source.format, options.rrType, options.target, options.time, options.window)
    folder = Folder(_absolute(options.output or ""))
    before = signal.signal(signal.SIGTERM, _terminate)
    tally = Tally()
    try:
        folder.begin(order)
        left = [*folder.left(order)]
        if left:
            tally = _filled(options, order, folder, left)
            # What workers that were killed had begun is removed.
            folder.left(order)
            expectUnchanged(source)
    except RunFailed as failure:
        there = order.partitions - len([*folder.left(order)])
        raise ExitError(BATCH, f"{failure}; {there:,} of {order.partitions:,} partitions are in {folder.path}") from None
    except (KeyboardInterrupt, _Terminated) as end:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        there = order.partitions - len([*folder.left(order)])
        said = f"interrupted; {there:,} of {order.partitions:,} partitions are in {folder.path}; the same command goes on"
        raise ExitError(INTERRUPTED if isinstance(end, KeyboardInterrupt) else TERMINATED, said) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        folder.close()
    if tally.failed:
        for line in tally.failed[:_SHOWN]:
            complain(f"txdns bulk: {line}")
        more = f", of which {_SHOWN} are shown" if len(tally.failed) > _SHOWN else ""
        said = f"{len(tally.failed):,} of {order.partitions:,} partitions are not done{more}; the same command tries them again"
        raise ExitError(NO_REPLY if tally.isSilent else BATCH, said)
    return OK


def _absolute(path: str) -> str:
    """
    Return a path or URL that means the same to every process.
    """
    return path if "://" in path else os.path.abspath(path)


def _filled(options: BulkOptions, order: Order, folder: Folder, left: list[int]) -> Tally:
    """
    Do the partitions that are left.
    """
    isDrawn = options.progress if options.progress is not None else isTerminal(sys.stderr)
    drawing = drawingFor(sys.stderr) if isDrawn else None
    pace = Pace(len(left))
    drawnAt = 0.0

    def told(tally: Tally, workers: int) -> None:
        nonlocal drawnAt
        if drawing is not None and time.monotonic() - drawnAt >= _EVERY:
            drawnAt = time.monotonic()
            speed, part, shown = pace.line(tally, workers)
            drawing.draw(tally.names, speed, part, shown, tally.names - tally.answered)

    def make(number: int, workers: int) -> Partition:
        rate = None if options.rate is None else options.rate / workers
        rateServer = None if options.rateServer is None else options.rateServer / workers
        if rateServer is not None and rateServer < 1:
            said = f"--rate-server {options.rateServer:g} is less than 1 a second for each of {workers} workers; write {workers} or more"
            raise ExitError(USAGE, said)
        return order.of(number, folder.outputOf(number, order.format), rate, rateServer)

    # A rate is shared by partitions that are under way.
    each = EACH if options.rate is None and options.rateServer is None else 1
    try:
        with _client(options) as client:
            tally = Feed(client, told=told, met=partial(_check, client), each=each).run(iter(left), make)
    except NoWorkers:
        said = "the processes that look names up end again and again; --dask-local 1 with TXDNS_DEBUG=1 shows more"
        if options.dask:
            said = f"{options.dask} has no workers; start: dask worker {options.dask} --nthreads 1"
        raise ExitError(NO_REPLY, said) from None
    except SchedulerGone as gone:
        there = order.partitions - len([*folder.left(order)])
        where = options.dask or "the scheduler"
        said = f"{where} is gone ({gone}); {there:,} of {order.partitions:,} partitions are in {folder.path}; the same command goes on"
        raise ExitError(NO_REPLY, said) from None
    finally:
        if drawing is not None:
            drawing.close()
    if isDrawn:
        complain(f"txdns bulk: {tally.names:,} names in {tally.partitions:,} partitions, {tally.names - tally.answered:,} without answer")
    return tally


def _check(client: Client, workers: Mapping[str, int]) -> None:
    """
    Look at workers that are new.

    @raise ExitError: one of them has another version.
    """
    found = client.run(installedVersion, workers=list(workers), on_error="return")
    for address, version in found.items():
        # One that has ended meanwhile gets nothing.
        if version != __version__ and not isinstance(version, OSError):
            has = f"cannot load twisted_ext ({version})" if isinstance(version, BaseException) else f"has twisted_ext {version}"
            raise ExitError(BATCH, f"worker {address} {has}, this is {__version__}; install the same")
    for address, threads in workers.items():
        if threads > 1:
            complain(f"txdns bulk: worker {address} has {threads} threads; they share its look-ups, so that one is as fast: --nthreads 1")


@contextmanager
def _client(options: BulkOptions) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    isQuiet = not os.environ.get("TXDNS_DEBUG")
    with ExitStack() as stack:
        if isQuiet:
            # What these say of workers that end is said by this command in its own words.
            stack.callback(logging.disable, logging.root.manager.disable)
            logging.disable(logging.CRITICAL)
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        if options.dask:
            try:
                client = Client(options.dask, timeout=_PATIENCE, set_as_default=False)
            except (OSError, ValueError) as error:
                raise ExitError(NO_REPLY, f"{options.dask}: no scheduler answers there: {error}") from error
            yield stack.enter_context(client)
            return
        scratch = TemporaryFolder()
        stack.callback(scratch.close)
        settings = {
            "distributed.scheduler.allowed-failures": 3,
            # Nothing to look at by HTTP.
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            "temporary-directory": scratch.path,
        }
        stack.enter_context(dask.config.set(settings))
        cluster = LocalCluster(
            n_workers=options.daskLocal,
            threads_per_worker=1,
            host="127.0.0.1",
            # Others on this machine have no key for it.
            protocol="tls",
            security=True,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL if isQuiet else logging.WARNING,
            local_directory=scratch.path,
        )
        yield stack.enter_context(Client(stack.enter_context(cluster), set_as_default=False))
