"""
Find out, when answers fail validation, whether the clock of this machine is the reason, and log it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger

from twisted_ext.answers import Answer
from twisted_ext.dnssec.clockcheck import clockComplaint
from twisted_ext.wire.rrtypes import RRSIG

__all__ = ["ClockWatch"]

_log: Final = Logger(__name__)

#: Seconds after which a wrong clock is logged again.
_QUIET: Final = 3600.0

#: Signed sets of failed answers that are remembered: an answer from a zone without signatures fails as well, and says nothing of the time.
_REMEMBERED: Final = 8

#: Octets of an RRSIG before the signer's name.
_HEAD: Final = 18

_Window = tuple[int, int]


class ClockWatch:
    """
    Judges the clock by signatures that are not valid now.
    """

    __slots__ = ("_seconds", "_windows", "_logged")

    def __init__(self, seconds: Callable[[], float]) -> None:
        """
        @param seconds: returns the time of the reactor's clock, which no change of the date affects.
        """
        self._seconds = seconds
        self._windows: dict[tuple[bytes, bytes], _Window] = {}
        self._logged: float | None = None

    def complaint(self, answer: Answer, keys: Answer | None, now: int) -> str | None:
        """
        Return a line that says that the clock is wrong, if that is why a signature has expired or is not valid yet.

        @param answer: the bogus answer.
        @param keys: the keys of the zone with the trust anchor: if these are valid now, so is the clock.
        @param now: what the clock says, in seconds since 1970.
        """
        anchored = {} if keys is None else _windowsIn(keys)
        windows = self._windows
        if any(begins <= now <= ends for begins, ends in anchored.values()):
            # Scenarios of tests are played in the past.
            windows.clear()
            return None
        if anchored:
            windows |= _windowsIn(answer)
            while len(windows) > _REMEMBERED:
                del windows[next(iter(windows))]
        # Without the anchor's own keys, several zones with old signatures would be enough.
        found = clockComplaint(now, [*anchored.values(), *[windows[each] for each in windows if each not in anchored]] if anchored else ())
        if found is None:
            windows.clear()
            return None
        logged = self._logged
        if logged is None or self._seconds() - logged >= _QUIET:
            self._logged = self._seconds()
            _log.error("{complaint}", complaint=found)
        return found


def _windowsIn(answer: Answer) -> dict[tuple[bytes, bytes], _Window]:
    """
    Return inception and expiration of one signature of each set, by owner and type.
    """
    found: dict[tuple[bytes, bytes], _Window] = {}
    for rrset in (*answer.answer, *answer.authority):
        if rrset.rrType == RRSIG and len(rrset.rdatas[0]) > _HEAD:
            rdata = rrset.rdatas[0]
            times = int.from_bytes(rdata[12:16], "big"), int.from_bytes(rdata[8:12], "big")
            found.setdefault((rrset.name.lower(), rdata[:2]), times)
    return found
