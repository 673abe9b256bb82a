"""
The API of L{twisted.names.error}, and further exceptions of this package's look-ups.

The names of twisted.names are Twisted's own classes: C{except error.DNSNameError} catches the exceptions of Twisted's resolvers and of this
package, which are subclasses (L{twisted_ext.compat.conversion.errors}). All of the latter are L{LookupFailed} as well, with a text, the
server, and the rcode.
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
