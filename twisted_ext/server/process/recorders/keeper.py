"""
Keeps a recorder running.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from tempfile import mkdtemp
from typing import TYPE_CHECKING, ClassVar, Final

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger

from twisted_ext.server.features.base.feature import Keeper
from twisted_ext.server.limits import RECORDER_PAUSE
from twisted_ext.server.process.jobs.subprocess import spawnModule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
    from twisted.python.failure import Failure

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["PassingKeeper", "RecorderKeeper"]

_log: Final = Logger(__name__)

_PIPES: Final = {0: "w", 1: "r", 2: "r"}

#: Niceness of a recorder. It gives way to answers, and other processes give way to it: what it does not take in time is dropped.
_NICENESS: Final = 5

#: Octets of the longest line of a recorder.
_LINE: Final = 10_000


class _Process(ProcessProtocol):
    transport: IProcessTransport

    def __init__(self, keeper: RecorderKeeper) -> None:
        self._keeper = keeper
        self._left = b""

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, left = (self._left + data).split(b"\n")
        self._left = left[-_LINE:]
        for line in lines:
            self._keeper.told(line.decode("utf-8", "replace"))

    def processEnded(self, reason: Failure) -> None:
        self._keeper.ended(self, reason)


class RecorderKeeper(Keeper):
    """
    Runs a recorder while the settings want one. It publishes the path of its socket.

    @cvar module: is started with the folder of C{folder}.
    @cvar about: what it is for, before what its process says.
    @cvar process: what it is, for the log.
    @cvar stopped: what does not happen while it cannot begin, in words; and what does again once it can.
    @cvar resumed: see C{stopped}.
    @ivar failed: why it cannot begin; C{""} if it can.
    """

    module: ClassVar[str]
    about: ClassVar[str]
    process: ClassVar[str]
    stopped: ClassVar[str]
    resumed: ClassVar[str]

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        """
        @raise BadDescription: the settings cannot be used.
        """
        self.settings = settings
        self.failed = ""
        self._reactor = reactor
        self._publish: Callable[[JSON], object] = lambda state: None
        self._process: _Process | None = None
        self._pause = RECORDER_PAUSE.default
        self._again: IDelayedCall | None = None
        self._began = False

    @property
    def folder(self) -> str:
        """
        Where it works.
        """
        raise NotImplementedError

    def prepare(self) -> None:
        """
        Prepare for another process.

        @raise OSError: that is not possible.
        """

    @property
    def socketPath(self) -> str:
        raise NotImplementedError

    def isWanted(self) -> bool:
        """
        Return whether the settings in force want it.
        """
        raise NotImplementedError

    def missing(self) -> str:
        """
        Return what it lacks although it is wanted, for an error; C{""} for nothing.
        """
        return ""

    def orders(self) -> dict[str, object]:
        """
        Return what its process is told of the settings.
        """
        raise NotImplementedError

    def reported(self, said: Mapping[str, JSON]) -> None:
        """
        Its process has worked for some seconds.
        """
        raise NotImplementedError

    def changed(self, failure: str) -> None:
        """
        C{failed} is about to become this.
        """

    def lost(self) -> None:
        """
        Its process has ended; the next one counts anew.
        """

    def begin(self, publish: Callable[[JSON], object]) -> None:
        self._publish = publish
        self._began = True
        if self.isWanted():
            self._start()

    def apply(self, settings: Settings) -> None:
        wasWanted, self.settings = self.isWanted(), settings
        if not self._began:
            return
        if self.isWanted() and not wasWanted:
            missing = self.missing()
            if missing:
                _log.error("{missing}", missing=missing)
            else:
                self._start()
        elif wasWanted and not self.isWanted():
            self._stop()
        elif self._process is not None:
            self._process.transport.writeToChild(0, self._ordered())

    def _ordered(self) -> bytes:
        return f"{json.dumps(self.orders())}\n".encode()

    def _start(self) -> None:
        self._again = None
        process = _Process(self)
        try:
            self.prepare()
            spawnModule(self._reactor, process, self.module, [self.folder], descriptors=_PIPES, undisturbed=True, niceness=_NICENESS)
            self._process = process
            process.transport.writeToChild(0, self._ordered())
        except OSError as error:
            self._process = None
            self._failure(error.strerror or str(error))
            self._later()

    def _later(self) -> None:
        self._again = self._reactor.callLater(self._pause, self._start)
        self._pause = min(self._pause * 2, RECORDER_PAUSE.most)

    def told(self, line: str) -> None:
        """
        Take a line of its process.
        """
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            _log.warn("{about}: {line}", about=self.about, line=line)
        elif "failed" in said:
            # It ends.
            self._failure(str(said["failed"]))
        elif not said:
            # It listens.
            self._failure("")
            self._publish(self.socketPath)
        else:
            self._pause = RECORDER_PAUSE.default
            self.reported(said)

    def _failure(self, failure: str) -> None:
        """
        Note why its process cannot begin, or that it has.
        """
        if failure == self.failed:
            return
        self.changed(failure)
        self.failed = failure
        if failure:
            _log.error("{stopped}: {failure}; that is tried again", stopped=self.stopped, failure=failure)
        else:
            _log.info("{resumed}", resumed=self.resumed)

    def ended(self, process: _Process, reason: Failure) -> None:
        if process is not self._process:
            return
        self._process = None
        self.lost()
        if not self.failed:
            text = "{process} has ended: {reason}; another one begins in {pause:g} s"
            _log.error(text, process=self.process, reason=reason.getErrorMessage(), pause=self._pause)
        self._later()

    def _stop(self) -> None:
        self._publish(None)
        if self._again is not None:
            self._again.cancel()
            self._again = None
        process, self._process = self._process, None
        if process is not None:
            # It writes what it has, and ends.
            with suppress(ProcessExitedAlready, KeyError):
                process.transport.closeChildFD(0)

    def close(self) -> None:
        if self._began:
            self._stop()


class PassingKeeper(RecorderKeeper):
    """
    Runs a recorder that keeps nothing: its folder has its socket, and nothing else.

    @cvar socketName: that of its socket.
    """

    socketName: ClassVar[str]

    def __init__(self, reactor: IReactorTime, settings: Settings) -> None:
        super().__init__(reactor, settings)
        self._folder = ""

    def prepare(self) -> None:
        state = self.settings.stateFolder()
        # Its socket is for this user only. Without a state it gets a folder that no other user can have made.
        self._folder = f"{os.path.abspath(state)}/{self.about}" if state else mkdtemp(prefix=f"txdns-{self.about}-")

    @property
    def folder(self) -> str:
        return self._folder

    @property
    def socketPath(self) -> str:
        return f"{self._folder}/{self.socketName}"

    def lost(self) -> None:
        if not self.settings.stateFolder():
            # What it has left if it was killed.
            with suppress(OSError):
                os.unlink(self.socketPath)
            with suppress(OSError):
                os.rmdir(self._folder)
