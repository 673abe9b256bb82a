"""
Threads for functions that wait without C{await}, as a library has no form for Twisted or asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.defer import Deferred
from twisted.python.threadpool import ThreadPool

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFromThreads

__all__ = ["THREADS", "HookThreads"]

#: Threads of one hook: with a library that takes 5 ms, 2,000 queries a second.
THREADS: Final = 10


class HookThreads:
    """
    The threads of one hook. To be used in the thread of the reactor.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        """
        @param name: that of the threads, for debuggers.
        """
        self._reactor = reactor
        self._pool = ThreadPool(0, THREADS, name)
        # One that never returns does not hold up the end of the process.
        self._pool.threadFactory = cast("type[Thread]", partial(Thread, daemon=True))
        self._pool.start()

    def call(self, function: Callable[..., object], values: Sequence[object]) -> Deferred[object]:
        """
        Call a function in a thread; not at all if the result is cancelled before one is free.

        @return: fires with what it returns.
        """
        found: Deferred[object] = Deferred()

        def job() -> None:
            result: object = None
            error: Exception | None = None
            if not found.called:
                try:
                    result = function(*values)
                except Exception as raised:
                    error = raised
            self._reactor.callFromThread(self._came, found, result, error)

        self._pool.callInThread(job)
        return found

    def _came(self, found: Deferred[object], result: object, error: Exception | None) -> None:
        # One that took too long has been cancelled, and ignores this.
        if error is None:
            found.callback(result)
        else:
            found.errback(error)

    def close(self) -> None:
        """
        Have the threads end, each once the function that it runs has returned. The reactor does not wait for that.
        """
        Thread(target=self._pool.stop, name="hooks end", daemon=True).start()
