"""
Tests of side effects of importing the client: there are none.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

__all__ = ["MODULES"]

#: Modules that programs import at their top, before they choose a reactor.
MODULES: Final = ("twisted_ext.client", "twisted_ext.dns", "twisted_ext.endpoints", "twisted_ext.interfaces", "twisted_ext.testing")

#: Imports the module named on the command line twice and prints the side effects
#: of the second import, before which this project's modules are removed, so that
#: the effects are not those of the libraries.
PROBE: Final = """
import importlib, sys, threading

module, ours = sys.argv[1], sys.argv[1].split(".")[0]
importlib.import_module(module)
if "twisted.internet.reactor" in sys.modules:
    print("installed a reactor")
for name in [name for name in sys.modules if name.split(".")[0] == ours]:
    del sys.modules[name]

def hook(event, arguments):
    if event == "open" and not str(arguments[0]).endswith((".py", ".pyc", ".so")):
        print("opened", arguments[0])
    elif event.startswith(("socket.", "subprocess.", "os.system", "os.fork", "os.exec")):
        print(event)

threads = threading.active_count()
sys.addaudithook(hook)
importlib.import_module(module)
if threading.active_count() > threads:
    print("started a thread")
"""


def importEffects(module: str, folder: Path | None = None) -> str:
    """
    Return the side effects of importing a module, or its error; empty if there are none.

    @param folder: the folder of a module outside of this project.
    """
    command = [sys.executable, "-W", "error", "-c", PROBE, module]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_importHasNoSideEffects(module: str) -> None:
    """
    Importing installs no reactor, opens no file or socket, starts no thread or process, and causes no warning.
    """
    assert importEffects(module) == ""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from twisted.internet import reactor", "installed a reactor"),
        ("open('/dev/null').close()", "opened /dev/null"),
        ("import socket\nsocket.socket().close()", "socket.__new__"),
        ("import subprocess\nsubprocess.run(['true'])", "subprocess.Popen"),
        ("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()", "started a thread"),
        ("import warnings\nwarnings.warn('old')", "UserWarning: old"),
        ("x = 1", ""),
    ],
)
def test_sideEffectsAreDetected(source: str, expected: str, tmp_path: Path) -> None:
    """
    A module with a side effect is detected; one without is not.
    """
    (tmp_path / "careless.py").write_text(source)
    effects = importEffects("careless", tmp_path)
    assert expected in effects if expected else not effects
