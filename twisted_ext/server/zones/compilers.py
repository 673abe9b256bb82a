"""
Processes that make images of zones, so that the one which answers does not have to.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger

from twisted_ext.server.jobs.subprocess import spawnModule
from twisted_ext.server.limits import COMPILER_LINE, COMPILER_SILENCE, COMPILERS

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.metrics.figures import JSON

__all__ = ["Compilers", "Job", "complaintsOf", "numberIn", "sourcesOf"]

#: The module that such a process runs.
_MODULE: Final = "twisted_ext.zone.build.compiler"

_log: Final = Logger()

_encode: Final = json.JSONEncoder(check_circular=False).encode
_decode: Final = json.JSONDecoder().decode

Result = dict[str, "JSON"]


class Job:
    """
    Zones to be made ready in one go.

    @ivar image: the file to be written, for one of them or for all.
    @ivar zones: for each its name and its master file.
    @ivar left: those that nothing has been said of yet.
    @ivar tried: whether a process has fallen silent over it. From then on each zone is told of at once, so that it is known which it is.
    """

    __slots__ = ("image", "zones", "left", "tried")

    def __init__(self, image: str, zones: list[tuple[str, str]], tried: bool = False) -> None:
        self.image = image
        self.zones = zones
        self.left = dict(zones)
        self.tried = tried

    def lines(self) -> bytes:
        """
        @return: what the process is told.
        """
        if len(self.zones) == 1:
            zone, path = self.zones[0]
            said: list[dict[str, object]] = [{"name": zone, "path": path, "image": self.image, "now": time()}]
        else:
            said = [{"pack": self.image, "each": True} if self.tried else {"pack": self.image}]
            said += [{"name": zone, "path": path} for zone, path in self.zones]
            said.append({"seal": True})
        return b"".join([_encode(each).encode("ascii") + b"\n" for each in said])

    def failed(self, said: str, *, unstarted: bool = False) -> list[Result]:
        """
        @param unstarted: whether no process could be started, which is not the fault of the zones: they are to be tried again.

        @return: that nothing came of those that are left.
        """
        return [
            {
                "name": zone,
                "complaints": [{"path": path, "line": 0, "column": 0, "text": said, "fatal": True}],
                **({"unstarted": True} if unstarted else {}),
            }
            for zone, path in self.left.items()
        ]


class _Compiler(ProcessProtocol):
    """
    One process with one job, or with one after the other.
    """

    transport: IProcessTransport

    def __init__(self, compilers: Compilers) -> None:
        self.job: Job | None = None
        # Whether it has given any sign.
        self._heard = False
        self._compilers = compilers
        self._left = b""
        self._complained = b""
        self._results: list[Result] = []
        self._watch: IDelayedCall | None = None

    def begin(self, job: Job) -> None:
        """
        Have it do a job.
        """
        self.job = job
        self._watch = self._compilers.watch(self._silent)
        with suppress(KeyError):
            self.transport.writeToChild(0, job.lines())

    def _silent(self) -> None:
        job = self.forget()
        self.kill()
        if job is not None:
            self._compilers.silent(job)

    def forget(self) -> Job | None:
        """
        @return: the job, which is not its own any more.
        """
        job, self.job = self.job, None
        watch, self._watch = self._watch, None
        if watch is not None and watch.active():
            watch.cancel()
        return job

    def finish(self) -> None:
        """
        There are no more jobs for it.
        """
        with suppress(KeyError):
            self.transport.closeChildFD(0)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if self._watch is not None:
            self._watch.reset(self._compilers.silence)
        self._heard = self._heard or childFD == 1
        if childFD != 1:
            self._complained = (self._complained + data)[-2000:]
            return
        *lines, self._left = (self._left + data).split(b"\n")
        if len(self._left) > COMPILER_LINE.default:
            self.kill()
            return
        for line in lines:
            try:
                said = _decode(line.decode("ascii"))
            except ValueError:
                continue
            if isinstance(said, dict) and self.job is not None:
                self._said(self.job, said)

    def _said(self, job: Job, said: Result) -> None:
        if "name" in said:
            if job.left.pop(str(said["name"]), None) is not None:
                self._results.append(said)
            if len(job.zones) > 1 or job.left:
                return
        elif "done" not in said:
            return
        self.forget()
        results, self._results = self._results, []
        if said.get("done") is False:
            # Nothing that was packed is sure to stay.
            job.left = dict(job.zones)
            results = job.failed("the images could not be written")
        self._compilers.took([*results, *job.failed("nothing was said of it")])
        self._compilers.idle(self)

    def kill(self) -> None:
        """
        End it.
        """
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        job = self.forget()
        if job is not None:
            words = self._complained.decode("utf-8", "replace").strip().splitlines()
            job.left = dict(job.zones)
            why = words[-1] if words else reason.getErrorMessage()
            if self._heard:
                self._compilers.took(job.failed(f"the process that made it ready has ended: {why}"))
            else:
                self._compilers.took(job.failed(f"no process that makes zones ready can be started: {why}", unstarted=True))
        self._compilers.ended(self)


class Compilers:
    """
    Those processes, and the jobs that wait for one.

    @ivar silence: seconds in which a process gives no sign before it is ended and another one takes its job, once.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        took: Callable[[list[Result]], object],
        *,
        most: int | None = None,
        silence: float | None = None,
        module: str = _MODULE,
    ) -> None:
        """
        @param took: called with what came of zones: C{zone}, C{built}...
        @param most: how many processes there may be.
        @param module: what they run.
        """
        self.took = took
        self.silence = COMPILER_SILENCE.pick(silence)
        self._module = module
        self._reactor = reactor
        self._most = int(COMPILERS.pick(most)) if most else max(1, min(int(COMPILERS.default), os.cpu_count() or 1))
        self._jobs: deque[Job] = deque()
        self._running: list[_Compiler] = []
        self._closed = False

    @property
    def busy(self) -> bool:
        """
        Whether there is anything that is not done yet.
        """
        return bool(self._jobs) or any(each.job is not None for each in self._running)

    def add(self, job: Job) -> None:
        """
        Do this when there is a process for it.
        """
        self._jobs.append(job)
        self._go()

    def _go(self) -> None:
        while self._jobs and len(self._running) < self._most and not self._closed:
            job = self._jobs.popleft()
            compiler = _Compiler(self)
            self._running.append(compiler)
            try:
                spawnModule(self._reactor, compiler, self._module, descriptors={0: "w", 1: "r", 2: "r"}, undisturbed=True)
            except OSError as error:
                self._running.remove(compiler)
                said = f"no process that makes zones ready can be started: {error.strerror or error}"
                self.took(job.failed(said, unstarted=True))
                continue
            compiler.begin(job)

    def watch(self, silent: Callable[[], object]) -> IDelayedCall:
        """
        @param silent: called when a process has given no sign for too long.
        """
        return self._reactor.callLater(self.silence, silent)

    def silent(self, job: Job) -> None:
        """
        A process was ended that gave no sign. Its job is begun anew, once; after that the zone that it was at is given up; others go on.
        """
        if not job.tried:
            what = job.zones[0][0] if len(job.zones) == 1 else f"{len(job.zones)} zones"
            _log.warn("the process that makes {what} ready gives no sign; another one tries", what=what)
            self.add(Job(job.image, job.zones, True))
            return
        # It does one after the other. Where nothing is left it does not get them written.
        stuck = next(iter(job.left), None)
        others = [(zone, path) for zone, path in job.zones if zone != stuck] if stuck else []
        job.left = {zone: path for zone, path in job.zones if stuck in (None, zone)}
        if others:
            self.add(Job(job.image, others, True))
        said = f"the process that made it ready gave no sign for {self.silence:g} s and was ended, as was another one before"
        self.took(job.failed(said))

    def idle(self, compiler: _Compiler) -> None:
        """
        A process has done its job.
        """
        if self._jobs and not self._closed:
            compiler.begin(self._jobs.popleft())
        else:
            compiler.finish()

    def ended(self, compiler: _Compiler) -> None:
        """
        A process is no more.
        """
        self._running.remove(compiler)
        self._go()

    def close(self) -> None:
        """
        End all of them.
        """
        self._closed = True
        self._jobs.clear()
        for compiler in self._running:
            compiler.forget()
            compiler.kill()


