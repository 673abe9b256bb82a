"""
Count and limit the work of one client's query (L{twisted_ext.dnssec.limits} names the attacks).
"""

from __future__ import annotations

from typing import Final

from twisted_ext.dnssec.limits import (
    FETCH_PACKETS,
    NAME_SERVER_LOOKUPS,
    NSEC3_HASHES,
    OCTETS,
    PACKETS,
    QUERY_FAILURES,
    QUERY_HASHES,
    QUERY_VERIFICATIONS,
    TURN_VERIFICATIONS,
    VERIFICATIONS,
)
from twisted_ext.errors import BudgetSpent, WorkSpent

__all__ = ["ENDLESS", "Work"]

#: Checks of wrong signatures for one fetch; with one more the fetch ends. BIND allows 1. A signature that one of two keys with its tag has
#: made is not wrong.
_VERIFICATION_FAILURES: Final = 2

_PACKETS: Final = int(PACKETS.default)
_FETCH_PACKETS: Final = int(FETCH_PACKETS.default)
_LOOKUPS: Final = int(NAME_SERVER_LOOKUPS.default)
_OCTETS: Final = int(OCTETS.default)
_VERIFICATIONS: Final = int(VERIFICATIONS.default)
_HASHES: Final = int(NSEC3_HASHES.default)
_QUERY_VERIFICATIONS: Final = int(QUERY_VERIFICATIONS.default)
_QUERY_FAILURES: Final = int(QUERY_FAILURES.default)
_QUERY_HASHES: Final = int(QUERY_HASHES.default)

#: Packets that could not be sent and cost nothing: where IPv6 does not work, a look-up through some zones with ten such addresses each. One
#: takes 10 us.
_UNSENT: Final = 200

#: Servers that are avoided in one look-up because their data is bogus, as Unbound's val-max-restart.
_AVOIDED: Final = 5

#: One set takes a signature check for each wrong signature that is allowed, and one more.
_TURN: Final = int(TURN_VERIFICATIONS.default - _VERIFICATION_FAILURES)


#: The end of a turn without an end: more verifications than any query can make.
ENDLESS: Final = 1 << 60


