"""
Tests of the fixtures for pytest, in runs of their own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_architecture import ROOT

_MODULE = "twisted_ext.testing.internet.fixtures"

_USES = """
import pytest

def test_all(internet, network, clock, resolver):
    assert internet.network is network and network.clock is clock
    internet.zone("example.org", "@ MX 10 mail\\nmail A 192.0.2.25")
    answers, _, _ = internet.wait(resolver.lookupMailExchange("example.org"))
    assert [str(each.payload.name) for each in answers] == ["mail.example.org"]
    assert clock.seconds() > 0

def test_again(internet):
    # Nothing is left of the other test.
    internet.zone("example.org", "mail A 192.0.2.26")

@pytest.mark.internet(seed=7, families=(4,), start=1_900_000_000, rtt=0.5, signed=False)
def test_arguments(internet, resolver):
    assert (internet.seed, internet.families, internet.time()) == (7, (4,), 1_900_000_000)
    assert internet.anchors == ""
    internet.zone("example.org", "mail A 192.0.2.26")
    internet.wait(resolver.getHostByName("mail.example.org"))
    assert internet.time() - 1_900_000_000 >= 1.5

def test_networkAlone(network):
    there, here = network.reactor("192.0.2.1"), network.reactor("192.0.2.2")
    assert here.seconds() == 0
"""


def run(folder: Path, text: str, *options: str) -> tuple[int, str]:
    """
    Run pytest.

    @return: its exit code and output.
    """
    (folder / "test_it.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", _MODULE, "-p", "no:cacheprovider", "--strict-markers", *options, "test_it.py"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_fixtures(tmp_path: Path) -> None:
    """
    The fixtures are those of one network; each test has new ones, made with the arguments of the marker.
    """
    code, said = run(tmp_path, _USES, "-q")
    assert (code, re.sub(r"\d\.\d+", "N", said.splitlines()[-1])) == (0, "4 passed in Ns"), said


def test_leftOpen(tmp_path: Path) -> None:
    """
    A test whose client has something open at its end fails.
    """
    text = """
def test_leaves(internet, resolver):
    internet.network.hosts[-1].callLater(60, print)
"""
    code, said = run(tmp_path, text, "-q")
    assert code == 1
    assert "left open by the test: <DelayedCall" in said


@pytest.mark.parametrize("options", [("-q",), ("-v",)])
def test_silentUnlessUsed(tmp_path: Path, options: tuple[str, ...]) -> None:
    """
    In runs that do not use it, the plugin prints nothing, warns of nothing, and imports neither Twisted nor more of the package.
    """
    text = """
import sys

def test_nothing():
    mine = {name for name in sys.modules if name.startswith("twisted")}
    rooms = {"twisted_ext", "twisted_ext.lazy", "twisted_ext.testing", "twisted_ext.testing.internet"}
    assert mine == {*rooms, "twisted_ext.testing.internet.fixtures"}
"""
    code, said = run(tmp_path, text, *options)
    assert code == 0, said
    assert "warning" not in said
    assert "twisted" not in said.partition("test_it.py")[0].replace(str(ROOT), "").replace(sys.executable, "").replace(str(tmp_path), "")


def test_fixturesAreListed(tmp_path: Path) -> None:
    """
    C{pytest --fixtures} and C{--markers} describe them.
    """
    code, said = run(tmp_path, "", "--fixtures")
    for name in ("internet", "network", "clock", "resolver"):
        assert re.search(rf"^{name} -- .*fixtures", said, re.MULTILINE), said
    assert "@pytest.mark.internet(**arguments): the arguments of the Internet" in run(tmp_path, "", "--markers")[1]
