"""
Tests of the plugins that ask providers: C{packages}, C{search} and C{weather}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from tests.apps.robot.robots import ALICE, BOSS, CHANNEL, Stage, finished
from twisted_ext.apps.robot.commands import CommandError
from twisted_ext.apps.robot.interfaces import IFetcher
from twisted_ext.apps.robot.limits import FOLLOWED_HERE, FOLLOWED_PACKAGES
from twisted_ext.apps.robot.people import Place
from twisted_ext.apps.robot.providers import newestIn, textAt, urlWith

HOUR: Final = 3600 * 1.2

RSS: Final = b"""<?xml version="1.0"?><rss version="2.0"><channel><title>releases</title>
<item><title> 26.10.0\n</title><link>https://a.example/</link></item><item><title>26.4.0</title></item></channel></rss>"""

ATOM: Final = b"""<feed xmlns="http://www.w3.org/2005/Atom"><title>releases</title><entry><title>1.0 &lt;b&gt;</title></entry></feed>"""

LAUGHS: Final = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><rss><item><title>&b;</title></item></rss>"""


@implementer(IFetcher)
class StandInFetcher:
    """
    @ivar documents: by URL.
    @ivar urls: what was fetched.
    """

    def __init__(self) -> None:
        self.documents: dict[str, object] = {}
        self.urls: list[str] = []

    def fetch(self, url: str) -> Deferred[bytes]:
        self.urls.append(url)
        found = self.documents.get(url)
        if found is None:
            return fail(CommandError("a.example: it replied with the status 404"))
        return succeed(found if isinstance(found, bytes) else json.dumps(found).encode())


class Providers:
    """
    A robot with stand-in documents and a plugin.
    """

    def __init__(self, staged: Callable[..., Stage], plugin: str, table: Mapping[str, object] | None = None) -> None:
        self.stage = staged(tables={plugin: table or {}}, commands={"search": "anyone", "weather": "anyone", "package": "anyone"})
        self.fetcher = StandInFetcher()
        self.stage.robot.add(IFetcher, self.fetcher)
        self.stage.load(plugin)

    def package(self, name: str, release: str) -> None:
        """
        Set the newest release of a package.
        """
        self.fetcher.documents[f"https://pypi.org/pypi/{name}/json"] = {"info": {"version": release}}

    def ask(self, text: str, place: Place = CHANNEL) -> list[str]:
        """
        Let the owner give a command, and return the reply.
        """
        return self.stage.hear(f"!{text}", BOSS, place)


def test_searchShowsTheFirstResults(staged: Callable[..., Stage]) -> None:
    """
    A search shows the first results at the path of the settings, a line for each.
    """
    url = "https://a.example/?q={query}"
    providers = Providers(staged, "search", {"url": url, "results": "web.found", "line": "{title}: {links.0}"})
    found = [{"title": f"number {number}\r\nQUIT", "links": [f"https://{number}.example/"]} for number in range(5)]
    providers.fetcher.documents["https://a.example/?q=a%26b%20%7Bquery%7D%20%2F"] = {"web": {"found": found}}
    providers.fetcher.documents["https://a.example/?q=none"] = {"web": {"found": []}}
    assert providers.ask("search a&b {query} /") == [f"number {number} QUIT: https://{number}.example/" for number in range(3)]
    assert providers.ask("search none") == ["nothing was found"]


def test_weatherIsShown(staged: Callable[..., Stage]) -> None:
    """
    The weather is a line with values of the document.
    """
    table = {"url": "https://a.example/{place}?k={key}", "line": "{now.sky}, {now.degrees} °C"}
    providers = Providers(staged, "weather", table)
    providers.fetcher.documents["https://a.example/S%C3%A3o%20Paulo?k="] = {"now": {"sky": "rain", "degrees": -1.5}}
    assert providers.ask("weather São Paulo") == ["rain, -1.5 °C"]
    assert providers.ask("weather nowhere") == ["a.example: it replied with the status 404"]
    assert providers.ask("weather") == ["place is missing; usage: weather PLACE"]


def test_keyIsSent(staged: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The provider's key comes from the environment, and is part of the URL only.
    """
    monkeypatch.setenv("TXDNS_KEY", "hunter2")
    table = {"url": "https://a.example/{place}?k={key}", "line": "{now}", "key": {"env": "TXDNS_KEY"}}
    providers = Providers(staged, "weather", table)
    assert "hunter2" not in str(providers.ask("weather x"))
    assert providers.fetcher.urls == ["https://a.example/x?k=hunter2"]


