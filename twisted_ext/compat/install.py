"""
Install a resolver into the reactor, and remove it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from twisted.internet._resolver import ComplexResolverSimplifier
from twisted.internet.interfaces import (
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IReactorTime,
    IResolverSimple,
)

from twisted_ext.compat.slots import Slot
from twisted_ext.errors import CallerFault

if TYPE_CHECKING:
    from twisted.internet.base import ReactorBase

__all__ = ["globalReactor", "install"]


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
