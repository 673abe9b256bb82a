"""
Which zones are signed here, with which keys, and when their signatures have to be made anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.dnssec.sign.keyfiles import namePrefix
from twisted_ext.dnssec.sign.validity import Validity
from twisted_ext.server.limits import RENEWAL_PAUSE
from twisted_ext.server.zones.imagefiles import Built, statusOf

if TYPE_CHECKING:
    from twisted_ext.server.zones.publish import ZonePublisher

__all__ = ["SignedZones"]


class SignedZones:
    """
    The zones that are signed here.
    """

    def __init__(self, folder: str, publisher: ZonePublisher) -> None:
        """
        @param folder: that with the keys, in one for each zone.
        """
        self._folder = folder
        self._publisher = publisher
        self._validity = Validity()
        # When the signatures of each zone were last made anew because of their age, on the reactor's clock.
        self._renewed: dict[bytes, float] = {}

    def add(self, apex: bytes) -> None:
        self._renewed.setdefault(apex, float("-inf"))

    def remove(self, apex: bytes) -> None:
        self._renewed.pop(apex, None)

    def keysOf(self, apex: bytes) -> str:
        """
        Return the folder of the keys of a zone.
        """
        return f"{self._folder}/{namePrefix(apex).removeprefix('K')}"

    def isUsable(self, built: Built) -> bool:
        """
        Return whether an image has signatures that were made here, and none ends soon: when it was made, each had at least so long left.
        """
        if not any(path.startswith(f"{self._folder}/") for path, _, _ in built.sources):
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
