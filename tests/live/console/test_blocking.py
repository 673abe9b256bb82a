"""
Live tests of what the console has of blocking and of look-ups.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.console.test_console import Browser, Console
from tests.live.twistds import wait
from tests.live.zones.test_updates import ask
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import SOA, A


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    (tmp_path / "ads.txt").write_text("ads.example.net\n")
    settings = tmp_path / "settings.toml"
    more = f"""
[[list]]
name = "ads"
file = "{tmp_path}/ads.txt"
[[view]]
name = "children"
clients = ["127.0.0.2"]
"""
    text = settings.read_text().replace('role = "serve"', 'role = "forward"\nupstream = ["127.0.0.1:1"]\nlists = ["ads"]')
    settings.write_text(text + more)
    made.begin()
    yield made
    made.twistd.stop()


def test_pause(console: Console) -> None:
    """
    An administrator pauses blocking for a view, and blocks again; others do not. The page says which rule decides about a name.
    """
    wait(lambda: ask(console.server, "ads.example.net", A).rcode == Rcode.NXDOMAIN, console.twistd)
    browser, guest = Browser(console), Browser(console, "guest")
    assert browser.get("/blocking") == 200
    assert "ads" in browser.page
    assert "<option>children</option>" in browser.page
    assert guest.get("/blocking?name=ads.example.net&client=127.0.0.1") == 200
    assert "ads.example.net" in html.unescape(guest.page).partition("Why is it blocked?")[2].partition("</form>")[2]
    assert guest.post("/blocking", action="pause", view="default", time="5m") == 403
    assert browser.post("/blocking", action="pause", view="default", time="5m") == 303
    wait(lambda: ask(console.server, "ads.example.net", A).rcode != Rcode.NXDOMAIN, console.twistd)
    assert browser.get(browser.location) == 200
    assert re.search(r"Blocking is paused for clients in no view until [-0-9: ]+\.", browser.page)
    # Each pause has its end, and what ends it, for as long as it goes on.
    assert browser.post("/blocking", action="pause", view="children", time="2h") == 303
    assert browser.get("/blocking") == 200
    forms = [form for form in browser.page.split("<form") if 'value="resume"' in form]
    assert [re.findall(r'name="view" value="(\w+)"', form) for form in forms] == [["default"], ["children"]]
    assert "Blocking is paused for view children until " in forms[1]
    assert browser.post("/blocking", action="resume", view="default") == 303
    assert browser.get("/blocking") == 200
    assert "clients in no view until" not in browser.page and "view children until" in browser.page
    assert browser.get("/") == 200
    assert "paused blocking for view children for 2 hours" in browser.page
    assert "ended the pause of blocking for clients in no view" in browser.page
    wait(lambda: ask(console.server, "ads.example.net", A).rcode == Rcode.NXDOMAIN, console.twistd)
    browser.get("/blocking")
    assert browser.post("/blocking", action="pause", view="default", time="5m", own="1h30m") == 303
    assert browser.get("/") == 200
    assert "paused blocking for clients in no view for 1h30m" in browser.page
    browser.get("/blocking")
    assert browser.post("/blocking", action="resume", view="all") == 303
    for fields in (
        {"action": "pause", "view": "default", "own": "soon"}, {"action": "pause", "view": "default", "own": "2d"},
        {"action": "pause", "view": "none"}, {"action": "fetch", "list": "none"}, {"action": "other"},
    ):  # fmt: skip
        browser.get("/blocking")
        assert (browser.post("/blocking", **fields), fields) == (422, fields)
    for query in ("name=a..b", "name=ads.example.net&client=nonsense"):
        assert browser.get(f"/blocking?{query}") == 200
    assert "Traceback" not in console.twistd.text()


def test_look(console: Console) -> None:
    """
    The page of look-ups shows each step and the answer, what the cache has, and forgets it when an administrator says so.
    """
    browser, guest = Browser(console), Browser(console, "guest")
    assert guest.get("/look?name=example.org&type=SOA") == 200
    page = html.unescape(guest.page)
    assert "ns1.example.org. hostmaster.example.org. 10" in page
    assert "Part of the server" in page
    assert guest.post("/look", name="example.org") == 403
    assert browser.get("/look?name=none.example.net") == 200
    assert "<h2>Answer</h2>" in browser.page, browser.page
    assert browser.post("/look", name="none.example.net", below="1") == 303
    assert browser.get(browser.location) == 200
    assert "The cache has forgotten" in browser.page
    assert browser.post("/look", name="none.example.net", type="MX", which="negative") == 303
    assert browser.get(browser.location) == 200
    assert "The cache has forgotten 0 answers" in browser.page
    # Its upstream does not reply.
    for path in ("/look/chain", "/look/chain.svg"):
        for query in ("name=www.example.net", "name=a..b", "name=example.org&type=NONSENSE", ""):
            assert (guest.get(f"{path}?{query}"), query) == (422, query)
    for query in ("name=a..b", "name=example.org&type=NONSENSE", "name=example.org&client=nonsense", "name=<script>"):
        assert (browser.get(f"/look?{query}"), "<script" in browser.page) == (200, False)
    assert "Traceback" not in console.twistd.text()


def test_withoutBlocking(tmp_path: Path) -> None:
    """
    A server that blocks nothing says so, and what to set.
    """
    made = Console(tmp_path)
    made.begin()
    try:
        browser = Browser(made)
        assert browser.get("/blocking") == 200
        assert "This server blocks nothing" in browser.page
        assert browser.get("/look?name=example.org&type=SOA") == 200
        assert ask(made.server, "example.org", SOA).rcode == Rcode.NOERROR
    finally:
        made.twistd.stop()
