"""
Tests of listings: each is run, and prints what the pages show.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.docs.listings import LISTINGS, Servers, normalized, stepsOf
from tests.test_architecture import ROOT

__all__ = ["PAGES", "TERMINALS", "TESTS"]

#: Listings that show a terminal.
TERMINALS: Final = sorted(LISTINGS.rglob("*.out"))

#: The text of every page.
PAGES: Final = {
    path: path.read_text("utf-8") for path in [ROOT / "README.rst", *(ROOT / "docs").rglob("*.rst")] if "_build" not in path.parts
}

#: Tests among the listings, and their number.
TESTS: Final = {"test_mailing": 3, "test_proving": 3, "test_without_network": 3, "test_programs": 5, "test_replay": 2}

#: Listings that need a loopback address of IPv6.
_IPV6: Final = ("crawling", "install")

#: Listings that need other programs, which are not available for every Python.
_PROGRAMS: Final = {"asyncio_pages": "aiohttp", "xmpp_aioxmpp": "aioxmpp", "xmpp_threadless": "aioxmpp"}


@pytest.mark.parametrize("path", TERMINALS, ids=lambda path: str(path.relative_to(LISTINGS)))
def test_outputIsThatOfThePage(path: Path, servers: Servers, tmp_path: Path) -> None:
    """
    The commands of a page print what the page shows.
    """
    if path.stem in _IPV6 and not servers.hasIPv6:
        pytest.skip("this machine has no loopback address of IPv6")
    program = _PROGRAMS.get(path.stem)
    if program is not None and find_spec(program) is None:
        pytest.skip(f"{program} is not installed")
    servers.copy(path.parent, tmp_path)
    steps = stepsOf(path.read_text("utf-8"), "$ ")
    assert steps
    for step in steps:
        words = shlex.split(servers.real(step.typed))
        given = ""
        if "<" in words:
            given = (tmp_path / words[-1]).read_text("utf-8")
            words = words[: words.index("<")]
        assert normalized(servers.run(words, tmp_path, given)) == normalized(step.shown), step.typed


@pytest.mark.parametrize(("name", "count"), TESTS.items())
def test_testsOfHowToPass(name: str, count: int, servers: Servers, tmp_path: Path) -> None:
    """
    The tests in the how-tos pass, under trial as well.
    """
    servers.copy(LISTINGS / "howto", tmp_path)
    done = subprocess.run([sys.executable, "-m", "twisted.trial", name], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"successes={count}" in done.stdout


def test_everyListingIsIncluded() -> None:
    """
    Every listing is included by a page.
    """
    shown = {
        (path.parent / name).resolve()
        for path, text in PAGES.items()
        for name in re.findall(r"\.\. (?:literal)?include:: (\S+)", text)
    }
    files = {path for path in LISTINGS.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert sorted(map(str, files - shown)) == []


def test_everyProgramIsRun() -> None:
    """
    Each program among the listings is run by a test: by a terminal that shows it, or as a test itself.
    """
    shown = [*TERMINALS, *LISTINGS.rglob("*.shown")]
    typed = " ".join([step.typed for path in shown for step in stepsOf(path.read_text("utf-8"), "$ ")])
    idle = [
        path.name
        for path in LISTINGS.rglob("*.py")
        if not {"plugins", "serving"}.intersection(path.parts)
        and path.stem not in ("mailing", "programs", "proving", *TESTS)
        and path.stem not in typed
    ]
    assert idle == []


def test_readmeSessionIsReal(servers: Servers, tmp_path: Path) -> None:
    """
    The session in the README, which cannot include a file, is a real one.
    """
    block = re.search(r"^    \$ txdns .*?(?=^\S)", (ROOT / "README.rst").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None
    steps = stepsOf(textwrap.dedent(block[0]), "$ ")
    assert len(steps) == 3
    for step in steps:
        printed = servers.run(shlex.split(servers.real(step.typed)), tmp_path)
        # The output separates columns by tabs, the page by spaces.
        assert normalized(printed.expandtabs()).split("\n") == normalized(step.shown).split("\n"), step.typed


def test_otherOutputIsDetected(servers: Servers, tmp_path: Path) -> None:
    """
    A program that prints something other than the page is detected.
    """
    (tmp_path / "other.py").write_text("print('something else')\n")
    (tmp_path / "resolv.conf").write_text("")
    (tmp_path / "hosts").write_text("")
    assert normalized(servers.run(["python", "other.py"], tmp_path)) == "something else"
    assert normalized("<Deferred at 0x7f2b1c8e5a90>") == normalized("<Deferred at 0x7ffffffffff0> ")
    once = "\n".join(f"   1.0 ms  forward  {words}" for words in ("sent server=a transport=udp attempt=1 wait=0.6", "reply server=a"))
    again = "\n   2.0 ms  forward  timed out server=a transport=udp\n   9.1 ms  forward  sent server=a transport=udp attempt=2 wait=1.2\n"
    assert normalized(once + "\nudp a, 1 query sent") == normalized(once.replace("\n", again) + "\nudp a, 2 queries sent")
    assert normalized(once) != normalized(once.replace("sent", "not sent"))
    assert normalized("a.example. 297 IN A 192.0.2.1") == normalized("a.example. 300 IN A 192.0.2.1")
    assert normalized("a.example. 60 IN A 192.0.2.1") != normalized("a.example. 300 IN A 192.0.2.1")
    assert normalized("a") != normalized("b")
