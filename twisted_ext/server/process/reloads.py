"""
A reload: settings and zones are read again and checked, and then the server goes over to them, in one process or in several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, fail, succeed
from twisted.internet.interfaces import IReactorTime

from twisted_ext.errors import BadDescription
from twisted_ext.server.process.jobs.subprocess import inThread
from twisted_ext.server.settings.changes import NOTHING

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.zones.load.zonesets import ReadZones, ZoneSets

__all__ = ["Reloaded", "Reloads"]

_T = TypeVar("_T")

#: The lines about settings, and those about zones, which come later.
_Lines = tuple["Deferred[list[str]]", "Deferred[list[str]]"]


class Reloaded(Protocol):
    """
    A server as its reloads see it.
    """

    @property
    def settings(self) -> Settings:
        """
        Those in force.
        """

    def prepare(self, settings: Settings) -> Callable[[], Deferred[list[str]]]:
        """
        Check settings.

        @return: a function that has the server go over to them. What it returns fires with lines that describe the result.

        @raise BadDescription: they cannot be used; nothing has changed then. The function may raise this too, with the same meaning.
        """


class Reloads:
    """
    Makes reloads, one after the other, so that the settings that were written last are in force in the end.
    """

    def __init__(
        self, reactor: IReactorTime, reread: Callable[[], Settings] | None, server: Reloaded, zoneSets: ZoneSets | None
    ) -> None:
        """
        @param reread: returns the settings as they are written now; L{None} if they are written nowhere.
        @param zoneSets: the zones; L{None} if there can be none.
        """
        self._reactor = reactor
        self._reread = reread
        self._server = server
        self._zoneSets = zoneSets
        self._lock = DeferredLock()
        # Callers that share the next reload, while one is queued that has not started.
        self._waiting: list[Deferred[list[str]]] | None = None

    def inTurn(self, work: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        """
        Do something between two reloads.
        """
        return self._lock.run(work)

    def reload(self) -> Deferred[list[str]]:
        """
        Read settings and zones again, and apply them; cache and sockets stay.

        @return: lines that report the result. Fails with L{BadDescription} if they cannot be used; then nothing has changed.
        """
        reread = self._reread
        if reread is None:
            return fail(BadDescription("this server has no settings to read again"))
        if self._waiting is not None:
            # That reload has not started yet, so it will read what has been written by now.
            shared: Deferred[list[str]] = Deferred()
            self._waiting.append(shared)
            return shared
        others: list[Deferred[list[str]]] = []
        self._waiting = others

        def begin() -> Deferred[_Lines]:
            self._waiting = None
            # Reading thousands of tables takes a second.
            return inThread(self._reactor, reread).addCallback(self._read)

        def share(outcome: list[str] | Failure) -> list[str] | Failure:
            for other in others:
                other.callback(outcome)
            return outcome

        return self._lock.run(begin).addCallback(_joined).addBoth(share)

    def _read(self, settings: Settings) -> Deferred[_Lines]:
        goOver, zoneSets = self._server.prepare(settings), self._zoneSets
        if zoneSets is None:
            return succeed((goOver(), succeed([])))
        wanted = self._server.settings.goingOverTo(settings)

        def apply(zones: ReadZones) -> _Lines:
            zoneSets.check(wanted, zones)
            return goOver(), zoneSets.reload(self._server.settings, zones)

        return zoneSets.read(wanted).addCallback(apply)


def _joined(lines: _Lines) -> Deferred[list[str]]:
    first, later = lines
    return first.addCallback(
        lambda told: later.addCallback(lambda more: [*[line for line in told if not more or line != NOTHING], *more])
    )
