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
from types import SimpleNamespace
from typing import Final, cast
from unittest.mock import patch
from urllib.request import urlopen

import pytest
from twisted.internet.interfaces import IReactorSocket
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.apps.browsing import Browsing, browserPath, commandOf
from tests.apps.controlled import Controlled, controlled
from tests.server.operations.seeing import TODAY, Peer, Response, objectIn, seenServer, talk
from tests.typed import newMemoryReactor
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.activity import Activity, LiveQuery
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.metrics.history import COLUMNS
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.server.limits import WEB_SECONDS
from twisted_ext.web.http import website
from twisted_ext.web.setup.page import POLICY, setupPages
from twisted_ext.web.status.service import PORT, WebService, webSite

#: The files of the page.
FILES: Final = ("page.html", "page.css", "page.js", "dom.js", "charts.js", "live.js", "icon.svg")

#: Milliseconds of virtual time after which the browser prints the page.
_BUDGET: Final = 4000


class PageTests(SynchronousTestCase):
    """
    Tests of the page by requests.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.server = seenServer(self.clock, "www.example.com")
        self.site = webSite(self.server.status, self.clock, timer=self.clock.seconds)

    def get(self, target: str, method: str = "GET", host: str = "127.0.0.1:5380", **headers: str) -> Response:
        """
        Send a request and return the response.
        """
        return talk(self.site, self.clock, target, method, headers={"Host": host, **headers})

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
        self.site = webSite(self.server.status, self.clock, timer=self.clock.seconds, setup=lambda: setupPages(offer))
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
        self.server.status.startService()
        self.clock.pump([1.0] * 3)
        self.server.status.stopService()
        status = objectIn(self.get("/status.json").json)
        self.assertEqual(Figures.fromJSON(status["figures"]).queries, 1000)
        self.assertEqual(status["history"], [[1.0, 0, 0, 0, 0, None, 0]] * 3)
        self.assertEqual(set(objectIn(status["status"])), {"version", "compiled", "uptime", "listening", "perSecond"})

    def test_listsAndPauses(self) -> None:
        """
        The status has what features say for the page, and nothing else of them: no URL with a key in it.
        """
        shown: JSON = {"lists": [{"name": "ads", "place": "https://lists.example"}], "paused": ["children"]}
        said: dict[str, JSON] = {"blocking": {"shown": shown, "lists": "https://lists.example/?key=secret"}}
        with patch.object(self.server.status, "keepers", SimpleNamespace(facts=lambda: said, figures=dict, samples=dict)):
            response = self.get("/status.json")
        self.assertEqual(objectIn(objectIn(response.json)["status"])["blocking"], shown)
        self.assertNotIn(b"secret", response.body)

    def test_clientsAreOffByDefault(self) -> None:
        """
        Without the setting the page gets neither clients nor queries.
        """
        for target in ("/clients.json", "/clients.json?client=192.0.2.1", "/queries.json", "/queries.json?after=5"):
            response = self.get(target)
            self.assertEqual((response.json, response.headers["cache-control"]), ({"shown": False}, "no-store"))

    def test_clientsAndTheirNames(self) -> None:
        """
        With the setting the page gets the clients, and the latest names of one.
        """
        self.server.counters.activity = activity = Activity(TODAY)
        activity.asked("192.0.2.1", b"\x03WWW\x07example\x00", 1, 2.0)
        clients = {"shown": True, "total": 1, "clients": [{"client": "192.0.2.1", "queries": 1, "seen": TODAY + 2.0}]}
        self.assertEqual(self.get("/clients.json").json, clients)
        names = objectIn(self.get("/clients.json?client=192.0.2.1").json)["names"]
        self.assertEqual(names, [{"name": "www.example.", "type": "A", "seen": TODAY + 2.0}])

    def test_liveQueriesFromANumber(self) -> None:
        """
        The page gets the queries after the last one that it knows; a number that is not valid counts as none.
        """
        self.server.counters.activity = activity = Activity(TODAY)
        self.assertEqual(objectIn(self.get("/queries.json").json)["queries"], [])
        self.assertTrue(activity.live.on)
        for name in ("a.", "b."):
            activity.live.add(LiveQuery(TODAY, "192.0.2.1", "udp", name, "A", "NOERROR", "cached"))
        for number, count in (("0", 2), ("1", 1), ("2", 0), ("x", 2), ("-1", 2), ("9" * 30, 2), ("", 2), ("%D9%A1", 2)):
            found = objectIn(self.get(f"/queries.json?after={number}").json)
            self.assertEqual((len(cast("list[JSON]", found["queries"])), found["next"]), (count, 2))

    def test_historyOfAnHourAndADay(self) -> None:
        """
        The history has an hour and a day in named columns, and no names.
        """
        self.server.status.startService()
        self.clock.pump([1.0] * 40)
        self.server.status.stopService()
        spans = objectIn(self.get("/history.json").json)
        self.assertEqual([*spans], ["hour", "day"])
        hour = objectIn(spans["hour"])
        self.assertEqual(hour["columns"], [*COLUMNS])
        self.assertEqual(sum([cast("list[int]", step)[1] for step in cast("list[JSON]", hour["steps"])]), 40)

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
            for target in ("/status.json", "/clients.json", "/queries.json", "/history.json"):
                self.assertIn(self.get(target, host=host).code, (400, 421), host)
        for host in ("127.0.0.1", "127.0.0.1:5380", "[::1]:5380", "[::1]", "LOCALHOST:1", "localhost.", "192.0.2.1:80"):
            self.assertEqual(self.get("/status.json", host=host).code, 200, host)

    def test_otherSitesCannotSwitchTheLiveListOn(self) -> None:
        """
        A page of another site, whose requests browsers mark, cannot make the server collect queries.
        """
        for origin, code in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
            for target in ("/queries.json", "/clients.json"):
                self.assertEqual(self.get(target, **{"Sec-Fetch-Site": origin}).code, code, origin)

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

        self.patch(self.server.status, "figures", broken)
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
        The page listens at the given address until the service stops, and the log has its URL.
        """
        reactor = newMemoryReactor()
        logged: list[str] = []
        self.patch(WebService, "log", SimpleNamespace(info=lambda text, **fields: logged.append(text.format(**fields))))
        bound: list[tuple[str, int]] = []

        def bind(address: str, port: int, kind: int) -> socket.socket:
            bound.append((address, port))
            return socket.socket()

        self.patch(website, "boundTo", bind)
        for address, port, host in (("127.0.0.1:80", 80, "127.0.0.1"), ("[::1]:8080", 8080, "::1"), ("127.0.0.1", PORT, "127.0.0.1")):
            service = WebService(cast(IReactorSocket, reactor), address, seenServer(Clock()).status)
            service.startService()
            self.assertEqual(bound.pop(), (host, port))
            self.assertEqual((bound, len(reactor.adoptedPorts)), ([], 1))
            reactor.adoptedPorts.clear()
            self.assertRegex(logged.pop(), r"^the status page is at http://\S+:\d+/$")
            self.successResultOf(service.stopService())

    def test_invalidOrTakenAddressIsRefused(self) -> None:
        """
        An invalid address and one that is in use are one-line errors.
        """
        reactor = newMemoryReactor()
        with self.assertRaises(CallerFault):
            WebService(cast(IReactorSocket, reactor), "everywhere", seenServer(Clock()).status)

        def taken(address: str, port: int, kind: int) -> socket.socket:
            raise OSError(98, "Address already in use")

        self.patch(website, "boundTo", taken)
        service = WebService(cast(IReactorSocket, reactor), "127.0.0.1:5380", seenServer(Clock()).status)
        with self.assertRaisesRegex(CallerFault, "^http: cannot listen at 127.0.0.1:5380: .*already in use"):
            service.startService()
        self.successResultOf(service.stopService())


