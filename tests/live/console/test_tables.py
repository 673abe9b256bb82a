"""
Live tests of lists, schedules and views that are added in the console.
"""

from __future__ import annotations

import html
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.console.test_console import Browser, Console
from tests.live.console.test_settings import blocked, consoleAt, press
from tests.live.twistds import addresses, wait
from tests.live.upstreams import Upstream
from tests.live.zones.test_updates import ask
from twisted_ext.wire.rrtypes import A


@pytest.fixture(params=[1, 2])
def console(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Console]:
    """
    Start a server that blocks nothing.
    """
    made = Console(tmp_path)
    settings = tmp_path / "settings.toml"
    role = f'role = "forward"\nupstream = ["127.0.0.1:1"]\nworkers = {request.param}\n'
    settings.write_text(settings.read_text().replace('role = "serve"\n', role))
    made.begin()
    yield made
    made.twistd.stop()


def test_fromNothing(console: Console) -> None:
    """
    A list of names, times, a view and safe search are added, applied and removed, each is in force at once, has an undo, and holds after
    the server was killed.
    """
    browser = Browser(console)
    browser.get("/blocking")
    said = press(browser, "Add the names", names="games.example.net\n\nchat.example.net\n", name="play")
    assert said == "added list play; applied list play to all clients"
    assert blocked(console, "www.games.example.net") and not blocked(console, "example.net")
    said = press(browser, "Add the times", name="never", days="mon", times="00:00-00:01, 00:02-00:03")
    assert said == "added schedule never: mon, 00:00-00:01, 00:02-00:03"
    browser.get("/views")
    assert press(browser, "Add", name="kids", clients="127.0.0.1, ::1") == "added view kids: 127.0.0.1/32, ::1/128"
    assert blocked(console, "games.example.net")
    # In the view it applies at these times only.
    browser.get("/blocking")
    assert press(browser, "Switch off play for view kids") == "no longer applies list play to view kids"
    said = press(browser, "Apply", name="play", view="kids", value="during never")
    assert said == "applied list play during never to view kids"
    assert not blocked(console, "games.example.net")
    said = press(browser, "Switch on safe search", engine="all", view="kids")
    assert said.startswith("switched safe search of google on for view kids; ")
    browser.get("/blocking?name=www.google.de&client=127.0.0.1")
    assert "www.google.de is rewritten by safe-search" in browser.page
    browser.get("/views/kids")
    page = html.unescape(browser.page)
    assert "play during never: on" in page and "google, bing, duckduckgo, youtube, yandex" in page and "youtube-moderate" not in page
    os.kill(console.twistd.pid, signal.SIGKILL)
    console.twistd.stop()
    with (console.folder / "state" / "added.toml").open("a") as file:
        file.write('\n[[added]]\nsetting = "lists"\nvalue = "gone"\n')
    console.begin()
    browser = Browser(console)
    browser.get("/")
    said = "Of what was changed here this has no effect: lists has gone for all clients: there is no list gone in the settings."
    assert html.unescape(browser.page).count(said) == 1
    assert not blocked(console, "games.example.net")
    browser.get("/views")
    assert "play during never" in browser.page
    assert press(browser, "Remove view kids") == "removed view kids"
    wait(lambda: blocked(console, "games.example.net"), console.twistd)
    said = press(browser, "Undo")
    assert said.startswith("added view kids: 127.0.0.1/32, ::1/128; ") and "; applied list play during never to view kids" in said
    assert not blocked(console, "games.example.net")
    browser.get("/blocking")
    assert press(browser, "Remove times never") == "no longer applies list play during never to view kids; removed schedule never"
    press(browser, "Remove list play")
    browser.get("/blocking")
    assert "Remove list" not in browser.page
    assert "Traceback" not in console.twistd.text()


