"""
When to warn of things that expire, such as certificates and signatures. No I/O, and the time is an argument.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ExpiryWarnings", "timeLeft"]

#: Days before something expires at which the log has the first warning: certificates of 90 days are renewed 30 days before, so by then the
#: renewal has failed for some time.
_EXPIRY_WARNED: Final = 14

#: Hours between two such warnings at least, and after the end.
_EXPIRY_PAUSE: Final = 1

_HOUR: Final = 3600
_DAY: Final = 86_400


class ExpiryWarnings:
    """
    Which warnings are due. The first is due C{_EXPIRY_WARNED} days before something expires, each later one after half of the time that is
    left then, and those behind the last C{_EXPIRY_PAUSE} hours after as many.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # By label: when it expires, and when the next warning is due.
        self._known: dict[str, tuple[float, float]] = {}

    def isDue(self, label: str, ends: float, now: float, before: float | None = None) -> bool:
        """
        @param label: what expires; another end is that of a renewed one, whose warnings begin anew.
        @param ends: when it expires, in seconds since 1970.
        @param before: how long before that warnings begin, in seconds; by default C{_EXPIRY_WARNED} days.
        """
        left = ends - now
        if left > (_EXPIRY_WARNED * _DAY if before is None else before):
            self._known.pop(label, None)
            return False
        known = self._known.get(label)
        if known is not None and known[0] == ends and now < known[1]:
            return False
        self._known[label] = ends, now + max(left / 2, _EXPIRY_PAUSE * _HOUR)
        return True

    def keep(self, labels: set[str]) -> None:
        """
        Forget all others.
        """
        for label in self._known.keys() - labels:
            del self._known[label]


def timeLeft(seconds: float) -> str:
    """
    Return a time for log lines: in days, or in hours if it is less than two days.
    """
    return f"{seconds // _DAY:.0f} days" if seconds >= 2 * _DAY else f"{max(seconds / _HOUR, 0):.1f} hours"
