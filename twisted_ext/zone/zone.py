"""
A zone as it is served: a name, and the version that is in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from twisted_ext.answers import Epoch, Origin
from twisted_ext.errors import BadZone
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.wire.text import recordFromText
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

__all__ = ["Zone"]


class Zone:
    """
    A zone that can change. What changes is which version is C{current}; whoever holds one keeps it whole.

    @ivar name: the apex as it is written.
    @ivar apex: the apex, folded.
    @ivar epoch: bumped whenever another version is in force, so that what was answered from it before is void.
    @ivar told: called with the zone whenever that has happened; L{None} where nobody is to be told.
    """

    __slots__ = ("name", "apex", "epoch", "told", "_current", "_origin")

    def __init__(self, version: Version) -> None:
        self.name = version.apexName
        self.apex = version.apex
        self.epoch = Epoch()
        self.told: Callable[[Zone], object] | None = None
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
        if self.told is not None:
            self.told(self)

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
    def fromText(cls, text: str | bytes, origin: str | bytes, *, ttl: int | None = None) -> Zone:
        """
        @param text: a master file (RFC 1035, section 5). It may not include others.
        @param origin: the apex, as text or on the wire.
        @param ttl: seconds, for records before any C{$TTL} that say none.

        @raise BadZone: a line is none of a master file, a record lies outside, or there is not one SOA. All that is wrong is in its
            C{complaints}.
        """
        from twisted_ext.zone.zonefile.reader import readMaster

        apex = nameFromText(origin) if isinstance(origin, str) else origin
        reading = readMaster(text.encode() if isinstance(text, str) else text, apex, ttl=ttl)
        wrong = tuple([str(complaint) for complaint in reading.complaints if complaint.fatal])
        if wrong:
            others = len(wrong) - 1 + reading.unsaid
            fault = BadZone(f"{wrong[0]} (and {others} more)" if others else wrong[0])
            fault.complaints = wrong
            raise fault
        return cls(Version(Image(reading.builder.finish())))

    def add(self, *records: RRSet | str) -> None:
        """
        Have names have these records too, all at once. An SOA takes the place of the one that is there; where there is none, the zone gets
        the next serial number.

        @param records: sets, or lines of a master file as C{"www 300 A 192.0.2.1"}, whose names without a final dot belong into the zone
            and which have the TTL of its SOA unless they say one.

        @raise BadRecord: a line is no record.
        @raise BadChange: a name lies outside, or the zone cannot have this: a CNAME beside other records, a second SOA.
        """
        change = Transaction(self._current)
        for record in self._sets(records):
            if record.rrType == SOA:
                change.replace(record)
            else:
                change.add(record)
        self._commit(change)

    def remove(self, *records: RRSet | str) -> None:
        """
        Take records away, all at once and whatever TTLs they have; the zone gets the next serial number. Those that are not there do not
        matter.

        @param records: as for L{add}.

        @raise BadRecord: a line is no record.
        @raise BadChange: a name lies outside, or the zone would be left without its SOA or without NS records.
        """
        change = Transaction(self._current)
        for record in self._sets(records):
            change.remove(record)
        self._commit(change)

    def _sets(self, records: tuple[RRSet | str, ...]) -> Iterator[RRSet]:
        for record in records:
            yield recordFromText(record, self.name, self._current.soa.ttl) if isinstance(record, str) else record

    def _commit(self, change: Transaction) -> None:
        # What is mapped from a file is large, and gets its next image from elsewhere.
        mapped = bool(self._current.image.path)
        done = change.commit(bounded=mapped)
        if done is None:
            return
        version, _ = done
        self.replace(version.settled() if version.crowded and not mapped else version)

    def __repr__(self) -> str:
        return f"<Zone {nameToText(self.apex)} at {self._current.serial}>"
