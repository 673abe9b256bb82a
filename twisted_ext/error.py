"""
What L{twisted.names.error} has, and what look-ups of this package fail with besides.

The names of twisted.names are Twisted's own classes: C{except error.DNSNameError} catches what its resolvers raise, and what ours do, whose
exceptions are kinds of these (L{twisted_ext.compat.conversion.errors}). All of ours are L{LookupFailed} as well, with a text, the server,
and the rcode.
"""

from __future__ import annotations

from twisted.names.error import (
    AuthoritativeDomainError,
    DNSFormatError,
    DNSNameError,
    DNSNotImplementedError,
    DNSQueryRefusedError,
    DNSQueryTimeoutError,
    DNSServerError,
    DNSUnknownError,
    DomainError,
    ResolverError,
)

from twisted_ext.compat.conversion.errors import (
    LookupFailed,
    LookupQueueFullError,
    NoAddressError,
    QueryFormatError,
    ServiceNotAvailable,
    UnusableService,
)

__all__ = [
    "AuthoritativeDomainError",
    "DNSFormatError",
    "DNSNameError",
    "DNSNotImplementedError",
    "DNSQueryRefusedError",
    "DNSQueryTimeoutError",
    "DNSServerError",
    "DNSUnknownError",
    "DomainError",
    "LookupFailed",
    "LookupQueueFullError",
    "NoAddressError",
    "QueryFormatError",
    "ResolverError",
    "ServiceNotAvailable",
    "UnusableService",
]
