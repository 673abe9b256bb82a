"""
A robot with logs and a drawing on its pages, in a process of its own:
C{python -m tests.apps.robot.plugins.channel.logserver FOLDER [WITHOUT]}. It prints the port of its pages and the path of the drawing, and
ends at the end of its standard input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads

from tests.test_architecture import ROOT

__all__ = ["HOSTILE", "TODAY", "Served", "served"]

#: 2023-11-14 22:13:20 UTC.
TODAY: Final = 1.7e9

#: A text whose markup runs a script if it is not escaped.
HOSTILE: Final = "<img src=x onerror=\"document.body.id='own'\"><svg onload=\"document.body.id='own'\">"

_TALK: Final = (
    ("alice", "good morning"),
    ("bob", "hi alice, is example.org slow for you as well?"),
    ("alice", "yes; see https://status.example.org/incidents?id=1&lang=en for the reason"),
    ("a_very_long_nick_of_somebody", "a nick this long has to wrap, and so have words: " + "Donaudampfschifffahrt" * 12),
    ("eve", HOSTILE),
    ("carol", "\u202eright to left\u202c and \x02bold\x02 and \x0304red\x03"),
)


class Served(NamedTuple):
    """
    @ivar address: of the first page.
    @ivar drawing: of the published page.
    """

    address: str
    drawing: str


@contextmanager
def served(folder: Path, without: str = "") -> Iterator[Served]:
    """
    Start a robot, and stop it afterwards.

    @param without: the defenses to switch off: C{escapes}, C{policy}, or both with a comma between them.
    """
    command = [sys.executable, "-m", "tests.apps.robot.plugins.channel.logserver", str(folder), without]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            port, _, path = process.stdout.readline().strip().partition(" ")
            yield Served(f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}/{path}")
        finally:
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _switchOffDefenses(without: str) -> None:
    from twisted_ext.apps.robot.fronts import pages
    from twisted_ext.apps.robot.plugins.channel import logpages

    if "policy" in without:
        pages.DocumentPage.headers = ()
    if "escapes" in without:
        vars(logpages).update(escape=str)


async def _serve(path: Path) -> None:
    from twisted.internet import reactor

    from twisted_ext.apps.robot.database import Database
    from twisted_ext.apps.robot.events import Joined, Message, Topic
    from twisted_ext.apps.robot.fronts.pages import Pages, WebSettings
    from twisted_ext.apps.robot.interfaces import IPages
    from twisted_ext.apps.robot.people import Person, Place
    from twisted_ext.apps.robot.plugins.channel.logs import Logs
    from twisted_ext.apps.robot.program.settings import RobotSettings
    from twisted_ext.apps.robot.robot import Robot
    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.testing.sources import CannedSource

    database = Database(cast(IReactorThreads, reactor), str(path / "robot.sqlite3"))
    database.open()
    settings = RobotSettings(plugins={"logs": {"channels": ["net/*"]}})
    robot = Robot(reactor, settings, NamesResolver(CannedSource(), reactor), database)
    pages = Pages(robot, WebSettings({"listen": "127.0.0.1:80"}), port=0)
    robot.add(IPages, pages)
    pages.startService()
    now = TODAY
    clock = "today"
    setattr(Logs, clock, staticmethod(lambda: now))
    await robot.plugins.load("logs")
    for day in range(40):
        now = TODAY - 86400 * (39 - day)
        for channel in ("#dns", "#twisted", "#a-channel-with-a-long-name-that-has-to-be-wrapped-on-phones"):
            place = Place("net", channel)
            robot.receive(Joined(Person("net", "alice"), place))
            robot.receive(Topic(Person("net", "alice"), place, "DNS in your own process"))
            for nick, text in _TALK:
                robot.receive(Message(Person("net", nick), place, text))
            robot.receive(Message(Person("net", "bob"), place, "waves", action=True))
    for number in range(1, 1200):
        robot.receive(Message(Person("net", "bob"), Place("net", "#dns"), f"line {number} of a long day"))
    drawing = f"<!DOCTYPE html><html><head><style>body{{color:rgb(1,2,3)}}</style></head><body>drawn{HOSTILE}</body></html>"
    url = pages.publish("drawing", drawing)

    def stored(found: object) -> None:
        if found == (40 * 3 * 9 + 1199,):
            sys.stdout.write(f"{pages.port} {url.removeprefix(pages.url)}\n")
            sys.stdout.flush()
        else:
            reactor.callLater(0.05, check)

    def check() -> None:
        database.read(lambda connection: connection.execute("SELECT count(*) FROM log_lines").fetchone()).addCallback(stored)

    check()

    async def end() -> None:
        await pages.stopService()
        await robot.stop()
        await database.close()
        reactor.stop()

    from twisted.internet import stdio
    from twisted.internet.protocol import Protocol, connectionDone
    from twisted.python.failure import Failure

    class StdinProtocol(Protocol):
        def connectionLost(self, reason: Failure = connectionDone) -> None:
            Deferred.fromCoroutine(end())

    connect: Callable[[Protocol], object] = stdio.StandardIO
    connect(StdinProtocol())


def _main(folder: Path, without: str) -> None:
    from twisted.internet import reactor

    _switchOffDefenses(without)
    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(_serve(folder)).addErrback(partial(_failed, reactor.stop)))
    reactor.run()


def _failed(stop: Callable[[], object], failure: object) -> None:
    sys.stderr.write(f"{failure}\n")
    stop()


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
