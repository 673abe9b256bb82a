"""
Translate between the denials and faults of this package and the exceptions of twisted.names.

Outwards: denials and faults become the exceptions of L{twisted.names.error}. Each is a L{twisted.internet.error.DNSLookupError} as well, so
that code written for either kind of resolver catches them. Inwards: an exception from another resolver becomes a denial or a fault.
SERVFAIL never becomes NXDOMAIN.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import DNSLookupError
from twisted.internet.error import TimeoutError as ConnectionTimeout
from twisted.names import error

from twisted_ext.answers import Answer, Outcome, Question, Security
from twisted_ext.errors import (
    BadName,
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
    "INTERNAL_ERROR",
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
    The name exists but has no address.
    """


class DNSFormatError(LookupFailed, error.DNSFormatError):
    """
    The server reports that the query is malformed (FORMERR).
    """


class QueryFormatError(DNSFormatError, ValueError):
    """
    The query cannot be sent because it is invalid: the text is not a domain name, for example.
    """


class DNSServerError(LookupFailed, error.DNSServerError):
    """
    The servers failed, are unreachable or sent invalid replies; or their answer failed validation.
    """


class LookupQueueFullError(DNSServerError):
    """
    The queue of look-ups is full (C{LOOKUPS_WAITING} in L{twisted_ext.limits}). No query was sent.
    """


class ServiceNotAvailable(DomainError):
    """
    The domain declares that it does not offer the service: the only target is the root (RFC 2782; RFC 7505; RFC 9460, section 2.5.1).
    """


class UnusableService(DNSServerError):
    """
    The service has records, but none of them is usable.
    """


class DNSNameError(LookupFailed, error.DNSNameError):
    """
    The name does not exist (NXDOMAIN).
    """


class DNSNotImplementedError(LookupFailed, error.DNSNotImplementedError):
    """
    The server does not implement this kind of query (NOTIMP).
    """


class DNSQueryRefusedError(LookupFailed, error.DNSQueryRefusedError):
    """
    The query was refused, by the server or by this package.
    """


class DNSUnknownError(LookupFailed, error.DNSUnknownError):
    """
    The reply has an rcode for which Twisted has no class; it is in C{rcode}.
    """


class DNSQueryTimeoutError(LookupFailed, error.DNSQueryTimeoutError):
    """
    No reply arrived in time.

    @ivar id: always 0: a look-up consists of several messages.
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

#: The first match applies.
_BY_FAULT: Final[tuple[tuple[type[DNSFault], type[LookupFailed]], ...]] = (
    (TimedOut, DNSQueryTimeoutError),
    (CallerFault, QueryFormatError),
    (Refused, DNSQueryRefusedError),
    (Unknown, DomainError),
    (Closed, ResolverError),
    (NotOffered, ServiceNotAvailable),
    (UnusableRecords, UnusableService),
    (QueueFull, LookupQueueFullError),
    (DNSFault, DNSServerError),
)

#: The C library's texts.
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
    return _BY_RCODE.get(rcode, DNSUnknownError)


def errorFromAnswer(question: Question, answer: Answer) -> LookupFailed:
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
    Convert a fault like L{errorFromFault}, for functions that applications call with names, types and timeouts: to a L{CallerFault}, which
    is a C{ValueError} and may be a C{TypeError}, for invalid arguments, as no look-up has failed. Text that is not a valid name may come
    from anywhere, and gives a L{QueryFormatError}.
    """
    if isinstance(fault, CallerFault) and not isinstance(fault, BadName):
        refused = type(fault)(fault.text)
        refused.__cause__ = fault
        return refused
    return errorFromFault(fault, question)


def errorFromFault(fault: DNSFault, question: Question | None = None) -> LookupFailed:
    """
    Convert a fault to an exception that callers of twisted.names handle. The fault is its C{__cause__}.
    """
    if isinstance(fault, ServerFailed):
        kind = errorFor(fault.rcode)
        if fault.rcode == _NXDOMAIN:
            # Denials are answers, not faults. A source that raises NXDOMAIN as a fault provides no answer to pass on.
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


#: The text of the fault for a mistake in a resolver of other code.
INTERNAL_ERROR: Final = "internal error"

#: Errors of sockets that say that a server cannot be reached; other ones may name a file.
_NETWORK: Final = frozenset((
    errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
    errno.EPIPE,
))  # fmt: skip


def faultFromError(raised: BaseException, server: str = "") -> DNSFault:
    """
    Convert an exception of a resolver, which C{server} names, to a fault. Denials are not faults: see L{denialFrom}. An exception that is
    not about a look-up is a mistake in the resolver: its text may have secrets in it, and clients get L{INTERNAL_ERROR} instead.
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
        return Unknown(f"{text}: it has no information on the question", server=server)
    if isinstance(raised, error.ResolverError):
        return Refused(f"{text}: {raised}", server=server)
    if isinstance(raised, OSError) and (isinstance(raised, socket.gaierror) or raised.errno in _NETWORK):
        return Unreachable(f"{text}: {raised}", server=server)
    return ServerFailed(INTERNAL_ERROR, server=server)


def addressError(code: int) -> socket.gaierror:
    """
    Return the exception that C{socket.getaddrinfo} raises with this code, one of C{socket.EAI_*}, with the C library's text.
    """
    for name, text in _ADDRESS_ERRORS:
        if getattr(socket, name, None) == code:
            return socket.gaierror(code, text)
    return socket.gaierror(code, f"Error {code}")
