"""
Tests of the built pages in a browser: widths, colors, copying, and accessibility.
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from html import unescape
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

import pytest

from tests.apps.browsing import Browsing, browserPath, commandOf
from tests.builtonce import builtOnce
from tests.requirements import missing
from tests.test_architecture import ROOT

__all__: list[str] = []

#: Widths of a phone, a tablet and a laptop, in pixels.
WIDTHS: Final = (375, 768, 1280)

#: Pages with every kind of content: commands and output, Python code, help, tables, a drawing.
PAGES: Final = ("index", "commands", "howto/upstreams", "howto/watching", "limits", "reference", "measured")

#: What the pages include, by the scripts that write it.
GENERATED: Final = {
    "clientnames": "clientnames.rst",
    "limiting": "limits.rst",
    "recordtypes": "records.rst",
    "robotcommands": "robotcommands.rst",
    "securitystates": "",
    "settings": "settings.rst",
    "usage": "",
}

#: What is wider than its box: blocks of code, and the page itself.
_CUT: Final = """[...document.querySelectorAll("pre"), document.documentElement].filter(
    (box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.textContent.slice(0, 60))"""

#: What scrolls and cannot be reached by keyboard.
_STUCK: Final = """[...document.querySelectorAll(".columns, .table-wrapper, .drawing")].filter(
    (box) => box.scrollWidth > box.clientWidth + 1 && box.tabIndex !== 0).map((box) => box.textContent.slice(0, 60))"""

#: Presses the copy button of each block of a page, and keeps what is copied: the text that is selected then.
_COPY: Final = """(() => {
    window.copied = {};
    let block = "";
    document.execCommand = () => { window.copied[block] = document.activeElement.value; return true; };
    for (const button of document.querySelectorAll("button.copybtn")) {
        block = document.querySelector(button.dataset.clipboardTarget).textContent;
        button.click();
    }
})()"""


def run(*words: str) -> None:
    """
    Run a program of Python, which prints no error.
    """
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def buildSite(folder: Path) -> None:
    """
    Build the pages in a folder.
    """
    docs = folder / "docs"
    # The checkout stays as it is, and pages include files beside this folder.
    shutil.copytree(ROOT / "docs", docs, ignore=shutil.ignore_patterns("_build", "__pycache__"))
    for name in ("contrib", "twisted_ext", "CONTRIBUTING.rst", "NEWS.rst", "SECURITY.rst"):
        (folder / name).symlink_to(ROOT / name)
    (docs / "_build").mkdir()
    for script, target in GENERATED.items():
        run(str(ROOT / "docs" / f"{script}.py"), str(docs / "_build" / target))
    run("-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-b", "html", str(docs), str(folder / "html"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return the folder of the built pages.
    """
    absent = [name for name in ("axe_core_python", "furo", "sphinx_copybutton") if find_spec(name) is None]
    if absent:
        missing("browser", f"{', '.join(absent)} missing: pip install 'twisted-ext[docs,test]'")
    return builtOnce(tmp_path_factory, "site", buildSite) / "html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browsing]:
    """
    Start a browser.
    """
    with Browsing(commandOf(browserPath(), tmp_path_factory.mktemp("profile"))) as started:
        yield started


def show(browser: Browsing, site: Path, page: str) -> None:
    """
    Open a page.
    """
    address = (site / f"{page}.html").as_uri()
    browser.open(address, f"location.href === {json.dumps(address)} && document.readyState === 'complete'")


def listOf(browser: Browsing, expression: str) -> list[str]:
    """
    Return the texts that an expression yields within the page.
    """
    return cast("list[str]", browser.value(expression))


@pytest.mark.parametrize("page", PAGES)
def test_nothingIsCut(browser: Browsing, site: Path, page: str) -> None:
    """
    At each width no block of code is cut, the page does not scroll sideways, and what does can be reached by keyboard.
    """
    for width in WIDTHS:
        browser.screen(width, phone=width < 700)
        show(browser, site, page)
        assert listOf(browser, _CUT) == [], width
        assert listOf(browser, _STUCK) == [], width


def test_longLineIsDetected(browser: Browsing, site: Path) -> None:
    """
    A line that does not wrap is detected, and one that scrolls without a stop for the keyboard.
    """
    browser.screen(375, phone=True)
    show(browser, site, "howto/watching")
    browser.value("document.querySelector('pre').style.whiteSpace = 'pre'")
    assert len(listOf(browser, _CUT)) == 1
    browser.value("document.querySelectorAll('.columns').forEach((rows) => rows.removeAttribute('tabindex'))")
    assert listOf(browser, _STUCK) != []


def test_darkModeIsApplied(browser: Browsing, site: Path) -> None:
    """
    A reader who prefers dark pages gets them, also code and the drawing; the button switches to light ones.
    """
    browser.screen(1280)
    shade = "getComputedStyle(document.querySelector({})).{}.match(/\\d+/g).slice(0, 3).reduce((all, part) => all + Number(part), 0)"
    for scheme in ("light", "dark", "light"):
        browser.prefer(scheme)
        show(browser, site, "reference")
        for selector, attribute in (("body", "backgroundColor"), (".structure rect", "fill")):
            assert (cast("float", browser.value(shade.format(f"'{selector}'", attribute))) > 384) == (scheme == "light"), selector
    browser.prefer("dark")
    show(browser, site, "howto/upstreams")
    code = shade.format("'.highlight'", "backgroundColor")
    assert cast("float", browser.value(code)) < 384
    for _ in range(3):
        browser.value("document.querySelector('.theme-toggle').click()")
        if browser.value("document.body.dataset.theme") == "light":
            break
    assert cast("float", browser.value(code)) > 384
    browser.value("localStorage.clear()")
    browser.prefer("light")


def test_onlyCommandsAreCopied(browser: Browsing, site: Path) -> None:
    """
    The copy button of a session in a terminal copies the commands without prompts and output; that of a program, all of it.
    """
    show(browser, site, "howto/watching")
    browser.wait("document.querySelector('button.copybtn')")
    browser.value(_COPY)
    copied = cast("dict[str, str]", browser.value("window.copied"))
    sessions = {text: taken for text, taken in copied.items() if text.startswith("$ ")}
    assert len(sessions) > 5
    for text, taken in sessions.items():
        typed = [line.split(" ", 1)[1] for line in text.splitlines() if line.startswith(("$ ", ">>> "))]
        assert taken.splitlines() == typed
    show(browser, site, "howto/upstreams")
    browser.wait("document.querySelector('button.copybtn')")
    browser.value(_COPY)
    copied = cast("dict[str, str]", browser.value("window.copied"))
    programs = {text: taken for text, taken in copied.items() if "import sys\n" in text}
    assert programs and all(taken.strip() == text.strip() for text, taken in programs.items())


def test_outputHasNoCopyButton(browser: Browsing, site: Path) -> None:
    """
    A block that has nothing to type, such as a command's help, has no copy button.
    """
    show(browser, site, "commands")
    browser.wait("document.querySelector('button.copybtn')")
    assert browser.value("document.querySelectorAll('.highlight-none button').length") == 0


@pytest.mark.parametrize("page", ["index", "howto/watching", "commands"])
def test_pagesAreAccessible(browser: Browsing, site: Path, page: str) -> None:
    """
    The checks of axe find nothing: contrast, names, roles, headings, and what the keyboard reaches, on a phone and on a laptop.
    """
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    for width, scheme in ((375, "dark"), (1280, "light")):
        browser.screen(width, phone=width < 700)
        browser.prefer(scheme)
        show(browser, site, page)
        browser.value(f"{axe};0")
        browser.value("axe.run().then((found) => { window.found = found; }), 0")
        browser.wait("window.found")
        found = listOf(browser, "window.found.violations.map((each) => each.id + ': ' + each.nodes[0].html)")
        assert found == [], (width, scheme)
        assert cast("int", browser.value("window.found.passes.length")) > 20


def test_everyPageHasItsDescription(site: Path) -> None:
    """
    Each page has one description for search engines, of its own and of a length that they show.
    """
    pages = {str(path.relative_to(site)): path.read_text("utf-8") for path in site.rglob("*.html") if "_static" not in path.parts}
    found = {name: re.findall(r'<meta content="([^"]*)" name="description"', text) for name, text in pages.items()}
    assert len(found) > 60
    assert {name: texts for name, texts in found.items() if len(texts) != 1 or not 20 <= len(unescape(texts[0])) <= 160} == {}
    assert len({texts[0] for texts in found.values()}) == len(found)
    assert found["howto/updates.html"][0].endswith((".", "…"))


@pytest.mark.parametrize("word", ["latency", "upstreams", "blocklist", "split DNS", "zone transfer", "hit rate", "forwarder"])
def test_wordsOfOperatorsAreFound(browser: Browsing, site: Path, word: str) -> None:
    """
    The search finds the words that operators look for.
    """
    address = f"{(site / 'search.html').as_uri()}?q={word.replace(' ', '+')}"
    browser.open(address, "document.querySelector('#search-results li a')")
    links = listOf(browser, "[...document.querySelectorAll('#search-results li a')].map((link) => link.href)")
    assert any("glossary" in link or "howto" in link for link in links)


_BLOCKS: Final = runpy.run_path(str(ROOT / "docs" / "blocks.py"))


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a.example.        300     IN      A       192.0.2.80\nb.example.        300     IN      A       192.0.2.81", [True, True]),
        ("$ txdns query one\n$ txdns query two", [False, False]),
        ("a tree\n├─ cache", [False, True]),
        ("x = 1  # one\ny = 2  # two", [False, False]),
        ("one  two\nother   three", [False, False]),
        ("hits         3\nmemory  8.0 KB", [True, True]),
        (f"one  {'a' * 100}\none  {'b' * 100}", [False, False]),
        ("Usage: txdns top\n  --count N  stop\n  --every N  wait", [False] * 3),
        ("", []),
    ],
)
def test_rowsOfTablesAreRecognized(text: str, rows: Sequence[bool]) -> None:
    """
    Lines with columns at the same place, and drawn ones, are rows of a table; commands, comments, help and long lines are not.
    """
    rowsOf = cast("Callable[[Sequence[str]], list[bool]]", _BLOCKS["rowsOf"])
    assert rowsOf(text.splitlines()) == rows


