"""
The pictures of the console in the documentation. The test makes them; with TXDNS_PICTURES, the path of a folder, it writes them there.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.apps.browsing import Browsing
from tests.live.console.keyboards import Keyboard
from tests.live.console.test_console import PASSWORD, Browser, Console
from tests.live.console.test_settings import blocked, consoleAt, press
from tests.live.twistds import exchange, wait
from tests.live.upstreams import Upstream
from tests.live.zones.test_updates import ROOT
from twisted_ext.metrics.counters import BOUNDS

#: The pictures: the page, and a text that it shows.
PICTURES = {
    "console-home": ("/", "Queries a second, at most"),
    "console-queries": ("/queries", "ads.example.net."),
    "console-blocking": ("/blocking", "Clients of view"),
    "console-views": ("/views", "Add a view"),
    "console-upstreams": ("/upstreams", "Try it and add it"),
    "console-changes": ("/changes", "blocked chat.example.com. for view children"),
    "console-tried": ("", "would be blocked"),
}

#: Pixels of a picture.
_WIDTH, _HEIGHT = 1000, 760

_STEP = 300


def dayOf(now: float) -> dict[str, list[list[object]]]:
    """
    Return the history of a household on a usual day, as a server keeps it.
    """
    chance = random.Random(1)
    steps: list[list[object]] = []
    begin = int(now - 86_000) // _STEP * _STEP
    for start in range(begin, int(now) - _STEP, _STEP):
        hour = time.localtime(start).tm_hour + time.localtime(start).tm_min / 60
        activity = 0.1 + max(math.sin((hour - 6) / 18 * math.pi), 0.0) ** 1.5 + (0.4 if 18 <= hour < 22 else 0.0)
        queries = int(_STEP * activity * chance.uniform(1.5, 2.5))
        looked, blocked = int(queries * chance.uniform(0.12, 0.2)), int(queries * chance.uniform(0.08, 0.14))
        latency = chance.uniform(0.018, 0.035)
        buckets = [0] * (len(BOUNDS) + 1)
        buckets[next(place for place, bound in enumerate(BOUNDS) if bound > latency * 2)] = looked
        steps.append([start, float(_STEP), queries, queries - looked, looked, looked // 60, looked * latency, blocked, buckets])
    return {"hour": [], "day": steps}


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """
    Start a server that has run for a day.
    """
    folder = tmp_path / "console"
    (folder / "state").mkdir(parents=True)
    (folder / "state" / "history.json").write_text(json.dumps(dayOf(time.time())))
    with Upstream(otherwise=0) as upstream:
        made = consoleAt(folder, upstream=upstream.label, isInFiles=False)
        yield made
        made.twistd.stop()


def shows(person: Keyboard, address: str, text: str) -> bool:
    """
    Open a page, and return whether it shows a text.
    """
    person.page.open("about:blank", "location.href == 'about:blank'")
    person.page.open(address, f"location.href == {address!r} && document.readyState == 'complete'")
    return person.has(text)


def test_pictures(console: Console, tmp_path: Path) -> None:
    """
    Each picture shows what the documentation says of it, and is there.
    """
    wait(lambda: blocked(console, "ads.example.net"), console.twistd)
    for name in ("www", "mail", "cdn", "www", "news", "img", "static", "www", "api", "fonts", "maps", "mail", "chat", "www"):
        exchange(console.server.port, f"{name}.example.com")
    exchange(console.server.port, "ads.example.net")
    browser = Browser(console)
    browser.get("/blocking")
    press(browser, "Pause", view="children", time="30m")
    press(browser, "Block", name="chat.example.com", view="children")
    press(browser, "Allow", name="fonts.example.com", view="")
    press(browser, "Add the times", name="homework", days="mon-fri", times="14:00-17:30")
    press(browser, "Add the names", names="games.example.org", name="play", view="children", when="during homework")
    folder = Path(os.environ.get("TXDNS_PICTURES") or tmp_path)
    with Keyboard(tmp_path / "browser", f"http://127.0.0.1:{console.port}") as person:
        assert isinstance(person.page, Browsing)
        person.page.prefer("light")
        person.page.screen(_WIDTH, _HEIGHT)
        person.signIn("anna", PASSWORD)
        for name, (path, text) in PICTURES.items():
            address = f"{path}?span=day" if path == "/" else path
            if path:
                wait(partial(shows, person, f"http://127.0.0.1:{console.port}{address}", text), console.twistd)
            else:
                person.begin("/blocking")
                # It opens what is below it.
                person.to("Add a list of your own names, or exceptions")
                person.page.press("Enter")
                person.write("Names, one on each line, with all below them", "example.com")
                person.click("Try the names on the last day")
                assert person.has(text)
            made = folder / f"{name}.png"
            person.page.shot(made)
            for each in (made, ROOT / "docs" / "pictures" / f"{name}.png"):
                octets = each.read_bytes()
                assert octets.startswith(b"\x89PNG")
                size = [int.from_bytes(octets[place : place + 4], "big") for place in (16, 20)]
                assert (each.name, size) == (each.name, [_WIDTH, _HEIGHT])
