"""
What the world knows of a key: for each of its records, whether resolvers may have it, must have it, or may still have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

__all__ = ["CSK", "KSK", "RECORDS", "ZSK", "Record", "RollingKey", "Standing", "State"]

#: The roles of keys: one that signs the DNSKEY records, one that signs the rest, and one that signs everything.
KSK: Final = "ksk"
ZSK: Final = "zsk"
CSK: Final = "csk"


class State(Enum):
    """
    Where a record is. The values are those of BIND's files.
    """

    #: No resolver has it.
    HIDDEN = "hidden"
    #: It is published; some resolvers may still have what was there before.
    RUMOURED = "rumoured"
    #: Each resolver has it, or will get it.
    OMNIPRESENT = "omnipresent"
    #: It is withdrawn; some resolvers may still have it.
    UNRETENTIVE = "unretentive"

    @property
    def isPublished(self) -> bool:
        """
        Whether servers have the record, or are to have it.
        """
        return self in (State.RUMOURED, State.OMNIPRESENT)

    @property
    def isSettled(self) -> bool:
        """
        Whether all resolvers see the same.
        """
        return self in (State.HIDDEN, State.OMNIPRESENT)


class Record(Enum):
    """
    The records of a key. The values are the names of BIND's files.
    """

    #: The DNSKEY record itself.
    DNSKEY = "DNSKEY"
    #: Its signatures of the DNSKEY records.
    KRRSIG = "KRRSIG"
    #: Its signatures of all other records.
    ZRRSIG = "ZRRSIG"
    #: The DS record for it, which the parent has.
    DS = "DS"


#: The records of the keys of each role.
RECORDS: Final = {
    KSK: (Record.DNSKEY, Record.KRRSIG, Record.DS),
    ZSK: (Record.DNSKEY, Record.ZRRSIG),
    CSK: (Record.DNSKEY, Record.KRRSIG, Record.ZRRSIG, Record.DS),
}


class Standing:
    """
    A record of a key.

    @ivar state: where it is.
    @ivar since: since when all servers show what the state says, in seconds since 1970; L{None} before they do.
    @ivar cached: for how long resolvers may still have what was there before the state, in seconds: its TTL.
    @ivar decided: when the state was decided on, in seconds since 1970.
    """

    __slots__ = ("cached", "decided", "since", "state")

    def __init__(self, state: State = State.HIDDEN, since: float | None = 0.0, cached: int = 0, decided: float = 0.0) -> None:
        self.decided = decided
        self.state = state
        self.since = since
        self.cached = cached

    def __repr__(self) -> str:
        return f"{self.state.value} since {self.since}"


class RollingKey:
    """
    A key, and where its records are.

    @ivar name: the name of its files.
    @ivar role: L{KSK}, L{ZSK} or L{CSK}.
    @ivar born: when it was made, in seconds since 1970.
    @ivar isWanted: whether it is to be in use; if not, it goes.
    @ivar records: where its records are. A key has those of its role.
    @ivar isReplaced: whether an operator wants another one in its place.
    """

    __slots__ = ("algorithm", "born", "isReplaced", "isWanted", "name", "records", "role")

    def __init__(self, name: str, role: str, algorithm: int, born: float, records: Iterable[tuple[Record, Standing]] = ()) -> None:
        """
        @param records: where they are; by default all are hidden.
        """
        self.name = name
        self.role = role
        self.algorithm = algorithm
        self.born = born
        self.isWanted = True
        self.isReplaced = False
        self.records = {record: Standing(since=born) for record in RECORDS[role]}
        self.records.update(records)

    @property
    def tag(self) -> int:
        """
        The key tag, by which the name of its files ends.
        """
        return int(self.name[-5:])

    def state(self, record: Record) -> State:
        """
        Return where a record is. One that keys of its role do not have is hidden.
        """
        standing = self.records.get(record)
        return State.HIDDEN if standing is None else standing.state

    def publishes(self, record: Record) -> bool:
        """
        Return whether servers have a record of it, or are to have it.
        """
        return self.state(record).isPublished

    @property
    def isInUse(self) -> bool:
        """
        Whether all resolvers know all of its records.
        """
        return all(each.state is State.OMNIPRESENT for each in self.records.values())

    @property
    def isGone(self) -> bool:
        """
        Whether no resolver knows any of its records.
        """
        return all(each.state is State.HIDDEN for each in self.records.values())

    def __repr__(self) -> str:
        states = ", ".join([f"{record.value} {standing.state.value}" for record, standing in self.records.items()])
        return f"<RollingKey {self.name} {self.role}: {states}>"
