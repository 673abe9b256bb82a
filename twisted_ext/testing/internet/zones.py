"""
The zones of an internet: their records, and the versions that servers answer from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted_ext.testing.internet.faults import Fault, FaultSet
from twisted_ext.testing.internet.seededsigner import Params, signZone
from twisted_ext.testing.internet.signatures import NO_DIGEST, NO_DS, PLACEHOLDER
from twisted_ext.wire.names import isBelow, joined, nameFromText, nameToText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, CNAME, DNSKEY, DS, NS, SOA, ZONEMD, A
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import decoded
from twisted_ext.zone.store.version import Version

if TYPE_CHECKING:
    from twisted_ext.testing.internet.nameservers import NameServer
    from twisted_ext.testing.internet.signatures import SigningZone

__all__ = ["Delegation", "InternetZone", "checkedRecords"]

_TTL: Final = 3600

_NEVER: Final = (0.0, 0.0, 0)

#: Refresh, retry, expire and minimum of an SOA record.
_TIMES: Final = "7200 900 1209600 300"

#: The primary server in the SOA record of a zone without servers.
_NO_HOST: Final = b"\x07invalid\x00"

#: The iterations of L{Fault.NSEC3_ITERATIONS}: as many as the servers give proofs for.
_MANY: Final = 150


@dataclass(frozen=True, slots=True)
class Delegation:
    """
    How the parent refers to a zone, where it differs from what the zone itself has.

    @ivar servers: the names of the servers in the parent, L{None} for those of the zone.
    @ivar glue: addresses by host in place of the real ones, such as C{{"ns1.example.org": ["192.0.2.1"]}}; no addresses for an empty list.
    @ivar ds: the DS records as text, such as C{["12345 13 2 49FD…"]}; empty for an insecure delegation; L{None} for those of the keys.
    """

    servers: Sequence[str] | None = None
    glue: dict[str, Sequence[str]] | None = None
    ds: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """
        @raise BadRecord: a DS record is not valid.
        @raise BadName: the name of a server is not valid.
        @raise ValueError: an address is not valid.
        """
        for text in self.ds or ():
            recordFromText(f". {_TTL} DS {text}")
        for host in (*(self.servers or ()), *(self.glue or {})):
            nameFromText(host)
        for addresses in (self.glue or {}).values():
            for address in addresses:
                ip_address(address)


def checkedRecords(apex: bytes, records: str | Iterable[RRSet]) -> list[RRSet]:
    """
    Return the records of a zone, which are read only once.

    @param records: as a master file or as RRsets.

    @raise BadZone: they are not valid, or do not make a zone.
    """
    sets = _read(records, apex) if isinstance(records, str) else list(records)
    if not any(rrset.rrType == SOA for rrset in sets):
        _version(apex, [_soa(apex, _NO_HOST, 1), *sets])
    else:
        _version(apex, sets)
    return sets


class InternetZone:
    """
    A zone.

    @ivar apex: its name, folded.
    @ivar servers: its name servers.
    @ivar signing: its keys, or L{None} if it is not signed.
    @ivar nsec3: L{None} for NSEC.
    @ivar delegation: what the parent has that differs.
    @ivar faults: the faults of the zone.
    @ivar children: the zones that it delegates.
    """

    __slots__ = (
        "apex", "servers", "signing", "nsec3", "delegation", "faults", "children", "hosts", "digested", "ownSerial",
        "_sets", "_versions", "_data", "_serial", "_dated",
    )  # fmt: skip

    def __init__(
        self,
        apex: bytes,
        records: list[RRSet],
        servers: Sequence[NameServer],
        signing: SigningZone | None,
        nsec3: Params | None,
        delegation: Delegation,
        digested: bool = False,
    ) -> None:
        self.apex = apex
        self.servers = list(servers)
        self.signing = signing
        self.nsec3 = nsec3
        self.delegation = delegation
        self.faults = FaultSet()
        self.children: list[InternetZone] = []
        #: Servers of any zone whose names are in this one or that it has glue for.
        self.hosts: dict[bytes, NameServer] = {}
        #: Whether it has a ZONEMD record.
        self.digested = digested
        self._sets = records
        self._versions: dict[bool, Version] = {}
        self._data: Version | None = None
        #: Whether the serial number of its SOA follows the time, because the test gave no SOA.
        self.ownSerial = False
        self._serial = 1
        # From when until when the SOA has which serial number.
        self._dated = _NEVER

    @property
    def name(self) -> str:
        """
        Its name as text.
        """
        return nameToText(self.apex)

    def changed(self) -> None:
        """
        Build the zone again when it is next asked for something.
        """
        self._versions.clear()
        self._dated = _NEVER

    def add(self, *records: str | RRSet) -> None:
        """
        Add records.

        @param records: RRsets, or lines of a master file such as C{"www 300 A 192.0.2.1"}.
        """
        self._edit([self._set(record) for record in records], keep=True)

    def remove(self, name: str, rrType: int | None = None) -> None:
        """
        Remove the records of a name, or those of one type.

        @param name: relative to the zone without a final dot.
        """
        folded = nameFromText(name, self.apex).lower() if name != "@" else self.apex
        kept = [rrset for rrset in self._own() if rrset.name.lower() != folded or (rrType is not None and rrset.rrType != rrType)]
        self._replace(kept)

    def replace(self, *records: str | RRSet) -> None:
        """
        Replace the records of the same names and types.
        """
        self._edit([self._set(record) for record in records], keep=False)

    def _set(self, record: str | RRSet) -> RRSet:
        return recordFromText(record, self.apex, _TTL) if isinstance(record, str) else record

    def _edit(self, sets: list[RRSet], keep: bool) -> None:
        own = self._own()
        if not keep:
            gone = {(rrset.name.lower(), rrset.rrType) for rrset in sets}
            own = [rrset for rrset in own if (rrset.name.lower(), rrset.rrType) not in gone]
        self._replace([*own, *sets])

    def _own(self) -> list[RRSet]:
        """
        Return the records as given, with the SOA.
        """
        return [rrset for node in self._given().nodes() for rrset in node.sets]

    def _replace(self, sets: list[RRSet]) -> None:
        self._sets = [rrset for rrset in sets if rrset.rrType != SOA] if self.ownSerial else sets
        self._data = None
        self._serial += 1
        self.changed()

    # -- building

    def version(self) -> Version:
        """
        Return the zone as it is served, with placeholders for signatures, keys and DS records.

        @raise BadZone: the records do not make a zone.
        """
        many = self.nsec3 is not None and bool(self.faults) and self.faults.since(Fault.NSEC3_ITERATIONS, self.apex, SOA) is not None
        version = self._versions.get(many)
        if version is None:
            version = self._versions[many] = self._built(many)
        return version

    def _built(self, many: bool) -> Version:
        sets = [*self._own(), *self._additional()]
        if self.signing is None:
            return _version(self.apex, sets)
        nsec3 = self.nsec3
        if nsec3 is not None and many:
            nsec3 = Params(_MANY, nsec3.salt, nsec3.optOut)
        sets.append(RRSet(self.apex, DNSKEY, 1, self.signing.plan.ttl, (PLACEHOLDER.dnskey,)))
        if self.digested:
            sets.append(RRSet(self.apex, ZONEMD, 1, _TTL, (NO_DIGEST,)))
        return _version(self.apex, signZone(sets, [PLACEHOLDER], self.apex, 0, 0, nsec3))

    def serialAt(self, now: float) -> int:
        """
        Return the serial number at a time: that of the latest renewal of signatures or change of keys, here or in a delegated zone.
        """
        if self.signing is None:
            return self._serial
        since, until, serial = self._dated
        if not since <= now < until:
            own = self.signing
            states = [own.state(now), *[child.signing.state(now) for child in self.children if child.signing is not None]]
            renewed = own.renewed(now)
            since = max(renewed, *[state.since for state in states])
            until = min(renewed + own.plan.refresh, *[state.until for state in states])
            serial = int(since) + self._serial & 0xFFFFFFFF
            self._dated = since, until, serial
        return serial

    def _given(self) -> Version:
        """
        Return the records as given, with an SOA if there is none.
        """
        if self._data is None:
            sets = self._sets
            self.ownSerial = not any(rrset.rrType == SOA for rrset in sets)
            if self.ownSerial:
                host = self.servers[0].name if self.servers else _NO_HOST
                sets = [_soa(self.apex, host, self._serial), *sets]
            self._data = _version(self.apex, sets)
        return self._data

    def _additional(self) -> list[RRSet]:
        """
        Return what the zone needs besides its own records: its servers, their addresses, and its delegations.
        """
        given = self._given()
        sets: list[RRSet] = []
        if given.top.of(NS) is None:
            sets.append(RRSet(self.apex, NS, 1, _TTL, tuple([server.name for server in self.servers])))
        for host, server in self.hosts.items():
            node = given.find(host[: len(host) - len(self.apex)])
            # A server whose name is an alias is a mistake that a test may want.
            if node is None or not {A, AAAA, CNAME} & set(node.types):
                sets += _addressSets(host, server.addresses)
        for child in self.children:
            node = given.find(child.apex[: len(child.apex) - len(self.apex)])
            if node is None or node.of(NS) is None:
                sets += self._delegated(child)
        return sets

    def _delegated(self, child: InternetZone) -> list[RRSet]:
        delegation = child.delegation
        if delegation.servers is None:
            hosts = tuple([server.name for server in child.servers])
        else:
            hosts = tuple([nameFromText(host) for host in delegation.servers])
        sets = [RRSet(child.apex, NS, 1, _TTL, hosts)]
        if delegation.ds is not None:
            sets += [recordFromText(f"{child.name} {_TTL} DS {text}") for text in delegation.ds]
        elif child.signing is not None:
            sets.append(RRSet(child.apex, DS, 1, child.signing.plan.dsTTL, (NO_DS,)))
        glue = {nameFromText(host).lower(): addresses for host, addresses in (delegation.glue or {}).items()}
        for host, addresses in glue.items():
            if isBelow(host, self.apex):
                sets += _addressSets(host, addresses)
        for server in child.servers:
            # Other hosts of this zone have their addresses as records of the zone or as glue of another delegation.
            if isBelow(server.name.lower(), child.apex) and server.name.lower() not in glue and server.name.lower() not in self.hosts:
                sets += _addressSets(server.name, server.addresses)
        return sets


def _read(text: str, apex: bytes) -> list[RRSet]:
    from twisted_ext.errors import BadZone
    from twisted_ext.zone.zonefile.reader import readMaster

    reading = readMaster(text.encode(), apex, ttl=_TTL)
    wrong = [str(complaint) for complaint in reading.complaints if complaint.fatal]
    if wrong:
        raise BadZone(f"the records of {nameToText(apex)}: {wrong[0]}")
    builder = reading.builder
    builder.join()
    return [rrset for key, octets in builder.nodes.items() for rrset in decoded(octets, len(key), apex)]


def _soa(apex: bytes, host: bytes, serial: int) -> RRSet:
    mailbox = nameToText(joined(b"\x0ahostmaster\x00", apex))
    return recordFromText(f"{nameToText(apex)} {_TTL} SOA {nameToText(host)} {mailbox} {serial} {_TIMES}")


def _addressSets(host: bytes, addresses: Iterable[str]) -> list[RRSet]:
    packed = [ip_address(address).packed for address in addresses]
    kinds = ((A, 4), (AAAA, 16))
    return [
        RRSet(host, rrType, 1, _TTL, tuple([each for each in packed if len(each) == size]))
        for rrType, size in kinds
        if any(len(each) == size for each in packed)
    ]


def _version(apex: bytes, sets: Iterable[RRSet]) -> Version:
    builder = ImageBuilder(apex)
    builder.addSets(sets)
    return Version(Image(builder.finish()))
