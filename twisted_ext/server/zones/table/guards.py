"""
Guards in front of the table of zones: a new version that has lost much waits until an operator accepts it, wherever it comes from. A table
that was emptied by mistake, a truncated file or a broken export then ends no zone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.server.limits import RECORDS_LOST, ZONES_LOST
from twisted_ext.server.zones.table.zonetable import variantText

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.zone.store.version import Version

__all__ = ["Guards"]

#: Records or zones that may go at once, whatever their share: small zones change by more than half in daily work.
_FEW: Final = 10


class Guards:
    """
    Decides which versions wait, and remembers which.

    @ivar waiting: why the next version of a zone waits, by folded name.
    @ivar unlisted: the zones that are served although no folder or list names them any more.
    @ivar view: the view whose zones these are; C{""} for those for all clients.
    @ivar catalogs: the folded names of zones that list others.
    """

    __slots__ = ("waiting", "unlisted", "catalogs", "_accepted", "_records", "_zones", "view")

    def __init__(self, settings: Settings | None = None, view: str = "") -> None:
        self.view = view
        self.waiting: dict[bytes, str] = {}
        self.unlisted: Collection[bytes] = ()
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
        Judge a new version of a zone; L{weigh} returns the numbers of two versions.

        @param standing: records of the version in force, or of the last one that was; 0 if there was none. Of a catalog, zones.
        @param few: the loss that is always allowed.

        @return: why it waits; C{""} if it does not.
        """
        most = self._zones if apex in self.catalogs else self._records
        said = ""
        if apex not in self._accepted and _isMuch(standing - arrived, standing, most, few):
            what = "zones" if apex in self.catalogs else "records"
            gone = f"{standing - arrived:,} of {standing:,} {what} are gone" if arrived else f"all of its {standing:,} {what} are gone"
            said = self.waiting[apex] = f"{gone}; to take that: txdns control zone accept {variantText(apex, self.view)}"
        else:
            self.forget(apex)
        return said

    def weigh(self, former: Version | None, version: Version) -> tuple[int, int]:
        """
        Return for L{judge} how much there was, and how much of it is left: records, or of a catalog the zones that it lists. May be called
        in a thread: of a catalog with a hundred thousand zones it takes half a second.
        """
        if former is None:
            return 0, version.recordCount
        if version.apex not in self.catalogs:
            return former.recordCount, version.recordCount
        from twisted_ext.zone.catalog.catalogs import membersLost

        standing, lost = membersLost(former, version)
        return standing, standing - lost

    def judgeGone(self, apex: bytes, standing: int) -> str:
        """
        Judge that a zone is gone from where it comes from, although the settings name it.

        @return: see L{judge}.
        """
        return self.judge(apex, standing, 0, 0)

    def judgeZones(self, standing: Mapping[str, int], gone: Mapping[str, int]) -> str:
        """
        Judge that zones are gone from the folders and lists that named them.

        @param standing: how many zones came from each of these.
        @param gone: how many of them do not any more. One that has lost all of them is often a disk that is not mounted.

        @return: why they stay; C{""} if they do not.
        """
        lost, every = sum(gone.values()), sum(standing.values())
        emptied = [path for path, count in gone.items() if count == standing[path] and _isMuch(count, count, self._zones, 0)]
        if not emptied and not _isMuch(lost, every, self._zones):
            return ""
        named = ", ".join(emptied or gone)
        return f"{named}: {lost:,} of {every:,} zones are gone, and are served as before; to take that: txdns control reload"

    def held(self) -> set[bytes]:
        """
        Return the zones of which a former version is served, because the next one has lost too much.
        """
        return {*self.waiting, *self.unlisted}

    def accept(self, apex: bytes) -> bool:
        """
        Have the next version of a zone taken, whatever it has lost.

        @return: whether one waits; otherwise nothing is done.
        """
        if apex not in self.waiting:
            return False
        self._accepted.add(apex)
        return True

    def whyNot(self, apex: bytes) -> str:
        """
        Return why nothing can be accepted of a zone of which no version waits.
        """
        more = " alone; to take what folders and lists have lost: txdns control reload" if apex in self.unlisted else ""
        return f"no version of {variantText(apex, self.view)} waits{more}"

    @property
    def bounds(self) -> tuple[float, float]:
        return self._records, self._zones

    def isAccepted(self, apex: bytes) -> bool:
        """
        Return whether the next version of a zone is taken whatever it has lost.
        """
        return apex in self._accepted

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
