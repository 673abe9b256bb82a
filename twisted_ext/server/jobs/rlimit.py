"""
How many files a process may have open. Each query that waits for an upstream takes a share of a socket.
"""

from __future__ import annotations

from twisted_ext.server.limits import DESCRIPTORS

__all__ = ["raiseDescriptors"]


def raiseDescriptors(most: float | None = None) -> int:
    """
    Let this process, and those that it starts, have as many files open as they may without anybody's leave. What a process gets at first,
    1,024 as a rule, is for programs that cannot have more; with that, a few dead zones would leave no socket for the living.

    @param most: no more than so many.

    @return: how many it may have open now; 0 where the system does not tell.
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
        # Some systems allow less than they say.
        return soft
    return wanted
