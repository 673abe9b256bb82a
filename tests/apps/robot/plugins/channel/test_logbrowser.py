"""
Tests of the pages of logs in a real browser and over a real database, whose robots are killed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.apps.browsing import Browsing, browserPath, commandOf
from tests.apps.robot.plugins.channel.logserver import Served, served
from tests.apps.robot.plugins.channel.logwriter import FILE, numbersIn
from tests.test_architecture import ROOT

__all__: list[str] = []

_DAY: Final = "logs/net/%23dns/2023-11-14"

_READY: Final = "document.readyState == 'complete' && location.protocol == 'http:'"

#: Elements that end beyond the screen or are wider than it.
_CUT: Final = (
    "[...document.querySelectorAll('body *')].filter(each => each.getClientRects().length && "
    "each.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5).map(each => each.outerHTML.slice(0, 80))"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """
    Return a robot with logs.
    """
    with served(tmp_path_factory.mktemp("logs")) as running:
        yield running


@pytest.fixture
def browsing(tmp_path: Path) -> Iterator[Browsing]:
    """
    Return a browser.
    """
    with Browsing(commandOf(browserPath(), tmp_path)) as found:
        yield found


@pytest.mark.parametrize(("width", "phone"), [(320, True), (390, True), (768, False), (1280, False)])
def test_nothingIsCutAtAnyWidth(browsing: Browsing, site: Served, width: int, phone: bool) -> None:
    """
    On screens of any width nothing is cut or leaves the screen, also with long nicks, words and names of channels.
    """
    browsing.screen(width, phone=phone)
    for path in ("", "logs/", "logs/net/%23dns/", _DAY, "logs/search?q=morning", "logs/search?q=%22"):
        browsing.open(f"{site.address}{path}", f"{_READY} && document.querySelector('h1')")
        assert browsing.value(_CUT) == [], path
        assert browsing.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path


def test_pagesAreStyledWithoutScripts(browsing: Browsing, site: Served) -> None:
    """
    The browser applies the style sheet, follows the colors that the system prefers, and finds no script in a page.
    """
    browsing.open(f"{site.address}{_DAY}", f"{_READY} && document.querySelectorAll('.lines li').length == 1000")
    assert browsing.value("getComputedStyle(document.querySelector('.lines li')).display") == "grid"
    assert browsing.value("document.scripts.length") == 0
    light = browsing.value("getComputedStyle(document.body).backgroundColor")
    browsing.prefer("dark")
    assert browsing.value("getComputedStyle(document.body).backgroundColor") != light
    browsing.open(site.drawing, f"{_READY} && document.body.textContent.includes('drawn')")
    assert browsing.value("getComputedStyle(document.body).color") == "rgb(1, 2, 3)"
    assert browsing.value("document.body.id") == ""


def test_linkOfLineShowsIt(browsing: Browsing, site: Served) -> None:
    """
    The link of a line on a later page of a day leads to the line, which is marked.
    """
    browsing.open(f"{site.address}{_DAY}?page=2", f"{_READY} && document.querySelector('.lines li')")
    line = browsing.value("document.querySelectorAll('.lines li > a')[150].href")
    browsing.open(str(line), f"{_READY} && location.pathname.endsWith('/2023-11-14') && document.querySelector(':target')")
    assert browsing.value("location.search") == "?page=2"
    assert browsing.value("getComputedStyle(document.querySelector(':target')).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert browsing.value("document.querySelector(':target').getBoundingClientRect().top < innerHeight")


def test_keyboardIsEnough(browsing: Browsing, site: Served) -> None:
    """
    Without a mouse, a reader searches from a page and follows a link of what is found.
    """
    browsing.open(f"{site.address}logs/net/%23dns/", f"{_READY} && document.querySelector('h1')")
    while browsing.value("document.activeElement.name") != "q":
        browsing.press("Tab")
        assert browsing.value("document.activeElement != document.body")
    for character in "slow":
        browsing.press(character)
    browsing.press("Enter")
    browsing.wait(f"{_READY} && location.search.includes('q=slow') && document.querySelector('mark')")
    assert browsing.value("[...document.querySelectorAll('mark')].every(each => each.textContent == 'slow')")
    assert browsing.value("[...document.querySelectorAll('h2')].every(each => each.textContent.startsWith('net/#dns '))")
    while browsing.value("document.activeElement.closest('.lines') == null"):
        browsing.press("Tab")
        assert browsing.value("document.activeElement != document.body")
    browsing.press("Enter")
    browsing.wait(f"{_READY} && document.querySelector(':target')?.textContent.includes('slow')")


@pytest.mark.parametrize(("without", "owned"), [("", False), ("escapes", False), ("policy", False), ("escapes,policy", True)])
def test_eitherDefenseStopsScripts(browsing: Browsing, tmp_path: Path, without: str, owned: bool) -> None:
    """
    Each of the two defenses alone stops markup in a line; its script runs without both.
    """
    with served(tmp_path, without) as careless:
        browsing.open(f"{careless.address}{_DAY}", f"{_READY} && document.querySelector('.lines li')")
        assert (browsing.value("document.body.id") == "own") is owned


@pytest.mark.parametrize("kills", [15, pytest.param(50, marks=pytest.mark.long)])
def test_shownLinesSurviveKills(tmp_path: Path, kills: int) -> None:
    """
    A robot that is killed at any moment has all lines that it has shown before, once and in their order.
    """
    command = [sys.executable, "-m", "tests.apps.robot.plugins.channel.logwriter", str(tmp_path), str(kills)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(numbersIn(tmp_path / FILE)) > kills