def test_whatIsRefused(console: Console) -> None:
    """
    Others than administrators add nothing; what is wrong is said in the words of the form, and what was typed is not the end of it: nothing
    changes.
    """
    browser, guest = Browser(console), Browser(console, "guest")
    assert guest.get("/blocking") == 200 and "Add the list" not in guest.page
    assert guest.get("/views") == 200 and "Add a view" not in guest.page
    assert guest.post("/blocking", action="list", url="https://lists.example/") == 403
    assert guest.post("/views", name="x", clients="any") == 403
    for path, fields, said in (
        ("/blocking", {"action": "list"}, "A list has either a URL or names; give one of them."),
        ("/blocking", {"action": "list", "url": "https://a.example/", "names": "b.example"}, "A list has either a URL or names"),
        ("/blocking", {"action": "list", "url": "http://a.example/"}, "anybody on the way could change the list"),
        ("/blocking", {"action": "list", "url": "file:///etc/passwd"}, "file:// is not used"),
        ("/blocking", {"action": "list", "url": "/etc/passwd"}, "has no https://"),
        ("/blocking", {"action": "list", "url": "https://[::1/"}, "Invalid IPv6 URL"),
        ("/blocking", {"action": "list", "names": "a.example", "name": "<script>"}, "name takes"),
        ("/blocking", {"action": "list", "names": "a.example", "view": "none"}, "there is no view none"),
        ("/blocking", {"action": "list", "names": "a.example", "when": "during none"}, "or no schedule none"),
        ("/blocking", {"action": "schedule", "name": "x"}, "has neither days nor times"),
        ("/blocking", {"action": "schedule", "name": "x", "times": "25:00-26:00"}, "schedule x:"),
        ("/blocking", {"action": "search", "engine": "none"}, "is not one of google"),
        ("/views", {"name": "x", "clients": ""}, "A view takes a client"),
        ("/views", {"name": "x", "clients": "key=partner"}, "is for the settings file only"),
        ("/views", {"name": "", "clients": "192.0.2.1"}, "has no name"),
    ):
        browser.get(path)
        assert (browser.post(path, **fields), fields) == (422, fields)
        assert said in html.unescape(browser.page), (fields, browser.page)
        assert "<script>" not in browser.page
    assert not (console.folder / "state" / "added.toml").exists()
    browser.get("/views")
    press(browser, "Add", name="kids", clients="192.0.2.1")
    assert browser.post("/views", name="kids", clients="192.0.2.2") == 422
    assert "There is a view kids already; choose another name." in browser.page
    assert browser.get("/views/none") == 404
    assert "Traceback" not in console.twistd.text()


def test_listByURL(console: Console) -> None:
    """
    A list by URL has the name of its file, or another one if there is one already. What became of fetching it is said, once, without what
    the URL may have of secrets; one that leads here is not asked.
    """
    browser = Browser(console)
    browser.get("/blocking")
    url = f"https://127.0.0.1:{console.port}/hosts/social.txt?key=hunter2"
    said = press(browser, "Add the list", url=url)
    assert said.startswith("added list social, from 127.0.0.1; applied list social to all clients; list social (https://127.0.0.1:")
    assert "could not be fetched: 127.0.0.1: this is a private address; it has no effect until it is" in said
    assert "hunter2" not in browser.page
    assert press(browser, "Add the list", url=url).startswith("added list social-2, from 127.0.0.1; ")
    browser.get("/")
    assert "List social could not be fetched or read" in browser.page and "hunter2" not in browser.page
    browser.get("/blocking")
    assert press(browser, "Remove list social") == "no longer applies list social to all clients; removed list social"
    assert "hunter2" not in console.twistd.text()


def test_oneDevice(tmp_path: Path) -> None:
    """
    From the page of a client it is one button to a view of its own; put into another one it is in that, whichever comes first.
    """
    console = consoleAt(tmp_path)
    try:
        browser = Browser(console)
        browser.get("/clients/127.0.0.1")
        assert press(browser, "Put it into a new view", name="tablet") == "added view tablet: 127.0.0.1/32"
        assert "It is in view tablet." in browser.page
        said = press(browser, "Put it into this view", view="children")
        assert said == "took client 127.0.0.1/32 out of view tablet; put client 127.0.0.1/32 into view children"
        assert "It is in view children." in browser.page
        assert press(browser, "Undo").startswith("took client 127.0.0.1/32 out of view children; put")
        assert "It is in view tablet." in browser.page
        browser.get("/views")
        assert re.findall(r'<a href="/views/(\w+)">', browser.page) == ["tablet", "children"]
    finally:
        console.twistd.stop()


def test_upstreams(tmp_path: Path) -> None:
    """
    An upstream is asked before it is added; one that gives no answer is added if the user says so. The last one stays, and what is more
    than a server on the network is for the settings file.
    """
    with Upstream(otherwise=0) as replying:
        console = consoleAt(tmp_path)
        try:
            browser, guest = Browser(console), Browser(console, "guest")
            assert guest.post("/upstreams", action="add", value="192.0.2.53") == 403
            browser.get("/upstreams")
            assert "Remove" not in browser.page
            assert browser.post("/upstreams", action="remove", value="udp:127.0.0.1:1") == 422
            assert "This is the last upstream; add another one first." in browser.page
            browser.get("/upstreams")
            assert press(browser, "Try it and add it", value=replying.label) == f"added udp:{replying.label} to upstream for all clients"
            assert press(browser, "Remove udp:127.0.0.1:1") == "removed udp:127.0.0.1:1 from upstream for all clients"
            assert replying.asked["udp", ".", "NS"] == 1
            dead = "udp:127.0.0.1:2"
            browser.get("/upstreams")
            assert browser.post("/upstreams", action="add", value="127.0.0.1:2") == 422
            page = html.unescape(browser.page)
            assert f"{dead} was not added, as it gave no answer: " in page
            assert press(browser, "Add it anyway") == f"added {dead} to upstream for all clients"
            assert press(browser, "Undo") == f"removed {dead} from upstream for all clients"
            for value in ("", "zone:x=/etc/passwd", "tls:192.0.2.1:ca=/etc/passwd", "cache:udp:192.0.2.1", "names:os.system", "udp:x"):
                browser.get("/upstreams")
                assert (browser.post("/upstreams", action="add", value=value), value) == (422, value)
                assert (browser.post("/upstreams", action="anyway", value=value), value) == (422, value)
            assert browser.post("/upstreams", action="other", value=dead) == 422
            assert "Traceback" not in console.twistd.text()
        finally:
            console.twistd.stop()


