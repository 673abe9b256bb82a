"""
Which zones are signed here, with which keys, and when their signatures have to be made anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.dnssec.sign.keyfiles import namePrefix
from twisted_ext.dnssec.sign.validity import Validity
from twisted_ext.server.limits import RENEWAL_PAUSE
from twisted_ext.server.zones.compilers import Job
from twisted_ext.server.zones.imagefiles import Built, Images, statusOf

if TYPE_CHECKING:
    from twisted_ext.server.zones.loader import PendingZone
    from twisted_ext.server.zones.publish import ZonePublisher

__all__ = ["SignedZones"]


class SignedZones:
    """
    The zones that are signed here.
    """

    def __init__(self, folder: str, publisher: ZonePublisher, images: Images) -> None:
        """
        @param folder: that with the keys, in one for each zone.
        """
        self._folder = folder
        self._publisher = publisher
        self._images = images
        self._validity = Validity()
        # When the signatures of each zone were last made anew because of their age, on the reactor's clock.
        self._renewed: dict[bytes, float] = {}

    def add(self, apex: bytes) -> None:
        self._renewed.setdefault(apex, float("-inf"))

    def remove(self, apex: bytes) -> None:
        self._renewed.pop(apex, None)

    def job(self, wanted: PendingZone) -> Job:
        """
        Return a job that signs a zone, with a serial behind that of the version that is served, or was last.
        """
        built = self._images.of(wanted.zone)
        last = self._publisher.serial(wanted.apex)
        if last is None and built is not None:
            last = built.serial
        keys = f"{self._folder}/{namePrefix(wanted.apex).removeprefix('K')}"
        wasSigned = built is not None and self._isSigned(built)
        return Job(self._images.newPath(), [(wanted.zone, wanted.file)], keys=keys, last=last, wasSigned=wasSigned)

    def _isSigned(self, built: Built) -> bool:
        return any(path.startswith(f"{self._folder}/") for path, _, _ in built.sources)

    def isUsable(self, built: Built) -> bool:
        """
        Return whether an image has signatures that were made here, and none ends soon: when it was made, each had at least so long left.
        """
        if not self._isSigned(built):
            return False
        found = statusOf(built.path)
        validity = self._validity
        return found is not None and self._publisher.today() - found[1] / 1e9 < validity.signatures - validity.renew

    def due(self, now: float) -> list[bytes]:
        """
        Return the zones whose first signature ends earlier than the policy says. Each is returned once in a while only, as signing it may
        fail.

        @param now: the time on the reactor's clock.
        """
        least = self._publisher.today() + self._validity.least
        found: list[bytes] = []
        for apex, renewed in self._renewed.items():
            if now >= renewed + RENEWAL_PAUSE.default:
                ends = self._publisher.ends(apex)
                if ends is not None and ends < least:
                    found.append(apex)
        self._renewed.update(dict.fromkeys(found, now))
        return found
