"""
Tests of queries over TLS to servers that prove nothing: only where nothing was promised.
"""

from __future__ import annotations

import pytest

from tests.test_architecture import FILES, ROOT, importsOf
from tests.transport.tls.test_stream import TLSTestCase
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.transport.random import Draw
from twisted_ext.transport.tls.opportunistic import OpportunisticTLS
from twisted_ext.transport.tls.stream import TLS, TLSExchange
from twisted_ext.transport.tls.terms import TLSTerms

_MODULE = "twisted_ext.transport.tls.opportunistic"


class OpportunisticTLSTests(TLSTestCase):
    """
    Tests for L{OpportunisticTLS}.
    """

    def exchangeTo(self, terms: TLSTerms | None = None, keep: float | None = None) -> TLSExchange:
        """
        Return an exchange that accepts each server.
        """
        exchange = OpportunisticTLS().exchange(self.here, Draw(), self.server)
        assert isinstance(exchange, TLSExchange)
        return exchange

    def test_anyCertificate(self) -> None:
        """
        A self-signed, expired or unrelated certificate is accepted, and no name is sent. Strict terms refuse the same server.
        """
        self.serveWith(ServerTLS(leaf("unrelated.test")))
        self.assertEqual(len(self.askOne().replies), 1)
        self.assertEqual(self.tls.names, [None])
        self.exchange.close()
        self.network.advance(1)
        self.exchange = TLSExchange(self.here, self.server, Draw(), TLSTerms())
        self.assertEqual(len(self.askOne().faults), 1)

    def test_otherProtocol(self) -> None:
        """
        A server that chooses another protocol than DNS is refused, in one line.
        """
        self.serveWith(ServerTLS(leaf("dns.example"), protocols=()))
        self.assertEqual(len(self.askOne().replies), 1)
        self.serveWith(ServerTLS(leaf("dns.example"), protocols=(b"h2",)))
        self.canned.asked.clear()
        self.assertIn("192.0.2.53:853 cannot be reached over TLS: ", self.problem())

    def test_details(self) -> None:
        """
        The outcome of the handshake can be shown.
        """
        self.askOne()
        details = self.exchange.details
        assert details is not None
        self.assertEqual((details.protocol, details.names), ("dot", "'dns.example'"))


def test_usersOfIt() -> None:
    """
    Only the code for authoritative servers, which prove nothing in the clear either, and that for servers designated at a private address
    import the transport without authentication.
    """
    users = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path.is_relative_to(ROOT / "twisted_ext")
        and _MODULE.rpartition(".")[2] in path.read_text("utf-8")
        and any(each.within((_MODULE,)) for each in importsOf(path.read_text("utf-8")))
    ]
    assert sorted(users) == ["twisted_ext/resolver/recursive/encrypted.py", "twisted_ext/resolver/strings/designated.py"]


@pytest.mark.parametrize(
    "description",
    [
        "tls:192.0.2.53",
        "tls:192.0.2.53#dns.example",
        "tls://192.0.2.53",
        "tls:192.0.2.53:pins=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "tls:192.0.2.53:resume=no:minimum=1.3",
        "tls:dns.example:bootstrap=192.0.2.1",
        "ddr:192.0.2.53",
        "ddr:192.0.2.53:strict=yes",
    ],
)
def test_strictDescriptionsAuthenticate(description: str) -> None:
    """
    A server that a description names has to prove its identity, with any option: no other class of transport or terms comes of it.
    """
    network = MemoryNetwork()
    here = network.reactor("192.0.2.7")
    source = sourceFromString(here, description)
    for forwarding in behind(source, ForwardingSource):
        transport = forwarding.transport
        if transport.kind == "tls":
            assert type(transport) is TLS
            assert type(transport.terms) is TLSTerms
    source.close()


def test_strictDesignationsAuthenticate() -> None:
    """
    C{strict} and C{opportunistic} exclude each other.
    """
    here = MemoryNetwork().reactor("192.0.2.7")
    with pytest.raises(DNSFault, match="leave out opportunistic"):
        sourceFromString(here, "ddr:192.168.1.1:strict=yes:opportunistic=yes")


@pytest.mark.parametrize("option", ["opportunistic=yes", "verify=no", "insecure=yes", "authenticate=no"])
def test_noOptionSkipsAuthentication(option: str) -> None:
    """
    There is no option of a named server that skips the check of its certificate.
    """
    here = MemoryNetwork().reactor("192.0.2.7")
    with pytest.raises(DNSFault):
        sourceFromString(here, f"tls:192.0.2.53:{option}")
