"""
A zone that is served: its name, and its current version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from twisted_ext.answers import Epoch, Origin
from twisted_ext.errors import BadZone
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Transaction

__all__ = ["Zone"]


class Zone:
    """
    A zone whose content can be replaced. Versions are immutable: one taken from C{current} never changes.

    @ivar name: the apex as it is written.
    @ivar apex: the apex, folded.
    @ivar epoch: bumped whenever another version becomes current, so that answers cached from the former one are void.
    @ivar told: called with the zone after that, or L{None}.
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
        The current version.
        """
        return self._current

    def replace(self, version: Version) -> None:
        """
        Make another version current.

        @raise BadZone: it is a version of another zone.
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
        Build a zone from records.

        @param origin: the apex, as text or in wire format.

        @raise BadZone: a record is outside of the zone, or there is not exactly one SOA.
        """
        builder = ImageBuilder(nameFromText(origin) if isinstance(origin, str) else origin)
        builder.addSets(sets)
        return cls(Version(Image(builder.finish())))

    @classmethod
    def fromText(cls, text: str | bytes, origin: str | bytes, *, ttl: int | None = None) -> Zone:
        """
        Build a zone from a master file.

        @param text: a master file (RFC 1035, section 5), without $INCLUDE.
        @param origin: the apex, as text or in wire format.
        @param ttl: seconds, for records without a TTL before any C{$TTL}.

        @raise BadZone: a line cannot be read, a record is outside of the zone, or there is not exactly one SOA. C{complaints} lists all
            errors.
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
        Add records in one transaction. An SOA replaces the current one; without one, the zone gets the next serial number.

        @param records: RRsets, or lines of a master file such as C{"www 300 A 192.0.2.1"}. Names without a final dot are relative to the
            zone; records without a TTL get that of its SOA.

        @raise BadRecord: a line is not a valid record.
        @raise BadChange: a name is outside of the zone, or the records conflict with others: a CNAME next to other records, a second SOA.
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
        Remove records in one transaction, regardless of their TTLs; the zone gets the next serial number. Records that are not there are
        ignored.

        @param records: as for L{add}.

        @raise BadRecord: a line is not a valid record.
        @raise BadChange: a name is outside of the zone, or the zone would lose its SOA or all its NS records.
        """
        change = Transaction(self._current)
        for record in self._sets(records):
            change.remove(record)
        self._commit(change)

    def _sets(self, records: tuple[RRSet | str, ...]) -> Iterator[RRSet]:
        for record in records:
            yield recordFromText(record, self.name, self._current.soa.ttl) if isinstance(record, str) else record

    def _commit(self, change: Transaction) -> None:
        # The image of a large zone is mapped from a file, and the server builds its next one.
        mapped = bool(self._current.image.path)
        done = change.commit(bounded=mapped)
        if done is None:
            return
        version, _ = done
        self.replace(version.settled() if version.crowded and not mapped else version)

    def __repr__(self) -> str:
        return f"<Zone {nameToText(self.apex)} at {self._current.serial}>"
