"""
Has the C extension make replies from the zones of a server: what most queries for zones get, before anything else looks at them.

Its replies are those of L{AuthoritySource<twisted_ext.server.authority.source.AuthoritySource>}, octet by octet; it leaves to that whatever
takes more than the records of one name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from twisted_ext.answers import Epoch
from twisted_ext.native.chosen import replies
from twisted_ext.server.authority.mapping import mappedOf
from twisted_ext.zone.query.direct import INDIRECT

if TYPE_CHECKING:
    from twisted_ext.native.chosen import Mapped, Terms
    from twisted_ext.server.authority.zonetable import Zones

__all__ = ["ZoneReplies"]


#: Zones whose versions the C extension is told of at a time; each takes half a kilobyte. When there are more, all are forgotten, and the
#: extension is told again of those that are asked.
_MOST: Final = 50_000


class ZoneReplies:
    """
    Makes replies. Each version in force is mapped when its zone is first asked; after a change of any zone all are mapped anew, so a reply
    is never one of a former version.
    """

    def __init__(
        self,
        zones: Zones,
        today: Callable[[], float],
        opts: tuple[bytes, bytes],
        *,
        flags: int = 0,
        secret: bytes | None = None,
        others: Iterable[int] = (),
        denies: bool = True,
    ) -> None:
        """
        @param today: returns seconds since 1970, for cookies.
        @param opts: the OPT record of replies, and that of replies to queries with DO.
        @param flags: the second octet of flags: RA or 0.
        @param secret: that of cookies; L{None} to leave queries with a cookie to others.
        @param others: types besides L{INDIRECT} that others answer.
        @param denies: whether to make negative answers, too.
        """
        left = sum([1 << rrType for rrType in {0, *INDIRECT, *others} if rrType < 256])
        self._terms: Terms = (flags, *opts, left.to_bytes(32, "little"), secret)
        self._zones = zones
        self._places = zones.places
        self._today = today
        self._denies = denies
        self._maps: dict[bytes, Mapped] = {}
        self._seen = Epoch.changes

    def repliesTo(self, arrived: list[Any], now: float) -> list[bytes | None]:
        """
        Make replies, for L{PacketCache.made<twisted_ext.packetcache.packetcache.PacketCache>}.
        """
        assert replies is not None
        if self._seen != Epoch.changes:
            self._seen = Epoch.changes
            self._maps.clear()
        unmapped: list[bytes] = []
        made = replies(self._places, self._maps, self._zones.depths, self._terms, int(self._today()), arrived, unmapped)
        for apex in unmapped:
            # The next query is answered from it.
            self._map(apex)
        return made

    def _map(self, apex: bytes) -> None:
        version = self._zones.served(apex)
        if version is None or apex in self._maps:
            return
        mapped = mappedOf(version, self._denies)
        if mapped is not None:
            if len(self._maps) >= _MOST:
                self._maps.clear()
            self._maps[version.apex] = mapped
