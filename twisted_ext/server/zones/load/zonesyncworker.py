"""
The zones of a worker process, kept in sync with its parent.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from time import time
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.errors import DNSFault
from twisted_ext.server.config.keys import Grants
from twisted_ext.server.zones.images.imagefiles import Maps
from twisted_ext.server.zones.table.zonetable import SERVING, Zones
from twisted_ext.server.zones.transfer.xfrout import Offer
from twisted_ext.zone.store.changeset import fromRendered
from twisted_ext.zone.store.nodes import keyBelow

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.wire.records import RRSet
    from twisted_ext.zone.store.version import Version

__all__ = ["ZoneSyncWorker"]

#: Messages applied, and names changed, before control returns to the reactor: a few milliseconds of work.
_STEP: Final = 500

#: Grants everything: the parent has already checked the client's access.
_ANYBODY: Final = Grants.fromTexts(["any"])

_log: Final = Logger(__name__)


class ZoneSyncWorker:
    """
    Applies the parent's messages to a table of zones.
    """

    def __init__(self, zones: Zones, *, today: Callable[[], float] = time) -> None:
        """
        @param today: returns seconds since 1970.
        """
        self.zones = zones
        #: Called with a zone and the file of its image if that cannot be used.
        self.lacks: Callable[[bytes, str], object] = lambda apex, path: None
        self._maps = Maps()
        self._today = today
        self._paths: dict[bytes, str] = {}
        self._edits: dict[bytes, int] = {}
        self._until: dict[bytes, float] = {}
        self._more: dict[bytes, list[bytes]] = {}
        self._gone: dict[bytes, list[JSON]] = {}
        zones.damaged = lambda apex: self.lacks(apex, self._paths.get(apex, ""))

    def obeying(self, words: Iterable[JSON]) -> Iterator[None]:
        """
        Apply messages of L{ZoneSyncParent<twisted_ext.server.process.zonesyncparent.ZoneSyncParent>}, in steps between which control may
        return to the reactor.

        @raise ValueError: a message is not valid or does not follow on the earlier ones.
        """
        for count, word in enumerate(words):
            if not isinstance(word, list) or len(word) < 2:
                raise ValueError(f"{word!r:.100} is not a valid message to a worker")
            do, apex, rest = word[0], bytes.fromhex(str(word[1])), word[2:]
            if do == "edit":
                yield from self._edit(apex, *rest)
            else:
                self._do(str(do), apex, rest)
            if count % _STEP == _STEP - 1:
                yield

    def _do(self, do: str, apex: bytes, rest: list[JSON]) -> None:
        zones = self.zones
        if do == "image":
            self._image(apex, *rest)
        elif do == "more":
            self._more.setdefault(apex, []).append(b64decode(str(rest[0])))
        elif do == "gone":
            self._gone.setdefault(apex, []).extend(_listed(rest[0]))
        elif do == "until":
            self._holds(apex, rest[0])
        elif do == "expect":
            zones.expect(apex, str(rest[0]))
        elif do == "fail":
            zones.fail(apex, str(rest[0]), str(rest[1]))
        elif do == "remove":
            zones.remove(apex)
            for each in (self._paths, self._edits, self._until, self._more, self._gone):
                each.pop(apex, None)
        else:
            raise ValueError(f"{do!r:.100} is not a valid message to a worker")

    def _image(
        self, apex: bytes, file: JSON, path: JSON, offset: JSON, serial: JSON, records: JSON, until: JSON, how: JSON = ""
    ) -> None:
        """
        @param how: C{now} for an image that the parent has open, to be opened at once; C{sound} for one that the parent has also just
            verified. Other images are opened on the first query for the zone.
        """
        zones = self.zones
        path = str(path)
        place = zones.expect(apex, str(file))
        self._paths[apex] = path
        self._more.pop(apex, None)
        self._gone.pop(apex, None)
        self._holds(apex, until)
        try:
            opening = self._maps.opening(apex, path, int(str(offset)), checked=how != "sound")
            zones.putLater(apex, opening, int(str(serial)), int(str(records)), self._today())
        except (DNSFault, OSError) as fault:
            # The parent could use it. If it has been replaced in the meantime, another message follows.
            self._edits.pop(apex, None)
            zones.fail(apex, str(fault))
            self.lacks(apex, path)
            return
        self._edits[apex] = 0
        if how and place.served() is None:
            del self._edits[apex]
            self.lacks(apex, path)

    def _edit(self, apex: bytes, number: JSON, gone: JSON, octets: JSON, until: JSON) -> Iterator[None]:
        known = self._edits.get(apex)
        rendered = b"".join([*self._more.pop(apex, []), b64decode(str(octets))])
        keys = [*self._gone.pop(apex, []), *_listed(gone)]
        if known is None:
            # The image could not be used.
            return
        edits = int(str(number))
        if known + 1 != edits and (edits > 0 or known):
            raise ValueError(f"change {edits} of a zone follows on change {known}")
        place = self.zones.at(apex)
        zone = None if place is None else place.served()
        if zone is None:
            del self._edits[apex]
            self.lacks(apex, self._paths.get(apex, ""))
            return
        version = zone.current
        changes = _changesIn(version, rendered, keys)
        for first in range(0, len(changes), _STEP):
            if first:
                yield
            version = version.edited(dict(changes[first : first + _STEP]))
        self._edits[apex] = abs(edits)
        self._holds(apex, until)
        self.zones.revise(apex, version)

    def _holds(self, apex: bytes, until: JSON) -> None:
        if isinstance(until, int | float):
            self._until[apex] = float(until)
        else:
            self._until.pop(apex, None)

    # -- transfers

    def expires(self, apex: bytes) -> float | None:
        offer = self.offer(apex)
        if offer is None or offer.version is None:
            return None
        return int.from_bytes(offer.version.soa.rdatas[0][-8:-4], "big") if offer.expires is None else offer.expires

    def offerSingly(self, apex: bytes) -> Offer | None:
        offer = self.offer(apex)
        if offer is not None:
            offer.singly = _ANYBODY
        return offer

    def offer(self, apex: bytes) -> Offer | None:
        """
        Return the offer of a zone for clients that the parent has authorized.
        """
        place = self.zones.at(apex)
        if place is None:
            return None
        zone = place.served()
        version = zone.current if zone is not None and place.state == SERVING else None
        until = self._until.get(apex)
        return Offer(version, _ANYBODY, None, None if until is None else max(0.0, until - self._today()))


def _listed(said: JSON) -> list[JSON]:
    return said if isinstance(said, list) else []


def _changesIn(version: Version, rendered: bytes, gone: list[JSON]) -> list[tuple[bytes, tuple[RRSet, ...]]]:
    """
    Return all new RRsets for each changed name.

    @raise ValueError: this is not a change of this zone.
    """
    changes: dict[bytes, tuple[RRSet, ...]] = {bytes.fromhex(str(key)): () for key in gone}
    try:
        for rrset in fromRendered(rendered, version.apexName):
            key = keyBelow(rrset.name, version.apex)
            if key is None:
                raise ValueError("a change of another zone's names")
            changes[key] = (*changes.get(key, ()), rrset)
    except DNSFault as fault:
        raise ValueError(str(fault)) from None
    return list(changes.items())
