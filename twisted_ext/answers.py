"""
The values that all layers share: question, context and answer.

A denial is an L{Answer}. An exception of L{twisted_ext.errors} means that the answer is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol

from mypy_extensions import mypyc_attr

from twisted_ext.wire.codes import AA, AD, TC
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet

if TYPE_CHECKING:
    from twisted_ext.ratecontrol import ServerRates

__all__ = [
    "BLOCKED", "KINDS", "AliasOrigin", "Answer", "BlockedReply", "Budget", "Counted", "Epoch", "Note", "Origin", "OriginKind",
    "Outcome", "QueryContext", "Question", "Receipt", "Security", "Trace", "UpstreamWatch", "newAnswer",
]  # fmt: skip


#: Replies for blocked names are counted under their rcode plus this number, which no rcode of a header reaches.
BLOCKED: Final = 32


@mypyc_attr(native_class=False)
class BlockedReply(bytes):
    """
    A cached reply for a blocked name. A reply without EDNS does not show why it was made, and a flag beside it would cost each hit of the
    packet cache a little.
    """

    __slots__ = ()


class Outcome(Enum):
    """
    The outcome of a question.
    """

    DATA = "data"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"


class Security(Enum):
    """
    The DNSSEC status of an answer (RFC 4035, section 4.3). The least trusted value is the default everywhere.

    @cvar INDETERMINATE: Nothing was validated: no source validates, no trust anchor applies to the name, or a negative trust anchor does.
    @cvar INSECURE: The zone is proved not to be signed, or only with algorithms that are not supported. The data is as good as without
        DNSSEC.
    @cvar SECURE: Signatures prove the data, or that there is none, from a trust anchor on.
    @cvar BOGUS: The zone is signed, but the data is not proved. There is no answer but a failure with the reason.
    """

    INDETERMINATE = "indeterminate"
    INSECURE = "insecure"
    SECURE = "secure"
    BOGUS = "bogus"


class Epoch:
    """
    The version of a zone, a cache or a policy, as a number. Code that stores data derived from it stores the number too; the data is
    stale once that number differs from C{value}.

    @ivar value: incremented with each change.
    @cvar changes: incremented with each change of any epoch.
    """

    __slots__ = ("value",)

    changes: ClassVar[int] = 0

    def __init__(self) -> None:
        self.value = 0

    def bump(self) -> None:
        """
        Invalidate all data derived so far.
        """
        self.value += 1
        Epoch.changes += 1


class OriginKind(NamedTuple):
    """
    What the kind of an answer's source means.

    @ivar shown: the status of such a query for people: C{"blocked"}, C{"cached"}, C{"forwarded"} or C{"local"}.
    @ivar static: whether the answer is the same for all clients, and valid until its epoch ends, or else for a second; so the packet cache
        keeps it.
    @ivar reveals: whether to have the answer at hand reveals what other clients have asked for.
    @ivar upstream: whether another server has sent it just now.
    @ivar ruled: whether a rule has made it, whose place is L{Origin.server}.
    """

    shown: str
    static: bool = False
    reveals: bool = False
    upstream: bool = False
    ruled: bool = False


#: The kinds of sources. An answer of any other kind is not kept by the packet cache.
KINDS: Final[dict[str, OriginKind]] = {
    **{kind: OriginKind("forwarded", upstream=True) for kind in ("udp", "tcp", "tls", "https", "quic")},
    **{kind: OriginKind("forwarded") for kind in ("names", "threaded", "canned", "evidence")},
    "recursive": OriginKind("forwarded", reveals=True),
    **{kind: OriginKind("cached", reveals=True) for kind in ("cache", "stale", "denials")},
    **{kind: OriginKind("local", static=True) for kind in ("hosts", "special", "local", "zone")},
    "configuration": OriginKind("local"),
    "hook": OriginKind("local", ruled=True),
    "blocked": OriginKind("blocked", static=True, ruled=True),
    "rewritten": OriginKind("local", static=True, ruled=True),
}


@mypyc_attr(allow_interpreted_subclasses=True, acyclic=True)
class Origin:
    """
    Where an answer came from.

    @ivar source: the kind of source, one of L{KINDS}.
    @ivar server: the server that replied, as C{"192.0.2.1:53"}, C{"[2001:db8::1]:53"} or a path; C{""} if no query was sent.
    @ivar attempts: queries sent for it.
    @ivar elapsed: seconds from the first query to the reply.
    @ivar age: seconds since the answer was cached.
    @ivar learned: when it was cached, on the clock of the cache that it came from; L{None} if it came from elsewhere.
    @ivar expires: when it expires, on the same clock.
    @ivar zone: the zone whose servers sent it, folded, if that is known.
    @ivar epoch: the epoch of the zone that it came from, L{None} for other sources: the answer is valid while the epoch is unchanged.
    @ivar work: the work that was counted for it, L{None} if none was: see L{Answer.receipt}.
    """

    __slots__ = ("source", "server", "attempts", "elapsed", "age", "learned", "expires", "epoch", "zone", "work")

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
        zone: bytes | None = None,
        work: Counted | None = None,
    ) -> None:
        self.source = source
        self.server = server
        self.attempts = attempts
        self.elapsed = elapsed
        self.age = age
        self.learned = learned
        self.expires = expires
        self.epoch = epoch
        self.zone = zone
        self.work = work

    def __repr__(self) -> str:
        return f"<Origin {self.source} {self.server}>"


@mypyc_attr(allow_interpreted_subclasses=True, acyclic=True)
class AliasOrigin(Origin):
    """
    Where an answer came from that a rule gives for a name, as it is an alias of another one that the rule is about.

    @ivar aliases: all names that it is an alias of, in the order of the answer that the rule has replaced.
    """

    __slots__ = ("aliases",)

    def __init__(self, source: str, server: str, aliases: Sequence[bytes]) -> None:
        super().__init__(source, server)
        self.aliases = aliases


class Counted(Protocol):
    """
    Counters of work, such as those of L{Work<twisted_ext.dnssec.work.Work>}.
    """

    packets: int
    octets: int
    hashes: int
    verifications: int


@mypyc_attr(native_class=False)  # Its slots are listed.
class Receipt:
    """
    What it took to find an answer and to validate it.

    @ivar packets: queries sent.
    @ivar octets: octets of the replies.
    @ivar hashes: names hashed for NSEC3.
    @ivar verifications: signatures checked.
    @ivar seconds: from the beginning of the look-up to its end.
    """

    # Not a named tuple, which would take a fortieth of the client's import time.
    __slots__ = ("packets", "octets", "hashes", "verifications", "seconds")

    def __init__(self, packets: int, octets: int, hashes: int, verifications: int, seconds: float) -> None:
        self.packets = packets
        self.octets = octets
        self.hashes = hashes
        self.verifications = verifications
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"<Receipt {' '.join([f'{key}={getattr(self, key)}' for key in self.__slots__])}>"


@mypyc_attr(allow_interpreted_subclasses=True, acyclic=True)
class Answer:
    """
    The answer to a question. It must be treated as immutable: many callers may share it.

    @ivar outcome: data, no such data, or no such name; that of the last name of an alias chain.
    @ivar rcode: the rcode of the reply, usually NOERROR or NXDOMAIN.
    @ivar flags: the header bits AA, TC, RD, RA, AD, CD as received.
    @ivar answer: the answer section, aliases first.
    @ivar authority: the authority section.
    @ivar additional: the additional section, without OPT.
    @ivar security: the status that was established here; AD from an untrusted server does not count.
    @ivar ede: extended errors as C{(info code, extra text)}.
    @ivar origin: where it came from.
    @ivar wire: the octets that it was parsed from, or empty octets if it was not parsed from a message.
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

    def having(
        self, answer: tuple[RRSet, ...], authority: tuple[RRSet, ...] = (), additional: tuple[RRSet, ...] = ()
    ) -> Answer:
        """
        Return a copy with these sections, and without the message.
        """
        # Calling the class with all of these by name takes twice as long.
        other = newAnswer(Answer)
        other.outcome = self.outcome
        other.rcode = self.rcode
        other.flags = self.flags
        other.answer = answer
        other.authority = authority
        other.additional = additional
        other.security = self.security
        other.ede = self.ede
        other.origin = self.origin
        other.wire = b""
        other._message = None
        return other

    @property
    def message(self) -> Message | None:
        """
        The message that it was parsed from, if any.
        """
        if self._message is None and self.wire:
            self._message = Message.fromWire(self.wire)
        return self._message

    @message.setter
    def message(self, message: Message | None) -> None:
        self.wire = b"" if message is None else message.wire
        self._message = message

    @property
    def receipt(self) -> Receipt | None:
        """
        What it took to find the answer, for all callers that waited for it together; L{None} if it was at hand, as from a cache, or came
        from a source that does not count.
        """
        origin = self.origin
        if origin is None or origin.work is None:
            return None
        work = origin.work
        return Receipt(work.packets, work.octets, work.hashes, work.verifications, origin.elapsed)

    @property
    def authoritative(self) -> bool:
        """
        Whether the server is authoritative for it (AA).
        """
        return bool(self.flags & AA)

    @property
    def truncated(self) -> bool:
        """
        Whether the reply was truncated. Sources of this package never return such answers, but adapters of other resolvers may.
        """
        return bool(self.flags & TC)

    @property
    def authenticated(self) -> bool:
        """
        The AD bit, which is only as trustworthy as the channel that it came by (RFC 6840, section 5.8).
        """
        return bool(self.flags & AD)

    def __repr__(self) -> str:
        return f"<Answer {self.outcome.value} {list(self.answer)} from {self.origin}>"


