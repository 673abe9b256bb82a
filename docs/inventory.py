"""
Write inventories of Python's and Twisted's names, so that our documentation can link to
theirs without downloading them.

    python docs/inventory.py FOLDER

writes C{python.inv} and C{twisted.inv} there, in the format of Sphinx and
pydoctor, from the installed packages.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
import sys
import zlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

#: The modules of Python's library that our docstrings may refer to.
PYTHON = """
    argparse array asyncio base64 collections collections.abc contextlib dataclasses datetime enum functools hashlib
    hmac io ipaddress itertools json logging marshal math mmap os os.path pathlib random re secrets select selectors shutil
    signal socket ssl string struct subprocess sys tempfile threading time types typing unittest unittest.mock urllib.parse
    warnings zlib
""".split()

#: The parts of Twisted that they may refer to.
TWISTED = "application conch cred internet logger names plugin protocols python test trial web".split()

#: Built-in types with a section in the chapter on types.
TYPES = "bytearray bytes dict frozenset list memoryview range set str tuple".split()

#: The first line of a definition, with its indentation.
DEFINITION = re.compile(r"^( *)(?:async )?(class|def) (\w+)|^()()(\w+)(?:: [^=]+)? = ", re.MULTILINE)

#: A name, its kind, and the location of its section in the documentation; a C{$} at the
#: end stands for the name.
Entry = tuple[str, str, str]


def builtinNames() -> Iterator[Entry]:
    """
    Yield the built-in names.
    """
    for name, value in vars(builtins).items():
        if name in TYPES:
            yield name, "class", "library/stdtypes.html#$"
        elif isinstance(value, type) and issubclass(value, BaseException):
            yield name, "exception", "library/exceptions.html#$"
        elif callable(value):
            yield name, "class" if isinstance(value, type) else "function", "library/functions.html#$"
        elif value in (None, True, False, NotImplemented, ...):
            yield name, "data", "library/constants.html#$"
    for kind in (bytes, str, dict, list, tuple, set, frozenset, int, object):
        for name in dir(kind):
            if not name.startswith("_"):
                yield f"{kind.__name__}.{name}", "method", "library/stdtypes.html#$"


def pythonNames() -> Iterator[Entry]:
    """
    Yield the names of the library's modules.
    """
    for module in PYTHON:
        page = f"library/{module}.html"
        yield module, "module", f"{page}#module-$"
        for name, value in vars(importlib.import_module(module)).items():
            if name.startswith("_") or inspect.ismodule(value):
                continue
            yield f"{module}.{name}", "class" if isinstance(value, type) else "function", f"{page}#$"
            if isinstance(value, type):
                for member in dir(value):
                    if not member.startswith("_"):
                        yield f"{module}.{name}.{member}", "method", f"{page}#$"


def twistedNames() -> Iterator[Entry]:
    """
    Yield the names in Twisted's source files, many of which can only be imported on
    other systems. Its documentation has one page for each module and one for each class.
    """
    root = Path(inspect.getfile(importlib.import_module("twisted"))).parent
    for part in TWISTED:
        folder = root / part
        for path in [*folder.rglob("*.py"), *([] if folder.exists() else [root / f"{part}.py"])]:
            module = ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__")
            yield module, "module", f"{module}.html"
            owner = None
            for indent, kind, name, _, _, variable in DEFINITION.findall(path.read_text("utf-8", "replace")):
                full = f"{module}.{name or variable}"
                if indent == "" and kind == "class":
                    owner = full
                    yield full, "class", f"{full}.html"
                elif indent == "":
                    owner = None
                    yield full, "function" if kind else "data", f"{module}.html#{name or variable}"
                elif len(indent) == 4 and owner is not None and kind == "def":
                    yield f"{owner}.{name}", "method", f"{owner}.html#{name}"


def write(path: Path, project: str, release: str, entries: Iterator[Entry]) -> None:
    """
    Write an inventory, version 2: a header of four lines, the rest compressed.
    """
    lines = {name: f"{name} py:{kind} 1 {where} -\n" for name, kind, where in entries}
    head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version: {release}\n# Compressed with zlib.\n"
    path.write_bytes(head.encode() + zlib.compress("".join(lines.values()).encode()))


def main(folder: Path) -> None:
    """
    Write both inventories.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "python.inv", "Python", sys.version.split()[0], iter([*builtinNames(), *pythonNames()]))
    write(folder / "twisted.inv", "Twisted", version("Twisted"), twistedNames())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
