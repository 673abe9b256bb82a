"""
Zones for tests that change them.
"""

from __future__ import annotations

from twisted_ext.errors import BadChange, BadUpdate, BadZone
from twisted_ext.wire.codes import IN, Rcode
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet, groupRecords
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.transactions import Completion, Transaction
from twisted_ext.zone.update.updates import Update, perform
from twisted_ext.zone.zone import Zone

__all__ = ["APEX", "ZONE", "edited", "record", "records", "textsOf", "updated", "versionOf", "zoneOf"]

APEX = nameFromText("example.org.")

#: A small zone.
ZONE = """
@ 3600 SOA ns1 hostmaster 10 3600 600 86400 300
@ 3600 NS ns1
@ 3600 NS ns2
@ 300 MX 10 mail
ns1 3600 A 192.0.2.1
ns2 3600 A 192.0.2.2
mail 300 A 192.0.2.3
mail 300 A 192.0.2.4
mail 300 AAAA 2001:db8::3
www 300 CNAME mail
a.b 300 TXT "deep"
"""


def record(line: str) -> RRSet:
    """
    Return the record of a line with owner, TTL, type and rdata. Names are relative to the zone.
    """
    owner, ttl, kind, rdata = [*line.split(None, 3), ""][:4]
    name = APEX if owner == "@" else nameFromText(owner, APEX)
    rrType = typeNumber(kind)
    assert rrType is not None, kind
    return RRSet(name, rrType, IN, int(ttl), (rdataFromText(rrType, rdata, APEX),))


def records(text: str) -> tuple[RRSet, ...]:
    """
    Return the record sets of all lines.
    """
    return groupRecords([record(line) for line in text.strip().splitlines()])


def zoneOf(text: str = ZONE) -> Zone:
    """
    Return a zone with these records.
    """
    return Zone.fromRecords(APEX, records(text))


def versionOf(text: str = ZONE) -> Version:
    """
    Return the only version of a zone with these records.
    """
    return zoneOf(text).current


def edited(version: Version, *lines: str) -> Version:
    """
    Return a version with further records, and the next serial.
    """
    transaction = Transaction(version)
    for line in lines:
        transaction.add(record(line))
    made = transaction.commit()
    assert made is not None
    return made[0]


def updated(
    update: Update, version: Version, policy: Policy, keyName: bytes, client: str, *, completion: Completion | None = None
) -> tuple[Version, Difference] | None:
    """
    Return what an update alone makes of a version; L{None} if it changes nothing.

    @raise BadUpdate: it is rejected, by the rules for updates or as what a zone cannot have.
    """
    transaction = Transaction(version, completion=completion)
    try:
        perform(update, transaction, policy, keyName, client)
        return transaction.commit()
    except (BadChange, BadZone) as fault:
        raise BadUpdate(fault.text, rcode=Rcode.REFUSED) from None


def textsOf(version: Version) -> set[tuple[bytes, int, int, bytes]]:
    """
    Return all records in a form for comparison: owner, type, TTL and rdata.
    """
    return {
        (rrset.name.lower(), rrset.rrType, rrset.ttl, rdata) for node in version.nodes() for rrset in node.sets for rdata in rrset.rdatas
    }
