"""
Tests of the types in C{typings}: of parts of other projects that have none of their own.
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
    @return: the name of what a file has the types of.
    """
    parts = path.relative_to(TYPINGS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def objections(body: list[ast.stmt], there: object, where: str) -> Iterator[str]:
    """
    @return: the classes, functions and parameters that are said to be there and are not.
    """
    for each in body:
        if not isinstance(each, ast.ClassDef | ast.FunctionDef) or (each.name.startswith("_") and each.name != "__init__"):
            continue
        name = f"{where}.{each.name}"
        if isinstance(there, InterfaceClass):
            found: object = there.get(each.name)
        elif isinstance(there, type) and hasattr(there, "__getattr__"):
            # What wraps something else has all that this has.
            continue
        else:
            found = getattr(there, each.name, None)
        if found is None:
            yield f"{name}: there is no such thing"
        elif isinstance(each, ast.ClassDef):
            yield from objections(each.body, found, name)
        else:
            yield from _different(each, found, name)


def _different(said: ast.FunctionDef, real: object, name: str) -> Iterator[str]:
    if not callable(real) or any(isinstance(each, ast.Name) and each.id == "overload" for each in said.decorator_list):
        return
    try:
        parameters = inspect.signature(real).parameters
    except (TypeError, ValueError):
        return
    if any(each.kind in _VARIABLE for each in parameters.values()):
        return
    for each in (*said.args.posonlyargs, *said.args.args, *said.args.kwonlyargs):
        if each.arg not in parameters and each.arg not in ("self", "cls"):
            yield f"{name}: takes no {each.arg}"


@pytest.mark.parametrize("path", STUBS, ids=[moduleOf(path) for path in STUBS])
def test_there(path: Path) -> None:
    """
    What the types say is there is there, and takes what they say it takes.
    """
    module = pytest.importorskip(moduleOf(path), reason=f"{moduleOf(path)} is not installed", exc_type=ImportError)
    assert list(objections(ast.parse(path.read_text("utf-8")).body, module, moduleOf(path))) == []


def test_missing() -> None:
    """
    A name and a parameter that are not there are told.
    """
    said = ast.parse("class Clock:\n    def advance(self, amount: float, more: int) -> None: ...\n    def retreat(self) -> None: ...\n")
    there = import_module("twisted.internet.task")
    assert list(objections(said.body, there, "task")) == [
        "task.Clock.advance: takes no more",
        "task.Clock.retreat: there is no such thing",
    ]
