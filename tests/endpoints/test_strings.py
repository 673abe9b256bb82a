"""
Tests of L{twisted_ext.endpoints.strings} and L{twisted_ext.endpoints.prefixes}: endpoints from text.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from twisted.internet.endpoints import quoteStringArgument
from twisted.internet.error import DNSLookupError, TimeoutError
from twisted.internet.interfaces import IStreamClientEndpoint

from tests.certificates import certificateFor, written
from tests.endpoints.reaching import ReachingTestCase
from tests.typed import clientEndpoint, suppressed
from twisted_ext.compat.names import NamesResolver
from twisted_ext.endpoints import TargetsFailed, dane, endpoints, mail, strings
from twisted_ext.endpoints.prefixes import ENDPOINTS
from twisted_ext.errors import BadDescription
from twisted_ext.testing.servers import CannedServer

__all__: list[str] = []

_quoted: Final[Callable[[str], str]] = quoteStringArgument


class DescribedTests(ReachingTestCase):
    """
    Tests of endpoint descriptions.
    """

    # Twisted passes these to OpenSSL.
    suppress = [suppressed(message="Passing pyOpenSSL .* objects is deprecated", category=DeprecationWarning)]

    def describedEndpoint(self, description: str | bytes) -> IStreamClientEndpoint:
        """
        Return the endpoint that Twisted creates.
        """
        return clientEndpoint(self.here, description)

    def errorOf(self, description: str | bytes) -> str:
        """
        Return the one-line error.
        """
        text = str(self.assertRaises(BadDescription, self.describedEndpoint, description))
        self.assertNotIn("\n", text)
        return text

    def folder(self) -> Path:
        """
        Return a folder that is removed after the test.
        """
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def test_prefixesAreFound(self) -> None:
        """
        Twisted finds the prefixes in any letter case, and descriptions can be octets.
        """
        for description, shown in (
            ("srv:_x._tcp.example.org", "<SRVEndpoint _x._tcp.example.org>"),
            (b"SRV:_x._tcp.example.org", "<SRVEndpoint _x._tcp.example.org>"),
            ("srv:owner=_x._tcp.example.org:defaultPort=5222", "<SRVEndpoint _x._tcp.example.org>"),
            ("dns:www.example.org:80", "<HostEndpoint www.example.org:80>"),
            ("dns:host=www.example.org:port=80:timeout=1.5", "<HostEndpoint www.example.org:80>"),
            (r"dns:[2001\:db8\:\:1]:80", "<HostEndpoint [2001:db8::1]:80>"),
            ("https-rr:www.example.org", "<HTTPSEndpoint www.example.org:443>"),
            ("https-rr:www.example.org:8443:alpn=h2, http/1.1", "<HTTPSEndpoint www.example.org:8443>"),
            ("dane:www.example.org:443", "<DaneEndpoint www.example.org:443>"),
            ("dane:mail.example.org:25:starttls=smtp:fallback=none", "<DaneEndpoint mail.example.org:25>"),
            ("mx:example.org", "<MailEndpoint example.org>"),
        ):
            self.assertEqual(repr(self.describedEndpoint(description)), shown)

    def test_tlsWrapsEndpoints(self) -> None:
        """
        Twisted's C{tls:} wraps these endpoints.
        """
        held = self.describedEndpoint(r"tls:example.org:443:endpoint=srv\:_x._tcp.example.org")
        self.assertIn("<SRVEndpoint _x._tcp.example.org>", [repr(each) for each in vars(held).values()])

    def test_describedEndpointConnects(self) -> None:
        """
        A described endpoint connects with its own resolver, in an escaped description, and a default port.
        """
        records = {("_x._tcp.example.org", "SRV"): "0 0 5222 a.example.", ("a.example", "A"): "192.0.2.80"}
        server = CannedServer({**records, ("b.example", "A"): "192.0.2.80"}, otherwise=[])
        where = server.listen(self.network.reactor("192.0.2.53"))
        self.listen("192.0.2.80", port=5222)
        resolver = _quoted(f"udp:192.0.2.53:{where.port}")
        for description in (
            f"srv:_x._tcp.example.org:resolver={resolver}",
            f"srv:_x._tcp.b.example:defaultPort=5222:resolver={resolver}:bindAddress=192.0.2.7",
            f"dns:b.example:5222:resolver={resolver}",
        ):
            found = self.connect(self.describedEndpoint(description))
            self.network.advance(1)
            self.assertEqual(self.reached(found), "192.0.2.80 5222")

    def test_zeroTimeoutIsTheMinimum(self) -> None:
        """
        A timeout of 0 is the minimum of a tenth of a second.
        """
        server = CannedServer({("b.example", "A"): "192.0.2.80"}, otherwise=[])
        where = server.listen(self.network.reactor("192.0.2.53"))
        found = self.connect(self.describedEndpoint(f"dns:b.example:80:timeout=0:resolver={_quoted(f'udp:192.0.2.53:{where.port}')}"))
        self.network.advance(0.09)
        self.assertNoResult(found)
        self.network.advance(0.05)
        self.assertIsInstance(self.failureResultOf(found, TargetsFailed).value.attempts[0].error, TimeoutError)

    def test_missingFamilyIsReported(self) -> None:
        """
        A host without addresses of the bind address' family is reported.
        """
        server = CannedServer({("b.example", "A"): "192.0.2.80", ("c.example", "AAAA"): "2001:db8::80"}, otherwise=[])
        where = server.listen(self.network.reactor("192.0.2.53"))
        errors: list[str] = []
        for words in ("b.example:80:bindAddress=\\:\\:1", "192.0.2.80:80:bindAddress=\\:\\:1", "c.example:80:bindAddress=192.0.2.7"):
            found = self.connect(self.describedEndpoint(f"dns:{words}:resolver={_quoted(f'udp:192.0.2.53:{where.port}')}"))
            self.network.advance(1)
            errors.append(str(self.failureResultOf(found, DNSLookupError).value))
        six = "and no other can be connected to from ::1"
        self.assertEqual(
            errors,
            [
                f"b.example: the name has no IPv6 address, {six}",
                f"192.0.2.80: this is not an IPv6 address, {six}",
                "c.example: the name has no IPv4 address, and no other can be connected to from 192.0.2.7",
            ],
        )

    def test_everyOptionIsPassedOn(self) -> None:
        """
        Every option is passed to the endpoint.
        """
        folder = self.folder()
        own = folder / "own.pem"
        own.write_bytes(certificateFor("client.example"))
        given: list[dict[str, object]] = []

        def endpoint(*words: object, **named: object) -> IStreamClientEndpoint:
            given.append(named)
            return endpoints.TargetsEndpoint(self.here, [])

        common = {
            "resolver": "hosts",
            "timeout": 3.0,
            "bindAddress": "192.0.2.7",
            "attemptDelay": 0.1,
            "priorityDelay": 0.5,
            "lookupTimeout": 2.0,
        }
        text = "".join([f":{key}={value}" for key, value in common.items()])
        self.patch(strings, "SRVEndpoint", endpoint)
        self.describedEndpoint(f"srv:a{text}")
        self.assertEqual(given[0], common)
        self.patch(strings, "HTTPSEndpoint", endpoint)
        for root in (written(folder), folder):
            self.describedEndpoint(f"https-rr:a{text}:alpn=h2,x:trustRoots={root}:certificate={own}:privateKey={own}")
            self.describedEndpoint(f"https-rr:a{text}:alpn=h2,x:trustRoots={root}:certificate={own}")
        for each in given[1:]:
            self.assertEqual({key: each[key] for key in common}, common)
            self.assertEqual(each["alpn"], ["h2", "x"])
            self.assertIsNotNone(each["trustRoot"])
            self.assertIsNotNone(each["clientCertificate"])

    def test_everyOptionOfAuthenticationIsPassedOn(self) -> None:
        """
        Every option of the endpoints that authenticate servers by TLSA records is passed on.
        """
        own = self.folder() / "own.pem"
        own.write_bytes(certificateFor("client.example"))
        given: list[dict[str, object]] = []

        def endpoint(*words: object, **named: object) -> IStreamClientEndpoint:
            given.append(named)
            return endpoints.TargetsEndpoint(self.here, [])

        options: dict[str, object] = {"resolver": "hosts", "timeout": 3.0, "bindAddress": "192.0.2.7", "attemptDelay": 0.1}
        options |= {"lookupTimeout": 2.0, "fallback": "pkix", "hello": "client.example"}
        options |= {"trustRoots": str(own), "certificate": str(own), "privateKey": str(own)}
        text = "".join([f":{key}={value}" for key, value in options.items()])
        self.patch(dane, "DaneEndpoint", endpoint)
        self.describedEndpoint(f"dane:a:25{text}:starttls=smtp:alpn=h2,x")
        self.assertEqual(given[0], {**options, "starttls": "smtp", "alpn": ["h2", "x"]})
        self.patch(mail, "MailEndpoint", endpoint)
        self.describedEndpoint(f"mx:a{text}")
        self.assertEqual(given[1], options)

    def test_invalidDescriptionIsExplained(self) -> None:
        """
        An invalid description is refused with one line that says what is valid.
        """
        folder = self.folder()
        (folder / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
        (folder / "empty").mkdir()
        os.mkfifo(folder / "pipe")
        usage = "".join([f"[:{each}=...]" for each in ("resolver", "timeout", "bindAddress", "attemptDelay")])
        for description, words in (
            ("srv:", "srv: owner is missing; it is srv:owner[:defaultPort=...]"),
            ("dns:a", f"dns: port is missing; it is dns:host:port{usage}[:lookupTimeout=...]"),
            ("dns:a:http", "dns: port takes a whole number, not 'http'"),
            ("dns:a:0", "dns: 0 is not a valid port; they are numbered from 1 to 65535"),
            ("dns:a:80:port=81", "dns: port is given twice"),
            ("dane:192.0.2.1:443", "dane: 192.0.2.1 is an address: TLSA records are at names, such as mail.example.org"),
            ("dane:a:443:starttls=imap", "dane: starttls: 'imap' is not known; there is smtp"),
            (f"dane:a:443:trustRoots={folder}/none", f"dane: {folder}/none"),
            ("mx:a:fallback=maybe", "mx: fallback: 'maybe' is not known; there are none, pkix, opportunistic"),
            ("srv:a..b", "srv: 'a..b': a label is empty; write one dot between labels"),
            ("srv:a:resolver=udp:192.0.2.1", "srv: '192.0.2.1' is one argument too many; it is srv:owner["),
            ("srv:a:resolver=upd", "srv: resolver: 'upd', column 1: there is no prefix 'upd'; did you mean 'udp'?"),
            ("srv:a:tiemout=3", "srv: there is no option 'tiemout'; did you mean 'timeout'?"),
            ("srv:a:timeout=soon", "srv: timeout takes a number, not 'soon'"),
            ("srv:a:lookupTimeout=-1", "srv: lookupTimeout: the timeout -1.0 is neither a number of seconds nor"),
            ("srv:a:bindAddress=eth0", "srv: bindAddress: 'eth0' is not an address to connect from; write one such as"),
            ("srv:a:bindAddress=", "srv: bindAddress: '' is not an address to connect from"),
            ("dns:a:80:timeout=-1", "dns: timeout: -1.0 is not a number of seconds from 0 on, such as 30"),
            ("dns:a:80:attemptDelay=-1", "dns: attemptDelay: -1.0 is not a number of seconds from 0 on, such as 0.25"),
            ("https-rr:a:recordDelay=-1", "https-rr: recordDelay: -1.0 is not a number of seconds from 0 on, such as 0.25"),
            (r"dns:192.0.2.1\:80:80", "dns: '192.0.2.1:80' is not a valid host name; write one such as"),
            ("dns:a b:80", "dns: 'a b' is not a valid host name; write one such as 'www.example.org', and the port beside it"),
            ("https-rr:a:65536", "https-rr: 65536 is not a valid port; they are numbered from 1 to 65535"),
            (b"srv:\xff", "srv: b'\\xff' is not UTF-8 text"),
            ("https-rr:a:privateKey=x", "https-rr: privateKey is of no use without certificate"),
            (f"https-rr:a:trustRoots={folder}/no", f"https-rr: {folder}/no cannot be read: No such file or directory"),
            (f"https-rr:a:trustRoots={folder}/pipe", f"https-rr: {folder}/pipe cannot be read: a file was expected"),
            (f"https-rr:a:trustRoots={folder}/empty", f"https-rr: there is no certificate in {folder}/empty"),
            (f"https-rr:a:trustRoots={folder}", f"https-rr: {folder}/bad.pem has an invalid certificate, or one that is not in PEM"),
            (f"https-rr:a:certificate={folder}/none", f"https-rr: {folder}/none cannot be read: No such file or directory"),
            (f"https-rr:a:certificate={folder}/bad.pem:privateKey={folder}/none", f"https-rr: {folder}/none cannot be read: "),
            (f"https-rr:a:certificate={folder}/bad.pem", f"https-rr: {folder}/bad.pem with {folder}/bad.pem: this is not a certificate"),
        ):
            message = self.errorOf(description)
            self.assertTrue(message.startswith(words), message)
        self.assertTrue(self.errorOf("srv:a:b").endswith("and a colon inside an argument is written \\:"))

    def test_resolverIsKept(self) -> None:
        """
        A described resolver is created once for an endpoint, so that connections share its cache.
        """
        server = CannedServer({("a.example", "A"): "192.0.2.80"}, otherwise=[])
        where = server.listen(self.network.reactor("192.0.2.53"))
        self.listen("192.0.2.80")
        resolver = _quoted(f"cache:udp:192.0.2.53:{where.port}")
        endpoint = self.describedEndpoint(f"dns:a.example:80:resolver={resolver}")
        for _ in range(3):
            found = self.connect(endpoint)
            self.network.advance(1)
            self.reached(found)
        self.assertEqual(len(server.asked), 2)

    def test_pluginsImportNothing(self) -> None:
        """
        The plugins import neither a resolver nor TLS when they are loaded.
        """
        self.assertEqual(repr(ENDPOINTS[0]), "<LazyEndpointParser srv>")
        program = (
            "import sys, twisted_ext.endpoints.prefixes\n"
            "print([name for name in sys.modules if name.startswith(('twisted_ext.', 'twisted.names', 'OpenSSL'))])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        loaded = ["twisted_ext.lazy", "twisted_ext.endpoints", "twisted_ext.endpoints.prefixes"]
        self.assertEqual(done.stdout.strip(), str(loaded))
        self.assertNotIsInstance(ENDPOINTS[0], NamesResolver)