def complaintsOf(result: Result) -> list[tuple[str, bool]]:
    """
    @return: lines C{file:line:column: text}, each with whether there is no zone because of it.
    """
    said = result.get("complaints")
    lines: list[tuple[str, bool]] = []
    for each in said if isinstance(said, list) else []:
        if not isinstance(each, dict):
            continue
        place = ":".join([str(each.get(key)) for key in ("path", "line", "column") if each.get(key)])
        fatal = bool(each.get("fatal"))
        text = f"{'' if fatal else 'warning: '}{each.get('text')}"
        # Of a file that cannot be read, the text itself says which.
        known = not each.get("line") and bool(place) and place in text
        lines.append((text if known else f"{place}: {text}", fatal))
    return lines


def sourcesOf(result: Result) -> tuple[tuple[str, int, int], ...]:
    """
    @return: path, octets and time of change of the files that a zone was made from, its own first.
    """
    said = result.get("sources")
    found: list[tuple[str, int, int]] = []
    for each in said if isinstance(said, list) else []:
        if isinstance(each, list) and len(each) == 3:
            found.append((str(each[0]), int(str(each[1])), int(str(each[2]))))
    return tuple(found)


def numberIn(result: Result, key: str) -> int:
    """
    @return: a number that was told of a zone.
    """
    value = result.get(key)
    return value if isinstance(value, int) else 0
