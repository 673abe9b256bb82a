"""
A server with a control socket and a status page, in a process of its own: C{python -m tests.apps.controlled FOLDER [WITHOUT]}. It prints
the port of its page and ends at the end of its standard input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import cast

from twisted.internet.interfaces import IReactorSocket, IReactorTime, IReactorUNIX

from tests.patience import PATIENCE
from tests.test_architecture import ROOT

__all__ = ["Controlled", "controlled"]


class Controlled:
    """
    The control socket and the page of the server.

    @ivar path: the path of the control socket.
    @ivar page: the address of the page.
    """

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self.page = f"http://127.0.0.1:{port}/"


@contextmanager
def controlled(folder: Path, without: str = "") -> Iterator[Controlled]:
    """
    Start a server, and stop it afterwards.

    @param without: what to switch off, with commas: C{history}, or of the defenses of the page C{escapes} and C{policy}.
    """
    command = [sys.executable, "-m", "tests.apps.controlled", str(folder), without]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.strip().isdigit(), line
            yield Controlled(folder / "control.sock", int(line))
        finally:
            process.stdin.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


def _switchOffDefenses(without: str) -> None:
    from twisted_ext.web.http.website import Page
    from twisted_ext.web.status import service

    if "policy" in without:
        Page.headers = ()
    if "escapes" in without:
        begin = "__init__"
        before = service._File.__init__

        def unescaped(self: service._File, name: str, kind: str) -> None:
            before(self, name, kind)
            changed = self._octets.replace(b"element.textContent = text;", b"element.innerHTML = text;")
            assert changed != self._octets or name != "dom.js"
            self._octets = changed

        setattr(service._File, begin, unescaped)


def _serve(folder: Path, hasHistory: bool) -> None:
    from twisted.internet import reactor, stdio
    from twisted.internet.defer import Deferred, succeed
    from twisted.internet.protocol import Protocol, connectionDone
    from twisted.internet.task import LoopingCall
    from twisted.python.failure import Failure

    from tests.metrics.samples import HOSTILE, busy
    from tests.server.features.queryhistory.recorder.histories import historyOf, rowOf
    from tests.server.operations.seeing import Answers, SeenServer
    from twisted_ext.answers import Trace
    from twisted_ext.errors import BadDescription
    from twisted_ext.metrics.activity import Activity, LiveQuery
    from twisted_ext.metrics.figures import Figures
    from twisted_ext.resolver.caching.cached import CachedSource
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.operations.controlservice import ControlService
    from twisted_ext.testing.sources import CannedSource, questionOf
    from twisted_ext.web.status.service import WebService
    from twisted_ext.wire.names import nameFromText, nameToText

    clock = cast(IReactorTime, reactor)
    (folder / "history").mkdir()
    name = nameToText(HOSTILE[0])
    historyOf(folder / "history", [rowOf(name, at, rule=f"ads:{at}", ede="<b>Blocked</b>", status="blocked") for at in range(120)])
    settings = Settings.of(role="serve", state=str(folder), showClients=True, queryHistory=hasHistory)
    server = SeenServer(clock, busy(), settings=settings)
    inner = CannedSource({("www.example.com", "A"): "192.0.2.1", ("a.sub.example.com", "A"): "192.0.2.2"})
    server.source = server.caching = CachedSource(inner, clock)
    server.responder = Answers(server.caching)
    server.remember("www.example.com", "a.sub.example.com")
    status = server.status
    status.tracing.finish(questionOf("\\027]0;own\\007.example"), Trace(0.0), "192.0.2.9", 3, 0.5)

    def reloading() -> Deferred[list[str]]:
        if (folder / "broken").exists():
            raise BadDescription("txdns.toml:3: port takes a number, not 'x'\ntxdns.toml:4: prot: there is no such setting")
        return succeed(["nothing has changed"])

    server.reloading = reloading
    figures = status.figures

    def figuresWithUpstreams() -> Deferred[Figures]:
        def add(found: Figures) -> Figures:
            found.upstreams = [
                {"server": "192.0.2.1:53", "way": "udp", "up": True, "rtt": 0.0125, "failures": 0, "declines": 0, "retryIn": 0.0},
                {"server": "[2001:db8::1]:53", "way": "tcp", "up": False, "rtt": None, "failures": 3, "declines": 0, "retryIn": 2.0},
            ]
            return found

        return figures().addCallback(add)

    vars(status).update(figures=figuresWithUpstreams)

    def countQueries() -> None:
        server.counters.udp += 25

    server.counters.activity = activity = Activity(time() - clock.seconds())
    activity.clients.add("192.0.2.77", HOSTILE[0], 1, clock.seconds(), 10)
    activity.clients.add("2001:db8:1234:5678:9abc:def0:1234:5678", nameFromText("www.example"), 28, clock.seconds(), 30)

    def showQueries() -> None:
        now = time()
        hostile = nameToText(HOSTILE[0])
        activity.live.add(LiveQuery(now, "192.0.2.77", "udp", hostile, "A", "NXDOMAIN", "forwarded", 0.02, "192.0.2.1:53"))
        activity.live.add(LiveQuery(now, "192.0.2.78", "udp", "www.example.", "AAAA", "NOERROR", "cached", count=3))
        activity.live.add(LiveQuery(now, "192.0.2.78", "tcp", "ads.example.", "A", "NXDOMAIN", "blocked", 0.001))

    LoopingCall(showQueries).start(0.2)
    LoopingCall(countQueries).start(0.1)
    page = WebService(cast(IReactorSocket, reactor), "127.0.0.1", status, port=0)
    services = [status, ControlService(cast(IReactorUNIX, reactor), str(folder / "control.sock"), status), page]
    for service in services:
        service.startService()

    class StdinProtocol(Protocol):
        def connectionLost(self, reason: Failure = connectionDone) -> None:
            for service in services:
                service.stopService()
            reactor.callLater(0.05, reactor.stop)

    connect: Callable[[Protocol], object] = stdio.StandardIO
    connect(StdinProtocol())
    sys.stdout.write(f"{page.port}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    _switchOffDefenses(sys.argv[2])
    _serve(Path(sys.argv[1]), "history" not in sys.argv[2])
