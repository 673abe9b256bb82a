"""
Tests of child processes of a server whose working directory has modules that another user put there.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import Twistd, wait, workersOf
from tests.patience import PATIENCE
from tests.test_architecture import ROOT
from twisted_ext.server.process.jobs.subprocess import pythonCommand

#: Modules that a child would import first if it looked in the working directory.
_MODULES: Final = ("twisted_ext/__init__.py", "json.py", "twisted/__init__.py", "gc.py", "zope/__init__.py")

#: Starts each kind of child process except workers, and prints the results.
_CHILDREN: Final = """
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted_ext.server.process.jobs.subprocess import runModule
from twisted_ext.server.zones.images.compilers import Compilers, Job

async def run():
    print((await runModule(reactor, "twisted_ext.zone.transfer.ingestjob", ["00", "/nonexistent", "/nonexistent"])).decode())
    try:
        await runModule(reactor, "twisted_ext.zone.build.compaction", ["/nonexistent"] * 4)
    except OSError as error:
        print(error)
    built = Deferred()
    Compilers(reactor, built.callback, most=1).add(Job("zone.image", [("example.org.", "zone")]))
    print(await built)

def end(failure):
    failure.printTraceback()
    reactor.stop()

reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run()).addCallbacks(lambda _: reactor.stop(), end))
reactor.run()
"""


def poison(folder: Path) -> Path:
    """
    Put modules into a folder that write a mark when they are run.

    @return: the path of the mark.
    """
    mark = folder / "poisoned"
    for name in _MODULES:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"with open({str(mark)!r}, 'a') as mark:\n    mark.write(__name__ + '\\n')\n")
    return mark


def test_workersImportInstalledModules(tmp_path: Path) -> None:
    """
    Workers, their replacements and the process that compiles zones import the installed modules only.
    """
    mark = poison(tmp_path)
    zone = tmp_path / "zone"
    zone.write_text("$TTL 300\n@ SOA ns mail 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.80\n")
    with Twistd(tmp_path, "serve", "--workers", "2", "--zone", f"example.org={zone}") as server:
        wait(lambda: server.ask() == ["192.0.2.80"], server)
        before = workersOf(server)
        os.kill(before[0], 9)
        wait(lambda: len(workersOf(server)) == 2 and before[0] not in workersOf(server), server)
        wait(lambda: server.ask() == ["192.0.2.80"], server)
    assert not mark.exists(), mark.read_text()


def test_otherChildrenImportInstalledModules(tmp_path: Path) -> None:
    """
    The processes that read transfers, compact images and compile zones import the installed modules only.
    """
    mark = poison(tmp_path)
    (tmp_path / "zone").write_text("$TTL 300\n@ SOA ns mail 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n")
    done = subprocess.run(pythonCommand("-c", _CHILDREN), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert not mark.exists(), mark.read_text()
    gathered, compacted, compiled = [line for line in done.stdout.splitlines() if line]
    assert '"fault"' in gathered and "No such file" in gathered
    assert "ended without a result" in compacted
    assert "'records': 3" in compiled, done.stderr


def test_commandImportsInstalledModules(tmp_path: Path) -> None:
    """
    The command of C{make serve} imports the installed modules only. Without its option it would import those of the folder.
    """
    mark = poison(tmp_path)
    words = ["-c", "import json"]
    subprocess.run(pythonCommand(*words), cwd=tmp_path, check=True, timeout=PATIENCE)
    assert not mark.exists()
    subprocess.run([sys.executable, *words], cwd=tmp_path, check=True, timeout=PATIENCE)
    assert mark.read_text() == "json\n"


def test_unpackedProjectIsFoundByChildren(tmp_path: Path) -> None:
    """
    Child processes find the modules of a server that runs from an unpacked project in its working directory.
    """
    code = (
        "import sys; sys.path = ['', *[path for path in sys.path if path not in ('', %r)]]\n"
        "from twisted_ext.server.process.jobs import subprocess as children\n"
        "print(children._environment()['PYTHONPATH'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code % str(ROOT)], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert str(ROOT) in done.stdout.strip().split(os.pathsep)


@pytest.mark.parametrize("word", ["executable", "spawnProcess", "Popen"])
def test_onlyOneModuleStartsPython(word: str) -> None:
    """
    Only one module starts Python processes.
    """
    found = []
    for path in sorted((ROOT / "twisted_ext").rglob("*.py")):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if word in text else ():
            if isinstance(node, ast.Attribute) and node.attr == word:
                found.append(str(path.relative_to(ROOT / "twisted_ext")))
    allowed = {"server/process/jobs/subprocess.py"}
    if word == "executable":
        # Uses of the path in an error message and for execv.
        allowed |= {"server/process/workers.py", "apps/serve.py"}
    assert set(found) <= allowed