def test_singleValues(tmp_path: Path) -> None:
    """
    A setting with one value is set on the page of settings, in force at once, and is set back to what the file says.
    """
    console = consoleAt(tmp_path)
    try:
        wait(lambda: blocked(console, "ads.example.net"), console.twistd)
        browser = Browser(console)
        browser.get("/settings?q=block-reply")
        assert "Back to the file" not in browser.page
        assert press(browser, "Set block-reply", value="192.0.2.9") == "set block-reply to 192.0.2.9 for all clients"
        assert addresses(ask(console.server, "ads.example.net", A)) == ["192.0.2.9"]
        assert press(browser, "Back to the file's block-reply") == "set block-reply for all clients back to what the server's file says"
        assert blocked(console, "ads.example.net")
        browser.get("/settings?q=query-history&all=1")
        assert press(browser, "Set query-history", value="false") == "set query-history to false for all clients"
        press(browser, "Set query-history-days", value="3")
        assert press(browser, "Undo").startswith("set query-history-days for all clients back")
        assert browser.post("/settings", action="add", setting="query-history-days", value="many") == 422
        assert "query-history-days takes a number of days" in html.unescape(browser.page)
        assert browser.get("/queries") == 200
        assert "Traceback" not in console.twistd.text()
    finally:
        console.twistd.stop()


def test_tried(tmp_path: Path) -> None:
    """
    Before names are blocked, by a list or one by one, the page says which queries of the last day that would have blocked, and for whom;
    nothing has changed until it is done from there.
    """
    console = consoleAt(tmp_path)
    try:
        for name in ("www.chat.example", "chat.example", "www.chat.example", "other.example"):
            ask(console.server, name, A)
        browser, guest = Browser(console), Browser(console, "guest")
        wait(lambda: browser.get("/queries?name=other.example") == 200 and "other.example." in browser.page, console.twistd)
        fields = {"action": "list", "names": "chat.example\nnone.example", "name": "chats"}
        assert guest.post("/blocking/try", **fields) == 403
        browser.get("/blocking")
        assert browser.post("/blocking/try", **fields) == 200
        page = html.unescape(browser.page)
        assert "3 queries for 2 names would be blocked" in page and "Nothing has changed yet." in page
        row = r'<td data-label="Name"><a href="([^"]*)">([^<]*)</a></td><td data-label="Queries" class="number">(\d+)</td>'
        rows = re.findall(row, page)
        assert [(name, count) for _, name, count in rows] == [("www.chat.example.", "2"), ("chat.example.", "1")]
        assert browser.fork().get(rows[0][0]) == 200
        assert "127.0.0.1" in page and "chats:1" in page and "no list" not in page
        assert not (tmp_path / "state" / "added.toml").exists()
        assert press(browser, "Add list chats") == "added list chats; applied list chats to all clients"
        assert blocked(console, "www.chat.example")
        browser.get("/blocking")
        assert browser.post("/blocking/try", action="block", name="other.example", view="children") == 200, browser.page
        assert "No query of the last day would be decided otherwise." in browser.page
        browser.get("/blocking")
        assert browser.post("/blocking/try", action="allow", name="chat.example", view="") == 200
        assert "would not be blocked any more" in browser.page
        assert press(browser, "Allow chat.example") == "chat.example and all names below it are allowed for all clients."
        for fields, said in (
            ({"action": "list"}, "A list has either a URL or names"),
            ({"action": "block", "name": ""}, "The name is missing."),
            ({"action": "block", "name": "a..b"}, "block"),
            ({"action": "block", "name": "a.example", "view": "none"}, "there is no view none"),
            ({"action": "list", "url": "https://127.0.0.1/x"}, "It could not be tried: 127.0.0.1: this is a private address."),
            ({"action": "add", "url": "https://a.example/x", "token": "x"}, "What was tried is not there any more; try it again."),
            ({"action": "other"}, "There is no such action."),
        ):
            browser.get("/blocking")
            assert (browser.post("/blocking/try", **fields), fields) == (422, fields)
            assert said in html.unescape(browser.page), browser.page
        browser.get("/changes")
        assert "would" not in browser.page
        assert not list((tmp_path / "state" / "tried").iterdir())
        assert "Traceback" not in console.twistd.text()
    finally:
        console.twistd.stop()
