"""
Twisted's two forms of a C{timeout} argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from twisted_ext.errors import CallerFault
from twisted_ext.limits import LOOKUP_SECONDS, Limit

__all__ = ["Timeout", "secondsAndWaits", "secondsOf"]

#: A number is the time from the call to the answer. A sequence says how long to wait for each attempt in turn, and its sum is the
#: time from the call to the answer. L{None} and an empty sequence leave both to the resolver.
Timeout: TypeAlias = float | Sequence[float] | None


def secondsAndWaits(timeout: Timeout) -> tuple[float, tuple[float, ...] | None]:
    """
    @return: the seconds until the deadline, inside the range of L{LOOKUP_SECONDS}, and the waits of each attempt, if they were given.

    @raise CallerFault: something else than numbers, or a number below zero.
    """
    if timeout is None:
        return LOOKUP_SECONDS.default, None
    try:
        if isinstance(timeout, str | bytes):
            # Their characters would pass for a sequence.
            raise TypeError
        if isinstance(timeout, int | float):
            seconds, waits = float(timeout), None
        else:
            waits = tuple([float(wait) for wait in timeout])
            if not waits:
                return LOOKUP_SECONDS.default, None
            seconds = sum(waits)
        # False for what is no number as well.
        if not (seconds >= 0 and (waits is None or min(waits) >= 0)):
            raise ValueError
    except (TypeError, ValueError):
        raise CallerFault(
            f"the timeout {timeout!r} is neither a number of seconds nor a sequence of them, one for each attempt"
        ) from None
    return LOOKUP_SECONDS.pick(seconds), waits


def secondsOf(what: str, wanted: object, limit: Limit) -> float:
    """
    @param what: which parameter this is, for messages.
    @param wanted: L{None} for the default.

    @return: the seconds inside their range.

    @raise CallerFault: something else than a number, or a number below zero.
    """
    # False for what is no number as well.
    if wanted is None or (isinstance(wanted, int | float) and wanted >= 0):
        return limit.pick(wanted)
    raise CallerFault(f"{what}: {wanted!r:.80} is not a number of seconds from 0 on, such as {limit.default:g}")
