"""
Helpers for tests of DNS over TLS: certificates, and clients on a memory network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IOpenSSLClientConnectionCreator, IReactorTime
from twisted.internet.protocol import Factory, ServerFactory, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.server.listeners.streams import Client, StreamTestCase
from tests.typed import clientOf
from twisted_ext.server.listeners.connection import StreamServing
from twisted_ext.server.listeners.stream import MakeServing, StreamFactory
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair
from twisted_ext.server.listeners.tls.encryption import newPair
from twisted_ext.server.listeners.tls.serving import ALPN, tlsServing

__all__ = ["PAIR", "Contexts", "TLSClient", "TLSTestCase", "leafOf", "shaken"]

#: Made once: it takes a while.
PAIR: Pair = newPair(["dns.example"])


def step(near: SSL.Connection, far: SSL.Connection) -> str:
    """
    Let one end of a handshake take what has arrived, and pass on what it sends. Return the reason if it fails.
    """
    reason = ""
    try:
        near.do_handshake()
    except SSL.WantReadError:
        pass
    except SSL.Error as error:
        reason = repr(error)
    try:
        far.bio_write(near.bio_read(1 << 17))
    except SSL.WantReadError:
        pass
    return reason


def shaken(client: SSL.Connection, server: SSL.Connection) -> list[str]:
    """
    Carry out a handshake. Return the reasons why it fails, of the client and of the server.
    """
    reasons = ["", ""]
    for _ in range(3):
        reasons[0] = reasons[0] or step(client, server)
        reasons[1] = reasons[1] or step(server, client)
    return reasons


def leafOf(client: SSL.Connection) -> bytes:
    """
    Return the serial number of the certificate that a client got, as octets.
    """
    found = client.get_peer_certificate(as_cryptography=True)
    assert found is not None
    return found.serial_number.to_bytes(20, "big")


@implementer(IOpenSSLClientConnectionCreator)
class Contexts:
    """
    The client's side: no check of the certificate.
    """

    def __init__(self, name: bytes = b"", alpn: Sequence[bytes] = (), most: int | None = None) -> None:
        """
        @param most: the highest version of TLS.
        """
        self.context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        if alpn:
            self.context.set_alpn_protos(list(alpn))
        if most is not None:
            self.context.set_min_proto_version(0)
            self.context.set_cipher_list(b"ALL:@SECLEVEL=0")
            self.context.set_max_proto_version(most)
        self.name = name

    def connection(self) -> SSL.Connection:
        made = SSL.Connection(self.context, None)
        made.set_connect_state()
        if self.name:
            made.set_tlsext_host_name(self.name)
        return made

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return self.connection()


class TLSClient(Client):
    """
    A client whose connection is encrypted.

    @ivar leaf: the serial number of the server's certificate, see L{leafOf}; empty before the first reply.
    @ivar isClean: whether the connection ended with a close_notify.
    """

    leaf = b""
    isClean = False

    def dataReceived(self, data: bytes) -> None:
        if not self.leaf:
            self.leaf = leafOf(cast(TLSMemoryBIOProtocol, self.transport).getHandle())
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.isClean = isinstance(reason.value, ConnectionDone)
        super().connectionLost(reason)


class _Port(ServerFactory):
    noisy = False

    def __init__(self, servings: StreamFactory, make: MakeServing) -> None:
        self._servings = servings
        self._make = make

    def buildProtocol(self, addr: IAddress | None) -> StreamServing | None:
        return self._servings.buildProtocol(addr, self._make)


class TLSTestCase(StreamTestCase):
    """
    Tests with a TLS server on a memory network, besides the plain one on port 53.
    """

    certificates: Certificates

    def serve(self, **bounds: int) -> StreamFactory:
        servings = super().serve(**bounds)
        self.certificates = Certificates([PAIR], self.there.seconds)
        make = tlsServing(self.parrot, self.certificates.contextFactory(ALPN))
        self.there.listenTCP(853, _Port(servings, make))
        return servings

    def shake(self, address: str = "192.0.2.7", seconds: float = 0.1, contexts: Contexts | None = None) -> TLSClient:
        """
        Return a client with this address whose connection is encrypted.
        """
        reactor = self.network.hostAt(address) or self.network.reactor(address)
        client = TLSClient()
        inner: Factory = clientOf(lambda: client)
        clock: IReactorTime = reactor
        factory = TLSMemoryBIOFactory(contexts or Contexts(alpn=ALPN), True, inner, clock)
        reactor.connectTCP("192.0.2.53", 853, factory)
        self.network.advance(seconds)
        return client
