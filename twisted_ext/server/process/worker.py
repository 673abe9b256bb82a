"""
The parent's side of one worker process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall, IProcessTransport
from twisted.internet.protocol import ProcessProtocol

from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.server.limits import WORKER_BUSY, WORKER_REPLY, WORKER_SILENT, WORKER_STARTING, WORKER_TAKING
from twisted_ext.server.operations.logs import relayed

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_ext.server.process.workers import Workforce

__all__ = ["LineSplitter", "Worker"]

#: Octets of one line between a worker and its parent.
_WORKER_LINE: Final = 1 << 22


#: The states of a process by their letters on Linux (proc(5)).
_STATES: Final = {"R": "running", "S": "asleep", "D": "waiting for a disk", "T": "stopped", "t": "stopped by a debugger", "Z": "dead"}


class LineSplitter:
    """
    Splits received data into lines of JSON.
    """

    def __init__(self, took: Callable[[dict[str, JSON]], object]) -> None:
        self._took = took
        self._left = b""

    def feed(self, data: bytes) -> None:
        """
        @raise ValueError: a line is not valid or too long.
        """
        *lines, self._left = (self._left + data).split(b"\n")
        if len(self._left) > _WORKER_LINE:
            raise ValueError("a line without an end")
        for line in lines:
            said = json.loads(line)
            if not isinstance(said, dict):
                raise ValueError("a line that is not an object")
            self._took(said)


class Worker(ProcessProtocol):
    """
    One worker process, from its start to its end.

    @ivar settings: those that it was told last, as JSON.
    @ivar ready: whether it has reported that it serves.
    @ivar heard: when it last wrote a line.
    @ivar figures: as last reported.
    @ivar shown: the number of the last query that was taken from its live list.
    @ivar behind: lines about zones that were sent to it and that it has not processed yet.
    """

    def __init__(self, force: Workforce, number: int, since: float) -> None:
        self.number = number
        self.since = since
        self.heard = since
        self.settings: dict[str, object] = {}
        self.ready = False
        self.figures: Figures | None = None
        self.shown = 0
        self.behind = 0
        self._told = 0
        self._settling: list[tuple[int, Deferred[None]]] = []
        self._patience: IDelayedCall | None = None
        self._force = force
        self._lines = LineSplitter(self._took)
        self._waiting: dict[int, Deferred[JSON]] = {}
        self._count = 0
        self._said = b""

    transport: IProcessTransport

    @property
    def process(self) -> int | None:
        found: int | None = getattr(self.transport, "pid", None)
        return found

    def tell(self, do: str, **details: object) -> None:
        """
        Send a line that gets no reply.
        """
        self._write({"id": 0, "do": do, **details})

    def tellZones(self, words: list[JSON], view: str = "") -> None:
        """
        Send changes of the zones of a view, C{""} for those for all clients, which the worker acknowledges when it has applied them.
        """
        self.behind += 1
        self._told += 1
        self.tell("zones", said=words, view=view)
        if self._patience is None:
            self._patience = self._force.clock.callLater(WORKER_TAKING.default, self._stuck)

    def settled(self) -> Deferred[None]:
        """
        @return: fires when it has applied all zone changes sent so far, or has ended.
        """
        done: Deferred[None] = Deferred()
        if self.behind:
            self._settling.append((self._told, done))
        else:
            done.callback(None)
        return done

    def _done(self, count: int) -> None:
        self.behind = max(0, self.behind - count)
        done = self._told - self.behind
        while self._settling and self._settling[0][0] <= done:
            self._settling.pop(0)[1].callback(None)
        if self._patience is not None:
            if self.behind:
                self._patience.reset(WORKER_TAKING.default)
            else:
                self._patience.cancel()
                self._patience = None
        self._force.took(self)

    def _stuck(self) -> None:
        self._patience = None
        self._force.log.error("worker {number} does not apply zone changes", number=self.number)
        self.kill("KILL")

    def reply(self, said: dict[str, object]) -> None:
        self.tell("passed", **said)

    def ask(self, do: str, **details: object) -> Deferred[JSON]:
        """
        Send a line and wait for the reply.

        @return: fires with the reply's value. Fails if none arrives in time.
        """
        self._count += 1
        number = self._count

        def forget(_: object) -> None:
            self._waiting.pop(number, None)

        asked: Deferred[JSON] = Deferred(forget)
        self._waiting[number] = asked
        self._write({"id": number, "do": do, **details})
        asked.addTimeout(WORKER_REPLY.default, self._force.clock)
        return asked

    def _write(self, said: dict[str, object]) -> None:
        # If its pipe is gone, the process is about to end, which is handled separately.
        with suppress(KeyError):
            self.transport.writeToChild(0, json.dumps(said).encode("ascii") + b"\n")

    def silence(self, now: float, stateOf: Callable[[int], str]) -> str:
        """
        Return why this worker counts as hung, or C{""}.

        @param stateOf: returns the state of a process, see L{stateOf<twisted_ext.server.process.jobs.subprocess.stateOf>}.
        """
        silent = now - self.heard
        if silent < WORKER_SILENT.default:
            return ""
        if not self.ready and silent < WORKER_STARTING.default:
            return ""
        state = stateOf(self.process or 0)
        # If the state is unknown, as on systems without /proc, the worker may be busy.
        if self.ready and silent < WORKER_BUSY.default and state in ("R", "D", ""):
            return ""
        return f"it has answered no heartbeat for {silent:.1f} s and is {_STATES.get(state, 'in an unknown state')}"

    def _took(self, said: dict[str, JSON]) -> None:
        self.heard = self._force.clock.seconds()
        if "beat" in said:
            return
        if said.get("ready"):
            self.ready = True
            self._force.serves(self)
            return
        if "pass" in said:
            self._force.passed(self, said)
            return
        if "taken" in said:
            self._done(int(str(said["taken"])))
            return
        if "lacks" in said:
            self._force.lacks(self, bytes.fromhex(str(said["lacks"])), str(said.get("path")), str(said.get("view", "")))
            return
        number = said.get("id")
        asked = self._waiting.pop(number, None) if isinstance(number, int) else None
        if asked is None:
            return
        if "error" in said:
            asked.errback(CallerFault(str(said["error"])))
        else:
            asked.callback(said.get("value"))

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD == 1:
            try:
                self._lines.feed(data)
            except ValueError as error:
                self._force.log.error("worker {number} sent a line that cannot be read: {error}", number=self.number, error=error)
                self.kill("KILL")
        else:
            *lines, self._said = (self._said + data[-65536:]).split(b"\n")
            for line in lines:
                fields = relayed(line, self.number, self._force.log)
                if fields:
                    self._force.upstreamLog.take(self.number, fields)

    def kill(self, signal: str) -> None:
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(signal)

    def processEnded(self, reason: Failure) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        waiting, self._waiting = self._waiting, {}
        for asked in waiting.values():
            asked.errback(CallerFault(f"worker {self.number} has ended"))
        self._force.ended(self, reason)
        settling, self._settling = self._settling, []
        for _, done in settling:
            done.callback(None)
        self._force.took(self)
