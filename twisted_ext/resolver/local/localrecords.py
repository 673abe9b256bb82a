"""
Local records that take precedence over the answers of servers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from socket import AF_INET, inet_pton
from typing import Final

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.aliases import together
from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import BadDescription, BadName, BadRecord, DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import LOCAL_ALIASES, LOCAL_TTL
from twisted_ext.resolver.local.localanswers import Complaints, FollowedFile, addressFromReverse, known, lastTime
from twisted_ext.resolver.sources import LocalSource, WrappingSource
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, CNAME, PTR, A

__all__ = ["LocalRecords", "LocalRecordsSource", "LocalReverse", "localRecord", "localRecords", "readLocalFile"]

#: Octets read from a file of local records: some hundred thousand records.
_LOCAL_OCTETS: Final = 16 << 20

_STAR: Final = b"\x01*"

#: The most frequent form of records. A name that a number, a class or a type could be is left to the parser.
_ADDRESS_RECORD: Final = re.compile(r"((?:[a-z0-9*_-]+\.)+[a-z0-9_-]*) A ([0-9]{1,3}(?:\.[0-9]{1,3}){3})", re.ASCII)

#: Addresses that many names may have, and that are names of no host: unspecified and loopback.
_NO_HOST: Final = (b"\x00\x00\x00\x00", bytes(16), bytes(15) + b"\x01")
_LOOPBACK: Final = 127

#: Local RRsets by folded name, then by type.
LocalRecords = Mapping[bytes, Mapping[int, RRSet]]


def localRecord(text: str, ttl: float | None = None) -> RRSet:
    """
    Parse C{name [ttl] [class] type rdata}.

    @param ttl: for records without their own.

    @raise BadRecord: the text is not a valid record; has the column, and what was expected there.
    """
    rrset = _addressRecord(text, ttl)
    if rrset is not None:
        return rrset
    from twisted_ext.wire.rdata.text import recordFromText

    rrset = recordFromText(text, None, int(LOCAL_TTL.pick(ttl)))
    if rrset.rrClass != IN:
        raise BadRecord(f"{text!r} is of another class than IN")
    return rrset


def _addressRecord(text: str, ttl: float | None) -> RRSet | None:
    """
    Parse C{name A address} without a TTL, quotes and escapes; L{None} if the record is anything else, or not valid. Converted block lists
    have a hundred thousand of these.
    """
    found = _ADDRESS_RECORD.fullmatch(text)
    if found is None:
        return None
    try:
        return RRSet(nameFromText(found[1]), A, IN, int(LOCAL_TTL.pick(ttl)), (inet_pton(AF_INET, found[2]),))
    except (BadName, OSError):
        return None


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


def readLocalFile(path: str, ttl: float | None = None) -> list[RRSet]:
    """
    Read records from a file, one per line. Lines beginning with C{;} or C{#} are comments.

    @param ttl: for records without their own.

    @raise BadDescription: the file cannot be read, or a line is not a valid record; says which and why.
    """
    complaints = Complaints()
    data = FollowedFile(path).read(_LOCAL_OCTETS, complaints)
    if data is None or complaints.count:
        raise BadDescription(f"{path}: {complaints}")
    found: list[RRSet] = []
    for number, octets in enumerate(data.splitlines(), 1):
        if octets.strip() and octets.lstrip()[:1] not in (b";", b"#"):
            try:
                found.append(localRecord(octets.decode("utf-8"), ttl))
            except UnicodeDecodeError:
                raise BadDescription(f"{path}:{number}: this is not valid UTF-8") from None
            except DNSFault as error:
                raise BadDescription(f"{path}:{number}: {error}") from None
    return found


@implementer(IAnswerSource)
class LocalRecordsSource(WrappingSource):
    """
    Answers for names with local records, and passes everything else to the inner source. A name with a local record has no data of
    other types, unless these are left to the inner source. C{*.lan} matches all names below C{lan} without records of their own, but for
    those in a domain below it of which more is said. A local alias is followed, in the inner source if its target is not local.
    """

    __slots__ = ("_records", "_wild", "_origin", "_listed", "_onward", "_ends")

    def __init__(
        self,
        inner: IAnswerSource,
        records: LocalRecords,
        listed: Callable[[bytes], Collection[int]] | None = None,
        *,
        otherTypes: bool = False,
        domains: Iterable[bytes] = (),
    ) -> None:
        """
        @param listed: returns the types of addresses that the inner source lists for this name, folded. Wildcards do not match names with
            any; if other types are asked for, they have those that are left.
        @param otherTypes: ask the inner source for the types that a name with local records does not have.
        @param domains: domains whose names wildcards above them do not match.
        """
        super().__init__(inner)
        self._onward = otherTypes
        self._listed = listed
        self._records = records
        self._wild = any(name.startswith(_STAR) for name in records)
        self._ends = frozenset([ROOT, *[domain.lower() for domain in domains]])
        self._origin = Origin("local")

    @property
    def names(self) -> Iterable[bytes]:
        """
        The owners of local records, folded.
        """
        return self._records

    def setsFor(self, name: bytes) -> Mapping[int, RRSet] | None:
        """
        Return the local records that apply to a name.

        @param name: folded.
        """
        found = self._records.get(name)
        if found is None and self._wild:
            rest = name
            while rest not in self._ends and found is None:
                rest = rest[rest[0] + 1 :]
                found = self._records.get(_STAR + rest)
                if rest in self._records:
                    # A wildcard does not match names below an existing name.
                    break
            types = self._listed(name) if found is not None and self._listed is not None else ()
            if found is not None and types:
                return {kind: rrset for kind, rrset in found.items() if kind not in types} if self._onward else None
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
                return self._leading(sections, shown, question, context)
            wanted = list(sets.values()) if question.rrType == ANY else [sets[kind] for kind in (question.rrType,) if kind in sets]
            if wanted:
                sections += [_owned(rrset, shown) for rrset in wanted]
                return self._made(sections, Outcome.DATA, context), None
            alias = sets.get(CNAME)
            if alias is None and self._onward:
                return self._leading(sections, shown, question, context)
            if alias is None:
                return self._made(sections, Outcome.NODATA, context), None
            sections.append(_owned(alias, shown))
            shown = alias.rdatas[0]
            name = shown.lower()
        return self._made(sections, Outcome.NODATA, context), None

    def _leading(
        self, aliases: list[RRSet], name: bytes, question: Question, context: QueryContext
    ) -> tuple[Answer, Question | None] | None:
        """
        Return the aliases that lead to a name of the inner source; L{None} if it is the name in question.
        """
        if not aliases:
            return None
        return self._made(aliases, Outcome.DATA, context), Question(name, question.rrType, question.rrClass)

    def _made(self, sections: list[RRSet], outcome: Outcome, context: QueryContext) -> Answer:
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "local", outcome.value)
        return Answer(outcome, tuple(sections), origin=self._origin)


def _owned(rrset: RRSet, name: bytes) -> RRSet:
    return rrset if rrset.name == name else RRSet(name, rrset.rrType, rrset.rrClass, rrset.ttl, rrset.rdatas)


@implementer(IAnswerSource)
class LocalReverse(LocalSource):
    """
    Answers for the names of addresses in local records: that of the first record with the address. Wildcards, and the addresses of the
    loopback interface, have none. It does not answer for other names.

    @ivar names: for each packed address, the record with the name that it has.
    """

    __slots__ = ("names", "_origin")

    what = "the addresses of local records"

    def __init__(self, records: Iterable[RRSet]) -> None:
        self.names: dict[bytes, RRSet] = {}
        self._origin = Origin("local")
        for rrset in records:
            if rrset.rrType not in (A, AAAA) or rrset.name.startswith(_STAR):
                continue
            for rdata in rrset.rdatas:
                if rdata not in _NO_HOST and not (rrset.rrType == A and rdata[0] == _LOOPBACK):
                    self.names.setdefault(rdata, rrset)

    def ask(self, question: Question, context: QueryContext) -> Answer | None:
        if question.rrType not in (PTR, ANY) or question.rrClass != IN:
            return None
        address = addressFromReverse(question.key[:-4])
        found = None if address is None else self.names.get(address)
        if found is None:
            return None
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "local", "reverse")
        return known(question, (found.name,), found.ttl, self._origin, PTR)
