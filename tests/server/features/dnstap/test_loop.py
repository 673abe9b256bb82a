"""
Tests of the process that writes dnstap: its figures, and other settings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.queries import queryOf
from tests.server.features.dnstap.collectors import framesIn, until
from twisted_ext.server.features.dnstap.settings import MESSAGES
from twisted_ext.server.features.dnstap.writer import loop as module
from twisted_ext.server.features.dnstap.writer.loop import TapWriter

__all__: list[str] = []

TOLD = ("r", 1.0, 1.0, "udp", queryOf("www.example"), b"", ("192.0.2.7", 4242), 53, "")


def settings(*paths: Path, **others: object) -> dict[str, Any]:
    """
    Return settings with these files.
    """
    targets = [[f"file:{path}", "file", str(path), 0, ""] for path in paths]
    given = {"targets": targets, "messages": MESSAGES, "recurses": True, "identity": "ns1", "version": "v", "size": 1 << 30, "ca": ""}
    return {**given, **others}


def test_otherTargets(tmp_path: Path) -> None:
    """
    A target that is none any more is ended with what it has; one that stays goes on. What all have got is counted.
    """
    lines: list[str] = []
    first, second, third = [tmp_path / f"{name}.tap" for name in ("first", "second", "third")]
    writer = TapWriter(str(tmp_path / "dnstap"), settings(first, second), lines.append)
    writer.take([TOLD, TOLD])
    writer.apply(settings(second, third))
    writer.take([TOLD])
    until(lambda: _isWhole(first))
    with patch.object(module, "_SOON", 0.0), patch.object(module, "_REPORT", 0.0):
        until(lambda: _written(writer, lines) == 6)
    writer.close()
    assert [len(framesIn(path)) for path in (first, second, third)] == [2, 3, 1]
    assert json.loads(lines[-1]) == {"written": 6, "dropped": 0, "said": {}}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.tap", "second.tap", "third.tap"]


def _isWhole(path: Path) -> bool:
    try:
        framesIn(path)
    except (AssertionError, OSError):
        return False
    return True


def _reported(writer: TapWriter, lines: list[str]) -> dict[str, Any]:
    """
    Have it look, and return what it has reported last.
    """
    writer.look()
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def _written(writer: TapWriter, lines: list[str]) -> int:
    return int(_reported(writer, lines)["written"])


def test_wrongTarget(tmp_path: Path) -> None:
    """
    Why a target gets nothing is reported at once.
    """
    lines: list[str] = []
    (tmp_path / "folder").mkdir()
    writer = TapWriter(str(tmp_path / "dnstap"), settings(tmp_path / "folder"), lines.append)
    with patch.object(module, "_SOON", 0.0):
        until(lambda: _reported(writer, lines).get("said"))
    assert json.loads(lines[-1])["said"] == {f"file:{tmp_path}/folder": "it is not a regular file"}
    writer.close()


def test_otherSize(tmp_path: Path) -> None:
    """
    Another size is for the file that is written as well: it is neither ended nor begun anew.
    """
    path = tmp_path / "first.tap"
    writer = TapWriter(str(tmp_path / "dnstap"), settings(path), lambda line: None)
    before = vars(writer)["_targets"].copy()
    writer.take([TOLD])
    until(lambda: path.exists() and len(framesIn(path, isWhole=False)) == 1)
    writer.apply(settings(path, size=150))
    assert vars(writer)["_targets"] == before
    for _ in range(2):
        writer.take([TOLD])
    writer.close()
    assert (tmp_path / "first.tap.1").exists()
    names = [f"first.tap{end}" for end in ("", ".1", ".2") if (tmp_path / f"first.tap{end}").exists()]
    assert sum([len(framesIn(tmp_path / name)) for name in names]) == 3