class Work:
    """
    The work done for one client's query, including sub-queries and restarts, and its limits. All parts of a query share one object; budgets
    for parts would multiply the cost.

    Packets and octets are limited for the query. Verifications, failures and hashes are also limited for each fetch, which begins with a
    call of L{fetch}; without such calls, the query is a single fetch.

    It is a L{Budget<twisted_ext.answers.Budget>} of packets.

    @ivar packets: packets sent.
    @ivar failedPackets: packets that could not be sent, and were not counted.
    @ivar packetsEnd: the number of packets at which the present fetch ends.
    @ivar lookups: name servers whose addresses were looked up.
    @ivar octets: octets received, and those sent that were counted.
    @ivar hashes: names hashed for NSEC3.
    @ivar verifications: signatures checked.
    @ivar failures: signatures that were wrong.
    @ivar turnEnd: the count of verifications from which the reactor should get its turn before the next set is checked; without calls of
        L{beginTurn} there is none.
    @ivar avoided: addresses of servers whose data was bogus, with and without port: others are asked in their place.
    """

    __slots__ = (
        "packets",
        "failedPackets",
        "packetsEnd",
        "lookups",
        "octets",
        "hashes",
        "verifications",
        "failures",
        "turnEnd",
        "avoided",
        "mostPackets",
        "mostOctets",
        "mostHashes",
        "mostVerifications",
        "mostFailures",
        "_fetchPackets",
        "_hashesEnd",
        "_verificationsEnd",
        "_failuresEnd",
        "_fetchHashes",
        "_fetchVerifications",
        "_fetchFailures",
    )

    def __init__(
        self,
        *,
        packets: int = _PACKETS,
        fetchPackets: int = _FETCH_PACKETS,
        octets: int = _OCTETS,
        hashes: int = _HASHES,
        verifications: int = _VERIFICATIONS,
        failures: int = _VERIFICATION_FAILURES,
        queryHashes: int = _QUERY_HASHES,
        queryVerifications: int = _QUERY_VERIFICATIONS,
        queryFailures: int = _QUERY_FAILURES,
    ) -> None:
        """
        @param hashes: the limit for one fetch, as C{verifications} and C{failures}.
        """
        self.packets = self.failedPackets = self.octets = self.hashes = self.verifications = self.failures = self.lookups = 0
        self.turnEnd = ENDLESS
        self.avoided: set[str] = set()
        self.mostPackets = self.packetsEnd = packets
        self._fetchPackets = fetchPackets
        self.mostOctets = octets
        self.mostHashes = queryHashes
        self.mostVerifications = queryVerifications
        self.mostFailures = queryFailures
        self._fetchHashes = hashes
        self._fetchVerifications = verifications
        self._fetchFailures = failures
        self._verificationsEnd = verifications if verifications < queryVerifications else queryVerifications
        self._hashesEnd = hashes if hashes < queryHashes else queryHashes
        self._failuresEnd = failures if failures < queryFailures else queryFailures

    def fetch(self) -> None:
        """
        Begin the next fetch: the validation of one reply.
        """
        # Without min(): each reply that is validated begins one.
        end, most = self.verifications + self._fetchVerifications, self.mostVerifications
        self._verificationsEnd = end if end < most else most
        if self.hashes or self.failures:
            self._fetchRest()

    def _fetchRest(self) -> None:
        self._hashesEnd = min(self.hashes + self._fetchHashes, self.mostHashes)
        self._failuresEnd = min(self.failures + self._fetchFailures, self.mostFailures)
        if self.failures > self.mostFailures:
            self._verificationsEnd = 0

    def beginTurn(self) -> None:
        """
        Allow the verifications of one turn of the reactor.
        """
        self.turnEnd = self.verifications + _TURN

    @property
    def isBegun(self) -> bool:
        return self.packets > 0

    @property
    def spent(self) -> bool:
        """
        Whether nothing more can be resolved for what is being resolved now.
        """
        return self.packets >= self.packetsEnd or self.lookups >= _LOOKUPS

    @property
    def exhausted(self) -> bool:
        """
        Whether the whole query has used up its packets, its signature checks or its hashes.
        """
        return (
            self.packets >= self.mostPackets
            or self.verifications >= self.mostVerifications
            or self.failures >= self.mostFailures
            or self.hashes >= self.mostHashes
        )

    def resolve(self) -> int:
        """
        Begin to resolve one name and type: it may take a number of packets of its own, or what is left of the one that it is a part of.

        @return: what to give L{resolved}.
        """
        before = self.packetsEnd
        end = self.packets + self._fetchPackets
        if end < before:
            self.packetsEnd = end
        return before

    def resolved(self, before: int) -> None:
        """
        Go on with what L{resolve} has interrupted.
        """
        self.packetsEnd = before

    def spend(self, amount: int = 1) -> None:
        """
        Count packets before they are sent.

        @raise BudgetSpent: they would be too many; none is counted.
        """
        packets = self.packets + amount
        if packets > self.packetsEnd:
            if packets > self.mostPackets:
                raise WorkSpent(f"the look-up would take more than {self.mostPackets} packets")
            raise WorkSpent(f"the look-up would take more than {self._fetchPackets} packets for one name")
        self.packets = packets

    def unsent(self) -> None:
        """
        Count a packet no more: it could not be sent, as where there is no network. That holds for a limited number of packets, as trying
        takes time as well.
        """
        if self.packets > 0 and self.failedPackets < _UNSENT:
            self.failedPackets += 1
            self.packets -= 1

    def packet(self, octets: int) -> None:
        """
        Count a packet before it is sent, with its octets.

        @raise BudgetSpent: it would be one too many.
        """
        self.spend()
        self.received(octets)

    def received(self, octets: int) -> None:
        """
        Count octets that were received.

        @raise BudgetSpent: they are too many.
        """
        self.octets += octets
        if self.octets > self.mostOctets:
            raise WorkSpent(f"the look-up took more than {self.mostOctets} octets")

    def lookUp(self) -> None:
        """
        Count a name server, before its addresses are looked up.

        @raise BudgetSpent: it would be one too many.
        """
        if self.lookups >= _LOOKUPS:
            raise WorkSpent(f"the look-up would take the addresses of more than {_LOOKUPS} name servers")
        self.lookups += 1

    def verify(self) -> None:
        """
        Count a signature, before it is checked.

        @raise BudgetSpent: it would be one too many; it is not counted.
        """
        if self.verifications >= self._verificationsEnd:
            if not self._verificationsEnd:
                raise self._tooWrong()
            raise BudgetSpent(f"validation would take more than {self.verifications} signature checks")
        self.verifications += 1

    def failed(self, checks: int = 1) -> None:
        """
        Count a signature that was wrong.

        @param checks: how often it was checked, once with each key of its tag.

        @raise BudgetSpent: it is one too many. No further signature is checked in this fetch.
        """
        self.failures += checks
        if self.failures > self._failuresEnd:
            self._verificationsEnd = 0
            raise self._tooWrong()

    def _tooWrong(self) -> BudgetSpent:
        return BudgetSpent(f"validation ended after {self.failures} failed signature checks")

    def avoid(self, server: str) -> bool:
        """
        Avoid a server whose data was bogus for the rest of the query.

        @param server: its address and port; C{""} if it is not known.

        @return: whether to ask another server in its place.
        """
        address = server.rpartition(":")[0].strip("[]")
        if not address or address in self.avoided or len(self.avoided) >= 2 * _AVOIDED or self.exhausted:
            return False
        # By both, since servers of stub zones are known by address and port.
        self.avoided.update((address, server))
        return True

    def hash(self, rounds: int = 0) -> None:
        """
        Count a name, before it is hashed for NSEC3.

        @param rounds: additional iterations, which the caller limits.

        @raise BudgetSpent: it would be one too many; it is not counted.
        """
        if self.hashes >= self._hashesEnd:
            raise BudgetSpent(f"validation would take more than {self.hashes} NSEC3 hashes")
        self.hashes += 1

    def __repr__(self) -> str:
        return (
            f"<Work packets={self.packets} octets={self.octets} hashes={self.hashes} verifications={self.verifications}"
            f" failures={self.failures}>"
        )
