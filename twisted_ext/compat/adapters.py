"""
Adapters between answer sources and Twisted's interfaces, for zope.interface: C{IAnswerSource(resolver)}, C{IResolver(source)}.

They are registered when this module is imported, which L{twisted_ext.client} does. Each adapter involves an interface of this package, so
other code is not affected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IHostnameResolver, IResolver, IResolverSimple
from twisted.python.components import getRegistry
from zope.interface.adapter import AdapterRegistry

from twisted_ext.compat.install import globalReactor
from twisted_ext.interfaces import IAnswerSource

if TYPE_CHECKING:
    from twisted_ext.compat.foreign import NamesSource
    from twisted_ext.compat.names import NamesResolver

__all__ = ["resolverFromSource", "sourceFromResolver"]

_registry: Callable[[], AdapterRegistry] = getRegistry


def sourceFromResolver(resolver: object) -> NamesSource:
    """
    Make a source of answers of a resolver of another package, which has the methods of Twisted's interfaces.

    @raise twisted_ext.errors.WrongType: it has none of them.
    """
    from twisted_ext.compat.foreign import NamesSource

    return NamesSource(resolver, globalReactor())


def resolverFromSource(source: IAnswerSource) -> NamesResolver:
    """
    Make a resolver, on the global reactor, of a source of answers.

    @raise twisted_ext.errors.WrongType: it is not a source.
    """
    from twisted_ext.compat.names import NamesResolver

    return NamesResolver(source, globalReactor())


# Twisted's C{registerAdapter} raises an error if this module is imported a second time, so its registry is used directly.
for _interface, _factory, _provided in (
    (IResolverSimple, sourceFromResolver, (IAnswerSource,)),
    (IAnswerSource, resolverFromSource, (IResolver, IResolverSimple, IHostnameResolver)),
):
    for _each in _provided:
        _registry().register([_interface], _each, "", _factory)
