"""
A worker process, one of several that share a port: C{python -m twisted_ext.apps.worker}, started by L{twisted_ext.server.process.workers}.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger, globalLogBeginner
from twisted.python.failure import Failure

from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.operations.logs import relayedLine
from twisted_ext.server.process.jobs.logqueue import queuedObserver, sinkFor
from twisted_ext.server.process.jobs.tuning import tuneInterpreter
from twisted_ext.server.process.librarylogs import boundLibraryLogs
from twisted_ext.server.process.prepare import prepareProcess
from twisted_ext.server.process.settingschange import SettingsChange, changedBy
from twisted_ext.server.process.worker import LineSplitter
from twisted_ext.server.service import ServerService
from twisted_ext.web.setup.shown import shownPages

__all__ = ["ParentMessages", "main"]

_log = Logger(__name__)

class ParentMessages(Protocol):
    """
    Executes the parent's messages, and ends this process when the connection to the parent closes.
    """

    transport: ITransport

    def __init__(self, reactor: IReactorTime, stop: Callable[[], object]) -> None:
        self.code = 0
        self.service: ServerService | None = None
        self._settings: dict[str, object] = {}
        self._reactor = reactor
        self._stop = stop
        self._lines = LineSplitter(self._took)
        # Zone messages not executed yet, with the names of views, and None for the start of service; the one being executed; whether _obey
        # is scheduled.
        self._zones: deque[tuple[str, list[JSON]] | None] = deque()
        self._steps: Iterator[None] | None = None
        self._going = False

    def dataReceived(self, data: bytes) -> None:
        self._lines.feed(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.service is not None and self.service.relay is not None:
            self.service.relay.close()
        self._stop()

    def _say(self, **said: object) -> None:
        self._tell(said)

    def _tell(self, said: dict[str, object]) -> None:
        self.transport.write(json.dumps(said).encode("ascii") + b"\n")

    def _took(self, said: dict[str, JSON]) -> None:
        number = said.get("id")

        def value(result: object) -> None:
            self._say(id=number, value=result)

        def error(failure: Failure) -> None:
            self._say(id=number, error=str(failure.value) or type(failure.value).__name__)

        done = maybeDeferred(self._do, said)
        if number:
            done.addCallbacks(value, error)
        done.addErrback(self._ebLost)

    def _lost(self, reason: str) -> None:
        self.code = 1
        try:
            self._stop()
        except MemoryError:
            # The parent notices the exit without a message.
            os._exit(1)

    def _ebLost(self, failure: Failure) -> None:
        _log.failure("while executing a message of the parent", failure=failure)
        self._stop()

    def _do(self, said: dict[str, JSON]) -> object:
        do = str(said["do"])
        if do == "beat":
            self._say(beat=True)
            return None
        if do == "serve":
            self._serve(said)
            return None
        service = self.service
        assert service is not None
        if do in ("zones", "begin"):
            self._zones.append((str(said.get("view", "")), cast("list[JSON]", said["said"])) if do == "zones" else None)
            if not self._going:
                self._obey()
            return None
        if do == "passed":
            assert service.relay is not None
            service.relay.take(said)
            return None
        if do == "operations":
            from twisted_ext.server.process.relay import keysFrom

            service.passOn([int(str(key)) for key in cast("list[JSON]", said["operations"])], keysFrom(said["keys"]))
            return None
        if do == "certificates":
            if service.encryption is not None:
                service.encryption.take(cast("list[list[str]]", said["certificates"]))
            return None
        if do == "state":
            service.take(str(said["feature"]), said["state"])
            return None
        if do == "reload":
            # Kept also if it cannot be used: the next change is from there.
            self._settings = changedBy(self._settings, cast("SettingsChange", said["change"]))
            return service.goOverTo(Settings.fromJSON(self._settings), cookieSecrets=_secretsIn(said))
        if do == "figures":
            return service.status.figures().addCallback(Figures.toJSON)
        if do == "queries":
            return service.status.queries(int(str(said["after"])))
        assert do == "verb"
        return service.status.ownPartOf(str(said["path"]), cast("dict[str, str]", said["arguments"]))

    def _obey(self) -> None:
        """
        Execute the queued zone messages, one step for each turn of the reactor, so that queries are handled in between.
        """
        self._going = True
        service = self.service
        assert service is not None
        while self._steps is not None or self._zones:
            try:
                if self._steps is None:
                    message = self._zones.popleft()
                    if message is None:
                        self._begin(service)
                        continue
                    zoneSet = service.zoneSets.of(message[0])
                    # A view may have lost its zones since.
                    self._steps = iter(()) if zoneSet is None or zoneSet.zoneSync is None else zoneSet.zoneSync.obeying(message[1])
                next(self._steps)
            except StopIteration:
                self._steps = None
                self._say(taken=1)
            except Exception:
                # The worker that replaces this process receives the complete state.
                _log.failure("while executing a message of the parent")
                self._stop()
                return
            else:
                self._reactor.callLater(0, self._obey)
                return
        self._going = False

    def _begin(self, service: ServerService) -> None:
        service.startService()
        tuneInterpreter()
        self._say(ready=True)

    def _serve(self, said: dict[str, JSON]) -> None:
        bound: list[Bound] = []
        for pair in cast("list[dict[str, JSON]]", said["bound"]):
            opened = [None if pair.get(way) is None else socket.socket(fileno=cast(int, pair[way])) for way in ("datagram", "stream")]
            for each in opened:
                if each is not None:
                    each.setblocking(False)
                    os.set_inheritable(each.fileno(), False)
            bound.append(Bound(str(pair["address"]), cast(int, pair["port"]), opened[0], opened[1], str(pair.get("encryption", ""))))
        self._settings = cast("dict[str, object]", said["settings"])
        settings = Settings.fromJSON(self._settings)
        hasZones = bool(said.get("hasZones"))
        secret = bytes.fromhex(str(said["secret"]))
        toParent = self._tell if hasZones else None
        encryption = None
        if said.get("certificates"):
            from twisted_ext.server.listeners.tls.encryption import Encryption

            encryption = Encryption.fromJSON(cast("list[list[str]]", said["certificates"]), self._reactor.seconds)
        self.service = service = ServerService(
            self._reactor,
            settings,
            bound,
            secret,
            cookieSecrets=_secretsIn(said),
            toParent=toParent,
            encryption=encryption,
            worker=True,
            setup=shownPages,
        )
        service.lost = self._lost
        if not hasZones:
            self._begin(service)


def _secretsIn(said: dict[str, JSON]) -> list[bytes]:
    return [bytes.fromhex(str(each)) for each in cast("list[JSON]", said.get("cookieSecrets") or [])]


def main() -> None:
    prepareProcess()
    from twisted.internet import reactor
    from twisted.internet.error import ReactorNotRunning
    from twisted.internet.stdio import StandardIO

    # A queue for the log, so that clients get answers even while the parent hangs and reads nothing.
    observer, _ = queuedObserver(reactor, sinkFor(sys.stderr), relayedLine)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    boundLibraryLogs()

    def stop() -> None:
        # A signal to all processes of the server, and the parent that ends, may come in any order.
        with suppress(ReactorNotRunning):
            reactor.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: IReactorFromThreads(reactor).callFromThread(stop))
    obeying = ParentMessages(cast(IReactorTime, reactor), stop)

    connect: Callable[[Protocol], object] = StandardIO

    def end() -> Deferred[None] | None:
        return obeying.service.stopService() if obeying.service is not None else None

    reactor.callWhenRunning(connect, obeying)
    reactor.addSystemEventTrigger("before", "shutdown", end)
    # Its own handlers would take a second stop for a fault. Workers have no processes of their own, which they are needed for as well.
    run: Callable[..., object] = reactor.run
    run(installSignalHandlers=False)
    sys.exit(obeying.code)


if __name__ == "__main__":
    main()