def test_readmeLinksLeadToFiles() -> None:
    """
    Each link of the README leads to a file of the checkout, or in a release to a page of the documentation. Each reference has its link.
    """
    text = (ROOT / "README.rst").read_text("utf-8")
    links = dict(re.findall(r"^\.\. _(\w+): (\S+)$", text, re.MULTILINE))
    site = "https://twisted-ext.readthedocs.io/en/stable/"
    files = [re.sub(rf"^{re.escape(site)}(.*)\.html$", r"docs/\1.rst", link) for link in links.values()]
    assert [path for path in files if not (ROOT / path).is_file()] == []
    assert set(re.findall(r"`(\w+)`_", text)) == set(links)


def test_readmeShowsMeasuredFigures() -> None:
    """
    The figures of the README's three reasons are those of the page of figures.
    """
    reasons = (ROOT / "README.rst").read_text("utf-8").partition("Why use it")[2].split("In an application")[0]
    measured = (ROOT / "docs" / "measured.rst").read_text("utf-8")
    figures = re.findall(r"\d[\d,.]*\d", reasons)
    assert len(figures) > 40
    assert [figure for figure in figures if figure not in measured] == []
    # "make bench-bounds" writes the table alone.
    text, table = reasons.split(".. bounds begins")
    (line,) = re.findall(r"^look-up by the client, uncached .*", table, re.MULTILINE)
    assert set(re.findall(r"[\d.]+\d", line)) <= set(re.findall(r"[\d.]+\d", text))