#: Makes an answer without setting its attributes, which takes half the time of a call of its class with all of them by name.
newAnswer: Final[Callable[[type[Answer]], Answer]] = Answer.__new__


class Note:
    """
    One step of a look-up, for C{explain}.

    @ivar source: the source that took it: C{"cache"}, C{"hosts"}, C{"forward"}...
    @ivar event: the step in one or a few words: C{"hit"}, C{"sent"}, C{"timed out"}.
    @ivar details: further values; text, numbers and booleans only, so that they can be written as JSON.
    @ivar at: its time, on the reactor's clock.
    """

    __slots__ = ("source", "event", "details", "at")

    def __init__(self, source: str, event: str, details: dict[str, str | int | float | bool | None], at: float) -> None:
        self.source = source
        self.event = event
        self.details = details
        self.at = at

    def __repr__(self) -> str:
        return f"<Note {self.source} {self.event} {self.details}>"


@mypyc_attr(allow_interpreted_subclasses=True)
class Trace:
    """
    All notes of one look-up, in order.

    @ivar began: the time when it began, on the reactor's clock.
    """

    __slots__ = ("notes", "began")

    def __init__(self, began: float = 0.0) -> None:
        self.notes: list[Note] = []
        self.began = began

    def note(self, at: float, source: str, event: str, **details: str | int | float | bool | None) -> None:
        """
        Append a note.
        """
        self.notes.append(Note(source, event, details, at))


