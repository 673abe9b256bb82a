"""
Tests of listings as a whole: each belongs to a page, and is run there.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Final

from tests.docs.listings import LISTINGS
from tests.docs.outputs import agrees, normalized
from tests.docs.pages import ROOT, blocksIn, pagesIn

__all__ = ["PAGES"]

_QUOTE: Final = runpy.run_path(str(ROOT / "docs" / "quote.py"))

#: The text of every page.
PAGES: Final = {path: path.read_text("utf-8") for path in pagesIn()}


def test_everyListingIsShown() -> None:
    """
    Every listing is shown by a page.
    """
    shown = {block.path for path in PAGES for block in blocksIn(path)}
    files = {path for path in LISTINGS.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert sorted(map(str, files - shown)) == []


def test_pagesHaveTheirListings() -> None:
    """
    Pages can be read as text: each has its listings in it, as the files are now (C{python docs/quote.py} writes them). Only tables that are
    made from the code are included.
    """
    assert [str(path) for path, text in PAGES.items() if _QUOTE["quoted"](text, path.parent) != text] == []
    for path, text in PAGES.items():
        assert len(re.findall(r"^ *\.\. from \S+$", text, re.MULTILINE)) == len(_QUOTE["QUOTED"].findall(text)), path
        assert [name for name in re.findall(r"^ *\.\. literalinclude:: (\S+)", text, re.MULTILINE) if "_build/" not in name] == [], path


def test_changedListing(tmp_path: Path) -> None:
    """
    A page gets what its file has now, with its tabs as spaces, also within a list; the text around it stays.
    """
    (tmp_path / "a.sh").write_text("$ a\n\n\tb \n")
    page = "Before:\n\n-  .. from a.sh\n\n   .. code-block:: console\n      :caption: a\n\n      old\n\n        older\n\n   After.\n"
    assert _QUOTE["quoted"](page, tmp_path) == page
    page = page.replace("-  ..", "   ..")
    renewed = page.replace("      old\n\n        older\n", "      $ a\n\n              b\n")
    assert _QUOTE["quoted"](page, tmp_path) == renewed == _QUOTE["quoted"](renewed, tmp_path)


def test_everyProgramIsRun() -> None:
    """
    Each program of a page has the name under which a reader saves it, and is typed there, or imported by another program of the page.
    Plugins of the robot have tests of their own.
    """
    idle = []
    for path in PAGES:
        blocks = blocksIn(path)
        typed = " ".join(step.typed for block in blocks if block.content == "console" and block.kind != "example" for step in block.steps)
        code = "".join(block.text for block in blocks if block.content == "python")
        for block in blocks:
            if block.path is None or block.path.suffix != ".py" or {"plugins", "plugin"}.intersection(block.path.parts):
                continue
            assert Path(block.caption).name == block.path.name, block
            if not re.search(rf"\b{block.path.stem}\b", typed) and f"from {block.path.stem} import" not in code:
                idle.append(repr(block))
    assert idle == []


def test_otherOutputIsDetected() -> None:
    """
    Addresses of objects, times, keys and repeated queries may differ from the page, and nothing else.
    """
    assert normalized("<Deferred at 0x7f2b1c8e5a90>") == normalized("<Deferred at 0x7ffffffffff0> ")
    once = "\n".join(f"   1.0 ms  forward  {words}" for words in ("sent server=a transport=udp attempt=1 wait=0.6", "reply server=a"))
    again = "\n   2.0 ms  forward  timed out server=a transport=udp\n   9.1 ms  forward  sent server=a transport=udp attempt=2 wait=1.2\n"
    assert normalized(once + "\nudp a, 1 query sent") == normalized(once.replace("\n", again) + "\nudp a, 2 queries sent")
    assert normalized(once) != normalized(once.replace("sent", "not sent"))
    assert normalized("a.example. 297 IN A 192.0.2.1") == normalized("a.example. 300 IN A 192.0.2.1")
    assert normalized("a.example. 60 IN A 192.0.2.1") != normalized("a.example. 300 IN A 192.0.2.1")
    assert normalized("a") != normalized("b")
    shown = f"  pin   {'A' * 43}=\n  TLS  1.0 2.0  3.0 ###"
    assert normalized(shown) == normalized(f"  pin   {'B' * 43}=\n  TLS  2.0 4.0  3.0 #")
    assert normalized("resumes sessions") != normalized("does not resume sessions")
    assert normalized("Ran 3 tests in 0.020s") == normalized("Ran 3 tests in 1.5s") != normalized("Ran 2 tests in 0.020s")


def test_otherFiguresAreDetected() -> None:
    """
    Times, sizes and processes of a running server may differ from the page, and nothing else.
    """

    def figures(text: str) -> str:
        return normalized(text, figures=True)

    then = "txdns 1.2, not compiled, process 12, up 3 h 2 min\n  queries: 7.5 per second"
    assert figures(then) == figures("txdns 0.1.dev0, compiled, process 9, up 2 s\n  queries: 0.0 per second")
    then = "total memory  3.5 MB\nwww.example.com. A: data, 9 s left"
    assert figures(then) == figures("total memory 12.0 KB\nwww.example.com. A: data, 299 s left")
    for shown in ("cache hits  3", "www.example.com. 300 IN A 192.0.2.80", "3 answers forgotten", "127.0.0.1:5301 udp 1 ms up"):
        assert figures(shown) != figures(shown.replace("3", "4").replace("up", "down"))


def test_repeatedQueriesAreAllowed() -> None:
    """
    Counts of a running server may be those of a client that repeated some queries, but not smaller, much larger, or of something else.
    """
    shown = "queries 4\nby TCP 0\nanswered at once 1 25.0%\n127.0.0.1:5301 udp 8.8 ms up"
    repeated = "queries 6\nby TCP 1\nanswered at once 1 16.7%\n127.0.0.1:5301 udp 8.8 ms up"
    assert agrees(repeated, shown, figures=True)
    assert not agrees(repeated, shown)
    assert not agrees(shown.replace("4", "3"), shown, figures=True)
    assert not agrees(shown.replace("4", "40"), shown, figures=True)
    assert not agrees(shown.replace("TCP", "TLS"), shown, figures=True)
    assert not agrees(shown.replace("5301", "5302"), shown, figures=True)
