"""
Look-ups that lead to further look-ups, or need others beside them: follow alias chains and NAPTR rules, race against addresses.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from twisted.internet.defer import Deferred

from twisted_ext.addrinfo.gethost import addressesOf, literalOf
from twisted_ext.aliases import found
from twisted_ext.answers import Answer, Outcome, QueryContext, Question, Security
from twisted_ext.compat.conversion.errors import LookupFailed, errorFromAnswer, errorFromFault
from twisted_ext.compat.conversion.timeouts import Timeout
from twisted_ext.compat.lookups.ask import resolverOf
from twisted_ext.discovery.limits import REWRITE_LOOKUPS, REWRITE_STEPS, SERVICE_ALIASES, SERVICE_TARGETS
from twisted_ext.discovery.targets import Target, hostOf
from twisted_ext.discovery.weights import ShufflingSource
from twisted_ext.errors import BadMessage, BadName, CallerFault, DNSFault, UnusableRecords
from twisted_ext.resolver.ask import askedOn
from twisted_ext.wire import rrtypes
from twisted_ext.wire.names import nameFromText, nameToText

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from twisted_ext.discovery.naptr import Rule
    from twisted_ext.wire.rdata.fields import Rdata

__all__ = ["ServiceLookups", "Found", "NAPTRWalk", "about", "chanceOf", "hastened", "literalHost", "nameOf"]

_T = TypeVar("_T")
_R = TypeVar("_R", bound="Rdata")


@dataclass(eq=False, repr=False)
class Found:
    """
    The result of a look-up.

    @ivar owner: the owner of the records: the name in the question, or the target of its aliases.
    @ivar rdatas: their rdata.
    @ivar aliases: the number of aliases followed.
    @ivar answer: the last answer.
    @ivar trusted: whether all answers were validated, here or by the server; the latter relies on its AD bit.
    """

    owner: bytes
    rdatas: tuple[bytes, ...]
    aliases: int
    answer: Answer
    trusted: bool

    def read(self, kind: type[_R]) -> list[_R]:
        """
        Return the valid records.

        @raise BadMessage: there are records, but none of them is valid.
        """
        records: list[_R] = []
        fault: BadMessage | None = None
        for rdata in self.rdatas:
            try:
                records.append(kind.fromWire(rdata))
            except BadMessage as wrong:
                fault = fault or wrong
        if fault is not None and not records:
            raise fault
        return records


class ServiceLookups:
    """
    The look-ups of one call, which have one deadline.
    """

    def __init__(
        self,
        resolver: object,
        timeout: Timeout,
        authenticData: bool = False,
        checkingDisabled: bool = False,
        stream: bool = False,
    ) -> None:
        """
        @param resolver: see L{resolverOf}. A resolver created from a description is closed with this object.
        """
        self._resolver = resolverOf(resolver)
        self._made = isinstance(resolver, str)
        context = self._resolver.contextFor(timeout)
        self._context = QueryContext(
            context.deadline,
            waits=context.waits,
            authenticData=authenticData,
            checkingDisabled=checkingDisabled,
            stream=stream,
        )

    async def close(self) -> None:
        if self._made:
            await self._resolver.close()

    async def records(self, name: bytes, rrType: int) -> Found:
        """
        Look up records. The result may be empty.

        @raise LookupFailed: the look-up failed.
        """
        asked = Question(name, rrType)
        ask = self._resolver.lookUp
        try:
            answer = await ask(asked, self._context)
            steps = await askedOn(ask, asked, answer, self._context, int(SERVICE_ALIASES.default), searched=False)
        except DNSFault as fault:
            raise errorFromFault(fault, asked) from fault
        question, answer = steps[-1]
        if answer.rcode and answer.outcome is not Outcome.NXDOMAIN:
            raise errorFromAnswer(asked, answer)
        rdatas, owner, left = found(question, answer, searched=False)
        if left is not None:
            raise errorFromFault(UnusableRecords("its aliases form a loop, or are too many"), asked)
        trusted = all(each.security is Security.SECURE or each.authenticated for _, each in steps)
        aliases = 0
        if owner.lower() != name.lower():
            aliases = sum(rrset.rrType == rrtypes.CNAME for _, each in steps for rrset in each.answer)
        return Found(owner, rdatas, aliases, answer, trusted)

    def recordsOrAddresses(self, name: bytes, rrType: int, host: bytes, delay: float) -> Deferred[Found | None]:
        """
        Look up records, and in parallel the addresses of C{host}, which limit the wait for the records: see L{hastened}.

        @return: fires with the result, or with L{None} if the wait ended first.
        """

        def addresses() -> Iterator[Deferred[list[str]]]:
            for each in (rrtypes.AAAA, rrtypes.A):
                finding = addressesOf(self._resolver.lookUp, Question(host, each), self._context, int(SERVICE_ALIASES.default))
                yield Deferred.fromCoroutine(finding)

        return hastened(Deferred.fromCoroutine(self.records(name, rrType)), addresses, self._resolver._reactor, delay)

    async def servers(self, name: bytes, rng: ShufflingSource) -> list[Target]:
        from twisted_ext.discovery.weights import serverTargets
        from twisted_ext.wire.rdata.types.service import SRV

        found = await self.records(name, rrtypes.SRV)
        with about(name, rrtypes.SRV):
            return serverTargets(found.read(SRV), rng)


@contextmanager
def about(name: bytes, rrType: int) -> Iterator[None]:
    """
    Convert faults to exceptions that name the question.
    """
    try:
        yield
    except DNSFault as fault:
        raise errorFromFault(fault, Question(name, rrType)) from fault


def nameOf(text: object) -> bytes:
    """
    @raise BadName: the text is not a valid name.
    """
    if not isinstance(text, str | bytes):
        raise BadName(f"{text!r:.80} is not a valid name; write it as text, such as 'example.org'")
    return nameFromText(text)


def literalHost(host: object) -> str | None:
    """
    Return a C{host} argument if it is an address, with or without brackets, else L{None}.

    @raise BadName: C{host} is not text.
    """
    if not isinstance(host, str):
        raise BadName(f"{host!r:.80} is not a valid host; write it as text, such as 'www.example.org'")
    return literalOf(host.removeprefix("[").removesuffix("]"))


def chanceOf(rng: ShufflingSource | None) -> ShufflingSource:
    """
    @raise CallerFault: C{rng} lacks the methods of a random number generator.
    """
    if rng is None:
        return random
    if not (callable(getattr(rng, "randint", None)) and callable(getattr(rng, "shuffle", None))):
        raise CallerFault(f"rng: {rng!r:.80} is not a random number generator; give one such as random.Random()")
    return rng


def hastened(
    looking: Deferred[_T], addresses: Callable[[], Iterable[Deferred[list[str]]]], clock: IReactorTime, delay: float
) -> Deferred[_T | None]:
    """
    Wait for records, but not for long once addresses are known: some networks drop queries for unknown types.

    @param looking: the look-up of the records.
    @param addresses: starts looking up the host's addresses, one Deferred for each family; not called if the records are cached.
    @param delay: seconds to wait for the records after the first address has arrived. Without any address there is no limit.

    @return: fires with the records, or with L{None} if the delay has passed; fails if their look-up fails. The address look-ups are
        cancelled only after it has fired, so that a caller that then starts the same look-ups joins them.
    """
    if looking.called:
        return cast("Deferred[_T | None]", looking)
    return _Race(looking, clock, delay).begin(addresses())


class _Race(Generic[_T]):
    def __init__(self, looking: Deferred[_T], clock: IReactorTime, delay: float) -> None:
        self._looking = looking
        self._clock = clock
        self._delay = delay
        self._result: Deferred[_T | None] = Deferred(lambda _: self._end())
        self._beside: list[Deferred[None]] = []
        self._timer: IDelayedCall | None = None
        self._over = False

    def begin(self, addresses: Iterable[Deferred[list[str]]]) -> Deferred[_T | None]:
        for family in addresses:
            # The wait for the records is not limited by a failed look-up.
            self._beside.append(family.addCallbacks(self._cbAddresses, lambda failure: None))
        self._looking.addBoth(self._finish)
        return self._result

    def _finish(self, found: _T | Failure | None) -> None:
        if not self._over:
            self._over = True
            self._result.callback(found)
            self._end()

    def _cbAddresses(self, addresses: list[str]) -> None:
        if addresses and self._timer is None and not self._over:
            self._timer = self._clock.callLater(self._delay, self._finish, None)

    def _end(self) -> None:
        self._over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._looking.cancel()
        for family in self._beside:
            family.cancel()


class NAPTRWalk:
    """
    The NAPTR rules of one call, followed depth first.
    """

    def __init__(self, asking: ServiceLookups, rng: ShufflingSource) -> None:
        from twisted_ext.discovery.posixregex import Work

        self._lookups = asking
        self._rng = rng
        self._left = int(REWRITE_LOOKUPS.default)
        self._most = int(SERVICE_TARGETS.default)
        self._path: list[bytes] = []
        self._work = Work()
        self._targets: list[Target] = []
        self._uris: list[str] = []
        # The first failure.
        self._failure: LookupFailed | None = None

    async def targets(self, name: bytes, service: str, protocols: Sequence[str], port: int | None) -> list[Target]:
        """
        Return the targets of rules without expressions.

        @raise LookupFailed: there are no targets, and a look-up failed or a rule is unusable.
        """
        await self._follow(name, service, protocols, port)
        if not self._targets and self._failure is not None:
            raise self._failure
        return self._targets

    async def uris(self, name: bytes, service: str, text: str) -> list[str]:
        """
        Return the URIs that rules with expressions make of the text.

        @raise LookupFailed: there are no URIs, and a look-up failed or a rule is unusable.
        """
        await self._rewrite(name, service, text)
        if not self._uris and self._failure is not None:
            raise self._failure
        return self._uris

    async def _rules(self, name: bytes) -> list[Rule]:
        """
        Look up the rules of a name. Return none if the name is already on the path, or if a limit is exceeded.
        """
        from twisted_ext.discovery.naptr import rulesFrom
        from twisted_ext.wire.rdata.types.service import NAPTR

        if self._left <= 0 or name.lower() in self._path or len(self._path) >= REWRITE_STEPS.default:
            self._wrong(name, UnusableRecords("its rules form a loop, or are too many"))
            return []
        self._left -= 1
        try:
            found = await self._lookups.records(name, rrtypes.NAPTR)
            with about(name, rrtypes.NAPTR):
                return rulesFrom(found.read(NAPTR))
        except LookupFailed as failure:
            self._failure = self._failure or failure
            return []

    def _wrong(self, name: bytes, fault: DNSFault) -> None:
        self._failure = self._failure or errorFromFault(fault, Question(name, rrtypes.NAPTR))

    async def _follow(self, name: bytes, service: str, protocols: Sequence[str], port: int | None) -> None:
        from twisted_ext.discovery.naptr import ADDRESSES, FURTHER, SERVERS

        rules = await self._rules(name)
        self._path.append(name.lower())
        for rule in rules:
            protocol = rule.protocolFor(service, protocols)
            if protocol is None or rule.expression:
                continue
            if len(self._targets) >= self._most:
                break
            if rule.flag == FURTHER:
                await self._follow(rule.replacement, service, protocols, port)
            elif rule.flag == SERVERS:
                self._add(protocol, await self._servers(rule.replacement))
            elif rule.flag == ADDRESSES and port is not None:
                host = hostOf(rule.replacement)
                if host is None:
                    self._wrong(name, UnusableRecords(f"{nameToText(rule.replacement)} is not a valid host name"))
                else:
                    self._add(protocol, [Target(host, port)])
        self._path.pop()

    async def _servers(self, name: bytes) -> list[Target]:
        if self._left <= 0:
            return []
        self._left -= 1
        try:
            return await self._lookups.servers(name, self._rng)
        except LookupFailed as failure:
            self._failure = self._failure or failure
            return []

    def _add(self, protocol: str, targets: list[Target]) -> None:
        before: int | None = None
        rank = self._targets[-1].priority if self._targets else -1
        for target in targets[: self._most - len(self._targets)]:
            rank += target.priority != before
            before = target.priority
            self._targets.append(Target(target.host, target.port, rank, target.weight, protocol=protocol))

    async def _rewrite(self, name: bytes, service: str, text: str) -> None:
        from twisted_ext.discovery.naptr import FURTHER, URIS, nextName, substituted
        from twisted_ext.discovery.posixregex import BadPattern
        from twisted_ext.discovery.weights import isURI

        rules = await self._rules(name)
        self._path.append(name.lower())
        order: int | None = None
        for rule in rules:
            if not rule.isAbout(service):
                continue
            if len(self._uris) >= self._most or (order is not None and rule.order != order):
                break
            try:
                if rule.flag == URIS:
                    uri = substituted(rule.expression, text, self._work)
                    if uri is None:
                        continue
                    order = rule.order
                    if isURI(uri):
                        self._uris.append(uri)
                    else:
                        self._wrong(name, UnusableRecords(f"{uri!r:.80} is not a valid URI"))
                elif rule.flag == FURTHER:
                    following = nextName(rule, text, self._work)
                    if following is None:
                        continue
                    order = rule.order
                    await self._rewrite(following, service, text)
            except BadPattern as fault:
                self._wrong(name, fault)
        self._path.pop()
