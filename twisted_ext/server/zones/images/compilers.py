"""
Pool of processes that compile zones to images, so that the serving process does not have to.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from json.encoder import encode_basestring_ascii as quoted
from time import time
from typing import TYPE_CHECKING, Final, cast

from mypy_extensions import mypyc_attr
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger

from twisted_ext.server.limits import COMPILER_LINE, COMPILER_SILENCE, COMPILERS
from twisted_ext.server.process.jobs.subprocess import spawnModule
from twisted_ext.server.zones.images.imagefiles import Built, Source

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.metrics.figures import JSON

__all__ = ["Compilers", "Job", "builtFrom", "complaintsOf", "sourcesOf"]

#: The module that compiler processes run.
_MODULE: Final = "twisted_ext.zone.build.compiler"

_log: Final = Logger(__name__)

_decode: Final = json.JSONDecoder().decode

Result = dict[str, "JSON"]

_NOTHING: Final[Mapping[str, str]] = {}


class Job:
    """
    Zones to be compiled in one go.

    @ivar image: the file to write, for one zone or for all.
    @ivar zones: the name and master file of each.
    @ivar tried: whether a process has hung on this job. The next one then reports each zone at once, so that the zone that hangs is known.
    @ivar left: zones without a result yet.
    @ivar more: further members of the objects for some of the zones, such as how they are signed, as JSON that begins with a comma.
    @ivar took: called with the results; L{None} for the owner of the pool.
    """

    __slots__ = ("image", "zones", "tried", "left", "more", "took")

    def __init__(
        self,
        image: str,
        zones: list[tuple[str, str]],
        more: Mapping[str, str] = _NOTHING,
        tried: bool = False,
        took: Callable[[list[Result]], object] | None = None,
    ) -> None:
        self.image = image
        self.zones = zones
        self.tried = tried
        self.left = dict(zones)
        self.more = more
        self.took = took

    def lines(self) -> bytes:
        # Written by hand: there may be a hundred thousand zones.
        image = quoted(self.image)
        if len(self.zones) == 1:
            zone, path = self.zones[0]
            more = self.more.get(zone, "")
            return f'{{"name":{quoted(zone)},"path":{quoted(path)},"image":{image},"now":{time()}{more}}}\n'.encode("ascii")
        each = ',"each":true' if self.tried else ""
        further = self.more.get
        said = [f'{{"name":{quoted(zone)},"path":{quoted(path)}{further(zone, "")}}}\n' for zone, path in self.zones]
        return f'{{"pack":{image}{each}}}\n{"".join(said)}{{"seal":true}}\n'.encode("ascii")

    def failed(self, said: str, *, unstarted: bool = False) -> list[Result]:
        """
        Return failures for all zones without a result.

        @param unstarted: whether no process could be started, which is not the zones' fault: they have to be retried.
        """
        return [
            {
                "name": zone,
                "complaints": [{"path": path, "line": 0, "column": 0, "text": said, "fatal": True}],
                **({"unstarted": True} if unstarted else {}),
            }
            for zone, path in self.left.items()
        ]


@mypyc_attr(native_class=False)  # Twisted's class has its attributes in the class.
class _Compiler(ProcessProtocol):
    """
    One compiler process, which runs one job after the other.
    """

    transport: IProcessTransport

    def __init__(self, compilers: Compilers) -> None:
        self.job: Job | None = None
        # Whether it has written any output.
        self._heard = False
        self._compilers = compilers
        self._left = b""
        self._complained = b""
        self._results: list[Result] = []
        self._watch: IDelayedCall | None = None

    def begin(self, job: Job) -> None:
        self.job = job
        self._watch = self._compilers.reactor.callLater(self._compilers.silence, self._silent)
        with suppress(KeyError):
            self.transport.writeToChild(0, job.lines())

    def _silent(self) -> None:
        job = self.takeJob()
        self.kill()
        if job is not None:
            self._compilers.silent(job)

    def takeJob(self) -> Job | None:
        job, self.job = self.job, None
        watch, self._watch = self._watch, None
        if watch is not None and watch.active():
            watch.cancel()
        return job

    def finish(self) -> None:
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
        for said in _decoded(lines):
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
        self.takeJob()
        results, self._results = self._results, []
        if said.get("done") is False:
            # None of the packed images is certain to be on disk.
            job.left = dict(job.zones)
            results, job.left = job.failed("the images could not be written"), {}
        self._compilers.give(job, [*results, *job.failed("there is no result for it")])
        self._compilers.idle(self)

    def kill(self) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        job = self.takeJob()
        if job is not None:
            words = self._complained.decode("utf-8", "replace").strip().splitlines()
            job.left = dict(job.zones)
            why = words[-1] if words else reason.getErrorMessage()
            if self._heard:
                self._compilers.give(job, job.failed(f"the process that compiled it has ended: {why}"))
            else:
                self._compilers.give(job, job.failed(f"no process to compile zones can be started: {why}", unstarted=True))
        self._compilers.ended(self)


@mypyc_attr(allow_interpreted_subclasses=True)
class Compilers:
    """
    The compiler processes, and the queue of jobs.

    @ivar silence: seconds without output after which a process is killed and its job is given to another one, once.
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
        @param most: maximum number of processes.
        """
        self.took = took
        self.silence = COMPILER_SILENCE.pick(silence)
        self._module = module
        self.reactor = reactor
        self._most = int(COMPILERS.pick(most)) if most else max(1, min(int(COMPILERS.default), os.cpu_count() or 1))
        self._jobs: deque[Job] = deque()
        self._running: list[_Compiler] = []
        self._closed = False

    @property
    def queued(self) -> bool:
        """
        Whether jobs wait for a process.
        """
        return bool(self._jobs)

    @property
    def busy(self) -> bool:
        return bool(self._jobs) or any(each.job is not None for each in self._running)

    def give(self, job: Job, results: list[Result]) -> None:
        """
        Pass results of a job on.
        """
        (job.took or self.took)(results)

    def add(self, job: Job) -> None:
        self._jobs.append(job)
        self._go()

    def _go(self) -> None:
        while self._jobs and len(self._running) < self._most and not self._closed:
            job = self._jobs.popleft()
            compiler = _Compiler(self)
            self._running.append(compiler)
            try:
                spawnModule(self.reactor, compiler, self._module, descriptors={0: "w", 1: "r", 2: "r"}, undisturbed=True, huge=True)
            except OSError as error:
                self._running.remove(compiler)
                said = f"no process to compile zones can be started: {error.strerror or error}"
                self.give(job, job.failed(said, unstarted=True))
                continue
            compiler.begin(job)

    def silent(self, job: Job) -> None:
        """
        Handle a process that was killed for writing no output. Its job is restarted once; after that, the zone that it hung on fails, and
        the others are retried.
        """
        if not job.tried:
            what = job.zones[0][0] if len(job.zones) == 1 else f"{len(job.zones)} zones"
            _log.warn("the process that compiles {what} hangs; another one tries", what=what)
            self.add(Job(job.image, job.zones, job.more, True, job.took))
            return
        # Zones are compiled one after the other. If all have results, the process hung while writing them.
        stuck = next(iter(job.left), None)
        others = [(zone, path) for zone, path in job.zones if zone != stuck] if stuck else []
        job.left = {zone: path for zone, path in job.zones if stuck in (None, zone)}
        if others:
            self.add(Job(job.image, others, job.more, True, job.took))
        said = f"the process that compiled it wrote nothing for {self.silence:g} s and was ended, as was another one before"
        self.give(job, job.failed(said))

    def idle(self, compiler: _Compiler) -> None:
        if self._jobs and not self._closed:
            compiler.begin(self._jobs.popleft())
        else:
            compiler.finish()

    def ended(self, compiler: _Compiler) -> None:
        self._running.remove(compiler)
        self._go()

    def close(self) -> None:
        self._closed = True
        self._jobs.clear()
        for compiler in self._running:
            compiler.takeJob()
            compiler.kill()


def _decoded(lines: list[bytes]) -> list[JSON]:
    """
    Return what is written in lines, without those that are not JSON.
    """
    try:
        # Together: for short texts, the calls take longer than the decoding.
        found = _decode(f"[{b','.join(lines).decode('ascii')}]")
        if len(found) == len(lines):
            return cast("list[JSON]", found)
    except ValueError:
        pass
    several: list[JSON] = []
    for line in lines:
        with suppress(ValueError):
            several.append(_decode(line.decode("ascii")))
    return several


def complaintsOf(result: Result) -> list[tuple[str, bool]]:
    """
    Return the problems of a zone: lines C{file:line:column: text}, each with whether it is fatal for the zone.
    """
    said = result.get("complaints")
    lines: list[tuple[str, bool]] = []
    if not isinstance(said, list):
        return lines
    for each in said:
        if not isinstance(each, dict):
            continue
        place = ":".join([str(each.get(key)) for key in ("path", "line", "column") if each.get(key)])
        fatal = bool(each.get("fatal"))
        text = f"{'' if fatal else 'warning: '}{each.get('text')}"
        # If a file cannot be read, the text itself names it.
        known = not each.get("line") and bool(place) and place in text
        lines.append((text if known else f"{place}: {text}", fatal))
    return lines


def sourcesOf(result: Result) -> tuple[tuple[str, int, int], ...]:
    """
    Return path, octets and modification time of the files that a zone was made from, its own first.
    """
    said = result.get("sources")
    found: list[tuple[str, int, int]] = []
    for each in said if isinstance(said, list) else []:
        if isinstance(each, list) and len(each) == 3:
            path, size, changed = each
            if isinstance(path, str) and isinstance(size, int) and isinstance(changed, int):
                found.append((path, size, changed))
    return tuple(found)


def builtFrom(zone: str, result: Result, sources: tuple[Source, ...]) -> Built:
    """
    Return the image that was made of a zone.
    """
    offset, octets, serial, records, due, begins = [
        _numberIn(result, key) for key in ("offset", "octets", "serial", "records", "due", "begins")
    ]
    return Built(zone, str(result.get("image")), offset, octets, serial, records, sources, str(result.get("made", "")), due, begins)


def _numberIn(result: Result, key: str) -> int:
    """
    Return a number from the result for a zone, 0 if it is missing.
    """
    value = result.get(key)
    return value if isinstance(value, int) else 0