def test_pageHasNoOutsideAssets() -> None:
    """
    The page loads nothing from other hosts and has no script, style or event handler in its markup.
    """
    for name in FILES:
        text = resources.files("twisted_ext.web.status").joinpath(name).read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", re.sub(r"(?m)^\s*// .*$", "", text)), name
    page = resources.files("twisted_ext.web.status").joinpath("page.html").read_text("utf-8")
    assert not re.search(r"<script>|<style|\son\w+=|\sstyle=|javascript:", page)
    for name in FILES:
        if name.endswith(".js"):
            script = resources.files("twisted_ext.web.status").joinpath(name).read_text("utf-8")
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
    assert re.search(r'<path [^>]*class="good"', page)
    assert re.search(r">up to 20 ms</th><td class=\"number\">2<", page)
    assert '<th class="name" scope="row" title="www.example.">www.example.</th>' in page
    assert "slow7000.example." in page and "7,000 ms" in page
    assert '<td class="server">192.0.2.1:53</td><td class="by">udp</td><td class="speed">12.5 ms</td><td class="small"></td>' in page
    assert '<td class="up">up</td>' in page
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
    "[...document.querySelectorAll('td, tbody th')].filter(cell => cell.getClientRects().length && "
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
            "document.querySelectorAll('.name').forEach(cell => { cell.textContent = 'x'.repeat(63) + '.' + 'long-name.'.repeat(9) });"
            "document.querySelectorAll('td.server').forEach(cell => { cell.textContent = '[2001:db8:1234:5678:9abc:def0:1234:5678]:53' })"
        )
        assert browsing.value(_CUT) == []
        assert browsing.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert browsing.value("[...document.querySelectorAll('td.server')].every(cell => cell.offsetWidth >= 100)")
        assert browsing.value("document.querySelectorAll('.name').length") != 0


