"""
Certificates and TLS servers on a memory network, for tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from tests.certificates import Key, authority, made, pem

__all__ = ["ServerTLS", "keyOf", "leaf", "signedBy"]


@cache
def keyOf(owner: str) -> Key:
    """
    Return the key with a name, which stays the same.
    """
    return ec.generate_private_key(ec.SECP256R1())


def signedBy(
    issuer: str,
    issuerKey: Key,
    *names: str,
    key: Key | None = None,
    begins: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=30),
) -> x509.Certificate:
    """
    Return a server's certificate.

    @param names: the hosts and addresses that it is for.
    """
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            general.append(x509.DNSName(name))
    extensions = [x509.SubjectAlternativeName(general)] if general else []
    return made("server", key or keyOf("server"), issuer, issuerKey, *extensions, begins=begins, ends=ends)


def leaf(*names: str, begins: timedelta = timedelta(days=-1), ends: timedelta = timedelta(days=30)) -> bytes:
    """
    Return the server's key and its certificate by the test authority, in PEM.
    """
    return pem(keyOf("server"), signedBy("made up", authority()[1], *names, begins=begins, ends=ends))


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """
    The TLS of a server.

    @ivar names: the host names that clients asked for; L{None} for none.
    """

    def __init__(
        self,
        chain: bytes,
        *,
        protocols: Sequence[bytes] = (b"dot",),
        only: int | None = None,
        tickets: bool = True,
        demands: bytes = b"",
    ) -> None:
        """
        @param chain: key and certificates in PEM.
        @param protocols: those that it chooses from; empty for a server without ALPN.
        @param only: the only version that it speaks.
        @param tickets: whether sessions can be resumed.
        @param demands: the authority of clients' certificates, in PEM, if it demands one.
        """
        self.names: list[str | None] = []
        context = self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        # Tests show keys that no client should accept.
        context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        own, *issuers = x509.load_pem_x509_certificates(chain)
        context.use_certificate(own)
        for issuer in issuers:
            context.add_extra_chain_cert(issuer)
        key = load_pem_private_key(chain, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        context.use_privatekey(key)
        context.set_session_id(b"tests")
        if only is not None:
            context.set_min_proto_version(only)
            context.set_max_proto_version(only)
        if not tickets:
            context.set_options(SSL.OP_NO_TICKET)
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        if protocols:

            def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes:
                known = [protocol for protocol in offered if protocol in protocols]
                if not known:
                    raise SSL.Error([("", "", "no protocol in common")])
                return known[0]

            context.set_alpn_select_callback(choose)
        if demands:
            store = context.get_cert_store()
            assert store is not None
            for each in x509.load_pem_x509_certificates(demands):
                store.add_cert(crypto.X509.from_cryptography(each))
            context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, None)
        context.set_tlsext_servername_callback(self._named)

    def _named(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        self.names.append(None if name is None else name.decode())

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return SSL.Connection(self.context, None)
