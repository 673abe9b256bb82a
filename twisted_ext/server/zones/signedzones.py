"""
Which zones are signed here, with which keys, and when their signatures have to be made anew.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii as quoted
from typing import TYPE_CHECKING, Final

from twisted_ext.dnssec.sign.keyfiles import namePrefix
from twisted_ext.server.limits import RENEWAL_PAUSE
from twisted_ext.server.zones.compilers import Job
from twisted_ext.server.zones.imagefiles import Built, Images, statusOf
from twisted_ext.zone.sign.policy import SigningPolicy

if TYPE_CHECKING:
    from twisted_ext.dnssec.sign.validity import Validity
    from twisted_ext.server.zones.loader import PendingZone
    from twisted_ext.server.zones.publish import ZonePublisher

__all__ = ["SignedZones"]

_HOUR: Final = 3600


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
        self._validity: dict[bytes, Validity] = {}
        # When the signatures of a zone were last made anew because of their age, on the reactor's clock.
        self._renewed: dict[bytes, float] = {}

    def add(self, apex: bytes, validity: Validity) -> None:
        self._validity[apex] = validity

    def remove(self, apex: bytes) -> None:
        self._validity.pop(apex, None)
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
        parts = [f'"keys":{quoted(keys)}', f'"policy":{wanted.signed}']
        if wanted.serials != "increment":
            parts.append(f'"serial":{quoted(wanted.serials)}')
        if last is not None:
            parts.append(f'"last":{last}')
        if built is not None and built.signed:
            parts.append('"wasSigned":true')
            if built.signed == wanted.signed:
                parts.append(f'"former":{quoted(built.path)}')
        return Job(self._images.newPath(), [(wanted.zone, wanted.file)], signing=f"{{{','.join(parts)}}}")

    def isUsable(self, built: Built) -> bool:
        """
        Return whether an image has signatures that were made here, and none ends soon: when it was made, each had at least so long left.
        """
        try:
            validity = SigningPolicy.fromTable(json.loads(built.signed)).validity
        except (ValueError, TypeError, KeyError):
            # It was not signed, or the index is damaged.
            return False
        found = statusOf(built.path)
        return found is not None and self._publisher.today() - found[1] / 1e9 < validity.signatures - validity.renew

    def due(self, now: float) -> list[bytes]:
        """
        Return the zones whose first signature ends earlier than the policy says. Each is returned once in a while only, as signing it may
        fail.

        @param now: the time on the reactor's clock.
        """
        today = self._publisher.today()
        found: list[bytes] = []
        for apex, validity in self._validity.items():
            if now >= self._renewed.get(apex, float("-inf")) + RENEWAL_PAUSE.default:
                ends = self._publisher.ends(apex)
                # Those that end too late were made with a clock that was ahead, and are not valid yet.
                if ends is not None and not today + validity.least <= ends <= today + validity.signatures + _HOUR:
                    found.append(apex)
        self._renewed.update(dict.fromkeys(found, now))
        return found
