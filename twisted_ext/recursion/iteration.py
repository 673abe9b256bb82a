"""
The iterative resolution of one question, from the closest known zone to the answer.

L{Iteration.run} is a generator. It yields what it needs, and is sent the time and the result::

    iteration = Iteration(delegations, question, options)
    steps = iteration.run(now)
    need = next(steps)
    while True:
        ...                                    # query the servers, or look up an address
        need = steps.send((now, result))       # an Answer or a DNSFault

The answer is the generator's return value; a fault is raised.

Names are minimized (RFC 9156): the servers of a zone are sent no more of a name than they need.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from typing import Final

from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BudgetSpent, DNSFault, PolicyFault, ServerFailed, TimedOut, Unreachable
from twisted_ext.limits import FAILURE_PATIENCE
from twisted_ext.recursion.delegations import Delegation, Delegations, NameServer, addressesIn
from twisted_ext.recursion.limits import (
    ADDRESS_LOOKUPS,
    ADDRESS_LOOKUPS_FAILED,
    DELEGATION_SERVERS,
    MINIMIZED_LABELS,
    MINIMIZED_QUERIES,
    REFERRALS,
)
from twisted_ext.recursion.replies import Meaning, Referral, glueOf, meaningOf, scrubbed
from twisted_ext.wire.codes import AA, IN, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import ROOT, isBelow, labelCount, nameToText, parentOf
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, DS, NS, RRSIG, SOA, A, typeName

__all__ = ["FindAddresses", "Iteration", "Minimizer", "Need", "Options", "Pause", "QueryZone", "Result"]

_REFERRALS: Final = int(REFERRALS.default)
_LOOKUPS: Final = int(ADDRESS_LOOKUPS.default)
_LOOKUPS_FAILED: Final = int(ADDRESS_LOOKUPS_FAILED.default)

#: Seconds that a priming query may take before another one is sent.
_PRIMING: Final = 10.0

#: Seconds between the queries to servers that refuse them: with the first query, three of each server at most (RFC 9520, section 3.1).
_PAUSES: Final[tuple[float, ...]] = (0.75, 1.5)

#: Servers of the root that are used.
_MOST_ROOTS: Final = int(DELEGATION_SERVERS.default)

#: What ends the queries to a zone's servers.
_HELPFUL: Final = (Meaning.ANSWER, Meaning.REFERRAL)

#: Extended errors (RFC 8914).
_NO_REACHABLE_AUTHORITY: Final = 22
_INVALID_DATA: Final = 24

_QUERIES: Final = int(MINIMIZED_QUERIES.default)
_SINGLE: Final = int(MINIMIZED_LABELS.default)


class Minimizer:
    """
    The names to send on the way to one name.

    @ivar name: folded.
    @ivar enabled: false if the whole name has to be sent from now on.
    @ivar labels: the number of labels of the name.
    """

    __slots__ = ("name", "enabled", "labels", "_queries")

    def __init__(self, name: bytes, enabled: bool = True, labels: int | None = None) -> None:
        self.name = name
        self.enabled = enabled
        self.labels = labelCount(name) if labels is None else labels
        self._queries = 0

    def next(self, known: int) -> bytes:
        """
        Return the next name to send.

        @param known: the number of labels that are known to exist or to have been asked: those of the zone, or of the last name sent.
        """
        left = self.labels - known
        if not self.enabled or left <= 1 or self._queries >= _QUERIES:
            return self.name
        self._queries += 1
        step = 1
        if self._queries > _SINGLE:
            # Spread the other labels over the queries left (RFC 9156, section 2.3).
            step = max(1, left // (_QUERIES - self._queries + 1))
        name = self.name
        position = 0
        for _ in range(left - step):
            position += name[position] + 1
        return name[position:]


class QueryZone:
    """
    Query the servers of a zone, the best one first and others if it does not answer.

    @ivar delegation: that of the zone.
    @ivar addresses: of the servers.
    @ivar question: what to ask, with RD clear.
    """

    __slots__ = ("delegation", "addresses", "question")

    def __init__(self, delegation: Delegation, addresses: list[str], question: Question) -> None:
        self.delegation = delegation
        self.addresses = addresses
        self.question = question

    def __repr__(self) -> str:
        return f"<QueryZone {nameToText(self.delegation.zone)} {self.question}>"


class FindAddresses:
    """
    Look up the addresses of a name server, as a look-up of its own. The result counts as an L{Answer} if there are no addresses.

    @ivar server: the name server.
    @ivar question: for addresses of one family.
    """

    __slots__ = ("server", "question")

    def __init__(self, server: NameServer, question: Question) -> None:
        self.server = server
        self.question = question

    def __repr__(self) -> str:
        return f"<FindAddresses {self.question}>"


class Pause:
    """
    Wait. The result does not matter.

    @ivar seconds: how long.
    """

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"<Pause of {self.seconds:g} seconds>"


Need = QueryZone | FindAddresses | Pause

#: The time, and what came.
Result = tuple[float, Answer | DNSFault]

_Steps = Generator[Need, Result, Answer]


class Options:
    """
    Settings of a recursive resolver.

    @ivar minimize: send only the part of a name that the servers need (RFC 9156).
    @ivar strict: do not send the whole name to a server that fails for a part of it.
    @ivar families: types of addresses to look up for name servers, in this order.
    """

    __slots__ = ("minimize", "strict", "families")

    def __init__(self, minimize: bool = True, strict: bool = False, families: tuple[int, ...] = (A, AAAA)) -> None:
        self.minimize = minimize
        self.strict = strict
        self.families = families


class Iteration:
    """
    The resolution of one question. Aliases are not followed beyond the zone: their targets are questions of their own.

    @ivar zone: the name of the zone that is being asked, folded; for explanations.
    """

    __slots__ = (
        *("zone", "_delegations", "_question", "_options", "_context", "_now", "_work", "_queried"),
        *("_lookups", "_lookupsFailed", "_fault", "_overspent", "_avoided", "_tried", "_spent", "_areDown"),
        "_pauses",
    )

    def __init__(
        self,
        delegations: Delegations,
        question: Question,
        options: Options,
        context: QueryContext,
        areDown: Callable[[Iterable[str]], bool] | None = None,
    ) -> None:
        """
        @param context: notes the steps in its trace.
        @param areDown: returns whether all servers at these addresses are known not to reply.
        """
        self._delegations = delegations
        self._question = question
        self._options = options
        self._context = context
        self._areDown = areDown
        self._now = 0.0
        self._lookups = self._lookupsFailed = 0
        self._fault: DNSFault | None = None
        # Addresses queried for the present zone, and those of zones whose parents were asked again.
        self._tried: set[str] = set()
        self._spent: dict[bytes, set[str]] = {}
        budget = context.budget
        self._work = budget if isinstance(budget, Work) else None
        self._avoided: Collection[str] = () if self._work is None else self._work.avoided
        self._overspent: BudgetSpent | None = None
        self._queried: Delegation | None = None
        self._pauses: tuple[float, ...] = _PAUSES
        self.zone = ROOT

    def run(self, now: float) -> _Steps:
        """
        Resolve the question.

        @raise DNSFault: the answer could not be found.
        """
        self._now = now
        question = self._question
        name = question.key[:-4]
        # The parent has the DS set of a zone (RFC 4035, section 3.1.4.1).
        enclosing = parentOf(name) if question.rrType == DS and name != ROOT else name
        delegation = self._delegations.closest(enclosing, now)
        if delegation is self._delegations.root and now >= self._delegations.primedUntil:
            yield from self._prime(delegation)
            delegation = self._delegations.root
        minimizer = Minimizer(name, self._options.minimize, _labelsOf(name, delegation))
        known = self._knownOf(delegation, minimizer)
        # Zones whose delegations are as new as this look-up.
        learned: set[bytes] = set()
        former: Delegation | None = None
        for _ in range(_REFERRALS):
            self.zone = delegation.zone
            sent = minimizer.next(known)
            whole = sent == name
            asked = question if whole else Question(sent, A, question.rrClass)
            pause = 0.0
            try:
                reply, meaning, referral = yield from self._query(delegation, asked)
            except BudgetSpent:
                raise
            except DNSFault:
                if not (whole or self._options.strict):
                    # Some servers fail for names that have only others below them (RFC 9156, section 2.3).
                    minimizer.enabled = False
                    self._note("sending the whole name", why="the servers fail for a part of it")
                    continue
                above = self._above(delegation, learned)
                if above is not None:
                    former, delegation = delegation, above
                    known = self._knownOf(delegation, minimizer)
                    if self._context.trace is not None:
                        self._note("asking the parent again", zone=nameToText(delegation.zone))
                    continue
                pause = self._pause(delegation)
                if not pause:
                    raise
            if pause:
                # Compiled code that yielded above would leave the fault as what the whole process is handling.
                self._now, _ = yield Pause(pause)
                self._spent[delegation.zone] = set()
                continue
            if former is not None and (referral is None or referral.zone != former.zone) and labelCount(sent) >= former.labels:
                self._delegations.drop(former)
                former = None
            if referral is not None:
                if question.rrType == DS and referral.zone == name:
                    return self._fromParent(reply, referral)
                referrer = "" if reply.origin is None else reply.origin.server
                delegation = self._delegations.learn(
                    referral, self._now, _labelsOf(referral.zone, delegation), referrer, delegation.expires
                )
                if former is not None and former.zone == referral.zone:
                    delegation.inherit(former)
                learned.add(referral.zone)
                if self._context.trace is not None:
                    self._note("referral", zone=nameToText(referral.zone), servers=len(referral.servers))
                known = self._knownOf(delegation, minimizer)
                continue
            if whole:
                self._refine(delegation, reply)
                return scrubbed(question, reply, delegation.zone, minimizer.labels)
            if reply.outcome is Outcome.NXDOMAIN and self._options.strict:
                # Nothing exists below a name that does not exist (RFC 8020).
                return scrubbed(question, reply, delegation.zone, minimizer.labels)
            if reply.outcome is Outcome.NXDOMAIN:
                minimizer.enabled = False
                self._note("sending the whole name", why="the servers deny a part of it, which some do wrongly")
            if reply.flags & AA:
                # No zone begins at a name that is denied either.
                self._delegations.passed(sent, delegation.zone, _ttlOf(reply), self._now)
            known = labelCount(sent)
        raise self._failure(f"{question}: more than {_REFERRALS} referrals and shortened names", _INVALID_DATA)

    def _knownOf(self, delegation: Delegation, minimizer: Minimizer) -> int:
        """
        Return the number of labels that the servers of a zone need not be asked for one by one.
        """
        if not minimizer.enabled:
            return delegation.labels
        return self._delegations.labelsPassed(minimizer.name, minimizer.labels, delegation, self._now)

    def abandoned(self, now: float) -> None:
        """
        Record that no caller waits any longer.
        """
        if self._queried is not None and now - self._now >= FAILURE_PATIENCE.default:
            self._queried.silent(now)

    def _above(self, delegation: Delegation, learned: set[bytes]) -> Delegation | None:
        """
        Return whom to ask for other servers of a zone, or new addresses of them; L{None} if none are to be expected.

        @param learned: zones whose delegations are as new as this look-up.
        """
        zone = delegation.zone
        # Zones that do not answer must not burden those above them (RFC 4697, section 2.1.1; RFC 9520): one of them is asked once.
        if self._spent or zone in learned or not delegation.mayHaveChanged(self._now):
            return None
        learned.add(zone)
        self._spent[zone] = self._tried
        delegations = self._delegations
        if not delegation.labels:
            return delegations.hinted()
        newer = delegations.find(zone, self._now)
        if newer is not None and newer is not delegation:
            return newer
        # It is dropped when the parent has replied. Until then, other look-ups would all ask the parent.
        delegation.since = self._now
        return delegations.closest(parentOf(zone), self._now)

    def _pause(self, delegation: Delegation) -> float:
        """
        Return for how many seconds to wait before the servers that have just refused all queries are queried again: they may be about to
        restart. 0 if they have been queried often enough, or if other servers are tried meanwhile.
        """
        fault = self._fault
        if not isinstance(fault, Unreachable) or not fault.refused or not delegation.mayReturn(self._now):
            return 0.0
        if self._context.depth or not self._pauses:
            return 0.0
        pause = self._pauses[0]
        if self._now + pause >= self._context.deadline:
            return 0.0
        self._pauses = self._pauses[1:]
        self._note("waiting", why="the servers refuse queries, as while they are restarted", seconds=pause)
        return pause

    def _prime(self, hints: Delegation) -> Generator[Need, Result, None]:
        """
        Ask a server of the root for all of them. If that fails, the hints have to do.
        """
        delegations = self._delegations
        # One query is enough for all look-ups that begin meanwhile.
        delegations.primedUntil = self._now + _PRIMING
        asked = Question(ROOT, NS, IN)
        if self._context.trace is not None:
            self._noteQuery(hints, asked, "to learn the present servers of the root")
        self._now, reply = yield QueryZone(hints, hints.addresses(self._now, NS), asked)
        if isinstance(reply, Answer):
            for rrset in reply.answer:
                if rrset.rrType == NS and rrset.name == ROOT:
                    names = tuple(dict.fromkeys([target.lower() for target in rrset.rdatas]))[:_MOST_ROOTS]
                    delegations.prime(names, glueOf(names, reply, ROOT), rrset.ttl, self._now)
                    self._note("primed", servers=len(delegations.root.servers))
        elif isinstance(reply, PolicyFault):
            raise reply

    def _query(self, delegation: Delegation, asked: Question) -> Generator[Need, Result, tuple[Answer, Meaning, Referral | None]]:
        """
        Query the servers of a zone until one of them gives a reply that helps.

        @raise DNSFault: none of them does.
        """
        if delegation.silentUntil and not delegation.mayQuery(self._now):
            text = f"{self._question}: no server of {nameToText(delegation.zone)} has replied to the last queries"
            raise self._failure(text, _NO_REACHABLE_AUTHORITY)
        tried = self._tried = {*self._avoided, *self._spent.get(delegation.zone, ())} if self._avoided or self._spent else set()
        empty: Answer | None = None
        reserve = False
        areDown = self._areDown
        while True:
            addresses = self._untried(delegation, asked.rrType, tried, reserve)
            if addresses and areDown is not None and areDown(addresses):
                # Find one more server before the timeouts of these. If there is none, they may have come back.
                areDown = None
                try:
                    yield from self._findAddresses(delegation, asked.rrType, {*tried, *addresses}, reserve)
                except ServerFailed:
                    pass
                addresses = self._untried(delegation, asked.rrType, tried, reserve)
            if not addresses:
                if empty is not None:
                    return empty, Meaning.ANSWER, None
                try:
                    yield from self._findAddresses(delegation, asked.rrType, tried, reserve)
                except ServerFailed:
                    if reserve:
                        raise
                    # What the parents say of the zone and of its servers is tried last.
                    reserve = True
                continue
            if self._context.trace is not None:
                whole = asked.key[:-4] == self._question.key[:-4]
                self._noteQuery(delegation, asked, "the whole name" if whole else "no more of the name than they need")
            self._queried = delegation
            self._now, result = yield QueryZone(delegation, addresses, asked)
            self._queried = None
            if (delegation.silences or delegation.refusedSince) and isinstance(result, Answer | ServerFailed):
                delegation.replied()
            if not isinstance(result, Answer):
                if isinstance(result, ServerFailed) and result.rcode == Rcode.YXDOMAIN and isinstance(result.reply, Message):
                    # A DNAME record makes a name that is too long (RFC 6672, section 2.2).
                    reply = result.reply
                    result = Answer(Outcome.NODATA, reply.answer, reply.authority, rcode=result.rcode, flags=reply.flags)
                    return result, Meaning.ANSWER, None
                if isinstance(result, PolicyFault):
                    raise result
                self._fault = result
                tried.update(addresses)
                delegation.restore()
                continue
            meaning, referral = meaningOf(asked, result, delegation.zone)
            if meaning in _HELPFUL:
                return result, meaning, referral
            server = "" if result.origin is None else result.origin.server
            # The servers of a stub zone may have another port.
            address = server if server in addresses else server.rpartition(":")[0].strip("[]")
            if meaning is Meaning.EMPTY:
                if self._context.trace is not None:
                    self._note("empty reply", server=server, zone=nameToText(delegation.zone))
                empty = result
                tried.update((address,) if address else addresses)
                continue
            if self._context.trace is not None:
                self._note("lame", server=server, zone=nameToText(delegation.zone))
            delegation.isLame(address, asked.rrType, self._now)
            tried.update((address,) if address else addresses)
            text = f"{server} replies to type {typeName(asked.rrType)} as if it did not serve {nameToText(delegation.zone)}"
            self._fault = ServerFailed(text, server=server, rcode=5)

    def _untried(self, delegation: Delegation, rrType: int, tried: set[str], reserve: bool) -> list[str]:
        now = self._now
        found = delegation.addresses(now, rrType, spare=reserve)
        if reserve:
            found = list(dict.fromkeys(found + self._delegations.glued(delegation, now, rrType)))
        return [each for each in found if each not in tried] if tried else found

    def _findAddresses(
        self, delegation: Delegation, rrType: int, tried: set[str], reserve: bool
    ) -> Generator[Need, Result, None]:
        """
        Find addresses of one more server of a zone.

        @param rrType: what to ask for.
        @param tried: addresses that have been queried.
        @param reserve: of the servers that only the parent names.

        @raise DNSFault: there is no further server.
        """
        for server in delegation.unresolved(self._now, spare=reserve):
            if self._lookups >= _LOOKUPS or self._lookupsFailed >= _LOOKUPS_FAILED:
                break
            if self._isCircular(server, delegation, rrType):
                continue
            yield from self._find(server, delegation, self._options.families)
            # A look-up within this one may have found other servers of the zone.
            if self._untried(delegation, rrType, tried, reserve):
                return
        for server in delegation.halfResolved(self._now, spare=reserve):
            if self._lookups >= _LOOKUPS:
                break
            yield from self._find(server, delegation, server.missing)
            if self._untried(delegation, rrType, tried, reserve):
                return
        if self._overspent is not None:
            raise self._overspent
        fault = self._fault
        if reserve and isinstance(fault, TimedOut):
            delegation.silent(self._now)
        zone = nameToText(delegation.zone)
        lame = delegation.lame(self._now, rrType) if fault is None else []
        if lame:
            text = f"replied to type {typeName(rrType)} as if they did not serve {zone}, and are not asked for it again for a while"
            raise self._failure(f"{self._question}: {', '.join(lame)} {text}", _NO_REACHABLE_AUTHORITY)
        if fault is None:
            raise self._failure(f"{self._question}: no server of {zone} has an address", _NO_REACHABLE_AUTHORITY)
        servers = "root server" if zone == "." else f"server of {zone}"
        said = "can be reached" if isinstance(fault, Unreachable) else "gave an answer"
        text = f"{self._question}: no {servers} {said}: {fault.cause or fault}"
        failure = self._failure(text, _NO_REACHABLE_AUTHORITY, fault.ede)
        failure.server = fault.server
        raise failure

    def _find(self, server: NameServer, delegation: Delegation, families: tuple[int, ...]) -> Generator[Need, Result, None]:
        """
        Look up the addresses of a server, one family after the other, until some are found.
        """
        if self._work is not None:
            self._work.lookUp()
        self._lookups += 1
        overspent = False
        for number, family in enumerate(families, 1):
            if self._context.trace is not None:
                self._note("finding a server", zone=nameToText(delegation.zone), name=nameToText(server.name), type=typeName(family))
            self._now, result = yield FindAddresses(server, Question(server.name, family, IN))
            if isinstance(result, Answer):
                sets = [rrset for rrset in result.answer if rrset.rrType == family]
                found = [address for rrset in sets for address in addressesIn(rrset)]
                if found:
                    server.learn(found, max(min([rrset.ttl for rrset in sets]), 1), self._now, families[number:])
                    return
                if result.outcome is Outcome.NXDOMAIN:
                    # It has no addresses of the other family either (RFC 8020).
                    break
            elif isinstance(result, BudgetSpent):
                if self._work is None or self._work.spent:
                    raise result
                # It is too deep inside of other look-ups, which says nothing of it.
                self._overspent = result
                overspent = True
            else:
                self._fault = self._fault or result
        if self._now < server.expires:
            server.missing = ()
        else:
            self._lookupsFailed += 1
            if not overspent:
                server.failed(self._now)

    def _isCircular(self, server: NameServer, delegation: Delegation, rrType: int) -> bool:
        """
        Return whether only the zone itself knows the address of its server, and none of its servers can be queried.
        """
        if not isBelow(server.name, delegation.zone) or delegation.addresses(self._now, rrType):
            return False
        return self._delegations.closest(server.name, self._now) is delegation

    def _refine(self, delegation: Delegation, reply: Answer) -> None:
        """
        Learn the zone's own list of servers from the answer to a question for it. In the authority section of other answers it is
        unsolicited, and one spoofed reply would be enough to take over the zone (CVE-2025-40778, CVE-2025-11411).
        """
        if not reply.flags & AA or delegation is self._delegations.root or self._question.rrType != NS:
            return
        for rrset in reply.answer:
            if rrset.rrType == NS and rrset.name.lower() == delegation.zone:
                names = tuple(dict.fromkeys([target.lower() for target in rrset.rdatas]))[: len(delegation.servers) + 13]
                delegation.refine(names, glueOf(names, reply, delegation.zone), self._now)

    def _fromParent(self, reply: Answer, referral: Referral) -> Answer:
        """
        Make the answer to a question for a DS set from a referral to the zone: its servers do not treat the type as special, or serve the
        parent only.
        """
        present = tuple([rrset for rrset in referral.proof if rrset.name.lower() == referral.zone and _isDS(rrset)])
        denial = tuple([rrset for rrset in referral.proof if rrset not in present])
        return Answer(Outcome.DATA if present else Outcome.NODATA, present, () if present else denial, flags=AA, origin=reply.origin)

    def _failure(self, text: str, code: int, ede: tuple[tuple[int, str], ...] = ()) -> ServerFailed:
        return ServerFailed(text, ede=ede or ((code, text),))

    def _note(self, event: str, **details: str | int | float | bool | None) -> None:
        trace = self._context.trace
        if trace is not None:
            if self._context.depth:
                details["depth"] = self._context.depth
            trace.note(self._now, "recursion", event, **details)

    def _noteQuery(self, delegation: Delegation, asked: Question, why: str) -> None:
        name, zone = nameToText(asked.name), nameToText(delegation.zone)
        self._note("asking", zone=zone, name=name, type=typeName(asked.rrType), servers=len(delegation.servers), why=why)


def _labelsOf(name: bytes, delegation: Delegation) -> int:
    """
    Return the number of labels of a folded name at or below a zone, of which those of the zone are known.
    """
    labels = delegation.labels
    above = len(name) - len(delegation.zone)
    position = 0
    while position < above:
        position += name[position] + 1
        labels += 1
    return labels


def _ttlOf(reply: Answer) -> int:
    """
    Return for how many seconds a reply counts: not at all if it has nothing that says so (RFC 2308, section 5).
    """
    sets = reply.answer
    if not sets:
        starts = [rrset for rrset in reply.authority if rrset.rrType == SOA]
        return min([min(rrset.ttl, int.from_bytes(rrset.rdatas[0][-4:], "big")) for rrset in starts], default=0)
    return min([rrset.ttl for rrset in sets])


def _isDS(rrset: RRSet) -> bool:
    return rrset.rrType == DS or (rrset.rrType == RRSIG and rrset.rdatas[0][:2] == DS.to_bytes(2, "big"))
