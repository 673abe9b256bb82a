"""
Tests of the diagram of the package's structure.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import pytest

from tests.test_architecture import MODULES, ROOT, importsOf, sourceOf

__all__: list[str] = []

_SCRIPT: Final = runpy.run_path(str(ROOT / "docs" / "structure.py"))

#: The most modules of one folder. More need sub-folders.
_MOST: Final = 16

#: Folders, neither of which is in the other, that know each other's types. Look-ups by address are written for the resolver whose methods
#: they are; and queries of a recursive resolver wait in its pool.
_KNOW_EACH_OTHER: Final = {
    ("addrinfo", "compat"),
    ("resolver.forward", "resolver.recursive"),
}


@cache
def _places() -> dict[str, Any]:
    """
    Return the places of the package, whose files are parsed once for all tests.
    """
    return cast("dict[str, Any]", _SCRIPT["places"]())


def test_diagramIsCurrent() -> None:
    """
    The diagram in the documentation shows the current imports: C{python docs/structure.py} draws it.
    """
    drawn = _SCRIPT["svg"](_SCRIPT["floors"](_places()))
    assert (ROOT / "docs" / "structure.svg").read_text("utf-8") == drawn


def test_packagesHaveNoImportCycles() -> None:
    """
    No two packages import each other, directly or through others.
    """
    assert _SCRIPT["circles"](_places()) == []


def test_importsPointDown() -> None:
    """
    Each package is above everything that it uses.
    """
    floorOf = {place.name: number for number, floor in enumerate(_SCRIPT["floors"](_places())) for place in floor}
    assert len(floorOf) > 40
    assert all(floorOf[used] < floorOf[place.name] for place in _places().values() for used in place.uses)


def test_foldersKnowThoseBelow() -> None:
    """
    Of two folders at most one knows the other, annotations included, but for those that are listed here.
    """
    folders = {module: module if path.name == "__init__.py" else module.rpartition(".")[0] for module, path in MODULES.items()}
    known: set[tuple[str, str]] = set()
    for module, path in MODULES.items():
        for importing in importsOf(sourceOf(path)):
            target = importing.name if importing.name in MODULES else importing.name.rpartition(".")[0]
            if target in MODULES and folders[target] != folders[module]:
                known.add((folders[module], folders[target]))
    mutual = {tuple(sorted([one, other])) for one, other in known if (other, one) in known}
    shown = {tuple([name.removeprefix("twisted_ext.") for name in pair]) for pair in mutual if not pair[1].startswith(f"{pair[0]}.")}
    assert shown == _KNOW_EACH_OTHER


def test_importCycleIsAnError(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Packages in an import cycle are named, and no diagram is drawn.
    """
    place = _SCRIPT["Place"]
    found = {"a": place("a", 1, {"b"}), "b": place("b", 1, {"c"}), "c": place("c", 1, {"a"}), "d": place("d", 1, {"a"})}
    main = cast("Callable[[], int]", _SCRIPT["main"])
    monkeypatch.setitem(main.__globals__, "places", lambda: found)
    monkeypatch.setattr(sys, "argv", ["structure.py", "/nowhere/structure.svg"])
    assert main() == 1
    assert capsys.readouterr().err == "structure: packages import each other: a, b, c\n"


def test_foldersAreSmall() -> None:
    """
    No folder of the package has too many modules for an overview.
    """
    folders: dict[Path, int] = {}
    for path in MODULES.values():
        folders[path.parent] = folders.get(path.parent, 0) + (path.name != "__init__.py")
    assert {str(folder): count for folder, count in folders.items() if count > _MOST} == {}
