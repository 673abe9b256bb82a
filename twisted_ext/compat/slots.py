"""
Replace installed objects, and undo such replacements in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Slot"]

T = TypeVar("T")


class _Layer(Generic[T]):
    """
    One install.

    @ivar value: what was installed.
    @ivar before: what was there before it.
    @ivar undone: whether it was undone, perhaps while something else covered it.
    """

    __slots__ = ("value", "before", "undone")

    def __init__(self, value: object, before: T) -> None:
        self.value = value
        self.before = before
        self.undone = False


class Slot(Generic[T]):
    """
    A place of an object that installs replace: the resolver of a reactor, a method of an event loop.

    An install that is undone while another one covers it is taken off when that one is undone, so that the order does not matter. What
    others have put into the place is left alone.
    """

    def __init__(self, installed: Callable[[], object], read: Callable[[], T], write: Callable[[T], object]) -> None:
        """
        @param installed: returns the object that is in the place now, to be compared by identity.
        @param read: returns all that C{write} needs to restore the place.
        @param write: restores it.
        """
        self._installed = installed
        self._read = read
        self._write = write
        self._layers: list[_Layer[T]] = []

    def install(self, value: object, put: Callable[[], object]) -> Callable[[], None]:
        """
        @param value: what C{installed} returns after C{put}.
        @param put: puts it into the place.

        @return: undoes that; called again, it does nothing.
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
        """
        Take off what lies on top and was undone.
        """
        while True:
            now = self._installed()
            layer = next((each for each in reversed(self._layers) if each.value is now), None)
            if layer is None or not layer.undone:
                return
            self._layers.remove(layer)
            self._write(layer.before)
