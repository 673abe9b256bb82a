"""
Live tests of what the console changes of settings: names that are blocked or allowed, lists, local names, clients of views.
"""

from __future__ import annotations

import html
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live.console.test_console import Browser, Console
from tests.live.twistds import addresses, wait
from tests.live.zones.test_updates import ask
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import A

_HOOKS = """
from twisted_ext.hooks import answer, hook

@hook(below=["shop.example.net"])
def closed(name):
    return answer("A 203.0.113.80")
"""


def consoleAt(folder: Path, more: str = "", tables: str = "", upstream: str = "127.0.0.1:1", isInFiles: bool = True) -> Console:
    """
    Return a server that forwards, with two lists, a view, and the history of queries.

    @param more: further settings, and C{tables} further tables.
    @param upstream: by default one that does not reply.
    @param isInFiles: whether the lists are files.
    """
    made = Console(folder)
    (folder / "ads.txt").write_text("ads.example.net\n")
    (folder / "games.txt").write_text("games.example.net\n")
    hooks = folder / "shop.py"
    hooks.write_text(_HOOKS)
    hooks.chmod(0o600)
    settings = folder / "settings.toml"
    own = f'role = "forward"\nupstream = ["{upstream}"]\nlists = ["ads"]\nlocal-domain = ["lan"]\n'
    own += f'show-clients = true\nquery-history = true\nhook = ["{hooks}:closed"]\n'
    text = settings.read_text().replace('role = "serve"\n', own + more)
    tables += f"""
[[list]]
name = "ads"
file = "{folder}/ads.txt"
[[list]]
name = "games"
file = "{folder}/games.txt"
[[view]]
name = "children"
clients = ["127.0.0.9"]
hook = ["{hooks}:closed"]
"""
    if not isInFiles:
        text, tables = [re.sub(r'file = ".*/(ads|games).txt"', r'names = ["\1.example.net"]', each) for each in (text, tables)]
    settings.write_text(text + tables)
    made.begin()
    return made


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = consoleAt(tmp_path, tables='[[schedule]]\nname = "homework"\ndays = ["mon-fri"]\ntimes = ["14:00-17:30"]\n')
    yield made
    made.twistd.stop()


def blocked(console: Console, name: str) -> bool:
    """
    Return whether a name does not exist here; it cannot be looked up either.
    """
    return ask(console.server, name, A).rcode == Rcode.NXDOMAIN


def formOf(page: str, label: str) -> dict[str, str]:
    """
    Return the fields that a browser sends for the button with this text or label.
    """
    for form in re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL):
        form = re.sub(r'<input type="checkbox"(?![^>]* checked)[^>]*>', "", form)
        for attributes, text in re.findall(r"<button([^>]*)>(.*?)</button>", form, re.DOTALL):
            named = re.search(r'aria-label="([^"]*)"', attributes)
            if html.unescape(named[1] if named else text.strip()) != label:
                continue
            fields = {html.unescape(name): html.unescape(value) for name, value in re.findall(r'name="([^"]*)" value="([^"]*)"', form)}
            action = re.search(r'name="action" value="([^"]*)"', attributes)
            path = re.search(r'action="([^"]*)"', form)
            assert path is not None, form
            return {**fields, "action": html.unescape(action[1]) if action else fields.get("action", ""), "_path": html.unescape(path[1])}
    raise AssertionError((label, page))


def pageOf(console: Console, path: str) -> str:
    """
    Return a page, for someone who has just signed in.
    """
    browser = Browser(console)
    assert browser.get(path) == 200
    return html.unescape(browser.page)


def press(browser: Browser, label: str, **more: str) -> str:
    """
    Press a button of the last page, and return what the page after it says.
    """
    fields = {**formOf(browser.page, label), **more}
    assert browser.post(fields.pop("_path"), **{name: value for name, value in fields.items() if name != "proof"}) == 303, browser.page
    assert browser.get(browser.location) == 200
    said = re.search(r'<div class="said" role="status">(.*?)\n', browser.page)
    return html.unescape(said[1]) if said else ""


def test_allowFromQueries(console: Console) -> None:
    """
    From a blocked query in the history it is one button to the name being answered, and one more to undo it.
    """
    wait(lambda: blocked(console, "ads.example.net"), console.twistd)
    browser = Browser(console)
    wait(lambda: browser.get("/queries?outcome=blocked") == 200 and "ads.example.net" in browser.page, console.twistd)
    assert press(browser, "Allow ads.example.net.") == "ads.example.net. and all names below it are allowed for all clients."
    assert not blocked(console, "ads.example.net")
    assert press(browser, "Undo") == "no longer allows ads.example.net. for all clients"
    assert blocked(console, "ads.example.net")
    assert "Undo" not in browser.page
    # Any change can be taken back later, by whoever may change settings, and so can what took it back.
    other, guest = Browser(console), Browser(console, "guest")
    assert (guest.get("/changes"), guest.post("/changes", entry="1")) == (403, 403)
    assert other.get("/changes") == 200
    assert press(other, "Undo: no longer allows ads.example.net. for all clients") == "allowed ads.example.net. for all clients"
    assert not blocked(console, "ads.example.net")
    assert other.post("/changes", entry=formOf(other.page, "Undo: no longer allows ads.example.net. for all clients")["entry"]) == 409
    assert "anna has changed that since" in other.page
    assert not blocked(console, "ads.example.net")
    assert other.get("/") == 200 and "allowed ads.example.net. for all clients" in other.page
    assert "Traceback" not in console.twistd.text()


