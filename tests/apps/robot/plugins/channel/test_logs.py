"""
Tests of the logs of channels and their pages.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from html import unescape
from typing import cast
from unittest.mock import patch
from xml.etree import ElementTree

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from tests.apps.robot.fronts.test_pages import Site
from tests.apps.robot.robots import ALICE, BOB, BOSS, CHANNEL, Stage, finished
from tests.server.operations.seeing import Peer
from tests.typed import failureOf, observing
from twisted_ext.apps.robot.events import Joined, Kicked, Left, Message, Quit, Renamed, Topic
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugins.channel import logpages, logs
from twisted_ext.apps.robot.plugins.channel.logs import Logs
from twisted_ext.errors import StorageFault
from twisted_ext.limits import Limit
from twisted_ext.web.http.website import Document

__all__: list[str] = []

#: 2023-11-14 22:13:20 UTC.
NOW = 1.7e9

DAY = "/logs/net/%23dns/2023-11-14"


class Logged(Site):
    """
    A robot that logs the channel, and its pages.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.load()

    def load(self) -> None:
        self.stage.load("logs")
        self.plugin = cast(Logs, self.stage.robot.plugins._loaded["logs"].actual)
        vars(self.plugin)["today"] = lambda: self.now

    def say(self, *texts: str, person: Person = ALICE, place: Place = CHANNEL) -> None:
        """
        Have a person say something in a channel.
        """
        for text in texts:
            self.stage.robot.receive(Message(person, place, text))

    def plain(self, target: str = f"{DAY}.txt") -> list[str]:
        """
        Return the lines of a day as plain text.
        """
        return self.get(target).body.decode().splitlines()

    def found(self, query: str) -> list[str]:
        """
        Return the texts that a search finds.
        """
        response = self.get(f"/logs/search?q={query}")
        assert response.code == 200
        return [unescape(re.sub("<[^>]*>", "", each)) for each in re.findall("<span>(.*?)</span>", response.body.decode())]


@pytest.fixture
def site(staged: Callable[..., Stage]) -> Logged:
    """
    Return a robot that logs C{#dns}.
    """
    return Logged(staged(tables={"logs": {"channels": ["net/#DNS"], "days": 30}}))


def test_everythingInChannelIsLogged(site: Logged) -> None:
    """
    Messages, actions, notices and what the robot says are logged, and who comes and goes.
    """
    robot = site.stage.robot
    site.say("hello")
    robot.receive(Message(ALICE, CHANNEL, "waves", action=True))
    robot.receive(Message(ALICE, CHANNEL, "beware", notice=True))
    robot.say(CHANNEL, "I am here")
    robot.receive(Joined(BOB, CHANNEL))
    robot.receive(Left(BOB, CHANNEL, "bye"))
    robot.receive(Kicked(ALICE, CHANNEL, "bob", "no reason"))
    robot.receive(Quit(BOB, (CHANNEL,), "gone"))
    robot.receive(Renamed(ALICE, "alicia", (CHANNEL,)))
    robot.receive(Topic(ALICE, CHANNEL, "DNS"))
    assert [line[11:] for line in site.plain()] == [
        "<alice> hello",
        "* alice waves",
        "* alice beware",
        "<txbot> I am here",
        "* bob joined",
        "* bob left bye",
        "* alice kicked bob",
        "* bob quit gone",
        "* alice is now known as alicia",
        "* alice set the topic: DNS",
    ]
    assert site.plain()[0].startswith("[22:13:20] ")


def test_onlyNamedChannelsAreLogged(site: Logged) -> None:
    """
    Neither other channels nor private messages are logged; NETWORK/* logs all channels of a network.
    """
    other = Place("net", "#other")
    site.say("secret", place=other)
    site.say("secret", place=Place("net", "alice", private=True))
    assert site.found("secret") == []
    site.plugin.channels = ("net/*",)
    site.say("public", place=other)
    site.say("secret", place=Place("net", "alice", private=True))
    assert site.get("/logs/net/%23other/2023-11-14.txt").body == b"[22:13:20] <alice> public\n"
    assert site.found("secret") == []


