"""
Which reactor a server process uses.
"""

from __future__ import annotations

import sys

__all__ = ["chooseReactor"]


def chooseReactor() -> None:
    """
    Install L{DirectReactor<twisted_ext.transport.reactor.DirectReactor>}, unless the operator has chosen a reactor (C{twistd --reactor}) or
    the system has no epoll(7). Has to be called before anything imports the reactor.
    """
    if "twisted.internet.reactor" in sys.modules:
        return
    try:
        from twisted_ext.transport.reactor import install
    except ImportError:
        return
    install()
