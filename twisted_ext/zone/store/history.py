"""
Change history of a zone that is read as a whole each time, such as from a master file: computed by comparison, so that secondaries can
use IXFR (RFC 1995).
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
    The latest version of a zone and its history.

    @ivar version: the latest version.
    @ivar history: the changes that lead to it.
    """

    __slots__ = ("version", "history")

    def __init__(self, version: Version) -> None:
        self.version = version
        self.history = History()

    def going(self, after: Version) -> Generator[None, None, None]:
        """
        Switch to another version, in short steps. If it is not newer, is large, or has little in common with the former version, discard
        the history.
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
            # This discards a history that does not lead up to the difference.
            self.history.note([difference])
