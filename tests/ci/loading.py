"""
The programs of C{.ci}, for their tests.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

from tests.test_architecture import ROOT

__all__ = ["load"]


def load(name: str) -> ModuleType:
    """
    Return one of the modules of C{.ci}, which import each other by their bare names.
    """
    folder = str(ROOT / ".ci")
    sys.path.insert(0, folder)
    try:
        return import_module(name)
    finally:
        sys.path.remove(folder)
