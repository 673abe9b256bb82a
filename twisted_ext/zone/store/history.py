"""
What has changed in a zone that comes whole each time, such as from a master file that somebody edits: found out by comparing, so that
secondaries need not have all of it again (RFC 1995).
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from twisted_ext.zone.limits import CHANGES_OCTETS, COMPARED_NODES
from twisted_ext.zone.store.events import History
from twisted_ext.zone.store.serials import isNewer
from twisted_ext.zone.store.traversal import differing

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Compared"]


class Compared:
    """
    One zone.

    @ivar version: that which it had last.
    @ivar history: the changes that lead to it.
    """

    __slots__ = ("version", "history")

    def __init__(self, version: Version) -> None:
        self.version = version
        self.history = History()

    def going(self, after: Version) -> Generator[None, None, None]:
        """
        Go over to another version, in short steps. Where it is not newer, is large, or has little in common with the one before, nothing is
        known of changes then.
        """
        before, self.version = self.version, after
        if after is before or (after.image.content == before.image.content and not before.overlay and not after.overlay):
            return
        if not isNewer(after.serial, before.serial) or max(before.nodeCount, after.nodeCount) > COMPARED_NODES.default:
            self.history.forget()
            return
        difference = yield from differing(before, after, int(CHANGES_OCTETS.default))
        if difference is None:
            self.history.forget()
        else:
            # What does not lead from there is forgotten.
            self.history.note([difference])
