"""
Robots that log numbered lines and are killed:
C{python -m tests.apps.robot.plugins.channel.logwriter FOLDER MOMENTS}. It fails if a line that was readable before a kill is gone after it.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads

from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.sources import CannedSource

__all__ = ["FILE", "numbersIn"]

#: The name of the database.
FILE: Final = "robot.sqlite3"

#: The most seconds between a robot's first line and its end.
_SECONDS: Final = 0.2


def numbersIn(path: Path) -> list[int]:
    """
    Return the numbers of all lines in a database, in their order.
    """
    connection = sqlite3.connect(path)
    try:
        return [int(text) for (text,) in connection.execute("SELECT text FROM log_lines ORDER BY id")]
    except sqlite3.OperationalError:
        # Killed before it had made its tables.
        return []
    finally:
        connection.close()


def _log(path: Path, output: int) -> None:
    from twisted.internet import reactor

    first = len(numbersIn(path))
    database = Database(cast(IReactorThreads, reactor), str(path))
    database.open()
    robot = Robot(reactor, RobotSettings(plugins={"logs": {"channels": ["net/*"]}}), NamesResolver(CannedSource(), reactor), database)

    async def go() -> None:
        number = first
        await robot.plugins.load("logs")
        while True:
            for _ in range(random.randrange(1, 20)):
                number += 1
                robot.receive(Message(Person("net", "alice"), Place("net", "#dns"), str(number)))
            stored = await database.read(lambda connection: connection.execute("SELECT count(*) FROM log_lines").fetchone()[0])
            os.write(output, f"{stored}\n".encode())

    Deferred.fromCoroutine(go())
    reactor.run()


def _killed(path: Path) -> int:
    """
    Run a robot, kill it at a random moment, and return the number of the last line that it has shown.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _log(path, writing)
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        shown = output.readline()
        time.sleep(random.uniform(0, _SECONDS))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        shown += output.read()
    return max([int(line) for line in shown.split(b"\n")[:-1]], default=0)


def _main(path: Path, moments: int) -> int:
    for _ in range(moments):
        shown = _killed(path)
        numbers = numbersIn(path)
        if numbers != list(range(1, len(numbers) + 1)) or len(numbers) < shown:
            sys.stdout.write(f"{shown} was shown; there are {len(numbers)} lines: {numbers[:10]}…{numbers[-10:]}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]) / FILE, int(sys.argv[2])))
