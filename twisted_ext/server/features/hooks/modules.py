"""
Load hooks from modules and files.

A file is imported when a server is made that asks its hooks, and again at a reload once it has changed: as a new module, while the old one
stays what it is for those that hold it. Who can write the file, or its folder, decides what the server does, so others must not.
"""

from __future__ import annotations

import importlib.util
import os
import stat
import sys
from importlib.machinery import ModuleSpec
from traceback import walk_tb
from types import ModuleType
from typing import Final

from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.files import stateIn
from twisted_ext.hooks.functions import Hook, hookOf
from twisted_ext.server.features.hooks.settings import isFile, nameOf, partsOf

__all__ = ["loaded"]

#: Modules by the paths of their files, with the state of the file that each was made of.
_modules: Final[dict[str, tuple[tuple[int, ...], ModuleType]]] = {}


def loaded(word: str) -> tuple[Hook, str]:
    """
    Return a hook, and how it is to be called.

    @param word: C{package.module:name}, or the path of a file, a colon, and the name.

    @raise BadDescription: there is none, or its file cannot be imported, or others may write it.
    """
    place, name = partsOf(word)
    module = _moduleOf(place, word)
    function = getattr(module, name, None)
    if function is None:
        raise BadDescription(f"hook {word}: {module.__file__} has no {name}")
    if not callable(function):
        raise BadDescription(f"hook {word}: {name} is of type {type(function).__name__}; right is a function, or a class with a method ask")
    try:
        hook = hookOf(function)
    except CallerFault as error:
        raise BadDescription(f"hook {word}: {error}") from None
    return hook, nameOf(word)


def _moduleOf(place: str, word: str) -> ModuleType:
    spec = _specOf(place, word)
    path = str(spec.origin)
    try:
        found = os.stat(path)
        folder = os.stat(os.path.dirname(path) or ".")
    except OSError as error:
        raise BadDescription(f"hook {word}: {path} cannot be read: {error.strerror or error}") from None
    for each, what in ((found, path), (folder, os.path.dirname(path) or ".")):
        _expectOwn(each, what, word)
    state = stateIn(found)
    known = _modules.get(path)
    if known is not None and known[0] == state:
        return known[1]
    before = sys.modules.get(spec.name)
    if known is None and before is not None and not isFile(place):
        # The application has imported it. Another one would have connections of its own.
        _modules[path] = state, before
        return before
    module = importlib.util.module_from_spec(spec)
    # Classes look for their module there while it is made.
    sys.modules[spec.name] = module
    try:
        # Not from the compiled form that may be beside it: that is taken for one of the same second and length.
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec", dont_inherit=True), vars(module))
    except Exception as error:
        if before is None:
            del sys.modules[spec.name]
        else:
            sys.modules[spec.name] = before
        raise BadDescription(f"hook {word} cannot be imported: {_shown(error, path)}") from error
    _modules[path] = state, module
    return module


def _specOf(place: str, word: str) -> ModuleSpec:
    if isFile(place):
        name = os.path.splitext(os.path.basename(place))[0]
        spec = importlib.util.spec_from_file_location(f"txdns_hooks_{name}", os.path.abspath(place))
    else:
        try:
            spec = importlib.util.find_spec(place)
        except (ImportError, ValueError) as error:
            raise BadDescription(f"hook {word}: {place} cannot be found: {error}") from None
        except Exception as error:
            raise BadDescription(f"hook {word}: the package of {place} cannot be imported: {_shown(error, '')}") from error
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise BadDescription(f"hook {word}: there is no module {place} in {', '.join([each for each in sys.path if each])}")
    return spec


def _expectOwn(found: os.stat_result, what: str, word: str) -> None:
    if found.st_uid not in (0, os.geteuid()):
        raise BadDescription(f"hook {word}: {what} belongs to user {found.st_uid}; right is root, or user {os.geteuid()} of this process")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadDescription(f"hook {word}: {what} can be written by others; right is chmod go-w {what}")


def _shown(error: Exception, path: str) -> str:
    """
    Return an exception with the line of the file that it comes from.
    """
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == path]
    return f"{f'line {lines[-1]}: ' if lines else ''}{type(error).__name__}: {error}"
