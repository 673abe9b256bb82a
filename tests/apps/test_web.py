"""
Tests of the status page and of C{/metrics}: by requests, and in a browser.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final, cast
from urllib.request import urlopen

import pytest
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.apps.browsing import Browsing
from tests.apps.controlled import Controlled, controlled
from tests.requirements import missing
from tests.server.operations.seeing import Peer, Response, objectIn, sightOf, talk
from tests.typed import newCannotListen, newMemoryReactor
from twisted_ext.apps.web.service import PORT, WebService, webSite
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import Figures
from twisted_ext.server.limits import WEB_SECONDS

#: The files of the page.
FILES: Final = ("page.html", "page.css", "page.js", "icon.svg")

#: Milliseconds of the page's own time after which a browser says what it shows.
_BUDGET: Final = 4000


class PageTests(SynchronousTestCase):
    """
    Tests for the page, as requests.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.sight = sightOf(self.clock, "www.example.com")
        self.site = webSite(self.sight, self.clock, timer=self.clock.seconds)

    def get(self, target: str, method: str = "GET", host: str = "127.0.0.1:5380") -> Response:
        """
        @return: what comes back.
        """
        return talk(self.site, self.clock, target, method, headers={"Host": host})

    def test_files(self) -> None:
        """
        The page and what it consists of can be had, each as what it is.
        """
        kinds = {"/": "text/html", "/page.css": "text/css", "/page.js": "text/javascript", "/icon.svg": "image/svg+xml"}
        for target, kind in kinds.items():
            response = self.get(target)
            self.assertEqual(response.code, 200)
            self.assertTrue(response.headers["content-type"].startswith(kind))
            self.assertEqual(int(response.headers["content-length"]), len(response.body))

    def test_headers(self) -> None:
        """
        Whatever is replied, a browser is told to run nothing but our own script, to guess no types and to show it in nobody's frame.
        """
        for target, method in (("/", "GET"), ("/status.json", "GET"), ("/metrics", "GET"), ("/nope", "GET"), ("/", "POST")):
            headers = self.get(target, method).headers
            policy = dict([part.split(" ", 1) for part in headers["content-security-policy"].split("; ")])
            self.assertEqual((policy["default-src"], policy["script-src"]), ("'none'", "'self'"))
            self.assertEqual(policy["frame-ancestors"], "'none'")
            self.assertNotIn("unsafe", headers["content-security-policy"])
            self.assertEqual((headers["x-content-type-options"], headers["x-frame-options"]), ("nosniff", "DENY"))
            self.assertNotIn("access-control-allow-origin", headers)

    def test_status(self) -> None:
        """
        What the page draws is the figures and how they moved; which user or process serves is nobody's business.
        """
        self.sight.startService()
        self.clock.pump([1.0] * 3)
        self.sight.stopService()
        said = objectIn(self.get("/status.json").json)
        self.assertEqual(Figures.fromJSON(said["figures"]).queries, 1000)
        self.assertEqual(said["history"], [[1.0, 0, 0, 0, 0]] * 3)
        self.assertEqual(set(objectIn(said["status"])), {"version", "uptime", "listening", "perSecond"})

    def test_metrics(self) -> None:
        """
        Prometheus gets its page, by whatever name it knows the server.
        """
        response = self.get("/metrics", host="dns1.example:5380")
        self.assertEqual((response.code, response.headers["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertIn(b'txdns_queries_total{transport="udp"} 900\n', response.body)

    def test_readOnly(self) -> None:
        """
        There is nothing that one could change, and no command of the control socket.
        """
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            for target in ("/", "/status.json", "/metrics", "/nope"):
                self.assertEqual(self.get(target, method).code, 405, (method, target))
        for target in ("/cache/flush", "/cache/dump", "/reload", "/trace?on=1", "/explain?name=a", "/stats"):
            self.assertEqual(self.get(target).code, 404, target)

    def test_head(self) -> None:
        """
        One may ask whether the page is there without being given it.
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

    def test_rebinding(self) -> None:
        """
        A page elsewhere that has its own name lead to this address cannot read who is asked for; addresses and localhost can.
        """
        for host in ("evil.example", "evil.example:5380", "", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::1].evil.example"):
            self.assertIn(self.get("/status.json", host=host).code, (400, 421), host)
        for host in ("127.0.0.1", "127.0.0.1:5380", "[::1]:5380", "[::1]", "LOCALHOST:1", "localhost.", "192.0.2.1:80"):
            self.assertEqual(self.get("/status.json", host=host).code, 200, host)

    def test_absent(self) -> None:
        """
        Other files of the machine or of the package are not there.
        """
        for target in ("/service.py", "/../../etc/passwd", "/%2e%2e/setup.cfg", "/page.js/x", "/__init__.py", "//"):
            self.assertEqual(self.get(target).code, 404, target)

    def test_idle(self) -> None:
        """
        Who connects and sends a letter at a time, or nothing, is given up.
        """
        slow, silent = Peer(self.site, self.clock), Peer(self.site, self.clock)
        slow.say(b"GET / HTTP/1.1\r\nX: ")
        self.clock.pump([1.0] * int(WEB_SECONDS.default + 20))
        self.assertEqual((slow.connected, silent.connected), (False, False))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_body(self) -> None:
        """
        A body is not even read.
        """
        peer = Peer(self.site, self.clock)
        peer.say(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        self.assertEqual(Response(peer.heard).code, 413)
        self.assertFalse(peer.connected)

    def test_mistake(self) -> None:
        """
        A mistake in the code shows in the log and not on the page.
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

    def test_address(self) -> None:
        """
        The page is at the address that was asked for, and nowhere after it has ended.
        """
        reactor = newMemoryReactor()
        for address, port, host in (("127.0.0.1:80", 80, "127.0.0.1"), ("[::1]:8080", 8080, "::1"), ("127.0.0.1", PORT, "127.0.0.1")):
            reactor.tcpServers.clear()
            service = WebService(cast(IReactorTCP, reactor), address, sightOf(Clock()))
            service.startService()
            self.assertEqual([(server[0], server[3]) for server in reactor.tcpServers], [(port, host)])
            self.successResultOf(service.stopService())

    def test_wrong(self) -> None:
        """
        What is no address, and one that somebody else has, are errors in one line.
        """
        reactor = newMemoryReactor()
        with self.assertRaises(CallerFault):
            WebService(cast(IReactorTCP, reactor), "everywhere", sightOf(Clock()))

        def taken(port: int, factory: object, backlog: int = 50, interface: str = "") -> object:
            raise newCannotListen(interface, port, OSError(98, "Address already in use"))

        self.patch(reactor, "listenTCP", taken)
        service = WebService(cast(IReactorTCP, reactor), "127.0.0.1:5380", sightOf(Clock()))
        with self.assertRaisesRegex(CallerFault, "^http: cannot listen at 127.0.0.1:5380: .*already in use"):
            service.startService()
        self.successResultOf(service.stopService())


def test_noOutsideAssets() -> None:
    """
    The page needs nothing from elsewhere, and has no script, style or event in its markup.
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
    The browser, where there is one.
    """
    found = shutil.which("chromium")
    if found is None:
        missing("browser", "no chromium to try the page in: apt install chromium")
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controlled]:
    """
    A server that runs for all tests of this file.
    """
    with controlled(tmp_path_factory.mktemp("web")) as running:
        yield running


def commandOf(browser: str, folder: Path) -> list[str]:
    """
    @return: how to start it without anything that it would ask elsewhere for.
    """
    return [
        browser,
        *"--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(),
        *"--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage".split(),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={folder}",
    ]


def shown(browser: str, address: str, folder: Path) -> str:
    """
    @return: the page as markup, after its script has run for some seconds.
    """
    command = [*commandOf(browser, folder), f"--virtual-time-budget={_BUDGET}", "--dump-dom", address]
    environment = {**os.environ, "HOME": str(folder), "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_browser(browser: str, server: Controlled, tmp_path: Path) -> None:
    """
    A browser draws the page: rates, histogram, names, servers, with names as text, whatever they were made to be.
    """
    while len(json.loads(urlopen(f"{server.page}status.json").read())["history"]) < 2:
        time.sleep(0.1)
    page = shown(browser, server.page, tmp_path)
    assert 'data-drawn="yes"' in page
    assert re.search(r'id="perSecond">[\d,]+<', page)
    assert re.search(r'id="atHand">[\d.]+ %<', page)
    assert re.search(r'<rect [^>]*class="good"', page)
    assert re.search(r">up to 20 ms</td><td class=\"number\">2<", page)
    assert '<td class="name" title="www.example.">www.example.</td>' in page
    assert "slow7000.example." in page and "7,000 ms" in page
    assert '<td class="server">192.0.2.1:53</td><td class="by">udp</td><td class="speed">12.5 ms</td><td class="up">up</td>' in page
    assert "down, tried again in 2 s, 3 without reply" in page
    assert "&lt;img/src/onerror=id='own'&gt;" in page
    assert 'id="own"' not in page
    assert "The server does not reply" not in page


@pytest.mark.parametrize(("without", "owned"), [("escapes", False), ("policy", False), ("escapes,policy", True)])
def test_defences(browser: str, tmp_path: Path, without: str, owned: bool) -> None:
    """
    Against a name that is markup there are two defences, each of which is enough; without both its script would run.
    """
    with controlled(tmp_path, without) as careless:
        page = shown(browser, careless.page, tmp_path / "profile")
    assert 'data-drawn="yes"' in page
    assert ('id="own"' in page) is owned


#: Cells whose text is wider than they are, or that end beyond the screen.
_CUT = (
    "[...document.querySelectorAll('td')].filter(cell => cell.getClientRects().length && "
    "(cell.scrollWidth > cell.clientWidth + 1 && getComputedStyle(cell).display != 'inline' "
    "|| cell.getBoundingClientRect().right > document.documentElement.clientWidth)).map(cell => cell.textContent)"
)


@pytest.mark.parametrize(("width", "phone"), [(320, True), (390, True), (768, False), (1280, False)])
def test_widths(browser: str, server: Controlled, tmp_path: Path, width: int, phone: bool) -> None:
    """
    Whatever the width of the screen, no name and no state is cut, nothing has to be scrolled to the side, and what is in the tables can be
    seen.
    """
    with Browsing(commandOf(browser, tmp_path)) as browsing:
        browsing.screen(width, phone=phone)
        browsing.open(server.page, "document.body?.dataset.drawn == 'yes'")
        # Names and addresses as long as they may be.
        browsing.value(
            "document.querySelectorAll('td.name').forEach(cell => { cell.textContent = 'x'.repeat(63) + '.' + 'long-name.'.repeat(9) });"
            "document.querySelectorAll('td.server').forEach(cell => { cell.textContent = '[2001:db8:1234:5678:9abc:def0:1234:5678]:53' })"
        )
        assert browsing.value(_CUT) == []
        assert browsing.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert browsing.value("[...document.querySelectorAll('td.server')].every(cell => cell.offsetWidth >= 100)")
        assert browsing.value("document.querySelectorAll('td.name').length") != 0
