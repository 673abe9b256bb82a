"""
Answers for blocked names in place of the servers' answers.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_ext.answers import Answer, Epoch, Origin, Outcome, QueryContext
from twisted_ext.errors import BadDescription, TimedOut
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import BLOCK_TTL
from twisted_ext.resolver.ask import lookUp, then
from twisted_ext.resolver.blocking.table import BELOW, EXCEPT, LIST, BlockTable
from twisted_ext.resolver.policy.localanswers import emptySOA, knownAddresses, lastTime
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import AAAA, ANY, CNAME, A

__all__ = ["EXCEPTED", "BlockReply", "Blocked", "Blocking", "BlockingSource", "readReply"]

# Info codes of extended errors (RFC 8914).
_BLOCKED: Final = 15
_NOT_READY: Final = 14

_EDE: Final = ((_BLOCKED, ""),)

_ADDRESSES: Final = (A, AAAA, ANY)

#: The setting that gives domains without a list.
_GIVEN: Final = "block"

#: The addresses to answer with, packed; L{None} to deny that the name exists.
BlockReply = tuple[bytes, ...] | None


def readReply(text: str) -> BlockReply:
    """
    Parse C{nxdomain}, C{null} for the addresses 0.0.0.0 and ::, or addresses with commas between them.

    @raise BadDescription: it is none of these.
    """
    if text == "nxdomain":
        return None
    if text == "null":
        return (bytes(4), bytes(16))
    packed: list[bytes] = []
    for each in text.split(","):
        try:
            packed.append(socket.inet_pton(socket.AF_INET6 if ":" in each else socket.AF_INET, each.strip()))
        except (OSError, ValueError):
            raise BadDescription(f"{each!r} is not an address; write nxdomain, null, or addresses with commas between them") from None
    return tuple(packed)


class Blocked:
    """
    Why a name is blocked.

    @ivar domain: the domain in the list, as text.
    @ivar source: the list: C{block:PATH}, or the setting C{block}.
    @ivar labels: how many labels of the name come before the domain.
    """

    __slots__ = ("domain", "labels", "source")

    def __init__(self, domain: bytes, source: str, labels: int) -> None:
        self.domain = domain
        self.source = source
        self.labels = labels


#: Stands for names that are exceptions.
EXCEPTED: Final = Blocked(b"", "", 0)


class Blocking:
    """
    Which names are blocked, and how they are answered. It stays the same object when lists or settings change.

    @ivar table: the names of the lists, if there are lists and they have been read.
    @ivar epoch: changes with each of them.
    @ivar on: whether anything may be blocked.
    """

    def __init__(self) -> None:
        self.table: BlockTable | None = None
        self.epoch = Epoch()
        self.on = False
        self.reply: BlockReply = None
        self._given: dict[bytes, int] = {}
        self._excepting = False
        self._single = False
        self._waiting: dict[Deferred[None], None] | None = None

    @property
    def waits(self) -> bool:
        """
        Whether lists are being read for the first time.
        """
        return self._waiting is not None

    def apply(self, domains: Iterable[str], exceptions: Iterable[str], reply: str, lists: bool) -> None:
        """
        Apply settings.

        @param domains: blocked, with all names below them.
        @param exceptions: not blocked, with all names below them.
        @param lists: whether there are lists. Until the first of their tables is used, names wait for it.

        @raise BadDescription: they cannot be used; nothing has changed then.
        """
        answers = readReply(reply)
        given = {_dotted(nameFromText(domain).lower()): BELOW for domain in domains}
        given.update({_dotted(nameFromText(domain).lower()): BELOW | EXCEPT for domain in exceptions})
        self.reply = answers
        self._given = {domain: bits for domain, bits in given.items() if domain}
        if lists and self.table is None and self._waiting is None:
            self._waiting = {}
        elif not lists:
            self.table = None
            self._go()
        self._changed()

    def use(self, table: BlockTable | None) -> None:
        """
        Use the names of lists; L{None} if these could not be read.
        """
        if table is not None:
            self.table = table
        self._changed()
        self._go()

    def _changed(self) -> None:
        table = self.table
        self.on = bool(self._given) or table is not None or self._waiting is not None
        self._excepting = any(bits & EXCEPT for bits in self._given.values()) or (table is not None and table.excepting)
        self._single = any(b"." not in name for name in self._given) or (table is not None and table.single)
        self.epoch.bump()

    def _go(self) -> None:
        waiting, self._waiting = self._waiting, None
        # What continues may cancel others that wait.
        while waiting:
            waiting.popitem()[0].callback(None)

    def wait(self) -> Deferred[None]:
        """
        @return: fires when the lists have been read.
        """
        waiting = self._waiting
        assert waiting is not None
        waits: Deferred[None] = Deferred(lambda done: waiting.pop(done, None))
        waiting[waits] = None
        return waits

    def find(self, name: bytes) -> Blocked | None:
        """
        Look up a name, with the domains above it.

        @param name: folded.

        @return: why it is blocked; L{None} if it is not in the lists, L{EXCEPTED} if it is an exception.
        """
        text, above = _dotted(name), 0
        while text is None:
            # No list has such a label, but the domains above may be listed.
            name = name[name[0] + 1 :]
            text, above = _dotted(name), above + 1
        given, table = self._given, self.table
        bitsFor = None if table is None else table.bitsFor
        blocked: Blocked | None = None
        while text:
            dot = text.find(b".")
            if dot < 0 and above and not self._single:
                break
            if given and (bits := given.get(text)):
                if bits & EXCEPT:
                    return EXCEPTED
                blocked = blocked or Blocked(text, _GIVEN, above)
            if bitsFor is not None and table is not None:
                for bits in bitsFor(text):
                    if not above or bits & BELOW:
                        if bits & EXCEPT:
                            return EXCEPTED
                        blocked = blocked or Blocked(text, table.sources[bits & LIST], above)
            if dot < 0 or (blocked is not None and not self._excepting):
                break
            text = text[dot + 1 :]
            above += 1
        return blocked


def _dotted(name: bytes) -> bytes | None:
    """
    Return a name with dots between its labels, empty for the root; L{None} if a label has dots.
    """
    text = bytearray(name[1:-1])
    at = name[0]
    labels = 0
    while at < len(text):
        step = text[at] + 1
        text[at] = 46
        at += step
        labels += 1
    return bytes(text) if text.count(b".") == labels else None


@implementer(IAnswerSource)
class BlockingSource(WrappingSource):
    """
    Answers for blocked names, and for names whose aliases lead to one; asks the inner source about all others.
    """

    __slots__ = ("_blocking", "_clock")

    def __init__(self, inner: IAnswerSource, blocking: Blocking, clock: IReactorTime) -> None:
        super().__init__(inner)
        self._blocking = blocking
        self._clock = clock

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        blocking = self._blocking
        if not blocking.on or question.rrClass != IN:
            return self._inner.ask(question, context)
        if blocking.waits:
            return partial(self._startLater, question)
        found = blocking.find(question.key[:-4])
        if found is None:
            return then(self._inner.ask(question, context), self._passed, question, context)
        if found is EXCEPTED:
            if context.trace is not None:
                context.trace.note(lastTime(context.trace), "block", "excepted")
            return self._inner.ask(question, context)
        return self._answer(question, context, found, None)

    def _startLater(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        if context.trace is not None:
            context.trace.note(self._clock.seconds(), "block", "waiting", reason="the block lists are being read")
        left = max(context.deadline - self._clock.seconds(), 0.0)
        waits = self._blocking.wait().addTimeout(left, self._clock, _late)
        return waits.addCallback(lambda _: lookUp(self, question, context))

    def _passed(self, answer: Answer, question: Question, context: QueryContext) -> Answer:
        for rrset in answer.answer:
            if rrset.rrType == CNAME:
                for target in rrset.rdatas:
                    found = self._blocking.find(target.lower())
                    if found is not None and found is not EXCEPTED:
                        return self._answer(question, context, found, answer, target)
        return answer

    def _answer(
        self, question: Question, context: QueryContext, why: Blocked, instead: Answer | None, alias: bytes = b""
    ) -> Answer:
        """
        @param instead: the answer that an alias in it makes a blocked one.
        @param alias: the target of that alias.
        """
        blocking = self._blocking
        origin = Origin("blocked", why.source.partition(":")[2] or why.source)
        if instead is None:
            origin.epoch = blocking.epoch
        elif instead.origin is not None:
            # It holds for as long as the alias is known.
            origin.learned, origin.expires = instead.origin.learned, instead.origin.expires
        if context.trace is not None:
            domain = why.domain.decode("ascii", "replace")
            through = nameToText(alias) if alias else None
            context.trace.note(lastTime(context.trace), "block", "blocked", list=origin.server, domain=domain, alias=through)
        ttl = int(BLOCK_TTL.default)
        if blocking.reply is not None and question.rrType in _ADDRESSES:
            answer = knownAddresses(question, blocking.reply, ttl, origin)
            answer.ede = _EDE
            if answer.outcome is Outcome.DATA:
                return answer
        # The zone of the denial: the domain in the list, or with an alias the name itself.
        zone = question.key[:-4]
        for _ in range(0 if alias else why.labels):
            zone = zone[zone[0] + 1 :]
        soa = emptySOA(zone, ttl)
        if blocking.reply is None:
            return Answer(Outcome.NXDOMAIN, (), (soa,), rcode=3, ede=_EDE, origin=origin)
        return Answer(Outcome.NODATA, (), (soa,), ede=_EDE, origin=origin)


def _late(result: object, seconds: float) -> None:
    raise TimedOut("the block lists are still being read", ede=((_NOT_READY, "the block lists are being read"),))