def test_othersMayNotReachOut(staged: Callable[..., Stage]) -> None:
    """
    Without a role in the settings, only the owner may call what reaches out.
    """
    stage = staged(tables={"weather": {"url": "https://a.example/{place}", "line": "{a}"}})
    stage.load("weather")
    (said,) = stage.hear("!weather x", ALICE)
    assert said.startswith("weather reaches out: only the owner may call it")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b"<html>", "the provider has sent something other than JSON"),
        (b"\xff", "the provider has sent something other than JSON"),
        (b"[" * 100_000, "the provider has sent something other than JSON"),
        ({"now": {}}, "the provider's document has nothing at 'now.sky'"),
        ({"now": [1]}, "the provider's document has nothing at 'now.sky'"),
        ("text", "the provider's document has nothing at 'now.sky'"),
    ],
)
def test_rubbishIsReported(document: object, expected: str, staged: Callable[..., Stage]) -> None:
    """
    A document that is not what the settings expect is reported in one line.
    """
    providers = Providers(staged, "weather", {"url": "https://a.example/{place}", "line": "{now.sky}"})
    providers.fetcher.documents["https://a.example/x"] = document
    assert providers.ask("weather x") == [expected]


def test_resultsHaveToBeAList(staged: Callable[..., Stage]) -> None:
    """
    Results that are not a list are reported.
    """
    providers = Providers(staged, "search", {"url": "https://a.example/{query}"})
    providers.fetcher.documents["https://a.example/x"] = {"results": {"a": 1}}
    assert providers.ask("search x") == ["the provider's document has no list at 'results'"]


def test_templatesReachValuesOnly() -> None:
    """
    A template reaches members of the document, but not attributes of objects, as a format string would.
    """
    for path in ("__class__", "a.__class__", "a.-1", "a.99999999999", "a.x"):
        with pytest.raises(CommandError):
            textAt({"a": [1]}, path)
    assert textAt({"a": [{"b": None}]}, "a.0.b") == "null"
    assert textAt([1, "é"], "") == '[1, "é"]'
    assert urlWith("https://a.example/{x}", x="{x}/../?#&") == "https://a.example/%7Bx%7D%2F..%2F%3F%23%26"


def test_newestReleaseIsShown(staged: Callable[..., Stage]) -> None:
    """
    The newest release of a package is shown with the package's page.
    """
    providers = Providers(staged, "packages")
    providers.package("twisted", "26.4.0")
    assert providers.ask("package twisted") == ["twisted 26.4.0 https://pypi.org/project/twisted/"]
    assert providers.ask("package ../x") == ["a.example: it replied with the status 404"]
    assert providers.fetcher.urls[-1] == "https://pypi.org/pypi/..%2Fx/json"


