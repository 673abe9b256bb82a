"""
Tests of C{txdns completion}.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from twisted_ext.apps.cli.completion import command
from twisted_ext.apps.cli.completion.command import completionScript
from twisted_ext.apps.cli.completion.shells import PROGRAMS, SHELLS
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import OK, USAGE


@pytest.mark.parametrize(("shell", "program"), [(shell, program) for shell in SHELLS for program in PROGRAMS])
def test_scriptIsPrinted(shell: str, program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The script for a shell goes to the standard output, and starts no program of this package.
    """
    words = ["completion", shell] + [program] * (program != PROGRAMS[0])
    assert main(words) == OK
    text = capsys.readouterr().out
    assert text == completionScript(shell, program)
    assert "python" not in text


def test_scriptOfAReleaseIsPrinted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    An installed package prints the file that it brings, with nothing of a command imported for it.
    """
    monkeypatch.setattr(command, "SCRIPTS", str(tmp_path))
    (tmp_path / "twistd.zsh").write_text("# from the file\n")
    assert main(["completion", "zsh", "twistd"]) == OK
    assert capsys.readouterr().out == "# from the file\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "the shell is missing; write: txdns completion SHELL [PROGRAM]"),
        (["bsh"], "'bsh' is not a shell with completion; did you mean bash?"),
        (["ksh93u"], "'ksh93u' is not a shell with completion; write bash, zsh or fish"),
        (["zsh", "twist"], "'twist' is not a program of this package; did you mean twistd?"),
        (["bash", "txdns", "x"], "two arguments at most; write: txdns completion SHELL [PROGRAM]"),
    ],
)
def test_mistakesAreExplained(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A shell or a program without completion is refused with one line.
    """
    assert main(["completion", *words]) == USAGE
    assert capsys.readouterr().err == f"txdns completion: {line}\n"
