"""
Live tests of who sees what clients ask, and how much of it.
"""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from tests.live.console.test_console import Browser
from tests.live.console.test_settings import blocked, consoleAt, press
from tests.live.twistds import wait
from tests.live.zones.test_updates import ask
from twisted_ext.wire.rrtypes import A


@pytest.mark.parametrize("workers", [1, 2])
def test_administratorsSeeClients(tmp_path: Path, workers: int) -> None:
    """
    Administrators see queries and clients from the history, all of them, although the settings show them to nobody else.
    """
    console = consoleAt(tmp_path, more=f"workers = {workers}\n")
    settings = tmp_path / "settings.toml"
    console.twistd.stop()
    settings.write_text(settings.read_text().replace("show-clients = true\n", ""))
    console.begin()
    try:
        browser, guest = Browser(console), Browser(console, "guest")
        for path in ("/clients", "/clients/127.0.0.1", "/queries"):
            assert (browser.get(path), path) == (200, path)
        for number in range(440):
            ask(console.server, "ads.example.net" if number % 4 else "localhost", A)
        for path in ("/clients", "/clients/127.0.0.1", "/queries"):
            assert (guest.get(path), path) == (403, path)

        def row() -> list[str]:
            assert browser.get("/clients") == 200
            cells = re.findall(r"<td[^>]*>(.*?)</td>", browser.page.partition("<tbody>")[2].partition("</tr>")[0], re.DOTALL)
            return [html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in cells]

        # The server was asked for a record to see whether it runs.
        wait(lambda: len(row()) > 3 and int(row()[2]) >= 440, console.twistd)
        assert row()[0] == "127.0.0.1"
        assert 440 <= int(row()[2]) < 460
        assert row()[3] in ("71 %", "72 %", "73 %", "74 %", "75 %")
        assert browser.get("/clients/127.0.0.1") == 200
        assert "ads.example.net" in browser.page
        assert browser.get("/queries?name=ads.example.net") == 200
        assert "blocked" in browser.page.partition("<tbody>")[2]
    finally:
        console.twistd.stop()


def test_topOfHome(tmp_path: Path) -> None:
    """
    Home has the names that were blocked and wanted most, and who asked most, for those who may see it; a blocked one is allowed there.
    """
    console = consoleAt(tmp_path)
    settings = tmp_path / "settings.toml"
    console.twistd.stop()
    settings.write_text(settings.read_text().replace("show-clients = true\n", ""))
    console.begin()
    try:
        wait(lambda: blocked(console, "ads.example.net"), console.twistd)
        for number in range(30):
            ask(console.server, "ads.example.net" if number % 3 else "localhost", A)
        browser, guest = Browser(console), Browser(console, "guest")

        def shown() -> bool:
            # What there is most of is looked for once a minute; so sign in when it is there.
            assert browser.get("/queries?name=ads.example.net") == 200
            return browser.page.count("ads.example.net.</a> A") >= 20

        wait(shown, console.twistd)
        assert browser.get("/") == 200
        page = browser.page.partition("Most blocked names")[2]
        assert re.search(r'<td data-label="Name"><a href="/queries\?name=ads\.example\.net\.">ads\.example\.net\.</a></td>', page)
        assert "127.0.0.1" in page.partition("Busiest clients")[2]
        assert guest.get("/") == 200 and "Most blocked names" not in guest.page
        said = press(browser, "Allow ads.example.net.")
        assert said == "ads.example.net. and all names below it are allowed for all clients."
        assert not blocked(console, "ads.example.net")
        assert "Traceback" not in console.twistd.text()
    finally:
        console.twistd.stop()
