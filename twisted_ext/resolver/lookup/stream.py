"""
Streams of look-ups with callbacks, thousands in parallel: the basis of L{twisted_ext.bulk} and C{txdns bulk}.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush, heapreplace
from math import inf
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_ext.aliases import found, together
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import BULK_KEPT_BACK, LOOKUP_SECONDS
from twisted_ext.ratecontrol import NotYet, Rate, ServerRates, Window
from twisted_ext.resolver.ask import Query, askedOn, lookUp, queryOf, unknown
from twisted_ext.wire.message import Question

if TYPE_CHECKING:
    from twisted_ext.ratecontrol import ServerRates

__all__ = ["MOST_POSTPONED", "BulkLookup", "InOrder", "OrderSlot", "Postponed", "Run"]

#: Consecutive aliases that are followed if the server does not.
_BULK_ALIASES: Final = 11

Item = TypeVar("Item")

#: Look-ups that begin within this many seconds share one deadline, so the last of them get that much less time than the first.
_SHARED: Final = 0.1

#: Look-ups that are postponed before others get their turn in the reactor: a millisecond.
_TURNED_AWAY: Final = 100

_NODATA: Final = Outcome.NODATA

Entry = TypeVar("Entry")

#: Names that may wait before no more are read: 30 MB. With fewer, a list that is sorted by zone would come late to its other zones.
MOST_POSTPONED: Final = 100_000


class Postponed(Generic[Entry]):
    """
    Names that wait until one of their servers may be asked, to be begun again in the order in which they came.

    @ivar count: how many there are.
    """

    def __init__(self, rates: ServerRates) -> None:
        self.count = 0
        self._rates = rates
        self._queues: dict[tuple[str, ...], deque[Entry]] = {}
        # When the next one of each queue may begin.
        self._turns: list[tuple[float, tuple[str, ...]]] = []

    @property
    def due(self) -> float:
        """
        When the next one may begin; infinity if there is none.
        """
        return self._turns[0][0] if self._turns else inf

    def add(self, entry: Entry, servers: tuple[str, ...], due: float, returns: bool) -> None:
        """
        @param servers: the addresses of those that can be asked for it, in the same order each time.
        @param due: when it may begin at the earliest.
        @param returns: whether it has waited before: then it keeps its place.
        """
        self.count += 1
        queue = self._queues.get(servers)
        if queue is None:
            self._queues[servers] = deque([entry])
            heappush(self._turns, (due, servers))
        elif returns:
            queue.appendleft(entry)
        else:
            queue.append(entry)

    def next(self, now: float) -> Entry | None:
        """
        Return one that may begin now, if there is any.
        """
        turns = self._turns
        while turns and turns[0][0] <= now:
            servers = turns[0][1]
            wait = min([self._rates.wait(server, now) for server in servers])
            if wait:
                heapreplace(turns, (now + wait, servers))
                continue
            # If it asks others now, as a cache has brought it further, the next one of these may begin as well.
            queue = self._queues[servers]
            entry = queue.popleft()
            self.count -= 1
            if not queue:
                del self._queues[servers]
                heappop(turns)
            return entry
        return None


class Run(Generic[Item]):
    """
    Begins look-ups as earlier ones end, with callbacks in place of an iterator.

    @ivar underway: the number of names without a result: look-ups in progress, C{window} at most, and names whose server may not be asked
        yet.
    @ivar held: while true, no look-up is begun, because the consumer of the results cannot take more. Call L{fill} when it can.
    """

    def __init__(
        self,
        source: IAnswerSource,
        clock: IReactorTime,
        *,
        pull: Callable[[], tuple[Item, Question | Exception] | None],
        done: Callable[[Item, Answer | Exception], object],
        window: Window,
        seconds: float | None = None,
        rate: Rate | None = None,
        serverRates: ServerRates | None = None,
    ) -> None:
        """
        @param serverRates: limits the queries to each server. Names that have to wait for theirs take no room from others.
        @param pull: returns the next item and its question, or an exception that is already its result; L{None} if there is none now. Call
            L{fill} when there is.
        @param done: called with each result, exactly once: an answer, or an exception.
        """
        self.underway = 0
        self.window = window
        self.held = False
        self._source = source
        self._clock = clock
        self._pull = pull
        self._done = done
        self._seconds = LOOKUP_SECONDS.pick(seconds)
        self._rate = rate
        self._serverRates = serverRates
        self._postponed: Postponed[tuple[Item, Question]] | None = None if serverRates is None else Postponed(serverRates)
        # How many names are postponed, and how many were since look-ups were begun last.
        self._apart = self._turnedAway = 0
        self._waking: IDelayedCall | None = None
        self._wakesAt = inf
        self._context = QueryContext(0.0)
        self._renewAt = float("-inf")
        self._lookups: set[BulkLookup[Item]] = set()
        self._following: set[Deferred[Answer]] = set()
        self._filling = self._closed = False
        self._timer: IDelayedCall | None = None

    def fill(self) -> None:
        """
        Begin as many look-ups as there is room for.
        """
        self._fill(self._clock.seconds())

    def _fill(self, now: float) -> None:
        if self._filling or self._closed:
            return
        self._filling = True
        window = self.window
        source = self._source
        isLate = hasWaited = False
        postponed = self._postponed
        self._turnedAway = 0
        try:
            while self.underway - self._apart < window.size and not self.held and self._turnedAway < _TURNED_AWAY:
                if self._rate is not None and not self._mayBegin(self._rate):
                    break
                pulled: tuple[Item, Question | Exception] | None = None
                if postponed is not None:
                    pulled = postponed.next(self._clock.seconds())
                    hasWaited = pulled is not None
                    if not hasWaited and self._apart >= MOST_POSTPONED:
                        break
                if pulled is None:
                    pulled = self._pull()
                if pulled is None:
                    if self._rate is not None:
                        self._rate.giveBack()
                    break
                item, question = pulled
                if isinstance(question, Exception):
                    self._done(item, question)
                    continue
                if isLate:
                    now = self._clock.seconds()
                isLate = True
                if now >= self._renewAt:
                    self._renewAt = now + _SHARED
                    self._context = QueryContext(self._renewAt + self._seconds, serverRates=self._serverRates)
                if hasWaited:
                    self._apart -= 1
                else:
                    self.underway += 1
                context = self._context
                lookup: BulkLookup[Item] | None = None
                try:
                    answer = source.ask(question, context)
                    if not isinstance(answer, Answer):
                        if answer is None:
                            raise unknown(source, question)
                        lookup = BulkLookup(self, item, question, hasWaited)
                        self._lookups.add(lookup)
                        query = lookup.query = queryOf(answer, lookup, context)
                        query.begin(now)
                        continue
                except Exception as fault:
                    if lookup is not None and lookup not in self._lookups:
                        # It has its result already, with which the consumer has failed.
                        raise
                    # If the source fails at once, the item still gets its result.
                    if lookup is not None:
                        self._lookups.discard(lookup)
                    self._fail(item, question, fault, hasWaited)
                else:
                    self._took(answer, item, question, context)
        finally:
            self._filling = False
        if postponed is not None:
            self._awaitTurns(postponed)

    def _awaitTurns(self, postponed: Postponed[tuple[Item, Question]]) -> None:
        """
        Begin look-ups when the next server may be asked. If there is no room for one, those under way are waited for first.
        """
        if self._closed or self.held or self._timer is not None or self.underway - self._apart >= self.window.size:
            return
        now = self._clock.seconds()
        due = now if self._turnedAway >= _TURNED_AWAY else max(postponed.due, now)
        if due < self._wakesAt:
            if self._waking is not None:
                self._waking.cancel()
            self._wakesAt = due
            self._waking = self._clock.callLater(due - now, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._wakesAt = inf
        self.fill()

    def _postpone(self, item: Item, question: Question, fault: NotYet, hasWaited: bool) -> None:
        postponed = self._postponed
        assert postponed is not None
        now = self._clock.seconds()
        postponed.add((item, question), fault.servers, now + fault.seconds, hasWaited)
        self._apart += 1
        self._turnedAway += 1
        if self._rate is not None:
            self._rate.giveBack()
        if not self._filling:
            self._fill(now)

    def _mayBegin(self, rate: Rate) -> bool:
        if self._timer is not None:
            return False
        wait = rate.take(self._clock.seconds())
        if not wait:
            return True
        self._timer = self._clock.callLater(wait, self._again)
        return False

    def _again(self) -> None:
        self._timer = None
        self.fill()

    def answered(self, lookup: BulkLookup[Item], answer: Answer) -> None:
        lookups = self._lookups
        if lookup not in lookups:
            # The run was closed, or the source has failed with this look-up before.
            return
        lookups.discard(lookup)
        if answer.outcome is _NODATA and answer.answer:
            self._took(answer, lookup.item, lookup.question, self._context)
            return
        # The rest is _end, inlined, since it is called for every name.
        self.underway -= 1
        origin = answer.origin
        now = self._clock.seconds()
        self.window.note(now, origin is not None and origin.attempts > 1)
        self._done(lookup.item, answer)
        if not self._filling:
            self._fill(now)

    def failed(self, lookup: BulkLookup[Item], fault: Exception) -> None:
        if lookup in self._lookups:
            self._lookups.discard(lookup)
            self._fail(lookup.item, lookup.question, fault, lookup.hasWaited)

    def _fail(self, item: Item, question: Question, fault: Exception, hasWaited: bool) -> None:
        if isinstance(fault, NotYet):
            self._postpone(item, question, fault, hasWaited)
        else:
            self._end(item, fault, True)

    def _took(self, answer: Answer, item: Item, question: Question, context: QueryContext) -> None:
        """
        Handle an answer; if its aliases lead out of it, look up the target.
        """
        if answer.outcome is _NODATA and answer.answer and found(question, answer)[2] is not None:
            following = Deferred.fromCoroutine(self._follow(question, answer, context))
            self._following.add(following)
            following.addCallbacks(
                self._followed, self._notFollowed, callbackArgs=(item, following), errbackArgs=(item, question, following)
            )
            return
        origin = answer.origin
        self._end(item, answer, origin is not None and origin.attempts > 1)

    async def _follow(self, question: Question, answer: Answer, context: QueryContext) -> Answer:
        if context.serverRates is not None:
            context = context.but(aliases=1)
        steps = await askedOn(partial(lookUp, self._source), question, answer, context, _BULK_ALIASES)
        if found(*steps[-1])[2] is not None:
            raise Unknown(f"its aliases form a loop, or are more than {_BULK_ALIASES:.0f}")
        return together([each for _, each in steps])

    def _followed(self, answer: Answer, item: Item, following: Deferred[Answer]) -> None:
        self._following.discard(following)
        self._end(item, answer, False)

    def _notFollowed(self, failure: Failure, item: Item, question: Question, following: Deferred[Answer]) -> None:
        self._following.discard(following)
        if not self._closed:
            fault = failure.value
            self._fail(item, question, fault if isinstance(fault, Exception) else DNSFault(repr(fault)), False)

    def _end(self, item: Item, result: Answer | Exception, lost: bool) -> None:
        self.underway -= 1
        now = self._clock.seconds()
        self.window.note(now, lost)
        self._done(item, result)
        if not self._filling:
            self._fill(now)

    def close(self) -> None:
        """
        Cancel all look-ups in progress; C{done} is not called for them.
        """
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        lookups, self._lookups = self._lookups, set()
        for lookup in lookups:
            lookup.query.cancel()
        following, self._following = self._following, set()
        for deferred in following:
            deferred.cancel()


class BulkLookup(Generic[Item]):
    """
    One look-up of a L{Run}, which waits for its answer.

    @ivar hasWaited: whether it was postponed before.
    """

    __slots__ = ("run", "item", "question", "hasWaited", "query")

    query: Query

    def __init__(self, run: Run[Item], item: Item, question: Question, hasWaited: bool) -> None:
        self.run = run
        self.item = item
        self.question = question
        self.hasWaited = hasWaited

    def callback(self, answer: Answer, /) -> None:
        self.run.answered(self, answer)

    def errback(self, fault: Exception, /) -> None:
        self.run.failed(self, fault)


class InOrder(Generic[Item]):
    """
    Holds back results until those of all earlier items have been delivered. It is placed between a L{Run} and its two callbacks.
    """

    def __init__(
        self,
        pull: Callable[[], tuple[Item, Question | Exception] | None],
        done: Callable[[Item, Answer | Exception], object],
    ) -> None:
        self._pull = pull
        self._done = done
        self._slots: deque[OrderSlot[Item]] = deque()

    def pull(self) -> tuple[OrderSlot[Item], Question | Exception] | None:
        if len(self._slots) >= BULK_KEPT_BACK.default:
            # So many look-ups are in progress or held back.
            return None
        pulled = self._pull()
        if pulled is None:
            return None
        slot = OrderSlot(pulled[0])
        self._slots.append(slot)
        return slot, pulled[1]

    def done(self, slot: OrderSlot[Item], result: Answer | Exception) -> None:
        slot.result = result
        slots = self._slots
        while slots and (ready := slots[0].result) is not None:
            self._done(slots.popleft().item, ready)


class OrderSlot(Generic[Item]):
    """
    The position of one item in the order.

    @ivar result: L{None} while the look-up is in progress.
    """

    __slots__ = ("item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Answer | Exception | None = None