class Budget(Protocol):
    """
    The remaining work budget of one look-up, shared with all look-ups that it causes.
    """

    @property
    def isBegun(self) -> bool:
        """
        Whether anything was subtracted.
        """

    def spend(self, amount: int = 1) -> None:
        """
        Subtract C{amount}.

        @raise twisted_ext.errors.BudgetSpent: less than that is left.
        """

    def unsent(self) -> None:
        """
        Add 1 again: what was to be sent could not be.
        """

    def received(self, octets: int) -> None:
        """
        Count the octets of a reply.

        @raise twisted_ext.errors.BudgetSpent: they are too many.
        """


_NEVER: Final = float("inf")

#: The bits of a context with RD and EDNS and nothing else, in the order of L{QueryContext._variant}.
_PLAIN: Final = 0b010001

#: Variants without options, by their bits.
_VARIANTS: Final = tuple([b"" if bits == _PLAIN else bytes([bits]) for bits in range(64)])


@mypyc_attr(allow_interpreted_subclasses=True)
class UpstreamWatch:
    """
    Is told of queries to other servers. It must be quick, and must not raise.
    """

    def sent(self, query: bytes, kind: str, server: tuple[str, int], authoritative: bool, now: float) -> None:
        """
        A query was sent, or waits for its connection.

        @param query: the message. Over HTTPS and QUIC, and with TSIG, the transport adds to it.
        @param kind: the transport, as in L{Origin.source}.
        @param server: address and port.
        @param authoritative: whether the server is asked for its own zones.
        """
        raise NotImplementedError

    def came(self, octets: bytes, kind: str, server: tuple[str, int], authoritative: bool, sentAt: float, now: float) -> None:
        """
        A reply has come that fits the question, also one that is of no use.

        @param octets: the message.
        @param sentAt: when its query was sent.
        """
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class QueryContext:
    """
    The options that accompany a question.

    @ivar deadline: the time on the reactor's clock after which an answer is useless; set once by the entry point, never moved.
    @ivar recursionDesired: set RD.
    @ivar dnssecOk: set DO.
    @ivar checkingDisabled: set CD.
    @ivar authenticData: set AD in the query to request it in the reply (RFC 6840, section 5.7).
    @ivar edns: send an OPT record; it is omitted for servers known not to support EDNS.
    @ivar options: further EDNS options as C{(code, octets)}.
    @ivar stream: use TCP from the start.
    @ivar waits: seconds to wait for each UDP attempt in turn, or L{None} to use the server's measured round-trip times.
    @ivar relative: the name was written without its final dot, so a search list may be applied. L{SearchListSource
        <twisted_ext.resolver.combine.searchlist.SearchListSource>} wraps the sources that share answers, and clears this for them.
    @ivar single: addresses of the other family do not matter: their existence neither ends a search nor prevents a query.
    @ivar client: the address of the client, or L{None} for this process.
    @ivar datagram: whether the reply to the client is one datagram, which may be truncated.
    @ivar transport: how the client came in: C{"udp"}, C{"tcp"}, C{"tls"}, C{"https"} or C{"quic"}; C{""} for this process.
    @ivar keyName: the name of the TSIG key that it has signed its query with, in wire form; C{b""} for none.
    @ivar served: whether a server's client caused the look-up: a server bounds its own pending work, so such a look-up is sent at once,
        however many others are pending.
    @ivar budget: the remaining work budget, or L{None} for no limit.
    @ivar trace: records the steps, or L{None}.
    @ivar watch: is told of each query to another server, or L{None}.
    @ivar serverRates: limits the queries to each server, or L{None}. The look-up fails with
        L{NotYet<twisted_ext.ratecontrol.NotYet>} if it would have to wait long for its turn.
    @ivar depth: the number of look-ups of name servers' addresses that this one is a part of.
    @ivar aliases: the number of aliases that have led to this question.
    @ivar validated: whether the answer is validated here, so that one without signatures is of no use.
    @ivar flight: the shared look-up that this one is a part of, so that none waits for itself; L{CoalescingSource
        <twisted_ext.resolver.caching.coalescing.CoalescingSource>} sets it, and contexts made by L{detached} keep it.
    @ivar asker: the context that this one is a copy of; L{None} for that of the client.
    @ivar ends: until when other clients may get the reply, on the reactor's clock: that of C{asker} counts.
    @ivar upstream: the view whose upstreams are to be asked, if a hook has chosen them.
    @ivar variant: octets that differ if the options would change the answer: part of every key under which answers are shared.
    """

    __slots__ = (
        "deadline", "recursionDesired", "dnssecOk", "checkingDisabled", "authenticData", "edns", "options", "stream", "waits",
        "relative", "single", "client", "datagram", "transport", "keyName", "served", "budget", "trace", "watch", "serverRates",
        "depth", "aliases", "validated", "flight", "asker", "ends", "upstream", "variant",
    )  # fmt: skip

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
        serverRates: ServerRates | None = None,
    ) -> None:
        self.depth = self.aliases = 0
        self.validated = self.datagram = False
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
        self.watch: UpstreamWatch | None = None
        self.serverRates = serverRates
        self.flight: object = None
        self.asker: QueryContext | None = None
        self.ends = _NEVER
        self.upstream = self.transport = ""
        self.keyName = b""
        plain = recursionDesired and edns and not (dnssecOk or checkingDisabled or authenticData or options or stream)
        self.variant = b"" if plain else self._variant()

    def shareUntil(self, time: float) -> None:
        """
        Other clients may get the reply until then at most.
        """
        asker = self if self.asker is None else self.asker
        if time < asker.ends:
            asker.ends = time

    def _variant(self) -> bytes:
        bits = (
            self.recursionDesired
            | self.dnssecOk << 1
            | self.checkingDisabled << 2
            | self.authenticData << 3
            | self.edns << 4
            | self.stream << 5
        )
        if not self.options:
            return _VARIANTS[bits]
        options = [code.to_bytes(2, "big") + len(octets).to_bytes(2, "big") + octets for code, octets in self.options]
        return bytes([bits]) + b"".join(options)

    def but(
        self,
        *,
        deadline: float | None = None,
        relative: bool | None = None,
        waits: tuple[float, ...] | None = None,
        recursionDesired: bool | None = None,
        dnssecOk: bool | None = None,
        checkingDisabled: bool | None = None,
        authenticData: bool | None = None,
        budget: Budget | None = None,
        depth: int | None = None,
        aliases: int | None = None,
    ) -> QueryContext:
        """
        Return a copy with the given values changed.
        """
        changed = self._copy()
        if deadline is not None:
            changed.deadline = deadline
        if relative is not None:
            changed.relative = relative
        if waits is not None:
            changed.waits = waits
        if budget is not None:
            changed.budget = budget
        if depth is not None:
            changed.depth = depth
        if aliases is not None:
            changed.aliases = aliases
        if recursionDesired is not None:
            changed.recursionDesired = recursionDesired
        if dnssecOk is not None:
            changed.dnssecOk = dnssecOk
        if checkingDisabled is not None:
            changed.checkingDisabled = checkingDisabled
        if authenticData is not None:
            changed.authenticData = authenticData
        if not (recursionDesired is dnssecOk is checkingDisabled is authenticData is None):
            changed.variant = changed._variant()
        return changed

    def iterative(self, budget: Budget) -> QueryContext:
        """
        Return a copy for queries to authoritative servers: without RD, CD and AD.
        """
        other = self._copy()
        other.budget = budget
        other.recursionDesired = other.checkingDisabled = other.authenticData = False
        other.variant = other._variant()
        return other

    def detached(self, deadline: float) -> QueryContext:
        """
        Return a copy with another deadline, and without client.
        """
        other = self._copy()
        other.deadline = deadline
        other.client = None
        return other

    def askingAt(self, upstream: str) -> QueryContext:
        """
        Return a copy with the view whose upstreams are to be asked.
        """
        other = self._copy()
        other.upstream = upstream
        return other

    def spending(self, budget: Budget) -> QueryContext:
        """
        Return a copy with a budget.
        """
        other = self._copy()
        other.budget = budget
        return other

    def validating(self) -> QueryContext:
        """
        Return a copy for answers that are validated here, with DO and CD.
        """
        other = self._copy()
        other.dnssecOk = other.checkingDisabled = other.validated = True
        other.authenticData = False
        other.variant = other._variant()
        return other

    def _copy(self) -> QueryContext:
        # copy.copy takes three times as long, and every look-up that is shared makes a copy.
        other = _newContext(QueryContext)
        other.deadline = self.deadline
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
        other.client = self.client
        other.datagram = self.datagram
        other.transport = self.transport
        other.keyName = self.keyName
        other.served = self.served
        other.budget = self.budget
        other.trace = self.trace
        other.watch = self.watch
        other.serverRates = self.serverRates
        other.flight = self.flight
        other.asker = self if self.asker is None else self.asker
        other.ends = self.ends
        other.upstream = self.upstream
        other.depth = self.depth
        other.aliases = self.aliases
        other.validated = self.validated
        other.variant = self.variant
        return other


_newContext: Final[Callable[[type[QueryContext]], QueryContext]] = QueryContext.__new__
