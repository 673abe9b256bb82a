"""
Remembering that a question could not be answered, so that it does no harm to ask it again and again (RFC 9520).
"""

from __future__ import annotations

from copy import copy
from itertools import islice
from typing import Final

from twisted_ext.errors import BadMessage, DNSFault, PeerFault, ServerFailed, TimedOut, TrustFault, Unreachable
from twisted_ext.limits import FAILURE_MOST_SECONDS, FAILURE_PATIENCE, FAILURE_SECONDS, FAILURES_KEPT

__all__ = ["FAILURE_OCTETS", "Failures", "again", "causesOf"]

#: The info code for an error that was remembered (RFC 8914, section 4.14).
_CACHED_ERROR: Final = 13

#: Seconds for which nothing could be sent: it is we who are cut off, and that may end at any moment.
_CUT_OFF: Final = 1.0

# Info codes for failures of servers (RFC 8914, sections 4.23 and 4.24), and for all others.
_NO_AUTHORITY: Final = 22
_NETWORK: Final = 23
_OTHER: Final = 0

#: Characters of a cause that clients are told.
_CAUSE: Final = 160

_BATCH: Final = 64

#: How many are looked at, whenever one comes, for whether they still matter.
_FEW: Final = 2

#: Octets of memory of one failure, its table included.
FAILURE_OCTETS: Final = 1024


def again(fault: DNSFault) -> DNSFault:
    """
    @return: an exception like this one, without what raising and carrying it has left on it: many may wait for one failure.
    """
    return copy(fault)


def causesOf(fault: DNSFault) -> tuple[tuple[int, str], ...]:
    """
    @return: what clients are told of a failure: its own extended errors, or one that says which servers failed, and how. It is to fit on a
        line, and names no question: clients know theirs.
    """
    if fault.ede:
        return fault.ede
    if isinstance(fault, TimedOut):
        code = _NO_AUTHORITY
    elif isinstance(fault, Unreachable | BadMessage):
        code = _NETWORK
    elif isinstance(fault, ServerFailed):
        code = _OTHER
    else:
        return ()
    cause = fault.cause or str(fault)
    if isinstance(fault, TimedOut) and fault.attempts and "attempt" not in cause:
        cause += f", {fault.attempts} attempt{'s' * (fault.attempts > 1)}"
    return ((code, cause if len(cause) <= _CAUSE else f"{cause[: _CAUSE - 3]}..."),)


class _Failure:
    __slots__ = ("fault", "until", "wait")

    def __init__(self, fault: DNSFault, until: float, wait: float) -> None:
        self.fault = fault
        self.until = until
        self.wait = wait


class Failures:
    """
    What went wrong of late, by question and wishes.

    @ivar first: seconds to remember a first failure; 0 remembers none.
    @ivar most: seconds up to which that is doubled when it goes on.
    """

    __slots__ = ("first", "most", "_kept", "_most")

    def __init__(self, first: float | None = None, most: float | None = None, kept: float | None = None) -> None:
        self.first = 0.0 if first == 0 else FAILURE_SECONDS.pick(first)
        self.most = max(FAILURE_MOST_SECONDS.pick(most), self.first)
        self._most = int(FAILURES_KEPT.pick(kept))
        self._kept: dict[bytes, _Failure] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def octets(self) -> int:
        """
        Octets of memory, about.
        """
        return len(self._kept) * FAILURE_OCTETS

    def note(self, key: bytes, fault: DNSFault, now: float, asked: float) -> float:
        """
        Remember a failure, if it is one of the servers and not of our caller or of ours.

        @param asked: when the look-up began. One that ran out of time too early says nothing about the servers.

        @return: for how many seconds; 0 for not at all.
        """
        if not self.first or not isinstance(fault, PeerFault | TrustFault):
            return 0.0
        if isinstance(fault, TimedOut) and now - asked < FAILURE_PATIENCE.default:
            return 0.0
        if isinstance(fault, Unreachable):
            wait = _CUT_OFF
        else:
            before = self._kept.get(key)
            # A long time after its end it is another failure and no longer the same.
            wait = self.first if before is None or now > before.until + self.most else min(before.wait * 2, self.most)
        remembered = again(fault)
        remembered.ede = (*causesOf(fault)[:8], (_CACHED_ERROR, ""))
        remembered.text = remembered.text[:256]
        remembered.args = (remembered.text,)
        if isinstance(remembered, ServerFailed):
            # A whole message is not worth its memory.
            remembered.reply = None
        self._kept.pop(key, None)
        self._kept[key] = _Failure(remembered, now + wait, wait)
        # Nobody asks any more for most of what has failed, so that nothing else would take it away.
        for each in list(islice(self._kept, _FEW)):
            if now > self._kept[each].until + self.most:
                del self._kept[each]
        if len(self._kept) > self._most:
            for each in list(islice(self._kept, _BATCH)):
                del self._kept[each]
        return wait

    def find(self, key: bytes, now: float) -> DNSFault | None:
        """
        @return: what is remembered, as a new exception.
        """
        failure = self._kept.get(key)
        if failure is None or not failure.until - failure.wait <= now < failure.until:
            return None
        return again(failure.fault)

    def forget(self, key: bytes) -> None:
        """
        It has been answered.
        """
        self._kept.pop(key, None)

    def clear(self, begins: bytes = b"") -> None:
        """
        @param begins: forget failures whose key begins so; of all names by default.
        """
        if not begins:
            self._kept.clear()
            return
        for key in [key for key in self._kept if key.startswith(begins)]:
            del self._kept[key]

    def keys(self) -> list[bytes]:
        """
        @return: what is remembered, the oldest first.
        """
        return list(self._kept)
