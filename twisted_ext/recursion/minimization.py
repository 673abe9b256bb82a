"""
Query name minimization (RFC 9156): which part of a name to send to the servers of a zone.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.recursion.limits import MINIMIZED_LABELS, MINIMIZED_QUERIES
from twisted_ext.wire.names import labelCount

__all__ = ["Minimizer"]

_QUERIES: Final = int(MINIMIZED_QUERIES.default)
_SINGLE: Final = int(MINIMIZED_LABELS.default)


class Minimizer:
    """
    The names to send on the way to one name.

    @ivar name: folded.
    @ivar enabled: false if the whole name has to be sent from now on.
    @ivar labels: the number of labels of the name.
    """

    __slots__ = ("name", "enabled", "labels", "_queries")

    def __init__(self, name: bytes, enabled: bool = True, labels: int | None = None) -> None:
        self.name = name
        self.enabled = enabled
        self.labels = labelCount(name) if labels is None else labels
        self._queries = 0

    def next(self, known: int) -> bytes:
        """
        Return the next name to send.

        @param known: the number of labels that are known to exist or to have been asked: those of the zone, or of the last name sent.
        """
        left = self.labels - known
        if not self.enabled or left <= 1 or self._queries >= _QUERIES:
            return self.name
        self._queries += 1
        step = 1
        if self._queries > _SINGLE:
            # Spread the other labels over the queries left (RFC 9156, section 2.3).
            step = max(1, left // (_QUERIES - self._queries + 1))
        name = self.name
        position = 0
        for _ in range(left - step):
            position += name[position] + 1
        return name[position:]
