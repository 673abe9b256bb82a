"""
Long work in short steps, each a C{yield} of a generator, so that queries are answered in between; or at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

__all__ = ["finished", "portions"]

_T = TypeVar("_T")


def finished(steps: Generator[object, None, _T]) -> _T:
    """
    Run all steps at once.
    """
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result


def portions(items: Iterable[_T], weigh: Callable[[_T], int], most: int) -> Iterator[list[_T]]:
    """
    Split items into lists that end once they weigh C{most} or more.
    """
    some: list[_T] = []
    weight = 0
    for item in items:
        some.append(item)
        weight += weigh(item)
        if weight >= most:
            yield some
            some, weight = [], 0
    if some:
        yield some
