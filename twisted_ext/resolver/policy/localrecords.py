"""
Local records that take precedence over the answers of servers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.aliases import together
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import BadDescription, BadRecord, DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import LOCAL_ALIASES, LOCAL_OCTETS, LOCAL_TTL
from twisted_ext.resolver.policy.localanswers import Complaints, FollowedFile, lastTime
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME

__all__ = ["LocalRecords", "LocalRecordsSource", "localRecord", "localRecords", "readLocalFile"]

_STAR: Final = b"\x01*"

#: Local RRsets by folded name, then by type.
LocalRecords = Mapping[bytes, Mapping[int, RRSet]]


def localRecord(text: str) -> RRSet:
    """
    Parse C{name [ttl] [class] type rdata}.

    @raise BadRecord: the text is not a valid record; has the column, and what was expected there.
    """
    from twisted_ext.wire.text import recordFromText

    rrset = recordFromText(text, None, int(LOCAL_TTL.default))
    if rrset.rrClass != IN:
        raise BadRecord(f"{text!r} is of another class than IN")
    return rrset


def localRecords(records: Iterable[RRSet]) -> LocalRecords:
    """
    Group records by name and type; the first one's TTL applies to all (RFC 2181, section 5.2).
    """
    table: dict[bytes, dict[int, RRSet]] = {}
    for rrset in records:
        sets = table.setdefault(rrset.name.lower(), {})
        before = sets.get(rrset.rrType)
        if before is None:
            sets[rrset.rrType] = rrset
        else:
            rdatas = tuple(dict.fromkeys([*before.rdatas, *rrset.rdatas]))
            sets[rrset.rrType] = RRSet(before.name, rrset.rrType, before.rrClass, before.ttl, rdatas)
    return table


def readLocalFile(path: str) -> list[RRSet]:
    """
    Read records from a file, one per line. Lines beginning with C{;} or C{#} are comments.

    @raise BadDescription: the file cannot be read, or a line is not a valid record; says which and why.
    """
    complaints = Complaints()
    data = FollowedFile(path).read(int(LOCAL_OCTETS.default), complaints)
    if data is None or complaints.count:
        raise BadDescription(f"{path}: {complaints}")
    found: list[RRSet] = []
    for number, octets in enumerate(data.splitlines(), 1):
        if octets.strip() and octets.lstrip()[:1] not in (b";", b"#"):
            try:
                found.append(localRecord(octets.decode("utf-8")))
            except UnicodeDecodeError:
                raise BadDescription(f"{path}:{number}: this is not valid UTF-8") from None
            except DNSFault as error:
                raise BadDescription(f"{path}:{number}: {error}") from None
    return found


@implementer(IAnswerSource)
class LocalRecordsSource(WrappingSource):
    """
    Answers for names with local records, and passes everything else to the inner source. A name with a local record has no data of
    other types. C{*.lan} matches all names below C{lan} without records of their own. A local alias is followed, in the inner source if its
    target is not local.
    """

    __slots__ = ("_records", "_wild", "_origin")

    def __init__(self, inner: IAnswerSource, records: LocalRecords) -> None:
        super().__init__(inner)
        self._records = records
        self._wild = any(name.startswith(_STAR) for name in records)
        self._origin = Origin("local")

    def setsFor(self, name: bytes) -> Mapping[int, RRSet] | None:
        """
        Return the local records that apply to a name.

        @param name: folded.
        """
        found = self._records.get(name)
        if found is None and self._wild:
            rest = name
            while rest != b"\x00" and found is None:
                rest = rest[rest[0] + 1 :]
                if rest in self._records:
                    # A wildcard does not match names below an existing name.
                    return self._records.get(_STAR + rest)
                found = self._records.get(_STAR + rest)
        return found

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        found = self._found(question, context)
        if found is None:
            return self._inner.ask(question, context)
        answer, onward = found
        if onward is None:
            return answer
        try:
            more = self._inner.ask(onward, context)
        except Unknown:
            return answer
        if more is None:
            return answer
        return together((answer, more)) if isinstance(more, Answer) else partial(self._followAlias, answer, more)

    def _followAlias(self, answer: Answer, start: Start, context: QueryContext) -> Deferred[Answer]:
        def stand(failure: Failure) -> Answer:
            if not isinstance(failure.value, Unknown):
                failure.raiseException()
            return answer

        return start(context).addCallbacks(lambda more: together((answer, more)), stand)

    def _found(self, question: Question, context: QueryContext) -> tuple[Answer, Question | None] | None:
        """
        Return the local part of the answer, and the question left for the inner source if an alias leads there.
        """
        if question.rrClass != IN:
            return None
        name, shown = question.key[:-4], question.name
        sections: list[RRSet] = []
        for _ in range(int(LOCAL_ALIASES.default)):
            sets = self.setsFor(name)
            if sets is None:
                if not sections:
                    return None
                return self._made(sections, Outcome.DATA, context), Question(shown, question.rrType, question.rrClass)
            wanted = list(sets.values()) if question.rrType == ANY else [sets[kind] for kind in (question.rrType,) if kind in sets]
            if wanted:
                sections += [_owned(rrset, shown) for rrset in wanted]
                return self._made(sections, Outcome.DATA, context), None
            alias = sets.get(CNAME)
            if alias is None:
                return self._made(sections, Outcome.NODATA, context), None
            sections.append(_owned(alias, shown))
            shown = alias.rdatas[0]
            name = shown.lower()
        return self._made(sections, Outcome.NODATA, context), None

    def _made(self, sections: list[RRSet], outcome: Outcome, context: QueryContext) -> Answer:
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "local", outcome.value)
        return Answer(outcome, tuple(sections), origin=self._origin)


def _owned(rrset: RRSet, name: bytes) -> RRSet:
    return rrset if rrset.name == name else RRSet(name, rrset.rrType, rrset.rrClass, rrset.ttl, rrset.rdatas)
