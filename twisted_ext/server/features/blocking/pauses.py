"""
For which views blocking is paused, and until when.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_ext.errors import CallerFault
from twisted_ext.server.config.tables import meant
from twisted_ext.wire.rdata.times import secondsFromDuration

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Pauses"]

_log: Final = Logger(__name__)

#: Clients in no view, and all clients.
_DEFAULT: Final = "default"
_ALL: Final = "all"

#: Seconds of the longest pause. Who wants a longer one changes the settings, which a restart keeps.
_LONGEST: Final = 86_400


class Pauses:
    """
    Pauses of views, each with its end.
    """

    def __init__(self, reactor: IReactorTime, changed: Callable[[], object], today: Callable[[], float] = time) -> None:
        """
        @param changed: called when another view is paused, or no longer.
        """
        self._reactor = reactor
        self._changed = changed
        self._today = today
        self._views: tuple[str, ...] = ()
        # Until when, on the reactor's clock.
        self._ends: dict[str, float] = {}

    @property
    def paused(self) -> list[str]:
        """
        The names of the views that are paused; C{""} for clients in no view.
        """
        return sorted(self._ends)

    def apply(self, views: Iterable[str]) -> None:
        """
        Forget the pauses of views that are gone.

        @param views: the names of those that there are.
        """
        self._views = ("", *views)
        self._ends = {name: end for name, end in self._ends.items() if name in self._views}

    def pause(self, view: str, length: str) -> list[str]:
        """
        Pause a view.

        @param view: its name; C{"default"} for clients in no view, C{"all"} for everybody.
        @param length: for how long, such as C{"5m"}.

        @return: lines that say what happens.

        @raise CallerFault: there is no such view, or the time is not valid.
        """
        names = self._named(view)
        try:
            seconds = secondsFromDuration(length)
        except ValueError:
            raise CallerFault(f"{length!r} is not a time; write 30s, 5m, 2h or 1h30m") from None
        if not 1 <= seconds <= _LONGEST:
            raise CallerFault(f"a pause takes a second to a day, not {length}; for longer ones change the settings")
        self._ends.update(dict.fromkeys(names, self._reactor.seconds() + seconds))
        until = f"{datetime.fromtimestamp(self._today() + seconds).astimezone():%H:%M:%S}"
        said = [f"blocking is paused for {_shown(name)} until {until}" for name in names]
        for line in said:
            _log.info("{line}", line=line)
        self._changed()
        return said

    def resume(self, view: str) -> list[str]:
        """
        End a pause. For the argument and the result see L{pause}.
        """
        return self._end([name for name in self._named(view) if name in self._ends]) or ["blocking was not paused"]

    def look(self) -> None:
        """
        End the pauses whose time has come.
        """
        now = self._reactor.seconds()
        self._end([name for name, end in self._ends.items() if end <= now])

    def said(self) -> list[str]:
        """
        Return a line for each view that is paused.
        """
        ends = self.ends().items()
        return [f"  paused for {_shown(name)} until {datetime.fromtimestamp(end).astimezone():%H:%M:%S}" for name, end in ends]

    def ends(self) -> dict[str, float]:
        """
        Return until when each view is paused, in seconds since 1970.
        """
        offset = self._today() - self._reactor.seconds()
        return {name: end + offset for name, end in sorted(self._ends.items())}

    def _end(self, names: list[str]) -> list[str]:
        for name in names:
            del self._ends[name]
        said = [f"blocking goes on for {_shown(name)}" for name in names]
        for line in said:
            _log.info("{line}", line=line)
        if names:
            self._changed()
        return said

    def _named(self, view: str) -> list[str]:
        if view == _ALL:
            return [*self._views]
        name = "" if view == _DEFAULT else view
        if name not in self._views:
            raise CallerFault(f"there is no view {view}{meant(view, [_ALL, _DEFAULT, *self._views[1:]])}")
        return [name]


def _shown(name: str) -> str:
    return f"view {name}" if name else "clients in no view"
