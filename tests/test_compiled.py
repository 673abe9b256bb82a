"""
Tests of the choice between compiled modules and their source. Compiled modules are only named here, not loaded: no compiler is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader
from importlib.util import find_spec
from pathlib import Path

import pytest

import twisted_ext
from tests.requirements import required
from twisted_ext._compiled import isCompiled

#: Prints whether the package is compiled, then the file of a module.
_PROGRAM = """
import twisted_ext
from twisted_ext._compiled import isCompiled, useSource

print(isCompiled())
useSource()
print(isCompiled())
from twisted_ext.wire import names
print(names.__file__)
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """
    Return a folder in which this package is installed with one compiled module, which cannot be loaded.
    """
    home = Path(twisted_ext.__file__).parent
    for name in ("__init__.py", "_compiled.py"):
        (tmp_path / "twisted_ext").mkdir(exist_ok=True)
        (tmp_path / "twisted_ext" / name).write_text((home / name).read_text("utf-8"), "utf-8")
    (tmp_path / "twisted_ext" / "wire").mkdir()
    for name in ("__init__.py", "names.py", f"names{EXTENSION_SUFFIXES[0]}"):
        (tmp_path / "twisted_ext" / "wire" / name).write_text("")
    return tmp_path


def _run(folder: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_sourceIsChosenAtRunTime(installed: Path) -> None:
    """
    C{useSource}, which C{txdns --pure} calls, has later imports take the source.
    """
    assert _run(installed, TXDNS_PURE="") == ["True", "False", str(installed / "twisted_ext/wire/names.py")]


def test_sourceIsChosenByTheEnvironment(installed: Path) -> None:
    """
    With C{TXDNS_PURE=1} in the environment, the source is imported from the beginning, and with another value it is not.
    """
    assert _run(installed, TXDNS_PURE="1")[0] == "False"
    assert _run(installed, TXDNS_PURE="0")[0] == "True"


def test_unusedChoiceImportsNothing() -> None:
    """
    Without C{TXDNS_PURE}, the package imports nothing that could take the source.
    """
    program = "import sys, twisted_ext; print([name for name in sys.modules if name.startswith('twisted_ext.')])"
    environment = {name: value for name, value in os.environ.items() if name != "TXDNS_PURE"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(not required("compiled"), reason="these tests run against the source")
def test_compiledCodeIsTested() -> None:
    """
    Where compiled code is required, it is what the other tests test.
    """
    assert isCompiled()
    for name in ("wire.names", "zone.query.answers", "packetcache.packetcache", "server.reply.respond", "server.listeners.datagram"):
        spec = import_module(f"twisted_ext.{name}").__spec__
        assert spec is not None and isinstance(spec.loader, ExtensionFileLoader), name


def test_startedModulesHaveSource() -> None:
    """
    Modules that are started as processes have code that C{python -m} can run: an extension module has none.
    """
    home = Path(twisted_ext.__file__).parent
    started = [path for path in home.rglob("*.py") if '\nif __name__ == "__main__":\n' in path.read_text("utf-8")]
    assert len(started) > 5
    for path in started:
        name = ".".join(["twisted_ext", *path.relative_to(home).with_suffix("").parts])
        spec = find_spec(name)
        assert spec is not None and not isinstance(spec.loader, ExtensionFileLoader), name
