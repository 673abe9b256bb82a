"""
Convert answers and failures to the form of dnspython, for programs that were written for it.

dnspython need not be installed. If it is, exceptions raised by this package are also instances of its classes, so that a program's
C{except} clauses catch them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Final, overload

from twisted_ext.answers import Answer, Outcome, Question
from twisted_ext.compat.conversion.errors import (
    DNSNameError,
    DNSQueryTimeoutError,
    LookupFailed,
    ResolverError,
    errorFromAnswer,
    errorFromFault,
)
from twisted_ext.compat.lookups.follow import ServiceLookups, about, nameOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import CallerFault, DNSFault, Unreachable
from twisted_ext.wire.codes import AD, CD, IN
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.fieldtypes import Name
from twisted_ext.wire.rdata.registry import declarationOf
from twisted_ext.wire.rrtypes import isMeta, typeName, typeNumber

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.fields import Rdata

__all__ = [
    "DomainName",
    "FailureKind",
    "NXDOMAIN",
    "NoAnswer",
    "NoNameservers",
    "Record",
    "RecordSet",
    "Response",
    "Timeout",
    "asTheirs",
    "lookUp",
    "meaningOf",
    "rrTypeOf",
]

#: Fields that have other names in dnspython.
_THEIR_NAMES: Final = {"mtype": "matchingType", "cert": "certificate"}

#: dnspython's resolver module.
_THEIR_RESOLVER: Final = "dns.resolver"


class NXDOMAIN(LookupFailed):
    """
    The name does not exist.
    """


class NoAnswer(LookupFailed):
    """
    The name exists but has no records of this type.
    """


class Timeout(LookupFailed):
    """
    No server answered in time, or none is reachable.
    """


class NoNameservers(LookupFailed):
    """
    All queried servers failed.
    """


class FailureKind(Enum):
    """
    The kind of a failed look-up.
    """

    #: The name or the data does not exist.
    NOTHING = "nothing"

    #: No server answered in time, or none is reachable.
    TIMEOUT = "timeout"

    #: All servers failed, usually with SERVFAIL.
    FAILED = "failed"

    #: The caller's fault, or not related to servers.
    OTHER = "other"


class DomainName(str):
    """
    A name as text, with its final dot.
    """

    __slots__ = ()

    def to_text(self, omit_final_dot: bool = False) -> str:
        """
        Return the name as a plain string.
        """
        text = str(self)
        return text[:-1] if omit_final_dot and text != "." else text


@dataclass(slots=True, unsafe_hash=True, repr=False)
class Record:
    """
    One record, with dnspython's attributes for its type: C{priority}, C{weight}, C{port} and C{target} for SRV; C{usage}, C{selector},
    C{mtype} and C{cert} for TLSA; C{address}, C{strings}, C{exchange}... Names are text with a final dot.

    @ivar rdata: the record in this package's own form.
    """

    rdata: Rdata

    def __getattr__(self, name: str) -> object:
        # While it is being copied, it has no rdata yet.
        rdata = object.__getattribute__(self, "rdata")
        wanted = _THEIR_NAMES.get(name, name)
        for field, value in zip(rdata.fields, rdata.values, strict=True):
            if field.name == wanted:
                return DomainName(nameToText(value)) if isinstance(field, Name) else value
        raise AttributeError(f"records of type {rdata.mnemonic} have no {name!r}")

    @property
    def rdtype(self) -> int:
        """
        The type's number.
        """
        return self.rdata.rrType

    def to_text(self) -> str:
        """
        Return the record's data in master file format.
        """
        return self.rdata.toText()

    __str__ = to_text

    def __repr__(self) -> str:
        return f"<Record {self}>"


@dataclass(slots=True, eq=False)
class Response:
    """
    The reply's header.

    @ivar flags: the flags field. 0x20 is AD: all answers were validated, here or by the server.
    @ivar answer: the underlying answer.
    """

    flags: int
    answer: Answer

    def rcode(self) -> int:
        """
        Return 0, or 3 if the name does not exist.
        """
        return self.answer.rcode


@dataclass(slots=True, eq=False, repr=False)
class RecordSet:
    """
    The result of a look-up: a sequence of records.

    @ivar qname: the name that was looked up.
    @ivar rdtype: the type's number.
    @ivar rdclass: the class, always IN.
    @ivar canonical_name: the owner of the records: C{qname}, or the target of its aliases.
    @ivar response: the reply's header.
    """

    qname: DomainName
    rdtype: int
    canonical_name: DomainName
    response: Response
    _records: list[Record]
    rdclass: int = int(IN)

    @property
    def rrset(self) -> RecordSet | None:
        """
        This object, or L{None} if there are no records.
        """
        return self if self._records else None

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self._records[index]

    def __repr__(self) -> str:
        return f"<RecordSet {self.qname} {self._records}>"


def rrTypeOf(rdtype: object) -> int:
    """
    Parse a record type.

    @param rdtype: a number, also of dnspython's enumeration, or a mnemonic.

    @raise CallerFault: there is no such type, or no name has records of it.
    """
    number = typeNumber(rdtype) if isinstance(rdtype, str) else rdtype
    if not isinstance(number, int) or not 0 < number <= 0xFFFF:
        raise CallerFault(f"{rdtype!r:.60} is not a record type: give a number or a mnemonic such as 'SRV'")
    if isMeta(number):
        raise CallerFault(f"{typeName(number)} is not a type that names have records of: give one such as 'SRV'")
    return int(number)


async def lookUp(
    resolver: NamesResolver, name: object, rdtype: object, flags: int, stream: bool = False, timeout: float | None = None
) -> RecordSet:
    """
    Look up records, following aliases. The name is absolute: no search list is applied.

    @param flags: AD and CD are copied to the query.
    @param stream: use TCP from the start.

    @return: the records, which may be none.

    @raise DNSNameError: the name does not exist.
    @raise NoNameservers: no server is reachable over TCP.
    @raise LookupFailed: the look-up failed.
    """
    try:
        asking = ServiceLookups(resolver, timeout, bool(flags & AD), bool(flags & CD), stream)
        question = Question(nameOf(name), rrTypeOf(rdtype))
    except DNSFault as fault:
        raise errorFromFault(fault) from fault
    try:
        found = await asking.records(question.name, question.rrType)
    except LookupFailed as raised:
        cause = raised.__cause__
        if stream and isinstance(cause, Unreachable):
            # Over UDP dnspython reports a timeout, as it does not notice a closed port. Over TCP the connection was refused.
            raise NoNameservers(raised.text, server=raised.server, attempts=raised.attempts) from cause
        raise
    if found.answer.outcome is Outcome.NXDOMAIN and not found.rdatas:
        raise errorFromAnswer(question, found.answer)
    with about(question.name, question.rrType):
        records = [Record(rdata) for rdata in found.read(declarationOf(question.rrType))]
    response = Response(found.answer.flags | AD if found.trusted else found.answer.flags & ~AD, found.answer)
    asked = DomainName(nameToText(question.name))
    return RecordSet(asked, question.rrType, DomainName(nameToText(found.owner)), response, records)


def meaningOf(raised: BaseException) -> FailureKind:
    """
    Classify an exception of this package or of dnspython.
    """
    if isinstance(raised, LookupFailed):
        cause = raised.__cause__
        if isinstance(raised, NXDOMAIN | NoAnswer | DNSNameError):
            return FailureKind.NOTHING
        if isinstance(raised, NoNameservers):
            return FailureKind.FAILED
        if isinstance(raised, Timeout | DNSQueryTimeoutError) or isinstance(cause, Unreachable):
            return FailureKind.TIMEOUT
        return FailureKind.OTHER if isinstance(raised, ResolverError) or isinstance(cause, CallerFault) else FailureKind.FAILED
    if isinstance(raised, TimeoutError):
        return FailureKind.TIMEOUT
    # If the exception is dnspython's, its module is loaded.
    theirs = sys.modules.get(_THEIR_RESOLVER)
    if theirs is not None:
        for names, meaning in _THEIR_MEANINGS:
            kinds = [getattr(theirs, name, None) for name in names]
            if isinstance(raised, tuple([kind for kind in kinds if isinstance(kind, type)])):
                return meaning
    return FailureKind.OTHER


_THEIR_MEANINGS: Final = (
    (("Timeout", "LifetimeTimeout"), FailureKind.TIMEOUT),
    (("NoAnswer", "NXDOMAIN"), FailureKind.NOTHING),
    (("NoNameservers",), FailureKind.FAILED),
)


def asTheirs(raised: LookupFailed) -> LookupFailed:
    """
    Convert an exception to a class of this module, combined with dnspython's class of the same name if that is installed. Unlike those of
    L{twisted_ext.compat.conversion.errors}, these are not L{ValueError}s: for aioxmpp and its callers a L{ValueError} means that the domain
    does not offer the service.

    @return: the exception itself if it is the caller's fault.
    """
    meaning = meaningOf(raised)
    if meaning is FailureKind.OTHER:
        return raised
    if meaning is FailureKind.NOTHING:
        ours: type[LookupFailed] = NoAnswer if isinstance(raised, NoAnswer) else NXDOMAIN
    else:
        ours = Timeout if meaning is FailureKind.TIMEOUT else NoNameservers
    kind = ours
    try:
        theirs = getattr(import_module(_THEIR_RESOLVER), ours.__name__)
    except ImportError:
        pass
    else:
        kind = type(ours.__name__, (ours, theirs), {"__module__": __name__, "__doc__": ours.__doc__})
    error = kind(
        raised.text,
        server=raised.server,
        attempts=raised.attempts,
        rcode=raised.rcode,
        ede=raised.ede,
        security=raised.security,
        answer=raised.answer,
    )
    # Attributes that dnspython's own methods use.
    vars(error).update(msg=raised.text, kwargs={"qnames": [], "responses": {}, "errors": []})
    error.__cause__ = raised.__cause__
    return error
