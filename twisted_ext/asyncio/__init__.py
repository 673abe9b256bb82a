"""
Look-ups as asyncio coroutines, without threads. See L{twisted_ext.asyncio.lookups}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.lazy import lazyNames

if TYPE_CHECKING:
    from twisted_ext.asyncio.lookups import (
        Records,
        ResolvedHost,
        Resolver,
        asFuture,
        getaddrinfo,
        getnameinfo,
        getResolver,
        install,
        iterated,
        reactorFor,
        resolve,
        waitFor,
        watch,
    )

__all__ = [
    "Records",
    "ResolvedHost",
    "Resolver",
    "asFuture",
    "getResolver",
    "getaddrinfo",
    "getnameinfo",
    "install",
    "iterated",
    "reactorFor",
    "resolve",
    "waitFor",
    "watch",
]

__getattr__, __dir__ = lazyNames(__name__, {"twisted_ext.asyncio.lookups": __all__})
