"""
Tests of the check of links, which C{make docs} does at its end.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.test_architecture import ROOT

__all__: list[str] = []

_SCRIPT: Final = ROOT / "docs" / "links.py"


def brokenIn(folder: Path) -> list[tuple[str, str]]:
    """
    Return the name of the page and the address of each link that the check finds.
    """
    names: dict[str, Any] = runpy.run_path(str(_SCRIPT))
    return [(str(page.relative_to(folder)), link) for page, link in names["broken"](folder)]


_GOOD: Final = [
    "#first", "other.html", "other.html#there", "other.html#two%20words", "api/page.html#a&amp;b", "style.css?v=1", "https://example.com/#x",
    "api",
]  # fmt: skip


@pytest.mark.parametrize("link", _GOOD)
def test_linksThatLeadSomewhere(tmp_path: Path, link: str) -> None:
    """
    A link to a page, to an anchor with any characters, to another file or another site is not reported.
    """
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "page.html").write_text('<p id="a&amp;b">', "utf-8")
    (tmp_path / "other.html").write_text('<h1 id="there"><a name="two words"></a>', "utf-8")
    (tmp_path / "style.css").touch()
    (tmp_path / "index.html").write_text(f'<h1 id="first"><a class="internal" href="{link}">', "utf-8")
    assert brokenIn(tmp_path) == []


@pytest.mark.parametrize("link", ["#second", "none.html", "other.html#here", "../index.html", "api/none.png", "other.html#name%200"])
def test_linksThatLeadNowhere(tmp_path: Path, link: str) -> None:
    """
    A link to a page, an anchor or a file that does not exist is reported once, with its page.
    """
    (tmp_path / "html" / "api").mkdir(parents=True)
    (tmp_path / "html" / "other.html").write_text('<h1 id="there"><h2 id="name">', "utf-8")
    (tmp_path / "html" / "index.html").write_text(f'<h1 id="first"><a href="{link}"></a><a href="{link}">', "utf-8")
    assert brokenIn(tmp_path / "html") == [("index.html", link)]


def test_codeHasNoLinks(tmp_path: Path) -> None:
    """
    Code of HTML that a page shows has neither links nor anchors.
    """
    (tmp_path / "index.html").write_text('<code>&lt;a href="none.html" id="x"&gt;</code><a href="#x">', "utf-8")
    assert brokenIn(tmp_path) == [("index.html", "#x")]


def test_brokenLinksEndTheBuild(tmp_path: Path) -> None:
    """
    The exit code says whether a link is broken, and the output which one; so C{make docs} fails, and C{.ci/run} with it.
    """
    page = tmp_path / "index.html"
    page.write_text('<a href="none.html">', "utf-8")
    command = [sys.executable, str(_SCRIPT), str(tmp_path)]
    wrong = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (1, f"{page}: broken link: none.html\n")
    page.write_text('<a href="index.html">', "utf-8")
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert "docs/links.py docs/_build/html\n" in makefile.partition("\ndocs: ")[2].partition("\n\n")[0]
