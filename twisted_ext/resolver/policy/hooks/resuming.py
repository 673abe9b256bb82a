"""
Goes on with what a hook has begun, when what it waits for is there. A L{Deferred} takes generators of the interpreter only.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from time import perf_counter
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from twisted_ext.resolver.policy.hooks.called import CalledHook

__all__ = ["resumed"]


def resumed(called: CalledHook, begun: Coroutine[Any, Any, object], awaited: Deferred[Any]) -> Generator[Deferred[Any], Any, object]:
    """
    Go on with a coroutine after its first step.

    @param awaited: what that waits for.
    """
    while True:
        try:
            try:
                value = yield awaited
            except GeneratorExit:
                begun.close()
                raise
            except BaseException as error:
                called.runs = perf_counter()
                awaited = begun.throw(error)
            else:
                called.runs = perf_counter()
                awaited = begun.send(value)
        except StopIteration as stop:
            return stop.value
        finally:
            called.runs = 0.0
