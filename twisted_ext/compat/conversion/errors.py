"""
Translate between the denials and faults of this package and the exceptions of twisted.names.

Outwards: denials and faults become the exceptions of L{twisted.names.error}. Each is a L{twisted.internet.error.DNSLookupError} as well, so
that code written for either kind of resolver catches them. Inwards: an exception from another resolver becomes a denial or a fault.
SERVFAIL never becomes NXDOMAIN.
"""

from __future__ import annotations

import socket
from typing import Final

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import DNSLookupError
from twisted.internet.error import TimeoutError as ConnectionTimeout
from twisted.names import error

from twisted_ext.answers import Answer, Outcome, Question, Security
from twisted_ext.errors import (
    BadMessage,
    BadName,
    BudgetSpent,
    CallerFault,
    Closed,
    DNSFault,
    NotOffered,
    QueueFull,
    Refused,
    ServerFailed,
    TimedOut,
    TrustFault,
    Unknown,
    Unreachable,
    UnusableRecords,
)
from twisted_ext.wire.codes import Rcode, rcodeName
from twisted_ext.wire.names import nameToText

__all__ = [
    "LookupFailed",
    "LookupQueueFullError",
    "DNSFormatError",
    "DNSServerError",
    "DNSNameError",
    "DNSNotImplementedError",
    "DNSQueryRefusedError",
    "DNSUnknownError",
    "DNSQueryTimeoutError",
    "DomainError",
    "NoAddressError",
    "QueryFormatError",
    "ResolverError",
    "ServiceNotAvailable",
    "UnusableService",
    "addressError",
    "argumentError",
    "denialFrom",
    "errorFor",
    "errorFromAnswer",
    "errorFromFault",
    "faultFromError",
]

_NXDOMAIN: Final = 3


class LookupFailed(DNSLookupError):
    """
    The base class of look-up failures; never raised itself.

    @ivar text: one line for users: what failed, why, and which server reported it.
    @ivar server: the server queried last, as C{"192.0.2.1:53"}, or C{""} if no query was sent.
    @ivar attempts: queries sent.
    @ivar rcode: the reply's rcode, or the one that fits best if something else failed; L{None} if no reply arrived in time.
    @ivar ede: extended errors as C{(info code, extra text)} (RFC 8914).
    @ivar security: the DNSSEC status of the answer.
    @ivar answer: the denial with its SOA record, if there was one.
    """

    def __init__(
        self,
        text: str = "",
        *,
        server: str = "",
        attempts: int = 0,
        rcode: int | None = int(Rcode.SERVFAIL),
        ede: tuple[tuple[int, str], ...] = (),
        security: Security = Security.INDETERMINATE,
        answer: Answer | None = None,
    ) -> None:
        DNSLookupError.__init__(self, text)
        self.text = text
        self.server = server
        self.attempts = attempts
        self.rcode = rcode
        self.ede = ede
        self.security = security
        self.answer = answer

    def __str__(self) -> str:
        return self.text or type(self).__name__


class DomainError(LookupFailed, error.DomainError):
    """
    No source had any information on the name.
    """


class NoAddressError(DomainError):
    """
    The name is there, but has no address.
    """


class DNSFormatError(LookupFailed, error.DNSFormatError):
    """
    The server says that the query is malformed (FORMERR).
    """


class QueryFormatError(DNSFormatError, ValueError):
    """
    What was asked cannot be asked: the text is not a domain name, for instance.
    """


class DNSServerError(LookupFailed, error.DNSServerError):
    """
    The servers failed, cannot be reached, or answered nonsense; or their answer cannot be trusted.
    """


class LookupQueueFullError(DNSServerError):
    """
    More look-ups wait to be sent than are allowed to (C{LOOKUPS_WAITING} in L{twisted_ext.limits}): nothing was asked.
    """


class ServiceNotAvailable(DomainError):
    """
    The domain says itself that it does not offer the service: its only target is the root (RFC 2782; RFC 7505; RFC 9460, section 2.5.1).
    """