def test_pagesLeadToLines(site: Logged) -> None:
    """
    The first page lists channels, that of a channel its days, and that of a day its lines with links to the days before and after.
    """
    for _ in range(3):
        site.say("hello")
        site.now += 86400
    assert b'<a href="net/%23dns/">net/#dns</a> <small>3 lines, the last on 2023-11-16</small>' in site.get("/logs/").body
    days = site.get("/logs/net/%23dns/").body
    assert re.findall(rb'<li><a href="([^"]*)', days) == [b"2023-11-16", b"2023-11-15", b"2023-11-14"]
    page = site.get("/logs/net/%23dns/2023-11-15").body
    assert b'rel="prev" accesskey="p" href="2023-11-14"' in page and b'rel="next" accesskey="n" href="2023-11-16"' in page
    assert b'<link rel="stylesheet" href="../../../page.css">' in page
    assert (site.get("/logs").code, site.get("/logs").headers["location"]) == (302, "logs/")


def test_longDayHasPages(site: Logged) -> None:
    """
    A day with many lines has several pages, and the link of a line leads to its own.
    """
    with patch.object(logpages, "LOG_LINES", Limit(10, 10, 10)):
        site.say(*[f"line {number}" for number in range(25)])
        texts = [[line[19:] for line in site.plain(f"{DAY}.txt?page={page}")] for page in (1, 2, 3)]
        assert [len(page) for page in texts] == [10, 10, 5] and texts[2][-1] == "line 24"
        link = re.findall(rb'href="\.\./\.\./(line/[0-9]+)"', site.get(f"{DAY}?page=2").body)[3].decode()
        location = site.get(f"/logs/{link}").headers["location"]
        assert location == f"../net/%23dns/2023-11-14?page=2#l{link[5:]}"
        assert f'<li id="l{link[5:]}"'.encode() in site.get(f"/logs/line/{location}".partition("#")[0].replace("line/../", "")).body
        assert [site.get(f"{DAY}?page={page}").code for page in ("0", "4", "-1", "x", "9" * 40, "%D9%A1")] == [404, 404, 200, 200, 200, 200]


def test_searchFindsWords(site: Logged) -> None:
    """
    A search finds the lines with all words, phrases in quotes, names of hosts and nicks, the newest first, whatever their accents.
    """
    site.say("the resolver of example.org is slow", "a slow train", "Caf\u00e9 for all")
    site.say("the train of example.net", person=BOB)
    assert site.found("slow") == ["a slow train", "the resolver of example.org is slow"]
    assert site.found("slow+resolver") == ["the resolver of example.org is slow"]
    assert site.found("%22slow+train%22") == ["a slow train"]
    assert site.found("example.org") == ["the resolver of example.org is slow"]
    assert site.found("bob+train") == ["the train of example.net"]
    assert site.found("CAFE") == ["Caf\u00e9 for all"]
    assert b"<mark>slow</mark> train" in site.get("/logs/search?q=slow").body


@pytest.mark.parametrize("query", ["OR", "NOT+x", "x+NEAR+y", "nick:alice", "%22", "%22%22", "*", "(", "x*", "-+!!", "'", "%00", "\\", ""])
def test_searchHasNoOperators(site: Logged, query: str) -> None:
    """
    No text is taken for an expression of the search engine.
    """
    site.say("good morning")
    assert site.found(query) == []
    assert site.found(f"{query}+good") in ([], ["good morning"])


def test_searchIsWithinItsChannel(site: Logged) -> None:
    """
    A search of one channel finds nothing of another one, whatever the texts look like.
    """
    site.plugin.channels = ("net/*",)
    site.say("alpha 2", "beta")
    site.say("alpha 1", place=Place("net", "#other"))
    assert site.found("alpha&in=net/%23dns") == ["alpha 2"]
    assert site.found("alpha+1&in=net/%23dns") == []
    assert site.found("1") == ["alpha 1"]
    assert site.get("/logs/search?q=alpha&in=net/%23none").code == 404


def test_searchHasPages(site: Logged) -> None:
    """
    A search with many results shows the newest, with a link to older ones.
    """
    site.say(*[f"word {number}" for number in range(120)])
    target, sizes, texts = "/logs/search?q=word", [], []
    while target:
        page = site.get(target).body.decode()
        found = re.findall("<span>.*?</span>", page)
        sizes.append(len(found))
        texts += found
        older = re.search('rel="next" accesskey="n" href="([^"]*)"', page)
        target = f"/logs/{unescape(older[1])}" if older else ""
    assert sizes == [50, 50, 20] and len(set(texts)) == 120


