"""
Has the C extension make replies from the zones of a server: what most queries for zones get, before anything else looks at them.

Its replies are those of L{AuthoritySource<twisted_ext.server.zones.table.source.AuthoritySource>}, octet by octet; it leaves to that
whatever takes more than the records of one name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from twisted_ext.answers import Epoch
from twisted_ext.native.chosen import mapped, replies
from twisted_ext.server.reply.replywriter import compose
from twisted_ext.wire.message import HEADER_OCTETS
from twisted_ext.zone.query.answers import deniedBy
from twisted_ext.zone.query.direct import INDIRECT

if TYPE_CHECKING:
    from twisted_ext.native.chosen import Mapped, Terms
    from twisted_ext.server.zones.table.zonetable import Zones
    from twisted_ext.zone.store.version import Version

__all__ = ["Denial", "ZoneReplies", "denialOf", "mappedOf"]


#: Zones whose versions the C extension is told of at a time; each takes half a kilobyte. When there are more, all are forgotten, and the
#: extension is told again of those that are asked.
_MOST: Final = 50_000

#: The authority section of a denial: its octets as they follow a question for a name with one label of one octet below the apex; the octets
#: of that label; where in the section its compression pointers are, which change with the name; and the labels before the apex at which the
#: two names in the SOA record end, C{b""} for names outside: a question that has one of these there is compressed otherwise.
Denial = tuple[bytes, int, bytes, bytes, bytes]

#: No name in an SOA record has it before the apex, as that compares without case.
_LABEL: Final = b"\x01\xff"

_POINTER: Final = 0xC0

#: The largest place of a pointer in L{Denial}.
_OCTET: Final = 255

#: The most maps that are compared with the versions in force after a change, in a millisecond. If there are more, all are forgotten: in a
#: flood of changes, comparing would cost more than to map the zones that are asked meanwhile.
_COMPARED: Final = 5000

_A_IN: Final = b"\x00\x01\x00\x01"


def mappedOf(version: Version, denies: bool) -> Mapped | None:
    """
    @param denies: whether to make denials too.

    @return: L{None} where Python has to answer: without the extension, and if cuts have changed since the image was built.
    """
    if mapped is None or version.recut or version.origin is None or version.origin.epoch is None:
        return None
    mapping = version.image.mapping()
    if mapping is None:
        return None
    buffer, places = mapping
    denial = denialOf(version) if denies and not version.overlay and not version.image.aliases else None
    return mapped(buffer, places, version.apex, version.overlay, denial, version.proves or version.signed)


def denialOf(version: Version) -> Denial | None:
    """
    @return: L{None} if the names in the SOA record are so long, or such, that Python has to deny.
    """
    apex = version.apex
    name = _LABEL + apex
    start = bytes(HEADER_OCTETS) + name + _A_IN
    octets = compose(start, name, 0, ((), deniedBy(version), ()), b"", 1 << 16).octets[len(start) :]
    if octets[0] < _POINTER:
        # The apex is that of the root, to which nothing points.
        return None
    pointers = [0]
    position = 12
    for _ in range(2):
        while 0 < octets[position] < _POINTER:
            position += 1 + octets[position]
        if octets[position]:
            pointers.append(position)
            position += 1
        position += 1
    if pointers[-1] > _OCTET:
        return None
    labels: list[bytes] = []
    rdata = version.soa.rdatas[0]
    position = 0
    for _ in range(2):
        last = b""
        starts: list[int] = []
        while rdata[position]:
            starts.append(position)
            position += 1 + rdata[position]
        position += 1
        for begin in starts:
            if rdata[begin + 1 + rdata[begin] : position].lower() == apex:
                last = rdata[begin : begin + 1 + rdata[begin]].lower()
        labels.append(last)
    return octets, len(_LABEL), bytes(pointers), labels[0], labels[1]


class ZoneReplies:
    """
    Makes replies. Each version in force is mapped when its zone is first asked, and forgotten once another one is in force, so a reply is
    never one of a former version.

    @ivar unmapped: versions that could not be mapped because of an error; Python answers from these.
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
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """
        @param today: returns seconds since 1970, for cookies.
        @param opts: the OPT record of replies, and that of replies to queries with DO.
        @param flags: the second octet of flags: RA or 0.
        @param secret: that of cookies; L{None} to leave queries with a cookie to others.
        @param others: types besides L{INDIRECT} that others answer.
        @param denies: whether to make negative answers, too.
        @param failed: called with the error if a version cannot be mapped, once for that version.
        """
        left = sum([1 << rrType for rrType in {0, *INDIRECT, *others} if rrType < 256])
        self._terms: Terms = (flags, *opts, left.to_bytes(32, "little"), secret)
        self._zones = zones
        self._places = zones.places
        self._today = today
        self._denies = denies
        self._failed = failed
        # None for a version that Python answers from.
        self._maps: dict[bytes, Mapped | None] = {}
        self._versions: dict[bytes, Version] = {}
        self._seen = Epoch.changes
        self.unmapped = 0

    def repliesTo(self, arrived: list[Any], now: float) -> list[bytes | None]:
        """
        Make replies, for L{PacketCache.made<twisted_ext.packetcache.packetcache.PacketCache>}.
        """
        assert replies is not None
        if self._seen != Epoch.changes:
            self._seen = Epoch.changes
            self._forget()
        unmapped: list[bytes] = []
        made = replies(self._places, self._maps, self._zones.depths, self._terms, int(self._today()), arrived, unmapped)
        for apex in unmapped:
            # The next query is answered from it.
            self._map(apex)
        return made

    def _forget(self) -> None:
        """
        Forget the versions that are not in force any more.
        """
        versions = self._versions
        if len(versions) > _COMPARED:
            self._clear()
            return
        served = self._zones.served
        for apex in [apex for apex, version in versions.items() if served(apex) is not version]:
            del versions[apex], self._maps[apex]

    def _clear(self) -> None:
        self._maps.clear()
        self._versions.clear()

    def _map(self, apex: bytes) -> None:
        version = self._zones.served(apex)
        if version is None or version.apex != apex or apex in self._maps:
            return
        mapped = None
        try:
            mapped = mappedOf(version, self._denies)
        except Exception as error:
            # A zone may come from others; replies for all zones are made together.
            self.unmapped += 1
            if self._failed is not None:
                self._failed(error)
        if len(self._maps) >= _MOST:
            self._clear()
        self._maps[apex] = mapped
        self._versions[apex] = version
