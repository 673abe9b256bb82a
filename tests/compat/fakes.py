"""
Fake sources and receivers for the tests of the adapters.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext, Question
from twisted_ext.errors import Closed, DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber

if TYPE_CHECKING:
    from twisted_ext.interfaces import Start

__all__ = ["Addresses", "Fake", "data", "denied", "nodata", "question", "rrset"]

SERVER = "192.0.2.53:53"


def _type(mnemonic: str) -> int:
    number = typeNumber(mnemonic)
    assert number is not None
    return number


def question(name: str, mnemonic: str = "A") -> Question:
    """
    Return the question for a name and a type.
    """
    return Question(nameFromText(name), _type(mnemonic))


def rrset(name: str, mnemonic: str, *texts: str, ttl: int = 300) -> RRSet:
    """
    Return an RRset.

    @param texts: each record as in a zone file.
    """
    number = _type(mnemonic)
    return RRSet(nameFromText(name), number, 1, ttl, tuple([rdataFromText(number, text) for text in texts]))


def data(*sets: RRSet, flags: int = 0) -> Answer:
    """
    Return an answer with these records.
    """
    return Answer(Outcome.DATA, sets, flags=flags, origin=Origin("udp", SERVER, 1, 0.01))


def nodata(*sets: RRSet, soa: bool = True) -> Answer:
    """
    Return a NODATA answer, optionally after aliases.
    """
    authority = (rrset("example.", "SOA", "ns. host. 1 2 3 4 5"),) if soa else ()
    return Answer(Outcome.NODATA, sets, authority, origin=Origin("udp", SERVER, 1, 0.01))


def denied(*sets: RRSet) -> Answer:
    """
    Return an NXDOMAIN answer.
    """
    authority = (rrset("example.", "SOA", "ns. host. 1 2 3 4 5"),)
    return Answer(
        Outcome.NXDOMAIN, sets, authority, rcode=3, ede=((15, "not here"),), origin=Origin("udp", SERVER, 2, 0.01)
    )


@implementer(IAnswerSource)
class Fake:
    """
    A source with given answers, which come at once or when released.

    @ivar known: answers and faults by question.
    @ivar now: whether they are at hand.
    @ivar held: whether C{answer} waits for C{release}.
    @ivar asked: all questions, in order.
    @ivar contexts: the contexts of the questions.
    @ivar cancelled: the canceled questions.
    @ivar closed: the number of calls of C{close}.
    """

    def __init__(self, *, now: bool = False, held: bool = False) -> None:
        self.known: dict[Question, Answer | DNSFault] = {}
        self.now = now
        self.held = held
        self.asked: list[Question] = []
        self.contexts: list[QueryContext] = []
        self.cancelled: list[Question] = []
        self.closed = 0
        self._waiting: list[tuple[Question, Deferred[Answer]]] = []

    def knows(self, name: str, mnemonic: str, outcome: Answer | DNSFault) -> None:
        """
        Set the answer to a question.
        """
        self.known[question(name, mnemonic)] = outcome

    def addresses(self, name: str, *addresses: str) -> None:
        """
        Set all addresses of a host, of both families.
        """
        for mnemonic, six in (("A", False), ("AAAA", True)):
            mine = [address for address in addresses if (":" in address) == six]
            self.knows(name, mnemonic, data(rrset(name, mnemonic, *mine)) if mine else nodata())

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if not self.now:
            return partial(self._start, question)
        self.asked.append(question)
        self.contexts.append(context)
        outcome = self.known.get(question)
        if isinstance(outcome, DNSFault):
            raise outcome
        return partial(self._start, question) if outcome is None else outcome

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        self.asked.append(question)
        self.contexts.append(context)
        if self.closed:
            return fail(Closed("the source was closed"))
        if not self.held:
            return self._outcome(question)
        waiting: Deferred[Answer] = Deferred(lambda _: self.cancelled.append(question))
        self._waiting.append((question, waiting))
        return waiting

    def _outcome(self, question: Question) -> Deferred[Answer]:
        outcome = self.known.get(question, Unknown("nobody knows"))
        return fail(outcome) if isinstance(outcome, DNSFault) else succeed(outcome)

    def release(self, mnemonic: str) -> None:
        """
        Answer all pending questions of this type.
        """
        number = _type(mnemonic)
        waiting, self._waiting = self._waiting, []
        for question, deferred in waiting:
            if deferred.called:
                continue
            if question.rrType == number:
                self._outcome(question).chainDeferred(deferred)
            else:
                self._waiting.append((question, deferred))

    def close(self) -> Deferred[None]:
        self.closed += 1
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


@implementer(IResolutionReceiver)
class Addresses:
    """
    Collects the addresses of a host.

    @ivar events: C{"began"}, each address as text, C{"complete"}.
    @ivar addresses: the addresses in the order of arrival.
    """

    def __init__(self) -> None:
        self.events: list[str] = []
        self.addresses: list[IAddress] = []
        self.resolution: IHostResolution | None = None

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.resolution = resolutionInProgress
        self.events.append("began")

    def addressResolved(self, address: IAddress) -> None:
        self.addresses.append(address)
        self.events.append(str(getattr(address, "host", address)))

    def resolutionComplete(self) -> None:
        self.events.append("complete")
