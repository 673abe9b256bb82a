"""
The values that cross layers: what is asked with what wishes, and what came of it.

A denial is an L{Answer}. An exception of L{twisted_ext.errors} means that we do not know.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Protocol

from twisted_ext.wire.codes import AA, AD, TC
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet

__all__ = [
    "Answer",
    "Epoch",
    "Note",
    "Origin",
    "Outcome",
    "QueryContext",
    "Question",
    "Security",
    "Trace",
]


class Outcome(Enum):
    """
    What an answer says of its question.
    """

    DATA = "data"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"


class Security(Enum):
    """
    How far an answer is proved (RFC 4035, section 4.3). The least trusted value is the default everywhere.
    """

    INDETERMINATE = "indeterminate"
    INSECURE = "insecure"
    SECURE = "secure"
    BOGUS = "bogus"


class Epoch:
    """
    The state of a zone, a cache or a policy, as a number. Whoever keeps what came from it keeps the number too; when that is not C{value}
    any more, what was kept is void.

    @ivar value: goes up with each change.
    @cvar changes: goes up with each change of any of them.
    """

    __slots__ = ("value",)

    changes: ClassVar[int] = 0

    def __init__(self) -> None:
        self.value = 0

    def bump(self) -> None:
        """
        Make all that was kept until now void.
        """
        self.value += 1
        Epoch.changes += 1


class Origin:
    """
    Where an answer came from.

    @ivar source: the kind of source: C{"udp"}, C{"tcp"}, C{"cache"}, C{"stale"}, C{"hosts"}, C{"special"}, C{"zone"}...
    @ivar server: who said it, as C{"192.0.2.1:53"}, C{"[2001:db8::1]:53"} or a path; C{""} where nobody was asked.
    @ivar attempts: queries sent for it.
    @ivar elapsed: seconds from the first of them to the reply.
    @ivar age: seconds since it was learned.
    @ivar learned: when that was, on the clock of the cache that it came from; L{None} where it came from elsewhere.
    @ivar expires: when its time ends, on the same clock.
    @ivar epoch: the cell of the zone that it came from, L{None} for all else: the answer holds for as long as that says the same.
    """

    __slots__ = ("source", "server", "attempts", "elapsed", "age", "learned", "expires", "epoch")

    def __init__(
        self,
        source: str,
        server: str = "",
        attempts: int = 0,
        elapsed: float = 0.0,
        age: float = 0.0,
        learned: float | None = None,
        expires: float = 0.0,
        epoch: Epoch | None = None,
    ) -> None:
        self.source = source
        self.server = server
        self.attempts = attempts
        self.elapsed = elapsed
        self.age = age
        self.learned = learned
        self.expires = expires
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"<Origin {self.source} {self.server}>"


class Answer:
    """
    What is known of a question. Treated as immutable: it may be shared by many waiters.

    @ivar outcome: data, no such data, or no such name; of the last name where aliases led on.
    @ivar rcode: the reply's, NOERROR or NXDOMAIN as a rule.
    @ivar flags: the header bits AA, TC, RD, RA, AD, CD as received.
    @ivar answer: the answer section, aliases first.
    @ivar authority: the authority section.
    @ivar additional: the additional section, without OPT.
    @ivar security: what was proved of it here; AD of a server that is not trusted does not count.
    @ivar ede: extended errors as C{(info code, extra text)}.
    @ivar origin: where it came from.
    @ivar wire: the octets that it was read from; empty where it was not.
    """

    __slots__ = ("outcome", "rcode", "flags", "answer", "authority", "additional", "security", "ede", "origin", "wire", "_message")

    def __init__(
        self,
        outcome: Outcome,
        answer: tuple[RRSet, ...] = (),
        authority: tuple[RRSet, ...] = (),
        additional: tuple[RRSet, ...] = (),
        *,
        rcode: int = 0,
        flags: int = 0,
        security: Security = Security.INDETERMINATE,
        ede: tuple[tuple[int, str], ...] = (),
        origin: Origin | None = None,
        message: Message | None = None,
    ) -> None:
        self.outcome = outcome
        self.rcode = rcode
        self.flags = flags
        self.answer = answer
        self.authority = authority
        self.additional = additional
        self.security = security
        self.ede = ede
        self.origin = origin
        self.wire = b"" if message is None else message.wire
        self._message = message

    @property
    def message(self) -> Message | None:
        """
        The message that it was read from, if it was.
        """
        if self._message is None and self.wire:
            self._message = Message.fromWire(self.wire)
        return self._message

    @message.setter
    def message(self, message: Message | None) -> None:
        self.wire = b"" if message is None else message.wire
        self._message = message

    @property
    def authoritative(self) -> bool:
        """
        Whether the server had it from its own zones.
        """
        return bool(self.flags & AA)

    @property
    def truncated(self) -> bool:
        """
        Whether the reply was cut off. Sources of this package do not give such answers, but what adapts somebody else's may.
        """
        return bool(self.flags & TC)

    @property
    def authenticated(self) -> bool:
        """
        The AD bit, worth as much as the channel it came by (RFC 6840, section 5.8).
        """
        return bool(self.flags & AD)

    def __repr__(self) -> str:
        return f"<Answer {self.outcome.value} {list(self.answer)} from {self.origin}>"


class Note:
    """
    One step on the way to an answer, for L{explain<twisted_ext.interfaces.IAnswerSource>}.

    @ivar source: who did it: C{"cache"}, C{"hosts"}, C{"forward"}...
    @ivar event: what, in one or a few words: C{"hit"}, C{"sent"}, C{"timed out"}.
    @ivar details: values that say more; texts, numbers and booleans only, so that they can be written as JSON.
    @ivar at: the clock's seconds then.
    """

    __slots__ = ("source", "event", "details", "at")

    def __init__(self, source: str, event: str, details: dict[str, str | int | float | bool | None], at: float) -> None:
        self.source = source
        self.event = event
        self.details = details
        self.at = at

    def __repr__(self) -> str:
        return f"<Note {self.source} {self.event} {self.details}>"


class Trace:
    """
    All notes of one look-up, in order.

    @ivar began: the clock's seconds when it began.
    """

    __slots__ = ("notes", "began")

    def __init__(self, began: float = 0.0) -> None:
        self.notes: list[Note] = []
        self.began = began

    def note(self, at: float, source: str, event: str, **details: str | int | float | bool | None) -> None:
        """
        Add a note.

        @param at: the clock's seconds.
        """
        self.notes.append(Note(source, event, details, at))


class Budget(Protocol):
    """
    Work that one look-up may still cause; shared by all that it leads to.
    """

    def spend(self, amount: int = 1) -> None:
        """
        Take C{amount} off.

        @raise twisted_ext.errors.BudgetSpent: there is not that much left.
        """


class QueryContext:
    """
    The wishes that go along with a question.

    @ivar deadline: the clock's seconds by which an answer is of use; absolute, set once at the edge, never moved.
    @ivar recursionDesired: set RD.
    @ivar dnssecOk: set DO.
    @ivar checkingDisabled: set CD.
    @ivar authenticData: set AD in the query, to be told of it in the reply (RFC 6840, section 5.7).
    @ivar edns: send an OPT record; servers known to stumble over it are spared anyway.
    @ivar options: further EDNS options as C{(code, octets)}.
    @ivar stream: ask by TCP at once.
    @ivar waits: seconds to wait for each attempt by UDP in turn, or L{None} for what has been learned of the server.
    @ivar relative: the name was written without its final dot, so that a search list may be tried. L{SearchListSource
        <twisted_ext.resolver.combine.searchlist.SearchListSource>} stands outside whatever shares answers, and asks inward with this off.
    @ivar single: addresses of the other family are of no interest: that a host has some ends no search and keeps nobody from being asked.
    @ivar client: on whose behalf, as an address, or L{None} for ourselves.
    @ivar served: whether it began on behalf of a server's client: a server has bounds of its own for what waits, so that such a look-up is
        sent at once, however many others are.
    @ivar budget: work left, or L{None} where it is not counted.
    @ivar trace: where to note what happens, or L{None}.
    @ivar flight: the shared look-up that this one is a part of, so that none waits for itself; L{CoalescingSource
        <twisted_ext.resolver.caching.coalescing.CoalescingSource>} sets it, and contexts made by L{detached} keep it.
    @ivar missed: the question that a cache, and all who are asked before it, have just had nothing on, so that none need look again.
    @ivar variant: octets that differ where the wishes would change the answer: part of every key under which answers are shared.
    """

    __slots__ = (
        "deadline",
        "recursionDesired",
        "dnssecOk",
        "checkingDisabled",
        "authenticData",
        "edns",
        "options",
        "stream",
        "waits",
        "relative",
        "single",
        "client",
        "served",
        "budget",
        "trace",
        "flight",
        "missed",
        "variant",
    )

    def __init__(
        self,
        deadline: float,
        *,
        recursionDesired: bool = True,
        dnssecOk: bool = False,
        checkingDisabled: bool = False,
        authenticData: bool = False,
        edns: bool = True,
        options: tuple[tuple[int, bytes], ...] = (),
        stream: bool = False,
        waits: tuple[float, ...] | None = None,
        relative: bool = False,
        single: bool = False,
        client: str | None = None,
        budget: Budget | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.deadline = deadline
        self.recursionDesired = recursionDesired
        self.dnssecOk = dnssecOk
        self.checkingDisabled = checkingDisabled
        self.authenticData = authenticData
        self.edns = edns
        self.options = options
        self.stream = stream
        self.waits = waits
        self.relative = relative
        self.single = single
        self.client = client
        self.served = client is not None
        self.budget = budget
        self.trace = trace
        self.flight: object = None
        self.missed: Question | None = None
        if recursionDesired and edns and not (dnssecOk or checkingDisabled or authenticData or options or stream):
            self.variant = b""
        else:
            bits = recursionDesired | dnssecOk << 1 | checkingDisabled << 2 | authenticData << 3 | edns << 4 | stream << 5
            said = [code.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets for code, octets in options]
            self.variant = bytes([bits]) + b"".join(said)

    def takeMissed(self) -> Question | None:
        """
        @return: C{missed}, to be told to whoever is asked next with wishes like these; it is said once only.
        """
        missed = self.missed
        self.missed = None
        return missed

    def but(self, *, deadline: float | None = None, relative: bool | None = None, waits: tuple[float, ...] | None = None) -> QueryContext:
        """
        @return: the same wishes, except for those given.
        """
        changed = QueryContext.__new__(QueryContext)
        changed.deadline = self.deadline if deadline is None else deadline
        changed.recursionDesired = self.recursionDesired
        changed.dnssecOk = self.dnssecOk
        changed.checkingDisabled = self.checkingDisabled
        changed.authenticData = self.authenticData
        changed.edns = self.edns
        changed.options = self.options
        changed.stream = self.stream
        changed.waits = self.waits if waits is None else waits
        changed.relative = self.relative if relative is None else relative
        changed.single = self.single
        changed.client = self.client
        changed.served = self.served
        changed.budget = self.budget
        changed.trace = self.trace
        changed.flight = self.flight
        changed.missed = None
        changed.variant = self.variant
        return changed

    def detached(self, deadline: float) -> QueryContext:
        """
        @return: the same wishes with another deadline, on nobody's behalf and with nobody's budget.
        """
        other = QueryContext.__new__(QueryContext)
        other.deadline = deadline
        other.recursionDesired = self.recursionDesired
        other.dnssecOk = self.dnssecOk
        other.checkingDisabled = self.checkingDisabled
        other.authenticData = self.authenticData
        other.edns = self.edns
        other.options = self.options
        other.stream = self.stream
        other.waits = self.waits
        other.relative = self.relative
        other.single = self.single
        other.client = other.budget = other.missed = None
        other.served = self.served
        other.trace = self.trace
        other.flight = self.flight
        other.variant = self.variant
        return other
