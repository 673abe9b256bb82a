"""
Fetch the certificates of a TLS server, and compare them with TLSA records (RFC 6698).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256, sha512
from typing import Final, cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import Certificate
from OpenSSL.SSL import TLS_METHOD, VERIFY_NONE, Connection, Context
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import (
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IReactorTCP,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["certificatesOf", "isMatched"]

#: Seconds for the connection, and for the handshake.
_SECONDS: Final = 8

#: Certificates of a chain that are compared.
_MOST: Final = 10

#: Usages of a TLSA record by which the server's own certificate has to match; for the others, any of its chain.
_END_ENTITY: Final = (1, 3)

_DIGESTS: Final = {1: sha256, 2: sha512}


@implementer(IHandshakeListener, IOpenSSLClientConnectionCreator)
class _Looking(Protocol):
    """
    Accepts every certificate, takes them at the end of the handshake, and disconnects without sending anything.
    """

    def __init__(self, host: str) -> None:
        self.found: Deferred[list[Certificate]] = Deferred(lambda _: self._leave())
        context = Context(TLS_METHOD)
        context.set_verify(VERIFY_NONE)
        self._connection = Connection(context, None)
        self._connection.set_tlsext_host_name(host.encode("ascii", "replace"))

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        return self._connection

    def handshakeCompleted(self) -> None:
        chain = self._connection.get_peer_cert_chain(as_cryptography=True) or []
        self._leave()
        self.found.callback(chain[:_MOST])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.found.called:
            self.found.errback(reason)

    def _leave(self) -> None:
        cast(TLSMemoryBIOProtocol, self.transport).abortConnection()


async def certificatesOf(reactor: IReactorTCP, address: str, port: int, host: str) -> list[Certificate]:
    """
    Return the certificates that a server presents, its own first.

    @param host: the name to send (SNI).
    """
    endpoint = (TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint)(reactor, address, port, _SECONDS)
    looking = _Looking(host)
    connect = cast("Callable[[IStreamClientEndpoint, Protocol], Deferred[Protocol]]", connectProtocol)
    await connect(wrapClientTLS(looking, endpoint), looking)
    return await looking.found.addTimeout(_SECONDS, cast(IReactorTime, reactor))


def isMatched(records: Iterable[bytes], chain: Sequence[Certificate]) -> bool:
    """
    Return whether one of the TLSA records matches the server's certificates.
    """
    for usage, selector, matching, *rest in [record for record in records if len(record) > 2]:
        for certificate in chain[:1] if usage in _END_ENTITY else chain:
            key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            octets = key if selector else certificate.public_bytes(Encoding.DER)
            if bytes(rest) == (_DIGESTS[matching](octets).digest() if matching in _DIGESTS else octets):
                return True
    return False
