"""
Tests of L{twisted_ext.apps.robot.providers}: what is fetched, and what is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads
from twisted.logger import capturedLogs, formatEvent

from tests.endpoints.web import WebTestCase, response, trustRoot
from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.interfaces import IFetcher
from twisted_ext.apps.robot.limits import FETCH_OCTETS, FETCH_SECONDS
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.providers import Fetcher, FetchSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.endpoints import documents
from twisted_ext.testing.sources import Entry

#: The addresses of hosts. The last ones are private.
HOSTS: Final[dict[tuple[str, str], Entry]] = {
    ("www.example", "A"): "192.0.2.80",
    ("other.example", "A"): "192.0.2.81",
    ("a.dev.example", "A"): "192.0.2.80",
    ("inside.example", "A"): "10.0.0.1",
    ("both.example", "A"): ["192.0.2.80", "127.0.0.1"],
    ("mapped.example", "AAAA"): "::ffff:10.0.0.1",
    ("hint.example", "HTTPS"): "1 . ipv4hint=127.0.0.1",
    ("hint.example", "A"): "10.0.0.1",
    ("literal.example", "HTTPS"): "1 127.0.0.1.",
    ("short.example", "HTTPS"): "1 127.1.",
}


class FetchingTestCase(WebTestCase):
    """
    Documents that a robot fetches.
    """

    def fetcher(self, *hosts: str, private: Sequence[str] = ()) -> IFetcher:
        """
        Return the fetcher of a robot.
        """
        settings = RobotSettings(http=FetchSettings.fromTable({"hosts": list(hosts), "private": list(private)}))
        database = Database(cast(IReactorThreads, self.here), ":memory:", threaded=False)
        return IFetcher(Robot(self.here, settings, self.zone(HOSTS), database))

    def ended(self, found: Deferred[bytes]) -> bytes | str:
        """
        Let some seconds pass, and return the document, or the error.
        """
        for _ in range(40):
            self.network.advance(0.5)
        results: list[object] = []
        found.addCallbacks(results.append, lambda failure: results.append(str(failure.trap(CommandError) and failure.value)))
        self.assertEqual(len(results), 1)
        return cast("bytes | str", results[0])

    def fetched(self, fetcher: IFetcher, url: str) -> bytes | str:
        """
        Fetch a document, and return it, or the error.
        """
        return self.ended(fetcher.fetch(url))


class FetchTests(FetchingTestCase):
    """
    Tests of documents that are fetched.
    """

    def test_documentIsFetched(self) -> None:
        """
        The document at a URL is fetched without cookies or other state.
        """
        self.web("192.0.2.80", {"/a?b=c": response("words")})
        self.assertEqual(self.fetched(self.fetcher("http://www.example"), "http://www.example/a?b=c"), b"words")
        (request,) = self.requests
        self.assertTrue(request.startswith("GET /a?b=c HTTP/1.1\r\n"))
        self.assertNotIn("Cookie", request)

    def test_documentWritesNoLogLines(self) -> None:
        """
        A document that is fetched leaves no lines about Twisted's factories in the log.
        """
        self.web("192.0.2.80", {"/": response("words")})
        with capturedLogs() as logs:
            self.assertEqual(self.fetched(self.fetcher("http://www.example"), "http://www.example/"), b"words")
        self.assertEqual([formatEvent(each) for each in logs if "HTTP11ClientFactory" in formatEvent(each)], [])

    def test_documentWithoutLengthIsFetched(self) -> None:
        """
        A document that ends with the connection is fetched.
        """
        self.web("192.0.2.80", {"/": b"HTTP/1.0 200 OK\r\n\r\nwords"}, close=True)
        self.assertEqual(self.fetched(self.fetcher("http://www.example"), "http://www.example/"), b"words")

    def test_certificateIsVerified(self) -> None:
        """
        HTTPS is used with the certificate of the host only.
        """
        self.web("192.0.2.80", {"/": response("words")}, 443, certificate="www.example")
        self.web("192.0.2.81", {"/": response("words")}, 443, certificate="www.example")
        fetcher = self.fetcher("www.example", "other.example")
        assert isinstance(fetcher, Fetcher)
        fetcher.trustRoot = trustRoot()
        self.assertEqual(self.fetched(fetcher, "https://www.example/"), b"words")
        self.assertIn("other.example:443 at 192.0.2.81: its certificate is for another name", str(self.fetched(fetcher, "https://other.example/")))
        fetcher.trustRoot = None
        problem = "www.example:443 at 192.0.2.80: its certificate comes from 'made up', which is not trusted"
        self.assertIn(problem, str(self.fetched(fetcher, "https://www.example/")))
        self.assertEqual(len(self.requests), 1)

    def test_redirectIsFollowedToConfiguredHosts(self) -> None:
        """
        A redirect is followed if its target is allowed as well, and a few times only.
        """
        self.web(
            "192.0.2.80",
            {
                "/": response("", "302 Found", "Location: http://other.example/b"),
                "/evil": response("", "301 Moved", "Location: http://third.example/"),
                "/in": response("", "307 Moved", "Location: http://127.0.0.1/"),
                "/file": response("", "307 Moved", "Location: file:///etc/passwd"),
                "/loop": response("", "308 Moved", "Location: /loop"),
                "/nowhere": response("", "302 Found"),
                "/bad": response("", "302 Found", "Location: http://[::1"),
            },
        )
        self.web("192.0.2.81", {"/b": response("words")})
        fetcher = self.fetcher("http://www.example", "http://other.example")
        self.assertEqual(self.fetched(fetcher, "http://www.example/"), b"words")
        only = "documents are fetched only from the hosts that [http] lists"
        self.assertEqual(self.fetched(fetcher, "http://www.example/evil"), f"third.example: {only}")
        self.assertEqual(self.fetched(fetcher, "http://www.example/in"), f"127.0.0.1: {only}")
        self.assertIn(only, str(self.fetched(fetcher, "http://www.example/file")))
        self.assertEqual(self.fetched(fetcher, "http://www.example/loop"), "www.example: it redirects more than 3 times")
        self.assertEqual(self.fetched(fetcher, "http://www.example/nowhere"), "www.example: it replied with the status 302")
        self.assertIsInstance(self.fetched(fetcher, "http://www.example/bad"), str)

    def test_waitingDocumentIsCancelled(self) -> None:
        """
        A document that is no longer wanted is not waited for.
        """
        self.web("192.0.2.80", {})
        found = self.fetcher("http://www.example").fetch("http://www.example/")
        self.network.advance(1)
        found.cancel()
        self.failureResultOf(found)
        self.network.advance(1)


class RefusalTests(FetchingTestCase):
    """
    Tests of documents that are not fetched.
    """

    def refused(self, url: str, *hosts: str, private: Sequence[str] = ()) -> str:
        """
        Return why a document is not fetched, and check that no host was connected to.
        """
        self.dials.clear()
        said = self.fetched(self.fetcher(*hosts, private=private), url)
        assert isinstance(said, str)
        self.assertEqual(self.dials, [])
        return said

    def test_onlyConfiguredHostsAreConnectedTo(self) -> None:
        """
        Only hosts in the settings are connected to, at the port and with the scheme that they have there.
        """
        allowed = ("www.example", "*.dev.example", "other.example:8443")
        for url in (
            "https://other.example/",
            "https://www.example:444/",
            "https://www.example.evil.example/",
            "https://evilwww.example/",
            "https://dev.example/",
            "http://www.example/",
            "https://www.example@evil.example/",
            "https://evil.example#www.example",
            "https://evil.example\\@www.example.evil/",
            "ftp://www.example/",
            "www.example",
            "",
        ):
            self.assertIn("only from the hosts", self.refused(url, *allowed), url)

    def test_privateAddressesAreRefused(self) -> None:
        """
        A host with a private address is not connected to, in whatever way it is written, even if the settings list it.
        """
        for host in ("inside.example", "both.example", "mapped.example"):
            for scheme in ("http", "https"):
                said = self.refused(f"{scheme}://{host}/", f"http://{host}", host)
                self.assertIn("the answer has a private address", said)
                self.assertNotIn("rebinding-allow", said)
        for host in ("127.0.0.1", "127.1", "0x7f000001", "2130706433", "0"):
            self.assertIn("this is a private address", self.refused(f"http://{host}/", f"http://{host}"), host)
        for host in ("hint.example", "literal.example", "short.example"):
            self.assertIsInstance(self.refused(f"https://{host}/", host), str)

    def test_addressThatWasCheckedIsConnectedTo(self) -> None:
        """
        The name is looked up once for each family, and what was looked up is connected to: a second look-up could return another address.
        """
        self.web("192.0.2.80", {"/": response("words")})
        fetcher = self.fetcher("http://www.example")
        self.assertEqual(self.fetched(fetcher, "http://www.example/"), b"words")
        self.assertEqual(sorted([question.rrType for question in self.source.questions]), [1, 28])
        self.source.set("www.example", "A", "127.0.0.1")
        self.dials.clear()
        self.assertIn("private address", str(self.fetched(fetcher, "http://www.example/")))
        self.assertEqual(self.dials, [])

    def test_privateHostsCanBeAllowed(self) -> None:
        """
        A domain that the settings list as private may have such addresses.
        """
        self.web("10.0.0.1", {"/": response("words")})
        private = ("inside.example", "10.0.0.1")
        fetcher = self.fetcher("http://inside.example", "http://10.0.0.1", private=private)
        self.assertEqual(self.fetched(fetcher, "http://inside.example/"), b"words")
        self.assertEqual(self.fetched(fetcher, "http://10.0.0.1/"), b"words")

    def test_endlessDocumentIsRefused(self) -> None:
        """
        A server that sends more than the limit is disconnected, whether in the document or its headers.
        """
        much = b"x" * (int(FETCH_OCTETS.default) + 1)
        self.web(
            "192.0.2.80",
            {
                "/body": b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + much,
                "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000,
                "/headers": b"HTTP/1.1 200 OK\r\n" + b"X-A: y\r\n" * 150_000,
                "/endless": b"HTTP/1.1 200 OK\r\n\r\n" + much,
            },
        )
        for path in ("body", "chunked", "headers", "endless"):
            said = self.fetched(self.fetcher("http://www.example"), f"http://www.example/{path}")
            self.assertEqual(said, "www.example: it sent more than 1000000 octets", path)

    def test_slowServerIsNotWaitedFor(self) -> None:
        """
        A server that sends nothing, or never an end, is given up after a time.
        """
        self.web("192.0.2.80", {"/part": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"})
        for path in ("part", "nothing"):
            found = self.fetcher("http://www.example").fetch(f"http://www.example/{path}")
            self.network.advance(FETCH_SECONDS.default - 1)
            self.assertNoResult(found)
            self.assertEqual(self.ended(found), "the document did not arrive within 10 s")

    def test_rubbishIsRefused(self) -> None:
        """
        A server that does not speak HTTP, ends too early or replies with an error is reported in a few words.
        """
        self.web(
            "192.0.2.80",
            {
                "/rubbish": b"\x00\xff\r\n\r\n",
                "/short": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
                "/none": b"",
                "/error": response("no", "500 Broken"),
                "/empty": response("", "204 Nothing"),
            },
            close=True,
        )
        fetcher = self.fetcher("http://www.example")
        for path in ("rubbish", "short", "none"):
            self.assertIn("www.example: this is not HTTP, or not all of it", str(self.fetched(fetcher, f"http://www.example/{path}")))
        self.assertEqual(self.fetched(fetcher, "http://www.example/error"), "www.example: it replied with the status 500")
        self.assertEqual(self.fetched(fetcher, "http://www.example/empty"), "www.example: it replied with the status 204")
        self.assertIn("www.example", str(self.fetched(self.fetcher("http://www.example:81"), "http://www.example:81/")))

    def test_errorsDoNotRepeatTheURL(self) -> None:
        """
        An error does not contain the path or query of a URL, which may have a key.
        """
        fetcher = self.fetcher("http://www.example", "http://none.example")
        for url in ("http://www.example/?key=hunter2", "http://none.example/?key=hunter2", "http://[x?key=hunter2", "http://a\x00/?key=hunter2"):
            self.assertNotIn("hunter2", str(self.fetched(fetcher, url)))


class DefenseTests(FetchingTestCase):
    """
    Tests that fail without the defense, each with the defense off.
    """

    def test_withoutTheFilterPrivateAddressesAreReached(self) -> None:
        """
        It is the filter of the resolver that keeps a public name from a private address.
        """

        def unfiltered(source: object, *rest: object) -> object:
            return source

        self.patch(documents, "StopRebinding", unfiltered)
        self.web("10.0.0.1", {"/": response("words")})
        self.assertEqual(self.fetched(self.fetcher("http://inside.example"), "http://inside.example/"), b"words")

    def test_withoutTheCheckPrivateLiteralsAreReached(self) -> None:
        """
        It is the check of the host that keeps literal addresses out.
        """

        def never(packed: bytes) -> bool:
            return False

        self.patch(documents, "isPrivate", never)
        self.web("10.0.0.1", {"/": response("words")})
        self.assertEqual(self.fetched(self.fetcher("http://10.0.0.1"), "http://10.0.0.1/"), b"words")

    def test_withoutTheCountDocumentsAreRead(self) -> None:
        """
        It is the count of octets that ends a document that is too long.
        """
        self.patch(FETCH_OCTETS, "default", 10_000_000)
        self.web("192.0.2.80", {"/": response("x" * 1_000_001)})
        self.assertEqual(len(self.fetched(self.fetcher("http://www.example"), "http://www.example/")), 1_000_001)
