"""
Tests of the prefixes of encrypted transports.
"""

from __future__ import annotations

from pathlib import Path

from tests.certificates import authority, written
from tests.networks import WWW, NetworkTestCase
from tests.transport.tlsservers import ServerTLS, keyOf, leaf, signedBy
from twisted_ext.errors import BadDescription, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.tls.terms import pinOf, pinToText

PIN = pinToText(bytes(32))


class TLSDescriptionTests(NetworkTestCase):
    """
    Tests of descriptions of servers over TLS.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.folder = folder
        self.ca = str(written(folder)).replace(":", "\\:")
        self.tls = ServerTLS(leaf("dns.example", "192.0.2.53"))
        self.canned = CannedServer(WWW)
        self.there = self.network.reactor("192.0.2.53", "2001:db8::53")
        self.canned.listenTLS(self.there, self.tls)
        self.source: IAnswerSource | None = None

    def tearDown(self) -> None:
        if self.source is not None:
            closed = self.source.close()
            self.network.advance(1)
            self.successResultOf(closed)
        super().tearDown()

    def build(self, description: str) -> IAnswerSource:
        """
        Build a source.
        """
        if self.source is not None:
            self.source.close()
            self.network.advance(1)
        self.source = sourceFromString(self.here, description)
        return self.source

    def test_formsOfOneServer(self) -> None:
        """
        A server is given by its address and the name in its certificate, as a list or a URL.
        """
        pin = pinToText(pinOf(signedBy("x", keyOf("x"), "x", key=keyOf("server"))))
        for description in (
            f"tls:192.0.2.53#dns.example:ca={self.ca}",
            f"tls:192.0.2.53@853#dns.example:ca={self.ca}",
            f"tls:192.0.2.53:853:name=dns.example:ca={self.ca}",
            f"tls:192.0.2.53:ca={self.ca}",
            f"tls:192.0.2.53:pins={PIN},{pin}",
            f"tls:192.0.2.53#DNS.example.:pins={pin}:ca={self.ca}:minimum=1.3:resume=no:keep=0",
            f"tls://192.0.2.53#dns.example:ca={self.ca}",
            f"tls://192.0.2.53:853#dns.example:ca={self.ca}",
        ):
            self.assertEqual(self.find(self.build(description)), ["192.0.2.80"], description)
        self.assertEqual(self.network.datagrams, [])

    def test_unknownOptionIsRefused(self) -> None:
        """
        An option that the prefix does not have is refused, with the nearest one or all of them; so is one that is given twice.
        """
        shared = "servers, port, name, pins, hashes, ca, crl, dane"
        for description, words in (
            ("tls:192.0.2.53:pin=x", "column 16: tls has no option 'pin'; did you mean 'pins'?"),
            (
                "tls:192.0.2.53:zzz=x",
                f"tls has no option 'zzz'; there are {shared}, certificate, key, minimum, resume, keep, bootstrap, tsig",
            ),
            ("quic:192.0.2.53:zzz=x", f"quic has no option 'zzz'; there are {shared}, keep, bootstrap"),
            ("tls:192.0.2.53:ca=x:ca=y", "column 21: ca is given twice"),
        ):
            fault = self.assertRaises(BadDescription, sourceFromString, self.here, description)
            self.assertTrue(str(fault).endswith(words), str(fault))

    def test_serversHaveNamesOfTheirOwn(self) -> None:
        """
        Each server's certificate has to be for the name behind its address.
        """
        other = CannedServer(WWW)
        other.listenTLS(self.network.reactor("192.0.2.54"), ServerTLS(leaf("other.example")))
        self.assertEqual(self.find(self.build(f"tls:192.0.2.54#other.example,192.0.2.53#dns.example:ca={self.ca}")), ["192.0.2.80"])
        fault = self.fault(self.build(f"tls:192.0.2.54#dns.example,192.0.2.53#other.example:ca={self.ca}"))
        self.assertIn("it showed one for 'other.example'", str(fault))
        self.assertIn("it showed one for 'dns.example', '192.0.2.53'", str(fault))

    def test_hashes(self) -> None:
        """
        With the hashes of a DNS stamp, one of the certificates up to the authority has to have one of them.
        """
        from hashlib import sha256

        from cryptography import x509

        right = sha256(x509.load_pem_x509_certificate(authority()[0]).tbs_certificate_bytes).hexdigest()
        self.assertEqual(self.find(self.build(f"tls:192.0.2.53#dns.example:ca={self.ca}:hashes={right}")), ["192.0.2.80"])
        fault = self.fault(self.build(f"tls:192.0.2.53#dns.example:ca={self.ca}:hashes={'00' * 32}"))
        self.assertIn(f"and a certificate with the hash {'00' * 32}, it showed one with the hash ", str(fault))

    def test_nameIsBootstrapped(self) -> None:
        """
        The address of a server given by its name is looked up at the bootstrap servers, and nothing else.
        """
        finder = CannedServer({("dns.example", "A"): "192.0.2.53"})
        finder.listen(self.network.reactor("192.0.2.1"))
        for description in ("tls://dns.example", "tls:dns.example"):
            source = self.build(f"{description}:bootstrap=192.0.2.1:ca={self.ca}")
            self.assertEqual((self.find(source), self.find(source)), (["192.0.2.80"], ["192.0.2.80"]))
        self.assertEqual({asked.question.name for asked in finder.asked}, {b"\x03dns\x07example\x00"})
        self.assertEqual(len(finder.asked), 4)
        self.assertEqual(set(self.tls.names), {"dns.example"})

    def test_blockedPortFailsInOneLine(self) -> None:
        """
        If the network blocks port 853, the look-up fails with one line, and nothing is sent by another way.
        """
        self.canned.close()
        plain = CannedServer(WWW)
        plain.listen(self.there)
        for silent in (False, True):
            self.network.shape(destination="192.0.2.53", silent=silent)
            fault = self.fault(self.build(f"tls:192.0.2.53#dns.example:ca={self.ca}"))
            self.assertRegex(str(fault), r"^www\.test\.example\. A: 192\.0\.2\.53:853 (cannot be reached over TLS|did not answer)[^\n]*$")
        self.assertEqual((self.network.datagrams, plain.asked), ([], []))
        self.assertEqual({port for _, port in self.network.dialed}, {853})

    def test_bothWaysOnlyIfWritten(self) -> None:
        """
        A fall-back to plain DNS exists where the description has one.
        """
        self.canned.close()
        plain = CannedServer(WWW)
        plain.listen(self.there)
        self.assertIsInstance(self.fault(self.build(f"tls:192.0.2.53:ca={self.ca}")), Unreachable)
        self.assertEqual(self.find(self.build(f"chain:(tls:192.0.2.53:ca={self.ca}):udp:192.0.2.53")), ["192.0.2.80"])
