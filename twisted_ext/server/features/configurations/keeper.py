"""
Copies of the settings files that were in force. Each has a number in its name, the highest is that in force.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from twisted_ext.dnssec.times import timeToText
from twisted_ext.errors import CallerFault
from twisted_ext.files import makeStateFolder, openNow, replacingFile, syncFolder
from twisted_ext.server.features.base.feature import Keeper
from twisted_ext.server.process.jobs.subprocess import inThread

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Origin, Settings

__all__ = ["Configurations"]

_log: Final = Logger(__name__)

#: Copies that are kept, with that in force: who has not noticed a mistake after four more changes goes back by other means.
_MOST: Final = 5

#: Octets of a file that is kept: one of ten thousand zones has a tenth.
_OCTETS: Final = 16 << 20

_NAME: Final = re.compile(r"(\d{1,9})\.toml")


class _Copy(NamedTuple):
    number: int
    path: str


class Configurations(Keeper):
    def __init__(self, reactor: IReactorTime, settings: Settings, today: Callable[[], float] = time) -> None:
        self._reactor = reactor
        self._today = today
        self._settings = settings
        # One after the other: the last one in force has the highest number.
        self._lock = DeferredLock()

    def begin(self, publish: Callable[[JSON], object]) -> None:
        self._keep()

    def apply(self, settings: Settings) -> None:
        self._settings = settings
        self._keep()

    @property
    def _folder(self) -> str:
        state = self._settings.stateFolder()
        return os.path.abspath(os.path.join(state, "configurations")) if state else ""

    def _keep(self) -> None:
        origin, folder = self._settings.own.origin, self._folder
        if origin is None or not folder:
            return
        keeping = self._lock.run(inThread, self._reactor, partial(_keepCopy, folder, origin, self._today()))
        keeping.addErrback(
            lambda failure: _log.warn("{path} is not kept for a rollback: {why}", path=origin.path, why=failure.getErrorMessage())
        )

    def listed(self) -> Deferred[JSON]:
        """
        Return C{file}, the path of the settings file; C{kept}, each with C{path} and C{since}, that in force first; and C{said}.
        """
        origin, folder = self._settings.own.origin, self._folder
        if origin is None:
            raise CallerFault("this server has no settings file")
        if not folder:
            raise CallerFault("settings files are kept in the state folder; set state")
        return self._lock.run(inThread, self._reactor, partial(_listed, folder, origin.path))


def _copiesIn(folder: str) -> list[_Copy]:
    """
    Return the copies, the last one first.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = [_Copy(int(matched[1]), os.path.join(folder, name)) for name in names if (matched := _NAME.fullmatch(name))]
    return sorted(found, reverse=True)


def _read(path: str) -> bytes:
    with open(path, "rb", opener=openNow) as file:
        return file.read(_OCTETS)


def _keepCopy(folder: str, origin: Origin, now: float) -> None:
    """
    Keep the file that was read, unless it has been changed since: then the next reload does; nor if it is too large.

    @raise OSError: it cannot be kept.
    """
    octets = _read(origin.path)
    if hash(octets) != origin.digest:
        return
    copies = _copiesIn(folder)
    if copies and _read(copies[0].path) == octets:
        return
    makeStateFolder(folder)
    path = os.path.join(folder, f"{copies[0].number + 1 if copies else 1}.toml")
    # Keys may be in it.
    with replacingFile(path, 0o600) as file:
        file.write(octets)
    os.utime(path, (now, now))
    syncFolder(folder)
    for each in copies[_MOST - 1 :]:
        os.unlink(each.path)


def _listed(folder: str, path: str) -> JSON:
    kept: list[JSON] = []
    said: list[JSON] = []
    for count, each in enumerate(_copiesIn(folder)):
        since = timeToText(int(os.stat(each.path).st_mtime))
        kept.append({"path": each.path, "since": since})
        said.append(f"{count}  since {since}  {each.path}{'' if count else '  (in force)'}")
    return {"file": path, "kept": kept, "said": [f"{path} was, and is:", *said]}
