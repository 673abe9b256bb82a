"""
Patches that compiled code does not notice.

Compiled modules call each other's functions and classes directly, and have their constants built in. A test that replaces one of these, for
example to show that an attack succeeds with the defense switched off, can only do so with the source, where the same test always runs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES
from sys import modules
from types import ModuleType
from typing import Final, cast
from unittest import mock

import pytest
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.limits import Limit

__all__ = ["isBoundEarly", "skipExtending", "skipUnnoticed"]

_PACKAGE: Final = "twisted_ext."

#: What compiled classes have, and those that extend them do not.
_NATIVE: Final = "__mypyc_attrs__"


def _isCompiled(name: str) -> bool:
    """
    Return whether an imported module is a compiled one of this package.
    """
    file = getattr(modules.get(name), "__file__", None)
    return name.startswith(_PACKAGE) and file is not None and file.endswith(tuple(EXTENSION_SUFFIXES))


def isBoundEarly(owner: object, attribute: str) -> bool:
    """
    Return whether compiled code goes on to use the present value of an attribute when it is replaced: a method of a compiled class; in a
    compiled module, a function or class of compiled modules, or a constant. What a module has from elsewhere, such as a limit, is looked
    up each time.
    """
    if isinstance(owner, type):
        return _NATIVE in vars(owner)
    if _NATIVE in vars(type(owner)):
        return callable(getattr(type(owner), attribute, None))
    if not isinstance(owner, ModuleType) or not _isCompiled(owner.__name__):
        return False
    value: object = getattr(owner, attribute, None)
    if isinstance(value, (Limit, ModuleType)):
        return False
    if attribute.startswith("_"):
        return True
    if callable(value):
        return _isCompiled(str(getattr(value, "__module__", None) or owner.__name__))
    return True


def _check(owner: object, attribute: str) -> None:
    if isBoundEarly(owner, attribute):
        name = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", owner)
        pytest.skip(f"replaces {name}.{attribute}, which compiled code does not look up again")


def skipExtending(base: type) -> None:
    """
    Skip a test that extends a class where that is compiled, and therefore cannot be extended.
    """
    if _NATIVE in vars(base):
        pytest.skip(f"extends {base.__qualname__}, which is compiled")


def skipUnnoticed() -> None:
    """
    Skip each test from now on that patches something that compiled code has bound, with the reason. Without compiled modules there is
    nothing like that.
    """
    patch, setattr_, enter = SynchronousTestCase.patch, pytest.MonkeyPatch.setattr, mock._patch.__enter__

    @wraps(patch)
    def patchChecked(self: SynchronousTestCase, obj: object, attribute: str, value: object) -> object:
        _check(obj, attribute)
        return patch(self, obj, attribute, value)

    @wraps(setattr_)
    def setattrChecked(self: pytest.MonkeyPatch, target: object, *rest: object, **options: bool) -> None:
        if isinstance(target, str):
            owner, _, name = target.rpartition(".")
            if _isCompiled(owner):
                _check(import_module(owner), name)
        else:
            _check(target, str(rest[0]))
        cast("Callable[..., None]", setattr_)(self, target, *rest, **options)

    @wraps(enter)
    def enterChecked(self: mock._patch[object]) -> object:
        owner = self.getter()
        _check(owner, self.attribute)
        entered = enter(self)
        if _NATIVE in vars(type(owner)):
            # Its attributes can be set again, but not be deleted.
            self.is_local = True
        return entered

    replaced: list[tuple[type[object], str, object]] = [
        (SynchronousTestCase, "patch", patchChecked),
        (pytest.MonkeyPatch, "setattr", setattrChecked),
        (mock._patch, "__enter__", enterChecked),
    ]
    for owner, name, function in replaced:
        setattr(owner, name, function)
