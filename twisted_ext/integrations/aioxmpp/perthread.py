"""
One resolver for each thread, as in aioxmpp: created on first use, replaced when it fails, or set by the application.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Question
from twisted_ext.compat.install import globalReactor
from twisted_ext.compat.lookups.ask import expectResolver, resolverOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import CallerFault
from twisted_ext.interfaces import IAnswerSource

if TYPE_CHECKING:
    from twisted_ext.asyncio.loops import OnLoop

__all__ = [
    "EmptySource",
    "currentReactor",
    "described",
    "freshResolver",
    "getResolver",
    "ownResolver",
    "reconfigureResolver",
    "renewResolver",
    "resolverHere",
    "runsLoop",
    "setResolver",
]


@implementer(IAnswerSource)
class EmptySource:
    """
    An answer source without servers: no name has any records.
    """

    def ask(self, question: Question, context: QueryContext) -> Answer:
        return Answer(Outcome.NODATA, origin=Origin("configuration"))

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


class _Thread(threading.local):
    """
    The state of one thread.

    @ivar own: the resolver with the system's configuration, used while no asyncio loop runs: a loop has its own.
    @ivar overridden: whether the application has set a resolver.
    @ivar given: the resolver that it has set.
    @ivar made: the resolver created from C{given}, if that is a description and no asyncio loop runs, which would keep it.
    """

    own: NamesResolver | None = None
    overridden: bool = False
    given: object = None
    made: NamesResolver | None = None


_thread: Final = _Thread()


def _here() -> OnLoop | None:
    """
    Return this package's state of the asyncio loop that runs in this thread, if any.
    """
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return None
    from twisted_ext.asyncio.loops import onLoop

    return onLoop(loop)


def runsLoop() -> bool:
    return _here() is not None


def currentReactor() -> IReactorTime:
    here = _here()
    return globalReactor() if here is None else here.reactor


def resolverHere(resolver: object) -> NamesResolver:
    """
    Return a resolver that works in this thread.

    @param resolver: see L{resolverOf}. An asyncio loop creates one resolver for each description and keeps it; otherwise the caller closes
        the resolver created from a description.

    @raise CallerFault: C{resolver} is not valid, or uses another reactor.
    """
    here = _here()
    return resolverOf(resolver) if here is None else here.resolverOf(resolver)


def freshResolver(reactor: IReactorTime) -> NamesResolver:
    """
    Create a resolver with the system's current configuration, including hosts file and special-use names; without configured name servers,
    one that returns no records.
    """
    from twisted_ext.resolver.system.configured import System

    source = System(reactor)
    return NamesResolver(EmptySource() if source.configuration.defaulted else source, reactor)


def getResolver() -> object:
    """
    Return the resolver of this thread: the one that was set, or one with the system's configuration. An asyncio loop has its own while it
    runs in this thread.
    """
    return _thread.given if _thread.overridden else ownResolver()


def ownResolver() -> NamesResolver | None:
    """
    Return this thread's resolver with the system's configuration, creating it if necessary; L{None} if the application has set a resolver.
    """
    if _thread.overridden:
        return None
    place = _here() or _thread
    if place.own is None or place.own.closed:
        place.own = freshResolver(currentReactor())
    return place.own


def reconfigureResolver() -> None:
    """
    Create a new resolver for this thread on next use, and allow it to be replaced automatically, even if the application had set one.

    The previous resolver remains usable; it holds no resources while no look-up is in progress.
    """
    _forget()
    (_here() or _thread).own = None


def renewResolver(failed: NamesResolver) -> None:
    """
    Replace this thread's resolver, unless it has been replaced since C{failed} was in use: if many look-ups fail together, only the first
    replaces it.
    """
    if not _thread.overridden and (_here() or _thread).own is failed:
        reconfigureResolver()


def setResolver(resolver: object) -> None:
    """
    Set the resolver of this thread. It is not replaced automatically until L{reconfigureResolver} is called.

    @param resolver: a resolver of this package, a description, or a blocking resolver such as dnspython's.

    @raise CallerFault: it is none of these. A description is parsed now, but its resolver is not created before the first look-up.
    """
    if resolver is None:
        raise CallerFault("resolver: None is not a resolver; reconfigure the thread's resolver for one with the system's configuration")
    expectResolver(resolver)
    _forget()
    _thread.overridden = True
    _thread.given = resolver


def _forget() -> None:
    made, _thread.made = _thread.made, None
    _thread.overridden = False
    _thread.given = None
    if made is not None:
        made.close()


def described(description: str) -> NamesResolver:
    """
    Return the resolver for the description that was set, creating it on the first call.
    """
    if runsLoop():
        return resolverHere(description)
    if _thread.made is None or _thread.made.closed:
        _thread.made = resolverHere(description)
    return _thread.made
