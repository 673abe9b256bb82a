"""
Runs coroutines typed in the shell: top-level C{await}.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

__all__ = ["stepped"]

#: Takes a step of a coroutine; it is told whether that is one of the later ones, after something was waited for.
Step = Callable[[Callable[[], object], bool], object]


def stepped(coroutine: Coroutine[Any, Any, object], step: Step) -> Deferred[object]:
    """
    Run a coroutine, each of its steps by way of C{step}, so that the shell's hooks can be in place meanwhile.

    @return: fires when it is through.
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