def test_newReleasesAreAnnounced(staged: Callable[..., Stage]) -> None:
    """
    A new release is announced once, wherever the package is followed, also after the robot was started again.
    """
    providers = Providers(staged, "packages")
    providers.package("twisted", "26.4.0")
    other = Place("net", "#other")
    reply = ["new releases of twisted are announced here; the newest is 26.4.0"]
    assert providers.ask("follow twisted") == reply == providers.ask("follow twisted")
    assert providers.ask("follow twisted", other) == reply
    providers.stage.take()
    providers.stage.clock.advance(HOUR)
    assert providers.stage.take() == []
    finished(providers.stage.robot.plugins.unload("packages"))
    providers.stage.load("packages")
    providers.package("twisted", "26.10.0")
    for _ in range(3):
        providers.stage.clock.advance(HOUR)
    line = "twisted 26.10.0 https://pypi.org/project/twisted/"
    assert [(target, str(each)) for target, each in providers.stage.front.sent] == [("#dns", line), ("#other", line)]


def test_followedPackagesAreListedAndForgotten(staged: Callable[..., Stage]) -> None:
    """
    Each place has a list of packages, from which they can be removed.
    """
    providers = Providers(staged, "packages")
    for name in ("b", "a"):
        providers.package(name, "1")
        providers.ask(f"follow {name}")
    assert providers.ask("followed") == ["a b"]
    assert providers.ask("followed", Place("net", "#other")) == ["none"]
    assert providers.ask("unfollow a") == ["a is not followed here any more"]
    assert providers.ask("unfollow a") == ["a is not followed here"]
    assert providers.ask("followed") == ["b"]
    providers.package("a", "2")
    providers.stage.take()
    providers.stage.clock.advance(HOUR)
    assert providers.stage.take() == []


def test_packageThatFailsHurtsNoOther(staged: Callable[..., Stage]) -> None:
    """
    If the release of a package is not known, those of others are announced nevertheless.
    """
    providers = Providers(staged, "packages")
    for name in ("a", "b"):
        providers.package(name, "1")
        providers.ask(f"follow {name}")
    providers.stage.take()
    providers.fetcher.documents.clear()
    providers.package("b", "2")
    providers.stage.clock.advance(HOUR)
    assert providers.stage.take() == ["b 2 https://pypi.org/project/b/"]


def test_followedPackagesAreLimited(staged: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The number of followed packages is limited, in a place and in all.
    """
    monkeypatch.setattr(FOLLOWED_HERE, "default", 2)
    monkeypatch.setattr(FOLLOWED_PACKAGES, "default", 3)
    providers = Providers(staged, "packages")
    for name in "abcdef":
        providers.package(name, "1")
    assert "announced" in providers.ask("follow a")[0] + providers.ask("follow b")[0]
    assert providers.ask("follow c") == ["2 packages are followed here, which are the most"]
    other = Place("net", "#other")
    assert "announced" in providers.ask("follow c", other)[0]
    assert providers.ask("follow d", other) == ["3 packages are followed, which are the most"]
    assert "announced" in providers.ask("follow a", other)[0]
    assert providers.ask(f"follow {'x' * 101}") == ["the name of a package has at most 100 characters"]


def test_indexMayHaveFeeds(staged: Callable[..., Stage]) -> None:
    """
    The index may have an RSS or Atom feed for each package instead of a JSON document.
    """
    providers = Providers(staged, "packages", {"url": "https://a.example/{package}.xml", "release": ""})
    providers.fetcher.documents.update({"https://a.example/a.xml": RSS, "https://a.example/b.xml": ATOM})
    assert providers.ask("package a") == ["a 26.10.0 https://pypi.org/project/a/"]
    assert providers.ask("package b") == ["b 1.0 <b> https://pypi.org/project/b/"]


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (LAUGHS, "declares a document type"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><rss/>', "declares a document type"),
        (b"{}", "something other than a feed"),
        (b"", "something other than a feed"),
        (b"<rss><item><title>1.0", "something other than a feed"),
        (b"<rss><item/></rss>", "no entry with a title"),
        (b"<rss><title>1.0</title></rss>", "no entry with a title"),
    ],
)
def test_hostileFeedsAreRefused(feed: bytes, expected: str) -> None:
    """
    A feed that declares entities, or is not one, is refused.
    """
    with pytest.raises(CommandError, match=expected):
        newestIn(feed)