#: True once every part of the page is drawn.
_DRAWN = "document.body?.dataset.drawn == 'yes' && document.body.dataset.live == 'yes' && document.body.dataset.clients == 'yes'"


@pytest.fixture(scope="module")
def window(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsing]:
    """
    Return a browser for several tests: starting one takes two seconds.
    """
    with Browsing(commandOf(browser, tmp_path_factory.mktemp("browser"))) as browsing:
        yield browsing


@pytest.fixture
def page(window: Browsing, server: Controlled) -> Browsing:
    """
    Return the browser with the page as it is after loading.
    """
    window.screen(1280)
    window.prefer("light")
    window.open("about:blank", "location.href == 'about:blank'")
    window.open(server.page, _DRAWN)
    return window


#: The values of a column in the live list.
_COLUMN = "[...new Set([...document.querySelectorAll('#liveTable tbody tr')].map(row => row.cells[%d].textContent))].sort()"


def test_liveQueriesAreFilteredAndPaused(page: Browsing) -> None:
    """
    Live queries appear without a reload, with hostile names as text; they are filtered by name, client, type, reply and status; the list
    stands still while it is paused.
    """
    page.wait("document.querySelectorAll('#liveTable tbody tr').length > 5")
    names = page.value(_COLUMN % 2)
    assert isinstance(names, list) and "<img/src/onerror=id='own'>." in names and "www.example. ×3" in names
    assert page.value("document.getElementById('own')") is None
    fill = "document.getElementById('filter%s').value = '%s'; document.getElementById('filter').dispatchEvent(new Event('input'))"
    for field, value, column, shown in (
        ("Name", "EXAMPLE", 2, ["ads.example.", "www.example. ×3"]),
        ("Client", ".77", 1, ["192.0.2.77"]),
        ("Type", "AAAA", 3, ["AAAA"]),
        ("Rcode", "NXDOMAIN", 4, ["NXDOMAIN"]),
        ("Status", "blocked", 5, ["blocked"]),
    ):
        page.value(fill % (field, value))
        assert page.value(_COLUMN % column) == shown
        page.value("document.querySelector('#filter [type=reset]').click()")
        page.wait("new Set([...document.querySelectorAll('#liveTable tbody tr')].map(row => row.cells[2].textContent)).size == 3")
    page.press("p")
    assert page.value("document.getElementById('pause').getAttribute('aria-pressed')") == "true"
    before = page.value("document.querySelector('#liveTable tbody').textContent.length")
    page.wait("document.getElementById('liveState').textContent.startsWith('paused')")
    page.value("window.later = 0; setTimeout(() => { window.later = 1 }, 1500); 0")
    page.wait("window.later")
    assert page.value("document.querySelector('#liveTable tbody').textContent.length") == before


def test_clientShowsItsNames(page: Browsing) -> None:
    """
    A click on a client shows its latest names as text, and from there its live queries.
    """
    page.value("[...document.querySelectorAll('#clients button')].find(each => each.textContent == '192.0.2.77').click()")
    page.wait("document.querySelector('tr.names li')")
    assert "<img/src/onerror=id='own'>." in str(page.value("document.querySelector('tr.names li').textContent"))
    assert page.value("document.querySelector('#clients [aria-expanded=true]').textContent") == "192.0.2.77"
    page.value("document.querySelector('tr.names button').focus()")
    page.press("Escape")
    page.wait("!document.querySelector('tr.names') && document.activeElement.textContent == '192.0.2.77'")
    page.press("Enter")
    page.wait("document.querySelector('tr.names li')")
    page.value("document.querySelector('tr.names button').click()")
    assert page.value("document.getElementById('filterClient').value") == "192.0.2.77"
    assert page.value(_COLUMN % 1) == ["192.0.2.77"]


