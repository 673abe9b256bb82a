"""
Tests of the lists of tests that run against the compiled wheel, and of those that root runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.ci.loading import load
from tests.test_architecture import ROOT


@pytest.mark.parametrize(("module", "name"), [("compiled", "LEFT_OUT"), ("compiled", "TESTED"), ("parts", "ROOTS")])
def test_listedTestsExist(module: str, name: str) -> None:
    """
    Each test that a list of a part names exists: an entry of a test that was renamed would leave it out, or run nothing.
    """
    listed = cast("tuple[str, ...]", getattr(load(module), name))
    assert listed
    for each in listed:
        path, _, function = each.partition("::")
        assert (ROOT / path).exists(), each
        assert not function or f"def {function}(" in Path(ROOT / path).read_text("utf-8"), each


def test_compiledModulesAreTested() -> None:
    """
    The folders of tests that cibuildwheel runs for a release are among those that run against the wheel of each change.
    """
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    (command,) = [line for line in settings.splitlines() if line.startswith("test-command")]
    named = [word.strip('"') for word in command.split() if word.startswith("tests/")]
    assert named
    assert set(named) <= set(load("compiled").TESTED)
