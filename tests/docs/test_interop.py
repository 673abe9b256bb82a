"""
Tests of the list of programs with which the encrypted transports are tested.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_architecture import ROOT

__all__: list[str] = []

_TESTS = ROOT / "tests" / "live" / "encrypted"


def _testsIn(module: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)", module.read_text("utf-8"), re.MULTILINE))


def test_listHasEachTest() -> None:
    """
    Each test with a program of another project is in the list, under its module, and the list has no other.
    """
    listed: dict[str, set[str]] = {}
    module = ""
    for name in re.findall(r"``(test_\w+(?:\.py)?)``", (ROOT / "docs" / "interop.rst").read_text("utf-8")):
        if name.endswith(".py"):
            module = name
        else:
            listed.setdefault(module, set()).add(name)
    assert listed == {module.name: _testsIn(module) for module in _TESTS.glob("test_*.py")}


def test_listHasEachProgram() -> None:
    """
    Each program that the tests start as a forwarder or a server is in the list.
    """
    from tests.live.encrypted.forwarders import FORWARDERS
    from tests.live.encrypted.servers import SERVERS

    titles = {"kresd": "Knot Resolver"}
    clients, _, servers = (ROOT / "docs" / "interop.rst").read_text("utf-8").partition("Servers that our client asks")
    for text, programs in ((clients, FORWARDERS), (servers, SERVERS)):
        for program in programs:
            name = program.partition(" ")[0]
            assert titles.get(name, name).lower() in text.lower()
