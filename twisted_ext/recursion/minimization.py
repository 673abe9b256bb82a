"""
Query name minimization (RFC 9156): which part of a name to send to the servers of a zone.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.recursion.limits import MINIMIZED_LABELS, MINIMIZED_QUERIES

__all__ = ["Minimizer"]

_QUERIES: Final = int(MINIMIZED_QUERIES.default)
_SINGLE: Final = int(MINIMIZED_LABELS.default)


class Minimizer:
    """
    The names to send on the way to one name.

    @ivar name: folded.
    @ivar enabled: false if the whole name has to be sent from now on.
    """

    __slots__ = ("name", "enabled", "_starts", "_queries")

    def __init__(self, name: bytes, enabled: bool = True) -> None:
        self.name = name
        self.enabled = enabled
        self._queries = 0
        # The offset of each label, the root's included.
        starts = [0]
        while length := name[starts[-1]]:
            starts.append(starts[-1] + length + 1)
        self._starts = starts

    def next(self, known: int) -> bytes:
        """
        Return the next name to send.

        @param known: the number of labels that are known to exist or to have been asked: those of the zone, or of the last name sent.
        """
        starts = self._starts
        labels = len(starts) - 1
        left = labels - known
        if not self.enabled or left <= 1 or self._queries >= _QUERIES:
            return self.name
        self._queries += 1
        step = 1
        if self._queries > _SINGLE:
            # Spread the other labels over the queries left (RFC 9156, section 2.3).
            step = max(1, left // (_QUERIES - self._queries + 1))
        return self.name[starts[max(left - step, 0)] :]
