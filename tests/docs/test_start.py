"""
Tests that the README says how to start, and that its commands are those that are checked.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT, blocksIn

__all__: list[str] = []

#: The lines of the README in which a newcomer finds how to start.
_FIRST: Final = 30


def test_readmeSaysHowToStart() -> None:
    """
    The first lines of the README have the two commands that set up a checkout, with what Debian needs for them and a query to try.
    """
    lines = (ROOT / "README.rst").read_text("utf-8").splitlines()[:_FIRST]
    block = next(block for block in blocksIn(ROOT / "README.rst"))
    assert [step.typed for step in block.steps] == ["make serve", "make test"]
    assert block.line + len(block.steps) < _FIRST
    text = "\n".join(lines)
    assert "apt install git make python3-venv" in text
    assert "txdns query www.example.com @127.0.0.1:5300" in text


@pytest.mark.parametrize(
    ("lines", "command"),
    [
        (["    make test     # run all checks and tests"], "make test"),
        (["    make serve    # make test", "    make test PYTHON=python3.12"], "make test PYTHON=python3.12"),
        (["``make test`` runs them.", "    make test-long", "    make testing"], ""),
        ([""] * _FIRST + ["    make test"], ""),
    ],
)
def test_checksAreThoseOfTheReadme(lines: list[str], command: str, tmp_path: Path) -> None:
    """
    C{.ci/run} runs the command that the first lines of the README name, and ends with an error if they name none.
    """
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    found = re.search(r"^read -ra testing .*?^fi$", script, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert script.count('"${testing[@]}"') == 2 and not re.search(r"^ *part tests .*make test", script, re.MULTILINE)
    (tmp_path / "README.rst").write_text("\n".join([*lines, ""]))
    shell = ["bash", "-euo", "pipefail", "-c", f'{found[0]}\necho "${{testing[@]}}"']
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0 if command else 1, command)
    assert command or "README.rst does not name the command that runs the tests" in done.stderr
