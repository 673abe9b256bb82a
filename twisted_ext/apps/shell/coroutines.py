"""
Runs coroutines typed in the shell: top-level C{await}.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

__all__ = ["stepped"]

#: Runs a step of a coroutine; the flag is true for steps after the first C{await}.
Step = Callable[[Callable[[], object], bool], object]


def stepped(coroutine: Coroutine[Any, Any, object], step: Step) -> Deferred[object]:
    """
    Run a coroutine and call C{step} for each of its steps, so that the shell's hooks are in place during the step only.

    @return: fires with the coroutine's result.
    """

    async def whole() -> object:
        return await _Stepping(coroutine, step)

    return Deferred.fromCoroutine(whole())


class _Stepping:
    def __init__(self, coroutine: Coroutine[Any, Any, object], step: Step) -> None:
        self._coroutine = coroutine
        self._step = step

    def __await__(self) -> Generator[object, object, object]:
        coroutine = self._coroutine
        take: Callable[[], object] = partial(coroutine.send, None)
        later = False
        while True:
            try:
                awaited = self._step(take, later)
            except StopIteration as end:
                return end.value
            later = True
            try:
                take = partial(coroutine.send, (yield awaited))
            except BaseException as raised:
                take = partial(coroutine.throw, raised)