def test_pageIsUsedByKeyboard(page: Browsing) -> None:
    """
    Keys choose the span, read the moments of the history, and go to the filter; Tab visits every control, with a visible focus, in the
    order of the page.
    """
    page.press("h")
    assert page.value("document.querySelector('input[name=span]:checked').value") == "hour"
    page.press("5")
    page.wait("Number(document.getElementById('cursor').max) > 2")
    page.value("document.getElementById('cursor').focus()")
    before = page.value("document.getElementById('cursor').getAttribute('aria-valuetext')")
    page.press("ArrowLeft")
    read = page.value("document.getElementById('cursor').getAttribute('aria-valuetext')")
    assert read != before and "queries per second" in str(read)
    assert page.value("document.querySelectorAll('svg .here').length") == 4
    page.press("/")
    assert page.value("document.activeElement.id") == "filterName"
    for key in "www":
        page.press(key)
    page.wait("[...document.querySelectorAll('#liveTable td.name')].every(cell => cell.textContent.startsWith('www'))")
    page.press("Escape")
    assert page.value("document.getElementById('filterName').value") == ""
    page.value("document.getElementById('shortcuts').checked = false; window.visited = []")
    page.value("const title = document.querySelector('h1'); title.tabIndex = -1; title.focus(); title.removeAttribute('tabindex')")
    for _ in range(24):
        page.press("Tab")
        page.value(
            "visited.push([document.activeElement.id || document.activeElement.name || document.activeElement.textContent.trim(),"
            " document.activeElement.getBoundingClientRect().top + scrollY, getComputedStyle(document.activeElement).outlineStyle])"
        )
    visited = page.value("visited")
    assert isinstance(visited, list)
    # After the last control come the first ones again.
    names = list(dict.fromkeys([name for name, _, _ in visited]))
    wanted = ["span", "cursor", "Values as a table", *[f"filter{word}" for word in ("Name", "Client", "Type", "Rcode", "Status")]]
    wanted += ["Clear", "pause"]
    assert [name for name in names if name in wanted] == wanted
    assert "192.0.2.77" in names and "Keyboard shortcuts" in names
    # The focus of the span is drawn around its label, and the last control is followed by the whole page.
    assert [name for name, _, outline in visited if outline == "none" and name != "span" and not name.startswith("txdns")] == []


def test_valuesOfTheHistoryAreATable(page: Browsing) -> None:
    """
    The values of the charts are also a table, with a row for each moment.
    """
    page.wait("Number(document.getElementById('cursor').max) > 2")
    page.value("document.getElementById('values').open = true")
    page.wait("document.querySelectorAll('#values tbody tr').length > 2")
    assert page.value("[...document.querySelectorAll('#values tbody tr')].every(row => row.cells.length == 7)")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", str(page.value("document.querySelector('#values tbody th').textContent")))


@pytest.mark.parametrize(("width", "phone", "scheme"), [(375, True, "dark"), (1280, False, "light")])
def test_pageIsAccessible(page: Browsing, width: int, phone: bool, scheme: str) -> None:
    """
    axe finds no violation on small and large screens, light or dark, with all parts of the page open.
    """
    pytest.importorskip("axe_core_python", reason="no axe: pip install axe-core-python")
    page.prefer(scheme)
    page.screen(width, phone=phone)
    page.value("document.querySelector('#clients button').click()")
    page.value("document.querySelectorAll('details').forEach(each => { each.open = true })")
    page.wait("document.querySelector('tr.names li')")
    page.press("p")
    assert violations(page, "#liveTable tbody tr:nth-child(n+6), #values tbody tr:nth-child(n+4)") == []
    page.open(f"{page.value('location.origin')}/queries", "document.querySelectorAll('tbody tr').length == 100")
    assert violations(page, "tbody tr:nth-child(n+4)") == [] == []
    page.open("about:blank", "location.href == 'about:blank'")


def violations(page: Browsing, most: str) -> object:
    """
    Return what axe finds.

    @param most: selects rows of which others have the same kind: they tell nothing new, and take a while.
    """
    page.value(f"document.querySelectorAll('{most}').forEach(row => row.remove())")
    page.value(resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8") + "; 0")
    run = "axe.run({ resultTypes: ['violations'] }).then(found => found.violations.map(each => [each.id, each.nodes[0].html]))"
    page.value(f"{run}.then(found => {{ window.found = found }}); 0")
    page.wait("window.found")
    return page.value("found")
