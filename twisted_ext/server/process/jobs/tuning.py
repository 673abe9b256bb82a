"""
Settings of the process for a server: its garbage collector, how its threads take turns, and its limit on open files. Queries that wait for
upstreams need sockets.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from twisted_ext.server.limits import DESCRIPTORS

__all__ = ["QuietCollection", "tuneInterpreter", "raiseDescriptors", "uncollected"]

#: Allocations before a collection of the youngest generation, of which every second includes the next older one; and collections before one
#: of all objects, which are never reached. A collection takes up to a microsecond for each object, and with these figures scans at most
#: 15,000. With fewer allocations, such as the interpreter's default of 700, each batch of requests would cause collections; 200 new names
#: under way are some 5,000 objects. Collections find little: requests create no reference cycles.
_THRESHOLDS: Final = (7_500, 0, 2**31 - 1)

#: Seconds between two collections of all objects. These take tens of milliseconds, so that they have to wait for a second with few queries.
_EVERY: Final = 600.0
_FEW: Final = 10


#: Seconds for which a thread may run while the one that answers waits, which is once for each system call: with the interpreter's default
#: of 5 ms, a zone that a thread stores delays replies by up to 100 ms, with this by up to 10. A turn that ends costs some microseconds.
_THREAD_TURN: Final = 0.0005


def tuneInterpreter() -> None:
    """
    Exclude everything loaded so far from garbage collection, and collect only the objects made last; have threads take short turns. Call
    this when a server has started, and L{QuietCollection.look} from then on; it affects the whole process, so only the process's owner
    should call it.
    """
    sys.setswitchinterval(_THREAD_TURN)
    # No collection before: it would take 20 ms of a start to find a dozen objects.
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


class QuietCollection:
    """
    Collects all objects when the server has little to do. Without it, what reloads and closed connections leave in reference cycles would
    stay.
    """

    def __init__(self, now: float) -> None:
        self._due = now + _EVERY
        self._queries = 0

    def look(self, queries: int, now: float) -> bool:
        """
        Call this each second.

        @param queries: how many have arrived since the server's start.

        @return: whether a collection has been made.
        """
        few = queries - self._queries <= _FEW
        self._queries = queries
        # Only where tuneInterpreter has changed the thresholds does the interpreter not do it.
        if now < self._due or not few or gc.get_threshold()[2] != _THRESHOLDS[2]:
            return False
        self._due = now + _EVERY
        gc.collect()
        return True


def raiseDescriptors(most: float | None = None) -> int:
    """
    Raise the soft limit on open files of this process and its children as far as an unprivileged process may. The default, usually 1,024,
    is for programs that use C{select}; with it, a few dead zones would leave no socket for the others.

    @param most: an upper bound.

    @return: the limit now in force; 0 if the system does not report it.
    """
    try:
        import resource
    except ImportError:
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = int(DESCRIPTORS.pick(most))
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        # Some systems allow less than they report.
        return soft
    return wanted


@contextmanager
def uncollected() -> Iterator[None]:
    """
    Disable garbage collection while many long-lived objects are created.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
