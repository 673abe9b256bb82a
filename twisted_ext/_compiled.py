"""
Whether this package runs compiled. Wheels may have compiled modules beside their source, see C{setup.py}; a checkout runs its source.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from importlib.abc import PathEntryFinder

__all__ = ["isCompiled", "useSource"]

_HOME: Final = os.path.dirname(os.path.abspath(__file__))

_findSource: Final = FileFinder.path_hook((SourceFileLoader, SOURCE_SUFFIXES))


def isCompiled() -> bool:
    # All modules are compiled together or none, and this is one that every use of the package imports.
    spec = find_spec("twisted_ext.wire.names")
    return spec is not None and isinstance(spec.loader, ExtensionFileLoader)


def useSource() -> None:
    """
    Import the source of modules from now on, in this process and in those that it starts, even if they are compiled. Modules that have been
    imported stay as they are.
    """
    os.environ["TXDNS_PURE"] = "1"
    sys.path_hooks.insert(0, _finder)
    for path in [path for path in sys.path_importer_cache if _isOurs(path)]:
        del sys.path_importer_cache[path]


def _isOurs(path: str) -> bool:
    return path == _HOME or path.startswith(_HOME + os.sep)


def _finder(path: str) -> PathEntryFinder:
    if not _isOurs(path):
        raise ImportError(f"{path} is not a folder of twisted_ext", path=path)
    return _findSource(path)
