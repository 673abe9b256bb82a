"""
The resolver that each thread has for itself, as in aioxmpp: made when it is first asked for, made anew when it fails, or set by the
program.
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
    Nobody to ask: there are no records at any name.
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
    What one thread has.

    @ivar own: made here, of what the machine is configured to use, while no loop of asyncio runs: a loop has its own.
    @ivar overridden: somebody has set another one.
    @ivar given: that one.
    @ivar made: what was made of it where it is a description, and no loop of asyncio runs that keeps such.
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
    Give this thread a new resolver when it next asks for one, and let it be replaced without asking, even if the program had set one.

    The one before stays as it is for those who use it; it holds nothing while nobody waits.
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
    Let this thread have C{resolver}, which is not replaced without asking until L{reconfigureResolver} is called.

    @param resolver: one of ours, a description, a blocking one such as dnspython's.

    @raise CallerFault: it is none of these. A description is read, and nothing made of it before somebody looks something up.
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
