"""
Signs a zone over and over, and ends or fails at each step that changes a file: C{python -m tests.zone.sign.interrupted HOW FOLDER}.

Prints one line of JSON for each step: what it was, what it said, and what was there when it was done once more.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from twisted_ext.dnssec.privatekeys.keyfolder import loadKeys
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import RRSIG
from twisted_ext.zone.build.jobs import CompileJobs
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.reader import readMaster

APEX: Final = nameFromText("example.org")

#: Audit events of calls that change files.
_EVENTS: Final = ("open", "os.mkdir", "os.rename", "os.link", "os.utime")

_ZONE: Final = "$TTL 300\n@ SOA ns mail 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\n"

#: The file with the step.
_NOTE: Final = "step"

#: After the year of the clock check, and the same in each run.
_NOW: Final = 1_900_000_000


class _Steps:
    """
    Counts what changes files in a folder, and calls a function at one of these steps.
    """

    def __init__(self, folder: str, at: int, happen: Callable[[str], None]) -> None:
        self._folder = folder
        self._left = at
        self._happen = happen
        for name in ("write", "fsync"):
            setattr(os, name, self._counted(getattr(os, name), name))
        sys.addaudithook(self._heard)

    def _counted(self, call: Callable[..., object], name: str) -> Callable[..., object]:
        def counting(*args: object) -> object:
            if self._left > 0:
                self._step(name)
            return call(*args)

        return counting

    def _heard(self, event: str, args: tuple[object, ...]) -> None:
        if self._left > 0 and event in _EVENTS and str(args[0]).startswith(self._folder):
            if event != "open" or isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._step(f"{event} {os.path.basename(str(args[0]))}")

    def _step(self, what: str) -> None:
        self._left -= 1
        if not self._left:
            self._happen(what)


def _end(what: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fill(what: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def signOnce(folder: Path, more: dict[str, object]) -> dict[str, object]:
    """
    Have a zone signed as the server does.
    """
    signing = {"keys": str(folder / "signing" / "example.org."), "policy": json.loads(SigningPolicy().toText()), **more}
    unsigned = {"path": str(folder / "unsigned"), "offset": 0, "sources": []}
    job = {"name": "example.org.", **unsigned, "image": str(folder / "image"), "now": _NOW, "sign": signing}
    return CompileJobs().perform(json.dumps(job).encode())


def stateOf(folder: Path) -> dict[str, object]:
    """
    Return what there is: the serial of the image, C{"damaged"} if it is not sound or not signed, and the number of keys; L{None} for what
    is not there.
    """
    state: dict[str, object] = {"serial": None, "keys": None}
    if (folder / "image").exists():
        image = Image.open(str(folder / "image"))
        signed = any(rrset.rrType == RRSIG for node in Version(image).nodes() for rrset in node.sets)
        state["serial"] = image.serial if image.sound and signed else "damaged"
    keys = folder / "signing" / "example.org."
    if keys.exists():
        state["keys"] = len(loadKeys(str(keys), APEX))
    return state


def _inChild(work: Callable[[], object]) -> tuple[int, object]:
    """
    Do something in a process of its own, and return its status and its result.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        result = json.dumps(work()).encode()
        with open(writing, "wb") as pipe:
            pipe.write(result)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    return os.waitpid(pid, 0)[1], json.loads(said) if said else None


def _interrupted(folder: Path, at: int, happen: Callable[[str], None], more: dict[str, object]) -> object:
    """
    Sign the zone, and note the step at which something happens, before it does.
    """

    def stop(what: str) -> None:
        (folder / _NOTE).write_text(what)
        happen(what)

    _Steps(str(folder), at, stop)
    return signOnce(folder, more)


def main(how: str, top: Path) -> None:
    """
    @param how: C{kill} or C{full}; with C{-again} for a zone that was signed before.
    """
    kind, _, again = how.partition("-")
    happen = {"kill": _end, "full": _fill}[kind]
    for at in range(1, 1000):
        folder = top / str(at)
        folder.mkdir()
        (folder / "unsigned").write_bytes(readMaster(_ZONE.encode(), APEX).builder.finish())
        more: dict[str, object] = {}
        if again:
            _inChild(partial(signOnce, folder, {}))
            more = {"last": 1, "wasSigned": True}
        note = folder / _NOTE

        status, result = _inChild(partial(_interrupted, folder, at, happen, more))
        if not note.exists():
            break
        said = result.get("complaints") if isinstance(result, dict) else None
        after = _inChild(partial(stateOf, folder))[1]
        files = len([*folder.glob("signing/*/.*"), *folder.glob("signing/*/*.private")])
        _inChild(partial(signOnce, folder, more))
        then = _inChild(partial(stateOf, folder))[1]
        left = sorted(path.name for path in folder.iterdir() if path.name not in ("unsigned", "image", "signing", _NOTE))
        found = {"step": note.read_text(), "status": status, "said": said, "after": after, "files": files, "then": then, "left": left}
        sys.stdout.write(f"{json.dumps(found)}\n")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
