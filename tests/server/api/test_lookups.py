"""
Tests of L{twisted_ext.server.api.powerdns.lookups}.
"""

from __future__ import annotations

import re
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.server.api.powerdns.lookups import _Glob

_TEXTS = st.text("ab.*?", max_size=12)


def expected(glob: str, text: str) -> bool:
    """
    Match by a regular expression, whatever time that takes.
    """
    pattern = re.compile("".join([{"*": ".*", "?": "."}.get(each, re.escape(each)) for each in glob]), re.IGNORECASE | re.DOTALL)
    return bool(pattern.fullmatch(text) or (text.endswith(".") and pattern.fullmatch(text[:-1])))


@given(_TEXTS, st.text("abAB.", max_size=12))
def test_globs(glob: str, text: str) -> None:
    """
    Asterisks and question marks mean what they mean elsewhere.
    """
    assert _Glob(glob).fits(text) == expected(glob, text)


def test_hostileGlob() -> None:
    """
    Many asterisks take no longer than others: a regular expression would take years.
    """
    assert not _Glob(40 * "*a" + "*b").fits(60_000 * "a")


def test_nothingOfItWithoutTheSetting() -> None:
    """
    A server without C{api} and C{console} loads nothing of them.
    """
    program = """
import sys
from twisted_ext.apps.tap import Options, makeService
options = Options()
options.parseOptions(["--port", "0", "--control", "", "--interface", "127.0.0.1"])
makeService(options)
parts = "server.api", "server.console", "server.zones.databases", "server.web", "apps.apiservice", "apps.consoleservice"
mine = tuple([f"twisted_ext.{each}" for each in parts])
print([name for name in sys.modules if name.startswith(("msgspec", "argon2", "jinja2", *mine))])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
