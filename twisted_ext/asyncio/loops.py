"""
Attach a reactor and resolvers to an asyncio event loop, until the loop is closed.
"""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from typing import Final, cast

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IReactorTime

from twisted_ext.compat.install import Slot
from twisted_ext.compat.lookups.ask import resolverOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import CallerFault
from twisted_ext.limits import DESCRIPTIONS_KEPT

__all__ = ["LoopReactor", "OnLoop", "onLoop"]

#: The attribute of a loop that holds its L{OnLoop}.
_PLACE: Final = "_twisted_ext"

#: Reactor iterations for closing connections while the loop is not running.
_TURNS: Final = 8


class LoopReactor(AsyncioSelectorReactor):
    """
    A reactor on a loop that the application runs and closes. It is never the global reactor, and opens no descriptors of its own: threads
    wake the loop itself.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        super().__init__(loop)
        # run() is never called. The thread pool and everything else that starts with the reactor starts at once.
        self.running = True

    def installWaker(self) -> None:
        pass

    def wakeUp(self) -> None:
        pass

    def shut(self) -> None:
        """
        Close all connections, wait for threads to end and cancel delayed calls. The loop no longer runs.
        """
        if self.threadpool is not None:
            self._stopThreadPool()
        self.disconnectAll()
        for _ in range(_TURNS):
            # Aborted connections end in the next iteration.
            self.runUntilCurrent()
        for call in self.getDelayedCalls():
            call.cancel()
        timer = cast("TimerHandle | None", self._timerHandle)
        if timer is not None:
            timer.cancel()


class OnLoop:
    """
    The reactor of one loop, and the resolvers created for it from descriptions.

    @ivar reactor: the global reactor if it runs on this loop, else a L{LoopReactor}.
    @ivar closing: whether the loop is about to be closed, so that results will not be retrieved any more.
    @ivar own: the resolver that L{perthread<twisted_ext.integrations.aioxmpp.perthread>} created for the loop, closed with it.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        """
        @raise CallerFault: no reactor can run on this loop.
        """
        self.closing = False
        self.loop = loop
        self._slots: dict[str, Slot[object]] = {}
        self._made: LoopReactor | None = None
        self._default: NamesResolver | None = None
        self._described: dict[str, NamesResolver] = {}
        self.own: NamesResolver | None = None
        # Look it up in sys.modules: importing it would install a global reactor.
        reactor: object = sys.modules.get("twisted.internet.reactor")
        if getattr(reactor, "_asyncioEventloop", None) is not loop:
            try:
                reactor = self._made = LoopReactor(loop)
            except TypeError as error:
                raise CallerFault(
                    f"{loop!r}: only loops that watch sockets can be used, such as SelectorEventLoop"
                ) from error
        self.reactor = cast(IReactorTime, reactor)
        self._close = loop.close
        for name, value in ((_PLACE, self), ("close", self.close)):
            setattr(loop, name, value)

    def resolverOf(self, resolver: object) -> NamesResolver:
        """
        Return the resolver for an argument of a look-up on this loop.

        @param resolver: as for L{twisted_ext.compat.lookups.ask.resolverOf}. A resolver created from a description is kept.

        @raise CallerFault: C{resolver} is not valid, uses a reactor that does not run on this loop, or too many descriptions were given.
        """
        if resolver is None and self._made is not None:
            if self._default is None or self._default.closed:
                self._default = resolverOf(None, self.reactor)
            return self._default
        if not isinstance(resolver, str):
            found = resolverOf(resolver, None if resolver is None else self.reactor)
            theirs = found._reactor
            if theirs is not self.reactor and isinstance(theirs, ReactorBase):
                raise CallerFault(
                    "resolver: this one was made for another reactor; give its description, or make one on reactorFor()"
                )
            return found
        known = self._described.get(resolver)
        if known is None or known.closed:
            most = int(DESCRIPTIONS_KEPT.default)
            if known is None and len(self._described) >= most:
                raise CallerFault(
                    f"resolver: {most} descriptions have been given on this loop; make a resolver, and close it after use"
                )
            known = self._described[resolver] = resolverOf(resolver, self.reactor)
        return known

    def replace(self, name: str, function: Callable[..., object]) -> Callable[[], None]:
        """
        Replace a method of the loop, and return a function that undoes it: see L{Slot}.
        """
        slot = self._slots.get(name)
        if slot is None:
            own = vars(self.loop)

            def read() -> object:
                # Methods of the loop's class are not in its instance dictionary.
                return own.get(name)

            def restore(before: object) -> None:
                if before is None:
                    delattr(self.loop, name)
                else:
                    setattr(self.loop, name, before)

            slot = self._slots[name] = Slot(read, read, restore)
        return slot.install(function, lambda: setattr(self.loop, name, function))

    def close(self) -> None:
        """
        Close the resolvers and the reactor, then the loop. This replaces the loop's own C{close}.
        """
        if not self.loop.is_running() and not self.loop.is_closed():
            self._leave()
        self._close()

    def _leave(self) -> None:
        self.closing = True
        for resolver in (self._default, self.own, *self._described.values()):
            if resolver is not None and not resolver.closed:
                resolver.close()
        if self._made is not None:
            self._made.shut()
        for name in (_PLACE, "close"):
            delattr(self.loop, name)


def onLoop(loop: AbstractEventLoop) -> OnLoop:
    """
    Return the L{OnLoop} of a loop, created on the first call.

    @raise CallerFault: the loop is closed, or no reactor can run on it.
    """
    found = getattr(loop, _PLACE, None)
    if isinstance(found, OnLoop):
        return found
    if loop.is_closed():
        raise CallerFault(f"{loop!r} is closed")
    return OnLoop(loop)
