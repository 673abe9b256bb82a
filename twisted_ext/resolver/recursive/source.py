"""
The answer source that resolves from the root.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from ipaddress import ip_address
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.cache.store import Store
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadDescription, DNSFault, TimedOut, WorkSpent
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.recursion.delegations import Delegation, Delegations
from twisted_ext.recursion.iteration import FindAddresses, Iteration, Need, Options, Pause, Result
from twisted_ext.recursion.reporting import REPORT_CHANNEL, Reporter
from twisted_ext.resolver.ask import Query, QueryStart, Waiter, lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.recursive.pool import PoolPause, ServerPool
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.resolver.sources import LocalSource
from twisted_ext.transport.servers import Server
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, parentOf
from twisted_ext.wire.rrtypes import DS, RRSIG

if TYPE_CHECKING:
    from twisted_ext.resolver.recursive.localroot import LocalRoot

__all__ = ["RecursiveSource", "recursiveStack"]


#: Look-ups of name servers' addresses inside of each other: as BIND.
_DEPTH: Final = 7

#: Members of Enums that are compared with in each look-up: to look up one in its class takes as long as ten attributes.
_DATA: Final = Outcome.DATA
_NODATA: Final = Outcome.NODATA

#: How the signatures of DS records begin.
_DS_COVERED: Final = DS.to_bytes(2, "big")

#: How a Report-Channel option begins.
_CHANNEL: Final = REPORT_CHANNEL.to_bytes(2, "big")

#: Octets for the addresses of name servers outside of the zones that they serve.
_ADDRESS_CACHE: Final = 4 << 20


@implementer(IAnswerSource)
class RecursiveSource(LocalSource):
    """
    Resolves questions from the root, or from the closest zone whose servers are known. Aliases are not followed beyond the zone that they
    are in: see L{AliasFollower}.

    @ivar delegations: what has been learned of zones and their servers.
    @ivar pool: the servers' sockets and statistics.
    @ivar reporter: is told the agents for reports that servers name; L{None} to ignore them.
    @ivar localRoot: a copy of the root zone, which is used instead of the root's servers while it is valid; L{None} for none.
    """

    def __init__(
        self, reactor: IReactorTime, root: Delegation, *, options: Options | None = None, pool: ServerPool | None = None
    ) -> None:
        """
        @param root: servers of the root, from hints.
        """
        self.delegations = Delegations(root)
        self.pool = ServerPool(reactor) if pool is None else pool
        self.options = options or Options()
        self.localRoot: LocalRoot | None = None
        self.seconds = reactor.seconds
        self.reporter: Reporter | None = None
        # Addresses of name servers are never given as answers, so they have a cache of their own.
        follower = AliasFollower(self, Work)
        self.addresses = CachedSource(follower, reactor, store=Store(_ADDRESS_CACHE))
        follower.targets = self.addresses

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if question.rrType == DS:
            known = self.delegations.find(question.key[:-4], self.seconds())
            if known is not None and known.proof:
                found = _fromReferral(known)
                # A validator needs no SOA record, as a client does.
                if found.answer or context.depth:
                    return found
        return _Start(self, question)

    def distrust(self, name: bytes) -> None:
        """
        Forget the delegations that lead to a name.

        @param name: folded.
        """
        while name != ROOT:
            found = self.delegations.find(name, self.seconds())
            if found is not None:
                self.delegations.drop(found)
            name = parentOf(name)

    def serversOf(self, name: bytes, answer: Answer | None = None) -> tuple[list[bytes], list[bytes]]:
        """
        Return the servers of the zones that a name is in, as far as they are known, but for the root and the zones right below it: their
        names, folded, and their addresses, of four or sixteen octets.

        @param name: folded.
        @param answer: the server that has sent it is one of them, also if its zone is not known any more.
        """
        servers = [server for each in self.delegations.leadingTo(name) for server in each.all]
        addresses = [address for server in servers for address in server.addresses]
        if answer is not None and answer.origin is not None and answer.origin.server:
            addresses.append(answer.origin.server)
        return [server.name for server in servers], [packed for each in dict.fromkeys(addresses) if (packed := _packed(each))]

    def close(self) -> Deferred[None]:
        if self.localRoot is None:
            return self.pool.close()
        return gatherResults([self.localRoot.close(), self.pool.close()]).addCallback(lambda _: None)


class _Start(QueryStart):
    """
    Starts a resolution.
    """

    __slots__ = ("_source", "_question")

    def __init__(self, source: RecursiveSource, question: Question) -> None:
        self._source = source
        self._question = question

    def now(self) -> float:
        return self._source.seconds()

    def prepare(self, waiter: Waiter, context: QueryContext) -> _Resolution:
        if context.depth > _DEPTH:
            raise WorkSpent(f"{self._question}: more than {_DEPTH} look-ups inside of each other")
        budget = context.budget
        if budget is None:
            budget = Work()
        return _Resolution(self._source, self._question, context.iterative(budget), waiter)


class _Resolution:
    """
    Runs one L{Iteration}.
    """

    __slots__ = (
        *("_waiter", "_source", "_question", "_context", "_work", "_iteration", "_steps", "_current", "_began", "_server"),
        "_before",
    )

    _steps: Generator[Need, Result, Answer]
    _began: float
    _before: int

    def __init__(self, source: RecursiveSource, question: Question, context: QueryContext, waiter: Waiter) -> None:
        self._source = source
        self._question = question
        self._context = context
        self._waiter = waiter
        # The query that is under way; the look-up of an address is a Deferred.
        self._current: Query | Deferred[Answer] | None = None
        self._server = ""
        budget = context.budget
        self._work = budget if isinstance(budget, Work) else None
        self._iteration = Iteration(source.delegations, question, source.options, context, source.pool.areDown)

    # -- as a Query

    def begin(self, now: float) -> None:
        self._began = now
        self._before = 0 if self._work is None else self._work.resolve()
        self._steps = self._iteration.run(now)
        self._advance(None)

    def cancel(self) -> None:
        self._iteration.abandoned(self._source.seconds())
        self._steps.close()
        current = self._current
        if current is not None:
            if isinstance(current, Deferred):
                current.addErrback(lambda _: None)
            current.cancel()
        if self._work is not None:
            self._work.resolved(self._before)

    def _advance(self, result: Answer | DNSFault | None) -> None:
        now = self._source.seconds()
        try:
            need = next(self._steps) if result is None else self._steps.send((now, result))
        except StopIteration as done:
            self._finish(done.value, now)
        except DNSFault as fault:
            self._ended().errback(fault)
        except Exception as error:
            # Otherwise the callers would wait for ever.
            self._ended().errback(error)
        else:
            self._meet(need, now)

    def _meet(self, need: Need, now: float) -> None:
        context = self._context
        if now >= context.deadline:
            self._advance(TimedOut(f"{self._question}: the time for it was over"))
            return
        if isinstance(need, Pause):
            waiting = self._current = PoolPause(self._source.pool, self)
            waiting.due = now + need.seconds
            waiting.begin(now)
        elif isinstance(need, FindAddresses):
            inner = context.but(recursionDesired=True, dnssecOk=False, depth=context.depth + 1, aliases=0)
            looking = self._current = lookUp(self._source.addresses, need.question, inner)
            looking.addCallbacks(self.callback, self._failed)
        else:
            if not need.delegation.labels and self._source.localRoot is not None:
                answer = self._source.localRoot.answer(need.question, context.dnssecOk)
                if answer is not None:
                    self._advance(answer)
                    return
            signed = need.delegation.signed and context.dnssecOk
            try:
                query = self._source.pool.prepare(self, tuple(need.addresses), need.question, context, signed)
            except DNSFault as fault:
                self._advance(fault)
                return
            self._current = query
            query.begin(now)

    # -- as the Waiter of its own queries

    def callback(self, answer: Answer, /) -> None:
        """
        Go on with a server's reply, or with an address.
        """
        self._current = None
        if answer.origin is not None:
            self._server = answer.origin.server
        reporter = self._source.reporter
        if reporter is not None and _CHANNEL in answer.wire and answer.message is not None and answer.message.edns is not None:
            channel = answer.message.edns.option(REPORT_CHANNEL)
            if channel is not None:
                reporter.learn(self._iteration.zone, channel, self._source.seconds())
        self._advance(answer)

    def errback(self, fault: Exception, /) -> None:
        """
        Go on without what was asked for.
        """
        self._current = None
        if isinstance(fault, DNSFault):
            self._advance(fault)
        else:
            self._ended().errback(fault)

    def _failed(self, failure: Failure) -> None:
        fault = failure.value
        assert isinstance(fault, Exception)
        self.errback(fault)

    def _ended(self) -> Waiter:
        work = self._work
        if work is not None:
            work.resolved(self._before)
        waiter = self._waiter
        del self._waiter
        return waiter

    def _finish(self, answer: Answer, now: float) -> None:
        work = self._work
        attempts = 0 if work is None else work.packets
        answer.origin = Origin("recursive", self._server, attempts, now - self._began, zone=self._iteration.zone, work=work)
        answer.message = None
        self._ended().callback(answer)


def _packed(server: str) -> bytes:
    try:
        return ip_address(Server.fromText(server).address).packed
    except (BadDescription, ValueError):
        return b""


def _fromReferral(known: Delegation) -> Answer:
    """
    Return the answer to the question for the DS set of a zone, from the referral to it.
    """
    present = tuple(
        [rrset for rrset in known.proof if rrset.rrType == DS or (rrset.rrType == RRSIG and rrset.rdatas[0][:2] == _DS_COVERED)]
    )
    origin = Origin("recursive", known.referrer)
    if present:
        return Answer(_DATA, present, flags=AA, origin=origin)
    return Answer(_NODATA, (), known.proof, flags=AA, origin=origin)


def recursiveStack(
    reactor: IReactorTime,
    root: Delegation,
    *,
    validator: Validator | None = None,
    options: Options | None = None,
    pool: ServerPool | None = None,
    store: Store | None = None,
    today: Callable[[], float] = time,
    localRoot: LocalRoot | None = None,
) -> CachedSource:
    """
    Return a source that resolves from the root, validates, follows aliases and caches.

    @param root: servers of the root, from hints.
    @param validator: L{None} for answers without validation.
    @param today: returns seconds since 1970, for the validity of signatures.
    @param localRoot: a copy of the root zone.
    """
    resolving = RecursiveSource(reactor, root, options=options, pool=pool)
    resolving.localRoot = localRoot
    source: IAnswerSource = resolving
    if validator is not None:
        source = ValidatingSource(source, reactor, validator, today, distrust=resolving.distrust)
    follower = AliasFollower(source, Work)
    cached = follower.targets = CachedSource(follower, reactor, store=store)
    return cached
