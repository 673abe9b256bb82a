"""
Optional dependencies, which pip installs only on request.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from twisted_ext.errors import CallerFault

__all__ = ["importWithExtra"]


def importWithExtra(module: str, extra: str, what: str) -> ModuleType:
    """
    Import a module of ours that needs packages of others.

    @param extra: the extra of ours that asks for them.
    @param what: what needs them, for the error.

    @raise CallerFault: a package is missing; says which, and what installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "twisted_ext":
            raise
        package = error.name.partition(".")[0]
        raise CallerFault(f"{what} needs {package}, which is not installed: pip install 'twisted-ext[{extra}]'") from error
