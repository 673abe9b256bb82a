"""
The failure cache: failed questions are not retried for a while (RFC 9520).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

from twisted_ext.errors import (
    BadMessage,
    DNSFault,
    PeerFault,
    ServerFailed,
    TimedOut,
    TrustFault,
    Unreachable,
    WorkSpent,
)
from twisted_ext.limits import FAILURE_MOST_SECONDS, FAILURE_PATIENCE, FAILURE_SECONDS, FAILURES_KEPT

__all__ = ["FAILURE_OCTETS", "Failures", "again", "causesOf"]

#: The info code for a cached error (RFC 8914, section 4.14).
_CACHED_ERROR: Final = 13

#: Seconds for which to cache a failure to send: the local network is down, and may be back at any moment.
_CUT_OFF: Final = 1.0

# Info codes for failures of servers (RFC 8914, sections 4.23 and 4.24), and for all others.
_NO_AUTHORITY: Final = 22
_NETWORK: Final = 23
_OTHER: Final = 0

#: Characters of a cause in an extended error.
_CAUSE: Final = 160

_BATCH: Final = 64

#: Failures checked for expiry whenever one is added.
_FEW: Final = 2

#: Memory of one failure including its table slot, in octets.
FAILURE_OCTETS: Final = 1024


def again(fault: DNSFault) -> DNSFault:
    """
    Return a copy of the exception without traceback and context: many callers may get the same failure.
    """
    # Not copy(), which does what pickle does: libraries such as tblib, which Dask loads, make that keep traceback and context.
    made = type(fault).__new__(type(fault), *fault.args)
    made.__dict__.update(fault.__dict__)
    return made


def causesOf(fault: DNSFault) -> tuple[tuple[int, str], ...]:
    """
    Return the extended errors to report for a failure: its own, or one with the servers and their failures. The text fits on one line and
    does not contain the question, which the client knows.
    """
    if fault.ede:
        return fault.ede
    if isinstance(fault, TimedOut):
        code = _NO_AUTHORITY
    elif isinstance(fault, Unreachable | BadMessage):
        code = _NETWORK
    elif isinstance(fault, ServerFailed | WorkSpent):
        code = _OTHER
    else:
        return ()
    cause = fault.cause or str(fault)
    if isinstance(fault, TimedOut) and fault.attempts and "attempt" not in cause:
        cause += f", {fault.attempts} attempt{'s' * (fault.attempts > 1)}"
    return ((code, cause if len(cause) <= _CAUSE else f"{cause[: _CAUSE - 3]}..."),)


@dataclass(slots=True, eq=False)
class _Failure:
    fault: DNSFault
    until: float
    wait: float


class Failures:
    """
    The failure cache, by question and flags.

    @ivar first: seconds to cache a first failure; 0 disables the cache.
    @ivar most: seconds up to which that is doubled for repeated failures.
    @ivar limit: failures that are kept at once.
    """

    def __init__(self, first: float | None = None, most: float | None = None, kept: float | None = None) -> None:
        self.first = 0.0 if first == 0 else FAILURE_SECONDS.pick(first)
        self.most = max(FAILURE_MOST_SECONDS.pick(most), self.first)
        self.limit = int(FAILURES_KEPT.pick(kept))
        self._kept: dict[bytes, _Failure] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def octets(self) -> int:
        return len(self._kept) * FAILURE_OCTETS

    def note(self, key: bytes, fault: DNSFault, now: float, asked: float) -> float:
        """
        Cache a failure if the servers, the zone or the network caused it.

        @param asked: when the look-up began. A timeout that came too early is not the servers' failure.

        @return: for how many seconds it is cached; 0 for not at all.
        """
        if not self.first or not isinstance(fault, PeerFault | TrustFault | WorkSpent):
            return 0.0
        if isinstance(fault, TimedOut) and now - asked < FAILURE_PATIENCE.default:
            return 0.0
        if isinstance(fault, Unreachable):
            wait = _CUT_OFF
        else:
            before = self._kept.get(key)
            # Long after the former failure expired, this is a new one, not a repetition.
            wait = self.first if before is None or now > before.until + self.most else min(before.wait * 2, self.most)
        remembered = again(fault)
        remembered.ede = (*causesOf(fault)[:8], (_CACHED_ERROR, ""))
        remembered.text = remembered.text[:256]
        remembered.args = (remembered.text,)
        if isinstance(remembered, ServerFailed):
            # Drop the message, to save memory.
            remembered.reply = None
        self._kept.pop(key, None)
        self._kept[key] = _Failure(remembered, now + wait, wait)
        # Most failed questions are never repeated, so nothing else would remove their entries.
        for each in list(islice(self._kept, _FEW)):
            if now > self._kept[each].until + self.most:
                del self._kept[each]
        if len(self._kept) > self.limit:
            for each in list(islice(self._kept, _BATCH)):
                del self._kept[each]
        return wait

    def find(self, key: bytes, now: float) -> DNSFault | None:
        failure = self._kept.get(key)
        if failure is None or not failure.until - failure.wait <= now < failure.until:
            return None
        return again(failure.fault)

    def of(self, key: bytes) -> DNSFault:
        """
        Return a failure that is kept, whether it has expired or not.
        """
        return self._kept[key].fault

    def forget(self, key: bytes) -> None:
        self._kept.pop(key, None)

    def clear(self, begins: bytes = b"") -> None:
        """
        @param begins: remove failures whose key has this prefix; all by default.
        """
        if not begins:
            self._kept.clear()
            return
        for key in [key for key in self._kept if key.startswith(begins)]:
            del self._kept[key]

    def keys(self) -> list[bytes]:
        return list(self._kept)
