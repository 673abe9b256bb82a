"""
The two forms of Twisted's C{timeout} arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from twisted_ext.errors import CallerFault
from twisted_ext.limits import LOOKUP_SECONDS, Limit

__all__ = ["Timeout", "secondsAndWaits", "secondsOf"]

#: A number is the time from the call to the answer. A sequence contains the time to wait for each attempt, and its sum is the time from the
#: call to the answer. With L{None} or an empty sequence, the resolver's defaults apply.
Timeout: TypeAlias = float | Sequence[float] | None


def secondsAndWaits(timeout: Timeout) -> tuple[float, tuple[float, ...] | None]:
    """
    Return the seconds until the deadline, clamped to the range of L{LOOKUP_SECONDS}, and the time to wait for each attempt, if given.

    @raise CallerFault: not numbers, or a negative number.
    """
    if timeout is None:
        return LOOKUP_SECONDS.default, None
    try:
        if isinstance(timeout, str | bytes):
            # These are sequences as well.
            raise TypeError
        if isinstance(timeout, int | float):
            seconds, waits = float(timeout), None
        else:
            waits = tuple([float(wait) for wait in timeout])
            if not waits:
                return LOOKUP_SECONDS.default, None
            seconds = sum(waits)
        # Also rejects NaN.
        if not (seconds >= 0 and (waits is None or min(waits) >= 0)):
            raise ValueError
    except (TypeError, ValueError):
        raise CallerFault(
            f"the timeout {timeout!r} is neither a number of seconds nor a sequence of them, one for each attempt"
        ) from None
    return LOOKUP_SECONDS.pick(seconds), waits


def secondsOf(what: str, wanted: object, limit: Limit) -> float:
    """
    Return a number of seconds, clamped to the range of C{limit}; its default for L{None}.

    @raise CallerFault: not a number, or a negative number; names the parameter, C{what}.
    """
    # Also rejects NaN.
    if wanted is None or (isinstance(wanted, int | float) and wanted >= 0):
        return limit.pick(wanted)
    raise CallerFault(f"{what}: {wanted!r:.80} is not a number of seconds from 0 on, such as {limit.default:g}")
