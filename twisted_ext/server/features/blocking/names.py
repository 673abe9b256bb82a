"""
The names that one process blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import BadImage
from twisted_ext.resolver.blocking.source import Blocking, BlockingSource, readReply
from twisted_ext.resolver.blocking.table import BlockTable
from twisted_ext.server.features.base.feature import Active, Part, Site, Stage
from twisted_ext.server.features.blocking.keeper import listsIn

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.features.blocking.settings import BlockingSettings

__all__ = ["BlockedNames"]

_log: Final = Logger(__name__)


class BlockedNames(Active):
    """
    The names that are blocked, and how they are answered.

    @ivar blocking: which names; reloads keep the object, with the table of lists in it.
    """

    blocking: Blocking

    def __init__(self, site: Site, settings: BlockingSettings, former: BlockedNames | None) -> None:
        readReply(settings.blockReply)
        self._site = site
        self._settings = settings
        self._lists = bool(listsIn(site.settings))
        blocking = self.blocking = Blocking() if former is None else former.blocking
        self.rereads = "block lists" if self._lists else ""
        given = [f"{len(settings.block)} given"] if settings.block else []
        said = f"block: {', '.join([*given, *settings.blockList])}, answered with {settings.blockReply}"
        self.parts = (Part(Stage.UPSTREAM, lambda: said, wrap=lambda source: BlockingSource(source, blocking, site.reactor)),)

    def begin(self) -> None:
        settings = self._settings
        exceptions = [each for each in settings.blockExcept if not each.startswith("file:")]
        self.blocking.apply(settings.block, exceptions, settings.blockReply, self._lists)

    def take(self, state: JSON) -> None:
        """
        Use the table of block lists in this file; C{""} if the lists could not be read.
        """
        table: BlockTable | None = None
        try:
            table = BlockTable.map(str(state)) if state else None
        except (OSError, BadImage) as error:
            _log.error("the table of block lists cannot be used: {error}", error=error)
        self.blocking.use(table)
        self._site.changed()

    def figures(self) -> dict[str, float]:
        # That there are blocked names is of interest also while none was asked for.
        return {"blocked": 0} if self.blocking.on else {}

    def close(self, heir: Active | None) -> None:
        if heir is None:
            # What waits for the first table goes on without one.
            self.blocking.apply((), (), self._settings.blockReply, False)
