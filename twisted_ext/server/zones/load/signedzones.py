"""
Which zones are signed here, with which keys, and when their signatures have to be made anew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.dnssec.privatekeys.keyfiles import namePrefix
from twisted_ext.files import STATE_FILE, openNow, replacingFile
from twisted_ext.server.zones.load.compilers import Job
from twisted_ext.server.zones.load.imagefiles import Built, Images, statusOf
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.serials import isNewer

if TYPE_CHECKING:
    from twisted_ext.dnssec.privatekeys.validity import Validity
    from twisted_ext.server.zones.load.pending import PendingZone
    from twisted_ext.server.zones.load.publish import ZonePublisher

__all__ = ["SignedZones"]

#: Seconds until a zone whose signatures end too early, and which could not be signed, is tried again: a key may be missing for a while.
_RENEWAL_PAUSE: Final = 600.0

#: Seconds by which the clock may be adjusted between two looks without all zones being looked at: signatures are good for days.
_STEP: Final = 60.0

_log: Final = Logger(__name__)

_HOUR: Final = 3600

_UINT32: Final = 0xFFFFFFFF


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
        # Of the versions that are served.
        self._built: dict[bytes, Built] = {}
        # When the signatures of a zone were last made anew because of their age, on the reactor's clock.
        self._renewed: dict[bytes, float] = {}
        # How far the time is ahead of the reactor's clock, which does not change when the time is set.
        self._ahead = 0.0

    def add(self, apex: bytes, validity: Validity) -> None:
        self._validity[apex] = validity

    def remove(self, apex: bytes) -> None:
        self._validity.pop(apex, None)
        self._built.pop(apex, None)
        self._renewed.pop(apex, None)

    def served(self, apex: bytes, built: Built, isNew: bool = False) -> None:
        """
        Note that a version is served.

        @param isNew: whether it was just made.
        """
        self._built[apex] = built
        if isNew:
            try:
                with replacingFile(self._note(apex), STATE_FILE) as file:
                    file.write(b"%d\n" % built.serial)
            except OSError as error:
                _log.warn("{zone}: its serial cannot be noted: {said}", zone=built.zone, said=error.strerror or error)

    def unsigned(self) -> list[bytes]:
        return [apex for apex in self._validity.keys() - self._built.keys() if self._publisher.serial(apex) is not None]

    def isUnsigned(self, apex: bytes) -> bool:
        """
        Return whether a zone that is to be signed is served in a version that is not.
        """
        return apex in self._validity and apex not in self._built and self._publisher.serial(apex) is not None

    def _keys(self, apex: bytes) -> str:
        return f"{self._folder}/{namePrefix(apex).removeprefix('K')}"

    def _note(self, apex: bytes) -> str:
        """
        Return the path of the file with the last serial of a zone. It is there also after the zone was not served for a while.
        """
        return f"{self._keys(apex)}serial"

    def _noted(self, apex: bytes) -> int | None:
        """
        Return the last serial with which a zone was signed here; L{None} if it never was.
        """
        try:
            with open(self._note(apex), "rb", opener=openNow) as file:
                return int(file.read(20)) & _UINT32
        except (OSError, ValueError):
            return None

    def job(self, wanted: PendingZone) -> Job:
        """
        Return a job that signs a zone, with a serial behind that of the version that is served, or was last.
        """
        built, noted = self._images.of(wanted.zone), self._noted(wanted.apex)
        policy = _policyIn(wanted.stages)
        last = self._publisher.serial(wanted.apex)
        if last is None and built is not None:
            last = built.serial
        if last is None or (noted is not None and isNewer(noted, last)):
            last = noted
        sign: dict[str, object] = {"keys": self._keys(wanted.apex), "policy": policy}
        if wanted.serials != "increment":
            sign["serial"] = wanted.serials
        if last is not None:
            sign["last"] = last
        isSigned = built is not None and built.isSigned
        if noted is not None or isSigned:
            sign["wasSigned"] = True
        if built is not None and isSigned:
            sign["former"] = built.path
            if _policyIn(built.made) != policy:
                sign["anew"] = True
        return Job(self._images.newPath(), [(wanted.zone, wanted.file)], {wanted.zone: wanted.moreOf(sign)})

    def isUsable(self, built: Built) -> bool:
        """
        Return whether an image has signatures that were made here, and none ends soon: when it was made, each had at least so long left.
        """
        try:
            validity = SigningPolicy.fromTable(_policyIn(built.made)).validity
        except (ValueError, TypeError, KeyError):
            # It was not signed, or the index is damaged.
            return False
        found = statusOf(built.path)
        return found is not None and self._publisher.today() - found[1] / 1e9 < validity.signatures - validity.renew

    def overdue(self, apex: bytes) -> float | None:
        """
        Return how many seconds the first signature of a zone has left when it should have been made anew before; L{None} if the zone is not
        signed here.
        """
        validity = self._validity.get(apex)
        return None if validity is None else float(validity.overdue)

    def due(self, now: float) -> list[bytes]:
        """
        Return the zones whose first signature ends earlier than the policy says, or whose keys do something else now, or whose signatures
        were made with a clock that was ahead. Each is returned once in a while only, as signing it may fail.

        @param now: the time on the reactor's clock.
        """
        today = self._publisher.today()
        if abs(today - now - self._ahead) > _STEP:
            # The clock was set. What was tried with the former time says nothing.
            self._renewed.clear()
        self._ahead = today - now
        found: list[bytes] = []
        for apex, validity in self._validity.items():
            if now >= self._renewed.get(apex, float("-inf")) + _RENEWAL_PAUSE:
                ends, built = self._publisher.ends(apex), self._built.get(apex)
                # Those that end too late, or begin later, were made with a clock that was ahead, and are not valid yet.
                isOld = ends is not None and not today + validity.least <= ends <= today + validity.signatures + _HOUR
                if isOld or (built is not None and (built.begins > today or 0 < built.due <= today)):
                    found.append(apex)
        self._renewed.update(dict.fromkeys(found, now))
        return found


def _policyIn(stages: str) -> dict[str, object]:
    """
    Return the policy among the stages of a zone that is signed.

    @raise ValueError: they are not valid, or no stage is that.
    """
    said = json.loads(stages)
    policy = said.get("sign") if isinstance(said, dict) else None
    if not isinstance(policy, dict):
        raise ValueError("it is not signed")
    return policy
