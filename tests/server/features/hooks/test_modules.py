"""
Tests of hooks that are loaded from files.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.hooks import PASS
from twisted_ext.server.features.hooks.modules import loaded

_GOOD = "from twisted_ext.hooks import *\n\n@hook(keep=7)\ndef decide(name):\n    return PASS\n\ndef plain(name):\n    return PASS\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    made = tmp_path / "decisions.py"
    made.write_text(_GOOD)
    made.chmod(0o644)
    return made


def test_loaded(file: Path) -> None:
    """
    A hook of a file is its function's, decorated or not, and the same as long as the file is.
    """
    hook, name = loaded(f"{file}:decide")
    assert (name, hook.keep, hook.parameters) == ("decisions.py:decide", 7, ("name",))
    assert hook.function("x") is PASS
    plain, name = loaded(f"{file}:plain")
    assert (name, plain.keep) == ("decisions.py:plain", 1)
    assert loaded(f"{file}:decide")[0] is hook
    assert loaded(f"{file}:plain")[0] is plain
    # What is compiled is not kept beside it.
    assert [each.name for each in file.parent.iterdir()] == ["decisions.py"]


def test_changedFile(file: Path) -> None:
    """
    A changed file is another module; one that is broken leaves the former one as it is.
    """
    hook, _ = loaded(f"{file}:decide")
    former = sys.modules["txdns_hooks_decisions"]
    file.write_text(_GOOD.replace("keep=7", "keep=77"))
    other, _ = loaded(f"{file}:decide")
    assert (hook.keep, other.keep) == (7, 77)
    assert sys.modules["txdns_hooks_decisions"] is not former
    former = sys.modules["txdns_hooks_decisions"]
    file.write_text(_GOOD + "\n1 / 0\n")
    with pytest.raises(BadDescription, match=r"cannot be imported: line 10: ZeroDivisionError: division by zero"):
        loaded(f"{file}:decide")
    assert sys.modules["txdns_hooks_decisions"] is former
    file.write_text(_GOOD + "\ndef (\n")
    with pytest.raises(BadDescription, match="cannot be imported: line 10: invalid syntax"):
        loaded(f"{file}:decide")


def test_dataclasses(file: Path) -> None:
    """
    A file may have what looks for its module while that is made.
    """
    text = f"from __future__ import annotations\nfrom dataclasses import dataclass\n{_GOOD}\n@dataclass\nclass Row:\n    name: str\n"
    file.write_text(text)
    assert loaded(f"{file}:decide")[0].keep == 7


def test_modules(file: Path) -> None:
    """
    A module is found as Python finds modules.
    """
    with patch.object(sys, "path", [str(file.parent), *sys.path]), patch.dict(sys.modules):
        imported = importlib.import_module("decisions")
        assert loaded("decisions:decide")[0].keep == 7
        # Not the file again, which an application may have imported: its connections are in it.
        assert loaded("decisions:decide")[0].function.__globals__ is vars(imported)
        with pytest.raises(BadDescription, match="there is no module decision in "):
            loaded("decision:decide")
        with pytest.raises(BadDescription, match="no.such cannot be found"):
            loaded("no.such:decide")
        with pytest.raises(BadDescription, match="there is no module _thread in "):
            loaded("_thread:start")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("decide", "'decide' is not a hook; right is package.module:name"),
        (":decide", "right is package.module:name"),
        ("{file}:", "right is package.module:name"),
        ("{file}:2", "right is package.module:name"),
        ("{file}:other", "decisions.py has no other"),
        ("{file}:__name__", "__name__ is of type str"),
        ("{file}:refuse", r"takes text: 'str' = ''|takes text: str = ''"),
        ("{file}.py:decide", "cannot be read: No such file or directory"),
    ],
)
def test_wrongWords(file: Path, word: str, said: str) -> None:
    """
    What cannot be loaded is told with what would be right.
    """
    with pytest.raises(BadDescription, match=said):
        loaded(word.format(file=file))


def test_othersMustNotWrite(file: Path) -> None:
    """
    Who can write the file, or its folder, decides what the server does: others must not.
    """
    file.chmod(0o664)
    with pytest.raises(BadDescription, match=rf"{file} can be written by others; right is chmod go-w {file}"):
        loaded(f"{file}:decide")
    file.chmod(0o644)
    file.parent.chmod(0o777)
    with pytest.raises(BadDescription, match=f"{file.parent} can be written by others"):
        loaded(f"{file}:decide")
    file.parent.chmod(0o755)
    with patch.object(os, "geteuid", lambda: os.getuid() + 1000), pytest.raises(BadDescription, match="belongs to user|cannot"):
        if os.getuid() == 0:
            raise BadDescription("cannot be tried: root may own it")
        loaded(f"{file}:decide")
    assert loaded(f"{file}:decide")[0].keep == 7