class UnusableService(DNSServerError):
    """
    There are records for the service, but none that leads anywhere.
    """


class DNSNameError(LookupFailed, error.DNSNameError):
    """
    There is no such name (NXDOMAIN).
    """


class DNSNotImplementedError(LookupFailed, error.DNSNotImplementedError):
    """
    The server does not know how to answer that (NOTIMP).
    """


class DNSQueryRefusedError(LookupFailed, error.DNSQueryRefusedError):
    """
    The server refused, or we did.
    """


class DNSUnknownError(LookupFailed, error.DNSUnknownError):
    """
    The reply's rcode is none that Twisted has a class for; it is in C{rcode}.
    """


class DNSQueryTimeoutError(LookupFailed, error.DNSQueryTimeoutError):
    """
    No reply came in time.

    @ivar id: always 0: a look-up is more than one message.
    """

    id = 0


class ResolverError(LookupFailed, error.ResolverError):
    """
    The resolver was closed.
    """


_BY_RCODE: Final[dict[int, type[LookupFailed]]] = {
    Rcode.FORMERR: DNSFormatError,
    Rcode.SERVFAIL: DNSServerError,
    Rcode.NXDOMAIN: DNSNameError,
    Rcode.NOTIMP: DNSNotImplementedError,
    Rcode.REFUSED: DNSQueryRefusedError,
}

#: The first that fits counts.
_BY_FAULT: Final[tuple[tuple[type[DNSFault], type[LookupFailed]], ...]] = (
    (TimedOut, DNSQueryTimeoutError),
    (CallerFault, QueryFormatError),
    (Refused, DNSQueryRefusedError),
    (Unknown, DomainError),
    (Closed, ResolverError),
    (NotOffered, ServiceNotAvailable),
    (UnusableRecords, UnusableService),
    (Unreachable, DNSServerError),
    (BadMessage, DNSServerError),
    (BudgetSpent, DNSServerError),
    (QueueFull, LookupQueueFullError),
    (TrustFault, DNSServerError),
    (DNSFault, DNSServerError),
)


#: What the C library says of its codes.
_ADDRESS_ERRORS: Final = (
    ("EAI_BADFLAGS", "Bad value for ai_flags"),
    ("EAI_NONAME", "Name or service not known"),
    ("EAI_AGAIN", "Temporary failure in name resolution"),
    ("EAI_FAIL", "Non-recoverable failure in name resolution"),
    ("EAI_NODATA", "No address associated with hostname"),
    ("EAI_FAMILY", "ai_family not supported"),
    ("EAI_SOCKTYPE", "ai_socktype not supported"),
    ("EAI_SERVICE", "Servname not supported for ai_socktype"),
    ("EAI_ADDRFAMILY", "Address family for hostname not supported"),
    ("EAI_MEMORY", "Memory allocation failure"),
    ("EAI_SYSTEM", "System error"),
    ("EAI_OVERFLOW", "Result too large for supplied buffer"),
)


def errorFor(rcode: int) -> type[LookupFailed]:
    """
    @return: the exception for a reply with this rcode.
    """
    return _BY_RCODE.get(rcode, DNSUnknownError)


def errorFromAnswer(question: Question, answer: Answer) -> LookupFailed:
    """
    Say as an exception that an answer denies the name, or that its rcode is an error.
    """
    origin = answer.origin
    server = "" if origin is None else origin.server
    rcode = answer.rcode or _NXDOMAIN
    name = nameToText(question.name, final=False)
    said = "there is no such name" if rcode == _NXDOMAIN else f"the answer is {rcodeName(rcode)}"
    return errorFor(rcode)(
        f"{name}: {said}" + (f", says {server}" if server else ""),
        server=server,
        attempts=0 if origin is None else origin.attempts,
        rcode=rcode,
        ede=answer.ede,
        security=answer.security,
        answer=answer,
    )


