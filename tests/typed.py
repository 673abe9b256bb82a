"""
Untyped parts of Twisted, with types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar, cast

from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.error import CannotListenError, ProcessDone, TimeoutError
from twisted.internet.interfaces import IConnector, IStreamClientEndpoint
from twisted.internet.protocol import ClientFactory, Protocol, ReconnectingClientFactory, ServerFactory
from twisted.internet.ssl import Certificate, trustRootFromCertificates
from twisted.internet.testing import MemoryReactorClock
from twisted.internet.utils import getProcessOutputAndValue
from twisted.logger import ILogObserver, LogEvent
from twisted.names import authority, client, common, dns, error, hosts, server
from twisted.python.failure import Failure
from twisted.trial.util import suppress

__all__ = [
    "FileAuthority",
    "ResolverBase",
    "clientEndpoint",
    "clientOf",
    "failureOf",
    "hostByName",
    "newA",
    "newCannotListen",
    "newConnectionTimeout",
    "newHosts",
    "newMX",
    "newMemoryReactor",
    "newNS",
    "newNULL",
    "newProcessDone",
    "newSOA",
    "newServer",
    "newStock",
    "newTimeout",
    "newUnknown",
    "observing",
    "outputAndValue",
    "retry",
    "stopTrying",
    "suppressed",
    "trusting",
    "unchecked",
]

_T = TypeVar("_T")

clientEndpoint: Final[Callable[[object, str | bytes], IStreamClientEndpoint]] = clientFromString
failureOf: Final[Callable[[BaseException], Failure]] = Failure
newCannotListen: Final[Callable[[str, int, OSError], CannotListenError]] = CannotListenError
newConnectionTimeout: Final[Callable[[], TimeoutError]] = TimeoutError
newMemoryReactor: Final[Callable[[], MemoryReactorClock]] = MemoryReactorClock
newProcessDone: Final[Callable[[int], ProcessDone]] = ProcessDone
outputAndValue: Final[Callable[..., Deferred[tuple[bytes, bytes, int]]]] = getProcessOutputAndValue
retry: Final[Callable[[ReconnectingClientFactory, IConnector], None]] = ReconnectingClientFactory.retry
suppressed: Final[Callable[..., object]] = suppress
trusting: Final[Callable[[list[Certificate]], IOpenSSLTrustRoot]] = trustRootFromCertificates
stopTrying: Final[Callable[[ReconnectingClientFactory], None]] = ReconnectingClientFactory.stopTrying

newA: Final[Callable[..., dns.Record_A]] = dns.Record_A
newMX: Final[Callable[..., dns.Record_MX]] = dns.Record_MX
newNS: Final[Callable[..., dns.Record_NS]] = dns.Record_NS
newNULL: Final[Callable[..., dns.Record_NULL]] = dns.Record_NULL
newSOA: Final[Callable[..., dns.Record_SOA]] = dns.Record_SOA
newUnknown: Final[Callable[[bytes, int], dns.UnknownRecord]] = dns.UnknownRecord

newHosts: Final[Callable[..., hosts.Resolver]] = hosts.Resolver
newServer: Final[Callable[..., ServerFactory]] = server.DNSServerFactory
newStock: Final[Callable[..., client.Resolver]] = client.Resolver
newTimeout: Final[Callable[[int], error.DNSQueryTimeoutError]] = error.DNSQueryTimeoutError
hostByName: Final[Callable[[common.ResolverBase, str], Deferred[str]]] = common.ResolverBase.getHostByName

_beginResolver: Final[Callable[[common.ResolverBase], None]] = common.ResolverBase.__init__
_beginAuthority: Final[Callable[[authority.FileAuthority, str], None]] = authority.FileAuthority.__init__


def clientOf(protocol: Callable[[], Protocol]) -> ClientFactory:
    """
    Return a factory for client connections.
    """
    return cast(ClientFactory, ClientFactory.forProtocol(protocol))


def observing(observer: Callable[[LogEvent], object]) -> ILogObserver:
    """
    Return the function as a log observer, an interface that functions do not declare.
    """
    return cast(ILogObserver, observer)


def unchecked(function: Callable[..., _T]) -> Callable[..., _T]:
    """
    Return the function without types, for calls with arguments that it does not take.
    """
    return function


class ResolverBase(common.ResolverBase):
    """
    The base class of resolvers of twisted.names.
    """

    def __init__(self) -> None:
        _beginResolver(self)


class FileAuthority(authority.FileAuthority):
    """
    The base class of zones of twisted.names.
    """

    def __init__(self, filename: str) -> None:
        _beginAuthority(self, filename)
