"""
Tests of the types in C{typings}, for parts of other projects without types.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest
from zope.interface.interface import InterfaceClass

from tests.test_architecture import ROOT

__all__: list[str] = []

TYPINGS: Final = ROOT / "typings"
STUBS: Final = sorted(path for path in TYPINGS.rglob("*.pyi") if path.read_text("utf-8").strip())

_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def moduleOf(path: Path) -> str:
    """
    Return the name of the module that a stub file describes.
    """
    parts = path.relative_to(TYPINGS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def objections(body: list[ast.stmt], actual: object, where: str) -> Iterator[str]:
    """
    Yield the declared classes, functions and parameters that do not exist.
    """
    for each in body:
        if not isinstance(each, ast.ClassDef | ast.FunctionDef) or (each.name.startswith("_") and each.name != "__init__"):
            continue
        name = f"{where}.{each.name}"
        if isinstance(actual, InterfaceClass):
            found: object = actual.get(each.name)
        elif isinstance(actual, type) and hasattr(actual, "__getattr__"):
            # A wrapper has all attributes of what it wraps.
            continue
        else:
            found = getattr(actual, each.name, None)
        if found is None:
            yield f"{name}: there is no such thing"
        elif isinstance(each, ast.ClassDef):
            yield from objections(each.body, found, name)
        else:
            yield from _differences(each, found, name)


def _differences(declared: ast.FunctionDef, real: object, name: str) -> Iterator[str]:
    if not callable(real) or any(isinstance(each, ast.Name) and each.id == "overload" for each in declared.decorator_list):
        return
    try:
        parameters = inspect.signature(real).parameters
    except (TypeError, ValueError):
        return
    if any(each.kind in _VARIABLE for each in parameters.values()):
        return
    for each in (*declared.args.posonlyargs, *declared.args.args, *declared.args.kwonlyargs):
        if each.arg not in parameters and each.arg not in ("self", "cls"):
            yield f"{name}: takes no {each.arg}"


@pytest.mark.parametrize("path", STUBS, ids=[moduleOf(path) for path in STUBS])
def test_declaredNamesExist(path: Path) -> None:
    """
    Everything that the stubs declare exists and takes the declared parameters.
    """
    module = pytest.importorskip(moduleOf(path), reason=f"{moduleOf(path)} is not installed", exc_type=ImportError)
    assert list(objections(ast.parse(path.read_text("utf-8")).body, module, moduleOf(path))) == []


def test_missingNamesAreReported() -> None:
    """
    A missing name and a missing parameter are reported.
    """
    declared = ast.parse("class Clock:\n    def advance(self, amount: float, more: int) -> None: ...\n    def retreat(self) -> None: ...\n")
    actual = import_module("twisted.internet.task")
    assert list(objections(declared.body, actual, "task")) == [
        "task.Clock.advance: takes no more",
        "task.Clock.retreat: there is no such thing",
    ]
