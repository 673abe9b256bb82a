"""
Tests of the list of tests that do not run against the compiled wheel.
"""

from __future__ import annotations

import sys
from pathlib import Path
from runpy import run_path
from typing import cast

import pytest

from tests.test_architecture import ROOT


def test_leftOutTestsExist(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each test that the run against the compiled wheel leaves out exists: an entry of a test that was renamed would leave out nothing.
    """
    monkeypatch.setattr(sys, "path", [str(ROOT / ".ci"), *sys.path])
    listed = cast("dict[str, str]", run_path(str(ROOT / ".ci" / "compiled.py"))["LEFT_OUT"])
    for name in ("dist", "halves"):
        monkeypatch.delitem(sys.modules, name)
    for each in listed:
        path, _, name = each.partition("::")
        assert (ROOT / path).exists(), each
        assert not name or f"def {name}(" in Path(ROOT / path).read_text("utf-8"), each
