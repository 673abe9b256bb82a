"""
Tests of what importing the client does: nothing but importing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

__all__ = ["MODULES"]

#: What programs import at their top, before they have chosen a reactor.
MODULES: Final = ("twisted_ext.client", "twisted_ext.dns", "twisted_ext.endpoints", "twisted_ext.interfaces", "twisted_ext.testing")

#: Imports the module named on the command line, twice, and prints what that did
#: to the world: the second time, with our own modules forgotten, whatever happens
#: is our doing and not that of the libraries under us.
LOOK: Final = """
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


def look(module: str, folder: Path | None = None) -> str:
    """
    @param folder: where the module is, if it is none of ours.

    @return: what importing it did, or how that failed; empty if it did nothing.
    """
    command = [sys.executable, "-W", "error", "-c", LOOK, module]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_noSideEffects(module: str) -> None:
    """
    Importing leaves no reactor installed, opens no file or socket, starts no
    thread or process, and warns of nothing.
    """
    assert look(module) == ""


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
def test_noticed(source: str, expected: str, tmp_path: Path) -> None:
    """
    A module that does any of that is noticed; one that does nothing is not.
    """
    (tmp_path / "careless.py").write_text(source)
    seen = look("careless", tmp_path)
    assert expected in seen if expected else not seen
