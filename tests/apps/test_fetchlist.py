"""
Tests of L{twisted_ext.apps.fetchlist}: how lists are fetched, and what is no list.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.certificates import authority, made, pem
from tests.endpoints.web import WebTestCase, response, trustRoot
from twisted_ext.apps.fetchlist import ListFetcher
from twisted_ext.endpoints import documents
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.limits import LIST_FETCH_OCTETS, LIST_FETCH_SECONDS
from twisted_ext.server.config.settings import Settings
from twisted_ext.testing.sources import Entry

#: The addresses of hosts.
HOSTS: Final[dict[tuple[str, str], Entry]] = {
    ("lists.example", "A"): "192.0.2.80",
    ("mirror.example", "A"): "192.0.2.81",
    ("inside.example", "A"): "10.0.0.1",
    ("lists.lan", "A"): "10.0.0.1",
}

LIST: Final = "ads.example\nmore.example\nnot a line\n"


class FetchListTestCase(WebTestCase):
    """
    A folder for what is fetched.
    """

    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "ads.1.new"
        self.given: dict[str, object] = {}
        self.hosts = {**HOSTS}
        self.public = False

    def fetched(self, url: str, etag: str = "", modified: str = "", source: str = "") -> dict[str, object]:
        """
        Fetch a list, and return what the program writes.

        @param source: the URL that the version is from; C{""} for the list's.
        """
        fetcher = ListFetcher(self.here, self.zone(self.hosts).source, Settings.of(**self.given))
        fetcher.trustRoot = trustRoot()
        job = {"url": url, "path": str(self.path), "etag": etag, "modified": modified, "source": source or url, "public": self.public}
        found = fetcher.run(job)
        for _ in range(round(LIST_FETCH_SECONDS.default) * 2 + 2):
            if found.called:
                break
            self.network.advance(0.5)
        return self.successResultOf(found)

    def whyNot(self, url: str, etag: str = "") -> str:
        """
        Return why a list is not fetched, and check that nothing is left of it.
        """
        said = self.fetched(url, etag)
        self.assertEqual([*said], ["failed"])
        self.assertEqual(os.listdir(self.folder), [])
        return str(said["failed"])


class FetchListTests(FetchListTestCase):
    """
    Tests of lists that are fetched.
    """

    def test_listIsFetched(self) -> None:
        """
        The list is written to the file, and what is known of it is returned.
        """
        reply = response(LIST, "200 OK", 'ETag: "a"', "Last-Modified: Tue, 24 Nov 2026 06:10:00 GMT")
        self.web("192.0.2.80", {"/ads": reply}, 443, certificate="lists.example")
        said = self.fetched("https://lists.example/ads")
        self.assertEqual(
            said,
            {
                "changed": True,
                "digest": blake2b(LIST.encode(), digest_size=16).hexdigest(),
                "octets": len(LIST),
                "rules": 2,
                "wrong": 1,
                "said": "line 3: 'not a line' is not a domain, nor a line of a hosts file",
                "etag": '"a"',
                "modified": "Tue, 24 Nov 2026 06:10:00 GMT",
                "source": "https://lists.example/ads",
            },
        )
        self.assertEqual(self.path.read_text(), LIST)
        (request,) = self.requests
        self.assertIn("Accept-Encoding: identity\r\n", request)
        self.assertNotIn("If-None-Match", request)

    def test_unchangedListIsNotSent(self) -> None:
        """
        The server is told which version there is, and says that it has not changed.
        """
        self.web("192.0.2.80", {"/ads": response("", "304 Not Modified")}, 443, certificate="lists.example")
        self.assertEqual(self.fetched("https://lists.example/ads", '"a"', "Tue, 24 Nov 2026 06:10:00 GMT"), {"changed": False})
        self.assertIn('If-None-Match: "a"\r\n', self.requests[0])
        self.assertIn("If-Modified-Since: Tue, 24 Nov 2026 06:10:00 GMT\r\n", self.requests[0])
        self.assertEqual(os.listdir(self.folder), [])
        self.assertIn("which it was not asked", self.whyNot("https://lists.example/ads"))

    def test_versionIsForItsURL(self) -> None:
        """
        The version of a list is named to the URL that it is from, be it the list's or one that it redirects to, and to no other.
        """
        there = response("", "302 Found", "Location: https://mirror.example/ads")
        self.web("192.0.2.80", {"/ads": there, "/moved": response("", "302 Found", "Location: /ads")}, 443, certificate="lists.example")
        self.web("192.0.2.81", {"/ads": response(LIST, "200 OK", 'ETag: "m"')}, 443, certificate="mirror.example")
        said = self.fetched("https://lists.example/moved", '"a"', "Tue, 24 Nov 2026 06:10:00 GMT")
        self.assertEqual((said["etag"], said["source"]), ('"m"', "https://mirror.example/ads"))
        sent = [('If-None-Match: "a"' in request, "If-Modified-Since: " in request) for request in self.requests]
        self.assertEqual(sent, [(True, True), (False, False), (False, False)])
        self.path.unlink()
        self.requests.clear()
        self.fetched("https://lists.example/ads", '"m"', source="https://mirror.example/ads")
        self.assertEqual(['If-None-Match: "m"' in request for request in self.requests], [False, True])

    def test_longRedirect(self) -> None:
        """
        The URL of a redirect that is too long to be remembered is followed; the list is fetched whole the next time.
        """
        there = f"/{'a' * 8_000}"
        self.web(
            "192.0.2.80",
            {"/ads": response("", "302 Found", f"Location: {there}"), there: response(LIST)},
            443,
            certificate="lists.example",
        )
        self.assertEqual(self.fetched("https://lists.example/ads")["source"], "")

    def test_redirectIsFollowed(self) -> None:
        """
        A redirect to another host is followed with its certificate, five times at most.
        """
        there = response("", "302 Found", "Location: https://mirror.example/ads")
        self.web("192.0.2.80", {"/ads": there, "/loop": response("", "302 Found", "Location: /loop")}, 443, certificate="lists.example")
        self.web("192.0.2.81", {"/ads": response(LIST)}, 443, certificate="mirror.example")
        self.assertEqual(self.fetched("https://lists.example/ads")["rules"], 2)
        self.path.unlink()
        self.assertEqual(self.whyNot("https://lists.example/loop"), "lists.example: it redirects more than 5 times")

    def test_hostsInside(self) -> None:
        """
        Hosts that the settings say to be inside may have private addresses, and so may one that the URL names by its address.
        """
        self.web("10.0.0.1", {"/ads": response(LIST)}, 443, certificate="lists.lan")
        self.assertIn("private address", self.whyNot("https://lists.lan/ads"))
        inside: list[dict[str, object]] = [{"localDomain": "lan"}, {"rebindingAllow": "lan"}, {"route": {"lan": "192.0.2.1"}}]
        for self.given in inside:
            self.assertEqual(self.fetched("https://lists.lan/ads")["rules"], 2)
            self.path.unlink()
        self.given = {}
        self.web("10.0.0.2", {"/ads": response(LIST)}, 443, certificate="10.0.0.2")
        self.assertEqual(self.fetched("https://10.0.0.2/ads")["rules"], 2)

    def test_hostsInsideForAddedLists(self) -> None:
        """
        A list that was added while the server runs is not fetched from a private address, however it is written and whatever settings let
        pass, also after a redirect; nothing is connected to, and the error has no address that was found. Without the defense it is.
        """
        self.public = True
        for host in ("10.0.0.1", "127.0.0.1", "100.64.0.1", "169.254.169.254", "[::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "0x7f000001"):
            self.assertIn("this is a private address", self.whyNot(f"https://{host}/"))
        for host in ("012.0.0.1", "2130706433", "127.1"):
            self.assertIn("private address", self.whyNot(f"https://{host}/"), host)
        reply = response("", "302 Found", "Location: https://lists.lan/ads")
        self.web("192.0.2.80", {"/ads": reply, "/there": response(LIST)}, 443, certificate="lists.example")
        self.web("10.0.0.1", {"/ads": response(LIST)}, 443, certificate="lists.lan")
        inside: list[dict[str, object]] = [{"localDomain": "lan"}, {"rebindingAllow": "lan"}, {"route": {"lan": "192.0.2.1"}}]
        for self.given in inside:
            self.dials.clear()
            for url in ("https://lists.lan/ads", "https://lists.example/ads"):
                said = self.whyNot(url)
                self.assertIn("private address", said)
                self.assertNotIn("10.0.0.1", said)
            self.assertEqual({host for _, host in self.dials}, {"192.0.2.80"})
        self.assertEqual(self.fetched("https://lists.example/there")["rules"], 2)
        self.path.unlink()
        self.public = False
        self.assertEqual(self.fetched("https://lists.example/ads")["rules"], 2)


class RefusalTests(FetchListTestCase):
    """
    Tests of what is not taken for a list.
    """

    def offering(self, *replies: bytes, close: bool = False) -> Sequence[str]:
        """
        Start a server with these replies, and return the errors about them.
        """
        paths = {f"/{number}": reply for number, reply in enumerate(replies)}
        self.web("192.0.2.80", paths, 443, close=close, certificate="lists.example")
        return [self.whyNot(f"https://lists.example{path}") for path in paths]

    def test_redirectsAreChecked(self) -> None:
        """
        No redirect leads to a private address, in whatever way it is written, nor away from HTTPS.
        """
        places = [
            "https://10.0.0.1/",
            "https://inside.example/",
            "https://0x7f000001/",
            "http://mirror.example/",
            "file:///etc/passwd",
            "https://me:hunter2@mirror.example/",
            "https://:443/",
        ]
        said = self.offering(*[response("", "302 Found", f"Location: {place}") for place in places])
        self.assertEqual(said[0], "10.0.0.1: this is a private address")
        self.assertIn("inside.example", said[1])
        self.assertIn("private address", said[1])
        self.assertEqual(said[2], "0x7f000001: this is a private address")
        self.assertEqual(said[3], "mirror.example: this is not https, so that anybody on the way could change the list")
        self.assertEqual(said[4], "a redirect of lists.example: this is not https, so that anybody on the way could change the list")
        self.assertEqual(said[5], "mirror.example: names and passwords in URLs are not used")
        self.assertIn("the URL has no host", said[6])

    def test_privateAddressAfterResolution(self) -> None:
        """
        A name with a private address is not connected to; without the defense it is.
        """
        self.web("10.0.0.1", {"/": response(LIST)}, 443, certificate="inside.example")
        self.dials.clear()
        self.assertIn("private address", self.whyNot("https://inside.example/"))
        self.assertEqual(self.dials, [])

        def unfiltered(source: object, *rest: object) -> object:
            return source

        self.patch(documents, "StopRebinding", unfiltered)
        self.assertEqual(self.fetched("https://inside.example/")["rules"], 2)

    def test_privateAddressWithoutTheOtherFamily(self) -> None:
        """
        A private address is said to be the reason also if the server refuses to look up the address of the other family, and says so first.
        """
        for fault in (ServerFailed("192.0.2.53:53 answered REFUSED", rcode=5), TimedOut("late")):
            self.hosts[("inside.example", "AAAA")] = fault
            self.assertIn("private address", self.whyNot("https://inside.example/"))

    def test_otherCertificate(self) -> None:
        """
        A host with the certificate of another one is not asked.
        """
        self.web("192.0.2.80", {"/": response(LIST)}, 443, certificate="mirror.example")
        self.assertIn("certificate is for another name", self.whyNot("https://lists.example/"))
        self.assertEqual(self.requests, [])

    def test_certificatesThatAreNotValid(self) -> None:
        """
        The reason why a certificate is not accepted is said, with the date if it is a matter of time: a clock may be wrong.
        """
        key, day = ec.generate_private_key(ec.SECP256R1()), timedelta(days=1)
        name, (_, above) = x509.SubjectAlternativeName([x509.DNSName("lists.example")]), authority()
        offered = {
            "its certificate expired on 20": made("lists.example", key, "made up", above, name, begins=-3 * day, ends=-day),
            "its certificate is valid only from 20": made("lists.example", key, "made up", above, name, begins=day),
            "its certificate is self-signed": made("lists.example", key, "lists.example", key, name),
            "its certificate comes from 'another', which is not trusted": made("lists.example", key, "another", key, name),
        }
        for number, (problem, certificate) in enumerate(offered.items()):
            address = f"192.0.2.{90 + number}"
            self.hosts[("lists.example", "A")] = address
            self.web(address, {"/": response(LIST)}, 443, certificate=pem(key, certificate))
            self.assertIn(f"lists.example:443 at {address}: {problem}", self.whyNot("https://lists.example/"))
        self.assertEqual(self.requests, [])

    def test_tooMuch(self) -> None:
        """
        A server sends at most so many octets, in the list or before it, and in however many pieces.
        """
        self.patch(LIST_FETCH_OCTETS, "default", 100_000)
        much = b"x" * 100_001
        said = self.offering(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + much,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000,
            b"HTTP/1.1 200 OK\r\n" + b"X-A: y\r\n" * 15_000,
            b"HTTP/1.1 200 OK\r\n\r\n" + much,
        )
        self.assertEqual({*said}, {"lists.example: it sent more than 100000 octets"})

    def test_withoutTheCount(self) -> None:
        """
        It is the count of octets that ends a list that is too long.
        """
        self.web("192.0.2.80", {"/": response("a.example\n" * 200_000)}, 443, certificate="lists.example")
        self.assertEqual(self.fetched("https://lists.example/")["rules"], 200_000)

    def test_slowServer(self) -> None:
        """
        A server that sends nothing, or nothing more before the end, is given up after twenty seconds, behind a redirect too.
        """
        away = response("", "302 Found", "Location: https://lists.example/0")
        said = self.offering(b"", b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nads.example\n", away)
        self.assertEqual(said, ["lists.example: it sent nothing for 20 s"] * 3)
        self.assertLess(self.here.seconds(), 3 * 22)

    def test_serverWithoutHandshake(self) -> None:
        """
        A server that accepts connections and never begins TLS is given up as soon.
        """
        self.listen("192.0.2.80", port=443)
        self.assertIn("lists.example:443 at 192.0.2.80: User timeout caused connection failure: TLS took too long", self.whyNot("https://lists.example/"))
        self.assertLess(self.here.seconds(), 22)

    def test_drippingServer(self) -> None:
        """
        A list that comes slowly is waited for, but for some minutes only.
        """
        self.web("192.0.2.80", {"/": response(LIST)}, 443, certificate="lists.example", pace=2.0)
        self.assertEqual(self.fetched("https://lists.example/")["rules"], 2)
        self.path.unlink()
        self.web("192.0.2.81", {"/": response(LIST)}, 443, certificate="mirror.example", pace=15.0)
        self.assertEqual(self.whyNot("https://mirror.example/"), "it did not arrive within 300 s")

    def test_partOfList(self) -> None:
        """
        A list that may be a part of one is not used: neither one that ends too early nor one that does not say how long it is.
        """
        said = self.offering(
            b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nads.example\n",
            b"HTTP/1.1 200 OK\r\n\r\nads.example\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nc\r\nads.example\n\r\n",
            close=True,
        )
        self.assertIn("not all of it", said[0])
        self.assertEqual(said[1], "lists.example: it does not say where the document ends, so that this may be a part of it")
        self.assertIn("not all of it", said[2])

    def test_noList(self) -> None:
        """
        What has not a single rule is no list: an error page, nothing, other octets, something compressed.
        """
        said = self.offering(
            response("<html><body>It works!</body></html>\n"),
            response(""),
            response("# all gone\n"),
            response("\x00\x01\x02\n" * 100),
            response(LIST, "200 OK", "Content-Encoding: gzip"),
            response("x" * 300_000),
            response("\n<!DOCTYPE HTML>\n<html>\nads.example\n<br>tracker.example\n"),
        )
        for each in (said[0], said[6]):
            self.assertEqual(each, "lists.example: what it sent has no name to block: line 1: begins a web page, of which nothing is used")
        self.assertEqual(said[1:3], ["lists.example: what it sent has no name to block"] * 2)
        self.assertIn("has no name to block: line 1: ", said[3])
        self.assertEqual(said[4], "lists.example: it sent the list in the encoding 'gzip', which it was not asked for")
        self.assertEqual(said[5], "lists.example: what it sent has no name to block: line 1: has more than 1024 octets")

    def test_statusAndRubbish(self) -> None:
        """
        Errors of a server are said in a few words, without the rest of the URL, which may have a key.
        """
        said = self.offering(response("no", "503 Broken"), b"\x00\xff\r\n\r\n", close=True)
        self.assertEqual(said[0], "lists.example: it replied with the status 503")
        self.assertIn("lists.example: this is not HTTP", said[1])
        for url in ("https://lists.example/?key=hunter2", "https://none.example/?key=hunter2", "https://a\x00/?key=hunter2"):
            self.assertNotIn("hunter2", self.whyNot(url))

    def test_headersThatAreNotKept(self) -> None:
        """
        A header that is no usual one is not sent with the next request.
        """
        tags = ['"' + "a" * 300 + '"', '"\x1b[2J"', '"\xe9"']
        replies = {f"/{number}": response(LIST, "200 OK", f"ETag: {tag}") for number, tag in enumerate(tags)}
        self.web("192.0.2.80", replies, 443, certificate="lists.example")
        for path in replies:
            self.assertEqual(self.fetched(f"https://lists.example{path}")["etag"], "")
            self.path.unlink()

    def test_fileThatCannotBeWritten(self) -> None:
        """
        A file that is there already is not written to, and a full disk is said to be one.
        """
        self.path.write_text("mine")
        self.assertEqual(self.fetched("https://lists.example/")["failed"], "it cannot be written: File exists")
        self.assertEqual(os.listdir(self.folder), [])

    def test_fullDisk(self) -> None:
        """
        A disk that is full is said to be so, and nothing is left on it.
        """
        self.web("192.0.2.80", {"/": response(LIST)}, 443, certificate="lists.example")

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        self.patch(os, "fsync", full)
        self.assertEqual(self.whyNot("https://lists.example/"), "it cannot be written: No space left on device")
