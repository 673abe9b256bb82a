"""
Kill robots at random moments, and look for what they had acknowledged::

    python -m tests.apps.robot.killed FOLDER KILLS [early]

With C{early}, the robots acknowledge before they have written: then something has to be lost.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Final, NoReturn, cast

from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_ext.apps.robot.commands import Access
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.events import Joined, Message
from twisted_ext.apps.robot.interfaces import IFront, IStorage, Urgency
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugins.channel.tell import Tell
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.sources import CannedSource

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorCore, IReactorThreads, IReactorTime

    from twisted_ext.apps.robot.text import Line

__all__: list[str] = []

#: Keys under which values are stored in turn.
_KEYS: Final = 10

#: Of this many messages, one stays: the receivers of the others join and speak.
_STAYING: Final = 10

#: The longest time that a robot lives after its first acknowledgement.
_SECONDS: Final = 0.1


@implementer(IFront)
class _Front:
    """
    Writes to a pipe what the robot has acknowledged: C{told NICK}, C{given NICK}.
    """

    name = "net"
    nick = "txbot"
    most = 5

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer

    def send(self, target: str, lines: Sequence[Line], urgency: Urgency = Urgency.NOTICE) -> None:
        for line in map(str, lines):
            nick = line.split()[0].rstrip(":")
            if " gets your message " in line:
                self._writer.told(nick)
            elif " said on " in line:
                self._writer.acknowledge(f"given {nick}")
            else:
                self._writer.acknowledge(f"failed {line}")
                os._exit(1)

    def members(self, channel: str) -> Sequence[str]:
        return []

    def isReady(self, target: str) -> bool:
        return True


class _Writer:
    """
    Stores values and writes messages without end, the next one when the last was acknowledged.

    @param start: the first number: no two robots write the same.
    """

    def __init__(self, robot: Robot, reactor: IReactorTime, pipe: int, start: int, early: bool) -> None:
        self._robot = robot
        self._reactor = reactor
        self._pipe = pipe
        self._stored = self._told = start
        self._early = early
        robot.join(cast(IFront, _Front(self)))

    def acknowledge(self, line: str) -> None:
        try:
            os.write(self._pipe, f"{line}\n".encode())
        except BrokenPipeError:
            os._exit(1)

    def store(self, _: object = None) -> None:
        number = self._stored
        self._stored += 1
        key = f"key{number % _KEYS}"
        stored = IStorage(self._robot).store(key, "1", number)
        if self._early:
            self.acknowledge(f"stored {key} {number}")
            self._reactor.callLater(0.0005, self.store)
        else:
            stored.addCallback(lambda _: self.acknowledge(f"stored {key} {number}")).addCallback(self.store)

    def tell(self) -> None:
        nick = f"r{self._told}"
        self._robot.receive(Message(Person("net", f"s{self._told}"), Place("net", f"#{nick}"), f"!tell {nick} hello"))

    def told(self, nick: str) -> None:
        self.acknowledge(f"told {nick}")
        if self._told % _STAYING:
            # It is given, and acknowledged by the receiver.
            person, place = Person("net", nick), Place("net", f"#{nick}")
            self._robot.receive(Joined(person, place))
            self._reactor.callLater(0.005, self._robot.receive, Message(person, place, "thanks"))
        self._told += 1
        self._reactor.callLater(0, self.tell)


def _live(path: str, pipe: int, start: int, early: bool) -> NoReturn:
    """
    Be a robot until it is killed.
    """
    from twisted.internet import reactor

    core = cast("IReactorCore", reactor)
    database = Database(cast("IReactorThreads", reactor), path)
    database.open()
    settings = RobotSettings(access=Access(commands={"tell": "anyone"}))
    time = cast("IReactorTime", reactor)
    robot = Robot(time, settings, NamesResolver(CannedSource(), time), database, lambda: [Tell()])
    writer = _Writer(robot, time, pipe, start, early)

    def begin(_: object) -> None:
        writer.store()
        writer.tell()

    core.callWhenRunning(lambda: Deferred.fromCoroutine(robot.plugins.load("tell")).addCallback(begin))
    core.run()
    os._exit(1)


def _killed(path: str, start: int, early: bool, seconds: float) -> list[str]:
    """
    Kill a robot some time after its first acknowledgement, and return what it has acknowledged.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            _live(path, writing, start, early)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, "rb") as file:
        found = [file.readline()]
        signal.signal(signal.SIGALRM, lambda number, frame: os.kill(child, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, seconds if found[0] else 0)
        # Not readlines(), in which no signal is handled while there is more to read.
        for line in file:
            found.append(line)
    _, status = os.waitpid(child, 0)
    if status != signal.SIGKILL:
        raise RuntimeError(f"a robot ended by itself, with status {status}: {found[-1]!r}")
    # The last line may have been cut.
    return [line.decode().strip() for line in found if line.endswith(b"\n")]


def _lost(path: str, acknowledged: Sequence[str]) -> list[str]:
    """
    Return what was acknowledged and is neither in the database nor given.
    """
    values: dict[str, int] = {}
    waiting: set[str] = set()
    for line in acknowledged:
        word, name, *number = line.split()
        if word == "stored":
            values[name] = int(*number)
        elif word == "told":
            waiting.add(name)
        else:
            waiting.discard(name)
    with closing(sqlite3.connect(path)) as connection:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            return ["the database"]
        stored = {key: int(value) for key, value in connection.execute("SELECT key, value FROM stored WHERE key LIKE 'key%'")}
        kept = {name for (name,) in connection.execute("SELECT receiver FROM told")}
    lost = [f"{key} {number}" for key, number in values.items() if stored.get(key, -1) < number]
    return [*lost, *sorted(waiting - kept)]


def main(folder: str, kills: int, early: bool) -> str:
    path = os.path.join(folder, "robot.sqlite3")
    acknowledged: list[str] = []
    lost: list[str] = []
    for number in range(kills):
        acknowledged += _killed(path, number * 1_000_000, early, random.uniform(0, _SECONDS))
        lost += _lost(path, acknowledged)
    words = [line.split()[0] for line in acknowledged]
    counts = ", ".join([f"{words.count(word)} {word}" for word in ("stored", "told", "given")])
    return f"{kills} kills: {counts}; {len(set(lost))} lost\n"


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], int(sys.argv[2]), "early" in sys.argv[3:]))
