"""
Turn every accepted form of a C{resolver} argument into a resolver of this package.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from twisted_ext.compat.foreign import isResolver, sourceOf
from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadDescription, CallerFault, WrongType
from twisted_ext.interfaces import IAnswerSource

__all__ = ["expectResolver", "isAsked", "resolverOf"]


def resolverOf(resolver: object, reactor: IReactorTime | None = None) -> NamesResolver:
    """
    Turn a C{resolver} argument into a resolver of this package. A caller that passes its own object remains responsible for closing it: the
    wrapper created here holds no further resources. Only a resolver created from a description has resources of its own.

    @param resolver: a resolver of this package, which is returned as is; L{None} for the resolver of this process, or, with a C{reactor},
        for one with the system's configuration; a description, such as C{"udp:192.0.2.1"}; or anything that adapts to L{IAnswerSource},
        as all of Twisted's resolvers do.
    @param reactor: the reactor for its timers and sockets, L{None} for the global one.

    @raise BadDescription: the description is not valid.
    @raise WrongType: C{resolver} is none of these.
    """
    if isinstance(resolver, NamesResolver):
        return resolver
    if resolver is None and reactor is None:
        from twisted_ext.client import getResolver

        return getResolver()
    clock = globalReactor() if reactor is None else reactor
    if resolver is None or isinstance(resolver, str):
        from twisted_ext.resolver.strings.descriptions import sourceFromString

        return NamesResolver(sourceFromString(clock, "system" if resolver is None else resolver), clock)
    try:
        source = sourceOf(resolver, clock)
    except WrongType as fault:
        raise WrongType(f"resolver: {fault}; or give None, or a description such as 'udp:192.0.2.1'") from None
    return NamesResolver(source, clock)


def isAsked() -> bool:
    from twisted_ext import client

    return client.theResolver is not None


def expectResolver(resolver: object) -> None:
    """
    Check a C{resolver} argument for L{resolverOf} without creating a resolver: no file is read and no socket is opened.

    @raise BadDescription: it is text, but not a valid description.
    @raise WrongType: it is neither text nor a resolver.
    """
    if isinstance(resolver, str):
        from twisted_ext.resolver.strings.reader import read

        try:
            read(resolver)
        except CallerFault as fault:
            raise BadDescription(f"resolver: {fault}") from fault
        return
    if isinstance(resolver, NamesResolver) or isResolver(resolver):
        return
    if IAnswerSource(resolver, None) is None:
        raise WrongType(f"resolver: {resolver!r:.80} is neither a description such as 'udp:192.0.2.1' nor a resolver")
