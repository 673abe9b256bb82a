"""
Tests of the prefix of DNS over HTTPS.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from twisted.internet.protocol import DatagramProtocol

from tests.certificates import certificateFor, written
from tests.networks import WWW, NetworkTestCase
from tests.transport.https.http3servers import HTTP3Server
from tests.transport.https.httpsservers import TYPE, HTTPSServer, Request
from tests.transport.https.test_proxy import Proxy
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.errors import BadDescription
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.listeners.tls.certificates import Pair
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Message


class HTTPSDescriptionTests(NetworkTestCase):
    """
    Tests of descriptions of servers over HTTPS.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.ca = str(written(folder)).replace(":", "\\:")
        self.tls = ServerTLS(leaf("dns.example", "192.0.2.53"), protocols=[b"h2"])
        self.canned = CannedServer(WWW)
        self.web = HTTPSServer(self.canned)
        self.there = self.network.reactor("192.0.2.53")
        self.web.listen(self.there, self.tls)
        self.source: IAnswerSource | None = None

    def tearDown(self) -> None:
        self.closeSource()
        super().tearDown()

    def closeSource(self) -> None:
        """
        Close the source, and wait for it.
        """
        if self.source is not None:
            closed = self.source.close()
            self.network.advance(1)
            self.successResultOf(closed)

    def build(self, description: str) -> IAnswerSource:
        """
        Build a source.
        """
        self.closeSource()
        self.source = sourceFromString(self.here, description)
        return self.source

    def test_formsOfOneServer(self) -> None:
        """
        A server is given by its URL, and its address in the URL or beside it.
        """
        for description, method, path in (
            ("https://192.0.2.53", "POST", "/dns-query"),
            ("https://dns.example:address=192.0.2.53", "POST", "/dns-query"),
            ("https://dns.example:443/dns-query:address=192.0.2.53:method=POST", "POST", "/dns-query"),
            ("https://dns.example/q{?dns}:address=192.0.2.53:method=get", "GET", "/q?dns="),
            ("https://dns.example/q?token=1{&dns}:address=192.0.2.53:method=GET:keep=0", "GET", "/q?token=1&dns="),
            ("https://dns.example:address=192.0.2.53@443", "POST", "/dns-query"),
        ):
            self.web.requests.clear()
            self.assertEqual(self.find(self.build(f"{description}:ca={self.ca}")), ["192.0.2.80"], description)
            (request,) = self.web.requests
            self.assertEqual(request.fields[":method"], method)
            self.assertTrue(request.fields[":path"].startswith(path), request.fields[":path"])
        self.assertEqual(self.network.datagrams, [])

    def test_nameIsBootstrapped(self) -> None:
        """
        The address of the server is looked up at the bootstrap servers, and nothing else is asked there.
        """
        finder = CannedServer({("dns.example", "A"): "192.0.2.53"})
        finder.listen(self.network.reactor("192.0.2.1"))
        source = self.build(f"https://dns.example/dns-query:bootstrap=192.0.2.1:ca={self.ca}")
        self.assertEqual((self.find(source), self.find(source)), (["192.0.2.80"], ["192.0.2.80"]))
        self.assertEqual([asked.question.name for asked in finder.asked], [b"\x03dns\x07example\x00"] * 2)
        self.assertEqual(self.tls.names, ["dns.example"])

    def test_proxy(self) -> None:
        """
        Through a proxy, the name of the server is looked up by the proxy alone.
        """
        middle = self.network.reactor("192.0.2.8")
        proxy = Proxy(middle, Server("192.0.2.53", 443))
        middle.listenTCP(8080, proxy)
        source = self.build(f"https://dns.example/dns-query:proxy=192.0.2.8@8080:ca={self.ca}")
        self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual((len(proxy.heads), self.network.datagrams), (1, []))

    def test_inOtherDescriptions(self) -> None:
        """
        A URL may be within other descriptions, with and without parentheses.
        """
        for description in (
            f"cache:https://dns.example/dns-query:address=192.0.2.53:ca={self.ca}",
            f"chain:(https://dns.example/dns-query:address=192.0.2.53:ca={self.ca}):(hosts)",
        ):
            self.assertEqual(self.find(self.build(description)), ["192.0.2.80"], description)

    def test_blockedPortFailsInOneLine(self) -> None:
        """
        If the network blocks port 443, the look-up fails with one line, and nothing is sent by another way, or to another server.
        """
        plain = CannedServer(WWW)
        there = self.network.reactor("192.0.2.54")
        plain.listen(there)
        for silent in (False, True):
            self.network.shape(destination="192.0.2.54", silent=silent)
            fault = self.fault(self.build(f"https://dns.example:address=192.0.2.54:ca={self.ca}"))
            expected = r"192\.0\.2\.54:443 (cannot be reached over HTTPS|did not answer)[^\n]*$"
            self.assertRegex(str(fault), expected)
        self.assertEqual((self.network.datagrams, plain.asked), ([], []))
        self.assertEqual({port for _, port in self.network.dialed}, {443})

    def test_http3(self) -> None:
        """
        HTTP/3 is used as the description says, and there is no other transport with C{only}.
        """
        octets = certificateFor("dns.example")
        modern = HTTP3Server(self.there, self.canned, Pair(octets, octets, ""))
        for mode, times in (("yes", 1), ("first", 1), ("only", 1), ("no", 0), ("auto", 0)):
            modern.requests.clear()
            found = self.find(self.build(f"https://dns.example:address=192.0.2.53:ca={self.ca}:http3={mode}"))
            self.assertEqual((found, len(modern.requests)), (["192.0.2.80"], times), mode)
        self.closeSource()
        modern.stop()
        fault = self.fault(self.build(f"https://dns.example:address=192.0.2.53:ca={self.ca}:http3=only"))
        self.assertIn("cannot be reached over HTTP/3", str(fault))

    def test_blockedHTTP3(self) -> None:
        """
        A look-up whose network drops HTTP/3, which the server offers, is answered over HTTP/2.
        """

        def offer(request: Request) -> None:
            octets = self.canned.repliesTo(Message.fromWire(request.message), "tcp")[0]
            request.peer.respond(request.stream, octets, headers=(TYPE, (b"alt-svc", b'h3=":443"')))

        self.web.handle = offer
        silent = self.there.listenUDP(443, DatagramProtocol())
        source = self.build(f"https://dns.example:address=192.0.2.53:ca={self.ca}:keep=0")
        for sent in (False, True, True):
            self.assertEqual(self.find(source), ["192.0.2.80"])
            self.assertEqual(bool(self.network.datagrams), sent)
        silent.stopListening()

    def test_wrongDescriptions(self) -> None:
        """
        A wrong description is an error of one line that says what would be right.
        """
        for description, text in (
            ("https", "url is missing"),
            ("https:dns.example", "write https://dns.example/dns-query"),
            ("https://", "the host is missing"),
            ("https://dns.example/dns-query#other.example", "leave it out"),
            ("https://user@dns.example/", "names and passwords in URLs are not supported"),
            ("https://dns.example/{dns}", "{?dns}"),
            ("https://dns.example/a{?dns}{?dns}", "one expression"),
            ("https://dns.example:method=PUT", "method takes POST or GET, not 'PUT'"),
            ("https://dns.example:address=dns.example", "is not an IP address"),
            ("https://dns.example:address=192.0.2.53:bootstrap=192.0.2.1", "bootstrap is for a server given by its name"),
            ("https://192.0.2.53:bootstrap=192.0.2.1", "bootstrap is for a server given by its name"),
            ("https://dns.example:proxy=192.0.2.8:address=192.0.2.53", "leave out address and bootstrap"),
            ("https://192.0.2.53:minimum=1.1", "there are 1.2, 1.3"),
            ("https://192.0.2.53:pins=x", "is not a valid pin"),
            ("https://192.0.2.53:adress=192.0.2.53", "did you mean 'address'?"),
            ("https://192.0.2.53:ca=/nowhere/ca.pem", "No such file"),
            ("https://192.0.2.53:http3=maybe", "http3 takes auto, first, only or no, not 'maybe'"),
            ("https://dns.example:proxy=192.0.2.8:http3=only", "HTTP/3 does not go through proxies"),
        ):
            fault = self.assertRaises(BadDescription, sourceFromString, self.here, description)
            self.assertIn(text, str(fault), description)
            self.assertNotIn("\n", str(fault))

    def test_missingExtraIsNamed(self) -> None:
        """
        Without the h2 library, the error names the extra.
        """
        import sys

        for name in ("https.exchange", "https.core"):
            module = sys.modules.pop(f"twisted_ext.transport.{name}", None)
            if module is not None:
                self.addCleanup(sys.modules.__setitem__, f"twisted_ext.transport.{name}", module)
        real = builtins.__import__

        def fake(
            name: str,
            namespace: Mapping[str, object] | None = None,
            local: Mapping[str, object] | None = None,
            members: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            if name.partition(".")[0] == "h2":
                raise ModuleNotFoundError("No module named 'h2'", name="h2")
            return real(name, namespace, local, members or (), level)

        self.patch(builtins, "__import__", fake)
        fault = self.assertRaises(BadDescription, sourceFromString, self.here, "https://192.0.2.53")
        self.assertIn("https: queries by HTTPS need h2, which is not installed: pip install 'twisted-ext[https]'", str(fault))
