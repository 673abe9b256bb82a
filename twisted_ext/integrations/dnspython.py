"""
Converts answers and failures to the form of dnspython, for programs that were written for it.

dnspython need not be installed. If it is, exceptions raised by this package are also instances of its classes, so that a program's
C{except} clauses catch them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
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
from twisted_ext.compat.lookups.follow import Asking, about, nameOf
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
    "Meaning",
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

#: What dnspython calls fields that have other names here.
_THEIR_NAMES: Final = {"mtype": "matchingType", "cert": "certificate"}

#: The resolver's module of dnspython.
_THEIR_RESOLVER: Final = "dns.resolver"


class NXDOMAIN(LookupFailed):
    """
    There is no such name.
    """


class NoAnswer(LookupFailed):
    """
    The name is there, but has no records of this type.
    """


class Timeout(LookupFailed):
    """
    No server answered in time, or none could be reached.
    """


class NoNameservers(LookupFailed):
    """
    All servers that were asked failed.
    """


class Meaning(Enum):
    """
    What a failed look-up says.
    """

    #: There is no such name, or no such data.
    NOTHING = "nothing"

    #: No server answered in time, or none could be reached.
    TIMEOUT = "timeout"

    #: All servers failed: SERVFAIL, most of the time.
    FAILED = "failed"

    #: It is about the caller, or about something else than servers.
    OTHER = "other"


class DomainName(str):
    """
    A name as text, with its final dot.
    """

    __slots__ = ()

    def to_text(self, omit_final_dot: bool = False) -> str:
        """
        @return: the same as a plain string.
        """
        text = str(self)
        return text[:-1] if omit_final_dot and text != "." else text


class Record:
    """
    One record. It has the attributes that dnspython has for its type: C{priority}, C{weight}, C{port} and C{target} for SRV; C{usage},
    C{selector}, C{mtype} and C{cert} for TLSA; C{address}, C{strings}, C{exchange}... Names are texts with a final dot.

    @ivar rdata: the record as the rest of this package has it.
    """

    __slots__ = ("rdata",)

    def __init__(self, rdata: Rdata) -> None:
        self.rdata = rdata

    def __getattr__(self, name: str) -> object:
        # Until it is made, a copy has not even its rdata.
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
        @return: the record's data as a master file has it.
        """
        return self.rdata.toText()

    __str__ = to_text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.rdata == other.rdata

    def __hash__(self) -> int:
        return hash(self.rdata)

    def __repr__(self) -> str:
        return f"<Record {self}>"


class Response:
    """
    The reply's header.

    @ivar flags: as one number, of which 0x20 is AD: all answers on the way were validated, here or by the server.
    @ivar answer: what all of it came from.
    """

    __slots__ = ("flags", "answer")

    def __init__(self, flags: int, answer: Answer) -> None:
        self.flags = flags
        self.answer = answer

    def rcode(self) -> int:
        """
        @return: 0, or 3 for a name that is not there.
        """
        return self.answer.rcode


class RecordSet:
    """
    What a look-up gave: its records, in a row.

    @ivar qname: the name that was asked for.
    @ivar rdtype: the type's number.
    @ivar rdclass: the class, always that of the Internet.
    @ivar canonical_name: whose records these are: the name asked for, or where its aliases lead.
    @ivar response: the reply's header.
    """

    __slots__ = ("qname", "rdtype", "rdclass", "canonical_name", "response", "_records")

    def __init__(self, qname: DomainName, rrType: int, canonicalName: DomainName, response: Response, records: list[Record]) -> None:
        self.qname = qname
        self.rdtype = rrType
        self.rdclass = int(IN)
        self.canonical_name = canonicalName
        self.response = response
        self._records = records

    @property
    def rrset(self) -> RecordSet | None:
        """
        This, or L{None} where there are no records.
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
    @param rdtype: a number, of dnspython's own enumeration as well, or a mnemonic.

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
    Ask once. Aliases are followed; the name is whole as it is, so that no search list is tried.

    @param flags: of these, AD and CD are set in the query.
    @param stream: by TCP at once.

    @return: what there is, which may be no records at all.

    @raise DNSNameError: there is no such name.
    @raise NoNameservers: no server can be reached by TCP.
    @raise LookupFailed: nothing is known.
    """
    try:
        asking = Asking(resolver, timeout, bool(flags & AD), bool(flags & CD), stream)
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


def meaningOf(raised: BaseException) -> Meaning:
    """
    @param raised: by our own look-ups, or by dnspython.
    """
    if isinstance(raised, LookupFailed):
        cause = raised.__cause__
        if isinstance(raised, NXDOMAIN | NoAnswer | DNSNameError):
            return Meaning.NOTHING
        if isinstance(raised, NoNameservers):
            return Meaning.FAILED
        if isinstance(raised, Timeout | DNSQueryTimeoutError) or isinstance(cause, Unreachable):
            return Meaning.TIMEOUT
        return Meaning.OTHER if isinstance(raised, ResolverError) or isinstance(cause, CallerFault) else Meaning.FAILED
    if isinstance(raised, TimeoutError):
        return Meaning.TIMEOUT
    # Who raises its exceptions has it loaded.
    theirs = sys.modules.get(_THEIR_RESOLVER)
    if theirs is not None:
        for names, meaning in _THEIR_MEANINGS:
            kinds = [getattr(theirs, name, None) for name in names]
            if isinstance(raised, tuple([kind for kind in kinds if isinstance(kind, type)])):
                return meaning
    return Meaning.OTHER


_THEIR_MEANINGS: Final = (
    (("Timeout", "LifetimeTimeout"), Meaning.TIMEOUT),
    (("NoAnswer", "NXDOMAIN"), Meaning.NOTHING),
    (("NoNameservers",), Meaning.FAILED),
)


def asTheirs(raised: LookupFailed) -> LookupFailed:
    """
    Say a failure by the classes of this module. Unlike those of L{twisted_ext.compat.conversion.errors} they are no L{ValueError}s: to
    aioxmpp and those who use it that is the domain's own word that it has no such service.

    @return: of dnspython's class of the same name as well, if it is installed; the same where it is about the caller.
    """
    meaning = meaningOf(raised)
    if meaning is Meaning.OTHER:
        return raised
    if meaning is Meaning.NOTHING:
        ours: type[LookupFailed] = NoAnswer if isinstance(raised, NoAnswer) else NXDOMAIN
    else:
        ours = Timeout if meaning is Meaning.TIMEOUT else NoNameservers
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
    # What their own methods look at.
    vars(error).update(msg=raised.text, kwargs={"qnames": [], "responses": {}, "errors": []})
    error.__cause__ = raised.__cause__
    return error
