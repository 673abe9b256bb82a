"""
Tasks of a household and of a small company, done in a browser by the keyboard alone: how many clicks each takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.console.keyboards import Keyboard
from tests.live.console.test_console import PASSWORD, Console
from tests.live.console.test_settings import blocked, consoleAt
from tests.live.twistds import Twistd, addresses, wait
from tests.live.upstreams import Upstream
from tests.live.zones.test_updates import ROOT, ServerAddress, ask, serialOf
from twisted_ext.wire.rrtypes import A

#: For each task the clicks, and the fields that something is written into or chosen in. The page about the console has the same.
TASKS = {
    "block an app for the children": (2, 0),
    "see why a page fails": (2, 1),
    "allow a name": (2, 0),
    "pause a view": (2, 1),
    "add a name": (2, 2),
    "add a record to a zone": (5, 2),
    "roll a zone back": (5, 0),
    "find the busiest device": (1, 0),
    "refresh a secondary": (3, 0),
    "back up": (2, 0),
    "add a list by URL": (2, 1),
    "times, and a list for a view at these": (3, 6),
    "a view with one device": (3, 1),
    "another upstream, tried first": (2, 1),
    "safe search for a view": (2, 1),
    "undo yesterday's change": (2, 0),
    "what would blocking it break": (2, 1),
}


def test_documented() -> None:
    """
    The page about the console has the same numbers.
    """
    page = (ROOT / "docs" / "howto" / "console.rst").read_text("utf-8")
    for name, (clicks, fields) in TASKS.items():
        more = f", {fields} field{'s' if fields > 1 else ''}" if fields else ""
        assert f"   * - {name}\n     - {clicks}{more}\n" in page, name


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Twistd]:
    """
    Start a server with a zone that may be transferred.
    """
    folder = tmp_path / "primary"
    folder.mkdir()
    (folder / "zone").write_text("@ 60 SOA ns1 hostmaster 1 36000 36000 604800 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n")
    settings = f'role = "serve"\nstate = "{folder}/state"\n[[zone]]\nname = "second.example"\nfile = "zone"\n'
    settings += 'allow-transfer = ["127.0.0.1"]\n'
    (folder / "settings.toml").write_text(settings)
    with Twistd(folder, "--config", str(folder / "settings.toml")) as made:
        yield made


@pytest.fixture
def console(tmp_path: Path, primary: Twistd) -> Iterator[Console]:
    """
    Start a server that has it as a secondary.
    """
    folder = tmp_path / "console"
    folder.mkdir()
    tables = f'[[zone]]\nname = "second.example"\nprimaries = ["127.0.0.1:{primary.port}"]\n'
    made = consoleAt(folder, tables=tables)
    yield made
    made.twistd.stop()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(otherwise=0) as made:
        yield made


@pytest.mark.parametrize("firefox", [0, 1280], ids=["chromium", "firefox"])
def test_tasks(console: Console, primary: Twistd, upstream: Upstream, tmp_path: Path, firefox: int) -> None:
    """
    Each task is done in as few clicks as the page about the console says, in two browsers.
    """
    wait(lambda: blocked(console, "ads.example.net") and serialOf(console.server, "second.example") == 1, console.twistd)
    counted: dict[str, tuple[int, int]] = {}
    with Keyboard(tmp_path / "browser", f"http://127.0.0.1:{console.port}", firefox) as person:
        person.page.screen(1280)
        person.signIn("anna", PASSWORD)

        def task(name: str, work: Callable[[], object], isDone: Callable[[], object]) -> None:
            person.begin()
            work()
            counted[name] = person.clicks, person.fields
            wait(isDone, console.twistd)

        def block() -> None:
            person.click("Blocking")
            person.click("Switch on games for view children")

        task("block an app for the children", block, lambda: person.said == "applied list games to view children")

        def why() -> None:
            person.click("Blocking")
            person.write("Name", "ads.example.net")
            person.click("Look")

        task("see why a page fails", why, lambda: person.has("ads.example.net is blocked by ads:1"))

        def allow() -> None:
            person.click("Queries")
            person.click("Allow ads.example.net.")

        task("allow a name", allow, lambda: not blocked(console, "ads.example.net"))

        def pause() -> None:
            person.click("Blocking")
            person.choose("Clients of view", "chi")
            person.click("Pause")

        task("pause a view", pause, lambda: person.has("Blocking is paused for view children until "))

        def name() -> None:
            person.click("Names")
            person.write("Name, such as printer.lan", "printer.lan")
            person.write("Address or other data", "192.0.2.40")
            person.click("Add")

        task("add a name", name, lambda: addresses(ask(console.server, "printer.lan", A)) == ["192.0.2.40"])

        def record() -> None:
            person.click("Zones")
            person.click("example.org.")
            person.click("Add records")
            person.write("Name, @ for the zone itself", "shop")
            person.write("Data, one record on each line, which are added to those of the name and type", "192.0.2.41")
            person.click("Show what changes")
            person.click("Change it")

        task("add a record to a zone", record, lambda: addresses(ask(console.server, "shop.example.org", A)) == ["192.0.2.41"])

        def back() -> None:
            person.click("Zones")
            person.click("example.org.")
            person.click("Changes of the zone")
            person.click("Go back to before this")
            person.click("Go back")

        task("roll a zone back", back, lambda: addresses(ask(console.server, "shop.example.org", A)) == [])
        task("find the busiest device", lambda: person.click("Clients"), lambda: person.has("100 %"))
        zone, address = primary.folder / "zone", ServerAddress(primary.folder)
        address.port = primary.port

        def refresh() -> None:
            zone.write_text(zone.read_text().replace("hostmaster 1 ", "hostmaster 2 "))
            wait(lambda: serialOf(address, "second.example") == 2, primary)
            person.click("Zones")
            person.click("second.example.")
            person.click("Transfer now")

        task("refresh a secondary", refresh, lambda: serialOf(console.server, "second.example") == 2)

        def save() -> None:
            person.click("Settings")
            person.to("Back up")
            person.clicks += 1
            # The reply is a file, not a page.
            person.page.press("Enter")

        def fetch() -> None:
            person.click("Blocking")
            person.write("URL of a list", "https://127.0.0.1/social.txt")
            person.click("Add the list")

        task("add a list by URL", fetch, lambda: person.said.startswith("added list social, from 127.0.0.1; applied list social"))

        def times() -> None:
            person.click("Blocking")
            person.write("Name, such as homework", "never")
            person.write("Days, such as mon-fri", "mon")
            person.write("Times, such as 14:00-17:30", "00:00-00:01")
            person.click("Add the times")
            person.choose("List", "gam")
            person.choose("Apply to", "view chi")
            person.choose("When it applies", "during")
            person.click("Apply")

        task("times, and a list for a view at these", times, lambda: person.said == "applied list games during never to view children")

        def device() -> None:
            person.click("Clients")
            person.click("127.0.0.1")
            person.write("Name of a new view", "tablet")
            person.click("Put it into a new view")

        task("a view with one device", device, lambda: person.said == "added view tablet: 127.0.0.1/32")

        def forward() -> None:
            person.click("Upstreams")
            person.write("Address, or tls://, https:// or quic:// and a name", upstream.label)
            person.click("Try it and add it")

        task("another upstream, tried first", forward, lambda: person.said.startswith(f"added udp:{upstream.label} to upstream"))

        def search() -> None:
            person.click("Blocking")
            person.choose("Safe search for", "view chi")
            person.click("Switch on safe search")

        task("safe search for a view", search, lambda: person.said.startswith("switched safe search of google on for view children"))

        def undo() -> None:
            person.click("Changes")
            person.click("Undo: added view tablet: 127.0.0.1/32")

        task("undo yesterday's change", undo, lambda: person.said == "removed view tablet")

        def tried() -> None:
            person.click("Blocking")
            person.to("Look")
            person.write("Name", "ads.example.net")
            person.click("Try blocking it on the last day")

        task("what would blocking it break", tried, lambda: person.has("Nothing has changed yet."))
        audit = console.folder / "state" / "audit.jsonl"
        task("back up", save, lambda: '"path":"/backup","status":200' in audit.read_text().replace(" ", ""))
    assert counted == TASKS
    assert "Traceback" not in console.twistd.text()

