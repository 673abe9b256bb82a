"""
Attackers on the way to a server that is asked over TLS: they block it, or answer in its place.
"""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from tests.certificates import written
from tests.networks import WWW, NetworkTestCase
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.errors import Unreachable
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.tls.terms import TLSTerms


class DowngradeTests(NetworkTestCase):
    """
    Tests with an attacker at the server's address.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        escaped = str(written(folder)).replace(":", "\\:")
        self.there = self.network.reactor("192.0.2.53")
        self.attacker = CannedServer({("www.test.example", "A"): "203.0.113.66"})
        source = sourceFromString(self.here, f"tls:192.0.2.53#dns.example:ca={escaped}")
        assert isinstance(source, ForwardingSource)
        self.source = source

    def tearDown(self) -> None:
        closed = self.source.close()
        self.network.advance(1)
        self.successResultOf(closed)
        super().tearDown()

    def test_blockedPort(self) -> None:
        """
        An attacker who blocks TLS, and answers plain DNS at the same port, gets no query.
        """
        self.attacker.listen(self.there, 853, streams=False)
        self.assertIsInstance(self.fault(self.source), Unreachable)
        self.assertEqual((self.attacker.asked, self.network.datagrams), ([], []))

    def test_blockedPortWithoutDefense(self) -> None:
        """
        Without the rule that another transport than TCP is the only one, the query would be sent in the clear.
        """
        self.attacker.listen(self.there, 853, streams=False)
        self.source.stream = False
        self.assertEqual(self.find(self.source), ["203.0.113.66"])

    def test_otherCertificate(self) -> None:
        """
        An attacker with a valid certificate for another name gets no query.
        """
        self.attacker.listenTLS(self.there, ServerTLS(leaf("attacker.example")))
        self.assertIn("it showed one for 'attacker.example'", str(self.fault(self.source)))
        self.assertEqual(self.attacker.asked, [])

    def test_otherCertificateWithoutDefense(self) -> None:
        """
        Without the check of the certificate, the attacker's answer would be believed.
        """
        self.attacker.listenTLS(self.there, ServerTLS(leaf("attacker.example")))
        with patch.object(TLSTerms, "problem", accept):
            self.assertEqual(self.find(self.source), ["203.0.113.66"])

    def test_droppedSession(self) -> None:
        """
        An attacker who takes the server's place later does not profit from the session with the right one.
        """
        right = CannedServer(WWW)
        right.listenTLS(self.there, ServerTLS(leaf("dns.example")))
        self.assertEqual(self.find(self.source, seconds=1.0), ["192.0.2.80"])
        right.close()
        self.network.advance(20)
        self.attacker.listenTLS(self.there, ServerTLS(leaf("attacker.example")))
        self.assertIn("it showed one for 'attacker.example'", str(self.fault(self.source)))
        self.assertEqual(self.attacker.asked, [])

    def test_wrongProtocol(self) -> None:
        """
        A server of another protocol with the right certificate, to which an attacker redirects the connection, gets no query.
        """
        web = CannedServer(WWW)
        web.listenTLS(self.there, ServerTLS(leaf("dns.example"), protocols=[b"h2", b"http/1.1"]))
        self.assertIn("it does not speak 'dot'", str(self.fault(self.source)))
        self.assertEqual(web.asked, [])


def accept(terms: TLSTerms, server: object, name: str, certificates: object) -> str:
    """
    Accept any certificate.
    """
    return ""
