"""
Into the reactor, and out of it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from twisted.internet._resolver import ComplexResolverSimplifier
from twisted.internet.interfaces import (
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IReactorPluggableResolver,
    IReactorTime,
    IResolverSimple,
)

from twisted_ext.errors import CallerFault

__all__ = ["globalReactor", "install"]


class _Pluggable(Protocol):
    """
    What a reactor has on resolvers. Twisted's interfaces do not name C{resolver}, but all of its reactors have it.
    """

    resolver: IResolverSimple

    @property
    def nameResolver(self) -> IHostnameResolver:
        """
        What endpoints use.
        """

    def installResolver(self, resolver: IResolverSimple) -> IResolverSimple:
        """
        Replace both.
        """

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """
        Replace both.
        """


def globalReactor() -> IReactorTime:
    """
    @return: the reactor of this process, which is installed now if none was.
    """
    from twisted.internet import reactor

    return cast(IReactorTime, reactor)


def install(resolver: IHostnameResolver, reactor: IReactorPluggableNameResolver | None = None) -> Callable[[], None]:
    """
    Let C{reactor} use C{resolver} for C{connectTCP} and for endpoints.

    C{connectTCP} with a name is for IPv4: Twisted decides so before it knows the address. Endpoints take both families.

    @param reactor: L{None} for the global one.

    @return: call it to give back what was there before. It does nothing where somebody has installed something else since, nor when
        called again.

    @raise CallerFault: this reactor takes no resolver.
    """
    if reactor is None:
        reactor = cast(IReactorPluggableNameResolver, globalReactor())
    if not (IReactorPluggableNameResolver.providedBy(reactor) and IReactorPluggableResolver.providedBy(reactor)):
        raise CallerFault(f"{reactor!r} takes no resolver: it does not provide IReactorPluggableNameResolver")
    pluggable = cast(_Pluggable, reactor)
    simple = pluggable.resolver
    # Each of the reactor's two methods replaces both resolvers, the other one by a wrapper. This one serves both families.
    complete = pluggable.installNameResolver(resolver)

    def undo() -> None:
        if pluggable.nameResolver is not resolver:
            return
        if isinstance(simple, ComplexResolverSimplifier):
            pluggable.installNameResolver(complete)
        else:
            pluggable.installResolver(simple)

    return undo