def test_endlessSearchIsEnded(site: Logged) -> None:
    """
    A search that takes too long is ended, so that the others get their turn.
    """
    site.say(*["word"] * 20)
    counting = "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000000) SELECT max(i) FROM n)"
    slow = logpages._SELECTED.replace(" at,", f" {counting},")
    with patch.object(logpages, "LOG_SEARCH_SECONDS", Limit(0.05, 0, 1)), patch.object(logpages, "_SELECTED", slow):
        response = site.get("/logs/search?q=word")
    assert response.code == 503 and b"use rarer words" in response.body


def test_searchesWaitForEachOther(site: Logged) -> None:
    """
    One search is made at a time, other pages do not wait for it, and too many searches are refused.
    """
    reading: list[Deferred[Document]] = []
    server = site.pages.site()
    peers = [Peer(server, site.stage.clock) for _ in range(4)]

    def read(function: object) -> Deferred[Document]:
        reading.append(Deferred())
        return reading[-1]

    with patch.object(site.stage.database, "read", read):
        with patch.object(logpages, "LOG_SEARCHES", Limit(2, 1, 2)):
            for peer in peers:
                peer.say(b"GET /logs/search?q=x HTTP/1.1\r\nHost: x\r\n\r\n")
                site.stage.clock.advance(1)
        assert len(reading) == 1 and b" 503 " in peers[3].heard
        peers[0].leave()
        assert len(reading) == 1
        for number in range(3):
            reading[number].callback(Document(b"found"))
    assert [peer.heard.endswith(b"found") for peer in peers] == [False, True, True, False]
    server.end()


def test_feedIsAtom(site: Logged) -> None:
    """
    The feed has the newest messages of the channel as Atom, with links to them, and is well-formed whatever was said.
    """
    site.say(*[f"line {number}" for number in range(60)], "<b> & \x00\x1b\ufffe\uffff\ud800 ]]>")
    site.stage.robot.receive(Joined(BOB, CHANNEL))
    response = site.get("/logs/net/%23dns/feed")
    feed = ElementTree.fromstring(response.body)
    atom = "{http://www.w3.org/2005/Atom}"
    entries = feed.findall(f"{atom}entry")
    assert response.headers["content-type"].startswith("application/atom+xml") and len(entries) == 50
    assert entries[0].findtext(f"{atom}title") == "<alice> <b> & \\x00\\x1b\ufffd\ufffd\\ud800 ]]>"
    assert entries[0].findtext(f"{atom}updated") == feed.findtext(f"{atom}updated") == "2023-11-14T22:13:20Z"
    link = entries[0].find(f"{atom}link")
    assert link is not None and site.get(site.path(link.attrib["href"])).code == 302


HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; \x1b[31m\x02bold\x0304,05red\x0f \u202eright"


def test_hostileTextIsEscaped(site: Logged) -> None:
    """
    HTML in texts, nicks and names of channels is shown as text; controls are escaped, and colors of IRC are removed.
    """
    nick, channel = Person("net", "<i>eve"), Place("net", "#<u>\"'")
    site.plugin.channels = ("net/*",)
    site.say(HOSTILE, person=nick, place=channel)
    link = re.findall(rb'href="(net/[^"]*)"', site.get("/logs/").body)[0].decode()
    targets = ["/logs/", f"/logs/{link}", f"/logs/{link}2023-11-14", f"/logs/search?q={'%3Cscript%3E'}", f"/logs/{link}feed"]
    for target in targets:
        response = site.get(target)
        page = response.body.decode()
        assert response.code == 200 and not re.search(r"<script|<i>|<u>|[\x00-\x09\x0b-\x1f\u202e]", page), target
        assert response.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; ")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;" in site.get(targets[2]).body.decode()
    assert site.plain(f"/logs/{link}2023-11-14.txt") == [
        "[22:13:20] <<i>eve> <script>alert(1)</script>\" onload='x' &amp; \\x1b[31mboldred \\u202eright"
    ]


def test_unescapedPagesWouldRunScripts(site: Logged) -> None:
    """
    Without the escapes, the markup of a line would be that of the page.
    """
    site.say("<script>alert(1)</script>")
    with patch.object(logpages, "escape", str):
        assert b"<script>alert(1)</script>" in site.get(DAY).body
    assert b"<script>" not in site.get(DAY).body


def test_linksInTextsAreLinks(site: Logged) -> None:
    """
    Addresses in a text are links, which end before a quote, and nothing else is one.
    """
    site.say('see "https://example.org/?a=1&b=2" or javascript:alert(1) or <http://x/>')
    page = site.get(DAY).body.decode()
    assert re.findall('<a rel="nofollow noreferrer" href="([^"]*)"', page) == ["https://example.org/?a=1&amp;b=2", "http://x/"]


def test_longLineIsCut(site: Logged) -> None:
    """
    A line is stored up to a limit.
    """
    site.say("x" * 100_000)
    assert len(site.plain()[0]) < 2100


def test_personsKeepOutOfLogs(site: Logged) -> None:
    """
    Everyone can end the logging of what they say, under any case of the nick, and begin it again; this survives a restart of the plugin.
    """
    site.say("before")
    assert site.stage.hear("!nolog") == ["what alice says is not logged from now on"]
    before = site.plain()
    site.say("secret")
    site.say("secret", person=Person("net", "ALICE"))
    robot = site.stage.robot
    robot.receive(Renamed(ALICE, "alicia", (CHANNEL,)))
    robot.receive(Renamed(BOB, "alice", (CHANNEL,)))
    robot.receive(Kicked(BOB, CHANNEL, "Alice"))
    finished(robot.plugins.unload("logs"))
    site.load()
    site.say("secret")
    assert site.plain() == before
    assert site.stage.hear("!nolog off") == ["what alice says is logged again"]


def test_optOutsAreBounded(site: Logged) -> None:
    """
    Persons cannot fill the database with nicks.
    """
    with patch.object(logs, "LOG_UNLOGGED", Limit(1, 1, 1)):
        assert "not logged" in site.stage.hear("!nolog")[0]
        assert site.stage.hear("!nolog", BOB) == ["too many nicks are not logged; ask the owner"]
    assert site.stage.hear("!nolog maybe") == ["nolog takes nothing, or off"]


def test_ownerDeletesLinesOfNick(site: Logged) -> None:
    """
    The owner deletes what a nick has said, and no search, day or link has it any more; others may not.
    """
    site.say(*["regret"] * 600)
    site.say("fine", person=BOB)
    assert "only the owner" in site.stage.hear("!forget alice", BOB)[0]
    site.stage.front.sent.clear()
    assert site.stage.hear("!forget ALICE", BOSS)[-1].endswith("lines are deleted")
    assert site.found("regret") == [] and site.found("fine") == ["fine"]
    assert site.get("/logs/line/1").code == 404
    assert not any("<alice>" in line for line in site.plain())


def test_oldLinesAreDeleted(site: Logged) -> None:
    """
    Lines are deleted after the days of the settings, every day.
    """
    site.say("old")
    site.now += 20 * 86400
    site.say("young")
    site.now += 11 * 86400
    site.stage.clock.pump([3600.0] * 26)
    assert site.found("old") == [] and site.found("young") == ["young"]
    assert site.get(DAY).code == 404


def test_commandShowsAddresses(site: Logged) -> None:
    """
    The command logs shows where the logs of a channel are, and where they are searched.
    """
    assert site.stage.hear("!logs") == ["http://127.0.0.1:80/logs/net/%23dns/"]
    assert site.stage.hear("!logs two words") == ["http://127.0.0.1:80/logs/search?q=two+words&in=net%2F%23dns"]
    private = Place("net", "alice", private=True)
    assert site.stage.hear("logs", place=private) == ["http://127.0.0.1:80/logs/"]


def test_pagesEndWithPlugin(site: Logged) -> None:
    """
    Without the plugin there are no pages of logs.
    """
    finished(site.stage.robot.plugins.unload("logs"))
    assert site.get("/logs/").code == 404


@pytest.mark.parametrize("target", ["x", "line/0", "line/x", "line/99999999999999999999", "net/%23dns/2023-13-01", "net/%23dns/x.txt"])
def test_otherPathsAreNotFound(site: Logged, target: str) -> None:
    """
    Paths that do not exist are not found.
    """
    site.say("hello")
    response = site.get(f"/logs/{target}")
    assert response.code in (302, 404) and (target == "x" or response.code == 404)
    for wrong in ("2023-11-14.html", "2023-11-4", "2023-11-14/x", "0001-01-01", "../dns/", "../%00%ff/"):
        assert site.get(f"/logs/net/%23dns/{wrong}").code == 404, wrong


class Broken:
    """
    A database whose writes wait or fail.
    """

    def __init__(self, site: Logged) -> None:
        self.waiting: list[Deferred[None]] = []
        self.rows: list[object] = []
        self._write = site.stage.database.write
        vars(site.stage.database)["write"] = self.write

    def write(self, function: Callable[..., None], *arguments: object) -> Deferred[None]:
        assert function is logs._store
        self.rows = cast("list[object]", arguments[0])
        self.waiting.append(Deferred())
        return self.waiting[-1]


def test_linesWaitForDatabase(site: Logged) -> None:
    """
    While the database is written to, lines wait, and are then written together; their order is kept.
    """
    broken = Broken(site)
    site.say("one", "two", "three")
    assert len(broken.waiting) == 1
    broken.waiting.pop().callback(None)
    assert [row.text for row in broken.rows if isinstance(row, logs._Row)] == ["two", "three"]
    broken.waiting.pop().callback(None)
    del vars(site.stage.database)["write"]


def test_linesSurviveFullDatabase(site: Logged) -> None:
    """
    Lines that cannot be written are kept and written later; one line in the log says so, however many they are.
    """
    broken, logged = Broken(site), list[str]()
    observer = observing(lambda event: logged.append(str(event.get("log_format"))))
    globalLogPublisher.addObserver(observer)
    try:
        site.say("one", "two")
        for _ in range(3):
            broken.waiting.pop().errback(failureOf(StorageFault("disk full")))
            site.say("more")
            site.stage.clock.advance(5)
    finally:
        globalLogPublisher.removeObserver(observer)
    assert sum("are not written" in line for line in logged) == 1
    del vars(site.stage.database)["write"]
    broken.waiting.pop().errback(failureOf(StorageFault("disk full")))
    site.stage.clock.advance(5)
    assert [line[19:] for line in site.plain()] == ["one", "two", "more", "more", "more"]


def test_linesSurviveFullDisk(site: Logged) -> None:
    """
    With SQLite's own error of a full disk, nothing is lost or doubled.
    """
    connection = site.stage.database._connected()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    site.say(*[f"{number} {'x' * 1000}" for number in range(100)])
    assert 0 < len(site.plugin._waiting) < 100
    connection.execute("PRAGMA max_page_count = 100000")
    site.stage.clock.advance(5)
    assert [int(line.split()[2]) for line in site.plain()] == list(range(100))


def test_waitingLinesAreBounded(site: Logged) -> None:
    """
    With a database that hangs, further lines are dropped, and the log says how many.
    """
    broken = Broken(site)
    with patch.object(logs, "LOG_WAITING", Limit(3, 1, 3)):
        site.say(*["word"] * 10)
    assert len(site.plugin._waiting) == 3 and site.plugin._dropped == 6
    del vars(site.stage.database)["write"]
    broken.waiting.pop().callback(None)
    assert len(site.plain()) == 3


def test_unloadWritesWhatWaits(site: Logged) -> None:
    """
    When the plugin ends, the lines that wait are written, also those of a write that fails meanwhile.
    """
    broken = Broken(site)
    site.say("one", "two")
    unloading = Deferred.fromCoroutine(site.stage.robot.plugins.unload("logs"))
    del vars(site.stage.database)["write"]
    broken.waiting.pop().errback(failureOf(StorageFault("locked")))
    finished(unloading)
    rows = finished(site.stage.database.read(lambda connection: connection.execute("SELECT text FROM log_lines ORDER BY id").fetchall()))
    assert rows == [("one",), ("two",)]


def test_searchIndexMatchesLines(site: Logged) -> None:
    """
    After additions and deletions, the index of the search agrees with the lines.
    """
    site.say("one", "two")
    site.say("three", person=BOB)
    site.stage.hear("!forget alice", BOSS)

    def check(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO log_search (log_search, rank) VALUES ('integrity-check', 0)")

    finished(site.stage.database.write(check))
    days = finished(site.stage.database.read(lambda connection: connection.execute("SELECT sum(lines) FROM log_days").fetchone()))
    lines = finished(site.stage.database.read(lambda connection: connection.execute("SELECT count(*) FROM log_lines").fetchone()))
    assert days == lines

