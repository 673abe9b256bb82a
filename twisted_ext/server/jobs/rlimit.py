"""
Raises the limit on open files of the process. Queries that wait for upstreams need sockets.
"""

from __future__ import annotations

from twisted_ext.server.limits import DESCRIPTORS

__all__ = ["raiseDescriptors"]


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