def test_hooks(console: Console) -> None:
    """
    The page of settings shows hooks, and switches them off and on. Others than those with the right cannot.
    """

    def rcode() -> int:
        return ask(console.server, "www.shop.example.net", A).rcode

    assert rcode() == Rcode.NOERROR
    browser, guest = Browser(console), Browser(console, "guest")
    assert guest.post("/settings", action="off", hook="shop.py:closed") == 403
    assert browser.get("/settings") == 200
    assert "shop.py:closed(name)" in browser.page
    assert press(browser, "Switch shop.py:closed off").startswith("hook shop.py:closed is off: queries pass it until")
    wait(lambda: rcode() != Rcode.NOERROR, console.twistd)
    assert press(browser, "Switch shop.py:closed on") == "hook shop.py:closed is on."
    wait(lambda: rcode() == Rcode.NOERROR, console.twistd)
    assert browser.post("/settings", action="off", hook="none") == 422
    assert "there is no hook none" in html.unescape(browser.page)


def test_otherwise(console: Console) -> None:
    """
    What is blocked for one view holds there, although it is allowed for all clients; and the page says where something else decides.
    """
    wait(lambda: blocked(console, "ads.example.net"), console.twistd)
    browser = Browser(console)
    browser.get("/blocking")
    press(browser, "Allow", name="ads.example.net", view="")
    press(browser, "Block", name="ads.example.net", view="children")
    for client, said in (("127.0.0.9", "ads.example.net is blocked by"), ("127.0.0.1", "ads.example.net is an exception by")):
        assert browser.get(f"/blocking?name=ads.example.net&client={client}") == 200
        assert said in browser.page
    browser.get("/blocking")
    said = press(browser, "Block", name="ads.example.net", view="children", client="127.0.0.1")
    assert "For 127.0.0.1 it is otherwise: ads.example.net is an exception by" in said


def test_kept(console: Console) -> None:
    """
    What was changed is in force after a reload, a restart and a kill, until it is taken back; so is what was switched off. The settings
    file stays as it is.
    """
    browser = Browser(console)
    wait(lambda: blocked(console, "ads.example.net"), console.twistd)
    settings = (console.folder / "settings.toml").read_text()
    browser.get("/blocking")
    assert press(browser, "Switch off ads for all clients") == "no longer applies list ads to all clients"
    assert press(browser, "Switch on games for view children") == "applied list games to view children"
    assert "view children: on" in browser.page
    said = press(browser, "Block", name="Tracker.Example.NET", view="")
    assert said == "Tracker.Example.NET and all names below it are blocked for all clients."
    for end in ("reload", "restart", "kill"):
        assert (blocked(console, "ads.example.net"), blocked(console, "a.tracker.example.net")) == (False, True), end
        if end == "reload":
            os.kill(console.twistd.pid, signal.SIGHUP)
            wait(lambda: "settings read again" in console.twistd.text(), console.twistd)
            continue
        if end == "kill":
            os.killpg(console.twistd.pid, signal.SIGKILL)
        console.twistd.stop()
        console.begin()
        wait(lambda: "is blocked by games:1" in pageOf(console, "/blocking?name=games.example.net&client=127.0.0.9"), console.twistd)
    assert (console.folder / "settings.toml").read_text() == settings
    browser = Browser(console)
    browser.get("/blocking")
    assert press(browser, "Remove tracker.example.net.") == "no longer blocks tracker.example.net. for all clients"
    assert not blocked(console, "tracker.example.net")
    assert press(browser, "Switch on ads for all clients") == "applied list ads to all clients"
    wait(lambda: blocked(console, "ads.example.net"), console.twistd)
    assert "Traceback" not in console.twistd.text()


