"""
Reads the rules of a response policy zone from its records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.zones.actions import Action, actionOf
from twisted_ext.resolver.policy.zones.rules import ADDRESS, CLIENT, NAME, SERVER, SERVER_ADDRESS, ZoneRule
from twisted_ext.wire.names import labelsOf, nameToText
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, CNAME, DNSKEY, DS, NSEC, NSEC3, NSEC3PARAM, RRSIG, SOA, ZONEMD

__all__ = ["FILE_TTL", "Record", "RulesOfZone", "isRule", "ownerOf", "triggerIn"]

#: A record: its owner's absolute name, its type, its TTL, its rdata.
Record = tuple[bytes, int, int, bytes]

#: The last labels of owners that are not about names in questions.
_TRIGGERS: Final = {b"rpz-client-ip": CLIENT, b"rpz-ip": ADDRESS, b"rpz-nsdname": SERVER, b"rpz-nsip": SERVER_ADDRESS}
_LAST: Final = {trigger: label.decode() for label, trigger in _TRIGGERS.items()}

#: Types of records about the zone itself.
_OF_ZONES: Final = frozenset((SOA, DNSKEY, DS, CDS, CDNSKEY, NSEC, NSEC3, NSEC3PARAM, RRSIG, ZONEMD))

#: The label in place of the longest run of zeros in an IPv6 address.
_ZEROS: Final = b"zz"

#: The TTL of records in files that give none, in seconds.
FILE_TTL: Final = 300

#: Actions that are kept: most rules of a zone do one of few things.
_KNOWN: Final = 1024

Network = IPv4Network | IPv6Network


class RulesOfZone:
    """
    The rules in the records of a zone: iterate over it once.

    @ivar complaints: what cannot be used. Its numbers of lines are 0.
    @ivar soa: the TTL and the rdata of its SOA record, once that was read.
    """

    def __init__(self, records: Iterable[Record], apex: bytes) -> None:
        """
        @param records: those of one owner follow each other.
        @param apex: the name of the zone, folded.
        """
        self.complaints = Complaints()
        self.soa: tuple[int, bytes] | None = None
        self._records = records
        self._apex = apex
        # What single records stand for.
        self._known: dict[tuple[int, int, bytes], Action] = {}

    def __iter__(self) -> Iterator[ZoneRule]:
        records = iter(self._records)
        owner, given = b"", list[tuple[int, int, bytes]]()
        for name, rrType, ttl, rdata in records:
            folded = name.lower()
            if folded != owner:
                if given and (rule := self._ruleOf(owner, given)) is not None:
                    yield rule
                owner, given = folded, []
            if rrType not in _OF_ZONES:
                given.append((rrType, ttl, rdata))
            elif rrType == SOA and folded == self._apex:
                self.soa = ttl, rdata
        if given and (rule := self._ruleOf(owner, given)) is not None:
            yield rule

    def _ruleOf(self, owner: bytes, given: list[tuple[int, int, bytes]]) -> ZoneRule | None:
        apex = self._apex
        # What stands at the apex is about the zone, whatever its type.
        if len(owner) == len(apex):
            return None
        relative = owner[: -len(apex)]
        key = given[0] if len(given) == 1 else None
        action = None if key is None else self._known.get(key)
        try:
            if action is None:
                action = actionOf(given)
                if action is None:
                    raise ValueError("an alias stands alone")
                if len(given) > 1 and given[0][0] == CNAME:
                    self.complaints.add(0, f"{nameToText(relative + bytes(1), final=False)}: of several aliases the first one counts")
                if key is not None and len(self._known) < _KNOWN:
                    self._known[key] = action
            trigger, name, isWildcard, network = triggerIn(relative)
        except ValueError as error:
            self.complaints.add(0, f"{nameToText(relative + bytes(1), final=False)}: {error}")
            return None
        return ZoneRule(trigger, name, isWildcard, network, action)


def isRule(rrType: int) -> bool:
    """
    Return whether records of a type say what a rule does; others are about the zone itself.
    """
    return rrType not in _OF_ZONES


def triggerIn(relative: bytes) -> tuple[int, bytes, bool, Network | None]:
    """
    Return what a rule is about.

    @param relative: its owner without the name of the zone.

    @raise ValueError: it is no such owner; the text says why.
    """
    trigger = NAME
    if b"rpz-" in relative:
        labels = labelsOf(relative + bytes(1))
        last = labels[-1]
        trigger = _TRIGGERS.get(last, NAME)
        if trigger == SERVER:
            relative = relative[: -1 - len(last)]
            if not relative:
                raise ValueError("it begins with the name of a server, as ns.example.rpz-nsdname")
        elif trigger != NAME:
            return trigger, b"", False, _networkIn(labels[:-1])
    if relative.startswith(b"\x01*"):
        return trigger, relative[2:] + bytes(1), True, None
    return trigger, relative + bytes(1), False, None


def _networkIn(labels: list[bytes]) -> Network:
    """
    Parse the labels of a prefix: its length, and its address backwards.

    @raise ValueError: they are not such ones, or the address has bits beyond the prefix.
    """
    texts = [label.decode("ascii") for label in labels]
    length, parts = (texts[0], texts[:0:-1]) if texts else ("", [])
    if not (length.isdigit() and parts):
        raise ValueError("it begins with the length of a prefix, as 24.0.2.0.192.rpz-ip")
    if len(parts) == 4 and _ZEROS not in labels and all(part.isdigit() for part in parts):
        return ip_network(f"{'.'.join(parts)}/{length}")
    if _ZEROS.decode() in parts:
        at = parts.index(_ZEROS.decode())
        return ip_network(f"{':'.join(parts[:at])}::{':'.join(parts[at + 1 :])}/{length}")
    return ip_network(f"{':'.join(parts)}/{length}")


def ownerOf(trigger: int, name: bytes, isWildcard: bool, network: tuple[int, bytes]) -> str:
    """
    Return the owner of a rule below its zone, as text, without a final dot.

    @param network: the length of the prefix, and the octets of its first address.
    """
    if trigger in (NAME, SERVER):
        text = nameToText(name, final=False)
        text = f"*.{text}" if isWildcard and text != "." else "*" if isWildcard else text
        return text if trigger == NAME else f"{text}.{_LAST[trigger]}"
    length, packed = network
    last = _LAST[trigger]
    if len(packed) == 4:
        return ".".join([str(length), *map(str, packed[::-1]), last])
    whole = str(IPv6Network((packed, length)).network_address)
    groups = whole.replace("::", ":zz:").strip(":").split(":")
    return ".".join([str(length), *groups[::-1], last])
