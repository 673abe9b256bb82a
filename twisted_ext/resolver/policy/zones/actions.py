"""
What the rules of response policy zones do with an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import CNAME

__all__ = ["DROP", "GIVEN", "KINDS", "NODATA", "NXDOMAIN", "PASSTHRU", "TCP_ONLY", "Action", "actionOf"]

#: The name does not exist.
NXDOMAIN: Final = "nxdomain"

#: The name has no records of the type.
NODATA: Final = "nodata"

#: The answer remains, and no further rule is looked for.
PASSTHRU: Final = "passthru"

#: There is no reply.
DROP: Final = "drop"

#: Clients have to ask over TCP.
TCP_ONLY: Final = "tcp-only"

#: The rule has records that take the place of those of the name.
GIVEN: Final = "given"

KINDS: Final = (NXDOMAIN, NODATA, PASSTHRU, DROP, TCP_ONLY, GIVEN)

#: The targets of CNAME records that stand for an action.
_TARGETS: Final = {
    ROOT: NXDOMAIN,
    nameFromText("*"): NODATA,
    nameFromText("rpz-passthru"): PASSTHRU,
    nameFromText("rpz-drop"): DROP,
    nameFromText("rpz-tcp-only"): TCP_ONLY,
}

#: The label of names in place of which that of the rule's name stands.
_WILDCARD: Final = b"\x01*"

#: The number of the kind, the TTL, and the number of records; of each record its type, its TTL and the octets of its rdata.
_HEAD: Final = Struct(">BIH")
_RECORD: Final = Struct(">HIH")


class Action(NamedTuple):
    """
    What a rule does.

    @ivar kind: one of L{KINDS}.
    @ivar ttl: seconds for which clients may keep that.
    @ivar records: for L{GIVEN} the type, the TTL and the rdata of each record.
    """

    kind: str
    ttl: int
    records: tuple[tuple[int, int, bytes], ...] = ()

    @property
    def alias(self) -> bytes:
        """
        The name whose records are given in place of those of the name, as the rule has it; empty octets if there is none.
        """
        return next((rdata for rrType, _, rdata in self.records if rrType == CNAME), b"")

    def aliasFor(self, name: bytes) -> bytes:
        """
        Return the target of L{alias} for a name: that of the rule, below which a target with a wildcard is.
        """
        alias = self.alias
        return name[:-1] + alias[len(_WILDCARD) :] if alias.startswith(_WILDCARD) else alias

    def pack(self) -> bytes:
        parts = [_HEAD.pack(KINDS.index(self.kind), self.ttl, len(self.records))]
        for rrType, ttl, rdata in self.records:
            parts += (_RECORD.pack(rrType, ttl, len(rdata)), rdata)
        return b"".join(parts)

    @classmethod
    def unpack(cls, octets: bytes, place: int) -> Action:
        """
        @raise struct.error: it is not whole.
        """
        number, ttl, count = _HEAD.unpack_from(octets, place)
        place += _HEAD.size
        records: list[tuple[int, int, bytes]] = []
        for _ in range(count):
            rrType, each, size = _RECORD.unpack_from(octets, place)
            place += _RECORD.size
            records.append((rrType, each, octets[place : place + size]))
            place += size
        return cls(KINDS[number], ttl, tuple(records))


def actionOf(records: Sequence[tuple[int, int, bytes]]) -> Action | None:
    """
    Return the action that the records of one owner stand for.

    @param records: the type, the TTL and the rdata of each.

    @return: L{None} if they contradict each other: an alias beside other records. Of several aliases the first one counts.
    """
    aliases = [(ttl, rdata) for rrType, ttl, rdata in records if rrType == CNAME]
    if not aliases:
        return Action(GIVEN, min([ttl for _, ttl, _ in records]), tuple(records))
    if len(records) > len(aliases):
        return None
    ttl, target = aliases[0]
    kind = _TARGETS.get(target.lower())
    return Action(GIVEN, ttl, tuple(records[:1])) if kind is None else Action(kind, ttl)
