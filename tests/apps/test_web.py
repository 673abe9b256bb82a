"""
Tests of the status page and of C{/metrics}, by requests and in a browser.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final, cast
from urllib.request import urlopen

import pytest
from twisted.internet.interfaces import IReactorSocket
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.apps.browsing import Browsing, browserPath, commandOf
from tests.apps.controlled import Controlled, controlled
from tests.server.operations.seeing import Peer, Response, objectIn, sightOf, talk
from tests.typed import newMemoryReactor
from twisted_ext.apps.web.service import PORT, WebService, webSite
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import Figures
from twisted_ext.server.limits import WEB_SECONDS
from twisted_ext.server.operations import website
from twisted_ext.server.setup.offer import Offer
from twisted_ext.server.setup.page import POLICY, setupPages

#: The files of the page.
FILES: Final = ("page.html", "page.css", "page.js", "icon.svg")

#: Milliseconds of virtual time after which the browser prints the page.
_BUDGET: Final = 4000


class PageTests(SynchronousTestCase):
    """
    Tests of the page by requests.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sight = sightOf(self.clock, "www.example.com")
        self.site = webSite(self.sight, self.clock, timer=self.clock.seconds)

    def get(self, target: str, method: str = "GET", host: str = "127.0.0.1:5380") -> Response:
        """
        Send a request and return the response.
        """
        return talk(self.site, self.clock, target, method, headers={"Host": host})

    def test_filesHaveTheirTypes(self) -> None:
        """
        The page and its files are served with their content types.
        """
        kinds = {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript", "/icon.svg": "image/svg+xml"}
        for target, kind in kinds.items():
            response = self.get(target)
            self.assertEqual(response.code, 200)
            self.assertTrue(response.headers["content-type"].startswith(kind))
            self.assertEqual(int(response.headers["content-length"]), len(response.body))

    def test_setupIsShown(self) -> None:
        """
        The page for devices and its files are those of the server's encrypted listeners, at an address or C{localhost} only.
        """
        offer = Offer.of(["tls://dns.example", "https://dns.example"])
        self.site = webSite(self.sight, self.clock, timer=self.clock.seconds, setup=lambda: setupPages(offer))
        page = self.get("/setup")
        self.assertEqual((page.code, page.headers["content-type"]), (200, "text/html; charset=utf-8"))
        self.assertEqual(page.headers["content-security-policy"], POLICY)
        self.assertIn(b"tls://dns.example", page.body)
        self.assertEqual(self.get("/setup/apple").headers["content-type"], "application/x-apple-aspen-config")
        self.assertIn("dns.json", self.get("/setup/chromium").headers["content-disposition"])
        self.assertEqual([self.get(target).code for target in ("/setup/none", "/setup/")], [404, 404])
        self.assertEqual(self.get("/setup", host="evil.example").code, 421)

    def test_securityHeadersOnEveryResponse(self) -> None:
        """
        Every response forbids foreign scripts, type sniffing and frames.
        """
        for target, method in (("/", "GET"), ("/status.json", "GET"), ("/metrics", "GET"), ("/nope", "GET"), ("/", "POST")):
            headers = self.get(target, method).headers
            policy = dict([part.split(" ", 1) for part in headers["content-security-policy"].split("; ")])
            self.assertEqual((policy["default-src"], policy["script-src"]), ("'none'", "'self'"))
            self.assertEqual(policy["frame-ancestors"], "'none'")
            self.assertNotIn("unsafe", headers["content-security-policy"])
            self.assertEqual((headers["x-content-type-options"], headers["x-frame-options"]), ("nosniff", "DENY"))
            self.assertNotIn("access-control-allow-origin", headers)

    def test_statusOmitsProcessAndUser(self) -> None:
        """
        The status has the figures and their history, but neither the process nor the user of the server.
        """
        self.sight.startService()
        self.clock.pump([1.0] * 3)
        self.sight.stopService()
        status = objectIn(self.get("/status.json").json)
        self.assertEqual(Figures.fromJSON(status["figures"]).queries, 1000)
        self.assertEqual(status["history"], [[1.0, 0, 0, 0, 0]] * 3)
        self.assertEqual(set(objectIn(status["status"])), {"version", "uptime", "listening", "perSecond"})

    def test_metricsForAnyHost(self) -> None:
        """
        Prometheus gets the metrics under any host name.
        """
        response = self.get("/metrics", host="dns1.example:5380")
        self.assertEqual((response.code, response.headers["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertIn(b'txdns_queries_total{transport="udp"} 900\n', response.body)

    def test_pageIsReadOnly(self) -> None:
        """
        The page accepts no other methods than GET and HEAD and has no command of the control socket.
        """
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            for target in ("/", "/status.json", "/metrics", "/nope"):
                self.assertEqual(self.get(target, method).code, 405, (method, target))
        for target in ("/cache/flush", "/cache/dump", "/reload", "/trace?on=1", "/explain?name=a", "/stats"):
            self.assertEqual(self.get(target).code, 404, target)

    def test_headHasNoBody(self) -> None:
        """
        HEAD returns the headers of GET without a body.
        """
        logged: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            logged.append(str(event.get("log_format")))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for target in ("/", "/page.css", "/status.json", "/metrics", "/nope"):
            wanted, response = self.get(target), self.get(target, "HEAD")
            self.assertEqual((response.code, response.body), (wanted.code, b""))
            for name in ("content-type", "content-length", "content-security-policy"):
                self.assertEqual(response.headers[name], wanted.headers[name])
        self.assertEqual(logged, [])

    def test_foreignHostIsRefused(self) -> None:
        """
        A request with a foreign host name is refused (DNS rebinding); addresses and localhost are accepted.
        """
        for host in ("evil.example", "evil.example:5380", "", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::1].evil.example"):
            self.assertIn(self.get("/status.json", host=host).code, (400, 421), host)
        for host in ("127.0.0.1", "127.0.0.1:5380", "[::1]:5380", "[::1]", "LOCALHOST:1", "localhost.", "192.0.2.1:80"):
            self.assertEqual(self.get("/status.json", host=host).code, 200, host)

    def test_otherFilesAreNotFound(self) -> None:
        """
        Other files of the machine or of the package are not found.
        """
        for target in ("/service.py", "/../../etc/passwd", "/%2e%2e/setup.cfg", "/page.js/x", "/__init__.py", "//"):
            self.assertEqual(self.get(target).code, 404, target)

    def test_idleConnectionIsClosed(self) -> None:
        """
        A connection without a complete request is closed after a time-out.
        """
        slow, silent = Peer(self.site, self.clock), Peer(self.site, self.clock)
        slow.say(b"GET / HTTP/1.1\r\nX: ")
        self.clock.pump([1.0] * int(WEB_SECONDS.default + 20))
        self.assertEqual((slow.connected, silent.connected), (False, False))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bodyIsRefusedUnread(self) -> None:
        """
        A request with a body is refused before the body is read.
        """
        peer = Peer(self.site, self.clock)
        peer.say(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        self.assertEqual(Response(peer.heard).code, 413)
        self.assertFalse(peer.connected)

    def test_exceptionIsLoggedNotShown(self) -> None:
        """
        An exception goes to the log and does not appear in the response.
        """

        def broken() -> Figures:
            raise ZeroDivisionError("secret")

        self.patch(self.sight, "figures", broken)
        for target in ("/status.json", "/metrics"):
            response = self.get(target)
            self.assertEqual(response.code, 500)
            self.assertNotIn(b"secret", response.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)


class ListeningTests(SynchronousTestCase):
    """
    Tests for L{WebService}.
    """

    def test_listensAtTheGivenAddress(self) -> None:
        """
        The page listens at the given address until the service stops.
        """
        reactor = newMemoryReactor()
        bound: list[tuple[str, int]] = []

        def bind(address: str, port: int, kind: int) -> socket.socket:
            bound.append((address, port))
            return socket.socket()

        self.patch(website, "boundTo", bind)
        for address, port, host in (("127.0.0.1:80", 80, "127.0.0.1"), ("[::1]:8080", 8080, "::1"), ("127.0.0.1", PORT, "127.0.0.1")):
            service = WebService(cast(IReactorSocket, reactor), address, sightOf(Clock()))
            service.startService()
            self.assertEqual(bound.pop(), (host, port))
            self.assertEqual((bound, len(reactor.adoptedPorts)), ([], 1))
            reactor.adoptedPorts.clear()
            self.successResultOf(service.stopService())

    def test_invalidOrTakenAddressIsRefused(self) -> None:
        """
        An invalid address and one that is in use are one-line errors.
        """
        reactor = newMemoryReactor()
        with self.assertRaises(CallerFault):
            WebService(cast(IReactorSocket, reactor), "everywhere", sightOf(Clock()))

        def taken(address: str, port: int, kind: int) -> socket.socket:
            raise OSError(98, "Address already in use")

        self.patch(website, "boundTo", taken)
        service = WebService(cast(IReactorSocket, reactor), "127.0.0.1:5380", sightOf(Clock()))
        with self.assertRaisesRegex(CallerFault, "^http: cannot listen at 127.0.0.1:5380: .*already in use"):
            service.startService()
        self.successResultOf(service.stopService())


def test_pageHasNoOutsideAssets() -> None:
    """
    The page loads nothing from other hosts and has no script, style or event handler in its markup.
    """
    for name in FILES:
        text = resources.files("twisted_ext.apps.web").joinpath(name).read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text.replace("// Draws", "")), name
    page = resources.files("twisted_ext.apps.web").joinpath("page.html").read_text("utf-8")
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=|javascript:", page)
    script = resources.files("twisted_ext.apps.web").joinpath("page.js").read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|localStorage|cookie", script)


@pytest.fixture(scope="module")
def browser() -> str:
    """
    Return the path of the browser, or skip the test.
    """
    return browserPath()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controlled]:
    """
    Return a server for all tests of this file.
    """
    with controlled(tmp_path_factory.mktemp("web")) as running:
        yield running


def renderedPage(browser: str, address: str, folder: Path) -> str:
    """
    Return the markup of the page after its script has run for some seconds.
    """
    command = [*commandOf(browser, folder), f"--virtual-time-budget={_BUDGET}", "--dump-dom", address]
    environment = {**os.environ, "HOME": str(folder), "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_browserDrawsThePage(browser: str, server: Controlled, tmp_path: Path) -> None:
    """
    A browser draws rates, histogram, names and servers, and shows hostile names as text.
    """
    while len(json.loads(urlopen(f"{server.page}status.json").read())["history"]) < 2:
        time.sleep(0.1)
    page = renderedPage(browser, server.page, tmp_path)
    assert 'data-drawn="yes"' in page
    assert re.search(r'id="perSecond">[\d,]+<', page)
    assert re.search(r'id="atHand">[\d.]+ %<', page)
    assert re.search(r'<rect [^>]*class="good"', page)
    assert re.search(r">up to 20 ms</td><td class=\"number\">2<", page)
    assert '<td class="name" title="www.example.">www.example.</td>' in page
    assert "slow7000.example." in page and "7,000 ms" in page
    assert '<td class="server">192.0.2.1:53</td><td class="by">udp</td><td class="speed">12.5 ms</td><td class="up">up</td>' in page
    assert "down, next attempt in 2 s, 3 without reply" in page
    assert "&lt;img/src/onerror=id='own'&gt;" in page
    assert 'id="own"' not in page
    assert "The server does not reply" not in page


@pytest.mark.parametrize(("without", "owned"), [("escapes", False), ("policy", False), ("escapes,policy", True)])
def test_eitherDefenseStopsScripts(browser: str, tmp_path: Path, without: str, owned: bool) -> None:
    """
    Each of the two defenses alone stops a name that is markup; its script runs without both.
    """
    with controlled(tmp_path, without) as careless:
        page = renderedPage(browser, careless.page, tmp_path / "profile")
    assert 'data-drawn="yes"' in page
    assert ('id="own"' in page) is owned


#: Cells whose text is wider than they are, or that end beyond the screen.
_CUT = (
    "[...document.querySelectorAll('td')].filter(cell => cell.getClientRects().length && "
    "(cell.scrollWidth > cell.clientWidth + 1 && getComputedStyle(cell).display != 'inline' "
    "|| cell.getBoundingClientRect().right > document.documentElement.clientWidth)).map(cell => cell.textContent)"
)


@pytest.mark.parametrize(("width", "phone"), [(320, True), (390, True), (768, False), (1280, False)])
def test_nothingIsCutAtAnyWidth(browser: str, server: Controlled, tmp_path: Path, width: int, phone: bool) -> None:
    """
    No name and no state is cut on screens of any width, the page does not scroll sideways, and the tables stay visible.
    """
    with Browsing(commandOf(browser, tmp_path)) as browsing:
        browsing.screen(width, phone=phone)
        browsing.open(server.page, "document.body?.dataset.drawn == 'yes'")
        # Names and addresses of maximum length.
        browsing.value(
            "document.querySelectorAll('td.name').forEach(cell => { cell.textContent = 'x'.repeat(63) + '.' + 'long-name.'.repeat(9) });"
            "document.querySelectorAll('td.server').forEach(cell => { cell.textContent = '[2001:db8:1234:5678:9abc:def0:1234:5678]:53' })"
        )
        assert browsing.value(_CUT) == []
        assert browsing.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert browsing.value("[...document.querySelectorAll('td.server')].every(cell => cell.offsetWidth >= 100)")
        assert browsing.value("document.querySelectorAll('td.name').length") != 0
