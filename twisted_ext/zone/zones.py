"""
A zone as it is served: a name, and the version that is in force.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_ext.answers import Epoch, Origin
from twisted_ext.errors import BadZone
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.building import ImageBuilder
from twisted_ext.zone.images import Image
from twisted_ext.zone.versions import Version

__all__ = ["Zone"]


class Zone:
    """
    A zone that can change. What changes is which version is C{current}; whoever holds one keeps it whole.

    @ivar name: the apex as it is written.
    @ivar apex: the apex, folded.
    @ivar epoch: bumped whenever another version is in force, so that what was answered from it before is void.
    """

    __slots__ = ("name", "apex", "epoch", "_current", "_origin")

    def __init__(self, version: Version) -> None:
        self.name = version.apexName
        self.apex = version.apex
        self.epoch = Epoch()
        self._origin = Origin("zone", nameToText(self.apex), epoch=self.epoch)
        self._current = version
        version.origin = self._origin

    @property
    def current(self) -> Version:
        """
        The version in force.
        """
        return self._current

    def replace(self, version: Version) -> None:
        """
        Put another version in force.

        @raise BadZone: it is another zone's.
        """
        if version.apex != self.apex:
            raise BadZone(f"a version of {nameToText(version.apex)} cannot take the place of one of {nameToText(self.apex)}")
        version.origin = self._origin
        self._current = version
        self.epoch.bump()

    @classmethod
    def fromRecords(cls, origin: str | bytes, sets: Iterable[RRSet]) -> Zone:
        """
        @param origin: the apex, as text or on the wire.

        @raise BadZone: a record lies outside, or there is not one SOA.
        """
        builder = ImageBuilder(nameFromText(origin) if isinstance(origin, str) else origin)
        builder.addSets(sets)
        return cls(Version(Image(builder.finish())))

    @classmethod
    def fromText(cls, text: str | bytes, origin: str | bytes) -> Zone:
        """
        @param text: a master file (RFC 1035, section 5).
        @param origin: the apex, as text or on the wire.

        @raise BadZone: a line is none of a master file, a record lies outside, or there is not one SOA.
        """
        raise NotImplementedError

    def add(self, *sets: RRSet) -> None:
        """
        Add records. Those that are there already stay as they are.
        """
        raise NotImplementedError

    def remove(self, *sets: RRSet) -> None:
        """
        Take records away. Those that are not there do not matter.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<Zone {nameToText(self.apex)} at {self._current.serial}>"
