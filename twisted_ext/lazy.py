"""
Packages that import a module only when one of its exported names is first accessed (PEP 562), and modules that are read at their first use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

__all__ = ["lazily", "lazyNames"]


def lazily(name: str) -> None:
    """
    Let a module be read when one of its attributes is first used, where Twisted would import it at once and never use it.

    @param name: its full name. Nothing happens if it is imported already, or if there is none.
    """
    from importlib.util import LazyLoader, find_spec, module_from_spec

    if name in sys.modules:
        return
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    parent, _, last = name.rpartition(".")
    if parent:
        # As an import does once the module is there.
        setattr(sys.modules[parent], last, module)


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
