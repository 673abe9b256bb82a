"""
Judge whether the clock of this machine is the reason that nothing validates: it stands at 1970, or is off by years.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twisted_ext.dnssec.limits import CLOCK_BEGINS, CLOCK_DOUBTED
from twisted_ext.dnssec.times import timeToText

__all__ = ["clockComplaint"]

#: Signatures of different sets that must all be outside of their time before the clock is suspected, so that one zone with expired
#: signatures does not suffice.
_CLOCK_SIGNATURES: Final = 2

_MEND: Final = "set the clock, as by NTP: until then every signed name fails to validate"

#: Times in signatures are compared modulo this (RFC 4034, section 3.1.5).
_WRAP: Final = 1 << 32


def clockComplaint(now: int, windows: Iterable[tuple[int, int]]) -> str | None:
    """
    Return a line for the log and for extended errors if the clock is wrong, as far as that can be seen.

    One signature that is valid now clears the clock. Otherwise all have to be off to the same side by C{CLOCK_DOUBTED}, and there have to
    be C{_CLOCK_SIGNATURES} of them, since an attacker or a careless signer can serve one that expired long ago.

    @param now: what the clock says.
    @param windows: inception and expiration of signatures seen, one from each of several record sets, best those of zones that are
        maintained, such as the root.
    """
    if now < CLOCK_BEGINS.default:
        return f"the clock is at {timeToText(now)}, before this program was written; {_MEND}"
    count = behind = ahead = 0
    latest = earliest = 0
    for inception, expiration in windows:
        # The nearest time that the 32 bits can mean; a window does not span more than half of the circle.
        expiration = now + (expiration - now + _WRAP // 2) % _WRAP - _WRAP // 2
        inception = expiration - (expiration - inception) % _WRAP
        if inception <= now <= expiration:
            return None
        count += 1
        if now < inception:
            behind += now <= inception - CLOCK_DOUBTED.default
            earliest = min(earliest, inception) if count > 1 else inception
        else:
            ahead += now >= expiration + CLOCK_DOUBTED.default
            latest = max(latest, expiration)
    if count >= _CLOCK_SIGNATURES:
        if behind == count:
            return f"the clock is at {timeToText(now)}, but all {count} signatures seen begin at {timeToText(earliest)} or later; {_MEND}"
        if ahead == count:
            return f"the clock is at {timeToText(now)}, but all {count} signatures seen ended by {timeToText(latest)}; {_MEND}"
    return None