def argumentError(fault: DNSFault, question: Question | None = None) -> Exception:
    """
    As L{errorFromFault}, for functions that programs call with names, types and timeouts.

    @return: for arguments that cannot be used, a L{CallerFault}, which is a C{ValueError} and may be a C{TypeError}: no look-up has failed.
        A text that is not a name may come from anywhere, and gives a L{QueryFormatError}.
    """
    if isinstance(fault, CallerFault) and not isinstance(fault, BadName):
        refused = type(fault)(fault.text)
        refused.__cause__ = fault
        return refused
    return errorFromFault(fault, question)


def errorFromFault(fault: DNSFault, question: Question | None = None) -> LookupFailed:
    """
    Say a fault as an exception that callers of twisted.names know; the fault is its C{__cause__}.
    """
    if isinstance(fault, ServerFailed):
        kind = errorFor(fault.rcode)
        if fault.rcode == _NXDOMAIN:
            # A denial is an answer; a source that raises it as a fault has no answer to pass on.
            kind = DNSServerError
    else:
        kind = next(kind for each, kind in _BY_FAULT if isinstance(fault, each))
    text = str(fault)
    if question is not None and not text.startswith(name := nameToText(question.name, final=False)):
        text = f"{name}: {text}"
    translated = kind(
        text,
        server=fault.server,
        attempts=fault.attempts,
        rcode=None if isinstance(fault, TimedOut) else fault.rcode,
        ede=fault.ede,
        security=Security.BOGUS if isinstance(fault, TrustFault) else Security.INDETERMINATE,
    )
    translated.__cause__ = fault
    return translated


def denialFrom(raised: BaseException) -> Answer | None:
    """
    Return the denial that this exception stands for, or L{None} if it means that the resolver does not know the answer.
    """
    if isinstance(raised, LookupFailed):
        if isinstance(raised, DNSNameError):
            return raised.answer or Answer(Outcome.NXDOMAIN, rcode=_NXDOMAIN)
        return None
    if isinstance(raised, error.DNSNameError | error.AuthoritativeDomainError):
        return Answer(Outcome.NXDOMAIN, rcode=_NXDOMAIN)
    return None


#: Twisted's own classes and the rcodes that they stand for.
_RCODES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (error.DNSFormatError, int(Rcode.FORMERR)),
    (error.DNSServerError, int(Rcode.SERVFAIL)),
    (error.DNSNotImplementedError, int(Rcode.NOTIMP)),
    (error.DNSQueryRefusedError, int(Rcode.REFUSED)),
    (error.DNSUnknownError, int(Rcode.SERVFAIL)),
)


def faultFromError(raised: BaseException, server: str = "") -> DNSFault:
    """
    Convert an exception from another resolver to a fault. Denials are not faults: see L{denialFrom}.

    @param server: the server to name as its source.
    """
    if isinstance(raised, DNSFault):
        return raised
    if isinstance(raised, LookupFailed) and isinstance(raised.__cause__, DNSFault):
        return raised.__cause__
    text = f"{server or 'the resolver'} raised {type(raised).__name__}"
    if isinstance(raised, DeferredTimeout | ConnectionTimeout | TimeoutError):
        return TimedOut(f"{server or 'the resolver'} did not answer in time", server=server)
    for kind, rcode in _RCODES:
        if isinstance(raised, kind):
            return ServerFailed(f"{server or 'the resolver'} answered {rcodeName(rcode)}", server=server, rcode=rcode)
    if isinstance(raised, error.DomainError | NotImplementedError | DNSLookupError):
        return Unknown(f"{text}: it has nothing on that", server=server)
    if isinstance(raised, error.ResolverError):
        return Refused(f"{text}: {raised}", server=server)
    if isinstance(raised, OSError):
        return Unreachable(f"{text}: {raised}", server=server)
    return ServerFailed(f"{text}: {raised}", server=server)


def addressError(code: int) -> socket.gaierror:
    """
    @param code: one of C{socket.EAI_*}.

    @return: what C{socket.getaddrinfo} raises with it, in the C library's words.
    """
    for name, text in _ADDRESS_ERRORS:
        if getattr(socket, name, None) == code:
            return socket.gaierror(code, text)
    return socket.gaierror(code, f"Error {code}")
