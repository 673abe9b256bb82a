"""
Packages that import a module only when one of its exported names is first accessed (PEP 562).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

__all__ = ["lazyNames"]


def lazyNames(package: str, modules: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """
    Create the functions C{__getattr__} and C{__dir__} of a package.

    @param package: its name.
    @param modules: the exported names of each module.
    """
    home = {name: module for module, names in modules.items() for name in names}
    namespace = vars(sys.modules[package])

    def load(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(home[name]), name)
        namespace[name] = found
        return found

    return load, lambda: sorted({*namespace, *home})
