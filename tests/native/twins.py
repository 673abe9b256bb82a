"""
Both implementations of what C{twisted_ext.native} does: in Python, and in C where there is a compiler or the extension was built.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
from functools import cache
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Protocol, cast
from unittest import SkipTest

from tests.test_architecture import ROOT
from twisted_ext.native import chosen, loops, siphash

__all__ = ["TWINS", "CExtension", "Twin", "builtExtension", "builtInto", "loaded", "otherBatches", "twin"]

TWINS = ("python", "c")


class Twin(chosen.Batches, Protocol):
    """
    The functions that both have.
    """

    def sipHash(self, key: bytes, data: bytes, /) -> bytes: ...


class CExtension(Twin, Protocol):
    """
    The same, with what only the C extension has.
    """

    @property
    def mapped(self) -> chosen.Mapping: ...

    @property
    def replies(self) -> chosen.Replies: ...


class _Python:
    """
    The functions in Python.
    """

    receive = staticmethod(loops.receive)
    receiveEverywhere = staticmethod(loops.receiveEverywhere)
    receiveConnected = staticmethod(loops.receiveConnected)
    send = staticmethod(loops.send)
    sendEverywhere = staticmethod(loops.sendEverywhere)
    sendReplies = staticmethod(loops.sendReplies)
    sendRepliesEverywhere = staticmethod(loops.sendRepliesEverywhere)
    sendConnected = staticmethod(loops.sendConnected)
    addressOf = staticmethod(loops.addressOf)
    sipHash = staticmethod(siphash.sipHash)


def builtInto(folder: Path, *options: str) -> Path:
    """
    Compile the extension.

    @param options: further ones for the compiler.

    @raise SkipTest: the compiler or Python's headers are not installed.
    """
    headers = Path(sysconfig.get_paths()["include"])
    sources = sorted(map(str, (ROOT / "twisted_ext" / "native").glob("*.c")))
    made = folder / "_extension.abi3.so"
    if not (headers / "Python.h").exists():
        raise SkipTest("Python's headers are not installed")
    command = ["cc", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-O1", "-shared", "-fPIC", f"-I{headers}", *options]
    try:
        subprocess.run([*command, *sources, "-o", str(made)], check=True)
    except (FileNotFoundError, PermissionError):
        raise SkipTest("a C compiler is not installed") from None
    return made


def loaded(path: Path) -> CExtension:
    spec = spec_from_file_location("_extension", path, loader=ExtensionFileLoader("_extension", str(path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("CExtension", module)


@cache
def builtExtension() -> CExtension:
    """
    Return the C extension: the one in this environment, or else a new one.
    """
    if not sys.platform.startswith("linux"):
        raise SkipTest("recvmmsg is Linux's")
    spec = find_spec("twisted_ext.native._extension")
    if spec is not None and spec.origin is not None:
        return loaded(Path(spec.origin))
    with tempfile.TemporaryDirectory() as folder:
        return loaded(builtInto(Path(folder)))


def twin(name: str) -> Twin:
    """
    @param name: one of L{TWINS}.
    """
    return _Python() if name == "python" else builtExtension()


def otherBatches() -> chosen.Batches:
    """
    Return the implementation that is not used in this environment.
    """
    return builtExtension() if chosen.batches is loops else loops