def test_names(console: Console) -> None:
    """
    A name is added, answered in both directions, and removed; what is not valid is said, and nothing has changed.
    """
    browser, guest = Browser(console), Browser(console, "guest")
    browser.get("/names?address=127.0.0.7")
    said = press(browser, "Add", name="printer.lan", type="A", value="127.0.0.7")
    assert said == "added the local name printer.lan A 127.0.0.7"
    assert addresses(ask(console.server, "printer.lan", A)) == ["127.0.0.7"]
    assert guest.get("/names") == 200
    assert "printer.lan A 127.0.0.7" in guest.page
    assert "Remove printer" not in guest.page
    assert guest.post("/settings", action="add", setting="local", value="x.lan A 127.0.0.8") == 403
    for wrong in ("x.lan A 300.0.0.1", "x.lan", "x.lan A 127.0.0.8\nlocal", "x" * 3000):
        browser.get("/names")
        assert (browser.post("/settings", action="add", setting="local", value=wrong), wrong) == (422, wrong)
    browser.get("/names")
    assert press(browser, "Remove printer.lan A 127.0.0.7") == "removed the local name printer.lan A 127.0.0.7"
    assert ask(console.server, "printer.lan", A).rcode == Rcode.NXDOMAIN


def test_clients(console: Console) -> None:
    """
    The pages of clients say which asks most, put one into a view, and take it out again.
    """
    for _ in range(5):
        ask(console.server, "www.example.net", A)
    browser = Browser(console)
    wait(lambda: browser.get("/clients") == 200 and '<a href="/clients/127.0.0.1">' in browser.page, console.twistd)
    assert browser.get("/clients/127.0.0.1") == 200
    assert "It is in no view." in browser.page
    assert "www.example.net." in browser.page
    assert press(browser, "Put it into this view", view="children") == "put client 127.0.0.1/32 into view children"
    assert "It is in view children." in browser.page
    assert press(browser, "Take it out", view="children") == "took client 127.0.0.1/32 out of view children"
    assert press(browser, "Block www.example.net.") == "www.example.net. and all names below it are blocked for all clients."
    assert blocked(console, "www.example.net")


def test_settings(console: Console) -> None:
    """
    The page says where each value comes from. A reader does not get it.
    """
    browser, guest = Browser(console), Browser(console, "guest")
    browser.get("/blocking")
    press(browser, "Block", name="one.example", view="")
    assert browser.get("/settings?q=o") == 200
    origins = dict(re.findall(r"<summary>(.*?)</summary>.*?<td[^>]*>([^<]*)</td></tr>", browser.page))
    wanted = {"block": "changed while the server runs", "upstream": "the settings file", "port": "an option", "cache-size": "by default"}
    assert {name: origins.get(name) for name in wanted} == wanted
    assert guest.get("/settings") == 403
    fields = {"action": "add", "setting": "lists", "value": "games during homework", "view": "children", "back": "/blocking"}
    assert browser.post("/settings", **fields) == 303
    browser.get("/blocking")
    assert "view children during homework (mon-fri 14:00-17:30): on" in browser.page
    assert browser.get("/upstreams") == 200
    assert "127.0.0.1:1" in browser.page
    for fields in (
        {"action": "add", "setting": "stub", "value": "lan=192.0.2.1"},
        {"action": "add", "setting": "upstream", "value": "zone:x=/etc/passwd"},
        {"action": "add", "setting": "block-except", "value": "file:/etc/passwd"},
        {"action": "add", "setting": "block", "value": "a.example", "view": "none"},
        {"action": "add", "setting": "clients", "value": "192.0.2.1"},
        {"action": "add", "setting": "lists", "value": "none"},
        {"action": "block", "name": ""},
        {"action": "other"},
    ):
        browser.get("/settings")
        assert (browser.post("/settings", **fields), fields) == (422, fields)
    assert "Traceback" not in console.twistd.text()


def test_workers(tmp_path: Path) -> None:
    """
    With several processes that answer, a name is blocked in all of them before the page says so.
    """
    console = consoleAt(tmp_path, "workers = 2\n")
    try:
        browser = Browser(console)
        for number in range(10):
            browser.get("/blocking")
            press(browser, "Block", name=f"a{number}.example", view="")
            assert [blocked(console, f"a{number}.example") for _ in range(8)] == [True] * 8
        assert "Traceback" not in console.twistd.text()
    finally:
        console.twistd.stop()


def test_notKept(console: Console) -> None:
    """
    If a change cannot be kept, the page says so, and it is not in force. One hundred changes at once are all kept.
    """
    state = console.folder / "state"
    added = state / "added.toml"
    added.mkdir(parents=True)
    browser = Browser(console)
    browser.get("/blocking")
    assert browser.post("/settings", action="block", name="one.example") == 422
    assert "added.toml" in browser.page
    assert not blocked(console, "one.example")
    added.rmdir()
    names = [f"n{number}.example" for number in range(100)]
    browser.get("/blocking")
    # As many connections as one client may have: those that it has closed make room for new ones.
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda name: browser.fork().post("/settings", action="block", name=name), names))
    assert said == [303] * 100
    assert {name for name in names if f'"{name}."' in added.read_text()} == set(names)
    assert all(blocked(console, name) for name in names)
