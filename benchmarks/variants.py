"""
The two builds that are measured side by side: this checkout, which is interpreted, and an environment with the compiled package.

C{make compiled} makes that environment. The variable C{TXDNS_COMPILED} names the interpreter of another one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["COMPILED", "MISSING", "PURE", "Variant", "compiledPython", "variants"]

PURE: Final = "pure"
COMPILED: Final = "compiled"

_ROOT: Final = Path(__file__).parent.parent
_VARIABLE: Final = "TXDNS_COMPILED"

#: What benchmarks import besides the package.
_SHARED: Final = ("benchmarks", "docs", "tests")

#: Reported where there is nothing to compare with.
MISSING: Final = f"compiled is not measured: run make compiled, or name the interpreter of its environment in {_VARIABLE}"

#: One module that is always compiled.
_WHERE: Final = "import twisted_ext.packetcache.table as it; print(it.__file__)"


def compiledPython() -> str:
    """
    Return the path of the interpreter that has the compiled package; it may not exist.
    """
    return os.environ.get(_VARIABLE) or str(_ROOT / "build" / "compiled" / "environment" / "bin" / "python")


@dataclass(frozen=True)
class Variant:
    """
    One build of the package.

    @ivar python: an interpreter that imports it.
    @ivar folder: where it imports it from, if that is not this checkout.
    @ivar native: whether it is compiled.
    """

    name: str
    python: str
    folder: str = ""
    native: bool = False

    @classmethod
    def at(cls, name: str, python: str) -> Self:
        """
        Return the build that an interpreter imports.

        @raise ValueError: it imports none.
        """
        done = subprocess.run([python, "-P", "-c", _WHERE], capture_output=True, text=True, cwd="/")
        path = done.stdout.strip()
        if not path:
            raise ValueError(f"{python} has no twisted_ext: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
        return cls(name, python, str(Path(path).parent.parent.parent), path.endswith(".so"))

    @contextmanager
    def environment(self) -> Iterator[Mapping[str, str]]:
        """
        Provide the variables with which this interpreter runs modules of benchmarks and tests of this checkout, without its package.
        """
        if not self.folder:
            yield os.environ
            return
        with tempfile.TemporaryDirectory(prefix="txdns-variant-") as links:
            for name in _SHARED:
                (Path(links) / name).symlink_to(_ROOT / name)
            # The libraries that tests need are those of the interpreter that runs this.
            paths = (links, self.folder, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
            yield {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def variants() -> list[Variant]:
    """
    Return this checkout, and the compiled package if there is one.

    @raise ValueError: what should be compiled is not.
    """
    found = [Variant(PURE, sys.executable)]
    python = compiledPython()
    if not os.access(python, os.X_OK):
        return found
    made = Variant.at(COMPILED, python)
    if not made.native:
        raise ValueError(f"{python}: its twisted_ext is not compiled; run make compiled")
    return [*found, made]
