"""
Replace installed objects, and undo such replacements in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Slot"]

T = TypeVar("T")


@dataclass(eq=False)
class _Layer(Generic[T]):
    """
    @ivar value: the object that was installed.
    @ivar before: the state to restore, from C{read}.
    @ivar undone: whether it was undone, possibly while a later replacement was still in effect.
    """

    value: object
    before: T
    undone: bool = False


class Slot(Generic[T]):
    """
    An attribute that can be replaced several times, such as the resolver of a reactor or a method of an event loop.

    If a replacement is undone while a later one is in effect, it is removed when the later one is undone, so replacements can be undone in
    any order. Objects that other code has put there are left alone.
    """

    def __init__(self, installed: Callable[[], object], read: Callable[[], T], write: Callable[[T], object]) -> None:
        """
        @param installed: returns the current object, which is compared by identity.
        @param read: returns the state that C{write} needs to restore.
        @param write: restores that state.
        """
        self._installed = installed
        self._read = read
        self._write = write
        self._layers: list[_Layer[T]] = []

    def install(self, value: object, put: Callable[[], object]) -> Callable[[], None]:
        """
        Call C{put}, after which C{installed} returns C{value}. Return a function that undoes it; further calls of it do nothing.
        """
        layer = _Layer(value, self._read())
        put()
        self._layers.append(layer)

        def undo() -> None:
            if not layer.undone:
                layer.undone = True
                self._settle()

        return undo

    def _settle(self) -> None:
        while True:
            now = self._installed()
            layer = next((each for each in reversed(self._layers) if each.value is now), None)
            if layer is None or not layer.undone:
                return
            self._layers.remove(layer)
            self._write(layer.before)
