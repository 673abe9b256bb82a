"""
Settings of the process for a server: its garbage collector, and its limit on open files. Queries that wait for upstreams need sockets.
"""

from __future__ import annotations

import gc
from typing import Final

from twisted_ext.server.limits import DESCRIPTORS

__all__ = ["collectLess", "raiseDescriptors"]

#: Allocations before a collection of the youngest generation, and collections before the next older ones. With the interpreter's default of
#: 700, each batch of requests causes several collections, some of them full; requests create no reference cycles, so these find little.
_THRESHOLDS: Final = (10_000, 50, 100)


def collectLess() -> None:
    """
    Exclude everything loaded so far from garbage collection, and collect less often. Call this when a server has started; it affects the
    whole process, so only the process's owner should call it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


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
