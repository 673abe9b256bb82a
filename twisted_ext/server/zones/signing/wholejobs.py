"""
Jobs of the process that signs whole zones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from twisted_ext.errors import DNSFault
from twisted_ext.server.zones.images.compilers import Job, Result
from twisted_ext.server.zones.signing.signedzone import Begun, keysIn, policyOf
from twisted_ext.zone.store.serials import isNewer

if TYPE_CHECKING:
    from twisted_ext.server.zones.images.imagefiles import Built, Images
    from twisted_ext.server.zones.images.publish import ZonePublisher
    from twisted_ext.server.zones.signing.changedzones import ChangedZones
    from twisted_ext.server.zones.signing.serialnotes import SerialNotes
    from twisted_ext.server.zones.signing.signedzone import SignedZone, UnsignedZone
    from twisted_ext.server.zones.update.commit import Changed

__all__ = ["Ahead", "WholeJobs"]


class Ahead(NamedTuple):
    """
    A version that was signed while changes went on.

    @ivar changed: the version of which it was; L{None} for the one that came last.
    @ivar begun: what was known when that began, and C{results} of it.
    """

    changed: Changed | None
    begun: Begun
    results: list[Result]

    @property
    def path(self) -> str:
        """
        Its image.
        """
        return str(self.results[0].get("image"))

    def isLast(self, changed: Changed, isKept: bool) -> bool:
        """
        Return whether it can be served in place of the version in force: that is what was signed, or is to be replaced and is older.

        @param isKept: whether what clients have changed until then is to be in it.
        """
        if self.changed is not None or isKept:
            return changed == self.changed
        serial = self.results[0].get("serial")
        return isinstance(serial, int) and isNewer(serial, changed[2])


class WholeJobs:
    """
    Makes the jobs, with a serial behind that of the version that is served, or was last, and keeps what they made.
    """

    def __init__(self, images: Images, notes: SerialNotes, publisher: ZonePublisher) -> None:
        self._images = images
        self._notes = notes
        self._publisher = publisher

    def of(
        self,
        zone: SignedZone,
        unsigned: UnsignedZone,
        changed: Changed | None,
        standing: Changed | None,
        newest: int | None,
        ahead: str = "",
    ) -> Job:
        """
        Return a job that signs a zone.

        @param changed: the version that clients have changed; L{None} to sign the unsigned one.
        @param standing: the version in force; L{None} if that is not known.
        @param newest: the serial to which the zone's journal leads; L{None} if it has none.
        @param ahead: the image of a version before that one, signed in the same way a moment ago, whose signatures are kept.
        """
        built, noted = self._images.of(zone.zone), self._notes.of(zone.apex)
        folder = self._notes.keysOf(zone.apex)
        last = self._publisher.serial(zone.apex)
        if last is None and built is not None:
            last = built.serial
        for known in (noted, newest):
            if known is not None and (last is None or isNewer(known, last)):
                last = known
        policy = zone.policy.toText()
        sign: dict[str, object] = {"keys": folder, "policy": json.loads(policy)}
        if zone.serials != "increment":
            sign["serial"] = zone.serials
        if last is not None:
            sign["last"] = last
        if noted is not None or built is not None:
            sign["wasSigned"] = True
        if built is not None:
            sign["former"] = built.path
            before = policyOf(built)
            if before is None or not before.signsAs(zone.policy):
                sign["anew"] = True
        if zone.policy.rolls is not None:
            sign["since"], sign["clockSet"] = zone.since, zone.isClockSet
            zone.isClockTold = zone.isClockSet
        more: dict[str, object] = {"sign": sign, "sources": unsigned.sources, "origin": zone.origin or zone.zone}
        if changed is not None and zone.served is not None:
            # What came last may be refused.
            more["sources"] = zone.served.sources[: len(zone.served.sources) - len(keysIn(zone.served, folder))]
            more["changed"] = True
        if standing is not None:
            more["served"] = standing
        if ahead:
            more["ahead"] = ahead
        if unsigned.offset is not None:
            more["offset"] = unsigned.offset
        text = json.dumps(more)
        return Job(self._images.newPath(), [(zone.zone, unsigned.path)], {zone.zone: f",{text[1:-1]}"})

    def keep(self, zone: SignedZone, built: Built, change: bytes, changes: ChangedZones | None) -> str:
        """
        Note an image that is about to be served, if it is to be found after a crash: its journal is emptied when it is served, or leads to
        it from here on.

        @param change: the difference from the version in force, as in a journal; C{b""} if that is not known, or large.
        @param changes: what clients have changed.

        @return: why it cannot be served; C{""} if it may be.
        """
        if not built.isEdited and not change:
            return ""
        try:
            version = self._publisher.versionIn(zone.apex, built)
            self._images.keep(built)
        except (DNSFault, OSError) as error:
            said = f"{self._images.folder}: the signed image cannot be kept: {getattr(error, 'strerror', None) or error}"
            # What clients have changed would be lost, others only have the whole zone transferred.
            return said if built.isEdited else ""
        if change and changes is not None:
            changes.succeed(zone.apex, change, version.image.origin)
        return ""
