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
    Import a module of this package that needs optional dependencies.

    @param extra: the extra that installs them.
    @param what: the feature that needs them, for the error message.

    @raise CallerFault: a dependency is missing; names it, and the command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "twisted_ext":
            raise
        package = error.name.partition(".")[0]
        raise CallerFault(f"{what} needs {package}, which is not installed: pip install 'twisted-ext[{extra}]'") from error
