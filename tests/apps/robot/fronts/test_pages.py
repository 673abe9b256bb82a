"""
Tests of the robot's web pages.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from unittest.mock import patch

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.web.resource import Resource

from tests.apps.robot.robots import Stage, finished
from tests.server.operations.seeing import Response, talk
from tests.typed import newMemoryReactor
from twisted_ext.apps.robot.commands import Call, command
from twisted_ext.apps.robot.fronts import pages as robotpages
from twisted_ext.apps.robot.fronts.pages import Pages, WebSettings
from twisted_ext.apps.robot.interfaces import IPages
from twisted_ext.apps.robot.limits import PAGE_OCTETS, PAGES_KEPT
from twisted_ext.apps.robot.plugin import RobotPlugin
from twisted_ext.apps.robot.text import Reply
from twisted_ext.errors import BadDescription, CallerFault, StorageFault
from twisted_ext.limits import Limit
from twisted_ext.web.http.website import Page

__all__ = ["Site"]


class Site:
    """
    The pages of a robot, without a socket.

    @ivar now: the time, in seconds since 1970.
    """

    def __init__(self, stage: Stage, table: dict[str, object] | None = None) -> None:
        self.stage = stage
        self.now = 1.7e9
        self.pages = Pages(stage.robot, WebSettings.fromTable({"listen": "127.0.0.1:80", **(table or {})}), today=lambda: self.now)
        finished(stage.database.prepare("pages", robotpages._TABLES))
        stage.robot.add(IPages, self.pages)

    def get(self, target: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes = b"") -> Response:
        """
        Send a request and return the response.
        """
        site = self.pages.site()
        try:
            return talk(site, self.stage.clock, target, method, body, headers)
        finally:
            site.end()

    def path(self, url: str) -> str:
        """
        Return the path of an address of this site.
        """
        assert url.startswith(self.pages.url), url
        return url[len(self.pages.url) - 1 :]


@pytest.fixture
def site(staged: Callable[..., Stage]) -> Site:
    """
    Return the pages of a robot.
    """
    return Site(staged())


class Drawing(RobotPlugin):
    """
    Publishes a page.
    """

    @command()
    async def draw(self, call: Call) -> Reply:
        return Reply("drawn", "<!DOCTYPE html><title>drawing</title><style>b{color:red}</style><b>zone</b>")


def test_replyLinksToItsPage(staged: Callable[..., Stage]) -> None:
    """
    The page of a reply is published, and the reply has its address.
    """
    site = Site(staged(Drawing()), {"url": "https://robot.example.org/bot"})
    said, link = site.stage.hear("!draw")
    response = site.get(site.path(link))
    assert (said, response.code, response.headers["content-type"]) == ("drawn", 200, "text/html; charset=utf-8")
    assert link.startswith("https://robot.example.org/bot/d/")
    assert b"<b>zone</b>" in response.body


def test_publishedPagesRunNoScript(site: Site) -> None:
    """
    The browser runs no script of a published document, submits no form of it and loads nothing for it; pages that a plugin gives as a
    fragment become whole ones.
    """
    response = site.get(site.path(site.pages.publish("a <title>", "<p>x</p>")))
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ") and "script" not in policy and "form-action 'none'" in policy
    assert b"<title>a &lt;title&gt;</title>" in response.body and b"<p>x</p>" in response.body
    assert "unsafe-inline" not in site.get("/").headers["content-security-policy"]


def test_publishedPagesEnd(site: Site) -> None:
    """
    A document is gone after the days of the settings, and when there are too many newer ones.
    """
    path = site.path(site.pages.publish("old", "<p>old</p>"))
    assert site.get(path).code == 200
    site.now += 7 * 86400 + 1
    assert site.get(path).code == 404
    with patch.object(robotpages, "PAGES_KEPT", Limit(2, 1, 2)):
        paths = [site.path(site.pages.publish(str(number), "<p>new</p>")) for number in range(3)]
    assert [site.get(path).code for path in paths] == [404, 200, 200]
    assert finished(site.stage.database.read(lambda connection: connection.execute("SELECT count(*) FROM pages").fetchone())) == (2,)
    assert PAGES_KEPT.default > 2


def test_largePageIsNotKept(site: Site) -> None:
    """
    A document that is too large is replaced by a page that says so.
    """
    response = site.get(site.path(site.pages.publish("large", "x" * (int(PAGE_OCTETS.default) + 1))))
    assert response.code == 200 and len(response.body) < 1000 and b"At most 1,048,576 are kept" in response.body


def test_pageIsThereBeforeItIsStored(site: Site) -> None:
    """
    The address in a reply works before the database has stored the page; if it cannot, the log has the reason.
    """
    storing: Deferred[None] = Deferred()
    with patch.object(site.stage.database, "write", lambda *arguments: storing):
        path = site.path(site.pages.publish("early", "<p>early</p>"))
    assert site.get(path).code == 200
    storing.errback(StorageFault("full"))
    assert site.get(path).code == 404


def test_unchangedPageIsNotSentAgain(site: Site) -> None:
    """
    A client that has a page gets no body if it is the same.
    """
    first = site.get("/page.css")
    again = site.get("/page.css", headers={"If-None-Match": first.headers["etag"]})
    assert (first.code, again.code, again.body) == (200, 304, b"")
    assert site.get("/page.css", headers={"If-None-Match": '"other"'}).body == first.body


def test_pluginsAddPages(site: Site) -> None:
    """
    The first page links to what plugins have added, with its title escaped, until it is removed.
    """
    page: Resource = Page()
    site.pages.add("things", "<Things>", page)
    site.pages.add("quiet", "", page)
    start = site.get("/").body
    assert b'<a href="things/">&lt;Things&gt;</a>' in start and b"quiet" not in start
    site.pages.remove("things")
    site.pages.remove("never")
    assert b"things" not in site.get("/").body


def test_databaseFaultIsNotShown(site: Site) -> None:
    """
    If the database cannot be read, the client gets no details.
    """
    with patch.object(site.stage.database, "read", lambda *arguments: fail(StorageFault("/secret/path: disk I/O error"))):
        response = site.get("/d/abc")
    assert response.code == 503 and b"secret" not in response.body


def test_otherPathsAndMethodsAreRefused(site: Site) -> None:
    """
    What does not exist is not found, and pages are only read.
    """
    for target in ("/nope", "/d", "/d/", "/d/../pages.py", "/%2e%2e/etc/passwd", "/page.css/x/y", "/d/%ff%00"):
        assert site.get(target).code in (200, 404) and b"root:" not in site.get(target).body
    assert [site.get("/", method).code for method in ("POST", "PUT", "DELETE", "HEAD")] == [405, 405, 405, 200]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"listen": "nowhere:x"}, "listen takes an address"),
        ({"url": "ftp://x"}, "url takes an address such as https://robot.example.org/"),
        ({"url": "https://x/?q"}, "url takes an address"),
        ({"url": "https://x/\r\nSet-Cookie: a"}, "url takes an address"),
        ({"days": 0}, "days takes a number of days from 1"),
        ({"tokens": "abc"}, "tokens takes a table of names"),
        ({"tokens": {"slack": "0123456789abcdef"}}, "tokens slack takes"),
        ({"tokens": {"slack": {"file": "short"}}}, "tokens slack has a token of 5 characters; at least 16 are needed"),
        ({"tokens": {"slack": {"file": "missing"}}}, "missing: No such file"),
        ({"tokens": {"slack": {"env": "TXDNS_NO_SUCH"}}}, "no variable 'TXDNS_NO_SUCH'"),
    ],
)
def test_wrongSettingsAreOneLine(tmp_path: Path, table: dict[str, object], fault: str) -> None:
    """
    Each wrong setting is one line that says what is valid and does not repeat a token.
    """
    (tmp_path / "short").write_text("abcde\n")
    with pytest.raises(BadDescription) as raised:
        WebSettings.fromTable(table, str(tmp_path))
    assert fault in str(raised.value) and "\n" not in str(raised.value)
    assert "0123456789abcdef" not in str(raised.value) and "abcde" not in str(raised.value)


def test_tokensAreNotInSettings(tmp_path: Path) -> None:
    """
    Tokens come from files or the environment, and are not in what is shown of the settings.
    """
    (tmp_path / "token").write_text("0123456789abcdef\n")
    with patch.dict(os.environ, TXDNS_TOKEN="fedcba9876543210"):
        settings = WebSettings.fromTable({"tokens": {"a": {"file": "token"}, "b": {"env": "TXDNS_TOKEN"}}}, str(tmp_path))
    assert settings.tokens == ("a", "0123456789abcdef", "b", "fedcba9876543210")
    assert repr(settings.tokens) == "('a', <secret>, 'b', <secret>)"


@pytest.fixture
def listening(staged: Callable[..., Stage], tmp_path: Path) -> Iterator[Pages]:
    """
    Return pages with a webhook, on a reactor in memory.
    """
    (tmp_path / "token").write_text("0123456789abcdef")
    stage = staged()
    settings = WebSettings.fromTable({"listen": "127.0.0.1", "tokens": {"a": {"file": "token"}}}, str(tmp_path))
    with patch.object(stage.robot, "reactor", newMemoryReactor()):
        yield Pages(stage.robot, settings, port=0)


def test_serviceListensWithWebhook(listening: Pages) -> None:
    """
    While the service runs, the site listens and the robot has the webhook as a front.
    """
    listening.startService()
    robot = listening._robot
    assert "webhook" in robot.fronts and len(vars(robot.reactor)["adoptedPorts"]) == 1
    finished(listening.stopService())
    assert "webhook" not in robot.fronts


def test_takenAddressIsOneLine(staged: Callable[..., Stage]) -> None:
    """
    An address that cannot be bound is an error that names the setting.
    """
    robot = staged().robot
    with pytest.raises(CallerFault, match=r"^\[web\] listen: cannot listen at 192\.0\.2\.1:80: "):
        Pages(robot, WebSettings({"listen": "192.0.2.1:80"})).startService()
    assert cast(object, IPages(robot, None)) is None
