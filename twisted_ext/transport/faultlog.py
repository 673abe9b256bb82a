"""
Log unexpected exceptions at a bounded rate, since the cause of one may recur with every packet.
"""

from __future__ import annotations

from collections.abc import Callable
from traceback import walk_tb
from typing import Final, cast

from mypy_extensions import mypyc_attr
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.limits import FAULT_KINDS, FAULT_SECONDS

__all__ = ["FaultLog"]

_log: Final = Logger(__name__)

_failureOf: Final = cast("Callable[[BaseException], Failure]", Failure)


@mypyc_attr(allow_interpreted_subclasses=True)
class FaultLog:
    """
    Logs each kind of exception once with its traceback. Further ones are summarized in one line every L{FAULT_SECONDS}.

    Two exceptions are of one kind if they have the same type and were raised at the same place.
    """

    def __init__(self, counted: Callable[[BaseException], object] = lambda error: None) -> None:
        self._counted = counted
        self._known: set[tuple[type[BaseException], str, int]] = set()
        self._next = float("-inf")
        self._unsaid = 0

    def note(self, doing: str, error: BaseException, now: float) -> None:
        """
        Log and count an exception. Never raises, even if memory is short: the caller continues with other work.

        @param doing: what was being done: C{"reading datagrams"}.
        """
        try:
            self._counted(error)
            kind = (type(error), *_placeOf(error))
            if kind not in self._known and len(self._known) < FAULT_KINDS.default:
                self._known.add(kind)
                _log.failure("unexpected error while {doing}; it is logged without traceback from now on", _failureOf(error), doing=doing)
                return
            self._unsaid += 1
            if now >= self._next:
                count, self._unsaid = self._unsaid, 0
                self._next = now + FAULT_SECONDS.default
                _log.error(
                    "{count} more unexpected errors, the last of them while {doing}: {type}: {error}",
                    count=count,
                    doing=doing,
                    type=type(error).__name__,
                    error=error,
                )
        except Exception:
            # There may be no memory for a log line. It is more important that the caller continues.
            return


def _placeOf(error: BaseException) -> tuple[str, int]:
    place = ("", 0)
    for frame, line in walk_tb(error.__traceback__):
        place = (frame.f_code.co_filename, line)
    return place
