"""
Keeps one resolver for each thread, as aioxmpp does: made on first use, replaced when it fails, or set by the program.
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
    "Nothing",
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
class Nothing:
    """
    An answer source without servers: no name has any records.
    """

    #: See L{IAnswerSource}.
    immediate: Final = True

    def answerNow(self, question: Question, context: QueryContext) -> Answer:
        return Answer(Outcome.NODATA, origin=Origin("configuration"))

    def answer(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        return succeed(self.answerNow(question, context))

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


class _Thread(threading.local):
    """
    The state of one thread.

    @ivar own: the resolver made here from the system's configuration while no asyncio loop runs: a loop has its own.
    @ivar overridden: whether the program has set a resolver.
    @ivar given: the resolver that it has set.
    @ivar made: the resolver made from C{given} if that is a description, and no asyncio loop runs that would keep it.
    """

    own: NamesResolver | None = None
    overridden: bool = False
    given: object = None
    made: NamesResolver | None = None


_thread: Final = _Thread()


def _here() -> OnLoop | None:
    """
    @return: what the loop of asyncio that runs in this thread has of ours.
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
    """
    @return: whether a loop of asyncio runs in this thread; it keeps what is made of descriptions.
    """
    return _here() is not None


def currentReactor() -> IReactorTime:
    """
    @return: that of the asyncio loop which runs in this thread, else the global one.
    """
    here = _here()
    return globalReactor() if here is None else here.reactor


def resolverHere(resolver: object) -> NamesResolver:
    """
    @param resolver: see L{resolverOf}. A description is read once for a loop of asyncio; elsewhere the caller closes what comes of it.

    @return: one that works in this thread.

    @raise CallerFault: none can be made of it, or it waits on another reactor.
    """
    here = _here()
    return resolverOf(resolver) if here is None else here.resolverOf(resolver)


def freshResolver(reactor: IReactorTime) -> NamesResolver:
    """
    @return: a resolver as the machine is configured now, hosts file and special names included; one that answers nothing where no name
        server is configured.
    """
    from twisted_ext.resolver.system.configured import System

    source = System(reactor)
    return NamesResolver(Nothing() if source.configuration.defaulted else source, reactor)


def getResolver() -> object:
    """
    @return: the resolver of this thread: the one that was set, or one made here. A loop of asyncio has one of its own in the thread that
        it runs in.
    """
    return _thread.given if _thread.overridden else ownResolver()


def ownResolver() -> NamesResolver | None:
    """
    @return: the resolver of this thread that was made here, made if need be; L{None} where the program has set one.
    """
    if _thread.overridden:
        return None
    place = _here() or _thread
    if place.own is None or place.own.closed:
        place.own = freshResolver(currentReactor())
    return place.own


def reconfigureResolver() -> None:
    """
    Make a new resolver for this thread on its next use, and allow it to be replaced automatically, even if the program had set one.

    The previous resolver remains usable; it holds no resources while no look-up is in progress.
    """
    _forget()
    (_here() or _thread).own = None


def renewResolver(failed: NamesResolver) -> None:
    """
    Give this thread a new resolver, unless it has another one by now than that which failed: of many look-ups that fail together the
    first does it for all.
    """
    if not _thread.overridden and (_here() or _thread).own is failed:
        reconfigureResolver()


def setResolver(resolver: object) -> None:
    """
    Set the resolver of this thread, which is not replaced automatically until L{reconfigureResolver} is called.

    @param resolver: a resolver of this package, a description, or a blocking resolver such as dnspython's.

    @raise CallerFault: it is none of these. A description is parsed now, but its resolver is not made before the first look-up.
    """
    if resolver is None:
        raise CallerFault("resolver: None is none; reconfigure the thread's resolver to have one as the machine is configured")
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
    @return: what the description that was set stands for, made once.
    """
    if runsLoop():
        return resolverHere(description)
    if _thread.made is None or _thread.made.closed:
        _thread.made = resolverHere(description)
    return _thread.made
