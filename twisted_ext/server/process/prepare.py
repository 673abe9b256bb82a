"""
Prepares a process before its reactor runs.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final, cast

__all__ = ["prepareProcess"]

#: Modules that an import without OpenSSL leaves unfinished.
_UNFINISHED: Final = ("twisted.internet.ssl", "twisted.internet._sslverify", "twisted.internet._newtls", "twisted.protocols.tls")


@contextmanager
def _withoutOpenSSL() -> Iterator[None]:
    """
    Return a context manager in which modules are imported as where OpenSSL is not installed.
    """
    if "OpenSSL" in sys.modules or "twisted.internet.tcp" in sys.modules:
        yield
        return
    # The documented way to let an import fail.
    cast("dict[str, object]", sys.modules)["OpenSSL"] = None
    try:
        yield
    finally:
        for name in ("OpenSSL", *_UNFINISHED):
            sys.modules.pop(name, None)


def prepareProcess(*, tls: bool = True) -> None:
    """
    Install L{DirectReactor<twisted_ext.transport.reactor.DirectReactor>}, and suspend garbage collection until it runs: nearly all that a
    start creates stays, and scanning it time and again takes a fifth of the start.

    Does nothing where the system has no epoll(7), or if there is a reactor: then the operator has chosen it (C{twistd --reactor}), or the
    process has another purpose as well.

    @param tls: whether connections of the reactor are able to change to TLS (C{startTLS}). Without that, OpenSSL is loaded when something
        needs it, which saves 50 ms and 12 MB: TLS of this package, and of Twisted's endpoints, does without it.
    """
    if "twisted.internet.reactor" in sys.modules:
        return
    gc.disable()
    try:
        with nullcontext() if tls else _withoutOpenSSL():
            from twisted_ext.transport.reactor import install
    except ImportError:
        gc.enable()
    else:
        install().callWhenRunning(gc.enable)
