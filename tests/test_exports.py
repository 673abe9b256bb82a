"""
Tests of what modules offer: each says what is public, and no package imports
anything by itself.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Final

import pytest

from tests.test_architecture import FILES, MODULES, ROOT

__all__ = ["PACKAGES", "PUBLIC"]

#: Modules that say by their names that they are for everyone.
PUBLIC: Final = sorted(
    module
    for module, path in MODULES.items()
    if path.name != "__init__.py" and not any(name.startswith("_") for name in module.split("."))
)

#: The files that make folders packages.
PACKAGES: Final = [path for path in FILES if path.name == "__init__.py"]


def missingFrom(names: object, namespace: dict[str, object]) -> list[str]:
    """
    @param names: the C{__all__} of a module, if it has one.
    @param namespace: everything that is in the module.

    @return: what is wrong with it, in words.
    """
    if not isinstance(names, list | tuple):
        return ["has no __all__"]
    wrong = [f"lists {name!r}, which is not there" for name in names if name not in namespace]
    if len(set(names)) < len(names):
        wrong.append("lists a name twice")
    return wrong


def holdsCode(source: str) -> bool:
    """
    @return: whether there is anything in this text but one docstring.
    """
    body = ast.parse(source).body
    return len(body) != 1 or ast.get_docstring(ast.parse(source)) is None


@pytest.mark.parametrize("module", PUBLIC)
def test_exports(module: str) -> None:
    """
    A public module lists what it offers, and offers all of it.
    """
    namespace = vars(importlib.import_module(module))
    assert missingFrom(namespace.get("__all__"), namespace) == []


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_initHoldsDocstring(path: Path) -> None:
    """
    A package holds a docstring and no code, so that importing one module of it
    imports one module.
    """
    assert not holdsCode(path.read_text("utf-8"))


def test_noticed() -> None:
    """
    A list that is absent, wrong or doubled, and code in a package, are noticed.
    """
    assert missingFrom(None, {}) == ["has no __all__"]
    assert missingFrom(["there", "gone"], {"there": 1}) == ["lists 'gone', which is not there"]
    assert missingFrom(["there", "there"], {"there": 1}) == ["lists a name twice"]
    assert holdsCode("")
    assert holdsCode('"""Words."""\nimport os')
    assert not holdsCode('"""Words."""\n')
