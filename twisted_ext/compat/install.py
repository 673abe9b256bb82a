"""
Install a resolver into the reactor, and remove it again, in any order of installations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from twisted.internet._resolver import ComplexResolverSimplifier
from twisted.internet.interfaces import IHostnameResolver, IReactorPluggableNameResolver, IReactorTime, IResolverSimple

from twisted_ext.errors import CallerFault

if TYPE_CHECKING:
    from twisted.internet.base import ReactorBase

__all__ = ["Slot", "globalReactor", "install"]

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


def globalReactor() -> IReactorTime:
    """
    Return the global reactor, installing the default one if there is none.
    """
    from twisted.internet import reactor

    return cast(IReactorTime, reactor)


def install(resolver: IHostnameResolver, reactor: IReactorPluggableNameResolver | None = None) -> Callable[[], None]:
    """
    Make C{reactor} use C{resolver} for C{connectTCP} and for endpoints.

    C{connectTCP} with a name is limited to IPv4: Twisted creates the socket before the look-up. Endpoints use both families.

    @param reactor: L{None} for the global one.

    @return: a function that restores the previous resolver: at once, or, if another resolver of this package has been installed since, when
        that one is removed. It does nothing if other code has installed a resolver since, or if it was called before.

    @raise CallerFault: this reactor does not support resolvers.
    """
    if reactor is None:
        reactor = cast(IReactorPluggableNameResolver, globalReactor())
    if not IReactorPluggableNameResolver.providedBy(reactor):
        raise CallerFault(f"{reactor!r} takes no resolver: it does not provide IReactorPluggableNameResolver")
    pluggable = cast("ReactorBase", reactor)
    # Each of the reactor's two methods replaces both resolvers, the other one with a wrapper. This one supports both families.
    return _slotOf(pluggable).install(resolver, lambda: pluggable.installNameResolver(resolver))


#: The attribute of a reactor that holds its slot.
_PLACE: Final = "_twisted_ext_resolvers"


def _slotOf(reactor: ReactorBase) -> Slot[tuple[IResolverSimple | None, IHostnameResolver]]:
    found: Slot[tuple[IResolverSimple | None, IHostnameResolver]] | None = vars(reactor).get(_PLACE)
    if found is None:

        def restore(before: tuple[IResolverSimple | None, IHostnameResolver]) -> None:
            simple, complete = before
            if simple is None or isinstance(simple, ComplexResolverSimplifier):
                reactor.installNameResolver(complete)
            else:
                reactor.installResolver(simple)

        # Test reactors, such as MemoryReactor, have only one.
        found = Slot(lambda: reactor.nameResolver, lambda: (getattr(reactor, "resolver", None), reactor.nameResolver), restore)
        setattr(reactor, _PLACE, found)
    return found
