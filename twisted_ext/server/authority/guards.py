"""
Guards in front of the table of zones: a new version that has lost much waits until an operator accepts it, wherever it comes from. A table
that was emptied by mistake, a truncated file or a broken export then ends no zone.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from twisted_ext.server.limits import RECORDS_LOST, ZONES_LOST
from twisted_ext.wire.names import nameToText

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["Guards"]

#: Records or zones that may go at once, whatever their share: small zones change by more than half in daily work.
_FEW: Final = 10


class Guards:
    """
    Decides which versions wait, and remembers which.

    @ivar waiting: why the next version of a zone waits, by folded name.
    @ivar catalogs: the folded names of zones that list others.
    """

    __slots__ = ("waiting", "catalogs", "_accepted", "_records", "_zones")

    def __init__(self, settings: Settings | None = None) -> None:
        self.waiting: dict[bytes, str] = {}
        self.catalogs: Collection[bytes] = ()
        self._accepted: set[bytes] = set()
        self._records = float(RECORDS_LOST.default)
        self._zones = float(ZONES_LOST.default)
        if settings is not None:
            self.follow(settings)

    def follow(self, settings: Settings) -> None:
        """
        Apply changed bounds, to what is judged from here on.
        """
        self._records = float(settings.recordsLost)
        self._zones = float(settings.zonesLost)

    def judge(self, apex: bytes, standing: int, arrived: int, few: int = _FEW) -> str:
        """
        Judge a new version of a zone by its number of records. Those of a catalog are zones.

        @param standing: records of the version in force, or of the last one that was; 0 if there was none.
        @param few: the loss that is always allowed.

        @return: why it waits; C{""} if it does not.
        """
        most = self._zones if apex in self.catalogs else self._records
        said = ""
        if apex not in self._accepted and _isMuch(standing - arrived, standing, most, few):
            gone = f"{standing - arrived:,} of {standing:,} records are gone" if arrived else f"all of its {standing:,} records are gone"
            said = self.waiting[apex] = f"{gone}; to take that: txdns control zone accept {nameToText(apex)}"
        else:
            self.forget(apex)
        return said

    def judgeGone(self, apex: bytes, standing: int) -> str:
        """
        Judge that a zone is gone from where it comes from, although the settings name it.

        @return: see L{judge}.
        """
        return self.judge(apex, standing, 0, 0)

    def judgeZones(self, standing: int, gone: int) -> str:
        """
        Judge that zones are gone from the folders and lists that name them.

        @param standing: zones that come from there.
        @param gone: those of them that do not any more.

        @return: why they stay; C{""} if they do not.
        """
        if not _isMuch(gone, standing, self._zones):
            return ""
        return f"{gone:,} of {standing:,} zones are gone; to take that: txdns control reload"

    def accept(self, apex: bytes) -> bool:
        """
        Have the next version of a zone taken, whatever it has lost.

        @return: whether one waits; otherwise nothing is done.
        """
        if apex not in self.waiting:
            return False
        self._accepted.add(apex)
        return True

    def forget(self, apex: bytes) -> None:
        """
        Drop what is known of a zone that is no longer served, or comes from elsewhere now.
        """
        self.waiting.pop(apex, None)
        self._accepted.discard(apex)


def _isMuch(lost: int, standing: int, most: float, few: int = _FEW) -> bool:
    """
    @param most: percent that may be lost.
    """
    return lost > few and 100 * lost > most * standing
